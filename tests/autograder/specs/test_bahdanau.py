"""Unit 3: whole notebooks with partial work, slips that students make, and what they are told."""

import re

import pytest
import torch
from torch import Tensor, nn

from attention_lib.recurrent import RecurrentEncoder
from autograder.checks import verdict_on
from autograder.checks.cases import tensors_in
from autograder.checks.forbidden import forbidden_calls
from autograder.checks.spec import draw_cases, load_unit
from autograder.specs.bahdanau import oracles

UNIT = load_unit("bahdanau")
EXERCISES = {e.name: e for e in UNIT.exercises}
POINTS = {
    "additive_score": 18,
    "attention_weights": 16,
    "context_vector": 10,
    "read_both_ways": 22,
    "bahdanau_step": 20,
    "alignment_accuracy": 14,
}


def test_six_exercises_are_worth_100_points():
    assert {e.name: e.points for e in UNIT.exercises} == POINTS


# Notebooks, each as one student would write it: what a cell holds, and what it earns.


def score(state, memory, W_a, U_a, v_a):
    return torch.tanh((state @ W_a.T).unsqueeze(1) + memory @ U_a.T) @ v_a


def score_without_tanh(state, memory, W_a, U_a, v_a):
    return ((state @ W_a.T).unsqueeze(1) + memory @ U_a.T) @ v_a


def score_as_column(state, memory, W_a, U_a, v_a):
    return torch.tanh((state @ W_a.T).unsqueeze(1) + memory @ U_a.T) @ v_a.unsqueeze(1)


def weights(scores, lengths):
    padding = torch.arange(scores.size(1), device=scores.device) >= lengths.unsqueeze(1)
    return scores.masked_fill(padding, -torch.inf).softmax(1)


def weights_of_all(scores, lengths):
    return torch.softmax(scores, dim=-1)


def context(weights, memory):
    return (weights.unsqueeze(2) * memory).sum(1)


def context_as_row(weights, memory):
    return torch.bmm(weights.unsqueeze(1), memory)


def cell(x, h, p):
    return torch.tanh(x @ p["W"].T + h @ p["U"].T + p["b"])


def read(embedded, lengths, forward, backward, *, hold=True, joined=-1):
    """Exercise 4, with what some forget."""
    size = embedded.size(1)
    real = torch.arange(size, device=embedded.device) < lengths.unsqueeze(1)
    halves = []
    for p, order in ((forward, range(size)), (backward, range(size - 1, -1, -1))):
        h = embedded.new_zeros(len(embedded), len(p["b"]))
        states = [h] * size
        for j in order:
            h = cell(embedded[:, j], h, p)
            h = h * real[:, j : j + 1] if hold else h
            states[j] = h
        halves.append(torch.stack(states, 1))
    return torch.cat(halves, joined) * (1 if joined == 1 else real.unsqueeze(2))


def read_with_the_padding(embedded, lengths, forward, backward):
    return read(embedded, lengths, forward, backward, hold=False)


def read_without_lengths(embedded, lengths, forward, backward):
    everywhere = torch.full_like(lengths, embedded.size(1))
    return read_with_the_padding(embedded, everywhere, forward, backward)


def read_and_list(embedded, lengths, forward, backward, *, dtype=None, turn=False):
    """Exercise 4 with lists: the states from the right have to be turned back."""
    real = torch.arange(embedded.size(1), device=embedded.device) < lengths.unsqueeze(1)
    halves = []
    for p, order in ((forward, range(len(real[0]))), (backward, range(len(real[0]))[::-1])):
        h = torch.zeros(len(embedded), len(p["b"]), dtype=dtype)
        states = []
        for j in order:
            h = cell(embedded[:, j], h, p) * real[:, j : j + 1]
            states.append(h)
        halves.append(torch.stack(states[::-1] if turn and p is backward else states, 1))
    return torch.cat(halves, -1)


def read_and_list_in_any_dtype(embedded, *rest):
    return read_and_list(embedded, *rest, dtype=embedded.dtype)


def read_from_float32(*args):
    return read_and_list(*args, turn=True)


def read_along_the_words(embedded, lengths, forward, backward):
    return read(embedded, lengths, forward, backward, joined=1)


def step(score=score, weights=weights, context=context, first=False, past=False):
    """Exercise 5 out of one's own functions; ``first`` steps before it looks.

    With ``past`` the context goes past the new state.
    """

    def bahdanau_step(embedded, state, memory, lengths, params):
        p = params
        moved = embedded @ p["W"].T + state @ p["U"].T + p["b"]
        asks = torch.tanh(moved) if first else state
        alpha = weights(score(asks, memory, p["W_a"], p["U_a"], p["v_a"]), lengths)
        c = context(alpha, memory)
        return torch.tanh(moved if past else moved + c @ p["C"].T), c, alpha

    return bahdanau_step


def accuracy(weights, gold):
    linked = gold.any(1)
    hits = gold[torch.arange(len(gold)), weights.argmax(1)]
    return hits[linked].float().mean().item() if linked.any() else 1.0


def accuracy_of_the_source(weights, gold):
    linked = gold.any(0)
    hits = gold[weights.argmax(0), torch.arange(len(linked))]
    return float(hits.sum() / linked.sum()) if linked.any() else 1.0


def accuracy_of_all_words(weights, gold):
    return gold[torch.arange(len(gold)), weights.argmax(1)].float().mean().item()


def stub(*args):
    raise NotImplementedError


RIGHT = (score, weights, context, read, step(), accuracy)
NOTEBOOKS = {
    "all right": (RIGHT, (18, 16, 10, 22, 20, 14)),
    "the first three only": ((*RIGHT[:3], stub, stub, stub), (18, 16, 10, 0, 0, 0)),
    "Luong's order": ((*RIGHT[:4], step(first=True), accuracy), (18, 16, 10, 22, 10, 14)),
    "lengths are never used": (
        (score, weights_of_all, context, read_with_the_padding, step(weights=weights_of_all),
         accuracy),
        (18, 8, 10, 11, 10, 14),
    ),
    "a score without its tanh, used twice": (
        (score_without_tanh, weights, context, read, step(score_without_tanh), accuracy),
        (9, 16, 10, 22, 10, 14),
    ),
    "axes that are left over": (
        (score_as_column, weights, context, read_along_the_words, step(score_as_column),
         accuracy_of_all_words),
        (9, 16, 10, 11, 10, 7),
    ),
    "so many of them that a step cannot run": (
        (score_as_column, weights, context_as_row, read_along_the_words,
         step(score_as_column, weights, context_as_row), accuracy_of_all_words),
        (9, 16, 5, 11, 0, 7),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_earns_what_a_fair_teacher_would_give(name):
    functions, wanted = NOTEBOOKS[name]
    marks = [
        verdict_on(f"bahdanau/{exercise}", function).points
        for exercise, function in zip(POINTS, functions, strict=True)
    ]
    assert marks == list(wanted)


SLIPS = [
    ("additive_score", "no_axis", lambda s, h, w, u, v: torch.tanh(s @ w.T + h @ u.T) @ v),
    ("additive_score", "exchanged",
     lambda s, h, w, u, v: torch.tanh((s @ u.T)[:, None] + h @ w.T) @ v),
    ("attention_weights", "finite_fill", lambda e, n: e.masked_fill(
        torch.arange(e.shape[1]) >= n[:, None], -1e9).softmax(-1)),
    ("attention_weights", "one_more", lambda e, n: e.masked_fill(
        torch.arange(e.shape[1]) > n[:, None], -torch.inf).softmax(-1)),
    ("attention_weights", "zero_times_infinity", lambda e, n: torch.softmax(
        e + (torch.arange(e.shape[1]) >= n[:, None]).float() * float("-inf"), -1)),
    ("context_vector", "no_axis", lambda a, h: torch.sum(a * h, dim=1)),
    ("context_vector", "divided", lambda a, h: torch.mean(a.unsqueeze(-1) * h, dim=1)),
    ("read_both_ways", "from_the_padding", read_with_the_padding),
    ("read_both_ways", "no_lengths", read_without_lengths),
    ("read_both_ways", "listed_as_read", read_and_list_in_any_dtype),
    ("read_both_ways", "float32_start", read_from_float32),
    ("bahdanau_step", "steps_first", step(first=True)),
    ("bahdanau_step", "luongs_step", step(first=True, past=True)),
    ("bahdanau_step", "no_mask", step(weights=weights_of_all)),
    ("alignment_accuracy", "of_the_source", accuracy_of_the_source),
    ("alignment_accuracy", "mass", lambda a, g: (
        float((a * g).sum() / g.any(1).sum()) if g.any() else 1.0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "misconception", "function"), SLIPS)
def test_a_plausible_slip_is_named_and_keeps_half_of_the_points(name, misconception, function):
    verdict = verdict_on(f"bahdanau/{name}", function)
    assert verdict.misconception, str(verdict)
    assert verdict.misconception.name == misconception
    assert verdict.max_points / 2 <= verdict.points < verdict.max_points


def hard_tanh_score(state, memory, W_a, U_a, v_a):
    return ((state @ W_a.T)[:, None] + memory @ U_a.T).clamp(-1, 1) @ v_a


def squared_weights(scores, lengths):
    squares = weights(scores, lengths) ** 2
    return squares / squares.sum(-1, keepdim=True)


def shrunken(*args):
    return 0.9 * read(*args)


def gated_step(embedded, state, memory, lengths, params):
    new, c, alpha = step()(embedded, state, memory, lengths, params)
    return (new + state) / 2, c, alpha


def squared_accuracy(weights, gold):
    return accuracy(weights, gold) ** 2


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("additive_score", hard_tanh_score),
        ("attention_weights", squared_weights),
        ("context_vector", lambda a, h: (a[..., None] * h).amax(1)),
        ("read_both_ways", shrunken),
        ("bahdanau_step", gated_step),
        ("alignment_accuracy", squared_accuracy),
    ],
)
def test_wrong_code_that_nobody_foresaw_loses_points_and_is_told_something(name, function):
    verdict = verdict_on(f"bahdanau/{name}", function)
    assert verdict.status in ("partial", "wrong")
    assert verdict.misconception is None
    assert re.search(r"differ|row sums|values", verdict.message), verdict.message


def checks_of(name: str, function) -> dict[str, bool]:
    return {c.name: c.passed for c in verdict_on(f"bahdanau/{name}", function).checks}


def test_a_wrong_look_does_not_cost_what_follows_from_it():
    passed = checks_of("bahdanau_step", step(first=True))
    assert not passed["the state before the step asks"]
    assert passed["the context is the memory averaged by the weights"]
    assert passed["the new state takes in y, the state before and the context"]


def test_a_padded_batch_costs_only_what_is_wrong_in_it():
    passed = checks_of("read_both_ways", read_with_the_padding)
    assert passed["the first half is what the network from the left knows"]
    assert passed["the second half is what the network from the right knows"]
    assert not passed["it starts at each sentence's own last word"]


def weights_made_on_the_cpu(scores, lengths):
    padding = torch.arange(scores.shape[1]) >= lengths[:, None]
    return scores.masked_fill(padding, -torch.inf).softmax(-1)


def test_positions_made_on_the_cpu_cost_the_check_on_the_device_and_nothing_else():
    verdict = verdict_on("bahdanau/attention_weights", weights_made_on_the_cpu)
    [failed] = [check for check in verdict.checks if not check.passed]
    assert "device" in failed.name


@pytest.mark.parametrize("name", [name for name in POINTS if name != "alignment_accuracy"])
def test_half_precision_strided_inputs_gradients_and_a_gpu_are_among_the_cases(name):
    cases = [case for row in draw_cases(EXERCISES[name], 0) for case in row]
    tensors = [t for case in cases for t in tensors_in(case.args)]
    dtypes = {t.dtype for t in tensors}
    assert dtypes >= {torch.float16, torch.bfloat16, torch.float32, torch.float64}
    assert any(case.grad for case in cases)
    assert any(case.cuda for case in cases)
    assert not all(t.is_contiguous() for t in tensors) or name == "bahdanau_step"


def test_the_encoder_of_the_exercise_is_the_librarys():
    torch.manual_seed(0)
    encoder = RecurrentEncoder(11, 3, 10, cell="rnn", bidirectional=True).double()

    def params(rnn: nn.RNN) -> dict[str, Tensor]:
        return {"W": rnn.weight_ih_l0, "U": rnn.weight_hh_l0,
                "b": rnn.bias_ih_l0 + rnn.bias_hh_l0}  # fmt: skip

    src, lengths = torch.tensor([[4, 5, 6, 7], [8, 9, 0, 0]]), torch.tensor([4, 2])
    networks = params(encoder.rnn), params(encoder.backward_rnn)
    got = oracles.read_both_ways(encoder.embedding(src), lengths, *networks)
    torch.testing.assert_close(got, encoder(src, lengths)[0])


@pytest.mark.parametrize(
    "code",
    [
        "cell = torch.nn.GRUCell(3, 5)",
        "from torch import nn\nnet = nn.RNN(3, 5, bidirectional=True)",
        "from attention_lib.scores import additive_score as score\nscore(q, k, v)",
        "from attention_lib.attention import masked_softmax\nmasked_softmax(e, m)",
        "from attention_lib import metrics\nmetrics.hard_alignment(w)",
    ],
)
def test_what_is_the_answer_is_not_allowed(code):
    assert all(forbidden_calls(f"import torch\n{code}", e.forbidden) for e in UNIT.exercises)
