"""What became of a submission, in a sentence and in figures."""

from collections.abc import Collection, Sequence

from nbformat import NotebookNode
from nbgrader.utils import determine_grade, is_grade, is_solution, is_task

from autograder.assignment import is_anchor
from autograder.execute import CellRun, Limits
from autograder.results import ExerciseResult, Finding

# Worth knowing, but nothing that a person has to look into.
MILD = frozenset({"newer format", "old format", "renamed notebook", "wrong encoding"})


def run_findings(
    notebook: NotebookNode, runs: dict[int, CellRun], limits: Limits, judged: Collection[int]
) -> list[Finding]:
    """What went wrong while the student's code ran, cell by cell.

    ``judged`` are the cells in whose place the grader asks for an answer, by their index.
    """
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
        elif len(run.answers) > (index in judged):
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
    if not exercises:
        told = ["Nothing in it is marked automatically."]
    elif correct == len(exercises):
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


def marks_of(notebook: NotebookNode) -> tuple[float, float, int]:
    """What nbgrader will read from a graded notebook: points, most points, answers that wait."""
    cells = [determine_grade(cell) for cell in notebook.cells if is_grade(cell)]
    tasks = [cell.metadata.nbgrader["points"] for cell in notebook.cells if is_task(cell)]
    return (
        float(sum(score or 0.0 for score, _ in cells)),
        float(sum(most for _, most in cells) + sum(tasks)),
        sum(score is None for score, _ in cells) + len(tasks),
    )


def status_of(
    exercises: Sequence[ExerciseResult], findings: Sequence[Finding], readable: bool
) -> str:
    """Whether a submission was graded, has problems, or failed altogether."""
    if not readable or (exercises and all(e.status == "not run" for e in exercises)):
        return "failed"
    if any(f.kind not in MILD for f in findings) or any(e.status == "error" for e in exercises):
        return "problems"
    return "graded"
