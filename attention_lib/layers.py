"""The layers of a Transformer: what an encoder, a decoder, GPT and BERT are stacked from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib.fast import Dropout
from attention_lib.multihead import KeyValueCache, MultiHeadAttention, merge_heads
from attention_lib.padding import Packing
from attention_lib.positions import (
    LearnedPositions,
    RelativeBias,
    alibi_bias,
    rotate,
    sinusoidal_positions,
)

Norm = Literal["post", "pre"]
Activation = Literal["relu", "gelu", "gelu_tanh", "silu"]
PositionScheme = Literal["none", "sinusoidal", "learned", "rotary", "alibi", "relative"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),  # a lambda could not be pickled
    "silu": F.silu,
}


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """The shape of a layer; the defaults are the paper's base model.

    Attributes:
        d_model: size of a token's vector.
        num_heads, num_kv_heads: query heads, and key and value heads if they are fewer.
        d_ff: size of the feed-forward layer's inside.
        dropout: on embeddings and on what each sub-layer adds.
        attention_dropout: on attention weights; the paper has none.
        norm: "post" normalises after each sub-layer is added (the paper), "pre" before it runs.
        activation: inside the feed-forward layer.
        positions: how order is told.
        max_length: positions of the "learned" scheme.
        norm_eps: added to the variance by the norms.
    """

    d_model: int = 512
    num_heads: int = 8
    num_kv_heads: int | None = None
    d_ff: int = 2048
    dropout: float = 0.1
    attention_dropout: float = 0.0
    norm: Norm = "post"
    activation: Activation = "relu"
    positions: PositionScheme = "sinusoidal"
    max_length: int = 512
    norm_eps: float = 1e-5

    def __post_init__(self) -> None:
        for name, kinds in (
            ("norm", Norm),
            ("activation", Activation),
            ("positions", PositionScheme),
        ):
            given, wanted = getattr(self, name), kinds.__args__  # type: ignore[attr-defined]
            if given not in wanted:
                raise ValueError(f"{name} is {given!r}; wanted one of {', '.join(wanted)}")
        self._check_sizes()

    def _check_sizes(self) -> None:
        counts = ["d_model", "d_ff", "max_length"]
        counts += [name for name in vars(self) if name.startswith("num_")]
        for name in counts:
            given = getattr(self, name)
            if given is not None and given < 1:
                raise ValueError(f"{name} is {given}; wanted at least 1")
        if self.d_model % self.num_heads:
            raise ValueError(f"num_heads {self.num_heads} does not divide d_model {self.d_model}")
        if self.num_kv_heads is not None and self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_kv_heads {self.num_kv_heads} does not divide num_heads {self.num_heads}"
            )
        if self.norm_eps < 0:
            raise ValueError(f"norm_eps is {self.norm_eps}; wanted at least 0")
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(
                f"d_model is {self.d_model}; sinusoids come in pairs and want an even number"
            )
        if self.positions == "rotary" and self.d_model // self.num_heads % 2:
            raise ValueError(
                f"{self.num_heads} heads have {self.d_model // self.num_heads} features each; "
                "rotary positions turn pairs of them and want an even number"
            )


class FeedForward(nn.Module):
    r"""Think about each token by itself: :math:`\mathrm{FFN}(x) = \max(0, xW_1 + b_1)W_2 + b_2`.

    Vaswani et al. (2017), equation 2; ``config.activation`` replaces the max.

    >>> FeedForward(LayerConfig(d_model=8, d_ff=32))(torch.zeros(2, 3, 8)).shape
    torch.Size([2, 3, 8])
    """

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.d_model = config.d_model
        self.inner = nn.Linear(config.d_model, config.d_ff)
        self.outer = nn.Linear(config.d_ff, config.d_model)
        self.activation = _ACTIVATIONS[config.activation]
        for linear in (self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., d_model) to (..., d_model).

        Raises:
            ValueError: if ``x`` does not have d_model features.
        """
        # Not asked of the layers, which may be quantised or adapted by now.
        if x.shape[-1] != self.d_model:
            raise ValueError(f"tokens have {x.shape[-1]} features; wanted d_model {self.d_model}")
        return self.outer(self.activation(self.inner(x)))


class Residual(nn.Module):
    r"""Add what a sub-layer has to say to what was there, and keep the scale.

    .. math:: \text{post:}\; \mathrm{LayerNorm}(x + f(x)) \qquad
              \text{pre:}\; x + f(\mathrm{LayerNorm}(x))
    """

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.pre = config.norm == "pre"
        self.norm = nn.LayerNorm(config.d_model, config.norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply to tokens (..., d_model)."""
        if self.pre:
            return x + self.dropout(sublayer(self.norm(x)))
        return self.norm(x + self.dropout(sublayer(x)))


class Positions(nn.Module):
    """Tell the order by one of six schemes: at the embeddings, the queries and keys, or the scores.

    Args:
        config: names the scheme.
        causal: whether only the past is looked at, which frees buckets of the relative scheme.
    """

    def __init__(self, config: LayerConfig, *, causal: bool = False) -> None:
        super().__init__()
        self.scheme, self.num_heads = config.positions, config.num_heads
        if self.scheme == "learned":
            self.learned = LearnedPositions(config.max_length, config.d_model)
        elif self.scheme == "relative":
            self.relative = RelativeBias(config.num_heads, causal=causal)

    def embed(self, x: Tensor, positions: Tensor) -> Tensor:
        """Add to word vectors (batch, length, d_model) what their positions (…, length) say."""
        if self.scheme == "learned":
            return x + self.learned(positions)
        if self.scheme == "sinusoidal" and positions.numel():
            # Many tokens share few positions: each is computed once.
            first, last = positions.aminmax()
            row = torch.arange(int(first), int(last) + 1, device=x.device)
            return x + sinusoidal_positions(row, x.shape[-1], dtype=x.dtype)[positions - first]
        return x

    def turn(self, heads: Tensor, positions: Tensor) -> Tensor:
        """Rotate queries or keys (batch, heads, length, head_dim) by their positions."""
        if self.scheme != "rotary":
            return heads
        return rotate(heads, positions if positions.dim() == 1 else positions[:, None])

    def bias(self, query_positions: Tensor, key_positions: Tensor) -> Tensor | None:
        """What to add to the scores: (num_heads, L_q, L_k), or None."""
        if self.scheme == "alibi":
            return alibi_bias(self.num_heads, query_positions, key_positions)
        if self.scheme == "relative":
            return self.relative(query_positions, key_positions)
        return None


@dataclass
class SelfView:
    """What every self-attention of a stack shares in one pass.

    Attributes:
        turn: rotates queries and keys by their positions, or leaves them.
        mask: bool, broadcastable to (batch, num_heads, L_q, L_k); None allows all.
        causal: query i may attend to keys 0 … i only.
        bias: added to the scores.
        packing: where packed tokens stand, if the tokens are packed.
    """

    turn: Callable[[Tensor], Tensor]
    mask: Tensor | None = None
    causal: bool = False
    bias: Tensor | None = None
    packing: Packing | None = None


def self_view(
    scheme: Positions,
    ids: Tensor,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
    packing: Packing | None = None,
) -> SelfView:
    """Look at a whole padded batch of ids (batch, length) at once; see :class:`SelfView`."""
    positions = torch.arange(ids.shape[1], device=ids.device)
    return SelfView(
        turn=lambda heads: scheme.turn(heads, positions),
        mask=mask,
        causal=causal,
        bias=scheme.bias(positions, positions),
        packing=packing,
    )


def final_norm(config: LayerConfig) -> nn.Module:
    """What ends a stack: pre-norm layers leave a sum that is still to be normalised."""
    if config.norm == "pre":
        return nn.LayerNorm(config.d_model, config.norm_eps)
    return nn.Identity()


@dataclass
class Memory:
    """What a decoder layer's cross-attention sees of the source.

    Attributes:
        key, value: (batch, num_kv_heads, L_k, head_dim), the encoder's output as this layer's
            heads want it.
        mask: (batch, 1, 1, L_k) bool, or None.
        packing: where packed target tokens stand, if they are packed.
    """

    key: Tensor
    value: Tensor
    mask: Tensor | None = None
    packing: Packing | None = None


def _attend_to_self(
    attention: MultiHeadAttention, x: Tensor, view: SelfView, cache: KeyValueCache | None
) -> Tensor:
    """Let tokens look at each other, and at those in the cache."""
    query, key, value = attention.project(x, packing=view.packing)
    query, key = view.turn(query), view.turn(key)
    if cache is not None:
        key, value = cache.append(key, value)
    context, _ = attention.attend(query, key, value, view.mask, bias=view.bias, causal=view.causal)
    return _output(attention, context, view.packing)


def _attend_to_memory(attention: MultiHeadAttention, x: Tensor, memory: Memory) -> Tensor:
    """Let target tokens look at the source."""
    (query,) = attention.project(x, "q", memory.packing)
    context, _ = attention.attend(query, memory.key, memory.value, memory.mask)
    return _output(attention, context, memory.packing)


def _output(attention: MultiHeadAttention, heads: Tensor, packing: Packing | None) -> Tensor:
    """Join the heads of a context, packed again if the tokens came packed."""
    joined = merge_heads(heads)
    return attention.out_proj(joined if packing is None else packing.pack(joined))


def _attention(config: LayerConfig) -> MultiHeadAttention:
    heads, kv_heads = config.num_heads, config.num_kv_heads
    return MultiHeadAttention(
        config.d_model, heads, num_kv_heads=kv_heads, dropout=config.attention_dropout
    )


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward; with a causal view it is the layer of a GPT.

    Args:
        config: see :class:`LayerConfig`.

    >>> config = LayerConfig(d_model=8, num_heads=2, d_ff=16)
    >>> view = self_view(Positions(config), torch.ones(2, 5, dtype=torch.long), causal=True)
    >>> EncoderLayer(config)(torch.randn(2, 5, 8), view).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.self_attention = _attention(config)
        self.feed_forward = FeedForward(config)
        self.after_self = Residual(config)
        self.after_feed_forward = Residual(config)

    def forward(self, x: Tensor, view: SelfView, cache: KeyValueCache | None = None) -> Tensor:
        """Map tokens (batch, length, d_model) to the same shape.

        With ``cache`` the keys and values of earlier calls are attended to as well.
        """
        x = self.after_self(x, lambda x: _attend_to_self(self.self_attention, x, view, cache))
        return self.after_feed_forward(x, self.feed_forward)


class DecoderLayer(nn.Module):
    """Self-attention over what is written, cross-attention to the source, then feed-forward.

    Args:
        config: see :class:`LayerConfig`.

    >>> config = LayerConfig(d_model=8, num_heads=2, d_ff=16)
    >>> layer = DecoderLayer(config)
    >>> memory = Memory(*layer.cross_attention.project(torch.randn(2, 7, 8), "kv"))
    >>> view = self_view(Positions(config), torch.ones(2, 5, dtype=torch.long), causal=True)
    >>> layer(torch.randn(2, 5, 8), view, memory).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.self_attention = _attention(config)
        self.cross_attention = _attention(config)
        self.feed_forward = FeedForward(config)
        self.after_self = Residual(config)
        self.after_cross = Residual(config)
        self.after_feed_forward = Residual(config)

    def forward(
        self, x: Tensor, view: SelfView, memory: Memory, cache: KeyValueCache | None = None
    ) -> Tensor:
        """Map target tokens (batch, length, d_model) to the same shape; see EncoderLayer."""
        x = self.after_self(x, lambda x: _attend_to_self(self.self_attention, x, view, cache))
        x = self.after_cross(x, lambda x: _attend_to_memory(self.cross_attention, x, memory))
        return self.after_feed_forward(x, self.feed_forward)
