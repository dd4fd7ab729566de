"""Who a download's names name, and when they name nobody or too many."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.collect.layouts import Unclear, copy_number, is_system_file, sender_of
from autograder.rosters import canvas_name

READ = {
    "lovelaceada_12345_67890_luong.ipynb": ("canvas:12345", "luong.ipynb", 67890, False),
    "lovelaceada_LATE_12345_67890_luong-1.ipynb": ("canvas:12345", "luong-1.ipynb", 67890, True),
    "van_der_berg_LATE_1_2_x y.ipynb": ("canvas:1", "x y.ipynb", 2, True),
    "latelate_1_2_luong.ipynb": ("canvas:1", "luong.ipynb", 2, False),
    "王小明_1_2_luong.zip": ("canvas:1", "luong.zip", 2, False),
    "Ada Lovelace_501_assignsubmission_file_/a/b.ipynb": ("moodle:501", "a/b.ipynb", 0, False),
    "Ada Lovelace_501_assignsubmission_file/b.ipynb": ("moodle:501", "b.ipynb", 0, False),
    "Ada Lovelace_501_assignsubmission_file_b.ipynb": ("moodle:501", "b.ipynb", 0, False),
    "Participant_501_assignsubmission_file_/1_2_3.ipynb": ("moodle:501", "1_2_3.ipynb", 0, False),
    "ada/luong/luong.ipynb": ("plain:ada", "luong/luong.ipynb", 0, False),
    "ada_1_2_3/luong.ipynb": ("plain:ada_1_2_3", "luong.ipynb", 0, False),
    "ada.zip": ("plain:ada", "ada.zip", 0, False),
}


@pytest.mark.parametrize("path", READ)
def test_the_sender_is_read_from_the_name(path):
    sender = sender_of(path)
    found = sender.key, str(sender.file), sender.attempt, sender.late
    assert found == READ[path]


@pytest.mark.parametrize(
    "path",
    [
        "luong.ipynb",
        "lovelaceada_12345_luong.ipynb",
        "Ada_501_assignsubmission_onlinetext_/onlinetext.html",
        "Ada_501_assignsubmission_file_",
        "eve_1234_5678_x_666_777_luong.ipynb",
        "eve_1234_5678__666_777_luong.ipynb",
        "ada_12_34_56_luong.ipynb",
    ],
)
def test_a_name_that_says_nobody_or_several_is_unclear(path):
    with pytest.raises(Unclear):
        sender_of(path)


WORDS = st.text(st.sampled_from("ab_1 LATE,.-é王"), max_size=12)


@given(name=WORDS, file=WORDS, late=st.booleans())
def test_whatever_students_call_themselves_and_their_files_nobody_elses_work_is_believed(
    name, file, late
):
    """Canvas' own naming, with a name and a file name of the student's choice."""
    parts = [canvas_name(name), *(["LATE"] if late else []), "666", "777", f"{file}.ipynb"]
    try:
        sender = sender_of("_".join(parts))
    except Unclear:
        return
    assert (sender.key, sender.attempt) == ("canvas:666", 777)
    assert sender.late or not late
    assert sender.file == PurePosixPath(f"{file}.ipynb")


@given(name=st.text(st.sampled_from("ab 1éfile王"), max_size=12), file=WORDS)
def test_moodles_names_are_never_unclear(name, file):
    """Moodle puts spaces for underscores in names."""
    sender = sender_of(f"{name}_501_assignsubmission_file_/{file}.ipynb")
    assert (sender.key, sender.name) == ("moodle:501", name)


@pytest.mark.parametrize(
    ("stem", "copy"),
    [("luong", 0), ("LUONG-2", 2), ("luong (11)", 11), ("luong(1)", 1), ("luong-x", None)],
)
def test_copies_of_a_file_are_known_by_their_number(stem, copy):
    assert copy_number(stem, "luong") == copy


def test_an_assignment_that_ends_in_a_number_is_no_copy():
    assert [copy_number(s, "hw-1") for s in ("hw-1", "hw-1-2", "hw")] == [0, 2, None]


def test_files_of_systems_are_known():
    junk = ["__MACOSX/a/._x", "a/.DS_Store", ".ipynb_checkpoints/x", "a/._luong.ipynb", "Thumbs.db"]
    assert [is_system_file(path) for path in [*junk, "a/luong.ipynb"]] == [True] * 5 + [False]
