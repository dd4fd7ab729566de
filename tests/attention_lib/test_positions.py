"""Position schemes against written-out formulas, their defining properties and public code."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.llama.modeling_llama import LlamaConfig, LlamaRotaryEmbedding
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb as llama_rotary
from transformers.models.t5.modeling_t5 import T5Attention

from attention_lib.positions import (
    LearnedPositions,
    RelativeBias,
    alibi_bias,
    alibi_slopes,
    relative_buckets,
    rotate,
    sinusoidal_positions,
)


def test_sinusoids_are_the_papers_formula_feature_by_feature():
    table = sinusoidal_positions(torch.arange(7), 10, dtype=torch.float64)
    for pos in range(7):
        for i in range(5):
            angle = pos / 10_000 ** (2 * i / 10)
            assert table[pos, 2 * i] == pytest.approx(math.sin(angle), abs=1e-12)
            assert table[pos, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-12)


def test_a_shift_of_sinusoids_is_one_linear_map_for_all_positions():
    table = sinusoidal_positions(torch.arange(50), 6, dtype=torch.float64)
    shifted, here = table[13:], table[:-13]
    fitted = torch.linalg.lstsq(here, shifted).solution
    assert torch.allclose(here @ fitted, shifted, atol=1e-9)


def test_sinusoids_of_late_positions_stay_exact():
    late = sinusoidal_positions(torch.tensor([1_000_003]), 4)
    assert late[0, 0].item() == pytest.approx(math.sin(1_000_003), abs=1e-6)


def test_an_odd_size_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match="d_model is 7"):
        sinusoidal_positions(torch.arange(3), 7)
    with pytest.raises(ValueError, match="head_dim is 5"):
        rotate(torch.zeros(3, 5), torch.arange(3))


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(["adjacent", "halves"]),
    st.integers(0, 10_000),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_rotated_scores_depend_on_the_distance_alone(pairs, shift, m, n):
    query, key = torch.randn(2, 1, 14, dtype=torch.float64, generator=_generator(m + n))

    def score(m: int, n: int) -> float:
        q = rotate(query, torch.tensor([m]), pairs=pairs)
        k = rotate(key, torch.tensor([n]), pairs=pairs)
        return float((q * k).sum())

    assert score(m + shift, n + shift) == pytest.approx(score(m, n), abs=1e-8)


def test_rotation_keeps_lengths_and_leaves_position_zero():
    x = torch.randn(2, 3, 5, 14, dtype=torch.float64, generator=_generator(0))
    turned = rotate(x, torch.arange(5))
    assert torch.allclose(turned.norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(turned[..., 0, :], x[..., 0, :])
    assert not torch.allclose(turned[..., 1, :], x[..., 1, :])


def test_the_two_pairings_differ_by_a_permutation_of_features():
    x = torch.randn(5, 14, dtype=torch.float64, generator=_generator(1))
    order = torch.cat([torch.arange(0, 14, 2), torch.arange(1, 14, 2)])
    adjacent = rotate(x, torch.arange(5))
    assert torch.allclose(rotate(x[:, order], torch.arange(5), pairs="halves"), adjacent[:, order])


def test_halves_are_llamas_rotation(device):
    config = LlamaConfig(hidden_size=44, num_attention_heads=2, max_position_embeddings=32)
    query, key = torch.randn(2, 3, 2, 11, 22, generator=_generator(2)).to(device)
    cos, sin = LlamaRotaryEmbedding(config).to(device)(query, torch.arange(11)[None].to(device))
    expected = llama_rotary(query, key, cos, sin)
    positions = torch.arange(11, device=device)
    for x, wanted in zip((query, key), expected, strict=True):
        assert torch.allclose(rotate(x, positions, pairs="halves"), wanted, atol=1e-5)


def test_an_unknown_pairing_is_named():
    with pytest.raises(ValueError, match="'thirds'"):
        rotate(torch.zeros(3, 4), torch.arange(3), pairs="thirds")  # type: ignore[arg-type]


@pytest.mark.parametrize("num_heads", [1, 3, 8, 12])
def test_alibi_is_blooms_up_to_a_constant_a_row(num_heads):
    length = 7
    blooms = build_alibi_tensor(torch.ones(1, length), num_heads, torch.float32)
    ours = alibi_bias(num_heads, torch.arange(length), torch.arange(length))
    last_row = ours[:, -1]
    assert torch.allclose(last_row - last_row[:, :1], blooms[:, 0], atol=1e-6)


def test_alibi_slopes_fall_from_head_to_head_within_a_power_of_two():
    assert alibi_slopes(8).tolist() == [2.0**-i for i in range(1, 9)]
    assert torch.all(alibi_slopes(16).diff() < 0)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("num_buckets", "max_distance"), [(32, 128), (16, 40)])
def test_buckets_are_t5s(causal, num_buckets, max_distance):
    distance = torch.arange(-300, 301)
    wanted = T5Attention._relative_position_bucket(
        distance,
        bidirectional=not causal,
        num_buckets=num_buckets,
        max_distance=max_distance,
    )
    ours = relative_buckets(
        distance, num_buckets=num_buckets, max_distance=max_distance, causal=causal
    )
    assert torch.equal(ours, wanted)


def test_the_learned_bias_is_equal_for_equal_distances():
    bias = RelativeBias(3)(torch.arange(5), torch.arange(7))
    assert bias.shape == (3, 5, 7)
    assert torch.equal(bias[:, 0, 1], bias[:, 3, 4])
    assert not torch.equal(bias[:, 0, 1], bias[:, 1, 0])


def test_a_position_beyond_the_learned_table_names_it():
    with pytest.raises(ValueError, match="position 5 lies beyond the learned table of 5"):
        LearnedPositions(5, 4)(torch.arange(6))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "settings", [{"num_buckets": 2}, {"max_distance": 8}, {"max_distance": 4, "num_buckets": 32}]
)
def test_buckets_that_cannot_be_are_refused_when_they_are_asked_for(settings):
    with pytest.raises(ValueError, match="wanted at least 1, and further"):
        RelativeBias(2, **settings)
