"""Checks of the exercises in NumPy: by_hand and kernel_regression."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.checks.draw import Rng
from autograder.checks.properties import (
    agrees_with_first,
    all_of,
    equals,
    inputs_unchanged,
    resembling,
    right_or_following,
    rows_sum_like_oracle,
)
from autograder.checks.spec import Case, Check
from autograder.specs.self_attention.inputs import BI_JI_BEN


def _sentence(rng: Rng, tokens: int, size: int, label: str, scale: float = 1.0) -> Case:
    x = scale * rng.standard_normal((tokens, size))
    return Case((x,), label=f"{label}: X {x.shape}")


def _sentences(rng: Rng) -> list[Case]:
    return [
        Case((BI_JI_BEN.copy(),), label="笔 记 本: X (3, 5)"),
        _sentence(rng, 3, 5, "random"),
        _sentence(rng, 7, 2, "random"),
        _sentence(rng, 5, 11, "random", scale=0.5),
    ]


def _scores(value: Any) -> Any:
    return value[0]


def _weights(value: Any) -> Any:
    return value[1]


def _context(value: Any) -> Any:
    return value[2]


def _weights_of_scores(case: Case, value: Any) -> Tensor:
    """The weights that belong to a student's own scores."""
    return torch.softmax(value[0].double(), -1)


def _context_of_weights(case: Case, value: Any) -> Tensor:
    """The context that belongs to a student's own weights."""
    return value[1].double() @ torch.from_numpy(case.args[0])


def _edges(rng: Rng) -> list[Case]:
    return [_sentence(rng, 1, 5, "one token"), _sentence(rng, 3, 1, "vectors of one number")]


def _large(rng: Rng) -> list[Case]:
    return [
        _sentence(rng, 5, 3, "vectors of numbers around 30", scale=30.0),
        Case((100 * BI_JI_BEN,), label="笔 记 本, a hundred times as long"),
    ]


BY_HAND = (
    Check("scores are the dot products of all pairs", 4, _sentences, equals(_scores), parts=(0,)),
    Check("weights are the softmax of each row of scores", 4, _sentences,
          right_or_following(_weights, _weights_of_scores), parts=(0, 1)),
    Check("context is the average of the rows of X by the weights", 3, _sentences,
          right_or_following(_context, _context_of_weights), parts=(1, 2)),
    Check("each row of weights sums to 1", 0.5, _sentences,
          resembling(rows_sum_like_oracle(_weights), pick=_weights), parts=(1,)),
    Check("one token and vectors of one number are fine", 1, _edges),
    Check("large scores do no harm", 1, _large, all_of(equals(_weights), equals(_context)),
          parts=(1, 2)),
    Check("inputs are left as they were", 0.5, _sentences, resembling(inputs_unchanged)),
)  # fmt: skip


def _examples(
    rng: Rng, queries: int, keys: int, d: int, d_v: int, width: float, label: str
) -> Case:
    """Questions near some example each, so that no kernel is tiny: other checks are about those."""
    key = rng.standard_normal((keys, d))
    query = key[rng.integers(keys, size=queries)] + 0.5 * width * rng.standard_normal((queries, d))
    args = (query, key, rng.standard_normal((keys, d_v)), width)
    shown = f"{label}: query {(queries, d)}, key {(keys, d)}, value {(keys, d_v)}, width={width:g}"
    return Case(args, label=shown)


def _random_examples(rng: Rng) -> list[Case]:
    return [
        _examples(rng, 3, 7, 2, 5, 0.7, "random"),
        _examples(rng, 5, 11, 3, 2, 1.9, "random"),
        _examples(rng, 2, 13, 1, 3, 0.4, "keys of one number"),
    ]


def _few_examples(rng: Rng) -> list[Case]:
    return [
        _examples(rng, 1, 7, 3, 2, 0.8, "one question"),
        _examples(rng, 5, 1, 3, 2, 0.8, "one example"),
        _examples(rng, 3, 7, 2, 1, 0.8, "values of one number"),
        _examples(rng, 1, 1, 1, 1, 1.3, "one of everything"),
    ]


def _constant_values(rng: Rng) -> list[Case]:
    query, key, _, width = _examples(rng, 3, 7, 2, 5, 0.7, "").args
    value = np.repeat(rng.uniform(2, 9, size=(1, 5)), 7, axis=0)
    return [Case((query, key, value, width), label="all examples have the same value")]


def _far_away(rng: Rng) -> list[Case]:
    query, key, value, _ = _examples(rng, 3, 7, 2, 5, 0.5, "").args
    # The nearest is the first, though the second is nearer along the axes.
    corner = np.array([[3.0, 3.0], [5.0, 0.0], [7.0, 7.0]])
    return [
        Case((query + 100, key, value, 0.5), label="questions 100 away from every example"),
        Case((np.zeros((1, 2)), corner, value[:3], 0.02), label="a very narrow kernel, width=0.02"),
    ]


def _wide(rng: Rng) -> list[Case]:
    query, key, value, _ = _examples(rng, 3, 7, 2, 5, 0.5, "").args
    return [Case((query, key, value, 1e5), label="a very wide kernel, width=100000")]


def _shifted(rng: Rng) -> list[Case]:
    case = _examples(rng, 3, 7, 2, 5, 0.9, "random")
    query, key, value, width = case.args
    by = 3 * rng.standard_normal(2)
    label = "the same, with query and key moved by the same vector"
    return [case, Case((query + by, key + by, value, width), label=label)]


KERNEL_REGRESSION = (
    Check("answers are the values' averages by the kernel", 6, _random_examples),
    Check("one question, one example or one number is fine", 1.5, _few_examples),
    Check("examples that agree are believed", 2, _constant_values),
    Check("a wide kernel answers with the average of all", 1.5, _wide),
    Check("far from every example, the nearest decides", 3, _far_away),
    Check("only distances count: moving everything changes nothing", 1.5, _shifted,
          resembling(agrees_with_first(lambda value, first: value))),
    Check("inputs are left as they were", 0.5, _random_examples, resembling(inputs_unchanged)),
)  # fmt: skip
