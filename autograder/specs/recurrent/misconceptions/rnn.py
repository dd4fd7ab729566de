"""Wrong steps of a plain network."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

RNN_STEP = Bank()

Params = dict[str, Tensor]


def _sum(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return x @ p["W_ih"].mT + p["b_ih"] + h @ p["W_hh"].mT + p["b_hh"]


@RNN_STEP.add(
    "the tanh is missing",
    "Your state leaves ±1 when the inputs are large: it is a plain sum. What is around the sum in "
    "the formula?",
)
def _no_tanh(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return _sum(x, h, p)


@RNN_STEP.add(
    "sigmoid instead of tanh",
    "All the numbers of your state are positive: they went through a sigmoid. Which function runs "
    "from −1 to 1?",
)
def _sigmoid(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.sigmoid(_sum(x, h, p))


@RNN_STEP.add(
    "ReLU instead of tanh",
    "No number of your state is negative, and large ones are not bounded: that is a ReLU. Which "
    "function does the formula name?",
)
def _relu(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.relu(_sum(x, h, p))


@RNN_STEP.add(
    "the tanh acts on word and state apart",
    "Your numbers are those of two tanhs added, and reach beyond 1. Word and state meet before "
    "they are squashed: how many tanhs has the formula?",
)
def _two_tanhs(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(x @ p["W_ih"].mT + p["b_ih"]) + torch.tanh(h @ p["W_hh"].mT + p["b_hh"])


@RNN_STEP.add(
    "the state before is left out",
    "Your new state does not move when the one before does: nothing is remembered. What does "
    "W_hh multiply?",
)
def _no_recurrence(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(_sum(x, torch.zeros_like(h), p))


@RNN_STEP.add(
    "the word is left out",
    "Your new state does not move when the word does: nothing is read. What does W_ih multiply?",
)
def _no_word(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(_sum(torch.zeros_like(x), h, p))


@RNN_STEP.add(
    "the state before is left out, and the bias b_hh",
    "Your numbers are the tanh of what the word alone gives: the state before has no say. Which "
    "two of the parameters have you not used yet?",
)
def _word_only(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(x @ p["W_ih"].mT + p["b_ih"])


@RNN_STEP.add(
    "the bias b_hh is left out",
    "Your state is what b_hh = 0 would give. There are two biases: are both in your sum?",
)
def _one_bias(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(_sum(x, h, p | {"b_hh": torch.zeros_like(p["b_hh"])}))


@RNN_STEP.add(
    "both biases are left out",
    "Your state is what biases of 0 would give. Which of the parameters have you not used yet?",
)
def _no_bias(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(x @ p["W_ih"].mT + h @ p["W_hh"].mT)


@RNN_STEP.add(
    "the biases come after the tanh",
    "Your state is the tanh with the biases added afterwards, and leaves ±1. What does the tanh "
    "squash in the formula, the products alone or the whole sum?",
)
def _bias_after(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(x @ p["W_ih"].mT + h @ p["W_hh"].mT) + p["b_ih"] + p["b_hh"]


@RNN_STEP.add(
    "W_hh is used untransposed",
    "Your numbers are those of W_hh transposed: it is square, so no shape complains. Each row of "
    "W_hh makes one number of the new state: which way round does a row vector of states meet it?",
)
def _transposed_recurrence(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(_sum(x, h, p | {"W_hh": p["W_hh"].mT}))


@RNN_STEP.add(
    "both matrices are used untransposed",
    "Where word vectors and states are of one size, your numbers are those of both matrices "
    "transposed; elsewhere the shapes do not fit. W_ih is (d_h, d_in): which of its axes should "
    "meet the d_in numbers of a word?",
)
def _untransposed(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(x @ p["W_ih"] + p["b_ih"] + h @ p["W_hh"] + p["b_hh"])


@RNN_STEP.add(
    "the matrices on the left of the whole batch (exception)",
    "The formula is about one column vector, and there the matrix stands on the left. Your x is "
    "(B, d_in): a batch of rows. On which side of a row must a matrix stand to read its numbers, "
    "which way round, and which operator multiplies matrices?",
)
def _left(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(p["W_ih"] @ x + p["b_ih"] + p["W_hh"] @ h + p["b_hh"])


@RNN_STEP.add(
    "word and state have changed places",
    "Where word vectors and states are of one size, your numbers are those of W_ih h + W_hh x; "
    "elsewhere the shapes do not fit. The i of W_ih is for input: which vector is that?",
)
def _changed_places(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(h @ p["W_ih"].mT + p["b_ih"] + x @ p["W_hh"].mT + p["b_hh"])


@RNN_STEP.add(
    "the state before is added to the new one",
    "Your result is the new state plus the one before, and leaves ±1. Other networks have such a "
    "detour; does this formula?",
)
def _residual(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return h + torch.tanh(_sum(x, h, p))


@RNN_STEP.add(
    "squeeze() without a dim",
    "With one sentence or one number an axis of your result disappears: squeeze() without a dim "
    "drops every axis of size 1. Which axis, if any, did you want gone?",
)
def _squeezed(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(_sum(x, h, p)).squeeze()


@RNN_STEP.add(
    "averaged over the batch",
    "All the rows of your result are alike: the sentences of the batch were mixed. Whose word "
    "and whose state make one row of the result?",
)
def _mixed(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(_sum(x, h, p)).mean(0, keepdim=True).expand_as(h)


@RNN_STEP.add(
    "the caller's state is overwritten",
    "Your numbers are right, but the state that was passed in has changed: a method whose name "
    "ends in _ or an assignment to h[…] writes into the caller's tensor. Which operation returns "
    "a new one?",
)
def _in_place(x: Tensor, h: Tensor, p: Params) -> Tensor:
    h[:] = torch.tanh(_sum(x, h, p))
    return h


@RNN_STEP.add(
    "state before word where the matrices stand the other way round",
    "Your numbers are those of [h; x] under matrices that stand as [W_ih, W_hh]: the columns of "
    "one meet the numbers of the other. Which part of the joined vector should come first?",
)
def _joined_wrongly(x: Tensor, h: Tensor, p: Params) -> Tensor:
    weight = torch.cat([p["W_ih"], p["W_hh"]], 1)
    return torch.tanh(torch.cat([h, x], -1) @ weight.mT + p["b_ih"] + p["b_hh"])


@RNN_STEP.add(
    "the states stand in columns (shape)",
    "Your result has the states in its columns: (d_h, B). With the matrix on the left of x turned "
    "over, each sentence became a column, and stayed one. Which shape does the task want?",
)
def _columns(x: Tensor, h: Tensor, p: Params) -> Tensor:
    bias = (p["b_ih"] + p["b_hh"])[:, None]
    return torch.tanh(p["W_ih"] @ x.mT + p["W_hh"] @ h.mT + bias)


@RNN_STEP.add(
    "the biases meet states that stand in columns (exception)",
    "Your products have a column for each sentence, (d_h, B), and a bias of d_h numbers is added "
    "along rows. If each sentence stayed a row, what would have to be transposed instead?",
)
def _columns_and_biases(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(p["W_ih"] @ x.mT + p["b_ih"] + p["W_hh"] @ h.mT + p["b_hh"])


@RNN_STEP.add(
    "the parameters as attributes of the dictionary (exception)",
    "params is a dictionary, and Python looks for an attribute after a dot. What do you write to "
    "get the entry of a dictionary that has a given name?",
)
def _attributes(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(x @ p.W_ih.mT)  # type: ignore[attr-defined]
