"""From scores to weights to context: what every attention of the course shares."""

import torch
from torch import Tensor


def masked_softmax(scores: Tensor, mask: Tensor | None = None, dim: int = -1) -> Tensor:
    r"""Turn scores into attention weights over the positions that ``mask`` allows.

    .. math:: a_{ts} = \frac{m_{ts}\exp(e_{ts})}{\sum_{s'} m_{ts'}\exp(e_{ts'})}

    Masked positions get exactly 0. A query that may attend to nothing gets all zeros and zero
    gradients, never NaN. The exponentials are taken in at least float32.

    Args:
        scores: floating, e.g. (batch, L_q, L_k); not changed.
        mask: bool, broadcastable to ``scores``, True = may be attended to; None allows all.
        dim: the axis over which the weights sum to 1, the keys'.

    Returns:
        weights with the shape and dtype of ``scores``.

    Raises:
        TypeError: if ``mask`` is not boolean.
        ValueError: if ``mask`` does not broadcast to ``scores``.

    >>> masked_softmax(torch.zeros(1, 4), torch.tensor([[True, True, False, False]]))
    tensor([[0.5000, 0.5000, 0.0000, 0.0000]])
    """
    wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if mask is None:
        return wide.softmax(dim).to(scores.dtype)
    blocked = ~_boolean_mask(mask, scores).expand(scores.shape)
    empty = blocked.all(dim, keepdim=True)
    # A row of −∞ alone would divide 0 by 0; any finite row does, since its weights are zeroed.
    wide = wide.masked_fill(blocked, -torch.inf).masked_fill(empty, 0.0)
    return wide.softmax(dim).masked_fill(blocked, 0.0).to(scores.dtype)


def _boolean_mask(mask: Tensor, scores: Tensor) -> Tensor:
    """Check a mask against the scores it is meant for."""
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask has dtype {mask.dtype}; wanted torch.bool with True = may be attended to "
            "(for 0/1 masks: mask.bool())"
        )
    try:
        fits = torch.broadcast_shapes(mask.shape, scores.shape) == scores.shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"mask of shape {tuple(mask.shape)} does not broadcast to scores of shape "
            f"{tuple(scores.shape)}; insert axes of size 1, e.g. mask[:, None, :]"
        )
    return mask


def attend(scores: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""Average the values with the weights that the scores give: :math:`c_t = \sum_s a_{ts} v_s`.

    Args:
        scores: (..., L_q, L_k).
        value: (..., L_k, d_v).
        mask: bool, broadcastable to ``scores``; see :func:`masked_softmax`.

    Returns:
        context (..., L_q, d_v) and weights (..., L_q, L_k).

    Raises:
        ValueError: if ``scores`` and ``value`` disagree on the number of keys.

    >>> context, weights = attend(torch.zeros(1, 1, 2), torch.tensor([[[0.0], [1.0]]]))
    >>> context.item(), weights.tolist()
    (0.5, [[[0.5, 0.5]]])
    """
    if scores.shape[-1] != value.shape[-2]:
        raise ValueError(f"scores are over {scores.shape[-1]} keys, value has {value.shape[-2]}")
    weights = masked_softmax(scores, mask)
    return weights @ value, weights


def attentional_vector(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    r"""Join what was read and what is being said: Luong's :math:`\tilde h = \tanh(W_c[c; h])`.

    Args:
        context: (..., d_c), the weighted average of the source, c_t.
        hidden: (..., d_h), the decoder's state, h_t.
        weight: (d_out, d_c + d_h), W_c; its first d_c columns read the context.

    Returns:
        (..., d_out), every component in (−1, 1).

    Raises:
        ValueError: if ``weight`` does not have d_c + d_h columns.

    Luong et al. (2015), equation 5.

    >>> attentional_vector(torch.zeros(2, 3), torch.zeros(2, 4), torch.ones(5, 7)).shape
    torch.Size([2, 5])
    """
    joined = torch.cat([context, hidden], dim=-1)
    if weight.shape[-1] != joined.shape[-1]:
        raise ValueError(
            f"weight has {weight.shape[-1]} columns; wanted {joined.shape[-1]} "
            f"(context {context.shape[-1]} + hidden {hidden.shape[-1]})"
        )
    return torch.tanh(joined @ weight.mT)
