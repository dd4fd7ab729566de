"""Properties that checks hold answers to, beyond equal values.

No property can be had with a stub or a constant: where one alone could, ``resembling`` asks that
the values follow the right ones, too. And none is blamed for wrong values: where only right ones
can show it, ``of_right_values`` leaves it open.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.checks.cases import Answer, Case, floating_tensors, tensors_in
from autograder.checks.compare import at, difference, numbers, tolerance
from autograder.checks.spec import Holds, Unclear

Pick = Callable[[Any], Any]

# The least correlation with the right values at which a property counts for anything.
_RESEMBLING = 0.7


def _whole(value: Any) -> Any:
    return value


def all_of(*properties: Holds) -> Holds:
    """Holds when all do; says what the first that does not says."""

    def holds(
        cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
    ) -> str | Unclear | None:
        complaints = (one(cases, answers, expected) for one in properties)
        return next((complaint for complaint in complaints if complaint is not None), None)

    return holds


def resembling(*properties: Holds, pick: Pick = _whole) -> Holds:
    """The properties, for values that rise and fall with the right ones."""

    def follows(
        cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
    ) -> Unclear | None:
        got = torch.cat([numbers(pick(answer.value)) for answer in answers])
        want = torch.cat([numbers(pick(wanted.value)) for wanted in expected])
        # Whether an empty row is NaN is for another check to say.
        known = torch.isfinite(got)
        if int(known.sum()) < 2 or _correlation(got[known], want[known]) < _RESEMBLING:
            return Unclear(None)
        return None

    return all_of(*properties, follows)


def of_right_values(*properties: Holds, slack: float = 1.0) -> Holds:
    """The properties, for values that equal the oracle's within ``slack`` tolerances."""

    def right(
        cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
    ) -> Unclear | None:
        problem = _unequal(cases, answers, expected, slack=slack)
        return Unclear(problem) if problem else None

    return all_of(right, *properties)


def _correlation(a: Tensor, b: Tensor) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(a.norm() * b.norm())
    return float(a @ b) / norm if norm else 0.0


def equals(pick: Pick = _whole, slack: float = 1.0) -> Holds:
    """A part of each value equals the oracle's, within ``slack`` times the usual tolerance."""
    return lambda cases, answers, expected: _unequal(cases, answers, expected, pick, slack)


def _unequal(
    cases: Sequence[Case],
    answers: Sequence[Answer],
    expected: Sequence[Answer],
    pick: Pick = _whole,
    slack: float = 1.0,
) -> str | None:
    for case, answer, wanted in zip(cases, answers, expected, strict=True):
        allowed = slack * tolerance(case)
        problem = difference(pick(answer.value), pick(wanted.value), allowed)
        if problem:
            return at(case, problem)
    return None


def right_or_following(pick: Pick, follow: Callable[[Case, Any], Tensor]) -> Holds:
    """A part is right, or follows rightly from the student's other parts: one slip costs once.

    ``follow(case, value)`` is what that part should be, given the student's own value.
    """

    def holds(
        cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
    ) -> str | Unclear | None:
        problem = equals(pick)(cases, answers, expected)
        if problem is None:
            return None
        for case, answer in zip(cases, answers, strict=True):
            part = numbers(pick(answer.value))
            # What is the same everywhere follows from nothing.
            alike = bool((part == part[0]).all())
            own = follow(case, answer.value)
            if alike or difference(pick(answer.value), own, 10 * tolerance(case)):
                return problem
        return None

    return holds


def rows_sum_like_oracle(pick: Pick = _whole) -> Holds:
    """Each row's sum equals the oracle's: 1 for weights that are normalised."""

    def holds(
        cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
    ) -> str | None:
        for case, answer, wanted in zip(cases, answers, expected, strict=True):
            got = pick(answer.value).double().sum(-1).flatten()
            want = pick(wanted.value).sum(-1).flatten()
            off = ~((got - want).abs() <= 10 * tolerance(case))
            if bool(off.any()):
                row = int(off.nonzero()[0])
                sums = f"a row sums to {float(got[row]):.4g}, not {float(want[row]):.4g}"
                return at(case, sums + _columns_instead(pick(answer.value), tolerance(case)))
        return None

    return holds


def _columns_instead(weights: Tensor, allowed: float) -> str:
    sums = weights.double().sum(-2)
    return "; each column sums to 1" if bool(((sums - 1).abs() <= 10 * allowed).all()) else ""


def zero_where_oracle_is(pick: Pick = _whole) -> Holds:
    """Where the oracle's weight is 0, the answer is exactly 0."""

    def holds(
        cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
    ) -> str | None:
        for case, answer, wanted in zip(cases, answers, expected, strict=True):
            value = pick(answer.value)
            stray = (pick(wanted.value) == 0) & (value != 0)
            if bool(stray.any()):
                count = int(stray.sum())
                if value.dtype == torch.bool:
                    return at(case, f"{count} cells that must be False are True")
                example = f"e.g. one is {float(value[stray][0]):.3g}"
                return at(case, f"{count} cells that must be exactly 0 are not, {example}")
        return None

    return holds


def nonzero_like_oracle(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """Values are exactly 0 where the oracle's are, and nowhere else."""
    for case, answer, wanted in zip(cases, answers, expected, strict=True):
        stray = int(((answer.value != 0) & (wanted.value == 0)).sum())
        lost = int(((answer.value == 0) & (wanted.value != 0)).sum())
        if stray or lost:
            return at(
                case, f"{stray} cells have weight outside the window, {lost} inside have none"
            )
    return None


def bounded(limit: Callable[[Case], float]) -> Holds:
    """No value is larger than ``limit(case)``."""

    def holds(
        cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
    ) -> str | None:
        for case, answer in zip(cases, answers, strict=True):
            largest = float(numbers(answer.value).abs().max())
            allowed = limit(case)
            if not largest <= allowed * (1 + tolerance(case)):
                return at(case, f"a value of {largest:.4g}; none can exceed {allowed:.4g}")
        return None

    return holds


def refused_like_oracle(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | Unclear:
    """Bad input raises the oracle's kind of error, and the message holds the same numbers."""
    for case, answer, wanted in zip(cases, answers, expected, strict=True):
        kind, _, told = (wanted.error or "").partition(":")
        given, _, message = (answer.error or "").partition(":")
        if given != kind:
            instead = f"raises {given}" if given else "gives an answer"
            return at(case, f"your function {instead}; wanted a {kind}")
        missing = [n for n in re.findall(r"\d+", told) if n not in re.findall(r"\d+", message)]
        if missing:
            return at(case, f"your {kind} does not name {' and '.join(missing)}")
    # Who refuses everything refuses this, too.
    return Unclear(None)


def inputs_unchanged(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """No argument was modified in place."""
    for case, answer in zip(cases, answers, strict=True):
        if answer.changed:
            return at(case, "an argument was modified in place")
    return None


def dtype_kept(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """Floating results have the dtype of the floating inputs."""
    for case, answer in zip(cases, answers, strict=True):
        wanted = floating_tensors(case)[0].dtype
        for tensor in tensors_in(answer.value):
            if tensor.dtype != wanted:
                return at(case, f"{wanted} goes in, {tensor.dtype} comes out".replace("torch.", ""))
    return None


def boolean(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """The result is a boolean tensor."""
    for case, answer in zip(cases, answers, strict=True):
        if answer.value.dtype != torch.bool:
            return at(case, f"your mask has dtype {answer.value.dtype}; wanted torch.bool")
    return None


def gradients_equal(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """The gradients of all floating inputs are finite and equal the oracle's."""
    for case, answer, wanted in zip(cases, answers, expected, strict=True):
        got, want = answer.grads or (), wanted.grads or ()
        if len(got) != len(want):
            return at(case, "no gradients came back")
        if all(g is None for g in got):
            return at(case, "no gradient reaches the inputs: the result is cut off from them")
        for g, w, tensor in zip(got, want, floating_tensors(case), strict=True):
            zero = torch.zeros_like(tensor)
            shape = tuple(tensor.shape)
            problem = difference(
                zero if g is None else g, zero if w is None else w, 10 * tolerance(case)
            )
            if problem:
                return at(case, f"in the gradient of the input of shape {shape} {problem}")
    return None


def only_column_moves(column: int) -> Holds:
    """The second answer equals the first, but for one column, which does differ."""

    def holds(
        cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
    ) -> str | None:
        gap = (answers[1].value.double() - answers[0].value.double()).abs()
        moved = ~(gap <= 10 * tolerance(cases[0]))
        if not bool(moved[..., column].any()):
            return at(cases[1], f"the scores of position {column} do not move with its key")
        moved[..., column] = False
        if bool(moved.any()):
            return at(cases[1], f"scores of positions other than {column} move, too")
        return None

    return holds


def agrees_with_first(part: Callable[[Any, Any], Any]) -> Holds:
    """Every answer's ``part(value, first value)`` equals the first answer of its dtype."""

    def holds(
        cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
    ) -> str | None:
        first = answers[0].value
        for case, answer in zip(cases[1:], answers[1:], strict=True):
            problem = difference(part(answer.value, first), first, tolerance(case))
            if problem:
                return at(case, f"{problem} against the same sentences without it")
        return None

    return holds
