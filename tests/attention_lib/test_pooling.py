import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_lib.pooling import Pool, attention_pool, masked_max, masked_mean

PRIMES = st.sampled_from([2, 3, 5, 7, 11])


def parameters(d_hidden, d_attention, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(d_attention, d_hidden), (d_attention,), (d_attention,)]
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


def states(*shape, seed=1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


POOLS = {
    "attention": lambda hidden, mask: attention_pool(
        hidden, *(p.to(hidden) for p in parameters(hidden.shape[-1], 3)), mask
    ),
    "mean": masked_mean,
    "max": masked_max,
}
every_pool = pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)


def test_attention_pool_is_the_papers_equations_word_by_word():
    hidden = states(5, 7)
    weight, bias, context = parameters(7, 3)
    scores = [torch.tanh(weight @ h + bias) @ context for h in hidden]
    total = sum(score.exp() for score in scores)
    alphas = [score.exp() / total for score in scores]
    pooled, weights = attention_pool(hidden, weight, bias, context)
    torch.testing.assert_close(weights, torch.stack(alphas), rtol=0, atol=1e-12)
    by_hand = sum(a * h for a, h in zip(alphas, hidden, strict=True))
    torch.testing.assert_close(pooled, by_hand, rtol=0, atol=1e-12)


@given(batch=PRIMES, length=PRIMES, d=PRIMES, seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
@every_pool
def test_what_stands_in_the_padding_has_no_effect(pool, batch, length, d, seed):
    hidden = states(batch, length, d, seed=seed)
    real = torch.randint(1, length + 1, (batch,), generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(length) < real[:, None]
    pooled, weights = pool(hidden, mask)
    changed, _ = pool(hidden.masked_fill(~mask[..., None], 1e3), mask)
    assert torch.equal(pooled, changed)
    assert (weights[~mask] == 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(batch, dtype=torch.float64))
    for row, n in enumerate(real):
        alone, _ = pool(hidden[row, :n], torch.ones(n, dtype=torch.bool))
        torch.testing.assert_close(pooled[row], alone)


@every_pool
def test_nothing_to_pool_gives_zeros_and_finite_gradients(pool):
    hidden = states(2, 3, 5).requires_grad_()
    mask = torch.tensor([[True, True, False], [False, False, False]])
    pooled, weights = pool(hidden, mask)
    assert (pooled[1] == 0).all()
    assert (weights[1] == 0).all()
    (gradient,) = torch.autograd.grad(pooled.square().sum(), hidden)
    assert gradient.isfinite().all()
    assert (gradient[~mask] == 0).all()


@every_pool
def test_gradients_are_those_of_finite_differences(pool):
    mask = torch.tensor([[True, True, False], [True, False, False]])
    hidden = states(2, 3, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda h: pool(h, mask)[0], (hidden,))


@every_pool
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_and_keeps_its_dtype(pool, dtype, device):
    hidden, mask = states(2, 7, 5), torch.arange(7) < torch.tensor([[7], [3]])
    wanted, _ = pool(hidden, mask)
    pooled, weights = pool(hidden.to(device, dtype), mask.to(device))
    assert pooled.dtype == weights.dtype == dtype
    torch.testing.assert_close(pooled.double().cpu(), wanted, rtol=0.05, atol=0.05)


@every_pool
def test_inputs_stay_as_they_are(pool):
    hidden, mask = states(2, 3, 5), torch.tensor([[True, True, False], [True, False, False]])
    before = hidden.clone(), mask.clone()
    pool(hidden, mask)
    assert torch.equal(hidden, before[0])
    assert torch.equal(mask, before[1])


def test_a_question_that_asks_nothing_makes_attention_the_mean():
    hidden = states(2, 7, 5)
    weight, bias, _ = parameters(5, 3)
    by_attention = attention_pool(hidden, weight, bias, torch.zeros(3, dtype=torch.float64))
    for ours, theirs in zip(by_attention, masked_mean(hidden), strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(masked_mean(hidden)[0], hidden.mean(1))


def test_max_gives_each_position_the_share_of_the_features_it_wins():
    hidden = torch.tensor([[5.0, 0.0, 0.0, 1.0], [1.0, 2.0, 2.0, 3.0], [9.0, 9.0, 9.0, 9.0]])
    pooled, weights = masked_max(hidden, torch.tensor([True, True, False]))
    assert pooled.tolist() == [5.0, 2.0, 2.0, 3.0]
    assert weights.tolist() == [0.25, 0.75, 0.0]


@pytest.mark.parametrize("pooling", ["attention", "mean", "max"])
def test_imposed_weights_take_the_place_of_a_models_own(pooling):
    torch.manual_seed(0)
    pool, hidden = Pool(5, pooling).double(), states(2, 3, 5)
    imposed = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5]], dtype=torch.float64)
    pooled, weights = pool(hidden, torch.ones(2, 3, dtype=torch.bool), imposed)
    assert weights is imposed
    torch.testing.assert_close(pooled[0], hidden[0, 1])
    torch.testing.assert_close(pooled[1], (hidden[1, 0] + hidden[1, 2]) / 2)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"weight is \(3, 5\).*states of size 7 want"):
        attention_pool(states(2, 3, 7), *parameters(5, 3))
    with pytest.raises(ValueError, match=r"mask is torch.bool of shape \(3,\); states of shape"):
        masked_mean(states(2, 3, 5), torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"mask is torch\.int64"):
        masked_max(states(2, 3, 5), torch.ones(2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="pooling is 'sum'; wanted 'attention', 'mean' or 'max'"):
        Pool(5, "sum")
