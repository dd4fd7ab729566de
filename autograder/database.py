"""nbgrader's database, written in whole transactions that wait for others and say for whom."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.api import Comment, Grade, Gradebook, InvalidEntry, SubmittedNotebook
from nbgrader.preprocessors import AssignLatePenalties, NbGraderPreprocessor, SaveAutoGrades
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.orm import scoped_session, sessionmaker

from autograder.atomic import CannotStore
from autograder.locks import holders

Notice = Callable[[str], None]
PATIENCE = 120.0
_BETWEEN_NOTICES = 5.0


class Database:
    """The file behind a gradebook.

    ``patience`` is how many seconds to wait for a program that holds it; ``notice`` is told who
    that is, again and again.
    """

    def __init__(self, file: Path, notice: Notice, patience: float = PATIENCE):
        self._file = file
        self._notice = notice
        self._patience = patience
        self._engine = _engine(file, min(patience, _BETWEEN_NOTICES))

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    @contextmanager
    def transaction(self, *, writing: bool) -> Iterator[Gradebook]:
        """Open the gradebook; at the end all that was done to it is stored, or nothing.

        Raises:
            CannotStore: the database may not be written, is full, or somebody holds it for long.
        """
        with self._engine.connect().execution_options(writing=writing) as connection:
            self._begin(connection)
            gradebook = _InTransaction(connection)
            try:
                yield gradebook
                gradebook.db.flush()
                connection.commit()
            except InvalidEntry as problem:  # nbgrader's word for any trouble while it writes
                if isinstance(problem.__context__, DatabaseError):
                    self._refuse(problem.__context__)
                raise
            except DatabaseError as problem:
                self._refuse(problem)
                raise
            finally:
                gradebook.db.remove()

    def _begin(self, connection: Connection) -> None:
        deadline = monotonic() + self._patience
        while True:
            try:
                connection.begin()
                return
            except DatabaseError as problem:
                if not _is_held(problem) or monotonic() > deadline:
                    self._refuse(problem)
                self._notice(f"{self._file} is held by {holders(self._file)}; waiting for it.")

    def _refuse(self, problem: DatabaseError) -> None:
        """Say what is wrong with the database, unless it is a single entry that it refuses."""
        if isinstance(problem, IntegrityError):
            return
        why, remedy = str(problem.orig), "make room, or mend the file"
        if _is_held(problem):
            why = f"{holders(self._file)} has held it for {self._patience:g} s"
            remedy = "close that program"
        elif "readonly" in why:
            remedy = "get the right to write it and its folder"
        raise CannotStore(
            f"{self._file} takes no marks: {why}. What was stored before is whole: {remedy}, and "
            "run this again to go on."
        ) from problem


def _is_held(problem: DatabaseError) -> bool:
    return "locked" in str(problem.orig)


def _engine(file: Path, seconds: float) -> Engine:
    """Connections whose transactions begin when they are told to, and hold the whole database.

    Who writes takes the database at once: a transaction that first reads could be refused in the
    middle, or at its end, where nobody can wait for it any more.
    """
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": seconds})

    @event.listens_for(engine, "connect")
    def leave_transactions_alone(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options()["writing"]
        connection.exec_driver_sql("BEGIN EXCLUSIVE" if writing else "BEGIN")

    return engine


class _InTransaction(Gradebook):
    """nbgrader's gradebook within a transaction, which its own commits do not end."""

    def __init__(self, connection: Connection):
        sessions = sessionmaker(
            bind=connection, join_transaction_mode="rollback_only", expire_on_commit=False
        )
        self.engine = connection.engine
        self.db = scoped_session(sessions)
        self.course_id = "default_course"
        self.authenticator = None


class SaveGrades(SaveAutoGrades):
    """nbgrader's step, into a gradebook that is open."""

    def save(self, row: SubmittedNotebook, work: NotebookNode) -> None:
        """Store the points and automatic comments that a notebook's cells carry."""
        self.gradebook = _OneNotebook(row)
        self.notebook_id = self.assignment_id = self.student_id = ""  # there is but this one
        NbGraderPreprocessor.preprocess(self, work, ResourcesDict())


class _OneNotebook:
    """What nbgrader's step asks a gradebook about one notebook, read all at once."""

    def __init__(self, row: SubmittedNotebook):
        self._grades = {grade.name: grade for grade in row.grades}
        self._comments = {comment.name: comment for comment in row.comments}
        self.db = self

    def find_grade(self, name: str, *_: str) -> Grade:
        """The row of a graded cell."""
        return self._grades[name]

    def find_comment(self, name: str, *_: str) -> Comment:
        """The row of a cell that may be commented on."""
        return self._comments[name]

    def commit(self) -> None:
        """All cells are committed at once, by who asked for the step."""


class AssignPenalties(AssignLatePenalties):
    """nbgrader's step, into a gradebook that is open."""

    def assign(self, gradebook: Gradebook, row: SubmittedNotebook) -> None:
        """Store what the course's late policy takes off one notebook."""
        seconds = row.assignment.total_seconds_late
        penalty = None
        if seconds > 0:
            gradebook.db.flush()
            gradebook.db.refresh(row)  # the score is the database's own sum
            self.init_plugin()
            penalty = self.plugin_inst.late_submission_penalty(row.student.id, row.score, seconds)
        if penalty is not None:
            penalty = self._check_late_penalty(row, penalty)
        row.late_submission_penalty = penalty
