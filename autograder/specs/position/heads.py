"""Checks of the exercises in which positions are told to queries, keys and scores."""

from collections.abc import Sequence
from typing import Any

import torch

from autograder.checks.cases import Answer
from autograder.checks.compare import at, difference, tolerance
from autograder.checks.draw import HALVES, Rng, all_strided, normal
from autograder.checks.properties import (
    agrees_with_first,
    dtype_kept,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
)
from autograder.checks.spec import Case, Check
from autograder.specs.position.inputs import bias_case, integers, placed_case, scores_case

_row = torch.arange


def _biases(rng: Rng) -> list[Case]:
    return [
        bias_case(rng, 11, _row(5), _row(7), "nothing beyond the farthest"),
        bias_case(rng, 13, _row(7), _row(3), "nothing beyond, float64", dtype=torch.float64),
    ]


def _far(rng: Rng) -> list[Case]:
    return [
        bias_case(rng, 2, _row(7), _row(11), "distances beyond the farthest"),
        bias_case(rng, 1, _row(5), _row(5), "only neighbours are told apart"),
        bias_case(rng, 3, torch.tensor([2]), _row(31), "very far keys"),
    ]


def _bias_shifted(rng: Rng) -> list[Case]:
    case = bias_case(rng, 3, _row(5), _row(7), "from the beginning")
    table, queries, keys = case.args
    return [case, Case((table, queries + 19, keys + 19), label="the same, 19 positions later")]


def _bias_anywhere(rng: Rng) -> list[Case]:
    return [
        bias_case(rng, 3, torch.tensor([6]), _row(7), "one query, the newest word"),
        bias_case(rng, 5, integers(rng, 0, 9, 5), integers(rng, 0, 9, 3), "in no order"),
        bias_case(rng, 0, _row(3), _row(5), "k = 0: one number a head"),
        bias_case(rng, 2, _row(5), _row(3), "one head", heads=1),
    ]


def _bias_gradients(rng: Rng) -> list[Case]:
    return [bias_case(rng, 2, _row(5), _row(7), "random", dtype=torch.float64, grad=True)]


def _bias_dtypes(rng: Rng) -> list[Case]:
    kinds = (*HALVES, torch.float64)
    cases = [bias_case(rng, 2, _row(5), _row(7), str(d), dtype=d) for d in kinds]
    return [*cases, bias_case(rng, 2, _row(5), _row(7), "on a GPU", cuda=True)]


def _bias_inputs(rng: Rng) -> list[Case]:
    case = bias_case(rng, 2, _row(5), _row(7), "random")
    return [case, all_strided(case, "inputs that are not contiguous")]


def _whole(value: Any, first: Any) -> Any:
    return value


RELATIVE_BIAS = (
    Check("each distance has its number, to the left and to the right", 6.5, _biases),
    Check("beyond the farthest, all share the last number of their side", 3.5, _far),
    Check("only distances count: moving everything changes nothing", 1.5, _bias_shifted,
          resembling(agrees_with_first(_whole))),
    Check("one query, one head, any positions", 1.5, _bias_anywhere),
    Check("gradients reach the table", 1, _bias_gradients, of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1, _bias_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 1, _bias_inputs, of_right_values(inputs_unchanged)),
)  # fmt: skip


def _turned(rng: Rng) -> list[Case]:
    return [
        placed_case(rng, (2, 3, 7, 10), _row(7), "random", scale=1),
        placed_case(rng, (3, 2, 5, 14), _row(5), "float64", dtype=torch.float64, scale=1),
        placed_case(rng, (1, 1, 5, 2), _row(5), "one pair of features", scale=1),
    ]


def _square_heads(rng: Rng) -> list[Case]:
    return [placed_case(rng, (2, 5, 5, 6), _row(5), "as many heads as words", scale=1)]


def _rotated_anywhere(rng: Rng) -> list[Case]:
    return [
        placed_case(rng, (2, 3, 1, 10), torch.tensor([17]), "one word, the newest", scale=1),
        placed_case(rng, (2, 3, 7, 6), integers(rng, 0, 99, 7), "in no order", scale=1),
    ]


def _rotation_shifted(rng: Rng) -> list[Case]:
    case = placed_case(rng, (2, 3, 5, 10), _row(5), "random", scale=1)
    x, positions = case.args
    label = "the same, 23 positions later"
    return [case, Case((x, positions + 23), label=label)]


def _scores_stay(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """Dot products and lengths of what was rotated do not depend on where it all begins."""
    first, later = (answer.value.double() @ answer.value.double().mT for answer in answers)
    problem = difference(later, first, 10 * tolerance(cases[0]))
    return at(cases[1], f"of the dot products {problem}") if problem else None


def _rotate_gradients(rng: Rng) -> list[Case]:
    return [placed_case(rng, (2, 3, 5, 6), _row(5), "random", dtype=torch.float64, scale=1,
                        grad=True)]  # fmt: skip


def _rotate_dtypes(rng: Rng) -> list[Case]:
    shape, late = (2, 3, 5, 6), torch.tensor([0, 7, 2049, 3001, 257])
    kinds = (*HALVES, torch.float64)
    cases = [placed_case(rng, shape, late, str(d), dtype=d, scale=1) for d in kinds]
    return [*cases, placed_case(rng, shape, late, "on a GPU", cuda=True)]


def _rotate_inputs(rng: Rng) -> list[Case]:
    case = placed_case(rng, (2, 3, 5, 6), _row(5), "random", scale=1)
    return [case, all_strided(case, "inputs that are not contiguous")]


ROTATE = (
    Check("every pair of features is turned by its angle", 9, _turned),
    Check("all heads turn alike", 1.5, _square_heads),
    Check("positions may be any whole numbers", 2.5, _rotated_anywhere),
    Check("scores of what is rotated depend on distances alone", 2.5, _rotation_shifted,
          of_right_values(_scores_stay)),
    Check("gradients reach x", 1.5, _rotate_gradients, of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1.5, _rotate_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 1.5, _rotate_inputs, of_right_values(inputs_unchanged)),
)  # fmt: skip


def _penalties(rng: Rng) -> list[Case]:
    return [
        scores_case(rng, (3, 8), _row(5), _row(5), "eight heads"),
        scores_case(rng, (2, 4), _row(7), _row(7), "four heads, float64", dtype=torch.float64),
        scores_case(rng, (3, 16), _row(5), _row(5), "sixteen heads"),
    ]


def _one_head(rng: Rng) -> list[Case]:
    return [
        scores_case(rng, (3, 1), _row(5), _row(7), "one head"),
        scores_case(rng, (1, 2), _row(3), _row(5), "two heads"),
    ]


def _penalties_anywhere(rng: Rng) -> list[Case]:
    return [
        scores_case(rng, (2, 4), torch.tensor([6]), _row(7), "one query, the newest word"),
        scores_case(rng, (2, 2), integers(rng, 0, 40, 3), integers(rng, 0, 40, 5), "in no order"),
    ]


def _zero_scores(rng: Rng) -> list[Case]:
    scores = torch.zeros(1, 8, 1, 6)
    label = "scores of 0, eight heads, a query at 5, keys at 0 … 5"
    return [Case((scores, torch.tensor([5]), _row(6)), label=label)]


def _alibi_dtypes(rng: Rng) -> list[Case]:
    kinds = (*HALVES, torch.float64)
    cases = [scores_case(rng, (2, 4), _row(5), _row(7), str(d), dtype=d) for d in kinds]
    return [*cases, scores_case(rng, (2, 4), _row(5), _row(7), "on a GPU", cuda=True)]


def _alibi_gradients(rng: Rng) -> list[Case]:
    return [scores_case(rng, (2, 4), _row(3), _row(5), "random", dtype=torch.float64, grad=True)]


def _alibi_inputs(rng: Rng) -> list[Case]:
    queries, keys = _row(5), _row(7)
    case = scores_case(rng, (2, 4), queries, keys, "random")
    apart = (normal(rng, 2, 4, 5, 7, scale=0.3), queries, keys)
    return [case, all_strided(Case(apart), "inputs that are not contiguous")]


ADD_ALIBI = (
    Check("distance costs each head its own slope", 5, _penalties),
    Check("one head and two heads have their slopes, too", 1.5, _one_head),
    Check("the chapter's example comes out", 1, _zero_scores),
    Check("one query, any positions", 1.5, _penalties_anywhere),
    Check("gradients reach the scores", 1, _alibi_gradients, of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1, _alibi_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 1, _alibi_inputs, of_right_values(inputs_unchanged)),
)  # fmt: skip
