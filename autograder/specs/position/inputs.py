"""Inputs for the unit's cases: sizes that are distinct primes, edges before random ones."""

from collections.abc import Sequence

import torch
from torch import Tensor

from autograder.checks.draw import Rng, normal
from autograder.checks.spec import Case


def integers(rng: Rng, low: int, high: int, *shape: int) -> Tensor:
    """Random whole numbers from ``low`` up to, and without, ``high``."""
    return torch.from_numpy(rng.integers(low, high, size=shape))


def shuffle(rng: Rng, length: int) -> Tensor:
    """An order that is not its own inverse, as far as there is one, and moves the first word."""
    turned = torch.arange(length).roll(1)
    swapped = turned.clone()
    if length > 4:
        # A cycle of all words but for a swap: neither a rotation nor its own inverse.
        i = 1 + int(rng.integers(length - 3))
        swapped[[i, i + 2]] = swapped[[i + 2, i]]
    return swapped


def order_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False, told: bool = True,
) -> Case:  # fmt: skip
    """Words, places, an order and three matrices; ``sizes`` are B, L, d_model, d_k, d_v.

    Without ``told`` the places' vectors are 0.
    """
    b, length, d_model, d_k, d_v = sizes
    x = normal(rng, b, length, d_model, dtype=dtype)
    places = normal(rng, length, d_model, dtype=dtype, scale=1.5 if told else 0.0)
    scale = d_model**-0.5
    params = {
        "W_q": normal(rng, d_model, d_k, dtype=dtype, scale=1.5 * scale),
        "W_k": normal(rng, d_model, d_k, dtype=dtype, scale=1.5 * scale),
        "W_v": normal(rng, d_model, d_v, dtype=dtype, scale=scale),
    }
    order = shuffle(rng, length)
    shown = f"{label}: x {tuple(x.shape)}, order {order.tolist()}, d_k={d_k}, d_v={d_v}"
    return Case((x, places, order, params), label=shown, grad=grad, cuda=cuda)


def placed_case(
    rng: Rng, shape: Sequence[int], positions: Tensor, label: str, *,
    dtype: torch.dtype = torch.float32, scale: float = 0.3, grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """Vectors (..., L, d) and the positions (L,) at which they stand."""
    x = normal(rng, *shape, dtype=dtype, scale=scale)
    shown = f"{label}: x {tuple(x.shape)}, positions {_short(positions)}"
    return Case((x, positions), label=shown, grad=grad, cuda=cuda)


def embed_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """Tokens, words and a table; ``sizes`` are B, L, d_model and max_length."""
    b, length, d_model, max_length = sizes
    tokens = integers(rng, 0, 11, b, length)
    words = normal(rng, 11, d_model, dtype=dtype, scale=d_model**-0.5)
    table = normal(rng, max_length, d_model, dtype=dtype)
    shown = f"{label}: tokens {(b, length)}, words {(11, d_model)}, table {(max_length, d_model)}"
    return Case((tokens, words, table), label=shown, grad=grad, cuda=cuda)


def bias_case(
    rng: Rng, farthest: int, queries: Tensor, keys: Tensor, label: str, *, heads: int = 3,
    dtype: torch.dtype = torch.float32, grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """A table of 2k + 1 numbers a head, and where queries and keys stand."""
    table = normal(rng, heads, 2 * farthest + 1, dtype=dtype)
    shown = f"{label}: table {tuple(table.shape)}, {_both(queries, keys)}"
    return Case((table, queries, keys), label=shown, grad=grad, cuda=cuda)


def scores_case(
    rng: Rng, sizes: Sequence[int], queries: Tensor, keys: Tensor, label: str, *,
    dtype: torch.dtype = torch.float32, grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """Scores (B, heads, L_q, L_k); ``sizes`` are B and heads."""
    shape = (*sizes, len(queries), len(keys))
    scores = normal(rng, *shape, dtype=dtype, scale=0.3)
    shown = f"{label}: scores {shape}, {_both(queries, keys)}"
    return Case((scores, queries, keys), label=shown, grad=grad, cuda=cuda)


def _both(queries: Tensor, keys: Tensor) -> str:
    return f"queries at {_short(queries)}, keys at {_short(keys)}"


def _short(positions: Tensor) -> str:
    """Positions in few words.

    >>> _short(torch.arange(7)), _short(torch.tensor([5, 2]))
    ('0 … 6', '5, 2')
    """
    row = positions.tolist()
    if len(row) > 3 and row == list(range(row[0], row[0] + len(row))):
        return f"{row[0]} … {row[-1]}"
    return ", ".join(map(str, row))
