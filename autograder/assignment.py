"""From an instructor's text notebook to what students receive.

``solutions/<unit>.py`` (jupytext, py:percent) is the only file that is edited by hand. Its cells
carry nbgrader's metadata; from it follow, byte for byte the same each time, nbgrader's source
notebook, the released one with the solutions cut out, and the copy in ``exercises/``.
"""

import ast
import logging
import os
import re
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import IncludeHeaderFooter, InstantiateTests, SaveCells
from nbgrader.utils import is_grade, is_locked, is_solution, is_task
from traitlets.config import Config

from autograder.atomic import write_whole
from autograder.checks.spec import Exercise, load_unit

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE_INFO = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "pygments_lexer": "ipython3",
}
# These touch the database, start a kernel or read files beside the notebook.
_NEED_A_COURSE = (IncludeHeaderFooter, InstantiateTests, SaveCells)


class AssignmentError(Exception):
    """An assignment that cannot be released or read; the message says what to do."""


@dataclass(frozen=True)
class Course:
    """Where nbgrader keeps each step of a course."""

    root: Path

    def source(self, name: str) -> Path:
        """The instructor's notebook, solutions included."""
        return self.root / "source" / name / f"{name}.ipynb"

    def release(self, name: str) -> Path:
        """The notebook that students receive."""
        return self.root / "release" / name / f"{name}.ipynb"

    def submitted(self, student: str, name: str) -> Path:
        """The folder with what a student handed in."""
        return self.root / "submitted" / student / name

    def autograded(self, student: str, name: str) -> Path:
        """The folder with a student's graded notebook."""
        return self.root / "autograded" / student / name

    def released(self, name: str) -> dict[str, Path]:
        """The notebooks that students receive; an assignment of nbgrader's may have several."""
        return {path.stem: path for path in sorted((self.root / "release" / name).glob("*.ipynb"))}

    @property
    def has_gradebook(self) -> bool:
        """Whether nbgrader's database is there; opening it would make an empty one."""
        return (self.root / "gradebook.db").is_file()

    @property
    def database(self) -> str:
        """nbgrader's gradebook, as the address that SQLAlchemy takes."""
        return f"sqlite:///{self.root.resolve() / 'gradebook.db'}"


def source_notebook(text: str) -> NotebookNode:
    """Build the instructor's notebook from a py:percent text; cell ids follow from the text.

    Raises:
        AssignmentError: the text is no notebook, or two cells share a grade_id.
    """
    parsed = jupytext.reads(text, fmt="py:percent")
    taken: set[str] = set()
    for index, cell in enumerate(parsed.cells):
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        name = _slug(grade_id) if grade_id else f"cell-{index}"
        if name in taken:
            raise AssignmentError(
                f"Two cells would have the id {name!r}: give each cell its own grade_id."
            )
        taken.add(name)
        cell["id"] = name
        if cell.cell_type == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return nbformat.from_dict(
        {
            "cells": parsed.cells,
            "metadata": {"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def _slug(grade_id: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "-", grade_id)[:64]


def released_notebook(text: str) -> NotebookNode:
    """Build what students receive from a py:percent text: nbgrader's own steps, no database.

    Raises:
        AssignmentError: a solution region is left open or stands in a cell that is no answer.
    """
    notebook = source_notebook(text)
    resources = ResourcesDict()
    for step in GenerateAssignment.class_traits()["preprocessors"].default():
        if step not in _NEED_A_COURSE:
            try:
                notebook, resources = step().preprocess(notebook, resources)
            except Exception as problem:
                raise AssignmentError(f"nbgrader's {step.__name__} refused: {problem}") from problem
    return notebook


def notebook_bytes(notebook: NotebookNode) -> bytes:
    """Write a notebook the one way that this project writes notebooks."""
    text = nbformat.writes(notebook)
    return (text.rstrip("\n") + "\n").encode("utf-8")


def exercise_of(cell: NotebookNode) -> tuple[str, str] | None:
    """Read which exercise a graded cell checks: ("luong", "masked_softmax"), or None.

    >>> cell = nbformat.v4.new_code_cell('check("luong/general_score", general_score)')
    >>> exercise_of(cell)
    ('luong', 'general_score')
    """
    if cell.cell_type != "code":
        return None
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="check"), args=[ast.Constant(value=str(address)), *_]):
                unit, _, name = address.partition("/")
                return unit, name
    return None


def is_anchor(cell: NotebookNode) -> bool:
    """Whether nbgrader keeps an eye on this cell: an answer, a test, a task or locked text."""
    return is_grade(cell) or is_solution(cell) or is_locked(cell) or is_task(cell)


def is_test(cell: NotebookNode) -> bool:
    """Whether a cell is graded by running it."""
    return bool(cell.cell_type == "code" and is_grade(cell) and not is_solution(cell))


def plain_tests(notebook: NotebookNode) -> list[str]:
    """The grade_ids of tests that call no check: nbgrader's own kind, judged where they run."""
    tests = [cell for cell in notebook.cells if is_test(cell) and exercise_of(cell) is None]
    return [cell.metadata.nbgrader["grade_id"] for cell in tests]


def graded_exercises(notebook: NotebookNode) -> dict[str, Exercise]:
    """Map the grade_id of each test that calls a check to its exercise, held against the spec.

    Raises:
        AssignmentError: a test checks an unknown exercise, has other points than the spec, or an
            exercise is checked twice or never.
    """
    found: dict[str, Exercise] = {}
    units: set[str] = set()
    for cell in notebook.cells:
        address = exercise_of(cell) if is_test(cell) else None
        if address is None:
            continue
        grade_id = cell.metadata.nbgrader["grade_id"]
        unit_name, exercise = _checked(address, cell.metadata.nbgrader)
        if exercise.name in {e.name for e in found.values()}:
            raise AssignmentError(f"Exercise {exercise.name!r} has two graded cells: keep one.")
        found[grade_id] = exercise
        units.add(unit_name)
    for unit_name in units:
        names = {e.name for e in load_unit(unit_name).exercises}
        missing = names - {e.name for e in found.values()}
        if missing:
            raise AssignmentError(
                f"No graded cell for {', '.join(sorted(missing))}: add one that calls "
                f'check("{unit_name}/<name>", <name>).'
            )
    return found


def _checked(address: tuple[str, str], metadata: NotebookNode) -> tuple[str, Exercise]:
    """One test's unit and exercise, its points held against the spec's."""
    unit_name, name = address
    grade_id = metadata["grade_id"]
    exercises = {e.name: e for e in load_unit(unit_name).exercises}
    if name not in exercises:
        raise AssignmentError(
            f"Graded cell {grade_id!r} checks {name!r}; unit {unit_name!r} has "
            f"{', '.join(exercises)}."
        )
    points, wanted = float(metadata["points"]), exercises[name].points
    if points != wanted:
        raise AssignmentError(
            f"Graded cell {grade_id!r} gives {points:g} points, the spec of {name!r} "
            f"{wanted:g}: make them equal."
        )
    return unit_name, exercises[name]


def release(
    name: str, course: Course, solutions: Path, exercises: Path | None = None
) -> tuple[Path, bool]:
    """Write source/ and release/ and register the assignment in the gradebook.

    Returns the released notebook's path and whether anything had to be done.

    Raises:
        AssignmentError: see ``source_notebook`` and ``graded_exercises``; or a test calls no
            check; or nbgrader refuses because submissions of an assignment with other cells are
            in the gradebook.
    """
    text_file = solutions / f"{name}.py"
    if not text_file.is_file():
        raise AssignmentError(
            f"{text_file} does not exist: write the assignment there, or name its folder "
            "with --solutions."
        )
    text = text_file.read_text(encoding="utf-8")
    released = released_notebook(text)
    graded_exercises(released)
    if plain := plain_tests(released):
        raise AssignmentError(
            f"Graded cell {plain[0]!r} calls no check: "
            'its last line must read check("<unit>/<exercise>", <exercise>).'
        )
    source, target = notebook_bytes(source_notebook(text)), notebook_bytes(released)
    fresh = (
        _holds(course.source(name), source)
        and _holds(course.release(name), target)
        and _registered(name, course)
    )
    if not fresh:
        _create_gradebook(course)
        with _kept_if_refused(course.source(name), course.release(name)):
            write_whole(course.source(name), source)
            _generate(name, course)
        write_whole(course.release(name), target)
    if exercises is not None and not _holds(exercises / f"{name}.ipynb", target):
        write_whole(exercises / f"{name}.ipynb", target)
        fresh = False
    return course.release(name), not fresh


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


@contextmanager
def _kept_if_refused(*paths: Path) -> Iterator[None]:
    """Put files back as they were when nbgrader refuses: it deletes them before it looks."""
    before = {path: path.read_bytes() for path in paths if path.is_file()}
    try:
        yield
    except AssignmentError:
        for path, content in before.items():
            write_whole(path, content)
        raise


def _registered(name: str, course: Course) -> bool:
    if not course.has_gradebook:
        return False
    with Gradebook(course.database) as gradebook:
        return any(a.name == name and a.notebooks for a in gradebook.assignments)


def _create_gradebook(course: Course) -> None:
    """Make nbgrader's empty database; it calls alembic by name, which may not be on the PATH."""
    if course.has_gradebook:
        return
    course.root.mkdir(parents=True, exist_ok=True)
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), before])
    try:
        Gradebook(course.database).close()
    finally:
        os.environ["PATH"] = before


def _generate(name: str, course: Course) -> None:
    """Run nbgrader's generate_assignment, its log kept for the message when it refuses."""
    log = logging.getLogger("autograder.nbgrader")
    said: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    log.propagate = False
    folder = CourseDirectory(root=str(course.root.resolve()), assignment_id=name)
    config = Config({"GenerateAssignment": {"force": True}})
    try:
        GenerateAssignment(coursedir=folder, config=config, log=log).start()
    except (NbGraderException, SystemExit) as problem:
        told = next((line for line in said if "RuntimeError: " in line), "\n".join(said))
        reason = told.rsplit("RuntimeError: ", 1)[-1].strip() or str(problem)
        raise AssignmentError(
            f"nbgrader could not release {name!r} into {course.root}: {reason}"
        ) from problem
    finally:
        log.removeHandler(handler)
