"""What a model pays for its predictions, and label smoothing written out."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib.checks import check_floating, check_whole
from attention_lib.data.batching import Batch


@dataclass(frozen=True)
class Loss:
    """A loss that can be added up: batches of any size then weigh by what they hold.

    Attributes:
        total: scalar, the sum over all predictions, in nats.
        count: how many predictions that is: target tokens, or items.
    """

    total: Tensor
    count: int


def sequence_loss(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    r"""Mean negative log-likelihood of the target words: :math:`-\frac1N \sum_t \log p(y_t)`.

    Args:
        logits: (batch, steps, vocabulary).
        targets: (batch, steps) ids; positions that hold ``pad`` do not count.
        pad: id of the padding.

    Returns:
        a scalar, in nats per real token.

    Raises:
        IndexError: if a target lies outside the vocabulary.
        TypeError: if ``logits`` are not floating, or ``targets`` no whole numbers.
        ValueError: if there is not one target for each row of logits.

    >>> sequence_loss(torch.zeros(1, 2, 4), torch.tensor([[3, 0]]), pad=0).exp()
    tensor(4.)
    """
    return _cross_entropy(logits, targets, pad)


def _cross_entropy(logits: Tensor, targets: Tensor, pad: int, *, reduction: str = "mean") -> Tensor:
    """The cross-entropy of logits (..., vocabulary), with words for targets (...) that it lacks."""
    check_floating(logits=logits)
    check_whole(targets=targets)
    if logits.dim() < 2 or logits.shape[:-1] != targets.shape:
        raise ValueError(
            f"logits are {tuple(logits.shape)} and targets {tuple(targets.shape)}; wanted "
            "(..., vocabulary) and (...)"
        )
    rows, wanted = logits.flatten(0, -2), targets.flatten().long()
    try:
        return F.cross_entropy(rows, wanted, ignore_index=pad, reduction=reduction)
    except IndexError as error:
        raise _outside(wanted[wanted != pad], logits.shape[-1]) from error


def _outside(targets: Tensor, size: int) -> IndexError:
    """Say which ids a vocabulary has; asked of the values only once torch has refused them."""
    return IndexError(
        f"targets run from {int(targets.min())} to {int(targets.max())}; the vocabulary has ids "
        f"0 … {size - 1}"
    )


def label_smoothed_targets(
    targets: Tensor, size: int, smoothing: float, pad: int, *, dtype: torch.dtype | None = None
) -> Tensor:
    r"""Spread a little of each target's probability over the whole vocabulary but the padding.

    .. math:: q(k) = (1 - \epsilon)\,[k = y] + \frac{\epsilon}{K - 1}\,[k \ne \mathrm{pad}]

    Args:
        targets: (...) ids y.
        size: of the vocabulary, K, the padding included.
        smoothing: ε, 0 … 1.
        pad: id of the padding: its column is zero, and so is the row of a padded position.
        dtype: of the probabilities; torch's default if not given.

    Returns:
        (..., size) probabilities; every row of a real token sums to 1.

    Raises:
        IndexError: if a target or the padding lies outside the vocabulary.
        TypeError: if ``targets`` are no whole numbers.
        ValueError: if ``smoothing`` is no probability.

    Szegedy et al. (2016), section 7, whose u(k) is uniform over the words that can be a target;
    Vaswani et al. (2017), section 5.4, with ε = 0.1.

    >>> label_smoothed_targets(torch.tensor([2, 0]), 5, 0.4, pad=0)
    tensor([[0.0000, 0.1000, 0.7000, 0.1000, 0.1000],
            [0.0000, 0.0000, 0.0000, 0.0000, 0.0000]])
    """
    _check_smoothing(smoothing)
    _check_pad(pad, size)
    check_whole(targets=targets)
    try:
        one_hot = F.one_hot(targets.long(), size).to(dtype or torch.get_default_dtype())
    except RuntimeError as error:
        raise _outside(targets, size) from error
    smoothed = (1 - smoothing) * one_hot
    smoothed += smoothing / (size - 1)
    smoothed[..., pad] = 0.0
    return smoothed * (targets != pad)[..., None]


def label_smoothing_loss(
    logits: Tensor, targets: Tensor, smoothing: float, pad: int, *, reduction: str = "mean"
) -> Tensor:
    r"""Cross-entropy with the smoothed targets, :math:`-\sum_k q(k) \log p(k)`.

    The targets of :func:`label_smoothed_targets` are never built: q splits into the true word and
    the same for all. ``F.cross_entropy(..., label_smoothing=ε)`` differs in one thing: there the
    padding gets its share ε/K too, so that the model learns to write some.

    Args:
        logits: (..., vocabulary).
        targets: (...) ids; positions that hold ``pad`` do not count.
        smoothing: ε, 0 … 1.
        pad: id of the padding.
        reduction: "mean" over the real tokens, or their "sum".

    Returns:
        a scalar, in nats, in float32 for half precision too; as in torch, the mean is NaN if
        nothing but padding is there.

    Raises:
        IndexError: if a target lies outside the vocabulary, or with smoothing the padding.
        TypeError: if ``logits`` are not floating, or ``targets`` no whole numbers.
        ValueError: if ``smoothing`` is no probability, ``reduction`` neither of the two, or there
            is not one target for each row of logits.

    >>> label_smoothing_loss(torch.zeros(2, 4), torch.tensor([2, 0]), 0.1, pad=0).exp()
    tensor(4.)
    """
    _check_smoothing(smoothing)
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction is {reduction!r}; wanted 'mean' or 'sum'")
    # A sum over a vocabulary or a batch is more than float16 holds.
    if isinstance(logits, Tensor) and logits.is_floating_point():
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    true = _cross_entropy(logits, targets, pad, reduction=reduction)
    if smoothing == 0:
        return true
    _check_pad(pad, logits.shape[-1])
    logits, targets = logits.flatten(0, -2), targets.flatten()
    # The padding's share is left out before the sum, not taken off after it: it may be -inf.
    others = logits.log_softmax(-1).index_fill(-1, torch.tensor(pad, device=logits.device), 0.0)
    spread = -others.sum(-1)[targets != pad]
    mean = (spread.mean() if reduction == "mean" else spread.sum()) / (logits.shape[-1] - 1)
    return (1 - smoothing) * true + smoothing * mean


def _check_smoothing(smoothing: float) -> None:
    if not 0 <= smoothing <= 1:
        raise ValueError(f"smoothing is {smoothing}; wanted a probability, e.g. 0.1")


def _check_pad(pad: int, size: int) -> None:
    """Refuse a padding whose share cannot be left out, since it is no word."""
    if not 0 <= pad < size:
        raise IndexError(
            f"pad is {pad}; smoothing wants one of the vocabulary's ids 0 … {size - 1}"
        )


def translation_loss(model: nn.Module, batch: Batch, *, label_smoothing: float = 0.0) -> Loss:
    """Predict every next word of the batch's translations (teacher forcing).

    Args:
        model: maps ``(src, src_lengths, tgt_in)`` to ``(logits, weights)``; if it has a method
            ``loss(batch, label_smoothing)`` that gets the same sum faster, that is asked.
        batch: on the model's device.
        label_smoothing: ε.

    Returns:
        the loss over all target tokens, <eos> included.

    >>> from attention_lib.data.batching import Batch
    >>> from attention_lib.transformer import Transformer, TransformerConfig
    >>> batch = Batch(torch.tensor([[7, 8]]), torch.tensor([2]), torch.tensor([[1, 9]]),
    ...               torch.tensor([[9, 2]]), pad=0)
    >>> translation_loss(Transformer(TransformerConfig.tiny(11)), batch, label_smoothing=0.1).count
    2
    """
    faster: Callable[..., tuple[Tensor, int]] | None = getattr(model, "loss", None)
    if faster is not None:
        _check_smoothing(label_smoothing)
        return Loss(*faster(batch, label_smoothing))
    logits, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
    total = label_smoothing_loss(logits, batch.tgt_out, label_smoothing, batch.pad, reduction="sum")
    return Loss(total, int((batch.tgt_out != batch.pad).sum()))
