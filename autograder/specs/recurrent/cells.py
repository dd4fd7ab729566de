"""Checks of the exercises on one step: rnn_step, lstm_step, gru_step."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autograder.checks.cases import upcast
from autograder.checks.draw import HALVES, Rng
from autograder.checks.properties import (
    agrees_with_first,
    bounded,
    dtype_kept,
    equals,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
    right_or_following,
)
from autograder.checks.spec import Case, Check
from autograder.specs.recurrent.inputs import all_strided, cell_case, first_row


def _random(rng: Rng, kind: str) -> list[Case]:
    return [
        cell_case(rng, kind, (2, 5, 3), "random"),
        cell_case(rng, kind, (5, 3, 7), "random, float64", dtype=torch.float64),
        cell_case(rng, kind, (3, 5, 5), "equal sizes"),
    ]


def _edges(rng: Rng, kind: str) -> list[Case]:
    return [
        cell_case(rng, kind, (1, 3, 5), "one sentence"),
        cell_case(rng, kind, (3, 1, 2), "word vectors of one number"),
        cell_case(rng, kind, (2, 3, 1), "states of one number"),
        cell_case(rng, kind, (1, 1, 1), "one of everything"),
    ]


def _alone(rng: Rng, kind: str) -> list[Case]:
    case = cell_case(rng, kind, (3, 5, 7), "in a batch of three")
    return [first_row(case), case]


def _first_rows(value: Any, first: Any) -> Any:
    """What a batch gives for its first sentence."""
    if isinstance(value, tuple):
        return tuple(part[:1] for part in value)
    return value[:1]


def _gradients(rng: Rng, kind: str) -> list[Case]:
    return [cell_case(rng, kind, (3, 5, 2), "random", dtype=torch.float64, grad=True)]


def _dtypes(rng: Rng, kind: str) -> list[Case]:
    sizes = (2, 3, 5)
    cases = [cell_case(rng, kind, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, cell_case(rng, kind, sizes, "on a GPU", cuda=True)]


def _inputs(rng: Rng, kind: str) -> list[Case]:
    odd = cell_case(rng, kind, (2, 3, 5), "inputs that are not contiguous")
    return [cell_case(rng, kind, (2, 3, 5), "random"), Case(all_strided(odd.args), label=odd.label)]


def _with_biases(rng: Rng, kind: str, label: str, *biases: float) -> list[Case]:
    """Cells whose blocks have biases that drown everything else; NaN leaves a block as drawn."""
    cases = []
    for sizes in ((3, 2, 5), (2, 5, 3)):
        case = cell_case(rng, kind, sizes, label, dtype=torch.float64)
        *rest, params = case.args
        wanted = torch.tensor(biases, dtype=torch.float64).repeat_interleave(sizes[2])
        shifted = torch.where(wanted.isnan(), params["b_ih"], wanted)
        cases.append(replace(case, args=(*rest, params | {"b_ih": shifted})))
    return cases


def _no_weights(rng: Rng) -> list[Case]:
    """All parameters are 0: every gate is half open, and nothing is written."""
    cases = []
    for sizes in ((3, 2, 5), (2, 5, 3)):
        case = cell_case(rng, "lstm", sizes, "all parameters are 0")
        *rest, params = case.args
        zero = {name: torch.zeros_like(given) for name, given in params.items()}
        cases.append(replace(case, args=(*rest, zero)))
    return cases


def _state(value: Any) -> Any:
    return value[0]


def _cell(value: Any) -> Any:
    return value[1]


def _state_of(case: Case, value: Any) -> Tensor:
    """The state that belongs to a student's own cell."""
    x, h, _, params = upcast(case).args
    gates = x @ params["W_ih"].mT + params["b_ih"] + h @ params["W_hh"].mT + params["b_hh"]
    output: Tensor = torch.sigmoid(gates.chunk(4, -1)[3])
    return output * torch.tanh(value[1].double())


OPEN, SHUT, DRAWN = 40.0, -40.0, float("nan")

RNN_STEP = (
    Check("the new state is tanh(W_ih x + b_ih + W_hh h + b_hh)", 4.5,
          lambda rng: _random(rng, "rnn")),
    Check("one sentence or one number keeps its axis", 1.5, lambda rng: _edges(rng, "rnn")),
    Check("every number of the state stays within ±1", 1.5,
          lambda rng: [cell_case(rng, "rnn", (3, 5, 7), "large inputs", scale=30.0)],
          resembling(bounded(lambda case: 1.0))),
    Check("a sentence alone gives what it gives in a batch", 1.5,
          lambda rng: _alone(rng, "rnn"), resembling(agrees_with_first(_first_rows))),
    Check("gradients reach x, h and every parameter", 1.5, lambda rng: _gradients(rng, "rnn"),
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 0.75,
          lambda rng: _dtypes(rng, "rnn"), of_right_values(dtype_kept)),
    Check("inputs are left as they were", 0.75, lambda rng: _inputs(rng, "rnn"),
          resembling(inputs_unchanged)),
)  # fmt: skip

LSTM_STEP = (
    Check("the new cell keeps σ(f) of c and adds σ(i) of tanh(g)", 5,
          lambda rng: _random(rng, "lstm"), equals(_cell), parts=(1,)),
    Check("the new state is σ(o) of tanh of the new cell", 4, lambda rng: _random(rng, "lstm"),
          right_or_following(_state, _state_of)),
    Check("where all parameters are 0, half of the cell is kept", 1.5, _no_weights),
    Check("an open forget gate and a closed input gate keep the whole cell", 2,
          lambda rng: _with_biases(rng, "lstm", "f open, i closed", SHUT, OPEN, DRAWN, DRAWN),
          equals(_cell), parts=(1,)),
    Check("one sentence or one number keeps its axis", 1, lambda rng: _edges(rng, "lstm")),
    Check("a sentence alone gives what it gives in a batch", 1.5,
          lambda rng: _alone(rng, "lstm"), resembling(agrees_with_first(_first_rows))),
    Check("gradients reach x, h, c and every parameter", 3, lambda rng: _gradients(rng, "lstm"),
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1,
          lambda rng: _dtypes(rng, "lstm"), of_right_values(dtype_kept)),
    Check("inputs are left as they were", 1, lambda rng: _inputs(rng, "lstm"),
          resembling(inputs_unchanged)),
)  # fmt: skip

GRU_STEP = (
    Check("the new state lies between the old one and the candidate, as z says", 5.5,
          lambda rng: _random(rng, "gru")),
    Check("with z = 1 the state stays as it is", 2.5,
          lambda rng: _with_biases(rng, "gru", "z = 1", DRAWN, OPEN, DRAWN)),
    Check("with z = 0 the state is the candidate", 2,
          lambda rng: _with_biases(rng, "gru", "z = 0", DRAWN, SHUT, DRAWN)),
    Check("with r = 0 and z = 0 nothing of the old state is left", 1.5,
          lambda rng: _with_biases(rng, "gru", "r = 0, z = 0", SHUT, SHUT, DRAWN)),
    Check("one sentence or one number keeps its axis", 1, lambda rng: _edges(rng, "gru")),
    Check("a sentence alone gives what it gives in a batch", 1.5,
          lambda rng: _alone(rng, "gru"), resembling(agrees_with_first(_first_rows))),
    Check("gradients reach x, h and every parameter", 2.5, lambda rng: _gradients(rng, "gru"),
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 0.75,
          lambda rng: _dtypes(rng, "gru"), of_right_values(dtype_kept)),
    Check("inputs are left as they were", 0.75, lambda rng: _inputs(rng, "gru"),
          resembling(inputs_unchanged)),
)  # fmt: skip
