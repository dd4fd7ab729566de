"""The lists of students that Canvas and Moodle export, and take back with marks filled in.

Canvas: Gradebook > Export; the columns are written by
https://github.com/instructure/canvas-lms/blob/master/lib/gradebook_exporter.rb and read by
``gradebook_importer.rb`` beside it: Student, ID, SIS User ID, SIS Login ID, perhaps Integration ID
and Root Account, Section, then one column "Name (id)" for each assignment; below the header
perhaps a row "Manual Posting", then "Points Possible".

Moodle: an assignment's "Download grading worksheet",
https://docs.moodle.org/401/en/Assignment_settings (Feedback types: offline grading worksheet), read
back by https://github.com/moodle/moodle/blob/main/mod/assign/feedback/offline/importgradeslib.php,
which wants Identifier, Grade and Last modified (grade).
"""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 64 * 2**20
CANVAS_IDS = ("ID", "SIS User ID", "SIS Login ID", "Integration ID")
CANVAS_COLUMNS = ("Student", "LastName", "FirstName", *CANVAS_IDS, "Root Account", "Section")
MOODLE_ID = "Identifier"
MOODLE_IDS = ("Username", "ID number", "Email address")


@dataclass(frozen=True)
class Row:
    """One student of a roster.

    ``key`` is the platform's own number, ``login`` what the instructor knows the student by.
    """

    key: str
    login: str
    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Roster:
    """A list of students as Canvas ("canvas") or Moodle ("moodle") exported it.

    ``header`` names the columns of all cells; ``possible`` is Canvas' row of points.
    """

    platform: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    possible: tuple[str, ...] = ()

    def column(self, name: str) -> int | None:
        """The place of a column, or None."""
        return self.header.index(name) if name in self.header else None


def canvas_name(sortable: str) -> str:
    """A student's name as Canvas writes it before a file's name.

    >>> canvas_name("O'Brien, Mary_Ann")
    'obrienmary_ann'
    """
    return re.sub(r"\W", "", re.sub(r"_(\d+)_", r"\1", sortable).lower())


def read_roster(path: Path) -> Roster:
    """Read a roster of Canvas or Moodle; which of the two shows in its header.

    Raises:
        ValueError: it is neither, or a row has no id.
    """
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES // 2**20} MiB: is it a roster?")
    try:
        text = content.decode(
            "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        )
        rows = _table(text)
    except (UnicodeDecodeError, csv.Error) as problem:
        raise ValueError(f"{path} is no CSV file in UTF-8 ({problem}): export it again.") from None
    header = tuple(cell.strip() for cell in rows[0]) if rows else ()
    if "ID" in header and "Section" in header:
        return _canvas(path, header, rows[1:])
    if header[:1] == (MOODLE_ID,):
        return _moodle(path, header, rows[1:])
    raise ValueError(
        f"{path} is neither Canvas' gradebook (columns Student, ID, …, Section) nor Moodle's "
        "grading worksheet (first column Identifier): export one of them, in English, as CSV."
    )


def _table(text: str) -> list[list[str]]:
    """The rows of a CSV text, whichever separator its header has most of."""
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    return [row for row in reader if any(cell.strip() for cell in row)]


def _cells(row: list[str], header: tuple[str, ...]) -> tuple[str, ...]:
    return tuple((row + [""] * len(header))[: len(header)])


def _canvas(path: Path, header: tuple[str, ...], table: list[list[str]]) -> Roster:
    rows: list[Row] = []
    possible: tuple[str, ...] = ()
    for row in table:
        cells = _cells(row, header)
        named = dict(zip(header, cells, strict=True))
        if "Points Possible" in cells[0]:
            possible = cells
        elif named["ID"].strip():
            name = named.get("Student") or f"{named.get('LastName')}, {named.get('FirstName')}"
            login = named.get("SIS Login ID", "").strip() or named["ID"].strip()
            rows.append(Row(_number(path, named["ID"]), login, name, cells))
        elif not all(c.strip() == "" or c.strip().startswith("Manual Posting") for c in cells):
            raise ValueError(f"{path}: the row of {cells[0]!r} has no ID: export it again.")
    return _unique(path, Roster("canvas", header, tuple(rows), possible))


def _moodle(path: Path, header: tuple[str, ...], table: list[list[str]]) -> Roster:
    rows = []
    for row in table:
        cells = _cells(row, header)
        named = dict(zip(header, cells, strict=True))
        logins = (named.get(column, "").strip() for column in MOODLE_IDS)
        key = _number(path, cells[0].removeprefix("Participant"))
        rows.append(Row(key, next(filter(None, logins), key), named.get("Full name", ""), cells))
    return _unique(path, Roster("moodle", header, tuple(rows)))


def _number(path: Path, text: str) -> str:
    number = text.strip()
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"{path}: {text!r} is no id of a student: export the file again.")
    return number


def _unique(path: Path, roster: Roster) -> Roster:
    keys = [row.key for row in roster.rows]
    twice = (
        sorted({key for key in keys if keys.count(key) > 1}) if len(set(keys)) < len(keys) else []
    )
    if twice:
        raise ValueError(f"{path}: student {twice[0]} has two rows: export the file again.")
    return roster
