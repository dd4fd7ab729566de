"""Classifiers of text: bags of words, recurrent ones with every pooling, hierarchical attention.

Every model returns ``(logits, weights)``: how much each word, and each sentence, had its say. Every
model can also be given weights to use in place of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attention_lib.data.batching import Encoder
from attention_lib.data.documents import (
    Document,
    DocumentBatch,
    FlatBatch,
    document_batch,
    flat_batch,
    ordered_document_batches,
    refuse_pieces,
)
from attention_lib.embedding import Embedding
from attention_lib.losses import Loss
from attention_lib.masks import length_mask
from attention_lib.padding import checked_lengths
from attention_lib.pooling import Pool, Pooling, masked_mean
from attention_lib.recurrent import Cell, RecurrentEncoder


@dataclass(frozen=True)
class Weights:
    """How much each word counts, and each sentence.

    Attributes:
        words: (batch, length) of flat text, or (batch, sentences, words), where each sentence's
            sum to 1; zero at the padding.
        sentences: (batch, sentences), each document's sum to 1; None for flat text.
    """

    words: Tensor
    sentences: Tensor | None = None

    @property
    def shares(self) -> Tensor:
        """Each word's share in the document, like ``words`` but with a sum of 1 a document."""
        return self.words if self.sentences is None else self.words * self.sentences[..., None]


class BagClassifier(nn.Module):
    r"""Logistic regression over a bag of words: each word votes, the votes are averaged.

    .. math:: \mathrm{logits} = \frac1N \sum_{t=1}^N V_{x_t} + b

    V holds one weight for each word and class. Attention keeps the sum and lets the 1/N become
    weights that depend on the text.

    Args:
        vocab_size: number of words.
        num_classes: number of classes.

    >>> model = BagClassifier(11, 2)
    >>> logits, weights = model(torch.tensor([[5, 6, 7, 8], [9, 4, 0, 0]]), torch.tensor([4, 2]))
    >>> logits.shape, weights.words.tolist()
    (torch.Size([2, 2]), [[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0.0, 0.0]])
    """

    collate = staticmethod(flat_batch)

    def __init__(self, vocab_size: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = Embedding(vocab_size, num_classes)
        nn.init.zeros_(self.embedding.weight)
        self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(
        self, words: Tensor, lengths: Tensor | None, weights: Weights | None = None
    ) -> tuple[Tensor, Weights]:
        """Classify (batch, length) words; see :meth:`RecurrentClassifier.forward`."""
        lengths = checked_lengths(words, lengths)
        mask = length_mask(lengths.to(words.device), words.shape[1])
        votes = self.embedding(words)
        if weights is None:
            pooled, own = masked_mean(votes, mask)
            return pooled + self.bias, Weights(own)
        return (weights.words[:, None] @ votes).squeeze(1) + self.bias, weights


class RecurrentClassifier(nn.Module):
    r"""Read a text with an LSTM and classify its final state, or what attention makes of all.

    .. math:: \mathrm{logits} = W s + b, \qquad s = h_N \quad\text{or}\quad
              s = \sum_t \alpha_t h_t

    Args:
        vocab_size: number of words.
        num_classes: number of classes.
        d_embed, d_hidden: sizes of a word vector and of h_t.
        cell: "lstm" or "gru".
        bidirectional: read in both directions; each gets d_hidden / 2 units.
        pooling: "final" takes the state after the last word (of each direction); "attention",
            "mean" and "max" pool all states.
        dropout: on word vectors and on s.

    >>> model = RecurrentClassifier(11, 2, bidirectional=True).eval()
    >>> logits, weights = model(torch.tensor([[5, 6, 7], [8, 0, 0]]), torch.tensor([3, 1]))
    >>> logits.shape, weights.words.shape, weights.words[1].tolist()
    (torch.Size([2, 2]), torch.Size([2, 3]), [1.0, 0.0, 0.0])
    """

    collate = staticmethod(flat_batch)

    def __init__(
        self,
        vocab_size: int,
        num_classes: int,
        *,
        d_embed: int = 64,
        d_hidden: int = 64,
        cell: Cell = "lstm",
        bidirectional: bool = False,
        pooling: Pooling | Literal["final"] = "attention",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.encoder = RecurrentEncoder(
            vocab_size, d_embed, d_hidden, cell=cell, bidirectional=bidirectional, dropout=dropout
        )
        self.pool = None if pooling == "final" else Pool(d_hidden, pooling)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(d_hidden, num_classes)

    @property
    def embedding(self) -> nn.Embedding:
        """The table of word vectors."""
        return self.encoder.embedding

    def forward(
        self, words: Tensor, lengths: Tensor | None, weights: Weights | None = None
    ) -> tuple[Tensor, Weights | None]:
        """Classify flat texts; what stands in the padding has no effect.

        Args:
            words: (batch, length) ids, padded on the right.
            lengths: (batch,) true lengths, each at least 1; None if nothing is padding.
            weights: (batch, length) to pool the states with, in place of the model's own.

        Returns:
            logits (batch, num_classes), and the weights; None if only the final state is read.

        Raises:
            ValueError: if a text is empty, or weights are given and only the final state is read.
        """
        lengths = checked_lengths(words, lengths)
        hidden, state = self.encoder(words, lengths)
        if self.pool is None:
            if weights is not None:
                raise ValueError("pooling='final' reads one state; there is nothing to weigh")
            return self.output(self.dropout(state[0][-1])), None
        mask = length_mask(lengths.to(words.device), words.shape[1])
        imposed = None if weights is None else weights.words
        pooled, own = self.pool(hidden, mask, imposed)
        return self.output(self.dropout(pooled)), Weights(own)


class HAN(nn.Module):
    r"""Hierarchical attention: words make sentences, sentences make the document.

    .. math:: h_{it} &= \mathrm{BiGRU}(E x_{it}), \quad s_i = \sum_t \alpha_{it} h_{it} \\
              h_i &= \mathrm{BiGRU}(s_i), \quad v = \sum_i \alpha_i h_i \\
              \mathrm{logits} &= W v + b

    with both α as in :func:`attention_pool`. With ``pooling`` "mean" and "max" this is the HN-AVE
    and the HN-MAX that Yang et al. (2016) compare with their HN-ATT.

    Args:
        vocab_size: number of words.
        num_classes: number of classes.
        d_embed, d_hidden: sizes of a word vector, and of h_it and h_i, which is even.
        pooling: of words and of sentences.
        dropout: on word vectors and on v.
        kernel_sizes: widths of convolutions before the words' GRU, none for HAN; see
            :class:`HAHNN`.

    Raises:
        ValueError: if ``d_hidden`` is odd.

    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> review = Document((("good", "food", "!"), ("come", "back", "soon", ".")), 1)
    >>> vocabulary = Vocabulary([review.words])
    >>> model = HAN(len(vocabulary), 2).eval()
    >>> logits, weights = model(*document_batch([review], vocabulary).inputs)
    >>> logits.shape, weights.words.shape, weights.sentences.shape
    (torch.Size([1, 2]), torch.Size([1, 2, 4]), torch.Size([1, 2]))
    """

    collate = staticmethod(document_batch)

    def __init__(
        self,
        vocab_size: int,
        num_classes: int,
        *,
        d_embed: int = 64,
        d_hidden: int = 64,
        pooling: Pooling = "attention",
        dropout: float = 0.2,
        kernel_sizes: Sequence[int] = (),
    ) -> None:
        super().__init__()
        if d_hidden % 2:
            raise ValueError(f"d_hidden is {d_hidden}; two directions want an even number")
        self.embedding = Embedding(vocab_size, d_embed)
        self.dropout = nn.Dropout(dropout)
        self.kernel_sizes = tuple(kernel_sizes)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(d_embed, d_embed, size) for size in kernel_sizes
        )
        d_features = d_embed * max(1, len(kernel_sizes))
        both = {"batch_first": True, "bidirectional": True}
        self.word_rnn = nn.GRU(d_features, d_hidden // 2, **both)
        self.word_pool = Pool(d_hidden, pooling)
        self.sentence_rnn = nn.GRU(d_hidden, d_hidden // 2, **both)
        self.sentence_pool = Pool(d_hidden, pooling)
        self.output = nn.Linear(d_hidden, num_classes)

    def forward(
        self,
        words: Tensor,
        word_mask: Tensor,
        sentence_mask: Tensor,
        weights: Weights | None = None,
    ) -> tuple[Tensor, Weights]:
        """Classify documents; padded words and sentences have no effect.

        Args:
            words: (batch, sentences, words) ids, padded on the right.
            word_mask: (batch, sentences, words) bool, True at real words.
            sentence_mask: (batch, sentences) bool, True at real sentences.
            weights: to pool words and sentences with, in place of the model's own.

        Returns:
            logits (batch, num_classes) and the weights. A sentence without a real word counts as
            padding.

        Raises:
            ValueError: if the shapes do not fit, padding stands before a real word or sentence, or
                a document is empty.
            TypeError: if a mask is not bool.
        """
        if words.shape != word_mask.shape or words.shape[:-1] != sentence_mask.shape:
            raise ValueError(
                f"words are {tuple(words.shape)}, word_mask {tuple(word_mask.shape)}, "
                f"sentence_mask {tuple(sentence_mask.shape)}; wanted (batch, sentences, words) "
                "twice and (batch, sentences)"
            )
        if (word_mask.dtype, sentence_mask.dtype) != (torch.bool, torch.bool):
            raise TypeError(
                f"word_mask is of {word_mask.dtype}, sentence_mask of {sentence_mask.dtype}; "
                "wanted torch.bool twice"
            )
        real = sentence_mask & word_mask.any(-1)
        inputs, mask = self.dropout(self.embedding(words))[real], word_mask[real]
        hidden = _read(self.word_rnn, self._convolve(inputs, mask), mask)
        imposed = (None, None) if weights is None else (weights.words[real], weights.sentences)
        pooled, word_weights = self.word_pool(hidden, mask, imposed[0])
        hidden = _read(self.sentence_rnn, _back_in_place(pooled, real), real)
        document, sentence_weights = self.sentence_pool(hidden, real, imposed[1])
        logits = self.output(self.dropout(document))
        return logits, Weights(_back_in_place(word_weights, real), sentence_weights)

    def _convolve(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Put the features of all widths side by side; (sentences, words, d) → (…, d × widths)."""
        if not self.convolutions:
            return inputs
        channels = inputs.masked_fill(~mask[..., None], 0.0).mT
        features = []
        for size, convolution in zip(self.kernel_sizes, self.convolutions, strict=True):
            padded = F.pad(channels, ((size - 1) // 2, size // 2))
            features.append(convolution(padded).relu())
        return torch.cat(features, dim=1).mT


class HAHNN(HAN):
    """Hierarchical attention over convolutions (Abreu et al. 2019).

    Convolutions of several widths read the word vectors, then HAN goes on as before: GRUs in both
    directions and attention, over words and over sentences. The paper combines convolution, GRU and
    attention in this order. The widths 3, 4 and 5, ReLU and "same" padding are those of the
    authors' code; their code also max-pools along the words and joins the widths end to end. Here
    they stand side by side without pooling, so that every weight belongs to one word.

    >>> model = HAHNN(11, 2, d_embed=4, d_hidden=6)
    >>> words, real = torch.ones(1, 2, 3, dtype=torch.long), torch.ones(1, 2, 3, dtype=torch.bool)
    >>> logits, weights = model(words, real, real.any(-1))
    >>> logits.shape, weights.words.shape, weights.sentences.shape
    (torch.Size([1, 2]), torch.Size([1, 2, 3]), torch.Size([1, 2]))
    """

    def __init__(
        self,
        vocab_size: int,
        num_classes: int,
        *,
        kernel_sizes: Sequence[int] = (3, 4, 5),
        **sizes: Any,
    ) -> None:
        super().__init__(vocab_size, num_classes, kernel_sizes=kernel_sizes, **sizes)


def _read(rnn: nn.GRU, inputs: Tensor, mask: Tensor) -> Tensor:
    """Run over the real positions of (rows, length, d); the states at the padding are zero."""
    lengths = mask.sum(-1)
    if not (len(mask) and lengths.all() and torch.equal(mask, length_mask(lengths, mask.shape[1]))):
        raise ValueError(
            "a document wants at least one real word, and padding only behind real words and "
            "sentences; build the masks with attention_lib.data.documents.document_batch"
        )
    packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(rnn(packed)[0], batch_first=True, total_length=mask.shape[1])[0]


def _back_in_place(rows: Tensor, real: Tensor) -> Tensor:
    """Put the rows of real sentences where ``real`` is True, and zeros elsewhere."""
    placed = rows.new_zeros(*real.shape, *rows.shape[1:])
    placed[real] = rows
    return placed


def classification_loss(model: nn.Module, batch: FlatBatch | DocumentBatch) -> Loss:
    r"""Sum the negative log-likelihood of the labels, :math:`-\sum_n \log p(y_n)`.

    Args:
        model: any classifier of this module.
        batch: of the form that the model's ``collate`` makes.

    Returns:
        the sum, in nats, and the number of documents.

    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> review = Document((("good", "food", "!"),), 1)
    >>> vocabulary = Vocabulary([review.words])
    >>> model = BagClassifier(len(vocabulary), 2)  # starts with both classes alike
    >>> loss = classification_loss(model, flat_batch([review], vocabulary))
    >>> loss.total.exp().item(), loss.count
    (2.0, 1)
    """
    logits, _ = model(*batch.inputs)
    total = F.cross_entropy(logits, batch.labels, reduction="sum")
    return Loss(total, len(batch.labels))


def _outputs(
    model: Any, documents: Sequence[Document], vocabulary: Encoder, batch_size: int = 100
) -> Iterator[tuple[Tensor, Weights | None, FlatBatch | DocumentBatch]]:
    """Run a model over documents in the order given, dropout off."""
    if not documents:
        raise ValueError("no documents to classify")
    model.eval()
    device = next(model.parameters()).device
    collate = model.collate
    for batch in ordered_document_batches(documents, vocabulary, collate, batch_size=batch_size):
        batch = batch.to(device)
        with torch.no_grad():
            logits, weights = model(*batch.inputs)
        yield logits, weights, batch


def predict(model: nn.Module, documents: Sequence[Document], vocabulary: Encoder) -> Tensor:
    """Give the probability of each class: (documents, num_classes).

    Dropout is off: the model is left in evaluation mode.

    Raises:
        ValueError: if there are no documents.

    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> review = Document((("good", "food", "!"),), 1)
    >>> vocabulary = Vocabulary([review.words])
    >>> predict(BagClassifier(len(vocabulary), 2), [review], vocabulary)
    tensor([[0.5000, 0.5000]])
    """
    return torch.cat([logits.softmax(-1) for logits, *_ in _outputs(model, documents, vocabulary)])


def accuracy(model: nn.Module, documents: Sequence[Document], vocabulary: Encoder) -> float:
    """Share of the documents whose likeliest class is their label; see :func:`predict`."""
    labels = torch.tensor([document.label for document in documents])
    guesses = predict(model, documents, vocabulary).argmax(-1).cpu()
    return (guesses == labels).double().mean().item()


def attention_by_word(
    model: nn.Module, documents: Sequence[Document], vocabulary: Encoder
) -> list[Tensor]:
    """Read off the share that each word of each document has.

    The model is left in evaluation mode.

    Returns:
        for each document (words,) in reading order, with sum 1: α_t of flat text, α_it α_i of
        sentences.

    Raises:
        ValueError: if the model reads the final state only, there are no documents, or the
            vocabulary cuts words into pieces.

    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> review = Document((("good", "food"), ("come", "again", ",", "soon")), 1)
    >>> vocabulary = Vocabulary([review.words])
    >>> model = HAN(len(vocabulary), 2, pooling="mean")
    >>> attention_by_word(model, [review], vocabulary)[0].tolist()
    [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
    """
    refuse_pieces(documents, vocabulary)
    shares: list[Tensor] = []
    for _, weights, batch in _outputs(model, documents, vocabulary):
        if weights is None:
            raise ValueError("this model reads its final state only: it weighs no words")
        rows = zip(weights.shares.cpu(), batch.word_mask.cpu(), strict=True)
        shares += [row[mask] for row, mask in rows]
    return shares


def keywords(
    model: nn.Module, documents: Sequence[Document], vocabulary: Encoder, *, top: int = 3
) -> list[list[tuple[str, float]]]:
    """Find the words that each document's attention rests on.

    Returns:
        for each document its ``top`` words with their shares, the largest first.

    Raises:
        ValueError: as :func:`attention_by_word`, or if ``top`` is below 1.

    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> review = Document((("good", "soup"), ("thank", "you")), 1)
    >>> vocabulary = Vocabulary([review.words])
    >>> keywords(BagClassifier(len(vocabulary), 2), [review], vocabulary, top=2)
    [[('good', 0.25), ('soup', 0.25)]]
    """
    if top < 1:
        raise ValueError(f"top is {top}; wanted at least 1")
    found = []
    for document, shares in zip(
        documents, attention_by_word(model, documents, vocabulary), strict=True
    ):
        order = shares.argsort(descending=True, stable=True)[:top].tolist()
        found.append([(document.words[position], shares[position].item()) for position in order])
    return found
