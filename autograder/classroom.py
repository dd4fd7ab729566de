"""Grade a class: find what is new, spread it over processes, record it, never lose a row."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbgrader.api import InvalidEntry
from sqlalchemy.exc import SQLAlchemyError

from autograder.assignment import AssignmentError, Course, graded_exercises, plain_tests
from autograder.atomic import remove_partial, write_whole
from autograder.circumstances import Circumstances, content_hashes, course_secret
from autograder.database import Notice
from autograder.execute import NO_SANDBOX, Limits, provisioner_name
from autograder.gradebook import GradebookWriter, open_gradebook, timestamp_of
from autograder.grading import Graded, Job
from autograder.intake import collect
from autograder.locks import only_grader
from autograder.pages import released_title
from autograder.results import ClassResult, Finding, SubmissionResult, read_submission, write_json
from autograder.run_log import RunLog, open_log
from autograder.sandbox import view
from autograder.workers import Spread, grade_jobs

Progress = Callable[[SubmissionResult, bool], None]


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


def grade_class(
    course: Course,
    assignment: str,
    *,
    sandbox: str,
    workers: int = 1,
    spread: Spread | None = None,
    limits: Limits | None = None,
    progress: Progress = lambda result, cached: None,
    notice: Notice = lambda message: None,
) -> ClassResult:
    """Grade all submissions of an assignment that are new or whose circumstances changed.

    A result that is on disk under the same key, with its notebook and gradebook row in place, is
    taken over as it is. ``progress`` is told of each result and whether it was taken over,
    ``notice`` what else a person should know while it happens. Jobs go to ``spread``, or else to
    as many processes of this machine as there are ``workers``.

    The run may be ended at any instant: the next one goes on, and leaves the gradebook as one
    undisturbed run would have left it.

    Raises:
        AssignmentError: the assignment is not released, or nothing was submitted, or what is
            released imports a reference that the sandbox must hide.
        Busy: another process grades this assignment.
        CannotStore: the disk is full, or the gradebook may not be written or is held for long.
        SandboxError: a protection does not hold on this machine; nothing was recorded.
        ValueError: no sandbox of that name.
    """
    provisioner_name(sandbox)
    paths = course.released(assignment)
    if not paths:
        raise AssignmentError(
            f"{course.release(assignment)} does not exist: run `autograder release {assignment} "
            f"--course {course.root}` first."
        )
    names = students(course, assignment)
    with (
        only_grader(course, assignment),
        open_gradebook(course, assignment, notice=notice) as gradebook,
        open_log(course, assignment) as log,
    ):
        released = _released(paths, gradebook.tests(), notice)
        if sandbox != NO_SANDBOX:
            _hide_references(released.values())
        secret = course_secret(course)
        circumstances = Circumstances(assignment, released, secret, sandbox, limits or Limits())
        _tidy_up(course, assignment, set(names))
        log.write("run started", students=len(names), workers=workers, **circumstances.described())
        run = _Run(course, circumstances, gradebook, log, progress)
        jobs = run.jobs(names)
        for graded, sound in spread(jobs) if spread else grade_jobs(jobs, workers):
            run.record(graded, sound)
        run.finish()
    results = tuple(run.results[name] for name in names)
    now = datetime.now(UTC).isoformat("T", "seconds")
    return ClassResult(assignment, released_title(course.root, assignment), results, now)


class _Run:
    """One run over a class: which jobs there are, and where their results go."""

    def __init__(
        self,
        course: Course,
        circumstances: Circumstances,
        gradebook: GradebookWriter,
        log: RunLog,
        progress: Progress,
    ):
        self._course = course
        self._assignment = circumstances.assignment
        self._circumstances = circumstances
        self._gradebook = gradebook
        self._log = log
        self._progress = progress
        self._hashes: dict[str, dict[str, str | None]] = {}
        self._policy = gradebook.late_policy
        self._policy_file = course.root / ".grading" / f"{self._assignment}.policy"
        self.results: dict[str, SubmissionResult] = {}

    def jobs(self, names: Iterable[str]) -> Iterator[Job]:
        """Read submissions one by one, as they are asked for; unchanged ones are taken over.

        Of those, only the late penalty is new where the late policy changed.
        """
        same_policy = _text(self._policy_file) == self._policy
        for name in names:
            job = self._job(name)
            known = _known(result_file(self._course, self._assignment, name))
            if known is None or known.key != job.key or not self._gradebook.has(name):
                self._hashes[name] = content_hashes(job.submission)
                yield job
                continue
            if not same_policy:
                self._gradebook.penalise(name)
            self.results[name] = known
            self._progress(known, True)

    def _job(self, student: str) -> Job:
        """What a student handed in, and when; never raises for what it holds."""
        folder = self._course.submitted(student, self._assignment)
        submission = collect(folder, list(self._circumstances.released))
        timestamp, problem = timestamp_of(folder)
        if problem is not None:
            submission = replace(submission, findings=(*submission.findings, problem))
        return self._circumstances.job(submission, timestamp)

    def record(self, graded: Graded, sound: bool) -> None:
        """Store the marks, then the notebooks, then the result, which says that all is there.

        What the grader failed on stays out of the gradebook and gets no key: the next run tries
        again.
        """
        result = graded.result
        path = result_file(self._course, self._assignment, result.student)
        self._withdraw(path)
        try:
            if sound:
                folder = self._course.submitted(result.student, self._assignment)
                self._gradebook.record(result.student, graded.notebooks, timestamp_of(folder)[0])
        except (SQLAlchemyError, InvalidEntry, OSError) as problem:
            message = f"The marks could not be stored ({problem}); grade again to try once more."
            finding = Finding("not recorded", message)
            result = replace(
                result,
                status="problems",
                reason=f"{message} {result.reason}",
                findings=(*result.findings, finding),
            )
            sound = False
        result = result if sound else replace(result, key="")
        self._log_graded(result, graded.device)
        write_json(path, result)
        self.results[result.student] = result
        self._progress(result, False)

    def _withdraw(self, path: Path) -> None:
        """Take its key from a result that is about to be another.

        If this run ended before it is, the old key would stand for marks that are no longer there.
        """
        known = _known(path)
        if known is not None and known.key:
            write_json(path, replace(known, key=""))

    def _log_graded(self, result: SubmissionResult, device: str) -> None:
        self._log.write(
            "graded",
            student=result.student,
            submitted=self._hashes.pop(result.student, None),
            key=result.key,
            seeds=self._circumstances.seeds(result.student),
            device=device,
            seconds=result.seconds,
            status=result.status,
            score=result.score,
            max_score=result.max_score,
            findings=[finding.kind for finding in result.findings],
        )

    def finish(self) -> None:
        """Note that everything is done: the log's last line, and the policy that now holds."""
        write_whole(self._policy_file, self._policy.encode())
        statuses = [result.status for result in self.results.values()]
        self._log.write("run ended", **{s: statuses.count(s) for s in sorted(set(statuses))})


def result_file(course: Course, assignment: str, student: str) -> Path:
    """Where a student's result is kept."""
    return course.root / "results" / assignment / f"{student}.json"


def _released(
    paths: Mapping[str, Path], tests: Mapping[str, Mapping[str, str]], notice: Notice
) -> dict[str, str]:
    """The released notebooks as they are to be run: plain tests with the lines hidden in them."""
    released = {}
    for name, path in paths.items():
        notebook = nbformat.read(path, as_version=4)
        graded_exercises(notebook)
        released[name] = path.read_text(encoding="utf-8")
        if plain := plain_tests(notebook):
            notice(
                f"{len(plain)} tests of {name} call no check, as {plain[0]!r}: they are judged in "
                "the student's own process, where a hostile notebook can forge their outcome."
            )
            for cell in notebook.cells:
                grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
                if grade_id in plain:
                    cell.source = tests.get(name, {}).get(grade_id, cell.source)
            released[name] = nbformat.writes(notebook)
    return released


def _hide_references(released: Iterable[str]) -> None:
    """Refuse a notebook that cannot run in the sandbox, since it imports its own solutions."""
    for text in released:
        notebook = nbformat.reads(text, as_version=4)
        oracles = [exercise.oracle for exercise in graded_exercises(notebook).values()]
        shown = view.reveals(view.imports_of(notebook), oracles)
        if shown:
            raise AssignmentError(
                f"The released notebook's imports lead to {', '.join(shown)}, which its exercises "
                "ask for. Import a module that does not, and release again."
            )


def _known(path: Path) -> SubmissionResult | None:
    try:
        return read_submission(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None


def _tidy_up(course: Course, assignment: str, students: set[str]) -> None:
    """Remove what a killed run left half, and the results of work that was withdrawn."""
    results = course.root / "results" / assignment
    for folder in (results, *(course.autograded(name, assignment) for name in students)):
        remove_partial(folder)
    for path in results.glob("*.json"):
        if path.stem not in students:
            path.unlink()
