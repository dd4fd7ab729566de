"""Wrong self-attention with several heads."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from attention_lib.attention import scaled_dot_product_attention
from autograder.checks.bank import Bank
from autograder.specs.multihead import oracles
from autograder.specs.multihead.misconceptions.given import masked_softmax

SELF_ATTENTION = Bank()

Pair = tuple[Tensor, Tensor]
Triple = tuple[Tensor, Tensor, Tensor]
Params = dict[str, Tensor]


def _cut(
    x: Tensor, params: Params, into_heads: Callable[[Tensor], Tensor], names: str = "qkv"
) -> Triple:
    """Project the words with the matrices of these names, and cut the results into heads."""
    query, key, value = (into_heads(x @ params[f"W_{name}"]) for name in names)
    return query, key, value


def _heads(x: Tensor, num_heads: int, params: Params, names: str = "qkv") -> Triple:
    return _cut(x, params, lambda part: oracles.split_heads(part, num_heads), names)


def _scores(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.mT / math.sqrt(key.shape[-1])


def _finish(weights: Tensor, value: Tensor, params: Params) -> Pair:
    return oracles.merge_heads(weights @ value) @ params["W_o"], weights


def _layer(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, params: Params, scale: float = 1.0
) -> Pair:
    """The rest of a right layer, for heads that are wrong; ``scale`` multiplies the scores."""
    return _finish(masked_softmax(_scores(query, key) * scale, mask), value, params)


@SELF_ATTENTION.add(
    "scaled by the root of all heads' width",
    "Your weights are too even, the more so, the more heads there are: the scores were divided by "
    "the root of all h · d_k numbers of W_q's result. Over how many numbers does the dot product "
    "of *one* head run?",
)
def _by_width(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    return _layer(*_heads(x, num_heads, params), mask, params, num_heads**-0.5)


@SELF_ATTENTION.add(
    "scaled by √d_model",
    "You divide the scores by the root of d_model, the size of a word. Between which vectors is "
    "the dot product taken, and how many numbers does one of them have?",
)
def _by_d_model(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    return _layer(query, key, value, mask, params, math.sqrt(key.shape[-1] / x.shape[-1]))


@SELF_ATTENTION.add(
    "scaled by √(d_model / h)",
    "You divide by the root of d_model / h, which is the size of a head where the four matrices "
    "are square. These need not be: which of your tensors knows how many numbers its dot product "
    "runs over?",
)
def _by_share(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    share = x.shape[-1] / num_heads
    return _layer(query, key, value, mask, params, math.sqrt(key.shape[-1] / share))


@SELF_ATTENTION.add(
    "scaled by √d_v",
    "You divide the scores by the root of the size of a value. The values have no part in the "
    "scores: between which two vectors is the dot product taken?",
)
def _by_d_v(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    return _layer(query, key, value, mask, params, math.sqrt(key.shape[-1] / value.shape[-1]))


@SELF_ATTENTION.add(
    "scaled by d_k, not by its root",
    "Your weights are too even: the scores were divided by d_k itself. What is missing in your "
    "denominator, compared with the formula?",
)
def _no_root(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    return _layer(query, key, value, mask, params, key.shape[-1] ** -0.5)


@SELF_ATTENTION.add(
    "the scores are not scaled",
    "Your weights are those of plain dot products, so they are too extreme. What does chapter 7 "
    "divide the scores by, and which number is that for a single head?",
)
def _unscaled(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    return _layer(query, key, value, mask, params, math.sqrt(key.shape[-1]))


@SELF_ATTENTION.add(
    "one head does it all: num_heads is not used",
    "You return the weights of a single head, as wide as all together. Where in your function "
    "should the projections be cut?",
)
def _one_head(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    return _layer(*_heads(x, 1, params), mask, params)


@SELF_ATTENTION.add(
    "heads cut by a reshape alone: they mix words",
    "With one head all is well; with more, each of your heads holds pieces of some words and "
    "nothing of the others. How did you cut the projections: with the function of exercise 1, and "
    "did that one pass?",
)
def _reshaped(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    b, length, _ = x.shape
    cut = _cut(x, params, lambda part: part.reshape(b, num_heads, length, -1))
    return _layer(*cut, mask, params)


@SELF_ATTENTION.add(
    "cut and merged by a reshape alone",
    "With one head all is well; with more, a word knows only its part of the sentence: your heads "
    "were cut without moving their axis, and put together the same way. Do exercises 1 and 2 "
    "pass, and do you call them here?",
)
def _only_reshaped(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    b, length, _ = x.shape
    cut = _cut(x, params, lambda part: part.reshape(b, num_heads, length, -1))
    context, weights = scaled_dot_product_attention(*cut, mask)
    return context.reshape(b, length, -1) @ params["W_o"], weights


@SELF_ATTENTION.add(
    "interleaved heads",
    "Each of your heads takes every h-th number of the projections. A model trained from the "
    "start would not mind, but the columns of these matrices belong to heads that lie together. "
    "Did exercise 1 pass?",
)
def _interleaved(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    cut = _cut(x, params, lambda p: p.unflatten(-1, (-1, num_heads)).permute(0, 3, 1, 2))
    context, weights = scaled_dot_product_attention(*cut, mask)
    return context.permute(0, 2, 3, 1).flatten(2) @ params["W_o"], weights


@SELF_ATTENTION.add(
    "interleaved heads, merged as they should be",
    "Each of your heads takes every h-th number of the projections, and the columns of these "
    "matrices belong to heads that lie together. Did exercise 1 pass?",
)
def _cut_interleaved(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    cut = _cut(x, params, lambda p: p.unflatten(-1, (-1, num_heads)).permute(0, 3, 1, 2))
    return _layer(*cut, mask, params)


@SELF_ATTENTION.add(
    "merged by a reshape alone",
    "Your weights are right, and the output is not: the heads were put together without moving "
    "their axis back, so each word gets pieces of other words' contexts. Did exercise 2 pass?",
)
def _merge_reshaped(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    weights = masked_softmax(_scores(query, key), mask)
    return (weights @ value).reshape(*x.shape[:2], -1) @ params["W_o"], weights


@SELF_ATTENTION.add(
    "W_o is not used",
    "Your weights are right, but you return the merged contexts, h · d_v numbers a word. What "
    "lets the heads' answers meet, and brings them back to d_model?",
)
def _no_w_o(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    weights = masked_softmax(_scores(query, key), mask)
    return oracles.merge_heads(weights @ value), weights


@SELF_ATTENTION.add(
    "W_o is used transposed",
    "Your weights are right, but the output meets W_o turned around: only a square one runs. The "
    "merged contexts are rows of h · d_v numbers: must anything be turned?",
)
def _w_o_turned(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    return _layer(*_heads(x, num_heads, params), mask, params | {"W_o": params["W_o"].mT})


@SELF_ATTENTION.add(
    "the weights are averaged over the heads",
    "Your output is right, but the second thing you return is one map a sentence: the heads were "
    "averaged. Why had you several?",
)
def _averaged(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    output, weights = oracles.multihead_self_attention(x, mask, num_heads, params)
    return output, weights.mean(1)


@SELF_ATTENTION.add(
    "weights first, output second",
    "Both things are there, in another order than the task names them under Returns. Which comes "
    "first?",
)
def _other_order(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    output, weights = oracles.multihead_self_attention(x, mask, num_heads, params)
    return weights, output


@SELF_ATTENTION.add(
    "softmax over the heads instead of the keys",
    "For each pair of words your weights sum to 1 over the heads, so that heads compete for words. "
    "Each head asks for itself: which axis of (B, h, L, L) are its choices on?",
)
def _over_heads(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    return _finish(masked_softmax(_scores(query, key), mask, dim=1), value, params)


@SELF_ATTENTION.add(
    "softmax over the queries instead of the keys",
    "Your columns sum to 1 and your rows do not: the softmax ran over the words that ask. As many "
    "ask as are asked, so the shape cannot tell you. Over which axis does a word share out its "
    "attention?",
)
def _over_queries(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    return _finish(masked_softmax(_scores(query, key), mask, dim=-2), value, params)


@SELF_ATTENTION.add(
    "the mask is not used",
    "Every word looks everywhere, whatever the mask says. What does the given masked_softmax take "
    "beside the scores?",
)
def _mask_unused(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    return _finish(_scores(query, key).softmax(-1), value, params)


@SELF_ATTENTION.add(
    "the mask comes after the softmax",
    "Masked cells are 0, and the rows with such cells sum to less than 1: what nobody may see had "
    "taken its share already. When must the softmax hear of the mask?",
)
def _mask_late(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    return _finish(_scores(query, key).softmax(-1) * mask, value, params)


@SELF_ATTENTION.add(
    "the mask is used upside down",
    "Each word looks exactly where it must not. In this course True means *may be attended to*: "
    "did you turn the mask around on its way?",
)
def _inverted(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    return _layer(*_heads(x, num_heads, params), ~mask, params)


@SELF_ATTENTION.add(
    "query and key have changed places",
    "Your scores are those of the keys asking the queries: the weights say who looks at a word, "
    "not where it looks. Which of the two is on the left of the product?",
)
def _changed_places(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    return _layer(*_heads(x, num_heads, params, "kqv"), mask, params)


@SELF_ATTENTION.add(
    "the keys are averaged, not the values",
    "Your weights are right, but the output is made of keys. A key says what something is found "
    "under; what is taken home?",
)
def _keys_read(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    return _layer(*_heads(x, num_heads, params, "qkk"), mask, params)


@SELF_ATTENTION.add(
    "the words are cut into heads without the projections",
    "Your heads are slices of the words as they came in, so each head sees a few numbers of a word "
    "and the matrices never meet it. Which comes first in the formula, the projection or the cut?",
)
def _unprojected(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    head = oracles.split_heads(x, num_heads)
    return _layer(head, head, head, mask, params)


@SELF_ATTENTION.add(
    "a word that may look nowhere does not get zeros",
    "All is well until a word may look nowhere: there you have NaN, or a word that looks "
    "everywhere. A function in the cell above the exercises knows what to do: do you use it?",
)
def _nan_rows(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = _heads(x, num_heads, params)
    scores = _scores(query, key).masked_fill(~mask, -torch.inf)
    return _finish(scores.softmax(-1), value, params)


@SELF_ATTENTION.add(
    "the result is cut off from the inputs: no gradient",
    "Your values are right, but no gradient reaches x or the matrices. .detach(), .data, "
    ".tolist(), NumPy and torch.no_grad() all cut that line: where does your result pass through "
    "one?",
)
def _no_gradient(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    output, weights = oracles.multihead_self_attention(x, mask, num_heads, params)
    return output.detach(), weights.detach()
