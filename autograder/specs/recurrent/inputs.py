"""Inputs for the unit's cases: sizes that are distinct primes, edges before random ones."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.checks.draw import Rng, normal, strided
from autograder.checks.spec import Case

BLOCKS = {"rnn": 1, "lstm": 4, "gru": 3}


def params(
    rng: Rng, kind: str, d_in: int, d_h: int, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """A cell's parameters, in torch's layout."""
    rows = BLOCKS[kind] * d_h
    return {
        "W_ih": normal(rng, rows, d_in, dtype=dtype, scale=0.7),
        "W_hh": normal(rng, rows, d_h, dtype=dtype, scale=0.7),
        "b_ih": normal(rng, rows, dtype=dtype, scale=0.7),
        "b_hh": normal(rng, rows, dtype=dtype, scale=0.7),
    }


def cell_case(
    rng: Rng, kind: str, sizes: Sequence[int], label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False, scale: float = 1.0,
) -> Case:  # fmt: skip
    """One step: x, the parts of the state, and parameters; ``sizes`` are B, d_in, d_h."""
    b, d_in, d_h = sizes
    x = normal(rng, b, d_in, dtype=dtype, scale=scale)
    parts = 2 if kind == "lstm" else 1
    state = tuple(normal(rng, b, d_h, dtype=dtype, scale=scale) for _ in range(parts))
    args = (x, *state, params(rng, kind, d_in, d_h, dtype))
    return Case(args, label=f"{label}: x {(b, d_in)}, h {(b, d_h)}", grad=grad, cuda=cuda)


def first_row(case: Case) -> Case:
    """The batch's first sentence alone."""
    *tensors, given = case.args
    return Case((*(t[:1] for t in tensors), given), label="the first sentence alone")


def all_strided(value: Any) -> Any:
    """The same arguments, every tensor in memory that is not contiguous."""
    if isinstance(value, Tensor):
        return strided(value)
    if isinstance(value, dict):
        return {name: all_strided(item) for name, item in value.items()}
    return tuple(all_strided(item) for item in value)


def reading_case(
    rng: Rng, lengths: Sequence[int], sizes: Sequence[int], label: str, *,
    dtype: torch.dtype = torch.float32, grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """A padded batch with numbers in its padding; ``sizes`` are T, d_in, d_h."""
    t, d_in, d_h = sizes
    b = len(lengths)
    args = (
        normal(rng, b, t, d_in, dtype=dtype),
        normal(rng, b, d_h, dtype=dtype),
        torch.tensor(lengths),
        params(rng, "rnn", d_in, d_h, dtype),
    )
    shown = f"{label}: inputs {(b, t, d_in)}, h {(b, d_h)}, lengths {list(lengths)}"
    return Case(args, label=shown, grad=grad, cuda=cuda)


def chain(length: int) -> Tensor:
    """Each step needs the one before."""
    return torch.ones(length - 1).diag(-1).bool()


def random_needs(rng: Rng, steps: int, share: float) -> Tensor:
    """Steps that need earlier ones, here and there."""
    return torch.from_numpy(rng.random((steps, steps)) < share).tril(-1)
