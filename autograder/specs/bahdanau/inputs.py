"""Inputs for the unit's cases: sizes that are distinct primes, edges before random ones."""

from collections.abc import Sequence

import torch
from torch import Tensor

from attention_lib.masks import length_mask
from autograder.checks.draw import Rng, normal
from autograder.checks.spec import Case


def score_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False, scale: float = 1.0,
) -> Case:  # fmt: skip
    """State, memory and the score's parameters; ``sizes`` are B, S, d_s, d_h, d_a."""
    b, s, d_s, d_h, d_a = sizes
    state = normal(rng, b, d_s, dtype=dtype, scale=scale)
    memory = normal(rng, b, s, d_h, dtype=dtype, scale=scale)
    weights = [normal(rng, *shape, dtype=dtype) for shape in ((d_a, d_s), (d_a, d_h), (d_a,))]
    shapes = f"state {(b, d_s)}, memory {(b, s, d_h)}, d_a={d_a}"
    return Case((state, memory, *weights), label=f"{label}: {shapes}", grad=grad, cuda=cuda)


def weights_case(
    scores: Tensor, lengths: Sequence[int], label: str, *, grad: bool = False, cuda: bool = False
) -> Case:
    """Scores and the lengths of their sentences."""
    shown = f"{label}: scores {tuple(scores.shape)}, lengths {list(lengths)}"
    return Case((scores, torch.tensor(lengths)), label=shown, grad=grad, cuda=cuda)


def shares(rng: Rng, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random weights: positive, and each row sums to 1."""
    return normal(rng, *shape, dtype=torch.float64, scale=2.0).softmax(-1).to(dtype)


def context_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """Weights and the memory that they are about; ``sizes`` are B, S, d_h."""
    b, s, d_h = sizes
    args = (shares(rng, b, s, dtype=dtype), normal(rng, b, s, d_h, dtype=dtype))
    label = f"{label}: weights {(b, s)}, memory {(b, s, d_h)}"
    return Case(args, label=label, grad=grad, cuda=cuda)


def reading_case(
    rng: Rng, lengths: Sequence[int], sizes: Sequence[int], label: str, *,
    dtype: torch.dtype = torch.float32, grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """A padded batch with numbers in its padding, and two networks; ``sizes`` are S, d_e, n."""
    s, d_e, n = sizes
    b = len(lengths)
    networks = [
        {
            name: normal(rng, *shape, dtype=dtype, scale=0.7)
            for name, shape in (("W", (n, d_e)), ("U", (n, n)), ("b", (n,)))
        }
        for _ in range(2)
    ]
    args = (normal(rng, b, s, d_e, dtype=dtype), torch.tensor(lengths), *networks)
    shown = f"{label}: embedded {(b, s, d_e)}, lengths {list(lengths)}, n={n}"
    return Case(args, label=shown, grad=grad, cuda=cuda)


def step_case(
    rng: Rng, lengths: Sequence[int], sizes: Sequence[int], label: str, *,
    dtype: torch.dtype = torch.float32, grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """One decoder step; ``sizes`` are S, d_e, d_s, d_h, d_a."""
    s, d_e, d_s, d_h, d_a = sizes
    b = len(lengths)

    def draw(*shape: int) -> Tensor:
        return normal(rng, *shape, dtype=dtype, scale=0.7)

    params = {
        "W_a": draw(d_a, d_s),
        "U_a": draw(d_a, d_h),
        "v_a": 2 * draw(d_a),
        "W": draw(d_s, d_e),
        "U": draw(d_s, d_s),
        "C": draw(d_s, d_h),
        "b": draw(d_s),
    }
    args = (draw(b, d_e), draw(b, d_s), draw(b, s, d_h), torch.tensor(lengths), params)
    shown = f"{label}: memory {(b, s, d_h)}, state {(b, d_s)}, lengths {list(lengths)}"
    return Case(args, label=shown, grad=grad, cuda=cuda)


def real_words(lengths: Tensor, size: int) -> Tensor:
    """(B, S) bool, True at the words of each sentence."""
    return length_mask(lengths, size)
