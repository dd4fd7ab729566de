"""What the cases of every unit draw from: random numbers, tensors in odd memory, odd dtypes."""

import numpy as np
import torch
from torch import Tensor

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
