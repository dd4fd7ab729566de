"""Marks as CSV: nbgrader's columns, names that stay names, one line for every student."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbgrader.plugins import CsvExportPlugin

from autograder.export import COLUMNS, NBGRADER_COLUMNS, as_csv, defuse, export_csv


def lines(path: Path) -> dict[str, dict[str, str]]:
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
    return {row["student_id"]: row for row in rows}


@pytest.fixture
def gradebook(new_gradebook):
    """A gradebook with one late submission marked by hand, and a student without any."""
    book = new_gradebook
    book.add_grade_cell("test_masked_softmax", "luong", "luong", max_score=12, cell_type="code")
    book.add_student("王小明", last_name="王", first_name="小明", email="w@example.org")
    book.add_student("absent", last_name="=cmd|' /C calc'!A0")
    book.add_submission("luong", "王小明")
    grade = book.find_grade("test_masked_softmax", "luong", "luong", "王小明")
    grade.auto_score, grade.manual_score = 3, 10
    book.find_submission_notebook("luong", "luong", "王小明").late_submission_penalty = 2
    book.db.commit()
    return book


def test_every_student_has_a_line_with_marks_state_and_reason(course, class_of_14, tmp_path):
    found = lines(export_csv(course, "luong", tmp_path / "marks.csv"))
    assert len(found) == len(class_of_14)
    for result in class_of_14:
        row = found[defuse(result.student)]
        assert float(row["score"]) == result.score
        assert (row["status"], row["reason"]) == (result.status, result.reason)


def test_the_columns_begin_with_those_of_nbgraders_own_export(gradebook, tmp_path):
    plugin = CsvExportPlugin()
    plugin.to = str(tmp_path / "nbgrader.csv")
    plugin.export(gradebook)
    header = (tmp_path / "nbgrader.csv").read_text().splitlines()[0]
    assert tuple(header.split(",")) == NBGRADER_COLUMNS == COLUMNS[: len(NBGRADER_COLUMNS)]


def test_marks_by_hand_and_late_penalties_of_the_gradebook_count(course, gradebook, tmp_path):
    row = lines(export_csv(course, "luong", tmp_path / "marks.csv"))["王小明"]
    marks = [float(row[c]) for c in ("raw_score", "late_submission_penalty", "score", "max_score")]
    assert marks == [10, 2, 8, 12]
    assert (row["last_name"], row["first_name"]) == ("王", "小明")


def test_who_handed_nothing_in_has_a_line_with_0(course, gradebook, tmp_path):
    row = lines(export_csv(course, "luong", tmp_path / "marks.csv"))["absent"]
    assert (row["score"], row["status"]) == ("0.0", "missing")
    assert row["last_name"] == "'=cmd|' /C calc'!A0"


def test_excel_is_told_the_encoding(course, tmp_path):
    raw = export_csv(course, "luong", tmp_path / "marks.csv").read_bytes()
    assert raw.startswith("\ufeffassignment,".encode())
    assert "王小明".encode() in raw


@given(st.text())
def test_a_text_field_is_one_line_that_starts_no_formula_and_keeps_its_words(text):
    written = as_csv([{"student_id": text, "reason": "end"}])
    row = next(csv.DictReader(io.StringIO(written, newline="")))
    assert not row["student_id"].startswith(tuple("=+-@\t\r\n＝＋－＠"))
    assert row["reason"] == "end"
    kept = re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip()
    assert row["student_id"] in (kept, f"'{kept}")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", "\t=1", "\r\n=1", " =1", "＝1"])
def test_what_a_spreadsheet_would_run_is_marked_as_text(text):
    assert defuse(text).startswith("'")


def test_numbers_are_not_defused():
    assert defuse(-2.5) == "-2.5"


def test_a_failing_write_leaves_the_old_file(course, tmp_path, monkeypatch):
    target = export_csv(course, "luong", tmp_path / "marks.csv")
    before = target.read_bytes()

    def refuse(*_args):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        export_csv(course, "luong", target)
    assert target.read_bytes() == before
