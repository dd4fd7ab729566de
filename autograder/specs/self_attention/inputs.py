"""Inputs for the unit's cases: sizes that are distinct primes, edges before random ones."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from attention_lib.masks import length_mask
from autograder.checks.draw import Rng, normal, open_mask
from autograder.checks.spec import Case

BI_JI_BEN = np.array([[1, 2, 1, 2, 1], [1, 1, 1, 2, 1], [3, 2, 1, 1, 1]], dtype=np.float64)


def tokens_case(rng: Rng, shape: tuple[int, int], label: str, *, causal: bool) -> Case:
    """Word ids, from 5 on, without any padding; its id would be one of 1 to 4."""
    tokens = torch.from_numpy(rng.integers(5, 99, size=shape))
    return _tokens(tokens, int(rng.integers(1, 5)), causal, label)


def padded_case(
    rng: Rng, lengths: Sequence[int], padded: int, label: str, *, causal: bool,
    left: bool = False, zero: bool = False,
) -> Case:  # fmt: skip
    """Sentences of the given lengths, padded behind them or, if ``left``, before them.

    ``zero`` makes 0 the padding's id.
    """
    case = tokens_case(rng, (len(lengths), padded), label, causal=causal)
    tokens, pad, _ = case.args
    pad = 0 if zero else pad
    real = length_mask(torch.tensor(lengths), padded)
    real = real.flip(-1) if left else real
    shown = f"{label}, lengths {list(lengths)}"
    return _tokens(tokens.masked_fill(~real, pad), pad, causal, shown)


def _tokens(tokens: Tensor, pad: int, causal: bool, label: str) -> Case:
    shown = f"{label}: tokens {tuple(tokens.shape)}, pad={pad}, causal={causal}"
    return Case((tokens, pad, causal), label=shown)


def triple(
    rng: Rng, sizes: Sequence[int], *, dtype: torch.dtype = torch.float32, scale: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value; ``sizes`` are B, L_q, L_k, d_k, d_v."""
    b, queries, keys, d_k, d_v = sizes
    return (
        normal(rng, b, queries, d_k, dtype=dtype, scale=scale),
        normal(rng, b, keys, d_k, dtype=dtype, scale=scale),
        normal(rng, b, keys, d_v, dtype=dtype),
    )


def attention_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False, scale: float = 1.0, mask: Tensor | None = None,
) -> Case:  # fmt: skip
    """Query, key, value and, if there is one, a mask."""
    args = triple(rng, sizes, dtype=dtype, scale=scale)
    shapes = ", ".join(
        f"{name} {tuple(t.shape)}" for name, t in zip(("query", "key", "value"), args, strict=True)
    )
    if mask is None:
        return Case(args, label=f"{label}: {shapes}", grad=grad, cuda=cuda)
    shown = f"{label}: {shapes}, mask {tuple(mask.shape)}"
    return Case((*args, mask), label=shown, grad=grad, cuda=cuda)


def layer_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False, mask: Tensor | None = None,
) -> Case:  # fmt: skip
    """A batch of sentences and the three matrices; ``sizes`` are B, L, d_model, d_k, d_v."""
    b, length, d_model, d_k, d_v = sizes
    x = normal(rng, b, length, d_model, dtype=dtype)
    scale = d_model**-0.5
    params = {
        "W_q": normal(rng, d_model, d_k, dtype=dtype, scale=2 * scale),
        "W_k": normal(rng, d_model, d_k, dtype=dtype, scale=2 * scale),
        "W_v": normal(rng, d_model, d_v, dtype=dtype, scale=scale),
    }
    mask = open_mask(rng, b, length, length) if mask is None else mask
    shown = f"{label}: x {tuple(x.shape)}, mask {tuple(mask.shape)}, d_k={d_k}, d_v={d_v}"
    return Case((x, mask, params), label=shown, grad=grad, cuda=cuda)
