import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from autograder.checks.cases import Answer, Case
from autograder.checks.compare import difference, misfit
from autograder.checks.drive import drive
from autograder.checks.judge import judge
from autograder.checks.properties import (
    dtype_kept,
    inputs_unchanged,
    of_right_values,
    refused_like_oracle,
    resembling,
)
from autograder.checks.spec import (
    Check,
    Exercise,
    Misconception,
    UnknownName,
    draw_cases,
    find_exercise,
    load_unit,
)


def draw(rng: np.random.Generator) -> list[Case]:
    return [Case((torch.from_numpy(rng.normal(size=(2, 3))),), label="random, x (2, 3)")]


def draw_half(rng: np.random.Generator) -> list[Case]:
    return [Case((torch.from_numpy(rng.normal(size=5)).half(),), label="float16")]


def draw_cuda(rng: np.random.Generator) -> list[Case]:
    return [*draw(rng), Case((torch.ones(2),), label="on a GPU", cuda=True)]


DOUBLING = Exercise(
    "doubled",
    "Doubling",
    10,
    lambda x: 2 * x,
    (
        Check("values are doubled", 3, draw),
        Check("dtype is kept", 1, draw_half, resembling(dtype_kept)),
        Check("inputs are left as they were", 1, draw_cuda, resembling(inputs_unchanged)),
    ),
    (
        Misconception("tripled", "tripled", lambda x: 3 * x, "Three is one too many."),
        Misconception("widened", "widened", lambda x: (2 * x).float(), "Which dtype is this?"),
        Misconception("halved", "halved", lambda x: x / 2, "The wrong way."),
    ),
    forbidden=("torch.mul",),
)
CASES = draw_cases(DOUBLING, 0)


def verdict(function, **options):
    return judge(DOUBLING, CASES, [drive(function, row) for row in CASES], **options)


def test_right_answers_earn_everything():
    result = verdict(lambda x: x + x)
    assert (result.points, result.status, result.misconception) == (10, "correct", None)
    assert [c.passed for c in result.checks] == [True] * 3


def test_points_are_split_by_weight():
    result = verdict(lambda x: x.mul_(2))
    assert (result.points, result.status) == (8, "partial")
    assert [c.weight for c in result.checks] == [6, 2, 2]
    assert "modified in place" in result.message


def test_a_misconception_is_named_by_its_hint():
    result = verdict(lambda x: x + x + x)
    assert result.misconception.name == "tripled"
    assert result.message == "Three is one too many."
    assert "Hint: Three is one too many." in str(result)


def test_a_misconception_together_with_another_slip_is_still_named():
    assert verdict(lambda x: (x * 3).float()).misconception.name == "tripled"


def test_wrong_code_outside_the_bank_is_told_case_and_size_but_not_the_values():
    result = verdict(lambda x: x + 1)
    assert not result.checks[0].passed
    assert result.misconception is None
    assert "6 of 6 values differ" in result.message
    assert "random, x (2, 3)" in result.message


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: (2 * x).T, "your result has shape (3, 2); wanted (2, 3)"),
        (lambda x: (2 * x).tolist(), "your result is a list of 2; wanted a torch.Tensor"),
        (lambda x: (2 * x).numpy(), "your result is a NumPy array"),
        (lambda x: None, "is a return missing?"),
        (lambda x: (x, x), "a tuple of 2"),
        (lambda x: 2 * x + torch.nan, "6 of 6 values are NaN"),
        (lambda x: 2 * x / 0, "6 of 6 values are infinite"),
        (lambda x: x @ x, "RuntimeError: mat1 and mat2"),
        (lambda x: (i for i in x), "returned a generator"),
    ],
)
def test_the_message_says_what_came_back(function, words):
    result = verdict(function)
    assert words in result.message
    assert not result.checks[0].passed


def test_an_exception_in_the_first_check_is_an_error():
    assert verdict(lambda x: x @ x).status == "error"
    assert verdict(lambda x: 0 * x).status == "wrong"


def test_a_stub_is_not_attempted():
    def stub(x):
        raise NotImplementedError

    result = verdict(stub)
    assert (result.points, result.status) == (0, "not attempted")


def test_a_stub_that_is_called_is_named_and_is_not_ones_own():
    def tripled(x):
        raise NotImplementedError()

    result = verdict(lambda x: tripled(x) - x)
    assert (result.points, result.status) == (0, "wrong")
    wanted = "Your doubled calls tripled, which is still the stub: write that one first."
    assert result.message == wanted
    assert str(result) == f"doubled: not right yet, 0 of 10 points\n\n{wanted}"


def test_an_operation_that_torch_does_not_implement_is_no_stub():
    def unfinished(x):
        raise NotImplementedError('"softmax" not implemented for Bool')

    result = verdict(unfinished)
    assert result.status == "error"
    assert "not implemented for Bool" in result.message


def test_what_wrong_values_hide_is_not_judged():
    result = verdict(lambda x: -x)
    assert [(c.passed, c.judged) for c in result.checks] == [(0, 1), (0, 0), (0, 0)]


def test_luck_counts_once_the_values_are_right():
    """An input left alone is left alone, even where values go wrong in some later case."""

    def wrong_for_two(x):
        return -2 * x if x.shape == (2,) else 2 * x

    cases = draw_cases(DOUBLING, 0)
    cases[2] = [Case((torch.arange(2.0),))]
    answers = [drive(wrong_for_two, row) for row in cases]
    assert judge(DOUBLING, cases, answers).points == 10


def test_a_property_of_right_values_fails_by_itself_and_not_after_others():
    def exercise(*properties):
        checks = (Check("values", 1, draw), Check("half", 1, draw_half, of_right_values()))
        return Exercise("doubled", "", 2, lambda x: 2 * x, checks)

    def checks(function):
        doubled = exercise()
        cases = draw_cases(doubled, 0)
        return judge(doubled, cases, [drive(function, row) for row in cases]).checks

    only_half = checks(lambda x: 3 * x if x.dtype == torch.float16 else 2 * x)
    assert (only_half[1].passed, only_half[1].judged) == (False, True)
    assert "values differ" in only_half[1].message
    everywhere = checks(lambda x: 3 * x)
    assert (everywhere[1].passed, everywhere[1].judged) == (False, False)


def test_the_same_trouble_is_told_once_and_leaves_the_rest_unjudged():
    for function in (lambda x: [2 * x], lambda x: x.no_such_thing):
        result = verdict(function)
        assert [c.judged for c in result.checks] == [True, False, False]


def test_what_ran_in_part_is_not_said_to_have_been_impossible_to_run():
    cases = draw_cases(DOUBLING, 0)
    cases[0] = [Case((torch.ones(2, 3),)), Case((torch.ones(2),))]
    answers = [drive(lambda x: (2 * x).mT, row) for row in cases]
    assert judge(DOUBLING, cases, answers).status == "wrong"


def test_a_misconception_that_always_fails_is_known_by_its_very_words():
    def added(x):
        return x + torch.ones(7)

    bank = (Misconception("added", "added", added, "What are you adding?"),)
    exercise = replace(DOUBLING, misconceptions=bank)

    def found(function):
        return judge(exercise, CASES, [drive(function, r) for r in CASES]).misconception

    assert found(lambda x: torch.ones(7) * x) is None  # another order, other words
    assert found(lambda x: x * torch.ones(7)) is bank[0]
    assert found(lambda x: x @ torch.ones(7, 3)) is None


def test_of_several_alike_the_one_that_agrees_on_more_checks_is_found():
    def twin(x):
        return 3 * x if x.dtype == torch.float64 else 5 * x

    tripled = DOUBLING.misconceptions[0]
    rival = Misconception("twin", "twin", twin, "?")
    exercise = replace(DOUBLING, misconceptions=(rival, tripled))
    answers = [drive(lambda x: (3 * x).to(torch.float64), row) for row in CASES]
    assert judge(exercise, CASES, answers).misconception is tripled


def test_one_wrong_row_of_a_mask_stands_beside_the_wanted_one():
    wanted = torch.tensor([[[True, False], [True, True]]])
    got = torch.tensor([[[True, False], [False, True]]])
    assert difference(got, wanted, 0) == "1 of 4 cells differ: row [0, 1] is 0 1; wanted 1 1"
    assert difference(got[0, 1], wanted[0, 1], 0) == "1 of 2 cells differ: it is 0 1; wanted 1 1"
    wide = torch.zeros(1, 30, dtype=torch.bool)
    assert difference(~wide, wide, 0).endswith("0 0 0 …")


def test_a_forbidden_call_costs_everything_and_is_named():
    source = "import torch as t\ndef doubled(x): return t.mul(x, 2)"
    result = verdict(lambda x: 2 * x, source=source)
    assert (result.points, result.status) == (0, "wrong")
    assert "torch.mul" in result.message
    assert verdict(lambda x: 2 * x, source="def doubled(x): return 2 * x").points == 10


def test_the_same_answers_get_the_same_verdict():
    assert verdict(lambda x: 3 * x) == verdict(lambda x: 3 * x)


def right_answers():
    return [drive(lambda x: 2 * x, row) for row in CASES]


class Hostile:
    def __getattribute__(self, name):
        raise AssertionError(f"the judge asked for {name}")

    def __eq__(self, other):
        raise AssertionError("the judge compared")

    __hash__ = None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: None,
        lambda rows: rows[:-1],
        lambda rows: [*rows, []],
        lambda rows: [rows[0] * 2, *rows[1:]],
        lambda rows: [[], *rows[1:]],
        lambda rows: [[None], *rows[1:]],
        lambda rows: [[{"value": 1}], *rows[1:]],
        lambda rows: [[Answer(Hostile())], *rows[1:]],
        lambda rows: [[Answer([Hostile()])], *rows[1:]],
        lambda rows: [[Answer(torch.nn.Parameter(torch.ones(2, 3)))], *rows[1:]],
        lambda rows: [[Answer(1, error=Hostile())], *rows[1:]],
        lambda rows: [[Answer(1, inside=Hostile())], *rows[1:]],
        lambda rows: [[Answer(1, grads=(Hostile(),))], *rows[1:]],
        lambda rows: [[Answer(1, grads=[None])], *rows[1:]],
        lambda rows: [[Answer(1, changed="no")], *rows[1:]],
        lambda rows: [[Answer(skipped=True)], *rows[1:]],
    ],
)
def test_answers_of_another_form_earn_nothing(spoil):
    result = judge(DOUBLING, CASES, spoil(right_answers()))
    assert (result.points, result.status) == (0, "error")
    assert result.message


def strange_value(rng: random.Random):
    number = rng.choice([0.0, 1.0, -1e30, float("nan"), float("inf")])
    shape = rng.choice([(), (0,), (1,), (2, 3), (3, 2), (2, 3, 5), (2, 5), (1, 1, 1)])
    dtype = rng.choice([torch.float32, torch.float64, torch.bool, torch.int64, torch.bfloat16])
    finite = number if abs(number) < 1e29 else 1.0
    tensor = torch.full(shape, number if dtype.is_floating_point else finite).to(dtype)
    return rng.choice(
        [None, True, 7, 2**62, number, "text", tensor, tensor, (tensor, tensor), [tensor] * 3,
         (tensor, tensor, tensor), {"a": tensor}, np.zeros(shape), [[]], ()]
    )  # fmt: skip


def test_no_answer_makes_the_judge_fail():
    rng = random.Random(7)
    for exercise in load_unit("luong").exercises:
        cases = draw_cases(exercise, 1)
        right = [drive(exercise.oracle, row) for row in cases]
        for share in (0.02, 0.2, 1.0):
            answers = [
                [
                    answer
                    if rng.random() > share
                    else Answer(
                        # of the right shape at times, so that properties see odd numbers, too
                        torch.full_like(answer.value, float("inf"))
                        if isinstance(answer.value, torch.Tensor) and rng.random() < 0.5
                        else strange_value(rng),
                        grads=rng.choice([None, (), (None,), (torch.ones(2),) * 3]),
                    )
                    for answer in row
                ]
                for row in right
            ]
            result = judge(exercise, cases, answers)
            assert 0 <= result.points <= exercise.points
            assert str(result)


def test_cases_depend_on_the_seed_and_on_nothing_else():
    exercise = load_unit("luong").exercises[0]
    first, again, other = (draw_cases(exercise, seed)[0][0].args[0] for seed in (2**255, 2**255, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("lung/masked_softmax", "There is no unit 'lung'; known units: "),
        ("luong/softmax", "has no exercise 'softmax'; it has masked_softmax, general_score"),
        ("masked_softmax", 'wanted "unit/exercise"'),
        ("../luong/x", 'wanted "unit/exercise"'),
        (7, "names no exercise"),
    ],
)
def test_an_unknown_name_lists_the_known_ones(address, words):
    with pytest.raises(UnknownName, match=r"no|wanted") as caught:
        find_exercise(address)
    assert words in str(caught.value)


def test_tolerance_follows_the_largest_value():
    wanted = torch.tensor([1e4, 0.0], dtype=torch.float64)
    assert difference(wanted.float() + 0.5, wanted, 1e-4) is None
    assert difference(wanted.float() + 2, wanted, 1e-4) == "2 of 2 values differ, by up to 2"
    assert difference(torch.tensor([torch.inf]), torch.tensor([torch.inf]), 1e-4) is None


def test_a_number_may_be_a_tensor_without_axes_but_no_bool():
    assert misfit(torch.tensor(0.5), 0.5) is None
    assert misfit(1, 0.5) is None
    assert misfit(True, 0.5) == "your result is a bool; wanted a number"
    assert misfit(torch.zeros(1), 0.5) == "your result is a tensor of shape (1,); wanted a number"


ARRAYS = Exercise(
    "double_array",
    "Doubling an array",
    10,
    lambda x: (2 * x, x > 0),
    (
        Check("values are doubled", 8, lambda rng: [Case((rng.normal(size=(2, 3)),))]),
        Check("inputs are left as they were", 2, lambda rng: [Case((rng.normal(size=(2, 3)),))],
              resembling(inputs_unchanged)),
    ),
    (Misconception("tripled", "tripled", lambda x: (3 * x, x > 0), "Is three one too many?"),),
)  # fmt: skip


def doubled_in_place(x):
    x *= 2
    return x, x > 0


@pytest.mark.parametrize(
    ("function", "points", "words"),
    [
        (lambda x: [x + x, x > 0], 10, "All checks passed"),
        (lambda x: (x + 1, x > 0), 2, "6 of 12 values differ"),
        (lambda x: (3 * x, x > 0), 5, "Is three one too many?"),
        (lambda x: ((2 * x).T, x > 0), 0, "the first thing you return has shape (3, 2)"),
        (lambda x: (torch.from_numpy(2 * x), x > 0), 0, "a tensor of shape (2, 3); wanted a NumPy"),
        (lambda x: ((2 * x).tolist(), x > 0), 0, "a list of 2; wanted a NumPy array"),
        (doubled_in_place, 8, "modified in place"),
    ],
)
def test_numpy_arrays_are_judged_as_tensors_are(function, points, words):
    cases = draw_cases(ARRAYS, 0)
    result = judge(ARRAYS, cases, [drive(function, row) for row in cases])
    assert words in result.message
    assert result.points == points


def halved(x):
    if len(x) % 2:
        raise ValueError(f"{len(x)} values; wanted an even number, say {len(x) + 1}")
    return x[: len(x) // 2]


def of_length(length):
    return lambda rng: [
        Case((torch.from_numpy(rng.normal(size=length)),), label=f"{length} values")
    ]


HALVING = Exercise(
    "halved",
    "Halving",
    3,
    halved,
    (
        Check("the first half comes back", 2, of_length(6)),
        Check("an odd number is refused", 1, of_length(7), refused_like_oracle, refused=True),
    ),
)


def halving(function):
    cases = draw_cases(HALVING, 0)
    return judge(HALVING, cases, [drive(function, row) for row in cases])


def refusing(error):
    def halved(x):
        if len(x) % 2:
            raise error
        return x[: len(x) // 2]

    return halved


def test_bad_input_must_be_refused_with_the_right_error_and_its_numbers():
    assert halving(refusing(ValueError("7 is odd; take 8"))).status == "correct"
    cases = {
        "gives an answer": lambda x: x[: len(x) // 2],
        "raises IndexError; wanted a ValueError": refusing(IndexError("7 of 8")),
        "does not name 7 and 8": refusing(ValueError("an odd number")),
    }
    for problem, function in cases.items():
        verdict = halving(function)
        assert verdict.points == 2
        assert problem in verdict.checks[1].message


def test_who_refuses_everything_earns_nothing():
    def refuse(x):
        raise ValueError(f"{len(x)} or {len(x) + 1}")

    assert halving(refuse).points == 0


def test_an_oracle_that_takes_what_is_to_be_refused_is_a_mistake_in_the_spec():
    check = replace(HALVING.checks[1], cases=of_length(6))
    spec = replace(HALVING, checks=(HALVING.checks[0], check))
    cases = draw_cases(spec, 0)
    with pytest.raises(RuntimeError, match="the oracle of halved takes 6 values"):
        judge(spec, cases, [drive(halved, row) for row in cases])
