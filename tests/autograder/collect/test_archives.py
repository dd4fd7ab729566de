"""Hostile zips and folders: each attack is refused by name, and nothing is ever unpacked."""

import os
import stat
import struct
import tracemalloc
import zipfile
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.collect.archives import (
    HANDED_IN,
    MAX_DEPTH,
    Entry,
    Limits,
    Skipped,
    folder_entries,
    open_zip,
    zip_entries,
)
from autograder.plain_files import Unreadable

GOOD = "ada/luong.ipynb"


def zipped(*members, compression=zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of (name or ZipInfo, content)."""
    raw = BytesIO()
    with zipfile.ZipFile(raw, "w", compression) as archive, pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_args, **_kwargs: None)  # of names that are there
        for name, content in members:
            archive.writestr(name, content)
    return raw.getvalue()


def member(name: str, mode: int = 0o644 | stat.S_IFREG) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def listed(content: bytes, limits: Limits = HANDED_IN) -> dict[str, str | None]:
    """Each file's path, and why it is not read."""
    found = list(zip_entries(open_zip(content, limits)))
    assert len({e.path for e in found}) <= len(found)
    return {e.path: e.reason if isinstance(e, Skipped) else None for e in found}


def read(content: bytes, limit: int = 2**20) -> bytes:
    [entry] = zip_entries(open_zip(content, HANDED_IN))
    assert isinstance(entry, Entry)
    return entry.read(limit)


def test_an_honest_zip_is_read():
    content = zipped(("ada/", b""), (GOOD, b"{}"), (member("王/é.ipynb"), b"x"))
    entries = {e.path: e.read(9) for e in zip_entries(open_zip(content, HANDED_IN))}
    assert entries == {GOOD: b"{}", "王/é.ipynb": b"x"}


def test_windows_separators_are_separators():
    assert list(listed(zipped((member("ada\\luong.ipynb"), b"{}")))) == [GOOD]


LEAVING = ["/etc/passwd", "../luong.ipynb", "ada/../../x", "..\\x", "C:\\x", "c:x", "\\\\host\\x"]


@pytest.mark.parametrize("name", LEAVING)
def test_a_path_that_leads_out_is_refused_and_the_rest_is_read(name):
    found = listed(zipped((name, b"evil"), (GOOD, b"{}")))
    assert found.pop(GOOD) is None
    assert ["leads out" in str(reason) for reason in found.values()] == [True]


def test_a_path_that_hides_its_end_is_refused():
    content = zipped(("ada/luong.ipynbX.exe", b"evil")).replace(b"ipynbX", b"ipynb\0")
    assert all(reason is not None for reason in listed(content).values())


@pytest.mark.parametrize("name", ["", "a\x1b[2J.ipynb", "\u202eipynb.exe", "x" * 1001])
def test_a_name_that_cannot_be_shown_is_refused(name):
    content = zipped((name or "x", b"{}"))
    if not name:
        start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
        directory = bytearray(content[start : end - 1])
        directory[28] = 0  # the length of the name
        record = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), start, 0)
        content = content[:start] + bytes(directory) + record
    assert [reason is not None for reason in listed(content).values()] == [True]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (stat.S_IFLNK, "symbolic link"),
        (stat.S_IFIFO, "no regular file"),
        (stat.S_IFCHR, "no regular file"),
        (stat.S_IFBLK, "no regular file"),
        (stat.S_IFSOCK, "no regular file"),
    ],
)
def test_links_and_devices_are_refused(kind, word):
    found = listed(zipped((member(GOOD, kind | 0o777), b"/etc/passwd")))
    assert word in str(found[GOOD])


@pytest.mark.parametrize(
    "names",
    [(GOOD, GOOD), (GOOD, GOOD.upper()), ("å/x", "a\u030a/x"), ("a/x", "a\\x")],
    ids=["equal", "case", "normal form", "separator"],
)
def test_colliding_names_are_all_refused(names):
    found = [*zip_entries(open_zip(zipped(*((n, b"x") for n in names)), HANDED_IN))]
    assert [isinstance(entry, Skipped) for entry in found] == [True, True]


def test_an_encrypted_file_is_refused():
    content = bytearray(zipped((GOOD, b"{}")))
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        content[content.index(signature) + offset] |= 1
    assert "encrypted" in str(listed(bytes(content))[GOOD])


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_compression_that_may_want_any_memory_is_refused(compression):
    assert "compression" in str(listed(zipped((GOOD, b"{}"), compression=compression))[GOOD])


# ------------------------------------------------------------------ bombs


def test_a_file_that_unpacks_to_a_thousand_times_its_size_is_refused():
    assert "bomb" in str(listed(zipped((GOOD, bytes(2**24))))[GOOD])


def test_a_file_over_the_limit_is_not_read():
    with pytest.raises(Unreadable, match="larger than 1 MiB"):
        read(zipped((GOOD, os.urandom(2**20 + 1))))


def test_a_file_that_lies_about_its_size_gives_no_more_than_it_says():
    content = zipped((GOOD, os.urandom(2**21)))
    for signature, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        at = content.index(signature) + offset
        content = content[:at] + struct.pack("<I", 100) + content[at + 4 :]
    with pytest.raises(Unreadable, match="damaged"):
        read(content)


def test_too_much_in_all_is_refused():
    limits = Limits(entries=9, directory=2**20, total=1000)
    with pytest.raises(Unreadable, match="bomb"):
        open_zip(zipped(*((f"{i}", bytes(400)) for i in range(3))), limits)


def test_too_many_files_are_refused():
    content = zipped(*((f"{i}", b"") for i in range(HANDED_IN.entries + 1)))
    with pytest.raises(Unreadable, match="1001 files"):
        open_zip(content, HANDED_IN)


def test_a_long_table_of_contents_is_refused_before_it_takes_memory():
    content = zipped(*((f"{i:0100}", b"") for i in range(20_000)))
    tracemalloc.start()
    with pytest.raises(Unreadable, match="table of contents"):
        open_zip(content, HANDED_IN)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * HANDED_IN.directory


def test_files_that_overlap_are_refused():
    """As in David Fifield's "A better zip bomb": many names, one body."""
    content = zipped((GOOD, os.urandom(5000)))
    start = content.index(b"PK\1\2")
    end = content.index(b"PK\5\6")
    entry = content[start:end]
    table = b"".join(entry.replace(b"luong", f"{i:05}".encode()) for i in range(50))
    record = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 50, 50, len(table), start, 0)
    with pytest.raises(Unreadable, match=r"overlap|damaged"):
        open_zip(content[:start] + table + record, HANDED_IN)


# ------------------------------------------------------------------ broken and random files


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\5\6" + bytes(17), b"not a zip" * 100])
def test_what_is_no_zip_is_refused(content):
    with pytest.raises(Unreadable, match="no zip file"):
        open_zip(content, HANDED_IN)


def test_every_truncation_is_refused():
    content = zipped((GOOD, os.urandom(200)), ("b", b"text" * 50))
    for length in range(len(content)):
        with pytest.raises(Unreadable):
            open_zip(content[:length], HANDED_IN)


def _read_all(content: bytes) -> None:
    try:
        entries = list(zip_entries(open_zip(content, HANDED_IN)))
    except Unreadable:
        return
    for entry in entries:
        if isinstance(entry, Entry):
            with suppress(Unreadable):
                assert len(entry.read(1000)) <= 1000


SAMPLE = zipped((GOOD, b"{}" * 99), ("b.zip", b"x"), (member("c", stat.S_IFLNK), b"d"))


@settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255)), min_size=1, max_size=8
    )
)
def test_whatever_bytes_of_a_zip_change_nothing_but_unreadable_is_raised(changes):
    content = bytearray(SAMPLE)
    for at, value in changes:
        content[at] = value
    _read_all(bytes(content))


@settings(max_examples=100, deadline=None)
@given(head=st.binary(max_size=60), tail=st.binary(max_size=60))
def test_any_bytes_are_refused_or_read(head, tail):
    _read_all(head + tail)
    _read_all(head + SAMPLE + tail)
    _read_all(head + b"PK\5\6" + tail)


# ------------------------------------------------------------------ folders


def test_a_folder_is_listed_in_order_and_no_link_is_followed(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    top = tmp_path / "top"
    for name in ("b/luong.ipynb", "a/luong.ipynb"):
        (top / name).parent.mkdir(parents=True)
        (top / name).write_bytes(name.encode())
    (top / "a" / "link.ipynb").symlink_to(tmp_path / "secret")
    (top / "c").symlink_to(top / "a")
    found = list(folder_entries(top, HANDED_IN))
    assert [e.path for e in found] == ["a/link.ipynb", "a/luong.ipynb", "b/luong.ipynb", "c"]
    assert [e.read(99) for e in found if isinstance(e, Entry)] == [
        b"a/luong.ipynb",
        b"b/luong.ipynb",
    ]


@pytest.mark.parametrize("how", ["hard link", "pipe", "gone"])
def test_what_is_no_plain_file_is_not_read(how, tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    path = top / "x.ipynb"
    if how == "hard link":
        (tmp_path / "secret").write_bytes(b"secret")
        os.link(tmp_path / "secret", path)
    elif how == "pipe":
        os.mkfifo(path)
    else:
        path.touch()
    [entry] = folder_entries(top, HANDED_IN)
    if how == "gone":
        path.unlink()
    assert isinstance(entry, Entry)
    with pytest.raises(Unreadable):
        entry.read(99)


def test_a_folder_too_deep_or_too_full_is_not_walked(tmp_path):
    deep = tmp_path.joinpath(*["d"] * (MAX_DEPTH + 2))
    deep.mkdir(parents=True)
    [found] = folder_entries(tmp_path, HANDED_IN)
    assert isinstance(found, Skipped)
    for i in range(3):
        (tmp_path / str(i)).touch()
    with pytest.raises(Unreadable, match="more than 2 files"):
        list(folder_entries(tmp_path, Limits(entries=2, directory=0, total=0)))


def test_a_folder_that_may_not_be_read_is_named_and_the_rest_is_listed(tmp_path, monkeypatch):
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
    (tmp_path / "open" / "luong.ipynb").touch()
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    closed, found = folder_entries(tmp_path, HANDED_IN)
    assert str(closed) == "closed/: it could not be read: Permission denied."
    assert (type(found), found.path) == (Entry, "open/luong.ipynb")


def test_a_name_that_is_no_text_is_refused_and_can_be_written(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.ipynb")).touch()
    [found] = folder_entries(tmp_path, HANDED_IN)
    assert isinstance(found, Skipped)
    str(found).encode()
