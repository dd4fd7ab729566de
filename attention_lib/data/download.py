"""Find the files of public corpora: in the reader's own folder, or by download."""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pooch


@dataclass(frozen=True)
class DataFile:
    """A file of a corpus.

    Attributes:
        path: below the folder that ``ATTENTION_DATA`` names.
        how: how to get it by hand: a sentence without its full stop.
        url: where it can be downloaded; None if nobody serves this very file.
        sha256: of its bytes; None if they may differ, e.g. by who compressed them.
    """

    path: str
    how: str
    url: str | None = None
    sha256: str | None = None


def fetch(file: DataFile, folder: Path | str | None = None) -> Path:
    """Find a file, or download it with a progress bar.

    The folder comes first; only if it does not have the file, or there is no folder, is the file
    downloaded, once, into the user's cache.

    Args:
        file: which.
        folder: where to look; the environment's ``ATTENTION_DATA`` if not given.

    Returns:
        its path.

    Raises:
        FileNotFoundError: if it is not in the folder and nobody serves it.
        ConnectionError: if it cannot be downloaded.
        OSError: if the download cannot be kept.
        ValueError: if it has other bytes than it should.
    """
    folder = folder or os.environ.get("ATTENTION_DATA")
    path = Path(folder or ".") / file.path
    if folder is not None and path.is_file():
        return _checked(path, file)
    where = f"{path} does not exist" if folder else "ATTENTION_DATA is not set"
    by_hand = f"{file.how}, and set ATTENTION_DATA to the folder that holds {_top(file)}/"
    if file.url is None:
        raise FileNotFoundError(f"no {file.path}: {where}. {by_hand}")
    return _download(file, where, by_hand)


def _top(file: DataFile) -> str:
    return file.path.split("/")[0]


def _checked(path: Path, file: DataFile) -> Path:
    if file.sha256 is not None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != file.sha256:
            raise ValueError(
                f"{path} is damaged or another edition: its SHA-256 is {digest}, wanted "
                f"{file.sha256}. Delete it and get it again: {file.how}"
            )
    return path


def _download(file: DataFile, where: str, by_hand: str) -> Path:
    cached = Path(pooch.os_cache("attention_lib")) / file.path
    try:
        found = pooch.retrieve(
            file.url, file.sha256, cached.name, path=cached.parent, progressbar=True
        )
    except OSError as error:
        # The file system's errors have a number, or are pooch's; those of requests are neither.
        if error.errno is not None or isinstance(error, PermissionError):
            raise OSError(
                f"no {file.path}: {where}, and a download cannot be kept in {cached.parent} "
                f"({type(error).__name__}). Make room for a file there and try again; or: {by_hand}"
            ) from None
        raise ConnectionError(
            f"no {file.path}: {where}, and {file.url} cannot be reached "
            f"({type(error).__name__}). Go online and try again; or: {by_hand}"
        ) from None  # the network libraries' own hundred lines would bury this one
    except ValueError as error:
        raise ValueError(
            f"{file.url} gave another file than the one wanted, with SHA-256 {file.sha256}: it "
            f"has changed, or was cut off. Try again; or: {by_hand}"
        ) from error
    return Path(found)


def read_lines(path: Path) -> Iterator[str]:
    """Read the lines of a gzipped UTF-8 file, without their ends.

    Only newlines end lines: a corpus may hold other characters that ``str.splitlines`` splits at,
    and would lose its alignment with its translation.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield line.rstrip("\r\n")
    except (EOFError, OSError, UnicodeDecodeError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file of UTF-8 text; get it again") from error
