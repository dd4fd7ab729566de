import re

import numpy as np
import pytest
import torch
from torch import Tensor

from autograder.checks import verdict_on
from autograder.checks.cases import tensors_in
from autograder.checks.spec import draw_cases, load_unit

UNIT = load_unit("self_attention")
EXERCISES = {e.name: e for e in UNIT.exercises}
every_exercise = pytest.mark.parametrize("exercise", UNIT.exercises, ids=EXERCISES)
NUMPY = ("by_hand", "kernel_regression")


def verdict(name, function):
    return verdict_on(f"self_attention/{name}", function)


def test_six_exercises_are_worth_100_points():
    assert [e.points for e in UNIT.exercises] == [14, 16, 16, 18, 20, 16]


@every_exercise
def test_edges_half_precision_gradients_and_gpus_are_among_the_cases(exercise):
    cases = [case for row in draw_cases(exercise, 0) for case in row]
    if exercise.name in NUMPY:
        assert all(isinstance(case.args[0], np.ndarray) for case in cases)
        assert any(1 in case.args[0].shape for case in cases)
        return
    tensors = [t for case in cases for t in tensors_in(case.args)]
    assert any(1 in t.shape for t in tensors)
    assert any(not t.is_contiguous() for t in tensors) or exercise.name == "self_attention"
    assert any(case.cuda for case in cases)
    if exercise.name != "attention_mask":
        assert {t.dtype for t in tensors} >= {torch.float16, torch.float32, torch.float64}
        assert any(case.grad for case in cases)


def of_squares(x):
    scores = (x @ x.T) ** 2
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    weights = shares / shares.sum(-1, keepdims=True)
    return scores, weights, weights @ x


def laplace(query, key, value, width):
    gaps = np.abs(query[:, None] - key[None]).sum(-1) / width
    shares = np.exp(-(gaps - gaps.min(-1, keepdims=True)))
    return shares / shares.sum(-1, keepdims=True) @ value


def cosine(query, key, value):
    unit = [torch.nn.functional.normalize(t, dim=-1) for t in (query, key)]
    weights = (unit[0] @ unit[1].mT).softmax(-1)
    return weights @ value, weights


def window(tokens, pad, causal):
    near = torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool).triu(-2)
    return EXERCISES["attention_mask"].oracle(tokens, pad, causal) & near


def gated(query, key, value, mask):
    context, weights = EXERCISES["masked_attention"].oracle(query, key, value, mask)
    return context * 0.9, weights * 0.9


def residual(x, mask, params):
    context, weights = EXERCISES["self_attention"].oracle(x, mask, params)
    return context + 1, weights.sqrt()


UNFORESEEN = {
    "by_hand": of_squares,
    "kernel_regression": laplace,
    "attention": cosine,
    "attention_mask": window,
    "masked_attention": gated,
    "self_attention": residual,
}


@pytest.mark.parametrize(("name", "function"), UNFORESEEN.items())
def test_wrong_code_that_nobody_foresaw_loses_points_and_is_told_something(name, function):
    result = verdict(name, function)
    assert result.status in ("partial", "wrong")
    assert result.misconception is None
    assert re.search(r"differ|row sums|NaN|cells|values", result.message), result.message


def masked(fill):
    """Exercise 5 as students write it, with a way of their own from scores to weights."""

    def masked_attention(query, key, value, mask):
        weights = fill(query @ key.transpose(1, 2) / key.shape[-1] ** 0.5, mask)
        return weights @ value, weights

    return masked_attention


def lowest_of_half(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -65504.0).softmax(-1)


def with_bias(scores: Tensor, mask: Tensor) -> Tensor:
    return torch.softmax(scores + mask.to(scores.dtype).log(), -1).nan_to_num()


def shifted(x):
    scores = x @ x.T
    scores -= scores.max(-1)[:, None]
    weights = np.exp(scores) / np.exp(scores).sum(-1)[:, None]
    return scores, weights, weights @ x


def for_one_number(query, key, value, width):
    kernels = np.exp(-((query[:, None] - key) ** 2) / (2 * width**2))
    return kernels / kernels.sum(-1, keepdims=True) @ value


SLIPS = [
    ("by_hand", "overflow",
     lambda x: (x @ x.T, (w := np.exp(x @ x.T) / np.exp(x @ x.T).sum(1)[:, None]), w @ x)),
    ("by_hand", "columns",
     lambda x: (s := x @ x.T, (w := np.exp(s - s.max()) / np.exp(s - s.max()).sum(1)), w @ x)),
    ("by_hand", "shifted", shifted),
    ("kernel_regression", "unsummed", for_one_number),
    ("kernel_regression", "underflow",
     lambda q, k, v, w: (e := np.exp(-np.linalg.norm(q[:, None] - k, axis=-1) ** 2 / (2 * w * w)))
     @ v / e.sum(1)[:, None]),
    ("attention", "no_scale",
     lambda q, k, v: ((w := torch.bmm(q, k.transpose(1, 2)).softmax(2)) @ v, w)),
    ("attention", "all_axes",
     lambda q, k, v: ((w := (q @ k.T / k.shape[-1] ** 0.5).softmax(-1)) @ v, w)),
    ("attention", "batch_axis",
     lambda q, k, v: ((w := torch.nn.functional.softmax(q @ k.mT / k.shape[2] ** 0.5)) @ v, w)),
    ("attention_mask", "strict",
     lambda t, pad, causal: (t != pad)[:, None].repeat(1, t.shape[1], 1)
     & (torch.ones(t.shape[1], t.shape[1]).tril(-1).bool() | (not causal))),
    ("attention_mask", "numbers",
     lambda t, pad, causal: EXERCISES["attention_mask"].oracle(t, pad, causal).float()),
    ("masked_attention", "zero_scores", masked(lambda s, m: s.masked_fill(~m, 1e-9).softmax(-1))),
    ("masked_attention", "modest_fill", masked(lowest_of_half)),
    ("masked_attention", "nan_rows",
     masked(lambda s, m: torch.where(m, s, float("-inf")).softmax(-1))),
    ("masked_attention", "hidden_nan", masked(with_bias)),
    ("masked_attention", "rescaled_safely",
     masked(lambda s, m: (w := s.softmax(-1) * m) / (w.sum(-1, keepdim=True) + 1e-9))),
    ("masked_attention", "as_printed",
     masked(lambda s, m: (m * s.exp() / (m * s.exp()).sum(-1, keepdim=True)).nan_to_num())),
    ("self_attention", "as_they_came",
     lambda x, m, p: EXERCISES["masked_attention"].oracle(x, x, x, m)),
    ("self_attention", "turned",
     lambda x, m, p: EXERCISES["masked_attention"].oracle(
         *(torch.nn.functional.linear(x, p[n]) for n in ("W_q", "W_k", "W_v")), m)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "misconception", "function"), SLIPS)
def test_a_plausible_slip_is_named_and_keeps_half_of_the_points(name, misconception, function):
    result = verdict(name, function)
    assert result.misconception, str(result)
    assert result.misconception.name == misconception
    assert result.max_points / 2 <= result.points < result.max_points


def test_a_mask_made_on_the_cpu_costs_the_check_on_the_device_and_nothing_else():
    def on_the_cpu(tokens, pad, causal):
        length = tokens.shape[1]
        lower = torch.ones(length, length, dtype=torch.bool)
        return (tokens != pad)[:, None] & (lower.tril() if causal else lower)

    [failed] = [check for check in verdict("attention_mask", on_the_cpu).checks if not check.passed]
    assert "device" in failed.name
    assert "made on the CPU" in failed.message


@pytest.mark.parametrize("name", ["attention", "masked_attention", "self_attention"])
def test_code_that_forces_float32_loses_the_check_on_the_dtype_and_nothing_else(name):
    def wide(value):
        if isinstance(value, dict):
            return {key: wide(part) for key, part in value.items()}
        return value.float() if value.is_floating_point() else value

    result = verdict(name, lambda *args: EXERCISES[name].oracle(*map(wide, args)))
    [failed] = [check for check in result.checks if not check.passed]
    assert "dtype" in failed.name


def test_a_wrong_scale_does_not_cost_the_context():
    """The context follows from the student's own weights: one slip costs once."""
    result = verdict("attention", lambda q, k, v: ((w := (q @ k.mT / 3).softmax(-1)) @ v, w))
    marks = {check.name: check.passed for check in result.checks}
    assert not marks["weights are the softmax of the scaled scores"]
    assert marks["context is the average of the values by the weights"]


def test_numpy_exercises_want_arrays_back():
    result = verdict("by_hand", lambda x: tuple(map(torch.from_numpy, of_squares(x))))
    assert "wanted a NumPy array" in result.message
