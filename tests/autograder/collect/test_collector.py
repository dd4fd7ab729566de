import hashlib
import json
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory

from autograder.assignment import AssignmentError
from autograder.collect.collector import collect_downloads
from autograder.gradebook import timestamp_of

CANVAS = {
    "lovelaceada_12345_67890_luong.ipynb": "ada",
    "hopperGrace_LATE_12346_67891_luong-1.ipynb": "grace",
    "王小明_12347_67892_luong.ipynb": "ming",
}
MOODLE = {
    "Ada Lovelace_501_assignsubmission_file_/luong.ipynb": "ada",
    "Grace Hopper_502_assignsubmission_file_/luong.ipynb": "grace",
    "Ming_503_assignsubmission_onlinetext_/onlinetext.html": "text",
}
WORKSHEET = """\
Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Last modified (submission)",\
"Last modified (grade)"
"Participant 501","Ada Lovelace",ada@example.org,Submitted,,100.00,\
"Friday, 20 November 2026, 11:59 PM",-
"Participant 502","Grace Hopper",grace@example.org,Submitted,,100.00,\
"Saturday, 21 November 2026, 12:01 AM",-
"""


def notebook(text: str) -> bytes:
    return json.dumps({"cells": [], "nbformat": 4, "metadata": {"by": text}}).encode()


@pytest.fixture
def packed(tmp_path):
    """Write a zip: file names and what marks their content; bytes are written as they are."""

    def pack(files, name="download.zip") -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, mark in files.items():
                archive.writestr(file, mark if isinstance(mark, bytes) else notebook(mark))
        return path

    return pack


@pytest.fixture
def unpacked(tmp_path):
    """The same as a folder."""

    def unpack(files, name="download") -> Path:
        for file, mark in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(mark if isinstance(mark, bytes) else notebook(mark))
        return tmp_path / name

    return unpack


@pytest.fixture
def collect(home):
    def run(*sources, **options):
        outcome = collect_downloads("luong", home, sources, **options)
        return {line.student: line.what for line in outcome.lines}, outcome

    return run


@pytest.fixture
def due(home):
    """Set the due date in the gradebook, in UTC."""

    def set_due(text: str) -> None:
        with Gradebook(home.database) as gradebook:
            gradebook.update_or_create_assignment("luong", duedate=text)

    return set_due


def marks(home) -> dict[str, str]:
    """Whose work lies where nbgrader looks for it."""
    paths = (home.root / "submitted").glob("*/luong/luong.ipynb")
    return {p.parts[-3]: json.loads(p.read_bytes())["metadata"]["by"] for p in paths}


def everything(folder: Path) -> dict[str, str]:
    files = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def reasons(outcome) -> dict[str, str]:
    return {skipped.path: skipped.reason for skipped in outcome.skipped}


# ------------------------------------------------------------------ the layouts


@pytest.mark.parametrize("form", ["packed", "unpacked"])
def test_canvas_downloads_are_collected_by_the_students_numbers(form, collect, home, request):
    lines, outcome = collect(request.getfixturevalue(form)(CANVAS))
    assert lines == dict.fromkeys(["12345", "12346", "12347"], "new")
    assert marks(home) == {"12345": "ada", "12346": "grace", "12347": "ming"}
    assert outcome.ok
    assert any("12346 (hopperGrace): new: late" in line for line in outcome.told())


@pytest.mark.parametrize("form", ["packed", "unpacked"])
def test_moodle_downloads_are_collected_and_online_texts_named(form, collect, home, request):
    lines, outcome = collect(request.getfixturevalue(form)(MOODLE))
    assert lines == {"501": "new", "502": "new"}
    assert marks(home) == {"501": "ada", "502": "grace"}
    assert ["onlinetext" in reason for reason in reasons(outcome).values()] == [True]


def test_moodle_downloads_without_folders_are_collected(collect, home, packed):
    collect(packed({"Ada Lovelace_501_assignsubmission_file_luong.ipynb": "ada"}))
    assert marks(home) == {"501": "ada"}


@pytest.mark.parametrize("form", ["packed", "unpacked"])
def test_plain_folders_are_collected(form, collect, home, request):
    files = {"ada/luong.ipynb": "ada", "王小明/luong.ipynb": "ming"}
    collect(request.getfixturevalue(form)(files))
    assert marks(home) == {"ada": "ada", "王小明": "ming"}


def test_in_nbgraders_layout_only_the_assignments_folders_are_read(collect, home, unpacked):
    files = {
        "ada/luong/luong.ipynb": "ada",
        "ada/luong/timestamp.txt": b"2026-11-20 23:59:00 CET",
        "bob/bahdanau/bahdanau.ipynb": "bob",
    }
    lines, outcome = collect(unpacked(files))
    assert (lines, marks(home)) == ({"ada": "new"}, {"ada": "ada"})
    assert list(reasons(outcome)) == ["bob/bahdanau/bahdanau.ipynb"]
    assert outcome.ok
    stamp = home.submitted("ada", "luong") / "timestamp.txt"
    assert stamp.read_text() == "2026-11-20 22:59:00"


def test_a_zip_for_each_student_is_looked_into(collect, home, packed, unpacked):
    inner = packed({"work/luong.ipynb": "inside", "__MACOSX/._luong.ipynb": b"junk"}, "inner.zip")
    files = {
        "ada.zip": inner.read_bytes(),
        "bob/solution.zip": inner.read_bytes(),
        "cydcyd_12_34_luong.zip": inner.read_bytes(),
        "Dan_501_assignsubmission_file_/all.zip": inner.read_bytes(),
    }
    _, outcome = collect(unpacked(files))
    assert marks(home) == dict.fromkeys(["ada", "bob", "12", "501"], "inside")
    assert outcome.ok


def test_the_roster_gives_logins_and_moodles_times(collect, home, packed, due, tmp_path):
    due("2026-11-20 23:00:00 UTC")
    sheet = tmp_path / "worksheet.csv"
    sheet.write_text(WORKSHEET, encoding="utf-8-sig")
    _, outcome = collect(packed(MOODLE), roster=sheet, timezone="Europe/Berlin")
    assert marks(home) == {"ada@example.org": "ada", "grace@example.org": "grace"}
    times = {
        s: (home.submitted(s, "luong") / "timestamp.txt").read_text()
        for s in ("ada@example.org", "grace@example.org")
    }
    assert list(times.values()) == ["2026-11-20 22:59:00", "2026-11-20 23:01:00"]
    assert [line.note for line in outcome.lines] == ["", "late"]


def test_who_was_collected_by_number_keeps_it_when_a_roster_comes(collect, home, packed, tmp_path):
    collect(packed(MOODLE))
    sheet = tmp_path / "worksheet.csv"
    sheet.write_text(WORKSHEET, encoding="utf-8")
    lines, _ = collect(packed(MOODLE), roster=sheet)
    assert sorted(lines) == ["501", "502"]
    assert (home.submitted("501", "luong") / "timestamp.txt").is_file()


# ------------------------------------------------------------------ repeated and late work


def test_a_second_run_changes_nothing(collect, home, packed, unpacked):
    sources = packed(CANVAS), unpacked({"ada/luong.ipynb": "plain"}), packed(MOODLE, "m.zip")
    first, _ = collect(*sources)
    before = everything(home.root)
    second, _ = collect(*sources)
    assert set(first.values()) == {"new"}
    assert (set(second.values()), everything(home.root)) == ({"unchanged"}, before)


def test_the_last_of_canvas_attempts_counts_and_the_other_is_kept(collect, home, packed):
    files = {"a_1_20_luong-1.ipynb": "second", "a_1_10_luong.ipynb": "first"}
    _, outcome = collect(packed(files))
    assert marks(home) == {"1": "second"}
    assert outcome.lines[0].note == "2 versions, 0 of them late"
    kept = (home.root / "collected" / "luong").glob("*.ipynb")
    assert {json.loads(p.read_bytes())["metadata"]["by"] for p in kept} == {"first", "second"}


def test_the_last_on_time_counts_and_a_late_one_only_where_there_is_no_other(collect, home, packed):
    collect(packed({"a_1_10_luong.ipynb": "on time", "b_LATE_2_11_luong.ipynb": "b late"}))
    lines, outcome = collect(
        packed({"a_LATE_1_20_luong.ipynb": "late", "b_LATE_2_21_luong.ipynb": "b later"}, "2.zip")
    )
    assert marks(home) == {"1": "on time", "2": "b later"}
    assert lines == {"1": "unchanged", "2": "replaced"}
    assert outcome.lines[0].note == "2 versions, 1 of them late"
    assert any("Policy: the last submission on time counts" in line for line in outcome.told())


def test_times_decide_whatever_the_order_of_collecting(collect, home, unpacked, due):
    due("2026-11-20 12:00:00 UTC")
    for name, hour in (("late", 13), ("last", 11), ("first", 9)):
        files = {"ada/luong.ipynb": name, "ada/timestamp.txt": f"2026-11-20 {hour}:00".encode()}
        collect(unpacked(files, name))
    assert marks(home) == {"ada": "last"}
    assert timestamp_of(home.submitted("ada", "luong"))[0] == "2026-11-20 11:00:00"


def test_an_extension_makes_the_later_version_count(collect, home, unpacked, due):
    due("2026-11-20 12:00:00 UTC")
    for name, hour in (("early", 11), ("late", 13)):
        files = {"ada/luong.ipynb": name, "ada/timestamp.txt": f"2026-11-20 {hour}:00".encode()}
        collect(unpacked(files, name))
    assert marks(home) == {"ada": "early"}
    due("2026-11-20 14:00:00 UTC")
    lines, _ = collect(unpacked(files, name))
    assert (lines, marks(home)) == ({"ada": "replaced"}, {"ada": "late"})


def test_work_marked_late_without_a_time_is_a_second_late_for_nbgrader(collect, home, packed, due):
    due("2026-11-20 12:00:00 UTC")
    collect(packed(CANVAS))
    folder = home.submitted("12346", "luong")
    assert (folder / "timestamp.txt").read_text() == "2026-11-20 12:00:01"
    read = CourseDirectory(root=str(home.root)).get_existing_timestamp(str(folder))
    assert read == datetime(2026, 11, 20, 12, 0, 1)
    assert not (home.submitted("12345", "luong") / "timestamp.txt").exists()


def test_a_time_in_a_students_own_zip_is_not_believed(collect, home, packed, unpacked):
    inner = packed({"luong.ipynb": "x", "timestamp.txt": b"2001-01-01"}, "inner.zip")
    moodle = "Dan_501_assignsubmission_file_"
    collect(
        unpacked(
            {
                "ada.zip": inner.read_bytes(),
                f"{moodle}/luong.ipynb": "dan",
                f"{moodle}/timestamp.txt": b"2001-01-01",
            }
        )
    )
    assert sorted(marks(home)) == ["501", "ada"]
    assert not list((home.root / "submitted").rglob("timestamp.txt"))


# ------------------------------------------------------------------ nothing is overwritten


def test_work_that_was_put_there_by_hand_is_left_alone_and_named(collect, home, packed, submit):
    submit("12345", notebook("by hand"))
    lines, outcome = collect(packed(CANVAS))
    assert (lines["12345"], marks(home)["12345"]) == ("left alone", "by hand")
    assert not outcome.ok
    assert "Move it away" in outcome.lines[0].note


def test_a_timestamp_written_by_hand_stays(collect, home, unpacked):
    files = {"ada/luong.ipynb": "one", "ada/timestamp.txt": b"2026-11-20 11:00"}
    collect(unpacked(files))
    stamp = home.submitted("ada", "luong") / "timestamp.txt"
    stamp.write_text("2026-11-19 10:00:00")
    files = {"ada/luong.ipynb": "two", "ada/timestamp.txt": b"2026-11-20 12:00"}
    lines, outcome = collect(unpacked(files, "second"))
    assert (lines, marks(home)) == ({"ada": "replaced"}, {"ada": "two"})
    assert stamp.read_text() == "2026-11-19 10:00:00"
    assert "by hand" in outcome.lines[0].note


def test_a_linked_folder_in_the_course_is_not_written_through(collect, home, packed, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home.root / "submitted").mkdir(exist_ok=True)
    (home.root / "submitted" / "12345").symlink_to(elsewhere)
    lines, _ = collect(packed(CANVAS))
    assert (lines["12345"], list(elsewhere.iterdir())) == ("left alone", [])


def test_a_file_in_place_of_a_folder_stops_nobody_else(collect, home, packed):
    (home.root / "submitted").mkdir(exist_ok=True)
    (home.root / "submitted" / "12345").write_text("in the way")
    lines, _ = collect(packed(CANVAS))
    assert lines == {"12345": "left alone", "12346": "new", "12347": "new"}


def test_a_run_that_was_broken_off_is_completed_by_the_next(collect, home, packed, monkeypatch):
    def die(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("autograder.collect.store.Store.place", die)
    with pytest.raises(KeyboardInterrupt):
        collect(packed(CANVAS))
    monkeypatch.undo()
    assert marks(home) == {}
    collect(packed(CANVAS))
    assert sorted(marks(home)) == ["12345", "12346", "12347"]


def test_a_damaged_ledger_is_named_and_nothing_is_touched(collect, home, packed):
    collect(packed(CANVAS))
    ledger = home.root / "collected" / "luong" / "ledger.json"
    ledger.write_text("{")
    with pytest.raises(ValueError, match=r"ledger\.json is damaged"):
        collect(packed(CANVAS))
    assert ledger.read_text() == "{"


# ------------------------------------------------------------------ hostile and broken downloads


def test_a_name_that_can_be_read_as_another_students_is_not_believed(collect, home, packed):
    forged = "eve_12345_678_x_666_777_luong.ipynb"  # eve, who is 666, calls herself "eve_12345_…"
    lines, outcome = collect(packed({**CANVAS, forged: "forged"}))
    assert marks(home)["12345"] == "ada"
    assert "forged" not in marks(home).values()
    assert "12345 or 666" in reasons(outcome)[forged]
    assert "666" not in lines


def test_the_roster_tells_whose_an_unclear_name_is(collect, home, packed, tmp_path):
    roster = tmp_path / "canvas.csv"
    roster.write_text(
        "Student,ID,SIS Login ID,Section\n"
        '"Lovelace, Ada",12345,ada,A\n"Eve_1,2345_6,78_x",666,eve,A\n'
    )
    files = {"eve_12345_678_x_666_777_luong.ipynb": "eve's", "dan_13_14_luong.ipynb": "dan's"}
    _, outcome = collect(packed(files), roster=roster)
    assert marks(home) == {"13": "dan's", "eve": "eve's"}
    assert [line.note for line in outcome.lines] == ["has no row in the roster", ""]


@pytest.mark.parametrize(
    "names", [("Ada", "ada"), ("Åsa", "A\u030asa")], ids=["case", "normal form"]
)
def test_students_that_a_disk_may_confuse_are_both_named(names, collect, home, packed):
    _, outcome = collect(packed({f"{name}/luong.ipynb": name for name in names}))
    assert (marks(home), len(outcome.skipped), outcome.ok) == ({}, 2, False)


def test_a_student_like_one_that_is_there_is_named(collect, home, packed):
    collect(packed({"ada/luong.ipynb": "first"}))
    _, outcome = collect(packed({"ADA/luong.ipynb": "second"}, "2.zip"))
    assert marks(home) == {"ada": "first"}
    assert "'ada'" in reasons(outcome)["ADA/luong.ipynb"]


@pytest.mark.parametrize("name", [".hidden", "-rf", "a:b", "a*b", "x" * 101, "a\x1bb", " a"])
def test_a_student_that_can_be_no_folder_is_named(name, collect, home, packed):
    _, outcome = collect(packed({f"{name}/luong.ipynb": "x"}))
    assert (marks(home), len(outcome.skipped), outcome.ok) == ({}, 1, False)
    assert all(line.isprintable() for line in outcome.told())


def test_several_notebooks_are_no_choice(collect, home, packed):
    files = {"ada/a.ipynb": "a", "ada/b.ipynb": "b", "bob/mine.ipynb": "renamed"}
    lines, outcome = collect(packed(files))
    assert (lines, marks(home)) == ({"ada": "nothing", "bob": "new"}, {"bob": "renamed"})
    assert not outcome.ok


def test_the_rest_of_a_hand_in_is_named_and_no_reason_to_look(collect, home, packed):
    files = {"ada/luong.ipynb": "a", "ada/old (1).ipynb": "b", "ada/notes.pdf": b"%PDF"}
    _, outcome = collect(packed(files))
    assert sorted(reasons(outcome)) == ["ada/notes.pdf", "ada/old (1).ipynb"]
    assert outcome.ok


def test_an_archive_that_is_none_is_named_and_the_others_are_collected(collect, home, packed):
    good = packed(CANVAS)
    broken = good.with_name("broken.zip")
    broken.write_bytes(good.read_bytes()[:-40])
    _, outcome = collect(broken, good)
    assert len(marks(home)) == 3
    assert (list(reasons(outcome)), outcome.ok) == ([str(broken)], False)


def test_a_missing_source_and_a_missing_release_stop_before_anything(collect, home, tmp_path):
    with pytest.raises(FileNotFoundError, match="give a zip or a folder"):
        collect(tmp_path / "nothing.zip")
    with pytest.raises(AssignmentError, match="autograder release bahdanau"):
        collect_downloads("bahdanau", home, [tmp_path])
    with pytest.raises(ValueError, match="Europe/Berlin"):
        collect(tmp_path, timezone="Mars/Olympus")
    assert not (home.root / "collected").exists()
