"""Copying and reversing: the smallest tasks that show what a model can remember and find."""

import random

from attention_lib.data.pairs import SentencePair


def copy_task(
    number: int,
    *,
    min_length: int = 1,
    max_length: int = 16,
    symbols: int = 26,
    reverse: bool = False,
    seed: int = 0,
) -> list[SentencePair]:
    """Draw random sequences of letters, to be copied or to be written backwards.

    Args:
        number: how many pairs.
        min_length, max_length: lengths are uniform between them, both included.
        symbols: how many different letters there are: "a" … "z", then further characters.
        reverse: whether the target is the source backwards.
        seed: decides the pairs.

    Returns:
        the pairs; some may repeat where there are few sequences to choose from.

    Raises:
        ValueError: if there is no such sequence.

    >>> for pair in copy_task(2, max_length=4, symbols=3, reverse=True, seed=3):
    ...     print(*pair.src, "→", *pair.tgt)
    b a → a b
    b a a c → c a a b
    """
    if not 1 <= min_length <= max_length or symbols < 1:
        raise ValueError(
            f"lengths {min_length} … {max_length} of {symbols} symbols; "
            "wanted 1 <= min_length <= max_length and symbols >= 1"
        )
    draw = random.Random(seed)
    alphabet = [chr(ord("a") + i) for i in range(symbols)]
    pairs = []
    for _ in range(number):
        src = tuple(draw.choices(alphabet, k=draw.randint(min_length, max_length)))
        pairs.append(SentencePair(src, src[::-1] if reverse else src))
    return pairs
