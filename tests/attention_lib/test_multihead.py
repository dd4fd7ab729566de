"""Multi-head attention against separate heads, against torch and against Llama's."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding

from attention_lib.attention import fused_attention, scaled_dot_product_attention
from attention_lib.masks import causal_mask, length_mask
from attention_lib.multihead import (
    KeyValueCache,
    MultiHeadAttention,
    merge_heads,
    record_attention,
    repeat_heads,
    split_heads,
)
from attention_lib.padding import Packing
from attention_lib.positions import rotate

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def _randn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def _attention(d_model: int = 35, num_heads: int = 5, **options) -> MultiHeadAttention:
    torch.manual_seed(0)
    attention = MultiHeadAttention(d_model, num_heads, **options).double()
    for parameter in attention.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter)
    return attention


def _close(ours: torch.Tensor, theirs: torch.Tensor, bound: float) -> bool:
    """Whether no entry is further off than this share of the largest."""
    return bool((ours - theirs).abs().max() <= bound * theirs.abs().max())


# The fused and the written-out face


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([1, 2, 3]),
    st.sampled_from([1, 2, 5]),
    st.sampled_from([1, 3, 7, 11]),
    st.sampled_from([1, 2, 5, 13]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 1000),
)
def test_both_faces_agree_in_values_and_gradients(
    batch, heads, queries, keys, masked, biased, seed
):
    inputs = [
        _randn(batch, heads, queries, 6, seed=seed),
        _randn(batch, heads, keys, 6, seed=seed + 1),
        _randn(batch, heads, keys, 3, seed=seed + 2),
    ]
    for x in inputs:
        x.requires_grad_()
    mask = _randn(batch, 1, queries, keys, seed=seed + 3) > 0 if masked else None
    bias = _randn(heads, queries, keys, seed=seed + 4) if biased else None
    written, _ = scaled_dot_product_attention(*inputs, mask, bias=bias)
    fused = fused_attention(*inputs, mask, bias=bias)
    assert torch.allclose(written, fused, rtol=0, atol=1e-10)
    upstream = _randn(*written.shape, seed=seed + 5)
    for ours, wanted in zip(
        torch.autograd.grad(fused, inputs, upstream),
        torch.autograd.grad(written, inputs, upstream),
        strict=True,
    ):
        assert torch.allclose(ours, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_causal_is_the_lower_triangle(masked, biased):
    query, key, value = _randn(3, 2, 3, 7, 4).unbind(0)
    mask = length_mask(torch.tensor([7, 4]))[:, None, None] if masked else None
    bias = _randn(3, 7, 7, seed=9) if biased else None
    lower = causal_mask(7) if mask is None else causal_mask(7) & mask
    written, _ = scaled_dot_product_attention(query, key, value, lower, bias=bias)
    fused = fused_attention(query, key, value, mask, bias=bias, causal=True)
    assert torch.allclose(fused, written, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("biased", [False, True])
def test_a_query_with_nothing_to_see_gets_zero_and_finite_gradients(device, dtype, biased):
    query, key, value = _randn(3, 2, 3, 5, 8).to(device, dtype).unbind(0)
    query, key, value = (x.clone().requires_grad_() for x in (query, key, value))
    mask = torch.ones(2, 1, 5, 5, dtype=torch.bool, device=device)
    mask[1, :, 2] = False
    bias = torch.ones(3, 5, 5, device=device, dtype=dtype) if biased else None
    faces = (
        scaled_dot_product_attention(query, key, value, mask, bias=bias)[0],
        fused_attention(query, key, value, mask, bias=bias),
    )
    for context in faces:
        assert torch.equal(context[1, :, 2], torch.zeros_like(context[1, :, 2]))
        gradients = torch.autograd.grad(context.float().sum(), (query, key, value))
        assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
def test_half_precision_stays_near_the_exact_value(device, dtype, bound):
    exact = _randn(3, 2, 3, 11, 16)
    wanted, _ = scaled_dot_product_attention(*exact.unbind(0))
    halves = exact.to(device, dtype).unbind(0)
    for context in (scaled_dot_product_attention(*halves)[0], fused_attention(*halves)):
        assert context.dtype == dtype
        assert (context.double().cpu() - wanted).abs().max() < bound


@pytest.mark.parametrize("face", [scaled_dot_product_attention, fused_attention])
def test_sizes_that_do_not_fit_are_named(face):
    ok = torch.zeros(2, 3, 5, 8)
    with pytest.raises(ValueError, match="query has head_dim 8, key has 7"):
        face(ok, torch.zeros(2, 3, 5, 7), ok)
    with pytest.raises(ValueError, match="key has length 5, value has 4"):
        face(ok, ok, torch.zeros(2, 3, 4, 8))
    with pytest.raises(ValueError, match=r"mask of shape \(2, 4\)"):
        face(ok, ok, ok, torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"mask has dtype torch\.float32"):
        face(ok, ok, ok, torch.ones(5, 5))


def test_causal_wants_as_many_queries_as_keys():
    x = torch.zeros(1, 1, 5, 4)
    with pytest.raises(ValueError, match="got 3 and 5"):
        fused_attention(x[:, :, :3], x, x, causal=True)


# Several heads


def test_heads_are_separate_attentions_side_by_side():
    attention = _attention(21, 3)
    x, memory = _randn(2, 5, 21), _randn(2, 7, 21, seed=1)
    weight, bias = attention.in_proj_weight.view(3, 3, 7, 21), attention.in_proj_bias.view(3, 3, 7)
    heads = []
    for i in range(3):
        query = x @ weight[0, i].mT + bias[0, i]
        key, value = (memory @ weight[j, i].mT + bias[j, i] for j in (1, 2))
        heads.append((query @ key.mT / 7**0.5).softmax(-1) @ value)
    wanted = attention.out_proj(torch.cat(heads, -1))
    assert torch.allclose(attention(x, memory)[0], wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_equal_to_torch_with_its_state_dict(device, dtype, cross, masked):
    torch.manual_seed(1)
    theirs = nn.MultiheadAttention(35, 5, batch_first=True).to(device, dtype)
    nn.init.normal_(theirs.in_proj_bias)
    ours = MultiHeadAttention(35, 5).to(device, dtype)
    ours.load_state_dict(theirs.state_dict())
    x = _randn(2, 7, 35).to(device, dtype).requires_grad_()
    memory = _randn(2, 11, 35, seed=1).to(device, dtype).requires_grad_() if cross else x
    mask = length_mask(torch.tensor([memory.shape[1], 3])).to(device) if masked else None
    wanted, wanted_weights = theirs(
        x,
        memory,
        memory,
        key_padding_mask=None if mask is None else ~mask,
        average_attn_weights=False,
    )
    view = None if mask is None else mask[:, None, None]
    given, weights = ours(x, memory if cross else None, view, need_weights=True)
    fused, _ = ours(x, memory if cross else None, view)
    bound = TOLERANCE[dtype]
    assert torch.allclose(weights, wanted_weights, rtol=0, atol=bound)
    assert torch.allclose(given, wanted, rtol=0, atol=bound)
    assert torch.allclose(fused, wanted, rtol=0, atol=bound)
    upstream = _randn(*wanted.shape, seed=2).to(device, dtype)
    parameters = [x, *ours.parameters()], [x, *theirs.parameters()]
    for mine, other in zip(
        torch.autograd.grad(fused, parameters[0], upstream),
        torch.autograd.grad(wanted, parameters[1], upstream),
        strict=True,
    ):
        assert _close(mine, other, bound)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_grouped_queries_and_rotation_are_llamas(device, dtype):
    config = LlamaConfig(
        hidden_size=48, num_attention_heads=6, num_key_value_heads=2, attention_bias=False
    )
    config._attn_implementation = "sdpa"  # "eager" takes the softmax in float32
    torch.manual_seed(2)
    theirs = LlamaAttention(config, layer_idx=0).to(device, dtype).eval()
    ours = MultiHeadAttention(48, 6, num_kv_heads=2, bias=False).to(device, dtype)
    projections = [theirs.q_proj.weight, theirs.k_proj.weight, theirs.v_proj.weight]
    ours.in_proj_weight.data = torch.cat([weight.data for weight in projections])
    ours.out_proj.load_state_dict(theirs.o_proj.state_dict())
    x = _randn(2, 7, 48).to(device, dtype).requires_grad_()
    positions = torch.arange(7, device=device)
    # Llama's own angles are never finer than float32.
    speeds = 10_000.0 ** (-torch.arange(0, 8, 2, dtype=torch.float64, device=device) / 8)
    angles = positions.double().outer(speeds).repeat(1, 2)[None]
    turns = angles.cos().to(dtype), angles.sin().to(dtype)
    llamas = LlamaRotaryEmbedding(config).to(device)(x, positions[None])
    assert torch.allclose(torch.stack(turns), torch.stack(llamas), atol=1e-6)
    additive = torch.full((7, 7), -torch.inf, dtype=dtype, device=device).triu(1)[None, None]
    wanted = theirs(x, turns, additive)[0]
    query, key, value = ours.project(x)
    query, key = (rotate(heads, positions, pairs="halves") for heads in (query, key))
    context, _ = ours.attend(query, key, value, causal=True)
    given = ours.out_proj(merge_heads(context))
    assert torch.allclose(given, wanted, rtol=0, atol=TOLERANCE[dtype])
    upstream = _randn(*wanted.shape, seed=2).to(device, dtype)
    mine = torch.autograd.grad(given, [x, *ours.parameters()], upstream)
    others = [x, *projections, theirs.o_proj.weight]
    x_, *three, out = torch.autograd.grad(wanted, others, upstream)
    for gradient, expected in zip(mine, (x_, torch.cat(three), out), strict=True):
        assert _close(gradient, expected, TOLERANCE[dtype])


@pytest.mark.parametrize("num_kv_heads", [1, 2, 3])
def test_grouped_queries_are_full_attention_with_shared_heads(num_kv_heads):
    grouped = _attention(42, 6, num_kv_heads=num_kv_heads)
    full = _attention(42, 6)
    size = num_kv_heads * 7
    query, key, value = grouped.in_proj_weight.split([42, size, size])
    times = 6 // num_kv_heads

    def share(weight: torch.Tensor) -> torch.Tensor:
        heads = weight.unflatten(0, (num_kv_heads, 7))
        return heads.repeat_interleave(times, 0).flatten(0, 1)

    full.in_proj_weight.data = torch.cat([query, share(key), share(value)])
    bias = grouped.in_proj_bias.split([42, size, size])
    full.in_proj_bias.data = torch.cat([bias[0], share(bias[1]), share(bias[2])])
    full.out_proj.load_state_dict(grouped.out_proj.state_dict())
    x = _randn(2, 5, 42)
    assert torch.allclose(grouped(x)[0], full(x)[0], rtol=0, atol=1e-10)
    assert sum(p.numel() for p in grouped.parameters()) < sum(p.numel() for p in full.parameters())


def test_heads_that_do_not_talk_are_ordinary_heads():
    talking, silent = _attention(talking=True), _attention()
    silent.load_state_dict(talking.state_dict(), strict=False)
    x, mask = _randn(2, 7, 35), length_mask(torch.tensor([7, 3]))[:, None, None]
    assert torch.allclose(talking(x, mask=mask)[0], silent(x, mask=mask)[0], rtol=0, atol=1e-10)


def test_talking_heads_mix_scores_and_weights_as_written_out():
    attention = _attention(21, 3, talking=True)
    nn.init.normal_(attention.mix_scores)
    nn.init.normal_(attention.mix_weights)
    x = _randn(2, 5, 21)
    query, key, value = attention.project(x)
    scores = query @ key.mT / 7**0.5
    mixed = torch.stack(
        [sum(scores[:, h] * attention.mix_scores[h, g] for h in range(3)) for g in range(3)], 1
    )
    weights = mixed.softmax(-1)
    weights = torch.stack(
        [sum(weights[:, h] * attention.mix_weights[h, g] for h in range(3)) for g in range(3)], 1
    )
    wanted = attention.out_proj(merge_heads(weights @ value))
    assert torch.allclose(attention(x)[0], wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("options", [{}, {"num_kv_heads": 1}, {"talking": True}])
def test_what_is_masked_has_no_effect(options):
    attention = _attention(**options)
    x, memory = _randn(2, 5, 35), _randn(2, 7, 35, seed=1)
    mask = length_mask(torch.tensor([7, 4]))[:, None, None]
    before, weights = attention(x, memory, mask, need_weights=True)
    memory[1, 4:] = 1e6
    after, _ = attention(x, memory, mask)
    assert torch.allclose(before, after, rtol=0, atol=1e-9)
    assert torch.equal(weights[1, :, :, 4:], torch.zeros_like(weights[1, :, :, 4:]))


@pytest.mark.parametrize("need_weights", [False, True])
def test_a_later_token_cannot_move_an_earlier_one(need_weights):
    attention, x = _attention(), _randn(1, 7, 35)
    before, _ = attention(x, causal=True, need_weights=need_weights)
    x[:, 4] += 1
    after, _ = attention(x, causal=True, need_weights=need_weights)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.isclose(before[:, 4:], after[:, 4:]).all(-1).any()


def test_gradients_are_right():
    attention = _attention(6, 3)
    mask = length_mask(torch.tensor([3, 2]))[:, None, None]
    x = _randn(2, 3, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: attention(x, mask=mask)[0], x)
    assert torch.autograd.gradcheck(
        lambda x: attention(x, mask=mask, need_weights=True), x, raise_exception=True
    )


def test_packed_tokens_give_the_padded_result():
    attention, x = _attention(), _randn(2, 7, 35)
    mask = length_mask(torch.tensor([7, 4]))
    packing = Packing(mask)
    query, key, value = attention.project(packing.pack(x), packing=packing)
    context, _ = attention.attend(query, key, value, mask[:, None, None])
    packed = attention.out_proj(packing.pack(merge_heads(context)))
    wanted, _ = attention(x, mask=mask[:, None, None])
    assert torch.allclose(packed, packing.pack(wanted), rtol=0, atol=1e-10)


def test_cached_steps_equal_the_full_pass_beyond_the_first_buffer():
    attention, x = _attention(), _randn(2, 131, 35)
    wanted, _ = attention(x, causal=True)
    cache, steps = KeyValueCache(), []
    for token in x.split(1, dim=1):
        query, key, value = attention.project(token)
        key, value = cache.append(key, value)
        steps.append(attention.out_proj(merge_heads(attention.attend(query, key, value)[0])))
    assert torch.allclose(torch.cat(steps, 1), wanted, rtol=0, atol=1e-10)


def test_recorded_weights_are_those_asked_for_and_recording_ends():
    attention, x = _attention(), _randn(2, 7, 35)
    _, wanted = attention(x, causal=True, need_weights=True)
    with record_attention(nn.ModuleDict({"inner": attention})) as maps:
        attention(x, causal=True)
        attention(x, causal=True)
    attention(x)
    assert list(maps) == ["inner"]
    assert len(maps["inner"]) == 2
    assert torch.equal(maps["inner"][0], wanted)


def test_inputs_are_left_as_they_were():
    attention, x = _attention(), _randn(2, 7, 35)
    before = x.clone()
    attention(x, causal=True)
    attention(x, causal=True, need_weights=True)
    assert torch.equal(x, before)


def test_splitting_and_merging_keep_every_feature_in_its_head():
    x = _randn(2, 5, 21)
    heads = split_heads(x, 3)
    assert torch.equal(heads[1, 2, 4], x[1, 4, 14:21])
    assert torch.equal(merge_heads(heads), x)
    shared = repeat_heads(heads, 6)
    assert torch.equal(shared[:, 2], heads[:, 1])
    assert torch.equal(shared[:, 3], heads[:, 1])


def test_sizes_that_do_not_divide_are_named():
    with pytest.raises(ValueError, match="num_heads 5 does not divide d_model 32"):
        MultiHeadAttention(32, 5)
    with pytest.raises(ValueError, match="num_kv_heads 3 does not divide num_heads 4"):
        MultiHeadAttention(32, 4, num_kv_heads=3)
    with pytest.raises(ValueError, match="num_heads 4 does not divide the 6 features"):
        split_heads(torch.zeros(1, 2, 6), 4)
    with pytest.raises(ValueError, match="tokens have 31 features; wanted d_model 32"):
        MultiHeadAttention(32, 4)(torch.zeros(1, 2, 31))


def test_the_advice_about_a_mask_without_the_heads_axis_is_right():
    """Batch and heads of one size would hide that the mask was laid along the wrong one."""
    attention, x, memory = (
        MultiHeadAttention(8, 2).eval(),
        torch.randn(2, 7, 8),
        torch.randn(2, 5, 8),
    )
    mask = length_mask(torch.tensor([5, 2]))
    with pytest.raises(ValueError, match=r"axes of size 1: mask\[:, None, None, :\]"):
        attention(x, memory, mask)
    context, _ = attention(x, memory, mask[:, None, None, :])
    alone, _ = attention(x[1:], memory[1:, :2])
    torch.testing.assert_close(context[1:], alone)
    with pytest.raises(ValueError, match=r"axes of size 1: mask\[:, None\]$"):
        attention(x[:, :5], memory, torch.ones(2, 5, 4, dtype=torch.bool))


@pytest.mark.parametrize("need_weights", [False, True])
def test_both_faces_refuse_the_same(need_weights):
    attention, x, memory = MultiHeadAttention(8, 2), torch.randn(2, 1, 8), torch.randn(2, 5, 8)
    look = {"causal": True, "need_weights": need_weights}
    with pytest.raises(ValueError, match="causal wants as many queries as keys; got 1 and 5"):
        attention(x, memory, **look)
    with pytest.raises(TypeError, match=r"mask has dtype torch.float32; wanted torch.bool"):
        attention(memory, mask=torch.ones(5, 5), **look)
    with pytest.raises(ValueError, match=r"mask of shape \(3, 3\) does not broadcast"):
        attention(memory, mask=torch.ones(3, 3, dtype=torch.bool), **look)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("talking", [False, True])
def test_a_float32_bias_leaves_half_precision_what_it_is(dtype, talking):
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2, talking=talking).to(dtype).eval()
    x, bias = torch.randn(2, 5, 8, dtype=dtype), torch.randn(2, 5, 5)
    context, weights = attention(x, bias=bias, need_weights=True)
    assert context.dtype == weights.dtype == dtype
    exact, _ = attention.float()(x.float(), bias=bias, need_weights=True)
    torch.testing.assert_close(context.float(), exact, atol=0.03, rtol=0.03)


def test_key_heads_that_cannot_be_shared_evenly_are_refused():
    for few, wanted in ((3, 4), (4, 2)):
        with pytest.raises(
            ValueError, match=f"{few} key heads cannot be shared evenly by {wanted}"
        ):
            repeat_heads(torch.zeros(1, few, 2, 2), wanted)
    for heads, shared in ((0, None), (-4, None), (4, 0), (4, -1)):
        with pytest.raises(ValueError, match="wanted at least 1"):
            MultiHeadAttention(8, heads, num_kv_heads=shared)


def test_a_recording_within_a_recording_belongs_to_both():
    attention, x = MultiHeadAttention(8, num_heads=2), torch.randn(1, 3, 8)
    with record_attention(attention) as outer:
        attention(x)
        with record_attention(attention) as inner:
            attention(2 * x)
        attention(3 * x)
    assert len(inner[""]) == 1
    assert torch.equal(outer[""][1], inner[""][0])
    assert len(outer[""]) == 3
    attention(x)
    assert len(outer[""]) == 3


def test_steps_with_a_cache_have_the_gradient_of_the_full_pass():
    torch.manual_seed(0)
    attention = MultiHeadAttention(6, num_heads=3).double()
    x, target = torch.randn(2, 2, 5, 6, dtype=torch.float64).unbind(0)
    context, _ = attention(x, causal=True)
    full = torch.autograd.grad((context * target).sum(), attention.parameters())
    cache, total = KeyValueCache(), torch.zeros((), dtype=torch.float64)
    for step in range(5):
        query, key, value = attention.project(x[:, step : step + 1])
        context, _ = attention.attend(query, *cache.append(key, value))
        total = total + (attention.out_proj(merge_heads(context))[:, 0] * target[:, step]).sum()
    stepped = torch.autograd.grad(total, attention.parameters())
    for ours, wanted in zip(stepped, full, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("talking", [False, True])
def test_dropped_weights_keep_the_expected_context_and_are_whole_in_evaluation(
    need_weights, talking
):
    """Dropped before the softmax, the others would grow to a sum of 1 and no mean would hold."""
    torch.manual_seed(0)
    attention = MultiHeadAttention(6, num_heads=2, dropout=0.4, talking=talking).double()
    plain = MultiHeadAttention(6, num_heads=2, talking=talking).double()
    plain.load_state_dict(attention.state_dict())
    x = torch.randn(1, 3, 6, dtype=torch.float64)
    wanted, weights = plain(x, need_weights=True)
    rows = x.expand(40_000, -1, -1)
    contexts, dropped = attention(rows, need_weights=need_weights)
    assert not torch.equal(contexts[0], contexts[1])
    spread = contexts.std(0) / len(contexts) ** 0.5
    assert ((contexts.mean(0) - wanted[0]).abs() < 5 * spread + 1e-9).all()
    assert dropped is None or torch.allclose(dropped[:1], weights, rtol=1e-12)
    attention.eval()
    torch.testing.assert_close(attention(x, need_weights=need_weights)[0], wanted)


@pytest.mark.parametrize("learns", ["keys", "queries"])
def test_a_cache_passes_gradients_on_whoever_learns(learns):
    """A learned prompt before frozen words, and frozen words that a learned query looks at."""
    torch.manual_seed(0)
    key, value, query = torch.randn(3, 1, 2, 5, 4, dtype=torch.double).unbind(0)
    for tensor in (key, value) if learns == "keys" else (query,):
        tensor.requires_grad_()
    wanted = (query, key, value)[:1] if learns == "queries" else (key, value)
    whole = fused_attention(query, key, value, causal=True).square().sum()
    cache, total = KeyValueCache(), 0.0
    for t in range(5):
        # After the first two positions nothing new learns.
        new = [x[..., t : t + 1, :] for x in (key, value)]
        if learns == "keys" and t > 1:
            new = [x.detach() for x in new]
        keys, values = cache.append(*new)
        total = total + fused_attention(query[..., t : t + 1, :], keys, values).square().sum()
    ours = torch.autograd.grad(total, wanted)
    theirs = torch.autograd.grad(whole, wanted)
    torch.testing.assert_close(total, whole)
    if learns == "queries":
        torch.testing.assert_close(ours, theirs)
    else:  # those of the positions that were not detached
        for mine, full in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine[..., :2, :], full[..., :2, :])
            assert not mine[..., 2:, :].any()
