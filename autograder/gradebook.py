"""The one writer of nbgrader's gradebook and of the autograded notebooks.

Everything is stored as ``nbgrader autograde`` stores it, by nbgrader's own steps, so that its
grading pages, manual marks, late penalties, feedback and exports work on it. Unlike there, a
submission's rows are one transaction: all of them are in the database, or none.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Assignment, Grade, SubmittedAssignment, SubmittedNotebook
from nbgrader.utils import is_grade, is_locked, is_solution, parse_utc
from sqlalchemy.exc import SAWarning
from traitlets.config import Config
from traitlets.config.loader import ConfigFileNotFound, PyFileConfigLoader

from autograder.assignment import AssignmentError, Course
from autograder.atomic import write_whole
from autograder.database import PATIENCE, AssignPenalties, Database, Notice, SaveGrades
from autograder.results import Finding

_LOG = logging.getLogger("autograder.nbgrader")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False
_LONGEST_TIMESTAMP = 200


def timestamp_of(folder: Path) -> tuple[str | None, Finding | None]:
    """Read when a folder was submitted from nbgrader's timestamp.txt, if there is a sound one."""
    path = folder / "timestamp.txt"
    if path.is_symlink() or not path.is_file():
        return None, None
    with path.open("rb") as file:
        text = file.read(_LONGEST_TIMESTAMP).decode("utf-8", "replace").strip()
    try:
        if text:
            parse_utc(text)
            return text, None
    except (ValueError, OverflowError):
        pass
    message = f"timestamp.txt holds {text[:40]!r}, which is no time; the work counts as on time."
    return None, Finding("unreadable timestamp", message)


class GradebookWriter:
    """Records graded submissions of one assignment; only one may be open at a time."""

    def __init__(self, course: Course, assignment: str, database: Database):
        self._course = course
        self._assignment = assignment
        self._database = database
        self._config = _nbgrader_config(course.root)
        with database.transaction(writing=True) as gradebook:  # may it be written at all?
            known = {a.name: [n.name for n in a.notebooks] for a in gradebook.assignments}
        self._notebooks = known.get(assignment, [])
        if not self._notebooks:
            raise _unknown(course, assignment)

    def tests(self) -> dict[str, dict[str, str]]:
        """The source of every locked cell by notebook and grade_id, hidden tests included."""
        with self._database.transaction(writing=False) as gradebook:
            notebooks = gradebook.find_assignment(self._assignment).notebooks
            return {
                notebook.name: {c.name: c.source for c in notebook.source_cells if c.locked}
                for notebook in notebooks
            }

    @property
    def late_policy(self) -> str:
        """What decides on a late penalty: the due date and the course's configuration."""
        with self._database.transaction(writing=False) as gradebook:
            due = gradebook.find_assignment(self._assignment).duedate
        return f"due {due}\n{_policy_text(self._course.root)}"

    def penalise(self, student: str) -> None:
        """Take off what the late policy now says, from work that is graded already."""
        with self._database.transaction(writing=True) as gradebook:
            for row in gradebook.find_submission(self._assignment, student).notebooks:
                AssignPenalties(config=self._config, log=_LOG).assign(gradebook, row)

    def has(self, student: str) -> bool:
        """Whether the graded notebooks and their rows in the gradebook are all there."""
        folder = self._course.autograded(student, self._assignment)
        if not all((folder / f"{name}.ipynb").is_file() for name in self._notebooks):
            return False
        return student in self._booked

    @cached_property
    def _booked(self) -> set[str]:
        """The students whose rows are all there.

        Asked for once for a class: nbgrader's tables have no index by which one student's rows
        would be found without looking at everybody's.
        """
        with self._database.transaction(writing=False) as gradebook:
            submitted = (
                gradebook.db.query(SubmittedAssignment.student_id)
                .join(SubmittedAssignment.assignment)
                .filter(Assignment.name == self._assignment)
            )
            unmarked = (
                submitted.join(SubmittedAssignment.notebooks)
                .join(SubmittedNotebook.grades)
                .filter(Grade.auto_score.is_(None), Grade.manual_score.is_(None))
                .filter(Grade.needs_manual_grade.is_not(True))
            )
            return {student for (student,) in submitted.except_(unmarked)}

    def record(self, student: str, notebooks: Mapping[str, str], timestamp: str | None) -> None:
        """Store graded notebooks and the marks that their outputs carry.

        Manual marks and comments that a person gave stay. Where what they marked is another now,
        nbgrader asks for another look; where it is the same, it does not.

        Raises:
            CannotStore: the disk or the database refuses, this student and every other.
            SQLAlchemyError, InvalidEntry, OSError: it refuses this student alone.
        """
        graded = {name: nbformat.reads(text, as_version=4) for name, text in notebooks.items()}
        with self._database.transaction(writing=True) as gradebook:
            gradebook.update_or_create_student(student)
            booked = gradebook.update_or_create_submission(
                self._assignment, student, timestamp=timestamp
            )
            for row in booked.notebooks:
                self._save(row, graded[row.name])
                AssignPenalties(config=self._config, log=_LOG).assign(gradebook, row)
        self._booked.add(student)
        self._write_files(student, notebooks, timestamp)

    def _save(self, row: SubmittedNotebook, graded: NotebookNode) -> None:
        settled = {g.name: g.auto_score for g in row.grades if _settled_by_hand(g)}
        same: set[str] = set()
        if settled:
            same = _same_work(self._stored(row.student.id, row.name), graded)
        SaveGrades(config=self._config, log=_LOG).save(row, graded)
        for grade in row.grades:
            if grade.name in same & settled.keys() and grade.auto_score == settled[grade.name]:
                grade.needs_manual_grade = False

    def _stored(self, student: str, name: str) -> NotebookNode | None:
        """The graded notebook that a person saw who marked by hand."""
        path = self._course.autograded(student, self._assignment) / f"{name}.ipynb"
        try:
            return nbformat.read(path, as_version=4)
        except Exception:  # it is gone, or somebody spoiled it: as if nothing were known
            return None

    def _write_files(
        self, student: str, notebooks: Mapping[str, str], timestamp: str | None
    ) -> None:
        """Write what nbgrader leaves in autograded/, read-only as it leaves it."""
        folder = self._course.autograded(student, self._assignment)
        for name, text in notebooks.items():
            write_whole(folder / f"{name}.ipynb", text.encode(), mode=0o444)
        if timestamp is None:
            (folder / "timestamp.txt").unlink(missing_ok=True)
        else:
            write_whole(folder / "timestamp.txt", f"{timestamp}\n".encode(), mode=0o444)


@contextmanager
def open_gradebook(
    course: Course,
    assignment: str,
    *,
    notice: Notice = lambda message: None,
    patience: float = PATIENCE,
) -> Iterator[GradebookWriter]:
    """Open the gradebook for writing one assignment's marks, and close it again.

    ``notice`` is told, for ``patience`` seconds, who holds the gradebook.

    Raises:
        AssignmentError: the assignment was never released into this course.
        CannotStore: the gradebook may not be written, or somebody does not let go of it.
    """
    if not course.has_gradebook:
        raise _unknown(course, assignment)
    database = Database(course.root.resolve() / "gradebook.db", notice, patience)
    try:
        with warnings.catch_warnings():
            # nbgrader's models, written for SQLAlchemy 1, are told so at every new submission.
            warnings.simplefilter("ignore", SAWarning)
            yield GradebookWriter(course, assignment, database)
    finally:
        database.close()


def _unknown(course: Course, assignment: str) -> AssignmentError:
    return AssignmentError(
        f"{course.root / 'gradebook.db'} knows no assignment {assignment!r}: run "
        f"`autograder release {assignment} --course {course.root}` first."
    )


def _settled_by_hand(grade: Grade) -> bool:
    return grade.manual_score is not None and not grade.needs_manual_grade


def _same_work(before: NotebookNode | None, now: NotebookNode) -> set[str]:
    """The graded cells for which whoever marked them by hand would find the same work again.

    For a written answer that is the answer; for a test it is the test and all of the answers.
    """
    if before is None:
        return set()
    all_same = _work(before) == _work(now)
    old = {name: _content(cell) for name, cell in _graded(before).items()}
    return {
        name
        for name, cell in _graded(now).items()
        if old.get(name) == _content(cell) and (all_same or is_solution(cell))
    }


def _graded(notebook: NotebookNode) -> dict[str, NotebookNode]:
    return {c.metadata.nbgrader["grade_id"]: c for c in notebook.cells if is_grade(c)}


def _work(notebook: NotebookNode) -> list[tuple[str, Any]]:
    return [_content(cell) for cell in notebook.cells if not is_locked(cell)]


def _content(cell: NotebookNode) -> tuple[str, Any]:
    return cell.source, cell.get("attachments")


def _policy_text(root: Path) -> str:
    try:
        return (root / "nbgrader_config.py").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _nbgrader_config(root: Path) -> Config:
    """The course's own nbgrader_config.py, where a late policy is named."""
    try:
        return PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    except ConfigFileNotFound:
        return Config()
