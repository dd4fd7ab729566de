"""Inputs for the unit's cases: sizes that are distinct primes, edges before random ones."""

from collections.abc import Sequence

import torch
from torch import Tensor

from autograder.checks.draw import Rng, normal, open_mask
from autograder.checks.spec import Case

F32 = torch.float32


def all_open() -> Tensor:
    """A mask that forbids nothing, of one cell."""
    return torch.ones(1, 1, 1, 1, dtype=torch.bool)


def split_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = F32,
    grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """Words to be cut into heads; ``sizes`` are B, L, h, d."""
    b, length, h, d = sizes
    x = normal(rng, b, length, h * d, dtype=dtype)
    shown = f"{label}: x {tuple(x.shape)}, num_heads={h}"
    return Case((x, h), label=shown, grad=grad, cuda=cuda)


def merge_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = F32,
    grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """Heads to be put side by side; ``sizes`` are B, h, L, d."""
    heads = normal(rng, *sizes, dtype=dtype)
    return Case((heads,), label=f"{label}: heads {tuple(sizes)}", grad=grad, cuda=cuda)


def layer_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = F32,
    grad: bool = False, cuda: bool = False, mask: Tensor | None = None,
) -> Case:  # fmt: skip
    """A batch of sentences and four matrices; ``sizes`` are B, L, d_model, h, d_k, d_v."""
    b, length, d_model, h, d_k, d_v = sizes
    x = normal(rng, b, length, d_model, dtype=dtype)
    scale = d_model**-0.5
    params = {
        "W_q": normal(rng, d_model, h * d_k, dtype=dtype, scale=2 * scale),
        "W_k": normal(rng, d_model, h * d_k, dtype=dtype, scale=2 * scale),
        "W_v": normal(rng, d_model, h * d_v, dtype=dtype, scale=scale),
        "W_o": normal(rng, h * d_v, d_model, dtype=dtype, scale=(h * d_v) ** -0.5),
    }
    mask = open_mask(rng, b, 1, length, length) if mask is None else mask
    shown = f"{label}: x {tuple(x.shape)}, mask {tuple(mask.shape)}, h={h}, d_k={d_k}, d_v={d_v}"
    return Case((x, mask, h, params), label=shown, grad=grad, cuda=cuda)


def cross_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = F32,
    grad: bool = False, cuda: bool = False, mask: Tensor | None = None,
) -> Case:  # fmt: skip
    """Words that ask, words that are asked, and torch's state dict.

    ``sizes`` are B, L_q, L_k, h, d.
    """
    b, queries, keys, h, d = sizes
    d_model = h * d
    scale = d_model**-0.5
    state = {
        "in_proj_weight": normal(rng, 3 * d_model, d_model, dtype=dtype, scale=1.5 * scale),
        "in_proj_bias": normal(rng, 3 * d_model, dtype=dtype),
        "out_proj.weight": normal(rng, d_model, d_model, dtype=dtype, scale=scale),
        "out_proj.bias": normal(rng, d_model, dtype=dtype),
    }
    x = normal(rng, b, queries, d_model, dtype=dtype)
    memory = normal(rng, b, keys, d_model, dtype=dtype)
    mask = open_mask(rng, b, 1, queries, keys) if mask is None else mask
    shown = f"{label}: x {tuple(x.shape)}, memory {tuple(memory.shape)}, num_heads={h}"
    return Case((x, memory, mask, h, state), label=shown, grad=grad, cuda=cuda)


def grouped_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = F32,
    grad: bool = False, cuda: bool = False, mask: Tensor | None = None,
) -> Case:  # fmt: skip
    """Query heads and the fewer heads they share; ``sizes`` are B, h, g, L_q, L_k, d_k, d_v."""
    b, h, g, queries, keys, d_k, d_v = sizes
    query = normal(rng, b, h, queries, d_k, dtype=dtype)
    key = normal(rng, b, g, keys, d_k, dtype=dtype)
    value = normal(rng, b, g, keys, d_v, dtype=dtype)
    mask = open_mask(rng, b, 1, queries, keys) if mask is None else mask
    shown = f"{label}: query {tuple(query.shape)}, key {tuple(key.shape)}"
    return Case((query, key, value, mask), label=shown, grad=grad, cuda=cuda)


def talking_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = F32,
    grad: bool = False, cuda: bool = False, mask: Tensor | None = None, silent: bool = False,
) -> Case:  # fmt: skip
    """Heads and how they talk; ``sizes`` are B, h_k, h, h_v, L_q, L_k, d_k, d_v.

    ``silent`` heads do not mix: both matrices are the identity.
    """
    b, h_k, h, h_v, queries, keys, d_k, d_v = sizes
    query = normal(rng, b, h_k, queries, d_k, dtype=dtype)
    key = normal(rng, b, h_k, keys, d_k, dtype=dtype)
    value = normal(rng, b, h_v, keys, d_v, dtype=dtype)
    if silent:
        mix_scores = mix_weights = torch.eye(h, dtype=dtype)
    else:
        mix_scores = normal(rng, h_k, h, dtype=dtype)
        mix_weights = normal(rng, h, h_v, dtype=dtype)
    mask = open_mask(rng, b, 1, queries, keys) if mask is None else mask
    shown = f"{label}: query {tuple(query.shape)}, value {tuple(value.shape)}, {h} score heads"
    args = (query, key, value, mask, mix_scores, mix_weights)
    return Case(args, label=shown, grad=grad, cuda=cuda)
