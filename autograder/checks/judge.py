"""Judge: hold answers against the oracle, score them, and find the misconception behind them.

Pure and deterministic. Answers are plain data of unknown origin: their number and types are
checked, and no method of theirs is called before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from autograder.checks import display
from autograder.checks.cases import Answer, Case, upcast
from autograder.checks.compare import at, misfit, same_answer, same_value
from autograder.checks.drive import drive
from autograder.checks.forbidden import forbidden_calls
from autograder.checks.spec import Check, Exercise, Misconception

# The least share of the points that a mistake with a name leaves. Which checks pass by luck depends
# on the numbers drawn; two students with the same slip must not get different marks for it.
NAMED_MISTAKE = 0.5


@dataclass(frozen=True)
class CheckResult:
    """One check's outcome; ``weight`` is what it is worth in points."""

    name: str
    passed: bool
    weight: float
    message: str


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
    if all(_is_stub(a) for row in answers for a in row if not a.skipped):
        return _nothing(exercise, "not attempted", "Not attempted yet: the stub is still there.")
    used = forbidden_calls(source, exercise.forbidden, exercise.name) if source else []
    if used:
        return _nothing(exercise, "wrong", _forbidden_message(used))
    expected = [_expect(exercise, row) for row in cases]
    results = tuple(
        _result(*one)
        for one in zip(exercise.checks, _worths(exercise), cases, answers, expected, strict=True)
    )
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
    crashed = any(answer.error for answer in answers[0])
    status = "partial" if points else "error" if crashed else "wrong"
    message = (
        found.hint if found else f"First failing check: {failed[0].name}: {failed[0].message}."
    )
    return Verdict(exercise.name, points, float(exercise.points), status, results, found, message)


def _nothing(exercise: Exercise, status: str, message: str) -> Verdict:
    """A verdict without points."""
    results = tuple(
        CheckResult(check.name, False, worth, "")
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
    return value is None or kind in (bool, int, float, str, Tensor, np.ndarray)


def _is_stub(answer: Answer) -> bool:
    return answer.error is not None and answer.error.split(":")[0] == "NotImplementedError"


def _forbidden_message(used: Sequence[str]) -> str:
    return (
        f"Your code uses {', '.join(used)}, which does the exercise for you: write the step "
        "yourself to earn its points."
    )


def _expect(exercise: Exercise, cases: Sequence[Case]) -> list[Answer]:
    """The oracle's answers, in float64."""
    answers = drive(exercise.oracle, [upcast(case) for case in cases])
    for case, answer in zip(cases, answers, strict=True):
        if answer.error:
            raise RuntimeError(
                f"the oracle of {exercise.name} fails at {case.label}: {answer.error}"
            )
    return answers


def _result(
    check: Check,
    worth: float,
    cases: Sequence[Case],
    answers: Sequence[Answer],
    expected: Sequence[Answer],
) -> CheckResult:
    kept = [trio for trio in zip(cases, answers, expected, strict=True) if not trio[1].skipped]
    problem = next((p for p in (_unfit(*trio, check.parts) for trio in kept) if p), None)
    if problem is None and kept:
        asked, given, wanted = (list(column) for column in zip(*kept, strict=True))
        problem = check.holds(asked, [_as_tuple(answer) for answer in given], wanted)
    return CheckResult(check.name, problem is None, worth, problem or "")


def _as_tuple(answer: Answer) -> Answer:
    """A list of results will do where a tuple is wanted."""
    return replace(answer, value=tuple(answer.value)) if type(answer.value) is list else answer


def _unfit(
    case: Case, answer: Answer, expected: Answer, parts: tuple[int, ...] | None
) -> str | None:
    """An exception, or a value of the wrong kind or shape."""
    if answer.error:
        place = f" at {answer.where}" if answer.where else ""
        return at(case, f"{answer.error}{place}")
    problem = misfit(answer.value, expected.value, parts=parts)
    return at(case, problem) if problem else None


def diagnose(
    exercise: Exercise,
    cases: Sequence[Sequence[Case]],
    answers: Sequence[Sequence[Answer]],
    expected: Sequence[Sequence[Answer]],
    passed: Sequence[bool],
) -> Misconception | None:
    """The misconception whose answers these are.

    First one that agrees on every case; failing that, the only one whose numbers are those of
    the first failing check and not the right ones, whatever else is wrong besides.
    """
    for misconception in exercise.misconceptions:
        if all(_agree(misconception, *rows) for rows in zip(cases, answers, strict=True)):
            return misconception
    first = passed.index(False)
    row = cases[first], answers[first], expected[first]
    alike = [m for m in exercise.misconceptions if _same_numbers(m, *row)]
    return alike[0] if len(alike) == 1 else None


def _agree(misconception: Misconception, cases: Sequence[Case], answers: Sequence[Answer]) -> bool:
    """Whether a misconception gives these answers; asked case by case, most disagree at once."""
    return all(
        answer.skipped or same_answer(case, answer, _misled(misconception, case))
        for case, answer in zip(cases, answers, strict=True)
    )


def _same_numbers(
    misconception: Misconception,
    cases: Sequence[Case],
    answers: Sequence[Answer],
    expected: Sequence[Answer],
) -> bool:
    """Whether the values are the misconception's, and wrong in at least one case."""
    wrong = False
    for case, answer, right in zip(cases, answers, expected, strict=True):
        if not answer.skipped:
            if answer.error or not same_value(case, answer, _misled(misconception, case)):
                return False
            wrong = wrong or not same_value(case, answer, right)
    return wrong


def _misled(misconception: Misconception, case: Case) -> Answer:
    # Misconceptions run where the grader does, never on a GPU.
    return drive(misconception.function, [replace(case, cuda=False)])[0]
