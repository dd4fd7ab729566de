"""The fast forms compute what torch's own do."""

import pytest
import torch
from torch.nn import functional as F

from attention_lib import fast
from attention_lib.fast import Dropout, vocabulary_loss
from attention_lib.losses import label_smoothing_loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("tokens", [1, 37, 101])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_the_vocabulary_loss_is_label_smoothed_cross_entropy(
    device, monkeypatch, smoothing, biased, tokens, dtype, bound
):
    monkeypatch.setattr(fast, "_ROWS", 37)
    torch.manual_seed(0)
    hidden = torch.randn(tokens, 7, dtype=dtype, device=device, requires_grad=True)
    weight = torch.randn(13, 7, dtype=dtype, device=device, requires_grad=True)
    bias = torch.randn(13, dtype=dtype, device=device, requires_grad=True) if biased else None
    targets = torch.randint(1, 13, (tokens,), device=device)
    inputs = [x for x in (hidden, weight, bias) if x is not None]
    ours = vocabulary_loss(hidden, weight, targets, bias=bias, label_smoothing=smoothing)
    logits = F.linear(hidden, weight, bias)
    wanted = label_smoothing_loss(logits, targets, smoothing, pad=0, reduction="sum")
    assert torch.allclose(ours, wanted, rtol=bound, atol=bound)
    for mine, other in zip(
        torch.autograd.grad(3 * ours, inputs), torch.autograd.grad(3 * wanted, inputs), strict=True
    ):
        assert (mine - other).abs().max() <= bound * other.abs().max()


def test_the_vocabulary_loss_in_half_precision_is_summed_in_float32(device):
    hidden = torch.randn(300, 16, device=device).to(torch.bfloat16)
    weight = torch.randn(50, 16, device=device).to(torch.bfloat16)
    targets = torch.randint(50, (300,), device=device)
    total = vocabulary_loss(hidden, weight, targets)
    wanted = F.cross_entropy((hidden @ weight.mT).float(), targets, reduction="sum")
    assert total.dtype == torch.float32
    assert torch.allclose(total, wanted, rtol=1e-2)


def test_evaluation_forms_no_gradients(monkeypatch):
    def never(*_):
        raise AssertionError("gradients were formed")

    monkeypatch.setattr(fast, "_add_products", never)
    hidden, weight = torch.randn(5, 3, requires_grad=True), torch.randn(7, 3, requires_grad=True)
    with torch.no_grad():
        total = vocabulary_loss(hidden, weight, torch.tensor([1, 2, 3, 4, 5]))
    assert not total.requires_grad


def test_a_target_outside_the_vocabulary_is_named():
    with pytest.raises(IndexError, match="targets run from 2 to 5; the vocabulary has ids 0 … 4"):
        vocabulary_loss(torch.zeros(2, 3), torch.zeros(5, 3), torch.tensor([2, 5]))


def test_dropout_keeps_the_share_it_names_and_the_expectation(device):
    torch.manual_seed(0)
    x = torch.ones(1001, 997, device=device)
    dropped = Dropout(0.25)(x)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=2e-3)
    assert dropped.mean().item() == pytest.approx(1, abs=2e-3)
    assert len(dropped.unique()) == 2


def test_dropout_spreads_evenly_over_all_places_of_a_word():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(40_000, 8)) > 0).float().mean(0)
    assert torch.allclose(kept, torch.full((8,), 0.5), atol=0.015)


def test_dropout_sends_gradients_where_it_let_values_pass():
    torch.manual_seed(0)
    x = torch.ones(31, 7, dtype=torch.float64, requires_grad=True)
    dropped = Dropout(0.5)(x)
    (gradient,) = torch.autograd.grad(dropped.sum(), x)
    assert torch.equal(gradient, dropped.detach())


def test_dropout_repeats_with_the_seed_and_is_absent_in_evaluation():
    dropout, x = Dropout(0.5), torch.ones(5, 7)
    torch.manual_seed(3)
    first = dropout(x)
    torch.manual_seed(3)
    assert torch.equal(dropout(x), first)
    assert dropout.eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_a_probability_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"dropout is 1\.0"):
        Dropout(1.0)


def test_a_second_derivative_is_refused_rather_than_wrong():
    hidden = torch.randn(5, 3, requires_grad=True)
    loss = vocabulary_loss(hidden, torch.randn(7, 3), torch.tensor([1, 0, 6, 2, 2]))
    with pytest.raises(RuntimeError, match="can be differentiated once, without create_graph"):
        torch.autograd.grad(loss, hidden, create_graph=True)
