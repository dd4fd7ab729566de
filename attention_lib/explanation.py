"""Do attention weights explain a decision? Tests that ask the trained classifier itself.

Most tests take *scores*: for each document one number a word, in reading order, the larger the
more important. :func:`attention_lib.classification.attention_by_word` gives those of attention,
:func:`gradient_by_word` and :func:`random_scores` what to compare them with. What runs the model
leaves it in evaluation mode.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from attention_lib.classification import Weights, predict
from attention_lib.data.batching import Encoder
from attention_lib.data.documents import (
    Document,
    DocumentBatch,
    FlatBatch,
    ordered_document_batches,
    refuse_pieces,
)
from attention_lib.pooling import Pool

AnyBatch = FlatBatch | DocumentBatch


def gradient_by_word(
    model: nn.Module, documents: Sequence[Document], vocabulary: Encoder
) -> list[Tensor]:
    r"""Ask the gradient how much each word moves the decision: :math:`|\,g_t \cdot x_t\,|`.

    x_t is the word's vector and g_t the gradient, with respect to it, of the log-odds of the
    class decided for.

    Args:
        model: a classifier whose table of word vectors is ``model.embedding``.
        documents: to classify.
        vocabulary: the model's.

    Returns:
        for each document (words,), each at least 0.

    Raises:
        TypeError: if the model has no ``embedding``.
        ValueError: if the vocabulary cuts words into pieces.

    Jain & Wallace (2019), section 4.1, compare attention with these.

    >>> from attention_lib.classification import RecurrentClassifier
    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> review = Document((("good", "food", "!"),), 1)
    >>> vocabulary = Vocabulary([review.words])
    >>> model = RecurrentClassifier(len(vocabulary), 2)
    >>> gradient_by_word(model, [review], vocabulary)[0].shape
    torch.Size([3])
    """
    table = getattr(model, "embedding", None)
    if not isinstance(table, nn.Module):
        raise TypeError(
            f"a {type(model).__name__} has no embedding, the table of its word vectors; wanted a "
            "classifier of attention_lib.classification, or one with such a table"
        )
    refuse_pieces(documents, vocabulary)
    scores: list[Tensor] = []
    for batch in _batches(model, documents, vocabulary):
        vectors: list[Tensor] = []

        def keep(_module: nn.Module, _inputs: Any, output: Tensor, kept: Any = vectors) -> Tensor:
            # A model whose parameters are frozen has a gradient in its words all the same.
            kept.append(output.detach().requires_grad_())
            return kept[-1]

        hook = table.register_forward_hook(keep)
        # cuDNN has no backward pass for a recurrent network with dropout off.
        with hook, torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            logits, _ = model(*batch.inputs)
        (gradient,) = torch.autograd.grad(_log_odds(logits).sum(), vectors)
        products = (gradient * vectors[0]).sum(-1).abs().detach().cpu()
        rows = zip(products, batch.word_mask.cpu(), strict=True)
        scores += [row[mask] for row, mask in rows]
    return scores


def _log_odds(logits: Tensor) -> Tensor:
    """Log-odds of the likeliest class; unlike its probability, they have a slope everywhere."""
    best = logits.argmax(-1, keepdim=True)
    others = logits.scatter(-1, best, -torch.inf).logsumexp(-1)
    return logits.gather(-1, best).squeeze(-1) - others


def random_scores(documents: Sequence[Document], *, seed: int) -> list[Tensor]:
    """Draw a score for each word: what any explanation has to beat.

    >>> [row.shape for row in random_scores([Document((("good", "food", "!"),), 1)], seed=0)]
    [torch.Size([3])]
    """
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(len(document), generator=generator) for document in documents]


@dataclass(frozen=True)
class Erasure:
    """What a change of the input or of the weights did to the decisions.

    Attributes:
        change: (documents,) distance of the class probabilities before and after, 0 … 1 (half
            the sum of the absolute differences: total variation).
        flipped: (documents,) bool, whether the decision is another one.
    """

    change: Tensor
    flipped: Tensor


def erase_top(
    model: nn.Module,
    documents: Sequence[Document],
    vocabulary: Encoder,
    scores: Sequence[Tensor],
    *,
    count: int = 1,
    what: Literal["words", "weights"] = "words",
) -> Erasure:
    """Take the highest-scored words away and see what the model decides then.

    Args:
        model: a classifier.
        documents: each with more than ``count`` words.
        vocabulary: the model's.
        scores: for each document (words,).
        count: how many words.
        what: "words" leaves the words out of the text. "weights" leaves the text as it is but
            sets their attention weights to 0 and scales the other weights up to a sum of 1.

    Returns:
        the change of each document's decision.

    Raises:
        ValueError: if a document has too few words, ``scores`` do not fit the documents, ``what``
            is neither, or weights are to be erased and the model does not pool with weights or
            the vocabulary cuts words into pieces.

    Serrano & Smith (2019) erase weights.

    >>> from attention_lib.classification import BagClassifier
    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> review = Document((("good", "food", "!"),), 1)
    >>> vocabulary = Vocabulary([review.words])
    >>> model = BagClassifier(len(vocabulary), 2)
    >>> with torch.no_grad():  # "good" votes for class 1, and nothing for class 0
    ...     model.embedding.weight[vocabulary.encode(["good"])[0], 1] = 6.0
    ...     _ = model.bias.copy_(torch.tensor([1.0, 0.0]))
    >>> erase_top(model, [review], vocabulary, [torch.tensor([0.9, 0.1, 0.0])]).flipped
    tensor([True])
    """
    if what not in ("words", "weights"):
        raise ValueError(f"what is {what!r}; wanted 'words' or 'weights'")
    _check(documents, scores)
    shortest = min(map(len, documents))
    if shortest <= count:
        raise ValueError(f"a document has {shortest} words; erasing {count} wants one more")
    tops = [row.topk(count).indices.tolist() for row in scores]
    before = predict(model, documents, vocabulary)
    if what == "words":
        left = [document.without(top) for document, top in zip(documents, tops, strict=True)]
        return _compare(before, predict(model, left, vocabulary))
    refuse_pieces(documents, vocabulary)
    rows = iter(tops)

    def erase(weights: Weights, batch: AnyBatch) -> Weights:
        erased = torch.zeros_like(batch.word_mask)
        for row, mask in zip(erased, batch.word_mask, strict=True):
            where = mask.nonzero()[next(rows)]
            row[tuple(where.T)] = True
        return _without(weights, erased)

    return _compare(before, _predict_with(model, documents, vocabulary, erase))


def _without(weights: Weights, erased: Tensor) -> Weights:
    """Set word weights to 0; a sentence that loses all its weights loses its own."""
    words = weights.words.masked_fill(erased, 0.0)
    if weights.sentences is None:
        return Weights(_normalised(words))
    sentences = weights.sentences.masked_fill(words.sum(-1) == 0, 0.0)
    return Weights(_normalised(words), _normalised(sentences))


def _normalised(weights: Tensor) -> Tensor:
    """Scale each row to a sum of 1; a row of zeros stays."""
    total = weights.sum(-1, keepdim=True)
    return weights / total.where(total > 0, torch.ones_like(total))


def permute_attention(
    model: nn.Module, documents: Sequence[Document], vocabulary: Encoder, *, seed: int
) -> Erasure:
    """Deal the attention weights out anew at random and see what the model decides then.

    Word weights are dealt within their sentence, sentence weights within their document. If the
    decision hardly changes, what the weights looked like did not matter.

    Raises:
        ValueError: if the model does not pool with weights.

    Jain & Wallace (2019), section 4.2.1.

    >>> from attention_lib.classification import BagClassifier
    >>> from attention_lib.data.vocabulary import Vocabulary
    >>> review = Document((("good", "food", "!"),), 1)
    >>> vocabulary = Vocabulary([review.words])
    >>> model = BagClassifier(len(vocabulary), 2)
    >>> permute_attention(model, [review], vocabulary, seed=0).change  # all its weights are alike
    tensor([0.])
    """
    generator = torch.Generator().manual_seed(seed)

    def deal(weights: Tensor, mask: Tensor) -> Tensor:
        draws = torch.rand(mask.shape, generator=generator).to(mask.device)
        # Real positions come first, in random order; the padding stays behind them.
        return weights.gather(-1, draws.masked_fill(~mask, 2.0).argsort(-1))

    def permute(weights: Weights, batch: AnyBatch) -> Weights:
        words = deal(weights.words, batch.word_mask)
        if weights.sentences is None or isinstance(batch, FlatBatch):
            return Weights(words)
        return Weights(words, deal(weights.sentences, batch.sentence_mask))

    before = predict(model, documents, vocabulary)
    return _compare(before, _predict_with(model, documents, vocabulary, permute))


def _compare(before: Tensor, after: Tensor) -> Erasure:
    change = (after - before).abs().sum(-1) / 2
    return Erasure(change.cpu(), (after.argmax(-1) != before.argmax(-1)).cpu())


@torch.no_grad()
def _predict_with(
    model: nn.Module,
    documents: Sequence[Document],
    vocabulary: Encoder,
    alter: Callable[[Weights, AnyBatch], Weights],
) -> Tensor:
    """Give the class probabilities under altered weights."""
    pooling = model.model if isinstance(model, Guided) else model
    pools = [module.pooling for module in pooling.modules() if isinstance(module, Pool)]
    if "max" in pools:
        raise ValueError(
            "this model takes the largest value of each feature; its weights only count where "
            "those stood, and to change them would test another model"
        )
    found = []
    for batch in _batches(model, documents, vocabulary):
        _, weights = model(*batch.inputs)
        if weights is None:
            raise ValueError("this model reads its final state only: it weighs no words")
        logits, _ = model(*batch.inputs, weights=alter(weights, batch))
        found.append(logits.softmax(-1))
    return torch.cat(found)


def _batches(model: Any, documents: Sequence[Document], vocabulary: Encoder) -> Iterator[AnyBatch]:
    """Batch documents in the order given, for a model with dropout off, on its device."""
    model.eval()
    device = next(model.parameters()).device
    for batch in ordered_document_batches(documents, vocabulary, model.collate, batch_size=100):
        yield batch.to(device)


def kendall_tau(first: Tensor, second: Tensor) -> float:
    r"""Compare two rankings: +1 if they order every pair alike, −1 if each the other way round.

    .. math:: \tau_b = \frac{\sum_{i<j} \mathrm{sgn}(a_i - a_j)\,\mathrm{sgn}(b_i - b_j)}
              {\sqrt{n_a\, n_b}}

    where n_a and n_b count the pairs that are no ties in a and in b. Without such pairs there is
    nothing to agree on, and the result is 0.

    Args:
        first: (n,), a.
        second: (n,), b.

    Raises:
        ValueError: if the two are not of one length, or hold NaN, which has no rank.

    Kendall (1945).

    >>> kendall_tau(torch.tensor([0.7, 0.2, 0.1]), torch.tensor([5.0, 1.0, 3.0]))
    0.3333333333333333
    """
    if first.dim() != 1 or first.shape != second.shape:
        raise ValueError(
            f"rankings have shapes {tuple(first.shape)} and {tuple(second.shape)}; "
            "wanted (n,) twice"
        )
    if first.isnan().any() or second.isnan().any():
        raise ValueError(f"rankings hold NaN, which has no rank: {first} and {second}")
    a, b = _order(first), _order(second)
    pairs = (a.abs().sum() * b.abs().sum()).sqrt().item()
    return (a * b).sum().item() / pairs if pairs else 0.0


def _order(values: Tensor) -> Tensor:
    """sgn(x_i − x_j) of all pairs; a difference may lie outside the type of small integers."""
    larger = (values[:, None] > values).double()
    return larger - larger.T


def hit_rate(documents: Sequence[Document], scores: Sequence[Tensor]) -> float:
    """Share of the documents whose highest-scored word is one that decides the label.

    Raises:
        ValueError: if a document does not know its deciding words, or ``scores`` do not fit.

    >>> review = Document((("not", "bad", "!"),), 1, frozenset({0, 1}))
    >>> hit_rate([review, review], [torch.tensor([0.1, 0.8, 0.1]), torch.tensor([0.1, 0.2, 0.7])])
    0.5
    """
    _check(documents, scores, deciding=True)
    hits = [int(row.argmax()) in d.deciding for d, row in zip(documents, scores, strict=True)]
    return sum(hits) / len(hits)


def deciding_share(documents: Sequence[Document], scores: Sequence[Tensor]) -> float:
    """Mean share of a document's scores that falls on the words that decide its label.

    Raises:
        ValueError: if a document does not know its deciding words, or ``scores`` do not fit, have
            a negative number or do not have a positive one.

    >>> review = Document((("not", "bad", "!"),), 1, frozenset({0, 1}))
    >>> round(deciding_share([review], [torch.tensor([0.125, 0.75, 0.125])]), 3)
    0.875
    """
    _check(documents, scores, deciding=True)
    for i, row in enumerate(scores):
        if not ((row >= 0).all() and 0 < row.sum() < torch.inf):
            raise ValueError(
                f"the scores of document {i} have no shares: {row}; wanted numbers of at least 0, "
                "with a sum above 0"
            )
    shares = [
        (row[sorted(document.deciding)].sum() / row.sum()).item()
        for document, row in zip(documents, scores, strict=True)
    ]
    return sum(shares) / len(shares)


def _check(
    documents: Sequence[Document], scores: Sequence[Tensor], *, deciding: bool = False
) -> None:
    """Check that there is one score a word."""
    wanted = [(len(document),) for document in documents]
    given = [tuple(row.shape) for row in scores]
    if wanted != given or not wanted:
        raise ValueError(
            f"documents have {[n for (n,) in wanted[:5]]} words, scores shapes {given[:5]} (the "
            "first five); wanted one number a word, and at least one document"
        )
    if any(row.isnan().any() for row in scores):
        raise ValueError("scores hold NaN, which is neither high nor low")
    if deciding and not all(document.deciding for document in documents):
        raise ValueError(
            "a document does not know the words that decide its label; made-up reviews do "
            "(attention_lib.data.reviews)"
        )


class Guided(nn.Module):
    """A classifier that pools with the attention of another one, and so tests that attention.

    If a simple model does better with a trained model's weights than with uniform ones, they say
    something about the text beyond that one model. Train it like any other classifier; the guide
    does not learn any more.

    Args:
        model: learns; takes the same batches as the guide.
        guide: trained; gives the weights. Its parameters stop asking for gradients.

    Wiegreffe & Pinter (2019) guide simpler models in this way.

    >>> from attention_lib.classification import BagClassifier, RecurrentClassifier
    >>> guide = RecurrentClassifier(11, 2)
    >>> model = Guided(BagClassifier(11, 2), guide)
    >>> words, lengths = torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([3, 2])
    >>> torch.equal(model(words, lengths)[1].words, guide(words, lengths)[1].words)
    True
    """

    def __init__(self, model: nn.Module, guide: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.guide = guide.requires_grad_(False)
        self.collate = model.collate

    @property
    def embedding(self) -> nn.Module:
        """The table of word vectors of the model that learns."""
        return cast(nn.Module, self.model.embedding)

    def forward(self, *inputs: Tensor, weights: Weights | None = None) -> tuple[Tensor, Weights]:
        """Classify with the guide's weights, or with others; see the model's own ``forward``.

        Raises:
            ValueError: if the guide weighs no words.
        """
        if weights is not None:
            return self.model(*inputs, weights=weights)[0], weights
        self.guide.eval()
        with torch.no_grad():
            _, weights = self.guide(*inputs)
        if weights is None:
            raise ValueError("the guide reads its final state only: it has no weights to give")
        logits, _ = self.model(*inputs, weights=weights)
        return logits, weights
