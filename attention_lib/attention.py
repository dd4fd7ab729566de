"""From scores to weights to context: what every attention of the course shares."""

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_lib.checks import check_floating, check_vectors
from attention_lib.masks import causal_mask
from attention_lib.scores import scaled_dot_score


def masked_softmax(scores: Tensor, mask: Tensor | None = None, dim: int = -1) -> Tensor:
    r"""Turn scores into attention weights over the positions that ``mask`` allows.

    .. math:: a_{ts} = \frac{m_{ts}\exp(e_{ts})}{\sum_{s'} m_{ts'}\exp(e_{ts'})}

    Masked positions get exactly 0. A query that ``mask`` lets attend to nothing gets all zeros and
    zero gradients, never NaN. The exponentials are taken in at least float32.

    Args:
        scores: floating, e.g. (batch, L_q, L_k); not changed.
        mask: bool, broadcastable to ``scores``, True = may be attended to; None allows all.
        dim: the axis over which the weights sum to 1, the keys'.

    Returns:
        weights with the shape and dtype of ``scores``.

    Raises:
        TypeError: if ``scores`` are not floating, or ``mask`` is not boolean.
        ValueError: if ``mask`` does not broadcast to ``scores``.

    >>> masked_softmax(torch.zeros(1, 4), torch.tensor([[True, True, False, False]]))
    tensor([[0.5000, 0.5000, 0.0000, 0.0000]])
    """
    check_floating(scores=scores)
    wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if mask is None:
        return wide.softmax(dim).to(scores.dtype)
    _check_mask(mask, scores.shape)
    wide = wide.masked_fill(~mask, -torch.inf)
    blocked = wide == -torch.inf
    empty = blocked.all(dim, keepdim=True)
    # A row of −∞ alone would divide 0 by 0; any finite row does, since its weights are zeroed.
    wide = wide.masked_fill(empty, 0.0)
    return wide.softmax(dim).masked_fill(blocked, 0.0).to(scores.dtype)


def _check_mask(mask: Tensor, shape: torch.Size) -> None:
    """Refuse a mask that does not fit scores of the given shape."""
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask has dtype {mask.dtype}; wanted torch.bool with True = may be attended to "
            "(for 0/1 masks: mask.bool())"
        )
    if not _broadcasts(mask, shape):
        raise ValueError(
            f"mask of shape {tuple(mask.shape)} does not broadcast to scores of shape "
            f"{tuple(shape)}{_advice(mask.dim(), len(shape))}"
        )


def check_bias(bias: Tensor, shape: torch.Size) -> None:
    """Refuse what cannot be added to scores of the given shape.

    Raises:
        TypeError: if ``bias`` is not floating.
        ValueError: if it does not broadcast.
    """
    if not bias.is_floating_point():
        raise TypeError(
            f"bias has dtype {bias.dtype}; wanted floating numbers to add to the scores (what "
            "forbids positions is the mask)"
        )
    if not _broadcasts(bias, shape):
        raise ValueError(
            f"bias of shape {tuple(bias.shape)} does not broadcast to scores of shape "
            f"{tuple(shape)}"
        )


def _broadcasts(tensor: Tensor, shape: torch.Size) -> bool:
    try:
        return torch.broadcast_shapes(tensor.shape, shape) == shape
    except RuntimeError:
        return False


def _advice(given: int, wanted: int) -> str:
    """How to give a mask with a batch axis the axes that scores have besides."""
    if not 2 <= given < wanted:
        return ""
    places = [":"] + ["None"] * (wanted - given) + [":"] * (given == 2)
    return f"; insert axes of size 1: mask[{', '.join(places)}]"


def attend(scores: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""Average the values with the weights that the scores give: :math:`c_t = \sum_s a_{ts} v_s`.

    Args:
        scores: (..., L_q, L_k).
        value: (..., L_k, d_v).
        mask: bool, broadcastable to ``scores``; see :func:`masked_softmax`.

    Returns:
        context (..., L_q, d_v) and weights (..., L_q, L_k).

    Raises:
        TypeError: if ``scores`` and ``value`` are not of one floating dtype.
        ValueError: if they disagree on the number of keys, or their other axes do not broadcast.

    >>> context, weights = attend(torch.zeros(1, 1, 2), torch.tensor([[[0.0], [1.0]]]))
    >>> context.item(), weights.tolist()
    (0.5, [[[0.5, 0.5]]])
    """
    check_vectors(scores=scores, value=value)
    if scores.shape[-1] != value.shape[-2]:
        raise ValueError(f"scores are over {scores.shape[-1]} keys, value has {value.shape[-2]}")
    weights = masked_softmax(scores, mask)
    return weights @ value, weights


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Attend by scaled dot products, written out as in the paper.

    .. math:: \mathrm{Attention}(Q, K, V) =
              \mathrm{softmax}\!\left(\frac{QK^\top}{\sqrt{d_k}}\right)V

    :func:`fused_attention` computes the same context without ever holding the weights.

    Args:
        query: (..., L_q, d_k).
        key: (..., L_k, d_k).
        value: (..., L_k, d_v).
        mask: bool, broadcastable to (..., L_q, L_k), True = may be attended to.
        bias: added to the scaled scores, e.g. by a relative position; broadcastable to them.
            Where it is −∞ it forbids, as ``mask`` does.

    Returns:
        context (..., L_q, d_v) and weights (..., L_q, L_k).

    Raises:
        TypeError: if ``mask`` is not boolean, ``bias`` not floating, or the others are not of one
            floating dtype.
        ValueError: if the sizes do not fit.

    Vaswani et al. (2017), equation 1.

    >>> key = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> context, _ = scaled_dot_product_attention(20 * key, key, torch.tensor([[1.0], [2.0]]))
    >>> context.round(decimals=3)
    tensor([[1.],
            [2.]])
    """
    _check_sizes(query, key, value)
    scores = scaled_dot_score(query, key)
    if bias is not None:
        check_bias(bias, scores.shape)
        scores = scores + bias.to(scores.dtype)
        if mask is None:
            mask = torch.ones((), dtype=torch.bool, device=scores.device)
    return attend(scores, value, mask)


def fused_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    bias: Tensor | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> Tensor:
    r"""Attend by scaled dot products in torch's fused kernels: the fast face.

    The weights are never held as a whole, so without ``mask`` and ``bias`` the memory grows
    linearly with the length. Give causality as ``causal`` rather than as a mask to keep that.

    Args:
        query: (batch, num_heads, L_q, d_k).
        key: (batch, num_heads, L_k, d_k).
        value: (batch, num_heads, L_k, d_v).
        mask: bool, broadcastable to (batch, num_heads, L_q, L_k), True = may be attended to.
        bias: added to the scaled scores; broadcastable to them.
        causal: query i may attend to keys 0 … i only. ``mask`` then adds to it.
        dropout: probability of dropping a weight; on a CPU that holds the weights after all.

    Returns:
        context (batch, num_heads, L_q, d_v).

    Raises:
        TypeError: if ``mask`` is not boolean, ``bias`` not floating, or the others are not of one
            floating dtype.
        ValueError: if the sizes do not fit, or ``causal`` and L_q ≠ L_k.

    >>> query, key, value = torch.randn(3, 1, 2, 5, 4).unbind(0)
    >>> written_out, _ = scaled_dot_product_attention(query, key, value)
    >>> torch.allclose(fused_attention(query, key, value), written_out, atol=1e-6)
    True
    """
    _check_sizes(query, key, value)
    shape = _scores_shape(query, key)
    if mask is not None:
        _check_mask(mask, shape)
        mask = torch.atleast_2d(mask)
    if causal:
        _check_square(query, key)
        if mask is not None or bias is not None:
            mask, causal = with_causality(mask, query, key), False
    if bias is None:
        return F.scaled_dot_product_attention(query, key, value, mask, dropout, causal)
    check_bias(bias, shape)
    bias = bias.to(query.dtype).expand(shape)
    if mask is None:
        return F.scaled_dot_product_attention(query, key, value, bias, dropout)
    # A query with nothing to attend to: any finite scores do, since its context is zeroed.
    empty = ~mask.any(-1, keepdim=True)
    bias = bias.masked_fill(~(mask | empty), -torch.inf)
    context = F.scaled_dot_product_attention(query, key, value, bias, dropout)
    return context.masked_fill(empty, 0.0)


def with_causality(mask: Tensor | None, query: Tensor, key: Tensor) -> Tensor:
    """Let query i attend to keys 0 … i only, of those that ``mask`` allows.

    Args:
        mask: bool, broadcastable to (..., L_q, L_k), or None.
        query: (..., L_q, d_k).
        key: (..., L_k, d_k).

    Returns:
        bool, broadcastable to (..., L_q, L_k).

    Raises:
        TypeError: if ``mask`` is not boolean.
        ValueError: if ``mask`` does not broadcast, or L_q ≠ L_k.
    """
    _check_square(query, key)
    lower = causal_mask(key.shape[-2], device=query.device)
    if mask is None:
        return lower
    _check_mask(mask, _scores_shape(query, key))
    return mask & lower


def _scores_shape(query: Tensor, key: Tensor) -> torch.Size:
    """The shape of the scores, (..., L_q, L_k), one batch of queries for several of keys too."""
    outer = query.shape[:-2]
    if key.shape[:-2] != outer:
        outer = torch.broadcast_shapes(outer, key.shape[:-2])
    return torch.Size((*outer, query.shape[-2], key.shape[-2]))


def _check_square(query: Tensor, key: Tensor) -> None:
    """Refuse to order queries and keys of different lengths."""
    if query.shape[-2] != key.shape[-2]:
        raise ValueError(
            f"causal wants as many queries as keys; got {query.shape[-2]} and {key.shape[-2]}"
        )


def _check_sizes(query: Tensor, key: Tensor, value: Tensor) -> None:
    """Refuse queries, keys and values that do not belong together."""
    check_vectors(query=query, key=key, value=value)
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"query has head_dim {query.shape[-1]}, key has {key.shape[-1]}; wanted them equal"
        )
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"key has length {key.shape[-2]}, value has {value.shape[-2]}; wanted one value a key"
        )


def attentional_vector(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    r"""Join what was read and what is being said: Luong's :math:`\tilde h = \tanh(W_c[c; h])`.

    Args:
        context: (..., d_c), the weighted average of the source, c_t.
        hidden: (..., d_h), the decoder's state, h_t.
        weight: (d_out, d_c + d_h), W_c; its first d_c columns read the context.

    Returns:
        (..., d_out), every component in (−1, 1).

    Raises:
        TypeError: if the tensors are not of one floating dtype.
        ValueError: if ``weight`` does not have d_c + d_h columns, or there is not one context for
            each state.

    Luong et al. (2015), equation 5.

    >>> attentional_vector(torch.zeros(2, 3), torch.zeros(2, 4), torch.ones(5, 7)).shape
    torch.Size([2, 5])
    """
    check_floating(context=context, hidden=hidden, weight=weight)
    if context.shape[:-1] != hidden.shape[:-1]:
        raise ValueError(
            f"context is {tuple(context.shape)}, hidden {tuple(hidden.shape)}; wanted one context "
            "for each state, (..., d_c) and (..., d_h)"
        )
    joined = torch.cat([context, hidden], dim=-1)
    if weight.shape[-1] != joined.shape[-1]:
        raise ValueError(
            f"weight has {weight.shape[-1]} columns; wanted {joined.shape[-1]} "
            f"(context {context.shape[-1]} + hidden {hidden.shape[-1]})"
        )
    return torch.tanh(joined @ weight.mT)
