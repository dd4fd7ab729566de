"""What one graded cell came to, and the graded notebook in which nbgrader reads it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import determine_grade

from autograder.checks.judge import Verdict
from autograder.checks.spec import Exercise
from autograder.execute import CellRun
from autograder.results import ExerciseResult


@dataclass(frozen=True)
class Outcome:
    """A graded cell's result, and the outputs that show it and carry its points.

    ``plain`` marks a test of nbgrader's own kind, whose points came out of the kernel.
    """

    result: ExerciseResult
    outputs: list[dict[str, Any]]
    plain: bool = False


STOPPED = {
    "time limit": "{what} took too long and was stopped. Is there a loop that never ends?",
    "output limit": "{what} printed without end and was stopped.",
    "memory limit": "{what} took too much memory and was stopped.",
    "disk limit": "{what} wrote too many files and was stopped.",
    "kernel died": "{what} ended the Python process.",
    "not run": "{what} was not reached in the time for the whole notebook.",
}


def judged_outcome(exercise: Exercise, verdict: Verdict | tuple[str, str], run: CellRun) -> Outcome:
    """What the judge said of an exercise, or (status, message) where there was nothing to judge."""
    seconds = round(run.seconds, 3)
    if isinstance(verdict, tuple):
        status, message = verdict
        result = ExerciseResult(
            exercise.name, exercise.title, 0.0, exercise.points, status, message, seconds=seconds
        )
        return Outcome(result, _shown(0.0, {"text/plain": message}))
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
    shown = {"text/plain": str(verdict), "text/html": verdict._repr_html_()}
    return Outcome(result, _shown(verdict.points, shown))


def plain_outcome(cell: NotebookNode, run: CellRun, message: str = "") -> Outcome:
    """What nbgrader makes of a test's outputs, but that a word on stderr costs nothing."""
    outputs = [output for output in run.outputs if output.get("name") != "stderr"]
    points, status = 0.0, "not run" if run.status == "not run" else "error"
    if run.status in ("ok", "error"):
        tested = nbformat.from_dict({**cell, "outputs": outputs})
        try:
            points = float(determine_grade(tested)[0])
            status, message = _word(points, tested), run.error or "The test passed."
        except (KeyError, ValueError) as problem:
            message = f"The test ended with a value that is no number of points: {problem}."
    message = message or STOPPED[run.status].format(what="The test")
    if status in ("error", "not run"):  # so that nbgrader, too, reads no points
        told = {"ename": "NotGraded", "evalue": message, "traceback": [message]}
        outputs = [{"output_type": "error", **told}, *outputs]
    known = cell.metadata.nbgrader
    result = ExerciseResult(
        exercise=known["grade_id"],
        title=known["grade_id"],
        points=points,
        max_points=float(known["points"]),
        status=status,
        message=message,
        seconds=round(run.seconds, 3),
    )
    return Outcome(result, outputs, plain=True)


def _word(points: float, cell: NotebookNode) -> str:
    if points >= float(cell.metadata.nbgrader["points"]):
        return "correct"
    return "partial" if points > 0 else "wrong"


def write_outcomes(
    notebook: NotebookNode, runs: Mapping[int, CellRun], outcomes: Mapping[str, Outcome]
) -> NotebookNode:
    """Give every code cell its outputs; those of a graded cell are its outcome's alone."""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        cell["execution_count"] = index + 1 if index in runs else None
        cell["outputs"] = runs[index].outputs if index in runs else []
        outcome = outcomes.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if outcome is not None:
            cell["execution_count"] = index + 1
            cell["outputs"] = [_numbered(output, index + 1) for output in outcome.outputs]
    return nbformat.from_dict(notebook)


def _shown(points: float, data: dict[str, str]) -> list[dict[str, Any]]:
    """The readable verdict, then the points as nbgrader reads partial credit."""
    return [
        {"output_type": "display_data", "metadata": {}, "data": data},
        {
            "output_type": "execute_result",
            "metadata": {},
            "data": {"text/plain": repr(float(points))},
        },
    ]


def _numbered(output: dict[str, Any], count: int) -> dict[str, Any]:
    is_result = output["output_type"] == "execute_result"
    return {**output, "execution_count": count} if is_result else output
