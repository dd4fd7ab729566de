"""Wrong ways to read a padded batch from both ends."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.bank import Bank

READ_BOTH_WAYS = Bank()

Params = dict[str, Tensor]


def _step(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(x @ p["W"].mT + h @ p["U"].mT + p["b"])


def _real(embedded: Tensor, lengths: Tensor) -> Tensor:
    """(B, S, 1) bool."""
    return (torch.arange(embedded.shape[1]) < lengths[:, None])[..., None]


def _zeros(embedded: Tensor, p: Params) -> Tensor:
    return embedded.new_zeros(len(embedded), len(p["b"]))


def _read(
    embedded: Tensor,
    p: Params,
    real: Tensor | None = None,
    h: Tensor | None = None,
    step: Callable[[Tensor, Tensor, Params], Tensor] = _step,
) -> list[Tensor]:
    """Every state; a state stays as it is where ``real`` says that no word comes."""
    h = _zeros(embedded, p) if h is None else h
    states = []
    for t in range(embedded.shape[1]):
        new = step(embedded[:, t], h, p)
        h = new if real is None else torch.where(real[:, t], new, h)
        states.append(h)
    return states


def _back(
    embedded: Tensor,
    p: Params,
    real: Tensor | None = None,
    h: Tensor | None = None,
    step: Callable[[Tensor, Tensor, Params], Tensor] = _step,
) -> list[Tensor]:
    """Every state of a network that comes from the right, in the order of the words."""
    turned = None if real is None else real.flip(1)
    return _read(embedded.flip(1), p, turned, h, step)[::-1]


def _join(ahead: list[Tensor], back: list[Tensor], real: Tensor) -> Tensor:
    joined = torch.cat([torch.stack(ahead, 1), torch.stack(back, 1)], -1)
    return joined.masked_fill(~real, 0)


@READ_BOTH_WAYS.add(
    "the network from the right starts in the padding",
    "Full sentences are right; in a padded one the second half has read the padding before the "
    "first word. How can its state still be 0 when it comes to the sentence's own last word?",
)
def _from_the_padding(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    return _join(_read(embedded, fwd), _back(embedded, bwd), _real(embedded, lengths))


@READ_BOTH_WAYS.add(
    "words of zeros are read at the padding",
    "At the padding you read words of zeros, but a step on a word of zeros still changes the "
    "state: b goes in, and U acts. So the network from the right does not start from zeros. What "
    "must not happen at all at the padding?",
)
def _zero_words(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    blank = embedded.masked_fill(~real, 0)
    return _join(_read(blank, fwd), _back(blank, bwd), real)


@READ_BOTH_WAYS.add(
    "the states from the right are not turned back",
    "Your second half is in the order of reading: the state of the last word stands beside the "
    "first. In which order should they stand when the two halves are put side by side?",
)
def _not_turned(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    back = _back(embedded, bwd, real)[::-1]
    return _join(_read(embedded, fwd), back, real)


@READ_BOTH_WAYS.add(
    "each padded sentence is turned, but not turned back",
    "Your second half starts at each sentence's own last word, as it should, but stays in the "
    "order of reading: the state of the last word stands beside the first. What was done to the "
    "words, and must now be undone to the states?",
)
def _sentence_not_turned(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    positions = torch.arange(embedded.shape[1])
    index = torch.where(real[..., 0], lengths[:, None] - 1 - positions, positions)
    turned = embedded[torch.arange(len(embedded))[:, None], index]
    return _join(_read(embedded, fwd), _read(turned, bwd), real)


@READ_BOTH_WAYS.add(
    "both networks read from the left",
    "Your second half has read from the left as well, with the other network's parameters: a "
    "word's states know nothing of what follows it. From which end should the second one come?",
)
def _same_direction(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    return _join(_read(embedded, fwd), _read(embedded, bwd), real)


@READ_BOTH_WAYS.add(
    "one network's parameters for both directions",
    "Your second half reads from the right, but with the first network's parameters. There are two "
    "networks: where does the second one's W come in?",
)
def _same_network(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    return _join(_read(embedded, fwd), _back(embedded, fwd, real), real)


@READ_BOTH_WAYS.add(
    "the halves have changed places",
    "Both halves are right, and stand in each other's place. Which of the two comes first in "
    "[→h; ←h]?",
)
def _changed_places(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    return _join(_back(embedded, bwd, real), _read(embedded, fwd), real)


@READ_BOTH_WAYS.add(
    "the two states are added, not put side by side",
    "Your states have n numbers: those from the left and from the right were added up, and nobody "
    "can tell them apart again. The semicolon in [→h; ←h] puts one below the other: how many "
    "numbers does that make?",
)
def _added(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    both = _join(_read(embedded, fwd), _back(embedded, bwd, real), real)
    return both[..., : both.shape[-1] // 2] + both[..., both.shape[-1] // 2 :]


@READ_BOTH_WAYS.add(
    "the halves are put one after the other along the words",
    "Your result has 2S positions: the states from the right stand behind those from the left. "
    "Each word wants both of its states: along which axis do they lie side by side?",
)
def _along_words(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    both = _join(_read(embedded, fwd), _back(embedded, bwd, real), real)
    return torch.cat(both.chunk(2, -1), 1)


@READ_BOTH_WAYS.add(
    "the states at the padding are not 0",
    "At the words all is right; where there is no word your states hold numbers that later "
    "chapters' code would take for words. What should stand there?",
)
def _unblanked(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    return _join(_read(embedded, fwd), _back(embedded, bwd, real), torch.ones_like(real))


@READ_BOTH_WAYS.add(
    "the network from the right starts from the left one's last state",
    "Your second half goes on from the state in which the network from the left ended. The two "
    "know nothing of each other: from what does each start?",
)
def _handed_over(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    ahead = _read(embedded, fwd, real)
    return _join(ahead, _back(embedded, bwd, real, ahead[-1]), real)


@READ_BOTH_WAYS.add(
    "the tanh is missing",
    "Your states leave ±1: they are plain sums. What is around W x + U h + b?",
)
def _no_tanh(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    def step(x: Tensor, h: Tensor, p: Params) -> Tensor:
        return x @ p["W"].mT + h @ p["U"].mT + p["b"]

    real = _real(embedded, lengths)
    ahead = _read(embedded, fwd, step=step)
    return _join(ahead, _back(embedded, bwd, real, step=step), real)


@READ_BOTH_WAYS.add(
    "the state before is left out",
    "Your states know their own word only: nothing is passed on from one to the next. What does U "
    "multiply?",
)
def _no_recurrence(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    def step(x: Tensor, h: Tensor, p: Params) -> Tensor:
        return _step(x, torch.zeros_like(h), p)

    real = _real(embedded, lengths)
    ahead = _read(embedded, fwd, step=step)
    return _join(ahead, _back(embedded, bwd, real, step=step), real)


@READ_BOTH_WAYS.add(
    "U is used without turning it",
    "Your states are those of U transposed: U is square, so no shape complains. Each row of U "
    "makes one number of the new state: which way round does your product take it?",
)
def _unturned(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    def step(x: Tensor, h: Tensor, p: Params) -> Tensor:
        return _step(x, h, p | {"U": p["U"].mT})

    real = _real(embedded, lengths)
    ahead = _read(embedded, fwd, step=step)
    return _join(ahead, _back(embedded, bwd, real, step=step), real)


@READ_BOTH_WAYS.add(
    "the lengths are ignored",
    "Full sentences are right, but your code has never heard of lengths: the padding is read, from "
    "the right before the first word, and its states stay in the result. What should a network's "
    "state be wherever there is no word?",
)
def _no_lengths(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    everywhere = torch.ones_like(_real(embedded, lengths))
    return _join(_read(embedded, fwd), _back(embedded, bwd), everywhere)


@READ_BOTH_WAYS.add(
    "the states from the right are listed in the order of reading",
    "Your second half holds at 0 until the last word comes, as it should. But its list of states "
    "begins with the one that was made first, at the last position. Which position does each "
    "state of that list belong to?",
)
def _listed_as_read(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    ahead = torch.stack(_read(embedded, fwd), 1).masked_fill(~real, 0)
    return torch.cat([ahead, torch.stack(_back(embedded, bwd, real)[::-1], 1)], -1)


@READ_BOTH_WAYS.add(
    "each state stands one word too late",
    "At each word stands the state from before it was read: the first of a sentence is all zeros. "
    "Which comes first in your loop, the step or the noting down?",
)
def _noted_before(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    both = _join(_read(embedded, fwd), _back(embedded, bwd, real), real)
    ahead, back = both.chunk(2, -1)
    start = torch.zeros_like(ahead[:, :1])
    return torch.cat([torch.cat([start, ahead[:, :-1]], 1), torch.cat([back[:, 1:], start], 1)], -1)


@READ_BOTH_WAYS.add(
    "the positions come before the sentences",
    "Your result has the axes S, B and 2n: the states were stacked along a new first axis. Which "
    "axis of the words that came in are the positions on?",
)
def _positions_first(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    both = _join(_read(embedded, fwd), _back(embedded, bwd, real), real)
    return both.transpose(0, 1)


@READ_BOTH_WAYS.add(
    "the bias is left out",
    "Your states are those of networks with b = 0. Which of the three parameters have you not used "
    "yet?",
)
def _no_bias(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    def step(x: Tensor, h: Tensor, p: Params) -> Tensor:
        return torch.tanh(x @ p["W"].mT + h @ p["U"].mT)

    real = _real(embedded, lengths)
    ahead = _read(embedded, fwd, step=step)
    return _join(ahead, _back(embedded, bwd, real, step=step), real)


@READ_BOTH_WAYS.add(
    "W and U are used without turning them",
    "With equal sizes your states are those of W and U transposed; with different sizes the shapes "
    "do not fit. A batch has its vectors in rows: which way round does a matrix go to the right of "
    "a row?",
)
def _none_turned(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    def step(x: Tensor, h: Tensor, p: Params) -> Tensor:
        return torch.tanh(x @ p["W"] + h @ p["U"] + p["b"])

    real = _real(embedded, lengths)
    ahead = _read(embedded, fwd, step=step)
    return _join(ahead, _back(embedded, bwd, real, step=step), real)


@READ_BOTH_WAYS.add(
    "the states start in float32, whatever the words are (exception)",
    "In float32 all is right. With words of another dtype your first product meets two dtypes: the "
    "zeros that you start from are float32, whatever comes in. What tells which they should be?",
)
def _float32_start(embedded: Tensor, lengths: Tensor, fwd: Params, bwd: Params) -> Tensor:
    real = _real(embedded, lengths)
    start = torch.zeros(len(embedded), len(fwd["b"]))
    ahead = _read(embedded, fwd, h=start)
    return _join(ahead, _back(embedded, bwd, real, start), real)
