"""Area attention: attend to runs of neighbouring positions as well as to single ones."""

import torch
from torch import Tensor

from attention_lib.attention import attend
from attention_lib.checks import check_vectors
from attention_lib.scores import scaled_dot_score


def area_sums(items: Tensor, max_area: int) -> Tensor:
    r"""Sum the items of every area: every run of 1 … ``max_area`` neighbouring positions.

    .. math:: S_n(i) = S_{n-1}(i) + x_{i+n-1}, \qquad S_1(i) = x_i

    Each size comes from the one below it by one addition an area. The paper subtracts two entries
    of a running sum, at the same cost; but differences of large sums lose the small items, and a
    large item behind the areas would leave its trace in them.

    Args:
        items: (..., length, d).
        max_area: the largest number of positions in an area, ≥ 1.

    Returns:
        (..., areas, d): first the areas of one position, then those of two, and so on, each size
        from left to right. Sizes beyond the length have no areas.

    Raises:
        ValueError: if ``max_area`` is below 1.

    Li et al. (2019), "Area Attention".

    >>> area_sums(torch.tensor([[1.0], [10.0], [100.0]]), max_area=2).flatten()
    tensor([  1.,  10., 100.,  11., 110.])
    """
    if max_area < 1:
        raise ValueError(f"max_area is {max_area}; wanted at least 1 position")
    sums = [items]
    for size in range(2, min(max_area, items.shape[-2]) + 1):
        sums.append(sums[-1][..., :-1, :] + items[..., size - 1 :, :])
    return torch.cat(sums, dim=-2)


def area_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, *, max_area: int
) -> tuple[Tensor, Tensor]:
    r"""Attend by scaled dot products to areas instead of positions.

    .. math:: k_A = \frac{1}{|A|} \sum_{i \in A} k_i, \qquad v_A = \sum_{i \in A} v_i

    With ``max_area=1`` this is the usual attention.

    Args:
        query: (batch, num_heads, L_q, head_dim).
        key: (batch, num_heads, L_k, head_dim).
        value: (batch, num_heads, L_k, d_v).
        mask: bool, broadcastable to (batch, num_heads, L_q, L_k), True = may be attended to. An
            area with a forbidden position is forbidden.
        max_area: the largest number of positions in an area, ≥ 1.

    Returns:
        context (batch, num_heads, L_q, d_v) and weights (batch, num_heads, L_q, areas), with the
        areas in the order of :func:`area_sums`.

    Raises:
        TypeError: if ``mask`` is not boolean, or the others are not of one floating dtype.
        ValueError: if the shapes do not fit, or ``max_area`` is below 1.

    Li et al. (2019), "Area Attention", in its form without parameters.

    >>> key, value = torch.zeros(1, 1, 3, 2), torch.tensor([[[[1.0], [2.0], [3.0]]]])
    >>> area_attention(key[:, :, :1], key, value, max_area=2)  # (1 + 2 + 3 + 3 + 5) / 5
    (tensor([[[[2.8000]]]]), tensor([[[[0.2000, 0.2000, 0.2000, 0.2000, 0.2000]]]]))
    """
    check_vectors(query=query, key=key, value=value)
    sizes = area_sums(key.new_ones(key.shape[-2], 1), max_area)
    area_mask = None if mask is None else _area_mask(mask, key.shape[-2], max_area)
    scores = scaled_dot_score(query, area_sums(key, max_area) / sizes)
    return attend(scores, area_sums(value, max_area), area_mask)


def _area_mask(mask: Tensor, length: int, max_area: int) -> Tensor:
    """Allow the areas all of whose positions are allowed: (…, L_q, length) → (…, L_q, areas)."""
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask has dtype {mask.dtype}; wanted torch.bool with True = may be attended to"
        )
    if mask.shape[-1] != length:
        raise ValueError(f"mask is over {mask.shape[-1]} keys, key has {length}")
    forbidden = (~mask).to(torch.int32)[..., None]
    return area_sums(forbidden, max_area)[..., 0] == 0
