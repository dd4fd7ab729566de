"""The fast decoders equal one step after the other, in values and gradients."""

from itertools import product

import pytest
import torch
from torch import nn

from attention_lib.data.batching import Batch
from attention_lib.fast_recurrent import SharedMatrix, padded_lstm
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig

SCORES = ("dot", "scaled_dot", "general", "concat", "location")
ATTENTIONS = [
    {"attention": "bahdanau", "score": "concat"},
    *({"attention": "luong", "score": score} for score in SCORES),
]
CELLS = list(product(("lstm", "gru", "rnn"), (1, 2)))
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
SRC = torch.tensor([[4, 5, 6, 7, 8, 9, 10], [9, 4, 10, 1, 1, 1, 1], [5, 5, 8, 6, 2, 2, 2]])
LENGTHS = torch.tensor([7, 3, 4])
TGT = torch.tensor([[1, 4, 5, 6, 7], [1, 9, 4, 0, 0], [1, 8, 8, 9, 0]])


def name(options):
    return "-".join(str(value) for value in options.values())


def build(options, dtype=torch.float64, device="cpu", **more):
    torch.manual_seed(0)
    sizes = {"src_size": 11, "tgt_size": 13, "d_embed": 3, "d_hidden": 6, "dropout": 0.0}
    model = Seq2Seq(Seq2SeqConfig(**{**sizes, **options, **more}))
    return model.to(device=device, dtype=dtype)


def step_by_step(model, src, lengths, tgt):
    """The clear face: what decoding does."""
    state, logits, weights = model.start(src, lengths), [], []
    for words in tgt.unbind(1):
        step_logits, state, step_weights = model.step(words, state)
        logits.append(step_logits)
        weights.append(step_weights)
    return torch.stack(logits, 1), torch.stack(weights, 1)


def gradients(outputs, model):
    """Of a loss that looks at the logits and at the weights."""
    logits, weights = (part.double() for part in outputs)
    steps = torch.arange(1, weights.numel() + 1, device=weights.device).view_as(weights)
    total = logits.log_softmax(-1)[..., 4].sum() + (weights * steps.sin()).sum()
    return torch.autograd.grad(total, list(model.parameters()), allow_unused=True)


@pytest.mark.parametrize("options", ATTENTIONS, ids=name)
@pytest.mark.parametrize(("cell", "num_layers"), CELLS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_all_words_at_once_equal_one_after_the_other(options, cell, num_layers, dtype, device):
    model = build(options, dtype, device, cell=cell, num_layers=num_layers, bidirectional=True)
    inputs = SRC.to(device), LENGTHS.to(device), TGT.to(device)
    fast, clear = model(*inputs), step_by_step(model, *inputs)
    close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    for ours, wanted in zip(fast, clear, strict=True):
        torch.testing.assert_close(ours, wanted, **close)
    pairs = zip(gradients(fast, model), gradients(clear, model), strict=True)
    for (parameter, _), (ours, wanted) in zip(model.named_parameters(), pairs, strict=True):
        torch.testing.assert_close(ours, wanted, **close, msg=lambda m, p=parameter: f"{p}: {m}")


@pytest.mark.parametrize("options", ATTENTIONS, ids=name)
def test_half_precision_stays_near(options, device):
    model = build(options, torch.float32, device)
    inputs = SRC.to(device), LENGTHS.to(device), TGT.to(device)
    wanted, weights = model(*inputs)
    logits, half_weights = model.to(torch.bfloat16)(*inputs)
    assert logits.dtype == half_weights.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), wanted, rtol=0, atol=0.03)
    torch.testing.assert_close(half_weights.float(), weights, rtol=0, atol=0.03)


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("options", ATTENTIONS, ids=name)
def test_mixed_precision_gives_full_gradients_that_stay_near(options, padded, device):
    model = build(options, torch.float32, device, num_layers=2)
    lengths = LENGTHS if padded else torch.full_like(LENGTHS, SRC.shape[1])
    inputs = SRC.to(device), lengths.to(device), TGT.to(device)
    wanted = gradients(model(*inputs), model)
    with torch.autocast(device, torch.bfloat16):
        outputs = model(*inputs)
    for ours, exact in zip(gradients(outputs, model), wanted, strict=True):
        assert ours.dtype == torch.float32
        assert (ours - exact).norm() <= 0.1 * exact.norm() + 0.01


def test_dropout_between_layers_has_the_same_distribution_as_torchs():
    options = {"attention": "luong", "score": "general"}
    model = build(options, torch.float32, num_layers=2, dropout=0.4).train()
    copies = 4096
    inputs = SRC[:1].expand(copies, 7), LENGTHS[:1].expand(copies), TGT[:1, :3].expand(copies, 3)
    with torch.no_grad():
        fast, clear = model(*inputs)[0], step_by_step(model, *inputs)[0]
    error = (fast.var(0) / copies + clear.var(0) / copies).sqrt()
    assert ((fast.mean(0) - clear.mean(0)).abs() < 5 * error).all()
    torch.testing.assert_close(fast.std(0), clear.std(0), rtol=0.1, atol=0)


@pytest.mark.parametrize("options", [{"attention": "none"}, {"locality": "local-p"}, *ATTENTIONS])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_the_loss_is_the_sum_over_real_words_with_the_gradients_of_the_logits(options, smoothing):
    model = build(options)
    tgt_out = torch.tensor([[4, 5, 6, 7, 2], [9, 4, 2, 0, 0], [8, 8, 9, 2, 0]])
    total, count = model.loss(Batch(SRC, LENGTHS, TGT, tgt_out, pad=0), smoothing)
    logits, _ = model(SRC, LENGTHS, TGT)
    real = tgt_out != 0
    log_probs = logits[real].log_softmax(-1)
    # The share that is taken off the right word goes to all words but the padding.
    wanted = -(1 - smoothing) * log_probs.gather(1, tgt_out[real][:, None]).sum()
    wanted = wanted - smoothing * log_probs[:, 1:].sum() / 12
    torch.testing.assert_close(total, wanted, rtol=1e-10, atol=1e-10)
    assert count == 12
    parameters = list(model.parameters())
    ours = torch.autograd.grad(total, parameters)
    for got, exact in zip(ours, torch.autograd.grad(wanted, parameters), strict=True):
        torch.testing.assert_close(got, exact, rtol=1e-10, atol=1e-10)


def test_inputs_are_left_as_they_were():
    for options in ATTENTIONS:
        model = build(options)
        state = model.start(SRC, LENGTHS)
        tensors = [*state.hidden, state.attentional, state.memory.values, state.memory.keys]
        before = [tensor.clone() for tensor in tensors]
        model.decode(TGT, state)
        assert all(map(torch.equal, before, tensors))


def matrix_and_inputs(*batch):
    torch.manual_seed(0)
    options = {"dtype": torch.float64, "requires_grad": True}
    matrix, bias = torch.randn(*batch, 3, 5, **options), torch.randn(5, **options)
    return matrix, bias, [torch.randn(*batch, 7, 3, **options) for _ in range(4)]


def chain(times, inputs):
    """Products that wait for each other, as the steps of a network do."""
    total = 0
    for x in inputs:
        total = total + times(x + total.mean() if torch.is_tensor(total) else x).tanh()
    return total.sum()


@pytest.mark.parametrize("batch", [(), (2,)], ids=["one matrix", "one a sentence"])
def test_a_shared_matrix_gets_the_gradient_of_plain_products(batch):
    matrix, bias, inputs = matrix_and_inputs(*batch)
    leaves = [matrix, *inputs] if batch else [matrix, bias, *inputs]
    shared = SharedMatrix(matrix, None if batch else bias)
    ours = torch.autograd.grad(chain(shared, inputs), leaves)
    plain = chain(lambda x: x @ matrix + (0 if batch else bias), inputs)
    for got, wanted in zip(ours, torch.autograd.grad(plain, leaves), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


def test_a_graph_that_is_kept_gives_the_same_gradient_again_whatever_was_asked_before():
    matrix, bias, inputs = matrix_and_inputs()
    total = chain(SharedMatrix(matrix, bias), inputs)
    (of_input,) = torch.autograd.grad(total, inputs[0], retain_graph=True)
    first = torch.autograd.grad(total, [matrix, bias, inputs[0]], retain_graph=True)
    again = torch.autograd.grad(total, [matrix, bias, inputs[0]])
    assert all(map(torch.equal, first, again))
    assert torch.equal(first[2], of_input)
    (wanted,) = torch.autograd.grad(chain(lambda x: x @ matrix + bias, inputs), matrix)
    torch.testing.assert_close(first[0], wanted, rtol=1e-10, atol=1e-10)


def test_a_frozen_matrix_costs_no_gradient():
    matrix, bias, inputs = matrix_and_inputs()
    shared = SharedMatrix(matrix.detach(), bias.detach())
    chain(shared, inputs).backward()
    assert not shared.seen
    assert inputs[0].grad is not None


def test_a_second_derivative_is_refused():
    matrix, bias, inputs = matrix_and_inputs()
    total = chain(SharedMatrix(matrix, bias), inputs)
    (gradient,) = torch.autograd.grad(total, inputs[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_the_padded_lstm_equals_torchs_packed_one(num_layers, dtype, device):
    torch.manual_seed(0)
    rnn = nn.LSTM(5, 11, num_layers, batch_first=True).to(device=device, dtype=dtype)
    inputs = torch.randn(3, 7, 5, dtype=dtype, device=device, requires_grad=True)
    packed = nn.utils.rnn.pack_padded_sequence(
        inputs, LENGTHS, batch_first=True, enforce_sorted=False
    )
    outputs, state = rnn(packed)
    memory, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    ours, (h, c) = padded_lstm(rnn, inputs, LENGTHS)
    leaves, results = [inputs, *rnn.parameters()], []
    for parts in ((memory, *state), (ours, h, c)):
        total = sum(part.sin().sum() for part in parts)
        results.append([*parts, *torch.autograd.grad(total, leaves)])
    for got, wanted in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_what_stands_in_the_padding_does_not_reach_the_padded_lstm():
    torch.manual_seed(0)
    rnn, inputs = nn.LSTM(5, 11, 2, batch_first=True), torch.randn(3, 7, 5)
    other = inputs.clone()
    other[1, 3:], other[2, 4:] = 17.0, -17.0
    outputs, state = padded_lstm(rnn, inputs, LENGTHS)
    changed, state_changed = padded_lstm(rnn, other, LENGTHS)
    assert torch.equal(outputs, changed)
    assert all(map(torch.equal, state, state_changed))
    assert (outputs[1, 3:] == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_the_padded_lstm_stays_near_in_half_precision(dtype, device):
    torch.manual_seed(0)
    rnn = nn.LSTM(5, 11, batch_first=True).to(device)
    inputs = torch.randn(3, 7, 5, device=device)
    wanted, _ = padded_lstm(rnn, inputs, LENGTHS)
    outputs, _ = padded_lstm(rnn.to(dtype), inputs.to(dtype), LENGTHS)
    assert outputs.dtype == dtype
    torch.testing.assert_close(outputs.float(), wanted, rtol=0, atol=0.03)


def test_what_another_pass_left_is_in_no_gradient():
    matrix, bias, inputs = matrix_and_inputs()
    shared = SharedMatrix(matrix, bias)
    one, other = (shared(x).tanh().sum() for x in inputs[:2])
    torch.autograd.grad(one, inputs[0], retain_graph=True)
    ours = torch.autograd.grad(other, [matrix, bias])
    wanted = torch.autograd.grad((inputs[1] @ matrix + bias).tanh().sum(), [matrix, bias])
    for got, exact in zip(ours, wanted, strict=True):
        torch.testing.assert_close(got, exact, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_an_lstm_learns_in_either_half_precision(dtype, device):
    model = build(ATTENTIONS[0], torch.float32, device, num_layers=2)
    inputs = SRC.to(device), LENGTHS.to(device), TGT.to(device)
    with torch.autocast(device, dtype):
        outputs = model(*inputs)
    assert all(part.isfinite().all() for part in gradients(outputs, model))
