"""Documents as sentences of words, and their padded batches."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from attention_lib.data.batching import pad_ids
from attention_lib.data.vocabulary import Vocabulary, refuse_text
from attention_lib.masks import length_mask


@dataclass(frozen=True, slots=True)
class Document:
    """A text to classify.

    Attributes:
        sentences: the words of each sentence; none is empty.
        label: its class, from 0.
        deciding: where the words stand that decide the label, as positions in ``words``; empty
            where nobody knows them.

    Raises:
        TypeError: if a sentence is text that was not split into words.
        ValueError: if there is no sentence, a sentence has no words, the label is negative, or a
            deciding position is not in the document.

    >>> review = Document((("we", "came", "late", "."), ("not", "bad", "!")), 1, frozenset({4, 5}))
    >>> [review.words[position] for position in sorted(review.deciding)]
    ['not', 'bad']
    """

    sentences: tuple[tuple[str, ...], ...]
    label: int
    deciding: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not self.sentences or not all(self.sentences):
            raise ValueError(
                f"a document wants at least one sentence and no empty one; got {self.sentences!r}"
            )
        for sentence in self.sentences:
            refuse_text(sentence)
        if self.label < 0:
            raise ValueError(f"label is {self.label}; classes are numbered from 0")
        outside = [position for position in self.deciding if not 0 <= position < len(self)]
        if outside:
            raise ValueError(
                f"deciding has {sorted(outside)}; the document has positions 0 to {len(self) - 1}"
            )

    def __len__(self) -> int:
        return sum(map(len, self.sentences))

    @property
    def words(self) -> tuple[str, ...]:
        """All words in reading order."""
        return tuple(word for sentence in self.sentences for word in sentence)

    def without(self, positions: Sequence[int]) -> "Document":
        """Leave words out; a sentence that loses all its words goes too.

        Args:
            positions: in ``words``.

        Raises:
            ValueError: if no word would be left.

        >>> Document((("a", "fine", "day"), ("no", "!")), 1).without([1, 3, 4]).sentences
        (('a', 'day'),)
        """
        gone = set(positions)
        kept = [position for position in range(len(self)) if position not in gone]
        if not kept:
            raise ValueError(f"leaving out {len(gone)} words would leave none of {len(self)}")
        starts = list(accumulate(map(len, self.sentences), initial=0))
        sentences = (
            tuple(word for i, word in enumerate(sentence, start) if i not in gone)
            for start, sentence in zip(starts, self.sentences, strict=False)
        )
        deciding = frozenset(new for new, old in enumerate(kept) if old in self.deciding)
        return Document(tuple(filter(None, sentences)), self.label, deciding)


@dataclass(frozen=True)
class FlatBatch:
    """Documents as rows of words, sentence after sentence.

    Attributes:
        words: (batch, length) ids, padded on the right.
        lengths: (batch,) true lengths, each at least 1.
        labels: (batch,).
    """

    words: Tensor
    lengths: Tensor
    labels: Tensor

    @property
    def inputs(self) -> tuple[Tensor, Tensor]:
        """What a model of flat text takes."""
        return self.words, self.lengths

    @property
    def word_mask(self) -> Tensor:
        """(batch, length) bool, True at real words."""
        return length_mask(self.lengths.to(self.words.device), self.words.shape[1])

    def to(self, device: torch.device | str) -> "FlatBatch":
        """Move all tensors but the lengths, which packing wants on the CPU."""
        return replace(self, words=self.words.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class DocumentBatch:
    """Documents as sentences of words.

    Attributes:
        words: (batch, sentences, words) ids, padded on the right.
        word_mask: (batch, sentences, words) bool, True at real words.
        sentence_mask: (batch, sentences) bool, True at real sentences.
        labels: (batch,).
    """

    words: Tensor
    word_mask: Tensor
    sentence_mask: Tensor
    labels: Tensor

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """What a hierarchical model takes."""
        return self.words, self.word_mask, self.sentence_mask

    def to(self, device: torch.device | str) -> "DocumentBatch":
        """Move all tensors."""
        return DocumentBatch(
            self.words.to(device),
            self.word_mask.to(device),
            self.sentence_mask.to(device),
            self.labels.to(device),
        )


# Makes a batch of one of the two forms.
Collate = Callable[[Sequence[Document], Vocabulary], FlatBatch | DocumentBatch]


def flat_batch(documents: Sequence[Document], vocabulary: Vocabulary) -> FlatBatch:
    """Encode documents into rows of words.

    Raises:
        ValueError: if there are no documents.

    >>> day = Document((("a", "fine", "day"), ("yes", "!")), 1)
    >>> flat_batch([day], Vocabulary([day.words])).words.shape
    torch.Size([1, 5])
    """
    _check(documents)
    rows = [vocabulary.encode(document.words) for document in documents]
    return FlatBatch(
        words=pad_ids(rows, vocabulary.pad),
        lengths=torch.tensor([len(document) for document in documents]),
        labels=torch.tensor([document.label for document in documents]),
    )


def document_batch(documents: Sequence[Document], vocabulary: Vocabulary) -> DocumentBatch:
    """Encode documents into sentences of words, with a mask for each of the two.

    Raises:
        ValueError: if there are no documents.

    >>> day = Document((("a", "fine", "day"), ("yes", "!")), 1)
    >>> batch = document_batch([day], Vocabulary([day.words]))
    >>> batch.words.shape, batch.word_mask.sum(-1).tolist()
    (torch.Size([1, 2, 3]), [[3, 2]])
    """
    _check(documents)
    sentences = max(len(document.sentences) for document in documents)
    words = max(len(sentence) for document in documents for sentence in document.sentences)
    lengths = torch.zeros(len(documents), sentences, dtype=torch.long)
    ids = torch.full((len(documents), sentences, words), vocabulary.pad)
    for row, document in enumerate(documents):
        lengths[row, : len(document.sentences)] = torch.tensor([*map(len, document.sentences)])
        rows = pad_ids([vocabulary.encode(s) for s in document.sentences], vocabulary.pad)
        ids[row, : rows.shape[0], : rows.shape[1]] = rows
    return DocumentBatch(
        words=ids,
        word_mask=length_mask(lengths.flatten(), words).view_as(ids),
        sentence_mask=lengths > 0,
        labels=torch.tensor([document.label for document in documents]),
    )


def _check(documents: Sequence[Document]) -> None:
    if not documents:
        raise ValueError("no documents to batch")


def document_batches(
    documents: Sequence[Document],
    vocabulary: Vocabulary,
    collate: Collate,
    *,
    batch_size: int,
    seed: int,
) -> Iterator[FlatBatch | DocumentBatch]:
    """Yield shuffled training batches for ever; documents of like length share a batch.

    Args:
        documents: at least one.
        vocabulary: gives the ids.
        collate: :func:`flat_batch` or :func:`document_batch`; a model has its own as ``collate``.
        batch_size: documents in a batch.
        seed: of the order.

    Each pass over the documents sorts chunks of 20 batches by length, so that little is padded,
    and then shuffles the batches.
    """
    _check(documents)
    generator = random.Random(seed)
    pool = list(documents)
    while True:
        generator.shuffle(pool)
        groups: list[list[Document]] = []
        for start in range(0, len(pool), 20 * batch_size):
            chunk = sorted(pool[start : start + 20 * batch_size], key=_lengths)
            groups += [chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size)]
        generator.shuffle(groups)
        for group in groups:
            yield collate(group, vocabulary)


def _lengths(document: Document) -> tuple[int, int]:
    return len(document.sentences), len(document)


def ordered_document_batches(
    documents: Sequence[Document], vocabulary: Vocabulary, collate: Collate, *, batch_size: int
) -> Iterator[FlatBatch | DocumentBatch]:
    """Yield batches once, in the order given, for evaluation."""
    for start in range(0, len(documents), batch_size):
        yield collate(documents[start : start + batch_size], vocabulary)
