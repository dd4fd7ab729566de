"""What a unit's spec is made of: units, exercises, checks, misconceptions."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.checks.cases import Answer, Case
from autograder.checks.compare import equals_oracle

__all__ = [
    "Answer",
    "Case",
    "Check",
    "Exercise",
    "Misconception",
    "Unclear",
    "Unit",
    "UnknownName",
    "draw_cases",
    "find_exercise",
    "load_unit",
]


@dataclass(frozen=True)
class Unclear:
    """What a property says where wrong values leave it unclear: whom it blames may be innocent.

    ``problem`` is the complaint for a function whose earlier checks all passed; None says that the
    property holds, but perhaps only by luck, which counts once the first check has passed.
    """

    problem: str | None


Holds = Callable[[Sequence[Case], Sequence[Answer], Sequence[Answer]], str | Unclear | None]


class UnknownName(ValueError):
    """A unit or an exercise that does not exist; the message lists those that do."""


@dataclass(frozen=True)
class Check:
    """One property that an exercise is held to.

    ``name`` reads as the property, ``weight`` is its share of the points, ``cases`` draws the
    inputs. ``holds`` gets the cases, the student's answers and the oracle's, and says what is
    wrong, None, or that it is :class:`Unclear`; it sees only answers without an error whose shapes
    fit. Of a tuple only the ``parts`` that it looks at must fit. The first check of an exercise is
    the one on its values. With ``refused`` the cases are bad inputs: the oracle raises, and
    ``holds`` sees the student's errors as they are.
    """

    name: str
    weight: float
    cases: Callable[[np.random.Generator], list[Case]]
    holds: Holds = equals_oracle
    parts: tuple[int, ...] | None = None
    refused: bool = False


@dataclass(frozen=True)
class Misconception:
    """A plausible wrong implementation, what the class report calls it, and a hint that leads."""

    name: str
    title: str
    function: Callable[..., Any]
    hint: str


@dataclass(frozen=True)
class Exercise:
    """One graded function and everything that judges it.

    ``solutions`` are right implementations in other styles; ``forbidden`` are dotted names of
    libraries that would give the exercise away.
    """

    name: str
    title: str
    points: float
    oracle: Callable[..., Any]
    checks: tuple[Check, ...]
    misconceptions: tuple[Misconception, ...] = ()
    solutions: tuple[Callable[..., Any], ...] = ()
    forbidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unit:
    """The exercises of one assignment."""

    name: str
    title: str
    exercises: tuple[Exercise, ...]


def known_units() -> list[str]:
    """Name the units that have a spec."""
    from autograder import specs

    return sorted(module.name for module in pkgutil.iter_modules(specs.__path__) if module.ispkg)


def load_unit(name: str) -> Unit:
    """Load the spec of a unit from ``autograder.specs``.

    Raises:
        UnknownName: there is no such unit; the message lists the known ones.

    >>> load_unit("luong").exercises[0].name
    'masked_softmax'
    """
    if name not in known_units():
        raise UnknownName(f"There is no unit {name!r}; known units: {', '.join(known_units())}.")
    unit: Unit = importlib.import_module(f"autograder.specs.{name}").UNIT
    return unit


def find_exercise(address: str) -> Exercise:
    """Look up "unit/exercise".

    Raises:
        UnknownName: no such unit or exercise; the message lists the known ones.
    """
    if type(address) is not str or address.count("/") != 1:
        raise UnknownName(f'{address!r} names no exercise; wanted "unit/exercise".')
    unit_name, name = address.split("/")
    exercises = {e.name: e for e in load_unit(unit_name).exercises}
    if name not in exercises:
        raise UnknownName(
            f"Unit {unit_name!r} has no exercise {name!r}; it has {', '.join(exercises)}."
        )
    return exercises[name]


def draw_cases(exercise: Exercise, seed: int) -> list[list[Case]]:
    """Draw the cases of every check; the same seed (any whole number ≥ 0) gives the same cases."""
    return [
        check.cases(np.random.default_rng([seed, index]))
        for index, check in enumerate(exercise.checks)
    ]
