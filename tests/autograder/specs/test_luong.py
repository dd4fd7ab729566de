import math
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from autograder.checks import verdict_on
from autograder.checks.cases import make_request, tensors_in
from autograder.checks.drive import drive
from autograder.checks.judge import judge
from autograder.checks.spec import draw_cases, load_unit

UNIT = load_unit("luong")
EXERCISES = {e.name: e for e in UNIT.exercises}
every_exercise = pytest.mark.parametrize("exercise", UNIT.exercises, ids=EXERCISES)
BY_HAND = {
    "masked_softmax": 12,
    "general_score": 12,
    "concat_score": 14,
    "attentional_vector": 10,
    "local_m_mask": 14,
    "local_p_weights": 16,
    "luong_step": 14,
    "alignment_error_rate": 8,
}


def test_eight_exercises_are_worth_100_points():
    assert {e.name: e.points for e in UNIT.exercises} == BY_HAND
    assert sum(BY_HAND.values()) == 100


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
def test_a_hint_asks_a_question_and_holds_no_code_to_copy(exercise):
    for misconception in exercise.misconceptions:
        assert misconception.hint.endswith("?"), misconception.name
        assert len(misconception.hint) < 420
        assert len(misconception.title) < 75
        assert not re.search(r"torch\.\w+\(.+\)|dim=|lambda|\breturn\b.*=", misconception.hint)


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
def test_the_random_cases_have_sizes_that_tell_the_axes_apart(exercise):
    prime = {1, 2, 3, 5, 7, 11, 13}
    for case in exercise.checks[0].cases(np.random.default_rng(0)):
        if "equal" in case.label or "square" in case.label or "T=" in case.label:
            continue
        shape = tensors_in(case.args)[1 if exercise.name == "local_p_weights" else 0].shape
        assert set(shape) <= prime
        assert len(set(shape)) == len(shape), case.label


@every_exercise
def test_half_precision_empty_rows_and_strided_inputs_are_among_the_cases(exercise):
    cases = [case for row in draw_cases(exercise, 0) for case in row]
    tensors = [t for case in cases for t in tensors_in(case.args)]
    assert any(1 in t.shape for t in tensors) or exercise.name == "alignment_error_rate"
    if exercise.name in ("local_m_mask", "alignment_error_rate"):
        return
    assert {t.dtype for t in tensors} >= {torch.float16, torch.float32, torch.float64}
    assert any(case.grad for case in cases)
    assert any(case.cuda for case in cases)


@every_exercise
def test_a_request_fits_into_one_message(exercise):
    assert len(make_request(exercise.name, "n" * 32, draw_cases(exercise, 5))) < 200_000


@every_exercise
def test_a_mistake_with_a_name_has_the_same_mark_whatever_numbers_were_drawn(exercise):
    for misconception in exercise.misconceptions:
        marks = set()
        for seed in (1, 2, 3):
            cases = draw_cases(exercise, seed)
            answers = [drive(misconception.function, row) for row in cases]
            marks.add(judge(exercise, cases, answers).points)
        assert len(marks) == 1, misconception.name
        assert exercise.points / 2 <= marks.pop() < exercise.points


def softmax_first(scores: Tensor, mask: Tensor) -> Tensor:
    weights = scores.softmax(-1) * mask
    return weights / weights.sum(-1, keepdim=True)


def weights_from_squares(scores: Tensor, mask: Tensor) -> Tensor:
    return (scores**2).masked_fill(~mask, -torch.inf).softmax(-1)


def with_bias(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return query @ weight @ key.mT + 0.01


def cosine(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return torch.nn.functional.normalize(query @ weight, dim=-1) @ key.mT


def gelu_concat(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    d = query.shape[-1]
    joined = (query @ weight[:, :d].mT)[:, :, None] + (key @ weight[:, d:].mT)[:, None]
    return torch.nn.functional.gelu(joined) @ v


def normalised_vector(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.nn.functional.normalize(torch.cat([context, hidden], -1) @ weight.mT, dim=-1)


def odd_windows(steps: int, src_mask: Tensor, window: int) -> Tensor:
    s, t = torch.arange(src_mask.shape[1]), torch.arange(steps)[:, None]
    return ((s - t).abs() % (window + 1) == 0) & src_mask[:, None]


def laplace(h, scores, src_mask, w_p, v_p, window):
    centre = src_mask.sum(-1, keepdim=True) * torch.sigmoid(torch.tanh(h @ w_p.mT) @ v_p)
    gap = (torch.arange(scores.shape[-1]) - centre[..., None]).abs()
    inside = (gap <= window) & src_mask[:, None]
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~inside, lowest).softmax(-1) * inside * torch.exp(-gap)


def gated_step(embedded, attentional, state, memory, mask, params):
    new, old, weights = EXERCISES["luong_step"].oracle(
        embedded, attentional, state, memory, mask, params
    )
    return new, (old + state) / 2, weights


def jaccard(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    return 1 - float((predicted & sure).sum() / (predicted | sure).sum().clamp(min=1))


OUTSIDE_THE_BANK = {
    "masked_softmax": (softmax_first, weights_from_squares),
    "general_score": (with_bias, cosine),
    "concat_score": (gelu_concat,),
    "attentional_vector": (normalised_vector,),
    "local_m_mask": (odd_windows,),
    "local_p_weights": (laplace,),
    "luong_step": (gated_step,),
    "alignment_error_rate": (jaccard,),
}


@pytest.mark.parametrize(
    ("name", "function"), [(n, f) for n, fs in OUTSIDE_THE_BANK.items() for f in fs]
)
def test_wrong_code_that_nobody_foresaw_loses_points_and_is_told_something(name, function):
    verdict = verdict_on(f"luong/{name}", function)
    assert verdict.status in ("partial", "wrong")
    assert verdict.misconception is None
    assert re.search(r"differ|row sums|NaN|cells|values", verdict.message), verdict.message


def nearly_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Right, but for a row with nothing to attend to."""
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)


def in_float32(scores: Tensor, mask: Tensor) -> Tensor:
    filled = scores.float().masked_fill(~mask, -torch.inf)
    return filled.softmax(-1).nan_to_num()


def step_without_gradient(*args):
    with torch.no_grad():
        return EXERCISES["luong_step"].oracle(*args)


@pytest.mark.parametrize(
    ("name", "function", "least"),
    [
        ("masked_softmax", nearly_softmax, 0.7),
        ("masked_softmax", in_float32, 0.7),
        ("luong_step", step_without_gradient, 0.8),
    ],
)
def test_nearly_right_code_earns_most_of_the_points(name, function, least):
    verdict = verdict_on(f"luong/{name}", function)
    assert least * verdict.max_points <= verdict.points < verdict.max_points


def wrong_axis_done_carefully(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the queries with a finite fill: no misconception's answers on every case."""
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(1) * mask


def test_a_misconception_in_another_dress_is_recognised():
    verdict = verdict_on("luong/masked_softmax", wrong_axis_done_carefully)
    assert verdict.misconception.name == "wrong_axis"
    assert "query axis" in str(verdict)


def test_one_slip_in_the_step_is_not_charged_three_times():
    exercise = EXERCISES["luong_step"]
    cases = draw_cases(exercise, 0)
    bank = {m.name: m.function for m in exercise.misconceptions}
    for name in ("no_input_feeding", "no_bias", "old_query"):
        verdict = judge(exercise, cases, [drive(bank[name], row) for row in cases])
        passed = [check.passed for check in verdict.checks[:3]]
        assert passed.count(False) == 1, name


def test_a_shape_is_told_as_got_and_wanted():
    verdict = verdict_on("luong/general_score", lambda q, k, w: (q @ w @ k.mT).sum(-1))
    assert "your result has shape (2, 3); wanted (2, 3, 5)" in verdict.message


def test_an_array_and_a_list_are_told_to_be_no_tensors():
    for convert in (Tensor.numpy, Tensor.tolist):
        verdict = verdict_on("luong/general_score", lambda q, k, w, c=convert: c(q @ w @ k.mT))
        assert "wanted a torch.Tensor" in verdict.message


def test_two_slips_earn_less_than_one():

    def slip(scores: Tensor, mask: Tensor) -> Tensor:
        return scores.masked_fill(~mask, -1e9).softmax(-1)

    def two_slips(scores: Tensor, mask: Tensor) -> Tensor:
        return scores.masked_fill_(~mask, -1e9).softmax(-1).double()

    points = [verdict_on("luong/masked_softmax", f).points for f in (slip, two_slips)]
    assert all(a > b for a, b in pairwise([12.0, *points]))
