"""What is to be drawn, as numbers."""

from typing import Any

import numpy as np
import torch


def as_array(values: Any) -> np.ndarray:
    """Copy numbers into a float64 array.

    Args:
        values: an array, numbers in lists, a tensor as a model returns it (with a gradient, on
            any device, of any dtype), or a list of those.
    """
    if isinstance(values, torch.Tensor):
        return np.array(values.detach().cpu().double().numpy())
    if isinstance(values, (list, tuple)) and any(isinstance(v, torch.Tensor) for v in values):
        values = [as_array(value) for value in values]
    return np.array(values, dtype=np.float64)
