"""Reviews of Chinese food deliveries (外卖), by character."""

import csv
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from attention_lib.data.characters import characters
from attention_lib.data.documents import Document
from attention_lib.data.download import DataFile, fetch, read_lines

_SENTENCE = re.compile(r"[^。！？!?…\n]*[。！？!?…\n]*")

_FILE = DataFile(
    "waimai/waimai_10k.csv.gz",
    "Download datasets/waimai_10k/waimai_10k.csv from github.com/SophonPlus/ChineseNlpCorpus "
    "and compress it as waimai/waimai_10k.csv.gz",
)


class Splits(NamedTuple):
    """Documents to train on, to tune with and to test on."""

    train: list[Document]
    val: list[Document]
    test: list[Document]


def waimai(folder: Path | str | None = None) -> list[Document]:
    """Read 11,987 delivery reviews, 4,000 of them positive (label 1), split into characters.

    A review's sentences end at 。, ！, ？ and …. The corpus was collected from the web and its
    authors are unknown: load it, do not pass it on. Its repository serves plain CSV; the file
    here is the same, compressed.

    Args:
        folder: holds ``waimai/``; the environment's ``ATTENTION_DATA`` if not given.

    Returns:
        the reviews in the file's order: all positive ones first.

    Raises:
        FileNotFoundError: if there is no such file; the message says how to get it.
        ValueError: if a line is not as described, or the file holds none.

    ChineseNlpCorpus, waimai_10k.
    """
    path = fetch(_FILE, folder)
    rows = _rows(path)
    _, header = next(rows, (1, []))
    if header != ["label", "review"]:
        raise ValueError(f"{path} begins with {header}; wanted the header label,review")
    documents = []
    for number, row in rows:
        if len(row) != 2 or row[0] not in ("0", "1"):
            raise ValueError(
                f"line {number} of {path} holds {row!r:.60}; wanted 0 or 1, and a review"
            )
        sentences = tuple(filter(None, map(characters, _SENTENCE.findall(row[1]))))
        if sentences:
            documents.append(Document(sentences, int(row[0])))
    if not documents:
        raise ValueError(f"{path} holds no reviews; get the file again")
    return documents


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Read CSV with each row's line number; strictly, so that a stray quote swallows no rows."""
    rows = csv.reader((f"{line}\n" for line in read_lines(path)), strict=True)
    try:
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise ValueError(
            f"line {rows.line_num} of {path} is no CSV ({error}); look for a quotation mark that "
            "is not closed, there or above, or get the file again"
        ) from error


def split(documents: list[Document], *, held_out: int = 1200, seed: int = 0) -> Splits:
    """Shuffle and split so that no text stands on two sides.

    A few reviews come twice. Copies of a text stay together; validation and test get one of each.

    Args:
        documents: all of them.
        held_out: how many go to validation, and how many to test.
        seed: decides which.

    Raises:
        ValueError: if there are not enough different texts.
    """
    texts: dict[tuple[str, ...], list[Document]] = {}
    for document in documents:
        texts.setdefault(document.words, []).append(document)
    groups = list(texts.values())
    random.Random(seed).shuffle(groups)
    if 2 * held_out >= len(groups):
        raise ValueError(f"held_out is {held_out}, but there are only {len(groups)} texts")
    first = [group[0] for group in groups[: 2 * held_out]]
    rest = [document for group in groups[2 * held_out :] for document in group]
    return Splits(rest, first[:held_out], first[held_out:])
