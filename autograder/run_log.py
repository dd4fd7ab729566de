"""The log of all grading runs of an assignment: JSON lines that are only ever added to."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder.assignment import Course
from autograder.atomic import storing


def log_file(course: Course, assignment: str) -> Path:
    """Where an assignment's log is kept."""
    return course.root / "logs" / f"{assignment}.jsonl"


class RunLog:
    """One run's lines; each says when, in which run and what."""

    def __init__(self, path: Path, descriptor: int):
        self._path = path
        self._descriptor = descriptor
        self._run = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{os.getpid()}"

    def write(self, event: str, **fields: Any) -> None:
        """Add a line.

        Raises:
            CannotStore: the disk is full, or may not be written.
        """
        now = datetime.now(UTC).isoformat("T", "milliseconds")
        line = json.dumps({"time": now, "run": self._run, "event": event, **fields})
        with storing(self._path):
            rest = f"{line}\n".encode()
            while rest:  # a disk that is nearly full takes a part without a word
                rest = rest[os.write(self._descriptor, rest) :]


@contextmanager
def open_log(course: Course, assignment: str) -> Iterator[RunLog]:
    """Open the log to add one run to it; it holds the seeds of the cases, and is its owner's alone.

    A line that was cut off, because the machine failed while it was written, is ended first.
    """
    path = log_file(course, assignment)
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            with storing(path):
                os.write(descriptor, b"\n")
        yield RunLog(path, descriptor)
    finally:
        os.close(descriptor)


def read_log(course: Course, assignment: str) -> list[dict[str, Any]]:
    """Read all whole lines of a log, the oldest first."""
    lines = []
    for line in log_file(course, assignment).read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:  # one that was cut off
            continue
    return lines
