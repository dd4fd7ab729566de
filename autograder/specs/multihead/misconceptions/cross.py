"""Wrong readings of torch's state dict, and cross-attention that asks the wrong sentence."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_lib.attention import scaled_dot_product_attention
from autograder.checks.bank import Bank
from autograder.specs.multihead import oracles
from autograder.specs.multihead.misconceptions.given import masked_softmax

CROSS_ATTENTION = Bank()

Pair = tuple[Tensor, Tensor]
Params = dict[str, Tensor]


@dataclass(frozen=True)
class _Slip:
    """A cross-attention with one thing done differently; as it stands, right.

    ``order`` says which block is taken for query, key and value; ``sides`` which sentence each
    comes from; ``turn`` and ``turn_out`` leave torch's weights as they are, so that they act
    transposed.
    """

    order: str = "qkv"
    sides: str = "xmm"
    turn: bool = False
    turn_out: bool = False
    in_bias: bool = True
    out_bias: bool = True
    scale: str = "head"
    axis: int = -1
    use_mask: bool = True
    zeros: bool = True

    def __call__(
        self, x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params
    ) -> Pair:
        blocks = state["in_proj_weight"].chunk(3)
        biases = state["in_proj_bias"].chunk(3)
        parts = []
        for name, side in zip(self.order, self.sides, strict=True):
            weight = blocks["qkv".index(name)]
            bias = biases["qkv".index(name)] if self.in_bias else None
            tokens = x if side == "x" else memory
            parts.append(self._heads(tokens, weight, bias, num_heads))
        query, key, value = parts
        sizes = {"head": key.shape[-1], "all": x.shape[-1], "none": 1}
        scores = query @ key.mT / math.sqrt(sizes[self.scale])
        mask = mask if self.use_mask else torch.ones_like(mask)
        if self.zeros:
            weights = masked_softmax(scores, mask, self.axis)
        else:
            weights = scores.masked_fill(~mask, -torch.inf).softmax(self.axis)
        return self.out(oracles.merge_heads(weights @ value), state), weights

    def _heads(self, tokens: Tensor, weight: Tensor, bias: Tensor | None, h: int) -> Tensor:
        return oracles.split_heads(F.linear(tokens, weight.mT if self.turn else weight, bias), h)

    def out(self, merged: Tensor, state: Params) -> Tensor:
        weight = state["out_proj.weight"]
        bias = state["out_proj.bias"] if self.out_bias else None
        return F.linear(merged, weight.mT if self.turn_out else weight, bias)


_right = _Slip()


@CROSS_ATTENTION.add(
    "torch's weights are used without turning them",
    "Every product runs, since the blocks are square, and the numbers are wrong: a linear layer of "
    "torch computes x Wᵀ + b. How do its rows and columns lie, compared with exercise 3?",
)
def _unturned(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(turn=True, turn_out=True)(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "in_proj_weight is used without turning it",
    "The output's matrix is used as torch uses it, those of query, key and value are not. Every "
    "product runs, since the blocks are square: what does a linear layer of torch compute?",
)
def _in_unturned(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(turn=True)(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "out_proj.weight is used without turning it",
    "Your weights are right, and the output is not. out_proj is a linear layer of torch, too: how "
    "do its rows and columns lie?",
)
def _out_unturned(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(turn_out=True)(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "both biases are left out",
    "Your numbers are those of a module without biases. The state dict has four entries: how many "
    "have you used?",
)
def _no_biases(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(in_bias=False, out_bias=False)(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "in_proj_bias is left out",
    "Your numbers are those of projections without a bias. Which entry of the state dict have you "
    "not used?",
)
def _no_in_bias(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(in_bias=False)(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "the output's bias is left out",
    "Your weights are right, and the output is off by the same vector everywhere. Which entry of "
    "the state dict have you not used?",
)
def _no_out_bias(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(out_bias=False)(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "key and value blocks have changed places",
    "You take the last block of in_proj_weight for the keys and the middle one for the values. In "
    "which order does the task name the three?",
)
def _k_and_v(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(order="qvk")(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "query and key blocks have changed places",
    "You take the first block of in_proj_weight for the keys and the middle one for the queries. "
    "In which order does the task name the three?",
)
def _q_and_k(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(order="kqv")(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "everything comes from x: self-attention",
    "Your keys and values come from x, so the words that ask look at each other and memory is "
    "never read. In cross-attention, which sentence is asked?",
)
def _self(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(sides="xxx")(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "memory asks, and x is asked",
    "You have the two sentences the other way round: your output has one row for each word of "
    "memory. Who asks in a translator, the decoder or the encoder's memory?",
)
def _roles(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(sides="mxx")(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "keys from memory, values from x",
    "You compare with memory's keys and then average values of x. If something is found in memory, "
    "where should what it gives come from?",
)
def _values_of_x(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(sides="xmx")(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "scaled by √d_model",
    "Your weights are too even: the scores of each head were divided by the root of d_model. Over "
    "how many numbers does the dot product of one head run?",
)
def _by_d_model(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(scale="all")(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "the scores are not scaled",
    "Your weights are those of plain dot products, so they are too extreme. What are the scores "
    "divided by?",
)
def _unscaled(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(scale="none")(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "softmax over the queries instead of the keys",
    "Your columns sum to 1 and your rows do not: the softmax ran over the words that ask. Which "
    "axis of (B, h, L_q, L_k) are a query's choices on?",
)
def _over_queries(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(axis=-2)(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "the mask is not used",
    "Every query looks at all of memory, padding included. What does the given masked_softmax take "
    "beside the scores?",
)
def _mask_unused(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(use_mask=False)(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "the mask is read as torch's module reads it",
    "Each query looks exactly where it must not. torch's module marks what is *forbidden* in its "
    "masks. What does True mean in this course, and in this exercise?",
)
def _inverted(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _right(x, memory, ~mask, num_heads, state)


@CROSS_ATTENTION.add(
    "the rows of in_proj_weight are read head by head",
    "You read in_proj_weight as one block a head, each with a query, a key and a value part. Some "
    "libraries store it so. torch has all queries first: which axis is the outer one, the three "
    "kinds or the heads?",
)
def _by_head(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    regrouped = {
        name: state[name].unflatten(0, (num_heads, 3, -1)).transpose(0, 1).flatten(0, 2)
        for name in ("in_proj_weight", "in_proj_bias")
    }
    return _right(x, memory, mask, num_heads, state | regrouped)


def _reshaped_attention(
    x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params
) -> Pair:
    """Heads that were cut without moving their axis: their contexts and weights."""
    blocks = zip(
        (x, memory, memory), state["in_proj_weight"].chunk(3), state["in_proj_bias"].chunk(3),
        strict=True,
    )  # fmt: skip
    query, key, value = (
        F.linear(tokens, w, b).reshape(len(x), num_heads, tokens.shape[1], -1)
        for tokens, w, b in blocks
    )
    return scaled_dot_product_attention(query, key, value, mask)


@CROSS_ATTENTION.add(
    "heads cut by a reshape alone: they mix words",
    "With one head all is well; with more, each head holds pieces of some words and nothing of the "
    "others. How did you cut the projections: with the function of exercise 1, and did that one "
    "pass?",
)
def _reshaped(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    context, weights = _reshaped_attention(x, memory, mask, num_heads, state)
    return _right.out(oracles.merge_heads(context), state), weights


@CROSS_ATTENTION.add(
    "cut and merged by a reshape alone",
    "With one head all is well; with more, a word knows only its part of the sentence: your heads "
    "were cut without moving their axis, and put together the same way. Do exercises 1 and 2 "
    "pass, and do you call them here?",
)
def _only_reshaped(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    context, weights = _reshaped_attention(x, memory, mask, num_heads, state)
    return _right.out(context.reshape(x.shape), state), weights


@CROSS_ATTENTION.add(
    "the weights are averaged over the heads",
    "Your output is right, but the second thing you return is one map a sentence. torch's module "
    "averages its maps unless told otherwise; what does this exercise ask for?",
)
def _averaged(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    output, weights = _right(x, memory, mask, num_heads, state)
    return output, weights.mean(1)


@CROSS_ATTENTION.add(
    "a query that may look nowhere does not get zeros",
    "All is well until a query may look nowhere: there you have NaN, or a query that looks "
    "everywhere. A function in the cell above the exercises knows what to do: do you use it?",
)
def _nan_rows(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _Slip(zeros=False)(x, memory, mask, num_heads, state)


@CROSS_ATTENTION.add(
    "the result is cut off from the inputs: no gradient",
    "Your values are right, but no gradient reaches the sentences or the parameters. .detach(), "
    ".data, .tolist(), NumPy and torch.no_grad() all cut that line: where does your result pass "
    "through one?",
)
@torch.no_grad()
def _no_gradient(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    return _right(x, memory, mask, num_heads, state)
