"""Wrong steps of an LSTM."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.bank import Bank

LSTM_STEP = Bank()

Params = dict[str, Tensor]
Pair = tuple[Tensor, Tensor]


def _sum(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return x @ p["W_ih"].mT + p["b_ih"] + h @ p["W_hh"].mT + p["b_hh"]


def _from_gates(
    title: str, hint: str
) -> Callable[[Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Pair]], Callable[..., Pair]]:
    """Register a step whose four sums are right, and what it makes of them and c is not."""

    def register(
        wrong: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Pair],
    ) -> Callable[..., Pair]:
        def step(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
            i, f, g, o = _sum(x, h, p).chunk(4, -1)
            return wrong(i, f, g, o, c)

        step.__name__ = wrong.__name__
        LSTM_STEP.add(title, hint)(step)
        return step

    return register


def _right(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(new), new


def _other_order(name: str, title: str, hint: str, order: tuple[int, int, int, int]) -> None:
    """Register a step that takes the blocks for i, f, g, o in another order."""

    def step(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
        blocks = _sum(x, h, p).chunk(4, -1)
        i, f, g, o = (blocks[k] for k in order)
        return _right(i, f, g, o, c)

    step.__name__ = name
    LSTM_STEP.add(title, hint)(step)


_ORDER = "The four blocks of rows have a fixed order, named in the task: {} Which is yours?"
_other_order(
    "forget_first", "the blocks taken in the order f, i, g, o",
    _ORDER.format("your cell is what input and forget gate give when they change places."),
    (1, 0, 2, 3),
)  # fmt: skip
_other_order(
    "output_third", "the blocks taken in the order i, f, o, g",
    _ORDER.format("your numbers are those of the third and the last block changed round."),
    (0, 1, 3, 2),
)  # fmt: skip
_other_order(
    "paper_order", "the blocks taken in the order f, i, o, g",
    _ORDER.format("your numbers are those of f, i, o, g, as some texts list them."),
    (1, 0, 3, 2),
)  # fmt: skip


@_from_gates(
    "the gates are not squashed",
    "With all parameters 0 your gates are 0, not half open, and elsewhere they leave 0 … 1: the "
    "gates are plain sums. Which function turns a sum into a share?",
)
def _no_sigmoid(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    new = f * c + i * torch.tanh(g)
    return o * torch.tanh(new), new


@_from_gates(
    "tanh in the gates",
    "Your gates reach below 0: a tanh made them, and a gate of −1 turns its vector round. "
    "Between which two numbers does a gate lie, and which function gives that?",
)
def _tanh_gates(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    new = torch.tanh(f) * c + torch.tanh(i) * torch.tanh(g)
    return torch.tanh(o) * torch.tanh(new), new


@_from_gates(
    "sigmoid instead of tanh on the candidate",
    "What is written to your cell is never negative: the candidate g went through a sigmoid, as "
    "the gates do. Which function does it have in the formula?",
)
def _sigmoid_candidate(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.sigmoid(g)
    return torch.sigmoid(o) * torch.tanh(new), new


@_from_gates(
    "sigmoid on all four, then tanh on the candidate",
    "The candidate g went through two functions: a sigmoid for all four vectors, then its tanh. "
    "Which of the four are gates, and which one is not?",
)
def _squashed_twice(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    return _right(i, f, torch.sigmoid(g), o, c)


@_from_gates(
    "the candidate is not squashed",
    "What is written to your cell may be of any size: the candidate g is a plain sum. Which "
    "function is around it?",
)
def _linear_candidate(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    new = torch.sigmoid(f) * c + torch.sigmoid(i) * g
    return torch.sigmoid(o) * torch.tanh(new), new


@_from_gates(
    "no forget gate",
    "Your cell keeps all of what it held: no forget gate acts on it. That is the LSTM of 1997; "
    "which of the four blocks do you never use?",
)
def _no_forget(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    new = c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(new), new


@_from_gates(
    "no input gate",
    "Your cell takes in the candidate whole: no input gate acts on it. Which of the four blocks "
    "do you never use?",
)
def _no_input_gate(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    new = torch.sigmoid(f) * c + torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(new), new


@_from_gates(
    "no output gate",
    "Your cell is right; your state is tanh of it, whole. Which gate says how much of it is shown?",
)
def _no_output_gate(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    _, new = _right(i, f, g, o, c)
    return torch.tanh(new), new


@_from_gates(
    "the cell itself is squashed",
    "The cell you return is a tanh: whatever it keeps is squashed again at every step. Where in "
    "the formula does the tanh of the cell stand, in the line for c or in the one for h?",
)
def _squashed_cell(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    h, new = _right(i, f, g, o, c)
    return h, torch.tanh(new)


@_from_gates(
    "⊙ as a matrix product (exception)",
    "A gate was multiplied with its vector as matrices are, and the shapes do not fit. What does "
    "⊙ do with two vectors of one size, and which operator does that?",
)
def _matrix_product(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    new = torch.sigmoid(f) @ c + torch.sigmoid(i) @ torch.tanh(g)
    return torch.sigmoid(o) @ torch.tanh(new), new


@_from_gates(
    "no tanh on the cell in the state",
    "Your cell is right; your state is σ(o) times the cell itself, and may leave ±1. What is "
    "around c in the last line of the formula?",
)
def _no_tanh(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    _, new = _right(i, f, g, o, c)
    return torch.sigmoid(o) * new, new


@_from_gates(
    "the state is made from the cell before",
    "Your cell is right; your state was made from the one you were given. Which cell stands in "
    "the last line of the formula, c of this step or of the step before?",
)
def _old_cell(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    _, new = _right(i, f, g, o, c)
    return torch.sigmoid(o) * torch.tanh(c), new


@_from_gates(
    "what is written is 1 − f, not i",
    "Your cell takes in 1 − σ(f) of the candidate: as much as the forget gate lets go. A GRU "
    "couples the two so; an LSTM has a gate of its own for writing: which?",
)
def _coupled(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    keep = torch.sigmoid(f)
    new = keep * c + (1 - keep) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(new), new


@_from_gates(
    "the forget gate says what is forgotten, not what is kept",
    "With an open forget gate your cell loses everything: you multiply by 1 − σ(f). In spite of "
    "its name, what does the gate let through in the formula?",
)
def _forgets(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    new = (1 - torch.sigmoid(f)) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(new), new


@_from_gates(
    "the cell is returned before the state",
    "Both vectors are right, in the other order: the cell stands where the state is wanted. "
    "Which order does the task ask for?",
)
def _swapped(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    h, new = _right(i, f, g, o, c)
    return new, h


@_from_gates(
    "the cell before is returned",
    "Your state is right, but the cell you return is the one you were given: the next step would "
    "start from where this one did. Which cell comes out?",
)
def _returns_old(i: Tensor, f: Tensor, g: Tensor, o: Tensor, c: Tensor) -> Pair:
    h, _ = _right(i, f, g, o, c)
    return h, c.clone()


@LSTM_STEP.add(
    "the state before is left out of the gates",
    "Your gates do not move when the state before does: they see the word alone. What does W_hh "
    "multiply?",
)
def _no_recurrence(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
    i, f, g, o = (x @ p["W_ih"].mT + p["b_ih"]).chunk(4, -1)
    return _right(i, f, g, o, c)


@LSTM_STEP.add(
    "the forget gate keeps the state instead of the cell",
    "What your forget gate keeps is the state before, not the cell before: the cell you were given "
    "has no say. Which of the two stands in the second line of the formula?",
)
def _keeps_state(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
    i, f, g, o = _sum(x, h, p).chunk(4, -1)
    return _right(i, f, g, o, h)


@LSTM_STEP.add(
    "the gates see the cell instead of the state",
    "Your gates move with the cell before and not with the state before. Which of the two does "
    "W_hh multiply?",
)
def _gates_see_cell(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
    i, f, g, o = _sum(x, c, p).chunk(4, -1)
    return _right(i, f, g, o, c)


@LSTM_STEP.add(
    "the bias b_hh is left out",
    "Your numbers are what b_hh = 0 would give. There are two biases: are both in your sum?",
)
def _one_bias(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
    i, f, g, o = _sum(x, h, p | {"b_hh": torch.zeros_like(p["b_hh"])}).chunk(4, -1)
    return _right(i, f, g, o, c)


@LSTM_STEP.add(
    "both biases are left out",
    "Your numbers are what biases of 0 would give. Which of the parameters have you not used yet?",
)
def _no_bias(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
    i, f, g, o = (x @ p["W_ih"].mT + h @ p["W_hh"].mT).chunk(4, -1)
    return _right(i, f, g, o, c)


@LSTM_STEP.add(
    "the gates are interleaved instead of blocks",
    "Your four vectors take every fourth number each. The rows of one gate stand together, d_h of "
    "them, one block below the other: how must the 4·d_h numbers be cut?",
)
def _interleaved(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
    i, f, g, o = _sum(x, h, p).unflatten(-1, (-1, 4)).unbind(-1)
    return _right(i, f, g, o, c)


@LSTM_STEP.add(
    "cut by view(4, B, d_h), across the sentences",
    "The numbers of different sentences are mixed: a view with 4 as its first axis takes the first "
    "quarter of all numbers, the first sentences, for i. Which axis holds the four blocks?",
)
def _cut_by_view(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
    i, f, g, o = _sum(x, h, p).reshape(4, len(x), -1)
    return _right(i, f, g, o, c)


@LSTM_STEP.add(
    "cut along the batch instead of the columns (exception)",
    "Your sum was cut into four along its first axis, the sentences. The gates lie side by side "
    "in the 4·d_h numbers of each sentence: which axis is that?",
)
def _cut_batch(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
    i, f, g, o = _sum(x, h, p).chunk(4)
    return _right(i, f, g, o, c)


@LSTM_STEP.add(
    "squeeze() without a dim",
    "With one sentence or one number an axis of your result disappears: squeeze() without a dim "
    "drops every axis of size 1. Which axis, if any, did you want gone?",
)
def _squeezed(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
    i, f, g, o = _sum(x, h, p).chunk(4, -1)
    new_h, new_c = _right(i, f, g, o, c)
    return new_h.squeeze(), new_c.squeeze()


@LSTM_STEP.add(
    "the caller's cell is overwritten",
    "Your numbers are right, but the cell that was passed in has changed: c *= … and c += … "
    "write into the caller's tensor, as do methods whose name ends in _. Which form makes a new "
    "one?",
)
def _in_place(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
    i, f, g, o = _sum(x, h, p).chunk(4, -1)
    c *= torch.sigmoid(f)
    c += torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


@LSTM_STEP.add(
    "cut into pieces of four numbers (exception)",
    "Your sum was cut into pieces of 4 numbers each, and there are not four such pieces. How many "
    "numbers has a gate, and what does the number you gave stand for, pieces or sizes?",
)
def _pieces_of_four(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Pair:
    i, f, g, o = _sum(x, h, p).split(4, -1)
    return _right(i, f, g, o, c)


@LSTM_STEP.add(
    "only the state is returned",
    "You return the new state alone. The next step needs another vector as well: which?",
)
def _state_only(x: Tensor, h: Tensor, c: Tensor, p: Params) -> Tensor:
    i, f, g, o = _sum(x, h, p).chunk(4, -1)
    return _right(i, f, g, o, c)[0]
