"""What holds for the exercises of every unit."""

import math
import re

import pytest

from autograder.audit import audit
from autograder.checks.cases import make_request
from autograder.checks.drive import drive
from autograder.checks.judge import Verdict, judge
from autograder.checks.spec import Exercise, Misconception, draw_cases, known_units, load_unit

UNITS = known_units()
EXERCISES = {f"{u}/{e.name}": e for u in UNITS for e in load_unit(u).exercises}
every_unit = pytest.mark.parametrize("unit", UNITS)
every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)
CODE = r"torch\.\w+\(.+\)|dim=|lambda|\breturn\b.*="


def verdicts(exercise: Exercise, misconception: Misconception, seeds: range) -> list[Verdict]:
    """What is said of a mistake, for each draw of numbers."""
    drawn = [draw_cases(exercise, seed) for seed in seeds]
    return [
        judge(exercise, cases, [drive(misconception.function, row) for row in cases])
        for cases in drawn
    ]


@every_unit
def test_a_unit_is_worth_100_points(unit):
    exercises = load_unit(unit).exercises
    assert 4 <= len(exercises) <= 8
    assert sum(exercise.points for exercise in exercises) == 100


@every_unit
def test_every_implementation_is_judged_as_it_should_be(unit):
    report = audit(load_unit(unit))
    assert report.ok, str(report)


@every_exercise
def test_weights_are_points(exercise):
    assert math.isclose(sum(check.weight for check in exercise.checks), exercise.points)
    assert len({check.name for check in exercise.checks}) == len(exercise.checks)


@every_exercise
def test_the_bank_is_large_enough_and_its_names_are_unique(exercise):
    assert len(exercise.misconceptions) >= 6
    assert len(exercise.solutions) >= 4
    for field in ("name", "title", "hint"):
        values = [getattr(m, field) for m in exercise.misconceptions]
        assert len(set(values)) == len(values)


@every_exercise
def test_a_hint_ends_with_a_question_and_holds_no_code_to_copy(exercise):
    for misconception in exercise.misconceptions:
        assert misconception.hint.endswith("?"), misconception.name
        assert len(misconception.hint) < 420
        assert len(misconception.title) < 75
        assert not re.search(CODE, misconception.hint), misconception.name


@every_exercise
def test_no_draw_marks_right_code_wrong(exercise):
    """Tolerances and edges hold for any seed, not for a lucky one."""
    right = (exercise.oracle, *exercise.solutions)
    for seed in range(3, 15):
        cases = draw_cases(exercise, seed)
        function = right[seed % len(right)]
        verdict = judge(exercise, cases, [drive(function, row) for row in cases])
        assert verdict.status == "correct", (seed, function, str(verdict))


@every_exercise
def test_a_mistake_is_recognised_and_has_one_mark_whatever_numbers_were_drawn(exercise):
    for misconception in exercise.misconceptions:
        found = verdicts(exercise, misconception, range(1, 4))
        assert {v.misconception.name for v in found if v.misconception} == {misconception.name}
        assert len({verdict.points for verdict in found}) == 1, misconception.name
        assert exercise.points / 2 <= found[0].points < exercise.points, misconception.name


@every_exercise
def test_no_check_blames_inputs_that_were_left_alone(exercise):
    for misconception in exercise.misconceptions:
        [verdict] = verdicts(exercise, misconception, range(2, 3))
        blamed = [c.name for c in verdict.checks if c.judged and not c.passed]
        assert blamed, misconception.name
        if misconception.name != "in_place":
            assert "inputs are left as they were" not in blamed, misconception.name


@every_exercise
def test_a_request_fits_into_one_message(exercise):
    assert len(make_request(exercise.name, "n" * 32, draw_cases(exercise, 5))) < 200_000
