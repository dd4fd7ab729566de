"""Wrong steps of the decoder."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

DECODER_STEP = Bank()

Params = dict[str, Tensor]
Pair = tuple[Tensor, Tensor]


def _sum(words: Tensor, state: Tensor, p: Params) -> Tensor:
    return p["E"][words] @ p["W_ih"].mT + state @ p["W_hh"].mT + p["b"]


def _speak(state: Tensor, p: Params) -> Tensor:
    return state @ p["W_s"].mT + p["b_s"]


def right_step(words: Tensor, state: Tensor, p: Params) -> Pair:
    """A right step, for decoders that go wrong elsewhere."""
    state = torch.tanh(_sum(words, state, p))
    return _speak(state, p), state


@DECODER_STEP.add(
    "the logits come from the state before the step",
    "Your new state is right, but the logits are those of the old one: the word that was just "
    "read has no say in them. Which state speaks?",
)
def _old_state(words: Tensor, state: Tensor, p: Params) -> Pair:
    return _speak(state, p), right_step(words, state, p)[1]


@DECODER_STEP.add(
    "probabilities instead of logits",
    "Your first result is positive and sums to 1: a softmax has been over it. The task asks for "
    "logits: who applies the softmax, and when?",
)
def _softmaxed(words: Tensor, state: Tensor, p: Params) -> Pair:
    logits, state = right_step(words, state, p)
    return logits.softmax(-1), state


@DECODER_STEP.add(
    "log-probabilities instead of logits",
    "Your first result holds log-probabilities: a log-softmax has been over it. The task asks for "
    "logits: who applies the softmax, and when?",
)
def _log_softmaxed(words: Tensor, state: Tensor, p: Params) -> Pair:
    logits, state = right_step(words, state, p)
    return logits.log_softmax(-1), state


@DECODER_STEP.add(
    "the logits are squashed, too",
    "Your logits stay within ±1: there is a tanh around them. Which of the two lines of the "
    "formula has one?",
)
def _squashed(words: Tensor, state: Tensor, p: Params) -> Pair:
    logits, state = right_step(words, state, p)
    return logits.tanh(), state


@DECODER_STEP.add(
    "the bias of the logits is left out",
    "Your logits are what b_s = 0 would give. Which of the parameters have you not used yet?",
)
def _no_output_bias(words: Tensor, state: Tensor, p: Params) -> Pair:
    logits, state = right_step(words, state, p)
    return logits - p["b_s"], state


@DECODER_STEP.add(
    "the bias of the step is left out",
    "Your state is what b = 0 would give. Which of the parameters have you not used yet?",
)
def _no_bias(words: Tensor, state: Tensor, p: Params) -> Pair:
    return right_step(words, state, p | {"b": torch.zeros_like(p["b"])})


@DECODER_STEP.add(
    "the tanh is missing",
    "Your state leaves ±1: it is a plain sum. What is around the sum in the formula?",
)
def _no_tanh(words: Tensor, state: Tensor, p: Params) -> Pair:
    state = _sum(words, state, p)
    return _speak(state, p), state


@DECODER_STEP.add(
    "the word is left out",
    "Your results do not move when the word does: nothing is read. What does the decoder know of "
    "the word it has written before?",
)
def _no_word(words: Tensor, state: Tensor, p: Params) -> Pair:
    state = torch.tanh(state @ p["W_hh"].mT + p["b"])
    return _speak(state, p), state


@DECODER_STEP.add(
    "the state before is left out",
    "Your results do not move when the state does: the decoder forgets the source and all words "
    "but the last. What does W_hh multiply?",
)
def _no_state(words: Tensor, state: Tensor, p: Params) -> Pair:
    return right_step(words, torch.zeros_like(state), p)


@DECODER_STEP.add(
    "W_hh is used untransposed",
    "Your numbers are those of W_hh transposed: it is square, so no shape complains. Each row of "
    "W_hh makes one number of the new state: which way round does a row of states meet it?",
)
def _transposed(words: Tensor, state: Tensor, p: Params) -> Pair:
    return right_step(words, state, p | {"W_hh": p["W_hh"].mT})


@DECODER_STEP.add(
    "all matrices are used untransposed",
    "Where all sizes are equal, your numbers are those of matrices transposed; elsewhere the "
    "shapes do not fit. W_s is (V, d_h): which of its axes should meet the d_h numbers of a "
    "state?",
)
def _untransposed(words: Tensor, state: Tensor, p: Params) -> Pair:
    state = torch.tanh(p["E"][words] @ p["W_ih"] + state @ p["W_hh"] + p["b"])
    return state @ p["W_s"] + p["b_s"], state


@DECODER_STEP.add(
    "state before logits",
    "Both results are there, in the other order. Which does the task name first?",
)
def _changed_places(words: Tensor, state: Tensor, p: Params) -> Pair:
    logits, state = right_step(words, state, p)
    return state, logits


@DECODER_STEP.add(
    "the old state is returned",
    "Your logits are right, but the state that you return is the one you were given: the next "
    "step would start where this one did. Which state does it need?",
)
def _returns_old(words: Tensor, state: Tensor, p: Params) -> Pair:
    return right_step(words, state, p)[0], state


@DECODER_STEP.add(
    "the old state is added to the new one",
    "Your state is the new one plus the one before, and leaves ±1. Other networks have such a "
    "detour; does this formula?",
)
def _residual(words: Tensor, state: Tensor, p: Params) -> Pair:
    state = state + torch.tanh(_sum(words, state, p))
    return _speak(state, p), state


@DECODER_STEP.add(
    "the word's id is used as a number",
    "Your state moves in proportion to the id of the word, as if word 6 were twice word 3. An id "
    "is a name: which table turns it into a vector?",
)
def _as_number(words: Tensor, state: Tensor, p: Params) -> Pair:
    number = words[:, None].to(state.dtype)
    total = number * p["W_ih"].sum(1) + state @ p["W_hh"].mT + p["b"]
    state = torch.tanh(total)
    return _speak(state, p), state


@DECODER_STEP.add(
    "only the logits are returned",
    "You return the logits alone. The next step has to start from somewhere: what else does the "
    "task ask for?",
)
def _no_pair(words: Tensor, state: Tensor, p: Params) -> Tensor:
    return right_step(words, state, p)[0]


@DECODER_STEP.add(
    "squeeze() without a dim",
    "With one sentence or one number an axis of your results disappears: squeeze() without a dim "
    "drops every axis of size 1. Which axis, if any, did you want gone?",
)
def _squeezed(words: Tensor, state: Tensor, p: Params) -> Pair:
    logits, state = right_step(words, state, p)
    return logits.squeeze(), state.squeeze()


@DECODER_STEP.add(
    "the caller's state is overwritten",
    "Your numbers are right, but the state that was passed in has changed: a method whose name "
    "ends in _ or an assignment to state[…] writes into the caller's tensor. Which operation "
    "returns a new one?",
)
def _in_place(words: Tensor, state: Tensor, p: Params) -> Pair:
    logits, new = right_step(words, state, p)
    state[:] = new
    return logits, state
