"""Wrong ways to read a padded batch."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

UNROLL_RNN = Bank()

Params = dict[str, Tensor]
Pair = tuple[Tensor, Tensor]


def _step(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(x @ p["W_ih"].mT + p["b_ih"] + h @ p["W_hh"].mT + p["b_hh"])


def _real(inputs: Tensor, lengths: Tensor) -> Tensor:
    """(B, T, 1) bool."""
    positions = torch.arange(inputs.shape[1], device=inputs.device)
    return (positions < lengths[:, None])[..., None]


def _read(inputs: Tensor, h: Tensor, real: Tensor, p: Params) -> Pair:
    """Right, for a given mask of real positions: every state, and the last one."""
    states = []
    for t in range(inputs.shape[1]):
        h = torch.where(real[:, t], _step(inputs[:, t], h, p), h)
        states.append(h)
    return torch.stack(states, 1), h


def _right(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    real = _real(inputs, lengths)
    states, last = _read(inputs, h, real, p)
    return states.masked_fill(~real, 0), last


@UNROLL_RNN.add(
    "padding is read like words",
    "Your outputs at the padding are not 0, and the last state of a short sentence depends on "
    "what stands in its padding: it was read on over it. How does a step know whether a sentence "
    "still goes on?",
)
def _reads_padding(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    return _read(inputs, h, torch.ones_like(_real(inputs, lengths)), p)


@UNROLL_RNN.add(
    "outputs are blanked, but last has read the padding",
    "Your outputs are right; last is the state after the last position, padding included. At "
    "which step is a sentence at its own end, and what should happen to its state afterwards?",
)
def _last_of_padding(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    real = _real(inputs, lengths)
    states, last = _read(inputs, h, torch.ones_like(real), p)
    return states.masked_fill(~real, 0), last


@UNROLL_RNN.add(
    "last is 0 where a sentence is padded",
    "Your outputs are right, but last is 0 for the sentences that are padded: it was taken from "
    "the last position, or the state became 0 there. Which value should a state have when no "
    "word comes any more?",
)
def _last_column(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    outputs, _ = _right(inputs, h, lengths, p)
    return outputs, outputs[:, -1]


@UNROLL_RNN.add(
    "the outputs repeat the last state at the padding",
    "Your last states are right, and the outputs at the padding repeat them. What should stand "
    "in outputs where there is no word?",
)
def _repeats(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    return _read(inputs, h, _real(inputs, lengths), p)


@UNROLL_RNN.add(
    "the words are set to 0 at the padding, and the steps go on",
    "At the padding you read a word of zeros, but a step with a word of zeros still changes the "
    "state: biases and W_hh go on acting. What must not happen at all there?",
)
def _zero_words(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    real = _real(inputs, lengths)
    states, last = _read(inputs.masked_fill(~real, 0), h, torch.ones_like(real), p)
    return states.masked_fill(~real, 0), last


@UNROLL_RNN.add(
    "one position too many is read",
    "Each padded sentence reads one position of its padding. Positions count from 0: of a "
    "sentence of 3 words, which is the last?",
)
def _one_more(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    return _right(inputs, h, (lengths + 1).clamp(max=inputs.shape[1]), p)


@UNROLL_RNN.add(
    "one word too few is read",
    "Each sentence ends one word early. Positions count from 0: of a sentence of 3 words, which "
    "is the last?",
)
def _one_fewer(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    return _right(inputs, h, (lengths - 1).clamp(min=0), p)


@UNROLL_RNN.add(
    "all sentences end with the shortest",
    "After the end of the shortest sentence nobody is read on. Each sentence has a length of its "
    "own: which of them has ended at step t, and which has not?",
)
def _shortest(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    return _right(inputs, h, lengths.amin().expand_as(lengths), p)


@UNROLL_RNN.add(
    "all sentences end with the first one's length",
    "Every sentence ends where the first of the batch does. Each has a length of its own: which "
    "number of lengths belongs to which row?",
)
def _first_length(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    return _right(inputs, h, lengths[:1].expand_as(lengths), p)


@UNROLL_RNN.add(
    "every step starts from the first state",
    "The first output is right, and the others do not know of the words before them: every step "
    "starts from the state you were given. What does one step hand to the next?",
)
def _not_carried(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    real = _real(inputs, lengths)
    outputs, last = [], h
    for t in range(inputs.shape[1]):
        new = _step(inputs[:, t], h, p)
        last = torch.where(real[:, t], new, last)
        outputs.append(new.masked_fill(~real[:, t], 0))
    return torch.stack(outputs, 1), last


@UNROLL_RNN.add(
    "every step starts from the first state, and its own is last",
    "The first output is right, and the others do not know of the words before them; last has read "
    "one position alone. Which variable does a step read, and which one does it write?",
)
def _never_assigned(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    real = _real(inputs, lengths)
    states = [_step(x, h, p) for x in inputs.unbind(1)]
    return torch.stack(states, 1).masked_fill(~real, 0), states[-1]


@UNROLL_RNN.add(
    "the steps use W_hh untransposed",
    "Your loop may be right: the numbers are those of steps with W_hh transposed. What does the "
    "check of your rnn_step say?",
)
def _untransposed_steps(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    return _right(inputs, h, lengths, p | {"W_hh": p["W_hh"].mT})


@UNROLL_RNN.add(
    "the steps leave out the bias b_hh",
    "Your loop may be right: the numbers are those of steps without b_hh. What does the check of "
    "your rnn_step say?",
)
def _one_bias(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    return _right(inputs, h, lengths, p | {"b_hh": torch.zeros_like(p["b_hh"])})


@UNROLL_RNN.add(
    "the steps leave out the state before",
    "Each output knows its own word and none before it: the numbers are those of steps without "
    "W_hh. What does the check of your rnn_step say?",
)
def _no_recurrence(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    return _right(inputs, h, lengths, p | {"W_hh": torch.zeros_like(p["W_hh"])})


@UNROLL_RNN.add(
    "starts from zeros",
    "Your numbers are those of a start from zeros. Which state were you given to start from?",
)
def _from_zeros(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    return _right(inputs, torch.zeros_like(h), lengths, p)


@UNROLL_RNN.add(
    "read from right to left",
    "Your numbers are those of sentences read backwards. Which word comes first?",
)
def _backwards(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    real = _real(inputs, lengths)
    states, last = _read(inputs.flip(1), h, real.flip(1), p)
    return states.flip(1).masked_fill(~real, 0), last


@UNROLL_RNN.add(
    "the tanh of a step is missing",
    "Your numbers are those of steps without their tanh. What does your rnn_step do that a step "
    "here does not?",
)
def _linear(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    real = _real(inputs, lengths)
    outputs = []
    for t in range(inputs.shape[1]):
        new = inputs[:, t] @ p["W_ih"].mT + p["b_ih"] + h @ p["W_hh"].mT + p["b_hh"]
        h = torch.where(real[:, t], new, h)
        outputs.append(h.masked_fill(~real[:, t], 0))
    return torch.stack(outputs, 1), h


@UNROLL_RNN.add(
    "outputs hold the state before each word",
    "Your outputs come one step late: the first is the state you started from. Does outputs[:, t] "
    "hold the state before or after word t?",
)
def _late(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    real = _real(inputs, lengths)
    states, last = _read(inputs, h, real, p)
    shifted = torch.cat([h[:, None], states[:, :-1]], 1)
    return shifted.masked_fill(~real, 0), last


@UNROLL_RNN.add(
    "last comes before the outputs",
    "Both results are there, in the other order. Which does the task name first?",
)
def _swapped(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    outputs, last = _right(inputs, h, lengths, p)
    return last, outputs


@UNROLL_RNN.add(
    "outputs are time first",
    "Your outputs are stacked along a new first axis, so time comes before the batch: (T, B, d_h). "
    "Where do the positions belong in (B, T, d_h)?",
)
def _time_first(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    outputs, last = _right(inputs, h, lengths, p)
    return outputs.transpose(0, 1), last


@UNROLL_RNN.add(
    "the states are joined along their numbers (shape)",
    "Your outputs are (B, T·d_h): the states were put end to end along an axis that they have. "
    "Which function makes a new axis for the positions?",
)
def _joined(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    outputs, last = _right(inputs, h, lengths, p)
    return outputs.flatten(1), last


@UNROLL_RNN.add(
    "only the outputs are returned",
    "You return the outputs alone. What else does the task want, and why can it not be read off "
    "their last position?",
)
def _outputs_only(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Tensor:
    return _right(inputs, h, lengths, p)[0]


@UNROLL_RNN.add(
    "an if asks the whole batch whether it goes on (exception)",
    "An if wants one answer, and t < lengths has one for each sentence: some go on, others have "
    "ended. How can each row choose between its new state and its old one?",
)
def _one_answer(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    outputs = []
    for t, x in enumerate(inputs.unbind(1)):
        goes_on = bool(t < lengths)
        h = _step(x, h, p) if goes_on else h
        outputs.append(h if goes_on else torch.zeros_like(h))
    return torch.stack(outputs, 1), h


@UNROLL_RNN.add(
    "an empty sentence takes its state from another place",
    "All is well until a sentence is empty: its last state was looked up at position −1, which "
    "Python reads as the last one. Which state has a sentence that has read nothing?",
)
def _minus_one(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    outputs, _ = _right(inputs, h, lengths, p)
    rows = torch.arange(len(lengths), device=lengths.device)
    return outputs, outputs[rows, lengths - 1]


@UNROLL_RNN.add(
    "the mask lacks the axis of the states (exception)",
    "Your mask has the shape (B,) and meets states of (B, d_h): torch lines B up with d_h, and "
    "the sizes clash, or worse, do not. Which axis does the mask lack, and where?",
)
def _flat_mask(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    outputs = []
    for t in range(inputs.shape[1]):
        real = t < lengths
        h = torch.where(real, _step(inputs[:, t], h, p), h)
        outputs.append(h.masked_fill(~real, 0))
    return torch.stack(outputs, 1), h


@UNROLL_RNN.add(
    "the caller's states are overwritten",
    "Your numbers are right, but the states that were passed in have changed: an assignment to "
    "h[…] writes into the caller's tensor. Which operation returns a new one?",
)
def _in_place(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    outputs = []
    for t in range(inputs.shape[1]):
        real = t < lengths
        h[real] = _step(inputs[:, t], h, p)[real]
        outputs.append(h.masked_fill(~real[:, None], 0))
    return torch.stack(outputs, 1), h


@UNROLL_RNN.add(
    "outputs end with the longest sentence",
    "Your outputs are right, but where even the longest sentence is padded they have too few "
    "positions: the loop ends with the longest length. How many positions have the inputs?",
)
def _cut_short(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    longest = int(lengths.max())
    return _right(inputs[:, :longest], h, lengths, p)


@UNROLL_RNN.add(
    "every output is the last state",
    "All the outputs of a sentence are its last state: a list of one and the same tensor, "
    "overwritten at every step, holds it many times. How does each step get a tensor of its own?",
)
def _same_tensor(inputs: Tensor, h: Tensor, lengths: Tensor, p: Params) -> Pair:
    real = _real(inputs, lengths)
    _, last = _read(inputs, h, real, p)
    return last[:, None].expand(-1, inputs.shape[1], -1).masked_fill(~real, 0), last
