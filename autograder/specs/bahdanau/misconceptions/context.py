"""Wrong contexts."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

CONTEXT_VECTOR = Bank()


@CONTEXT_VECTOR.add(
    "the plain mean of the memory",
    "Your context does not move when the weights do: it is the plain mean of all states. What "
    "should each state be multiplied by?",
)
def _mean(weights: Tensor, memory: Tensor) -> Tensor:
    return memory.mean(1) + 0 * weights.sum()


@CONTEXT_VECTOR.add(
    "divided by the number of words",
    "Your context is the right one divided by S. The weights sum to 1 already: does an average by "
    "weights need another division?",
)
def _divided(weights: Tensor, memory: Tensor) -> Tensor:
    return (weights[..., None] * memory).mean(1)


@CONTEXT_VECTOR.add(
    "only the word with the largest weight is read",
    "Your context is the state of a single word, the one with the largest weight. The choice of "
    "a largest has no gradient, so nothing could be learned. How much does each other word "
    "bring in?",
)
def _hard(weights: Tensor, memory: Tensor) -> Tensor:
    return memory[torch.arange(len(memory)), weights.argmax(-1)] + 0 * weights.sum()


@CONTEXT_VECTOR.add(
    "a softmax over weights that are weights already",
    "Your context is too near the plain mean: the weights went through a softmax once more. What "
    "do they sum to as they come in?",
)
def _twice(weights: Tensor, memory: Tensor) -> Tensor:
    return (weights.softmax(-1)[:, None] @ memory)[:, 0]


@CONTEXT_VECTOR.add(
    "summed over the numbers of a state instead of the words",
    "Your result has one number a word, (B, S): you summed over the numbers of each state. The "
    "context is a state again: over which axis of (B, S, d_h) does it forget?",
)
def _wrong_axis(weights: Tensor, memory: Tensor) -> Tensor:
    return (weights[..., None] * memory).sum(-1)


@CONTEXT_VECTOR.add(
    "the states are weighted but not summed",
    "Your result is (B, S, d_h): every state times its weight, side by side. One context a "
    "sentence is wanted: what does the Σ in the formula still ask for?",
)
def _not_summed(weights: Tensor, memory: Tensor) -> Tensor:
    return weights[..., None] * memory


@CONTEXT_VECTOR.add(
    "an axis of size 1 is left over",
    "All numbers are right, but the context comes as (B, 1, d_h): the axis that the product needed "
    "is still there. Which one is it, by its number?",
)
def _extra_axis(weights: Tensor, memory: Tensor) -> Tensor:
    return weights[:, None] @ memory


@CONTEXT_VECTOR.add(
    "squeeze() without a dim",
    "With one sentence, or states of one number, an axis of your result disappears: squeeze() "
    "without a dim drops every axis of size 1, not just the one you mean. Which one do you mean?",
)
def _squeezed(weights: Tensor, memory: Tensor) -> Tensor:
    return (weights[:, None] @ memory).squeeze()


@CONTEXT_VECTOR.add(
    "every sentence's weights meet every sentence's memory",
    "Your result has an axis too many, of B: a matrix (B, S) times a stack of matrices (B, S, d_h) "
    "reads the first as one matrix for all sentences. Which axis would keep the sentences apart?",
)
def _all_with_all(weights: Tensor, memory: Tensor) -> Tensor:
    return weights @ memory


@CONTEXT_VECTOR.add(
    "summed over the sentences of the batch",
    "With one sentence your context is right; with more, each holds words of all of them. In an "
    "einsum a letter that is missing from the result is summed over: do both operands share "
    "the letter of the batch?",
)
def _over_the_batch(weights: Tensor, memory: Tensor) -> Tensor:
    return torch.einsum("bs,csd->bd", weights, memory)


@CONTEXT_VECTOR.add(
    "the weights lack an axis (exception)",
    "Your code multiplies (B, S) by (B, S, d_h) number by number, and torch lines axes up from the "
    "right: S would meet d_h. Where do the weights need an axis of size 1?",
)
def _no_axis(weights: Tensor, memory: Tensor) -> Tensor:
    return (weights * memory).sum(1)


@CONTEXT_VECTOR.add(
    "the result is cut off from the inputs: no gradient",
    "Your context is right, but no gradient reaches weights or memory, so nothing could be learned "
    "through it. .detach(), .data, .tolist(), NumPy and torch.no_grad() all cut that line: where "
    "does your result pass through one?",
)
def _no_gradient(weights: Tensor, memory: Tensor) -> Tensor:
    return (weights[:, None] @ memory)[:, 0].detach()
