"""Test a grader: what is right must earn everything, what is wrong must be told why.

For every exercise of a unit: the oracle and each right solution get full marks with no
misconception found; each misconception loses points and is found to be itself; what knows nothing
(stubs, constants, the input handed back) gets no points at all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.checks.cases import Answer, Case
from autograder.checks.drive import drive
from autograder.checks.judge import Verdict, judge
from autograder.checks.spec import Exercise, Unit, draw_cases

SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Row:
    """One implementation and what the grader made of it, at the least favourable seed."""

    exercise: str
    kind: str
    name: str
    points: float
    max_points: float
    found: str | None
    ok: bool


@dataclass(frozen=True)
class Report:
    """All rows of a unit; ``ok`` when each is as it should be."""

    unit: str
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether the grader judges everything as it should."""
        return all(row.ok for row in self.rows)

    def __str__(self) -> str:
        lines = [f"Audit of {self.unit}", ""]
        width = max(len(row.name) for row in self.rows)
        for exercise in dict.fromkeys(row.exercise for row in self.rows):
            lines.append(exercise)
            lines += [_line(row, width) for row in self.rows if row.exercise == exercise]
            lines.append("")
        wrong = sum(not row.ok for row in self.rows)
        lines.append(
            f"{len(self.rows)} implementations, {wrong} misjudged."
            if wrong
            else f"{len(self.rows)} implementations, all judged as they should be."
        )
        return "\n".join(lines)


def _line(row: Row, width: int) -> str:
    mark = "✓" if row.ok else "✗"
    found = f"  found: {row.found}" if row.found else ""
    return (
        f"  {mark} {row.kind:<13} {row.name:<{width}} "
        f"{row.points:6.2f} of {row.max_points:g}{found}"
    )


def audit(unit: Unit) -> Report:
    """Try every solution, misconception and know-nothing of a unit against its own grader."""
    return Report(unit.name, tuple(row for e in unit.exercises for row in _rows(e)))


def _rows(exercise: Exercise) -> Iterator[Row]:
    right = [("reference", exercise.oracle)]
    right += [(_name(f, i), f) for i, f in enumerate(exercise.solutions, 1)]
    for name, function in right:
        verdicts = [_verdict(exercise, function, seed) for seed in SEEDS]
        worst = min(verdicts, key=lambda v: v.points)
        yield _row(exercise, "right", name, worst, worst.status == "correct")
    for misconception in exercise.misconceptions:
        verdicts = [_verdict(exercise, misconception.function, seed) for seed in SEEDS]
        judged = [_is_found(v, misconception.name) for v in verdicts]
        shown = verdicts[judged.index(False)] if False in judged else verdicts[0]
        yield _row(exercise, "misconception", misconception.name, shown, all(judged))
    for name, function in _know_nothings(exercise):
        verdicts = [_verdict(exercise, function, seed) for seed in SEEDS]
        best = max(verdicts, key=lambda v: v.points)
        yield _row(exercise, "knows nothing", name, best, best.points == 0)


def _row(exercise: Exercise, kind: str, name: str, verdict: Verdict, ok: bool) -> Row:
    found = verdict.misconception.name if verdict.misconception else None
    return Row(exercise.name, kind, name, verdict.points, exercise.points, found, ok)


def _name(function: Callable[..., Any], number: int) -> str:
    return f"solution {number}: {function.__name__.strip('_')}"


def _is_found(verdict: Verdict, name: str) -> bool:
    found = verdict.misconception
    return verdict.status != "correct" and found is not None and found.name == name


def _verdict(exercise: Exercise, function: Callable[..., Any], seed: int) -> Verdict:
    cases = draw_cases(exercise, seed)
    return judge(exercise, cases, _answers(function, cases))


def _answers(function: Callable[..., Any], cases: list[list[Case]]) -> list[list[Answer]]:
    return [drive(function, row) for row in cases]


def _know_nothings(exercise: Exercise) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Functions that know at most the shape of what is wanted."""

    def stub(*args: Any) -> Any:
        raise NotImplementedError

    def first_argument(*args: Any) -> Any:
        return args[0]

    yield "stub", stub
    yield "None", lambda *args: None
    yield "first argument", first_argument
    for name, number in (("zeros", 0.0), ("ones", 1.0), ("halves", 0.5), ("NaN", torch.nan)):
        yield name, _constant(exercise, number)


def _constant(exercise: Exercise, number: float) -> Callable[..., Any]:
    def constant(*args: Any) -> Any:
        return _filled(exercise.oracle(*args), number)

    return constant


def _filled(value: Any, number: float) -> Any:
    if isinstance(value, Tensor):
        return torch.full_like(value, number)
    if isinstance(value, np.ndarray):
        return np.full_like(value, number)
    if isinstance(value, tuple):
        return tuple(_filled(item, number) for item in value)
    return number
