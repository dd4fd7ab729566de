"""Inputs for the unit's cases: sizes that are distinct primes, edges before random ones."""

from collections.abc import Sequence

import torch
from torch import Tensor

from attention_lib.local_attention import local_p_centre
from attention_lib.masks import length_mask
from autograder.checks.draw import HALVES, Rng, normal
from autograder.checks.spec import Case


def random_mask(rng: Rng, *shape: int, open_share: float = 0.6) -> Tensor:
    """A mask with something open in each row and each column, and something masked in each row."""
    mask = torch.from_numpy(rng.random(shape) < open_share)
    rows, columns = shape[-2:]
    diagonal = torch.eye(rows, columns, dtype=torch.bool)
    for start in range(0, max(rows, columns), min(rows, columns)):
        mask |= diagonal.roll(start, -1 if columns > rows else -2)
    if columns > 1:
        step = torch.arange(rows)
        mask[..., step, (step + 1) % columns] = False
    return mask


def lengths_mask(lengths: Sequence[int], padded: int) -> Tensor:
    """(B, S) bool, True at the real positions."""
    return length_mask(torch.tensor(lengths), padded)


def score_case(
    rng: Rng, sizes: Sequence[int], label: str, *, v: bool, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False, scale: float = 1.0,
) -> Case:  # fmt: skip
    """Query, key and weight for a general score; weight and v for a concat score.

    ``sizes`` are B, T, S, d_q, d_k and, for concat, d_a.
    """
    b, t, s, d_q, d_k, *rest = sizes
    query = normal(rng, b, t, d_q, dtype=dtype, scale=scale)
    key = normal(rng, b, s, d_k, dtype=dtype, scale=scale)
    if not v:
        weight: tuple[Tensor, ...] = (normal(rng, d_q, d_k, dtype=dtype),)
    else:
        d_a = rest[0]
        weight = (normal(rng, d_a, d_q + d_k, dtype=dtype), normal(rng, d_a, dtype=dtype))
    shapes = f"query {tuple(query.shape)}, key {tuple(key.shape)}"
    return Case((query, key, *weight), label=f"{label}: {shapes}", grad=grad, cuda=cuda)


def vector_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False, scale: float = 1.0,
) -> Case:  # fmt: skip
    """Context, hidden and weight; ``sizes`` are B, T, d_k, d_q, d_out."""
    b, t, d_k, d_q, d_out = sizes
    context = normal(rng, b, t, d_k, dtype=dtype, scale=scale)
    hidden = normal(rng, b, t, d_q, dtype=dtype, scale=scale)
    weight = normal(rng, d_out, d_k + d_q, dtype=dtype, scale=0.5)
    shapes = f"context {tuple(context.shape)}, hidden {tuple(hidden.shape)}"
    return Case((context, hidden, weight), label=f"{label}: {shapes}", grad=grad, cuda=cuda)


def local_p_case(
    rng: Rng, lengths: Sequence[int], sizes: Sequence[int], window: int, label: str, *,
    dtype: torch.dtype = torch.float32, grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """A batch whose centres keep clear of the window's edges; ``sizes`` are T, S, d_q, d_p."""
    t, s, d_q, d_p = sizes
    b = len(lengths)
    w_p, v_p = normal(rng, d_p, d_q, dtype=dtype), normal(rng, d_p, dtype=dtype)
    # A centre on a whole number has cells exactly on the edge, where rounding would decide.
    margin = 0.1 if dtype in HALVES else 0.02
    hidden = normal(rng, b, t, d_q, dtype=dtype)
    for _ in range(1000):
        centre = local_p_centre(hidden.double(), w_p.double(), v_p.double(), torch.tensor(lengths))
        # A length of 0 has its centre on 0, and nothing to see.
        bad = ((centre - centre.round()).abs() < margin) & (torch.tensor(lengths) > 0)[:, None]
        if not bool(bad.any()):
            break
        hidden[bad] = normal(rng, int(bad.sum()), d_q, dtype=dtype)
    scores = normal(rng, b, t, s, dtype=dtype, scale=2.0)
    mask = lengths_mask(lengths, s)
    shown = (
        f"{label}: hidden {(b, t, d_q)}, scores {(b, t, s)}, lengths {list(lengths)}, D={window}"
    )
    return Case((hidden, scores, mask, w_p, v_p, window), label=shown, grad=grad, cuda=cuda)


def step_case(
    rng: Rng, lengths: Sequence[int], sizes: Sequence[int], label: str, *,
    dtype: torch.dtype = torch.float32, grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """One decoder step; ``sizes`` are S, d_e, d_o, d_h, d_m."""
    s, d_e, d_o, d_h, d_m = sizes
    b = len(lengths)

    def draw(*shape: int) -> Tensor:
        return normal(rng, *shape, dtype=dtype, scale=0.7)

    params = {
        "W_ih": draw(d_h, d_e + d_o),
        "W_hh": draw(d_h, d_h),
        "b": draw(d_h),
        "W_a": draw(d_h, d_m),
        "W_c": draw(d_o, d_m + d_h),
    }
    args = (draw(b, d_e), draw(b, d_o), draw(b, d_h), draw(b, s, d_m), lengths_mask(lengths, s))
    shown = f"{label}: memory {(b, s, d_m)}, state {(b, d_h)}, attentional {(b, d_o)}"
    return Case((*args, params), label=shown, grad=grad, cuda=cuda)
