"""Wrong encoders."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.bank import Bank

ENCODE = Bank()

Params = dict[str, Tensor]
Step = Callable[[Tensor, Tensor, Params], Tensor]


def _step(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(x @ p["W_ih"].mT + h @ p["W_hh"].mT + p["b"])


def _states(
    words: Tensor, real: Tensor, p: Params, step: Step = _step, start: float = 0.0
) -> Tensor:
    """Every state (B, S, d_h), for given word vectors and a mask of those that are read."""
    h = words.new_full((len(words), len(p["W_hh"])), start)
    states = []
    for t in range(words.shape[1]):
        h = torch.where(real[:, t, None], step(words[:, t], h, p), h)
        states.append(h)
    return torch.stack(states, 1)


def _real(src: Tensor, lengths: Tensor) -> Tensor:
    return torch.arange(src.shape[1], device=src.device) < lengths[:, None]


def _right(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _states(p["E"][src], _real(src, lengths), p)[:, -1]


@ENCODE.add(
    "the padding is read like words",
    "A sentence without padding is right; a padded one gives another state when its padding "
    "changes: it was read on to the last position. At which position does each sentence end?",
)
def _reads_padding(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _states(p["E"][src], torch.ones_like(_real(src, lengths)), p)[:, -1]


@ENCODE.add(
    "a padded sentence gives zeros",
    "A sentence without padding is right; a padded one gives zeros: the last position was taken "
    "where states at the padding had been blanked. Which value should a state keep when no word "
    "comes any more?",
)
def _zeros(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    real = _real(src, lengths)
    return (_states(p["E"][src], real, p) * real[..., None])[:, -1]


@ENCODE.add(
    "words of zeros at the padding, and the steps go on",
    "At the padding you read a word of zeros. But such a step still changes the state, since b "
    "and W_hh go on acting. What must not happen at all once a sentence has ended?",
)
def _zero_words(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    real = _real(src, lengths)
    words = p["E"][src] * real[..., None]
    return _states(words, torch.ones_like(real), p)[:, -1]


@ENCODE.add(
    "the padding is looked for by its id",
    "You skip every word whose id is 0, and read padding that holds another id. Any id can be a "
    "word's here, and any can stand in the padding: what else were you given that tells where a "
    "sentence ends?",
)
def _pad_by_id(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _states(p["E"][src], src != 0, p)[:, -1]


@ENCODE.add(
    "the first state has a dtype of its own",
    "Your numbers are right where the parameters are float32; with others the first state does "
    "not fit them. Which dtype has a new tensor if you name none, and which should this one have?",
)
def _usual_dtype(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    real, h = _real(src, lengths), torch.zeros(len(src), len(p["b"]), device=src.device)
    for t in range(src.shape[1]):
        h = torch.where(real[:, t, None], _step(p["E"][src[:, t]], h, p), h)
    return h


@ENCODE.add(
    "one word too few is read",
    "Your state is that before each sentence's last word. Positions count from 0: of a sentence "
    "of 3 words, which position holds the last?",
)
def _one_fewer(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _right(src, lengths - 1, p)


@ENCODE.add(
    "one position of padding is read",
    "Each padded sentence reads one word of its padding. Positions count from 0: of a sentence of "
    "3 words, which position holds the last?",
)
def _one_more(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _right(src, lengths + 1, p)


@ENCODE.add(
    "all sentences end with the shortest",
    "After the end of the shortest sentence nothing more is read. Each sentence has a length of "
    "its own: which of them go on at step t?",
)
def _shortest(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _right(src, lengths.amin().expand_as(lengths), p)


@ENCODE.add(
    "all sentences end where the first does",
    "Every sentence ends where the first of the batch does. Which number of lengths belongs to "
    "which row of src?",
)
def _first_length(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _right(src, lengths[:1].expand_as(lengths), p)


@ENCODE.add(
    "the mean of all states",
    "Your result is the mean of a sentence's states. The context is one of them: which one has "
    "read the whole sentence?",
)
def _mean(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    real = _real(src, lengths)
    states = _states(p["E"][src], real, p) * real[..., None]
    return states.sum(1) / lengths[:, None]


@ENCODE.add(
    "only the last word is read",
    "Your state depends on the last word alone: each step starts from zeros again. What does one "
    "step hand to the next?",
)
def _not_carried(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _states(p["E"][src], _real(src, lengths), p, lambda x, h, q: _step(x, 0 * h, q))[:, -1]


@ENCODE.add(
    "the tanh is missing",
    "Your state leaves ±1 and grows with the sentence: it is a plain sum. What is around the sum "
    "in the formula?",
)
def _no_tanh(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    def linear(x: Tensor, h: Tensor, p: Params) -> Tensor:
        return x @ p["W_ih"].mT + h @ p["W_hh"].mT + p["b"]

    return _states(p["E"][src], _real(src, lengths), p, linear)[:, -1]


@ENCODE.add(
    "the bias is left out",
    "Your state is what b = 0 would give. Which of the parameters have you not used yet?",
)
def _no_bias(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _right(src, lengths, p | {"b": torch.zeros_like(p["b"])})


@ENCODE.add(
    "W_hh is used untransposed",
    "Your numbers are those of W_hh transposed: it is square, so no shape complains. Each row of "
    "W_hh makes one number of the new state: which way round does a row of states meet it?",
)
def _transposed(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _right(src, lengths, p | {"W_hh": p["W_hh"].mT})


@ENCODE.add(
    "both matrices are used untransposed",
    "Where word vectors and states are of one size, your numbers are those of both matrices "
    "transposed; elsewhere the shapes do not fit. W_ih is (d_h, d_e): which of its axes should "
    "meet the d_e numbers of a word?",
)
def _untransposed(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    def step(x: Tensor, h: Tensor, p: Params) -> Tensor:
        return torch.tanh(x @ p["W_ih"] + h @ p["W_hh"] + p["b"])

    return _states(p["E"][src], _real(src, lengths), p, step)[:, -1]


@ENCODE.add(
    "read from right to left",
    "Your state is that of the sentences read backwards. That is an idea for exercise 2: which "
    "word comes first here?",
)
def _backwards(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    real = _real(src, lengths)
    return _states(p["E"][src].flip(1), real.flip(1), p)[:, -1]


@ENCODE.add(
    "starts from the first word's state twice",
    "Your state is that of sentences whose first word is read twice: once before the loop and "
    "once in it. Which state is there before the first word?",
)
def _first_twice(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    again = torch.cat([src[:, :1], src], 1)
    return _right(again, lengths + 1, p)


@ENCODE.add(
    "starts from ones",
    "Your numbers are those of a start from ones. Which state does the task name for h_0?",
)
def _from_ones(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _states(p["E"][src], _real(src, lengths), p, start=1.0)[:, -1]


@ENCODE.add(
    "all states are returned (shape)",
    "You return a state for each position. The decoder gets one vector a sentence: which of the "
    "states is it?",
)
def _all_states(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _states(p["E"][src], _real(src, lengths), p)


@ENCODE.add(
    "squeeze() without a dim",
    "With one sentence or one number an axis of your result disappears: squeeze() without a dim "
    "drops every axis of size 1. Which axis, if any, did you want gone?",
)
def _squeezed(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _right(src, lengths, p).squeeze()


@ENCODE.add(
    "the caller's src is overwritten",
    "Your numbers are right, but the src that was passed in has changed. An assignment to src[…] "
    "writes into the caller's tensor: which operation returns a new one?",
)
def _in_place(src: Tensor, lengths: Tensor, p: Params) -> Tensor:
    src[~_real(src, lengths)] = 0
    return _right(src, lengths, p)
