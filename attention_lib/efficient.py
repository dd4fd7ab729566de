"""Exact attention without the matrix of weights: memory linear in the length.

The written-out attention keeps a weight for every pair of positions. Here the scores come tile
by tile and are thrown away; what the backward pass needs of them it computes again.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from attention_lib.checks import check_floating


def online_softmax(scores: Tensor) -> Tensor:
    r"""Softmax over the last axis with one pass for the largest score and the sum together.

    .. math:: m_j &= \max(m_{j-1}, e_j) \\
              \ell_j &= \ell_{j-1} \exp(m_{j-1} - m_j) + \exp(e_j - m_j)

    Each new largest score shrinks the sum so far to the new scale, so that no score need be seen
    twice before the weights :math:`\exp(e_j - m) / \ell` are asked for.

    Args:
        scores: (..., L_k) floating; −∞ forbids a position. Not changed.

    Returns:
        weights with the shape and dtype of ``scores``; a row of −∞ alone gets zeros.

    Raises:
        TypeError: if ``scores`` are not floating.

    Milakov and Gimelshein (2018), "Online normalizer calculation for softmax", algorithm 3.

    >>> online_softmax(torch.tensor([0.0, -torch.inf, 0.0]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    if not scores.is_floating_point():
        raise TypeError(f"scores are {scores.dtype}; wanted a floating dtype, e.g. scores.float()")
    wide = scores.to(_at_least_float32(scores))
    maximum = wide.new_full(wide.shape[:-1], -torch.inf)
    total = torch.zeros_like(maximum)
    for score in wide.unbind(-1):
        new_maximum = torch.maximum(maximum, score.detach())
        shift = _finite(new_maximum)
        total = total * torch.exp(maximum - shift) + torch.exp(score - shift)
        maximum = new_maximum
    total = total.masked_fill(total == 0, 1.0)[..., None]
    return (torch.exp(wide - _finite(maximum)[..., None]) / total).to(scores.dtype)


def _at_least_float32(tensor: Tensor) -> torch.dtype:
    """Sums over many positions lose too much in half precision."""
    return torch.promote_types(tensor.dtype, torch.float32)


def _finite(maximum: Tensor) -> Tensor:
    """Replace −∞, the largest of no scores: e − 0 stays −∞ where e − (−∞) would be NaN."""
    return maximum.masked_fill(maximum == -torch.inf, 0.0)


def tiled_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
    window: int | None = None,
    block_q: int = 128,
    block_k: int = 128,
) -> Tensor:
    r"""Scaled dot-product attention by tiles of ``block_q`` queries and ``block_k`` keys.

    .. math:: C = \mathrm{softmax}\left(Q K^\top / \sqrt{d_k}\right) V

    exactly, with the running maximum and sum of :func:`online_softmax`. For the backward pass
    only C and the logarithm of each row's sum of exponentials are kept; the weights are computed
    again, tile by tile. Tiles that ``causal`` or ``window`` forbid altogether are skipped. Sums
    are taken in at least float32. A query that may attend to nothing gets zeros and zero
    gradients.

    Args:
        query: (batch, num_heads, L_q, head_dim).
        key: (batch, num_heads, L_k, head_dim).
        value: (batch, num_heads, L_k, d_v).
        mask: (batch, L_k) bool, True at keys that may be attended to; None allows all.
        causal: whether position i may attend to positions 0 … i alone; wants L_q = L_k.
        window: how far from its own position a query may look, as in
            :func:`attention_lib.masks.sliding_window_mask`; wants L_q = L_k.
        block_q: queries a tile.
        block_k: keys a tile.

    Returns:
        context (batch, num_heads, L_q, d_v), in the dtype of ``query``.

    Raises:
        TypeError: if the dtypes differ, or ``mask`` is not boolean.
        ValueError: if the shapes do not fit, ``window`` is negative or a block is empty.

    Dao et al. (2022), "FlashAttention", algorithms 1 and 4, in the loop order of Dao (2023),
    "FlashAttention-2".

    >>> query, key = torch.zeros(1, 1, 3, 5), torch.zeros(1, 1, 3, 5)
    >>> tiled_attention(query, key, torch.tensor([[[[0.0], [1.0], [2.0]]]]), causal=True)
    tensor([[[[0.0000],
              [0.5000],
              [1.0000]]]])
    """
    check_heads(query, key, value, mask)
    _check_band(query, key, causal, window)
    if min(block_q, block_k) < 1:
        raise ValueError(f"block_q is {block_q}, block_k is {block_k}; wanted at least 1 each")
    tiles = _Tiles.of(query, key, mask, causal, window, block_q, block_k)
    # One axis for batch and heads. Autocast would round the scores of the forward pass alone.
    with torch.autocast(query.device.type, enabled=False):
        flat = (tensor.flatten(0, 1) for tensor in (query, key, value))
        context: Tensor = _TiledAttention.apply(*flat, tiles)
    return context.unflatten(0, query.shape[:2])


def check_heads(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    """Refuse queries, keys, values and a mask of keys that do not fit together."""
    check_floating(query=query, key=key, value=value)
    if not query.dtype == key.dtype == value.dtype:  # nor does autocast convert them here
        raise TypeError(
            f"query: {query.dtype}, key: {key.dtype}, value: {value.dtype}; wanted one floating "
            "dtype"
        )
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        if tensor.dim() != 4:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}; wanted (batch, num_heads, length, dim)"
            )
        if tensor.shape[:2] != query.shape[:2]:
            raise ValueError(
                f"{name} has (batch, num_heads) {tuple(tensor.shape[:2])}, "
                f"query has {tuple(query.shape[:2])}"
            )
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(f"query has head_dim {query.shape[-1]}, key has {key.shape[-1]}")
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(f"key has length {key.shape[-2]}, value has {value.shape[-2]}")
    if mask is not None and mask.dtype != torch.bool:
        raise TypeError(
            f"mask has dtype {mask.dtype}; wanted torch.bool with True = may be attended to"
        )
    wanted = (key.shape[0], key.shape[2])
    if mask is not None and mask.shape != wanted:
        raise ValueError(f"mask has shape {tuple(mask.shape)}; wanted (batch, L_k) = {wanted}")


def _check_band(query: Tensor, key: Tensor, causal: bool, window: int | None) -> None:
    """Refuse masks by distance where a distance means nothing."""
    if window is not None and window < 0:
        raise ValueError(f"window is {window}; wanted a half-width of at least 0")
    if (causal or window is not None) and query.shape[-2] != key.shape[-2]:
        raise ValueError(
            f"query has length {query.shape[-2]}, key has {key.shape[-2]}; "
            "causal and window want one sequence that attends to itself"
        )


@dataclass(frozen=True)
class _Tiles:
    """Which tiles there are, and what is forbidden within each.

    Query i may attend to key j where −before ≤ j − i ≤ after and ``blocked`` does not forbid it.
    """

    blocked: Tensor | None  # (batch · num_heads, 1, L_k)
    before: int
    after: int
    block_q: int
    block_k: int

    @classmethod
    def of(
        cls,
        query: Tensor,
        key: Tensor,
        mask: Tensor | None,
        causal: bool,
        window: int | None,
        block_q: int,
        block_k: int,
    ) -> "_Tiles":
        """Turn the caller's masks into forbidden keys and a band around the diagonal."""
        blocked = None
        if mask is not None:
            blocked = ~mask.repeat_interleave(query.shape[1], 0)[:, None]
        reach = max(query.shape[-2], key.shape[-2]) if window is None else window
        return cls(blocked, reach, 0 if causal else reach, block_q, block_k)

    def queries(self, length: int) -> Iterator[slice]:
        """All blocks of queries."""
        return _blocks(0, length, self.block_q)

    def keys(self, length: int) -> Iterator[slice]:
        """All blocks of keys."""
        return _blocks(0, length, self.block_k)

    def keys_of(self, queries: slice, length: int) -> Iterator[slice]:
        """The blocks of keys within reach of some of these queries."""
        first, last = queries.start - self.before, queries.stop + self.after
        return _blocks(max(0, first), min(length, last), self.block_k)

    def queries_of(self, keys: slice, length: int) -> Iterator[slice]:
        """The blocks of queries that reach some of these keys."""
        first, last = keys.start - self.after, keys.stop + self.before
        return _blocks(max(0, first), min(length, last), self.block_q)

    def scores(self, query: Tensor, key: Tensor, queries: slice, keys: slice) -> Tensor:
        """The scores of one tile, −∞ where forbidden; ``query`` is scaled already."""
        scores = query @ key.mT
        nearest, farthest = keys.start - queries.stop + 1, keys.stop - queries.start - 1
        if nearest < -self.before or farthest > self.after:
            rows = torch.arange(queries.start, queries.stop, device=query.device)
            distance = torch.arange(keys.start, keys.stop, device=query.device) - rows[:, None]
            scores.masked_fill_((distance < -self.before) | (distance > self.after), -torch.inf)
        if self.blocked is not None:
            scores.masked_fill_(self.blocked[..., keys], -torch.inf)
        return scores


def _blocks(start: int, stop: int, size: int) -> Iterator[slice]:
    """Cut start … stop into blocks of ``size``, the last one perhaps shorter."""
    return (slice(i, min(i + size, stop)) for i in range(start, stop, size))


class _TiledAttention(torch.autograd.Function):
    """FlashAttention on (batch · num_heads, length, dim): no tensor of size L_q × L_k, ever."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, tiles: _Tiles) -> Tensor:
        """Keep the context and the log of each row's sum of exponentials."""
        wide = _at_least_float32(query)
        scale = 1 / math.sqrt(query.shape[-1])
        context = query.new_empty(*query.shape[:-1], value.shape[-1])
        log_total = query.new_empty(*query.shape[:-1], 1, dtype=wide)
        for queries in tiles.queries(query.shape[1]):
            tile_q = query[:, queries].to(wide) * scale
            maximum = tile_q.new_full((*tile_q.shape[:-1], 1), -torch.inf)
            total = torch.zeros_like(maximum)
            summed = tile_q.new_zeros(*tile_q.shape[:-1], value.shape[-1])
            for keys in tiles.keys_of(queries, key.shape[1]):
                scores = tiles.scores(tile_q, key[:, keys].to(wide), queries, keys)
                new_maximum = torch.maximum(maximum, scores.amax(-1, keepdim=True))
                shift = _finite(new_maximum)
                shrink = torch.exp(maximum - shift)
                weights = scores.sub_(shift).exp_()
                total.mul_(shrink).add_(weights.sum(-1, keepdim=True))
                summed.mul_(shrink).baddbmm_(weights, value[:, keys].to(wide))
                maximum = new_maximum
            empty = total == 0
            context[:, queries] = summed / total.masked_fill(empty, 1.0)
            # With +∞ for an empty row, exp(e − log ℓ) is 0 again in the backward pass.
            log_total[:, queries] = (maximum + total.log()).masked_fill(empty, torch.inf)
        ctx.save_for_backward(query, key, value, context, log_total)
        ctx.tiles = tiles
        return context

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients without autocast, as the forward pass."""
        with torch.autocast(grad.device.type, enabled=False):
            return *_TiledAttention.gradients(ctx, grad), None

    @staticmethod
    def gradients(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""Compute each tile's weights P again; dS = P ∘ (dC Vᵀ − rowsum(dC ∘ C))."""
        query, key, value, context, log_total = ctx.saved_tensors
        wide = log_total.dtype
        scale = 1 / math.sqrt(query.shape[-1])
        # Before the gradients take their place: the product is as large as one of them.
        delta = (grad.to(wide) * context).sum(-1, keepdim=True)
        d_query, d_key, d_value = (torch.zeros_like(t, dtype=wide) for t in (query, key, value))
        for keys in ctx.tiles.keys(key.shape[1]):
            tile_k, tile_v = key[:, keys].to(wide), value[:, keys].to(wide)
            for queries in ctx.tiles.queries_of(keys, query.shape[1]):
                tile_q, tile_g = query[:, queries].to(wide) * scale, grad[:, queries].to(wide)
                scores = ctx.tiles.scores(tile_q, tile_k, queries, keys)
                weights = scores.sub_(log_total[:, queries]).exp_()
                d_value[:, keys].baddbmm_(weights.mT, tile_g)
                d_scores = (tile_g @ tile_v.mT).sub_(delta[:, queries]).mul_(weights)
                d_key[:, keys].baddbmm_(d_scores.mT, tile_q)
                d_query[:, queries].baddbmm_(d_scores, tile_k, alpha=scale)
        return d_query.to(query.dtype), d_key.to(key.dtype), d_value.to(value.dtype)


def sliding_window_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    window: int,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
) -> Tensor:
    """Attend to the positions at most ``window`` away, at a cost linear in the length.

    The sequence is cut into blocks; each block of queries meets its own keys and those up to
    ``window`` before and after it, all blocks in one batched product. Equal to the full attention
    with :func:`attention_lib.masks.sliding_window_mask`. :func:`tiled_attention` with ``window``
    holds less, since it copies no keys, but calls several operators a tile; here their number
    does not grow with the length, which is what a GPU wants.

    Args:
        query: (batch, num_heads, length, head_dim).
        key: (batch, num_heads, length, head_dim).
        value: (batch, num_heads, length, d_v).
        window: the half-width, in positions, ≥ 0.
        mask: (batch, length) bool, True at keys that may be attended to; None allows all.
        causal: whether the positions after a query are forbidden too.

    Returns:
        context (batch, num_heads, length, d_v); zeros for a query that may attend to nothing.

    Raises:
        TypeError: if the dtypes differ, or ``mask`` is not boolean.
        ValueError: if the shapes do not fit, or ``window`` is negative.

    >>> query, key = torch.zeros(1, 1, 4, 5), torch.zeros(1, 1, 4, 5)
    >>> value = torch.tensor([[[[0.0], [1.0], [2.0], [6.0]]]])
    >>> sliding_window_attention(query, key, value, window=1).flatten()
    tensor([0.5000, 1.0000, 3.0000, 4.0000])
    """
    check_heads(query, key, value, mask)
    _check_band(query, key, causal, window)
    batch, length = len(query), query.shape[2]
    window = min(window, max(length - 1, 0))
    after = 0 if causal else window
    block = max(window, 32)
    blocks = max(1, -(-length // block))
    rest = blocks * block - length

    def cut(tensor: Tensor, before: int, after: int) -> Tensor:
        """Give each block its own rows and those around it: (batch · blocks, …, rows, dim)."""
        padded = F.pad(tensor, (0, 0, before, after + rest))
        rows = padded.unfold(2, before + block + after, block)
        return rows.permute(0, 2, 1, 4, 3).flatten(0, 1)

    if mask is None:
        mask = torch.ones(batch, length, dtype=torch.bool, device=query.device)
    band = torch.ones(block, window + block + after, dtype=torch.bool, device=query.device)
    band = band.triu().tril(window + after)
    allowed = cut(mask[:, None, :, None], window, after).mT & band
    # Not every fused kernel spares an empty row its NaN: let the row look, then blank it.
    empty = ~allowed.any(-1, keepdim=True)
    keys, values = cut(key, window, after), cut(value, window, after)
    context = F.scaled_dot_product_attention(cut(query, 0, 0), keys, values, allowed | empty)
    context = context.masked_fill(empty, 0.0)
    context = context.unflatten(0, (batch, blocks)).transpose(1, 2).flatten(2, 3)
    return context[:, :, :length]
