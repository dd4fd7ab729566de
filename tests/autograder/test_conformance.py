"""nbgrader's own course and the notebooks of its own tests, graded by nbgrader and here.

The two gradebooks are equal field by field, but for what ``autograder.differences`` lists.
"""

import contextlib
import copy
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import nbgrader
import psutil
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from autograder import classroom
from autograder.assignment import Course
from autograder.classroom import grade_class
from autograder.differences import DIFFERENCES
from autograder.execute import Limits

pytestmark = pytest.mark.slow

NBGRADER = Path(nbgrader.__file__).parent
GUIDE = NBGRADER / "docs" / "source" / "user_guide"
SUITE = NBGRADER / "tests" / "apps" / "files"
STEPS = NBGRADER / "tests" / "preprocessors" / "files"
KEPT, BLANK = "the source as it is", "the release as it is"
# For each source notebook of nbgrader's tests, what its students hand in.
CLASSES = {
    SUITE / "submitted-unchanged.ipynb": {
        "unchanged": SUITE / "submitted-unchanged.ipynb",
        "changed": SUITE / "submitted-changed.ipynb",
        "test": SUITE / "submitted-grade-cell-changed.ipynb",
        "locked": SUITE / "submitted-locked-cell-changed.ipynb",
        "cheat": SUITE / "submitted-cheat-attempt.ipynb",
        "other": SUITE / "submitted-cheat-attempt-alternative.ipynb",
    },
    SUITE / "test.ipynb": {"kept": KEPT, "blank": BLANK},
    SUITE / "test-hidden-tests.ipynb": {"kept": KEPT, "blank": BLANK},
    STEPS / "test_taskcell.ipynb": {"kept": KEPT, "blank": BLANK},
    STEPS / "manually-graded-code-cell.ipynb": {"kept": KEPT},
    STEPS / "infinite-recursion.ipynb": {"kept": KEPT},
    SUITE / "validation-zero-points.ipynb": {"kept": KEPT},
    SUITE / "validating-environment-variable.ipynb": {"kept": KEPT},
    SUITE / "autotest-multi.ipynb": {
        "changed": SUITE / "autotest-multi-changed.ipynb",
        "unchanged": SUITE / "autotest-multi-unchanged.ipynb",
    },
    SUITE / "autotest-hidden.ipynb": {
        "right": SUITE / "autotest-hidden-changed-right.ipynb",
        "wrong": SUITE / "autotest-hidden-changed-wrong.ipynb",
    },
}
LIMITS = Limits(cell=60.0, start=120.0)


def folder_of(course: Course, assignment: str) -> CourseDirectory:
    return CourseDirectory(root=str(course.root), assignment_id=assignment)


def release(course: Course, assignment: str, **options) -> None:
    config = Config({"GenerateAssignment": {"force": True}, **options})
    GenerateAssignment(coursedir=folder_of(course, assignment), config=config).start()


def hand_in(course: Course, student: str, assignment: str, notebook: str, content: bytes) -> None:
    folder = course.submitted(student, assignment)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{notebook}.ipynb").write_bytes(content)


def by_nbgrader(course: Course, assignment: str, **options) -> Course:
    """A copy of a course, graded by stock nbgrader."""
    stock = Course(course.root.with_name(f"{course.root.name}-{assignment}-stock"))
    shutil.copytree(course.root, stock.root)
    config = Config({"ExecutePreprocessor": {"timeout": 60}, **options})
    Autograde(coursedir=folder_of(stock, assignment), config=config).start()
    return stock


@pytest.fixture(scope="module", autouse=True)
def scripts_on_the_path():
    with pytest.MonkeyPatch.context() as patch:
        # nbgrader makes a database by calling alembic by name.
        patch.setenv("PATH", sysconfig.get_path("scripts"), prepend=os.pathsep)
        yield


# ---------------------------------------------------------------- the example course


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Course:
    """What ``nbgrader quickstart`` makes, released, with the guide's submissions and some more."""
    course = Course(tmp_path_factory.mktemp("example") / "course101")
    shutil.copytree(GUIDE / "source", course.root / "source", ignore=lambda *_: ["ps1_autotest"])
    shutil.copytree(GUIDE / "submitted", course.root / "submitted")
    header = str(course.root / "source" / "header.ipynb")
    release(course, "ps1", IncludeHeaderFooter={"header": header})
    for name in ("problem1", "problem2"):
        blank = (course.root / "release" / "ps1" / f"{name}.ipynb").read_bytes()
        hand_in(course, "blank", "ps1", name, blank)
        kept = (course.root / "source" / "ps1" / f"{name}.ipynb").read_bytes()
        hand_in(course, "solved", "ps1", name, kept)
    return course


@pytest.fixture(scope="module")
def example_by_nbgrader(example) -> Course:
    return by_nbgrader(example, "ps1")


@pytest.fixture
def ours(example, tmp_path) -> Course:
    shutil.copytree(example.root, tmp_path / "course101")
    return Course(tmp_path / "course101")


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_example_course_gets_nbgraders_gradebook(workers, ours, example_by_nbgrader, booked):
    grade_class(ours, "ps1", sandbox="none", workers=workers, limits=LIMITS)
    assert booked(ours, "ps1") == booked(example_by_nbgrader, "ps1")
    assert len(booked(ours, "ps1")) == 4


def test_the_order_of_students_changes_nothing(ours, example_by_nbgrader, booked, monkeypatch):
    in_order = classroom.students

    def shuffled(*args):
        names = in_order(*args)
        random.Random(1).shuffle(names)
        assert names != sorted(names)
        return names

    monkeypatch.setattr(classroom, "students", shuffled)
    grade_class(ours, "ps1", sandbox="none", workers=2, limits=LIMITS)
    assert booked(ours, "ps1") == booked(example_by_nbgrader, "ps1")


def test_a_command_killed_again_and_again_comes_to_nbgraders_gradebook(
    ours, example_by_nbgrader, booked
):
    command = [sys.executable, "-c", "from autograder.cli import main; main()", "grade", "ps1"]
    command += ["--sandbox", "none", "--course", str(ours.root), "--workers", "2"]
    for rows in range(1, 4):  # at the first word of each student that is done
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = next((line for line in process.stdout if line.startswith("[")), None)
        helpers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert psutil.wait_procs(helpers, timeout=60)[1] == []  # they end with it
        process.stdout.close()
        assert line is not None
        done = list((ours.root / "results" / "ps1").glob("*.json"))
        assert len(done) >= rows
    grade_class(ours, "ps1", sandbox="none", workers=1, limits=LIMITS)
    assert booked(ours, "ps1") == booked(example_by_nbgrader, "ps1")


# ---------------------------------------------------------------- nbgrader's own tests


@pytest.mark.parametrize(
    "source", CLASSES, ids=lambda path: f"{path.parent.parent.name}-{path.stem}"
)
def test_the_notebooks_of_nbgraders_tests_get_its_gradebook(source, tmp_path, booked):
    course, name = Course(tmp_path / "course"), source.stem
    (course.root / "source" / name).mkdir(parents=True)
    shutil.copy(SUITE / "autotests.yml", course.root / "source" / "autotests.yml")
    shutil.copy(SUITE / "autotests.yml", course.root / "source" / name / "autotests.yml")
    shutil.copy(source, course.source(name))
    release(course, name)
    own = {KEPT: course.source(name), BLANK: course.release(name)}
    for student, work in CLASSES[source].items():
        hand_in(course, student, name, name, own.get(work, work).read_bytes())
    stock = by_nbgrader(course, name)
    grade_class(course, name, sandbox="none", workers=1, limits=LIMITS)
    assert booked(course, name) == booked(stock, name)
    assert set(booked(course, name)) == set(CLASSES[source])


# ---------------------------------------------------------------- what is meant to differ

FAILS = "nbgrader gives up"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"


def _cell(grade_id: str, source: str, *, points: float | None = None, **flags):
    metadata = {"grade": False, "solution": False, "locked": False, "task": False, **flags}
    metadata |= {"grade_id": grade_id, "schema_version": 3}
    metadata |= {} if points is None else {"points": points}
    return nbformat.v4.new_code_cell(source, metadata={"nbgrader": metadata})


@pytest.fixture
def small(tmp_path) -> Course:
    """A course with one function, one test of it and one test that gives partial credit."""
    course = Course(tmp_path / "course")
    cells = [
        _cell(
            "f",
            "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION",
            solution=True,
        ),
        _cell("test_f", "assert f() == 1", points=1, grade=True, locked=True),
        _cell("share_f", "f()", points=2, grade=True, locked=True),
    ]
    course.source("small").parent.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), course.source("small"))
    release(course, "small")
    return course


def _changed(course: Course, change) -> bytes:
    notebook = nbformat.read(course.source("small"), as_version=4)
    change(notebook)
    return nbformat.writes(notebook).encode()


def _answer(source: str):
    return lambda notebook: notebook.cells[0].update(source=source)


def _turned_into_text(notebook):
    cell = nbformat.v4.new_markdown_cell(
        notebook.cells[1].source, metadata=notebook.cells[1].metadata
    )
    notebook.cells[1] = cell
    notebook["nbformat_minor"] = 1
    for cell in notebook.cells:
        del cell["id"]


# The work, then (automatic points, waits for a person) of test_f and share_f by each.
SHOWN = {
    "stderr": (
        _answer("import sys\ndef f():\n    print('hm', file=sys.stderr)\n    return 1"),
        [(0, False), (0, False)],
        [(1, False), (1, False)],
    ),
    "deleted test": (
        lambda notebook: notebook.cells.pop(1),
        [(None, True), (1, False)],
        [(1, False), (1, False)],
    ),
    "duplicate cell": (
        lambda notebook: notebook.cells.append(copy.deepcopy(notebook.cells[1])),
        FAILS,
        [(1, False), (1, False)],
    ),
    "changed cell type": (_turned_into_text, FAILS, [(1, False), (1, False)]),
    "unreadable notebook": (b"{", FAILS, [(0, False), (0, False)]),
    "points out of range": (_answer("def f():\n    return 3"), FAILS, [(0, False), (0, False)]),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_meant_to_differ_does_so_in_the_listed_way(name, small):
    work, stock_marks, our_marks = SHOWN[name]
    content = work if isinstance(work, bytes) else _changed(small, work)
    hand_in(small, "ada", "small", "small", content)
    with contextlib.suppress(NbGraderException, SystemExit):
        by_nbgrader(small, "small")
    stock = Course(small.root.with_name("course-small-stock"))
    grade_class(small, "small", sandbox="none", limits=LIMITS)
    assert _marks(small) == our_marks
    assert (stock.autograded("ada", "small") / "small.ipynb").is_file() == (stock_marks != FAILS)
    if stock_marks != FAILS:
        assert _marks(stock) == stock_marks


def _marks(course: Course) -> list[tuple[float | None, bool]]:
    with Gradebook(course.database) as book:
        found = [book.find_grade(n, "small", "small", "ada") for n in ("test_f", "share_f")]
        return [(grade.auto_score, bool(grade.needs_manual_grade)) for grade in found]


def test_a_notebook_that_is_missing_among_several_earns_nothing(ours):
    (ours.submitted("bitdiddle", "ps1") / "problem1.ipynb").unlink()
    for student in ("hacker", "blank", "solved"):
        shutil.rmtree(ours.submitted(student, "ps1"))
    stock = by_nbgrader(ours, "ps1")
    grade_class(ours, "ps1", sandbox="none", limits=LIMITS)
    rows, waits = [], []
    for course in (ours, stock):
        with Gradebook(course.database) as book:
            row = book.find_submission_notebook("problem1", "ps1", "bitdiddle")
            marks = {g.name: (g.auto_score, bool(g.needs_manual_grade)) for g in row.grades}
            [task] = (cell.name for cell in row.notebook.task_cells)
            waits.append(marks.pop(task)[1])
            rows.append(marks)
            comments = {c.name: c.auto_comment for c in row.comments}
        rows.append(comments["sum_of_squares_equation"])
    grades, comment, grades_by_nbgrader, comment_by_nbgrader = rows
    assert grades == grades_by_nbgrader
    assert (comment, comment_by_nbgrader) == ("No response.", None)
    assert waits == [True, False]


def test_every_difference_is_shown_somewhere():
    elsewhere = {"missing notebook", "files", "regrading"}  # two above and below, one by itself
    assert {difference.name for difference in DIFFERENCES} == {*SHOWN} | elsewhere


def test_files_beside_a_notebook_are_not_there_when_it_runs(tmp_path):
    course = Course(tmp_path / "course")
    (course.root / "source" / "small").mkdir(parents=True)
    shutil.copy(SUITE / "open_relative_file.ipynb", course.source("small"))
    shutil.copy(SUITE / "data.txt", course.root / "source" / "small" / "data.txt")
    release(course, "small")
    hand_in(course, "ada", "small", "small", course.release("small").read_bytes())
    stock = by_nbgrader(course, "small")
    grade_class(course, "small", sandbox="none", limits=LIMITS)
    scores = [read_score(c) for c in (stock, course)]
    assert scores == [10, 0]


def read_score(course: Course) -> float:
    with Gradebook(course.database) as book:
        return book.find_submission("small", "ada").score
