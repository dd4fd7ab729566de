import math
from dataclasses import replace

import pytest
import torch

from attention_lib.data import grammar_corpus
from attention_lib.data.batching import make_batch
from attention_lib.data.pairs import TextPair
from attention_lib.data.subwords import Subwords
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.evaluation import Translator, gold_error_rate, link_matrix
from attention_lib.multihead import record_attention
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.transformer import Transformer, TransformerConfig

PAIRS = grammar_corpus(40, max_length=8)
SRC, TGT = Vocabulary(p.src for p in PAIRS), Vocabulary(p.tgt for p in PAIRS)


def translator(device="cpu", **settings) -> Translator:
    torch.manual_seed(0)
    config = Seq2SeqConfig(len(SRC), len(TGT), d_embed=5, d_hidden=7, **settings)
    # In float64 words of like probability keep their order in batches of every size.
    return Translator(Seq2Seq(config).to(device, torch.float64), SRC, TGT)


def test_translations_stand_in_the_order_of_the_pairs_whatever_the_batches(device):
    whole = translator(device).decode(PAIRS)
    parts = translator(device).decode(PAIRS, batch_size=7)
    assert [d.words for d in whole] == [d.words for d in parts]
    words = [" ".join(TGT.decode(decoded.words)) for decoded in whole]
    assert translator(device).translate(PAIRS) == words


def test_greedy_decoding_keeps_the_weights_of_every_word_it_wrote(device):
    for pair, decoded in zip(PAIRS, translator(device).decode(PAIRS), strict=True):
        assert decoded.weights.shape[0] == len(decoded.words)
        assert decoded.weights[:, len(pair.src) :].abs().sum() == 0


def test_a_beam_writes_one_translation_a_pair(device):
    assert len(translator(device).decode(PAIRS[:5], beam_size=3)) == 5


def test_subwords_translate_text_and_align_by_subword():
    texts = [TextPair(" ".join(p.src), " ".join(p.tgt)) for p in PAIRS[:7]]
    subwords = Subwords.learn([t for pair in texts for t in (pair.src, pair.tgt)], size=300)
    torch.manual_seed(0)
    model = Seq2Seq(Seq2SeqConfig(len(subwords), len(subwords), d_embed=5, d_hidden=7))
    by_subword = Translator(model, subwords, subwords)
    decoded = by_subword.decode(texts)
    assert by_subword.translate(texts) == [subwords.text(d.words) for d in decoded]
    for pair, weights in zip(texts, by_subword.align(texts, batch_size=3), strict=True):
        ids = (subwords.encode(pair.tgt), subwords.encode(pair.src))
        assert weights.shape == tuple(map(len, ids))


def test_a_longer_penalty_favours_longer_translations():
    some = translator()
    # An untrained model never ends; this one may at every step, so that the score decides.
    some.model.output.weight.data.mul_(30)
    some.model.output.bias.data[TGT.eos] = 4.0
    lengths = [
        sum(len(d.words) for d in some.decode(PAIRS, beam_size=3, length_penalty=alpha))
        for alpha in (-2.0, 0.0, 5.0)
    ]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[2]


def test_alignments_have_a_row_a_target_word_and_a_column_a_source_word(device):
    maps = translator(device).align(PAIRS, batch_size=7)
    assert [m.shape for m in maps] == [(len(p.tgt), len(p.src)) for p in PAIRS]
    for weights in maps:
        torch.testing.assert_close(weights.sum(-1), torch.ones(len(weights)).double())


def test_a_model_without_attention_has_no_alignments():
    with pytest.raises(ValueError, match="no attention"):
        translator(attention="none").align(PAIRS[:1])


def test_the_perplexity_of_a_model_that_knows_nothing_is_the_size_of_the_vocabulary(device):
    model = translator(device)
    for parameter in model.model.output.parameters():
        torch.nn.init.zeros_(parameter)
    assert math.isclose(model.perplexity(PAIRS), len(TGT), rel_tol=1e-5)


def test_gold_links_as_a_prediction_make_no_error():
    assert gold_error_rate([link_matrix(p.sure, p) for p in PAIRS], PAIRS) == 0
    assert gold_error_rate([~link_matrix(p.possible, p) for p in PAIRS], PAIRS) == 1


def test_a_transformer_aligns_by_the_mean_of_its_cross_attention(device):
    torch.manual_seed(0)
    config = replace(TransformerConfig.tiny(len(SRC)), tgt_size=len(TGT), tie="output")
    model, pairs = Transformer(config).to(device, torch.float64), PAIRS[:7]
    maps = Translator(model, SRC, TGT).align(pairs, batch_size=3)
    for pair, rows in zip(pairs, maps, strict=True):
        assert rows.shape == (len(pair.tgt), len(pair.src))
        assert torch.allclose(rows.sum(1), torch.ones(len(pair.tgt)).double())
    batch = make_batch(pairs[:3], SRC, TGT).to(device)
    with record_attention(model) as heads:
        model(batch.src, batch.src_lengths, batch.tgt_in)
    layers = [heads[f"decoder_layers.{i}.cross_attention"][0][1] for i in range(4)]
    by_hand = sum(layer.mean(0) for layer in layers).cpu() / 4
    assert torch.allclose(maps[1], by_hand[: len(pairs[1].tgt), : len(pairs[1].src)], atol=1e-10)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_translations_are_no_longer_than_learned_positions_reach(beam_size):
    torch.manual_seed(0)
    config = replace(TransformerConfig.tiny(7), src_size=len(SRC), tgt_size=len(TGT), tie="output")
    config = replace(config, positions="learned", max_length=11)
    model = Transformer(config)
    model.output.weight.data[TGT.eos] = 0.0  # hardly ever the most probable word
    decoded = Translator(model, SRC, TGT).decode(PAIRS, beam_size=beam_size)
    assert max(len(d.words) for d in decoded) == 11


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_translator_gives_the_weights_of_each_word_where_they_are_asked_for(beam_size):
    torch.manual_seed(0)
    config = replace(TransformerConfig.tiny(7), src_size=len(SRC), tgt_size=len(TGT), tie="output")
    asking = Translator(Transformer(config), SRC, TGT)
    assert all(d.weights is None for d in asking.decode(PAIRS, beam_size=beam_size))
    for pair, d in zip(
        PAIRS, asking.decode(PAIRS, beam_size=beam_size, need_weights=True), strict=True
    ):
        assert d.weights.shape == (len(d.words), len(pair.src))
        torch.testing.assert_close(d.weights.sum(-1), torch.ones(len(d.words)))


def test_batches_of_no_pairs_are_refused():
    some = translator()
    for ask in (some.decode, some.align, some.perplexity):
        with pytest.raises(ValueError, match="batch_size is 0"):
            ask(PAIRS, batch_size=0)
