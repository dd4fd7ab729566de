"""Checks of the exercises on the source: encode and reverse_padded."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autograder.checks.compare import at, difference, equals_oracle, tolerance
from autograder.checks.draw import HALVES, Rng
from autograder.checks.properties import (
    agrees_with_first,
    all_of,
    dtype_kept,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
)
from autograder.checks.spec import Answer, Case, Check
from autograder.specs.seq2seq.inputs import all_strided, encoding_case, ids, turning_case


# All in float32 but for the check of dtypes: a dtype that is typed in costs that one alone.
def _full(rng: Rng) -> list[Case]:
    first = encoding_case(rng, [5, 5, 5], (5, 11, 7, 2), "no padding")
    return [
        first,
        encoding_case(rng, [7, 7], (7, 5, 3, 11), "no padding"),
        encoding_case(rng, [3, 3, 3], (3, 7, 3, 3), "equal sizes, no padding"),
        once_more(first),
    ]


def once_more(case: Case) -> Case:
    """The same case, for ``same_again``."""
    return replace(case, label=f"{case.label}; the same once more")


def same_again(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """The last case is the first once more, and so is its answer."""
    if difference(answers[-1].value, answers[0].value, tolerance(cases[0])):
        return at(cases[-1], "not what it gave the first time: something in it is drawn at random")
    return None


def _padded(rng: Rng) -> list[Case]:
    return [
        encoding_case(rng, [7, 2, 5], (7, 13, 5, 11), "padded"),
        encoding_case(rng, [3, 5], (7, 11, 2, 3), "all padded"),
        encoding_case(rng, [2, 3, 1], (3, 5, 3, 3), "equal sizes, padded"),
    ]


def _other_padding(rng: Rng) -> list[Case]:
    """The same sentences with other words in the padding, then with more of it."""
    case = encoding_case(rng, [5, 2], (5, 11, 3, 7), "padded")
    src, lengths, params = case.args
    real = torch.arange(5) < lengths[:, None]
    other = torch.where(real, src, (src + 1 + ids(rng, 10, 2, 5)) % 11)
    longer = torch.cat([other, ids(rng, 11, 2, 4)], dim=1)
    return [
        case,
        replace(case, args=(other, lengths, params), label="with other words in the padding"),
        replace(case, args=(longer, lengths, params), label="with four more positions of padding"),
    ]


def _alone(rng: Rng) -> list[Case]:
    case = encoding_case(rng, [3, 7, 5], (7, 11, 2, 5), "in a batch of three")
    src, lengths, params = case.args
    return [Case((src[:1, :3], lengths[:1], params), label="the first sentence alone"), case]


def _first_row(value: Tensor, first: Tensor) -> Tensor:
    return value[:1]


def _edges(rng: Rng) -> list[Case]:
    return [
        encoding_case(rng, [5], (5, 7, 3, 2), "one sentence"),
        encoding_case(rng, [1, 1, 1], (1, 7, 3, 5), "one word"),
        encoding_case(rng, [2, 1], (2, 3, 1, 1), "states of one number"),
    ]


def _gradients(rng: Rng) -> list[Case]:
    return [encoding_case(rng, [5, 3], (5, 7, 3, 2), "padded", grad=True)]


def _dtypes(rng: Rng) -> list[Case]:
    sizes = (5, 7, 3, 2)
    cases = [encoding_case(rng, [5, 2], sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, encoding_case(rng, [5, 2], sizes, "on a GPU", cuda=True)]


def _inputs(rng: Rng) -> list[Case]:
    odd = encoding_case(rng, [5, 2], (5, 7, 3, 2), "inputs that are not contiguous")
    return [
        encoding_case(rng, [2, 5], (5, 11, 3, 7), "padded"),
        Case(all_strided(odd.args), label=odd.label),
    ]


ENCODE = (
    Check("the state follows from all the words, read from left to right", 5.5, _full,
          all_of(same_again, equals_oracle)),
    Check("a padded sentence gives the state after its own last word", 4, _padded),
    Check("what stands in the padding changes nothing", 2, _other_padding,
          resembling(agrees_with_first(lambda value, first: value))),
    Check("a sentence alone gives what it gives in a batch", 1.5, _alone,
          resembling(agrees_with_first(_first_row))),
    Check("one sentence, one word and one number keep their axes", 1.5, _edges),
    Check("gradients reach every parameter", 2, _gradients, of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 0.75, _dtypes,
          of_right_values(dtype_kept, slack=2)),
    Check("inputs are left as they were", 0.75, _inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _turned(rng: Rng) -> list[Case]:
    return [
        turning_case(rng, [5, 2, 7], 7, "padded"),
        turning_case(rng, [3, 5], 11, "all padded"),
        turning_case(rng, [2, 3, 1], 3, "as many sentences as words"),
    ]


def _real(case: Case) -> Tensor:
    src, lengths = case.args
    return torch.arange(src.shape[1]) < lengths[:, None]


def _words_turned(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """The words of each sentence are in reversed order; the padding is for another check."""
    for case, answer, wanted in zip(cases, answers, expected, strict=True):
        for i, length in enumerate(case.args[1].tolist()):
            got, want = (v.value[i, :length].tolist() for v in (answer, wanted))
            if got != want:
                return at(case, f"sentence {i} begins with {got}; wanted {want}")
    return None


def _padding_stays(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    given = [case.args[0] for case in cases]
    if all(torch.equal(answer.value, src) for answer, src in zip(answers, given, strict=True)):
        return "nothing was turned around"
    for case, answer in zip(cases, answers, strict=True):
        padding = ~_real(case)
        moved = int((answer.value[padding] != case.args[0][padding]).sum())
        if moved:
            return at(case, f"{moved} positions of padding hold another id than before")
    return None


def _no_padding(rng: Rng) -> list[Case]:
    return [
        turning_case(rng, [5, 5, 5], 5, "no padding"),
        turning_case(rng, [7, 7], 7, "no padding"),
    ]


def _few(rng: Rng) -> list[Case]:
    return [
        turning_case(rng, [5], 5, "one sentence"),
        turning_case(rng, [3], 5, "one sentence, padded"),
        turning_case(rng, [1, 1, 1], 1, "one word"),
        turning_case(rng, [1, 2, 5], 5, "a sentence of one word"),
    ]


def _one_turned(rng: Rng) -> list[Case]:
    case = turning_case(rng, [3, 7, 5], 7, "in a batch of three")
    src, lengths = case.args
    return [Case((src[:1, :3], lengths[:1]), label="the first sentence alone"), case]


def _first_sentence(value: Tensor, first: Tensor) -> Tensor:
    return value[:1, : first.shape[1]]


def whole_numbers(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """Ids are whole numbers, which can look up a word."""
    for case, answer in zip(cases, answers, strict=True):
        if answer.value.dtype != torch.long:
            return at(case, f"your ids have dtype {answer.value.dtype}; wanted torch.int64")
    return None


def _on_devices(rng: Rng) -> list[Case]:
    return [
        turning_case(rng, [5, 2], 5, "on the CPU"),
        turning_case(rng, [5, 2], 5, "on a GPU", cuda=True),
    ]


def _unusual(rng: Rng) -> list[Case]:
    odd = turning_case(rng, [5, 2], 5, "inputs that are not contiguous")
    args: Any = all_strided(odd.args)
    return [turning_case(rng, [2, 7], 7, "padded"), Case(args, label=odd.label)]


REVERSE_PADDED = (
    Check("each sentence's own words stand in reversed order", 4, _turned, _words_turned),
    Check("the padding stays where it is, and as it is", 2.5, _turned, _padding_stays),
    Check("without padding, every row is turned around", 1.5, _no_padding),
    Check("one sentence and one word keep their axes", 1.5, _few),
    Check("a sentence alone is turned as it is in a batch", 1, _one_turned,
          resembling(agrees_with_first(_first_sentence))),
    Check("ids stay whole numbers; the device is kept", 0.75, _on_devices,
          of_right_values(whole_numbers)),
    Check("inputs are left as they were", 0.75, _unusual, resembling(inputs_unchanged)),
)  # fmt: skip
