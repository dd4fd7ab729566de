"""Checks of the exercises that only move numbers: split_heads and merge_heads."""

from typing import Any

from autograder.checks.draw import HALVES, Rng, all_strided
from autograder.checks.properties import (
    agrees_with_first,
    dtype_kept,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
)
from autograder.checks.spec import Case, Check
from autograder.specs.multihead.inputs import merge_case, split_case


def _split(rng: Rng) -> list[Case]:
    return [
        split_case(rng, (2, 5, 3, 7), "random"),
        split_case(rng, (3, 2, 5, 11), "random"),
        split_case(rng, (5, 5, 5, 5), "equal sizes"),
    ]


def _split_edges(rng: Rng) -> list[Case]:
    return [
        split_case(rng, (1, 5, 3, 2), "one sentence"),
        split_case(rng, (2, 1, 3, 5), "one word"),
        split_case(rng, (2, 5, 1, 7), "one head"),
        split_case(rng, (2, 3, 5, 1), "heads of one number"),
    ]


def _split_reordered(rng: Rng) -> list[Case]:
    case = split_case(rng, (2, 5, 3, 7), "random")
    x, h = case.args
    return [case, Case((x.flip(1), h), label="the same words in reverse")]


def _back_in_order(value: Any, first: Any) -> Any:
    return value.flip(2)


def _split_gradients(rng: Rng) -> list[Case]:
    return [split_case(rng, (2, 5, 3, 2), "random", grad=True)]


def _split_dtypes(rng: Rng) -> list[Case]:
    cases = [split_case(rng, (2, 5, 3, 7), str(dtype), dtype=dtype) for dtype in HALVES]
    return [*cases, split_case(rng, (2, 5, 3, 7), "on a GPU", cuda=True)]


def _split_inputs(rng: Rng) -> list[Case]:
    case = split_case(rng, (2, 5, 3, 7), "random")
    return [case, all_strided(case, "words that are not contiguous")]


SPLIT_HEADS = (
    Check("head i gets its own slice of every word's numbers", 6, _split),
    Check("one sentence, word, head or number keeps its axis", 2, _split_edges),
    Check("words in another order: the same slices, in that order", 1, _split_reordered,
          resembling(agrees_with_first(_back_in_order))),
    Check("gradients reach x", 1, _split_gradients, of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1, _split_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 1, _split_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _merge(rng: Rng) -> list[Case]:
    return [
        merge_case(rng, (2, 3, 5, 7), "random"),
        merge_case(rng, (3, 5, 2, 11), "random"),
        merge_case(rng, (5, 5, 5, 5), "equal sizes"),
    ]


def _merge_edges(rng: Rng) -> list[Case]:
    return [
        merge_case(rng, (1, 3, 5, 2), "one sentence"),
        merge_case(rng, (2, 3, 1, 5), "one word"),
        merge_case(rng, (2, 1, 5, 7), "one head"),
        merge_case(rng, (2, 5, 3, 1), "heads of one number"),
    ]


def _merge_gradients(rng: Rng) -> list[Case]:
    return [merge_case(rng, (2, 3, 5, 2), "random", grad=True)]


def _merge_dtypes(rng: Rng) -> list[Case]:
    cases = [merge_case(rng, (2, 3, 5, 7), str(dtype), dtype=dtype) for dtype in HALVES]
    return [*cases, merge_case(rng, (2, 3, 5, 7), "on a GPU", cuda=True)]


def _merge_inputs(rng: Rng) -> list[Case]:
    case = merge_case(rng, (2, 3, 5, 7), "random")
    return [case, all_strided(case, "heads that are not contiguous")]


MERGE_HEADS = (
    Check("a word's heads lie side by side, head 0 first", 5, _merge),
    Check("one sentence, word, head or number keeps its axis", 2, _merge_edges),
    Check("gradients reach the heads", 1, _merge_gradients, of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1, _merge_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 1, _merge_inputs, resembling(inputs_unchanged)),
)  # fmt: skip
