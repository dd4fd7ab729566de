"""Which notebook of a hand-in is meant."""

import zipfile
from io import BytesIO
from pathlib import PurePosixPath

import pytest

from autograder.collect import hand_in
from autograder.collect.archives import Entry, Skipped
from autograder.collect.hand_in import File, notebook_of
from autograder.plain_files import Unreadable


def file(path: str, content: bytes | None = None) -> File:
    def read(limit: int) -> bytes:
        held = path.encode() if content is None else content
        if len(held) > limit:
            raise Unreadable("too large.")
        return held

    return File(PurePosixPath(path), Entry(f"sent/{path}", read))


def zipped(*names: str) -> bytes:
    raw = BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name in names:
            archive.writestr(name, f"zipped {name}")
    return raw.getvalue()


def taken(*files: File) -> tuple[list[bytes], dict[str, Skipped]]:
    found = list(notebook_of(files, "luong"))
    left = {f.path: f for f in found if isinstance(f, Skipped)}
    return [f for f in found if isinstance(f, bytes)], left


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["luong.ipynb"], "luong.ipynb"),
        (["Luong.IPYNB"], "Luong.IPYNB"),
        (["mine.ipynb"], "mine.ipynb"),
        (["other.ipynb", "luong.ipynb"], "luong.ipynb"),
        (["luong.ipynb", "luong-1.ipynb"], "luong.ipynb"),
        (["luong-1.ipynb", "luong-2.ipynb", "x.ipynb"], "luong-2.ipynb"),
        (["deep/luong.ipynb", "luong.ipynb"], "luong.ipynb"),
        (["a/luong.ipynb", "b/luong.ipynb"], None),
        (["a.ipynb", "b.ipynb"], None),
        (["luong.py"], None),
        ([], None),
    ],
)
def test_the_notebook_named_like_the_assignment_or_the_only_one_is_taken(names, chosen):
    contents, left = taken(*(file(name) for name in names))
    assert contents == ([chosen.encode()] if chosen else [])
    assert len(contents) + len(left) == len(names)


def test_a_zip_is_looked_into_and_a_file_beside_it_comes_first():
    inside = zipped("work/luong.ipynb", "data.csv")
    contents, left = taken(file("all.zip", inside))
    assert contents == [b"zipped work/luong.ipynb"]
    assert list(left) == ["sent/all.zip/data.csv"]
    assert taken(file("all.zip", inside), file("luong.ipynb"))[0] == [b"luong.ipynb"]


def test_a_zip_within_a_zip_and_other_archives_are_named():
    contents, left = taken(file("all.zip", zipped("more.zip")), file("luong.tar.gz"))
    assert contents == []
    assert ["not opened" in skipped.reason for skipped in left.values()] == [True, True]
    assert all(skipped.serious for skipped in left.values())


def test_a_broken_zip_is_named_and_the_rest_is_read():
    contents, left = taken(file("all.zip", b"junk"), file("luong.ipynb"))
    assert contents == [b"luong.ipynb"]
    assert "no zip file" in left["sent/all.zip"].reason


def test_all_zips_of_a_hand_in_share_one_limit(monkeypatch):
    content = zipped("a.ipynb")
    monkeypatch.setattr(hand_in, "MAX_ZIP", len(content) + 10)
    contents, left = taken(file("1.zip", content), file("2.zip", content))
    assert contents == [b"zipped a.ipynb"]
    assert left["sent/2.zip"].reason == "too large."


def test_a_notebook_that_cannot_be_read_is_named(monkeypatch):
    monkeypatch.setattr(hand_in, "MAX_BYTES", 3)
    contents, left = taken(file("luong.ipynb"))
    assert (contents, left["sent/luong.ipynb"].reason) == ([], "too large.")
