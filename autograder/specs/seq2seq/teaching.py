"""Checks of the exercise on the loss."""

from collections.abc import Sequence

import torch
from torch import Tensor

from autograder.checks.compare import at, difference, tolerance
from autograder.checks.draw import HALVES, Rng, normal
from autograder.checks.properties import (
    dtype_kept,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
)
from autograder.checks.spec import Answer, Case, Check
from autograder.specs.seq2seq.inputs import all_strided, loss_case


def _full(rng: Rng) -> list[Case]:
    return [
        loss_case(rng, [5, 5, 5], (5, 11), "no padding"),
        loss_case(rng, [3, 3], (3, 7), "no padding, float64", dtype=torch.float64),
        loss_case(rng, [7, 7], (7, 7), "equal sizes, no padding", scale=2.0),
        loss_case(rng, [2, 2, 2, 2, 2], (2, 5), "no padding", scale=3.0),
    ]


def _padded(rng: Rng) -> list[Case]:
    return [
        loss_case(rng, [7, 2, 1], (7, 11), "padded"),
        loss_case(rng, [2, 5], (7, 3), "all padded", dtype=torch.float64),
        loss_case(rng, [5, 1, 1, 1, 1], (5, 7), "one long sentence, four of one word", scale=2.0),
        loss_case(rng, [1, 3], (11, 5), "mostly padding", scale=3.0),
    ]


def _other_pads(rng: Rng) -> list[Case]:
    return [
        loss_case(rng, [5, 2], (5, 7), "padded", pad=3),
        loss_case(rng, [1, 3, 2], (3, 11), "padded", pad=10, scale=2.0),
        loss_case(rng, [2, 4], (7, 5), "padded", pad=1, scale=3.0),
    ]


def _with(case: Case, logits: Tensor, targets: Tensor, label: str) -> Case:
    return Case((logits, targets, case.args[2]), label=label)


def _more_padding(rng: Rng) -> list[Case]:
    """Other logits at the padding, then more of it; and once more, so that there is a change."""
    cases = []
    for scale in (1.0, 3.0):
        case = loss_case(rng, [5, 2], (5, 7), "padded", scale=scale)
        logits, targets, pad = case.args
        padding = (targets == pad)[..., None]
        other = torch.where(padding, 20 * normal(rng, 2, 5, 7), logits)
        longer = torch.cat([other, 20 * normal(rng, 2, 4, 7)], 1)
        padded = torch.cat([targets, torch.full((2, 4), pad)], 1)
        cases += [
            case,
            _with(case, other, targets, "with other logits at the padding"),
            _with(case, longer, padded, "with four more positions of padding"),
        ]
    return cases


def _padding_ignored(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    for i, (case, answer) in enumerate(zip(cases, answers, strict=True)):
        same = answers[i - i % 3].value
        problem = difference(answer.value, float(same), tolerance(case))
        if problem:
            return at(case, "the loss changes")
    return None


def _large(rng: Rng) -> list[Case]:
    return [
        loss_case(rng, [3, 2], (3, 5), "logits of a thousand", scale=1000.0),
        loss_case(rng, [5, 2], (5, 7), "logits of ten thousand", scale=10_000.0),
    ]


def _few(rng: Rng) -> list[Case]:
    return [
        loss_case(rng, [1], (1, 7), "one word"),
        loss_case(rng, [1], (5, 3), "one word, padded"),
        loss_case(rng, [1, 1, 1], (1, 5), "sentences of one word", scale=3.0),
    ]


def _gradients(rng: Rng) -> list[Case]:
    return [loss_case(rng, [5, 2], (5, 7), "padded", dtype=torch.float64, grad=True)]


def _dtypes(rng: Rng) -> list[Case]:
    cases = [
        loss_case(rng, [5, 2], (5, 7), str(d), scale=float(i + 1), dtype=d)
        for i, d in enumerate((*HALVES, torch.float64))
    ]
    return [*cases, loss_case(rng, [5, 2], (5, 7), "on a GPU", cuda=True)]


def _inputs(rng: Rng) -> list[Case]:
    odd = loss_case(rng, [5, 2], (5, 7), "inputs that are not contiguous", scale=5.0)
    return [
        loss_case(rng, [2, 3], (3, 7), "padded", scale=0.1),
        loss_case(rng, [2, 5], (5, 3), "padded", scale=2.0),
        Case(all_strided(odd.args), label=odd.label),
    ]


SEQUENCE_LOSS = (
    Check("without padding, the mean of −log p over all words", 5, _full),
    Check("with padding, the mean over the real words", 4, _padded),
    Check("what is predicted at the padding changes nothing", 2, _more_padding,
          resembling(_padding_ignored)),
    Check("the padding has the id that was given", 1.5, _other_pads),
    Check("large logits give no NaN and no infinity", 1.5, _large),
    Check("one word is enough", 1, _few),
    Check("gradients are right, and 0 at the padding", 2, _gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 0.5, _dtypes,
          of_right_values(dtype_kept, slack=2)),
    Check("inputs are left as they were", 0.5, _inputs, resembling(inputs_unchanged)),
)  # fmt: skip
