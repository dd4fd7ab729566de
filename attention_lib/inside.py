"""Looking inside: how spread out heads are, where they lead, and what is lost without them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from attention_lib.multihead import MultiHeadAttention


def attention_entropy(weights: Tensor) -> Tensor:
    r"""How widely each query spreads its weights: :math:`H_t = -\sum_s a_{ts} \ln a_{ts}`.

    Args:
        weights: (..., L_q, L_k), each row with a sum of 1, or of 0 where nothing was to be seen.

    Returns:
        (..., L_q) in nats, at least in float32: 0 for a single key, ln n for n keys alike. Its
        gradient is finite at weights of 0, too.

    >>> attention_entropy(torch.tensor([[1.0, 0.0], [0.5, 0.5]]))
    tensor([0.0000, 0.6931])
    """
    weights = weights.to(torch.promote_types(weights.dtype, torch.float32))
    # The slope of −a ln a is infinite at 0, and softmax, whose slope is 0 there, would make it NaN.
    # A weight of 1 adds nothing either.
    return torch.special.entr(weights.where(weights != 0, 1.0)).sum(-1)


def attention_rollout(layers: Sequence[Tensor]) -> Tensor:
    r"""Follow attention through all layers of a stack, the residual stream included.

    .. math:: \tilde A_l = \left(\tfrac12 \bar A_l + \tfrac12 I\right) \tilde A_{l-1}

    where Ā_l averages the heads of layer l. It adds up paths of weights and knows nothing of what
    the values, the projections and the feed-forward layers do.

    Args:
        layers: one (..., num_heads, length, length) a layer of self-attention, the lowest first.

    Returns:
        (..., length, length): how much of each input position reaches each output position; each
        row sums to 1.

    Raises:
        ValueError: if there is no layer, or one is not square.

    Abnar & Zuidema (2020), section 3.

    >>> attention_rollout([torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])] * 2)
    tensor([[1.0000, 0.0000],
            [0.7500, 0.2500]])
    """
    if not layers:
        raise ValueError("no layers to roll attention out through")
    rolled = None
    for i, weights in enumerate(layers):
        if weights.shape[-1] != weights.shape[-2]:
            raise ValueError(
                f"the weights of layer {i} are {weights.shape[-2]} × {weights.shape[-1]}; rollout "
                "wants self-attention, with as many keys as queries"
            )
        identity = torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
        mixed = (weights.mean(-3) + identity) / 2
        rolled = mixed if rolled is None else mixed @ rolled
    return rolled  # type: ignore[return-value]


def induction_score(weights: Tensor, period: int) -> Tensor:
    """How much a head looks, in a repeated sequence, at what followed the token last time.

    At position i of ``[x; x]`` the same token stood at i − period, and i − period + 1 is what came
    next then: a head that looks there can copy it.

    Args:
        weights: (..., L, L) causal self-attention over a sequence that repeats every ``period``.
        period: length of the repeated part, ≥ 2 and at most half of L.

    Returns:
        (...) mean weight on those positions, from 0 to 1.

    Raises:
        ValueError: if the sequence does not hold two periods.

    Olsson et al. (2022), "prefix matching".

    >>> weights = torch.eye(6).roll(-2, dims=1)  # each token looks two to the left
    >>> induction_score(weights, period=3).item()
    1.0
    """
    length = weights.shape[-1]
    if not 2 <= period <= length // 2:
        raise ValueError(
            f"period is {period} in a sequence of {length}; wanted at least 2, and room for two "
            "periods"
        )
    return weights.diagonal(1 - period, dim1=-2, dim2=-1)[..., 1:].mean(-1)


@contextmanager
def ablate_head(model: nn.Module, name: str, head: int) -> Iterator[None]:
    """Silence one head of a model: while this lasts its context is zero.

    Args:
        model: holds the attention.
        name: of a :class:`attention_lib.multihead.MultiHeadAttention` in the model, such as
            ``"decoder_layers.0.cross_attention"``.
        head: which, from 0.

    Raises:
        ValueError: if there is no such attention or head.

    Michel et al. (2019).

    >>> attention = MultiHeadAttention(8, num_heads=2, bias=False)
    >>> x = torch.randn(1, 3, 8)
    >>> with ablate_head(attention, "", 0), ablate_head(attention, "", 1):
    ...     bool(attention(x)[0].abs().sum() == 0)
    True
    """
    attentions = {n: m for n, m in model.named_modules() if isinstance(m, MultiHeadAttention)}
    if name not in attentions:
        raise ValueError(f"no attention is called {name!r}; there are {', '.join(attentions)}")
    attention = attentions[name]
    if not 0 <= head < attention.num_heads:
        raise ValueError(f"head is {head}; {name!r} has heads 0 … {attention.num_heads - 1}")
    size = attention.d_model // attention.num_heads

    def silence(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        joined = inputs[0].clone()
        joined[..., head * size : (head + 1) * size] = 0.0
        return (joined,)

    handle = attention.out_proj.register_forward_pre_hook(silence)
    try:
        yield
    finally:
        handle.remove()
