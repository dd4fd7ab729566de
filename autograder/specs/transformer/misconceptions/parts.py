"""Right parts, for layers that put them together wrongly."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from autograder.specs.transformer import oracles
from autograder.specs.transformer.oracles import Params, feed_forward, multi_head, residual

Sublayer = Callable[[Tensor], Tensor]


def add(x: Tensor, sublayer: Sublayer, around: Params, norm: str) -> Tensor:
    """A residual around a sub-layer."""
    return residual(x, sublayer, around["gain"], around["bias"], norm)


def normed(x: Tensor, around: Params) -> Tensor:
    """LayerNorm."""
    return F.layer_norm(x, x.shape[-1:], around["gain"], around["bias"], oracles.EPS)


def attend(x: Tensor, mask: Tensor, params: Params) -> Tensor:
    """A layer's self-attention."""
    return multi_head(x, x, mask, params["self_attention"])


def think(x: Tensor, params: Params) -> Tensor:
    """A layer's feed-forward part."""
    return feed_forward(x, params["feed_forward"])
