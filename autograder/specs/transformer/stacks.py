"""Checks of the layers and of the whole machine."""

from collections.abc import Callable
from typing import Any

import torch

from autograder.checks.draw import HALVES, Rng, normal
from autograder.checks.properties import (
    agrees_with_first,
    dtype_kept,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
)
from autograder.checks.spec import Case, Check
from autograder.specs.transformer.inputs import (
    EVERY,
    PAD,
    all_strided,
    decoder_case,
    encoder_case,
    model_case,
)


def _whole(value: Any, first: Any) -> Any:
    return value


def _encoders(norm: str) -> Callable[[Rng], list[Case]]:
    return lambda rng: [
        encoder_case(rng, (2, 3, 5), norm, "random"),
        encoder_case(rng, (3, 5, 7), norm, "padding", lengths=[5, 2, 3], dtype=torch.float64),
    ]


def _first_words(length: int) -> Callable[[Any, Any], Any]:
    """The first words of the value; behind them the first answer's, whatever they are."""
    return lambda value, first: torch.cat([value[:, :length], first[:, length:]], 1)


def _encoder_padding(rng: Rng) -> list[Case]:
    """The same sentences with other numbers where there is padding."""
    case = encoder_case(rng, (2, 5, 7), "post", "padding", lengths=[3, 3])
    x, *rest = case.args
    other = x.clone()
    other[:, 3:] = 5 * normal(rng, 2, 2, 7)
    return [case, Case((other, *rest), label="the same with other numbers in the padding")]


def _encoder_edges(rng: Rng) -> list[Case]:
    return [
        encoder_case(rng, (1, 3, 5), "post", "one sentence"),
        encoder_case(rng, (2, 1, 5), "pre", "one word"),
        encoder_case(rng, (2, 3, 5), "pre", "an empty sentence", lengths=[3, 0]),
    ]


def _encoder_gradients(rng: Rng) -> list[Case]:
    kind: dict[str, Any] = {"dtype": torch.float64, "grad": True}
    return [encoder_case(rng, (2, 3, 5), norm, "random", **kind) for norm in EVERY]


def _encoder_dtypes(rng: Rng) -> list[Case]:
    kinds = (*HALVES, torch.float64)
    cases = [encoder_case(rng, (2, 3, 7), "post", str(d), dtype=d) for d in kinds]
    return [*cases, encoder_case(rng, (2, 3, 7), "pre", "on a GPU", cuda=True)]


def _encoder_inputs(rng: Rng) -> list[Case]:
    cases = [encoder_case(rng, (2, 3, 5), norm, "random") for norm in EVERY]
    return [*cases, all_strided(cases[1])]


ENCODER_LAYER = (
    Check("post-norm: self-attention, then feed-forward", 5, _encoders("post")),
    Check("pre-norm: the same parts, normalised before", 4.5, _encoders("pre")),
    Check("what the mask hides changes nothing", 2, _encoder_padding,
          resembling(agrees_with_first(_first_words(3)))),
    Check("one sentence, one word and an empty sentence are fine", 1.5, _encoder_edges),
    Check("gradients reach the words and all weights", 3, _encoder_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1.5, _encoder_dtypes,
          of_right_values(dtype_kept, slack=4)),
    Check("inputs are left as they were", 0.5, _encoder_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _decoders(norm: str) -> Callable[[Rng], list[Case]]:
    return lambda rng: [
        decoder_case(rng, (2, 3, 5, 7), norm, "random"),
        decoder_case(rng, (3, 5, 2, 7), norm, "padding", lengths=[2, 1, 2], dtype=torch.float64),
        decoder_case(rng, (2, 5, 5, 5), norm, "equal sizes", lengths=[5, 3]),
    ]


def _decoder_future(rng: Rng) -> list[Case]:
    """The same words up to the third; then others."""
    case = decoder_case(rng, (2, 5, 3, 7), "post", "random")
    y, *rest = case.args
    other = y.clone()
    other[:, 3:] = 3 * normal(rng, 2, 2, 7)
    return [case, Case((other, *rest), label="the same with other words from position 3 on")]


def _decoder_padding(rng: Rng) -> list[Case]:
    case = decoder_case(rng, (2, 3, 5, 7), "post", "padding", lengths=[3, 3])
    y, memory, *rest = case.args
    other = memory.clone()
    other[:, 3:] = 5 * normal(rng, 2, 2, 7)
    label = "the same with other numbers in the source's padding"
    return [case, Case((y, other, *rest), label=label)]


def _decoder_edges(rng: Rng) -> list[Case]:
    return [
        decoder_case(rng, (1, 3, 5, 7), "post", "one pair"),
        decoder_case(rng, (2, 1, 5, 7), "pre", "one target word"),
        decoder_case(rng, (2, 3, 1, 7), "post", "one source word"),
        decoder_case(rng, (2, 3, 5, 7), "pre", "an empty source", lengths=[5, 0]),
    ]


def _decoder_gradients(rng: Rng) -> list[Case]:
    kind: dict[str, Any] = {"dtype": torch.float64, "grad": True}
    return [decoder_case(rng, (2, 3, 2, 5), norm, "random", **kind) for norm in EVERY]


def _decoder_dtypes(rng: Rng) -> list[Case]:
    kinds = (*HALVES, torch.float64)
    cases = [decoder_case(rng, (2, 3, 5, 7), "post", str(d), dtype=d) for d in kinds]
    return [*cases, decoder_case(rng, (2, 3, 5, 7), "pre", "on a GPU", cuda=True)]


def _decoder_inputs(rng: Rng) -> list[Case]:
    case = decoder_case(rng, (2, 3, 5, 7), "pre", "random")
    return [decoder_case(rng, (2, 3, 5, 7), "post", "random"), all_strided(case)]


DECODER_LAYER = (
    Check("post-norm: to itself, to the memory, feed-forward", 5, _decoders("post")),
    Check("pre-norm: the same parts, normalised before", 4.5, _decoders("pre")),
    Check("words ahead change nothing", 1.5, _decoder_future,
          resembling(agrees_with_first(_first_words(3)))),
    Check("the source's padding changes nothing", 1.5, _decoder_padding,
          resembling(agrees_with_first(_whole))),
    Check("one pair, one word and an empty source are fine", 1, _decoder_edges),
    Check("gradients reach both inputs and all weights", 2.5, _decoder_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1.5, _decoder_dtypes,
          of_right_values(dtype_kept, slack=4)),
    Check("inputs are left as they were", 0.5, _decoder_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _models(rng: Rng) -> list[Case]:
    return [
        model_case(rng, [5, 3], [3, 2], "padding"),
        model_case(rng, [2, 3], [5, 7], "padding, float64", dtype=torch.float64, d_model=7),
        model_case(rng, [5, 2], [3, 5], "pad=12", layers=(1, 1), pad=12),
    ]


def _depths(rng: Rng) -> list[Case]:
    return [
        model_case(rng, [3, 3], [2, 2], "one and three", layers=(1, 3)),
        model_case(rng, [3, 3], [2, 2], "three and one", layers=(3, 1)),
    ]


def _model_future(rng: Rng) -> list[Case]:
    case = model_case(rng, [3, 3], [5, 5], "random", layers=(1, 1))
    src, tgt, *rest = case.args
    other = tgt.clone()
    other[:, 3:] = other[:, 3:] % 12 + 1
    return [case, Case((src, other, *rest), label="the same with other words from position 3 on")]


def _model_padding(rng: Rng) -> list[Case]:
    """The same pairs, with two more pads at each source."""
    case = model_case(rng, [5, 3], [3, 2], "padding", layers=(1, 1))
    src, *rest = case.args
    more = torch.cat([src, torch.full((2, 2), PAD)], 1)
    return [case, Case((more, *rest), label="the same with two more pads at each source")]


def _model_edges(rng: Rng) -> list[Case]:
    kind: dict[str, Any] = {"layers": (1, 1)}
    return [
        model_case(rng, [5], [3], "one pair", **kind),
        model_case(rng, [1, 1], [3, 2], "sources of one word", **kind),
        model_case(rng, [3, 2], [1, 1], "targets of one word", **kind),
    ]


def _model_gradients(rng: Rng) -> list[Case]:
    kind: dict[str, Any] = {"dtype": torch.float64, "grad": True, "layers": (1, 1)}
    return [model_case(rng, [3, 2], [2, 2], "random", **kind)]


def _model_dtypes(rng: Rng) -> list[Case]:
    kind: dict[str, Any] = {"layers": (1, 1)}
    cases = [
        model_case(rng, [3, 2], [2, 2], str(d), dtype=d, **kind) for d in (*HALVES, torch.float64)
    ]
    return [*cases, model_case(rng, [3, 2], [2, 2], "on a GPU", cuda=True, **kind)]


def _model_inputs(rng: Rng) -> list[Case]:
    case = model_case(rng, [3, 2], [2, 2], "random", layers=(1, 1))
    return [case, all_strided(case)]


TRANSFORMER = (
    Check("logits of every next word", 6, _models),
    Check("as many layers as there are weights, on each side", 2, _depths),
    Check("words ahead change nothing", 2, _model_future,
          resembling(agrees_with_first(_first_words(3)))),
    Check("more padding at the source changes nothing", 1.5, _model_padding,
          resembling(agrees_with_first(_whole))),
    Check("one pair and sentences of one word are fine", 1, _model_edges),
    Check("gradients reach all weights, the tied matrix from three sides", 3, _model_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 2, _model_dtypes,
          of_right_values(dtype_kept, slack=6)),
    Check("inputs are left as they were", 0.5, _model_inputs, resembling(inputs_unchanged)),
)  # fmt: skip
