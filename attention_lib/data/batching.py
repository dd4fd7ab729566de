"""Padded batches of sentence pairs."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from attention_lib.data.vocabulary import Vocabulary


class SentencePair(Protocol):
    """Anything with the words of a source and of a target sentence."""

    @property
    def src(self) -> Sequence[str]:
        """The source's words."""

    @property
    def tgt(self) -> Sequence[str]:
        """The target's words."""


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
    longest = max(map(len, rows))
    return torch.tensor([list(row) + [pad] * (longest - len(row)) for row in rows])


def make_batch(pairs: Sequence[SentencePair], src: Vocabulary, tgt: Vocabulary) -> Batch:
    """Encode sentence pairs into one batch.

    Raises:
        ValueError: if there are no pairs, or a source sentence is empty.
    """
    if not pairs:
        raise ValueError("no sentence pairs to batch")
    if not all(pair.src for pair in pairs):
        raise ValueError("a source sentence is empty; drop such pairs before batching")
    sources = [src.encode(pair.src) for pair in pairs]
    targets = [tgt.encode(pair.tgt) for pair in pairs]
    return Batch(
        src=pad_ids(sources, src.pad),
        src_lengths=torch.tensor([len(row) for row in sources]),
        tgt_in=pad_ids([[tgt.bos, *row] for row in targets], tgt.pad),
        tgt_out=pad_ids([[*row, tgt.eos] for row in targets], tgt.pad),
        pad=tgt.pad,
    )


def batches(
    pairs: Sequence[SentencePair], src: Vocabulary, tgt: Vocabulary, *, batch_size: int, seed: int
) -> Iterator[Batch]:
    """Yield shuffled training batches for ever; sentences of like length share a batch.

    Each pass over the data sorts chunks of 50 batches by length, so that little is padded, and
    then shuffles the batches.
    """
    generator = random.Random(seed)
    pool = list(pairs)
    while True:
        generator.shuffle(pool)
        groups: list[list[SentencePair]] = []
        for start in range(0, len(pool), 50 * batch_size):
            chunk = sorted(pool[start : start + 50 * batch_size], key=_lengths)
            groups += _groups(chunk, batch_size)
        generator.shuffle(groups)
        for group in groups:
            yield make_batch(group, src, tgt)


def _lengths(pair: SentencePair) -> tuple[int, int]:
    return len(pair.src), len(pair.tgt)


def ordered_batches(
    pairs: Sequence[SentencePair], src: Vocabulary, tgt: Vocabulary, *, batch_size: int
) -> Iterator[Batch]:
    """Yield batches once, in the order given, for evaluation."""
    for group in _groups(pairs, batch_size):
        yield make_batch(group, src, tgt)


def _groups(pairs: Sequence[SentencePair], size: int) -> list[list[SentencePair]]:
    return [list(pairs[start : start + size]) for start in range(0, len(pairs), size)]
