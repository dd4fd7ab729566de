"""Checks of the exercises in torch: attention, masks and the layer."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.cases import upcast
from autograder.checks.draw import HALVES, Rng, all_strided, normal, open_mask
from autograder.checks.properties import (
    agrees_with_first,
    boolean,
    dtype_kept,
    equals,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
    right_or_following,
    rows_sum_like_oracle,
    zero_where_oracle_is,
)
from autograder.checks.spec import Case, Check
from autograder.specs.self_attention.inputs import (
    attention_case,
    layer_case,
    padded_case,
    tokens_case,
)


def _context(value: Any) -> Any:
    return value[0]


def _weights(value: Any) -> Any:
    return value[1]


def _read(case: Case, value: Any) -> Tensor:
    """The context that belongs to a student's own weights."""
    return value[1].double() @ upcast(case).args[2]


def _whole(value: Any, first: Any) -> Any:
    return value


def _random(rng: Rng) -> list[Case]:
    return [
        attention_case(rng, (2, 3, 5, 7, 11), "random"),
        attention_case(rng, (3, 7, 2, 5, 13), "random"),
        attention_case(rng, (2, 5, 5, 5, 5), "equal sizes"),
    ]


def _edges(rng: Rng) -> list[Case]:
    return [
        attention_case(rng, (1, 3, 5, 7, 2), "one sentence"),
        attention_case(rng, (2, 1, 5, 3, 7), "one query"),
        attention_case(rng, (2, 3, 1, 5, 7), "one key"),
        attention_case(rng, (2, 3, 5, 1, 1), "vectors of one number"),
    ]


def _long_keys(rng: Rng) -> list[Case]:
    return [
        attention_case(rng, (2, 3, 5, 101, 7), "keys of 101 numbers"),
        attention_case(rng, (1, 2, 53, 3, 5), "53 keys of 3 numbers"),
    ]


def _large(rng: Rng) -> list[Case]:
    return [attention_case(rng, (2, 3, 5, 7, 11), "scores up to a few thousand", scale=40.0)]


def _gradients(rng: Rng) -> list[Case]:
    return [
        attention_case(rng, (2, 3, 5, 7, 2), "random", grad=True),
        attention_case(rng, (1, 1, 3, 5, 2), "one query", grad=True),
    ]


def _dtypes(rng: Rng) -> list[Case]:
    # The other checks are in float32 throughout: code that forces it loses one mark, not several.
    sizes = (2, 3, 5, 7, 11)
    cases = [attention_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, attention_case(rng, sizes, "on a GPU", cuda=True)]


def _inputs(rng: Rng) -> list[Case]:
    case = attention_case(rng, (2, 3, 5, 7, 11), "random")
    return [case, all_strided(case, "inputs that are not contiguous")]


ATTENTION = (
    Check("weights are the softmax of the scaled scores", 5, _random, equals(_weights),
          parts=(1,)),
    Check("context is the average of the values by the weights", 3, _random,
          right_or_following(_context, _read)),
    Check("each row of weights sums to 1", 1, _random,
          resembling(rows_sum_like_oracle(_weights), pick=_weights), parts=(1,)),
    Check("the scale fits keys of any size", 1.5, _long_keys, equals(_weights), parts=(1,)),
    Check("one sentence, query, key or number keeps its axis", 1.5, _edges),
    Check("large scores do no harm", 1, _large, equals(slack=20)),
    Check("gradients reach query, key and value", 1.5, _gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1, _dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 0.5, _inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _causal(rng: Rng) -> list[Case]:
    return [
        tokens_case(rng, (2, 5), "no padding", causal=True),
        tokens_case(rng, (3, 7), "no padding", causal=True),
    ]


def _padding(rng: Rng) -> list[Case]:
    return [
        padded_case(rng, [5, 3, 2], 5, "padding", causal=False, zero=True),
        padded_case(rng, [3, 7], 7, "padding", causal=False),
    ]


def _both(rng: Rng) -> list[Case]:
    return [
        padded_case(rng, [5, 3], 5, "padding", causal=True, zero=True),
        padded_case(rng, [7, 2, 5], 7, "padding", causal=True),
    ]


def _left(rng: Rng) -> list[Case]:
    return [
        padded_case(rng, [5, 3], 5, "padding on the left", causal=True, left=True),
        padded_case(rng, [2, 7], 7, "padding on the left", causal=False, left=True),
    ]


def _mask_edges(rng: Rng) -> list[Case]:
    return [
        padded_case(rng, [3], 5, "one sentence", causal=True),
        tokens_case(rng, (3, 1), "one word each", causal=True),
        padded_case(rng, [0, 3], 3, "a sentence that is all padding", causal=False),
    ]


def _mask_kind(rng: Rng) -> list[Case]:
    case = padded_case(rng, [5, 3], 5, "padding", causal=True)
    return [case, Case(case.args, label=f"on a GPU: {case.label}", cuda=True)]


def _mask_inputs(rng: Rng) -> list[Case]:
    case = padded_case(rng, [5, 3], 5, "padding", causal=True)
    return [case, all_strided(case, "tokens that are not contiguous")]


ATTENTION_MASK = (
    Check("causal: a word sees itself and what is before it", 5, _causal),
    Check("padding is seen by nobody, real words by all", 4, _padding),
    Check("causal with padding: a cell must be allowed by both", 4, _both),
    Check("padding may stand on either side", 1.5, _left),
    Check("one sentence, one word and a row of padding are fine", 1.5, _mask_edges),
    Check("the mask is boolean, on the device of tokens", 1, _mask_kind, resembling(boolean)),
    Check("inputs are left as they were", 1, _mask_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _masked(rng: Rng) -> list[Case]:
    return [
        attention_case(rng, (2, 3, 5, 7, 11), "random", mask=open_mask(rng, 2, 3, 5)),
        attention_case(rng, (3, 7, 5, 2, 13), "random", mask=open_mask(rng, 3, 7, 5)),
        attention_case(rng, (2, 5, 5, 5, 5), "equal sizes", mask=open_mask(rng, 2, 5, 5)),
    ]  # fmt: skip


def _broadcast(rng: Rng) -> list[Case]:
    sizes = (2, 3, 5, 7, 11)
    return [
        attention_case(rng, sizes, "a mask for all queries", mask=open_mask(rng, 2, 1, 5)),
        attention_case(rng, sizes, "a mask for all sentences", mask=open_mask(rng, 3, 5)),
        attention_case(rng, sizes, "all is open", mask=torch.ones(1, 1, 1, dtype=torch.bool)),
    ]


def _tempting(rng: Rng) -> list[Case]:
    """Masked keys point where the query does: their scores are the highest of all."""
    mask = open_mask(rng, 2, 1, 5)
    case = attention_case(rng, (2, 3, 5, 7, 11), "masked keys fit best", mask=mask)
    query, key, value, _ = case.args
    best = 3 * query.mean(1, keepdim=True).expand_as(key)
    return [Case((query, torch.where(mask.mT, key, best), value, mask), label=case.label)]


def _nobody(rng: Rng, grad: bool = False) -> Case:
    mask = open_mask(rng, 2, 5, 3)
    mask[0, 1] = mask[1, 4] = False
    label = "two queries with nothing to attend to"
    return attention_case(rng, (2, 5, 3, 7, 11), label, mask=mask, grad=grad)


def _masked_gradients(rng: Rng) -> list[Case]:
    mask = open_mask(rng, 2, 3, 5)
    plain = attention_case(rng, (2, 3, 5, 7, 11), "random", mask=mask, grad=True)
    return [plain, _nobody(rng, grad=True)]


def _unseen_moves(rng: Rng) -> list[Case]:
    """The same batch with other keys and values where nobody may look."""
    mask = open_mask(rng, 2, 1, 5)
    case = attention_case(rng, (2, 3, 5, 7, 11), "random", mask=mask)
    query, key, value, _ = case.args
    other_key = torch.where(mask.mT, key, 5 * normal(rng, 2, 5, 7))
    other_value = torch.where(mask.mT, value, 100 * normal(rng, 2, 5, 11))
    label = "the same with other keys and values where nobody may look"
    return [case, Case((query, other_key, other_value, mask), label=label)]


def _masked_large(rng: Rng) -> list[Case]:
    mask = open_mask(rng, 2, 3, 5)
    label = "scores up to a few thousand"
    return [attention_case(rng, (2, 3, 5, 7, 11), label, scale=40.0, mask=mask)]


def _masked_dtypes(rng: Rng) -> list[Case]:
    sizes, mask = (2, 3, 5, 7, 11), open_mask(rng, 2, 3, 5)
    kinds = (*HALVES, torch.float64)
    cases = [attention_case(rng, sizes, str(d), dtype=d, mask=mask) for d in kinds]
    return [*cases, attention_case(rng, sizes, "on a GPU", cuda=True, mask=mask)]


def _masked_inputs(rng: Rng) -> list[Case]:
    case = attention_case(rng, (2, 3, 5, 7, 11), "random", mask=open_mask(rng, 2, 3, 5))
    return [case, all_strided(case, "inputs that are not contiguous")]


MASKED_ATTENTION = (
    Check("weights are the softmax of the open scores", 5, _masked, equals(_weights), parts=(1,)),
    Check("context is the average of the values by the weights", 3, _masked,
          right_or_following(_context, _read)),
    Check("masked cells get exactly 0", 1.5, _tempting,
          resembling(zero_where_oracle_is(_weights), pick=_weights), parts=(1,)),
    Check("each row of weights sums to 1", 1, _masked,
          resembling(rows_sum_like_oracle(_weights), pick=_weights), parts=(1,)),
    Check("a mask of any shape that broadcasts will do", 1, _broadcast),
    Check("what nobody may see changes nothing", 1, _unseen_moves,
          resembling(agrees_with_first(_whole))),
    Check("a query with nothing to attend to gets zeros", 2.5, lambda rng: [_nobody(rng)]),
    Check("gradients are right, and 0 for such a query", 2.5, _masked_gradients,
          of_right_values(gradients_equal)),
    Check("large scores do no harm", 0.5, _masked_large, equals(slack=20)),
    Check("half precision works; dtype and device are kept", 1.5, _masked_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 0.5, _masked_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _layers(rng: Rng) -> list[Case]:
    return [
        layer_case(rng, (2, 5, 7, 3, 11), "random"),
        layer_case(rng, (3, 7, 5, 11, 2), "random"),
        layer_case(rng, (2, 5, 7, 7, 7), "equal sizes"),
    ]


def _read_projected(case: Case, value: Any) -> Tensor:
    """The context that belongs to a student's own weights."""
    x, _, params = upcast(case).args
    return value[1].double() @ (x @ params["W_v"])


def _layer_masks(rng: Rng) -> list[Case]:
    sizes = (2, 5, 7, 3, 11)
    causal = torch.ones(5, 5, dtype=torch.bool).tril()
    return [
        layer_case(rng, sizes, "a causal mask", mask=causal),
        layer_case(rng, sizes, "padding", mask=open_mask(rng, 2, 1, 5)),
    ]


def _reordered(rng: Rng) -> list[Case]:
    """A sentence, and the same words in reverse."""
    everyone = torch.ones(1, 1, 5, dtype=torch.bool)
    case = layer_case(rng, (2, 5, 7, 3, 11), "random", mask=everyone)
    x, mask, params = case.args
    return [case, Case((x.flip(1), mask, params), label="the same words in reverse")]


def _back_in_order(value: Any, first: Any) -> Any:
    return (value[0].flip(1), value[1].flip(1, 2))


def _layer_edges(rng: Rng) -> list[Case]:
    mask = open_mask(rng, 2, 5, 5)
    mask[0, 1] = False
    return [
        layer_case(rng, (1, 5, 7, 3, 2), "one sentence"),
        layer_case(rng, (2, 1, 5, 3, 7), "one word"),
        layer_case(rng, (2, 5, 7, 3, 11), "a word that may look nowhere", mask=mask),
    ]


def _layer_gradients(rng: Rng) -> list[Case]:
    return [layer_case(rng, (2, 5, 7, 3, 2), "random", grad=True)]


def _layer_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 5, 7, 3, 11)
    cases = [layer_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, layer_case(rng, sizes, "on a GPU", cuda=True)]


SELF_ATTENTION = (
    Check("weights compare the queries with the keys", 5, _layers, equals(_weights), parts=(1,)),
    Check("context is the average of the projected values", 3.5, _layers,
          right_or_following(_context, _read_projected)),
    Check("causal masks and padding are kept", 2, _layer_masks),
    Check("words in another order get the same answers", 1, _reordered,
          resembling(agrees_with_first(_back_in_order))),
    Check("one sentence, one word and a word without a view are fine", 1, _layer_edges),
    Check("gradients reach x and the three matrices", 2, _layer_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype, device and inputs are kept", 1.5, _layer_dtypes,
          of_right_values(dtype_kept, inputs_unchanged, slack=2)),
)  # fmt: skip
