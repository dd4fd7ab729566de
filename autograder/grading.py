"""Grade one submission: plain data in, a result and a graded notebook out.

No file of the course and no database is touched here, so that it can run in any process. Student
code runs in a kernel (see ``execute``); what is right is decided in this process alone.
"""

import hashlib
import hmac
import os
import platform
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import monotonic

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_solution

from autograder.answer_code import code_of_exercise
from autograder.assignment import graded_exercises, is_anchor, is_test
from autograder.checks.cases import Answer, Case, make_request, read_answers
from autograder.checks.judge import Verdict, judge
from autograder.checks.spec import Exercise, draw_cases
from autograder.checks.wire import WireError
from autograder.execute import CellRun, Limits, run_notebook
from autograder.intake import Submission, rebuild
from autograder.outcomes import STOPPED, Outcome, judged_outcome, plain_outcome, write_outcomes
from autograder.results import ExerciseResult, Finding, SubmissionResult
from autograder.sandbox.view import imports_of
from autograder.summary import marks_of, reason, run_findings, status_of

_DRIVE = (
    "__import__('autograder.checks.drive', fromlist=['publish_answers'])"
    ".publish_answers(globals(), {!r}, {!r})"
)


@dataclass(frozen=True)
class Job:
    """All that is needed to grade one submission, as plain data.

    ``released`` holds the assignment's notebooks by name, as they are to be run.
    """

    submission: Submission
    assignment: str
    released: Mapping[str, str]
    secret: bytes
    sandbox: str
    limits: Limits
    key: str


@dataclass(frozen=True)
class Graded:
    """A submission's result and its notebooks by name, the verdicts written into them.

    ``device`` says on which machine that was, and what its kernels could compute on.
    """

    result: SubmissionResult
    notebooks: Mapping[str, str]
    device: str


@dataclass(frozen=True)
class _Question:
    """What one graded cell asks of the kernel."""

    exercise: Exercise
    nonce: str
    cases: list[list[Case]]


@dataclass(frozen=True)
class _Part:
    """One notebook of a submission, graded."""

    notebook: NotebookNode
    findings: Sequence[Finding]
    exercises: Sequence[ExerciseResult]
    readable: bool


def case_seed(secret: bytes, student: str, exercise: str) -> int:
    """The seed of a student's cases: known to the grader alone, the same at every grading."""
    text = f"{student}\0{exercise}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hmac.new(secret, text, hashlib.sha256).digest()[:8])


def grade_submission(job: Job) -> Graded:
    """Grade one submission; whatever the student handed in, a result with a reason comes back.

    Raises:
        ExecutionError: no kernel could be started on this machine.
    """
    began = monotonic()
    parts = {name: _grade_notebook(job, name) for name in job.released}
    return _put_together(job, parts, monotonic() - began)


def ungraded(job: Job, kind: str, message: str) -> Graded:
    """The result of a submission whose grading itself broke down: no points, the cause named."""
    parts = {}
    for name, text in job.released.items():
        released = nbformat.reads(text, as_version=4)
        intake = rebuild(job.submission.contents[name], released)
        outcomes = _not_run(released, message)
        notebook = write_outcomes(intake.notebook, {}, outcomes)
        parts[name] = _Part(notebook, intake.findings, _results(job, name, outcomes), False)
    return _put_together(job, parts, 0.0, Finding(kind, message))


def _grade_notebook(job: Job, name: str) -> _Part:
    released = nbformat.reads(job.released[name], as_version=4)
    intake = rebuild(job.submission.contents[name], released)
    findings = list(intake.findings)
    runs: dict[int, CellRun] = {}
    if intake.readable:
        exercises, imports = _asked(job.released[name])
        runs, outcomes = _run_and_judge(job, intake.notebook, exercises, imports)
        judged = [i for i in runs if _grade_id(intake.notebook.cells[i]) in exercises]
        findings += run_findings(intake.notebook, runs, job.limits, judged)
    else:
        known = (*job.submission.findings, *findings)
        outcomes = _not_run(released, known[-1].message)
    notebook = write_outcomes(intake.notebook, runs, outcomes)
    return _Part(notebook, findings, _results(job, name, outcomes), intake.readable)


@lru_cache(maxsize=8)  # the same for a whole class
def _asked(released: str) -> tuple[dict[str, Exercise], tuple[str, ...]]:
    """The exercises of a released notebook, and the modules that it imports."""
    notebook = nbformat.reads(released, as_version=4)
    return graded_exercises(notebook), tuple(imports_of(notebook))


def _put_together(
    job: Job, parts: dict[str, _Part], seconds: float, trouble: Finding | None = None
) -> Graded:
    exercises = [exercise for part in parts.values() for exercise in part.exercises]
    findings = [*job.submission.findings, *(f for part in parts.values() for f in part.findings)]
    findings += [trouble] if trouble else []
    readable = any(part.readable for part in parts.values())
    scores, most, manual = zip(*(marks_of(part.notebook) for part in parts.values()), strict=True)
    result = SubmissionResult(
        student=job.submission.student,
        assignment=job.assignment,
        key=job.key,
        status=status_of(exercises, findings, readable),
        reason=reason(exercises, findings, readable),
        score=sum(scores),
        max_score=sum(most),
        manual=sum(manual),
        findings=tuple(findings),
        exercises=tuple(exercises),
        seconds=round(seconds, 3),
    )
    notebooks = {name: nbformat.writes(part.notebook) for name, part in parts.items()}
    return Graded(result, notebooks, _device())


def _device() -> str:
    """This machine, and whether it shows a GPU: torch is not asked, since it would take hold of it.

    >>> _device().endswith((", cpu", ", cuda"))
    True
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
    gpus = any(Path("/dev").glob("nvidia[0-9]*")) and not hidden
    return f"{platform.node()}, {'cuda' if gpus else 'cpu'}"


def _results(job: Job, notebook: str, outcomes: Mapping[str, Outcome]) -> list[ExerciseResult]:
    """An assignment's results; a plain test of one notebook among several is named with it."""
    return [
        replace(o.result, exercise=f"{notebook}.{o.result.exercise}")
        if o.plain and len(job.released) > 1
        else o.result
        for o in outcomes.values()
    ]


def _grade_id(cell: NotebookNode) -> str | None:
    grade_id: str | None = cell.metadata.get("nbgrader", {}).get("grade_id")
    return grade_id


# ---------------------------------------------------------------- running and judging


def _run_and_judge(
    job: Job,
    notebook: NotebookNode,
    exercises: dict[str, Exercise],
    imports: Sequence[str],
) -> tuple[dict[int, CellRun], dict[str, Outcome]]:
    asked: dict[str, _Question] = {}
    runs = _run(job, notebook, exercises, imports, asked)
    outcomes = {}
    for index, run in runs.items():
        cell = notebook.cells[index]
        grade_id = _grade_id(cell)
        if grade_id in exercises:
            verdict = _verdict(asked.get(grade_id), run, notebook, exercises)
            outcomes[grade_id] = judged_outcome(exercises[grade_id], verdict, run)
        elif grade_id is not None and is_test(cell):
            outcomes[grade_id] = plain_outcome(cell, run)
    return runs, outcomes


def _run(
    job: Job,
    notebook: NotebookNode,
    exercises: dict[str, Exercise],
    imports: Sequence[str],
    asked: dict[str, _Question],
) -> dict[int, CellRun]:
    """Run the notebook; ``asked`` takes each question at the moment when it is put."""

    def drive(grade_id: str) -> str:
        exercise = exercises[grade_id]
        address = f"{job.assignment}/{exercise.name}"
        seed = case_seed(job.secret, job.submission.student, address)
        question = _Question(exercise, secrets.token_hex(16), draw_cases(exercise, seed))
        asked[grade_id] = question
        request = make_request(exercise.name, question.nonce, question.cases)
        return _DRIVE.format(request, exercise.forbidden)

    drives = {g: (lambda g=g: drive(g)) for g in exercises}
    return run_notebook(notebook, drives, sandbox=job.sandbox, limits=job.limits, imports=imports)


def _verdict(
    question: _Question | None,
    run: CellRun,
    notebook: NotebookNode,
    exercises: dict[str, Exercise],
) -> Verdict | tuple[str, str]:
    """Judge the answers of one run, or say (status, message) why there is nothing to judge."""
    if question is None:
        return "not run", "The time for the whole notebook was over before this exercise ran."
    try:
        answers = _answers(question, run)
    except WireError as problem:
        return "error", str(problem)
    name = question.exercise.name
    others = {e.name for e in exercises.values()} - {name}
    source = code_of_exercise(name, _student_code(notebook), others)
    return judge(question.exercise, question.cases, answers, source=source)


def _answers(question: _Question, run: CellRun) -> list[list[Answer]]:
    """The one well-formed answer to a question.

    Raises:
        WireError: there is none, there are two, or it is malformed; with the reason in words.
    """
    name = question.exercise.name
    if run.status not in ("ok", "error"):
        raise WireError(STOPPED[run.status].format(what=f"Calling {name}"))
    if len(run.answers) > 1:
        raise WireError(f"The notebook answered {len(run.answers)} times where one answer is due.")
    if not run.answers:
        raise WireError(run.error or f"{name} was called, but no answer came back.")
    try:
        return read_answers(
            run.answers[0], exercise=name, nonce=question.nonce, cases=question.cases
        )
    except WireError as problem:
        raise WireError(f"The notebook's answer is malformed: {problem}.") from problem


def _student_code(notebook: NotebookNode) -> list[str]:
    """The sources that are the student's: answers and own cells."""
    return [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and (is_solution(cell) or not is_anchor(cell))
    ]


def _not_run(released: NotebookNode, message: str) -> dict[str, Outcome]:
    run = CellRun("not run")
    exercises = graded_exercises(released)
    return {
        cell.metadata.nbgrader.grade_id: judged_outcome(exercise, ("not run", message), run)
        if (exercise := exercises.get(cell.metadata.nbgrader.grade_id))
        else plain_outcome(cell, run, message)
        for cell in released.cells
        if is_test(cell)
    }
