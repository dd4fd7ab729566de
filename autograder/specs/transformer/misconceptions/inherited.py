"""Slips of the first three exercises as they come back in those that call them.

Whoever has one in residual, feed_forward or the masks puts the layers together rightly and gets
wrong numbers everywhere: each exercise then says where to look, and leaves half of its points.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from autograder.checks.bank import Bank
from autograder.checks.spec import Misconception
from autograder.specs.transformer import oracles
from autograder.specs.transformer.misconceptions.blocks import FEED_FORWARD, RESIDUAL
from autograder.specs.transformer.misconceptions.masks import MASKS
from autograder.specs.transformer.oracles import Masks, Params

_BOTH = ("replaced", "norm_inside", "unbiased", "no_mean", "plain")
_PRE = ("stream_normed", "both_norms")
_THOUGHT = ("no_relu", "no_b_1", "no_b_2")
_SEEN = ("causal_encoder", "causal_cross")

Residual = Callable[..., Tensor]
FeedForward = Callable[[Tensor, Params], Tensor]


def _encode(
    residual: Residual, think: FeedForward, x: Tensor, mask: Tensor, params: Params, norm: str
) -> Tensor:
    attention = params["self_attention"]
    sublayers = (
        lambda h: oracles.multi_head(h, h, mask, attention),
        lambda h: think(h, params["feed_forward"]),
    )
    for number, sublayer in enumerate(sublayers, 1):
        x = residual(x, sublayer, **params[f"norm_{number}"], norm=norm)
    return x


def _decode(
    residual: Residual, think: FeedForward, y: Tensor, memory: Tensor, self_mask: Tensor,
    cross_mask: Tensor, params: Params, norm: str,
) -> Tensor:  # fmt: skip
    own, other = params["self_attention"], params["cross_attention"]
    sublayers = (
        lambda h: oracles.multi_head(h, h, self_mask, own),
        lambda h: oracles.multi_head(h, memory, cross_mask, other),
        lambda h: think(h, params["feed_forward"]),
    )
    for number, sublayer in enumerate(sublayers, 1):
        y = residual(y, sublayer, **params[f"norm_{number}"], norm=norm)
    return y


def _translate(
    residual: Residual, think: FeedForward, masks: Callable[..., Masks], src: Tensor, tgt: Tensor,
    pad: int, params: Params,
) -> Tensor:  # fmt: skip
    inside, past, across = masks(src, tgt, pad)
    table, places = params["embedding"], params["positions"]
    x, y = (table[ids] * table.shape[1] ** 0.5 + places[: ids.shape[1]] for ids in (src, tgt))
    for layer in params["encoder"]:
        x = _encode(residual, think, x, inside, layer, "post")
    for layer in params["decoder"]:
        y = _decode(residual, think, y, x, past, across, layer, "post")
    logits: Tensor = y @ table.mT
    return logits


def inherit_in_encoder(bank: Bank) -> None:
    """Add the slips that an encoder layer inherits; one without residuals is in its own bank."""
    _inherit(
        bank,
        "residual",
        RESIDUAL,
        (*_BOTH[1:], *_PRE),
        lambda f: partial(_encode, f, _right_thought),
    )
    _inherit(
        bank,
        "feed_forward",
        FEED_FORWARD,
        _THOUGHT,
        lambda f: partial(_encode, oracles.residual, f),
    )


def inherit_in_decoder(bank: Bank) -> None:
    """Add the slips that a decoder layer inherits."""
    _inherit(
        bank, "residual", RESIDUAL, (*_BOTH, *_PRE), lambda f: partial(_decode, f, _right_thought)
    )
    _inherit(
        bank,
        "feed_forward",
        FEED_FORWARD,
        _THOUGHT,
        lambda f: partial(_decode, oracles.residual, f),
    )


def inherit_in_machine(bank: Bank) -> None:
    """Add the slips that the whole machine inherits; its layers are post-norm."""
    right = oracles.residual, _right_thought, oracles.transformer_masks
    _inherit(bank, "residual", RESIDUAL, _BOTH, lambda f: partial(_translate, f, *right[1:]))
    _inherit(
        bank,
        "feed_forward",
        FEED_FORWARD,
        _THOUGHT,
        lambda f: partial(_translate, right[0], f, right[2]),
    )
    _inherit(bank, "transformer_masks", MASKS, _SEEN, lambda f: partial(_translate, *right[:2], f))


def _right_thought(x: Tensor, params: Params) -> Tensor:
    return oracles.feed_forward(x, params)


def _inherit(
    bank: Bank, home: str, slips: Bank, names: tuple[str, ...],
    build: Callable[[Any], Callable[..., Any]],
) -> None:  # fmt: skip
    entries = {entry.name: entry for entry in slips.entries}
    for name in names:
        bank.take(_inherited(entries[name], home, build(entries[name].function)))


def _inherited(entry: Misconception, home: str, function: Callable[..., Any]) -> Misconception:
    hint = (
        f"The parts are put together rightly. The numbers are those of a {home} with a slip: "
        f"{entry.title}. What does the check of that exercise say of yours?"
    )
    return Misconception(f"inherited_{entry.name}", f"{home}: {entry.title}", function, hint)
