from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from attention_lib.data.batching import Batch
from attention_lib.losses import (
    label_smoothed_targets,
    label_smoothing_loss,
    sequence_loss,
    translation_loss,
)


def example(seed=0, pad=3, size=11, device="cpu", dtype=torch.float64):
    """Logits and targets of which some, and one whole row, are padding."""
    torch.manual_seed(seed)
    logits = torch.randn(5, 7, size, dtype=dtype).to(device).requires_grad_()
    targets = torch.randint(size, (5, 7))
    targets[1, 4:], targets[2, :] = pad, pad
    return logits, targets.to(device)


def written_out(logits, targets, smoothing, pad):
    """The cross-entropy of the smoothed targets, summed, as the paper has it."""
    size, dtype = logits.shape[-1], logits.dtype
    smoothed = label_smoothed_targets(targets, size, smoothing, pad, dtype=dtype)
    return -(smoothed * logits.log_softmax(-1)).sum()


@settings(deadline=None)
@given(st.floats(0, 1), st.sampled_from([0, 3, 10]))
def test_smoothed_targets_are_probabilities_without_mass_on_the_padding(smoothing, pad):
    _, targets = example(pad=pad)
    smoothed = label_smoothed_targets(targets, 11, smoothing, pad)
    real = targets != pad
    assert (smoothed >= 0).all()
    assert (smoothed[..., pad] == 0).all()
    assert (smoothed[~real] == 0).all()
    torch.testing.assert_close(smoothed.sum(-1), real.float())
    true = smoothed.gather(-1, targets[..., None])[real]
    torch.testing.assert_close(true, torch.full_like(true, 1 - smoothing + smoothing / 10))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("pad", [0, 3, 10])
def test_the_loss_and_its_gradient_are_those_of_the_written_out_targets(device, smoothing, pad):
    logits, targets = example(pad=pad, device=device)
    wanted = written_out(logits, targets, smoothing, pad)
    total = label_smoothing_loss(logits, targets, smoothing, pad, reduction="sum")
    torch.testing.assert_close(total, wanted, atol=1e-10, rtol=0)
    grads = [torch.autograd.grad(loss, logits)[0] for loss in (total, wanted)]
    torch.testing.assert_close(*grads, atol=1e-10, rtol=0)
    mean = label_smoothing_loss(logits, targets, smoothing, pad)
    torch.testing.assert_close(mean * (targets != pad).sum(), wanted, atol=1e-10, rtol=0)


def test_it_equals_torchs_smoothing_over_a_vocabulary_without_padding():
    """With a padding that the model never writes, and torch given no column for it."""
    logits, targets = example(pad=0)
    logits.data[..., 0] = -1e4
    flat, real = logits[..., 1:].flatten(0, 1), targets.flatten() - 1
    wanted = F.cross_entropy(flat, real, ignore_index=-1, label_smoothing=0.1)
    got = label_smoothing_loss(logits, targets, 0.1, 0)
    torch.testing.assert_close(got, wanted, atol=1e-10, rtol=0)


def test_without_smoothing_it_is_the_sequence_loss():
    logits, targets = example()
    torch.testing.assert_close(
        label_smoothing_loss(logits, targets, 0.0, 3), sequence_loss(logits, targets, 3)
    )


def test_smoothing_punishes_certainty():
    certain = torch.tensor([[0.0, 40.0, 0.0]])
    target = torch.tensor([1])
    assert label_smoothing_loss(certain, target, 0.0, 0) < 1e-6
    assert label_smoothing_loss(certain, target, 0.1, 0) > 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_close(device, dtype):
    logits, targets = example(device=device)
    half = label_smoothing_loss(logits.to(dtype), targets, 0.1, 3)
    whole = label_smoothing_loss(logits, targets, 0.1, 3)
    assert abs(float(half.detach()) - float(whole.detach())) < 0.05


def test_smoothing_must_be_a_probability():
    logits, targets = example()
    for wrong in (-0.1, 1.1):
        with pytest.raises(ValueError, match=f"smoothing is {wrong}; wanted a probability"):
            label_smoothing_loss(logits, targets, wrong, 3)
        with pytest.raises(ValueError, match=f"smoothing is {wrong}; wanted a probability"):
            label_smoothed_targets(targets, 11, wrong, 3)


def test_the_translation_loss_sums_over_real_target_words_and_counts_them():
    logits, targets = example(pad=0)
    src, lengths = torch.ones(5, 2, dtype=torch.long), torch.full((5,), 2)
    batch = Batch(src=src, src_lengths=lengths, tgt_in=targets, tgt_out=targets, pad=0)
    for smoothing in (0.0, 0.1):
        loss = translation_loss(lambda *_: (logits, None), batch, label_smoothing=smoothing)
        assert loss.count == int((targets != 0).sum())
        wanted = written_out(logits, targets, smoothing, 0)
        torch.testing.assert_close(loss.total, wanted, atol=1e-10, rtol=0)


def test_padding_a_batch_further_changes_nothing():
    logits, targets = example(pad=0)
    longer = torch.cat([logits, torch.randn(5, 2, 11, dtype=torch.float64)], dim=1)
    padded = torch.cat([targets, torch.zeros(5, 2, dtype=torch.long)], dim=1)
    losses = []
    for some, out in ((logits, targets), (longer, padded)):
        batch = SimpleNamespace(src=None, src_lengths=None, tgt_in=None, tgt_out=out, pad=0)
        losses.append(translation_loss(lambda *_, s=some: (s, None), batch, label_smoothing=0.1))
    torch.testing.assert_close(losses[0].total, losses[1].total, atol=1e-10, rtol=0)
    assert losses[0].count == losses[1].count


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_large_vocabulary_does_not_overflow_float16(reduction):
    logits, targets = torch.randn(8, 30_011), torch.randint(1, 30_011, (8,))
    half, whole = (
        label_smoothing_loss(given, targets, 0.1, 0, reduction=reduction)
        for given in (logits.half(), logits)
    )
    assert half.isfinite()
    torch.testing.assert_close(half, whole, rtol=1e-3, atol=0)


def test_a_padding_that_cannot_be_written_leaves_the_loss_finite():
    """A model may set the padding's logit to -inf: no target gives it any probability."""
    logits, targets = torch.randn(5, 7).double(), torch.tensor([1, 4, 0, 6, 2])
    logits[:, 0] = -torch.inf
    logits.requires_grad_()
    loss = label_smoothing_loss(logits, targets, 0.1, 0)
    wanted = label_smoothed_targets(targets, 7, 0.1, 0, dtype=torch.float64)[:, 1:]
    log_probs = logits.detach()[:, 1:].log_softmax(-1)
    torch.testing.assert_close(loss.detach(), -(wanted * log_probs).sum() / 4)
    loss.backward()
    assert logits.grad[:, 1:].isfinite().all()
