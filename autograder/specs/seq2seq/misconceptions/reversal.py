"""Wrong ways to turn a padded batch around."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

REVERSE_PADDED = Bank()


def _right(src: Tensor, lengths: Tensor) -> Tensor:
    result = src.clone()
    for row, length in enumerate(lengths.clamp(0, src.shape[1]).tolist()):
        result[row, :length] = src[row, :length].flip(0)
    return result


def _padding(src: Tensor, lengths: Tensor) -> Tensor:
    return torch.arange(src.shape[1], device=src.device) >= lengths[:, None]


@REVERSE_PADDED.add(
    "the padding is turned around, too",
    "Each row is turned around as a whole, so that a padded sentence now begins with its padding. "
    "Which positions of a row trade places, which stay, and which argument tells you?",
)
def _flipped(src: Tensor, lengths: Tensor) -> Tensor:
    return src.flip(1)


@REVERSE_PADDED.add(
    "the sentences trade places, not their words",
    "The rows of your result are in reversed order, and the words of a sentence are not. Which "
    "axis of (B, S) holds the positions?",
)
def _batch(src: Tensor, lengths: Tensor) -> Tensor:
    return src.flip(0)


@REVERSE_PADDED.add(
    "both axes are turned around",
    "Rows and words are both in reversed order: without a number, flip acts on more axes than one "
    "may want. Which axis of (B, S) holds the positions?",
)
def _both(src: Tensor, lengths: Tensor) -> Tensor:
    return src.flip(0, 1)


@REVERSE_PADDED.add(
    "the padding is set to 0",
    "Your words are right, but the padding holds 0 now. You do not know which id the padding has "
    "here: what should stand where nothing is to be changed?",
)
def _blanked(src: Tensor, lengths: Tensor) -> Tensor:
    return _right(src, lengths).masked_fill(_padding(src, lengths), 0)


@REVERSE_PADDED.add(
    "the last word stays at the end",
    "The last word of each sentence has kept its place. Is it part of the sentence that is to be "
    "turned around?",
)
def _last_stays(src: Tensor, lengths: Tensor) -> Tensor:
    return _right(src, lengths - 1)


@REVERSE_PADDED.add(
    "the first word stays at the front",
    "The first word of each sentence has kept its place. Is it part of the sentence that is to be "
    "turned around?",
)
def _first_stays(src: Tensor, lengths: Tensor) -> Tensor:
    return torch.cat([src[:, :1], _right(src[:, 1:], lengths - 1)], 1)


@REVERSE_PADDED.add(
    "one position of padding comes along",
    "A padded sentence begins with one word of its padding. Positions count from 0: of a sentence "
    "of 3 words, which position holds the last?",
)
def _one_more(src: Tensor, lengths: Tensor) -> Tensor:
    return _right(src, lengths + 1)


@REVERSE_PADDED.add(
    "every sentence has the first one's length",
    "All rows are turned around up to the length of the first. Which number of lengths belongs to "
    "which row?",
)
def _first_length(src: Tensor, lengths: Tensor) -> Tensor:
    return _right(src, lengths[:1].expand_as(lengths))


@REVERSE_PADDED.add(
    "every sentence has the shortest one's length",
    "All rows are turned around up to the length of the shortest. Which number of lengths belongs "
    "to which row?",
)
def _shortest(src: Tensor, lengths: Tensor) -> Tensor:
    return _right(src, lengths.amin().expand_as(lengths))


@REVERSE_PADDED.add(
    "first and last word trade places, the others stay",
    "The first and the last word have traded places, and the words between them stand as before. "
    "Where does the second word go?",
)
def _swapped(src: Tensor, lengths: Tensor) -> Tensor:
    result = src.clone()
    rows = torch.arange(len(src), device=src.device)
    result[:, 0] = src[rows, lengths - 1]
    result[rows, lengths - 1] = src[:, 0]
    return result


@REVERSE_PADDED.add(
    "sorted from large to small",
    "Your ids are in descending order. They are names, not quantities: what decides where a word "
    "goes, its id or its position?",
)
def _sorted(src: Tensor, lengths: Tensor) -> Tensor:
    return src.sort(dim=1, descending=True).values


@REVERSE_PADDED.add(
    "the words end at the right, the padding stands in front",
    "The words are in reversed order, but at the right end of the row, with the padding before "
    "them. Where did the padding stand before?",
)
def _rolled(src: Tensor, lengths: Tensor) -> Tensor:
    turned = _right(src, lengths)
    gap = (src.shape[1] - lengths).tolist()
    rows = zip(turned, gap, strict=True)
    return torch.stack([row.roll(shift) for row, shift in rows])


@REVERSE_PADDED.add(
    "the positions are returned, not the words at them",
    "Your result holds positions, not ids: it says where each word comes from. What do you look "
    "up with it, and where?",
)
def _positions(src: Tensor, lengths: Tensor) -> Tensor:
    return _right(torch.arange(src.shape[1], device=src.device).expand_as(src), lengths)


@REVERSE_PADDED.add(
    "the caller's src is overwritten",
    "Your ids are right, but the src that was passed in has changed. An assignment to src[…] "
    "writes into the caller's tensor: where should the new rows go?",
)
def _in_place(src: Tensor, lengths: Tensor) -> Tensor:
    src[:] = _right(src, lengths)
    return src
