"""The lists of students of Canvas and Moodle, whichever way they were exported."""

import pytest

from autograder import rosters
from autograder.rosters import canvas_name, read_roster

CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Luong (456)
,,,,,Manual Posting
    Points Possible,,,,,100.00
"Lovelace, Ada",12345,s1,ada,"A, B",
王小明,12346,,,A,7
"""
MOODLE = """\
Identifier,"Full name",Username,"ID number",Grade
"Participant 501","Ada ""the"" Lovelace",ada,9,
Participant502,王小明,,,
"""


@pytest.fixture
def roster(tmp_path):
    def build(text: str, encoding: str = "utf-8"):
        path = tmp_path / "roster.csv"
        path.write_bytes(text.encode(encoding))
        return read_roster(path)

    return build


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_canvas_gradebook_is_read(encoding, roster):
    found = roster(CANVAS, encoding)
    assert found.platform == "canvas"
    assert [(r.key, r.login, r.name) for r in found.rows] == [
        ("12345", "ada", "Lovelace, Ada"),
        ("12346", "12346", "王小明"),
    ]
    assert found.possible[-1] == "100.00"


def test_first_and_last_names_in_columns_of_their_own_are_read(roster):
    [row] = roster("LastName,FirstName,ID,SIS Login ID,Section\nLovelace,Ada,1,ada,A\n").rows
    assert row.name == "Lovelace, Ada"


def test_moodles_worksheet_is_read(roster):
    found = roster(MOODLE, "utf-8-sig")
    assert found.platform == "moodle"
    assert [(r.key, r.login, r.name) for r in found.rows] == [
        ("501", "ada", 'Ada "the" Lovelace'),
        ("502", "502", "王小明"),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_any_separator_of_the_header_is_understood(separator, roster):
    lines = [["Student", "ID", "SIS Login ID", "Section"], ['"a,b;c"', "1", "x", "A"]]
    found = roster("\r\n".join(separator.join(line) for line in lines))
    assert found.rows[0].cells == ("a,b;c", "1", "x", "A")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "neither Canvas"),
        ("Name,Mark\na,1\n", "neither Canvas"),
        (CANVAS + '"Eve",,,,A,\n', "has no ID"),
        (CANVAS + "Eve,=1+1,,,A,\n", "no id of a student"),
        (CANVAS + "Eve,12345,,,A,\n", "12345 has two rows"),
        (MOODLE + "Participant,x,,,\n", "no id of a student"),
        (MOODLE + "Participant 501,x,,,\n", "501 has two rows"),
        (MOODLE + '"' + "x" * 200_000, "no CSV file"),
    ],
)
def test_what_is_no_roster_is_named_with_the_next_step(text, told, roster):
    with pytest.raises(ValueError, match=told) as problem:
        roster(text)
    assert "export" in str(problem.value)


def test_another_encoding_is_named(roster):
    with pytest.raises(ValueError, match="UTF-8"):
        roster(CANVAS.replace("王小明", "é"), "latin-1")


def test_a_huge_file_is_refused(roster, monkeypatch):
    monkeypatch.setattr(rosters, "MAX_BYTES", 10)
    with pytest.raises(ValueError, match="larger"):
        roster(CANVAS)


def test_canvas_takes_numbers_between_underscores_out_of_a_name():
    assert canvas_name("Eve_12345_678_x") == "eve12345678_x"
