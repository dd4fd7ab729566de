"""Wrong Transformers, made of layers that are right."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.checks.bank import Bank
from autograder.specs.transformer import oracles
from autograder.specs.transformer.oracles import Params, decoder_layer, encoder_layer

TRANSFORMER = Bank()

Embed = Callable[[Tensor, Params], Tensor]


def _embed(ids: Tensor, params: Params) -> Tensor:
    table = params["embedding"]
    embedded: Tensor = table[ids] * table.shape[1] ** 0.5 + params["positions"][: ids.shape[1]]
    return embedded


def _run(
    src: Tensor, tgt: Tensor, pad: int, params: Params, embed_src: Embed = _embed,
    embed_tgt: Embed = _embed, norm: str = "post", masks: Any = None,
) -> Tensor:  # fmt: skip
    """The vectors that should become logits, from a machine in which one part may be wrong."""
    inside, causal, across = masks or oracles.transformer_masks(src, tgt, pad)
    x, y = embed_src(src, params), embed_tgt(tgt, params)
    for layer in params["encoder"]:
        x = encoder_layer(x, inside, layer, norm)
    for layer in params["decoder"]:
        y = decoder_layer(y, x, causal, across, layer, norm)
    return y


def _logits(y: Tensor, params: Params) -> Tensor:
    logits: Tensor = y @ params["embedding"].mT
    return logits


@TRANSFORMER.add(
    "embeddings not multiplied by the root of d_model",
    "Your words are quieter than their positions: the embeddings are looked up and added as they "
    "are. By what does the formula multiply them first?",
)
def _unscaled(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    def embed(ids: Tensor, params: Params) -> Tensor:
        embedded: Tensor = params["embedding"][ids] + params["positions"][: ids.shape[1]]
        return embedded

    return _logits(_run(src, tgt, pad, params, embed, embed), params)


@TRANSFORMER.add(
    "the positions are multiplied by the root of d_model, too",
    "You multiply the sum of word and position. Which of the two should be made louder, and where "
    "do the brackets stand?",
)
def _all_scaled(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    def embed(ids: Tensor, params: Params) -> Tensor:
        table = params["embedding"]
        embedded: Tensor = table[ids] + params["positions"][: ids.shape[1]]
        return embedded * table.shape[1] ** 0.5

    return _logits(_run(src, tgt, pad, params, embed, embed), params)


@TRANSFORMER.add(
    "embeddings multiplied by d_model, not by its root",
    "Your words drown out their positions: they are multiplied by d_model itself. What does the "
    "formula take of it first?",
)
def _by_d_model(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    def embed(ids: Tensor, params: Params) -> Tensor:
        table = params["embedding"]
        embedded: Tensor = table[ids] * table.shape[1] + params["positions"][: ids.shape[1]]
        return embedded

    return _logits(_run(src, tgt, pad, params, embed, embed), params)


def _without_positions(ids: Tensor, params: Params) -> Tensor:
    words: Tensor = params["embedding"][ids] * params["embedding"].shape[1] ** 0.5
    return words


@TRANSFORMER.add(
    "no positions",
    "Your machine knows which words there are and not where: chapter 9's failure. What is added to "
    "the embeddings?",
)
def _no_positions(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    y = _run(src, tgt, pad, params, _without_positions, _without_positions)
    return _logits(y, params)


@TRANSFORMER.add(
    "no positions for the target",
    "The source's words know where they stand, the target's do not. What is added to the "
    "embeddings on *both* sides?",
)
def _no_tgt_positions(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return _logits(_run(src, tgt, pad, params, _embed, _without_positions), params)


@TRANSFORMER.add(
    "positions counted from 1",
    "Your first word gets the second row of the table of positions. From which number do positions "
    "count in this course?",
)
def _from_one(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    moved = params | {"positions": params["positions"].roll(-1, 0)}
    return _logits(_run(src, tgt, pad, moved), params)


@TRANSFORMER.add(
    "probabilities instead of logits",
    "Your rows sum to 1: there is a softmax at the end. The loss has one of its own. What does the "
    "task ask you to return?",
)
def _probabilities(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return oracles.transformer(src, tgt, pad, params).softmax(-1)


@TRANSFORMER.add(
    "log-probabilities instead of logits",
    "Each row of yours is off by one number: the exponentials sum to 1, so there is a log-softmax "
    "at the end. What does the task ask you to return?",
)
def _log_probabilities(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return oracles.transformer(src, tgt, pad, params).log_softmax(-1)


@TRANSFORMER.add(
    "logits multiplied by the root of d_model, as the embeddings are",
    "Your logits are too large by the root of d_model. On the way in the tied matrix is multiplied "
    "by it. Does the formula do that on the way out, too?",
)
def _scaled_logits(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return oracles.transformer(src, tgt, pad, params) * params["embedding"].shape[1] ** 0.5


@TRANSFORMER.add(
    "each decoder layer reads the encoder layer beside it",
    "Your decoder's first layer reads the encoder's first layer, and so on. With one layer nobody "
    "would notice. Which encoder layer's words do *all* decoder layers read?",
)
def _side_by_side(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    inside, causal, across = oracles.transformer_masks(src, tgt, pad)
    x, y = _embed(src, params), _embed(tgt, params)
    memories = []
    for layer in params["encoder"]:
        x = encoder_layer(x, inside, layer, "post")
        memories.append(x)
    memories += [x] * len(params["decoder"])
    for layer, memory in zip(params["decoder"], memories, strict=False):
        y = decoder_layer(y, memory, causal, across, layer, "post")
    return _logits(y, params)


@TRANSFORMER.add(
    "the decoder reads the embedded source, not the encoder's output",
    "Your encoder's work is thrown away: cross-attention reads the source as it was embedded. What "
    "did the last encoder layer return, and where does it go?",
)
def _encoder_unused(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return _logits(_run(src, tgt, pad, params | {"encoder": []}), params)


@TRANSFORMER.add(
    "only the last layer of each side counts",
    "Your layers do not build on each other: each starts from the embedded words again, and only "
    "the last one's result is kept. What should go into the second layer?",
)
def _not_stacked(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    last = {"encoder": params["encoder"][-1:], "decoder": params["decoder"][-1:]}
    return _logits(_run(src, tgt, pad, params | last), params)


@TRANSFORMER.add(
    "the first layer of each side is run again and again",
    "There are as many layers as there should be, but all with the weights of the first. How does "
    "a loop over params come to the next one's?",
)
def _first_again(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    again = {side: params[side][:1] * len(params[side]) for side in ("encoder", "decoder")}
    return _logits(_run(src, tgt, pad, params | again), params)


@TRANSFORMER.add(
    "pre-norm instead of post-norm",
    "Your numbers are those of pre-norm layers. Which order did the paper use, and what does the "
    "task ask for?",
)
def _pre_norm(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return _logits(_run(src, tgt, pad, params, norm="pre"), params)


@TRANSFORMER.add(
    "the decoder may look ahead",
    "Each word of yours sees the ones that come after it. In training the next one is the answer. "
    "Which of the three masks goes where?",
)
def _no_causality(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    inside, causal, across = oracles.transformer_masks(src, tgt, pad)
    open_ = (tgt != pad)[:, None].expand_as(causal)
    return _logits(_run(src, tgt, pad, params, masks=(inside, open_, across)), params)


@TRANSFORMER.add(
    "the source's padding is read",
    "Two more pads at a source's end change your translation. Encoder and cross-attention both "
    "look at the source. Which masks keep them from its pads?",
)
def _pads_read(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    inside, causal, across = oracles.transformer_masks(src, tgt, pad)
    masks = (torch.ones_like(inside), causal, torch.ones_like(across))
    return _logits(_run(src, tgt, pad, params, masks=masks), params)


@TRANSFORMER.add(
    "source and target exchanged",
    "Your encoder reads the target and your decoder the source: there is a row of logits for each "
    "*source* word. Which sentence is to be predicted?",
)
def _exchanged(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return oracles.transformer(tgt, src, pad, params)


@TRANSFORMER.add(
    "vectors instead of logits",
    "You return the decoder's vectors, d_model numbers a word. A word of the vocabulary is still "
    "to be chosen. With which matrix does a vector become one number for each word?",
)
def _no_output(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return _run(src, tgt, pad, params)


@TRANSFORMER.add(
    "the padding is taken to be 0, whatever pad says",
    "All is well while the padding has the id 0. With another one you hide real words and show the "
    "pads. What do you hand to the function that makes the masks?",
)
def _zero_pad(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return oracles.transformer(src, tgt, 0, params)


@TRANSFORMER.add(
    "the whole table of positions is added",
    "The table of positions has more rows than your sentence has words, and you add all of it. "
    "How many of its rows does a sentence of five words need?",
)
def _all_places(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    def embed(ids: Tensor, params: Params) -> Tensor:
        return _without_positions(ids, params) + params["positions"]

    return _logits(_run(src, tgt, pad, params, embed, embed), params)


@TRANSFORMER.add(
    "positions looked up by the words' ids",
    "You look up a word's position under its id, as if it were a second embedding. What does a row "
    "of P belong to: a word, or a place?",
)
def _places_by_id(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    def embed(ids: Tensor, params: Params) -> Tensor:
        return _without_positions(ids, params) + params["positions"][ids]

    return _logits(_run(src, tgt, pad, params, embed, embed), params)


@TRANSFORMER.add(
    "logits divided by the root of d_model",
    "Your logits are too small by the root of d_model. Scores of attention are divided by a root; "
    "these are none. What does the formula do to the dot products?",
)
def _divided_logits(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return oracles.transformer(src, tgt, pad, params) / params["embedding"].shape[1] ** 0.5


@TRANSFORMER.add(
    "logits of the last position alone",
    "You return one row of logits a sentence, as if it were being written. In training every "
    "position predicts the word after it. Which shape does the docstring name?",
)
def _last_only(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return oracles.transformer(src, tgt, pad, params)[:, -1]


@TRANSFORMER.add(
    "the likeliest words instead of logits",
    "You return one id a position: the choice is made already, and it has no gradient. What is "
    "there one of for each word of the vocabulary, before anything is chosen?",
)
def _chosen(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    return oracles.transformer(src, tgt, pad, params).argmax(-1)


@TRANSFORMER.add(
    "a norm more at the end",
    "Your vectors are normalised once more before they become logits. Each post-norm layer ends "
    "with a norm already. Which order of norms needs one at the end of the stack?",
)
def _normed_end(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    y = _run(src, tgt, pad, params)
    return _logits(F.layer_norm(y, y.shape[-1:]), params)
