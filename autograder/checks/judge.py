"""Judge: hold answers against the oracle, score them, and find the misconception behind them.

Pure and deterministic. Answers are plain data of unknown origin: their number and types are
checked, and no method of theirs is called before.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.checks import display
from autograder.checks.cases import Answer, Case, upcast
from autograder.checks.compare import at, misfit, same_answer, same_but_for_nan, same_value
from autograder.checks.drive import drive
from autograder.checks.forbidden import forbidden_calls
from autograder.checks.spec import Exercise, Misconception, Unclear
from autograder.checks.trap import ForbiddenCall
from autograder.checks.wire import DTYPES

# The least share of the points that a mistake with a name leaves. Which checks pass by luck depends
# on the numbers drawn; two students with the same slip must not get different marks for it.
NAMED_MISTAKE = 0.5


@dataclass(frozen=True)
class CheckResult:
    """One check's outcome; ``weight`` is what it is worth in points.

    One that did not pass may not have been ``judged`` either: wrong values hide whether it holds.
    """

    name: str
    passed: bool
    weight: float
    message: str
    judged: bool = True


@dataclass(frozen=True)
class Verdict:
    """What a student learns about one exercise.

    ``status`` is "correct", "partial", "wrong", "not attempted" or "error".
    """

    exercise: str
    points: float
    max_points: float
    status: str
    checks: tuple[CheckResult, ...]
    misconception: Misconception | None
    message: str

    def __str__(self) -> str:
        return display.as_text(self)

    def _repr_html_(self) -> str:
        return display.as_html(self)


def judge(
    exercise: Exercise,
    cases: Sequence[Sequence[Case]],
    answers: Sequence[Sequence[Answer]],
    *,
    source: str | None = None,
) -> Verdict:
    """Score the answers to ``cases``, as drawn by ``draw_cases``.

    Args:
        exercise: the spec.
        cases: for each check its cases.
        answers: for each check one answer a case, from a student's kernel.
        source: the student's code; a call that ``exercise.forbidden`` names costs all points.
    """
    problem = _malformed(cases, answers)
    if problem:
        return _nothing(exercise, "error", problem)
    told = [answer for row in answers for answer in row if not answer.skipped]
    if all(_is_stub(answer) for answer in told):
        return _stubbed(exercise, told)
    used = forbidden_calls(source, exercise.forbidden, exercise.name) if source else []
    used = used or _trapped(exercise, told)
    if used:
        return _nothing(exercise, "wrong", _forbidden_message(used))
    expected = [
        _expect(exercise, row, refused=check.refused)
        for check, row in zip(exercise.checks, cases, strict=True)
    ]
    results = _results(exercise, cases, answers, expected)
    return _verdict(exercise, cases, answers, expected, results)


def _verdict(
    exercise: Exercise,
    cases: Sequence[Sequence[Case]],
    answers: Sequence[Sequence[Answer]],
    expected: Sequence[Sequence[Answer]],
    results: tuple[CheckResult, ...],
) -> Verdict:
    points = round(sum(r.weight for r in results if r.passed), 2)
    failed = [r for r in results if not r.passed]
    if not failed:
        points = float(exercise.points)
        return Verdict(
            exercise.name, points, points, "correct", results, None, "All checks passed."
        )
    found = diagnose(exercise, cases, answers, expected, [r.passed for r in results])
    if found:
        points = max(points, round(NAMED_MISTAKE * exercise.points, 2))
    crashed = all(answer.error for answer in answers[0] if not answer.skipped)
    status = "partial" if points else "error" if crashed else "wrong"
    message = (
        found.hint if found else f"First failing check: {failed[0].name}: {failed[0].message}."
    )
    return Verdict(exercise.name, points, float(exercise.points), status, results, found, message)


def _nothing(exercise: Exercise, status: str, message: str) -> Verdict:
    """A verdict without points."""
    results = tuple(
        CheckResult(check.name, False, worth, "", judged=False)
        for check, worth in zip(exercise.checks, _worths(exercise), strict=True)
    )
    return Verdict(exercise.name, 0.0, float(exercise.points), status, results, None, message)


def _worths(exercise: Exercise) -> list[float]:
    """Each check's points."""
    total = sum(check.weight for check in exercise.checks)
    return [exercise.points * check.weight / total for check in exercise.checks]


def _malformed(cases: Sequence[Sequence[Case]], answers: Any) -> str | None:
    """What is wrong with the form of the answers, or None."""
    if type(answers) not in (list, tuple) or len(answers) != len(cases):
        return "The answers do not belong to these checks: nothing could be judged."
    for row, given in zip(cases, answers, strict=True):
        if type(given) not in (list, tuple) or len(given) != len(row):
            return "There is not one answer for each case: nothing could be judged."
        for case, answer in zip(row, given, strict=True):
            if type(answer) is not Answer or not _is_plain(answer, case):
                return "An answer is not plain data: nothing could be judged."
    return None


def _is_plain(answer: Answer, case: Case) -> bool:
    grads = answer.grads
    return (
        _plain_value(answer.value, 0)
        and (answer.error is None or type(answer.error) is str)
        and type(answer.where) is str
        and type(answer.inside) is str
        and type(answer.changed) is bool
        and (answer.skipped is False or (answer.skipped is True and case.cuda))
        and (
            grads is None
            or (type(grads) is tuple and all(g is None or type(g) is Tensor for g in grads))
        )
    )


def _plain_value(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind in (list, tuple):
        return depth < 8 and all(_plain_value(item, depth + 1) for item in value)
    if kind is dict:
        return depth < 8 and all(_plain_value(item, depth + 1) for item in value.values())
    if kind is np.ndarray:
        return value.dtype.name in DTYPES
    return value is None or kind in (bool, int, float, str, Tensor)


def _is_stub(answer: Answer) -> bool:
    """A stub raises without a word; torch's own NotImplementedError has a message."""
    return answer.error == "NotImplementedError"


def _stubbed(exercise: Exercise, answers: Sequence[Answer]) -> Verdict:
    """The exercise is still a stub, or calls a function that is."""
    called = next((a.inside for a in answers if a.inside not in ("", exercise.name)), None)
    if called is None:
        return _nothing(exercise, "not attempted", "Not attempted yet: the stub is still there.")
    message = f"Your {exercise.name} calls {called}, which is still the stub: write that one first."
    return _nothing(exercise, "wrong", message)


def _trapped(exercise: Exercise, answers: Sequence[Answer]) -> list[str]:
    """The forbidden calls that were met while the function ran."""
    errors = {answer.error for answer in answers}
    return [name for name in exercise.forbidden if f"{ForbiddenCall.__name__}: {name}" in errors]


def _forbidden_message(used: Sequence[str]) -> str:
    return (
        f"Your code uses {', '.join(used)}, which does the exercise for you: write the step "
        "yourself to earn its points."
    )


def _expect(exercise: Exercise, cases: Sequence[Case], refused: bool) -> list[Answer]:
    """The oracle's answers, in float64; its errors where inputs are to be refused."""
    answers = drive(exercise.oracle, [upcast(case) for case in cases])
    for case, answer in zip(cases, answers, strict=True):
        if bool(answer.error) != refused:
            raise RuntimeError(
                f"the oracle of {exercise.name} {'takes' if refused else 'fails at'} {case.label}"
                f"{'' if refused else f': {answer.error}'}"
            )
    return answers


def _results(
    exercise: Exercise,
    cases: Sequence[Sequence[Case]],
    answers: Sequence[Sequence[Answer]],
    expected: Sequence[Sequence[Answer]],
) -> tuple[CheckResult, ...]:
    """Each check's outcome; what an earlier failure explains is left unjudged, not blamed."""
    results: list[CheckResult] = []
    troubles: set[str] = set()
    for check, worth, *rows in zip(
        exercise.checks, _worths(exercise), cases, answers, expected, strict=True
    ):
        kept = [trio for trio in zip(*rows, strict=True) if not trio[1].skipped]
        unfit = [
            (case, None if check.refused else _unfit(given, wanted, check.parts))
            for case, given, wanted in kept
        ]
        problem: str | Unclear | None = None
        if found := next(((case, trouble) for case, trouble in unfit if trouble), None):
            problem = at(*found)
            # The same trouble with other sizes is told once.
            kind = re.sub(r"\d+", "", found[1])
            problem = Unclear(problem) if kind in troubles else problem
            troubles.add(kind)
        elif kept:
            asked, given, wanted = (list(column) for column in zip(*kept, strict=True))
            problem = check.holds(asked, *([_as_read(a) for a in row] for row in (given, wanted)))
        results.append(_result(check.name, worth, problem, results))
    return tuple(results)


def _result(
    name: str, worth: float, problem: str | Unclear | None, earlier: Sequence[CheckResult]
) -> CheckResult:
    if isinstance(problem, Unclear):
        lucky = problem.problem is None
        clear = earlier[:1] if lucky else earlier
        if not earlier or not all(result.passed for result in clear):
            return CheckResult(name, False, worth, "", judged=False)
        problem = problem.problem
    return CheckResult(name, problem is None, worth, problem or "")


def _as_read(answer: Answer) -> Answer:
    """The answer as properties read it: a tuple for a list of results, tensors for arrays."""
    return replace(answer, value=_tensors(answer.value))


def _tensors(value: Any) -> Any:
    if type(value) in (list, tuple):
        return tuple(map(_tensors, value))
    return torch.from_numpy(value) if type(value) is np.ndarray else value


def _unfit(answer: Answer, expected: Answer, parts: tuple[int, ...] | None) -> str | None:
    """An exception, or a value of the wrong kind or shape."""
    if answer.error:
        return f"{answer.error} at {answer.where}" if answer.where else answer.error
    return misfit(answer.value, expected.value, parts=parts)


def diagnose(
    exercise: Exercise,
    cases: Sequence[Sequence[Case]],
    answers: Sequence[Sequence[Answer]],
    expected: Sequence[Sequence[Answer]],
    passed: Sequence[bool],
) -> Misconception | None:
    """The misconception whose answers these are.

    First one that agrees on every case; failing that, one whose numbers are those of the first
    failing check and not the right ones, whatever else is wrong besides. Of several such, the one
    that agrees on the most checks, if there is one.
    """
    for misconception in exercise.misconceptions:
        if _agrees(misconception, cases, answers):
            return misconception
    first = passed.index(False)
    row = cases[first], answers[first], expected[first]
    alike = [m for m in exercise.misconceptions if _same_numbers(m, *row)]
    if len(alike) < 2:
        return alike[0] if alike else None
    shared = [sum(map(partial(_same_row, m), cases, answers)) for m in alike]
    return alike[shared.index(max(shared))] if shared.count(max(shared)) == 1 else None


def _agrees(
    misconception: Misconception,
    cases: Sequence[Sequence[Case]],
    answers: Sequence[Sequence[Answer]],
) -> bool:
    """Whether a misconception gives these answers; asked case by case, most disagree at once.

    Where all that both give is errors, their kinds say little: the texts must be the same.
    """
    failed = same_texts = True
    for case, answer in zip(chain(*cases), chain(*answers), strict=True):
        # A GPU tells of devices, and no misconception is about those.
        if case.cuda:
            continue
        misled = _misled(misconception, case)
        if not same_answer(case, answer, misled):
            return False
        failed = failed and answer.error is not None
        same_texts = same_texts and answer.error == misled.error
    return same_texts or not failed


def _same_row(
    misconception: Misconception, cases: Sequence[Case], answers: Sequence[Answer]
) -> bool:
    """Whether a misconception gives the same numbers in each of a check's cases.

    NaN counts for nothing: whoever makes some may well replace it, or not.
    """
    return all(
        case.cuda or same_but_for_nan(case, answer, _misled(misconception, case))
        for case, answer in zip(cases, answers, strict=True)
    )


def _same_numbers(
    misconception: Misconception,
    cases: Sequence[Case],
    answers: Sequence[Answer],
    expected: Sequence[Answer],
) -> bool:
    """Whether the values are the misconception's, and wrong in at least one case."""
    trios = zip(cases, answers, expected, strict=True)
    wrong = any(not (case.cuda or same_value(case, one, right)) for case, one, right in trios)
    return wrong and _same_row(misconception, cases, answers)


def _misled(misconception: Misconception, case: Case) -> Answer:
    return drive(misconception.function, [case])[0]
