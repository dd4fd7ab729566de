"""Documents as sentences of words, and their padded batches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from attention_lib.data.batching import Encoder, ordered_groups, pad_ids, shuffled_groups
from attention_lib.data.vocabulary import refuse_text
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
Collate = Callable[[Sequence[Document], Encoder], FlatBatch | DocumentBatch]


def flat_batch(documents: Sequence[Document], vocabulary: Encoder) -> FlatBatch:
    """Encode documents into rows of words, or of subwords.

    Raises:
        ValueError: if there are no documents.

    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> day = Document((("a", "fine", "day"), ("yes", "!")), 1)
    >>> flat_batch([day], Vocabulary([day.words])).words.shape
    torch.Size([1, 5])
    """
    _check(documents)
    rows = [vocabulary.encode(document.words) for document in documents]
    return FlatBatch(
        words=pad_ids(rows, vocabulary.pad),
        lengths=torch.tensor([*map(len, rows)]),
        labels=torch.tensor([document.label for document in documents]),
    )


def document_batch(documents: Sequence[Document], vocabulary: Encoder) -> DocumentBatch:
    """Encode documents into sentences of words, or of subwords, with a mask for each of the two.

    Raises:
        ValueError: if there are no documents.

    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> day = Document((("a", "fine", "day"), ("yes", "!")), 1)
    >>> batch = document_batch([day], Vocabulary([day.words]))
    >>> batch.words.shape, batch.word_mask.sum(-1).tolist()
    (torch.Size([1, 2, 3]), [[3, 2]])
    """
    _check(documents)
    encoded = [[vocabulary.encode(s) for s in document.sentences] for document in documents]
    sentences = max(map(len, encoded))
    # What pads a document is an empty sentence.
    rows = [row for document in encoded for row in document + [[]] * (sentences - len(document))]
    ids = pad_ids(rows, vocabulary.pad).view(len(documents), sentences, -1)
    lengths = torch.tensor([*map(len, rows)]).view(len(documents), sentences)
    return DocumentBatch(
        words=ids,
        word_mask=length_mask(lengths.flatten(), ids.shape[-1]).view_as(ids),
        sentence_mask=lengths > 0,
        labels=torch.tensor([document.label for document in documents]),
    )


def _check(documents: Sequence[Document]) -> None:
    if not documents:
        raise ValueError("no documents to batch")


def document_batches(
    documents: Sequence[Document],
    vocabulary: Encoder,
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

    Raises:
        ValueError: if there are no documents, or ``batch_size`` is below 1; when the first batch
            is asked for.

    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> documents = [Document((("good",) * n,), 1) for n in (1, 7, 2, 6)]
    >>> vocabulary = Vocabulary([("good",)])
    >>> stream = document_batches(documents, vocabulary, flat_batch, batch_size=2, seed=0)
    >>> sorted(next(stream).lengths.tolist() for _ in range(2))
    [[1, 2], [6, 7]]
    """
    _check(documents)
    for group in shuffled_groups(documents, batch_size, seed=seed, key=_lengths, chunk=20):
        yield collate(group, vocabulary)


def _lengths(document: Document) -> tuple[int, int]:
    return len(document.sentences), len(document)


def ordered_document_batches(
    documents: Sequence[Document], vocabulary: Encoder, collate: Collate, *, batch_size: int
) -> Iterator[FlatBatch | DocumentBatch]:
    """Yield batches once, in the order given, for evaluation.

    Raises:
        ValueError: if ``batch_size`` is below 1; when the first batch is asked for.
    """
    for group in ordered_groups(documents, batch_size):
        yield collate(group, vocabulary)


def refuse_pieces(documents: Sequence[Document], vocabulary: Encoder) -> None:
    """Refuse an encoder that cuts words into pieces, where each word shall have one number.

    Raises:
        ValueError: if a document has more or fewer ids than words.
    """
    for document in documents:
        ids = vocabulary.encode(document.words)
        if len(ids) != len(document):
            raise ValueError(
                f"a document of {len(document)} words has {len(ids)} ids in this vocabulary; what "
                "is said word by word wants one id a word: attention_lib.data.vocabulary.Vocabulary"
            )
