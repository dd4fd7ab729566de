"""What is measured inside a model, on maps whose answer is known."""

import math

import pytest
import torch

from attention_lib.attention import masked_softmax
from attention_lib.inside import (
    ablate_head,
    attention_entropy,
    attention_rollout,
    induction_score,
)
from attention_lib.multihead import MultiHeadAttention, record_attention
from attention_lib.transformer import Transformer, TransformerConfig


def _weights(*shape: int, causal: bool = False) -> torch.Tensor:
    scores = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    if causal:
        scores = scores.masked_fill(torch.ones(shape[-2:]).triu(1).bool(), -torch.inf)
    return scores.softmax(-1)


def test_entropy_is_largest_for_equal_weights_and_zero_for_one_or_none(device):
    for n in (1, 3, 11):
        even = torch.full((2, n), 1 / n, dtype=torch.float64, device=device)
        assert torch.allclose(attention_entropy(even), torch.full_like(even[:, 0], math.log(n)))
    assert attention_entropy(torch.zeros(5, device=device)).item() == 0
    weights = _weights(2, 3, 5, 7).to(device)
    assert bool((attention_entropy(weights) < math.log(7)).all())
    by_hand = -(weights * weights.log()).sum(-1)
    assert torch.allclose(attention_entropy(weights), by_hand)


def test_rollout_multiplies_the_layers_with_their_residuals(device):
    layers = [_weights(2, 3, 5, 5), _weights(2, 3, 5, 5).flip(-1), _weights(2, 3, 5, 5).mT]
    layers[2] = layers[2] / layers[2].sum(-1, keepdim=True)
    steps = [0.5 * layer.mean(1) + 0.5 * torch.eye(5, dtype=torch.float64) for layer in layers]
    rolled = attention_rollout([layer.to(device) for layer in layers]).cpu()
    assert torch.allclose(rolled, steps[2] @ steps[1] @ steps[0])
    assert torch.allclose(rolled.sum(-1), torch.ones(2, 5, dtype=torch.float64))


def test_rollout_of_causal_layers_is_causal():
    layers = [_weights(1, 3, 7, 7, causal=True)] * 4
    assert torch.equal(attention_rollout(layers).triu(1), torch.zeros(1, 7, 7).double())


def test_induction_is_one_for_a_copying_head_and_small_for_an_even_one(device):
    period, length = 5, 15
    perfect = torch.zeros(length, length, device=device)
    for i in range(length):
        perfect[i, max(0, i - period + 1)] = 1
    assert induction_score(perfect, period).item() == 1
    previous = torch.eye(length, device=device).roll(-1, dims=1)
    assert induction_score(previous, period).item() == 0
    even = torch.ones(length, length, device=device).tril()
    even = even / even.sum(-1, keepdim=True)
    wanted = torch.tensor([1 / (i + 1) for i in range(period, length)]).mean()
    assert induction_score(even, period).item() == pytest.approx(wanted.item())


def test_a_silenced_head_is_one_whose_output_rows_are_zero(device):
    torch.manual_seed(0)
    attention, x = MultiHeadAttention(21, 3), torch.randn(2, 5, 21)
    attention, x = attention.to(device, torch.float64), x.to(device, torch.float64)
    before, _ = attention(x)
    with ablate_head(attention, "", 1):
        silenced, _ = attention(x)
    after, _ = attention(x)
    columns = attention.out_proj.weight[:, 7:14].clone()
    attention.out_proj.weight.data[:, 7:14] = 0
    by_hand, _ = attention(x)
    attention.out_proj.weight.data[:, 7:14] = columns
    assert torch.allclose(silenced, by_hand)
    assert not torch.allclose(silenced, before)
    assert torch.equal(before, after)


def test_a_whole_model_is_recorded_and_silenced_by_the_same_names(device):
    torch.manual_seed(0)
    model = Transformer(TransformerConfig.tiny(vocab_size=17)).eval().to(device, torch.float64)
    src, tgt_in = (torch.tensor(ids, device=device) for ids in ([[4, 5, 6]], [[1, 7]]))
    inputs = src, torch.tensor([3]), tgt_in
    with record_attention(model) as maps:
        before, _ = model(*inputs)
    for name in maps:
        with ablate_head(model, name, 2):
            assert not torch.allclose(model(*inputs)[0], before)
    assert torch.allclose(model(*inputs)[0], before, atol=1e-10)


def test_what_cannot_be_measured_is_named():
    with pytest.raises(ValueError, match="no layers"):
        attention_rollout([])
    with pytest.raises(ValueError, match="layer 0 are 5 × 7"):
        attention_rollout([_weights(1, 2, 5, 7)])
    with pytest.raises(ValueError, match="period is 4 in a sequence of 7"):
        induction_score(_weights(7, 7), 4)
    attention = MultiHeadAttention(8, 2)
    with (
        pytest.raises(ValueError, match="no attention is called 'x'"),
        ablate_head(attention, "x", 0),
    ):
        pass
    with (
        pytest.raises(ValueError, match="head is 2; '' has heads 0 … 1"),
        ablate_head(attention, "", 2),
    ):
        pass


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_entropy_has_a_finite_slope_where_a_weight_is_zero(device, dtype):
    scores = torch.tensor([[0.0, -2000.0, -1.0]], dtype=dtype, device=device, requires_grad=True)
    entropy = attention_entropy(masked_softmax(scores))
    entropy.sum().backward()
    pair = torch.tensor([0.0, -1.0], dtype=torch.float64, requires_grad=True)
    wanted = attention_entropy(pair.softmax(-1))
    wanted.backward()
    atol = 2e-3 if dtype == torch.float16 else 1e-6
    assert abs(entropy.item() - wanted.item()) < atol
    slopes = torch.tensor([pair.grad[0], 0.0, pair.grad[1]], dtype=torch.float64)
    torch.testing.assert_close(scores.grad[0].double().cpu(), slopes, rtol=0, atol=atol)


def test_the_entropy_of_nothing_known_is_not_known():
    assert attention_entropy(torch.tensor([0.5, math.nan])).isnan()
