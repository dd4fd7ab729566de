"""The one writer of nbgrader's gradebook and of the autograded notebooks.

Everything is stored as ``nbgrader autograde`` stores it, by nbgrader's own steps, so that its
grading pages, manual marks, late penalties, feedback and exports work on it.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbconvert.exporters.exporter import ResourcesDict
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades
from nbgrader.utils import parse_utc
from sqlalchemy.exc import SAWarning, SQLAlchemyError
from traitlets.config import Config
from traitlets.config.loader import ConfigFileNotFound, PyFileConfigLoader

from autograder.assignment import AssignmentError, Course
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
    """Records graded submissions of one assignment; only one may be open at a time.

    Raises:
        AssignmentError: the assignment was never released into this course.
    """

    def __init__(self, course: Course, assignment: str):
        self._course = course
        self._assignment = assignment
        unknown = AssignmentError(
            f"{course.root / 'gradebook.db'} knows no assignment {assignment!r}: run "
            f"`autograder release {assignment} --course {course.root}` first."
        )
        if not course.has_gradebook:
            raise unknown
        self._config = _nbgrader_config(course.root)
        self._gradebook = Gradebook(course.database)
        try:
            self._gradebook.find_notebook(assignment, assignment)
        except MissingEntry:
            self._gradebook.close()
            raise unknown from None

    def close(self) -> None:
        """Let go of the database."""
        self._gradebook.close()

    def has(self, student: str) -> bool:
        """Whether a graded notebook and its row in the gradebook are both there."""
        folder = self._course.autograded(student, self._assignment)
        if not (folder / f"{self._assignment}.ipynb").is_file():
            return False
        try:
            row = self._gradebook.find_submission(self._assignment, student)
        except MissingEntry:
            return False
        grades = [grade for notebook in row.notebooks for grade in notebook.grades]
        return all(g.auto_score is not None or g.needs_manual_grade for g in grades)

    def record(self, student: str, notebook: str, timestamp: str | None) -> None:
        """Store a graded notebook and the marks that its outputs carry.

        Manual marks and comments that a person gave stay; where there are manual marks, nbgrader
        asks for another look.

        Raises:
            SQLAlchemyError: the database refuses, because another program holds it, say.
            OSError: the notebook could not be written.
        """
        try:
            self._store(student, notebook, timestamp)
        except SQLAlchemyError:
            self._gradebook.db.rollback()
            raise

    def _store(self, student: str, notebook: str, timestamp: str | None) -> None:
        self._gradebook.update_or_create_student(student)
        self._gradebook.update_or_create_submission(self._assignment, student, timestamp=timestamp)
        self._gradebook.db.commit()
        self._save(student, notebook)
        self._write_files(student, notebook, timestamp)

    def _save(self, student: str, notebook: str) -> None:
        resources = ResourcesDict(
            nbgrader={
                "notebook": self._assignment,
                "assignment": self._assignment,
                "student": student,
                "db_url": self._course.database,
            }
        )
        graded = nbformat.reads(notebook, as_version=4)
        for step in (SaveAutoGrades, AssignLatePenalties):
            step(config=self._config, log=_LOG).preprocess(graded, resources)
        self._gradebook.db.expire_all()

    def _write_files(self, student: str, notebook: str, timestamp: str | None) -> None:
        folder = self._course.autograded(student, self._assignment)
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / f"{self._assignment}.ipynb", notebook)
        if timestamp is None:
            (folder / "timestamp.txt").unlink(missing_ok=True)
        else:
            _replace(folder / "timestamp.txt", timestamp + "\n")


@contextmanager
def open_gradebook(course: Course, assignment: str) -> Iterator[GradebookWriter]:
    """Open the gradebook for writing one assignment's marks, and close it again."""
    writer = GradebookWriter(course, assignment)
    try:
        with warnings.catch_warnings():
            # nbgrader's models, written for SQLAlchemy 1, are told so at every new submission.
            warnings.simplefilter("ignore", SAWarning)
            yield writer
    finally:
        writer.close()


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, read-only as nbgrader leaves it."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    scratch.chmod(0o444)
    os.replace(scratch, path)


def _nbgrader_config(root: Path) -> Config:
    """The course's own nbgrader_config.py, where a late policy is named."""
    try:
        return PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    except ConfigFileNotFound:
        return Config()
