"""Wrong attentional vectors and wrong decoder steps."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.bank import Bank

ATTENTIONAL_VECTOR = Bank()
LUONG_STEP = Bank()

Params = dict[str, Tensor]
Step = tuple[Tensor, Tensor, Tensor]


@ATTENTIONAL_VECTOR.add(
    "the tanh is missing",
    "Your components leave ±1 when the inputs are large: the result is linear. What is around "
    "W_c [c; h]?",
)
def _no_tanh(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.cat([context, hidden], -1) @ weight.mT


@ATTENTIONAL_VECTOR.add(
    "hidden before context",
    "Your numbers are those of [h; c]. The first columns of W_c read one of the two: which one "
    "does the formula name first?",
)
def _hidden_first(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(torch.cat([hidden, context], -1) @ weight.mT)


@ATTENTIONAL_VECTOR.add(
    "the hidden state is left out",
    "Your result does not move when the hidden state does: only the context went in. What does "
    "the decoder itself know at this step?",
)
def _context_only(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(context @ weight[:, : context.shape[-1]].mT)


@ATTENTIONAL_VECTOR.add(
    "the context is left out",
    "Your result does not move when the context does: only the hidden state went in. Then why "
    "attend at all?",
)
def _hidden_only(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(hidden @ weight[:, context.shape[-1] :].mT)


@ATTENTIONAL_VECTOR.add(
    "sigmoid instead of tanh",
    "All your components are positive: they went through a sigmoid. Which function runs from "
    "−1 to 1?",
)
def _sigmoid(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.sigmoid(torch.cat([context, hidden], -1) @ weight.mT)


@ATTENTIONAL_VECTOR.add(
    "ReLU instead of tanh",
    "None of your components is negative and large ones are not bounded: that is a ReLU. Which "
    "function does the formula name?",
)
def _relu(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.relu(torch.cat([context, hidden], -1) @ weight.mT)


@ATTENTIONAL_VECTOR.add(
    "the tanh comes before W_c",
    "Your numbers are those of W_c tanh([c; h]): the inputs are bent, the result is not bounded "
    "by 1. In which order do the two act?",
)
def _tanh_first(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(torch.cat([context, hidden], -1)) @ weight.mT


@ATTENTIONAL_VECTOR.add(
    "W_c is used transposed",
    "Where W_c is square your numbers are those of its transpose; elsewhere the shapes do not "
    "fit. W_c is (d_out, d_k + d_q): which of its axes should meet the vector?",
)
def _transposed(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(torch.cat([context, hidden], -1) @ weight)


@ATTENTIONAL_VECTOR.add(
    "context and hidden state added, not joined (exception)",
    "Your code adds context and hidden state, number by number, which their sizes do not allow. "
    "In the formula [c; h] puts one below the other: how many numbers does that have, and how "
    "many columns has W_c?",
)
def _added(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh((context + hidden) @ weight.mT)


@ATTENTIONAL_VECTOR.add(
    "W_c on the left of the whole batch (exception)",
    "The formula is about one column vector, and there W_c stands on the left. Your [c; h] is "
    "(B, T, d_k + d_q): a batch of rows. On which side of a row must a matrix stand to read its "
    "numbers, and which way round?",
)
def _weight_left(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(weight @ torch.cat([context, hidden], -1))


@ATTENTIONAL_VECTOR.add(
    "squeeze() without a dim",
    "With one sentence, one step or one number an axis of your result disappears: squeeze() "
    "without a dim drops every axis of size 1. Which axis, if any, did you want gone?",
)
def _squeezed(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(torch.cat([context, hidden], -1) @ weight.mT).squeeze()


@ATTENTIONAL_VECTOR.add(
    "context and hidden state bent apart and added",
    "Your numbers are those of tanh(W c) + tanh(W h), and reach beyond 1. The two parts meet "
    "first: where does the tanh belong?",
)
def _two_tanhs(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    w_context, w_hidden = weight.split([context.shape[-1], hidden.shape[-1]], 1)
    return torch.tanh(context @ w_context.mT) + torch.tanh(hidden @ w_hidden.mT)


def _cell(inputs: Tensor, state: Tensor, p: Params) -> Tensor:
    return torch.tanh(inputs @ p["W_ih"].mT + state @ p["W_hh"].mT + p["b"])


def _softmax(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -torch.inf).softmax(-1)


def _weights(query: Tensor, memory: Tensor, mask: Tensor, p: Params) -> Tensor:
    return _softmax((query @ p["W_a"])[:, None] @ memory.mT, mask[:, None])[:, 0]


def _context(weights: Tensor, memory: Tensor) -> Tensor:
    return (weights[:, None] @ memory)[:, 0]


def _right_state(y: Tensor, attentional: Tensor, state: Tensor, p: Params) -> Tensor:
    return _cell(torch.cat([y, attentional], -1), state, p)


def _finish(new: Tensor, memory: Tensor, mask: Tensor, p: Params) -> Step:
    """The rest of a step, right from the new state on."""
    weights = _weights(new, memory, mask, p)
    joined = torch.cat([_context(weights, memory), new], -1)
    return torch.tanh(joined @ p["W_c"].mT), new, weights


def _other_cell(title: str, hint: str) -> Callable[..., Callable[..., Step]]:
    """Register a step that is wrong in its new state only."""

    def register(cell: Callable[[Tensor, Tensor, Tensor, Params], Tensor]) -> Callable[..., Step]:
        def step(
            y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
        ) -> Step:
            return _finish(cell(y, attentional, state, p), memory, mask, p)

        step.__name__ = cell.__name__
        LUONG_STEP.add(title, hint)(step)
        return step

    return register


@_other_cell(
    "input feeding is left out",
    "Your state does not move when the last attentional vector does: zeros stand in its place. "
    "Input feeding hands the last h̃ to the cell together with the word: what is joined to y?",
)
def _no_input_feeding(y: Tensor, attentional: Tensor, state: Tensor, p: Params) -> Tensor:
    return _cell(torch.cat([y, torch.zeros_like(attentional)], -1), state, p)


@_other_cell(
    "h̃ before the word in the cell's input",
    "Your state is that of the input [h̃; y]. The columns of W_ih belong to the two parts in "
    "a fixed order: which comes first?",
)
def _feeding_first(y: Tensor, attentional: Tensor, state: Tensor, p: Params) -> Tensor:
    return _cell(torch.cat([attentional, y], -1), state, p)


@_other_cell(
    "no tanh on the state",
    "Your new state leaves ±1: it is a plain sum. What is around W_ih x + W_hh h + b?",
)
def _linear_state(y: Tensor, attentional: Tensor, state: Tensor, p: Params) -> Tensor:
    return torch.cat([y, attentional], -1) @ p["W_ih"].mT + state @ p["W_hh"].mT + p["b"]


@_other_cell(
    "the bias is left out",
    "Your new state is what b = 0 would give. Which of the parameters have you not used yet?",
)
def _no_bias(y: Tensor, attentional: Tensor, state: Tensor, p: Params) -> Tensor:
    return _cell(torch.cat([y, attentional], -1), state, p | {"b": torch.zeros_like(p["b"])})


@_other_cell(
    "the last state is left out",
    "Your new state does not move when the last one does: the recurrence is missing. What does "
    "W_hh multiply?",
)
def _no_recurrence(y: Tensor, attentional: Tensor, state: Tensor, p: Params) -> Tensor:
    return _cell(torch.cat([y, attentional], -1), torch.zeros_like(state), p)


@_other_cell(
    "W_hh is used transposed",
    "Your new state is that of W_hh transposed: W_hh is square, so no shape complains. Each row "
    "of W_hh makes one number of the new state: which way round does your product take it?",
)
def _transposed_recurrence(y: Tensor, attentional: Tensor, state: Tensor, p: Params) -> Tensor:
    return _cell(torch.cat([y, attentional], -1), state, p | {"W_hh": p["W_hh"].mT})


@LUONG_STEP.add(
    "scores computed with the last state",
    "Your new state is right, but the weights are those that the state before would give. That "
    "is Bahdanau's order; in Luong's, the cell goes first: which state asks?",
)
def _old_query(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    new = _right_state(y, attentional, state, p)
    weights = _weights(state, memory, mask, p)
    joined = torch.cat([_context(weights, memory), new], -1)
    return torch.tanh(joined @ p["W_c"].mT), new, weights


@LUONG_STEP.add(
    "h̃ joins the context with the last state",
    "State and weights are right, but h̃ was made from the state before. Which state stands "
    "beside c in W_c [c; h]?",
)
def _old_joined(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    _, new, weights = _finish(_right_state(y, attentional, state, p), memory, mask, p)
    joined = torch.cat([_context(weights, memory), state], -1)
    return torch.tanh(joined @ p["W_c"].mT), new, weights


@LUONG_STEP.add(
    "the last state is returned",
    "Your h̃ and weights are right, but the state you return is the one you were given: the next "
    "step would start from where this one did. Which state comes out?",
)
def _returns_old(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    vector, _, weights = _finish(_right_state(y, attentional, state, p), memory, mask, p)
    return vector, state, weights


@LUONG_STEP.add(
    "[h; c] instead of [c; h] for h̃",
    "State and weights are right, and h̃ is that of [h; c]. The first columns of W_c read one of "
    "the two: which one does the formula name first?",
)
def _hidden_before_context(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    _, new, weights = _finish(_right_state(y, attentional, state, p), memory, mask, p)
    joined = torch.cat([new, _context(weights, memory)], -1)
    return torch.tanh(joined @ p["W_c"].mT), new, weights


@LUONG_STEP.add(
    "no tanh on h̃",
    "State and weights are right; h̃ leaves ±1. What is around W_c [c; h]?",
)
def _linear_vector(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    _, new, weights = _finish(_right_state(y, attentional, state, p), memory, mask, p)
    return torch.cat([_context(weights, memory), new], -1) @ p["W_c"].mT, new, weights


@LUONG_STEP.add(
    "the mask is ignored",
    "Your state is right, but padding gets weight: the softmax has not seen the mask. Where does "
    "it go in?",
)
def _no_mask(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    everything = torch.ones_like(mask)
    return _finish(_right_state(y, attentional, state, p), memory, everything, p)


@LUONG_STEP.add(
    "the context is returned in place of h̃",
    "State and weights are right; the first thing you return is the context c itself. What does "
    "Luong's decoder make of c and h before it predicts, and hands on?",
)
def _returns_context(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    _, new, weights = _finish(_right_state(y, attentional, state, p), memory, mask, p)
    return _context(weights, memory), new, weights


@LUONG_STEP.add(
    "the state is returned before h̃",
    "All three results are right, in another order: the state stands where h̃ is wanted. Which "
    "order does the task ask for?",
)
def _swapped_return(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    vector, new, weights = _finish(_right_state(y, attentional, state, p), memory, mask, p)
    return new, vector, weights


@LUONG_STEP.add(
    "scores divided by √d",
    "Your state is right; the weights are those of scores divided by the root of the state's "
    "size. That belongs to the Transformer: does Luong's general score have a scale?",
)
def _scaled(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    new = _right_state(y, attentional, state, p)
    weights = _weights(new / new.shape[-1] ** 0.5, memory, mask, p)
    joined = torch.cat([_context(weights, memory), new], -1)
    return torch.tanh(joined @ p["W_c"].mT), new, weights


@LUONG_STEP.add(
    "the weights keep an axis too many",
    "All numbers are right, but the weights come as (B, 1, S): the axis that the one query needed "
    "for the product is still there. Where should it go again, by its number?",
)
def _extra_axis(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    vector, new, weights = _finish(_right_state(y, attentional, state, p), memory, mask, p)
    return vector, new, weights[:, None]


_NO_STEP_AXIS = (
    "With one sentence your step is right; with more, it is not: the scores are (B, 1, S) and the "
    "mask is (B, S), so torch lines the sentences of the mask up with the axis of the steps. {} "
    "Which axis does the mask lack, and where?"
)


def _weights_of_masks(new: Tensor, memory: Tensor, mask: Tensor, p: Params) -> Tensor:
    """(B, B, S): every sentence's scores under every sentence's mask."""
    return _softmax((new @ p["W_a"])[:, None] @ memory.mT, mask)


@LUONG_STEP.add(
    "the mask lacks the axis of the steps (exception)",
    _NO_STEP_AXIS.format("The sizes then clash, there or further on."),
)
def _mask_without_step(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    new = _right_state(y, attentional, state, p)
    weights = _weights_of_masks(new, memory, mask, p)
    joined = torch.cat([weights @ memory, new[:, None]], -1)
    return torch.tanh(joined @ p["W_c"].mT)[:, 0], new, weights[:, 0]


@LUONG_STEP.add(
    "the mask lacks the axis of the steps: all sentences get the first one's",
    _NO_STEP_AXIS.format("Taking the first step then leaves everyone with the first mask."),
)
def _first_mask(
    y: Tensor, attentional: Tensor, state: Tensor, memory: Tensor, mask: Tensor, p: Params
) -> Step:
    new = _right_state(y, attentional, state, p)
    weights = _weights_of_masks(new, memory, mask, p)[:, 0]
    joined = torch.cat([_context(weights, memory), new], -1)
    return torch.tanh(joined @ p["W_c"].mT), new, weights
