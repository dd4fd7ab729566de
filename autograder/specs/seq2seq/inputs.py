"""Inputs for the unit's cases: sizes that are distinct primes, edges before random ones."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autograder.checks.cases import upcast
from autograder.checks.draw import Rng, normal, strided
from autograder.checks.spec import Case
from autograder.specs.seq2seq.oracles import Params, decoder_step

# How far the likeliest word leads, so that no other order of summation changes it.
_MARGIN = {torch.float64: 0.02, torch.float32: 0.02, torch.bfloat16: 0.4, torch.float16: 0.1}


def network(
    rng: Rng, words: int, d_e: int, d_h: int, *, writes: bool, dtype: torch.dtype = torch.float32
) -> Params:
    """The parameters of an encoder, or of a decoder, which also writes."""
    params = {
        "E": normal(rng, words, d_e, dtype=dtype),
        "W_ih": normal(rng, d_h, d_e, dtype=dtype, scale=0.7),
        "W_hh": normal(rng, d_h, d_h, dtype=dtype, scale=0.7),
        "b": normal(rng, d_h, dtype=dtype, scale=0.7),
    }
    if writes:
        params["W_s"] = normal(rng, words, d_h, dtype=dtype)
        params["b_s"] = normal(rng, words, dtype=dtype)
    return params


def ids(rng: Rng, words: int, *shape: int) -> Tensor:
    """Random word ids, the padding's among them."""
    return torch.from_numpy(rng.integers(0, words, shape))


def all_strided(value: Any) -> Any:
    """The same arguments, every tensor in memory that is not contiguous."""
    if isinstance(value, Tensor):
        return strided(value)
    if isinstance(value, dict):
        return {name: all_strided(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return tuple(all_strided(item) for item in value)
    return value


def encoding_case(
    rng: Rng, lengths: Sequence[int], sizes: Sequence[int], label: str, *,
    dtype: torch.dtype = torch.float32, grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """A padded batch with words in its padding; ``sizes`` are S, the vocabulary, d_e, d_h."""
    s, words, d_e, d_h = sizes
    params = network(rng, words, d_e, d_h, writes=False, dtype=dtype)
    args = (ids(rng, words, len(lengths), s), torch.tensor(lengths), params)
    shown = f"{label}: src {(len(lengths), s)}, d_e = {d_e}, d_h = {d_h}, lengths {list(lengths)}"
    return Case(args, label=shown, grad=grad, cuda=cuda)


def turning_case(
    rng: Rng, lengths: Sequence[int], width: int, label: str, *, cuda: bool = False
) -> Case:
    """A padded batch of different ids, those in the padding too."""
    rows = [torch.from_numpy(rng.permutation(50)[:width] + 1) for _ in lengths]
    shown = f"{label}: src {(len(lengths), width)}, lengths {list(lengths)}"
    return Case((torch.stack(rows), torch.tensor(lengths)), label=shown, cuda=cuda)


def step_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """One step of the decoder; ``sizes`` are B, the vocabulary, d_e, d_h."""
    b, words, d_e, d_h = sizes
    params = network(rng, words, d_e, d_h, writes=True, dtype=dtype)
    args = (ids(rng, words, b), normal(rng, b, d_h, dtype=dtype), params)
    shown = f"{label}: B = {b}, V = {words}, d_e = {d_e}, d_h = {d_h}"
    return Case(args, label=shown, grad=grad, cuda=cuda)


def forcing_case(
    rng: Rng, sizes: Sequence[int], label: str, *, dtype: torch.dtype = torch.float32,
    grad: bool = False, cuda: bool = False,
) -> Case:  # fmt: skip
    """Given translations; ``sizes`` are B, T, the vocabulary, d_e, d_h."""
    b, t, words, d_e, d_h = sizes
    params = network(rng, words, d_e, d_h, writes=True, dtype=dtype)
    bos = int(rng.integers(1, words))
    # Neighbours differ, and the first word is not <bos>: a shift by one always shows.
    targets = torch.empty(b, t, dtype=torch.long)
    before = torch.full((b,), bos)
    for i in range(t):
        before = (before + 1 + ids(rng, words - 1, b)) % words
        targets[:, i] = before
    args = (normal(rng, b, d_h, dtype=dtype), targets, bos, params)
    shown = f"{label}: targets {(b, t)}, V = {words}, d_e = {d_e}, d_h = {d_h}"
    return Case(args, label=shown, grad=grad, cuda=cuda)


def loss_case(
    rng: Rng, lengths: Sequence[int], sizes: Sequence[int], label: str, *, pad: int = 0,
    scale: float = 1.0, dtype: torch.dtype = torch.float32, grad: bool = False,
    cuda: bool = False,
) -> Case:  # fmt: skip
    """Logits and padded targets; ``sizes`` are T and the vocabulary."""
    t, words = sizes
    targets = ids(rng, words - 1, len(lengths), t)
    targets += targets >= pad
    targets[torch.arange(t) >= torch.tensor(lengths)[:, None]] = pad
    logits = normal(rng, len(lengths), t, words, dtype=dtype, scale=scale)
    shown = f"{label}: logits {tuple(logits.shape)}, real words {list(lengths)}, pad {pad}"
    return Case((logits, targets, pad), label=shown, grad=grad, cuda=cuda)


def decoding_case(
    rng: Rng, ends: Sequence[int], sizes: Sequence[int], label: str, *,
    marks: Sequence[int] = (1, 2, 0), dtype: torch.dtype = torch.float32, cuda: bool = False,
) -> Case:  # fmt: skip
    """Sentences of wanted lengths, whose likeliest words lead clearly.

    Args:
        rng: draws the numbers.
        ends: for each sentence the words it has, <eos> included; more than max_length for one
            that does not end.
        sizes: max_length, the vocabulary, d_e, d_h.
        label: shown.
        marks: the ids of <bos>, <eos> and the padding.
        dtype: of the parameters.
        cuda: run it on a GPU.
    """
    max_length, words, d_e, d_h = sizes
    bos, eos, pad = marks
    while True:
        params = network(rng, words, d_e, d_h, writes=True, dtype=dtype)
        states = normal(rng, 300, d_h, dtype=dtype)
        args = (states, params, bos, eos, pad, max_length)
        chosen = _rows(upcast(Case(args)).args, ends, _MARGIN[dtype])
        if chosen is not None:
            shown = f"{label}: B = {len(ends)}, V = {words}, max_length = {max_length}"
            return replace(Case((states[chosen], *args[1:]), label=shown), cuda=cuda)


def _rows(args: tuple[Any, ...], ends: Sequence[int], margin: float) -> list[int] | None:
    """For each wanted length a sentence that has it, or None."""
    states, params, bos, eos, _, max_length = args
    written, leads = _written(states, params, bos, max_length)
    over = (written == eos).cumsum(1)
    stops = (over == 0).sum(1) + 1  # max_length + 1 where there is no <eos>
    sure = ((leads > margin) | (over - (written == eos).int() > 0)).all(1)
    chosen: list[int] = []
    for end in ends:
        # A sentence that says one word again and again would hide what is read.
        lively = (written[:, : min(end, 3)].sort(1).values.diff(dim=1) > 0).all(1)
        fits = (stops == min(end, max_length + 1)) & lively & sure
        fits[chosen] = False
        found = fits.nonzero().flatten().tolist()
        if not found:
            return None
        chosen.append(found[0])
    return chosen


def _written(states: Tensor, params: Params, bos: int, steps: int) -> tuple[Tensor, Tensor]:
    """The likeliest words (B, steps), with no regard for <eos>, and how far each of them leads."""
    words, written, leads = torch.full((len(states),), bos), [], []
    for _ in range(steps):
        logits, states = decoder_step(words, states, params)
        best = logits.topk(2)
        words = best.indices[:, 0]
        written.append(words)
        leads.append(best.values[:, 0] - best.values[:, 1])
    return torch.stack(written, 1), torch.stack(leads, 1)
