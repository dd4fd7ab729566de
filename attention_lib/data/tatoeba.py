"""The Tatoeba Chinese–English sentence pairs, read from a local copy."""

import random
import re
from pathlib import Path

from attention_lib.data.characters import characters
from attention_lib.data.download import DataFile, fetch, read_lines
from attention_lib.data.pairs import SentencePair

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?|[^\sa-z0-9]")


_FILE = DataFile(
    "tatoeba/cmn.txt.gz",
    "Download the Chinese–English pairs from www.manythings.org/anki (cmn-eng.zip) and compress "
    "cmn.txt as tatoeba/cmn.txt.gz",
)


def tatoeba(folder: Path | str | None = None, *, max_length: int = 30) -> list[SentencePair]:
    """Read the Chinese→English pairs of tatoeba.org as manythings.org distributes them.

    Chinese is split into characters; English is lower-cased and split into words. Simplified and
    traditional characters stand side by side as in the source.

    Args:
        folder: holds ``tatoeba/cmn.txt.gz``; the environment's ``ATTENTION_DATA`` if not given.
        max_length: pairs with a longer side are left out.

    The archive on the site grows with Tatoeba: two downloads differ, so none is made for you.

    Returns:
        the pairs in the file's order, shortest first.

    Raises:
        FileNotFoundError: if there is no such file; the message says how to get it.
        ValueError: if a line is not as described, or the file holds none.

    Sentences: CC BY 2.0 FR, attributed line by line in the file's third column.
    """
    pairs = []
    path = fetch(_FILE, folder)
    for number, line in enumerate(read_lines(path), start=1):
        english, tab, rest = line.partition("\t")
        if not tab:
            raise ValueError(
                f"line {number} of {path} is {line[:60]!r}; wanted English, a tab and Chinese"
            )
        src = characters(rest.partition("\t")[0])
        tgt = tuple(_WORD.findall(english.lower()))
        if 0 < max(len(src), len(tgt)) <= max_length and src and tgt:
            pairs.append(SentencePair(src, tgt))
    if not pairs:
        raise ValueError(f"{path} holds no pairs of at most {max_length} words; get the file again")
    return pairs


def split(
    pairs: list[SentencePair], *, held_out: int, seed: int = 0
) -> tuple[list[SentencePair], list[SentencePair], list[SentencePair]]:
    """Split into training, validation and test pairs that share no sentence on either side.

    Tatoeba has many translations of one sentence. Pairs that share a source or a target with
    each other, directly or through a chain of pairs, stay on the same side of the split.

    Args:
        pairs: all pairs.
        held_out: how many pairs go to validation, and how many to test; at most one of each
            group of linked pairs, so that no sentence counts twice.
        seed: decides which.

    Returns:
        training, validation and test pairs.

    Raises:
        ValueError: if there are not enough groups.
    """
    groups = _linked(pairs)
    random.Random(seed).shuffle(groups)
    if 2 * held_out >= len(groups):
        raise ValueError(f"held_out is {held_out}, but there are only {len(groups)} groups")
    first = [group[0] for group in groups[: 2 * held_out]]
    rest = [pair for group in groups[2 * held_out :] for pair in group]
    return rest, first[:held_out], first[held_out:]


def _linked(pairs: list[SentencePair]) -> list[list[SentencePair]]:
    """Group pairs that share a sentence (connected components, by union and find)."""
    parent: dict[object, object] = {}

    def find(node: object) -> object:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for pair in pairs:
        parent[find(("src", pair.src))] = find(("tgt", pair.tgt))
    groups: dict[object, list[SentencePair]] = {}
    for pair in pairs:
        groups.setdefault(find(("src", pair.src)), []).append(pair)
    return list(groups.values())
