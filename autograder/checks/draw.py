"""What the cases of every unit draw from: random numbers, masks, odd memory, odd dtypes."""

import numpy as np
import torch
from torch import Tensor

from autograder.checks.cases import Case

HALVES = (torch.float16, torch.bfloat16)
Rng = np.random.Generator


def normal(rng: Rng, *shape: int, dtype: torch.dtype = torch.float32, scale: float = 1.0) -> Tensor:
    """Random numbers that are never exactly alike.

    >>> normal(np.random.default_rng(0), 2, 3).shape
    torch.Size([2, 3])
    """
    return torch.from_numpy(scale * rng.standard_normal(shape)).to(dtype)


def strided(tensor: Tensor) -> Tensor:
    """The same numbers, in memory that is not contiguous.

    >>> strided(torch.ones(2, 3)).is_contiguous()
    False
    """
    return torch.stack([tensor, tensor], -1)[..., 0]


def all_strided(case: Case, label: str) -> Case:
    """The same case with every tensor in memory that is not contiguous."""
    args = tuple(
        strided(a) if isinstance(a, Tensor)
        else {k: strided(t) for k, t in a.items()} if isinstance(a, dict)
        else a
        for a in case.args
    )  # fmt: skip
    return Case(args, label=label)


def open_mask(rng: Rng, *shape: int) -> Tensor:
    """A mask with something open in each row, and something masked where there is room."""
    mask = torch.from_numpy(rng.random(shape) < 0.5)
    rows, keys = shape[-2:]
    step = torch.arange(rows)
    mask[..., step, step % keys] = True
    if keys > 1:
        mask[..., step, (step + 1) % keys] = False
    return mask
