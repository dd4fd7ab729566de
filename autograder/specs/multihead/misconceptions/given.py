"""The softmax that the notebook gives: a mask that does not fit fails in it as for a student."""

import torch


def masked_softmax(scores: torch.Tensor, mask: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Weights over the open cells; the mask broadcasts to the shape of the scores."""
    blocked = ~mask.expand(scores.shape)
    nothing = blocked.all(dim=dim, keepdim=True)
    filled = scores.masked_fill(blocked, float("-inf")).masked_fill(nothing, 0.0)
    return filled.softmax(dim).masked_fill(blocked, 0.0)
