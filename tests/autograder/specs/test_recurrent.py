import re
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autograder.checks import verdict_on
from autograder.checks.cases import tensors_in
from autograder.checks.drive import drive
from autograder.checks.forbidden import forbidden_calls
from autograder.checks.judge import judge
from autograder.checks.spec import draw_cases, load_unit
from autograder.specs.recurrent import oracles

UNIT = load_unit("recurrent")
EXERCISES = {e.name: e for e in UNIT.exercises}
CELLS = ("rnn_step", "lstm_step", "gru_step")
every_exercise = pytest.mark.parametrize("exercise", UNIT.exercises, ids=EXERCISES)
BY_HAND = {
    "rnn_step": 12,
    "lstm_step": 20,
    "gru_step": 18,
    "unroll_rnn": 20,
    "sequential_steps": 14,
    "path_lengths": 16,
}


def test_six_exercises_are_worth_100_points():
    assert {e.name: e.points for e in UNIT.exercises} == BY_HAND
    assert sum(BY_HAND.values()) == 100


@pytest.mark.parametrize("name", CELLS)
def test_the_random_cases_have_sizes_that_tell_the_axes_apart(name):
    for case in EXERCISES[name].checks[0].cases(np.random.default_rng(0)):
        x, h = case.args[:2]
        sizes = (*x.shape, h.shape[-1])
        assert set(sizes) <= {2, 3, 5, 7, 11}
        assert "equal" in case.label or len(set(sizes)) == 3


@pytest.mark.parametrize("name", [*CELLS, "unroll_rnn"])
def test_half_precision_strided_inputs_gradients_and_a_gpu_are_among_the_cases(name):
    cases = [case for row in draw_cases(EXERCISES[name], 0) for case in row]
    tensors = [t for case in cases for t in tensors_in(case.args)]
    dtypes = {t.dtype for t in tensors}
    assert dtypes >= {torch.float16, torch.bfloat16, torch.float32, torch.float64}
    assert not all(t.is_contiguous() for t in tensors)
    assert any(case.grad for case in cases)
    assert any(case.cuda for case in cases)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_the_exercises_follow_torch(kind):
    """A student who carries weights over from torch gets torch's numbers."""
    torch.manual_seed(0)
    network = kind(3, 5).double()
    names = {"W_ih": "weight_ih_l0", "W_hh": "weight_hh_l0", "b_ih": "bias_ih_l0",
             "b_hh": "bias_hh_l0"}  # fmt: skip
    params = {ours: getattr(network, theirs) for ours, theirs in names.items()}
    x, state = torch.randn(2, 3).double(), torch.randn(2, 5).double()
    if kind is nn.LSTM:
        cell = torch.randn(2, 5).double()
        _, (h, c) = network(x[None], (state[None], cell[None]))
        got = oracles.lstm_step(x, state, cell, params)
        torch.testing.assert_close(got, (h[0], c[0]))
    else:
        step = oracles.rnn_step if kind is nn.RNN else oracles.gru_step
        torch.testing.assert_close(step(x, state, params), network(x[None], state[None])[1][0])


def sums(x: Tensor, h: Tensor, p: dict[str, Tensor]) -> Tensor:
    return x @ p["W_ih"].T + p["b_ih"] + h @ p["W_hh"].T + p["b_hh"]


def hard_tanh(x, h, p):
    return sums(x, h, p).clamp(-1, 1)


def peephole(x, h, c, p):
    i, f, g, o = sums(x, h, p).chunk(4, -1)
    new = torch.sigmoid(f + c) * c + torch.sigmoid(i + c) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(new), new


def even_mixture(x, h, p):
    return (EXERCISES["gru_step"].oracle(x, h, p) + h) / 2


def averaged(inputs, h, lengths, p):
    outputs, last = EXERCISES["unroll_rnn"].oracle(inputs, h, lengths, p)
    return outputs, (last + outputs.mean(1)) / 2


def square(needs: Tensor) -> int:
    return len(needs) ** 2


def rounded_up(reads: Tensor, needs: Tensor) -> Tensor:
    lengths = EXERCISES["path_lengths"].oracle(reads, needs)
    return lengths + (lengths > 2)


OUTSIDE_THE_BANK = {
    "rnn_step": (hard_tanh,),
    "lstm_step": (peephole,),
    "gru_step": (even_mixture,),
    "unroll_rnn": (averaged,),
    "sequential_steps": (square,),
    "path_lengths": (rounded_up,),
}


@pytest.mark.parametrize(
    ("name", "function"), [(n, f) for n, fs in OUTSIDE_THE_BANK.items() for f in fs]
)
def test_wrong_code_that_nobody_foresaw_loses_points_and_is_told_something(name, function):
    verdict = verdict_on(f"recurrent/{name}", function)
    assert verdict.status in ("partial", "wrong")
    assert verdict.misconception is None
    assert re.search(r"differ|longest chain|values", verdict.message), verdict.message


def lstm_without(gradient: bool, *args):
    with torch.set_grad_enabled(gradient):
        return EXERCISES["lstm_step"].oracle(*args)


def unroll_on_the_cpu(inputs, h, lengths, p):
    outputs = []
    real = torch.arange(inputs.shape[1]) < lengths[:, None]
    for t in range(inputs.shape[1]):
        new = torch.tanh(sums(inputs[:, t], h, p))
        h = torch.where(real[:, t, None], new, h)
        outputs.append(h * real[:, t, None])
    return torch.stack(outputs, 1), h


def unroll_but_for_the_empty(inputs, h, lengths, p):
    """Right, but that an empty sentence reads one word."""
    return EXERCISES["unroll_rnn"].oracle(inputs, h, lengths.clamp(min=1), p)


NEARLY = [
    ("lstm_step", partial(lstm_without, False), 0.8),
    ("unroll_rnn", unroll_on_the_cpu, 0.9),
    ("unroll_rnn", unroll_but_for_the_empty, 0.75),
]


@pytest.mark.parametrize(("name", "function", "least"), NEARLY)
def test_nearly_right_code_earns_most_of_the_points(name, function, least):
    verdict = verdict_on(f"recurrent/{name}", function)
    assert least * verdict.max_points <= verdict.points < verdict.max_points


def unroll(last=None, *, step=None, stay=True):
    """Exercise 4 as students write it, with one part of their own."""

    def unroll_rnn(inputs, h, lengths, p):
        states = []
        for t in range(inputs.size(1)):
            new = step(inputs[:, t], h, p) if step else torch.tanh(sums(inputs[:, t], h, p))
            goes_on = (t < lengths).unsqueeze(1)
            h = torch.where(goes_on, new, h) if stay else new
            states.append(h * goes_on)
        outputs = torch.stack(states, 1)
        return outputs, last(outputs, lengths, h) if last else h

    return unroll_rnn


def gathered(outputs: Tensor, lengths: Tensor, h: Tensor) -> Tensor:
    return outputs[torch.arange(len(lengths)), lengths - 1]


def until_the_longest(inputs, h, lengths, p):
    return unroll()(inputs[:, : int(lengths.max())], h, lengths, p)


def never_assigned(inputs, h, lengths, p):
    outputs = torch.zeros(*inputs.shape[:2], h.shape[1], dtype=h.dtype)
    for t in range(inputs.shape[1]):
        new = torch.tanh(sums(inputs[:, t], h, p))
        outputs[:, t] = torch.where((t < lengths)[:, None], new, 0)
    return outputs, new


def asked_by_if(inputs, h, lengths, p):
    states = []
    for t in range(inputs.shape[1]):
        if t < lengths:
            h = torch.tanh(sums(inputs[:, t], h, p))
        states.append(h)
    return torch.stack(states, dim=1), h


def lstm(cut=None, keep=None):
    """Exercise 2 as students write it, with one part of their own."""

    def lstm_step(x, h, c, p):
        z = sums(x, h, p)
        i, f, g, o = cut(z) if cut else z.chunk(4, -1)
        f, new = torch.sigmoid(f), torch.sigmoid(i) * torch.tanh(g)
        c = keep(c, f, new) if keep else f * c + new
        return torch.sigmoid(o) * torch.tanh(c), c

    return lstm_step


def all_squashed(x, h, c, p):
    i, f, g, o = torch.sigmoid(sums(x, h, p)).chunk(4, dim=1)
    c = f * c + i * torch.tanh(g)
    return o * torch.tanh(c), c


def without_its_matrix(x, h, p):
    a = (x @ p["W_ih"].T + p["b_ih"]).chunk(3, dim=1)
    b = (h @ p["W_hh"].T + p["b_hh"]).chunk(3, dim=1)
    r, z = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
    return (1 - z) * torch.tanh(a[2] + r * h) + z * h


def one_more_than_none(reads, needs):
    lengths = reads.long()
    for t in range(len(reads)):
        for s in range(reads.size(1)):
            ways = [int(lengths[k, s]) for k in range(t) if needs[t, k] and lengths[k, s]]
            lengths[t, s] = 1 if reads[t, s] else 1 + min(ways, default=0)
    return lengths


def levels(best, start=0):
    """Exercise 5 as students write it, with another choice among the needed steps."""

    def sequential_steps(needs):
        times = torch.zeros(len(needs), dtype=torch.long)
        for t in range(len(needs)):
            needed = times[needs[t]]
            times[t] = 1 + best(needed) if len(needed) else 1 + start
        return int(times.max()) if len(times) else 0

    return sequential_steps


SLIPS = [
    ("rnn_step", "no_tanh", lambda x, h, p: nn.functional.linear(x, p["W_ih"], p["b_ih"])
     + nn.functional.linear(h, p["W_hh"], p["b_hh"])),
    ("rnn_step", "untransposed", lambda x, h, p: torch.tanh(
        x @ p["W_ih"] + h @ p["W_hh"] + p["b_ih"] + p["b_hh"])),
    ("rnn_step", "left", lambda x, h, p: torch.tanh(
        torch.matmul(p["W_ih"], x) + torch.matmul(p["W_hh"], h) + p["b_ih"] + p["b_hh"])),
    ("rnn_step", "no_recurrence", lambda x, h, p: torch.tanh(
        x @ p["W_ih"].T + p["b_ih"] + p["b_hh"])),
    ("rnn_step", "columns", lambda x, h, p: torch.tanh(
        p["W_ih"] @ x.T + p["b_ih"][:, None] + p["W_hh"] @ h.T + p["b_hh"][:, None])),
    ("rnn_step", "attributes", lambda x, h, p: torch.tanh(p.W_ih @ x.T)),
    ("lstm_step", "squashed_twice", all_squashed),
    ("gru_step", "no_product", without_its_matrix),
    ("lstm_step", "cut_batch", lstm(lambda z: torch.chunk(z, 4))),
    ("lstm_step", "pieces_of_four", lstm(lambda z: z.split(4, dim=1))),
    ("lstm_step", "in_place", lstm(keep=lambda c, f, new: c.mul_(f).add_(new))),
    ("unroll_rnn", "cut_short", until_the_longest),
    ("unroll_rnn", "last_of_padding", unroll(stay=False)),
    ("unroll_rnn", "last_column", unroll(lambda outputs, lengths, h: outputs[:, -1])),
    ("unroll_rnn", "minus_one", unroll(gathered)),
    ("unroll_rnn", "minus_one", unroll(gathered, stay=False)),
    ("unroll_rnn", "linear", unroll(step=sums)),
    ("unroll_rnn", "never_assigned", never_assigned),
    ("unroll_rnn", "one_answer", asked_by_if),
    ("sequential_steps", "minimum", levels(torch.min)),
    ("sequential_steps", "added", levels(torch.sum)),
    ("sequential_steps", "first_number", levels(lambda times: times[0])),
    ("path_lengths", "one_for_never", one_more_than_none),
    ("sequential_steps", "links", levels(torch.max, start=-1)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "misconception", "function"), SLIPS)
def test_a_plausible_slip_is_named_and_keeps_half_of_the_points(name, misconception, function):
    verdict = verdict_on(f"recurrent/{name}", function)
    assert verdict.misconception, str(verdict)
    assert verdict.misconception.name == misconception
    assert verdict.max_points / 2 <= verdict.points < verdict.max_points


def mark(name: str, misconception: str, number: int) -> bool:
    exercise = EXERCISES[name]
    function = next(m.function for m in exercise.misconceptions if m.name == misconception)
    cases = draw_cases(exercise, 0)
    checks = judge(exercise, cases, [drive(function, row) for row in cases]).checks
    return checks[number].passed


def test_one_slip_in_the_lstm_is_not_charged_twice():
    for name in ("no_forget", "no_input_gate", "linear_candidate", "forgets"):
        assert not mark("lstm_step", name, 0)
        assert mark("lstm_step", name, 1), name
    for name in ("no_output_gate", "no_tanh", "old_cell"):
        assert mark("lstm_step", name, 0)
        assert not mark("lstm_step", name, 1), name


def test_a_last_state_that_follows_from_wrong_outputs_is_not_charged_again():
    for name in ("linear", "from_zeros"):
        assert not mark("unroll_rnn", name, 0)
        assert mark("unroll_rnn", name, 2), name
    assert mark("unroll_rnn", "last_of_padding", 0)
    assert not mark("unroll_rnn", "last_of_padding", 2)


def test_a_wrong_count_is_told_with_a_chain_that_is_longer():
    verdict = verdict_on("recurrent/sequential_steps", square)
    found = re.search(
        r"you say (\d+); the longest chain has (\d+) steps, e\.g\. (.+?) \(", verdict.message
    )
    assert found
    assert len(found[3].split(" → ")) == int(found[2])


def test_a_wrong_length_is_told_with_its_word_and_step():
    verdict = verdict_on("recurrent/path_lengths", rounded_up)
    assert re.search(
        r"from word \d+ to step \d+ you say \d+, and the shortest way has", verdict.message
    )


@pytest.mark.parametrize(
    "code",
    [
        "cell = torch.nn.LSTMCell(3, 5)",
        "from torch import nn\nnet = nn.RNN(3, 5)",
        "import torch\nout = torch.gru_cell(x, h, w, u)",
        "from torch.nn.utils.rnn import pack_padded_sequence as pack\npack(x, n)",
        "from attention_lib.cells import lstm_step as step\nstep(x, s, p)",
    ],
)
def test_networks_that_are_the_answer_are_not_allowed(code):
    assert all(forbidden_calls(f"import torch\n{code}", e.forbidden) for e in UNIT.exercises)
