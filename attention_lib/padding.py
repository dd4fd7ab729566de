"""Padded batches: are ids and lengths of one batch, and where do its real tokens stand?"""

import torch
from torch import Tensor

from attention_lib.checks import check_whole


def check_ids(ids: Tensor) -> None:
    """Refuse ids that are no padded batch.

    Raises:
        TypeError: if ``ids`` are no tensor of whole numbers.
        ValueError: if ``ids`` is not (batch, length).
    """
    check_whole(ids=ids)
    if ids.dim() != 2:
        raise ValueError(
            f"ids have shape {tuple(ids.shape)}; wanted (batch, length), e.g. ids[None] for one row"
        )


def check_pairs(src: Tensor, tgt_in: Tensor) -> None:
    """Refuse targets that are not one row of ids a source.

    Raises:
        ValueError: if ``tgt_in`` is not (batch, steps) with at least one step, or of another batch
            than ``src``.
    """
    check_ids(src)
    check_ids(tgt_in)
    if len(src) != len(tgt_in) or not tgt_in.shape[1]:
        raise ValueError(
            f"src is {tuple(src.shape)} and tgt_in {tuple(tgt_in.shape)}; wanted (batch, length) "
            "and (batch, steps) of one batch, with at least the step of <bos>"
        )


def checked_lengths(ids: Tensor, lengths: Tensor | None, *, least: int = 1) -> Tensor:
    """Hold the true lengths of a padded batch against its ids.

    Args:
        ids: (batch, length).
        lengths: (batch,) true lengths; None if nothing is padding.
        least: the shortest that a row may be.

    Returns:
        (batch,) lengths, on the device that they came on.

    Raises:
        TypeError: if ids or lengths are no tensor of whole numbers.
        ValueError: if ``ids`` is no padded batch, or the lengths are not one a row, from ``least``
            to the width of ``ids``.

    >>> checked_lengths(torch.tensor([[5, 6, 7], [8, 9, 0]]), None)
    tensor([3, 3])
    """
    check_ids(ids)
    batch, width = ids.shape
    if lengths is None:
        lengths = torch.full((batch,), width)
    check_whole(lengths=lengths)
    if lengths.shape != (batch,):
        raise ValueError(
            f"lengths have shape {tuple(lengths.shape)}; wanted ({batch},), one for each row of "
            f"ids of shape {tuple(ids.shape)}"
        )
    shortest, longest = (least, width) if batch == 0 else map(int, lengths.aminmax())
    if shortest < least:
        said = "a sentence is empty" if shortest == 0 else f"a sentence has length {shortest}"
        raise ValueError(f"{said}; wanted at least {least} word" + "s" * (least != 1))
    if longest > width:
        raise ValueError(f"a sentence has length {longest}, but ids have room for {width} words")
    return lengths


class Packing:
    """Where the real tokens of a padded batch stand.

    Everything that looks at one token at a time (projections, feed-forward layers, norms, the
    vocabulary) can work on the packed tokens and skip the padding; only attention wants the rows
    of sentences back.

    Args:
        mask: (batch, length) bool, True at real tokens.

    >>> import torch
    >>> packing = Packing(torch.tensor([[True, True], [True, False]]))
    >>> packed = packing.pack(torch.tensor([[[1.0], [2.0]], [[3.0], [9.0]]]))
    >>> packed.flatten().tolist(), packing.unpack(packed).flatten().tolist()
    ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 0.0])
    """

    def __init__(self, mask: Tensor) -> None:
        self.shape = mask.shape
        self.index = mask.flatten().nonzero()[:, 0]

    @property
    def positions(self) -> Tensor:
        """The position of each real token in its sentence: (tokens,)."""
        return self.index % self.shape[1]

    def pack(self, x: Tensor) -> Tensor:
        """Keep the real tokens: (batch, length, ...) → (tokens, ...)."""
        return x.flatten(0, 1).index_select(0, self.index)

    def unpack(self, x: Tensor) -> Tensor:
        """Put the tokens back in their places: (tokens, ...) → (batch, length, ...), else zero."""
        if len(self.index) == self.shape.numel():
            return x.unflatten(0, self.shape)
        padded = x.new_zeros(self.shape.numel(), *x.shape[1:])
        return padded.index_copy(0, self.index, x).unflatten(0, self.shape)
