"""Where training spends its time, done fast: dropout on a CPU, and the loss over a vocabulary.

Both compute what torch's own functions compute; nothing here is needed to understand a model.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Rows of the vocabulary product held at once: enough to keep the cores busy, few enough to keep
# the logits of a large batch out of memory.
_ROWS = 1024


class Dropout(nn.Module):
    """Zero features at random in training, as :class:`torch.nn.Dropout` does.

    On a CPU torch draws a random number for each element; one random byte decides as well, in a
    fraction of the time. The probability is rounded to a multiple of 1/256, and the rest is
    scaled up by what is really kept, so that the expectation stays exact.

    Args:
        p: probability of zeroing an element, in [0, 1).

    Raises:
        ValueError: if ``p`` lies outside.
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout is {p}; wanted a probability from 0 to below 1")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop features of a tensor of any shape."""
        if not (self.training and self.p):
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        dropped: Tensor = _ByteDropout.apply(x, min(255, round(256 * self.p)))
        return dropped

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p}"


class _ByteDropout(torch.autograd.Function):
    """Keep an element if its random byte is at least ``threshold``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: int) -> Tensor:
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        keep = words.view(torch.uint8)[: x.numel()].view(x.shape) >= threshold
        ctx.save_for_backward(keep)
        ctx.scale = 256 / (256 - threshold)
        return torch.where(keep, x, 0.0).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (keep,) = ctx.saved_tensors
        return torch.where(keep, grads[0], 0.0).mul_(ctx.scale), None


def vocabulary_loss(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    bias: Tensor | None = None,
    label_smoothing: float = 0.0,
    pad: int = 0,
) -> Tensor:
    """Sum the cross-entropy of tokens without ever holding all their logits.

    Equal to :func:`attention_lib.losses.label_smoothing_loss` of ``F.linear(hidden, weight,
    bias)``. Logits are made a block of tokens at a time, and their gradient is formed in their
    place at once.

    Args:
        hidden: (tokens, d), one vector a real token.
        weight: (vocabulary, d).
        targets: (tokens,) ids.
        bias: (vocabulary,).
        label_smoothing: share of the probability that is spread over all words but the padding.
        pad: id of the padding.

    Returns:
        a scalar, in nats, differentiable in ``hidden``, ``weight`` and ``bias``.

    Raises:
        IndexError: if a target lies outside the vocabulary, or with smoothing the padding.
        ValueError: if there is not one target a token, or ``label_smoothing`` is no probability.
        RuntimeError: when differentiated with ``create_graph``: there is no second derivative.

    >>> hidden, weight = torch.randn(5, 3), torch.randn(7, 3)
    >>> targets = torch.tensor([1, 0, 6, 2, 2])
    >>> ours = vocabulary_loss(hidden, weight, targets)
    >>> torch.allclose(ours, F.cross_entropy(hidden @ weight.T, targets, reduction="sum"))
    True
    """
    if targets.shape != hidden.shape[:-1] or hidden.dim() != 2:
        raise ValueError(
            f"hidden is {tuple(hidden.shape)} and targets {tuple(targets.shape)}; wanted "
            "(tokens, d) and (tokens,)"
        )
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing is {label_smoothing}; wanted a probability, e.g. 0.1")
    if targets.numel() and not 0 <= int(targets.min()) <= int(targets.max()) < len(weight):
        raise IndexError(
            f"targets run from {int(targets.min())} to {int(targets.max())}; the vocabulary has "
            f"ids 0 … {len(weight) - 1}"
        )
    if label_smoothing and not 0 <= pad < len(weight):
        raise IndexError(
            f"pad is {pad}; smoothing wants one of the vocabulary's ids 0 … {len(weight) - 1}"
        )
    kind = hidden.device.type
    if torch.is_autocast_enabled(kind):
        half = torch.get_autocast_dtype(kind)
        hidden, weight = hidden.to(half), weight.to(half)
        bias = None if bias is None else bias.to(half)
    with torch.autocast(kind, enabled=False):
        loss: Tensor = _VocabularyLoss.apply(
            hidden, weight, targets, bias, label_smoothing, pad, torch.is_grad_enabled()
        )
    return loss


class _VocabularyLoss(torch.autograd.Function):
    """Forms all gradients during the forward pass, while a block of logits is at hand."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        bias: Tensor | None,
        smoothing: float,
        pad: int,
        learns: bool,
    ) -> Tensor:
        learns = learns and any(ctx.needs_input_grad)
        inputs = (hidden, weight, bias)
        grads = [torch.zeros_like(x) if learns and x is not None else None for x in inputs]
        wide = torch.promote_types(hidden.dtype, torch.float32)
        total = hidden.new_zeros((), dtype=wide)
        for start in range(0, len(hidden), _ROWS):
            rows = slice(start, start + _ROWS)
            logits = F.linear(hidden[rows], weight, bias).to(wide)
            target = targets[rows, None]
            chosen = logits.gather(1, target)
            if smoothing:
                # The padding's logit may be −∞: it is left out of the sum, not taken off after it.
                padding = logits[:, pad].clone()
                logits[:, pad] = 0.0
                total -= smoothing / (len(weight) - 1) * logits.sum()
                logits[:, pad] = padding
            probabilities, norm = _softmax_in_place(logits)
            total += (norm - (1 - smoothing) * chosen).sum()
            if learns:
                error = _error(probabilities, target, smoothing, pad).to(hidden.dtype)
                _add_products(grads, error, hidden[rows], weight, rows)
        ctx.save_for_backward(*grads)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # these gradients are constants to autograd
            raise RuntimeError(
                "vocabulary_loss can be differentiated once, without create_graph; for a second "
                "derivative take the cross-entropy of the model's logits"
            )
        scaled = [
            None if grad is None else grad * grads[0].to(grad.dtype) for grad in ctx.saved_tensors
        ]
        return scaled[0], scaled[1], None, scaled[2], None, None, None


def _softmax_in_place(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Turn logits into probabilities, and give log Σ exp of each row.

    The largest probability of a row is at least 1/K, so that its logarithm is safe; with it one
    pass of torch's softmax gives both.
    """
    best, at = logits.max(-1, keepdim=True)
    # Only the CPU's softmax is known to read an element before it writes there.
    probabilities = torch.softmax(logits, -1, out=logits if logits.device.type == "cpu" else None)
    return probabilities, best - probabilities.gather(1, at).log()


def _error(error: Tensor, target: Tensor, smoothing: float, pad: int) -> Tensor:
    """Turn probabilities in place into the logits' gradient, probabilities minus targets."""
    if smoothing:
        share = smoothing / (error.shape[-1] - 1)
        error -= share
        error[:, pad] += share
    return error.scatter_add_(1, target, error.new_full(target.shape, smoothing - 1))


def _add_products(
    grads: list[Tensor | None], error: Tensor, hidden: Tensor, weight: Tensor, rows: slice
) -> None:
    """Pass the error of some tokens on to what made their logits."""
    grad_hidden, grad_weight, grad_bias = grads
    if grad_hidden is not None:
        torch.mm(error, weight, out=grad_hidden[rows])
    if grad_weight is not None:
        grad_weight.addmm_(error.mT, hidden)
    if grad_bias is not None:
        grad_bias += error.sum(0)
