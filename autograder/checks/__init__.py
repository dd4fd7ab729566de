"""Checks for exercises: ``check("luong/masked_softmax", masked_softmax)`` in a notebook."""

import inspect
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any

from autograder.checks.drive import drive
from autograder.checks.judge import Verdict, judge
from autograder.checks.spec import draw_cases, find_exercise

__all__ = ["check", "verdict_on"]

PUBLIC_SEED = 2015


def check(address: str, function: Callable[..., Any]) -> float:
    """Check a function, show the verdict, and return the points.

    As the last line of a graded cell the points are what nbgrader reads as partial credit.

    Args:
        address: "unit/exercise", e.g. "luong/masked_softmax".
        function: the student's.

    Raises:
        UnknownName: no such exercise; the message lists those that exist.
        TypeError: ``function`` cannot be called.
    """
    verdict = verdict_on(address, function)
    _show(verdict)
    return Points(verdict.points)


class Points(float):
    """Points as a cell's result: nbgrader reads them, and a notebook shows the verdict alone."""

    def _repr_html_(self) -> str:
        return ""


def verdict_on(address: str, function: Callable[..., Any]) -> Verdict:
    """Drive and judge a function with the public cases; errors are those of :func:`check`."""
    exercise = find_exercise(address)
    if not callable(function):
        raise TypeError(
            f"check wants your function as its second argument, got {type(function).__name__}; "
            f"write check({address!r}, {exercise.name}), without calling it"
        )
    cases = draw_cases(exercise, PUBLIC_SEED)
    answers = [drive(function, row, exercise.forbidden) for row in cases]
    return judge(exercise, cases, answers, source=_source(function, exercise.name))


def _source(function: Callable[..., Any], exercise: str) -> str:
    """The function's code with the imports that its global names stand for.

    The last line says where the function itself comes from: a library's is none of one's own.
    """
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        source = ""
    names = getattr(getattr(function, "__code__", None), "co_names", ())
    namespace = getattr(function, "__globals__", {})
    imports = [_import_line(name, namespace[name]) for name in names if name in namespace]
    return "\n".join([*imports, source, _import_line(exercise, function)])


def _import_line(name: str, value: Any) -> str:
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    module, original = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if isinstance(module, str) and isinstance(original, str) and original.isidentifier():
        return f"from {module} import {original} as {name}"
    return ""


def _show(verdict: Verdict) -> None:
    try:
        from IPython import get_ipython
        from IPython.display import publish_display_data
    except ImportError:
        print(verdict)
        return
    if get_ipython() is None:
        print(verdict)
    else:
        publish_display_data({"text/plain": str(verdict), "text/html": verdict._repr_html_()})
