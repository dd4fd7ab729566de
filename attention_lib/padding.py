"""Leaving the padding out: a padded batch as the list of its real tokens, and back."""

from torch import Tensor


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
