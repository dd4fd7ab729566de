import pytest
import torch

from attention_lib.masks import causal_mask, length_mask, sliding_window_mask, window_mask


def test_length_mask_is_true_exactly_at_real_positions(device):
    mask = length_mask(torch.tensor([0, 2, 5], device=device), 5)
    assert mask.device.type == device
    assert mask.dtype == torch.bool
    assert mask.sum(1).tolist() == [0, 2, 5]
    assert torch.equal(mask, mask.sort(dim=1, descending=True).values)


def test_length_mask_refuses_a_length_beyond_the_padding():
    with pytest.raises(ValueError, match="length 7, but max_length is 5"):
        length_mask(torch.tensor([7]), 5)


def test_length_mask_refuses_lengths_of_the_wrong_shape():
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        length_mask(torch.tensor([[1, 2]]))


def test_causal_mask_lets_each_position_see_itself_and_the_past(device):
    mask = causal_mask(5, device=device)
    assert mask.device.type == device
    for i in range(5):
        assert mask[i].tolist() == [j <= i for j in range(5)]


def test_window_mask_holds_the_real_positions_within_the_half_width(device):
    centre = torch.tensor([[1.5, 4.0]], device=device)
    src_mask = torch.tensor([[True] * 5 + [False] * 2], device=device)
    mask = window_mask(centre, src_mask, 1)
    assert mask[0, 0].nonzero().flatten().tolist() == [1, 2]
    assert mask[0, 1].nonzero().flatten().tolist() == [3, 4]


def test_window_mask_refuses_a_negative_window():
    with pytest.raises(ValueError, match="window is -1"):
        window_mask(torch.zeros(1, 1), torch.ones(1, 3, dtype=torch.bool), -1)


def test_sliding_window_mask_holds_the_positions_within_the_half_width(device):
    mask = sliding_window_mask(7, 2, device=device)
    causal = sliding_window_mask(7, 2, causal=True, device=device)
    assert mask.device.type == causal.device.type == device
    for i in range(7):
        assert mask[i].tolist() == [abs(i - j) <= 2 for j in range(7)]
        assert causal[i].tolist() == [0 <= i - j <= 2 for j in range(7)]


def test_sliding_window_mask_of_the_whole_length_is_the_causal_mask():
    assert torch.equal(sliding_window_mask(5, 4, causal=True), causal_mask(5))


def test_sliding_window_mask_refuses_a_negative_window():
    with pytest.raises(ValueError, match="window is -1"):
        sliding_window_mask(3, -1)
