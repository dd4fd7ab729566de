"""Wrong steps of a GRU."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.bank import Bank

GRU_STEP = Bank()

Params = dict[str, Tensor]
Parts = tuple[Tensor, Tensor, Tensor]
Wrong = Callable[[Parts, Parts, Tensor], Tensor]


def _sums(x: Tensor, h: Tensor, p: Params) -> tuple[Parts, Parts]:
    """What the word gives and what the state gives, each cut into r, z, n."""
    a_r, a_z, a_n = (x @ p["W_ih"].mT + p["b_ih"]).chunk(3, -1)
    b_r, b_z, b_n = (h @ p["W_hh"].mT + p["b_hh"]).chunk(3, -1)
    return (a_r, a_z, a_n), (b_r, b_z, b_n)


def _right(a: Parts, b: Parts, h: Tensor) -> Tensor:
    r, z = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
    return (1 - z) * torch.tanh(a[2] + r * b[2]) + z * h


def _from_sums(title: str, hint: str) -> Callable[[Wrong], Callable[..., Tensor]]:
    """Register a step whose products are right, and what it makes of them is not."""

    def register(wrong: Wrong) -> Callable[..., Tensor]:
        def step(x: Tensor, h: Tensor, p: Params) -> Tensor:
            return wrong(*_sums(x, h, p), h)

        step.__name__ = wrong.__name__
        GRU_STEP.add(title, hint)(step)
        return step

    return register


@_from_sums(
    "z and 1 − z have changed places",
    "With z = 1 your state is the candidate, and with z = 0 it stays: the reverse of the task. "
    "(The paper of 2014 and torch agree here, some texts do not.) What does z multiply?",
)
def _swapped_update(a: Parts, b: Parts, h: Tensor) -> Tensor:
    r, z = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
    return z * torch.tanh(a[2] + r * b[2]) + (1 - z) * h


@_from_sums(
    "the blocks taken in the order z, r, n",
    "Your numbers are those of reset and update gate changed round. The blocks of rows have a "
    "fixed order: which of the two comes first?",
)
def _update_first(a: Parts, b: Parts, h: Tensor) -> Tensor:
    return _right((a[1], a[0], a[2]), (b[1], b[0], b[2]), h)


@_from_sums(
    "the blocks taken in the order n, r, z",
    "Your numbers are those of a candidate made from the first block. The blocks of rows have a "
    "fixed order: where in it is n?",
)
def _candidate_first(a: Parts, b: Parts, h: Tensor) -> Tensor:
    return _right((a[1], a[2], a[0]), (b[1], b[2], b[0]), h)


@GRU_STEP.add(
    "the state is reset before the product",
    "Your numbers are those of W_hn (r ⊙ h): the paper's variant. In torch's, r scales a vector "
    "that is already there: which one, in the third line?",
)
def _reset_first(x: Tensor, h: Tensor, p: Params) -> Tensor:
    a, b = _sums(x, h, p)
    r, z = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
    w_hn, b_hn = p["W_hh"].chunk(3)[2], p["b_hh"].chunk(3)[2]
    return (1 - z) * torch.tanh(a[2] + (r * h) @ w_hn.mT + b_hn) + z * h


@GRU_STEP.add(
    "the bias b_hn is outside the reset",
    "Nearly right: your candidate adds b_hn whole, while r should scale it, too. What is inside "
    "the brackets behind r in the third line?",
)
def _bias_outside(x: Tensor, h: Tensor, p: Params) -> Tensor:
    a, b = _sums(x, h, p)
    r, z = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
    b_hn = p["b_hh"].chunk(3)[2]
    return (1 - z) * torch.tanh(a[2] + r * (b[2] - b_hn) + b_hn) + z * h


@_from_sums(
    "no reset gate",
    "Your candidate sees all of the state before: r has no say. With r = 0, what should be left "
    "of W_hn h in the third line?",
)
def _no_reset(a: Parts, b: Parts, h: Tensor) -> Tensor:
    z = torch.sigmoid(a[1] + b[1])
    return (1 - z) * torch.tanh(a[2] + b[2]) + z * h


@_from_sums(
    "the reset gate scales the word, too",
    "Your r multiplies the whole sum of the candidate. Which of its two parts does it stand "
    "before in the third line?",
)
def _resets_all(a: Parts, b: Parts, h: Tensor) -> Tensor:
    r, z = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
    return (1 - z) * torch.tanh(r * (a[2] + b[2])) + z * h


@GRU_STEP.add(
    "r scales the state itself, without W_hn",
    "In your candidate r scales the state before, and W_hn has no say. What stands in the brackets "
    "behind r in the third line?",
)
def _no_product(x: Tensor, h: Tensor, p: Params) -> Tensor:
    a, b = _sums(x, h, p)
    return _right(a, (b[0], b[1], h), h)


@_from_sums(
    "the reset gate acts on the state that stays",
    "Your old state is reset a second time, in the last line. What does z multiply there, h or "
    "r ⊙ h?",
)
def _reset_twice(a: Parts, b: Parts, h: Tensor) -> Tensor:
    r, z = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
    return (1 - z) * torch.tanh(a[2] + r * b[2]) + z * r * h


@_from_sums(
    "the candidate is taken whole",
    "Your candidate is added whole, and what z keeps of the old state comes on top: the sum may "
    "leave ±1. How much of the candidate is left when z keeps everything?",
)
def _no_complement(a: Parts, b: Parts, h: Tensor) -> Tensor:
    r, z = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
    return torch.tanh(a[2] + r * b[2]) + z * h


@_from_sums(
    "the candidate is returned",
    "Your result is the candidate n: the update gate has no say. What becomes of it in the last "
    "line?",
)
def _returns_candidate(a: Parts, b: Parts, h: Tensor) -> Tensor:
    return torch.tanh(a[2] + torch.sigmoid(a[0] + b[0]) * b[2])


@_from_sums(
    "sigmoid instead of tanh on the candidate",
    "Your candidate is never negative: it went through a sigmoid, as the gates do. Which "
    "function does it have in the formula?",
)
def _sigmoid_candidate(a: Parts, b: Parts, h: Tensor) -> Tensor:
    r, z = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
    return (1 - z) * torch.sigmoid(a[2] + r * b[2]) + z * h


@_from_sums(
    "the candidate is not squashed",
    "Your candidate may be of any size: it is a plain sum. Which function is around it?",
)
def _linear_candidate(a: Parts, b: Parts, h: Tensor) -> Tensor:
    r, z = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
    return (1 - z) * (a[2] + r * b[2]) + z * h


@_from_sums(
    "tanh in the gates",
    "Your gates reach below 0: a tanh made them. Between which two numbers does a share lie, and "
    "which function gives that?",
)
def _tanh_gates(a: Parts, b: Parts, h: Tensor) -> Tensor:
    r, z = torch.tanh(a[0] + b[0]), torch.tanh(a[1] + b[1])
    return (1 - z) * torch.tanh(a[2] + r * b[2]) + z * h


@_from_sums(
    "the gates are not squashed",
    "Your gates leave 0 … 1: they are plain sums. Which function turns a sum into a share?",
)
def _no_sigmoid(a: Parts, b: Parts, h: Tensor) -> Tensor:
    r, z = a[0] + b[0], a[1] + b[1]
    return (1 - z) * torch.tanh(a[2] + r * b[2]) + z * h


@GRU_STEP.add(
    "the biases of the state, b_hh, are left out",
    "Your numbers are what b_hh = 0 would give. There are two biases: are both in use?",
)
def _one_bias(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return _right(*_sums(x, h, p | {"b_hh": torch.zeros_like(p["b_hh"])}), h)


@GRU_STEP.add(
    "both biases are left out",
    "Your numbers are what biases of 0 would give. Which of the parameters have you not used yet?",
)
def _no_bias(x: Tensor, h: Tensor, p: Params) -> Tensor:
    zero = torch.zeros_like(p["b_ih"])
    return _right(*_sums(x, h, p | {"b_ih": zero, "b_hh": zero}), h)


@GRU_STEP.add(
    "the gates do not see the state",
    "Your gates are made from the word alone. Which products stand in the first two lines?",
)
def _blind_gates(x: Tensor, h: Tensor, p: Params) -> Tensor:
    a, b = _sums(x, h, p)
    nothing = torch.zeros_like(b[0])
    return _right(a, (nothing, nothing, b[2]), h)


@GRU_STEP.add(
    "squeeze() without a dim",
    "With one sentence or one number an axis of your result disappears: squeeze() without a dim "
    "drops every axis of size 1. Which axis, if any, did you want gone?",
)
def _squeezed(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return _right(*_sums(x, h, p), h).squeeze()


@GRU_STEP.add(
    "cut along the batch instead of the columns (exception)",
    "Your sums were cut into three along their first axis, the sentences. The gates lie side by "
    "side in the 3·d_h numbers of each sentence: which axis is that?",
)
def _cut_batch(x: Tensor, h: Tensor, p: Params) -> Tensor:
    a_r, a_z, a_n = (x @ p["W_ih"].mT + p["b_ih"]).chunk(3)
    b_r, b_z, b_n = (h @ p["W_hh"].mT + p["b_hh"]).chunk(3)
    return _right((a_r, a_z, a_n), (b_r, b_z, b_n), h)


@GRU_STEP.add(
    "the caller's state is overwritten",
    "Your numbers are right, but the state that was passed in has changed: h *= … and h += … "
    "write into the caller's tensor, as do methods whose name ends in _. Which form makes a new "
    "one?",
)
def _in_place(x: Tensor, h: Tensor, p: Params) -> Tensor:
    h[:] = _right(*_sums(x, h, p), h)
    return h


@GRU_STEP.add(
    "cut into pieces of three numbers (exception)",
    "Your sums were cut into pieces of 3 numbers each, and there are not three such pieces. How "
    "many numbers has a gate, and what does the number you gave stand for, pieces or sizes?",
)
def _pieces_of_three(x: Tensor, h: Tensor, p: Params) -> Tensor:
    a_r, a_z, a_n = (x @ p["W_ih"].mT + p["b_ih"]).split(3, -1)
    b_r, b_z, b_n = (h @ p["W_hh"].mT + p["b_hh"]).split(3, -1)
    return _right((a_r, a_z, a_n), (b_r, b_z, b_n), h)
