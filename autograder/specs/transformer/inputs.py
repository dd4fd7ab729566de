"""What the cases of this unit are drawn from. Sizes are distinct primes."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.checks.draw import Rng, normal, strided
from autograder.checks.spec import Case

PAD, WORDS = 0, 13
LONGEST = 11  # places in the table: more than any sentence of the cases has words
HEADS, D_K, D_V, D_FF = 2, 3, 5, 11
EVERY = ("post", "pre")

Params = dict[str, Any]


def norm_params(rng: Rng, d_model: int, dtype: torch.dtype) -> Params:
    """A gain around 1 and a bias around 0, another for each feature."""
    return {
        "gain": 1 + normal(rng, d_model, dtype=dtype, scale=0.4),
        "bias": normal(rng, d_model, dtype=dtype, scale=0.5),
    }


def feed_forward_params(rng: Rng, d_model: int, dtype: torch.dtype, d_ff: int = D_FF) -> Params:
    """W_1, b_1, W_2 and b_2."""
    return {
        "W_1": normal(rng, d_model, d_ff, dtype=dtype, scale=d_model**-0.5),
        "b_1": normal(rng, d_ff, dtype=dtype, scale=0.5),
        "W_2": normal(rng, d_ff, d_model, dtype=dtype, scale=1.5 * d_ff**-0.5),
        "b_2": normal(rng, d_model, dtype=dtype, scale=0.5),
    }


def attention_params(rng: Rng, d_model: int, dtype: torch.dtype) -> Params:
    """One matrix a head for queries, keys, values and the output."""
    inward = d_model**-0.5
    return {
        "W_q": normal(rng, HEADS, d_model, D_K, dtype=dtype, scale=1.5 * inward),
        "W_k": normal(rng, HEADS, d_model, D_K, dtype=dtype, scale=1.5 * inward),
        "W_v": normal(rng, HEADS, d_model, D_V, dtype=dtype, scale=1.5 * inward),
        "W_o": normal(rng, HEADS, D_V, d_model, dtype=dtype, scale=1.5 * (HEADS * D_V) ** -0.5),
    }


def encoder_params(rng: Rng, d_model: int, dtype: torch.dtype = torch.float32) -> Params:
    """The weights of an encoder layer."""
    return {
        "self_attention": attention_params(rng, d_model, dtype),
        "norm_1": norm_params(rng, d_model, dtype),
        "feed_forward": feed_forward_params(rng, d_model, dtype),
        "norm_2": norm_params(rng, d_model, dtype),
    }


def decoder_params(rng: Rng, d_model: int, dtype: torch.dtype = torch.float32) -> Params:
    """The weights of a decoder layer."""
    return {
        "self_attention": attention_params(rng, d_model, dtype),
        "norm_1": norm_params(rng, d_model, dtype),
        "cross_attention": attention_params(rng, d_model, dtype),
        "norm_2": norm_params(rng, d_model, dtype),
        "feed_forward": feed_forward_params(rng, d_model, dtype),
        "norm_3": norm_params(rng, d_model, dtype),
    }


def padding_mask(rows: int, columns: int, lengths: Sequence[int]) -> Tensor:
    """(batch, rows, columns) bool: each row may see the first so many."""
    real = torch.arange(columns) < torch.tensor(lengths)[:, None]
    return real[:, None].repeat(1, rows, 1)


def residual_case(
    rng: Rng, sizes: Sequence[int], norm: str, label: str, *, dtype: torch.dtype = torch.float32,
    scale: float = 1.0, grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """Tokens that are off centre, so that a norm moves them; ``sizes`` are B, L, d_model."""
    x = normal(rng, *sizes, dtype=dtype, scale=scale) + scale * normal(rng, sizes[-1], dtype=dtype)
    params = norm_params(rng, sizes[-1], dtype)
    # Gains of both signs: what is normalised must not look like what came in.
    gain = params["gain"] * (-1) ** torch.arange(sizes[-1])
    args = (x, torch.sin, gain.to(dtype), params["bias"], norm)
    return Case(args, label=f"{label}: {norm}, x {tuple(sizes)}", grad=grad, cuda=cuda)


def feed_forward_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """Tokens and weights; ``sizes`` are B, L, d_model, d_ff."""
    *shape, d_ff = sizes
    x = normal(rng, *shape, dtype=dtype)
    params = feed_forward_params(rng, shape[-1], dtype, d_ff)
    shown = f"{label}: x {tuple(shape)}, d_ff={d_ff}"
    return Case((x, params), label=shown, grad=grad, cuda=cuda)


def sentence(rng: Rng, length: int, padded: int, *, left: bool = False) -> Tensor:
    """Random ids, none of them the padding, filled up with it."""
    words = torch.from_numpy(rng.integers(1, WORDS, length))
    pads = torch.full((padded - length,), PAD)
    return torch.cat([pads, words] if left else [words, pads])


def batch(rng: Rng, lengths: Sequence[int], *, left: bool = False) -> Tensor:
    """Sentences of these lengths, padded to the longest."""
    return torch.stack([sentence(rng, n, max(lengths), left=left) for n in lengths])


def encoder_case(
    rng: Rng, sizes: Sequence[int], norm: str, label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False, lengths: Sequence[int] | None = None,
) -> Case:  # fmt: skip
    """Tokens, a mask and weights; ``sizes`` are B, L, d_model."""
    b, length, d_model = sizes
    x = normal(rng, *sizes, dtype=dtype)
    mask = padding_mask(length, length, lengths or [length] * b)
    args = (x, mask, encoder_params(rng, d_model, dtype), norm)
    return Case(args, label=f"{label}: {norm}, x {tuple(sizes)}", grad=grad, cuda=cuda)


def decoder_case(
    rng: Rng, sizes: Sequence[int], norm: str, label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False, lengths: Sequence[int] | None = None,
) -> Case:  # fmt: skip
    """Target tokens, memory, two masks and weights; ``sizes`` are B, T, S, d_model."""
    b, targets, sources, d_model = sizes
    y = normal(rng, b, targets, d_model, dtype=dtype)
    memory = normal(rng, b, sources, d_model, dtype=dtype)
    self_mask = torch.ones(b, targets, targets, dtype=torch.bool).tril()
    cross_mask = padding_mask(targets, sources, lengths or [sources] * b)
    args = (y, memory, self_mask, cross_mask, decoder_params(rng, d_model, dtype), norm)
    shown = f"{label}: {norm}, y {tuple(y.shape)}, memory {tuple(memory.shape)}"
    return Case(args, label=shown, grad=grad, cuda=cuda)


def model_params(
    rng: Rng, layers: tuple[int, int], d_model: int, dtype: torch.dtype = torch.float32
) -> Params:
    """The weights of a whole Transformer of so many encoder and decoder layers."""
    return {
        "embedding": normal(rng, WORDS, d_model, dtype=dtype, scale=d_model**-0.5),
        "positions": normal(rng, LONGEST, d_model, dtype=dtype),
        "encoder": [encoder_params(rng, d_model, dtype) for _ in range(layers[0])],
        "decoder": [decoder_params(rng, d_model, dtype) for _ in range(layers[1])],
    }


def model_case(
    rng: Rng, src: Sequence[int], tgt: Sequence[int], label: str, *,
    layers: tuple[int, int] = (2, 2), d_model: int = 5, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False, pad: int = PAD,
) -> Case:  # fmt: skip
    """Sentences of these lengths and a model; with another ``pad``, 0 is a word like any."""
    source, target = ((batch(rng, lengths) + pad) % WORDS for lengths in (src, tgt))
    args = (source, target, pad, model_params(rng, layers, d_model, dtype))
    shown = f"{label}: src {tuple(source.shape)}, tgt {tuple(target.shape)}"
    return Case(args, label=f"{shown}, {layers[0]} + {layers[1]} layers", grad=grad, cuda=cuda)


def changed(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same arguments with every tensor changed, however deep it lies."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: changed(item, change) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(changed(item, change) for item in value)
    return value


def all_strided(case: Case) -> Case:
    """The same case with every tensor in memory that is not contiguous."""
    label = f"inputs that are not contiguous: {case.label}"
    return Case(changed(case.args, strided), label=label)
