"""Grade one submission: plain data in, a result and a graded notebook out.

No file of the course and no database is touched here, so that it can run in any process. Student
code runs in a kernel (see ``execute``); what is right is decided in this process alone.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import monotonic

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import determine_grade, is_grade, is_solution, is_task

from autograder.answer_code import code_of_exercise
from autograder.assignment import graded_exercises, is_anchor
from autograder.checks.cases import Answer, Case, make_request, read_answers
from autograder.checks.judge import Verdict, judge
from autograder.checks.spec import Exercise, draw_cases
from autograder.checks.wire import WireError
from autograder.execute import CellRun, Limits, run_notebook
from autograder.intake import Intake, Submission, rebuild
from autograder.results import ExerciseResult, Finding, SubmissionResult
from autograder.sandbox.view import imports_of

# Worth knowing, but nothing that a person has to look into.
MILD = frozenset({"old format", "renamed notebook", "wrong encoding"})
_DRIVE = "from autograder.checks.drive import publish_answers\npublish_answers(globals(), {!r})"


@dataclass(frozen=True)
class Job:
    """All that is needed to grade one submission, as plain data."""

    submission: Submission
    assignment: str
    released: str
    secret: bytes
    sandbox: str
    limits: Limits
    key: str


@dataclass(frozen=True)
class Graded:
    """A submission's result and its notebook, the verdicts written into it."""

    result: SubmissionResult
    notebook: str


@dataclass(frozen=True)
class _Question:
    """What one graded cell asks of the kernel."""

    exercise: Exercise
    nonce: str
    cases: list[list[Case]]


@dataclass(frozen=True)
class _Outcome:
    """An exercise's result and, where the answers could be judged, the whole verdict."""

    result: ExerciseResult
    verdict: Verdict | None


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
    released = nbformat.reads(job.released, as_version=4)
    exercises = graded_exercises(released)
    intake = rebuild(job.submission.content, released)
    findings = [*job.submission.findings, *intake.findings]
    runs: dict[int, CellRun] = {}
    if intake.readable:
        runs, outcomes = _run_and_judge(job, intake.notebook, exercises, imports_of(released))
        findings += _run_findings(intake.notebook, runs, job.limits)
    else:
        outcomes = _not_run(exercises, findings[-1].message)
    notebook = _write_verdicts(intake.notebook, runs, outcomes)
    result = _summary(job, intake, notebook, findings, outcomes, monotonic() - began)
    return Graded(result, nbformat.writes(notebook))


def ungraded(job: Job, kind: str, message: str) -> Graded:
    """The result of a submission whose grading itself broke down: no points, the cause named."""
    released = nbformat.reads(job.released, as_version=4)
    intake = rebuild(job.submission.content, released)
    findings = [*job.submission.findings, *intake.findings, Finding(kind, message)]
    outcomes = _not_run(graded_exercises(released), message)
    notebook = _write_verdicts(intake.notebook, {}, outcomes)
    result = _summary(job, intake, notebook, findings, outcomes, 0.0)
    return Graded(result, nbformat.writes(notebook))


# ---------------------------------------------------------------- running and judging


def _run_and_judge(
    job: Job,
    notebook: NotebookNode,
    exercises: dict[str, Exercise],
    imports: Sequence[str],
) -> tuple[dict[int, CellRun], dict[str, _Outcome]]:
    asked: dict[str, _Question] = {}
    runs = _run(job, notebook, exercises, imports, asked)
    outcomes = {}
    for index, run in runs.items():
        grade_id = notebook.cells[index].metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in exercises:
            verdict = _verdict(asked.get(grade_id), run, notebook, exercises)
            outcomes[grade_id] = _outcome(exercises[grade_id], verdict, run)
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
        return _DRIVE.format(make_request(exercise.name, question.nonce, question.cases))

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
        raise WireError(_STOPPED[run.status].format(what=f"Calling {name}"))
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


_STOPPED = {
    "time limit": "{what} took too long and was stopped. Is there a loop that never ends?",
    "output limit": "{what} printed without end and was stopped.",
    "memory limit": "{what} took too much memory and was stopped.",
    "disk limit": "{what} wrote too many files and was stopped.",
    "kernel died": "{what} ended the Python process.",
    "not run": "{what} was not reached in the time for the whole notebook.",
}


def _student_code(notebook: NotebookNode) -> list[str]:
    """The sources that are the student's: answers and own cells."""
    return [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and (is_solution(cell) or not is_anchor(cell))
    ]


def _outcome(exercise: Exercise, verdict: Verdict | tuple[str, str], run: CellRun) -> _Outcome:
    seconds = round(run.seconds, 3)
    if isinstance(verdict, tuple):
        status, message = verdict
        result = ExerciseResult(
            exercise.name, exercise.title, 0.0, exercise.points, status, message, seconds=seconds
        )
        return _Outcome(result, None)
    wrong = verdict.misconception
    result = ExerciseResult(
        exercise=exercise.name,
        title=exercise.title,
        points=verdict.points,
        max_points=verdict.max_points,
        status=verdict.status,
        message=verdict.message,
        misconception=wrong.name if wrong else None,
        misconception_title=wrong.title if wrong else None,
        checks=tuple(asdict(check) for check in verdict.checks),
        seconds=seconds,
    )
    return _Outcome(result, verdict)


def _not_run(exercises: dict[str, Exercise], message: str) -> dict[str, _Outcome]:
    run = CellRun("not run")
    return {g: _outcome(e, ("not run", message), run) for g, e in exercises.items()}


# ---------------------------------------------------------------- what is written down


def _write_verdicts(
    notebook: NotebookNode,
    runs: dict[int, CellRun],
    outcomes: dict[str, _Outcome],
) -> NotebookNode:
    """Give every code cell its outputs; a graded cell's are the grader's alone."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        cell["execution_count"] = index + 1 if index in runs else None
        cell["outputs"] = runs[index].outputs if index in runs else []
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in outcomes:
            cell["execution_count"] = index + 1
            cell["outputs"] = _graded_outputs(outcomes[grade_id], index + 1)
    return nbformat.from_dict(notebook)


def _graded_outputs(outcome: _Outcome, count: int) -> list[dict[str, object]]:
    """The readable verdict, then the points as nbgrader reads partial credit."""
    verdict = outcome.verdict
    shown = {"text/plain": outcome.result.message if verdict is None else str(verdict)}
    if verdict is not None:
        shown["text/html"] = verdict._repr_html_()
    points = repr(float(outcome.result.points))
    return [
        {"output_type": "display_data", "metadata": {}, "data": shown},
        {
            "output_type": "execute_result",
            "execution_count": count,
            "metadata": {},
            "data": {"text/plain": points},
        },
    ]


def _run_findings(
    notebook: NotebookNode, runs: dict[int, CellRun], limits: Limits
) -> list[Finding]:
    """What went wrong while the student's code ran, cell by cell."""
    said = {
        "time limit": f"ran longer than {limits.cell:g} s and was stopped",
        "output limit": "printed without end and was stopped",
        "memory limit": "took too much memory and was stopped",
        "disk limit": "wrote too many files and was stopped",
        "kernel died": "ended the Python process; the other cells ran without it",
    }
    findings = []
    for index, run in sorted(runs.items()):
        where = _place(notebook, index)
        if run.status in said:
            findings.append(Finding(run.status, f"{where} {said[run.status]}."))
        elif len(run.answers) > is_grade(notebook.cells[index]):
            message = f"{where} sent answers that nobody asked for; they earned nothing."
            findings.append(Finding("forged answer", message))
        elif _raised(run) and not is_grade(notebook.cells[index]):
            findings.append(Finding("exception", f"{where} raised {run.error}."))
    if any(run.status == "not run" for run in runs.values()):
        message = f"The whole notebook may run for {limits.submission:g} s; the rest was not run."
        findings.append(Finding("time limit", message))
    return findings


def _raised(run: CellRun) -> bool:
    """Whether a cell raised anything but a stub's own exception."""
    return run.status == "error" and not (run.error or "").startswith("NotImplementedError")


def _place(notebook: NotebookNode, index: int) -> str:
    """A cell's name for a message."""
    cell = notebook.cells[index]
    if not is_anchor(cell):
        return f"The student's own cell {index + 1}"
    kind = "test" if is_grade(cell) else "answer" if is_solution(cell) else "locked"
    return f"The {kind} cell {cell.metadata.nbgrader.grade_id!r}"


def _summary(
    job: Job,
    intake: Intake,
    notebook: NotebookNode,
    findings: Sequence[Finding],
    outcomes: dict[str, _Outcome],
    seconds: float,
) -> SubmissionResult:
    exercises = [outcome.result for outcome in outcomes.values()]
    graded = [cell for cell in notebook.cells if is_grade(cell)]
    marks = [determine_grade(cell) for cell in graded]
    tasks = [cell for cell in notebook.cells if is_task(cell)]
    if not intake.readable or all(e.status == "not run" for e in exercises):
        status = "failed"
    elif any(f.kind not in MILD for f in findings) or any(e.status == "error" for e in exercises):
        status = "problems"
    else:
        status = "graded"
    return SubmissionResult(
        student=job.submission.student,
        assignment=job.assignment,
        key=job.key,
        status=status,
        reason=reason(exercises, findings, intake.readable),
        score=float(sum(score or 0.0 for score, _ in marks)),
        max_score=float(
            sum(points for _, points in marks) + sum(t.metadata.nbgrader["points"] for t in tasks)
        ),
        manual=sum(score is None for score, _ in marks) + len(tasks),
        findings=tuple(findings),
        exercises=tuple(exercises),
        seconds=round(seconds, 3),
    )


def reason(
    exercises: Sequence[ExerciseResult], findings: Sequence[Finding], readable: bool = True
) -> str:
    """Say in a sentence or two why the marks are what they are.

    >>> reason([ExerciseResult("f", "F", 2.0, 2.0, "correct", "")], [])
    'All 1 exercises correct.'
    """
    if not readable:
        return f"{findings[-1].message} Nothing could be run."
    correct = sum(e.status == "correct" for e in exercises)
    if correct == len(exercises):
        told = [f"All {correct} exercises correct."]
    else:
        parts = [f"{correct} of {len(exercises)} exercises correct"]
        for status, word in _WORDS.items():
            names = [_named(e) for e in exercises if e.status == status]
            if names:
                parts.append(f"{word}: {', '.join(names)}")
        told = ["; ".join(parts) + "."]
    shown = sorted(findings, key=lambda f: f.kind in MILD)
    told += [f.message for f in shown[:2]]
    if len(shown) > 2:
        told.append(f"Findings not shown here: {len(shown) - 2}.")
    return " ".join(told)


_WORDS = {
    "partial": "partly right",
    "wrong": "wrong",
    "error": "stopped by an error",
    "not attempted": "not attempted",
    "not run": "not run",
}


def _named(exercise: ExerciseResult) -> str:
    if exercise.misconception_title:
        return f"{exercise.exercise} ({exercise.misconception_title})"
    return exercise.exercise
