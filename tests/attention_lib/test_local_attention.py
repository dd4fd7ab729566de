"""Local attention against values computed by hand and a loop in NumPy float64."""

import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attention_lib.local_attention import local_m_mask, local_p_centre, local_p_weights
from attention_lib.masks import length_mask

PRIMES = st.sampled_from([1, 2, 3, 5, 7, 11])
# The device does not change from one example to the next.
SAME_DEVICE = {"suppress_health_check": [HealthCheck.function_scoped_fixture]}


def draw(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng([seed, *shape]).normal(size=shape))


def local_p_by_loops(hidden, scores, lengths, w_p, v_p, window):
    out = np.zeros(scores.shape)
    for b, t in np.ndindex(*scores.shape[:2]):
        length = lengths[b]
        centre = length / (1 + np.exp(-(v_p @ np.tanh(w_p @ hidden[b, t]))))
        inside = [s for s in range(length) if abs(s - centre) <= window]
        if inside:
            exps = np.exp([scores[b, t, s] - max(scores[b, t, inside]) for s in inside])
            bell = [np.exp(-((s - centre) ** 2) / (2 * (window / 2) ** 2)) for s in inside]
            out[b, t, inside] = exps / exps.sum() * bell
    return out


@settings(max_examples=40, deadline=None, **SAME_DEVICE)
@given(PRIMES, PRIMES, PRIMES, st.integers(1, 6), st.integers(0, 10**6))
def test_local_p_equals_the_paper_written_out(device, batch, steps, longest, window, seed):
    lengths = np.random.default_rng(seed).integers(1, longest + 1, size=batch)
    lengths[0] = longest
    hidden, scores = draw(batch, steps, 5, seed=seed), draw(batch, steps, longest, seed=seed + 1)
    w_p, v_p = draw(3, 5, seed=seed), 3 * draw(3, seed=seed)
    src_mask = length_mask(torch.from_numpy(lengths))
    inputs = (x.to(device) for x in (hidden, scores, src_mask, w_p, v_p))
    got = local_p_weights(*inputs, window).cpu()
    arrays = [x.numpy() for x in (hidden, scores)]
    wanted = local_p_by_loops(*arrays, lengths, w_p.numpy(), v_p.numpy(), window)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-9, atol=1e-12)


def test_local_p_by_hand():
    # Zero parameters put the centre in the middle: p = 4 · σ(0) = 2. With D = 2, σ = 1 and equal
    # scores, positions 0 … 3 share 1/4 each, times exp(−d²/2) for d = 2, 1, 0, 1.
    weights = local_p_weights(
        torch.zeros(1, 1, 3),
        torch.zeros(1, 1, 4),
        torch.ones(1, 4, dtype=torch.bool),
        torch.zeros(2, 3),
        torch.zeros(2),
        window=2,
    )
    bell = [math.exp(-2), math.exp(-0.5), 1.0, math.exp(-0.5)]
    torch.testing.assert_close(weights[0, 0], torch.tensor(bell) / 4)


def test_local_p_centre_stays_inside_each_sentence():
    lengths = torch.tensor([3, 11])
    centre = local_p_centre(100 * draw(2, 7, 5), draw(3, 5), 100 * draw(3), lengths)
    assert (centre >= 0).all()
    assert (centre <= lengths[:, None]).all()


def test_local_p_does_not_look_at_the_padding(device):
    hidden, w_p, v_p = (x.to(device) for x in (draw(2, 3, 5), draw(2, 5), draw(2)))
    scores, src_mask = draw(2, 3, 7).to(device), length_mask(torch.tensor([4, 7])).to(device)
    alone = local_p_weights(hidden[:1], scores[:1, :, :4], src_mask[:1, :4], w_p, v_p, 2)
    padded = local_p_weights(hidden, scores, src_mask, w_p, v_p, 2)
    torch.testing.assert_close(padded[:1, :, :4], alone)
    assert (padded[0, :, 4:] == 0).all()


def test_local_p_gradients_pass_gradcheck(device):
    inputs = [draw(1, 2, 5), draw(1, 2, 7), 0.1 * draw(3, 5), 0.1 * draw(3)]
    hidden, scores, w_p, v_p = (x.to(device).requires_grad_() for x in inputs)
    src_mask = torch.ones(1, 7, dtype=torch.bool, device=device)
    assert torch.autograd.gradcheck(
        lambda h, e, w, v: local_p_weights(h, e, src_mask, w, v, 2), (hidden, scores, w_p, v_p)
    )


def test_local_p_refuses_a_window_without_width():
    with pytest.raises(ValueError, match="window is 0"):
        local_p_weights(
            torch.zeros(1, 1, 1),
            torch.zeros(1, 1, 1),
            torch.ones(1, 1, dtype=torch.bool),
            torch.zeros(1, 1),
            torch.zeros(1),
            0,
        )


@settings(max_examples=40, deadline=None, **SAME_DEVICE)
@given(PRIMES, PRIMES, st.integers(0, 4), st.integers(0, 10**6))
def test_local_m_window_follows_the_step_and_waits_at_the_end(device, steps, longest, window, seed):
    lengths = np.random.default_rng(seed).integers(1, longest + 1, size=3)
    src_mask = length_mask(torch.from_numpy(lengths), longest).to(device)
    mask = local_m_mask(steps, src_mask, window).cpu()
    for b, t, s in np.ndindex(*mask.shape):
        centre = min(t, lengths[b] - 1)
        assert mask[b, t, s] == (abs(s - centre) <= window and s < lengths[b])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("autocast", [False, True])
def test_the_centre_of_local_p_is_exact_in_half_precision(device, dtype, autocast):
    """bfloat16 knows eight bits of a position: near 300 it would miss by up to one."""
    hidden, w_p, v_p = (x.to(device, dtype) for x in (draw(4, 5, 7), draw(3, 7), draw(3)))
    lengths = torch.tensor([300, 200, 299, 11], device=device)
    with torch.autocast(device, dtype, enabled=autocast):
        centre = local_p_centre(hidden, w_p, v_p, lengths)
    exact = local_p_centre(*(x.double() for x in (hidden, w_p, v_p)), lengths)
    torch.testing.assert_close(centre.double(), exact, rtol=0, atol=1e-3)
