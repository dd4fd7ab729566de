"""Compare answers with the oracle's, and say in words what is off without giving it away."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.checks.cases import Answer, Case, tensors_in

# Relative to the largest expected number: room for another order of summation, no more.
TOLERANCE = {
    torch.float64: 1e-7,
    torch.float32: 1e-4,
    torch.float16: 1.5e-2,
    torch.bfloat16: 6e-2,
}

_WIDEST = 20
_ORDER = ("first", "second", "third", "fourth", "fifth")


def equals_oracle(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """Whether all values equal the oracle's; the answer's own dtype is not looked at."""
    for case, answer, wanted in zip(cases, answers, expected, strict=True):
        problem = difference(answer.value, wanted.value, tolerance(case))
        if problem:
            return at(case, problem)
    return None


def tolerance(case: Case) -> float:
    """The tolerance for a case: that of its coarsest floating input."""
    dtypes = {t.dtype for t in tensors_in((case.args, dict(case.kwargs))) if t.is_floating_point()}
    return max((TOLERANCE[dtype] for dtype in dtypes), default=TOLERANCE[torch.float64])


def at(case: Case, problem: str) -> str:
    """A problem, with the case it was seen at."""
    return f"{problem} ({case.label})" if case.label else problem


def misfit(
    value: Any, wanted: Any, what: str = "your result", parts: tuple[int, ...] | None = None
) -> str | None:
    """What is wrong with a value's kind or shape, or None: values are not looked at.

    Of a tuple only the given ``parts`` are looked into, all if None.

    >>> misfit(torch.zeros(2, 5, 3), torch.zeros(2, 3, 5))
    'your result has shape (2, 5, 3); wanted (2, 3, 5)'
    """
    if type(wanted) is Tensor:
        if type(value) is not Tensor:
            makes_one = " (torch.from_numpy makes one)" if type(value) is np.ndarray else ""
            return f"{what} is {kind_of(value)}; wanted a torch.Tensor{makes_one}"
        if value.shape != wanted.shape:
            return f"{what} has shape {tuple(value.shape)}; wanted {tuple(wanted.shape)}"
        return None
    if type(wanted) is np.ndarray:
        if type(value) is not np.ndarray:
            return f"{what} is {kind_of(value)}; wanted a NumPy array"
        if value.shape != wanted.shape:
            return f"{what} has shape {value.shape}; wanted {wanted.shape}"
        return None
    if type(wanted) is tuple:
        if type(value) not in (tuple, list) or len(value) != len(wanted):
            return f"{what} is {kind_of(value)}; wanted a tuple of {len(wanted)}"
        for index in range(len(wanted)) if parts is None else parts:
            problem = misfit(value[index], wanted[index], f"the {_ORDER[index]} thing you return")
            if problem:
                return problem
        return None
    return None if _is_number(value) else f"{what} is {kind_of(value)}; wanted a number"


def kind_of(value: Any) -> str:
    """A value's kind in words.

    >>> kind_of([1, 2]), kind_of(None)
    ('a list of 2', 'None (is a return missing?)')
    """
    if value is None:
        return "None (is a return missing?)"
    if type(value) in (tuple, list):
        return f"a {type(value).__name__} of {len(value)}"
    if type(value) is Tensor:
        return f"a tensor of shape {tuple(value.shape)}"
    if type(value) is np.ndarray:
        return f"a NumPy array of shape {value.shape}"
    article = "an" if type(value).__name__[0] in "aeiou" else "a"
    return f"{article} {type(value).__name__}"


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) or (
        type(value) is Tensor and value.dim() == 0 and value.dtype != torch.bool
    )


def numbers(value: Any) -> Tensor:
    """All numbers of a fitting value, as one flat float64 tensor."""
    if type(value) in (tuple, list):
        return torch.cat([numbers(item) for item in value])
    return torch.as_tensor(value, dtype=torch.float64).flatten()


def difference(value: Any, wanted: Any, allowed: float) -> str | None:
    """What tells two values apart by more than ``allowed`` of the largest wanted number."""
    problem = misfit(value, wanted)
    if problem:
        return problem
    got, want = numbers(value), numbers(wanted)
    bad = ~torch.isfinite(got) & torch.isfinite(want)
    if bool(bad.any()):
        kind = "NaN" if bool(got[bad].isnan().any()) else "infinite"
        return f"{int(bad.sum())} of {got.numel()} values are {kind}"
    gap = (got - want).abs()
    off = ~(gap <= allowed * _scale(want)) & (got != want)
    if not bool(off.any()):
        return None
    if type(wanted) is Tensor and wanted.dtype == torch.bool and wanted.dim():
        return f"{int(off.sum())} of {off.numel()} cells differ{_one_row(value, wanted, off)}"
    finite = gap[torch.isfinite(gap)]
    largest = float(finite.max()) if finite.numel() else float("inf")
    return f"{int(off.sum())} of {off.numel()} values differ, by up to {largest:.2g}"


def _one_row(value: Tensor, wanted: Tensor, off: Tensor) -> str:
    """The first wrong row of a mask beside the wanted one: a size would say nothing of bits."""
    row = int(off.nonzero()[0]) // wanted.shape[-1]
    place = [int(i) for i in np.unravel_index(row, wanted.shape[:-1])]
    got, want = (_bits(t.reshape(-1, wanted.shape[-1])[row]) for t in (value, wanted))
    return f": {f'row {place}' if place else 'it'} is {got}; wanted {want}"


def _bits(row: Tensor) -> str:
    shown = [f"{float(cell):.3g}" for cell in row[:_WIDEST]]
    return " ".join(shown) + (" …" if row.numel() > _WIDEST else "")


def _scale(values: Tensor) -> float:
    """The largest finite magnitude, but at least 1."""
    finite = values[torch.isfinite(values)].abs()
    return max(1.0, float(finite.max())) if finite.numel() else 1.0


def same_answer(case: Case, one: Answer, other: Answer) -> bool:
    """Whether two answers agree: values with dtypes and NaNs, gradients, kind of error."""
    if one.error is not None or other.error is not None:
        return _error_kind(one) == _error_kind(other)
    return (
        one.changed == other.changed
        and [t.dtype for t in tensors_in(one.value)] == [t.dtype for t in tensors_in(other.value)]
        and same_value(case, one, other)
        and _same_grads(one.grads, other.grads, 10 * tolerance(case))
    )


def _error_kind(answer: Answer) -> str | None:
    return None if answer.error is None else answer.error.split(":")[0]


def same_value(case: Case, one: Answer, other: Answer) -> bool:
    """Whether two answers hold the same numbers, NaN where the other has NaN; dtypes may differ."""
    if one.error is not None or other.error is not None:
        return False
    return _same_numbers(one.value, other.value, tolerance(case))


def same_but_for_nan(case: Case, one: Answer, other: Answer) -> bool:
    """Whether two answers hold the same numbers where neither is NaN, which is mostly so."""
    if one.error or other.error or misfit(one.value, other.value) or misfit(other.value, one.value):
        return False
    a, b = numbers(one.value), numbers(other.value)
    known = ~(a.isnan() | b.isnan())
    if 2 * int(known.sum()) < known.numel():
        return False
    return _same_numbers(a[known], b[known], tolerance(case))


def _same_numbers(one: Any, other: Any, allowed: float) -> bool:
    if misfit(one, other) or misfit(other, one):
        return False
    a, b = numbers(one), numbers(other)
    finite = torch.isfinite(b)
    if not torch.equal(torch.isfinite(a), finite) or not torch.equal(a.isnan(), b.isnan()):
        return False
    return bool(((a - b)[finite].abs() <= allowed * _scale(b)).all())


def _same_grads(
    one: tuple[Tensor | None, ...] | None, other: tuple[Tensor | None, ...] | None, allowed: float
) -> bool:
    if one is None or other is None:
        return one is other
    if [g is None for g in one] != [g is None for g in other]:
        return False
    pairs = zip(one, other, strict=True)
    return all(g is None or _same_numbers(g, h, allowed) for g, h in pairs)
