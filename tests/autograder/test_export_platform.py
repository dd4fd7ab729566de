"""Marks as Canvas and Moodle import them, read back as their importers read them."""

import csv
import io
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.assignment import Course
from autograder.collect.store import Store, Version, digest
from autograder.export import defuse
from autograder.export_platform import _safe, export_platform
from autograder.results import write_json

NAMES = ['O\'Brien, "Mary"', "=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)", "王小明", "a\tb\nc"]
CANVAS_HEAD = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Notes"]
CANVAS_HEAD += ["Luong (456)", "Bahdanau (457)", "Assignments Current Score"]
MOODLE_HEAD = ["Identifier", "Full name", "ID number", "Email address", "Status", "Grade"]
MOODLE_HEAD += ["Maximum Grade", "Grade can be changed", "Last modified (submission)"]
MOODLE_HEAD += ["Last modified (grade)", "Feedback comments"]


def write_csv(path, rows, delimiter=",", encoding="utf-8"):
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def canvas_rows(possible="100.00", grade=""):
    rows = [CANVAS_HEAD, ["", "", "", "", "", "", "Manual Posting", "", ""]]
    rows += [["    Points Possible", "", "", "", "", "", possible, "50.00", "(read only)"]]
    for i, name in enumerate(NAMES):
        rows.append([name, f"{100 + i}", f"s{i}", f"login{i}", "=A1", "note", grade, "7", "9"])
    return [*rows, ["Student, Test", "999", "", "x" * 40, "A", "", "", "", ""]]


def moodle_rows(maximum="100.00"):
    rows = [MOODLE_HEAD]
    for i, name in enumerate(NAMES):
        email = f"m{i}@example.org"
        cells = [f"Participant {200 + i}", name, f"n{i}", email, "Submitted", "", maximum]
        rows.append([*cells, "Yes", "-", "-", "=feedback"])
    return rows


@pytest.fixture
def graded(course, make_student, make_exercises):
    """A course in which exactly these students have results: graded(ada=80, ...)."""

    def build(scores, **changes):
        folder = course / "results" / "luong"
        for path in folder.glob("*.json"):
            path.unlink()
        for i, (name, score) in enumerate(scores.items()):
            result = make_student(name, make_exercises(), manual=0)
            write_json(folder / f"{i}.json", replace(result, score=score, **changes))
        return course

    return build


def canvas_reads(path) -> dict[int, str]:
    """What gradebook_importer.rb takes from a file: marks in column "… (456)" by student id."""
    table = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    header = table[0]
    assert "Student" in header[0]
    assert "ID" in header[1]
    assert re.search(r"SIS\s+User\s+ID", header[2])
    assert re.search(r"SIS\s+Login\s+ID", header[3])
    assert "Section" in header[4]
    [column] = [i for i, name in enumerate(header) if re.fullmatch(r".* \(456\)", name)]
    students = [row for row in table[1:] if "Points Possible" not in row[0]]
    assert len(header) == 6  # no other assignment is overwritten
    return {int(row[1]): row[column].strip() for row in students}


def moodle_reads(path) -> dict[int, str]:
    """What importgradeslib.php takes from a worksheet: marks by participant."""
    table = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    header = table[0]
    assert "Feedback comments" not in header
    assert {row[header.index("Last modified (grade)")] for row in table[1:]} == {"-"}
    place = header.index("Identifier"), header.index("Grade")
    return {int(row[place[0]][len("Participant ") :]): row[place[1]] for row in table[1:]}


def test_canvas_reads_back_each_mark_and_nothing_else(graded, tmp_path):
    course = graded({"login0": 80.0, "101": 72.456, "s2": 0.0})
    roster = write_csv(tmp_path / "canvas.csv", canvas_rows())
    filled = export_platform("canvas", course, "luong", roster, tmp_path / "out.csv")
    assert (filled.marks, filled.rows, filled.left_out) == (3, 8, ())
    marks = canvas_reads(filled.path)
    assert {s: m for s, m in marks.items() if m} == {100: "80", 101: "72.46", 102: "0"}
    assert set(marks) == {100, 101, 102, 103, 104, 105, 106, 999}


def test_moodle_reads_back_each_mark_and_nothing_else(graded, tmp_path):
    course = graded({"M0@Example.org": 80.0, "201": 72.456, "n2": 0.0})
    roster = write_csv(tmp_path / "moodle.csv", moodle_rows(), encoding="utf-8-sig")
    filled = export_platform("moodle", course, "luong", roster, tmp_path / "out.csv")
    assert (filled.marks, filled.rows, filled.left_out) == (3, 7, ())
    marks = moodle_reads(filled.path)
    assert {s: m for s, m in marks.items() if m} == {200: "80", 201: "72.46", 202: "0"}


@pytest.mark.parametrize("platform", ["canvas", "moodle"])
def test_names_stay_names_and_none_is_a_formula(platform, graded, tmp_path):
    course = graded({"login0": 80.0, "n0": 80.0})
    rows = canvas_rows() if platform == "canvas" else moodle_rows()
    roster = write_csv(tmp_path / "roster.csv", rows)
    out = export_platform(platform, course, "luong", roster, tmp_path / "out.csv").path
    table = list(csv.reader(io.StringIO(out.read_text(encoding="utf-8"), newline="")))
    cells = [cell for row in table for cell in row]
    assert not [c for c in cells if c != "-" and c.startswith(tuple("=+-@\t\r\n"))]
    assert {defuse(name) for name in NAMES} <= set(cells)


@given(st.text())
def test_a_cell_that_is_no_formula_is_kept_word_for_word(text):
    written = _safe(text)
    assert not written.startswith(tuple("=+@\t\r\n＝＋－＠"))
    assert not written.startswith("-") or written.strip() == "-"
    if re.fullmatch(r"\w[\w ,.()'\"]*\w", text):
        assert written == text


def test_what_collect_noted_finds_the_row_whatever_the_student_is_called(graded, tmp_path):
    course = graded({"mary": 50.0, "100": 60.0})
    store = Store(Course(course), "luong")
    store.add(Version("mary", "canvas:103", "x", digest(b""), None, False, 1, "a.zip"), b"")
    store.save()
    roster = write_csv(tmp_path / "canvas.csv", canvas_rows())
    marks = canvas_reads(export_platform("canvas", course, "luong", roster, tmp_path / "o").path)
    assert {s: m for s, m in marks.items() if m} == {100: "60", 103: "50"}


def test_who_has_no_row_or_several_is_named_and_gets_no_mark(graded, tmp_path):
    rows = canvas_rows()
    rows[4][2] = "100"  # the SIS User ID of one student is the ID of another
    course = graded({"100": 60.0, "nobody": 70.0, "login3": 80.0, "s3": 90.0})
    roster = write_csv(tmp_path / "canvas.csv", rows)
    filled = export_platform("canvas", course, "luong", roster, tmp_path / "out.csv")
    assert filled.marks == 0
    assert sorted(reason.split(":")[0] for reason in filled.left_out) == [
        "100",
        "login3",
        "nobody",
        "s3",
    ]


def test_an_excused_student_stays_excused(graded, tmp_path):
    roster = write_csv(tmp_path / "canvas.csv", canvas_rows(grade="EX"))
    filled = export_platform("canvas", graded({"100": 60.0}), "luong", roster, tmp_path / "out")
    assert canvas_reads(filled.path)[100] == "EX"
    assert "excused" in filled.left_out[0]


def test_what_the_grader_failed_on_gets_no_mark(graded, tmp_path):
    course = graded({"100": 0.0}, key="", status="failed")
    roster = write_csv(tmp_path / "canvas.csv", canvas_rows(grade="55"))
    filled = export_platform("canvas", course, "luong", roster, tmp_path / "out")
    assert canvas_reads(filled.path)[100] == "55"
    assert "grade again" in filled.left_out[0]


def test_open_marks_by_hand_are_told(graded, tmp_path):
    course = graded({"100": 60.0}, manual=2)
    roster = write_csv(tmp_path / "canvas.csv", canvas_rows())
    filled = export_platform("canvas", course, "luong", roster, tmp_path / "out")
    assert "Still to be marked by hand: 100" in list(filled.told())


@pytest.mark.parametrize(("platform", "student"), [("canvas", "100"), ("moodle", "200")])
def test_another_maximum_is_refused_or_converted(platform, student, graded, tmp_path):
    course = graded({student: 60.0})
    rows = canvas_rows("10,00") if platform == "canvas" else moodle_rows("10.00")
    roster = write_csv(tmp_path / "roster.csv", rows)
    with pytest.raises(ValueError, match="--scale"):
        export_platform(platform, course, "luong", roster, tmp_path / "out.csv")
    out = export_platform(platform, course, "luong", roster, tmp_path / "out", scale=True).path
    reads = canvas_reads if platform == "canvas" else moodle_reads
    assert reads(out)[int(student)] == "6"


def test_a_maximum_of_nothing_is_refused(graded, tmp_path):
    roster = write_csv(tmp_path / "canvas.csv", canvas_rows("0"))
    with pytest.raises(ValueError, match="above 0"):
        export_platform(
            "canvas", graded({"100": 60.0}), "luong", roster, tmp_path / "o", scale=True
        )


def test_more_than_the_maximum_is_named_because_moodle_would_skip_it(graded, tmp_path):
    roster = write_csv(tmp_path / "moodle.csv", moodle_rows())
    filled = export_platform("moodle", graded({"200": 101.0}), "luong", roster, tmp_path / "out")
    assert "more than the maximum" in filled.left_out[0]


def test_a_column_is_chosen_by_name_and_named_if_there_is_none(graded, tmp_path):
    rows = canvas_rows()
    rows[0] = [*rows[0][:6], "Exercise 3 (456)", *rows[0][7:]]
    roster = write_csv(tmp_path / "canvas.csv", rows)
    course = graded({"100": 60.0})
    with pytest.raises(ValueError, match=r"--column from 'Exercise 3 \(456\)', 'Bahdanau \(457\)'"):
        export_platform("canvas", course, "luong", roster, tmp_path / "out")
    for column in ("exercise 3", "Exercise 3 (456)"):
        filled = export_platform("canvas", course, "luong", roster, tmp_path / "out", column=column)
        assert canvas_reads(filled.path)[100] == "60"


def test_the_other_platforms_roster_is_refused(graded, tmp_path):
    roster = write_csv(tmp_path / "moodle.csv", moodle_rows())
    with pytest.raises(ValueError, match="exported by moodle, not by canvas"):
        export_platform("canvas", graded({"200": 60.0}), "luong", roster, tmp_path / "out")


def test_a_worksheet_that_moodle_would_refuse_is_refused(graded, tmp_path):
    rows = [row[:9] for row in moodle_rows()]
    roster = write_csv(tmp_path / "moodle.csv", rows)
    with pytest.raises(ValueError, match="Last modified"):
        export_platform("moodle", graded({"200": 60.0}), "luong", roster, tmp_path / "out")


def test_semicolons_and_utf16_are_understood(graded, tmp_path):
    roster = write_csv(tmp_path / "canvas.csv", canvas_rows("100,00"), ";", "utf-16")
    filled = export_platform("canvas", graded({"100": 60.5}), "luong", roster, tmp_path / "out")
    assert canvas_reads(filled.path)[100] == "60.5"


def test_filling_twice_gives_the_same_file(graded, tmp_path):
    course = graded({"100": 60.0, "101": 12.5})
    roster = write_csv(tmp_path / "canvas.csv", canvas_rows())
    first = export_platform("canvas", course, "luong", roster, tmp_path / "a").path.read_bytes()
    again = export_platform("canvas", course, "luong", tmp_path / "a", tmp_path / "b")
    assert again.path.read_bytes() == first
