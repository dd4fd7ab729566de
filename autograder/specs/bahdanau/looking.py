"""Checks of the exercises on one look: additive_score, attention_weights, context_vector."""

from typing import Any

import torch
from torch import Tensor

from autograder.checks.draw import HALVES, Rng, normal, strided
from autograder.checks.properties import (
    agrees_with_first,
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
from autograder.specs.bahdanau.inputs import (
    context_case,
    real_words,
    score_case,
    weights_case,
)


def _all_strided(case: Case) -> Case:
    args = tuple(strided(arg) for arg in case.args)
    return Case(args, label=f"{case.label}, not contiguous")


def _scores(rng: Rng) -> list[Case]:
    return [
        score_case(rng, (3, 3, 5, 5, 5), "equal sizes"),
        score_case(rng, (2, 3, 5, 7, 11), "random"),
        score_case(rng, (3, 7, 2, 5, 11), "random, float64", dtype=torch.float64),
    ]


def _score_edges(rng: Rng) -> list[Case]:
    return [
        score_case(rng, (1, 3, 5, 7, 2), "one sentence"),
        score_case(rng, (2, 1, 5, 3, 7), "one word"),
        score_case(rng, (1, 1, 3, 2, 5), "one sentence of one word"),
        score_case(rng, (2, 3, 1, 5, 1), "one hidden unit"),
    ]


def _another_word(rng: Rng) -> list[Case]:
    """The same batch with the states of one word replaced: only its column may move."""
    case = score_case(rng, (2, 5, 3, 7, 11), "random")
    state, memory, *params = case.args
    changed = memory.clone()
    changed[:, 2] = normal(rng, 2, 7)
    return [case, Case((state, changed, *params), label="the same with another word at j = 2")]


def _saturated(rng: Rng) -> list[Case]:
    return [
        score_case(rng, (3, 5, 2, 7, 3), "random"),
        score_case(rng, (2, 3, 5, 7, 11), "large inputs", scale=30.0),
    ]


def _score_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 3, 5, 7, 11)
    cases = [score_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, score_case(rng, sizes, "on a GPU", cuda=True)]


def _score_inputs(rng: Rng) -> list[Case]:
    case = score_case(rng, (2, 3, 5, 7, 11), "random")
    return [case, _all_strided(case)]


def _score_gradients(rng: Rng) -> list[Case]:
    return [
        score_case(rng, (2, 3, 5, 7, 11), "random", dtype=torch.float64, grad=True),
        score_case(rng, (1, 3, 5, 2, 7), "one sentence", grad=True),
    ]


ADDITIVE_SCORE = (
    Check("the score is vᵀ tanh(W_a s + U_a h)", 7, _scores),
    Check("one sentence, word or hidden unit keeps its axis", 2, _score_edges),
    Check("each word's state moves its own score only", 1.5, _another_word,
          resembling(only_column_moves(2))),
    Check("no score exceeds the sum of |v_a|", 2.5, _saturated,
          all_of(bounded(lambda case: float(case.args[4].abs().sum())), of_right_values(slack=10))),
    Check("gradients reach state, memory, W_a, U_a and v_a", 2.5, _score_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1.5, _score_dtypes,
          of_right_values(dtype_kept, slack=3)),
    Check("inputs are left as they were", 1, _score_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _softmaxes(rng: Rng) -> list[Case]:
    return [
        weights_case(normal(rng, 3, 7, scale=2), [5, 7, 2], "random"),
        weights_case(normal(rng, 2, 5, dtype=torch.float64) - 2, [3, 5], "mostly negative scores"),
        weights_case(normal(rng, 3, 3), [1, 2, 3], "as many sentences as words"),
    ]


def _softmax_edges(rng: Rng) -> list[Case]:
    return [
        weights_case(normal(rng, 1, 5), [3], "one sentence"),
        weights_case(normal(rng, 2, 1), [1, 1], "one word each"),
        weights_case(normal(rng, 2, 5), [1, 5], "one word beside five"),
        weights_case(normal(rng, 2, 7), [3, 5], "padding behind every sentence"),
    ]


def _high_padding(rng: Rng) -> list[Case]:
    lengths = [5, 2, 7]
    scores = normal(rng, 3, 7)
    padding = ~real_words(torch.tensor(lengths), 7)
    return [weights_case(scores.masked_fill(padding, 9.0), lengths, "the padding scores highest")]


def _large_scores(rng: Rng) -> list[Case]:
    lengths = [5, 3]
    scores = normal(rng, 2, 5)
    padding = ~real_words(torch.tensor(lengths), 5)
    return [
        weights_case(scores + 1e4, lengths, "scores around 10⁴"),
        weights_case(scores - 1e4, lengths, "scores around −10⁴"),
        weights_case(scores.masked_fill(padding, 1e4), lengths, "a score of 10⁴ at the padding"),
    ]


def _padded_more(rng: Rng) -> list[Case]:
    lengths = [5, 3]
    scores = normal(rng, 2, 5)
    longer = torch.cat([scores, 5 + normal(rng, 2, 4)], 1)
    return [
        weights_case(scores, lengths, "random"),
        weights_case(longer, lengths, "with four more positions of padding"),
    ]


def _real_columns(value: Tensor, first: Tensor) -> Tensor:
    """What is left of padded weights without the padding; stray weight on it shows as a change."""
    real = value[..., : first.shape[-1]].double()
    return real + value[..., first.shape[-1] :].double().sum(-1, keepdim=True)


def _softmax_gradients(rng: Rng) -> list[Case]:
    scores = normal(rng, 3, 5, dtype=torch.float64)
    return [weights_case(scores, [5, 2, 3], "random", grad=True)]


def _softmax_dtypes(rng: Rng) -> list[Case]:
    cases = [
        weights_case(normal(rng, 2, 5, dtype=d), [3, 5], str(d)) for d in (*HALVES, torch.float64)
    ]
    return [*cases, weights_case(normal(rng, 2, 5), [3, 5], "on a GPU", cuda=True)]


def _softmax_inputs(rng: Rng) -> list[Case]:
    [case] = _high_padding(rng)
    return [case, _all_strided(case)]


ATTENTION_WEIGHTS = (
    Check("weights are the softmax over a sentence's own words", 5, _softmaxes),
    Check("rows sum to 1", 1.5, _softmaxes, resembling(rows_sum_like_oracle())),
    Check("padding gets exactly 0, however high its score", 2, _high_padding,
          resembling(zero_where_oracle_is())),
    Check("one sentence or one word is enough", 1.5, _softmax_edges),
    Check("appending padding changes nothing", 1.5, _padded_more,
          resembling(zero_where_oracle_is(), agrees_with_first(_real_columns))),
    # Next to 10⁴ float32 has steps of 10⁻³: log-softmax is right, too.
    Check("large scores do no harm", 1.5, _large_scores, equals(slack=20)),
    Check("gradients reach the scores", 1.5, _softmax_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1, _softmax_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 0.5, _softmax_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _contexts(rng: Rng) -> list[Case]:
    return [
        context_case(rng, (2, 3, 5), "random"),
        context_case(rng, (7, 5, 2), "random, float64", dtype=torch.float64),
        context_case(rng, (5, 5, 5), "equal sizes"),
    ]


def _one_word(rng: Rng) -> list[Case]:
    cases = []
    for b, s, d_h in ((2, 3, 5), (3, 7, 2)):
        weights = torch.zeros(b, s)
        weights[torch.arange(b), torch.from_numpy(rng.permutation(s)[:b])] = 1.0
        label = f"all the weight on one word: weights {(b, s)}, memory {(b, s, d_h)}"
        cases.append(Case((weights, normal(rng, b, s, d_h)), label=label))
    return cases


def _context_edges(rng: Rng) -> list[Case]:
    return [
        context_case(rng, (1, 3, 5), "one sentence"),
        context_case(rng, (2, 1, 3), "one word"),
        context_case(rng, (2, 3, 1), "states of one number"),
        context_case(rng, (1, 1, 1), "one of everything"),
    ]


def _context_dtypes(rng: Rng) -> list[Case]:
    cases = [context_case(rng, (2, 3, 5), str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, context_case(rng, (2, 3, 5), "on a GPU", cuda=True)]


def _context_inputs(rng: Rng) -> list[Case]:
    case = context_case(rng, (2, 3, 5), "random")
    return [case, _all_strided(case)]


def _context_gradients(rng: Rng) -> list[Any]:
    return [context_case(rng, (3, 5, 2), "random", dtype=torch.float64, grad=True)]


CONTEXT_VECTOR = (
    Check("the context is the sum of the states, each times its weight", 4, _contexts),
    Check("with all the weight on one word it is that word's state", 1.5, _one_word,),
    Check("one sentence, word or number keeps its axis", 1.5, _context_edges),
    Check("gradients reach weights and memory", 1.5, _context_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 0.75, _context_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 0.75, _context_inputs, resembling(inputs_unchanged)),
)  # fmt: skip
