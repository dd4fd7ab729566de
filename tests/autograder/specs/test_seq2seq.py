"""What is special to unit 2: whole notebooks, slips as students write them, and torch's numbers."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autograder.checks import verdict_on
from autograder.checks.cases import tensors_in
from autograder.checks.forbidden import forbidden_calls
from autograder.checks.spec import draw_cases, load_unit
from autograder.specs.seq2seq import oracles

UNIT = load_unit("seq2seq")
EXERCISES = {e.name: e for e in UNIT.exercises}


def verdict(name, function):
    return verdict_on(f"seq2seq/{name}", function)


def stub(*args):
    raise NotImplementedError()


# --- Functions as students write them -----------------------------------------------------


def step(words, state, p):
    x = p["E"][words]
    state = torch.tanh(x @ p["W_ih"].T + state @ p["W_hh"].T + p["b"])
    return state @ p["W_s"].T + p["b_s"], state


def encode(src, lengths, p, *, stay=True, start=torch.zeros):
    h = start(src.shape[0], p["b"].shape[0], dtype=p["b"].dtype, device=src.device)
    for t in range(src.shape[1]):
        new = torch.tanh(p["E"][src[:, t]] @ p["W_ih"].T + h @ p["W_hh"].T + p["b"])
        h = torch.where((lengths > t).unsqueeze(1), new, h) if stay else new
    return h


def encode_to_the_end(src, lengths, p):
    return encode(src, lengths, p, stay=False)


def encode_from_anywhere(src, lengths, p):
    return encode(src, lengths, p, start=torch.randn)


def encode_in_the_usual_dtype(src, lengths, p):
    return encode(src, lengths, p, start=lambda *sizes, dtype, device: torch.zeros(*sizes))


def encode_up_to_the_first_0(src, lengths, p):
    h = torch.zeros(src.shape[0], p["b"].shape[0], dtype=p["b"].dtype, device=src.device)
    for words in src.unbind(1):
        new = torch.tanh(p["E"][words] @ p["W_ih"].T + h @ p["W_hh"].T + p["b"])
        h = torch.where((words != 0)[:, None], new, h)
    return h


def flip(src, lengths):
    return torch.flip(src, [1])


def reverse(src, lengths):
    rows = [torch.cat([s[:n].flip(0), s[n:]]) for s, n in zip(src, lengths, strict=True)]
    return torch.stack(rows)


def forcing(state, targets, bos, p, *, own_words=False):
    words = torch.full((targets.shape[0],), bos, device=targets.device)
    logits = []
    for t in range(targets.shape[1]):
        row, state = step(words, state, p)
        logits.append(row)
        words = row.argmax(1) if own_words else targets[:, t]
    return torch.stack(logits, 1)


def forcing_unshifted(state, targets, bos, p):
    logits = []
    for t in range(targets.shape[1]):
        row, state = step(targets[:, t], state, p)
        logits.append(row)
    return torch.stack(logits, 1)


def loss(logits, targets, pad):
    log_p = F.log_softmax(logits, dim=-1)
    cost = -log_p.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    real = targets != pad
    return (cost * real).sum() / real.sum()


def loss_over_all(logits, targets, pad):
    log_p = F.log_softmax(logits, dim=-1)
    return -log_p.gather(-1, targets.unsqueeze(-1)).mean()


def loss_per_sentence(logits, targets, pad):
    cost = -F.log_softmax(logits, -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    real = (targets != pad).to(cost.dtype)
    return ((cost * real).sum(1) / real.sum(1)).mean()


def loss_as_a_number(logits, targets, pad):
    return float(loss(logits, targets, pad))


def loss_without_pad_among_the_words(logits, targets, pad):
    others = logits.clone()
    others[..., pad] = -float("inf")
    log_p = F.log_softmax(others, dim=-1)
    return -log_p.gather(-1, targets.unsqueeze(-1)).squeeze(-1)[targets != pad].mean()


def greedy(state, p, bos, eos, pad, max_length, *, until="each"):
    words = torch.full((len(state),), bos, device=state.device)
    done = torch.zeros(len(state), dtype=torch.bool, device=state.device)
    written = torch.full((len(state), max_length), pad, device=state.device)
    for t in range(max_length):
        logits, state = step(words, state, p)
        words = logits.argmax(-1)
        written[:, t] = torch.where(done, pad, words) if until == "each" else words
        done = done | (words == eos)
        if until == "any" and bool((words == eos).any()):
            break
    return written


def greedy_on_and_on(*args):
    return greedy(*args, until="never")


def greedy_until_any(*args):
    return greedy(*args, until="any")


def greedy_with_known_ids(state, p, bos, eos, pad, max_length):
    return greedy(state, p, 1, 2, 0, max_length)


def greedy_at_random(state, p, bos, eos, pad, max_length):
    words, columns = torch.full((len(state),), bos, device=state.device), []
    for _ in range(max_length):
        logits, state = step(words, state, p)
        words = torch.multinomial(logits.softmax(-1), 1)[:, 0]
        columns.append(words)
    return torch.stack(columns, 1)


RIGHT = {
    "encode": encode,
    "reverse_padded": reverse,
    "decoder_step": step,
    "teacher_forcing": forcing,
    "sequence_loss": loss,
    "greedy_decode": greedy,
}

# --- Six whole notebooks, and the marks that a fair teacher would give ---------------------

NOTEBOOKS = {
    "everything right": ({}, 100),
    "nothing but the decoder's step": (dict.fromkeys(set(RIGHT) - {"decoder_step"}, stub), 16),
    "the first three exercises": (
        {"teacher_forcing": stub, "sequence_loss": stub, "greedy_decode": stub}, 46,
    ),
    "padding forgotten everywhere": (
        {"encode": encode_to_the_end, "reverse_padded": flip, "sequence_loss": loss_over_all},
        100 - 9 - 6 - 9,
    ),
    "never stops, and cheats in training": (
        {"teacher_forcing": forcing_unshifted, "greedy_decode": greedy_on_and_on},
        100 - 8 - 10,
    ),
    "a slip in each of the last three": (
        {
            "teacher_forcing": lambda *args: forcing(*args, own_words=True),
            "sequence_loss": loss_per_sentence,
            "greedy_decode": greedy_until_any,
        },
        46 + 8 + 9 + 10,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "wanted"), NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_a_notebook_gets_the_marks_that_a_fair_teacher_would_give(changed, wanted):
    points = [verdict(name, f).points for name, f in (RIGHT | changed).items()]
    assert sum(points) == pytest.approx(wanted), points


SLIPS = [
    ("encode", "reads_padding", encode_to_the_end),
    ("encode", "pad_by_id", encode_up_to_the_first_0),
    ("encode", "usual_dtype", encode_in_the_usual_dtype),
    ("reverse_padded", "flipped", flip),
    ("teacher_forcing", "not_shifted", forcing_unshifted),
    ("teacher_forcing", "free_running", lambda *args: forcing(*args, own_words=True)),
    ("sequence_loss", "counts_padding", loss_over_all),
    ("sequence_loss", "mean_of_means", loss_per_sentence),
    ("sequence_loss", "plain_number", loss_as_a_number),
    ("sequence_loss", "never_pad", loss_without_pad_among_the_words),
    ("greedy_decode", "no_stop", greedy_on_and_on),
    ("greedy_decode", "ends_all", greedy_until_any),
    ("greedy_decode", "fixed_ids", greedy_with_known_ids),
]


@pytest.mark.parametrize(("name", "misconception", "function"), SLIPS)
def test_a_plausible_slip_is_named_and_keeps_half_of_the_points(name, misconception, function):
    result = verdict(name, function)
    assert result.misconception, str(result)
    assert result.misconception.name == misconception
    assert result.max_points / 2 <= result.points < result.max_points


def hard_tanh(words, state, p):
    x = p["E"][words]
    state = (x @ p["W_ih"].T + state @ p["W_hh"].T + p["b"]).clamp(-1, 1)
    return state @ p["W_s"].T + p["b_s"], state


def smoothed(logits, targets, pad):
    return 0.9 * loss(logits, targets, pad) - 0.1 * logits.log_softmax(-1).mean()


def second_best(state, p, bos, eos, pad, max_length):
    words, columns = torch.full((len(state),), bos, device=state.device), []
    for _ in range(max_length):
        logits, state = step(words, state, p)
        words = logits.topk(2).indices[:, 1]
        columns.append(words)
    return torch.stack(columns, 1)


OUTSIDE_THE_BANK = [
    ("encode", encode_from_anywhere),
    ("decoder_step", hard_tanh),
    ("sequence_loss", smoothed),
    ("greedy_decode", second_best),
]


@pytest.mark.parametrize(("name", "function"), OUTSIDE_THE_BANK)
def test_wrong_code_that_nobody_foresaw_loses_points_and_is_told_something(name, function):
    result = verdict(name, function)
    assert result.status in ("partial", "wrong")
    assert result.misconception is None
    assert result.points < result.max_points / 2
    assert "First failing check" in result.message


@pytest.mark.parametrize(
    ("name", "function"),
    [("encode", encode_from_anywhere), ("greedy_decode", greedy_at_random)],
)
def test_what_is_drawn_at_random_is_told_so(name, function):
    assert "drawn at random" in verdict(name, function).message


def test_a_first_state_in_the_usual_dtype_costs_the_check_on_dtypes_and_nothing_else():
    result = verdict("encode", encode_in_the_usual_dtype)
    [failed] = [check for check in result.checks if not check.passed]
    assert "dtype" in failed.name


def reverse_on_the_cpu(src, lengths):
    places, n = torch.arange(src.shape[1]), lengths[:, None]
    return src.gather(1, torch.where(places < n, n - 1 - places, places))


def test_new_tensors_on_the_cpu_cost_the_check_on_the_device_and_nothing_else():
    result = verdict("reverse_padded", reverse_on_the_cpu)
    [failed] = [check for check in result.checks if not check.passed]
    assert "device" in failed.name


def test_wrong_states_do_not_cost_the_logits():
    """The logits follow from the student's own state: one slip costs once."""
    result = verdict("decoder_step", hard_tanh)
    marks = {check.name: check.passed for check in result.checks}
    assert not marks["the new state follows from the word and the state before"]
    assert marks["the logits follow from the new state"]


def test_a_stub_that_is_called_is_named():
    def decoder_step(words, state, params):
        raise NotImplementedError()

    def greedy_decode(state, params, bos, eos, pad, max_length):
        return decoder_step(torch.full((len(state),), bos), state, params)

    result = verdict("greedy_decode", greedy_decode)
    assert "calls decoder_step, which is still the stub" in result.message


def test_sentences_of_a_case_end_where_it_says():
    [together] = [c for c in EXERCISES["greedy_decode"].checks if "does not end" in c.name]
    for row in draw_cases(EXERCISES["greedy_decode"], 7):
        for case in row:
            written = oracles.greedy_decode(*case.args)
            assert written.shape == (len(case.args[0]), case.args[-1])
    case = draw_cases(EXERCISES["greedy_decode"], 7)[
        EXERCISES["greedy_decode"].checks.index(together)
    ][0]
    eos = case.args[3]
    ends = [row.index(eos) + 1 for row in oracles.greedy_decode(*case.args).tolist()]
    assert ends == [1, 5, 3]


@pytest.mark.parametrize("name", ["encode", "decoder_step", "teacher_forcing", "sequence_loss"])
def test_half_precision_strided_inputs_gradients_and_a_gpu_are_among_the_cases(name):
    cases = [case for row in draw_cases(EXERCISES[name], 0) for case in row]
    tensors = [t for case in cases for t in tensors_in(case.args)]
    dtypes = {t.dtype for t in tensors}
    assert dtypes >= {torch.float16, torch.bfloat16, torch.float32, torch.float64}
    assert not all(t.is_contiguous() for t in tensors)
    assert any(case.grad for case in cases)
    assert any(case.cuda for case in cases)


def test_the_exercises_follow_torch():
    """Carried over into torch's network, the parameters give torch's numbers."""
    torch.manual_seed(0)
    network, table = nn.RNN(3, 5, batch_first=True).double(), torch.randn(7, 3).double()
    params: dict[str, Tensor] = {
        "E": table, "W_ih": network.weight_ih_l0, "W_hh": network.weight_hh_l0,
        "b": network.bias_ih_l0 + network.bias_hh_l0,
    }  # fmt: skip
    src = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])
    context = oracles.encode(src, torch.tensor([4, 2]), params)
    torch.testing.assert_close(context[:1], network(table[src[:1]])[1][0])
    torch.testing.assert_close(context[1:], network(table[src[1:, :2]])[1][0])


@pytest.mark.parametrize(
    "code",
    [
        "cell = torch.nn.RNNCell(3, 5)",
        "import torch.nn.functional as F\nF.cross_entropy(logits, targets, ignore_index=0)",
        "loss = torch.nn.CrossEntropyLoss(ignore_index=0)",
        "from attention_lib.recurrent import reverse_padded as r\nr(src, lengths)",
        "from attention_lib.losses import sequence_loss as s\ns(logits, targets, 0)",
        "from attention_lib.decoding import greedy_decode as g\ng(model, src, n)",
    ],
)
def test_what_is_the_answer_is_not_allowed(code):
    assert all(forbidden_calls(f"import torch\n{code}", e.forbidden) for e in UNIT.exercises)


def test_what_the_notebook_imports_is_allowed():
    code = "from attention_lib.data.batching import batches\nbatches(pairs, a, b)"
    assert not forbidden_calls(code, EXERCISES["encode"].forbidden)
