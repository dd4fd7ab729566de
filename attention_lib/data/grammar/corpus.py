"""The corpus: sentence pairs of the lengths asked for, from a seed, without repetition."""

from dataclasses import dataclass

from .sentences import sentence
from .synchronous import LONGEST, Draw, Links, Misfit, indexed

SHORTEST = 3
PATIENCE = 200  # draws without a new sentence before a length counts as used up


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence in both languages with its gold word alignment.

    `src` and `tgt` are words; `sure` and `possible` are sets of (source index, target index), the
    first a subset of the second; `pattern` names the grammar rule that made the sentence.
    """

    src: tuple[str, ...]
    tgt: tuple[str, ...]
    sure: Links
    possible: Links
    pattern: str


STUDENT = Pair(
    ("我", "是", "一", "个", "学生", "。"),
    ("I", "am", "a", "student", "."),
    frozenset({(0, 0), (1, 1), (2, 2), (4, 3), (5, 4)}),
    frozenset({(0, 0), (1, 1), (2, 2), (3, 2), (3, 3), (4, 3), (5, 4)}),
    "identity",
)


def grammar_corpus(
    size: int, *, seed: int = 0, min_length: int = 3, max_length: int = 20
) -> list[Pair]:
    """Return `size` sentence pairs, the same for the same arguments.

    A source sentence has `min_length` to `max_length` words (3 to 60), each length equally often,
    and comes once. A length whose sentences run out gives its turn to the others; only when all
    have run out (3 words give some 2 000) do sentences come again. Equal sources always have
    equal targets and links, in this and any other corpus.

    Raises ValueError for a negative size or lengths outside 3 … 60.

    >>> pair = grammar_corpus(1, seed=2, min_length=6, max_length=6)[0]
    >>> len(pair.src), pair.sure <= pair.possible
    (6, True)
    """
    _check(size, seed, min_length, max_length)
    draw = Draw(seed)
    lengths = list(range(min_length, max_length + 1))
    seen: set[tuple[str, ...]] = set()
    pairs: list[Pair] = []
    patience = PATIENCE
    while len(pairs) < size:
        length = draw.random.choice(lengths)
        for _ in range(patience):
            pair = _sentence(draw, length)
            if pair.src not in seen:
                break
        else:
            if len(lengths) > 1:
                lengths.remove(length)
                continue
            patience = 1
        seen.add(pair.src)
        pairs.append(pair)
    return pairs


def _check(size: int, seed: int, min_length: int, max_length: int) -> None:
    for name, value in (
        ("size", size),
        ("seed", seed),
        ("min_length", min_length),
        ("max_length", max_length),
    ):
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(f"{name} is {value!r}; give a whole number")
    if size < 0:
        raise ValueError(f"size is {size}; give 0 or more sentences")
    if not SHORTEST <= min_length <= max_length <= LONGEST:
        raise ValueError(
            f"min_length is {min_length} and max_length {max_length}; give "
            f"{SHORTEST} <= min_length <= max_length <= {LONGEST} (source words, with punctuation)"
        )


def _sentence(draw: Draw, length: int) -> Pair:
    """Draw one pair of exactly `length` source words."""
    while True:
        draw.begin()
        try:
            name, (label, phrase) = sentence.draw(draw, length)
        except Misfit:  # two choices that do not go together: draw again
            continue
        return Pair(*indexed(phrase), label or name)
