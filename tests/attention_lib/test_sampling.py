"""Sampling: what may be drawn, how often, and that it stops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import TopKLogitsWarper, TopPLogitsWarper

from attention_lib.decoding import greedy_decode, keep_top_k, keep_top_p, sample

ENDS = {"bos": 0, "eos": 1, "max_length": 8}


class Fixed:
    """A model whose logits depend on the last word alone."""

    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits

    def start(self, src, src_lengths):
        return None

    def step(self, words, state):
        return self.logits[words], state, None


def _logits(rows: int, words: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, words, generator=torch.Generator().manual_seed(seed)) * 3


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(0, 1000))
def test_top_k_keeps_what_the_public_one_keeps(k, seed):
    logits = _logits(3, 23, seed)
    assert torch.equal(keep_top_k(logits, k), TopKLogitsWarper(k)(None, logits))


@settings(deadline=None, max_examples=40)
@given(st.floats(0.01, 0.99), st.integers(0, 1000))
def test_top_p_keeps_what_the_public_one_keeps(p, seed):
    logits = _logits(3, 23, seed)
    assert torch.equal(keep_top_p(logits, p), TopPLogitsWarper(p)(None, logits))


@settings(deadline=None, max_examples=40)
@given(st.floats(0.01, 1.0), st.integers(0, 1000))
def test_top_p_keeps_enough_and_no_word_too_many(p, seed):
    logits = _logits(1, 23, seed)
    probs = logits.softmax(-1)[0].double()
    kept = keep_top_p(logits, p)[0].isfinite()
    assert probs[kept].sum() >= p - 1e-5
    assert probs[kept].sum() - probs[kept].min() < p + 1e-5


def _renormalised(probs, temperature=1.0, top_k=None, top_p=None) -> np.ndarray:
    """The documented order, word by word: first temperature, then top k, then top p."""
    probs = np.asarray(probs, dtype=np.float64) ** (1 / temperature)
    order = list(np.argsort(-probs))
    order = order[: top_k or len(order)]
    share = probs / probs[order].sum()
    kept: list[int] = []
    while order and (top_p is None or share[kept].sum() < top_p):
        kept.append(order.pop(0))
    return np.where(np.isin(np.arange(len(probs)), kept), probs, 0) / probs[kept].sum()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.0},
        {"top_k": 1},
        {"top_k": 3},
        {"top_p": 0.6},
        {"temperature": 2.0, "top_k": 3},
        {"temperature": 2.0, "top_p": 0.7},
        {"top_k": 3, "top_p": 0.7},
        {"temperature": 2.0, "top_k": 4, "top_p": 0.64},
    ],
    ids=str,
)
def test_words_are_drawn_as_often_as_they_are_probable(device, options):
    probs = [0.0, 0.05, 0.2, 0.3, 0.12, 0.08, 0.25]
    model = Fixed(torch.tensor(probs, device=device).log().expand(7, -1))
    generator = torch.Generator(device).manual_seed(0)
    ends = ENDS | {"max_length": 1}
    src = torch.zeros(20_000, 1, device=device)
    drawn = sample(model, src, None, generator=generator, **ends, **options)
    first = torch.tensor([d.words[0] if d.words else ENDS["eos"] for d in drawn])
    share = (first.bincount(minlength=7) / len(first)).numpy()
    wanted = _renormalised(probs, **options)
    np.testing.assert_array_equal(share > 0, wanted > 0)
    np.testing.assert_allclose(share, wanted, atol=0.014)
    log_probs = torch.tensor(probs).log()[first].numpy()
    np.testing.assert_allclose([d.log_prob for d in drawn], log_probs, atol=1e-5)


def test_each_sentence_stops_at_its_own_end(device):
    logits = torch.full((4, 4), -torch.inf, device=device)
    logits[:, 1:] = 0.0
    generator = torch.Generator(device).manual_seed(0)
    src = torch.zeros(200, 1, device=device)
    drawn = sample(Fixed(logits), src, None, generator=generator, **ENDS)
    lengths = {len(sentence.words) for sentence in drawn}
    assert len(lengths) > 3
    for sentence in drawn:
        assert 1 not in sentence.words
        ended = len(sentence.words) < ENDS["max_length"]
        wanted = -(len(sentence.words) + ended) * torch.tensor(3.0).log().item()
        assert sentence.log_prob == pytest.approx(wanted, abs=1e-4)


def test_top_1_and_cold_sampling_are_greedy_and_seeds_repeat(device):
    model, src = Fixed(_logits(7, 7, 3).to(device)), torch.zeros(3, 1, device=device)
    greedy = [d.words for d in greedy_decode(model, src, None, **ENDS)]
    assert [d.words for d in sample(model, src, None, top_k=1, **ENDS)] == greedy
    assert [d.words for d in sample(model, src, None, temperature=1e-4, **ENDS)] == greedy

    def draw(seed: int) -> list[list[int]]:
        generator = torch.Generator(device).manual_seed(seed)
        drawn = sample(model, src[:1].expand(30, 1), None, generator=generator, **ENDS)
        return [d.words for d in drawn]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_a_sentence_may_begin_with_its_own_word():
    model = Fixed(_logits(7, 7, 3))
    words = torch.tensor([2, 3, 4])
    together = greedy_decode(model, torch.zeros(3, 1), None, **(ENDS | {"bos": words}))
    alone = [
        greedy_decode(model, torch.zeros(1, 1), None, **(ENDS | {"bos": int(word)}))[0]
        for word in words
    ]
    assert [d.words for d in together] == [d.words for d in alone]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, r"temperature is 0\.0; wanted a number above 0"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_p": 0.0}, r"top_p is 0\.0"),
        ({"top_p": 1.5}, r"top_p is 1\.5"),
        ({"max_length": 0}, "max_length is 0"),
    ],
)
def test_what_is_out_of_range_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        sample(Fixed(_logits(3, 3, 0)), torch.zeros(1, 1), None, **(ENDS | options))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_top_p_keeps_its_share_in_half_precision(dtype):
    kept = keep_top_p(torch.zeros(50_000, dtype=dtype), 0.9)
    assert kept.isfinite().double().mean() >= 0.9


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_a_temperature_near_zero_writes_the_likeliest_word(dtype):
    logits = torch.tensor([[60.0, 61.0, 7.0]], dtype=dtype)

    class Same:
        @staticmethod
        def start(src, lengths):
            return None

        @staticmethod
        def step(words, state):
            return logits, None, None

    settings = {"bos": 0, "eos": 2, "max_length": 3, "temperature": 1e-38}
    (written,) = sample(Same, torch.zeros(1, 1, dtype=torch.long), None, **settings)
    assert written.words == [1, 1, 1]
    for temperature in (float("nan"), float("inf"), 0.0):
        with pytest.raises(ValueError, match="wanted a number above 0"):
            sample(Same, torch.zeros(1, 1), None, **settings | {"temperature": temperature})


def test_a_probability_of_one_keeps_every_word():
    logits = _logits(4, 50_000, 0) * 3
    assert torch.equal(keep_top_p(logits, 1.0), logits)
