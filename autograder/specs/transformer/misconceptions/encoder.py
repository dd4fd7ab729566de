"""Wrong encoder layers, made of parts that are right."""

from torch import Tensor

from autograder.checks.bank import Bank
from autograder.specs.transformer import oracles
from autograder.specs.transformer.misconceptions.parts import add, attend, normed, think
from autograder.specs.transformer.oracles import Params, multi_head

ENCODER_LAYER = Bank()


@ENCODER_LAYER.add(
    "both norms use the first one's gain and bias",
    "The first sub-layer is right, the second is not: it is normalised with norm_1. How many norms "
    "does a layer have, and which belongs to which sub-layer?",
)
def _one_norm(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    return oracles.encoder_layer(x, mask, params | {"norm_2": params["norm_1"]}, norm)


@ENCODER_LAYER.add(
    "the two norms are exchanged",
    "Self-attention is normalised with norm_2 and the feed-forward layer with norm_1. Their "
    "numbers follow the order of the sub-layers: which comes first?",
)
def _norms_exchanged(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    other = {"norm_1": params["norm_2"], "norm_2": params["norm_1"]}
    return oracles.encoder_layer(x, mask, params | other, norm)


@ENCODER_LAYER.add(
    "feed-forward before self-attention",
    "Both sub-layers are there, in the other order: your words think before they have heard "
    "anything. Which comes first in the chapter's drawing?",
)
def _ff_first(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    x = add(x, lambda h: think(h, params), params["norm_2"], norm)
    return add(x, lambda h: attend(h, mask, params), params["norm_1"], norm)


@ENCODER_LAYER.add(
    "no feed-forward layer",
    "Your layer ends after self-attention. What does each word do with what it has heard?",
)
def _no_ff(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    return add(x, lambda h: attend(h, mask, params), params["norm_1"], norm)


@ENCODER_LAYER.add(
    "no self-attention",
    "Your layer is the feed-forward layer alone: no word hears of another. Which sub-layer comes "
    "before it?",
)
def _no_attention(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    return add(x, lambda h: think(h, params), params["norm_2"], norm)


@ENCODER_LAYER.add(
    "the feed-forward layer reads x, not what self-attention made of it",
    "Your two sub-layers both start from the x that came in, and the second one's result is all "
    "that is returned. What should the second residual start from?",
)
def _second_from_x(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    heard = add(x, lambda h: attend(h, mask, params), params["norm_1"], norm)
    return add(x, lambda h: think(heard, params), params["norm_2"], norm)


@ENCODER_LAYER.add(
    "no residual around self-attention",
    "Around the feed-forward layer the stream goes on, around self-attention it does not: then a "
    "word is only what it has heard. Which function of yours adds what was there before?",
)
def _attention_replaces(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    if norm == "pre":
        x = attend(normed(x, params["norm_1"]), mask, params)
    else:
        x = normed(attend(x, mask, params), params["norm_1"])
    return add(x, lambda h: think(h, params), params["norm_2"], norm)


@ENCODER_LAYER.add(
    "no residual around the feed-forward layer",
    "Self-attention is added to the stream; the feed-forward layer replaces it. Which function of "
    "yours adds what was there before?",
)
def _ff_replaces(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    x = add(x, lambda h: attend(h, mask, params), params["norm_1"], norm)
    if norm == "pre":
        return think(normed(x, params["norm_2"]), params)
    return normed(think(x, params), params["norm_2"])


@ENCODER_LAYER.add(
    "no residuals at all",
    "Each sub-layer of yours replaces the stream, normalised but never added. Which of your "
    "functions belongs around each of them?",
)
def _no_residuals(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    first, second = params["norm_1"], params["norm_2"]
    if norm == "pre":
        x = attend(normed(x, first), mask, params)
        return think(normed(x, second), params)
    return normed(think(normed(attend(x, mask, params), first), params), second)


@ENCODER_LAYER.add(
    "no norms at all",
    "The sub-layers are added to the stream, and nothing ever brings it back to scale. Where do "
    "norm_1 and norm_2 belong?",
)
def _no_norms(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    x = x + attend(x, mask, params)
    return x + think(x, params)


@ENCODER_LAYER.add(
    "the mask is not used",
    "Your words look everywhere, at padding, too. Which argument of multi_head says where they "
    "may look?",
)
def _mask_unused(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    return oracles.encoder_layer(x, mask.new_ones(mask.shape), params, norm)


@ENCODER_LAYER.add(
    "post-norm whatever is asked for",
    "Post-norm is right, and pre-norm gives the same numbers. Does your layer hand its last "
    "argument on?",
)
def _always_post(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    return oracles.encoder_layer(x, mask, params, "post")


@ENCODER_LAYER.add(
    "pre-norm whatever is asked for",
    "Pre-norm is right, and post-norm gives the same numbers. Does your layer hand its last "
    "argument on?",
)
def _always_pre(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    return oracles.encoder_layer(x, mask, params, "pre")


@ENCODER_LAYER.add(
    "pre: the sub-layers read the stream as it is",
    "Post-norm is right. With pre-norm your sub-layers use the x from outside, not the normalised "
    "one that residual hands them, so the norms have no effect. What is your function's own "
    "argument for?",
)
def _outer_x(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    if norm == "post":
        return oracles.encoder_layer(x, mask, params, norm)
    return _no_norms(x, mask, params, norm)


@ENCODER_LAYER.add(
    "pre: only the queries are normalised",
    "Post-norm is right. With pre-norm your words ask with normalised vectors, but look at the "
    "stream as it is. In *self*-attention, where do the keys and values come from?",
)
def _only_queries(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    raw = x
    attention = params["self_attention"]
    x = add(x, lambda h: multi_head(h, raw, mask, attention), params["norm_1"], norm)
    return add(x, lambda h: think(h, params), params["norm_2"], norm)


@ENCODER_LAYER.add(
    "pre: a norm at the end of the layer, too",
    "Post-norm is right. With pre-norm you normalise the stream before you return it. That final "
    "norm stands once, at the end of the whole stack. What should a layer hand on?",
)
def _normed_end(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    x = oracles.encoder_layer(x, mask, params, norm)
    return normed(x, params["norm_2"]) if norm == "pre" else x


@ENCODER_LAYER.add(
    "the mask is turned round",
    "Your words look at exactly what the mask hides. True means *may be looked at*, and multi_head "
    "reads it so. Who turns it round?",
)
def _mask_inverted(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    return oracles.encoder_layer(x, ~mask, params, norm)


@ENCODER_LAYER.add(
    "neither residuals nor norms",
    "Your layer is attention and the feed-forward layer, one after the other and nothing around "
    "them. Which function of yours belongs around each?",
)
def _bare(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    return think(attend(x, mask, params), params)


@ENCODER_LAYER.add(
    "what comes in is added a second time",
    "You add the x that came in once more to each result of residual. Who has added it already?",
)
def _added_twice(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    x = x + add(x, lambda h: attend(h, mask, params), params["norm_1"], norm)
    return x + add(x, lambda h: think(h, params), params["norm_2"], norm)


@ENCODER_LAYER.add(
    "the two sub-layers side by side, their results added",
    "Both of your sub-layers start from the x that came in, and you return the sum. Then no word "
    "thinks about what it has heard. What should the second residual start from?",
)
def _summed(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    heard = add(x, lambda h: attend(h, mask, params), params["norm_1"], norm)
    return heard + add(x, lambda h: think(h, params), params["norm_2"], norm)
