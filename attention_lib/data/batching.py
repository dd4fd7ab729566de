"""Padded batches of sentence pairs."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

Item = TypeVar("Item")


class SentencePair(Protocol):
    """Anything with the words of a source and of a target sentence."""

    @property
    def src(self) -> Sequence[str]:
        """The source's words."""

    @property
    def tgt(self) -> Sequence[str]:
        """The target's words."""


class Encoder(Protocol):
    """What turns a sentence into ids: a vocabulary of words, or a subword model."""

    @property
    def pad(self) -> int:
        """Id of the padding."""

    @property
    def bos(self) -> int:
        """Id of the mark before the first word."""

    @property
    def eos(self) -> int:
        """Id of the mark after the last word."""

    def encode(self, words: Any) -> list[int]:
        """Map a sentence to ids, without marks."""


@dataclass(frozen=True)
class Batch:
    """Sentence pairs as padded ids.

    Attributes:
        src: (batch, src_length).
        src_lengths: (batch,) true lengths.
        tgt_in: (batch, tgt_length + 1), <bos> and the target's words.
        tgt_out: (batch, tgt_length + 1), the target's words and <eos>: the word that follows.
        pad: id of the padding, the same in both languages.
    """

    src: Tensor
    src_lengths: Tensor
    tgt_in: Tensor
    tgt_out: Tensor
    pad: int

    def to(self, device: torch.device | str) -> "Batch":
        """Move all tensors but the lengths, which packing wants on the CPU."""
        return replace(
            self,
            src=self.src.to(device),
            tgt_in=self.tgt_in.to(device),
            tgt_out=self.tgt_out.to(device),
        )


def pad_ids(rows: Sequence[Sequence[int]], pad: int) -> Tensor:
    """Stack rows of ids, padded on the right to the longest.

    >>> pad_ids([[5], [6, 7]], pad=0)
    tensor([[5, 0],
            [6, 7]])
    """
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    padded = np.full((len(rows), lengths.max()), pad)
    real = np.arange(padded.shape[1]) < lengths[:, None]
    padded[real] = np.fromiter(chain.from_iterable(rows), np.int64, lengths.sum())
    return torch.from_numpy(padded)


def shift_right(targets: Tensor, bos: int, pad: int) -> Tensor:
    """Make what the decoder reads from what it shall write: each word one place later.

    Args:
        targets: (batch, steps) ids, each row's words and <eos>, padded.
        bos: id that the decoder reads first.
        pad: id of the padding; where nothing shall be written, nothing is read.

    Returns:
        (batch, steps) ids.

    >>> shift_right(torch.tensor([[5, 6, 2], [7, 2, 0]]), bos=1, pad=0)
    tensor([[1, 5, 6],
            [1, 7, 0]])
    """
    shifted = targets.roll(1, dims=1)
    shifted[:, 0] = bos
    return shifted.masked_fill(targets == pad, pad)


def drop_words(batch: Batch, p: float, unk: int) -> Batch:
    """Hide words at random from what a model reads, so that it learns to use the others.

    A model that has seen the same few sentences often enough knows them by heart; with holes in
    them they are new each time. What it shall write keeps every word.

    Args:
        batch: stays as it is.
        p: probability of hiding a word, in [0, 1], in the source and in ``tgt_in`` alike.
        unk: id that stands for a hidden word; ids up to it are marks and are never hidden.

    Returns:
        a batch with another ``src`` and ``tgt_in``.

    Raises:
        ValueError: if ``p`` is no probability.

    Bowman et al. (2016) hide words from a decoder; here they are hidden from the encoder, too.

    >>> batch = Batch(torch.tensor([[7, 8]]), torch.tensor([2]), torch.tensor([[1, 9]]),
    ...               torch.tensor([[9, 2]]), pad=0)
    >>> hidden = drop_words(batch, 1.0, unk=3)
    >>> hidden.src.tolist(), hidden.tgt_in.tolist(), hidden.tgt_out.tolist()
    ([[3, 3]], [[1, 3]], [[9, 2]])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}; wanted the probability of hiding a word, from 0 to 1")

    def hide(ids: Tensor) -> Tensor:
        chosen = torch.rand(ids.shape, device=ids.device) < p
        return ids.masked_fill(chosen & (ids > unk), unk)

    return replace(batch, src=hide(batch.src), tgt_in=hide(batch.tgt_in))


def make_batch(pairs: Sequence[SentencePair], src: Encoder, tgt: Encoder) -> Batch:
    """Encode sentence pairs into one batch.

    Raises:
        ValueError: if there are no pairs, or a source sentence is empty.

    >>> from attention_lib.data.pairs import SentencePair
    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> pairs = [SentencePair(("a", "b"), ("x",)), SentencePair(("b",), ("y", "x"))]
    >>> src, tgt = Vocabulary([["a", "b"]]), Vocabulary([["x", "y"]])
    >>> batch = make_batch(pairs, src, tgt)
    >>> batch.src.tolist(), batch.src_lengths.tolist()
    ([[4, 5], [5, 0]], [2, 1])
    >>> batch.tgt_in.tolist(), batch.tgt_out.tolist()
    ([[1, 4, 0], [1, 5, 4]], [[4, 2, 0], [5, 4, 2]])
    """
    return _pack(_encode(pairs, src, tgt), src.pad, tgt)


# The ids of a source, and those of a target with its <eos>.
_Row = tuple[list[int], list[int]]


def _encode(pairs: Sequence[SentencePair], src: Encoder, tgt: Encoder) -> list[_Row]:
    if not pairs:
        raise ValueError("no sentence pairs to batch")
    rows = [(src.encode(pair.src), [*tgt.encode(pair.tgt), tgt.eos]) for pair in pairs]
    if not all(source for source, _ in rows):
        raise ValueError("a source sentence is empty; drop such pairs before batching")
    return rows


def _pack(rows: Sequence[_Row], src_pad: int, tgt: Encoder) -> Batch:
    tgt_out = pad_ids([target for _, target in rows], tgt.pad)
    return Batch(
        src=pad_ids([source for source, _ in rows], src_pad),
        src_lengths=torch.tensor([len(source) for source, _ in rows]),
        tgt_in=shift_right(tgt_out, tgt.bos, tgt.pad),
        tgt_out=tgt_out,
        pad=tgt.pad,
    )


def token_batches(
    pairs: Sequence[SentencePair], src: Encoder, tgt: Encoder, *, max_tokens: int, seed: int
) -> Iterator[Batch]:
    """Yield shuffled training batches of about the same size in tokens, for ever.

    Each pass over the data sorts the pairs by length, in a new order where lengths are equal,
    cuts them into batches that are as large as they may be, and shuffles these. The order is a
    function of the seed alone.

    Args:
        pairs: encoded once, at the start.
        src, tgt: what encodes them; the same object for a joint vocabulary.
        max_tokens: the most cells, padding included, of a batch's source and of its target (with
            <eos>) each.
        seed: decides the order.

    Raises:
        ValueError: if there are no pairs, a source is empty, or a single pair has more tokens
            than a batch may hold; at the call, not when its batch is due.

    >>> from attention_lib.data.pairs import SentencePair
    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> pairs = [SentencePair(("a",) * n, ("x",) * n) for n in (1, 2, 3, 7)]
    >>> src, tgt = Vocabulary([("a",)]), Vocabulary([("x",)])
    >>> stream = token_batches(pairs, src, tgt, max_tokens=8, seed=0)
    >>> sorted(next(stream).tgt_out.shape for _ in range(3))
    [torch.Size([1, 4]), torch.Size([1, 8]), torch.Size([2, 3])]
    """
    rows = _encode(pairs, src, tgt)
    for pair, row in zip(pairs, rows, strict=True):
        if _width(row) > max_tokens:
            words = pair.src if isinstance(pair.src, str) else " ".join(pair.src)
            raise ValueError(
                f"a pair has {_width(row)} tokens, but a batch may hold max_tokens={max_tokens}; "
                f"leave the pair out or allow more: {words[:60]!r}"
            )
    return _token_stream(rows, src.pad, tgt, max_tokens, random.Random(seed))


def _width(row: _Row) -> int:
    return max(len(row[0]), len(row[1]))


def _token_stream(
    rows: list[_Row], src_pad: int, tgt: Encoder, max_tokens: int, generator: random.Random
) -> Iterator[Batch]:
    while True:
        generator.shuffle(rows)
        by_length = sorted(rows, key=lambda row: (_width(row), len(row[1]), len(row[0])))
        groups = group_by_tokens([_width(row) for row in by_length], max_tokens)
        generator.shuffle(groups)
        for group in groups:
            yield _pack([by_length[i] for i in group], src_pad, tgt)


def group_by_tokens(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Cut a row of sentences into groups that have at most ``max_tokens`` cells once padded.

    Args:
        lengths: of the sentences, in the order in which they are to be grouped; sort them first.
        max_tokens: the most that a group's size times its longest sentence may be.

    Returns:
        the positions of each group's sentences; each group takes as many as it may.

    Raises:
        ValueError: if one sentence alone is too long.

    >>> group_by_tokens([2, 2, 3, 5, 6], max_tokens=10)
    [[0, 1, 2], [3], [4]]
    """
    groups: list[list[int]] = []
    longest = 0
    for i, length in enumerate(lengths):
        if length > max_tokens:
            raise ValueError(f"sentence {i} has {length} tokens, but max_tokens is {max_tokens}")
        longest = max(longest, length)
        if not groups or longest * (len(groups[-1]) + 1) > max_tokens:
            groups.append([])
            longest = length
        groups[-1].append(i)
    return groups


def batches(
    pairs: Sequence[SentencePair], src: Encoder, tgt: Encoder, *, batch_size: int, seed: int
) -> Iterator[Batch]:
    """Yield shuffled training batches for ever; sentences of like length share a batch.

    Each pass over the data sorts chunks of 50 batches by length, so that little is padded, and
    then shuffles the batches.

    Raises:
        ValueError: if there are no pairs, a source is empty, or ``batch_size`` is below 1; when
            the first batch is asked for.

    >>> from attention_lib.data.pairs import SentencePair
    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> pairs = [SentencePair(("a",) * n, ("x",) * n) for n in (1, 7, 2, 6)]
    >>> src, tgt = Vocabulary([("a",)]), Vocabulary([("x",)])
    >>> stream = batches(pairs, src, tgt, batch_size=2, seed=0)
    >>> sorted(next(stream).src_lengths.tolist() for _ in range(2))
    [[1, 2], [6, 7]]
    """
    if not pairs:
        raise ValueError("no sentence pairs to batch")
    for group in shuffled_groups(pairs, batch_size, seed=seed, key=_lengths):
        yield make_batch(group, src, tgt)


def _lengths(pair: SentencePair) -> tuple[int, int]:
    return len(pair.src), len(pair.tgt)


def ordered_batches(
    pairs: Sequence[SentencePair], src: Encoder, tgt: Encoder, *, batch_size: int
) -> Iterator[Batch]:
    """Yield batches once, in the order given, for evaluation.

    Raises:
        ValueError: if ``batch_size`` is below 1; when the first batch is asked for.
    """
    for group in ordered_groups(pairs, batch_size):
        yield make_batch(group, src, tgt)


def ordered_groups(items: Sequence[Item], batch_size: int) -> list[list[Item]]:
    """Cut a sequence into groups of ``batch_size``, the last one with what is left.

    Raises:
        ValueError: if ``batch_size`` is below 1.

    >>> ordered_groups("abcde", 2)
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    _check_size(batch_size)
    return [list(items[start : start + batch_size]) for start in range(0, len(items), batch_size)]


def _check_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; a batch wants at least 1")


def shuffled_groups(
    items: Sequence[Item],
    batch_size: int,
    *,
    seed: int,
    key: Callable[[Item], Any],
    chunk: int = 50,
) -> Iterator[list[Item]]:
    """Yield shuffled groups of like items for ever; see :func:`batches`.

    Args:
        items: at least one.
        batch_size: items in a group.
        seed: of the order.
        key: what is alike in items that share a group.
        chunk: groups whose items are sorted together; the more, the more alike they are.

    Raises:
        ValueError: if there are no items, or ``batch_size`` is below 1; when the first group is
            asked for.
    """
    if not items:
        raise ValueError("nothing to make batches of")
    _check_size(batch_size)
    generator = random.Random(seed)
    pool = list(items)
    while True:
        generator.shuffle(pool)
        groups = [
            group
            for part in ordered_groups(pool, chunk * batch_size)
            for group in ordered_groups(sorted(part, key=key), batch_size)
        ]
        generator.shuffle(groups)
        yield from groups
