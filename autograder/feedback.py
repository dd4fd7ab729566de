"""Feedback pages: a student's own notebook with the verdict after each graded cell."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nbformat
from markupsafe import Markup
from nbformat import NotebookNode
from nbgrader.api import Gradebook, SubmittedNotebook
from nbgrader.preprocessors import ClearHiddenTests
from nbgrader.utils import is_grade, is_solution, is_task

from autograder.assignment import Course, exercise_of
from autograder.notebook_html import notebook_html
from autograder.pages import (
    environment,
    is_current,
    made_from,
    percent,
    read_results,
    released_title,
    render_page,
    write_atomically,
)
from autograder.processes import clean_processes
from autograder.results import SubmissionResult

# Pages; fewer are written sooner than a process is started.
_WORTH_A_PROCESS = 10


@dataclass(frozen=True)
class Remark:
    """What a person gave for one cell; ``score`` is None while it waits for them."""

    score: float | None
    max_score: float
    comment: str


@dataclass(frozen=True)
class Booked:
    """What the gradebook holds on one student: the marks that count and every cell's remark."""

    score: float
    penalty: float
    remarks: Mapping[str, Remark]


def read_gradebook(course: Path, assignment: str) -> dict[str, Booked]:
    """Read marks by hand, comments and late penalties by student; {} without a gradebook."""
    if not (course / "gradebook.db").exists():
        return {}
    found = {}
    with Gradebook(Course(course).database) as gradebook:
        for submission in gradebook.assignment_submissions(assignment):
            penalty = float(submission.late_submission_penalty or 0.0)
            score = max(0.0, float(submission.score or 0.0) - penalty)
            remarks: dict[str, Remark] = {}
            for notebook in submission.notebooks:
                remarks |= _remarks(notebook)
            found[submission.student_id] = Booked(score, penalty, remarks)
    return found


def _remarks(notebook: SubmittedNotebook) -> dict[str, Remark]:
    # nbgrader notes "No response." on every untouched cell; where a verdict follows, that says it.
    remarks = {c.name: Remark(0.0, 0.0, c.manual_comment or "") for c in notebook.comments}
    comments = {c.name: c.comment or "" for c in notebook.comments}
    for grade in notebook.grades:
        score = None if grade.needs_manual_grade else float(grade.score or 0.0)
        remarks[grade.name] = Remark(score, float(grade.max_score), comments.get(grade.name, ""))
    return remarks


def hide_tests(cell: NotebookNode) -> None:
    """Take nbgrader's hidden tests out of a cell, and the outputs that may quote them.

    A region that is never closed is hidden to the end.
    """
    begin = ClearHiddenTests.begin_test_delimeter.default_value
    end = ClearHiddenTests.end_test_delimeter.default_value
    kept, hidden = [], False
    for line in cell.source.split("\n"):
        hidden = hidden or begin in line
        if not hidden:
            kept.append(line)
        hidden = hidden and end not in line
    source = "\n".join(kept)
    if source != cell.source and cell.cell_type == "code":
        cell.outputs = []
    cell.source = source


def _block(template: str, **context: object) -> str:
    return environment().get_template(template).render(**context)


def place_verdicts(
    notebook: NotebookNode, result: SubmissionResult, remarks: Mapping[str, Remark]
) -> dict[int, str]:
    """Say what follows each cell, by its index: a verdict, marks by hand, a comment.

    Changes the notebook: hidden tests go, and so does a graded cell's output, which the
    verdict repeats.
    """
    verdicts = {verdict.exercise: verdict for verdict in result.exercises}
    placed: dict[int, str] = {}
    for index, cell in enumerate(notebook.cells):
        hide_tests(cell)
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        remark = remarks.get(name)
        address = exercise_of(cell) if is_grade(cell) and not is_solution(cell) else None
        verdict = verdicts.pop(address[1], None) if address else None
        if verdict:
            cell.outputs = []
            placed[index] = _block("verdict.html.j2", verdict=verdict, remark=remark)
        elif (is_grade(cell) and is_solution(cell)) or is_task(cell):
            waits = Remark(None, float(cell.metadata.nbgrader.get("points", 0)), "")
            placed[index] = _block("remark.html.j2", remark=remark or waits, marked=True)
        elif remark and remark.comment:
            placed[index] = _block("remark.html.j2", remark=remark, marked=False)
    return placed


def render_feedback(
    result: SubmissionResult,
    notebook: NotebookNode | None,
    booked: Booked | None = None,
    *,
    title: str,
) -> str:
    """Render one page; ``notebook`` is the graded one, or None when there is none to show."""
    placed = place_verdicts(notebook, result, booked.remarks if booked else {}) if notebook else {}
    body = notebook_html(notebook, placed) if notebook else ""
    score = booked.score if booked else result.score
    shown = "".join(placed.values())
    return render_page(
        "feedback.html.j2",
        styles=["feedback.css"],
        scripts=[],
        result=result,
        title=title,
        score=score,
        penalty=booked.penalty if booked else 0.0,
        share=percent(score, result.max_score),
        body=Markup(body),
        unplaced=[v for v in result.exercises if f'id="verdict-{v.exercise}"' not in shown],
    )


@dataclass(frozen=True)
class _Page:
    """One page to be: what it tells, and where it goes. ``notebook`` is None if there is none."""

    result: SubmissionResult
    booked: Booked | None
    title: str
    notebook: Path | None
    path: Path

    def mark(self) -> str:
        content = self.notebook.read_bytes() if self.notebook else None
        return made_from(self.result, self.booked, self.title, content)

    def write(self) -> None:
        notebook = nbformat.read(self.notebook, as_version=4) if self.notebook else None
        page = render_feedback(self.result, notebook, self.booked, title=self.title)
        write_atomically(self.path, page.rstrip("\n") + "\n" + self.mark())


def _pages(course: Path, assignment: str) -> Iterator[_Page]:
    """Every student's pages; one without a notebook is named as the assignment."""
    results = read_results(course, assignment)
    booked = read_gradebook(course, assignment)
    title = released_title(course, assignment)
    for result in results:
        student = result.student
        if student in ("", ".", "..") or "/" in student or "\0" in student:
            raise ValueError(f"student {student!r} is no folder name; nbgrader needs one")
        folder = course / "feedback" / student / assignment
        graded = Course(course).autograded(student, assignment)
        notebooks: list[Path | None] = [*sorted(graded.glob("*.ipynb"))]
        for notebook in notebooks or [None]:
            name = notebook.stem if notebook else assignment
            yield _Page(result, booked.get(student), title, notebook, folder / f"{name}.html")


def write_feedback(course: Path, assignment: str, workers: int = 1) -> tuple[list[Path], int]:
    """Write every student's page, ``feedback/<student>/<assignment>/<notebook>.html``.

    A student whose notebook could not be run gets a page too: it says why. A page that would say
    what it says already is left as it is.

    Args:
        course: the course directory.
        assignment: its name.
        workers: how many processes may write at the same time.

    Returns:
        all pages, and how many of them were written now.

    Raises:
        FileNotFoundError: the assignment has never been graded.
        ValueError: a result names a student that is no folder's name.
    """
    pages = list(_pages(course, assignment))
    stale = [page for page in pages if not is_current(page.path, page.mark())]
    if min(workers, len(stale) // _WORTH_A_PROCESS) < 2:
        for page in stale:
            page.write()
    else:
        with ProcessPoolExecutor(workers, clean_processes("autograder.feedback")) as pool:
            for _ in pool.map(_Page.write, stale, chunksize=4):
                pass  # an exception in one of them is raised here
    return [page.path for page in pages], len(stale)
