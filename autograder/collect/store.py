"""All versions that were ever collected, which of them counts, and putting that into the course.

``collected/<assignment>/`` holds each version once, named by its content, and ``ledger.json``,
which says whose they are. ``submitted/`` holds the version that counts, where nbgrader wants it.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.utils import parse_utc

from autograder.assignment import Course
from autograder.intake import MAX_BYTES
from autograder.pages import write_atomically
from autograder.plain_files import Unreadable, read_plain_file

POLICY = (
    "the last submission on time counts; where none was on time, the last of all "
    "(as nbgrader's own collect --before_duedate)"
)


@dataclass(frozen=True)
class Version:
    """One notebook that was handed in once.

    ``sender`` is who the download named, ``student`` the folder in the course; ``time`` is UTC as
    nbgrader writes it, or None where the download does not say; ``attempt`` orders those.
    """

    student: str
    sender: str
    name: str
    digest: str
    time: str | None
    late: bool
    attempt: int
    source: str

    def same_work(self, other: "Version") -> bool:
        """Whether two versions may be one, seen in two downloads: all but time, name and source."""

        def work(version: Version) -> tuple[str, str, int, bool]:
            return version.sender, version.digest, version.attempt, version.late

        return work(self) == work(other)


def due_date(course: Course, assignment: str) -> datetime | None:
    """When the assignment is due, in UTC, as nbgrader's gradebook has it."""
    if not course.has_gradebook:
        return None
    with Gradebook(course.database) as gradebook:
        try:
            due: datetime | None = gradebook.find_assignment(assignment).duedate
        except MissingEntry:
            return None
        return due


def is_late(version: Version, due: datetime | None) -> bool:
    """Whether a version was late: by the platform's mark, or by its time."""
    if version.late or version.time is None or due is None:
        return version.late
    return bool(parse_utc(version.time) > due)


def counting(versions: Sequence[Version], due: datetime | None) -> Version:
    """The version that counts: the last one on time, or the last one.

    Versions without a time come before those with one, in the order of their attempts, and then
    in the order in which they were collected.
    """

    def order(numbered: tuple[int, Version]) -> tuple[bool, datetime, int, int]:
        place, version = numbered
        moment = parse_utc(version.time) if version.time else datetime.min
        return version.time is not None, moment, version.attempt, place

    ordered = [version for _, version in sorted(enumerate(versions), key=order)]
    on_time = [version for version in ordered if not is_late(version, due)]
    return (on_time or ordered)[-1]


def timestamp(version: Version, due: datetime | None) -> str | None:
    """What timestamp.txt says, as nbgrader's zip_collect writes it, for its late policy.

    Of a late version whose time is not known it is known only that it came after the due date.
    """
    if version.time is None and version.late and due is not None:
        return (due + timedelta(seconds=1)).isoformat(" ")
    return version.time


class Store:
    """The versions of one assignment, and what was put into ``submitted/``.

    Raises:
        ValueError: the ledger was damaged.
    """

    def __init__(self, course: Course, assignment: str):
        self._course = course
        self._assignment = assignment
        self._folder = course.root / "collected" / assignment
        self.versions: dict[str, list[Version]] = {}  # by student, as they were collected
        self.students: dict[str, str] = {}  # by sender
        self._placed: dict[str, str | None] = {}
        ledger = self._folder / "ledger.json"
        if ledger.exists():
            try:
                data = json.loads(ledger.read_text(encoding="utf-8"))
                for version in data["versions"]:
                    self._append(Version(**version))
                self._placed = dict(data["timestamps"])
            except (ValueError, TypeError, KeyError) as problem:
                raise ValueError(
                    f"{ledger} is damaged ({problem}): move {self._folder} away and collect all "
                    "downloads again."
                ) from problem

    def _append(self, version: Version) -> None:
        self.versions.setdefault(version.student, []).append(version)
        self.students[version.sender] = version.student

    def add(self, version: Version, content: bytes) -> None:
        """Keep a version, unless this very work of the student is already here."""
        versions = self.versions.get(version.student, [])
        for index, known in enumerate(versions):
            if known.same_work(version):
                if version.time in (None, known.time):
                    return
                if known.time is None:
                    versions[index] = dataclasses.replace(known, time=version.time)
                    return
        path = self._folder / f"{version.digest}.ipynb"
        if not path.exists():
            _write(path, content)
        self._append(version)

    def save(self) -> None:
        """Write the ledger, atomically."""
        data = {
            "versions": [dataclasses.asdict(v) for group in self.versions.values() for v in group],
            "timestamps": self._placed,
        }
        text = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
        write_atomically(self._folder / "ledger.json", text)

    def place(self, version: Version, due: datetime | None) -> tuple[str, str | None]:
        """Put a version into ``submitted/``: what was done, and a note about its time.

        Raises:
            Unreadable: something lies there that was not collected: it is left alone.
        """
        folder = self._course.submitted(version.student, self._assignment)
        if folder.parent.is_symlink() or folder.is_symlink():
            raise Unreadable(f"{folder} is a symbolic link; nothing was put there.")
        target = folder / f"{self._assignment}.ipynb"
        before = _digest_of(target)
        mine = {known.digest for known in self.versions[version.student]}
        if before is not None and before not in mine:
            raise Unreadable(
                f"{target} is not what was collected: it was left alone. Move it away to have "
                f"{version.source} in its place."
            )
        note = self._place_time(folder, version, timestamp(version, due))
        if before == version.digest:
            return "unchanged", note
        _write(target, (self._folder / f"{version.digest}.ipynb").read_bytes())
        return ("new" if before is None else "replaced"), note

    def _place_time(self, folder: Path, version: Version, wanted: str | None) -> str | None:
        """Write timestamp.txt, unless a person wrote another one: an extension, say."""
        path = folder / "timestamp.txt"
        present = (
            path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else None
        )
        if present == wanted:
            self._placed[version.student] = wanted
            return None
        if present is not None and present != self._placed.get(version.student):
            return f"{path} was written by hand: it stays"
        if wanted is None:
            path.unlink(missing_ok=True)
        else:
            _write(path, wanted.encode())
        self._placed[version.student] = wanted
        return None


def digest(content: bytes) -> str:
    """The name of a content."""
    return hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str | None:
    """The digest of a file; None if there is none.

    Raises:
        Unreadable: it is a link or no file.
    """
    if not os.path.lexists(path):
        return None
    return digest(read_plain_file(path, MAX_BYTES))


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name[:64]}.{os.getpid()}")
    scratch.write_bytes(content)
    os.replace(scratch, path)
