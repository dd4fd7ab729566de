"""Grade a class: find what is new, spread it over processes, record it, never lose a row."""

import hashlib
import json
import multiprocessing
import os
import secrets
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import nbformat

import attention_lib
import autograder
from autograder.assignment import AssignmentError, Course, graded_exercises
from autograder.checks.spec import load_unit
from autograder.execute import Limits, provisioner_name
from autograder.gradebook import GradebookWriter, open_gradebook, timestamp_of
from autograder.grading import Graded, Job, grade_submission, ungraded
from autograder.intake import Submission, collect
from autograder.results import ClassResult, SubmissionResult, read_submission, write_json

Progress = Callable[[SubmissionResult, bool], None]
_SHAPES_RESULTS = (
    "answer_code.py",
    "assignment.py",
    "execute.py",
    "grading.py",
    "intake.py",
    "results.py",
    "checks",
    "specs",
)
_VERSIONS = ("torch", "numpy", "nbgrader", "nbformat", "ipykernel", "jupyter_client")


@dataclass(frozen=True)
class Arrival:
    """A submission as found in the course: its content, its time and its folder."""

    submission: Submission
    timestamp: str | None


def submissions(course: Course, assignment: str) -> list[Arrival]:
    """Find every student who has a folder for the assignment, in order."""
    arrivals = []
    for folder in sorted((course.root / "submitted").glob("*/")):
        target = folder / assignment
        if folder.name.startswith(".") or not os.path.lexists(target):
            continue
        submission = collect(target, assignment)
        timestamp, problem = timestamp_of(target)
        if problem is not None:
            submission = replace(submission, findings=(*submission.findings, problem))
        arrivals.append(Arrival(submission, timestamp))
    return arrivals


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
        AssignmentError: the assignment is not released, or nothing was submitted.
        ValueError: no sandbox of that name.
    """
    provisioner_name(sandbox)
    limits = limits or Limits()
    released = _released(course, assignment)
    arrivals = submissions(course, assignment)
    if not arrivals:
        raise AssignmentError(
            f"{course.root / 'submitted'} holds no submission of {assignment!r}: put each "
            f"notebook at submitted/<student>/{assignment}/{assignment}.ipynb."
        )
    secret = course_secret(course)
    circumstances = _digest(released, sandbox, repr(limits), secret.hex(), environment_digest())
    results: dict[str, SubmissionResult] = {}
    jobs: list[Job] = []
    times = {arrival.submission.student: arrival.timestamp for arrival in arrivals}
    with open_gradebook(course, assignment) as gradebook:
        for arrival in arrivals:
            student = arrival.submission.student
            job = Job(
                arrival.submission, assignment, released, secret, sandbox, limits,
                _key(arrival, circumstances),
            )  # fmt: skip
            known = _known(result_file(course, assignment, student), job.key)
            if known is not None and gradebook.has(student):
                results[student] = known
                progress(known, True)
            else:
                jobs.append(job)
        for graded, sound in grade_jobs(jobs, workers):
            student = graded.result.student
            results[student] = _record(course, gradebook, graded, times[student], sound)
            progress(results[student], False)
    _forget_others(course, assignment, set(results))
    unit = load_unit(assignment)
    ordered = tuple(results[a.submission.student] for a in arrivals)
    return ClassResult(assignment, unit.title, ordered, datetime.now(UTC).isoformat("T", "seconds"))


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


def _record(
    course: Course, gradebook: GradebookWriter, graded: Graded, timestamp: str | None, sound: bool
) -> SubmissionResult:
    """Store the notebook, then the marks, then the result: the last one says that all is there.

    When the grader itself failed, nothing goes into the gradebook and the result gets no key, so
    that the next run tries again.
    """
    result = graded.result
    if sound:
        gradebook.record(result.student, graded.notebook, timestamp)
    else:
        result = replace(result, key="")
    write_json(result_file(course, result.assignment, result.student), result)
    return result


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


def _key(arrival: Arrival, circumstances: str) -> str:
    submission = arrival.submission
    content = b"" if submission.content is None else submission.content
    findings = json.dumps([[f.kind, f.message] for f in submission.findings])
    return _digest(
        circumstances,
        submission.student,
        hashlib.sha256(content).hexdigest(),
        findings,
        str(arrival.timestamp),
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


# ---------------------------------------------------------------- many processes


def grade_jobs(jobs: Iterable[Job], workers: int) -> Iterator[tuple[Graded, bool]]:
    """Grade jobs in ``workers`` processes; each comes back once, in the order of completion.

    The flag is False when the grader itself failed on a job. A job that kills its process is
    tried once more by itself; if it does so again, it is named, and the others go on.
    """
    waiting = deque(jobs)
    while waiting:
        suspects: list[Job] = []
        yield from _pool(waiting, workers, suspects)
        for job in suspects:
            alone: list[Job] = []
            yield from _pool(deque([job]), 1, alone)
            if alone:
                yield ungraded(job, "grader killed", _KILLED), True


_KILLED = "Running this notebook killed the grading process, twice."


def _pool(waiting: deque[Job], workers: int, broken: list[Job]) -> Iterator[tuple[Graded, bool]]:
    """Take jobs from ``waiting`` until it is empty or a process dies; what ran then is broken.

    Only as many jobs are handed out as there are workers, so that few are under suspicion.
    """
    running: dict[Future[Graded], Job] = {}
    with ProcessPoolExecutor(workers, mp_context=_context()) as pool:
        while (waiting and not broken) or running:
            while waiting and not broken and len(running) < workers:
                job = waiting.popleft()
                try:
                    running[pool.submit(grade_submission, job)] = job
                except BrokenProcessPool:
                    broken.append(job)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                problem = future.exception()
                if isinstance(problem, BrokenProcessPool):
                    broken.append(job)
                elif problem is not None:
                    message = f"The grader failed: {type(problem).__name__}: {problem}"
                    yield ungraded(job, "grader failed", message), False
                else:
                    yield future.result(), True


def _context() -> multiprocessing.context.BaseContext:
    """Workers forked from a clean process that has imported the grader once.

    Not forked from this one: torch's threads would not survive it.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["autograder.grading"])
    return context
