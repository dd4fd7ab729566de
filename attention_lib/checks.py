"""What fits together: kinds, ranks and sizes of tensors, said in words where they do not fit."""

import torch
from torch import Tensor


def check_floating(**tensors: Tensor) -> None:
    """Refuse what is not of one floating dtype; autocast, which converts, may get several.

    Args:
        tensors: by the names that the message shall use.

    Raises:
        TypeError: if one is no tensor, not floating, or of another dtype than the first.

    >>> check_floating(query=torch.zeros(1), key=torch.zeros(1, dtype=torch.float64))
    Traceback (most recent call last):
    TypeError: query: torch.float32, key: torch.float64; wanted one floating dtype
    """
    if _of_one_kind(tensors):
        return
    _check_tensors(tensors)
    dtypes = {tensor.dtype for tensor in tensors.values()}
    if not all(dtype.is_floating_point for dtype in dtypes) or (
        len(dtypes) > 1 and not _autocast(tensors)
    ):
        said = ", ".join(f"{name}: {tensor.dtype}" for name, tensor in tensors.items())
        raise TypeError(f"{said}; wanted one floating dtype")


def _of_one_kind(tensors: dict[str, Tensor]) -> bool:
    """What is nearly always so, asked in the cheapest way: a decoder asks at each word."""
    kind = None
    for tensor in tensors.values():
        if not isinstance(tensor, Tensor) or tensor.dtype is not (kind := kind or tensor.dtype):
            return False
    return kind is not None and kind.is_floating_point


def _check_tensors(tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: {type(tensor).__name__}; wanted a tensor")


def _autocast(tensors: dict[str, Tensor]) -> bool:
    return any(torch.is_autocast_enabled(tensor.device.type) for tensor in tensors.values())


def check_vectors(**tensors: Tensor) -> None:
    """Refuse rows of vectors (..., length, d) that do not belong together.

    Args:
        tensors: by the names that the message shall use; lengths and d may differ.

    Raises:
        TypeError: as :func:`check_floating`.
        ValueError: if one has less than two axes, or the axes before those do not broadcast.

    >>> check_vectors(query=torch.zeros(2, 5, 3), key=torch.zeros(4, 6, 3))
    Traceback (most recent call last):
    ValueError: query: (2, 5, 3), key: (4, 6, 3); wanted (..., length, d) with ... that broadcast
    """
    check_floating(**tensors)
    if not _broadcast([tensor.shape[:-2] for tensor in tensors.values()]) or any(
        tensor.dim() < 2 for tensor in tensors.values()
    ):
        said = ", ".join(f"{name}: {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ValueError(f"{said}; wanted (..., length, d) with ... that broadcast")


def _broadcast(shapes: list[torch.Size]) -> bool:
    # To ask torch costs more than the rest of a check. A set would make sizes constants to a
    # compiler.
    if all(shape == shapes[0] for shape in shapes[1:]):
        return True
    try:
        torch.broadcast_shapes(*shapes)
    except RuntimeError:
        return False
    return True


def check_whole(**tensors: Tensor) -> None:
    """Refuse what are no whole numbers: ids, lengths, positions.

    Args:
        tensors: by the names that the message shall use.

    Raises:
        TypeError: if one is no tensor, or of another dtype than torch's tables take.

    >>> check_whole(lengths=torch.tensor([2.0, 3.0]))
    Traceback (most recent call last):
    TypeError: lengths are torch.float32; wanted whole numbers, torch.int64 or torch.int32
    """
    _check_tensors(tensors)
    for name, tensor in tensors.items():
        if tensor.dtype not in (torch.int64, torch.int32):
            raise TypeError(
                f"{name} are {tensor.dtype}; wanted whole numbers, torch.int64 or torch.int32"
            )


def check_columns(**readers: tuple[Tensor, Tensor]) -> None:
    """Refuse matrices that do not fit the vectors that they read.

    Args:
        readers: by the names that the message shall use, each matrix (rows, d) with the vectors
            (..., d) that it reads.

    Raises:
        TypeError: as :func:`check_floating`.
        ValueError: if a matrix has another d than its vectors, or is none.

    >>> check_columns(w_p=(torch.zeros(4, 3), torch.zeros(2, 5)))
    Traceback (most recent call last):
    ValueError: w_p is (4, 3); what it reads is (2, 5), so wanted (rows, 5)
    """
    for name, (matrix, vectors) in readers.items():
        check_floating(**{f"what {name} reads": vectors, name: matrix})
        if matrix.dim() != 2 or not vectors.dim() or matrix.shape[1] != vectors.shape[-1]:
            wanted = f"(rows, {vectors.shape[-1]})" if vectors.dim() else "vectors"
            raise ValueError(
                f"{name} is {tuple(matrix.shape)}; what it reads is {tuple(vectors.shape)}, so "
                f"wanted {wanted}"
            )
