"""Files that somebody else wrote: read without following links, named without harm."""

import os
import stat
from pathlib import Path


class Unreadable(Exception):
    """A file that cannot be used; the message says why."""


def shown(name: object) -> str:
    """Show what a student named, on one line, short and printable, so that it can be written.

    >>> shown("a\\x1b[31m\\udcff.ipynb")
    'a?[31m?.ipynb'
    """
    text = "".join(c if c.isprintable() else "?" for c in str(name)[:100])
    return text if len(text) < 60 else f"{text[:56]}..."


def read_plain_file(path: Path, limit: int) -> bytes:
    """Read a regular file of at most ``limit`` bytes.

    Raises:
        Unreadable: a link, symbolic or hard, a pipe, a device, a folder, or a larger file.
        OSError: the system refuses.
    """
    _want_plain(os.lstat(path), path)  # before it is opened: opening a device may do something
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        _want_plain(os.fstat(descriptor), path)
        content = file.read(limit + 1)
    if len(content) > limit:
        raise Unreadable(
            f"{shown(path.name)} is larger than {limit // 2**20} MiB; clear its outputs and "
            "submit again."
        )
    return content


def _want_plain(found: os.stat_result, path: Path) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise Unreadable(f"{shown(path.name)} is a symbolic link; links are not followed.")
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{shown(path.name)} is no regular file.")
    if found.st_nlink > 1:
        raise Unreadable(
            f"{shown(path.name)} is a hard link: the same file lies elsewhere too. "
            "Put a copy in its place."
        )
