"""Who handed a file in: read from the names that Canvas, Moodle and plain folders give.

Canvas names each file of its download, in ``get_filename`` and ``add_upload_submission`` of
https://github.com/instructure/canvas-lms/blob/master/lib/content_zipper.rb,
``<sortable name>[_LATE]_<user id>_<attachment id>_<file name>``. Moodle makes a folder
``<full name>_<participant id>_assignsubmission_file_`` for each participant, or begins the file's
name with it, in
https://github.com/moodle/moodle/blob/main/mod/assign/classes/downloader.php.

The times inside these archives are those of the download and say nothing about the submission.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from autograder.rosters import Roster, canvas_name

_CANVAS = re.compile(r"(?=_(?P<user>\d{1,20})_(?P<attachment>\d{1,20})_(?P<file>.+))", re.DOTALL)
_MOODLE = re.compile(r"([^_]*)_(\d{1,20})_assignsubmission_([a-z]+)(?:$|_(.*))", re.DOTALL)
_COPY = re.compile(r"(.*?)(?:-(\d{1,3})| ?\((\d{1,3})\))?", re.DOTALL)
_SYSTEM = re.compile(
    r"(^|/)(__MACOSX|\.ipynb_checkpoints|\.git)/|(^|/)(\._[^/]*|\.DS_Store|Thumbs\.db)$"
)


@dataclass(frozen=True)
class Sender:
    """Who handed a file in, as the download names them.

    ``key`` is unique and the same in each download; ``file`` is the file's path in what was
    handed in, ``attempt`` grows with each hand-in, ``late`` is Canvas' mark.
    """

    platform: str
    id: str
    name: str
    file: PurePosixPath
    attempt: int = 0
    late: bool = False

    @property
    def key(self) -> str:
        """The sender's name across downloads, e.g. "canvas:12345"."""
        return f"{self.platform}:{self.id}"


class Unclear(Exception):
    """A name that does not say, or not surely, who handed the file in; with the reason."""


def is_system_file(path: str) -> bool:
    """Whether a file was written by an operating system or Jupyter, not by the student."""
    return bool(_SYSTEM.search(path))


def sender_of(path: str, roster: Roster | None = None) -> Sender:
    """Read from a file's path in a download who handed it in.

    >>> sender_of("lovelaceada_LATE_12345_67890_luong-1.ipynb").key
    'canvas:12345'
    >>> sender_of("Ada Lovelace_12345_assignsubmission_file_/luong.ipynb").key
    'moodle:12345'
    >>> sender_of("ada/luong.ipynb").key
    'plain:ada'

    Raises:
        Unclear: the path names nobody, or may name several.
    """
    top, _, rest = path.partition("/")
    moodle = _MOODLE.fullmatch(top)
    if moodle:
        return _moodle_sender(moodle, rest)
    if not rest:
        canvas = list(_canvas_senders(top))
        if canvas:
            return _the_one(canvas, roster)
        if top.lower().endswith(".zip"):
            return Sender("plain", top[:-4], top[:-4], PurePosixPath(top))
        raise Unclear("it lies in no student's folder, and its name says no student.")
    return Sender("plain", top, top, PurePosixPath(rest))


def _moodle_sender(match: re.Match[str], rest: str) -> Sender:
    name, participant, kind, file = match.groups()
    if kind != "file":
        raise Unclear(f"it is Moodle's {kind!r} submission, not a file that was handed in.")
    if not (rest or file):
        raise Unclear("its name says no file that was handed in.")
    return Sender("moodle", participant, name, PurePosixPath(rest or file))


def _canvas_senders(name: str) -> Iterator[Sender]:
    """Every way to read a name as one of Canvas' download.

    More than one is an attack or a bad chance: students choose the name at the start and the
    file's name at the end, and either can be made to look like somebody else's ids.
    """
    for match in _CANVAS.finditer(name):
        student = name[: match.start()]
        late = student.endswith("_LATE")
        yield Sender(
            "canvas",
            match["user"],
            student.removesuffix("_LATE"),
            PurePosixPath(match["file"]),
            int(match["attachment"]),
            late,
        )


def _the_one(senders: list[Sender], roster: Roster | None) -> Sender:
    """The only reading, or the only one that the roster knows."""
    if len(senders) == 1:
        return senders[0]
    rows = roster.rows if roster is not None and roster.platform == "canvas" else ()
    known = {row.key: canvas_name(row.name) for row in rows}
    true = [s for s in senders if s.id in known and known[s.id] == s.name]
    if len(true) == 1:
        return true[0]
    ids = " or ".join(sender.id for sender in senders[:3])
    hint = "look into it by hand." if rows else "give Canvas' own list with --roster."
    raise Unclear(f"its name may be read as the work of student {ids}: {hint}")


def copy_number(stem: str, assignment: str) -> int | None:
    """Which copy of the assignment's notebook a file's name means; None: another notebook.

    Canvas appends -1, -2 … to the file that a student sends once more, browsers (1), (2) ….

    >>> [copy_number(s, "luong") for s in ("luong", "Luong-2", "luong (1)", "bahdanau")]
    [0, 2, 1, None]
    """
    if stem.casefold() == assignment.casefold():
        return 0
    match = _COPY.fullmatch(stem)
    if match is None or match[1].casefold() != assignment.casefold():
        return None
    return int(match[2] or match[3] or 0)
