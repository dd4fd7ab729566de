"""Wrong ways to share keys and values, and heads that talk at the wrong moment."""

import math

import torch
from torch import Tensor

from autograder.checks.bank import Bank
from autograder.specs.multihead import oracles
from autograder.specs.multihead.misconceptions.given import masked_softmax

GROUPED_QUERY = Bank()
TALKING_HEADS = Bank()

Pair = tuple[Tensor, Tensor]


def _scores(query: Tensor, key: Tensor) -> Tensor:
    return query @ key.mT / math.sqrt(key.shape[-1])


def _read(weights: Tensor, value: Tensor) -> Pair:
    return weights @ value, weights


def _consecutive(shared: Tensor, query: Tensor) -> Tensor:
    return shared.repeat_interleave(query.shape[1] // shared.shape[1], dim=1)


def _in_turn(shared: Tensor, query: Tensor) -> Tensor:
    return shared.repeat(1, query.shape[1] // shared.shape[1], 1, 1)


def _ordinary(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _read(masked_softmax(_scores(query, key), mask), value)


@GROUPED_QUERY.add(
    "key heads are dealt out in turn",
    "Your query head i uses key head i modulo g: the key heads were repeated as a whole, 0 1 2 0 1 "
    "2. The task wants neighbours to share. Which order of the copies is that?",
)
def _dealt(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _ordinary(query, _in_turn(key, query), _in_turn(value, query), mask)


@GROUPED_QUERY.add(
    "keys are shared by neighbours, values are dealt out in turn",
    "Your weights are right, but the values come from other groups than the keys: they were "
    "repeated in another order. Should the two not be treated alike?",
)
def _values_dealt(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _ordinary(query, _consecutive(key, query), _in_turn(value, query), mask)


@GROUPED_QUERY.add(
    "only the first key and value head is used",
    "All your query heads use key head 0, as in multi-query attention. Here there are g of them: "
    "who uses the others?",
)
def _first_only(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _ordinary(query, key[:, :1], value[:, :1], mask)


@GROUPED_QUERY.add(
    "the key and value heads are averaged",
    "All your query heads use the average of the key and of the value heads. That may be a way to "
    "turn a trained model into one with fewer; here, which key head belongs to query head i?",
)
def _pooled(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _ordinary(query, key.mean(1, keepdim=True), value.mean(1, keepdim=True), mask)


@GROUPED_QUERY.add(
    "the query heads of a group are averaged",
    "You return one map a group: the queries that share keys were averaged. They share what they "
    "look *at*, not what they ask. How many maps should there be?",
)
def _queries_pooled(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    groups = query.unflatten(1, (key.shape[1], -1)).mean(2)
    return _ordinary(groups, key, value, mask[:, :1])


@GROUPED_QUERY.add(
    "each group's first query head speaks for all",
    "Within a group your heads all have the same weights: those of its first query head. They "
    "share keys and values; does that make their questions equal?",
)
def _spokesman(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    first = query.unflatten(1, (key.shape[1], -1))[:, :, 0]
    return _ordinary(
        _consecutive(first, query), _consecutive(key, query), _consecutive(value, query), mask
    )


@GROUPED_QUERY.add(
    "the groups are not matched: as many query heads as key heads are needed",
    "Your function runs only with one key head, or with as many as query heads: otherwise torch "
    "cannot pair h heads with g. How often must each key head be used?",
)
def _unmatched(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return _ordinary(query, key, value, mask)


@GROUPED_QUERY.add(
    "the scores are not scaled",
    "Your weights are those of plain dot products, so they are too extreme. What are the scores "
    "divided by?",
)
def _unscaled(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return oracles.grouped_query_attention(query * math.sqrt(key.shape[-1]), key, value, mask)


@GROUPED_QUERY.add(
    "softmax over the queries instead of the keys",
    "Your columns sum to 1 and your rows do not: the softmax ran over the words that ask. Which "
    "axis of (B, h, L_q, L_k) are a query's choices on?",
)
def _over_queries(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    scores = _scores(query, _consecutive(key, query))
    return _read(masked_softmax(scores, mask, dim=-2), _consecutive(value, query))


@GROUPED_QUERY.add(
    "the mask is not used",
    "Every query looks everywhere, whatever the mask says. What does the given masked_softmax take "
    "beside the scores?",
)
def _mask_unused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return oracles.grouped_query_attention(query, key, value, torch.ones_like(mask))


@GROUPED_QUERY.add(
    "the mask is used upside down",
    "Each query looks exactly where it must not. In this course True means *may be attended to*: "
    "did you turn the mask around on its way?",
)
def _inverted(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return oracles.grouped_query_attention(query, key, value, ~mask)


@GROUPED_QUERY.add(
    "a query that may look nowhere does not get zeros",
    "All is well until a query may look nowhere: there you have NaN, or a query that looks "
    "everywhere. A function in the cell above the exercises knows what to do: do you use it?",
)
def _nan_rows(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    scores = _scores(query, _consecutive(key, query)).masked_fill(~mask, -torch.inf)
    return _read(scores.softmax(-1), _consecutive(value, query))


@GROUPED_QUERY.add(
    "the result is cut off from the inputs: no gradient",
    "Your values are right, but no gradient reaches query, key or value. .detach(), .data, "
    ".tolist(), NumPy and torch.no_grad() all cut that line: where does your result pass through "
    "one?",
)
@torch.no_grad()
def _cut_off(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    return oracles.grouped_query_attention(query, key, value, mask)


def _mix(heads: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("bhqk,hg->bgqk", heads, matrix)


@TALKING_HEADS.add(
    "the mask comes before the first mixing",
    "NaN appears, or masked cells get weight: you fill with −∞ and mix afterwards, and −∞ times a "
    "negative number is +∞. At which moment does the mask belong, if the softmax is to see it?",
)
def _mask_first(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    scores = _scores(query, key).masked_fill(~mask, -torch.inf)
    weights = _mix(scores, mix_scores).softmax(-1)
    return _read(_mix(weights, mix_weights), value)


@TALKING_HEADS.add(
    "the mask comes after the softmax",
    "Masked cells are 0, but what nobody may see had taken its share of the weight already. "
    "Between which two of the four steps does the mask belong, if the softmax is to see it?",
)
def _mask_late(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    weights = _mix(_mix(_scores(query, key), mix_scores).softmax(-1), mix_weights)
    return _read(weights * mask, value)


@TALKING_HEADS.add(
    "the mixing matrices are used transposed",
    "Only square matrices run, and they give wrong numbers: column g of a mixing matrix says what "
    "the new head g is made of. Which of its axes meets the old heads?",
)
def _turned(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    return oracles.talking_heads(query, key, value, mask, mix_scores.mT, mix_weights.mT)


@TALKING_HEADS.add(
    "the two mixing matrices have changed places",
    "You mix the scores with the matrix of the weights and the weights with that of the scores. "
    "Which of the two stands before the softmax in the formula?",
)
def _changed_places(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    return oracles.talking_heads(query, key, value, mask, mix_weights, mix_scores)


@TALKING_HEADS.add(
    "only the scores are mixed",
    "Your heads talk before the softmax and fall silent after it. Which matrix have you not used?",
)
def _scores_only(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    return _read(masked_softmax(_mix(_scores(query, key), mix_scores), mask), value)


@TALKING_HEADS.add(
    "only the weights are mixed",
    "Your heads choose alone and talk only after the softmax. Which matrix have you not used?",
)
def _weights_only(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    return _read(_mix(masked_softmax(_scores(query, key), mask), mix_weights), value)


@TALKING_HEADS.add(
    "both mixings come before the softmax",
    "Both matrices act on the scores, and nothing happens after the softmax: two mixings in a row "
    "are only one. What stands between them in the formula?",
)
def _both_before(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    mixed = _mix(_mix(_scores(query, key), mix_scores), mix_weights)
    return _read(masked_softmax(mixed, mask), value)


@TALKING_HEADS.add(
    "both mixings come after the softmax",
    "Both matrices act on the weights: two mixings in a row are only one. What should the first of "
    "them change, before anything is chosen?",
)
def _both_after(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    weights = masked_softmax(_scores(query, key), mask)
    return _read(_mix(_mix(weights, mix_scores), mix_weights), value)


@TALKING_HEADS.add(
    "a second softmax makes the mixed weights sum to 1",
    "Your rows sum to 1 after the second mixing: you normalised them again. The mixture is what "
    "the formula wants as it is, negative weights included. How many softmaxes does it have?",
)
def _again(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    weights = masked_softmax(_mix(_scores(query, key), mix_scores), mask)
    return _read(masked_softmax(_mix(weights, mix_weights), mask), value)


@TALKING_HEADS.add(
    "the mixed weights are divided by their sum",
    "Your rows sum to 1 after the second mixing: you divided them by their sum, which may be "
    "negative, or nearly 0. Does the formula do anything to the mixture?",
)
def _divided(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    _, weights = oracles.talking_heads(query, key, value, mask, mix_scores, mix_weights)
    return _read(weights / weights.sum(-1, keepdim=True), value)


@TALKING_HEADS.add(
    "the contexts are mixed instead of the weights",
    "You read the values first and mix what was read. That gives head g a sum of other heads' "
    "*values*; the formula lets head g read its own values with mixed weights. What is multiplied "
    "by V last?",
)
def _contexts(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    weights = masked_softmax(_mix(_scores(query, key), mix_scores), mask)
    return _mix(weights @ value, mix_weights), _mix(weights, mix_weights)


@TALKING_HEADS.add(
    "the weights are returned before they are mixed",
    "Your context is right, but the second thing you return are the weights from before the second "
    "mixing. With which ones did you read the values?",
)
def _unmixed(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    weights = masked_softmax(_mix(_scores(query, key), mix_scores), mask)
    return _mix(weights, mix_weights) @ value, weights


@TALKING_HEADS.add(
    "softmax over the heads instead of the keys",
    "Your softmax ran over the heads, so that they compete for each word. Each new head chooses "
    "for itself: which axis of (B, h, L_q, L_k) are its choices on?",
)
def _over_heads(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    weights = masked_softmax(_mix(_scores(query, key), mix_scores), mask, dim=1)
    return _read(_mix(weights, mix_weights), value)


@TALKING_HEADS.add(
    "the scores are not scaled",
    "Your weights are those of plain dot products. Mixing them changes nothing about their size: "
    "what are the scores divided by?",
)
def _plain_products(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    longer = query * math.sqrt(key.shape[-1])
    return oracles.talking_heads(longer, key, value, mask, mix_scores, mix_weights)


@TALKING_HEADS.add(
    "the mask is not used",
    "Every query looks everywhere, whatever the mask says. What does the given masked_softmax take "
    "beside the scores?",
)
def _unmasked(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    everyone = torch.ones_like(mask)
    return oracles.talking_heads(query, key, value, everyone, mix_scores, mix_weights)


@TALKING_HEADS.add(
    "a query that may look nowhere does not get zeros",
    "All is well until a query may look nowhere: there you have NaN, or a query that looks "
    "everywhere. A function in the cell above the exercises knows what to do: do you use it?",
)
def _no_zeros(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    scores = _mix(_scores(query, key), mix_scores).masked_fill(~mask, -torch.inf)
    return _read(_mix(scores.softmax(-1), mix_weights), value)


@TALKING_HEADS.add(
    "the result is cut off from the inputs: no gradient",
    "Your values are right, but no gradient reaches the tensors that went in. .detach(), .data, "
    ".tolist(), NumPy and torch.no_grad() all cut that line: where does your result pass through "
    "one?",
)
@torch.no_grad()
def _detached(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    return oracles.talking_heads(query, key, value, mask, mix_scores, mix_weights)
