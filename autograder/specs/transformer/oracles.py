"""The right answers: what every submission is held against."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_lib.masks import causal_mask

Params = dict[str, Any]
Masks = tuple[Tensor, Tensor, Tensor]

EPS = 1e-5


def multi_head(x: Tensor, memory: Tensor, mask: Tensor, params: Params) -> Tensor:
    """Multi-head attention, word for word as the assignment gives it: so do its errors read."""
    query = torch.einsum("bld,hde->bhle", x, params["W_q"])
    key = torch.einsum("bld,hde->bhle", memory, params["W_k"])
    value = torch.einsum("bld,hde->bhle", memory, params["W_v"])
    scores = query @ key.mT / key.shape[-1] ** 0.5
    weights = scores.masked_fill(~mask[:, None], float("-inf")).softmax(-1).nan_to_num()
    return torch.einsum("bhle,hed->bld", weights @ value, params["W_o"])


def residual(
    x: Tensor, sublayer: Callable[[Tensor], Tensor], gain: Tensor, bias: Tensor, norm: str
) -> Tensor:
    """Add what a sub-layer says, and normalise after it or before it."""
    if norm == "pre":
        return x + sublayer(F.layer_norm(x, gain.shape, gain, bias, EPS))
    return F.layer_norm(x + sublayer(x), gain.shape, gain, bias, EPS)


def feed_forward(x: Tensor, params: Params) -> Tensor:
    """Two linear maps with a ReLU between them, for each token by itself."""
    inner = (x @ params["W_1"] + params["b_1"]).clamp(min=0)
    outer: Tensor = inner @ params["W_2"] + params["b_2"]
    return outer


def transformer_masks(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    """Who may look where: in the encoder, in the decoder, and from the decoder to the encoder."""
    sources, targets = src.shape[1], tgt.shape[1]
    real = (src != pad)[:, None]
    past = (tgt != pad)[:, None] & causal_mask(targets, device=tgt.device)
    return real.repeat(1, sources, 1), past, real.repeat(1, targets, 1)


def _block(
    x: Tensor, sublayer: Callable[[Tensor], Tensor], params: Params, number: int, norm: str
) -> Tensor:
    around: Params = params[f"norm_{number}"]
    return residual(x, sublayer, around["gain"], around["bias"], norm)


def encoder_layer(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    """Self-attention, then feed-forward."""
    x = _block(x, lambda h: multi_head(h, h, mask, params["self_attention"]), params, 1, norm)
    return _block(x, lambda h: feed_forward(h, params["feed_forward"]), params, 2, norm)


def decoder_layer(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    """Self-attention, cross-attention, then feed-forward."""
    own, other = params["self_attention"], params["cross_attention"]
    y = _block(y, lambda h: multi_head(h, h, self_mask, own), params, 1, norm)
    y = _block(y, lambda h: multi_head(h, memory, cross_mask, other), params, 2, norm)
    return _block(y, lambda h: feed_forward(h, params["feed_forward"]), params, 3, norm)


def transformer(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    """Logits of every next target word, with post-norm and one matrix for all words."""
    masks = transformer_masks(src, tgt, pad)
    table, positions = params["embedding"], params["positions"]
    x, y = (table[ids] * table.shape[1] ** 0.5 + positions[: ids.shape[1]] for ids in (src, tgt))
    for layer in params["encoder"]:
        x = encoder_layer(x, masks[0], layer, "post")
    for layer in params["decoder"]:
        y = decoder_layer(y, x, masks[1], masks[2], layer, "post")
    logits: Tensor = y @ table.mT
    return logits
