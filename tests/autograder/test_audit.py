from dataclasses import replace

import pytest
import torch

from autograder.audit import audit
from autograder.checks.spec import Check, Misconception, Unit, load_unit


def small_unit(**changes) -> Unit:
    """One exercise of the real unit, changed for the worse."""
    exercise = load_unit("luong").exercises[-1]
    return Unit("small", "Small", (replace(exercise, **changes),))


@pytest.fixture(scope="module")
def report():
    return audit(small_unit())


def misjudged(unit: Unit) -> set[str]:
    return {row.name for row in audit(unit).rows if not row.ok}


def test_the_table_has_every_misconception_and_solution(report):
    for exercise in small_unit().exercises:
        rows = [row for row in report.rows if row.exercise == exercise.name]
        kinds = [row.kind for row in rows]
        assert kinds.count("misconception") == len(exercise.misconceptions)
        assert kinds.count("right") == 1 + len(exercise.solutions)
        assert kinds.count("knows nothing") >= 6
    assert "all judged as they should be" in str(report)


def test_every_misconception_is_told_its_own_hint(report):
    for row in report.rows:
        if row.kind == "misconception":
            assert row.found == row.name


def test_right_code_meets_no_misconception(report):
    assert all(row.found is None for row in report.rows if row.kind == "right")


def test_a_grader_that_lets_a_mistake_pass_is_noticed():
    exercise = load_unit("luong").exercises[-1]
    without_empty = tuple(c for c in exercise.checks if "nothing sure" not in c.name)
    assert misjudged(small_unit(checks=without_empty)) >= {"zero_division", "nan"}


def test_a_check_that_a_constant_passes_is_noticed():
    anything = Check("anything goes", 8, load_unit("luong").exercises[-1].checks[0].cases,
                     lambda cases, answers, expected: None)  # fmt: skip
    assert {"zeros", "ones", "halves"} <= misjudged(small_unit(checks=(anything,)))


def test_two_misconceptions_with_the_same_answers_are_noticed():
    first = load_unit("luong").exercises[-1].misconceptions[0]
    twin = Misconception("twin", "the same again", first.function, "the same hint")
    report = audit(small_unit(misconceptions=(first, twin)))
    [row] = [row for row in report.rows if not row.ok]
    assert (row.name, row.found) == ("twin", first.name)
    assert "1 misjudged" in str(report)


def test_a_wrong_solution_is_noticed():
    def wrong(predicted, sure, possible):
        return float((predicted ^ sure).double().mean())

    def crashes(predicted, sure, possible):
        return torch.zeros(2) @ torch.zeros(3)

    names = misjudged(small_unit(solutions=(wrong, crashes)))
    assert names == {"solution 1: wrong", "solution 2: crashes"}
