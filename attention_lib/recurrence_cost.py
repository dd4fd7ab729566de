"""What recurrence costs: steps that must wait for each other, long paths, fading gradients."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

Layer = Literal["recurrent", "self-attention", "convolutional"]


def sequential_operations(layer: Layer, length: int) -> int:
    """Count the steps of one layer that have to wait for each other.

    A recurrent layer needs the state before at each position; the others treat all positions at
    once. A translator with a recurrent encoder and decoder takes 28 steps for a sentence of 12
    words and its translation of 12, each with its begin and end marks:

    >>> 2 * sequential_operations("recurrent", 12 + 2)
    28
    >>> sequential_operations("self-attention", 12 + 2)
    1

    Raises:
        ValueError: if the layer is unknown or ``length`` below 1.

    Vaswani et al. (2017), table 1, second column.
    """
    _check(layer, length)
    return length if layer == "recurrent" else 1


def maximum_path_length(
    layer: Layer, length: int, *, kernel_size: int = 3, dilated: bool = False
) -> int:
    """Count the operations between the two positions that are farthest apart.

    What stands at the first position passes a recurrent cell at every position; in attention it
    is one operation away from everywhere. A kernel of k sees k − 1 further positions, so that
    layers have to be stacked: ⌈(n − 1)/(k − 1)⌉ of them, or ⌈log_k n⌉ where each is k times as
    ``dilated`` as the one below.

    >>> [maximum_path_length("recurrent", n) for n in (14, 140)]
    [14, 140]
    >>> [maximum_path_length("convolutional", n) for n in (14, 140)]
    [7, 70]
    >>> [maximum_path_length("convolutional", n, dilated=True) for n in (14, 140)]
    [3, 5]
    >>> [maximum_path_length("self-attention", n) for n in (14, 140)]
    [1, 1]

    Raises:
        ValueError: if the layer is unknown, ``length`` below 1 or ``kernel_size`` below 2.

    Vaswani et al. (2017), table 1, third column.
    """
    _check(layer, length)
    if kernel_size < 2:
        raise ValueError(f"kernel_size is {kernel_size}; wanted at least 2 to see a neighbour")
    if layer != "convolutional":
        return sequential_operations(layer, length)
    layers, seen = 1, kernel_size
    while seen < length:
        layers += 1
        seen = seen * kernel_size if dilated else seen + kernel_size - 1
    return layers


def sequential_steps(needs: Tensor) -> int:
    r"""Count the steps of a computation that have to wait for each other: its longest chain.

    .. math:: n_t = 1 + \max_{s: t \text{ needs } s} n_s, \qquad \text{the answer is } \max_t n_t

    With as many processors as one likes a computation still takes as long as this chain.

    Args:
        needs: (T, T) bool, needs[t, s] is True where step t needs the result of step s; the steps
            are numbered so that a step needs earlier ones only.

    Returns:
        the number of steps of the longest chain; 0 if there is no step.

    Raises:
        ValueError: if ``needs`` is not square, or a step needs itself or a later one.

    >>> sequential_steps(torch.ones(13).diag(-1).bool())  # each needs the one before
    14
    >>> sequential_steps(torch.zeros(14, 14).bool())  # none needs another
    1
    """
    _check_needs(needs)
    chain: list[int] = []
    for row in needs:
        chain.append(1 + max((chain[s] for s in row.nonzero().flatten().tolist()), default=0))
    return max(chain, default=0)


def path_lengths(reads: Tensor, needs: Tensor) -> Tensor:
    """Count the steps on the shortest way from each word to each result.

    Args:
        reads: (T, S) bool, reads[t, s] is True where step t reads word s itself.
        needs: (T, T) bool, as in :func:`sequential_steps`.

    Returns:
        (T, S) int64: how many steps word s passes, the last included, before it is in the result
        of step t; 0 where it never gets there.

    Raises:
        ValueError: if ``needs`` is not as above, or ``reads`` has not as many rows.

    >>> path_lengths(torch.eye(3).bool(), torch.ones(2).diag(-1).bool())  # a recurrent layer
    tensor([[1, 0, 0],
            [2, 1, 0],
            [3, 2, 1]])
    """
    _check_needs(needs)
    if reads.dim() != 2 or len(reads) != len(needs):
        raise ValueError(f"reads has shape {tuple(reads.shape)}; wanted ({len(needs)}, words)")
    never = reads.numel() + 1
    lengths = torch.full(reads.shape, never, device=reads.device)
    for t, (read, needed) in enumerate(zip(reads, needs, strict=True)):
        if bool(needed.any()):
            lengths[t] = lengths[needed].amin(0) + 1
        lengths[t] = lengths[t].clamp(max=never).masked_fill(read, 1)
    return lengths.masked_fill(lengths == never, 0)


def _check_needs(needs: Tensor) -> None:
    if needs.dim() != 2 or needs.shape[0] != needs.shape[1]:
        raise ValueError(f"needs has shape {tuple(needs.shape)}; wanted (T, T), a row for a step")
    ahead = needs.triu().nonzero()
    if len(ahead):
        t, s = ahead[0].tolist()
        raise ValueError(f"step {t} needs step {s}; number the steps so that all need earlier ones")


def _check(layer: Layer, length: int) -> None:
    if layer not in get_args(Layer):
        raise ValueError(f"layer is {layer!r}; wanted one of {', '.join(get_args(Layer))}")
    if length < 1:
        raise ValueError(f"length is {length}; wanted at least 1")


def gradient_norm_by_distance(run: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    r"""Measure how much the last output still depends on each input.

    .. math:: d \mapsto \left\| \frac{\partial h_T}{\partial x_{T-d}} \right\|_F

    Args:
        run: maps (batch, length, d_in) to outputs (batch, length, d_h), each row for itself, e.g.
            ``lambda x: lstm(x)[0]``.
        inputs: (batch, length, d_in); not changed.

    Returns:
        (length,): at index d the Frobenius norm of ∂h_T/∂x_{T−d}, averaged over the batch.

    Raises:
        ValueError: if ``inputs`` is not three-dimensional.

    >>> gradient_norm_by_distance(lambda x: x.cumsum(1) / 2, torch.zeros(1, 3, 1))
    tensor([0.5000, 0.5000, 0.5000])
    """
    if inputs.dim() != 3:
        raise ValueError(f"inputs have shape {tuple(inputs.shape)}; wanted (batch, length, d_in)")
    batch, length, d_in = inputs.shape
    with torch.no_grad():
        d_h = run(inputs).shape[-1]
    # A copy of each sentence for each component of h_T: then one backward pass gives all of them.
    copies = inputs.detach().repeat_interleave(d_h, dim=0).requires_grad_()
    last = run(copies)[:, -1].view(batch, d_h, d_h)
    (gradients,) = torch.autograd.grad(last.diagonal(dim1=1, dim2=2).sum(), copies)
    squares = gradients.view(batch, d_h, length, d_in).square().sum(dim=(1, 3))
    return squares.sqrt().mean(0).flip(0)
