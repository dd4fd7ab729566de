"""Collect downloads into a course: who, which notebook, which version, and what was left out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

from nbgrader.utils import parse_utc

from autograder.assignment import AssignmentError, Course
from autograder.collect.archives import (
    DOWNLOAD,
    Entry,
    Skipped,
    folder_entries,
    open_zip,
    same_name,
    zip_entries,
)
from autograder.collect.hand_in import File, notebook_of
from autograder.collect.layouts import Sender, Unclear, is_system_file, sender_of
from autograder.collect.store import POLICY, Store, Version, counting, digest, due_date, is_late
from autograder.plain_files import Unreadable, shown
from autograder.rosters import Roster, Row, read_roster

MOODLE_TIME = "Last modified (submission)"
_LONGEST_NAME = 100  # bytes: it becomes the name of a folder and of files
_LONGEST_TIMESTAMP = 200


@dataclass(frozen=True)
class Line:
    """What became of one student: "new", "replaced", "unchanged", "left alone" or "nothing"."""

    student: str
    name: str
    what: str
    note: str = ""


@dataclass(frozen=True)
class Collected:
    """The outcome: a line for each student, and each file that was left out with its reason."""

    lines: tuple[Line, ...]
    skipped: tuple[Skipped, ...]
    due: datetime | None

    @property
    def ok(self) -> bool:
        """Whether nothing needs a look."""
        done = all(line.what not in ("left alone", "nothing") for line in self.lines)
        return done and not any(skipped.serious for skipped in self.skipped)

    def told(self) -> Iterator[str]:
        """The outcome in words: who has something new or to look at, what was left out, why."""
        for line in self.lines:
            if line.what != "unchanged" or line.note:
                name = f" ({shown(line.name)})" if line.name != line.student else ""
                note = f": {line.note}" if line.note else ""
                yield f"{line.student}{name}: {line.what}{note}"
        for skipped in self.skipped:
            yield f"Left out: {skipped}"
        due = (
            f"{self.due} UTC"
            if self.due
            else "none is known (`nbgrader db assignment add` sets it)"
        )
        yield f"Due date: {due}. Policy: {POLICY}."
        counts = Counter(line.what for line in self.lines)
        told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
        yield f"{len(self.lines)} students: {told or 'none'}; {len(self.skipped)} files left out."


def collect_downloads(
    assignment: str,
    course: Course,
    sources: Sequence[Path],
    roster: Path | None = None,
    timezone: str | None = None,
) -> Collected:
    """Bring what students handed in into ``submitted/``; see ``store.POLICY`` for repeated work.

    Args:
        assignment: its name; it must have been released into the course.
        course: the course.
        sources: Canvas' or Moodle's zips, unpacked or not, or folders with one for each student.
        roster: Canvas' gradebook or Moodle's grading worksheet: students' logins, and in Moodle's
            the times of submission.
        timezone: that of the times in Moodle's worksheet; this computer's if None.

    Raises:
        AssignmentError: the assignment was not released.
        FileNotFoundError: a source does not exist.
        ValueError: the roster, the ledger or the timezone is not usable.
    """
    if not course.release(assignment).is_file():
        raise AssignmentError(
            f"{course.release(assignment)} does not exist: run `autograder release {assignment} "
            f"--course {course.root}` first."
        )
    for source in sources:
        if not source.exists():
            raise FileNotFoundError(f"{source} does not exist: give a zip or a folder.")
    known = read_roster(roster) if roster is not None else None
    run = _Run(assignment, course, known, _zone(timezone))
    for source in sources:
        run.take(source)
    return run.finish()


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (KeyError, ValueError, OSError) as problem:
        message = f"No time zone is called {name!r}: write it as in Europe/Berlin."
        raise ValueError(message) from problem


class _Run:
    """One run of collecting."""

    def __init__(
        self, assignment: str, course: Course, roster: Roster | None, zone: ZoneInfo | None
    ):
        self._assignment = assignment
        self._course = course
        self._roster = roster
        self._rows = {f"{roster.platform}:{row.key}": row for row in roster.rows} if roster else {}
        self._zone = zone
        self._store = Store(course, assignment)
        self._spelled = self._names_in_use()
        self._skipped: list[Skipped] = []
        self._empty: dict[str, str] = {}

    def _names_in_use(self) -> dict[str, str]:
        """The students that there are, by what similar names share."""
        folders = (self._course.root / "submitted").glob("*/")
        return {same_name(n): n for n in (*(f.name for f in folders), *self._store.versions)}

    def take(self, source: Path) -> None:
        """Keep all versions of a download."""
        try:
            if source.is_dir():
                self._take(source.name, folder_entries(source, DOWNLOAD))
            elif source.suffix.lower() == ".zip":
                with source.open("rb") as file, open_zip(file, DOWNLOAD) as archive:
                    self._take(source.name, zip_entries(archive))
            else:
                raise Unreadable("it is neither a folder nor a .zip archive.")
        except Unreadable as problem:
            self._skipped.append(Skipped(str(source), str(problem)))

    def _take(self, source: str, entries: Iterable[Entry | Skipped]) -> None:
        groups: dict[str, list[tuple[Sender, Entry]]] = {}
        for entry in entries:
            if isinstance(entry, Skipped):
                self._skipped.append(entry)
            elif is_system_file(entry.path):
                reason = "it is a file of the system."
                self._skipped.append(Skipped(entry.path, reason, serious=False))
            else:
                try:
                    sender = sender_of(entry.path, self._roster)
                    groups.setdefault(sender.key, []).append((sender, entry))
                except Unclear as problem:
                    self._skipped.append(Skipped(entry.path, str(problem)))
        self._only_this_assignment(groups)
        spelled: dict[str, set[str]] = {}
        for key in groups:
            spelled.setdefault(same_name(key), set()).add(key)
        for key, group in groups.items():
            if len(spelled[same_name(key)]) > 1:
                reason = "another student's name differs only in case or Unicode form."
                self._skipped += [Skipped(entry.path, reason) for _, entry in group]
            else:
                self._take_from(source, group)

    def _only_this_assignment(self, groups: dict[str, list[tuple[Sender, Entry]]]) -> None:
        """In folders as nbgrader lays them out, look only at those of the assignment."""

        def inside(sender: Sender) -> bool:
            return sender.platform == "plain" and sender.file.parts[:-1][:1] == (self._assignment,)

        if not any(inside(sender) for group in groups.values() for sender, _ in group):
            return
        reason = f"it does not lie in a folder {self._assignment!r}."
        for key, group in list(groups.items()):
            groups[key] = [(s, e) for s, e in group if inside(s) or s.platform != "plain"]
            left = [e for s, e in group if not inside(s) and s.platform == "plain"]
            self._skipped += [Skipped(e.path, reason, serious=False) for e in left]
            if not groups[key]:
                del groups[key]

    def _take_from(self, source: str, group: list[tuple[Sender, Entry]]) -> None:
        """Keep the versions of one sender."""
        sender = group[0][0]
        try:
            student = self._student(sender)
        except Unclear as problem:
            self._skipped += [Skipped(entry.path, str(problem)) for _, entry in group]
            return
        time = self._time(sender, group)
        found = False
        for attempt, files in _hand_ins(group):
            for notebook in notebook_of(files, self._assignment):
                if isinstance(notebook, Skipped):
                    self._skipped.append(notebook)
                    continue
                found = True
                late = any(s.late for s, _ in group if s.attempt == attempt)
                version = Version(
                    student, sender.key, sender.name, digest(notebook), time, late, attempt, source
                )
                self._store.add(version, notebook)
        if not found:
            self._empty[student] = sender.name

    def _student(self, sender: Sender) -> str:
        """The student's folder: as before, or the roster's login, or the platform's number.

        Raises:
            Unclear: it cannot be the name of a folder, or is another student's.
        """
        before = self._store.students.get(sender.key)
        if before is not None:
            return before
        row = self._rows.get(sender.key)
        student = row.login if row is not None else sender.id
        reason = _no_folder(student)
        if reason is not None:
            raise Unclear(reason)
        if self._spelled.setdefault(same_name(student), student) != student:
            raise Unclear(f"there is a student {self._spelled[same_name(student)]!r} already.")
        owners = {v.sender for v in self._store.versions.get(student, [])}
        if any(o != sender.key and o.split(":")[0] == sender.platform for o in owners):
            raise Unclear(f"another student has the login {student!r}.")
        return student

    def _time(self, sender: Sender, group: list[tuple[Sender, Entry]]) -> str | None:
        """When it was handed in, where Moodle's worksheet or nbgrader's timestamp.txt says it."""
        row = self._rows.get(sender.key)
        if row is not None and self._roster is not None:
            return _moodle_time(self._roster, row, self._zone)
        names = (PurePosixPath("timestamp.txt"), PurePosixPath(self._assignment, "timestamp.txt"))
        for found, entry in group:
            if found.platform == "plain" and found.file in names:
                try:
                    text = entry.read(_LONGEST_TIMESTAMP).decode("utf-8").strip()
                    return str(parse_utc(text).isoformat(" "))
                except (Unreadable, ValueError, OverflowError):
                    self._skipped.append(Skipped(entry.path, "it holds no time."))
        return None

    def finish(self) -> Collected:
        """Write the ledger, put the versions that count into place, and tell."""
        due = due_date(self._course, self._assignment)
        self._store.save()
        lines = [self._place(s, due) for s in sorted(self._store.versions)]
        self._store.save()
        for student, name in self._empty.items():
            if student not in self._store.versions:
                lines.append(Line(student, name, "nothing", "no notebook could be collected"))
        return Collected(tuple(lines), tuple(self._skipped), due)

    def _place(self, student: str, due: datetime | None) -> Line:
        versions = self._store.versions[student]
        version = counting(versions, due)
        notes = []
        if len(versions) > 1:
            late = sum(is_late(v, due) for v in versions)
            notes.append(f"{len(versions)} versions, {late} of them late")
        if is_late(version, due):
            notes.append("late" if version.time else "late, it is not known by how much")
        if self._roster and version.sender.startswith(f"{self._roster.platform}:"):
            notes += [] if version.sender in self._rows else ["has no row in the roster"]
        try:
            what, note = self._store.place(version, due)
        except (Unreadable, OSError) as problem:
            return Line(student, version.name, "left alone", str(problem))
        return Line(student, version.name, what, "; ".join([*notes, *filter(None, [note])]))


def _hand_ins(group: list[tuple[Sender, Entry]]) -> Iterator[tuple[int, list[File]]]:
    """What was handed in together, in order."""
    attempts: dict[int, list[File]] = {}
    for sender, entry in group:
        if sender.platform != "plain" or sender.file.name != "timestamp.txt":
            attempts.setdefault(sender.attempt, []).append(File(sender.file, entry))
    yield from sorted(attempts.items())


def _no_folder(student: str) -> str | None:
    """Why a student's name cannot be the name of a folder, if so."""
    if not student.isprintable() or student.strip() != student or not student:
        return "the student's name is no readable text."
    if set(student) & set('/\\:*?"<>|[]{}') or student.startswith((".", "-")):
        return f"{student!r} cannot be the name of a student's folder."
    if len(student.encode()) > _LONGEST_NAME:
        return f"the student's name has more than {_LONGEST_NAME} bytes."
    return None


def _moodle_time(roster: Roster, row: Row, zone: ZoneInfo | None) -> str | None:
    """The time in Moodle's worksheet, in UTC; None if there is none or it is not English."""
    column = roster.column(MOODLE_TIME)
    if column is None:
        return None
    try:
        moment = parse_utc(row.cells[column])
        return moment.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    except (ValueError, OverflowError):
        return None
