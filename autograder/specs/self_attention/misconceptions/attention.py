"""Wrong scaled dot product attention, and wrong layers around it."""

import math

import torch
from torch import Tensor

from autograder.checks.bank import Bank
from autograder.specs.self_attention import oracles

ATTENTION = Bank()
SELF_ATTENTION = Bank()

Pair = tuple[Tensor, Tensor]
Params = dict[str, Tensor]


def _attend(scores: Tensor, value: Tensor, axis: int = -1) -> Pair:
    weights = scores.softmax(axis)
    return weights @ value, weights


@ATTENTION.add(
    "the scores are not scaled",
    "Your weights are those of plain dot products: right for keys of one number, and the more "
    "extreme, the larger the keys. What are the scores divided by?",
)
def _no_scale(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    return _attend(query @ key.mT, value)


@ATTENTION.add(
    "divided by d_k instead of its root",
    "Your weights are too even: the scores were divided by d_k. The *variance* of a dot product is "
    "d_k; by what must a number be divided to bring its variance to 1?",
)
def _by_d_k(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    return _attend(query @ key.mT / key.shape[-1], value)


@ATTENTION.add(
    "divided by the root of the sentence's length",
    "You divide by the root of the number of keys. The d_k of the formula is no length: which axis "
    "of key is summed over in a dot product?",
)
def _by_length(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    return _attend(query @ key.mT / math.sqrt(key.shape[-2]), value)


@ATTENTION.add(
    "divided by the root of the number of queries",
    "You divide by the root of the number of queries. The d_k of the formula is no length: which "
    "axis of query is summed over in a dot product?",
)
def _by_queries(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    return _attend(query @ key.mT / math.sqrt(query.shape[-2]), value)


@ATTENTION.add(
    "divided by the root of the values' size",
    "You divide by the root of d_v. The values take no part in the scores: whose size decides how "
    "large a dot product becomes?",
)
def _by_d_v(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    return _attend(query @ key.mT / math.sqrt(value.shape[-1]), value)


@ATTENTION.add(
    "key.T turns all three axes",
    "The product of query and key does not run: .T turns *all* axes round, and a batch of matrices "
    "has three, so the sentences end up last. Which two axes of (B, L_k, d_k) should change "
    "places?",
)
def _all_axes(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    return _attend(query @ key.permute(2, 1, 0) / math.sqrt(key.shape[-1]), value)


@ATTENTION.add(
    "multiplied by √d_k",
    "Your weights are far more extreme than they should be: the scores were multiplied by the root "
    "of d_k. Which way does it make them smaller?",
)
def _multiplied(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    return _attend(query @ key.mT * math.sqrt(key.shape[-1]), value)


@ATTENTION.add(
    "the weights are scaled instead of the scores",
    "Your rows sum to less than 1: the division came after the softmax. What is inside the "
    "brackets of the formula's softmax?",
)
def _scaled_after(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    weights = (query @ key.mT).softmax(-1) / math.sqrt(key.shape[-1])
    return weights @ value, weights


@ATTENTION.add(
    "softmax over the queries instead of the keys",
    "Your columns sum to 1 and your rows do not: the softmax ran over the query axis. Each query "
    "shares out one unit of attention: which axis of (B, L_q, L_k) are its choices on?",
)
def _wrong_axis(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    return _attend(query @ key.mT / math.sqrt(key.shape[-1]), value, -2)


@ATTENTION.add(
    "softmax over the sentences of the batch",
    "A cell's weights sum to 1 over the sentences of the batch, so a batch of one gets all ones. "
    "A softmax that is not told its axis does this, too: which axis of (B, L_q, L_k) are the keys "
    "on?",
)
def _batch_axis(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    return _attend(query @ key.mT / math.sqrt(key.shape[-1]), value, 0)


@ATTENTION.add(
    "softmax over a sentence's whole matrix",
    "All weights of a sentence together sum to 1, so each row sums to less. Every query has "
    "a distribution of its own: how many sums of 1 should there be?",
)
def _whole_matrix(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    scores = query @ key.mT / math.sqrt(key.shape[-1])
    weights = scores.flatten(1).softmax(-1).reshape(scores.shape)
    return weights @ value, weights


@ATTENTION.add(
    "exponentials of unshifted scores overflow",
    "Moderate scores are right, large ones give NaN: the exponential of 1000 is infinite. torch "
    "has a function that takes the largest score of each row away first: must you write your own?",
)
def _overflow(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    exponentials = (query @ key.mT / math.sqrt(key.shape[-1])).exp()
    weights = exponentials / exponentials.sum(-1, keepdim=True)
    return weights @ value, weights


@ATTENTION.add(
    "scores returned instead of weights",
    "Your context is right, but the second thing you return are the scaled scores: they can be "
    "negative, and their rows do not sum to 1. Which tensor did you average the values with?",
)
def _scores_too(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    scores = query @ key.mT / math.sqrt(key.shape[-1])
    return scores.softmax(-1) @ value, scores


@ATTENTION.add(
    "weights first, context second",
    "You return the two things in the other order. What does the function's description promise "
    "first?",
)
def _swapped(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    context, weights = oracles.attention(query, key, value)
    return weights, context


@ATTENTION.add(
    "the keys are averaged, not the values",
    "Your weights are right, but the context is an average of the keys. A key says what something "
    "is found under; what is taken home?",
)
def _keys_read(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    _, weights = oracles.attention(query, key, value)
    return weights @ key, weights


@ATTENTION.add(
    "squeeze() without a dim",
    "With one sentence, one query or one key an axis of your result disappears: squeeze() without "
    "a dim drops every axis of size 1. Which one, if any, do you want gone?",
)
def _squeezed(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    context, weights = oracles.attention(query, key, value)
    return context.squeeze(), weights.squeeze()


@ATTENTION.add(
    "the result is cut off from the inputs: no gradient",
    "Your values are right, but no gradient reaches query, key or value, so a model could not "
    "learn through them. .detach(), .data, .tolist(), NumPy and torch.no_grad() all cut that "
    "line: where does your result pass through one?",
)
def _no_gradient(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    context, weights = oracles.attention(query, key, value)
    return context.detach(), weights.detach()


def _layer(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return oracles.masked_attention(query, key, value, mask)


@SELF_ATTENTION.add(
    "the matrices are used transposed",
    "Only square matrices run, and they give wrong numbers: each word meets the columns of W where "
    "it should meet the rows. A linear layer of torch stores its weight the other way round; here "
    "W is (d_model, d_k), and a word is a row of d_model numbers: must anything be turned?",
)
def _turned(x: Tensor, mask: Tensor, params: Params) -> Pair:
    query, key, value = (x @ params[name].mT for name in ("W_q", "W_k", "W_v"))
    return _layer(query, key, value, mask)


@SELF_ATTENTION.add(
    "query and key have changed places",
    "Your scores are those of the keys asking the queries: the weights say who looks at a word, "
    "not where it looks. Which of the two projections is on the left of the product?",
)
def _changed_places(x: Tensor, mask: Tensor, params: Params) -> Pair:
    return _layer(x @ params["W_k"], x @ params["W_q"], x @ params["W_v"], mask)


@SELF_ATTENTION.add(
    "one matrix for query and key",
    "Your scores are symmetric before the mask: query and key come from the same matrix. What does "
    "a word need two descriptions for, one to ask with and one to be found under?",
)
def _one_matrix(x: Tensor, mask: Tensor, params: Params) -> Pair:
    return _layer(x @ params["W_q"], x @ params["W_q"], x @ params["W_v"], mask)


@SELF_ATTENTION.add(
    "key made from W_q and query from W_k's place: only W_k is used",
    "Both sides of your scores come from W_k, so they are symmetric before the mask. Which matrix "
    "says what a word asks for?",
)
def _only_w_k(x: Tensor, mask: Tensor, params: Params) -> Pair:
    return _layer(x @ params["W_k"], x @ params["W_k"], x @ params["W_v"], mask)


@SELF_ATTENTION.add(
    "the words themselves are averaged: no W_v",
    "Your weights are right, but the context is an average of the words as they came in, of size "
    "d_model. Which projection says what a word gives?",
)
def _no_w_v(x: Tensor, mask: Tensor, params: Params) -> Pair:
    return _layer(x @ params["W_q"], x @ params["W_k"], x, mask)


@SELF_ATTENTION.add(
    "the words are compared without W_q and W_k",
    "Your scores are those of the words themselves, as in the calculation by hand. What are W_q "
    "and W_k for?",
)
def _unprojected(x: Tensor, mask: Tensor, params: Params) -> Pair:
    return _layer(x, x, x @ params["W_v"], mask)


@SELF_ATTENTION.add(
    "none of the three matrices is used",
    "This is attention among the words as they came in: query, key and value are all x, as in the "
    "calculation by hand. What does each of the three matrices make of a word?",
)
def _as_they_came(x: Tensor, mask: Tensor, params: Params) -> Pair:
    return _layer(x, x, x, mask)


@SELF_ATTENTION.add(
    "scaled by √d_model",
    "Your weights are too even where d_model is larger than d_k and too extreme where it is "
    "smaller: you divide by the root of the word vectors' size. Between which vectors is the dot "
    "product taken, and how long are they?",
)
def _by_d_model(x: Tensor, mask: Tensor, params: Params) -> Pair:
    query, key = x @ params["W_q"], x @ params["W_k"]
    fix = math.sqrt(key.shape[-1] / x.shape[-1])
    return _layer(query * fix, key, x @ params["W_v"], mask)


@SELF_ATTENTION.add(
    "the scores are not scaled",
    "Your weights are those of plain dot products of queries and keys. What are the scores divided "
    "by?",
)
def _layer_unscaled(x: Tensor, mask: Tensor, params: Params) -> Pair:
    query, key = x @ params["W_q"], x @ params["W_k"]
    return _layer(query * math.sqrt(key.shape[-1]), key, x @ params["W_v"], mask)


@SELF_ATTENTION.add(
    "the mask is not used",
    "Every word looks everywhere, whatever the mask says: your numbers are those of attention "
    "without one. Which of your functions takes a mask?",
)
def _mask_unused(x: Tensor, mask: Tensor, params: Params) -> Pair:
    query, key, value = (x @ params[name] for name in ("W_q", "W_k", "W_v"))
    return oracles.attention(query, key, value)


@SELF_ATTENTION.add(
    "a word that may look nowhere does not get zeros",
    "All is well until a word may look nowhere: its row is NaN, or looks everywhere, where it "
    "should be 0. You met this in the exercise before: does your layer call the function you wrote "
    "there, and did that one pass?",
)
def _layer_nan(x: Tensor, mask: Tensor, params: Params) -> Pair:
    query, key, value = (x @ params[name] for name in ("W_q", "W_k", "W_v"))
    scores = (query @ key.mT / math.sqrt(key.shape[-1])).masked_fill(~mask, -torch.inf)
    return _attend(scores, value)


@SELF_ATTENTION.add(
    "the mask is used upside down",
    "Each word looks exactly where it must not. In this course True means *may be attended to*: "
    "which cells does your fill hit?",
)
def _layer_inverted(x: Tensor, mask: Tensor, params: Params) -> Pair:
    query, key, value = (x @ params[name] for name in ("W_q", "W_k", "W_v"))
    return _layer(query, key, value, ~mask)


@SELF_ATTENTION.add(
    "softmax over the queries instead of the keys",
    "Your columns sum to 1 and your rows do not. As many queries as keys: the shape cannot tell "
    "you, but the sums can. Over which axis does a word share out its attention?",
)
def _layer_axis(x: Tensor, mask: Tensor, params: Params) -> Pair:
    query, key, value = (x @ params[name] for name in ("W_q", "W_k", "W_v"))
    scores = (query @ key.mT / math.sqrt(key.shape[-1])).masked_fill(~mask, -torch.inf)
    return _attend(scores, value, -2)
