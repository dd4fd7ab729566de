"""How notebooks are made of the released one: a base, and steps that change it."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.assignment import notebook_bytes
from autograder.sample import FOLDER, patched

from .corpus import Make, World

POINTS = {
    "masked_softmax": 12,
    "general_score": 12,
    "concat_score": 14,
    "attentional_vector": 10,
    "local_m_mask": 14,
    "local_p_weights": 16,
    "luong_step": 14,
    "alignment_error_rate": 8,
}
# Says of an action whether it could be done; what is refused is no error of the cell.
TRIED = """
import os

def tried(action, *args):
    try:
        print("done:", action.__name__, action(*args) and "")
    except (OSError, MemoryError, RuntimeError) as problem:
        print("refused:", action.__name__, type(problem).__name__)
"""
_RIGHT = FOLDER / "luong" / "王小明.txt"

Base = Callable[[World], NotebookNode]
Step = Callable[[NotebookNode, World], None]


def right(world: World) -> NotebookNode:
    """A notebook in which everything is right: 100 points."""
    return patched(world.released, _RIGHT)


def nothing(world: World) -> NotebookNode:
    """The notebook as it was handed out: 0 points."""
    return copy.deepcopy(world.released)


def partly(world: World) -> NotebookNode:
    """The first two exercises are right: 24 points."""
    notebook, whole = nothing(world), right(world)
    for name in ("masked_softmax", "general_score"):
        find(notebook, name).source = find(whole, name).source
    return notebook


def find(notebook: NotebookNode, grade_id: str) -> NotebookNode:
    """The cell of a grade_id."""
    return notebook.cells[_place(notebook, grade_id)]


def _place(notebook: NotebookNode, grade_id: str) -> int:
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
    return ids.index(grade_id)


def fill(source: str, world: World) -> str:
    """Put what is attacked into a source: COURSE, VICTIM, CANARY, PORT and MARK, as literals."""
    known: dict[str, Any] = {
        "COURSE": str(world.course),
        "VICTIM": str(world.victim),
        "CANARY": str(world.canary),
        "PORT": world.port,
        "MARK": world.mark,
        "POINTS": POINTS,
    }
    return re.sub(rf"\b({'|'.join(known)})\b", lambda m: repr(known[m[1]]), source).strip("\n")


def notebook(base: Base, *steps: Step) -> Make:
    """A notebook made of a base, changed step by step."""

    def make(world: World) -> NotebookNode:
        work = base(world)
        for step in steps:
            step(work, world)
        return work

    return make


def file(base: Base, *steps: Step, change: Callable[[bytes], bytes]) -> Make:
    """The bytes of such a notebook, changed once more."""
    return lambda world: change(notebook_bytes(notebook(base, *steps)(world)))


def json_file(base: Base, change: Callable[[dict[str, Any]], Any]) -> Make:
    """A notebook whose JSON is changed in place, in ways that nbformat would not write."""

    def rewritten(content: bytes) -> bytes:
        data = json.loads(content)
        change(data)
        return json.dumps(data).encode()

    return file(base, change=rewritten)


# ---------------------------------------------------------------- steps


def cell(source: str, at: str = "setup") -> Step:
    """A code cell of the student's own, behind a cell of the notebook, or "first" or "last"."""

    def step(work: NotebookNode, world: World) -> None:
        place = {"first": 0, "last": len(work.cells)}.get(at)
        place = _place(work, at) + 1 if place is None else place
        work.cells.insert(place, new_code_cell(fill(source, world)))

    return step


def markdown(source: str) -> Step:
    """A text cell of the student's own at the end."""
    return lambda work, world: work.cells.append(new_markdown_cell(source.strip("\n")))


def answer(name: str, source: str) -> Step:
    """An answer, or any other cell, with another source."""

    def step(work: NotebookNode, world: World) -> None:
        find(work, name).source = fill(source, world)

    return step


def answer_all(template: str) -> Step:
    """All answers made from one source, in which NAME is the exercise and WORTH its points."""

    def step(work: NotebookNode, world: World) -> None:
        for name, points in POINTS.items():
            source = re.sub(r"\bNAME\b", name, re.sub(r"\bWORTH\b", str(points), template))
            find(work, name).source = fill(source, world)

    return step


def before(name: str, source: str) -> Step:
    """Put lines in front of an answer that is there, in its cell."""

    def step(work: NotebookNode, world: World) -> None:
        held = find(work, name)
        held.source = f"{fill(source, world)}\n{held.source}"

    return step


def delete(grade_id: str) -> Step:
    """Remove a cell."""
    return lambda work, world: work.cells.remove(find(work, grade_id))


def again(grade_id: str, source: str | None = None) -> Step:
    """A second cell of the same grade_id behind the first."""

    def step(work: NotebookNode, world: World) -> None:
        twin = copy.deepcopy(find(work, grade_id))
        twin["id"] = f"{grade_id}-{len(work.cells)}"
        twin.source = twin.source if source is None else fill(source, world)
        work.cells.insert(_place(work, grade_id) + 1, twin)

    return step


def metadata(name: str, /, **changes: Any) -> Step:
    """Other claims in nbgrader's metadata of a cell."""
    return lambda work, world: find(work, name).metadata.nbgrader.update(changes)
