"""Checks of the exercises on windows, the decoder's step and alignments."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from attention_lib.attention import attentional_vector, masked_softmax
from attention_lib.local_attention import local_p_centre
from attention_lib.scores import general_score
from autograder.checks.cases import upcast
from autograder.checks.draw import HALVES, Rng, normal, strided
from autograder.checks.properties import (
    agrees_with_first,
    boolean,
    dtype_kept,
    equals,
    gradients_equal,
    inputs_unchanged,
    nonzero_like_oracle,
    of_right_values,
    resembling,
    right_or_following,
    rows_sum_like_oracle,
    zero_where_oracle_is,
)
from autograder.checks.spec import Case, Check
from autograder.specs.luong.inputs import (
    lengths_mask,
    local_p_case,
    step_case,
)


def _window(steps: int, lengths: Sequence[int], padded: int, window: int, label: str = "") -> Case:
    shown = f"T={steps}, lengths {list(lengths)} of {padded}, D={window}"
    mask = lengths_mask(lengths, padded)
    return Case((steps, mask, window), label=f"{label}: {shown}" if label else shown)


def _window_random(rng: Rng) -> list[Case]:
    """Windows that reach neither past the end nor into padding: other checks are about those."""
    lengths = [int(n) for n in rng.integers(7, 12, size=3)]
    return [
        _window(5, [11], 11, 2),
        _window(7, [10, 13, 11], 13, 3),
        _window(5, lengths, 13, 2),
        _window(5, [7, 9], 11, 1, "padding beyond every sentence"),
    ]


def _padded_window(rng: Rng) -> list[Case]:
    """Windows that reach into the padding, though no centre does."""
    return [
        _window(5, [7, 5], 7, 2),
        _window(5, [7, 5], 11, 2, "with four more positions of padding"),
    ]


def _window_kind(rng: Rng) -> list[Case]:
    case = _window(3, [7, 5], 7, 1)
    return [case, replace(case, label=f"on a GPU: {case.label}", cuda=True)]


def _real_columns(value: Tensor, first: Tensor) -> Tensor:
    """What is left of padded weights without the padding; stray weight on it shows as a change."""
    real = value[..., : first.shape[-1]].double()
    return real + value[..., first.shape[-1] :].double().sum(-1, keepdim=True)


def _window_edges(rng: Rng) -> list[Case]:
    return [
        _window(1, [1], 1, 2, "one word"),
        _window(1, [7], 7, 2, "one step"),
        _window(3, [0, 5], 5, 1, "an empty sentence beside a full one"),
    ]


def _window_inputs(rng: Rng) -> list[Case]:
    case = _window(3, [7, 5], 7, 1, "a mask that is not contiguous")
    steps, mask, window = case.args
    return [_window(3, [5, 7], 7, 1), Case((steps, strided(mask), window), label=case.label)]


LOCAL_M_MASK = (
    Check("the window reaches D positions to each side of t", 5, _window_random),
    Check("it is cut at the first and the last word", 1.5,
          lambda rng: [_window(7, [7, 7], 7, 3), _window(5, [5], 5, 2)]),
    Check("past the end it stays around the last word", 3,
          lambda rng: [_window(7, [3, 7], 7, 1), _window(11, [5, 2, 7], 7, 2)]),
    Check("with D = 0 it holds one word", 1,
          lambda rng: [_window(5, [5, 7], 7, 0), _window(3, [7], 7, 0)]),
    Check("padding is never seen and changes nothing", 1.5, _padded_window,
          resembling(zero_where_oracle_is(), agrees_with_first(_real_columns))),
    Check("the mask is boolean, on the device of src_mask", 0.5, _window_kind,
          resembling(boolean)),
    Check("one word, one step and an empty sentence are fine", 1, _window_edges),
    Check("inputs are left as they were", 0.5, _window_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _local_random(rng: Rng) -> list[Case]:
    return [
        local_p_case(rng, [11, 7], (3, 11, 5, 7), 2, "random"),
        local_p_case(rng, [13, 5, 7], (5, 13, 3, 2), 3, "random, float64", dtype=torch.float64),
    ]


def _middle(rng: Rng) -> list[Case]:
    """W_p = 0 puts the centre on S/2, with cells exactly on the window's edge."""
    cases = []
    for lengths, padded, window in (([8, 6], 8, 2), ([7, 10], 11, 3)):
        scores = normal(rng, len(lengths), 3, padded)
        hidden = normal(rng, len(lengths), 3, 5)
        mask = lengths_mask(lengths, padded)
        label = f"W_p = 0, so p_t = S/2: lengths {lengths} of {padded}, D={window}"
        args = (hidden, scores, mask, torch.zeros(2, 5), normal(rng, 2), window)
        cases.append(Case(args, label=label))
    return cases


def _local_padded(rng: Rng) -> list[Case]:
    """Among the windows is one that would reach into the padding."""
    while True:
        case = local_p_case(rng, [7, 5], (3, 7, 5, 2), 2, "random")
        hidden, scores, _, w_p, v_p, window = case.args
        centre = local_p_centre(hidden, w_p, v_p, torch.tensor([7, 5]))
        if bool((centre[1] + window >= 5).any()):
            break
    longer = torch.cat([scores, 5 + normal(rng, 2, 3, 4)], -1)
    args = (hidden, longer, lengths_mask([7, 5], 11), w_p, v_p, window)
    return [case, Case(args, label="with four more positions of padding")]


def _local_edges(rng: Rng) -> list[Case]:
    return [
        local_p_case(rng, [1], (1, 1, 3, 2), 1, "one word"),
        local_p_case(rng, [7], (1, 7, 3, 1), 2, "one step"),
        local_p_case(rng, [0, 5], (3, 5, 3, 2), 2, "an empty sentence beside a full one"),
    ]


def _local_gradients(rng: Rng) -> list[Case]:
    return [
        local_p_case(rng, [7, 5], (3, 7, 5, 2), 2, "random", dtype=torch.float64, grad=True),
        local_p_case(rng, [0, 5], (3, 5, 3, 2), 2, "an empty sentence", grad=True),
    ]


def _local_inputs(rng: Rng) -> list[Case]:
    sizes = (3, 7, 5, 2)
    odd = local_p_case(rng, [7, 5], sizes, 2, "inputs that are not contiguous")
    cases = [
        local_p_case(rng, [7, 5], sizes, 2, "float64", dtype=torch.float64),
        local_p_case(rng, [7, 5], sizes, 2, "float16", dtype=torch.float16),
        Case(tuple(strided(a) if isinstance(a, Tensor) else a for a in odd.args), label=odd.label),
    ]
    return [*cases, local_p_case(rng, [7, 5], sizes, 2, "on a GPU", cuda=True)]


LOCAL_P_WEIGHTS = (
    Check("weights are the windowed softmax times the Gaussian", 4, _local_random),
    Check("with W_p = 0 the window is in the middle", 1.5, _middle),
    Check("weight lies inside the predicted window, and only there", 3.5, _local_random,
          resembling(nonzero_like_oracle)),
    Check("a row sums to what the Gaussian leaves of 1", 1.5, _local_random,
          resembling(rows_sum_like_oracle())),
    Check("appending padding changes nothing", 2, _local_padded,
          resembling(zero_where_oracle_is(), agrees_with_first(_real_columns))),
    Check("one word, one step and an empty sentence are fine", 1, _local_edges),
    Check("gradients are finite and reach W_p and v_p", 1.5, _local_gradients,
          of_right_values(gradients_equal)),
    Check("dtype, device and inputs are kept", 1, _local_inputs,
          of_right_values(dtype_kept, inputs_unchanged, slack=2)),
)  # fmt: skip


def _vector(value: Any) -> Any:
    return value[0]


def _state(value: Any) -> Any:
    return value[1]


def _weights(value: Any) -> Any:
    return value[2]


def _weights_of(case: Case, value: Any) -> Tensor:
    """The weights that belong to a student's own state."""
    *_, memory, mask, params = upcast(case).args
    query = value[1].double()[:, None]
    scores = general_score(query, memory, params["W_a"])
    return masked_softmax(scores, mask[:, None])[:, 0]


def _vector_of(case: Case, value: Any) -> Tensor:
    """The attentional vector that belongs to a student's own state and weights."""
    *_, memory, _, params = upcast(case).args
    context = (value[2].double()[:, None] @ memory)[:, 0]
    return attentional_vector(context, value[1].double(), params["W_c"])


def _steps(rng: Rng) -> list[Case]:
    return [
        step_case(rng, [5, 3], (5, 7, 11, 3, 2), "random"),
        step_case(rng, [7, 2, 5], (7, 2, 3, 5, 11), "random, float64", dtype=torch.float64),
        step_case(rng, [5, 4, 3], (5, 7, 7, 7, 7), "equal sizes"),
    ]


def _step_padded(rng: Rng) -> list[Case]:
    case = step_case(rng, [5, 3], (5, 7, 11, 3, 2), "random")
    *rest, memory, _, params = case.args
    longer = torch.cat([memory, 5 + normal(rng, 2, 4, 2)], 1)
    args = (*rest, longer, lengths_mask([5, 3], 9), params)
    return [case, Case(args, label="with four more positions of padding")]


def _step_without_padding(value: Any, first: Any) -> Any:
    return (value[0], value[1], _real_columns(value[2], first[2]))


def _step_edges(rng: Rng) -> list[Case]:
    return [
        step_case(rng, [3], (3, 2, 5, 7, 3), "one sentence"),
        step_case(rng, [1, 1], (1, 2, 5, 7, 3), "one source position"),
        step_case(rng, [1], (1, 1, 1, 1, 1), "one of everything"),
    ]


def _step_dtypes(rng: Rng) -> list[Case]:
    sizes = (5, 7, 11, 3, 2)
    cases = [step_case(rng, [5, 3], sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, step_case(rng, [5, 3], sizes, "on a GPU", cuda=True)]


LUONG_STEP = (
    Check("the state takes in y, the last h̃ and the last state", 3, _steps, equals(_state),
          parts=(1,)),
    Check("weights are the masked softmax of the general score", 2.5, _steps,
          right_or_following(_weights, _weights_of), parts=(1, 2)),
    Check("h̃ is tanh(W_c [c; h])", 3, _steps,
          right_or_following(_vector, _vector_of)),
    Check("padding gets no weight and changes nothing", 1.5, _step_padded,
          resembling(zero_where_oracle_is(_weights), agrees_with_first(_step_without_padding))),
    Check("one sentence or one source position is enough", 1, _step_edges),
    Check("gradients reach the inputs and every parameter", 2,
          lambda rng: [step_case(rng, [5, 3], (5, 7, 11, 3, 2), "random",
                                 dtype=torch.float64, grad=True)],
          of_right_values(gradients_equal)),
    Check("dtype, device and inputs are kept", 1, _step_dtypes,
          of_right_values(dtype_kept, inputs_unchanged, slack=2)),
)  # fmt: skip


def _links(rng: Rng, steps: int, positions: int, share: float = 0.3) -> Tensor:
    return torch.from_numpy(rng.random((steps, positions)) < share)


def _aligned(predicted: Tensor, sure: Tensor, possible: Tensor, label: str) -> Case:
    shape = tuple(sure.shape)
    return Case((predicted, sure, possible), label=f"{label}: {shape}")


def _aer_random(rng: Rng) -> list[Case]:
    cases = []
    for steps, positions in ((3, 5), (7, 5), (11, 13)):
        sure = _links(rng, steps, positions, 0.25)
        possible = sure | _links(rng, steps, positions, 0.25)
        # Half of the prediction comes from the gold, so that no part of the formula is idle.
        predicted = (possible & _links(rng, steps, positions, 0.6)) | _links(
            rng, steps, positions, 0.15
        )
        sure[0, 0] = predicted[0, 0] = possible[0, 0] = True
        predicted[1, 1], sure[1, 1], possible[1, 1] = True, False, True
        predicted[2, 2], sure[2, 2], possible[2, 2] = True, False, False
        sure[0, 2] = possible[0, 2] = True
        predicted[0, 2] = False
        cases.append(_aligned(predicted, sure, possible, "random"))
    return cases


def _aer_sure_is_possible(rng: Rng) -> list[Case]:
    cases = []
    for steps, positions in ((3, 5), (7, 5)):
        sure = _links(rng, steps, positions)
        sure[0, 0] = True
        possible = _links(rng, steps, positions) & ~sure
        predicted = sure | _links(rng, steps, positions)
        cases.append(_aligned(predicted, sure, possible, "possible leaves out the sure links"))
    return cases


def _aer_extremes(rng: Rng) -> list[Case]:
    gold = _links(rng, 5, 7)
    gold[0, 1] = True
    gold[2, 3] = False
    return [
        _aligned(gold, gold, gold, "a perfect prediction"),
        _aligned(~gold, gold, gold, "nothing right"),
    ]


def _aer_possible_only(rng: Rng) -> list[Case]:
    sure = torch.eye(3, 5, dtype=torch.bool)
    possible = sure | sure.roll(1, -1)
    return [
        _aligned(possible, sure, possible, "all possible links"),
        _aligned(possible & ~sure, sure, possible, "only possible links"),
    ]


def _aer_empty(rng: Rng) -> list[Case]:
    none = torch.zeros(3, 5, dtype=torch.bool)
    some = torch.eye(3, 5, dtype=torch.bool)
    return [
        _aligned(none, none, none, "nothing predicted, nothing sure"),
        _aligned(none, some, some, "nothing predicted"),
        _aligned(some, none, some, "nothing sure"),
    ]


ALIGNMENT_ERROR_RATE = (
    Check("the rate is 1 − (|A∩S| + |A∩P|) / (|A| + |S|)", 3.5, _aer_random),
    Check("sure links count as possible, listed or not", 1.5, _aer_sure_is_possible),
    Check("perfect is 0 and all wrong is 1", 0.5, _aer_extremes),
    Check("a link that is only possible costs nothing", 1, _aer_possible_only),
    Check("nothing predicted and nothing sure gives 0", 1, _aer_empty),
    Check("inputs are left as they were", 0.5,
          lambda rng: [*_aer_random(rng), *_aer_sure_is_possible(rng)],
          resembling(inputs_unchanged)),
)  # fmt: skip
