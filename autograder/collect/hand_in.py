"""Which notebook a student handed in: among the files, and zips, of one hand-in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from autograder.collect.archives import HANDED_IN, Entry, Skipped, open_zip, zip_entries
from autograder.collect.layouts import copy_number, is_system_file
from autograder.intake import MAX_BYTES
from autograder.plain_files import Unreadable, shown

MAX_ZIP = 2 * MAX_BYTES  # all zips of one hand-in together: they are held in memory
_ARCHIVES = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz")


@dataclass(frozen=True)
class File:
    """One file of a hand-in: its path in it, and how to read it."""

    path: PurePosixPath
    entry: Entry


def notebook_of(files: Iterable[File], assignment: str) -> Iterator[bytes | Skipped]:
    """Find the assignment's notebook in a hand-in: its content, and all that was left out.

    The notebook named like the assignment is taken, or else the only one there is. Where that
    leaves a choice nothing is taken.
    """
    notebooks: list[File] = []
    for found in _opened(files):
        if isinstance(found, Skipped):
            yield found
        else:
            notebooks.append(found)
    try:
        chosen = _choose(notebooks, assignment)
    except Unreadable as problem:
        yield from (Skipped(file.entry.path, str(problem)) for file in notebooks)
        return
    if chosen is None:
        return
    for file in notebooks:
        if file is not chosen:
            reason = f"{shown(chosen.path)} beside it was taken."
            yield Skipped(file.entry.path, reason, serious=False)
    try:
        yield chosen.entry.read(MAX_BYTES)
    except Unreadable as problem:
        yield Skipped(chosen.entry.path, str(problem))


def _opened(files: Iterable[File]) -> Iterator[File | Skipped]:
    """The notebooks among the files, and in the zips among them; the rest with a reason."""
    left = MAX_ZIP
    for file in files:
        if file.path.suffix.lower() != ".zip":
            yield _sorted_out(file)
            continue
        try:
            content = file.entry.read(left)
            left -= len(content)
            yield from _unzipped(file, content)
        except Unreadable as problem:
            yield Skipped(file.entry.path, str(problem))


def _unzipped(zipped: File, content: bytes) -> Iterator[File | Skipped]:
    for found in zip_entries(open_zip(content, HANDED_IN)):
        where = f"{zipped.entry.path}/{found.path}"
        path = zipped.path / found.path
        if isinstance(found, Skipped):
            yield Skipped(where, found.reason, found.serious)
        elif path.suffix.lower() == ".zip":
            yield Skipped(where, "a zip within a zip is not opened.")
        else:
            yield _sorted_out(File(path, Entry(where, found.read)))


def _sorted_out(file: File) -> File | Skipped:
    suffix = file.path.suffix.lower()
    if is_system_file(str(file.path)):
        return Skipped(file.entry.path, "it is a file of the system.", serious=False)
    if suffix in _ARCHIVES:
        return Skipped(file.entry.path, f"{suffix} archives are not opened, only .zip.")
    if suffix != ".ipynb":
        return Skipped(file.entry.path, "it is no notebook.", serious=False)
    return file


def _choose(notebooks: list[File], assignment: str) -> File | None:
    """The notebook that is meant.

    Raises:
        Unreadable: several may be meant.
    """
    ranked: dict[tuple[bool, int, int], list[File]] = {}
    for file in notebooks:
        copy = copy_number(file.path.stem, assignment)
        if copy is not None:
            ranked.setdefault((copy > 0, len(file.path.parts), -copy), []).append(file)
    best = ranked[min(ranked)] if ranked else notebooks
    if len(best) > 1:
        raise Unreadable(f"several notebooks may be the one of {assignment!r}: none was taken.")
    return best[0] if best else None
