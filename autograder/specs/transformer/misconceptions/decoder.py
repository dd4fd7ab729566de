"""Wrong decoder layers, made of parts that are right."""

from torch import Tensor

from autograder.checks.bank import Bank
from autograder.specs.transformer import oracles
from autograder.specs.transformer.misconceptions.parts import add, attend, normed, think
from autograder.specs.transformer.oracles import Params, multi_head

DECODER_LAYER = Bank()


def _decode(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    return oracles.decoder_layer(y, memory, self_mask, cross_mask, params, norm)


@DECODER_LAYER.add(
    "cross-attention before self-attention",
    "All three sub-layers are there, but your words look at the source before they look at what "
    "has been written. Which comes first in the chapter's drawing?",
)
def _cross_first(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    other = params["cross_attention"]
    y = add(y, lambda h: multi_head(h, memory, cross_mask, other), params["norm_2"], norm)
    y = add(y, lambda h: attend(h, self_mask, params), params["norm_1"], norm)
    return add(y, lambda h: think(h, params), params["norm_3"], norm)


@DECODER_LAYER.add(
    "no cross-attention",
    "Your layer never looks at the source: it would write the same translation of any sentence. "
    "Which sub-layer reads the memory?",
)
def _no_cross(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    y = add(y, lambda h: attend(h, self_mask, params), params["norm_1"], norm)
    return add(y, lambda h: think(h, params), params["norm_3"], norm)


@DECODER_LAYER.add(
    "no self-attention",
    "Your layer looks at the source and never at what has been written so far. Which sub-layer "
    "comes before cross-attention?",
)
def _no_self(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    other = params["cross_attention"]
    y = add(y, lambda h: multi_head(h, memory, cross_mask, other), params["norm_2"], norm)
    return add(y, lambda h: think(h, params), params["norm_3"], norm)


@DECODER_LAYER.add(
    "no feed-forward layer",
    "Your layer ends after cross-attention. Which sub-layer works on each word by itself?",
)
def _no_think(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    other = params["cross_attention"]
    y = add(y, lambda h: attend(h, self_mask, params), params["norm_1"], norm)
    return add(y, lambda h: multi_head(h, memory, cross_mask, other), params["norm_2"], norm)


@DECODER_LAYER.add(
    "cross-attention looks at the target itself",
    "Your second attention looks at the target again, with the matrices of cross-attention: the "
    "source is never read. Of multi_head's two inputs, which asks and which answers?",
)
def _cross_to_self(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    other = params["cross_attention"]
    y = add(y, lambda h: attend(h, self_mask, params), params["norm_1"], norm)
    y = add(y, lambda h: multi_head(h, h, self_mask, other), params["norm_2"], norm)
    return add(y, lambda h: think(h, params), params["norm_3"], norm)


@DECODER_LAYER.add(
    "the memory asks and the target answers",
    "In your cross-attention the source asks and the target answers, so the shapes only fit when "
    "both are equally long. Of multi_head's two inputs, which asks?",
)
def _memory_asks(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    other = params["cross_attention"]
    y = add(y, lambda h: attend(h, self_mask, params), params["norm_1"], norm)
    y = add(y, lambda h: multi_head(memory, h, cross_mask, other), params["norm_2"], norm)
    return add(y, lambda h: think(h, params), params["norm_3"], norm)


@DECODER_LAYER.add(
    "the two masks are exchanged",
    "Your self-attention gets the mask over the source, and cross-attention the causal one, so the "
    "shapes only fit when both sentences are equally long. Over which sentence does each mask say "
    "who may be seen?",
)
def _masks_exchanged(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    return _decode(y, memory, cross_mask, self_mask, params, norm)


@DECODER_LAYER.add(
    "both attentions use the weights of self-attention",
    "Cross-attention uses the matrices of self-attention. There are two sets in params. Which "
    "name belongs to the second attention?",
)
def _same_weights(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    same = params | {"cross_attention": params["self_attention"]}
    return _decode(y, memory, self_mask, cross_mask, same, norm)


@DECODER_LAYER.add(
    "the cross mask is not used",
    "Your words look at all of the memory, at the source's padding, too. Which argument keeps them "
    "from it?",
)
def _open_cross(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    return _decode(y, memory, self_mask, cross_mask.new_ones(cross_mask.shape), params, norm)


@DECODER_LAYER.add(
    "the self mask is not used",
    "Your words look at what comes after them. In training that is the answer itself. Which "
    "argument of multi_head keeps them from it?",
)
def _open_self(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    return _decode(y, memory, self_mask.new_ones(self_mask.shape), cross_mask, params, norm)


@DECODER_LAYER.add(
    "pre: the memory is normalised with norm_2",
    "Post-norm is right. With pre-norm you normalise the memory with the decoder's norm as well. "
    "The norm belongs to the stream that asks. Who has looked after the memory's scale already?",
)
def _memory_normed(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    if norm == "pre":
        memory = normed(memory, params["norm_2"])
    return _decode(y, memory, self_mask, cross_mask, params, norm)


@DECODER_LAYER.add(
    "post-norm whatever is asked for",
    "Post-norm is right, and pre-norm gives the same numbers. Does your layer hand its last "
    "argument on?",
)
def _decode_post(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    return _decode(y, memory, self_mask, cross_mask, params, "post")


@DECODER_LAYER.add(
    "pre-norm whatever is asked for",
    "Pre-norm is right, and post-norm gives the same numbers. Does your layer hand its last "
    "argument on?",
)
def _decode_pre(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    return _decode(y, memory, self_mask, cross_mask, params, "pre")


@DECODER_LAYER.add(
    "the norms of cross-attention and feed-forward are exchanged",
    "Self-attention is right; after it norm_3 and norm_2 have changed places. Their numbers follow "
    "the order of the sub-layers: which is the second?",
)
def _norms_2_3(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    other = params | {"norm_2": params["norm_3"], "norm_3": params["norm_2"]}
    return _decode(y, memory, self_mask, cross_mask, other, norm)


@DECODER_LAYER.add(
    "no residual around cross-attention",
    "After your cross-attention a word is only what it has read in the source; what was written so "
    "far is lost. Which function of yours adds what was there before?",
)
def _cross_replaces(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    other, around = params["cross_attention"], params["norm_2"]
    y = add(y, lambda h: attend(h, self_mask, params), params["norm_1"], norm)
    if norm == "pre":
        y = multi_head(normed(y, around), memory, cross_mask, other)
    else:
        y = normed(multi_head(y, memory, cross_mask, other), around)
    return add(y, lambda h: think(h, params), params["norm_3"], norm)


@DECODER_LAYER.add(
    "the three sub-layers all read what came in",
    "Your sub-layers work side by side: each reads the y that came in. In a decoder layer each "
    "reads what the one before has left. What does your second residual start from?",
)
def _side_by_side(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    other, start = params["cross_attention"], y
    y = add(y, lambda h: attend(h, self_mask, params), params["norm_1"], norm)
    y = add(y, lambda h: multi_head(start, memory, cross_mask, other), params["norm_2"], norm)
    return add(y, lambda h: think(start, params), params["norm_3"], norm)


@DECODER_LAYER.add(
    "pre: self-attention reads the stream as it is",
    "Post-norm is right. With pre-norm your self-attention uses the y from outside, not the "
    "normalised one that residual hands it. What is your function's own argument for?",
)
def _raw_self(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    own, other, raw = params["self_attention"], params["cross_attention"], y
    y = add(y, lambda h: multi_head(raw, raw, self_mask, own), params["norm_1"], norm)
    y = add(y, lambda h: multi_head(h, memory, cross_mask, other), params["norm_2"], norm)
    return add(y, lambda h: think(h, params), params["norm_3"], norm)


@DECODER_LAYER.add(
    "pre: cross-attention asks with the stream as it is",
    "Post-norm is right. With pre-norm your cross-attention asks with the y from outside, not with "
    "the normalised one that residual hands it. What is your function's own argument for?",
)
def _raw_cross(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    other = params["cross_attention"]
    y = add(y, lambda h: attend(h, self_mask, params), params["norm_1"], norm)
    raw = y
    y = add(y, lambda h: multi_head(raw, memory, cross_mask, other), params["norm_2"], norm)
    return add(y, lambda h: think(h, params), params["norm_3"], norm)


@DECODER_LAYER.add(
    "pre: the sub-layers read the stream as it is",
    "Post-norm is right. With pre-norm your sub-layers use the y from outside, not the normalised "
    "one that residual hands them, so the norms have no effect. What is your function's own "
    "argument for?",
)
def _outer_y(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    if norm == "post":
        return _decode(y, memory, self_mask, cross_mask, params, norm)
    y = y + attend(y, self_mask, params)
    y = y + multi_head(y, memory, cross_mask, params["cross_attention"])
    return y + think(y, params)


@DECODER_LAYER.add(
    "cross-attention with self-attention's norm, and so on",
    "Self-attention is right; the sub-layers after it have the norm of the one before. How many "
    "norms are in params, and which have you used twice?",
)
def _norms_late(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    late = params | {"norm_2": params["norm_1"], "norm_3": params["norm_2"]}
    return _decode(y, memory, self_mask, cross_mask, late, norm)
