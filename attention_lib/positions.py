"""Positions: telling attention, which sees a set, in which order the words stand."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from attention_lib.checks import check_floating, check_whole

Pairs = Literal["adjacent", "halves"]


def sinusoidal_positions(
    positions: Tensor,
    d_model: int,
    *,
    base: float = 10_000.0,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    r"""Write each position as the hands of d_model / 2 clocks that run at different speeds.

    .. math:: PE_{pos,\,2i} &= \sin\!\left(pos / 10000^{2i/d}\right) \\
              PE_{pos,\,2i+1} &= \cos\!\left(pos / 10000^{2i/d}\right)

    Args:
        positions: (...) whole numbers; the first word of a sentence stands at 0.
        d_model: size of a position's vector, even.
        base: the slowest clock turns once in 2π · base positions.
        dtype: of the result; the angles are computed in float64.

    Returns:
        (..., d_model); position 0 is 0, 1, 0, 1, …

    Raises:
        ValueError: if ``d_model`` is odd.

    Vaswani et al. (2017), section 3.5.

    >>> sinusoidal_positions(torch.arange(2), 4, base=16).round(decimals=4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.2474, 0.9689]])
    """
    if d_model % 2:
        raise ValueError(f"d_model is {d_model}; sines and cosines want an even number")
    angles = _angles(positions, d_model, base)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2).to(dtype)


def _angles(positions: Tensor, d: int, base: float) -> Tensor:
    """Angle of each of d / 2 clocks at each position: (..., d / 2), in float64."""
    exponents = torch.arange(0, d, 2, device=positions.device, dtype=torch.float64) / d
    return positions.double()[..., None] * base**-exponents


def rotate(
    x: Tensor, positions: Tensor, *, base: float = 10_000.0, pairs: Pairs = "adjacent"
) -> Tensor:
    r"""Turn pairs of features by angles that grow with the position (rotary position embedding).

    .. math:: \begin{pmatrix} x_{2i} \\ x_{2i+1} \end{pmatrix} \mapsto
              \begin{pmatrix} \cos m\theta_i & -\sin m\theta_i \\
                              \sin m\theta_i & \cos m\theta_i \end{pmatrix}
              \begin{pmatrix} x_{2i} \\ x_{2i+1} \end{pmatrix}, \qquad \theta_i = base^{-2i/d}

    Rotated queries and keys have scores that depend on the distance of their positions alone.
    Values are left as they are.

    Args:
        x: (..., length, head_dim), queries or keys.
        positions: (length,) or broadcastable to (..., length), the position m of each.
        base: see :func:`sinusoidal_positions`.
        pairs: "adjacent" rotates features 2i and 2i + 1 as in the paper; "halves" rotates
            features i and i + d / 2 as Llama does in transformers. The two differ by a fixed
            permutation.

    Returns:
        a tensor like ``x``.

    Raises:
        ValueError: if head_dim is odd, the positions are not those of ``x``, or ``pairs`` is
            neither of the two.
        TypeError: if ``x`` is not floating.

    Su et al. (2021), equation 15.

    >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> rotate(x, torch.arange(2)).round(decimals=4)
    tensor([[1.0000, 0.0000],
            [0.5403, 0.8415]])
    """
    check_floating(x=x)
    if x.shape[-1] % 2:
        raise ValueError(f"head_dim is {x.shape[-1]}; rotation by pairs wants an even number")
    try:
        fits = torch.broadcast_shapes(positions.shape, x.shape[:-1]) == x.shape[:-1]
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"positions are {tuple(positions.shape)}, x is {tuple(x.shape)}; wanted one position "
            "for each vector of x, (..., length)"
        )
    angles = _angles(positions, x.shape[-1], base)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    if pairs == "adjacent":
        left, right = x[..., 0::2], x[..., 1::2]
        turned = torch.stack([left * cos - right * sin, left * sin + right * cos], dim=-1)
        return turned.flatten(-2)
    if pairs == "halves":
        left, right = x.chunk(2, dim=-1)
        return torch.cat([left * cos - right * sin, left * sin + right * cos], dim=-1)
    raise ValueError(f"pairs is {pairs!r}; wanted 'adjacent' or 'halves'")


def alibi_slopes(num_heads: int) -> Tensor:
    r"""Slopes of ALiBi's penalties: :math:`2^{-8/n}, 2^{-16/n}, …, 2^{-8}` for n heads.

    Where n is no power of two, the slopes of the next lower one come first, and every other
    slope of the next higher one fills up.

    Returns:
        (num_heads,) float32.

    Raises:
        ValueError: if ``num_heads`` is below 1.

    Press et al. (2022), section 3.

    >>> alibi_slopes(4).tolist()
    [0.25, 0.0625, 0.015625, 0.00390625]
    """
    if num_heads < 1:
        raise ValueError(f"num_heads is {num_heads}; wanted at least 1")
    power = 2 ** int(math.log2(num_heads))
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    slopes += [2 ** (-4 * (2 * i + 1) / power) for i in range(num_heads - power)]
    return torch.tensor(slopes)


def alibi_bias(num_heads: int, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    r"""Punish distance: add :math:`-m_h\,|i - j|` to the scores of head h.

    Args:
        num_heads: each head has its own slope, see :func:`alibi_slopes`.
        query_positions: (..., L_q).
        key_positions: (..., L_k).

    Returns:
        (..., num_heads, L_q, L_k) float32, 0 where query and key stand at the same position.

    Raises:
        TypeError: if the positions are no whole numbers.

    Press et al. (2022), equation in section 3; with a causal mask, the distance is their i − j.

    >>> alibi_bias(8, torch.tensor([5]), torch.arange(6))[0].tolist()
    [[-2.5, -2.0, -1.5, -1.0, -0.5, -0.0]]
    """
    check_whole(query_positions=query_positions, key_positions=key_positions)
    distance = (query_positions[..., None] - key_positions[..., None, :]).abs()
    slopes = alibi_slopes(num_heads).to(distance.device)
    return -slopes[:, None, None] * distance[..., None, :, :]


def relative_buckets(
    distance: Tensor, *, num_buckets: int = 32, max_distance: int = 128, causal: bool = False
) -> Tensor:
    """Sort distances into buckets: each small one has its own, the larger share by logarithm.

    Args:
        distance: integer, key position − query position.
        num_buckets: how many; half for keys to the right unless ``causal``.
        max_distance: all beyond share the last bucket.
        causal: keys to the right do not occur and share bucket 0.

    Returns:
        bucket numbers of the same shape.

    Raises:
        TypeError: if ``distance`` are no whole numbers.
        ValueError: if there are too few buckets to have exact ones on each side, or
            ``max_distance`` is within the exact ones.

    Raffel et al. (2020), section 2.1, as in the paper's released code.

    >>> relative_buckets(torch.tensor([-200, -3, 0, 3, 200])).tolist()
    [15, 3, 0, 19, 31]
    """
    check_whole(distances=distance)
    buckets = torch.zeros_like(distance)
    if causal:
        distance = (-distance).clamp(min=0)
    else:
        num_buckets //= 2
        buckets = num_buckets * (distance > 0)
        distance = distance.abs()
    exact = num_buckets // 2
    if exact < 1 or max_distance <= exact:
        raise ValueError(
            f"of the buckets of a side, {num_buckets}, half have one distance each, {exact}, and "
            f"the rest reach to max_distance {max_distance}; wanted at least 1, and further"
        )
    share = (distance.clamp(min=1).float() / exact).log() / math.log(max_distance / exact)
    far = (exact + (share * (num_buckets - exact)).long()).clamp(max=num_buckets - 1)
    return buckets + torch.where(distance < exact, distance, far)


class RelativeBias(nn.Module):
    """Learn one number a head and bucket of distances, added to the scores (T5).

    Args:
        num_heads: heads that share the buckets but not the numbers.
        num_buckets, max_distance, causal: see :func:`relative_buckets`.

    Raises:
        ValueError: if there cannot be such buckets.

    >>> positions = torch.arange(5)
    >>> bias = RelativeBias(num_heads=2)(positions, positions)
    >>> bias.shape, bool((bias[:, 0, 1] == bias[:, 3, 4]).all())
    (torch.Size([2, 5, 5]), True)
    """

    def __init__(
        self,
        num_heads: int,
        *,
        num_buckets: int = 32,
        max_distance: int = 128,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.num_buckets, self.max_distance, self.causal = num_buckets, max_distance, causal
        self.bias = nn.Embedding(num_buckets, num_heads)
        self(*torch.zeros(2, 1, dtype=torch.long))  # says now if the buckets cannot be

    def forward(self, query_positions: Tensor, key_positions: Tensor) -> Tensor:
        """Map positions (..., L_q) and (..., L_k) to a bias (..., num_heads, L_q, L_k).

        Raises:
            TypeError: if the positions are no whole numbers.
        """
        check_whole(query_positions=query_positions, key_positions=key_positions)
        distance = key_positions[..., None, :] - query_positions[..., None]
        buckets = relative_buckets(
            distance,
            num_buckets=self.num_buckets,
            max_distance=self.max_distance,
            causal=self.causal,
        )
        return self.bias(buckets).movedim(-1, -3)


class LearnedPositions(nn.Module):
    """Learn one vector a position, up to a longest.

    Args:
        max_length: positions that there are.
        d_model: size of a vector.

    >>> LearnedPositions(max_length=16, d_model=8)(torch.arange(5)).shape
    torch.Size([5, 8])
    """

    def __init__(self, max_length: int, d_model: int) -> None:
        super().__init__()
        self.table = nn.Embedding(max_length, d_model)

    def forward(self, positions: Tensor) -> Tensor:
        """Look up (...) positions: (..., d_model).

        Raises:
            TypeError: if the positions are no whole numbers.
            ValueError: if a position is negative or lies beyond the table.
        """
        check_whole(positions=positions)
        first, last = map(int, positions.aminmax()) if positions.numel() else (0, 0)
        if first < 0:
            raise ValueError(f"position {first} is negative; positions are counted from 0")
        if last >= self.table.num_embeddings:
            raise ValueError(
                f"position {last} lies beyond the learned table of "
                f"{self.table.num_embeddings} positions (0 … {self.table.num_embeddings - 1}); "
                "shorten the input or build the model with a larger max_length"
            )
        return self.table(positions)
