"""A submitted file is hostile until read: rebuild what will run from the released notebook.

Only sources travel from the student's file: answers by grade_id, and the student's own cells in
their place. Metadata, tests, locked cells and outputs come from the release or are dropped.
"""

import copy
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_locked, is_solution

from autograder.assignment import is_anchor
from autograder.plain_files import Unreadable, read_plain_file, shown
from autograder.results import Finding

MAX_BYTES = 32 * 2**20
MAX_CELLS = 500
MAX_SOURCE = 2**20
MAX_VALUES = 10**6
MAX_FILES = 1000
_IMAGES = ("image/png", "image/jpeg", "image/gif")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
# A string, also one that never ends, or the start of a value: linear in the text, whatever it is.
_VALUE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{,]', re.DOTALL)


@dataclass(frozen=True)
class Submission:
    """The bytes that a student handed in, by notebook, or None and the finding that says why."""

    student: str
    contents: Mapping[str, bytes | None]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Intake:
    """The notebook to grade, built from the released one, and what was noticed on the way.

    ``readable`` is False when nothing of the student's file could be used.
    """

    notebook: NotebookNode
    findings: tuple[Finding, ...]
    readable: bool


def collect(folder: Path, names: Sequence[str]) -> Submission:
    """Read the notebooks of these names from a student's folder, following no link.

    Where one is wanted, the only notebook that is there is taken, whatever it is called.
    """
    contents: dict[str, bytes | None] = {}
    findings: list[Finding] = []
    for name in names:
        try:
            path, found = _find_notebook(folder, name, alone=len(names) == 1)
            contents[name] = read_plain_file(path, MAX_BYTES)
            findings += found
            continue
        except Unreadable as problem:
            reason = str(problem)
        except OSError as problem:
            reason = f"{folder.name} could not be read: {problem.strerror}."
        contents[name] = None
        findings.append(Finding("unreadable notebook", reason))
    return Submission(folder.parent.name, contents, tuple(findings))


def _find_notebook(folder: Path, name: str, *, alone: bool) -> tuple[Path, tuple[Finding, ...]]:
    for part in (folder.parent, folder):
        if part.is_symlink():
            raise Unreadable(f"The folder {part.name} is a symbolic link; links are not followed.")
    wanted = folder / f"{name}.ipynb"
    if os.path.lexists(wanted):
        return wanted, ()
    with os.scandir(folder) as entries:
        names = [entry.name for entry in islice(entries, MAX_FILES + 1)]
    if len(names) > MAX_FILES:
        raise Unreadable(f"There is no {name}.ipynb, but more than {MAX_FILES} other files.")
    others = sorted(n for n in names if n.endswith(".ipynb") and not n.startswith("."))
    if len(others) != 1 or not alone:
        found = ", ".join(shown(n) for n in others[:5]) or "no notebook at all"
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        raise Unreadable(f"There is no {name}.ipynb, but {found}{more}.")
    message = f"The notebook is called {shown(others[0])}, not {name}.ipynb; it was graded."
    return folder / others[0], (Finding("renamed notebook", message),)


def rebuild(content: bytes | None, released: NotebookNode) -> Intake:
    """Build the notebook to grade from the submitted bytes and the released notebook.

    Never raises for anything that the bytes may hold: an unreadable file gives the released
    notebook, whose empty answers earn nothing, and a finding.
    """
    findings: list[Finding] = []
    try:
        if content is not None:
            notebook = _merge(_student_cells(content, findings), released, findings)
            return Intake(notebook, tuple(findings), True)
    except Unreadable as problem:
        findings.append(Finding("unreadable notebook", str(problem)))
    except Exception as problem:  # one file that nobody thought of must not stop the class
        message = f"The file could not be read ({type(problem).__name__})."
        findings.append(Finding("unreadable notebook", message))
    return Intake(copy.deepcopy(released), tuple(findings), False)


# ---------------------------------------------------------------- from bytes to plain cells


@dataclass
class _Cell:
    """What is taken from one cell of a student's notebook."""

    kind: str
    source: str
    grade_id: str | None
    cell_id: str | None
    attachments: dict[str, dict[str, str]]
    claims: dict[str, Any] = field(default_factory=dict)  # the other metadata of nbgrader


class _Oversized(Exception):
    """A cell too long to be run."""


def _student_cells(content: bytes, findings: list[Finding]) -> list[_Cell]:
    data = _parse(_decode(content, findings))
    data = _as_version_4(data, findings)
    raw = data.get("cells")
    if not isinstance(raw, list):
        raise Unreadable("The file is JSON, but it holds no list of cells.")
    if len(raw) > MAX_CELLS:
        findings.append(
            Finding("too many cells", f"{len(raw)} cells; only the first {MAX_CELLS} were read.")
        )
    _check_kernel(data.get("metadata"), findings)
    return list(_plain_cells(raw[:MAX_CELLS], findings))


def _plain_cells(raw: list[Any], findings: list[Finding]) -> Iterator[_Cell]:
    malformed = oversized = 0
    for cell in raw:
        try:
            plain = _plain_cell(cell)
        except _Oversized:
            oversized += 1
            continue
        if plain is None:
            malformed += 1
        else:
            yield plain
    if malformed:
        findings.append(Finding("malformed cell", f"{malformed} cells are malformed: left out."))
    if oversized:
        message = f"{oversized} cells are longer than {MAX_SOURCE:,} characters: left out."
        findings.append(Finding("oversized cell", message))


def _check_kernel(metadata: Any, findings: list[Finding]) -> None:
    """Name a notebook written for another language; how a Python kernel is called is free."""
    metadata = metadata if isinstance(metadata, dict) else {}
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        described = metadata.get(part)
        language = described.get(key) if isinstance(described, dict) else None
        if isinstance(language, str) and language.lower() not in ("python", "python3", "ipython"):
            message = f"The notebook asks for a {shown(language)} kernel; it was run as Python."
            findings.append(Finding("wrong kernel", message))
            return


def _decode(content: bytes, findings: list[Finding]) -> str:
    """Decode UTF-8; another encoding is read as well as can be, and named."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    detected = json.detect_encoding(content)
    encoding = "latin-1" if detected.startswith("utf-8") else str(detected)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as problem:
        raise Unreadable(f"The file is neither UTF-8 nor {encoding}.") from problem
    findings.append(Finding("wrong encoding", f"The file is not UTF-8; it was read as {encoding}."))
    return text


def _parse(text: str) -> dict[str, Any]:
    if sum(1 for _ in islice(_VALUE.finditer(text), MAX_VALUES + 1)) > MAX_VALUES:
        raise Unreadable(
            f"The file's JSON holds more than {MAX_VALUES:,} values; clear its outputs and "
            "submit again."
        )
    try:
        data = json.loads(text)
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        raise Unreadable(f"The file is not valid JSON ({problem.msg}, {where}).") from problem
    except RecursionError as problem:
        raise Unreadable("The file's JSON is nested too deeply.") from problem
    except (ValueError, MemoryError) as problem:
        raise Unreadable(f"The file is not valid JSON ({problem}).") from problem
    if not isinstance(data, dict):
        raise Unreadable("The file is JSON, but no notebook.")
    return data


def _as_version_4(data: dict[str, Any], findings: list[Finding]) -> dict[str, Any]:
    """Bring a notebook of format 1 to 3 to format 4; a newer one is read as if it were 4."""
    version, minor = data.get("nbformat"), data.get("nbformat_minor")
    if type(version) is int and 1 <= version < 4:
        try:
            upgraded = nbformat.convert(nbformat.from_dict(data), 4)
        except Exception as problem:  # any shape of nonsense may come here
            message = f"The notebook's old format {version} could not be upgraded."
            raise Unreadable(message) from problem
        findings.append(Finding("old format", f"Format {version} was upgraded to format 4."))
        return dict(upgraded)
    newest = nbformat.current_nbformat_minor
    if type(version) is not int or version < 1:
        message = "The file does not say a notebook format; it was read as format 4."
        findings.append(Finding("unknown format", message))
    elif version > 4 or (type(minor) is int and minor > newest):
        message = f"The notebook's format is newer than 4.{newest}; it was read as far as known."
        findings.append(Finding("newer format", message))
    return data


def _plain_cell(cell: Any) -> _Cell | None:
    """Take the few fields that are used from a cell, or None if they have no sensible form."""
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = cell.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    if len(source) > MAX_SOURCE:
        raise _Oversized
    metadata = cell.get("metadata")
    known = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    claims = known if isinstance(known, dict) else {}
    grade_id, cell_id = claims.get("grade_id"), cell.get("id")
    return _Cell(
        cell["cell_type"],
        _writable(source),
        grade_id if isinstance(grade_id, str) else None,
        cell_id if isinstance(cell_id, str) else None,
        dict(_images(cell.get("attachments"))),
        claims,
    )


def _writable(text: str) -> str:
    """The text with lone surrogates, which no file can hold, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _images(attachments: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Pictures pasted into a written answer, which a person will want to see."""
    if not isinstance(attachments, dict):
        return
    for name, bundle in attachments.items():
        if isinstance(bundle, dict):
            kept = {
                kind: data
                for kind, data in bundle.items()
                if kind in _IMAGES and isinstance(data, str) and _BASE64.fullmatch(data)
            }
            if kept:
                yield _writable(name), kept


# ---------------------------------------------------------------- into the released notebook


def _merge(cells: list[_Cell], released: NotebookNode, findings: list[Finding]) -> NotebookNode:
    """Put answers and own cells into the released notebook, in the released order."""
    anchors = {c.metadata.nbgrader.grade_id: c for c in released.cells if is_anchor(c)}
    _recognise(cells, anchors, findings)
    chosen = _choose(cells, anchors, findings)
    follows: dict[str | None, list[_Cell]] = {None: []}
    current: str | None = None
    for index, cell in enumerate(cells):
        if chosen.get(cell.grade_id or "") == index:
            current = cell.grade_id
            follows[current] = []
        elif _is_own(cell, anchors):
            follows[current].append(cell)
    merged = [_own_node(cell) for cell in follows[None]]
    for grade_id, anchor in anchors.items():
        _check_claims(cells, anchor, findings)
        answer = cells[chosen[grade_id]] if grade_id in chosen else None
        merged.append(_anchor_node(anchor, answer, findings))
        merged.extend(_own_node(cell) for cell in follows.get(grade_id, []))
    for index, node in enumerate(merged):
        if not is_anchor(node):
            node["id"] = f"own-{index}"
    metadata = copy.deepcopy(released.metadata)
    return nbformat.from_dict(
        {"cells": merged, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    )


def _recognise(
    cells: list[_Cell], anchors: dict[str, NotebookNode], findings: list[Finding]
) -> None:
    """Forget unknown grade_ids; recognise a cell that lost its metadata by its cell id."""
    by_id = {anchor["id"]: grade_id for grade_id, anchor in anchors.items() if "id" in anchor}
    present = {cell.grade_id for cell in cells}
    foreign = []
    for cell in cells:
        if cell.grade_id in anchors:
            continue
        if cell.grade_id:
            foreign.append(repr(shown(cell.grade_id)))
        grade_id = by_id.get(cell.cell_id or "")
        cell.grade_id = grade_id if grade_id not in present else None
    if foreign:
        told = ", ".join(foreign[:3]) + (f" and {len(foreign) - 3} more" * (len(foreign) > 3))
        message = f"This assignment has no cell {told}; what stands there ran as the student's own."
        findings.append(Finding("foreign cell", message))


def _check_claims(cells: list[_Cell], anchor: NotebookNode, findings: list[Finding]) -> None:
    """Name metadata that says something else than the release; it counts for nothing."""
    true = anchor.metadata.nbgrader
    claims = [cell.claims for cell in cells if cell.grade_id == true["grade_id"]]
    if any(c["points"] != true.get("points", 0) for c in claims if "points" in c):
        message = f"Cell {true['grade_id']!r} claims other points than it has; they are ignored."
        findings.append(Finding("changed points", message))
    flags = ("grade", "solution", "locked", "task")
    if any(c[flag] != true.get(flag, False) for c in claims for flag in flags if flag in c):
        message = f"Cell {true['grade_id']!r} claims to be of another kind; it is not."
        findings.append(Finding("changed metadata", message))


def _is_own(cell: _Cell, anchors: dict[str, NotebookNode]) -> bool:
    """Whether a cell that is no anchor runs as the student's own.

    A second copy of a test or of an empty answer is dropped; a second answer is kept as code,
    as it would run in the student's notebook.
    """
    anchor = anchors.get(cell.grade_id or "")
    return anchor is None or (is_solution(anchor) and not _same(cell.source, anchor.source))


def _choose(
    cells: list[_Cell], anchors: dict[str, NotebookNode], findings: list[Finding]
) -> dict[str, int]:
    """Pick one cell for each grade_id: the last one that holds an answer."""
    chosen: dict[str, int] = {}
    for index, cell in enumerate(cells):
        if cell.grade_id is None:
            continue
        first = cell.grade_id not in chosen
        if first or is_locked(anchors[cell.grade_id]) or _is_own(cell, anchors):
            chosen[cell.grade_id] = index
    counts = Counter(cell.grade_id for cell in cells if cell.grade_id is not None)
    for grade_id, count in counts.items():
        if count > 1:
            told = f"Cell {grade_id!r} is there {count} times; "
            if is_locked(anchors[grade_id]):
                told += "it was run once."
            else:
                told += "the last one that is filled in counts, the others ran before it."
            findings.append(Finding("duplicate cell", told))
    return chosen


def _same(one: str, other: str) -> bool:
    """Equal but for line ends and white space at the end of lines."""

    def lines(text: str) -> list[str]:
        return [line.rstrip() for line in text.strip().splitlines()]

    return lines(one) == lines(other)


def _anchor_node(anchor: NotebookNode, cell: _Cell | None, findings: list[Finding]) -> NotebookNode:
    """The released cell, with the student's answer in it where it asks for one."""
    node = copy.deepcopy(anchor)
    grade_id = anchor.metadata.nbgrader.grade_id
    if cell is None:
        findings.append(Finding("missing cell", f"Cell {grade_id!r} was deleted; it was put back."))
        if is_solution(anchor) and not is_grade(anchor) and anchor.cell_type == "code":
            # The stub would undo an answer that stands in another cell.
            node["source"] = "# This answer cell was missing from the submission."
        return node
    if is_locked(anchor):
        if not _same(cell.source, anchor.source):
            kind = "edited test" if is_grade(anchor) else "edited text"
            findings.append(
                Finding(kind, f"The locked cell {grade_id!r} was edited; it was restored.")
            )
        return node
    if cell.kind != anchor.cell_type:
        findings.append(
            Finding(
                "changed cell type",
                f"Cell {grade_id!r} was turned from {anchor.cell_type} into {cell.kind}; "
                "it was turned back.",
            )
        )
    node["source"] = anchor.source if _same(cell.source, anchor.source) else cell.source
    if anchor.cell_type == "markdown" and cell.attachments:
        node["attachments"] = cell.attachments
    return node


def _own_node(cell: _Cell) -> NotebookNode:
    """A cell of the student's own, without outputs or metadata."""
    if cell.kind == "code":
        return nbformat.v4.new_code_cell(cell.source)
    if cell.kind == "raw":
        return nbformat.v4.new_raw_cell(cell.source)
    attached = {"attachments": cell.attachments} if cell.attachments else {}
    return nbformat.v4.new_markdown_cell(cell.source, **attached)
