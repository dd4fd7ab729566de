"""Decoders against brute force, on small models with random weights."""

from dataclasses import dataclass, replace
from itertools import product

import pytest
import torch
from torch import nn

from attention_lib.decoding import beam_search, greedy_decode, sample
from attention_lib.language_models import GPT, LanguageModelConfig
from attention_lib.multihead import record_attention
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.transformer import Transformer, TransformerConfig

SRC = torch.tensor([[4, 5, 6, 7], [6, 4, 0, 0], [7, 7, 5, 0]])
LENGTHS = torch.tensor([4, 2, 3])
BOS, EOS = 1, 2


def build(seed=0, tgt_size=9, device="cpu", **options):
    torch.manual_seed(seed)
    model = Seq2Seq(Seq2SeqConfig(8, tgt_size, d_embed=5, d_hidden=6, **options)).double().eval()
    # Random weights of this size make random, peaked sentences of different lengths.
    for parameter in model.parameters():
        parameter.data.mul_(4)
    return model.to(device)


@torch.no_grad()
def log_prob(model, src, lengths, words):
    """Log-probability of a sentence, by teacher forcing."""
    logits, _ = model(src, lengths, torch.tensor([[BOS, *words[:-1]]], device=src.device))
    steps = logits.log_softmax(-1)[0]
    return float(steps[torch.arange(len(words)), torch.tensor(words)].sum())


@pytest.mark.parametrize("options", [{}, {"attention": "none"}, {"locality": "local-m"}])
def test_greedy_takes_the_best_word_each_time_and_stops_each_sentence_at_its_own_end(
    device, options
):
    lengths_seen, src = set(), SRC.to(device)
    for seed in range(8):
        model = build(seed, device=device, **options)
        batch = greedy_decode(model, src, LENGTHS, bos=BOS, eos=EOS, max_length=6)
        for i, decoded in enumerate(batch):
            words, length = [BOS], int(LENGTHS[i])
            while len(words) <= 6 and words[-1] != EOS:
                tgt_in = torch.tensor([words], device=device)
                logits, weights = model(src[i : i + 1, :length], LENGTHS[i : i + 1], tgt_in)
                words.append(int(logits[0, -1].argmax()))
            assert decoded.words == [word for word in words[1:] if word != EOS]
            total = log_prob(model, src[i : i + 1, :length], LENGTHS[i : i + 1], words[1:])
            assert decoded.log_prob == pytest.approx(total)
            lengths_seen.add(len(decoded.words))
            if options.get("attention") == "none":
                assert decoded.weights is None
            else:
                wanted = weights[0, : len(decoded.words)].cpu()
                torch.testing.assert_close(decoded.weights, wanted)
    assert len(lengths_seen) > 3


def test_a_beam_of_one_is_greedy_decoding(device):
    for seed in range(8):
        model, ends = build(seed, device=device), {"bos": BOS, "eos": EOS, "max_length": 6}
        greedy = greedy_decode(model, SRC.to(device), LENGTHS, **ends)
        beam = beam_search(model, SRC.to(device), LENGTHS, beam_size=1, **ends)
        assert [d.words for d in beam] == [d.words for d in greedy]
        assert [d.log_prob for d in beam] == pytest.approx([d.log_prob for d in greedy])


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_a_wide_beam_finds_the_best_of_all_sentences(device, alpha):
    words, longest = range(4), 3
    for seed in range(6):
        model, whole = build(seed, tgt_size=4, device=device), SRC.to(device)
        found = beam_search(
            model, whole, LENGTHS, bos=BOS, eos=EOS, max_length=longest, beam_size=64,
            length_penalty=alpha,
        )  # fmt: skip
        for i, decoded in enumerate(found):
            src, lengths = whole[i : i + 1, : int(LENGTHS[i])], LENGTHS[i : i + 1]
            ends = [[*p, EOS] for n in range(longest) for p in product(words, repeat=n)]
            open_ends = [list(p) for p in product(words, repeat=longest)]
            ranked = {}
            for sentence in [s for s in ends + open_ends if EOS not in s[:-1]]:
                penalty = ((5 + len(sentence)) / 6) ** alpha
                ranked[tuple(sentence)] = log_prob(model, src, lengths, sentence) / penalty
            best = max(ranked, key=ranked.get)
            assert decoded.words == [word for word in best if word != EOS]


def test_a_wider_beam_never_finds_a_less_probable_sentence_here():
    gains = 0.0
    for seed in range(8):
        model = build(seed)
        options = {"bos": BOS, "eos": EOS, "max_length": 6}
        one = beam_search(model, SRC, LENGTHS, beam_size=1, **options)
        all_words = beam_search(model, SRC, LENGTHS, beam_size=81, **options)
        for narrow, wide in zip(one, all_words, strict=True):
            assert wide.log_prob >= narrow.log_prob - 1e-9
            gains += wide.log_prob - narrow.log_prob
    assert gains > 0


def test_beam_search_treats_each_sentence_as_if_it_were_alone(device):
    model, src = build(3, device=device, locality="local-m"), SRC.to(device)
    options = {"bos": BOS, "eos": EOS, "max_length": 6, "beam_size": 3}
    together = beam_search(model, src, LENGTHS, **options)
    for i, decoded in enumerate(together):
        (alone,) = beam_search(
            model, src[i : i + 1, : int(LENGTHS[i])], LENGTHS[i : i + 1], **options
        )
        assert alone.words == decoded.words


def test_beam_search_refuses_a_beam_of_nothing():
    with pytest.raises(ValueError, match="beam_size is 0"):
        beam_search(build(), SRC, LENGTHS, bos=BOS, eos=EOS, max_length=3, beam_size=0)


@dataclass
class NeverEnds:
    """A model that has no end: it repeats word 3."""

    def start(self, src, src_lengths):
        return len(src)

    def step(self, words, state):
        logits = torch.zeros(len(words), 5)
        logits[:, 3] = 9.0
        return logits, state, None


def test_a_model_that_never_ends_is_cut_at_max_length():
    (decoded,) = greedy_decode(NeverEnds(), SRC[:1], LENGTHS[:1], bos=BOS, eos=EOS, max_length=7)
    assert decoded.words == [3] * 7


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_half_precision_is_ranked_in_float32(dtype):
    """Sums of log-probabilities in half precision lose what tells beams apart."""
    torch.manual_seed(0)
    model = GPT(LanguageModelConfig.tiny(53)).eval().to(dtype)

    class Widened:
        start = model.start

        @staticmethod
        def step(words, state):
            logits, state, weights = model.step(words, state)
            return logits.float(), state, weights

    ids, settings = torch.randint(4, 53, (7, 3)), {"bos": 1, "eos": 2, "max_length": 30}
    for decode in (beam_search, greedy_decode):
        ours, exact = (decode(m, ids, None, **settings) for m in (model, Widened))
        assert [d.words for d in ours] == [d.words for d in exact]
        assert [d.log_prob for d in ours] == [d.log_prob for d in exact]


def translator(name, seed):
    if name == "Seq2Seq":
        return build(seed)
    torch.manual_seed(seed)
    sizes = {"d_model": 12, "num_heads": 2, "d_ff": 17, "norm": "pre", "tie": "none"}
    model = Transformer(replace(TransformerConfig.tiny(9), **sizes)).double().eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.6)
    return model


def taught_weights(model, src, lengths, words):
    """The weights over the source while the model is led through a sentence."""
    with torch.no_grad(), record_attention(model) as maps:
        _, weights = model(src, lengths, torch.tensor([[BOS, *words[:-1]]], device=src.device))
    if weights is None:
        weights = torch.stack([m[0] for n, m in maps.items() if "cross" in n]).mean((0, 2))
    return weights[0].cpu()


@pytest.mark.parametrize("name", ["Transformer", "Seq2Seq"])
@pytest.mark.parametrize("decode", [greedy_decode, beam_search, sample])
def test_weights_on_request_are_those_of_reading_the_sentence_again(device, name, decode):
    lengths_seen, src = set(), SRC.to(device)
    for seed in range(7):
        model = translator(name, seed).to(device)
        ends = {"bos": BOS, "eos": EOS + seed, "max_length": 7}
        torch.manual_seed(0)
        plain = decode(model, src, LENGTHS, **ends)
        torch.manual_seed(0)
        decoded = decode(model, src, LENGTHS, need_weights=True, **ends)
        assert [d.words for d in decoded] == [d.words for d in plain]
        for i, one in enumerate(decoded):
            length = int(LENGTHS[i])
            assert one.weights.shape == (len(one.words), length)
            if one.words:
                given = src[i : i + 1, :length], LENGTHS[i : i + 1]
                torch.testing.assert_close(one.weights, taught_weights(model, *given, one.words))
            lengths_seen.add(len(one.words))
        if decode is beam_search:
            assert all(d.weights is None for d in plain)
        whole = decode(model, src, None, need_weights=True, **ends)
        assert all(d.weights.shape[1] == SRC.shape[1] for d in whole)
    assert len(lengths_seen) > 2


def test_a_model_without_attention_has_no_weights_to_give():
    for decode in (greedy_decode, beam_search):
        given = build(attention="none"), SRC, LENGTHS
        decoded = decode(*given, bos=BOS, eos=EOS, max_length=3, need_weights=True)
        assert all(d.weights is None for d in decoded)
