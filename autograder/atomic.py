"""Files that are there whole or not at all, whatever ends this process while it writes them."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_REFUSES_ALL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_PARTIAL = "partial"


class CannotStore(Exception):
    """The disk or the gradebook takes nothing now; the message says why and what to do."""


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Tell a disk that takes nothing more apart from a file that may not be written.

    Raises:
        CannotStore: the disk is full or may not be written at all.
    """
    try:
        yield
    except OSError as problem:
        if problem.errno not in _REFUSES_ALL:
            raise
        raise CannotStore(
            f"{path} could not be written ({problem.strerror}). What was stored before is whole: "
            "make room, or the disk writable, and run this again to go on."
        ) from problem


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> Path:
    """Write a file that readers find in its old form or its new one, and return its path.

    It is on the disk, not only on its way there, when this returns: what is written after it
    may rely on it. Where writing fails, the old file stays and nothing else is left.

    Raises:
        CannotStore: the disk is full or may not be written at all.
        OSError: this file may not be written.
    """
    scratch = path.with_name(f".{path.name[:32]}.{os.getpid()}.{_PARTIAL}")
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with scratch.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            scratch.chmod(mode)
            os.replace(scratch, path)
        finally:
            scratch.unlink(missing_ok=True)
    return path


def remove_partial(folder: Path) -> None:
    """Remove what a killed process left in a folder that nobody writes into now."""
    for path in folder.glob(f".*.{_PARTIAL}"):
        path.unlink(missing_ok=True)
