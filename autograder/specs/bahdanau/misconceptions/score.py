"""Wrong additive scores."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

ADDITIVE_SCORE = Bank()


def _sum(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor) -> Tensor:
    """(B, S, d_a): what the state and each word bring to the hidden units."""
    return (state @ W_a.mT)[:, None] + memory @ U_a.mT


@ADDITIVE_SCORE.add(
    "the tanh is missing",
    "Your scores grow without bound when the inputs do: they are linear. Then the state adds the "
    "same number to every word's score, and the softmax forgets it. What stands between the sum "
    "and v_a?",
)
def _no_tanh(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return _sum(state, memory, W_a, U_a) @ v_a


@ADDITIVE_SCORE.add(
    "ReLU instead of tanh",
    "Your numbers are those of a ReLU: large inputs give large scores, negative ones are cut off. "
    "Which function keeps every hidden unit within ±1?",
)
def _relu(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return torch.relu(_sum(state, memory, W_a, U_a)) @ v_a


@ADDITIVE_SCORE.add(
    "sigmoid instead of tanh",
    "Your hidden units run from 0 to 1: they went through a sigmoid. Which function of the same "
    "form runs from −1 to 1?",
)
def _sigmoid(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return torch.sigmoid(_sum(state, memory, W_a, U_a)) @ v_a


@ADDITIVE_SCORE.add(
    "the tanh is around the whole score",
    "All your scores lie within ±1: the tanh is the last thing you do. Which product comes after "
    "it in the formula?",
)
def _tanh_last(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return torch.tanh(_sum(state, memory, W_a, U_a) @ v_a)


@ADDITIVE_SCORE.add(
    "two tanhs: state and word apart",
    "Your numbers are those of tanh(W_a s) + tanh(U_a h): each part bends by itself. In the "
    "formula the two meet first: is the tanh of a sum the sum of the tanhs?",
)
def _two_tanhs(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return (torch.tanh(state @ W_a.mT)[:, None] + torch.tanh(memory @ U_a.mT)) @ v_a


@ADDITIVE_SCORE.add(
    "v_a is left out",
    "Your scores are plain sums of the hidden units, each counted once. Which vector says how "
    "much each of them counts?",
)
def _no_v(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return torch.tanh(_sum(state, memory, W_a, U_a)).sum(-1)


@ADDITIVE_SCORE.add(
    "the state is left out",
    "Your scores do not move when the decoder's state does: every step would look at the same "
    "place. Who is asking?",
)
def _no_state(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return torch.tanh(memory @ U_a.mT) @ v_a


@ADDITIVE_SCORE.add(
    "state and word multiplied instead of added",
    "Your hidden units hold the product of what the state and the word bring. The score is called "
    "additive for a reason: how do the two come together in the formula?",
)
def _product(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return torch.tanh((state @ W_a.mT)[:, None] * (memory @ U_a.mT)) @ v_a


@ADDITIVE_SCORE.add(
    "W_a reads the words and U_a the state",
    "With equal sizes your scores are those of the two matrices exchanged; with different sizes "
    "the shapes do not fit. W_a has d_s columns and U_a has d_h: whose numbers does each read?",
)
def _exchanged(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return torch.tanh((state @ U_a.mT)[:, None] + memory @ W_a.mT) @ v_a


@ADDITIVE_SCORE.add(
    "W_a and U_a are used without turning them",
    "With equal sizes your scores are those of both matrices transposed; with different sizes the "
    "shapes do not fit. A batch has its vectors in rows, and a matrix of the formula reads "
    "columns: which way round does it go to the right of a row?",
)
def _unturned(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return torch.tanh((state @ W_a)[:, None] + memory @ U_a) @ v_a


@ADDITIVE_SCORE.add(
    "the state lacks an axis for the words",
    "One state a sentence is (B, d_a) and one vector a word is (B, S, d_a). Torch lines axes up "
    "from the right, so your B states meet S words: with as many sentences as words that even "
    "runs, and is wrong. Where does the state need an axis of size 1?",
)
def _no_axis(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return torch.tanh(state @ W_a.mT + memory @ U_a.mT) @ v_a


@ADDITIVE_SCORE.add(
    "squeeze() without a dim",
    "With one sentence or one word an axis of your result disappears: squeeze() without a dim "
    "drops every axis of size 1, not just the one you mean. Which one do you mean?",
)
def _squeezed(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return (torch.tanh(_sum(state, memory, W_a, U_a)) @ v_a).squeeze()


@ADDITIVE_SCORE.add(
    "an axis of size 1 is left over",
    "Your scores are right but come as (B, S, 1): an axis that the product with v_a needed is "
    "still there. How many numbers does one word's score have, and which axis should go?",
)
def _extra_axis(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return torch.tanh(_sum(state, memory, W_a, U_a)) @ v_a[:, None]


@ADDITIVE_SCORE.add(
    "weights returned instead of scores",
    "Your rows are positive and sum to 1: you return weights, and what is asked for are the "
    "scores that the softmax will be given. Which step is one too many?",
)
def _normalised(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return (torch.tanh(_sum(state, memory, W_a, U_a)) @ v_a).softmax(-1)


@ADDITIVE_SCORE.add(
    "the result is cut off from the inputs: no gradient",
    "Your scores are right, but no gradient reaches the inputs, so nothing could be learned "
    "through them. .detach(), .data, .tolist(), NumPy and torch.no_grad() all cut that line: "
    "where does your result pass through one?",
)
def _no_gradient(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    return (torch.tanh(_sum(state, memory, W_a, U_a)) @ v_a).detach()
