"""Multi-head attention: several attentions side by side, each in its own subspace.

Shapes, throughout: x (batch, length, d_model), heads (batch, num_heads, length, head_dim).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib.attention import (
    check_bias,
    fused_attention,
    masked_softmax,
    scaled_dot_product_attention,
    with_causality,
)
from attention_lib.checks import check_floating
from attention_lib.padding import Packing
from attention_lib.scores import scaled_dot_score

Parts = Literal["qkv", "q", "kv"]


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """Cut d_model into heads: (batch, length, d_model) → (batch, num_heads, length, head_dim).

    Head i gets features i · head_dim … (i + 1) · head_dim.

    Raises:
        ValueError: if the heads do not divide d_model.

    >>> split_heads(torch.arange(4.0).view(1, 1, 4), 2).tolist()
    [[[[0.0, 1.0]], [[2.0, 3.0]]]]
    """
    if num_heads < 1 or x.shape[-1] % num_heads:
        raise ValueError(f"num_heads {num_heads} does not divide the {x.shape[-1]} features")
    return x.unflatten(-1, (num_heads, -1)).transpose(-3, -2)


def merge_heads(x: Tensor) -> Tensor:
    """Put heads side by side again: (batch, num_heads, length, d) → (batch, length, h · d).

    >>> x = torch.randn(2, 3, 8)
    >>> torch.equal(merge_heads(split_heads(x, 4)), x)
    True
    """
    return x.transpose(-3, -2).flatten(-2)


def repeat_heads(x: Tensor, num_heads: int) -> Tensor:
    """Share each key or value head among consecutive query heads (grouped-query attention).

    Args:
        x: (batch, num_kv_heads, length, head_dim).
        num_heads: number of query heads, a multiple of num_kv_heads.

    Returns:
        (batch, num_heads, length, head_dim), a view of ``x`` where nothing is repeated.

    Raises:
        ValueError: if ``num_heads`` is no multiple.

    >>> repeat_heads(torch.tensor([1.0, 2.0]).view(1, 2, 1, 1), 4).flatten()
    tensor([1., 1., 2., 2.])
    """
    if num_heads < 1 or num_heads % x.shape[-3]:
        raise ValueError(f"{x.shape[-3]} key heads cannot be shared evenly by {num_heads}")
    times = num_heads // x.shape[-3]
    return x if times == 1 else x.repeat_interleave(times, dim=-3)


class KeyValueCache:
    """Keys and values of the positions seen so far, written in place into a buffer that grows.

    Attributes:
        length: how many positions are filled.

    >>> cache = KeyValueCache()
    >>> for _ in range(3):
    ...     key, value = cache.append(torch.randn(2, 1, 1, 4), torch.randn(2, 1, 1, 4))
    >>> cache.length, key.shape
    (3, torch.Size([2, 1, 3, 4]))
    """

    def __init__(self) -> None:
        self.length = 0
        self._key: Tensor | None = None
        self._value: Tensor | None = None

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add the next positions (batch, num_kv_heads, new, head_dim) and return all there are."""
        end = self.length + key.shape[-2]
        if torch.is_grad_enabled():
            # The backward pass wants the keys of each step as they were, whoever learns from them.
            if self._key is not None and self._value is not None:
                key = torch.cat([self._key[..., : self.length, :], key], -2)
                value = torch.cat([self._value[..., : self.length, :], value], -2)
            self.length, self._key, self._value = end, key, value
            return key, value
        self._key = self._room(self._key, key, end)
        self._value = self._room(self._value, value, end)
        self._key[..., self.length : end, :] = key
        self._value[..., self.length : end, :] = value
        self.length = end
        return self._key[..., :end, :], self._value[..., :end, :]

    def select(self, rows: Tensor) -> "KeyValueCache":
        """Copy the cache with other rows of its batch."""
        copy = KeyValueCache()
        if self._key is not None and self._value is not None:
            copy.length, copy._key, copy._value = self.length, self._key[rows], self._value[rows]
        return copy

    def _room(self, buffer: Tensor | None, new: Tensor, end: int) -> Tensor:
        """Return a buffer with at least ``end`` positions; it doubles where it must grow.

        The heads of a position lie side by side, as the projections leave them and torch's fused
        attention reads them fastest.
        """
        if buffer is not None and buffer.shape[-2] >= end:
            return buffer
        batch, heads, _, size = new.shape
        larger = new.new_zeros(batch, max(64, 2 * end), heads, size).transpose(1, 2)
        if buffer is not None:
            larger[..., : self.length, :] = buffer[..., : self.length, :]
        return larger


class MultiHeadAttention(nn.Module):
    r"""Attend with several heads at once.

    .. math:: \mathrm{head}_i &= \mathrm{Attention}(QW_i^Q, KW_i^K, VW_i^V) \\
              \mathrm{MultiHead}(Q, K, V) &= [\mathrm{head}_1; …; \mathrm{head}_h]\,W^O

    The three projections of all heads are one matrix. With as many key heads as query heads the
    parameters have the names and layout of :class:`torch.nn.MultiheadAttention`, whose state dict
    can be loaded as it is.

    Args:
        d_model: size of a token's vector.
        num_heads: query heads; each has d_model / num_heads features.
        num_kv_heads: key and value heads. Fewer than ``num_heads`` is grouped-query attention
            (Ainslie et al. 2023), 1 is multi-query attention (Shazeer 2019).
        bias: whether the projections have one.
        talking: mix the heads' scores before the softmax and their weights after it
            (talking-heads attention, Shazeer et al. 2020); starts as no mixing.
        dropout: probability of dropping a weight in training; the others are scaled up.

    Raises:
        ValueError: if ``num_heads`` does not divide ``d_model``, or ``num_kv_heads`` not
            ``num_heads``, or ``dropout`` is not in [0, 1).

    Vaswani et al. (2017), section 3.2.2.

    >>> attention = MultiHeadAttention(8, num_heads=2)
    >>> context, weights = attention(torch.randn(3, 5, 8), need_weights=True)
    >>> context.shape, weights.shape
    (torch.Size([3, 5, 8]), torch.Size([3, 2, 5, 5]))
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        *,
        num_kv_heads: int | None = None,
        bias: bool = True,
        talking: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        if min(num_heads, num_kv_heads) < 1:
            raise ValueError(
                f"num_heads is {num_heads} and num_kv_heads {num_kv_heads}; wanted at least 1"
            )
        if d_model % num_heads:
            raise ValueError(f"num_heads {num_heads} does not divide d_model {d_model}")
        if num_heads % num_kv_heads:
            raise ValueError(f"num_kv_heads {num_kv_heads} does not divide num_heads {num_heads}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}; wanted a probability from 0 to below 1")
        self.dropout = dropout
        self.d_model, self.num_heads, self.num_kv_heads = d_model, num_heads, num_kv_heads
        d_kv = num_kv_heads * (d_model // num_heads)
        self.sizes = [d_model, d_kv, d_kv]
        self.in_proj_weight = nn.Parameter(torch.empty(sum(self.sizes), d_model))
        self.in_proj_bias = nn.Parameter(torch.zeros(sum(self.sizes))) if bias else None
        self.out_proj = nn.Linear(d_model, d_model, bias=bias)
        self.mix_scores = nn.Parameter(torch.eye(num_heads)) if talking else None
        self.mix_weights = nn.Parameter(torch.eye(num_heads)) if talking else None
        self.recorded: list[Tensor] | None = None
        for part in self.in_proj_weight.split(self.sizes):
            nn.init.xavier_uniform_(part.data)
        nn.init.xavier_uniform_(self.out_proj.weight)
        if bias:
            nn.init.zeros_(self.out_proj.bias)

    def project(
        self, x: Tensor, parts: Parts = "qkv", packing: Packing | None = None
    ) -> tuple[Tensor, ...]:
        """Map tokens to the heads of their queries, keys and values, in one product.

        Args:
            x: (batch, length, d_model), or (tokens, d_model) together with its ``packing``.
            parts: "qkv", or only the queries "q", or only keys and values "kv".
            packing: where packed tokens stand.

        Returns:
            those of query (batch, num_heads, length, head_dim), key and value
            (batch, num_kv_heads, length, head_dim) that ``parts`` names.

        Raises:
            TypeError: if ``x`` has another dtype than the parameters.
            ValueError: if ``x`` does not have d_model features.
        """
        check_floating(tokens=x, parameters=self.in_proj_weight)
        if x.shape[-1] != self.d_model:
            raise ValueError(f"tokens have {x.shape[-1]} features; wanted d_model {self.d_model}")
        wanted = slice(*{"qkv": (0, 3), "q": (0, 1), "kv": (1, 3)}[parts])
        start = sum(self.sizes[: wanted.start])
        rows = slice(start, start + sum(self.sizes[wanted]))
        bias = None if self.in_proj_bias is None else self.in_proj_bias[rows]
        projected = F.linear(x, self.in_proj_weight[rows], bias)
        if packing is not None:
            projected = packing.unpack(projected)
        heads = [self.num_heads, self.num_kv_heads, self.num_kv_heads][wanted]
        cut = projected.split(self.sizes[wanted], dim=-1)
        return tuple(split_heads(part, n) for part, n in zip(cut, heads, strict=True))

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        *,
        bias: Tensor | None = None,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend with heads that are already projected.

        The written-out attention runs where the weights are asked for or the heads talk, the
        fused one everywhere else; their contexts are equal.

        Args:
            query: (batch, num_heads, L_q, head_dim).
            key, value: (batch, num_kv_heads, L_k, head_dim).
            mask: bool, broadcastable to (batch, num_heads, L_q, L_k), True = may be attended to.
            bias: added to the scaled scores; broadcastable to them.
            causal: query i may attend to keys 0 … i only.
            need_weights: also return the weights.

        Returns:
            context (batch, num_heads, L_q, head_dim), and the weights (batch, num_heads, L_q, L_k)
            before dropout, or None.
        """
        dropout = self.dropout if self.training else 0.0
        key, value = repeat_heads(key, self.num_heads), repeat_heads(value, self.num_heads)
        if not (need_weights or self.recorded is not None or self.mix_scores is not None):
            kind: dict[str, Any] = {"bias": bias, "causal": causal, "dropout": dropout}
            return fused_attention(query, key, value, mask, **kind), None
        if causal:
            mask = with_causality(mask, query, key)
        if self.mix_scores is None:
            context, weights = scaled_dot_product_attention(query, key, value, mask, bias=bias)
        else:
            context, weights = self._talk(query, key, value, mask, bias)
        if dropout:
            context = F.dropout(weights, dropout) @ value
        if self.recorded is not None:
            self.recorded.append(weights.detach())
        return context, weights if need_weights else None

    def _talk(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        bias: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Attend with scores, and then weights, that are mixtures of all heads'."""
        scores = scaled_dot_score(query, key)
        if bias is not None:
            check_bias(bias, scores.shape)
            scores = scores + bias.to(scores.dtype)
        mixed = torch.einsum("bhqk,hg->bgqk", scores, self.mix_scores)
        weights = masked_softmax(mixed, mask)
        weights = torch.einsum("bhqk,hg->bgqk", weights, self.mix_weights)
        return weights @ value, weights

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
        *,
        bias: Tensor | None = None,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Let ``x`` attend to itself, or to ``memory`` (cross-attention).

        Args:
            x: (batch, L_q, d_model).
            memory: (batch, L_k, d_model).
            mask, bias, causal, need_weights: see :meth:`attend`.

        Returns:
            (batch, L_q, d_model), and the weights (batch, num_heads, L_q, L_k) or None.

        Raises:
            ValueError: if ``x`` or ``memory`` does not have d_model features.
        """
        if memory is None:
            query, key, value = self.project(x)
        else:
            (query,) = self.project(x, "q")
            key, value = self.project(memory, "kv")
        context, weights = self.attend(
            query, key, value, mask, bias=bias, causal=causal, need_weights=need_weights
        )
        return self.out_proj(merge_heads(context)), weights


@contextmanager
def record_attention(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Collect the weights of every multi-head attention of a model while it runs.

    Args:
        model: any module; its :class:`MultiHeadAttention` parts take the written-out face
            meanwhile.

    Yields:
        for each part, by its name in the model, one (batch, num_heads, L_q, L_k) a call.

    >>> attention = MultiHeadAttention(8, num_heads=2)
    >>> with record_attention(nn.Sequential(attention)) as maps:
    ...     _ = attention(torch.randn(1, 3, 8))
    >>> maps["0"][0].shape
    torch.Size([1, 2, 3, 3])
    """
    parts = {n: m for n, m in model.named_modules() if isinstance(m, MultiHeadAttention)}
    outer = {name: part.recorded for name, part in parts.items()}
    maps: dict[str, list[Tensor]] = {name: [] for name in parts}
    for name, part in parts.items():
        part.recorded = maps[name]
    try:
        yield maps
    finally:
        for name, part in parts.items():
            part.recorded = earlier = outer[name]
            if earlier is not None:  # a recording within a recording belongs to both
                earlier.extend(maps[name])
