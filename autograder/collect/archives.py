"""Hostile archives and folders: what lies in them is read within limits, never unpacked.

nbgrader's own collector (``nbgrader.plugins.zipcollect`` and ``nbgrader.utils.unzip``) unpacks
whole trees, archives within archives without end, with no limit on size, number or depth, follows
links and lets a file replace another of its name. Here a name in an archive never becomes a path.
"""

import io
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from autograder.plain_files import Unreadable, read_plain_file, shown

MAX_NAME = 1000
MAX_RATIO = 200
RATIO_MATTERS_FROM = 2**20
MAX_DEPTH = 6
_PIECE = 2**16
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Limits:
    """How much one archive or folder may hold.

    ``directory`` bounds the bytes of a zip's table of contents, and with it the memory that
    opening it takes, ``total`` the bytes of all files together once unpacked.
    """

    entries: int
    directory: int
    total: int


DOWNLOAD = Limits(entries=20_000, directory=8 * 2**20, total=16 * 2**30)
HANDED_IN = Limits(entries=1_000, directory=2**20, total=2**28)


@dataclass(frozen=True)
class Entry:
    """One file of a download: its path there, and ``read(limit)``, which gives its bytes.

    ``read`` raises Unreadable, with the reason, for anything that cannot be had within the limit.
    """

    path: str
    read: Callable[[int], bytes]


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why; ``serious`` if a person should look into it."""

    path: str
    reason: str
    serious: bool = True

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.reason}"


def same_name(name: str) -> str:
    """What two names share that some file systems cannot tell apart.

    >>> same_name("ÅDA") == same_name("a\\u030ada")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


# ---------------------------------------------------------------- zip files


class _Reluctant(io.BufferedReader):
    """A file that refuses to be read in large pieces.

    A zip's own record says how long its table of contents is, and zipfile reads it in one piece.
    """

    def __init__(self, file: io.RawIOBase, largest: int):
        super().__init__(file)
        self._largest = largest

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._largest:
            raise Unreadable("its table of contents is too long: is it an archive bomb?")
        return super().read(size)


def open_zip(file: BinaryIO | bytes, limits: Limits) -> ZipFile:
    """Open a zip whose table of contents is bounded and can be true.

    Raises:
        Unreadable: it is no zip, is damaged, or holds too many or too large files.
    """
    raw = io.BytesIO(file) if isinstance(file, bytes) else file
    size = raw.seek(0, os.SEEK_END)
    try:
        archive = ZipFile(_Reluctant(raw, limits.directory))  # type: ignore[arg-type]
    except Unreadable:
        raise
    except Exception as problem:  # zipfile raises seven kinds of errors on damaged files
        raise Unreadable("it is no zip file, or damaged or cut off.") from problem
    infos = archive.infolist()
    if len(infos) > limits.entries:
        raise Unreadable(f"it holds {len(infos)} files; {limits.entries} are allowed.")
    if sum(info.file_size for info in infos) > limits.total:
        raise Unreadable(
            f"it would unpack to more than {limits.total // 2**20} MiB: an archive bomb?"
        )
    if sum(info.compress_size for info in infos) > size:
        raise Unreadable("its files overlap each other: an archive bomb.")
    return archive


def zip_entries(archive: ZipFile) -> Iterator[Entry | Skipped]:
    """List an opened zip: each file once, as something to read or as skipped with a reason."""
    files = [info for info in archive.infolist() if not _plain_path(info).endswith("/")]
    taken = Counter(same_name(_plain_path(info)) for info in files)
    for info in files:
        path = _plain_path(info)
        reason = _refusal(info)
        if reason is None and taken[same_name(path)] > 1:
            reason = "several files share this name, but for case or Unicode form."
        if reason is None:
            yield Entry(path, _reader(archive, info))
        else:
            yield Skipped(path, reason)


def _plain_path(info: ZipInfo) -> str:
    return info.filename.replace("\\", "/")


def _refusal(info: ZipInfo) -> str | None:
    """Why a member of a zip is not read, if so."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    ratio = info.file_size / max(1, info.compress_size)
    refusals = (
        (_unsafe_path(info.orig_filename), "its path leads out of the archive."),
        (not info.filename or not info.filename.isprintable(), "its name is no readable text."),
        (len(info.filename) > MAX_NAME, f"its name has more than {MAX_NAME} characters."),
        (kind == stat.S_IFLNK, "it is a symbolic link; links are not followed."),
        (kind not in (0, stat.S_IFREG, stat.S_IFLNK), "it is no regular file."),
        (info.flag_bits & 0x41, "it is encrypted."),
        (info.compress_type not in (ZIP_STORED, ZIP_DEFLATED), "its compression is not known."),
        (
            ratio > MAX_RATIO and info.file_size > RATIO_MATTERS_FROM,
            f"it would unpack to {ratio:.0f} times its size: an archive bomb?",
        ),
    )
    return next((reason for refused, reason in refusals if refused), None)


def _unsafe_path(name: str) -> bool:
    """Whether a path is absolute, names a drive, climbs up or hides its end.

    >>> [_unsafe_path(n) for n in ("a/b", "/a", "..\\\\a", "C:a", "a/../../b", "a..b")]
    [False, True, True, True, True, False]
    """
    plain = name.replace("\\", "/")
    climbs = ".." in plain.split("/")
    return climbs or plain.startswith("/") or bool(_DRIVE.match(plain)) or "\0" in plain


def _reader(archive: ZipFile, info: ZipInfo) -> Callable[[int], bytes]:
    def read(limit: int) -> bytes:
        if info.file_size > limit:
            raise _too_large(limit)
        try:
            with archive.open(info) as file:
                return b"".join(iter(lambda: file.read(_PIECE), b""))
        except Exception as problem:  # as above; a lying size or checksum shows here
            raise Unreadable("it is damaged or cut off.") from problem

    return read


def _too_large(limit: int) -> Unreadable:
    return Unreadable(f"it is larger than {limit // 2**20} MiB.")


# ---------------------------------------------------------------- folders


def folder_entries(folder: Path, limits: Limits) -> Iterator[Entry | Skipped]:
    """List the files below a folder, in order; links are not followed.

    Raises:
        Unreadable: there are too many files.
    """
    files: list[Entry | Skipped] = []
    for entry in _walk(folder, "", MAX_DEPTH):
        files.append(entry)
        if len(files) > limits.entries:
            raise Unreadable(f"it holds more than {limits.entries} files.")
    yield from files


def _walk(folder: Path, above: str, depth: int) -> Iterator[Entry | Skipped]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as problem:
        yield Skipped(above or str(folder), f"it could not be read: {problem.strerror}.")
        return
    for entry in entries:
        path = above + entry.name
        if entry.is_symlink():
            yield Skipped(path, "it is a symbolic link; links are not followed.")
        elif entry.is_dir():
            if depth == 0:
                yield Skipped(path, "it lies too deep in folders.")
            else:
                yield from _walk(Path(entry.path), f"{path}/", depth - 1)
        elif not path.isprintable():
            yield Skipped(path, "its name is no readable text.")
        else:
            yield Entry(path, _file_reader(Path(entry.path)))


def _file_reader(path: Path) -> Callable[[int], bytes]:
    def read(limit: int) -> bytes:
        try:
            return read_plain_file(path, limit)
        except OSError as problem:
            raise Unreadable(f"it could not be read: {problem.strerror}.") from problem

    return read
