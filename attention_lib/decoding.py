"""Decoding: from a model that predicts the next word to a whole sentence."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


class Decodable(Protocol):
    """What a model must offer to be decoded."""

    def start(self, src: Tensor, src_lengths: Tensor) -> Any:
        """Encode the source; the result has ``repeat(times)`` and ``select(rows)``."""

    def step(self, words: Tensor, state: Any) -> tuple[Tensor, Any, Tensor | None]:
        """Map the last words (batch,) to logits (batch, vocabulary), a state and weights."""


@dataclass(frozen=True)
class Decoded:
    """One written sentence.

    Attributes:
        words: its ids, without <bos> and <eos>.
        log_prob: log-probability of the words, and of <eos> if it was reached.
        weights: (len(words), source length) attention weights, one row a word; None from beam
            search and from a model without attention.
    """

    words: list[int]
    log_prob: float
    weights: Tensor | None = None


@torch.no_grad()
def greedy_decode(
    model: Decodable, src: Tensor, src_lengths: Tensor, *, bos: int, eos: int, max_length: int
) -> list[Decoded]:
    """Write the most probable next word until <eos>.

    Each sentence stops at its own <eos>; the others of the batch go on. The model decides by its
    mode: call ``model.eval()`` first to switch dropout off.

    Args:
        model: a :class:`Decodable`.
        src: (batch, length) source ids.
        src_lengths: (batch,) true lengths.
        bos, eos: ids of the words that begin and end a sentence.
        max_length: the most words to write.

    Returns:
        one :class:`Decoded` a sentence.
    """
    state = model.start(src, src_lengths)
    words = torch.full((len(src),), bos, device=src.device)
    done = torch.zeros_like(words, dtype=torch.bool)
    log_prob = torch.zeros(len(src), device=src.device)
    written, rows = [], []
    for _ in range(max_length):
        logits, state, weights = model.step(words, state)
        best, words = logits.log_softmax(-1).max(-1)
        log_prob = torch.where(done, log_prob, log_prob + best)
        words = torch.where(done, eos, words)
        done = done | (words == eos)
        written.append(words)
        rows.append(weights)
        if bool(done.all()):
            break
    return _collect(written, rows, log_prob, src_lengths, eos)


def _collect(
    written: list[Tensor], rows: list[Tensor | None], log_prob: Tensor, lengths: Tensor, eos: int
) -> list[Decoded]:
    """Cut each sentence of the batch at its <eos>, and its weights at its length."""
    sentences = torch.stack(written, 1).tolist()
    maps = None if rows[0] is None else torch.stack([row for row in rows if row is not None], 1)
    decoded = []
    for i, words in enumerate(sentences):
        end = words.index(eos) if eos in words else len(words)
        weights = None if maps is None else maps[i, :end, : int(lengths[i])].cpu()
        decoded.append(Decoded(words[:end], float(log_prob[i]), weights))
    return decoded


@torch.no_grad()
def beam_search(
    model: Decodable,
    src: Tensor,
    src_lengths: Tensor,
    *,
    bos: int,
    eos: int,
    max_length: int,
    beam_size: int = 5,
    length_penalty: float = 0.0,
) -> list[Decoded]:
    r"""Keep the ``beam_size`` most probable beginnings at each step, and return the best sentence.

    Finished sentences stay on the beam and are ranked at the end by

    .. math:: \frac{\log p(y \mid x)}{\left((5 + |y|)/6\right)^{\alpha}}

    where \|y\| counts <eos> and α is ``length_penalty`` (Wu et al. 2016, equation 14).

    Args:
        model: a :class:`Decodable`.
        src: (batch, length) source ids.
        src_lengths: (batch,) true lengths.
        bos, eos: ids of the words that begin and end a sentence.
        max_length: the most words to write.
        beam_size: beginnings kept; 1 is greedy decoding.
        length_penalty: α ≥ 0; more favours longer sentences.

    Returns:
        the best :class:`Decoded` of each sentence.

    Raises:
        ValueError: if ``beam_size`` is below 1.
    """
    if beam_size < 1:
        raise ValueError(f"beam_size is {beam_size}; wanted at least 1")
    batch, device = len(src), src.device
    state = model.start(src, src_lengths).repeat(beam_size)
    first_row = torch.arange(batch, device=device)[:, None] * beam_size
    # All beams of a sentence start equal: only one of them may speak first.
    totals = torch.full((batch, beam_size), -torch.inf, device=device)
    totals[:, 0] = 0.0
    written = torch.full((batch, beam_size, 1), bos, device=device)
    done = torch.zeros(batch, beam_size, dtype=torch.bool, device=device)
    for _ in range(max_length):
        logits, state, _ = model.step(written[:, :, -1].flatten(), state)
        steps = logits.log_softmax(-1).view(batch, beam_size, -1)
        # A finished sentence goes on with <eos> alone, at no cost.
        stay = torch.full_like(steps, -torch.inf)
        stay[:, :, eos] = 0.0
        candidates = totals[:, :, None] + torch.where(done[:, :, None], stay, steps)
        totals, flat = candidates.flatten(1).topk(beam_size)
        parents, words = flat // steps.shape[-1], flat % steps.shape[-1]
        state = state.select((first_row + parents).flatten())
        written = torch.cat([written.gather(1, _like(parents, written)), words[:, :, None]], -1)
        done = done.gather(1, parents) | (words == eos)
        if bool(done.all()):
            break
    return _best(written[:, :, 1:], totals, eos, length_penalty)


def _like(index: Tensor, target: Tensor) -> Tensor:
    """Repeat (batch, beam) indices along the words of (batch, beam, length)."""
    return index[:, :, None].expand(-1, -1, target.shape[-1])


def _best(written: Tensor, totals: Tensor, eos: int, length_penalty: float) -> list[Decoded]:
    """Rank the beams of each sentence and unpack the best."""
    lengths = ((written != eos).sum(-1) + 1).clamp(max=written.shape[-1])
    ranks = totals / ((5 + lengths) / 6) ** length_penalty
    decoded = []
    for i, beam in enumerate(ranks.argmax(-1).tolist()):
        words = [word for word in written[i, beam].tolist() if word != eos]
        decoded.append(Decoded(words, float(totals[i, beam])))
    return decoded
