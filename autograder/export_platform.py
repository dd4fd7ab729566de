"""Marks for Canvas and Moodle: their own list of students, with one column filled in.

Canvas (Gradebook > Import) reads a header of Student, ID, perhaps SIS User ID, SIS Login ID, …,
Section, then assignments as "Name (id)", and finds a student by ID before anything else
(``process_student`` of
https://github.com/instructure/canvas-lms/blob/master/lib/gradebook_importer.rb; told by
https://teaching.resources.osu.edu/toolsets/carmencanvas/guides/calculating-final-grades/import-csv-file-carmen-grades).
An assignment without its id would become a new one. Only the one column is written: the import
overwrites.

Moodle (Upload grading worksheet, https://docs.moodle.org/401/en/Assignment_settings) wants
Identifier, Grade and Last modified (grade), finds a student by the number in Identifier, skips in
silence a grade above the maximum or changed since the download, and takes over a feedback column
(https://github.com/moodle/moodle/blob/main/mod/assign/feedback/offline/importgradeslib.php and
``process_import_grades`` of locallib.php there): that column is left out.

So neither reads names, and what a spreadsheet might run in them can be defused.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.assignment import Course
from autograder.collect.store import Store
from autograder.export import Row, class_rows, defuse
from autograder.pages import number, released_title, write_atomically
from autograder.plain_files import shown
from autograder.rosters import (
    CANVAS_COLUMNS,
    CANVAS_IDS,
    MOODLE_ID,
    MOODLE_IDS,
    Roster,
    read_roster,
)

_WITH_ID = re.compile(r"(.*) \((\d+)\)", re.DOTALL)
_MOODLE_GRADE, _MOODLE_MAXIMUM = "Grade", "Maximum Grade"
_MOODLE_CHANGED = "Last modified (grade)"
_MOODLE_KEPT = (MOODLE_ID, "Full name", *MOODLE_IDS, "Status", _MOODLE_MAXIMUM, _MOODLE_CHANGED)


@dataclass(frozen=True)
class Filled:
    """A filled roster: how many marks are in it, and who is not and why."""

    path: Path
    marks: int
    rows: int
    open: tuple[str, ...]
    left_out: tuple[str, ...]

    def told(self) -> Iterator[str]:
        """The outcome in words."""
        yield f"Marks: {self.path}, {self.marks} of the roster's {self.rows} students"
        if self.open:
            yield f"Still to be marked by hand: {', '.join(self.open)}"
        for reason in self.left_out:
            yield f"Left out: {reason}"


def export_platform(
    platform: str,
    course: Path,
    assignment: str,
    roster: Path,
    to: Path,
    *,
    column: str | None = None,
    scale: bool = False,
) -> Filled:
    """Fill the marks of an assignment into the roster that Canvas or Moodle exported.

    A student is found by what ``collect`` noted, or by a login or number that only one row has.
    A row without a graded submission keeps what it has, and so does one that Canvas excused (EX).
    ``column`` names the column if that does not follow from the assignment's name; ``scale``
    brings marks to the platform's maximum where that is another one.

    Raises:
        FileNotFoundError: the assignment has never been graded.
        ValueError: the roster is not the platform's, has no or several columns for the
            assignment, or another maximum.
    """
    table = read_roster(roster)
    if table.platform != platform:
        raise ValueError(f"{roster} was exported by {table.platform}, not by {platform}.")
    place = _column(table, column, (assignment, released_title(course, assignment)))
    rows = [r for r in class_rows(course, assignment) if r["graded"] or r["status"] != "missing"]
    points = max((_float(row["max_score"]) for row in rows), default=0.0)
    factor = _factor(table, place, points, scale)
    found, left_out = _find_rows(table, Course(course), assignment, rows)
    marks: dict[int, str] = {}
    waiting = []
    for row in rows:
        student, mark = str(row["student_id"]), _float(row["score"]) * factor
        if student not in found:
            continue
        reason = _no_mark(table, place, found[student], row, mark > points * factor)
        if reason is not None:
            left_out.append(f"{student}: {reason}.")
            continue
        marks[found[student]] = number(mark)
        waiting += [student] if row["manual"] else []
    write_atomically(to, _as_text(table, place, marks))
    return Filled(to, len(marks), len(table.rows), tuple(waiting), tuple(left_out))


def _float(value: object) -> float:
    return float(str(value))


def _no_mark(roster: Roster, place: int, index: int, row: Row, above: bool) -> str | None:
    """Why a student who has a row gets no mark, if so."""
    if not row["graded"]:
        return "could not be graded: grade again"
    if roster.platform == "canvas" and roster.rows[index].cells[place].strip().upper() == "EX":
        return "is excused (EX) in Canvas"
    if roster.platform == "moodle" and above:
        return "has more than the maximum, which Moodle does not take"
    return None


# ---------------------------------------------------------------- which column


def _column(roster: Roster, wanted: str | None, names: Sequence[str]) -> int:
    """The place of the assignment's column."""
    titles = _gradable(roster)
    if roster.platform == "moodle":
        names = [_MOODLE_GRADE]
    accepted = [name.casefold() for name in ([wanted] if wanted is not None else names)]
    found = [i for title, i in titles.items() if _is_called(title, accepted)]
    if not found and wanted is None and len(titles) == 1:
        found = list(titles.values())
    if len(found) == 1:
        return found[0]
    what = "More than one column" if found else "No column"
    known = ", ".join(repr(title) for title in titles) or "none"
    raise ValueError(
        f"{what} of the roster is that of {wanted or names[0]!r}: choose one with --column from "
        f"{known}."
    )


def _gradable(roster: Roster) -> dict[str, int]:
    """The columns that can take marks."""
    columns = enumerate(roster.header)
    if roster.platform == "canvas":
        section = roster.header.index("Section")
        return {name: i for i, name in columns if i > section and _WITH_ID.fullmatch(name)}
    if _MOODLE_CHANGED not in roster.header:
        raise ValueError(
            f"The worksheet has no column {_MOODLE_CHANGED!r}, without which Moodle refuses it: "
            "download it again, in English."
        )
    return {name: i for i, name in columns if name not in _MOODLE_KEPT}


def _is_called(title: str, names: Sequence[str]) -> bool:
    """Whether an assignment's column in Canvas, "Name (id)", has one of the names."""
    match = _WITH_ID.fullmatch(title)
    return title.casefold() in names or (match is not None and match[1].casefold() in names)


def _factor(roster: Roster, place: int, points: float, scale: bool) -> float:
    """By which marks are multiplied so that they are out of the platform's maximum."""
    if roster.platform == "canvas":
        told = {roster.possible[place]} if roster.possible else set()
    else:
        maximum = roster.column(_MOODLE_MAXIMUM)
        told = {row.cells[maximum] for row in roster.rows} if maximum is not None else set()
    wanted = {_amount(text) for text in told if text.strip()}
    if not wanted or points <= 0 or wanted == {round(points, 2)}:
        return 1.0
    most = next(iter(wanted))
    if len(wanted) > 1 or most is None or most <= 0:
        raise ValueError(
            f"The roster's maximum is no single number above 0: {', '.join(sorted(told))}."
        )
    if not scale:
        raise ValueError(
            f"The assignment has {number(points)} points, the platform's maximum is {told.pop()}: "
            "change it there, or pass --scale to convert the marks."
        )
    return most / points


def _amount(text: str) -> float | None:
    try:
        return round(float(text.strip().replace(",", ".")), 2)
    except ValueError:
        return None


# ---------------------------------------------------------------- which row


def _find_rows(
    roster: Roster, course: Course, assignment: str, rows: Sequence[Row]
) -> tuple[dict[str, int], list[str]]:
    """Each student's row in the roster, and for whom there is none and why."""
    keys = {row.key: index for index, row in enumerate(roster.rows)}
    known = {
        student: keys[sender.partition(":")[2]]
        for sender, student in Store(course, assignment).students.items()
        if sender.startswith(f"{roster.platform}:") and sender.partition(":")[2] in keys
    }
    named = _names(roster)
    found: dict[str, int] = {}
    left_out = []
    for student in (str(row["student_id"]) for row in rows):
        places = {known[student]} if student in known else named.get(student.casefold(), set())
        if len(places) == 1:
            found[student] = next(iter(places))
        else:
            reason = "no row" if not places else f"{len(places)} rows"
            left_out.append(f"{student}: has {reason} in the roster.")
    taken = Counter(found.values())
    for student in [s for s, place in found.items() if taken[place] > 1]:
        row = roster.rows[found.pop(student)]
        left_out.append(f"{student}: another student has the same row {shown(row.login)!r}.")
    return found, left_out


def _names(roster: Roster) -> dict[str, set[int]]:
    """All that a row's student may be called in the course, and by which rows."""
    columns = CANVAS_IDS if roster.platform == "canvas" else MOODLE_IDS
    places = [i for i, name in enumerate(roster.header) if name in columns]
    named: dict[str, set[int]] = {}
    for index, row in enumerate(roster.rows):
        for name in {row.key, *(row.cells[place].strip() for place in places)} - {""}:
            named.setdefault(name.casefold(), set()).add(index)
    return named


# ---------------------------------------------------------------- what is written


def _as_text(roster: Roster, place: int, marks: dict[int, str]) -> str:
    kept = CANVAS_COLUMNS if roster.platform == "canvas" else _MOODLE_KEPT
    places = [i for i, name in enumerate(roster.header) if name in kept or i == place]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_safe(roster.header[i]) for i in places)
    if roster.possible:
        writer.writerow(_safe(roster.possible[i]) for i in places)
    for index, row in enumerate(roster.rows):
        cells = [marks.get(index, c) if i == place else c for i, c in enumerate(row.cells)]
        writer.writerow(_safe(cells[i]) for i in places)
    return text.getvalue()


def _safe(cell: str) -> str:
    """A cell that no spreadsheet runs; a dash alone is Moodle's word for "never"."""
    return cell if cell.strip() == "-" else defuse(cell)
