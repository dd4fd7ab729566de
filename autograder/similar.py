"""Submissions so alike that a person should look: a list to read, never a verdict.

Code is compared as tokens (copydetect's), so that other names, comments and spaces hide nothing.
What was released counts for nothing, nor does what many students wrote.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from itertools import combinations
from pathlib import Path

import nbformat
from copydetect import CodeFingerprint
from nbformat import NotebookNode
from nbgrader.utils import is_solution

from autograder.assignment import Course, is_anchor

_TOKENS = 20  # how long a passage has to be, in characters of tokens, to be compared
_WINDOW = 1  # every passage: a sample of them would change from run to run, as Python's hashes do
_FEWEST = 25  # passages: two works that share less are too short to tell
ALIKE = 0.6
_COMMON = 0.05


@dataclass(frozen=True)
class Pair:
    """Two students, and the part of the shorter work that is found in the other."""

    one: str
    other: str
    share: float


def similar_pairs(works: Mapping[str, str], released: str, *, alike: float = ALIKE) -> list[Pair]:
    """Find the pairs of works that share at least ``alike`` of the shorter one, most alike first.

    What more than one in twenty students wrote, and more than three of them, is common knowledge.
    """
    given = _passages(released)
    holders: dict[int, list[str]] = defaultdict(list)
    for student in sorted(works):
        for passage in _passages(works[student]) - given:
            holders[passage].append(student)
    most = max(3, round(_COMMON * len(works)))
    own = [students for students in holders.values() if len(students) <= most]
    written = Counter(student for students in own for student in students)
    shared = Counter(pair for students in own for pair in combinations(students, 2))
    pairs = [
        Pair(one, other, count / min(written[one], written[other]))
        for (one, other), count in shared.items()
        if count >= _FEWEST
    ]
    chosen = [pair for pair in pairs if pair.share >= alike]
    return sorted(chosen, key=lambda pair: (-pair.share, pair.one, pair.other))


def similar_submissions(course: Course, assignment: str, students: list[str]) -> list[Pair]:
    """Compare what the students of a graded assignment wrote themselves."""
    works = {name: _code(course.autograded(name, assignment)) for name in students}
    return similar_pairs(works, _code(course.release(assignment).parent))


def _code(folder: Path) -> str:
    """The code in answers and own cells of a folder's notebooks."""
    notebooks = [nbformat.read(path, as_version=4) for path in sorted(folder.glob("*.ipynb"))]
    return "\n\n".join(cell.source for n in notebooks for cell in n.cells if _is_own(cell))


def _is_own(cell: NotebookNode) -> bool:
    return bool(cell.cell_type == "code" and (is_solution(cell) or not is_anchor(cell)))


def _passages(code: str) -> set[int]:
    """The fingerprints of a text of Python; none of one too short for any."""
    if len(code.strip()) < _TOKENS:
        return set()
    fingerprint = CodeFingerprint("work.py", _TOKENS, _WINDOW, fp=StringIO(code))
    return {int(value) for value in fingerprint.hashes}
