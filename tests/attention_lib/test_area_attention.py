import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_lib.area_attention import area_attention, area_sums
from attention_lib.attention import attend
from attention_lib.masks import causal_mask, length_mask

PRIMES = st.sampled_from([1, 2, 3, 5, 7, 11])


def random_tensors(batch, heads, queries, keys, head_dim, d_v, *, seed=0, **kind):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, heads, *size, generator=generator, dtype=torch.float64)
        .to(**kind)
        .requires_grad_()
        for size in [(queries, head_dim), (keys, head_dim), (keys, d_v)]
    ]


def areas(length, max_area):
    return [
        range(start, start + size)
        for size in range(1, max_area + 1)
        for start in range(length - size + 1)
    ]


def area_by_area(query, key, value, mask, max_area):
    """The oracle: keys, values and mask gathered one area at a time."""
    runs = [list(run) for run in areas(key.shape[-2], max_area)]
    keys = torch.stack([key[..., run, :].mean(-2) for run in runs], dim=-2)
    values = torch.stack([value[..., run, :].sum(-2) for run in runs], dim=-2)
    allowed = torch.stack([mask[..., run].all(-1) for run in runs], dim=-1)
    return attend(query @ keys.mT / query.shape[-1] ** 0.5, values, allowed)


@settings(max_examples=60, deadline=None)
@given(PRIMES, PRIMES, PRIMES, st.sampled_from([1, 2, 3, 5, 13]), st.integers(0, 10**6))
def test_area_attention_and_its_gradients_equal_a_loop_over_areas(
    batch, queries, keys, max_area, seed
):
    tensors = random_tensors(batch, 2, queries, keys, 3, 5, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(batch, 1, queries, keys, generator=generator) < 0.7
    pairs = []
    for attention in (area_attention(*tensors, mask, max_area=max_area),
                      area_by_area(*tensors, mask, max_area)):  # fmt: skip
        context, weights = attention
        gradients = torch.autograd.grad((context**2).sum(), tensors, allow_unused=True)
        pairs.append([context, weights, *gradients])
    for ours, theirs in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-10)


def test_area_sums_are_ordered_by_size_and_then_from_left_to_right():
    items = torch.tensor([1.0, 10.0, 100.0, 1000.0])[:, None]
    expected = [sum(10.0**i for i in run) for run in areas(4, 3)]
    assert area_sums(items, 3).flatten().tolist() == expected


def test_small_items_survive_beside_large_ones():
    items = torch.tensor([1e8, 1.0, 2.0])[:, None]
    assert area_sums(items, 2)[-1].item() == 3.0


def test_areas_of_one_position_are_the_usual_attention():
    query, key, value = random_tensors(2, 3, 5, 7, 11, 13)
    mask = torch.rand(2, 1, 5, 7) < 0.7
    ours = area_attention(query, key, value, mask, max_area=1)
    theirs = attend(query @ key.mT / 11**0.5, value, mask)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_padding_adds_areas_of_weight_zero_and_changes_no_context():
    query, key, value = random_tensors(1, 2, 3, 5, 7, 11)
    padding = torch.full((1, 2, 4, 1), 1e6, dtype=torch.float64)
    padded = [torch.cat([t, padding.expand(1, 2, 4, t.shape[-1])], 2) for t in (key, value)]
    mask = length_mask(torch.tensor([5]), 9)[:, None, None]
    context, _ = area_attention(query, key, value, max_area=3)
    within, weights = area_attention(query, *padded, mask, max_area=3)
    torch.testing.assert_close(within, context)
    beyond = torch.tensor([run[-1] >= 5 for run in areas(9, 3)])
    assert (weights[..., beyond] == 0).all()
    assert (weights[..., ~beyond] > 0).all()


def test_with_a_causal_mask_no_area_reaches_into_the_future():
    tensors = random_tensors(1, 2, 7, 7, 3, 5)
    _, weights = area_attention(*tensors, causal_mask(7), max_area=3)
    for t in range(7):
        seen = torch.tensor([run[-1] <= t for run in areas(7, 3)])
        assert torch.equal(weights[0, 0, t] > 0, seen)


def test_a_query_with_no_area_gets_zeros_and_finite_gradients():
    tensors = random_tensors(2, 3, 5, 7, 3, 5)
    mask = length_mask(torch.tensor([7, 0]))[:, None, None]
    context, weights = area_attention(*tensors, mask, max_area=2)
    gradients = torch.autograd.grad((context**2).sum(), tensors)
    assert (context[1] == 0).all()
    assert (weights[1] == 0).all()
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float16, 1e-2), (torch.bfloat16, 1e-1)])
def test_area_attention_in_half_precision_is_near_the_truth(dtype, atol, device):
    halves = random_tensors(2, 3, 5, 7, 3, 5, dtype=dtype, device=device)
    context, weights = area_attention(*halves, max_area=3)
    truth, _ = area_attention(*(tensor.double() for tensor in halves), max_area=3)
    assert context.dtype == weights.dtype == dtype
    torch.testing.assert_close(context.double(), truth, atol=atol, rtol=atol)


def test_inputs_are_unchanged():
    tensors = [*random_tensors(2, 3, 5, 7, 3, 5), torch.ones(2, 1, 1, 7, dtype=torch.bool)]
    before = [tensor.clone() for tensor in tensors]
    area_attention(*tensors, max_area=3)
    assert all(torch.equal(a, b) for a, b in zip(tensors, before, strict=True))


def test_no_area_at_all_is_refused():
    with pytest.raises(ValueError, match="max_area is 0; wanted at least 1"):
        area_sums(torch.zeros(3, 2), 0)


def test_a_mask_of_numbers_or_for_other_keys_is_refused():
    tensors = random_tensors(2, 3, 5, 7, 3, 5)
    with pytest.raises(TypeError, match=r"mask has dtype torch.int64; wanted torch.bool"):
        area_attention(*tensors, torch.ones(5, 7, dtype=torch.int64), max_area=2)
    with pytest.raises(ValueError, match="mask is over 5 keys, key has 7"):
        area_attention(*tensors, torch.ones(5, 5, dtype=torch.bool), max_area=2)
