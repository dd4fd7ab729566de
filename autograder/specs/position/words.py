"""Checks of the exercises in which positions are told to the words."""

from typing import Any

import torch

from autograder.checks.draw import HALVES, Rng, all_strided, normal
from autograder.checks.properties import (
    dtype_kept,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    refused_like_oracle,
)
from autograder.checks.spec import Case, Check
from autograder.specs.position.inputs import embed_case, integers, order_case, placed_case


def _shuffles(rng: Rng) -> list[Case]:
    return [
        order_case(rng, (2, 5, 7, 3, 11), "random"),
        order_case(rng, (3, 7, 5, 11, 2), "random, float64", dtype=torch.float64),
        order_case(rng, (5, 5, 7, 7, 7), "as many sentences as words"),
    ]


def _untold(rng: Rng) -> list[Case]:
    return [
        order_case(rng, (2, 5, 7, 3, 11), "places of zeros: nobody notices", told=False),
        order_case(rng, (3, 7, 5, 11, 2), "places that say something"),
    ]


def _few_words(rng: Rng) -> list[Case]:
    return [
        order_case(rng, (1, 7, 5, 3, 2), "one sentence"),
        order_case(rng, (2, 3, 5, 7, 11), "three words"),
        order_case(rng, (2, 5, 7, 1, 3), "keys of one number"),
    ]


def _order_gradients(rng: Rng) -> list[Case]:
    return [order_case(rng, (2, 5, 7, 3, 2), "random", dtype=torch.float64, grad=True)]


def _order_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 5, 7, 3, 11)
    cases = [order_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, order_case(rng, sizes, "on a GPU", cuda=True)]


def _order_inputs(rng: Rng) -> list[Case]:
    case = order_case(rng, (2, 5, 7, 3, 11), "random")
    return [case, all_strided(case, "inputs that are not contiguous")]


ORDER_EFFECT = (
    Check("each word's change is right, in the sentence's own order", 8, _shuffles),
    Check("without positions nobody notices; with them, everybody", 3, _untold),
    Check("one sentence, three words and keys of one number are fine", 1.5, _few_words),
    Check("gradients reach the words, the places and the matrices", 1.5, _order_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1, _order_dtypes,
          of_right_values(dtype_kept, slack=3)),
    Check("inputs are left as they were", 1, _order_inputs, of_right_values(inputs_unchanged)),
)  # fmt: skip


def _tables(rng: Rng) -> list[Case]:
    places = torch.arange
    return [
        Case((torch.zeros(1, 5, 6), places(5)), label="words of zeros, (1, 5, 6), positions 0 … 4"),
        placed_case(rng, (2, 7, 10), places(7), "random"),
        placed_case(rng, (3, 5, 14), places(5), "random, float64", dtype=torch.float64),
    ]


def _square(rng: Rng) -> list[Case]:
    return [placed_case(rng, (5, 5, 6), torch.arange(5), "as many sentences as words")]


def _anywhere(rng: Rng) -> list[Case]:
    return [
        placed_case(rng, (2, 5, 10), torch.arange(17, 22), "a sentence that goes on"),
        placed_case(rng, (2, 7, 6), integers(rng, 0, 99, 7), "positions in no order"),
        placed_case(rng, (1, 1, 14), torch.tensor([13]), "one word"),
    ]


def _sizes(rng: Rng) -> list[Case]:
    return [
        placed_case(rng, (2, 3, 2), torch.arange(3), "one clock"),
        placed_case(rng, (1, 3, 202), torch.arange(50, 53), "101 clocks"),
    ]


def _late(rng: Rng) -> list[Case]:
    positions = torch.tensor([99_991, 100_003, 1_000_003])
    return [placed_case(rng, (2, 3, 10), positions, "very late positions")]


def _sinusoid_dtypes(rng: Rng) -> list[Case]:
    shape, late = (2, 5, 6), torch.tensor([0, 7, 2049, 3001, 257])
    cases = [placed_case(rng, shape, late, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, placed_case(rng, shape, late, "on a GPU", cuda=True)]


def _sinusoid_inputs(rng: Rng) -> list[Case]:
    case = placed_case(rng, (2, 5, 6), torch.arange(5), "random")
    return [case, all_strided(case, "inputs that are not contiguous")]


def _sinusoid_gradients(rng: Rng) -> list[Case]:
    return [placed_case(rng, (2, 5, 6), torch.arange(5), "random", grad=True)]


ADD_SINUSOIDS = (
    Check("every feature is the sine or the cosine of its angle", 9, _tables),
    Check("each sentence gets the same positions", 1.5, _square),
    Check("positions may be any whole numbers", 3, _anywhere),
    Check("one clock or a hundred: the speeds follow d_model", 2, _sizes),
    Check("very late positions are exact", 1, _late),
    Check("half precision works; dtype and device are kept", 1.5, _sinusoid_dtypes,
          of_right_values(dtype_kept)),
    Check("gradients reach the words", 1, _sinusoid_gradients, of_right_values(gradients_equal)),
    Check("inputs are left as they were", 1, _sinusoid_inputs, of_right_values(inputs_unchanged)),
)  # fmt: skip


def _embeddings(rng: Rng) -> list[Case]:
    return [
        embed_case(rng, (2, 5, 7, 13), "random"),
        embed_case(rng, (3, 7, 2, 11), "random, float64", dtype=torch.float64),
        embed_case(rng, (2, 3, 17, 5), "random"),
    ]


def _square_embeddings(rng: Rng) -> list[Case]:
    return [embed_case(rng, (5, 5, 7, 11), "as many sentences as words")]


def _embed_edges(rng: Rng) -> list[Case]:
    return [
        embed_case(rng, (2, 7, 5, 7), "as long as the table"),
        embed_case(rng, (1, 5, 3, 11), "one sentence"),
        embed_case(rng, (3, 1, 5, 2), "one word each"),
        embed_case(rng, (2, 3, 1, 5), "d_model 1"),
    ]


def _too_long(rng: Rng) -> list[Case]:
    return [
        embed_case(rng, (2, 8, 5, 7), "one word too many"),
        embed_case(rng, (1, 31, 3, 13), "far too long"),
        embed_case(rng, (2, 17, 3, 1), "a table of one position"),
    ]


def _embed_gradients(rng: Rng) -> list[Case]:
    return [embed_case(rng, (2, 5, 3, 7), "random", dtype=torch.float64, grad=True)]


def _embed_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 5, 7, 13)
    cases = [embed_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, embed_case(rng, sizes, "on a GPU", cuda=True)]


def _embed_inputs(rng: Rng) -> list[Case]:
    case = embed_case(rng, (2, 5, 7, 13), "random")
    words = normal(rng, 11, 7)
    apart: tuple[Any, ...] = (case.args[0], words, case.args[2])
    return [case, all_strided(Case(apart), "inputs that are not contiguous")]


EMBED = (
    Check("words are looked up and scaled, positions are added", 6.5, _embeddings),
    Check("each sentence gets the same positions", 1.5, _square_embeddings),
    Check("a sentence as long as the table, one sentence, one word are fine", 1.5, _embed_edges),
    Check("a longer sentence is refused, with both numbers", 3, _too_long, refused_like_oracle,
          refused=True),
    Check("gradients reach the words and the table", 1.5, _embed_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1, _embed_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 1, _embed_inputs, of_right_values(inputs_unchanged)),
)  # fmt: skip
