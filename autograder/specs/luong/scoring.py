"""Checks of the exercises on weights and scores: masked_softmax … attentional_vector."""

import torch
from torch import Tensor

from autograder.checks.draw import HALVES, Rng, normal, strided
from autograder.checks.properties import (
    all_of,
    bounded,
    dtype_kept,
    equals,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    only_column_moves,
    resembling,
    rows_sum_like_oracle,
    zero_where_oracle_is,
)
from autograder.checks.spec import Case, Check
from autograder.specs.luong.inputs import (
    lengths_mask,
    random_mask,
    score_case,
    vector_case,
)


def _masked(
    rng: Rng, scores: Tensor, mask: Tensor, label: str, *, grad: bool = False, cuda: bool = False
) -> Case:
    shapes = f"scores {tuple(scores.shape)}, mask {tuple(mask.shape)}"
    return Case((scores, mask), label=f"{label}: {shapes}", grad=grad, cuda=cuda)


def _softmax_edges(rng: Rng) -> list[Case]:
    one = torch.ones(1, 1, 1, dtype=torch.bool)
    return [
        _masked(rng, normal(rng, 1, 1, 1), one, "one cell"),
        _masked(rng, normal(rng, 1, 1, 5), lengths_mask([4], 5)[:, None], "one query"),
        _masked(rng, normal(rng, 1, 3, 1), one, "one position"),
        _masked(rng, normal(rng, 2, 1, 7), lengths_mask([7, 3], 7)[:, None], "one query each"),
    ]


def _softmax_random(rng: Rng) -> list[Case]:
    return [
        _masked(rng, normal(rng, 2, 3, 5, scale=2), random_mask(rng, 2, 3, 5), "random"),
        _masked(
            rng,
            normal(rng, 3, 7, 5, scale=2, dtype=torch.float64) - 2,
            random_mask(rng, 3, 7, 5),
            "mostly negative scores",
        ),
    ]


def _softmax_broadcast(rng: Rng) -> list[Case]:
    scores = normal(rng, 2, 3, 5, scale=2)
    return [
        _masked(rng, scores, lengths_mask([5, 2], 5)[:, None], "a mask for all queries"),
        _masked(rng, scores, random_mask(rng, 1, 3, 5), "a mask for all sentences"),
        _masked(rng, scores, random_mask(rng, 3, 5), "a mask without a batch"),
        _masked(rng, scores, lengths_mask([3], 5)[0], "a mask of one axis"),
    ]


def _softmax_high_masked(rng: Rng) -> list[Case]:
    mask = random_mask(rng, 2, 5, 7)
    scores = normal(rng, 2, 5, 7).masked_fill(~mask, 9.0)
    return [_masked(rng, scores, mask, "masked cells have the highest scores")]


def _empty_rows(rng: Rng, grad: bool = False) -> Case:
    mask = random_mask(rng, 2, 5, 3)
    mask[0, 1] = mask[1, 4] = False
    scores = normal(rng, 2, 5, 3, scale=2)
    return _masked(rng, scores, mask, "two rows with nothing to attend to", grad=grad)


def _softmax_gradients(rng: Rng) -> list[Case]:
    plain = _masked(
        rng, normal(rng, 2, 3, 5, dtype=torch.float64), random_mask(rng, 2, 3, 5), "full", grad=True
    )
    return [plain, _empty_rows(rng, grad=True)]


def _large_scores(rng: Rng) -> list[Case]:
    scores = normal(rng, 2, 3, 5)
    mask = lengths_mask([5, 3], 5)[:, None]
    high = scores.masked_fill(~mask, 1e4)
    return [
        _masked(rng, scores + 1e4, mask, "scores around 10⁴"),
        _masked(rng, scores - 1e4, mask, "scores around −10⁴"),
        _masked(rng, scores * 1e4, mask, "scores from −10⁴ to 10⁴"),
        _masked(rng, high, mask, "masked scores of 10⁴, the others moderate"),
    ]


def _softmax_dtypes(rng: Rng) -> list[Case]:
    mask = random_mask(rng, 2, 3, 5)
    halves = [_masked(rng, normal(rng, 2, 3, 5, dtype=d), mask, str(d)) for d in HALVES]
    gpu = _masked(rng, normal(rng, 2, 3, 5), mask, "on a GPU", cuda=True)
    return [*halves, _masked(rng, normal(rng, 2, 3, 5, dtype=torch.float64), mask, "float64"), gpu]


def _softmax_inputs(rng: Rng) -> list[Case]:
    mask = random_mask(rng, 2, 3, 5)
    whole = normal(rng, 2, 3, 5)
    return [
        _masked(rng, whole, mask, "random"),
        _masked(rng, strided(normal(rng, 2, 3, 5)), mask, "inputs that are not contiguous"),
    ]


MASKED_SOFTMAX = (
    Check("weights are the softmax of the open scores", 3.5, _softmax_random),
    Check("one query or one position is enough", 0.5, _softmax_edges),
    Check("a mask of any shape that broadcasts will do", 1, _softmax_broadcast),
    Check("rows sum to 1", 1, _softmax_random, resembling(rows_sum_like_oracle())),
    Check("masked cells are exactly 0", 1, _softmax_high_masked,
          resembling(zero_where_oracle_is())),
    Check("a row with nothing to attend to is all 0", 1.5, lambda rng: [_empty_rows(rng)]),
    Check("gradients are right, and 0 for an empty row", 1.5, _softmax_gradients,
          of_right_values(gradients_equal)),
    # Next to 10⁴ float32 has steps of 10⁻³: log-softmax is right, too.
    Check("large scores do no harm", 1, _large_scores, equals(slack=20)),
    Check("half precision works; dtype and device are kept", 0.5, _softmax_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 0.5, _softmax_inputs,
          resembling(inputs_unchanged)),
)  # fmt: skip


def _score_random(rng: Rng, v: bool) -> list[Case]:
    return [
        score_case(rng, (2, 3, 5, 7, 7, 7), "equal sizes", v=v),
        score_case(rng, (2, 3, 5, 7, 11, 13), "random", v=v),
        score_case(rng, (3, 7, 2, 5, 3, 11), "random, float64", v=v, dtype=torch.float64),
    ]


def _score_edges(rng: Rng, v: bool) -> list[Case]:
    return [
        score_case(rng, (1, 3, 5, 7, 2, 3), "one sentence", v=v),
        score_case(rng, (2, 1, 5, 3, 7, 5), "one step", v=v),
        score_case(rng, (2, 3, 1, 5, 7, 2), "one position", v=v),
        score_case(rng, (1, 1, 1, 3, 2, 5), "one of each", v=v),
        score_case(rng, (2, 3, 5, 1, 7, 1), "queries of one number", v=v),
    ]


def _score_gradients(rng: Rng, v: bool) -> list[Case]:
    return [
        score_case(rng, (2, 3, 5, 7, 2, 3), "random", v=v, dtype=torch.float64, grad=True),
        score_case(rng, (1, 1, 3, 5, 2, 7), "one step", v=v, grad=True),
    ]


def _score_dtypes(rng: Rng, v: bool) -> list[Case]:
    sizes = (2, 3, 5, 7, 3, 11)
    cases = [score_case(rng, sizes, str(d), v=v, dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, score_case(rng, sizes, "on a GPU", v=v, cuda=True)]


def _score_inputs(rng: Rng, v: bool) -> list[Case]:
    case = score_case(rng, (2, 3, 5, 7, 3, 11), "inputs that are not contiguous", v=v)
    return [
        score_case(rng, (2, 3, 5, 7, 3, 11), "random", v=v),
        Case(tuple(strided(t) for t in case.args), label=case.label),
    ]


def _identity(rng: Rng) -> list[Case]:
    cases = []
    for b, t, s, d in ((2, 3, 5, 7), (3, 5, 2, 4)):
        query, key = normal(rng, b, t, d), normal(rng, b, s, d)
        shapes = f"query {(b, t, d)}, key {(b, s, d)}"
        cases.append(Case((query, key, torch.eye(d)), label=f"W is the identity: {shapes}"))
    return cases


def _pairs(rng: Rng, v: bool) -> list[Case]:
    """The same batch with one key replaced: only its column may move."""
    case = score_case(rng, (2, 3, 5, 7, 3, 11), "random", v=v)
    query, key, *weights = case.args
    changed = key.clone()
    changed[:, 2] = normal(rng, 2, 3)
    return [case, Case((query, changed, *weights), label="the same with another key at s = 2")]


def _saturated(rng: Rng) -> list[Case]:
    case = score_case(rng, (2, 3, 5, 7, 3, 11), "large inputs", v=True, scale=30.0)
    small = score_case(rng, (3, 5, 2, 3, 7, 5), "random", v=True)
    return [small, case]


GENERAL_SCORE = (
    Check("the score is qᵀ W k", 4.5, lambda rng: _score_random(rng, False)),
    Check("with W = I it is the dot product", 1.5, _identity),
    Check("one sentence, step or position keeps its axis", 1.5,
          lambda rng: _score_edges(rng, False)),
    Check("each key moves its own column only", 1, lambda rng: _pairs(rng, False),
          resembling(only_column_moves(2))),
    Check("gradients reach query, key and W", 1.5, lambda rng: _score_gradients(rng, False),
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1,
          lambda rng: _score_dtypes(rng, False), of_right_values(dtype_kept)),
    Check("inputs are left as they were", 1, lambda rng: _score_inputs(rng, False),
          resembling(inputs_unchanged)),
)  # fmt: skip

CONCAT_SCORE = (
    Check("the score is vᵀ tanh(W [q; k])", 5, lambda rng: _score_random(rng, True)),
    Check("one sentence, step or position keeps its axis", 1.5,
          lambda rng: _score_edges(rng, True)),
    Check("each key moves its own column only", 1, lambda rng: _pairs(rng, True),
          resembling(only_column_moves(2))),
    Check("no score exceeds the sum of |v|", 2, _saturated,
          all_of(bounded(lambda case: float(case.args[3].abs().sum())), of_right_values(slack=10))),
    Check("gradients reach query, key, W and v", 2.5, lambda rng: _score_gradients(rng, True),
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1,
          lambda rng: _score_dtypes(rng, True), of_right_values(dtype_kept, slack=3)),
    Check("inputs are left as they were", 1, lambda rng: _score_inputs(rng, True),
          resembling(inputs_unchanged)),
)  # fmt: skip


def _vector_random(rng: Rng) -> list[Case]:
    return [
        vector_case(rng, (2, 3, 5, 7, 12), "W is square"),
        vector_case(rng, (2, 3, 7, 7, 5), "random"),
        vector_case(rng, (3, 2, 5, 11, 7), "random, float64", dtype=torch.float64),
    ]


def _vector_edges(rng: Rng) -> list[Case]:
    return [
        vector_case(rng, (1, 3, 5, 7, 2), "one sentence"),
        vector_case(rng, (2, 1, 5, 3, 7), "one step"),
        vector_case(rng, (1, 1, 3, 2, 5), "one of each"),
        vector_case(rng, (2, 3, 5, 7, 1), "one number out"),
    ]


def _vector_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 3, 5, 7, 11)
    cases = [vector_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, vector_case(rng, sizes, "on a GPU", cuda=True)]


def _vector_inputs(rng: Rng) -> list[Case]:
    case = vector_case(rng, (2, 3, 5, 7, 11), "inputs that are not contiguous")
    return [
        vector_case(rng, (2, 3, 5, 7, 11), "random"),
        Case(tuple(strided(t) for t in case.args), label=case.label),
    ]


def _vector_gradients(rng: Rng) -> list[Case]:
    return [vector_case(rng, (2, 3, 5, 7, 11), "random", dtype=torch.float64, grad=True)]


ATTENTIONAL_VECTOR = (
    Check("the vector is tanh(W_c [c; h])", 4, _vector_random),
    Check("one sentence, step or number keeps its axis", 1.5, _vector_edges),
    Check("every component stays within ±1", 1.5,
          lambda rng: [vector_case(rng, (2, 3, 5, 7, 11), "large inputs", scale=30.0)],
          resembling(bounded(lambda case: 1.0))),
    Check("gradients reach context, hidden and W_c", 1.5, _vector_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 0.75, _vector_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 0.75, _vector_inputs, resembling(inputs_unchanged)),
)  # fmt: skip
