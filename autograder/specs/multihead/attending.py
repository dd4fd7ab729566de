"""Checks of the exercises on whole layers: self-attention and cross-attention with heads."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.cases import upcast
from autograder.checks.draw import HALVES, Rng, normal, open_mask
from autograder.checks.properties import (
    agrees_with_first,
    dtype_kept,
    equals,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
    right_or_following,
)
from autograder.checks.spec import Case, Check
from autograder.specs.multihead import oracles
from autograder.specs.multihead.inputs import all_open, cross_case, layer_case


def output(value: Any) -> Any:
    """The first of what a layer returns."""
    return value[0]


def weights(value: Any) -> Any:
    """The second of what a layer returns."""
    return value[1]


def _layers(rng: Rng) -> list[Case]:
    return [
        layer_case(rng, (2, 5, 11, 3, 7, 2), "random"),
        layer_case(rng, (3, 2, 7, 5, 3, 11), "random, float64", dtype=torch.float64),
        layer_case(rng, (3, 3, 9, 3, 3, 3), "equal sizes"),
    ]


def _output_of_own_weights(case: Case, value: Any) -> Tensor:
    """The output that belongs to a student's own weights."""
    x, _, h, params = upcast(case).args
    projected = oracles.split_heads(x @ params["W_v"], h)
    return oracles.merge_heads(value[1].double() @ projected) @ params["W_o"]


def _one_head(rng: Rng) -> list[Case]:
    return [
        layer_case(rng, (2, 5, 7, 1, 3, 11), "one head"),
        layer_case(rng, (3, 2, 5, 1, 7, 3), "one head, float64", dtype=torch.float64),
    ]


def _layer_masks(rng: Rng) -> list[Case]:
    sizes = (2, 5, 7, 3, 11, 2)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    blind = open_mask(rng, 2, 1, 5, 5)
    blind[0, 0, 1] = False
    return [
        layer_case(rng, sizes, "a causal mask", mask=causal),
        layer_case(rng, sizes, "padding", mask=open_mask(rng, 2, 1, 1, 5)),
        layer_case(rng, sizes, "a mask for each head", mask=open_mask(rng, 1, 3, 5, 5)),
        layer_case(rng, sizes, "a word that may look nowhere", mask=blind),
    ]


def _reordered(rng: Rng) -> list[Case]:
    """A sentence, and the same words in reverse."""
    case = layer_case(rng, (2, 5, 11, 3, 7, 2), "random", mask=all_open())
    x, *rest = case.args
    return [case, Case((x.flip(1), *rest), label="the same words in reverse")]


def _back_in_order(value: Any, first: Any) -> Any:
    return (value[0].flip(1), value[1].flip(2, 3))


def _layer_edges(rng: Rng) -> list[Case]:
    return [
        layer_case(rng, (1, 5, 7, 3, 2, 11), "one sentence"),
        layer_case(rng, (2, 1, 5, 3, 7, 2), "one word"),
        layer_case(rng, (2, 3, 7, 5, 1, 1), "heads of one number"),
    ]


def _layer_gradients(rng: Rng) -> list[Case]:
    return [layer_case(rng, (2, 5, 7, 3, 2, 3), "random", dtype=torch.float64, grad=True)]


def _layer_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 5, 7, 3, 11, 2)
    cases = [layer_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, layer_case(rng, sizes, "on a GPU", cuda=True)]


SELF_ATTENTION = (
    Check("each head's weights compare its own queries and keys", 8, _layers, equals(weights),
          parts=(1,)),
    Check("the output is the heads' contexts, merged, times W_o", 5, _layers,
          right_or_following(output, _output_of_own_weights)),
    Check("with one head it is chapter 7's attention, and W_o", 2.5, _one_head),
    Check("masks of any kind are kept", 4, _layer_masks),
    Check("words in another order get the same answers", 1, _reordered,
          resembling(agrees_with_first(_back_in_order))),
    Check("one sentence, word or number keeps its axis", 1.5, _layer_edges),
    Check("gradients reach x and the four matrices", 2.5, _layer_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype, device and inputs are kept", 1.5, _layer_dtypes,
          of_right_values(dtype_kept, inputs_unchanged, slack=2)),
)  # fmt: skip


def _cross(rng: Rng) -> list[Case]:
    return [
        cross_case(rng, (2, 5, 7, 3, 11), "random"),
        cross_case(rng, (3, 7, 2, 5, 2), "random, float64", dtype=torch.float64),
        cross_case(rng, (2, 5, 5, 5, 1), "equal sizes"),
    ]


def _cross_output(case: Case, value: Any) -> Tensor:
    """The output that belongs to a student's own weights."""
    _, memory, _, h, state = upcast(case).args
    _, _, weight = state["in_proj_weight"].chunk(3)
    _, _, bias = state["in_proj_bias"].chunk(3)
    projected = oracles.split_heads(memory @ weight.T + bias, h)
    merged = oracles.merge_heads(value[1].double() @ projected)
    return merged @ state["out_proj.weight"].T + state["out_proj.bias"]


def _fewer_ask(rng: Rng) -> list[Case]:
    """A batch of queries, and then only the first of each sentence."""
    case = cross_case(rng, (2, 5, 7, 3, 2), "five queries", mask=all_open())
    x, *rest = case.args
    return [Case((x[:, :1], *rest), label="the first query alone"), case]


def _of_the_first_query(value: Any, first: Any) -> Any:
    return (value[0][:, :1], value[1][:, :, :1])


def _other_memory(rng: Rng) -> list[Case]:
    """The same, with another memory where nobody may look."""
    mask = open_mask(rng, 2, 1, 1, 7)
    case = cross_case(rng, (2, 5, 7, 3, 2), "padding", mask=mask)
    x, memory, *rest = case.args
    other = torch.where(mask[:, 0].mT, memory, 10 * normal(rng, 2, 7, 6))
    return [case, Case((x, other, *rest), label="another memory where nobody may look")]


def _whole(value: Any, first: Any) -> Any:
    return value


def _cross_masks(rng: Rng) -> list[Case]:
    sizes = (2, 5, 7, 3, 2)
    blind = open_mask(rng, 2, 1, 5, 7)
    blind[1, 0, 3] = False
    return [
        cross_case(rng, sizes, "padding", mask=open_mask(rng, 2, 1, 1, 7)),
        cross_case(rng, sizes, "a mask for all sentences", mask=open_mask(rng, 5, 7)),
        cross_case(rng, sizes, "a query that may look nowhere", mask=blind),
    ]


def _cross_edges(rng: Rng) -> list[Case]:
    return [
        cross_case(rng, (1, 5, 7, 3, 2), "one sentence"),
        cross_case(rng, (2, 1, 5, 3, 2), "one query"),
        cross_case(rng, (2, 3, 1, 5, 2), "one word is asked"),
        cross_case(rng, (2, 3, 5, 1, 7), "one head"),
    ]


def _cross_gradients(rng: Rng) -> list[Case]:
    return [cross_case(rng, (2, 3, 5, 2, 3), "random", dtype=torch.float64, grad=True)]


def _cross_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 5, 7, 3, 2)
    cases = [cross_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, cross_case(rng, sizes, "on a GPU", cuda=True)]


CROSS_ATTENTION = (
    Check("each head's weights are those of torch's module", 6, _cross, equals(weights),
          parts=(1,)),
    Check("the output is torch's, biases included", 4, _cross,
          right_or_following(output, _cross_output)),
    Check("each query is answered by itself", 1, _fewer_ask,
          resembling(agrees_with_first(_of_the_first_query))),
    Check("what nobody may see changes nothing", 1, _other_memory,
          resembling(agrees_with_first(_whole))),
    Check("masks of any kind are kept", 2.5, _cross_masks),
    Check("one sentence, query, key or head keeps its axis", 1.5, _cross_edges),
    Check("gradients reach x, memory and every parameter", 2.5, _cross_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype, device and inputs are kept", 1.5, _cross_dtypes,
          of_right_values(dtype_kept, inputs_unchanged, slack=2)),
)  # fmt: skip
