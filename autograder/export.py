"""Marks as CSV: the columns of nbgrader's own export, then the state and the reason."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry, SubmittedAssignment

from autograder.assignment import Course
from autograder.pages import read_results, write_atomically
from autograder.results import SubmissionResult

# nbgrader's CsvExportPlugin keeps its list inside a method; tests hold ours against its output.
NBGRADER_COLUMNS = (
    "assignment",
    "duedate",
    "timestamp",
    "student_id",
    "last_name",
    "first_name",
    "email",
    "raw_score",
    "late_submission_penalty",
    "score",
    "max_score",
)
_STUDENT_COLUMNS = ("last_name", "first_name", "email")
COLUMNS = (*NBGRADER_COLUMNS, "status", "reason")
# Excel on Chinese and Japanese systems also reads the full-width forms as the start of a formula.
_FORMULA_STARTS = tuple("=+-@＝＋－＠")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
# Without the mark at its start Excel reads a CSV in the system's old code page and garbles 王小明;
# readers that do not know it say encoding="utf-8-sig" (pandas and LibreOffice need no hint).
ENCODING = "utf-8-sig"

Row = dict[str, object]


def defuse(value: object) -> str:
    """Write a field so that no spreadsheet runs it as a formula; numbers stay numbers.

    Tabs and line breaks become spaces: a student is one line, whatever reads the file.

    >>> defuse("=1+1"), defuse("\\t@SUM(A1)"), defuse(-2.5), defuse(None)
    ("'=1+1", "'@SUM(A1)", '-2.5', '')
    """
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = _CONTROL.sub(" ", value).strip()
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def as_csv(rows: list[Row]) -> str:
    """Write rows as CSV text with a header line, quoted where a field needs it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: defuse(row.get(name)) for name in COLUMNS} for row in rows)
    return text.getvalue()


def _row(student: str, assignment: str, result: SubmissionResult | None) -> Row:
    """What is known without the gradebook."""
    score = result.score if result else 0.0
    return {
        "assignment": assignment,
        "student_id": student,
        "raw_score": score,
        "late_submission_penalty": 0.0,
        "score": score,
        "max_score": result.max_score if result else 0.0,
        "status": result.status if result else "missing",
        "reason": result.reason if result else "Nothing was handed in.",
        "graded": bool(result and result.key),  # without a key the grader failed: no marks yet
        "manual": bool(result and result.manual),
    }


def _marks(submission: SubmittedAssignment) -> Row:
    """The marks that count: with those given by hand, less the late penalty."""
    raw, penalty = submission.score or 0.0, submission.late_submission_penalty or 0.0
    return {
        "timestamp": submission.timestamp,
        "raw_score": raw,
        "late_submission_penalty": penalty,
        "score": max(0.0, raw - penalty),
        "graded": True,
        "manual": bool(submission.needs_manual_grade),
    }


def _booked_rows(course: Path, assignment: str) -> Iterator[tuple[str, Row]]:
    """For each student of the gradebook what it adds to or puts in place of the result."""
    if not (course / "gradebook.db").exists():
        return
    with Gradebook(Course(course).database) as gradebook:
        try:
            booked = gradebook.find_assignment(assignment)
        except MissingEntry:
            return
        submissions = {s.student_id: s for s in gradebook.assignment_submissions(assignment)}
        for student in gradebook.students:
            row: Row = {name: getattr(student, name) for name in _STUDENT_COLUMNS}
            row |= {"duedate": booked.duedate, "max_score": booked.max_score}
            if student.id in submissions:
                row |= _marks(submissions[student.id])
            yield student.id, row


def class_rows(course: Path, assignment: str) -> list[Row]:
    """What is known of every student in the results or the gradebook, ordered by student.

    Where the gradebook has a submission its marks count, so marks by hand and late penalties
    are in. Beside COLUMNS a row says whether it was "graded" and "manual" marks are open.
    Raises FileNotFoundError when the assignment has never been graded.
    """
    results = {result.student: result for result in read_results(course, assignment)}
    booked = dict(_booked_rows(course, assignment))
    return [
        _row(student, assignment, results.get(student)) | booked.get(student, {})
        for student in sorted({*results, *booked})
    ]


def export_csv(course: Path, assignment: str, to: Path) -> Path:
    """Write one line for every student; return ``to``. Raises as ``class_rows``."""
    return write_atomically(to, as_csv(class_rows(course, assignment)), encoding=ENCODING)
