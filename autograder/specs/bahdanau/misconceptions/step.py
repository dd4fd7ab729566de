"""Wrong steps of Bahdanau's decoder."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.bank import Bank

BAHDANAU_STEP = Bank()

Params = dict[str, Tensor]
Step = tuple[Tensor, Tensor, Tensor]


def _weights(state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Tensor:
    hidden = torch.tanh((state @ p["W_a"].mT)[:, None] + memory @ p["U_a"].mT)
    real = torch.arange(memory.shape[1], device=memory.device) < lengths[:, None]
    return (hidden @ p["v_a"]).masked_fill(~real, -torch.inf).softmax(-1)


def _context(weights: Tensor, memory: Tensor) -> Tensor:
    return (weights[:, None] @ memory)[:, 0]


def _sum(y: Tensor, state: Tensor, context: Tensor, p: Params) -> Tensor:
    return y @ p["W"].mT + state @ p["U"].mT + context @ p["C"].mT + p["b"]


def _right(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    weights = _weights(state, memory, lengths, p)
    context = _context(weights, memory)
    return torch.tanh(_sum(y, state, context, p)), context, weights


def _other_cell(title: str, hint: str) -> Callable[..., Callable[..., Step]]:
    """Register a step that looks rightly and is wrong in its new state only."""

    def register(cell: Callable[[Tensor, Tensor, Tensor, Params], Tensor]) -> Callable[..., Step]:
        def step(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
            _, context, weights = _right(y, state, memory, lengths, p)
            return cell(y, state, context, p), context, weights

        step.__name__ = cell.__name__
        BAHDANAU_STEP.add(title, hint)(step)
        return step

    return register


@BAHDANAU_STEP.add(
    "the decoder steps first and asks with the new state",
    "Your weights are those of a state that has already read the word y. Stepping first and then "
    "looking is Luong's order, and chapter 4's. Which state is there before anything has moved?",
)
def _steps_first(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    moved = torch.tanh(y @ p["W"].mT + state @ p["U"].mT + p["b"])
    weights = _weights(moved, memory, lengths, p)
    context = _context(weights, memory)
    return torch.tanh(_sum(y, state, context, p)), context, weights


@BAHDANAU_STEP.add(
    "two steps: one before the look and one after it",
    "Your weights are those of a state that has already stepped, and your new state has stepped "
    "twice: first without the context and then with it. How often does a state move for one word, "
    "and what must be known before it does?",
)
def _steps_twice(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    moved = torch.tanh(y @ p["W"].mT + state @ p["U"].mT + p["b"])
    return _right(y, moved, memory, lengths, p)


@BAHDANAU_STEP.add(
    "Luong's whole step: the context stays out of the state",
    "Your new state has read the word but not the context, and it is this new state that asks. "
    "That is chapter 4's order, where what was read goes past the step. Which state asks here, and "
    "where does what it read go?",
)
def _luongs_step(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    moved = torch.tanh(y @ p["W"].mT + state @ p["U"].mT + p["b"])
    weights = _weights(moved, memory, lengths, p)
    return moved, _context(weights, memory), weights


@BAHDANAU_STEP.add(
    "the lengths are ignored",
    "In full sentences all is right; in shorter ones the padding gets weight. Your softmax runs "
    "over all positions: over which should it?",
)
def _no_mask(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    return _right(y, state, memory, torch.full_like(lengths, memory.shape[1]), p)


@BAHDANAU_STEP.add(
    "W_a reads the words and U_a the state",
    "With equal sizes your weights are those of W_a and U_a exchanged; with different sizes the "
    "shapes do not fit. W_a has d_s columns and U_a has d_h: whose numbers does each read?",
)
def _exchanged(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    crossed = p | {"W_a": p["U_a"], "U_a": p["W_a"]}
    return _right(y, state, memory, lengths, crossed)


@BAHDANAU_STEP.add(
    "no tanh in the score",
    "Your new state follows from your weights, but these are those of a score without a tanh. "
    "What stands between v_a and the sum of W_a s and U_a h?",
)
def _linear_score(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    scores = ((state @ p["W_a"].mT)[:, None] + memory @ p["U_a"].mT) @ p["v_a"]
    real = torch.arange(memory.shape[1], device=memory.device) < lengths[:, None]
    weights = scores.masked_fill(~real, -torch.inf).softmax(-1)
    context = _context(weights, memory)
    return torch.tanh(_sum(y, state, context, p)), context, weights


@_other_cell(
    "the context does not reach the new state",
    "You look rightly, but your new state does not move when the context does: what was read is "
    "lost. What does C multiply?",
)
def _no_context(y: Tensor, state: Tensor, context: Tensor, p: Params) -> Tensor:
    return torch.tanh(_sum(y, state, torch.zeros_like(context), p))


@_other_cell(
    "the word does not reach the new state",
    "Your new state does not move when the last word does: the decoder would not know what it has "
    "just written. What does W multiply?",
)
def _no_word(y: Tensor, state: Tensor, context: Tensor, p: Params) -> Tensor:
    return torch.tanh(_sum(torch.zeros_like(y), state, context, p))


@_other_cell(
    "the state before does not reach the new state",
    "Your new state does not move when the one before does: the recurrence is missing. What does "
    "U multiply?",
)
def _no_recurrence(y: Tensor, state: Tensor, context: Tensor, p: Params) -> Tensor:
    return torch.tanh(_sum(y, torch.zeros_like(state), context, p))


@_other_cell(
    "the bias is left out",
    "Your new state is what b = 0 would give. Which of the parameters have you not used yet?",
)
def _no_bias(y: Tensor, state: Tensor, context: Tensor, p: Params) -> Tensor:
    return torch.tanh(_sum(y, state, context, p) - p["b"])


@_other_cell(
    "no tanh on the new state",
    "Your new state leaves ±1: it is a plain sum. What is around W y + U s + C c + b?",
)
def _linear_state(y: Tensor, state: Tensor, context: Tensor, p: Params) -> Tensor:
    return _sum(y, state, context, p)


@_other_cell(
    "U is used without turning it",
    "Your new state is that of U transposed: U is square, so no shape complains. Each row of U "
    "makes one number of the new state: which way round does your product take it?",
)
def _unturned(y: Tensor, state: Tensor, context: Tensor, p: Params) -> Tensor:
    return torch.tanh(_sum(y, state, context, p | {"U": p["U"].mT}))


@_other_cell(
    "W, U and C are used without turning them",
    "With equal sizes your new state is that of W, U and C transposed; with different sizes the "
    "shapes do not fit. A batch has its vectors in rows: which way round does a matrix go to the "
    "right of a row?",
)
def _none_turned(y: Tensor, state: Tensor, context: Tensor, p: Params) -> Tensor:
    return torch.tanh(y @ p["W"] + state @ p["U"] + context @ p["C"] + p["b"])


@_other_cell(
    "the new state is added to the one before",
    "Your new state is the right one plus the one you were given. The state before has gone in "
    "already, through U: does the formula keep it a second time?",
)
def _residual(y: Tensor, state: Tensor, context: Tensor, p: Params) -> Tensor:
    return state + torch.tanh(_sum(y, state, context, p))


@_other_cell(
    "the state before is returned",
    "Weights and context are right, but the state you return is the one you were given: the next "
    "step would start, and look, where this one did. Which state comes out?",
)
def _returns_old(y: Tensor, state: Tensor, context: Tensor, p: Params) -> Tensor:
    return state.clone()


@BAHDANAU_STEP.add(
    "the three results in another order",
    "All three results are right, but the context stands where the state is wanted. Which order "
    "does the task ask for?",
)
def _swapped(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    new, context, weights = _right(y, state, memory, lengths, p)
    return context, new, weights


@BAHDANAU_STEP.add(
    "the weights are returned before the context",
    "All three results are right, but weights and context have changed places. Which of the two "
    "does the task name second?",
)
def _weights_second(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    new, context, weights = _right(y, state, memory, lengths, p)
    return new, weights, context


@BAHDANAU_STEP.add(
    "scores returned in place of the weights",
    "State and context are right, but the third thing you return does not sum to 1: these are the "
    "scores. What was made of them before they met the memory?",
)
def _returns_scores(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    new, context, _ = _right(y, state, memory, lengths, p)
    hidden = torch.tanh((state @ p["W_a"].mT)[:, None] + memory @ p["U_a"].mT)
    return new, context, hidden @ p["v_a"]


@BAHDANAU_STEP.add(
    "the weights keep an axis too many",
    "All numbers are right, but the weights come as (B, 1, S): the axis that the product with the "
    "memory needed is still there. Where should it go again, by its number?",
)
def _extra_axis(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    new, context, weights = _right(y, state, memory, lengths, p)
    return new, context, weights[:, None]


@BAHDANAU_STEP.add(
    "the scores keep an axis too many (exception)",
    "Your scores are (B, S, 1), and the softmax over the real words wants (B, S): the mask of the "
    "padding meets the wrong axis. Is the function that makes your scores right by itself, and "
    "which of its axes has size 1?",
)
def _score_column(y: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, p: Params) -> Step:
    hidden = torch.tanh((state @ p["W_a"].mT)[:, None] + memory @ p["U_a"].mT)
    scores = hidden @ p["v_a"][:, None]
    padding = torch.arange(scores.shape[1], device=scores.device) >= lengths[:, None]
    weights = scores.masked_fill(padding, -torch.inf).softmax(1)
    context = (weights[:, :, None] * memory).sum(1)
    return torch.tanh(_sum(y, state, context, p)), context, weights
