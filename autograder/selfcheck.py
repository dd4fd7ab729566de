"""What a student can do before handing in: run the notebook from the top and read the verdicts."""

from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution

from autograder.execute import NO_SANDBOX, CellRun, Limits, run_notebook


@dataclass(frozen=True)
class CheckedCell:
    """One check of a student's notebook: what it said and what it gave."""

    name: str
    text: str
    points: float
    max_points: float


def check_notebook(path: Path, timeout: float) -> list[CheckedCell]:
    """Run a notebook, in its folder and with its reader's rights; the file stays as it is.

    Raises:
        ValueError: the file is no notebook, or has no check in it.
    """
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except Exception as problem:
        raise ValueError(f"{path} is no notebook that can be read: {problem}") from problem
    checks = [
        index
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)
    ]
    if not checks:
        raise ValueError(f"{path} holds no check: is it the notebook that you were given?")
    limits = Limits(cell=timeout, submission=timeout * len(notebook.cells))
    runs = run_notebook(
        notebook, {}, sandbox=NO_SANDBOX, limits=limits, folder=path.resolve().parent
    )
    return [_checked(notebook.cells[index], runs[index]) for index in checks]


def _checked(cell: NotebookNode, run: CellRun) -> CheckedCell:
    name = cell.metadata.nbgrader["grade_id"]
    most = float(cell.metadata.nbgrader["points"])
    shown, points = [], 0.0
    for output in run.outputs:
        text = output.get("data", {}).get("text/plain", "")
        if output["output_type"] == "execute_result":
            points = _points(text)
        elif output["output_type"] == "display_data":
            shown.append(text)
    if run.status != "ok":
        shown.append(f"{name}: {run.error or run.status}")
    return CheckedCell(name, "\n".join(shown), points, most)


def _points(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
