"""Steps, paths and gradients against length."""

import pytest
import torch
from torch import nn

from attention_lib.cells import cell_params, rnn_step, unroll
from attention_lib.recurrence_cost import (
    gradient_norm_by_distance,
    maximum_path_length,
    path_lengths,
    sequential_operations,
    sequential_steps,
)


def test_a_recurrent_layer_waits_at_each_position_and_the_others_do_not():
    for length in (1, 2, 13, 997):
        assert sequential_operations("recurrent", length) == length
        assert sequential_operations("self-attention", length) == 1
        assert sequential_operations("convolutional", length) == 1


@pytest.mark.parametrize("kernel_size", [2, 3, 5])
@pytest.mark.parametrize("dilated", [False, True])
def test_as_many_convolutions_as_the_path_says_join_first_and_last_and_one_fewer_does_not(
    kernel_size, dilated
):
    for length in (2, 3, 9, 10, 27, 28, 101):
        layers = maximum_path_length(
            "convolutional", length, kernel_size=kernel_size, dilated=dilated
        )
        assert last_sees_first(length, layers, kernel_size, dilated)
        assert not last_sees_first(length, layers - 1, kernel_size, dilated)


def last_sees_first(length, layers, kernel_size, dilated):
    signal = torch.zeros(1, 1, length)
    signal[..., 0] = 1.0
    ones = torch.ones(1, 1, kernel_size)
    for layer in range(layers):
        step = kernel_size**layer if dilated else 1
        padded = nn.functional.pad(signal, (step * (kernel_size - 1), 0))
        signal = nn.functional.conv1d(padded, ones, dilation=step)
    return bool(signal[..., -1] > 0)


def test_gradient_norms_are_those_of_the_jacobian():
    torch.manual_seed(0)
    params = cell_params(nn.RNN(2, 5).double())
    inputs = torch.randn(3, 7, 2).double()

    def run(x):
        lengths = torch.full((len(x),), x.shape[1])
        return unroll(rnn_step, x, (x.new_zeros(len(x), 5),), lengths, params)[0]

    jacobian = torch.stack(
        [torch.autograd.functional.jacobian(lambda x: run(x)[0, -1], row[None]) for row in inputs]
    )  # (3, 5, 1, 7, 2)
    wanted = jacobian.square().sum(dim=(1, 2, 4)).sqrt().mean(0).flip(0)
    got = gradient_norm_by_distance(run, inputs)
    torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)


def test_gradients_fade_by_the_recurrent_weight_at_each_step():
    half = torch.tensor([[[0.5]]]).double()

    def run(x):
        state, outputs = x.new_zeros(len(x), 1), []
        for word in x.unbind(1):
            state = word + state @ half[0]
            outputs.append(state)
        return torch.stack(outputs, 1)

    norms = gradient_norm_by_distance(run, torch.zeros(2, 11, 1).double())
    torch.testing.assert_close(norms, 0.5 ** torch.arange(11).double())


def test_unknown_layers_and_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="layer is 'lstm'; wanted one of recurrent, self-att"):
        sequential_operations("lstm", 3)
    with pytest.raises(ValueError, match="length is 0; wanted at least 1"):
        maximum_path_length("recurrent", 0)
    with pytest.raises(ValueError, match="kernel_size is 1; wanted at least 2"):
        maximum_path_length("convolutional", 7, kernel_size=1)
    with pytest.raises(ValueError, match=r"inputs have shape \(7, 2\); wanted"):
        gradient_norm_by_distance(lambda x: x, torch.zeros(7, 2))


def recurrent(length: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.eye(length).bool(), torch.ones(length - 1).diag(-1).bool()


def attention(length: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones(length, length).bool(), torch.zeros(length, length).bool()


def convolutions(length: int, kernel_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """As many layers as it takes the last position to see the first; steps go layer by layer."""
    layers = maximum_path_length("convolutional", length, kernel_size=kernel_size)
    window = torch.ones(length, length).tril().triu(1 - kernel_size).bool()
    reads = torch.zeros(layers, length, length).bool()
    reads[0] = window
    needs = torch.zeros(layers, length, layers, length).bool()
    for layer in range(1, layers):
        needs[layer, :, layer - 1] = window
    return reads.flatten(0, 1), needs.flatten(2, 3).flatten(0, 1)


@pytest.mark.parametrize("length", [2, 3, 7, 11])
def test_what_is_counted_step_by_step_is_what_the_formulas_say(length):
    for layer, (reads, needs) in (
        ("recurrent", recurrent(length)),
        ("self-attention", attention(length)),
    ):
        assert sequential_steps(needs) == sequential_operations(layer, length)
        assert int(path_lengths(reads, needs).max()) == maximum_path_length(layer, length)
    reads, needs = convolutions(length, 3)
    farthest = maximum_path_length("convolutional", length)
    assert int(path_lengths(reads, needs)[-1, 0]) == farthest == sequential_steps(needs)


def test_an_encoder_and_a_decoder_of_14_tokens_take_28_steps():
    assert sequential_steps(recurrent(28)[1]) == 28


def test_chains_side_by_side_take_as_long_as_the_longer():
    needs = torch.zeros(7, 7).bool()
    for t, s in ((2, 0), (4, 2), (6, 4), (3, 1), (5, 3)):  # 0-2-4-6 and 1-3-5
        needs[t, s] = True
    assert sequential_steps(needs) == 4
    assert sequential_steps(torch.zeros(0, 0).bool()) == 0


def test_of_several_ways_the_shortest_counts_and_none_is_zero():
    reads = torch.tensor([[True, False], [False, False], [False, False], [False, False]])
    needs = torch.zeros(4, 4).bool()
    needs[2, 1] = needs[3, 2] = needs[2, 0] = needs[3, 0] = True
    before = reads.clone(), needs.clone()
    assert path_lengths(reads, needs).tolist() == [[1, 0], [0, 0], [2, 0], [2, 0]]
    assert torch.equal(reads, before[0])
    assert torch.equal(needs, before[1])


def test_steps_that_need_later_ones_are_refused():
    with pytest.raises(ValueError, match="step 0 needs step 2; number the steps"):
        sequential_steps(torch.ones(1).diag(2).bool())
    with pytest.raises(ValueError, match=r"needs has shape \(2, 3\); wanted \(T, T\)"):
        sequential_steps(torch.zeros(2, 3).bool())
    with pytest.raises(ValueError, match=r"reads has shape \(3, 5\); wanted \(2, words\)"):
        path_lengths(torch.zeros(3, 5).bool(), torch.zeros(2, 2).bool())
