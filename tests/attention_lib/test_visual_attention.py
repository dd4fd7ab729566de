"""Soft attention, the penalty and the sampled estimator, enumerated where they can be."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attention_lib.visual_attention import (
    doubly_stochastic_penalty,
    gated_context,
    hard_attention_loss,
    sample_locations,
    soft_attention,
)


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@given(st.sampled_from([1, 2, 5]), st.sampled_from([1, 3, 7]), st.sampled_from([1, 2, 11]))
def test_soft_attention_is_an_average_of_features_for_sizes_of_every_kind(batch, locations, d_a):
    hidden, features = draw(batch, 5), draw(batch, locations, 3, seed=1)
    context, weights = soft_attention(
        hidden, features, draw(d_a, 5, seed=2), draw(d_a, 3, seed=3), draw(d_a, seed=4)
    )
    torch.testing.assert_close(weights.sum(-1), torch.ones(batch, dtype=torch.float64))
    torch.testing.assert_close(context, torch.einsum("bl,bld->bd", weights, features))


def test_soft_attention_gradients_pass_gradcheck():
    shapes = [(2, 5), (2, 7, 3), (11, 5), (11, 3), (11,)]
    inputs = [draw(*shape, seed=i).requires_grad_() for i, shape in enumerate(shapes)]
    assert torch.autograd.gradcheck(soft_attention, inputs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_written_functions_work_in_half_precision(dtype, device):
    hidden, features = draw(2, 5).to(device, dtype), draw(2, 7, 3).to(device, dtype)
    params = [draw(11, 5).to(device, dtype), draw(11, 3).to(device, dtype)]
    context, weights = soft_attention(hidden, features, *params, draw(11).to(device, dtype))
    assert context.dtype == weights.dtype == dtype
    wide = [part.float() for part in (hidden, features, *params, draw(11).to(device, dtype))]
    torch.testing.assert_close(weights.float(), soft_attention(*wide)[1], rtol=0.05, atol=0.02)
    one_hot, log_prob = sample_locations(weights, torch.tensor([True, False], device=device))
    assert one_hot.dtype == log_prob.dtype == dtype


def test_the_penalty_sums_over_steps_first_and_over_locations_then():
    weights = draw(3, 5, 7).softmax(-1)
    mask = torch.arange(5) < torch.tensor([5, 2, 3])[:, None]
    got = doubly_stochastic_penalty(weights, mask)
    for i, length in enumerate([5, 2, 3]):
        wanted = sum((1 - weights[i, :length, j].sum()) ** 2 for j in range(7))
        torch.testing.assert_close(got[i], wanted)


def test_steps_without_a_word_cost_nothing_and_get_no_gradient():
    weights = draw(2, 5, 3).softmax(-1).requires_grad_()
    mask = torch.arange(5) < torch.tensor([5, 2])[:, None]
    doubly_stochastic_penalty(weights, mask).sum().backward()
    assert (weights.grad[1, 2:] == 0).all()
    alone = doubly_stochastic_penalty(weights[1:, :2], mask[1:, :2])
    torch.testing.assert_close(doubly_stochastic_penalty(weights, mask)[1:], alone)


def test_looking_once_at_every_location_costs_nothing():
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert float(doubly_stochastic_penalty(torch.eye(3)[None], mask)) == 0


def test_a_step_mask_of_numbers_is_refused():
    with pytest.raises(TypeError, match=r"step_mask has dtype torch.float32; wanted torch.bool"):
        doubly_stochastic_penalty(torch.eye(3)[None], torch.ones(1, 3))


# Hard attention: a world of 3 locations and 2 steps, in which the bound can be enumerated.
# As in the model, what is seen at the first step decides where the second looks.

SCORES, TRANSITION, VALUES = draw(3), draw(3, 3, seed=1), draw(3, 3, seed=2)


def tiny(scores, transition, values, s):
    """Give log p(y | s) and log p(s) of one path s, and the entropy of its two looks."""
    first = scores.log_softmax(-1)
    second = (scores + transition[s[0]]).log_softmax(-1)
    words = -((values[s[0], s[1]] - 0.3) ** 2) - 1
    entropy = -(first.exp() * first).sum() - (second.exp() * second).sum()
    return words, first[s[0]] + second[s[1]], entropy


def tiny_parameters():
    return [part.clone().requires_grad_() for part in (SCORES, TRANSITION, VALUES)]


def bound_gradient():
    """The gradient of Σ_s p(s) log p(y | s) over all nine paths."""
    parameters = tiny_parameters()
    total = 0.0
    for s in product(range(3), repeat=2):
        words, locations, _ = tiny(*parameters, s)
        total = total + locations.exp() * words
    return torch.autograd.grad(total, parameters)


def path_gradient(s, baseline, **options):
    parameters = tiny_parameters()
    parts = [part[None] for part in tiny(*parameters, s)]
    loss = hard_attention_loss(*parts, torch.tensor(baseline, dtype=torch.float64), **options)
    gradients = torch.autograd.grad(-loss.sum(), parameters, allow_unused=True)
    pairs = zip(gradients, parameters, strict=True)
    return [torch.zeros_like(p) if g is None else g for g, p in pairs]


@pytest.mark.parametrize("baseline", [0.0, -1.7, 5.0])
def test_the_estimator_is_unbiased_for_every_baseline(baseline):
    expected = [torch.zeros_like(part) for part in (SCORES, TRANSITION, VALUES)]
    for s in product(range(3), repeat=2):
        probability = tiny(SCORES, TRANSITION, VALUES, s)[1].exp()
        for total, part in zip(expected, path_gradient(s, baseline), strict=True):
            total += probability * part
    for got, wanted in zip(expected, bound_gradient(), strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)


def test_the_mean_over_many_samples_comes_to_the_gradient_of_the_bound():
    torch.manual_seed(0)
    n = 200_000
    scores, transition, values = tiny_parameters()
    everyone = torch.ones(n, dtype=torch.bool)
    first, log_first = sample_locations(scores.softmax(-1).expand(n, -1), everyone)
    second, log_second = sample_locations((scores + first @ transition).softmax(-1), everyone)
    words = -((torch.einsum("ni,ij,nj->n", first, values, second) - 0.3) ** 2) - 1
    zero = torch.zeros(n, dtype=torch.float64)
    loss = hard_attention_loss(words, log_first + log_second, zero, words.detach().mean())
    got = torch.autograd.grad(-loss.mean(), (scores, transition, values))
    for estimate, wanted in zip(got, bound_gradient(), strict=True):
        torch.testing.assert_close(estimate, wanted, rtol=0, atol=0.01)


def test_a_baseline_near_the_mean_makes_the_estimate_scatter_less():
    def scatter(baseline):
        paths = list(product(range(3), repeat=2))
        chances = torch.stack([tiny(SCORES, TRANSITION, VALUES, s)[1].exp() for s in paths])
        gradients = torch.stack([path_gradient(s, baseline)[0] for s in paths])
        mean = (chances[:, None] * gradients).sum(0)
        return float((chances[:, None] * (gradients - mean) ** 2).sum())

    assert scatter(-1.5) < 0.5 * scatter(5.0)


def test_the_reward_and_the_entropy_count_by_their_weights():
    words, locations, entropy = tiny_parameters()
    options = {"reward_weight": 0.7, "entropy_weight": 0.2}
    parts = [words.sum()[None], locations.sum()[None], entropy.sum()[None]]
    baseline = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    hard_attention_loss(*parts, baseline, **options).sum().backward()
    advantage = 0.7 * (words.sum() - 0.4)
    torch.testing.assert_close(words.grad, -torch.ones_like(words))
    torch.testing.assert_close(locations.grad, -advantage.detach().expand(3, 3))
    torch.testing.assert_close(entropy.grad, torch.full_like(entropy, -0.2))
    assert baseline.grad is None


def test_locations_are_drawn_by_their_weights_and_only_where_asked():
    torch.manual_seed(0)
    weights = torch.tensor([0.1, 0.0, 0.6, 0.3], dtype=torch.float64).expand(40_000, -1)
    sampled = torch.arange(40_000) % 2 == 0
    used, log_prob = sample_locations(weights, sampled)
    torch.testing.assert_close(used[sampled].mean(0), weights[0], rtol=0, atol=0.01)
    assert torch.equal(used[~sampled], weights[~sampled])
    wanted = (used * weights).sum(-1).log()
    torch.testing.assert_close(log_prob, wanted.masked_fill(~sampled, 0.0))


def test_no_gradient_of_a_row_that_is_not_sampled_is_nan():
    scores = torch.tensor([[0.0, -1000.0]], dtype=torch.float64, requires_grad=True)
    used, log_prob = sample_locations(scores.softmax(-1), torch.tensor([False]))
    (used.sum() + log_prob.sum()).backward()
    assert scores.grad.isfinite().all()


def test_the_gate_is_one_number_a_picture_between_zero_and_one():
    context, hidden, weight = draw(2, 3), draw(2, 5, seed=1), draw(5, seed=2)
    bias = torch.tensor(0.3, dtype=torch.float64)
    shares = gated_context(context, hidden, weight, bias) / context
    for b in range(2):
        beta = 1 / (1 + torch.exp(-(hidden[b] @ weight + 0.3)))
        torch.testing.assert_close(shares[b], beta.expand(3))


def test_the_written_functions_leave_their_inputs_as_they_were():
    weights, mask = draw(2, 5, 3).softmax(-1), torch.arange(5) < torch.tensor([[5], [2]])
    kept = weights.clone()
    doubly_stochastic_penalty(weights, mask)
    sample_locations(weights[:, 0], torch.tensor([True, False]))
    assert torch.equal(weights, kept)
