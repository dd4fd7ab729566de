"""Scores against hand-computed values and against loops in NumPy float64."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attention_lib import scores

PRIMES = st.sampled_from([1, 2, 3, 5, 7])
# The device does not change from one example to the next.
SAME_DEVICE = {"suppress_health_check": [HealthCheck.function_scoped_fixture]}


def draw(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng([seed, *shape]).normal(size=shape))


def pairwise(score_one, query, key):
    """Apply a score of one query and one key to all pairs, in a loop."""
    batch, queries, keys = query.shape[0], query.shape[1], key.shape[1]
    out = np.empty((batch, queries, keys))
    for b, t, s in np.ndindex(out.shape):
        out[b, t, s] = score_one(query[b, t].numpy(), key[b, s].numpy())
    return out


@settings(max_examples=25, deadline=None, **SAME_DEVICE)
@given(PRIMES, PRIMES, PRIMES, PRIMES, PRIMES, PRIMES, st.integers(0, 10**6))
def test_every_content_score_equals_its_equation_pair_by_pair(device, b, t, s, d_q, d_k, d_a, seed):
    query, key = draw(b, t, d_q, seed=seed), draw(b, s, d_k, seed=seed + 1)
    same = draw(b, s, d_q, seed=seed + 2)
    general, concat = draw(d_q, d_k, seed=seed), draw(d_a, d_q + d_k, seed=seed)
    v = draw(d_a, seed=seed)
    cases = [
        (scores.dot_score, (query, same), pairwise(lambda q, k: q @ k, query, same)),
        (
            scores.scaled_dot_score,
            (query, same),
            pairwise(lambda q, k: q @ k / np.sqrt(d_q), query, same),
        ),
        (
            scores.general_score,
            (query, key, general),
            pairwise(lambda q, k: q @ general.numpy() @ k, query, key),
        ),
        (
            scores.concat_score,
            (query, key, concat, v),
            pairwise(
                lambda q, k: v.numpy() @ np.tanh(concat.numpy() @ np.concatenate([q, k])),
                query,
                key,
            ),
        ),
    ]
    for score, inputs, wanted in cases:
        got = score(*(x.to(device) for x in inputs)).cpu()
        np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-10, atol=1e-12)


def test_location_score_reads_the_query_and_the_positions_alone(device):
    query, weight = draw(2, 3, 5), draw(11, 5)
    got = scores.location_score(query.to(device), weight.to(device), 7).cpu()
    np.testing.assert_allclose(got, np.einsum("btd,sd->bts", query, weight[:7]), rtol=1e-12)


def test_location_score_refuses_a_source_longer_than_it_knows():
    with pytest.raises(ValueError, match="12 positions, the location score knows 11"):
        scores.location_score(draw(1, 1, 5), draw(11, 5), 12)


def test_general_score_with_the_identity_is_the_dot_score():
    query, key = draw(2, 3, 5), draw(2, 7, 5, seed=1)
    identity = torch.eye(5, dtype=torch.float64)
    torch.testing.assert_close(
        scores.general_score(query, key, identity), scores.dot_score(query, key)
    )


def test_concat_score_by_hand():
    # tanh is odd and saturates: v·tanh(W[q; k]) = 2·tanh(50) + 1·tanh(−50) = 1.
    weight = torch.tensor([[50.0, 0.0], [0.0, 50.0]])
    got = scores.concat_score(
        torch.tensor([[1.0]]), torch.tensor([[-1.0]]), weight, torch.tensor([2.0, 1.0])
    )
    torch.testing.assert_close(got, torch.tensor([[1.0]]))


def test_gradients_of_every_score_pass_gradcheck(device):
    shapes = [(2, 3, 5), (2, 2, 5), (5, 5), (3,), (3, 10), (7, 5)]
    inputs = [draw(*shape, seed=i).to(device) for i, shape in enumerate(shapes)]
    query, key, general, v, concat, location = (x.requires_grad_() for x in inputs)
    assert torch.autograd.gradcheck(scores.dot_score, (query, key))
    assert torch.autograd.gradcheck(scores.scaled_dot_score, (query, key))
    assert torch.autograd.gradcheck(scores.general_score, (query, key, general))
    assert torch.autograd.gradcheck(scores.concat_score, (query, key, concat, v))
    assert torch.autograd.gradcheck(lambda q, w: scores.location_score(q, w, 4), (query, location))


def test_mismatched_sizes_are_named():
    with pytest.raises(ValueError, match="query has dimension 63, key has 64"):
        scores.dot_score(torch.zeros(1, 2, 63), torch.zeros(1, 2, 64))
    with pytest.raises(ValueError, match=r"weight has shape \(3, 2\); wanted .* = \(2, 3\)"):
        scores.general_score(torch.zeros(1, 2), torch.zeros(1, 3), torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"wanted \(d_a, d_q \+ d_k\) = \(4, 5\)"):
        scores.concat_score(torch.zeros(1, 2), torch.zeros(1, 3), torch.zeros(4, 6), torch.zeros(4))
