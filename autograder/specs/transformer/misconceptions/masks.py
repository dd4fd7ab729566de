"""Wrong masks."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank
from autograder.specs.transformer import oracles
from autograder.specs.transformer.oracles import Masks

MASKS = Bank()


def _mask_parts(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    return oracles.transformer_masks(src, tgt, pad)


def _lower(tgt: Tensor, diagonal: int = 0) -> Tensor:
    length = tgt.shape[1]
    return torch.ones(length, length, dtype=torch.bool, device=tgt.device).tril(diagonal)


def _real(ids: Tensor, pad: int, rows: int) -> Tensor:
    return (ids != pad)[:, None].repeat(1, rows, 1)


@MASKS.add(
    "all three masks are upside down",
    "Your masks are True exactly where they should be False. torch.nn.Transformer wants them like "
    "that. What does True mean in this course?",
)
def _inverted(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, decoder, cross = _mask_parts(src, tgt, pad)
    return ~encoder, ~decoder, ~cross


@MASKS.add(
    "the encoder is causal, too",
    "Your encoder reads from left to right only. The whole source is there from the start, and "
    "nothing of it is to be predicted. Is there any word of it that another may not see?",
)
def _causal_encoder(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, decoder, cross = _mask_parts(src, tgt, pad)
    return encoder & _lower(src), decoder, cross


@MASKS.add(
    "the decoder may look ahead",
    "Your decoder's mask hides the padding and nothing else. The word to be predicted stands one "
    "position further on. What must a position not see in training?",
)
def _no_causality(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, _, cross = _mask_parts(src, tgt, pad)
    return encoder, _real(tgt, pad, tgt.shape[1]), cross


@MASKS.add(
    "the decoder sees its padding",
    "Your decoder's mask is causal and nothing else. With the padding on the right that goes well "
    "for real words. With pads on the left they are seen by all. Which two conditions must a cell "
    "of this mask meet?",
)
def _decoder_pads(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, _, cross = _mask_parts(src, tgt, pad)
    return encoder, _lower(tgt).repeat(len(tgt), 1, 1), cross


@MASKS.add(
    "the decoder may not see itself",
    "Your decoder's mask is False on the diagonal, so <bos> has nothing left to look at. The input "
    "is shifted already: does a position's own word give away the one to be predicted?",
)
def _strict(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, decoder, cross = _mask_parts(src, tgt, pad)
    return encoder, decoder & _lower(tgt, -1), cross


@MASKS.add(
    "the decoder looks ahead instead of back",
    "Your decoder's mask is the other triangle: a word sees itself and what comes after it. A row "
    "is the word that asks. On which side of the diagonal do earlier words lie?",
)
def _upper(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, _, cross = _mask_parts(src, tgt, pad)
    return encoder, _real(tgt, pad, tgt.shape[1]) & _lower(tgt).mT, cross


@MASKS.add(
    "causal and padding joined by or",
    "Your decoder sees a cell that either condition allows, so it looks ahead at real words. May a "
    "cell that one of them forbids be seen?",
)
def _either(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, _, cross = _mask_parts(src, tgt, pad)
    return encoder, _real(tgt, pad, tgt.shape[1]) | _lower(tgt), cross


@MASKS.add(
    "the cross mask hides the target's padding",
    "Your cross mask takes out the rows of the target's pads and lets everybody see the source's. "
    "A row asks, a column is asked. Of which of the two sentences must the pads not be *seen*?",
)
def _target_pads(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, decoder, _ = _mask_parts(src, tgt, pad)
    return encoder, decoder, (tgt != pad)[:, :, None].repeat(1, 1, src.shape[1])


@MASKS.add(
    "the cross mask has source rows and target columns",
    "Your cross mask is (B, S, T): the source asks the target. Who asks in cross-attention, and "
    "what does a row stand for?",
)
def _turned_cross(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, decoder, cross = _mask_parts(src, tgt, pad)
    return encoder, decoder, cross.mT.clone()


@MASKS.add(
    "cross-attention is causal",
    "Your cross mask lets target word i see only the first i + 1 words of the source. The source "
    "is known from the start: is there a reason to hide any of it?",
)
def _causal_cross(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, decoder, cross = _mask_parts(src, tgt, pad)
    return encoder, decoder, cross.tril()


@MASKS.add(
    "the cross mask allows everything",
    "Your cross mask is True everywhere: the decoder reads the source's pads. The encoder gave "
    "them vectors like any word. What tells the decoder that they are none?",
)
def _open_cross(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, decoder, cross = _mask_parts(src, tgt, pad)
    return encoder, decoder, torch.ones_like(cross)


@MASKS.add(
    "the rows of pads are closed, too",
    "Your masks are False wherever row *or* column is a pad. Harmless in training, but the task "
    "says that a pad asks like any word, and a row without any True is a row to trip over. Does a "
    "mask say who asks, or who may be seen?",
)
def _closed_rows(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, decoder, cross = _mask_parts(src, tgt, pad)
    source, target = (src != pad)[:, :, None], (tgt != pad)[:, :, None]
    return encoder & source, decoder & target, cross & target


@MASKS.add(
    "the padding is taken to be 0, whatever pad says",
    "All is well while the padding has the id 0. With another one you hide real words and show "
    "the pads. Which argument tells you the id?",
)
def _zero_pad(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    return _mask_parts(src, tgt, 0)


@MASKS.add(
    "the masks mark the pads",
    "Your masks are True for the pads: the comparison is the wrong way round, while causality is "
    "right. True means *may be seen*: which ids may?",
)
def _pads_marked(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    source, target = (src == pad)[:, None], (tgt == pad)[:, None]
    rows = tgt.shape[1]
    return (
        source.repeat(1, src.shape[1], 1),
        target.repeat(1, rows, 1) & _lower(tgt),
        source.repeat(1, rows, 1),
    )


@MASKS.add(
    "numbers instead of booleans",
    "Your masks hold ones and zeros, not True and False. What does ~ make of the number 1, and "
    "which dtype do masks have here?",
)
def _numbers(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, decoder, cross = _mask_parts(src, tgt, pad)
    return encoder.float(), decoder.float(), cross.float()


@MASKS.add(
    "the rows of pads are hidden, not their columns",
    "Your masks close the *rows* of pads: a pad may see nothing, and everybody sees the pads. A "
    "row asks, a column is asked. Which of the two must a pad not be?",
)
def _pad_rows(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    source, target = (src != pad)[:, :, None], (tgt != pad)[:, :, None]
    columns = src.shape[1]
    return source.repeat(1, 1, columns), target & _lower(tgt), target.repeat(1, 1, columns)


@MASKS.add(
    "only ids above pad are words",
    "All is well while the padding has the smallest id. Here it may be 13, and 5 a word like any "
    "other. Which one id is no word?",
)
def _above_pad(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    source, target = (src > pad)[:, None], (tgt > pad)[:, None]
    rows = tgt.shape[1]
    return (
        source.repeat(1, src.shape[1], 1),
        target.repeat(1, rows, 1) & _lower(tgt),
        source.repeat(1, rows, 1),
    )


@MASKS.add(
    "one row for all",
    "The values are right, but encoder and cross have a single row that broadcasting would have "
    "to repeat, as in the chapter. Which shape does the docstring name, and what makes as many "
    "rows as there are words that ask?",
)
def _one_row(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    _, decoder, _ = _mask_parts(src, tgt, pad)
    real = (src != pad)[:, None]
    return real, decoder, real


@MASKS.add(
    "an axis for the heads",
    "These are the chapter's masks, with an axis for the heads and with rows left to broadcasting. "
    "Which three axes does the docstring name?",
)
def _heads_axis(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    _, decoder, _ = _mask_parts(src, tgt, pad)
    real = (src != pad)[:, None, None]
    return real, decoder[:, None], real


@MASKS.add(
    "decoder and cross in the wrong order",
    "All three masks are there, but the decoder's and the cross mask have changed places. In which "
    "order does the docstring return them?",
)
def _other_order(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    encoder, decoder, cross = _mask_parts(src, tgt, pad)
    return encoder, cross, decoder
