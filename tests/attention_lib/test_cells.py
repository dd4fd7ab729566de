"""The cells written out equal torch's, one step and unrolled, values and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attention_lib.cells import CellParams, cell_params, gru_step, lstm_step, rnn_step, unroll

CELLS = {
    "rnn": (rnn_step, nn.RNN, nn.RNNCell),
    "lstm": (lstm_step, nn.LSTM, nn.LSTMCell),
    "gru": (gru_step, nn.GRU, nn.GRUCell),
}
PRIMES = st.sampled_from([1, 2, 3, 5, 7, 11])
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
LENGTHS = torch.tensor([7, 3, 1])


def start(name, batch, d_h, **like):
    return tuple(torch.randn(batch, d_h, **like) for _ in range(2 if name == "lstm" else 1))


def network(name, dtype=torch.float64, device="cpu", layers=1):
    torch.manual_seed(0)
    return CELLS[name][1](5, 11, layers, batch_first=True).to(device=device, dtype=dtype)


def torchs(module, inputs, state, lengths):
    """Run torch's network packed; outputs and state in the form of ``unroll``."""
    packed = nn.utils.rnn.pack_padded_sequence(
        inputs, lengths, batch_first=True, enforce_sorted=False
    )
    initial = tuple(part[None] for part in state)
    outputs, last = module(packed, initial if len(initial) > 1 else initial[0])
    outputs, _ = nn.utils.rnn.pad_packed_sequence(
        outputs, batch_first=True, total_length=inputs.shape[1]
    )
    return outputs, tuple(part[0] for part in (last if isinstance(last, tuple) else (last,)))


@pytest.mark.parametrize("name", CELLS)
@settings(max_examples=15, deadline=None)
@given(batch=PRIMES, d_in=PRIMES, d_h=PRIMES, seed=st.integers(0, 99))
def test_one_step_equals_torchs_cell(name, batch, d_in, d_h, seed):
    torch.manual_seed(seed)
    step, _, kind = CELLS[name]
    cell = kind(d_in, d_h).double()
    inputs, state = torch.randn(batch, d_in).double(), start(name, batch, d_h, dtype=torch.double)
    params = CellParams(cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    wanted = cell(inputs, state if name == "lstm" else state[0])
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    for got, part in zip(step(inputs, state, params), wanted, strict=True):
        torch.testing.assert_close(got, part, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_unrolled_over_a_padded_batch_it_equals_torchs_packed_network(name, dtype, device):
    module = network(name, dtype, device)
    inputs = torch.randn(3, 7, 5, dtype=dtype, device=device)
    state = start(name, 3, 11, dtype=dtype, device=device)
    got, wanted = [], []
    for run, gradients in ((unroll, got), (torchs, wanted)):
        leaves = [inputs.clone().requires_grad_(), *(s.clone().requires_grad_() for s in state)]
        if run is unroll:
            params = cell_params(module)
            outputs, last = unroll(CELLS[name][0], leaves[0], tuple(leaves[1:]), LENGTHS, params)
        else:
            outputs, last = torchs(module, leaves[0], tuple(leaves[1:]), LENGTHS)
        total = outputs.square().sum() + sum(part.sin().sum() for part in last)
        gradients += [outputs, *last]
        gradients += torch.autograd.grad(total, [*leaves, *module.parameters()])
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("name", CELLS)
def test_what_stands_in_the_padding_has_no_effect(name):
    params, inputs = cell_params(network(name)), torch.randn(3, 7, 5).double()
    state, other = start(name, 3, 11, dtype=torch.double), inputs.clone()
    other[1, 3:], other[2, 1:] = 17.0, -17.0
    outputs, last = unroll(CELLS[name][0], inputs, state, LENGTHS, params)
    changed, last_changed = unroll(CELLS[name][0], other, state, LENGTHS, params)
    assert torch.equal(outputs, changed)
    assert all(map(torch.equal, last, last_changed))
    assert (outputs[1, 3:] == 0).all()
    assert torch.equal(last[0][1], outputs[1, 2])


@pytest.mark.parametrize("name", CELLS)
def test_a_sentence_without_words_leaves_the_state_as_it_was(name):
    params, inputs = cell_params(network(name)), torch.randn(2, 3, 5).double()
    state = start(name, 2, 11, dtype=torch.double)
    outputs, last = unroll(CELLS[name][0], inputs, state, torch.tensor([3, 0]), params)
    assert (outputs[1] == 0).all()
    for part, before in zip(last, state, strict=True):
        assert torch.equal(part[1], before[1])


@pytest.mark.parametrize("name", CELLS)
def test_gradients_pass_gradcheck(name):
    torch.manual_seed(0)
    module = CELLS[name][1](2, 3).double()
    params = [p.detach().clone().requires_grad_() for p in cell_params(module)]
    inputs, lengths = torch.randn(2, 3, 2).double().requires_grad_(), torch.tensor([3, 2])
    state = start(name, 2, 3, dtype=torch.double)

    def run(inputs, *values):
        return unroll(CELLS[name][0], inputs, state, lengths, CellParams(*values))[0]

    assert torch.autograd.gradcheck(run, (inputs, *params))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_keeps_its_dtype_and_stays_near(name, dtype, device):
    module = network(name, torch.float32, device)
    inputs = torch.randn(3, 7, 5, device=device)
    state = start(name, 3, 11, device=device)
    wanted, _ = unroll(CELLS[name][0], inputs, state, LENGTHS, cell_params(module))
    halves = tuple(part.to(dtype) for part in state)
    params = CellParams(*(p.to(dtype) for p in cell_params(module)))
    outputs, _ = unroll(CELLS[name][0], inputs.to(dtype), halves, LENGTHS, params)
    assert outputs.dtype == dtype
    torch.testing.assert_close(outputs.float(), wanted, rtol=0, atol=0.05)


@pytest.mark.parametrize("name", CELLS)
def test_inputs_and_state_are_left_as_they_were(name):
    inputs, state = torch.randn(3, 7, 5).double(), start(name, 3, 11, dtype=torch.double)
    before = [inputs.clone(), *(part.clone() for part in state)]
    unroll(CELLS[name][0], inputs, state, LENGTHS, cell_params(network(name)))
    assert all(map(torch.equal, before, [inputs, *state]))


def test_the_params_of_a_layer_are_those_of_torchs_network():
    module = network("gru", layers=2)
    assert cell_params(module, 1).W_ih is module.weight_ih_l1
    with pytest.raises(ValueError, match="layer is 2; the network has 2, from 0"):
        cell_params(module, 2)


def test_sizes_that_disagree_are_refused():
    params = cell_params(network("gru"))
    state = (torch.zeros(3, 11).double(),)
    with pytest.raises(ValueError, match=r"W_ih has shape \(33, 5\); wanted \(33, 4\): 3 blocks"):
        gru_step(torch.zeros(3, 4).double(), state, params)
    with pytest.raises(ValueError, match=r"W_ih has shape \(33, 5\); wanted \(44, 5\): 4 blocks"):
        lstm_step(torch.zeros(3, 5).double(), state * 2, params)
    with pytest.raises(ValueError, match=r"state has 1 parts; wanted 2: \(h, c\) for an LSTM"):
        lstm_step(torch.zeros(3, 5).double(), state, params)
    with pytest.raises(ValueError, match="a sequence has length 8, but max_length is 7"):
        unroll(gru_step, torch.zeros(3, 7, 5).double(), state, torch.tensor([8, 1, 1]), params)
