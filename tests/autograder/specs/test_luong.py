import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from autograder.checks import verdict_on
from autograder.checks.cases import tensors_in
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


def softmax_of_halves(scores: Tensor, mask: Tensor) -> Tensor:
    return (scores / 2).masked_fill(~mask, -torch.inf).softmax(-1)


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
    "masked_softmax": (softmax_of_halves, weights_from_squares),
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


def fill(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -torch.inf)


def shifted_by_all(scores: Tensor, mask: Tensor) -> Tensor:
    weights = scores.softmax(-1) * mask
    return weights / (weights.sum(-1, keepdim=True) + 1e-9)


def local_p(bell=None, *, centre=None, sigma=None, first=0, before=False):
    """Exercise 6 as students write it, with one part of their own."""

    def local_p_weights(hidden, scores, src_mask, w_p, v_p, window):
        p = src_mask.sum(1, keepdim=True) * torch.sigmoid(torch.tanh(hidden @ w_p.T) @ v_p)
        p = centre(p) if centre else p
        d = torch.arange(first, first + scores.shape[-1], device=scores.device) - p[:, :, None]
        inside = (d.abs() <= window) & src_mask[:, None]
        s = sigma(window) if sigma else window / 2
        curve = bell(d, s) if bell else torch.exp(-(d**2) / (2 * s**2))
        weights = (scores * curve if before else scores).masked_fill(~inside, -1e4).softmax(-1)
        return weights * inside if before else weights * inside * curve

    return local_p_weights


def step_with(softmax, *, own=True):
    """Exercise 7 with the mask as it came, (B, S)."""

    def luong_step(embedded, attentional, state, memory, mask, params):
        inputs = torch.cat([embedded, attentional], -1)
        new = torch.tanh(inputs @ params["W_ih"].T + state @ params["W_hh"].T + params["b"])
        query = new[:, None]
        weights = softmax(query @ params["W_a"] @ memory.mT, mask)
        context = weights @ memory
        if own:
            joined = torch.cat([context[:, 0], new], -1)
            return torch.tanh(joined @ params["W_c"].T), new, weights[:, 0]
        return joined_up(context, query, params["W_c"])[:, 0], new, weights[:, 0]

    return luong_step


def joined_up(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(torch.cat([context, hidden], -1) @ weight.T)


def expanded(scores: Tensor, mask: Tensor) -> Tensor:
    return fill(scores, mask.expand(scores.shape)).softmax(-1)


SLIPS = [
    ("masked_softmax", "batch_axis", lambda s, m: torch.nn.functional.softmax(fill(s, m))),
    ("masked_softmax", "batch_axis", lambda s, m: fill(s, m).softmax(0).nan_to_num()),
    ("masked_softmax", "wrong_axis", lambda s, m: fill(s, m).softmax(1).nan_to_num()),
    ("masked_softmax", "rescaled_after",
     lambda s, m: s.softmax(-1) * m / (s.softmax(-1) * m).sum(-1, keepdim=True)),
    ("masked_softmax", "no_shift_but_epsilon",
     lambda s, m: s.exp() * m / ((s.exp() * m).sum(-1, keepdim=True) + 1e-10)),
    ("masked_softmax", "measured_by_masked", shifted_by_all),
    ("general_score", "changed_places", lambda q, k, w: k @ w @ q.mT),
    ("general_score", "changed_places", lambda q, k, w: torch.bmm(k @ w, q.transpose(1, 2))),
    ("attentional_vector", "added", lambda c, h, w: torch.tanh((c + h) @ w.T)),
    ("attentional_vector", "added",
     lambda c, h, w: torch.tanh(torch.nn.functional.linear(c + h, w))),
    ("attentional_vector", "weight_left", lambda c, h, w: torch.tanh(w @ torch.cat([c, h], 2))),
    ("local_p_weights", "precedence", local_p(lambda d, s: torch.exp(-(d**2) / 2 * s**2))),
    ("local_p_weights", "whole_sigma", local_p(sigma=lambda window: window // 2)),
    ("local_p_weights", "cut", local_p(centre=lambda p: p.long())),
    ("local_p_weights", "cut", local_p(centre=torch.floor)),
    ("local_p_weights", "rounded", local_p(centre=lambda p: p.round().long())),
    ("local_p_weights", "from_one_too", local_p(first=1)),
    ("local_p_weights", "no_minus", local_p(lambda d, s: torch.exp(d**2 / (2 * s**2)))),
    ("local_p_weights", "bell_in_scores", local_p(before=True)),
    ("luong_step", "mask_without_step",
     step_with(lambda s, m: fill(s, m).softmax(-1), own=False)),
    ("luong_step", "mask_without_step", step_with(expanded)),
    ("luong_step", "first_mask", step_with(lambda s, m: fill(s, m).softmax(-1))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "misconception", "function"), SLIPS)
def test_a_plausible_slip_is_named_and_keeps_half_of_the_points(name, misconception, function):
    verdict = verdict_on(f"luong/{name}", function)
    assert verdict.misconception, str(verdict)
    assert verdict.misconception.name == misconception
    assert verdict.max_points / 2 <= verdict.points < verdict.max_points


def marks_of(name: str, misconception: str) -> dict[str, str]:
    """The mark of each check on one of the bank's mistakes."""
    exercise = EXERCISES[name]
    function = next(m.function for m in exercise.misconceptions if m.name == misconception)
    cases = draw_cases(exercise, 2)
    checks = judge(exercise, cases, [drive(function, row) for row in cases]).checks
    return {c.name: "✓" if c.passed else "✗" if c.judged else "–" for c in checks}


PADDING = [
    ("local_m_mask", "sees_padding", "padding is never seen and changes nothing"),
    ("local_p_weights", "sees_padding_too", "appending padding changes nothing"),
    ("local_p_weights", "padded", "appending padding changes nothing"),
    ("luong_step", "no_mask", "padding gets no weight and changes nothing"),
]


@pytest.mark.parametrize(("name", "misconception", "check"), PADDING)
def test_the_check_on_padding_notices_padding(name, misconception, check):
    exercise = EXERCISES[name]
    function = next(m.function for m in exercise.misconceptions if m.name == misconception)
    for seed in range(3):
        cases = draw_cases(exercise, seed)
        verdict = judge(exercise, cases, [drive(function, row) for row in cases])
        assert [c.passed for c in verdict.checks if c.name == check] == [False], seed


WIDTH = "the window reaches D positions to each side of t"
KIND = "the mask is boolean, on the device of src_mask"


@pytest.mark.parametrize(
    ("name", "misconception", "check"),
    [
        ("local_m_mask", "sees_padding", WIDTH),
        ("local_m_mask", "sees_padding", KIND),
        ("alignment_error_rate", "apart", "inputs are left as they were"),
    ],
)
def test_a_slip_costs_no_check_that_it_leaves_alone(name, misconception, check):
    assert marks_of(name, misconception)[check] == "✓"


@every_exercise
def test_no_check_blames_what_is_innocent(exercise):
    """Inputs that were left alone and masks that are boolean never get a ✗."""
    for misconception in exercise.misconceptions:
        marks = marks_of(exercise.name, misconception.name)
        if misconception.name != "in_place":
            assert marks.get("inputs are left as they were") != "✗", misconception.name
        if misconception.name != "numbers":
            assert marks.get(KIND) != "✗", misconception.name
        assert "✗" in marks.values()


def window_on_the_cpu(steps: int, src_mask: Tensor, window: int) -> Tensor:
    last = (src_mask.sum(1) - 1).clamp(min=0)
    centre = torch.minimum(torch.arange(steps), last[:, None])
    near = (torch.arange(src_mask.shape[1]) - centre[..., None]).abs() <= window
    return near & src_mask[:, None]


def weights_on_the_cpu(hidden, scores, src_mask, w_p, v_p, window):
    p = src_mask.sum(1, keepdim=True) * torch.sigmoid(torch.tanh(hidden @ w_p.T) @ v_p)
    d = torch.arange(scores.shape[-1]) - p[:, :, None]
    inside = (d.abs() <= window) & src_mask[:, None]
    return (
        scores.masked_fill(~inside, -1e4).softmax(-1) * inside * torch.exp(-2 * (d / window) ** 2)
    )


@pytest.mark.parametrize(
    ("name", "function"),
    [("local_m_mask", window_on_the_cpu), ("local_p_weights", weights_on_the_cpu)],
)
def test_new_tensors_on_the_cpu_cost_the_check_on_the_device_and_nothing_else(name, function):
    verdict = verdict_on(f"luong/{name}", function)
    [failed] = [check for check in verdict.checks if not check.passed]
    assert "device" in failed.name
    assert re.search("made on the CPU|returned a tensor on cpu|device", failed.message)


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
