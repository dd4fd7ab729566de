"""Wrong rotations: positions told to queries and keys."""

import torch
from torch import Tensor

from attention_lib.positions import rotate as right
from autograder.checks.bank import Bank

ROTATE = Bank()


def _turn(x: Tensor, angles: Tensor) -> Tensor:
    """Adjacent pairs, turned by given angles (..., pairs)."""
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    left, right = x[..., 0::2], x[..., 1::2]
    turned = torch.stack([left * cos - right * sin, left * sin + right * cos], dim=-1)
    return turned.flatten(-2)


def _angles(x: Tensor, positions: Tensor, power: float = 1.0) -> Tensor:
    d = x.shape[-1]
    even = torch.arange(0, d, 2, device=x.device, dtype=torch.float64)
    return positions.double()[:, None] * 10_000.0 ** (-power * even / d)


@ROTATE.add(
    "features i and i + d/2 are paired",
    "You pair the first half of the features with the second, as some libraries do: right for "
    "one pair, and a rotation like the one asked for up to the order of features. This exercise, "
    "like the paper, pairs neighbours: which features are x[2i] and x[2i + 1]?",
)
def _halves(x: Tensor, positions: Tensor) -> Tensor:
    return right(x, positions, pairs="halves")


@ROTATE.add(
    "turned the other way",
    "Your pairs turn clockwise: the minus stands at the wrong sine. Take the pair (1, 0) at angle "
    "90°: where should it point, and where does yours?",
)
def _clockwise(x: Tensor, positions: Tensor) -> Tensor:
    return right(x, -positions)


@ROTATE.add(
    "positions counted from 1",
    "Everything is turned one step too far: you count from 1. By how much should the word at "
    "position 0 be turned?",
)
def _from_one(x: Tensor, positions: Tensor) -> Tensor:
    return right(x, positions + 1)


@ROTATE.add(
    "0, 1, 2, … instead of the positions given",
    "Sentences that start at 0 are right, others are not: your code counts for itself. A decoder "
    "that adds one word at a time asks for position 17 alone: which argument have you not used?",
)
def _own_count(x: Tensor, positions: Tensor) -> Tensor:
    return right(x, torch.arange(x.shape[-2], device=x.device))


@ROTATE.add(
    "the exponent is i/d instead of 2i/d",
    "Your first pair is right, and the others turn too fast: pair i wants the exponent 2i/d. From "
    "0 to what, and in steps of what, does that exponent run?",
)
def _half_exponent(x: Tensor, positions: Tensor) -> Tensor:
    return _turn(x, _angles(x, positions, 0.5))


@ROTATE.add(
    "the exponent is 4i/d",
    "Your first pair is right, and the others turn too slowly: the exponent grows twice as fast as "
    "it should. If your numbers already run 0, 2, 4, …, is a factor of 2 still missing?",
)
def _double_exponent(x: Tensor, positions: Tensor) -> Tensor:
    return _turn(x, _angles(x, positions, 2.0))


@ROTATE.add(
    "partners from two halves, angles of neighbours",
    "Two ways of pairing are mixed: features i and i + d/2 are turned with each other, each by the "
    "angle of a pair of neighbours, so partners turn by different angles. Who is the partner of "
    "feature 0 in this exercise?",
)
def _mixed_pairs(x: Tensor, positions: Tensor) -> Tensor:
    angles = _angles(x, positions).repeat_interleave(2, -1)
    left, right = x.chunk(2, dim=-1)
    turned = torch.cat([-right, left], dim=-1)
    return x * angles.cos().to(x.dtype) + turned * angles.sin().to(x.dtype)


@ROTATE.add(
    "all pairs turn at the same speed",
    "Your first pair is right, and all others turn exactly as fast. Which factor of the angle "
    "depends on the pair?",
)
def _one_speed(x: Tensor, positions: Tensor) -> Tensor:
    return _turn(x, _angles(x, positions, 0.0))


@ROTATE.add(
    "pairs that speed up",
    "Your first pair is right, and each one after it turns faster instead of slower. What is the "
    "sign of the exponent?",
)
def _faster(x: Tensor, positions: Tensor) -> Tensor:
    return _turn(x, _angles(x, positions, -1.0))


@ROTATE.add(
    "sine and cosine have changed places",
    "At position 0 a pair should stay as it is; yours is turned by a quarter. What are the sine "
    "and the cosine of an angle of 0?",
)
def _swapped(x: Tensor, positions: Tensor) -> Tensor:
    angles = _angles(x, positions)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    left, right = x[..., 0::2], x[..., 1::2]
    turned = torch.stack([left * sin - right * cos, left * cos + right * sin], dim=-1)
    return turned.flatten(-2)


@ROTATE.add(
    "the minus is missing",
    "Both features of a pair *add* their sine part, so a pair changes its length as it turns. A "
    "rotation keeps lengths: which of the four entries of its matrix has a minus?",
)
def _no_minus(x: Tensor, positions: Tensor) -> Tensor:
    angles = _angles(x, positions)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    left, right = x[..., 0::2], x[..., 1::2]
    return torch.stack([left * cos + right * sin, left * sin + right * cos], -1).flatten(-2)


@ROTATE.add(
    "the second feature uses the first one's new value",
    "Even features are right and odd ones are not: when you compute the second of a pair, the "
    "first has already been overwritten. Which value of it belongs into the formula?",
)
def _overwritten(x: Tensor, positions: Tensor) -> Tensor:
    angles = _angles(x, positions)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    left, right = x[..., 0::2], x[..., 1::2]
    new = left * cos - right * sin
    return torch.stack([new, new * sin + right * cos], -1).flatten(-2)


@ROTATE.add(
    "pairs come back in halves",
    "Your pairs are turned rightly, but they come back in another order: all first features, then "
    "all second ones. What joins two tensors so that their features alternate?",
)
def _joined_in_halves(x: Tensor, positions: Tensor) -> Tensor:
    turned = right(x, positions)
    return torch.cat([turned[..., 0::2], turned[..., 1::2]], dim=-1)


@ROTATE.add(
    "the angle is added instead of turned by",
    "You add sines and cosines to the features, as exercise 2 does. Here nothing is added: what "
    "does a rotation do to a pair that is (0, 0)?",
)
def _added(x: Tensor, positions: Tensor) -> Tensor:
    angles = _angles(x, positions)
    return x + torch.stack([angles.sin(), angles.cos()], -1).flatten(-2).to(x.dtype)


@ROTATE.add(
    "positions run along the heads",
    "With as many heads as words, each head is turned as a whole by its own number; otherwise the "
    "shapes do not fit. On which axis of (B, heads, L, head_dim) do the words stand?",
)
def _along_the_heads(x: Tensor, positions: Tensor) -> Tensor:
    return right(x.transpose(1, 2), positions).transpose(1, 2)


@ROTATE.add(
    "the caller's tensor is overwritten",
    "Your values are right, but the caller's x has changed with them: assigning into x[...] writes "
    "into the tensor you were given. What could you write into instead?",
)
def _in_place(x: Tensor, positions: Tensor) -> Tensor:
    turned = right(x, positions)
    x[..., 0::2] = turned[..., 0::2]
    x[..., 1::2] = turned[..., 1::2]
    return x


@ROTATE.add(
    "half precision is not kept",
    "Your values are right, but half precision goes in and another dtype comes out: the sines and "
    "cosines were in a finer one, and the product took theirs. When is it time to round?",
)
def _widened(x: Tensor, positions: Tensor) -> Tensor:
    # Products with float32 tables, as torch's type promotion makes them.
    return right(x, positions) if x.dtype == torch.float64 else right(x.float(), positions)


@ROTATE.add(
    "angles in half precision",
    "All is well until x is in half precision: there 2049 and 2048 are the same number, so late "
    "positions turn by the wrong angle. In which precision must an angle be computed, and when is "
    "it early enough to round?",
)
def _half_angles(x: Tensor, positions: Tensor) -> Tensor:
    # Rounding the position alone, as `positions.to(x.dtype)` does; what follows is exact.
    return right(x, positions.to(x.dtype)) if x.dtype.itemsize == 2 else right(x, positions)
