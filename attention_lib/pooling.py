"""From the states of a text to one vector: by attention, as their mean, as their maximum."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib.attention import attend
from attention_lib.checks import check_floating

Pooling = Literal["attention", "mean", "max"]


def attention_pool(
    hidden: Tensor, weight: Tensor, bias: Tensor, context: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""Average states with weights that a learned question asks of them.

    .. math:: u_t = \tanh(W h_t + b), \qquad
              \alpha_t = \frac{\exp(u_t^\top u)}{\sum_{t'} \exp(u_{t'}^\top u)}, \qquad
              s = \sum_t \alpha_t h_t

    Args:
        hidden: (..., length, d_hidden), the h_t.
        weight: (d_attention, d_hidden), W.
        bias: (d_attention,), b.
        context: (d_attention,), u: the same for every text.
        mask: (..., length) bool, True at real positions; None if all are.

    Returns:
        pooled (..., d_hidden) and weights (..., length). Where ``mask`` allows nothing both are 0.

    Raises:
        TypeError: if the tensors are not of one floating dtype.
        ValueError: if sizes do not fit.

    Yang et al. (2016), equations 5 to 7 for words; 8 to 10 for sentences.

    >>> hidden = torch.tensor([[[1.0], [3.0], [7.0]]])
    >>> mask = torch.tensor([[True, True, False]])
    >>> attention_pool(hidden, torch.zeros(2, 1), torch.zeros(2), torch.ones(2), mask)
    (tensor([[2.]]), tensor([[0.5000, 0.5000, 0.0000]]))
    """
    check_floating(states=hidden, weight=weight, bias=bias, context=context)
    if weight.shape[-1] != hidden.shape[-1] or not weight.shape[0] == len(bias) == len(context):
        raise ValueError(
            f"weight is {tuple(weight.shape)}, bias {tuple(bias.shape)}, context "
            f"{tuple(context.shape)}; states of size {hidden.shape[-1]} want "
            f"(d_attention, {hidden.shape[-1]}), (d_attention,), (d_attention,)"
        )
    scores = torch.tanh(hidden @ weight.mT + bias) @ context
    return _pool_by_scores(scores, hidden, mask)


def masked_mean(hidden: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Average the real states: attention whose weights are all alike.

    Args:
        hidden: (..., length, d_hidden).
        mask: (..., length) bool, True at real positions; None if all are.

    Returns:
        pooled (..., d_hidden) and weights (..., length), as :func:`attention_pool`.

    >>> masked_mean(torch.tensor([[2.0], [4.0], [9.0]]), torch.tensor([True, True, False]))
    (tensor([3.]), tensor([0.5000, 0.5000, 0.0000]))
    """
    return _pool_by_scores(torch.zeros_like(hidden[..., 0]), hidden, mask)


def _pool_by_scores(scores: Tensor, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Attend with one query that has no axis of its own."""
    visible = None if mask is None else _fitting(mask, hidden)[..., None, :]
    pooled, weights = attend(scores[..., None, :], hidden, visible)
    return pooled.squeeze(-2), weights.squeeze(-2)


def masked_max(hidden: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Take the largest real value of each feature.

    Args:
        hidden: (..., length, d_hidden).
        mask: (..., length) bool, True at real positions; None if all are.

    Returns:
        pooled (..., d_hidden), and weights (..., length): the share of the features that each
        position won. Where ``mask`` allows nothing both are 0.

    >>> masked_max(torch.tensor([[2.0, 5.0], [4.0, 1.0]]))
    (tensor([4., 5.]), tensor([0.5000, 0.5000]))
    """
    if mask is None:
        mask = hidden.new_ones(hidden.shape[:-1], dtype=torch.bool)
    blocked = ~_fitting(mask, hidden)
    pooled, winners = hidden.masked_fill(blocked[..., None], -torch.inf).max(-2)
    won = F.one_hot(winners, hidden.shape[-2]).to(hidden.dtype).mean(-2)
    return pooled.masked_fill(blocked.all(-1, keepdim=True), 0.0), won.masked_fill(blocked, 0.0)


def _fitting(mask: Tensor, hidden: Tensor) -> Tensor:
    """Check that there is one boolean a state."""
    if mask.dtype != torch.bool or mask.shape != hidden.shape[:-1]:
        raise ValueError(
            f"mask is {mask.dtype} of shape {tuple(mask.shape)}; states of shape "
            f"{tuple(hidden.shape)} want torch.bool of shape {tuple(hidden.shape[:-1])}"
        )
    return mask


class Pool(nn.Module):
    """Turns the states of a sequence into one vector; holds attention's parameters.

    Args:
        d_hidden: size of a state, and of u_t.
        pooling: "attention", "mean" or "max".

    Raises:
        ValueError: if ``pooling`` is none of them.
    """

    def __init__(self, d_hidden: int, pooling: Pooling = "attention") -> None:
        super().__init__()
        if pooling not in Pooling.__args__:  # type: ignore[attr-defined]
            raise ValueError(f"pooling is {pooling!r}; wanted 'attention', 'mean' or 'max'")
        self.pooling = pooling
        if pooling == "attention":
            bound = d_hidden**-0.5
            self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(d_hidden, d_hidden)))
            self.bias = nn.Parameter(torch.zeros(d_hidden))
            self.context = nn.Parameter(nn.init.uniform_(torch.empty(d_hidden), -bound, bound))

    def forward(
        self, hidden: Tensor, mask: Tensor, imposed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Pool (..., length, d_hidden) states, with ``imposed`` (..., length) weights if given."""
        if imposed is not None:
            return (imposed[..., None, :] @ hidden).squeeze(-2), imposed
        if self.pooling == "attention":
            return attention_pool(hidden, self.weight, self.bias, self.context, mask)
        return masked_mean(hidden, mask) if self.pooling == "mean" else masked_max(hidden, mask)
