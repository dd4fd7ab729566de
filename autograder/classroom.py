"""Grade a class: find what is new, spread it over processes, record it, never lose a row."""

import hashlib
import json
import multiprocessing
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from sqlalchemy.exc import SQLAlchemyError

import attention_lib
import autograder
from autograder.assignment import AssignmentError, Course, graded_exercises
from autograder.checks.spec import load_unit
from autograder.execute import AUTO_SANDBOX, NO_SANDBOX, Limits, provisioner_name
from autograder.gradebook import GradebookWriter, open_gradebook, timestamp_of
from autograder.grading import Graded, Job, grade_submission, ungraded
from autograder.intake import Submission, collect
from autograder.results import ClassResult, Finding, SubmissionResult, read_submission, write_json
from autograder.sandbox import doctor, view
from autograder.sandbox.protocol import SandboxError

Progress = Callable[[SubmissionResult, bool], None]
_SHAPES_RESULTS = (
    "answer_code.py",
    "assignment.py",
    "execute.py",
    "grading.py",
    "intake.py",
    "results.py",
    "checks",
    "sandbox",
    "specs",
)
_VERSIONS = ("torch", "numpy", "nbgrader", "nbformat", "ipykernel", "jupyter_client")


@dataclass(frozen=True)
class Arrival:
    """A submission as found in the course: what was handed in, and when."""

    submission: Submission
    timestamp: str | None


def students(course: Course, assignment: str) -> list[str]:
    """The students who have a folder for the assignment, in order.

    Raises:
        AssignmentError: there is none, or a folder's name cannot be written down.
    """
    names = []
    for folder in sorted((course.root / "submitted").glob("*/")):
        if folder.name.startswith(".") or not os.path.lexists(folder / assignment):
            continue
        if not folder.name.isprintable():
            raise AssignmentError(
                f"The folder {str(folder)!r} has a name that is no readable text: rename it."
            )
        names.append(folder.name)
    if not names:
        raise AssignmentError(
            f"{course.root / 'submitted'} holds no submission of {assignment!r}: put each "
            f"notebook at submitted/<student>/{assignment}/{assignment}.ipynb."
        )
    return names


def arrival(course: Course, assignment: str, student: str) -> Arrival:
    """Read what a student handed in; never raises for what it holds."""
    folder = course.submitted(student, assignment)
    submission = collect(folder, assignment)
    timestamp, problem = timestamp_of(folder)
    if problem is not None:
        submission = replace(submission, findings=(*submission.findings, problem))
    return Arrival(submission, timestamp)


def grade_class(
    course: Course,
    assignment: str,
    *,
    sandbox: str,
    workers: int = 1,
    limits: Limits | None = None,
    progress: Progress = lambda result, cached: None,
) -> ClassResult:
    """Grade all submissions of an assignment that are new or whose circumstances changed.

    A result that is on disk under the same key, with its notebook and gradebook row in place, is
    taken over as it is. ``progress`` is told of each result and whether it was taken over.

    Raises:
        AssignmentError: the assignment is not released, or nothing was submitted, or what is
            released imports a reference that the sandbox must hide.
        SandboxError: a protection does not hold on this machine; nothing was recorded.
        ValueError: no sandbox of that name.
    """
    provisioner_name(sandbox)
    released = _released(course, assignment)
    if sandbox != NO_SANDBOX:
        _hide_references(released)
    names = students(course, assignment)
    circumstances = Circumstances(
        assignment, released, course_secret(course), sandbox, limits or Limits()
    )
    with open_gradebook(course, assignment) as gradebook:
        run = _Run(course, circumstances, gradebook, progress)
        for graded, sound in grade_jobs(run.jobs(names), workers):
            run.record(graded, sound)
    _forget_others(course, assignment, set(names))
    results = tuple(run.results[name] for name in names)
    now = datetime.now(UTC).isoformat("T", "seconds")
    return ClassResult(assignment, load_unit(assignment).title, results, now)


@dataclass(frozen=True)
class Circumstances:
    """What all submissions of a run have in common."""

    assignment: str
    released: str
    secret: bytes
    sandbox: str
    limits: Limits

    @cached_property
    def digest(self) -> str:
        """Changes with anything, outside a submission, that its result depends on."""
        limits = repr(self.limits)
        return _digest(self.released, self.sandbox, limits, self.secret.hex(), environment_digest())

    def job(self, found: Arrival) -> Job:
        """The job of grading one submission."""
        return Job(
            submission=found.submission,
            assignment=self.assignment,
            released=self.released,
            secret=self.secret,
            sandbox=self.sandbox,
            limits=self.limits,
            key=_key(found, self.digest),
        )


class _Run:
    """One run over a class: which jobs there are, and where their results go."""

    def __init__(
        self,
        course: Course,
        circumstances: Circumstances,
        gradebook: GradebookWriter,
        progress: Progress,
    ):
        self._course = course
        self._circumstances = circumstances
        self._gradebook = gradebook
        self._progress = progress
        self.results: dict[str, SubmissionResult] = {}

    def jobs(self, names: Iterable[str]) -> Iterator[Job]:
        """Read submissions one by one, as they are asked for; unchanged ones are taken over."""
        for name in names:
            job = self._circumstances.job(
                arrival(self._course, self._circumstances.assignment, name)
            )
            known = _known(result_file(self._course, job.assignment, name), job.key)
            if known is None or not self._gradebook.has(name):
                yield job
            else:
                self.results[name] = known
                self._progress(known, True)

    def record(self, graded: Graded, sound: bool) -> None:
        """Store the notebook, then the marks, then the result, which says that all is there.

        What the grader failed on stays out of the gradebook and gets no key: the next run tries
        again.
        """
        result = graded.result
        timestamp, _ = timestamp_of(self._course.submitted(result.student, result.assignment))
        try:
            if sound:
                self._gradebook.record(result.student, graded.notebook, timestamp)
        except (SQLAlchemyError, OSError) as problem:
            message = f"The marks could not be stored ({problem}); grade again to try once more."
            finding = Finding("not recorded", message)
            result = replace(
                result,
                status="problems",
                reason=f"{message} {result.reason}",
                findings=(*result.findings, finding),
            )
            sound = False
        if not sound:
            result = replace(result, key="")
        write_json(result_file(self._course, result.assignment, result.student), result)
        self.results[result.student] = result
        self._progress(result, False)


def result_file(course: Course, assignment: str, student: str) -> Path:
    """Where a student's result is kept."""
    return course.root / "results" / assignment / f"{student}.json"


def _released(course: Course, assignment: str) -> str:
    path = course.release(assignment)
    if not path.is_file():
        raise AssignmentError(
            f"{path} does not exist: run `autograder release {assignment} --course {course.root}` "
            "first."
        )
    text = path.read_text(encoding="utf-8")
    graded_exercises(nbformat.reads(text, as_version=4))
    return text


def _hide_references(released: str) -> None:
    """Refuse a notebook that cannot run in the sandbox, since it imports its own solutions."""
    notebook = nbformat.reads(released, as_version=4)
    oracles = [exercise.oracle for exercise in graded_exercises(notebook).values()]
    shown = view.reveals(view.imports_of(notebook), oracles)
    if shown:
        raise AssignmentError(
            f"The released notebook's imports lead to {', '.join(shown)}, which its exercises ask "
            "for. Import a module that does not, and release again."
        )


def _known(path: Path, key: str) -> SubmissionResult | None:
    try:
        result = read_submission(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return result if result.key == key else None


def _forget_others(course: Course, assignment: str, students: set[str]) -> None:
    """Remove results of submissions that are no longer there, so that no report shows them."""
    for path in (course.root / "results" / assignment).glob("*.json"):
        if path.stem not in students:
            path.unlink()


# ---------------------------------------------------------------- what a result depends on


def course_secret(course: Course) -> bytes:
    """Read the course's secret, from which cases are drawn; made once, for its owner alone."""
    path = course.root / "grading-secret"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return bytes.fromhex(path.read_text(encoding="ascii"))
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
    return course_secret(course)


def environment_digest() -> str:
    """A digest of all code and versions that can change a result."""
    digest = hashlib.sha256(sys.version.encode())
    for name in _VERSIONS:
        digest.update(f"{name} {version(name)}\n".encode())
    home = Path(autograder.__path__[0])
    for root in [Path(attention_lib.__path__[0]), *(home / part for part in _SHAPES_RESULTS)]:
        for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            digest.update(path.relative_to(root.parent).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _key(found: Arrival, circumstances: str) -> str:
    submission = found.submission
    content = b"" if submission.content is None else submission.content
    findings = json.dumps([[f.kind, f.message] for f in submission.findings])
    return _digest(
        circumstances,
        submission.student,
        hashlib.sha256(content).hexdigest(),
        findings,
        str(found.timestamp),
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


# ---------------------------------------------------------------- many processes


def grade_jobs(jobs: Iterator[Job], workers: int) -> Iterator[tuple[Graded, bool]]:
    """Grade jobs in ``workers`` processes; each comes back once, in the order of completion.

    The flag is False when the grader itself failed on a job. A job that kills its process is
    tried once more by itself; if it does so again, it is named, and the others go on.
    """
    first = next(jobs, None)
    while first is not None:
        suspects: list[Job] = []
        yield from _pool(chain([first], jobs), workers, suspects)
        for job in suspects:
            alone: list[Job] = []
            yield from _pool(iter([job]), 1, alone)
            if alone:
                yield ungraded(job, "grader killed", _KILLED), True
        first = next(jobs, None)


_KILLED = "Running this notebook killed the grading process, twice."


def _pool(jobs: Iterator[Job], workers: int, broken: list[Job]) -> Iterator[tuple[Graded, bool]]:
    """Take jobs until there are no more or a process dies; what ran then is broken.

    Only as many jobs are handed out as there are workers: few are in memory, and few are under
    suspicion.
    """
    running: dict[Future[Graded], Job] = {}
    with (
        TemporaryDirectory(prefix="grade-", ignore_cleanup_errors=True) as scratch,
        ProcessPoolExecutor(workers, _context(), _keep_scratch_in, (scratch,)) as pool,
    ):
        while True:
            while not broken and len(running) < workers and (job := next(jobs, None)):
                try:
                    running[pool.submit(_grade, job)] = job
                except BrokenProcessPool:
                    broken.append(job)
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                problem = future.exception()
                if isinstance(problem, SandboxError):
                    raise problem
                if isinstance(problem, BrokenProcessPool):
                    broken.append(job)
                elif problem is not None:
                    message = f"The grader failed: {type(problem).__name__}: {problem}"
                    yield ungraded(job, "grader failed", message), False
                else:
                    yield future.result(), True


def _grade(job: Job) -> Graded:
    """Grade one submission, once this process has seen that the sandbox holds where it runs.

    Raises:
        SandboxError: a protection is missing here.
    """
    if provisioner_name(job.sandbox) == provisioner_name(AUTO_SANDBOX):
        released = nbformat.reads(job.released, as_version=4)
        if holes := _holes(view.imports_of(released)):
            raise SandboxError(holes)
    return grade_submission(job)


@cache
def _holes(imports: tuple[str, ...]) -> str:
    return doctor.missing(doctor.examine(imports))


def _keep_scratch_in(folder: str) -> None:
    """Let this process put its scratch folders where they are removed even if it is killed."""
    tempfile.tempdir = folder


def _context() -> multiprocessing.context.BaseContext:
    """Workers forked from a clean process that has imported the grader once.

    Not forked from this one: torch's threads would not survive it.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["autograder.grading"])
    return context
