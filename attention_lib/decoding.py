"""Decoding: from a model that predicts the next word to a whole sentence."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor


class Decodable(Protocol):
    """What a model must offer to be decoded."""

    def start(self, src: Tensor, src_lengths: Tensor | None) -> Any:
        """Read what is written about; the result has ``repeat(times)`` and ``select(rows)``.

        A state that counts positions by itself has ``rest(done)``, too: finished rows stay where
        they are.
        """

    def step(self, words: Tensor, state: Any) -> tuple[Tensor, Any, Tensor | None]:
        """Map the last words (batch,) to logits (batch, vocabulary), a state and weights.

        Where weights (batch, source length) are asked for, it is called with ``need_weights=True``
        besides.
        """


@dataclass(frozen=True)
class Decoded:
    """One written sentence.

    Attributes:
        words: its ids, without <bos> and <eos>.
        log_prob: log-probability of the words, and of <eos> if it was reached.
        weights: (len(words), source length) attention weights, one row a word; a Transformer's
            are the mean over the heads and layers of its cross-attention. None from a model
            without attention to a source, and where they were not asked for: a recurrent model
            gives them to :func:`greedy_decode` and :func:`sample` unasked.
    """

    words: list[int]
    log_prob: float
    weights: Tensor | None = None


@torch.no_grad()
def greedy_decode(
    model: Decodable,
    src: Tensor,
    src_lengths: Tensor | None,
    *,
    bos: int | Tensor,
    eos: int,
    max_length: int,
    need_weights: bool = False,
) -> list[Decoded]:
    """Write the most probable next word until <eos>.

    Each sentence stops at its own <eos>; the others of the batch go on. The model decides by its
    mode: call ``model.eval()`` first to switch dropout off.

    Args:
        model: a :class:`Decodable`.
        src: (batch, ...) what is written about: source ids, a prompt's ids, a picture.
        src_lengths: (batch,) true lengths; None where there is no padding to speak of.
        bos: id of the word that begins a sentence, or (batch,) ids, one a sentence.
        eos: id of the word that ends a sentence.
        max_length: the most words to write.
        need_weights: also keep the attention weights of each step, which costs a Transformer time.

    Returns:
        one :class:`Decoded` a sentence.

    A model that counts, word w followed by w + 1:

    >>> class Clock:
    ...     def start(self, src, src_lengths):
    ...         return None
    ...     def step(self, words, state):
    ...         return 20.0 * torch.eye(8)[words + 1], state, None
    >>> src = torch.zeros(2, 1)
    >>> found = greedy_decode(Clock(), src, None, bos=torch.tensor([1, 4]), eos=6, max_length=9)
    >>> [decoded.words for decoded in found]
    [[2, 3, 4, 5], [5]]
    """
    given = (model, src, src_lengths, bos, eos, max_length)
    return _decode(*given, lambda logits: logits.argmax(-1), need_weights)


@torch.no_grad()
def sample(
    model: Decodable,
    src: Tensor,
    src_lengths: Tensor | None,
    *,
    bos: int | Tensor,
    eos: int,
    max_length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
    need_weights: bool = False,
) -> list[Decoded]:
    """Draw each next word at random, until <eos>.

    Args:
        model, src, src_lengths, bos, eos, max_length, need_weights: see :func:`greedy_decode`.
        temperature: divides the logits, above 0: below 1 the likely words become likelier.
        top_k: draw among the k most probable words only; see :func:`keep_top_k`.
        top_p: draw among the fewest words that share this probability; see :func:`keep_top_p`.
            It acts after ``temperature`` and ``top_k``.
        generator: draws the random numbers, on the device of ``src``.

    Returns:
        one :class:`Decoded` a sentence; ``log_prob`` is the model's own, before any of the three.

    Raises:
        ValueError: if ``temperature``, ``top_k`` or ``top_p`` is out of range.

    A model that writes word 2, word 3 or the end, 0, each as likely:

    >>> class Coin:
    ...     def start(self, src, src_lengths):
    ...         return None
    ...     def step(self, words, state):
    ...         logits = torch.tensor([0.0, -torch.inf, 0.0, 0.0])
    ...         return logits.expand(len(words), -1), state, None
    >>> (written,) = sample(Coin(), torch.zeros(1, 1), None, bos=1, eos=0, max_length=50)
    >>> set(written.words) <= {2, 3}
    True
    """
    if not 0 < temperature < math.inf:
        raise ValueError(
            f"temperature is {temperature}; wanted a number above 0 (at 0: greedy_decode)"
        )

    def draw(logits: Tensor) -> Tensor:
        # With 0 as the largest no temperature makes one overflow.
        logits = (logits - logits.amax(-1, keepdim=True)) / temperature
        logits = logits if top_k is None else keep_top_k(logits, top_k)
        logits = logits if top_p is None else keep_top_p(logits, top_p)
        return torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]

    return _decode(model, src, src_lengths, bos, eos, max_length, draw, need_weights)


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Rule out all but the k most probable words; equals of the last one stay.

    Args:
        logits: (..., vocabulary).
        k: at least 1; more than there are words keeps all.

    Returns:
        logits with −∞ at the words ruled out.

    Raises:
        ValueError: if ``k`` is below 1.

    Fan et al. (2018).

    >>> keep_top_k(torch.tensor([1.0, 3.0, 2.0]), 2)
    tensor([-inf, 3., 2.])
    """
    if k < 1:
        raise ValueError(f"top_k is {k}; wanted at least 1")
    last = logits.topk(min(k, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits < last, -torch.inf)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Rule out all but the fewest words that together have at least probability p.

    Args:
        logits: (..., vocabulary).
        p: above 0, up to 1. The most probable word always stays.

    Returns:
        logits with −∞ at the words ruled out.

    Raises:
        ValueError: if ``p`` is out of range.

    Holtzman et al. (2020), nucleus sampling.

    >>> keep_top_p(torch.tensor([0.5, 0.3, 0.2]).log(), 0.7).exp()
    tensor([0.5000, 0.3000, 0.0000])
    """
    if not 0 < p <= 1:
        raise ValueError(f"top_p is {p}; wanted a probability above 0, up to 1")
    if p == 1:  # a sum of rounded probabilities may reach 1 early
        return logits
    ordered, order = logits.sort(-1, descending=True)
    probs = _wide(ordered).softmax(-1)
    # A word goes if those before it have p already.
    gone = probs.cumsum(-1) - probs >= p
    gone[..., 0] = False
    return logits.masked_fill(gone.gather(-1, order.argsort(-1)), -torch.inf)


def _decode(
    model: Decodable,
    src: Tensor,
    lengths: Tensor | None,
    bos: int | Tensor,
    eos: int,
    max_length: int,
    choose: Callable[[Tensor], Tensor],
    need_weights: bool,
) -> list[Decoded]:
    """Write one word at a time, as ``choose`` picks them from the logits (batch, vocabulary)."""
    _check_max_length(max_length)
    step = _step_of(model, need_weights)
    state = model.start(src, lengths)
    words = torch.as_tensor(bos, device=src.device).expand(len(src))
    done = torch.zeros_like(words, dtype=torch.bool)
    log_prob = torch.zeros(len(src), device=src.device)
    written, rows = [], []
    for _ in range(max_length):
        logits, state, weights = step(words, state)
        logits = _wide(logits)
        words = choose(logits)
        gained = logits.log_softmax(-1).gather(1, words[:, None])[:, 0]
        log_prob = torch.where(done, log_prob, log_prob + gained)
        words = torch.where(done, eos, words)
        done = done | (words == eos)
        state = _rest(state, done)
        written.append(words)
        rows.append(weights)
        if bool(done.all()):
            break
    return _collect(written, rows, log_prob, lengths, eos)


def _step_of(model: Decodable, need_weights: bool) -> Callable[..., tuple[Tensor, Any, Any]]:
    """Ask for weights only where they are wanted: a model may know no such argument."""
    step: Any = model.step
    return partial(step, need_weights=True) if need_weights else step


def _rest(state: Any, done: Tensor) -> Any:
    """Let finished rows (rows,) rest; what they write is not read."""
    return state.rest(done) if hasattr(state, "rest") else state


def _wide(logits: Tensor) -> Tensor:
    """Take logits in at least float32: half precision ranks sums of log-probabilities wrongly."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def _check_max_length(max_length: int) -> None:
    if max_length < 1:
        raise ValueError(f"max_length is {max_length}; wanted room for at least 1 word")


def _collect(
    written: list[Tensor],
    rows: list[Tensor | None],
    log_prob: Tensor,
    lengths: Tensor | None,
    eos: int,
) -> list[Decoded]:
    """Cut each sentence of the batch at its <eos>, and its weights at its length."""
    sentences = torch.stack(written, 1).tolist()
    maps = None if rows[0] is None else torch.stack([row for row in rows if row is not None], 1)
    decoded = []
    for i, words in enumerate(sentences):
        end = words.index(eos) if eos in words else len(words)
        length = None if lengths is None else int(lengths[i])
        weights = None if maps is None else maps[i, :end, :length].cpu()
        decoded.append(Decoded(words[:end], float(log_prob[i]), weights))
    return decoded


@torch.no_grad()
def beam_search(
    model: Decodable,
    src: Tensor,
    src_lengths: Tensor | None,
    *,
    bos: int | Tensor,
    eos: int,
    max_length: int,
    beam_size: int = 5,
    length_penalty: float = 0.0,
    need_weights: bool = False,
) -> list[Decoded]:
    r"""Keep the ``beam_size`` most probable beginnings at each step, and return the best sentence.

    Finished sentences stay on the beam and are ranked at the end by

    .. math:: \frac{\log p(y \mid x)}{\left((5 + |y|)/6\right)^{\alpha}}

    where \|y\| counts <eos> and α is ``length_penalty`` (Wu et al. 2016, equation 14).

    Args:
        model, src, src_lengths, bos, eos, max_length, need_weights: see :func:`greedy_decode`.
        beam_size: beginnings kept; 1 is greedy decoding.
        length_penalty: α; more favours longer sentences, 0 is the plain log-probability.

    Returns:
        the best :class:`Decoded` of each sentence.

    Raises:
        ValueError: if ``beam_size`` or ``max_length`` is below 1, or ``length_penalty`` not finite.

    Sutskever et al. (2014), section 3.2.

    The likelier first word, 2, leads on to six words alike, the other one, 3, to a sure end, 0:

    >>> class Garden:
    ...     def start(self, src, src_lengths):
    ...         return self
    ...     def repeat(self, times):
    ...         return self
    ...     def select(self, rows):
    ...         return self
    ...     def step(self, words, state):
    ...         table = torch.full((6, 6), 1e-9)
    ...         table[1, 2], table[1, 3], table[3, 0] = 0.6, 0.4, 1.0
    ...         table[2, :] = 1 / 6
    ...         return table[words].log(), state, None
    >>> given, ends = (Garden(), torch.zeros(1, 1), None), {"bos": 1, "eos": 0, "max_length": 2}
    >>> greedy_decode(*given, **ends)[0].words[0], beam_search(*given, beam_size=2, **ends)[0].words
    (2, [3])
    """
    if beam_size < 1:
        raise ValueError(f"beam_size is {beam_size}; wanted at least 1")
    if not math.isfinite(length_penalty):
        raise ValueError(f"length_penalty is {length_penalty}; wanted a finite number")
    _check_max_length(max_length)
    step = _step_of(model, need_weights)
    batch, device = len(src), src.device
    state = model.start(src, src_lengths).repeat(beam_size)
    first_row = torch.arange(batch, device=device)[:, None] * beam_size
    # All beams of a sentence start equal: only one of them may speak first.
    totals = torch.full((batch, beam_size), -torch.inf, device=device)
    totals[:, 0] = 0.0
    first = torch.as_tensor(bos, device=device).expand(batch)
    written = first[:, None, None].repeat(1, beam_size, 1)
    done = torch.zeros(batch, beam_size, dtype=torch.bool, device=device)
    maps: Tensor | None = None
    for _ in range(max_length):
        logits, state, weights = step(written[:, :, -1].flatten(), state)
        candidates = _wide(logits).log_softmax(-1).view(batch, beam_size, logits.shape[-1])
        if bool(done.any()):
            # A finished sentence goes on with <eos> alone, at no cost.
            stay = candidates.new_full(candidates.shape[-1:], -torch.inf)
            stay[eos] = 0.0
            candidates[done] = stay
        candidates += totals[:, :, None]
        totals, flat = candidates.flatten(1).topk(beam_size)
        parents, words = flat // candidates.shape[-1], flat % candidates.shape[-1]
        rows = (first_row + parents).flatten()
        state = state.select(rows)
        if need_weights and weights is not None:
            seen = weights[:, None] if maps is None else torch.cat([maps, weights[:, None]], 1)
            maps = seen[rows]
        written = torch.cat([written.gather(1, _like(parents, written)), words[:, :, None]], -1)
        done = done.gather(1, parents) | (words == eos)
        state = _rest(state, done.flatten())
        if bool(done.all()):
            break
    best = _best(written[:, :, 1:], totals, eos, length_penalty)
    if maps is None:
        return [decoded for _, decoded in best]
    sizes = [None] * batch if src_lengths is None else src_lengths.tolist()
    return [
        replace(decoded, weights=maps[i * beam_size + beam, : len(decoded.words), :size].cpu())
        for i, ((beam, decoded), size) in enumerate(zip(best, sizes, strict=True))
    ]


def _like(index: Tensor, target: Tensor) -> Tensor:
    """Repeat (batch, beam) indices along the words of (batch, beam, length)."""
    return index[:, :, None].expand(-1, -1, target.shape[-1])


def _best(
    written: Tensor, totals: Tensor, eos: int, length_penalty: float
) -> list[tuple[int, Decoded]]:
    """Rank the beams of each sentence, and give the best one's number and what it wrote."""
    lengths = ((written != eos).sum(-1) + 1).clamp(max=written.shape[-1])
    ranks = totals / ((5 + lengths) / 6) ** length_penalty
    decoded = []
    for i, beam in enumerate(ranks.argmax(-1).tolist()):
        words = [word for word in written[i, beam].tolist() if word != eos]
        decoded.append((beam, Decoded(words, float(totals[i, beam]))))
    return decoded
