"""Masks: boolean tensors in which True means "may be attended to".

Every mask of the library is built here, has this one polarity (that of
``torch.nn.functional.scaled_dot_product_attention``) and broadcasts to the scores it masks.
"""

import torch
from torch import Tensor

from attention_lib.checks import check_whole


def length_mask(lengths: Tensor, max_length: int | None = None) -> Tensor:
    """Mark the real positions of a padded batch.

    Args:
        lengths: (batch,) integer numbers of real positions.
        max_length: padded length; the longest of ``lengths`` if not given.

    Returns:
        (batch, max_length) bool, True at real positions.

    Raises:
        TypeError: if ``lengths`` are no whole numbers.
        ValueError: if ``lengths`` is not one-dimensional, or a length is negative or exceeds
            ``max_length``.

    >>> length_mask(torch.tensor([1, 3]))
    tensor([[ True, False, False],
            [ True,  True,  True]])
    """
    check_whole(lengths=lengths)
    if lengths.dim() != 1:
        raise ValueError(f"lengths has shape {tuple(lengths.shape)}; wanted (batch,)")
    shortest, longest = map(int, lengths.aminmax()) if lengths.numel() else (0, 0)
    if shortest < 0:
        raise ValueError(f"a sequence has length {shortest}; wanted at least 0")
    if max_length is None:
        max_length = longest
    if longest > max_length:
        raise ValueError(f"a sequence has length {longest}, but max_length is {max_length}")
    return torch.arange(max_length, device=lengths.device) < lengths[:, None]


def causal_mask(length: int, *, device: torch.device | str | None = None) -> Tensor:
    """Let position i attend to positions 0 … i.

    Returns:
        (length, length) bool, True on and below the diagonal.

    Raises:
        ValueError: if ``length`` is negative.

    >>> causal_mask(3)
    tensor([[ True, False, False],
            [ True,  True, False],
            [ True,  True,  True]])
    """
    if length < 0:
        raise ValueError(f"length is {length}; wanted at least 0")
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def window_mask(centre: Tensor, src_mask: Tensor, window: int) -> Tensor:
    """Let each query attend to the real positions at most ``window`` away from its centre.

    Args:
        centre: (batch, L_q) position each query looks at; need not be whole.
        src_mask: (batch, L_k) bool, True at real source positions.
        window: the half-width D, in positions, ≥ 0.

    Returns:
        (batch, L_q, L_k) bool, True where s is real and at most D from the centre.

    Raises:
        ValueError: if ``window`` is negative.

    >>> window_mask(torch.tensor([[0.0, 2.0]]), torch.tensor([[True, True, True, False]]), 1)
    tensor([[[ True,  True, False, False],
             [False,  True,  True, False]]])
    """
    if window < 0:
        raise ValueError(f"window is {window}; wanted a half-width of at least 0")
    positions = torch.arange(src_mask.shape[-1], device=src_mask.device)
    near = (positions - centre[..., None]).abs() <= window
    return near & src_mask[..., None, :]


def sliding_window_mask(
    length: int, window: int, *, causal: bool = False, device: torch.device | str | None = None
) -> Tensor:
    """Let position i attend to the positions at most ``window`` away from it.

    Args:
        length: number of positions.
        window: the half-width, in positions, ≥ 0.
        causal: whether the positions after i are forbidden too: i sees i − ``window`` … i.
        device: where the mask is made.

    Returns:
        (length, length) bool, True where i and j are at most ``window`` apart
        and, if causal, j ≤ i.

    Raises:
        ValueError: if ``window`` is negative.

    Beltagy et al. (2020), "Longformer", section 3.1.

    >>> sliding_window_mask(4, 1, causal=True)
    tensor([[ True, False, False, False],
            [ True,  True, False, False],
            [False,  True,  True, False],
            [False, False,  True,  True]])
    """
    if window < 0:
        raise ValueError(f"window is {window}; wanted a half-width of at least 0")
    past = torch.ones(length, length, dtype=torch.bool, device=device).triu(-window)
    return past.tril(0 if causal else window)
