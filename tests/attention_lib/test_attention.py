import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attention_lib.attention import (
    attend,
    attentional_vector,
    fused_attention,
    masked_softmax,
    scaled_dot_product_attention,
)

PRIMES = st.sampled_from([1, 2, 3, 5, 7, 11])
# The device does not change from one example to the next.
SAME_DEVICE = {"suppress_health_check": [HealthCheck.function_scoped_fixture]}


def random_case(batch, queries, keys, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(batch, queries, keys, generator=generator, dtype=torch.float64) * 5
    mask = torch.rand(batch, queries, keys, generator=generator) < 0.6
    return scores, mask


@settings(max_examples=60, deadline=None, **SAME_DEVICE)
@given(PRIMES, PRIMES, PRIMES, st.integers(0, 10**6))
def test_masked_softmax_equals_a_softmax_of_the_allowed_scores_alone(
    device, batch, queries, keys, seed
):
    scores, mask = random_case(batch, queries, keys, seed)
    weights = masked_softmax(scores.to(device), mask.to(device)).cpu()
    for index in np.ndindex(batch, queries):
        allowed = mask[index].numpy()
        row, values = weights[index].numpy(), scores[index].numpy()[allowed]
        assert (row[~allowed] == 0).all()
        if allowed.any():
            expected = np.exp(values - values.max())
            np.testing.assert_allclose(row[allowed], expected / expected.sum(), rtol=1e-12)


def test_two_allowed_scores_a_log_three_apart_weigh_one_to_three():
    scores = torch.tensor([[0.0, 99.0, math.log(3.0)]])
    weights = masked_softmax(scores, torch.tensor([[True, False, True]]))
    torch.testing.assert_close(weights, torch.tensor([[0.25, 0.0, 0.75]]))


def test_a_query_that_may_attend_to_nothing_gets_zero_weights_and_zero_gradients(device):
    scores = torch.randn(2, 3, device=device, requires_grad=True)
    mask = torch.tensor([[True, True, False], [False, False, False]], device=device)
    weights = masked_softmax(scores, mask)
    (weights**2).sum().backward()
    assert weights[1].tolist() == [0, 0, 0]
    assert scores.grad[1].tolist() == [0, 0, 0]
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_huge_scores_on_masked_cells_leave_no_trace_in_any_precision(device, dtype):
    scores = torch.tensor([[1e4, 0.0, -1e4, 1.0]], dtype=dtype, device=device)
    mask = torch.tensor([[False, True, False, True]], device=device)
    weights = masked_softmax(scores, mask)
    expected = torch.tensor([[0.0, 1.0, 0.0, math.e]], dtype=torch.float64) / (1 + math.e)
    assert weights.dtype == dtype
    torch.testing.assert_close(weights.double().cpu(), expected, atol=5e-3, rtol=5e-3)
    assert weights[0, 0] == 0
    assert weights[0, 2] == 0


def test_masked_softmax_changes_neither_scores_nor_mask():
    scores, mask = random_case(2, 3, 5, 0)
    before = scores.clone(), mask.clone()
    masked_softmax(scores, mask)
    assert torch.equal(scores, before[0])
    assert torch.equal(mask, before[1])


def test_masked_softmax_sums_to_one_over_the_axis_it_is_told():
    scores, _ = random_case(2, 3, 5, 1)
    for dim in (0, 1, 2):
        torch.testing.assert_close(
            masked_softmax(scores, dim=dim).sum(dim),
            torch.ones((), dtype=scores.dtype).expand(
                [n for i, n in enumerate(scores.shape) if i != dim]
            ),
        )


def test_masked_softmax_gradients_pass_gradcheck_with_a_fully_masked_row(device):
    scores, mask = (x.to(device) for x in random_case(2, 3, 5, 2))
    mask[0, 1] = False
    assert torch.autograd.gradcheck(lambda s: masked_softmax(s, mask), scores.requires_grad_())


def test_a_mask_of_numbers_is_refused_with_advice():
    with pytest.raises(TypeError, match=r"mask has dtype torch.float32.*mask.bool\(\)"):
        masked_softmax(torch.zeros(2, 3), torch.ones(2, 3))


def test_a_mask_that_does_not_broadcast_is_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"shape \(4,\) does not broadcast.*\(2, 3\)"):
        masked_softmax(torch.zeros(2, 3), torch.ones(4, dtype=torch.bool))


def test_attend_averages_the_values_with_the_weights(device):
    scores, mask = random_case(2, 3, 5, 3)
    value = torch.randn(2, 5, 7, dtype=torch.float64)
    given = (x.to(device) for x in (scores, value, mask))
    context, weights = (x.cpu() for x in attend(*given))
    np.testing.assert_allclose(context, np.einsum("bts,bsd->btd", weights, value), rtol=1e-12)


def test_attend_refuses_values_for_another_number_of_keys():
    with pytest.raises(ValueError, match="scores are over 5 keys, value has 4"):
        attend(torch.zeros(1, 3, 5), torch.zeros(1, 4, 2))


def test_attentional_vector_by_hand():
    # W_c [c; h] = [1·2 + 10·(−0.1), 0] = [1, 0].
    weight = torch.tensor([[2.0, 10.0], [0.0, 0.0]])
    got = attentional_vector(torch.tensor([1.0]), torch.tensor([-0.1]), weight)
    torch.testing.assert_close(got, torch.tensor([math.tanh(1.0), 0.0]))


def test_attentional_vector_refuses_a_weight_of_the_wrong_width():
    with pytest.raises(ValueError, match=r"7 columns; wanted 5 \(context 2 \+ hidden 3\)"):
        attentional_vector(torch.zeros(1, 2), torch.zeros(1, 3), torch.zeros(4, 7))


@pytest.mark.parametrize("masked", [False, True])
def test_a_bias_of_minus_infinity_forbids_in_both_faces(device, masked):
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 1, 2, 5, 4, dtype=torch.float64).to(device).unbind(0)
    bias = torch.zeros(5, 5, dtype=torch.float64, device=device)
    bias[2], bias[3, 1] = -torch.inf, -torch.inf
    mask = torch.ones(5, 5, dtype=torch.bool, device=device)
    mask[4, 2:], bias[4, :2] = False, -torch.inf  # together they leave nothing
    if not masked:
        mask, bias[4] = None, -torch.inf
    query.requires_grad_()
    context, weights = scaled_dot_product_attention(query, key, value, mask, bias=bias)
    assert (weights[..., [2, 4], :] == 0).all()
    assert (weights[..., 3, 1] == 0).all()
    torch.testing.assert_close(context, fused_attention(query, key, value, mask, bias=bias))
    context.sum().backward()
    assert query.grad.isfinite().all()


def test_scores_that_are_integers_are_refused():
    with pytest.raises(TypeError, match=r"scores: torch\.int64; wanted one floating"):
        masked_softmax(torch.tensor([[1, 2, 3]]))
