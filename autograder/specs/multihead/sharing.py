"""Checks of the exercises on heads that share, and heads that talk."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.cases import upcast
from autograder.checks.draw import HALVES, Rng, all_strided, normal, open_mask
from autograder.checks.properties import (
    agrees_with_first,
    dtype_kept,
    equals,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
    right_or_following,
    zero_where_oracle_is,
)
from autograder.checks.spec import Case, Check
from autograder.specs.multihead.attending import output, weights
from autograder.specs.multihead.inputs import grouped_case, talking_case


def _grouped(rng: Rng) -> list[Case]:
    return [
        grouped_case(rng, (2, 6, 3, 5, 7, 11, 2), "three groups of two"),
        grouped_case(rng, (3, 6, 2, 2, 5, 3, 7), "two groups of three, float64",
                     dtype=torch.float64),
        grouped_case(rng, (2, 4, 2, 5, 5, 5, 5), "equal sizes"),
    ]  # fmt: skip


def _grouped_context(case: Case, value: Any) -> Tensor:
    """The context that belongs to a student's own weights."""
    args = upcast(case).args
    h, values = args[0].shape[1], args[2]
    return value[1].double() @ values.repeat_interleave(h // values.shape[1], dim=1)


def _one_shared(rng: Rng) -> list[Case]:
    return [
        grouped_case(rng, (2, 3, 1, 5, 7, 11, 2), "all share one"),
        grouped_case(rng, (1, 5, 1, 3, 2, 7, 5), "all share one, one sentence"),
    ]


def _none_shared(rng: Rng) -> list[Case]:
    return [
        grouped_case(rng, (2, 3, 3, 5, 7, 11, 2), "as many as query heads"),
        grouped_case(rng, (2, 1, 1, 1, 5, 3, 7), "one head, one query"),
    ]


def _other_group(rng: Rng) -> list[Case]:
    """The same, with other keys and values in the second group."""
    case = grouped_case(rng, (2, 6, 2, 5, 7, 11, 3), "two groups of three")
    query, key, value, mask = case.args
    key, value = key.clone(), value.clone()
    key[:, 1], value[:, 1] = normal(rng, 2, 7, 11), normal(rng, 2, 7, 3)
    return [case, Case((query, key, value, mask), label="other keys in the second group")]


def _first_group(value: Any, first: Any) -> Any:
    """The first group's part, with the first answer's in place of the rest."""
    return tuple(torch.cat([v[:, :3], f[:, 3:]], 1) for v, f in zip(value, first, strict=True))


def _grouped_masks(rng: Rng) -> list[Case]:
    sizes = (2, 6, 3, 5, 7, 11, 2)
    blind = open_mask(rng, 2, 1, 5, 7)
    blind[1, 0, 3] = False
    return [
        grouped_case(rng, sizes, "padding", mask=open_mask(rng, 2, 1, 1, 7)),
        grouped_case(rng, sizes, "a mask for each head", mask=open_mask(rng, 1, 6, 5, 7)),
        grouped_case(rng, sizes, "a query that may look nowhere", mask=blind),
    ]


def _grouped_gradients(rng: Rng) -> list[Case]:
    return [
        grouped_case(rng, (2, 6, 3, 2, 5, 3, 2), "random", dtype=torch.float64, grad=True),
        grouped_case(rng, (2, 3, 1, 2, 5, 3, 2), "all share one", grad=True),
    ]


def _grouped_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 6, 3, 5, 7, 11, 2)
    cases = [grouped_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [
        *cases,
        grouped_case(rng, sizes, "on a GPU", cuda=True),
        all_strided(grouped_case(rng, sizes, "random"), "inputs that are not contiguous"),
    ]


GROUPED_QUERY = (
    Check("weights compare each query head with its group's keys", 5, _grouped, equals(weights),
          parts=(1,)),
    Check("context is the average of the group's values", 3, _grouped,
          right_or_following(output, _grouped_context)),
    Check("one key head serves all: multi-query attention", 1.5, _one_shared),
    Check("as many key heads as query heads: ordinary attention", 1.5, _none_shared),
    Check("neighbours share: another group's keys change nothing", 1, _other_group,
          resembling(agrees_with_first(_first_group))),
    Check("masks of any kind are kept", 1.5, _grouped_masks),
    Check("gradients reach query, key and value", 1.5, _grouped_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype, device and inputs are kept", 1, _grouped_dtypes,
          of_right_values(dtype_kept, inputs_unchanged)),
)  # fmt: skip


def _talking(rng: Rng) -> list[Case]:
    return [
        talking_case(rng, (2, 3, 5, 7, 2, 11, 3, 5), "random"),
        talking_case(rng, (2, 3, 3, 3, 5, 7, 2, 11), "as many heads throughout, float64",
                     dtype=torch.float64),
        talking_case(rng, (3, 3, 3, 3, 3, 3, 3, 3), "equal sizes"),
    ]  # fmt: skip


def _talking_context(case: Case, value: Any) -> Tensor:
    """The context that belongs to a student's own weights."""
    context: Tensor = value[1].double() @ upcast(case).args[2]
    return context


def _silent(rng: Rng) -> list[Case]:
    return [
        talking_case(rng, (2, 3, 3, 3, 5, 7, 2, 11), "identities", silent=True),
        talking_case(rng, (3, 1, 1, 1, 2, 5, 7, 3), "one head", silent=True),
    ]


def _talking_masks(rng: Rng) -> list[Case]:
    sizes = (2, 3, 5, 2, 5, 7, 11, 3)
    blind = open_mask(rng, 2, 1, 5, 7)
    blind[0, 0, 2] = False
    return [
        talking_case(rng, sizes, "padding", mask=open_mask(rng, 2, 1, 1, 7)),
        talking_case(rng, sizes, "a mask for all sentences", mask=open_mask(rng, 5, 7)),
        talking_case(rng, sizes, "a query that may look nowhere", mask=blind),
    ]


def _talking_edges(rng: Rng) -> list[Case]:
    return [
        talking_case(rng, (1, 3, 5, 2, 7, 3, 5, 2), "one sentence"),
        talking_case(rng, (2, 3, 2, 5, 1, 7, 5, 3), "one query"),
        talking_case(rng, (2, 5, 2, 3, 7, 1, 3, 5), "one word is asked"),
        talking_case(rng, (2, 3, 5, 2, 3, 7, 1, 1), "heads of one number"),
    ]


def _talking_gradients(rng: Rng) -> list[Case]:
    return [talking_case(rng, (2, 3, 5, 2, 3, 5, 2, 3), "random", dtype=torch.float64, grad=True)]


def _talking_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 3, 5, 2, 5, 7, 11, 3)
    cases = [talking_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [
        *cases,
        talking_case(rng, sizes, "on a GPU", cuda=True),
        all_strided(talking_case(rng, sizes, "random"), "inputs that are not contiguous"),
    ]


TALKING_HEADS = (
    Check("weights: scores mixed, softmax, weights mixed", 6, _talking, equals(weights),
          parts=(1,)),
    Check("context is the sum of the values by the mixed weights", 3, _talking,
          right_or_following(output, _talking_context)),
    Check("heads that do not mix are ordinary heads", 1.5, _silent),
    Check("masked cells get exactly 0", 1, _talking_masks,
          resembling(zero_where_oracle_is(weights), pick=weights), parts=(1,)),
    Check("masks of any kind are kept", 1, _talking_masks),
    Check("one sentence, query, key or number keeps its axis", 1, _talking_edges),
    Check("gradients reach all five tensors", 1.5, _talking_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype, device and inputs are kept", 1, _talking_dtypes,
          of_right_values(dtype_kept, inputs_unchanged, slack=2)),
)  # fmt: skip
