"""One grader at a time, and who it is that holds what another one waits for."""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from autograder.assignment import Course
from autograder.atomic import write_whole


class Busy(Exception):
    """Another grader is at work on the same assignment; the message names it."""


@contextmanager
def only_grader(course: Course, assignment: str) -> Iterator[None]:
    """Hold an assignment for this process; the system lets go of it however the process ends.

    Raises:
        Busy: another process holds it.
    """
    folder = course.root / ".grading"
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / f"{assignment}.json"
    lock = FileLock(folder / f"{assignment}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as problem:
        raise Busy(
            f"Another grader is at work on {assignment!r} in {course.root}: {_read(note)}. "
            "Wait until it has finished, or stop it, and run this again."
        ) from problem
    try:
        since = datetime.now(UTC).isoformat(" ", "seconds")
        who = {"pid": os.getpid(), "machine": platform.node(), "since": since}
        write_whole(note, json.dumps(who).encode())
        yield
    finally:
        lock.release()


def _read(note: Path) -> str:
    try:
        who = json.loads(note.read_text(encoding="utf-8"))
        return f"process {who['pid']} on {who['machine']}, since {who['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has not said which process it is"


def holders(path: Path) -> str:
    """Name the processes of this machine that hold a lock on a file, as far as Linux tells.

    >>> holders(Path("/nowhere"))
    'another program'
    """
    try:
        file = path.stat()
        known = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return "another program"
    mine = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    held = [line.split() for line in known.splitlines() if "->" not in line]
    found = {int(fields[-4]) for fields in held if mine in fields}
    found -= {os.getpid(), -1}
    return " and ".join(_process(pid) for pid in sorted(found)) or "another program"


def _process(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (OSError, UnicodeDecodeError):
        command = ""
    return f"process {pid} ({command.strip()[:80] or 'of another user'})"
