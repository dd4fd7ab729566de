"""What the corpus is made of: attacks, their harmless twins, and all of them in one list."""

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

PAGE = Path(__file__).parents[3] / "book" / "attacks.md"
_MARK = "<!-- corpus -->\n"
KINDS = {
    "forging": "Forging the verdict",
    "channel": "Forging the answers",
    "reading": "Reading the answers",
    "values": "Returning what is no answer",
    "stopping": "Stopping the grader",
    "harming": "Harming others and the machine",
    "escaping": "Leaving the sandbox",
    "files": "Files that are no honest notebooks",
    "cells": "Cells that are not what they were",
    "pages": "Pages that act",
    "archives": "What is collected",
}


@dataclass(frozen=True)
class World:
    """Where an attack takes place; whatever it may harm was made for it.

    ``course`` holds the gradebook, ``victim`` is the notebook that another student handed in,
    ``canary`` a file that anybody may write, in a folder that anybody may write. Somebody listens
    at ``port`` of this machine. ``mark`` is in the name of whatever an attack leaves behind.
    """

    released: NotebookNode
    course: Path
    victim: Path
    canary: Path
    port: int
    mark: str


# A notebook, a file's bytes, or a function that fills the folder of what was handed in; of what is
# collected, the files of a download, whose names have {id} where the platform names the student.
Work = NotebookNode | bytes | Callable[[Path], None] | Mapping[Any, bytes]
Make = Callable[[World], Work]


@dataclass(frozen=True)
class Outcome:
    """What became of one submission: all that was told of it, and its pages.

    ``result`` is None where nothing was there to be graded.
    """

    result: Any
    notebook: NotebookNode | None
    page: str
    collected: str = ""

    @property
    def outputs(self) -> str:
        """What the cells of the graded notebook show, as text."""
        shown: list[str] = []
        for cell in self.notebook.cells if self.notebook else ():
            for output in cell.get("outputs", []):
                shown += [output.get("text", ""), output.get("evalue", "")]
                shown += [str(value) for value in output.get("data", {}).values()]
        return "\n".join(shown)

    @property
    def told(self) -> str:
        """What the instructor reads: reason, findings and the message of each exercise."""
        if self.result is None:
            return self.collected
        findings = [f"{f.kind}: {f.message}" for f in self.result.findings]
        exercises = [f"{e.exercise}: {e.status}: {e.message}" for e in self.result.exercises]
        return "\n".join([self.result.reason, *findings, *exercises, self.collected])


@dataclass(frozen=True)
class Twin:
    """The nearest honest work: what the student does, and the score that it must get.

    ``told`` is what the report says of it, if anything; a twin is never a problem.
    """

    does: str
    make: Make
    score: float = 100
    told: str = ""
    shows: str = ""


@dataclass(frozen=True)
class Attack:
    """One attack, in words for the guide, and what it must come to.

    Args:
        name: of the attack and of its student.
        tries: what it tries, in a sentence.
        make: the work that is handed in.
        score: what the honest part of its work earns; None if there is nothing to grade.
        happens: what becomes of it, in a sentence.
        told: words that the report must use.
        twin: the nearest honest work.
        shows: what the graded notebook must show, for proof that the attack took place.
        never: what no output of the graded notebook may show.
        by: "folder", or how it is collected: "zip", "canvas" or "moodle".
        not_by_stock: why it is not tried on stock nbgrader; "" if it is.
    """

    name: str
    tries: str
    make: Make
    score: float | None
    happens: str
    told: str
    twin: Twin
    shows: str = ""
    never: tuple[str, ...] = ()
    by: str = "folder"
    not_by_stock: str = ""

    @property
    def student(self) -> str:
        """The folder of whoever hands it in."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower())


def attacks_by_kind() -> dict[str, list[Attack]]:
    """All attacks, by the heading under which the guide lists them."""
    package = __name__.rpartition(".")[0]
    return {
        title: importlib.import_module(f"{package}.{module}").ATTACKS
        for module, title in KINDS.items()
    }


def attacks() -> list[Attack]:
    """All attacks."""
    return [attack for some in attacks_by_kind().values() for attack in some]


def table() -> str:
    """The attacks and their twins as the guide shows them, in Markdown."""
    return "\n".join(_lines()).rstrip("\n") + "\n"


def write_page(page: Path = PAGE) -> str:
    """Write the tables of the guide's page anew; its text stays. Returns what the page says then.

    From the top of the repository:
    ``PYTHONPATH=tests/autograder python -c "from attacks import corpus; corpus.write_page()"``
    """
    before, _, after = page.read_text(encoding="utf-8").split(_MARK)
    text = f"{before}{_MARK}\n{table()}\n{_MARK}{after}"
    page.write_text(text, encoding="utf-8")
    return text


def _lines() -> Iterator[str]:
    for title, some in attacks_by_kind().items():
        yield from (f"## {title}", "")
        yield from ("| What it tries | What happens | Score |", "|---|---|---:|")
        yield from (f"| {a.tries} | {a.happens} | {_points(a.score)} |" for a in some)
        yield from ("", "Honest work that looks like it:", "")
        yield from ("| What the student does | Score |", "|---|---:|")
        twins = {attack.twin.does: attack.twin for attack in some}
        yield from (f"| {twin.does} | {_points(twin.score)} |" for twin in twins.values())
        yield ""


def _points(score: float | None) -> str:
    return "–" if score is None else f"{score:g}"
