"""Checks of the exercise on reading a padded batch."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from attention_lib.masks import length_mask
from autograder.checks.compare import at, difference, tolerance
from autograder.checks.draw import HALVES, Rng, normal
from autograder.checks.properties import (
    dtype_kept,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
    right_or_following,
)
from autograder.checks.spec import Answer, Case, Check
from autograder.specs.recurrent.inputs import all_strided, reading_case


def _random(rng: Rng) -> list[Case]:
    return [
        reading_case(rng, [7, 5, 2], (7, 5, 11), "random"),
        reading_case(rng, [3, 5], (7, 2, 3), "random, float64", dtype=torch.float64),
        reading_case(rng, [2, 3, 1], (3, 3, 3), "equal sizes"),
    ]


def _real(case: Case) -> Tensor:
    inputs, _, lengths, _ = case.args
    return length_mask(lengths, inputs.shape[1])


def _words_right(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """The outputs at real words are right; the padding is for another check."""
    for case, answer, wanted in zip(cases, answers, expected, strict=True):
        real = _real(case)
        problem = difference(answer.value[0][real], wanted.value[0][real], tolerance(case))
        if problem:
            return at(case, f"at real words {problem}")
    return None


def _padding_zero(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    for case, answer in zip(cases, answers, strict=True):
        stray = int((answer.value[0][~_real(case)] != 0).sum())
        if stray:
            return at(case, f"{stray} outputs at the padding are not 0")
    return None


def _outputs(value: Any) -> Any:
    return value[0]


def _last(value: Any) -> Any:
    return value[1]


def _last_of(case: Case, value: Any) -> Tensor:
    """The last states that belong to a student's own outputs."""
    _, h, lengths, _ = case.args
    states = torch.cat([h[:, None].double(), value[0].double()], dim=1)
    return states[torch.arange(len(lengths)), lengths]


def _padded(rng: Rng) -> list[Case]:
    """The same sentences with other numbers in the padding, then with more of it."""
    case = reading_case(rng, [5, 2], (5, 3, 7), "random")
    inputs, *rest = case.args
    other = torch.where(_real(case)[..., None], inputs, 5 + normal(rng, *inputs.shape))
    longer = torch.cat([inputs, 5 + normal(rng, 2, 4, 3)], dim=1)
    return [
        case,
        replace(case, args=(other, *rest), label="with other numbers in the padding"),
        replace(case, args=(longer, *rest), label="with four more positions of padding"),
    ]


def _padding_ignored(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """What a sentence gives does not depend on its padding."""
    real = _real(cases[0])
    words, last = answers[0].value[0][real], answers[0].value[1]
    for case, answer in zip(cases[1:], answers[1:], strict=True):
        outputs, ends = answer.value
        cut = outputs[:, : real.shape[1]][real]
        problem = difference((cut, ends), (words, last), tolerance(case))
        if problem:
            return at(case, f"{problem} against the same sentences without it")
    return None


def _alone(rng: Rng) -> list[Case]:
    case = reading_case(rng, [3, 7, 5], (7, 2, 5), "in a batch of three")
    inputs, h, lengths, params = case.args
    args = (inputs[:1, :3], h[:1], lengths[:1], params)
    return [Case(args, label="the first sentence alone"), case]


def _same_alone(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    alone, batch = answers[0].value, answers[1].value
    part = batch[0][:1, :3], batch[1][:1]
    problem = difference(part, alone, tolerance(cases[1]))
    return at(cases[1], f"{problem} against the first sentence alone") if problem else None


def _edges(rng: Rng) -> list[Case]:
    return [
        reading_case(rng, [5], (5, 3, 2), "one sentence"),
        reading_case(rng, [1, 1, 1], (1, 3, 5), "one position"),
        reading_case(rng, [1], (1, 1, 1), "one of everything"),
        reading_case(rng, [0, 3], (3, 5, 2), "an empty sentence beside a full one"),
    ]


def _gradients(rng: Rng) -> list[Case]:
    return [
        reading_case(rng, [5, 3], (5, 3, 2), "random", dtype=torch.float64, grad=True),
        reading_case(rng, [0, 3], (3, 2, 5), "an empty sentence", dtype=torch.float64, grad=True),
    ]


def _dtypes(rng: Rng) -> list[Case]:
    sizes = (5, 3, 2)
    cases = [reading_case(rng, [5, 2], sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, reading_case(rng, [5, 2], sizes, "on a GPU", cuda=True)]


def _inputs(rng: Rng) -> list[Case]:
    odd = reading_case(rng, [5, 2], (5, 3, 2), "inputs that are not contiguous")
    return [
        reading_case(rng, [2, 5], (5, 3, 7), "random"),
        Case(all_strided(odd.args), label=odd.label),
    ]


UNROLL_RNN = (
    Check("outputs hold the state after each word", 5.25, _random, _words_right, parts=(0,)),
    Check("outputs are 0 at the padding", 1.75, _random,
          resembling(_padding_zero, pick=_outputs), parts=(0,)),
    Check("last is the state after each sentence's own last word", 4, _random,
          right_or_following(_last, _last_of)),
    Check("what stands in the padding changes nothing", 2, _padded,
          resembling(_padding_ignored)),
    Check("a sentence alone gives what it gives in a batch", 1.5, _alone,
          resembling(_same_alone)),
    Check("one sentence, one position and an empty sentence are fine", 1.5, _edges),
    Check("gradients reach inputs, h and every parameter", 2.5, _gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 0.75, _dtypes,
          of_right_values(dtype_kept, slack=2)),
    Check("inputs are left as they were", 0.75, _inputs, resembling(inputs_unchanged)),
)  # fmt: skip
