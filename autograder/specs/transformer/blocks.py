"""Checks of what layers are made of: residual, feed_forward and the masks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autograder.checks.draw import HALVES, Rng, normal
from autograder.checks.properties import (
    agrees_with_first,
    boolean,
    dtype_kept,
    equals,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
)
from autograder.checks.spec import Case, Check, Holds
from autograder.specs.transformer.inputs import (
    EVERY,
    PAD,
    all_strided,
    batch,
    feed_forward_case,
    residual_case,
)

SIZES = (2, 3, 5)


def but_for(token: int) -> Callable[[Any, Any], Any]:
    """The value, with one token taken from the first answer: the others must be the same."""

    def part(value: Tensor, first: Tensor) -> Tensor:
        return torch.cat([value[:, :token], first[:, token : token + 1], value[:, token + 1 :]], 1)

    return part


def with_another_token(rng: Rng, case: Case, token: int) -> list[Case]:
    """A case, and the same with another token in one place."""
    x, *rest = case.args
    other = x.clone()
    other[:, token] = 3 * normal(rng, len(x), x.shape[-1])
    return [case, Case((other, *rest), label=f"the same with another token {token}")]


def _residuals(norm: str) -> Callable[[Rng], list[Case]]:
    return lambda rng: [
        residual_case(rng, SIZES, norm, "random"),
        residual_case(rng, (3, 7, 2), norm, "random, float64", dtype=torch.float64),
        residual_case(rng, (5, 5, 5), norm, "equal sizes"),
    ]


def _residual_neighbours(rng: Rng) -> list[Case]:
    return with_another_token(rng, residual_case(rng, (2, 5, 7), "post", "random"), 2)


def _residual_edges(rng: Rng) -> list[Case]:
    return [
        case
        for norm in EVERY
        for case in (
            residual_case(rng, (1, 3, 5), norm, "one sentence"),
            residual_case(rng, (3, 1, 5), norm, "one token"),
            residual_case(rng, (2, 3, 1), norm, "one feature, which has no variance"),
        )
    ]


def _residual_small(rng: Rng) -> list[Case]:
    """Numbers so small that what is added to the variance counts."""
    kind: dict[str, Any] = {"dtype": torch.float64, "scale": 3e-3}
    return [residual_case(rng, (2, 3, 7), norm, "tiny numbers", **kind) for norm in EVERY]


def _residual_gradients(rng: Rng) -> list[Case]:
    kind: dict[str, Any] = {"dtype": torch.float64, "grad": True}
    return [residual_case(rng, (2, 3, 5), norm, "random", **kind) for norm in EVERY]


def _residual_dtypes(rng: Rng) -> list[Case]:
    kinds = (*HALVES, torch.float64)
    cases = [residual_case(rng, SIZES, norm, str(d), dtype=d) for d in kinds for norm in EVERY]
    return [*cases, *(residual_case(rng, SIZES, n, "on a GPU", cuda=True) for n in EVERY)]


def _residual_inputs(rng: Rng) -> list[Case]:
    case = residual_case(rng, SIZES, "post", "random")
    return [case, all_strided(case)]


RESIDUAL = (
    Check("post: stream and sub-layer are added, then normalised", 5, _residuals("post")),
    Check("pre: only what the sub-layer reads is normalised", 5, _residuals("pre")),
    Check("each token is normalised by itself", 1.5, _residual_neighbours,
          resembling(agrees_with_first(but_for(2)))),
    Check("one sentence, token or feature is fine", 1.5, _residual_edges),
    Check("tiny numbers: 1e-5 is added to the variance", 1.5, _residual_small),
    Check("gradients reach the stream, the gain and the bias", 2, _residual_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1, _residual_dtypes,
          of_right_values(dtype_kept, slack=2)),
    Check("inputs are left as they were", 0.5, _residual_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _tokens(rng: Rng) -> list[Case]:
    return [
        feed_forward_case(rng, (2, 3, 5, 11), "random"),
        feed_forward_case(rng, (3, 2, 13, 7), "random, float64", dtype=torch.float64),
        feed_forward_case(rng, (5, 5, 5, 5), "equal sizes"),
    ]


def _token_edges(rng: Rng) -> list[Case]:
    return [
        feed_forward_case(rng, (1, 3, 5, 11), "one sentence"),
        feed_forward_case(rng, (2, 1, 5, 11), "one token"),
        feed_forward_case(rng, (2, 3, 1, 7), "one feature"),
        feed_forward_case(rng, (2, 3, 5, 1), "one hidden unit"),
    ]


def _token_neighbours(rng: Rng) -> list[Case]:
    return with_another_token(rng, feed_forward_case(rng, (2, 5, 7, 11), "random"), 2)


def _token_gradients(rng: Rng) -> list[Case]:
    return [feed_forward_case(rng, (2, 3, 5, 7), "random", dtype=torch.float64, grad=True)]


def _token_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 3, 5, 11)
    cases = [feed_forward_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, feed_forward_case(rng, sizes, "on a GPU", cuda=True)]


def _token_inputs(rng: Rng) -> list[Case]:
    case = feed_forward_case(rng, (2, 3, 5, 11), "random")
    return [case, all_strided(case)]


FEED_FORWARD = (
    Check("out, ReLU, and back, with both biases", 4, _tokens),
    Check("each token is treated alike, and by itself", 1, _token_neighbours,
          resembling(agrees_with_first(but_for(2)))),
    Check("one sentence, token, feature or hidden unit is fine", 1, _token_edges),
    Check("gradients reach the tokens and all weights", 2, _token_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1.5, _token_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 0.5, _token_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _pair(rng: Rng, src: list[int], tgt: list[int], label: str, left: bool = False) -> Case:
    args = (batch(rng, src, left=left), batch(rng, tgt, left=left), PAD)
    return Case(args, label=f"{label}: src {tuple(args[0].shape)}, tgt {tuple(args[1].shape)}")


def _other_pad(rng: Rng, case: Case) -> Case:
    """The same batch with 13 for the padding, and 0 a word like any other."""
    src, tgt, _ = case.args
    src, tgt = ((ids - 1) % 14 for ids in (src, tgt))
    return Case((src, tgt, 13), label=f"pad=13: {case.label}")


def _pairs(rng: Rng) -> list[Case]:
    some = _pair(rng, [5, 3, 2], [2, 3, 1], "padding")
    return [
        some,
        _pair(rng, [3, 2], [5, 7], "padding, the target is longer"),
        _pair(rng, [7, 7], [3, 3], "no padding"),
        _other_pad(rng, some),
    ]


def _left(rng: Rng) -> list[Case]:
    return [_pair(rng, [5, 3, 2], [2, 3, 1], "padding on the left", left=True)]


def _pair_edges(rng: Rng) -> list[Case]:
    return [
        _pair(rng, [5], [3], "one pair"),
        _pair(rng, [1, 1], [3, 2], "sources of one word"),
        _pair(rng, [3, 2], [1, 1], "targets of one word"),
        _pair(rng, [3, 0], [5, 2], "an empty source"),
    ]


def _mask_kinds(rng: Rng) -> list[Case]:
    case = _pair(rng, [5, 3], [3, 7], "padding")
    return [case, Case(case.args, label=f"on a GPU: {case.label}", cuda=True)]


def _mask_inputs(rng: Rng) -> list[Case]:
    case = _pair(rng, [5, 3], [3, 7], "padding")
    return [case, all_strided(case)]


def _part(index: int) -> Callable[[Any], Any]:
    return lambda value: value[index]


def _each(holds: Holds) -> Holds:
    """A property of one tensor, asked of each of the three."""

    def of_each(cases: Any, answers: Any, expected: Any) -> Any:
        found = (
            holds(cases, *([_only(a, index) for a in row] for row in (answers, expected)))
            for index in range(3)
        )
        return next((problem for problem in found if problem is not None), None)

    return of_each


def _only(answer: Any, index: int) -> Any:
    return replace(answer, value=answer.value[index])


MASKS = (
    Check("encoder: all real words of the source see each other", 4, _pairs, equals(_part(0)),
          parts=(0,)),
    Check("decoder: a word sees itself and the real words before it", 5, _pairs,
          equals(_part(1)), parts=(1,)),
    Check("cross: each target word sees the real words of the source", 5, _pairs,
          equals(_part(2)), parts=(2,)),
    Check("padding may stand on either side", 1, _left),
    Check("one pair, one word and an empty source are fine", 1.5, _pair_edges),
    Check("the masks are boolean, on the device of the ids", 1, _mask_kinds,
          resembling(_each(boolean))),
    Check("inputs are left as they were", 0.5, _mask_inputs, resembling(inputs_unchanged)),
)  # fmt: skip
