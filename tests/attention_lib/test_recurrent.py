from itertools import product

import pytest
import torch
from torch import nn

from attention_lib.cells import cell_params, gru_step, lstm_step, rnn_step, unroll
from attention_lib.recurrent import RecurrentEncoder, make_rnn, reverse_padded

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
STEPS = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}
KINDS = list(product(CELLS, [False, True]))


def encoder(cell, bidirectional, num_layers=2, device="cpu"):
    torch.manual_seed(0)
    options = {"cell": cell, "num_layers": num_layers, "bidirectional": bidirectional}
    # A GPU's float32 recurrent networks may round to 10 bits.
    return RecurrentEncoder(11, 3, 10, **options).eval().to(device, torch.float64)


@pytest.mark.parametrize(("cell", "bidirectional"), KINDS)
def test_a_sentence_is_encoded_alike_alone_and_padded_in_a_batch(device, cell, bidirectional):
    model = encoder(cell, bidirectional, device=device)
    src = torch.tensor([[4, 5, 6, 7, 8], [9, 4, 10, 3, 3]], device=device)
    lengths = torch.tensor([5, 2])
    memory, state = model(src, lengths)
    alone, state_alone = model(src[1:, :2], lengths[1:])
    torch.testing.assert_close(memory[1:, :2], alone)
    assert (memory[1, 2:] == 0).all()
    for part, part_alone in zip(state, state_alone, strict=True):
        torch.testing.assert_close(part[:, 1:], part_alone)


@pytest.mark.parametrize("cell", CELLS)
def test_two_directions_equal_torchs_bidirectional_network(device, cell):
    model = encoder(cell, bidirectional=True, num_layers=1, device=device)
    theirs = CELLS[cell](3, 5, batch_first=True, bidirectional=True).to(device, torch.float64)
    weights = model.rnn.state_dict()
    weights |= {f"{k}_reverse": v for k, v in model.backward_rnn.state_dict().items()}
    theirs.load_state_dict(weights)
    src = torch.tensor([[4, 5, 6, 7]], device=device)
    memory, _ = model(src, torch.tensor([4]))
    torch.testing.assert_close(memory, theirs(model.embedding(src))[0])


@pytest.mark.parametrize(("cell", "bidirectional"), KINDS)
def test_the_encoder_equals_the_cells_unrolled_with_a_mask(device, cell, bidirectional):
    model = encoder(cell, bidirectional, num_layers=1, device=device)
    src = torch.tensor([[4, 5, 6, 7, 8], [9, 4, 10, 3, 3]], device=device)
    lengths = torch.tensor([5, 2])
    packed, packed_state = model(src, lengths)

    def masked(network, inputs):
        start = tuple(inputs.new_zeros(2, network.hidden_size) for _ in packed_state)
        return unroll(STEPS[cell], inputs, start, lengths, cell_params(network))

    embedded = model.embedding(src)
    outputs, state = masked(model.rnn, embedded)
    if bidirectional:
        turned, state_back = masked(model.backward_rnn, reverse_padded(embedded, lengths))
        outputs = torch.cat([outputs, reverse_padded(turned, lengths)], -1)
        state = tuple(torch.cat(pair, -1) for pair in zip(state, state_back, strict=True))
    torch.testing.assert_close(outputs, packed, rtol=0, atol=1e-10)
    for part, wanted in zip(state, packed_state, strict=True):
        torch.testing.assert_close(part, wanted[0], rtol=0, atol=1e-10)


def test_reverse_padded_is_its_own_inverse_and_keeps_the_padding(device):
    values, lengths = torch.arange(24, device=device).view(3, 4, 2), torch.tensor([4, 1, 3])
    turned = reverse_padded(values, lengths)
    assert torch.equal(reverse_padded(turned, lengths), values)
    assert torch.equal(turned[2, :3], values[2, :3].flip(0))
    assert torch.equal(turned[2, 3], values[2, 3])


def test_bad_configurations_are_refused():
    with pytest.raises(ValueError, match="d_hidden is 7; two directions want an even number"):
        RecurrentEncoder(11, 3, 7, bidirectional=True)
    with pytest.raises(ValueError, match="cell is 'tree'"):
        make_rnn("tree", 2, 3)
    with pytest.raises(ValueError, match="a sentence is empty; wanted at least 1 word"):
        encoder("gru", False)(torch.tensor([[0]]), torch.tensor([0]))
