"""What does not fit is refused in words, whichever part of the library is given it."""

import gzip
import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from attention_lib import metrics
from attention_lib.area_attention import area_attention
from attention_lib.attention import (
    attend,
    attentional_vector,
    fused_attention,
    masked_softmax,
    scaled_dot_product_attention,
)
from attention_lib.captioning import Captioner, CaptionerConfig
from attention_lib.cells import CellParams, lstm_step, rnn_step
from attention_lib.classification import BagClassifier, RecurrentClassifier, keywords
from attention_lib.data.batching import Batch
from attention_lib.data.documents import Document
from attention_lib.data.sst2 import sst2
from attention_lib.data.tatoeba import tatoeba
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.data.waimai import waimai
from attention_lib.decoding import beam_search
from attention_lib.efficient import sliding_window_attention, tiled_attention
from attention_lib.explanation import Guided, hit_rate, permute_attention
from attention_lib.fast import vocabulary_loss
from attention_lib.language_models import (
    BERT,
    GPT,
    LanguageModelConfig,
    TextClassifier,
    hide_tokens,
    next_token_batch,
)
from attention_lib.layers import FeedForward, LayerConfig
from attention_lib.local_attention import local_p_centre
from attention_lib.losses import label_smoothed_targets, label_smoothing_loss, sequence_loss
from attention_lib.masks import causal_mask, length_mask
from attention_lib.multihead import MultiHeadAttention, repeat_heads, split_heads
from attention_lib.pooling import attention_pool
from attention_lib.positions import (
    LearnedPositions,
    RelativeBias,
    alibi_bias,
    alibi_slopes,
    rotate,
)
from attention_lib.scores import (
    additive_score,
    concat_score,
    dot_score,
    general_score,
    location_score,
)
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.training import Loss, fit, translation_loss
from attention_lib.transformer import Transformer, TransformerConfig
from attention_lib.visual_attention import gated_context, soft_attention

SRC, LENGTHS = torch.tensor([[4, 5, 6], [7, 8, 0]]), torch.tensor([3, 2])
TGT = torch.tensor([[1, 5], [1, 6]])
X = torch.zeros(2, 3, 5, 4)
REVIEW = Document((("not", "bad", "!"),), 1, frozenset({0}))
VOCABULARY = Vocabulary([REVIEW.words])
TRANSLATORS = {
    "Transformer": lambda: Transformer(TransformerConfig.tiny(11)),
    "Seq2Seq": lambda: Seq2Seq(Seq2SeqConfig(11, 11, d_embed=3, d_hidden=4)),
}
CLASSIFIERS = {
    "bag": lambda: BagClassifier(11, 2),
    "recurrent": lambda: RecurrentClassifier(11, 2, d_embed=3, d_hidden=4),
    "BERT": lambda: TextClassifier(BERT(LanguageModelConfig.tiny(11)), 2, cls_id=1),
}
every_translator = pytest.mark.parametrize("build", TRANSLATORS.values(), ids=TRANSLATORS)
every_classifier = pytest.mark.parametrize("build", CLASSIFIERS.values(), ids=CLASSIFIERS)


@every_translator
@pytest.mark.parametrize("tgt_in", [TGT[0], TGT[:1], TGT[[0, 1, 1]], TGT[:, :0]])
def test_a_translator_refuses_targets_that_are_not_those_of_its_sources(build, tgt_in):
    with pytest.raises(ValueError, match=r"wanted \(batch, (length|steps)\)"):
        build()(SRC, LENGTHS, tgt_in)
    if tgt_in.dim() == 2:
        with pytest.raises(ValueError, match="of one batch"):
            build().loss(Batch(SRC, LENGTHS, tgt_in, tgt_in, pad=0))


@every_translator
def test_lengths_in_a_list_are_refused(build):
    with pytest.raises(TypeError, match="lengths: list; wanted a tensor"):
        build()(SRC, [3, 2], TGT)


@every_classifier
def test_a_classifier_refuses_an_empty_text_and_takes_no_lengths_for_no_padding(build):
    model = build().eval()
    with pytest.raises(ValueError, match="a sentence is empty"):
        model(SRC, torch.tensor([3, 0]))
    whole, _ = model(SRC[:1], torch.tensor([3]))
    assert torch.equal(model(SRC[:1], None)[0], whole)


@every_translator
def test_a_batch_of_padding_alone_has_nothing_to_predict(build):
    nothing = Batch(SRC, LENGTHS, TGT * 0, TGT * 0, pad=0)
    with pytest.raises(ValueError, match="a batch has nothing to predict"):
        fit(build(), [nothing], steps=1)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"clip_norm": -1.0}, ValueError, r"clip_norm is -1\.0; wanted a norm above 0, or None"),
        ({"clip_norm": 0.0}, ValueError, r"clip_norm is 0\.0"),
        ({"patience": 0}, ValueError, "patience is 0; wanted at least 1"),
        ({"every": 0}, ValueError, "every is 0; wanted at least 1"),
        ({"steps": -1}, ValueError, "steps is -1; wanted at least 1"),
        ({"accumulate": 0}, ValueError, "accumulate is 0; wanted at least 1"),
        ({"loss": lambda m, b: m(b.src, b.src_lengths, b.tgt_in)[0].sum()}, TypeError,
         "loss gave a Tensor; wanted a Loss"),
        ({"validate": lambda m: None}, TypeError, "validate gave None; wanted a number"),
        ({"optimizer": torch.optim.SGD(nn.Linear(1, 1).parameters())}, ValueError,
         "the optimizer has none of the model's parameters"),
    ],
)  # fmt: skip
def test_training_refuses_settings_that_train_nothing(settings, error, message):
    batch = Batch(SRC, LENGTHS, TGT, TGT, pad=0)
    with pytest.raises(error, match=message):
        fit(TRANSLATORS["Seq2Seq"](), [batch] * 3, **({"steps": 1} | settings))


def test_training_without_clipping_takes_the_whole_gradient():
    def steep(model, batch):
        return Loss(1000 * translation_loss(model, batch).total, 1)

    moved = []
    for clip_norm in (None, 1.0):
        torch.manual_seed(0)
        model = TRANSLATORS["Seq2Seq"]()
        before = model.output.weight.detach().clone()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        batch = Batch(SRC, LENGTHS, TGT, TGT, pad=0)
        plan = {"steps": 1, "clip_norm": clip_norm, "schedule": lambda done: 1.0}
        fit(model, [batch], steep, optimizer=optimizer, **plan)
        moved.append((model.output.weight - before).norm())
    assert moved[0] > 10 * moved[1]


def test_a_run_with_figures_of_numpy_goes_on(tmp_path):
    plan = {"validate": lambda m: np.mean([1.0, 2.0]), "checkpoint": tmp_path / "run.pt"}
    model, batch = TRANSLATORS["Seq2Seq"](), Batch(SRC, LENGTHS, TGT, TGT, pad=0)
    fit(model, [batch] * 3, steps=3, **plan)
    assert len(fit(model, [batch] * 5, steps=5, **plan).losses) == 5
    torch.save(model, tmp_path / "run.pt")
    with pytest.raises(ValueError, match=r"run\.pt is no whole checkpoint"):
        fit(model, [batch] * 5, steps=5, **plan)


def test_both_faces_take_a_mask_of_the_keys_alone():
    query, mask = torch.randn(2, 3, 5, 4), torch.tensor([True, True, False, True, False])
    context, _ = scaled_dot_product_attention(query, query, query, mask)
    torch.testing.assert_close(fused_attention(query, query, query, mask), context)
    torch.testing.assert_close(
        fused_attention(query, query, query, mask, bias=torch.zeros(5)), context
    )


@pytest.mark.parametrize("talking", [False, True])
@pytest.mark.parametrize("need_weights", [False, True])
def test_every_face_refuses_the_same_biases(need_weights, talking):
    attention = MultiHeadAttention(8, num_heads=2, talking=talking)
    x = torch.randn(1, 5, 8)
    with pytest.raises(ValueError, match=r"bias of shape \(4, 1, 5, 5\) does not broadcast"):
        attention(x, bias=torch.zeros(4, 1, 5, 5), need_weights=need_weights)
    with pytest.raises(TypeError, match=r"bias has dtype torch\.bool; wanted floating"):
        attention(x, bias=torch.ones(5, 5, dtype=torch.bool), need_weights=need_weights)


def test_the_fast_loss_is_finite_where_the_padding_cannot_be_written():
    hidden, weight, targets = torch.randn(5, 3), torch.randn(7, 3), torch.tensor([1, 2, 6, 3, 3])
    bias = torch.zeros(7).index_fill(0, torch.tensor(0), -math.inf)
    ours = vocabulary_loss(hidden, weight, targets, bias=bias, label_smoothing=0.1)
    logits = hidden @ weight.T + bias
    torch.testing.assert_close(ours, label_smoothing_loss(logits, targets, 0.1, 0, reduction="sum"))


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: label_smoothing_loss(torch.zeros(2, 4), SRC[0, :2], 0.1, 0, reduction="none"),
         ValueError, "reduction is 'none'; wanted 'mean' or 'sum'"),
        (lambda: vocabulary_loss(torch.zeros(5, 3), torch.zeros(7, 3), SRC[0, :1]),
         ValueError, r"hidden is \(5, 3\) and targets \(1,\); wanted \(tokens, d\)"),
        (lambda: vocabulary_loss(X[0, 0], torch.zeros(7, 4), SRC[0][[0] * 5], label_smoothing=1.5),
         ValueError, r"label_smoothing is 1\.5; wanted a probability"),
        (lambda: hit_rate([REVIEW], [torch.full((3,), math.nan)]), ValueError, "scores hold NaN"),
        (lambda: hit_rate([REVIEW], [torch.ones(3, 2)]), ValueError, "wanted one number a word"),
        (lambda: VOCABULARY.decode([-1]), IndexError, r"ids reach from -1 to -1; wanted 0 … 6"),
        (lambda: VOCABULARY.decode([99]), IndexError, r"ids reach from 99 to 99; wanted 0 … 6"),
        (lambda: metrics.bleu("I am .", "I am ."), TypeError, "hypotheses is the text 'I am .'"),
        (lambda: metrics.exact_match(["a"], "a"), TypeError, "references is the text 'a'"),
        (lambda: metrics.chrf("a", ["a"]), TypeError, "wanted a list of sentences"),
        (lambda: metrics.tokenised_bleu("a", ["a"]), TypeError, "wanted a list of sentences"),
        (lambda: keywords(BagClassifier(7, 2), [REVIEW], VOCABULARY, top=-1),
         ValueError, "top is -1; wanted at least 1"),
        (lambda: hide_tokens(SRC, SRC, mask_id=3, vocab_size=11),
         TypeError, r"candidates are torch\.int64; wanted torch\.bool"),
        (lambda: hide_tokens(SRC, SRC > 0, mask_id=99, vocab_size=11),
         ValueError, r"mask_id is 99; the vocabulary has ids 0 … 10"),
        (lambda: length_mask(torch.tensor([1.5, 3.0])), TypeError, r"lengths are torch\.float32"),
        (lambda: length_mask(torch.tensor([2, -1])), ValueError, "a sequence has length -1"),
        (lambda: additive_score(torch.zeros(2, 1), torch.zeros(3, 5), torch.zeros(5)),
         ValueError, "query has d_a = 1, key 5 and v 5"),
        (lambda: rotate(X, torch.arange(4)), ValueError, "wanted one position for each vector"),
        (lambda: rotate(X[0, 0], torch.zeros(2, 5)), ValueError, "wanted one position for each"),
        (lambda: LearnedPositions(5, 4)(torch.tensor([-1, 2])), ValueError, "position -1 is neg"),
        (lambda: alibi_slopes(0), ValueError, "num_heads is 0; wanted at least 1"),
        (lambda: Captioner(CaptionerConfig(11)).start(torch.zeros(1, 3, 8, 8, dtype=torch.uint8)),
         TypeError, r"pictures are torch\.uint8; wanted floating numbers from 0 to 1"),
        (lambda: Seq2SeqConfig(11, 11, locality="local-m", window=-1),
         ValueError, "window is -1; local-m wants at least 0"),
        (lambda: Seq2SeqConfig(11, 11, locality="local-p", window=0),
         ValueError, "window is 0; local-p wants at least 1"),
        (lambda: MultiHeadAttention(8, 2, dropout=1.0), ValueError, r"dropout is 1\.0"),
        (lambda: beam_search(TRANSLATORS["Seq2Seq"](), SRC, LENGTHS, bos=1, eos=2, max_length=3,
                             length_penalty=math.nan), ValueError, "length_penalty is nan"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(ask, error, message):
    with pytest.raises(error, match=message):
        ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda x, y: dot_score(x, y),
        lambda x, y: general_score(x, x, y[0, :4]),
        lambda x, y: concat_score(x, x, torch.zeros(2, 8), y[0, 0, :2]),
        lambda x, y: additive_score(x, y, torch.zeros(4)),
        lambda x, y: location_score(x, y[0], length=2),
        lambda x, y: attend(x, y[:, :4]),
        lambda x, y: scaled_dot_product_attention(x, x, y),
        lambda x, y: fused_attention(x[None], y[None], x[None]),
        lambda x, y: tiled_attention(x[None], x[None], y[None]),
        lambda x, y: sliding_window_attention(x[None], x[None], y[None], window=1),
        lambda x, y: area_attention(x[None], y[None], x[None], max_area=2),
        lambda x, y: attentional_vector(x, y, torch.zeros(3, 8)),
        lambda x, y: attention_pool(x, y[0, :4], torch.zeros(4), torch.zeros(4)),
        lambda x, y: local_p_centre(x, y[0], torch.zeros(5), LENGTHS),
        lambda x, y: soft_attention(x[:, 0], y, torch.zeros(3, 4), torch.zeros(3, 4), x[0, 0, :3]),
        lambda x, y: gated_context(x[:, 0], y[:, 0], x[0, 0], torch.zeros(())),
        lambda x, y: rnn_step(y[:, 0], (x[:, 0],), CellParams(*[x[0, :4]] * 2, *[x[0, 0]] * 2)),
        lambda x, y: lstm_step(
            x[:, 0],
            (x[:, 0], y[:, 0]),
            CellParams(*[x[0, :1].expand(16, 4)] * 2, *[torch.zeros(16)] * 2),
        ),
        lambda x, y: gated_context(y[:, 0], x[:, 0], x[0, 0], torch.zeros(())),
        lambda x, y: MultiHeadAttention(4, 2)(y),
        lambda x, y: Captioner(CaptionerConfig(11))(y.new_zeros(2, 3, 8, 8), TGT),
    ],
)
@pytest.mark.parametrize("other", [torch.float64, torch.int64])
def test_numbers_of_two_kinds_are_refused(ask, other):
    x = torch.zeros(2, 5, 4)
    with pytest.raises(TypeError, match=rf"{other}.*; wanted (one )?floating|{other}; wanted f"):
        ask(x, x.to(other))


@pytest.mark.parametrize("attend", [tiled_attention, partial(sliding_window_attention, window=1)])
def test_what_autocast_does_not_convert_must_be_of_one_kind(attend):
    x = torch.randn(2, 3, 5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        with pytest.raises(TypeError, match="wanted one floating dtype"):
            attend(x, x.bfloat16(), x)
        attend(x.requires_grad_(), x, x).sum().backward()
    assert x.grad.isfinite().all()


def test_autocast_may_get_numbers_of_two_kinds():
    x = torch.randn(2, 3, 5, 4)
    with torch.autocast("cpu", torch.bfloat16):
        context, _ = scaled_dot_product_attention(x, x.bfloat16(), x)
        attended, _ = MultiHeadAttention(4, 2)(x[0].bfloat16())
    assert context.isfinite().all()
    assert attended.isfinite().all()


@pytest.mark.parametrize(
    "ask",
    [
        lambda ids: TRANSLATORS["Transformer"]()(ids, LENGTHS, TGT),
        lambda ids: TRANSLATORS["Transformer"]()(SRC, LENGTHS, ids[:, :2]),
        lambda ids: TRANSLATORS["Transformer"]()(SRC, ids[0, :2], TGT),
        lambda ids: TRANSLATORS["Seq2Seq"]()(ids, LENGTHS, TGT),
        lambda ids: TRANSLATORS["Seq2Seq"]()(SRC, ids[0, :2], TGT),
        lambda ids: GPT(LanguageModelConfig.tiny(11))(ids),
        lambda ids: BERT(LanguageModelConfig.tiny(11))(ids, LENGTHS),
        lambda ids: CLASSIFIERS["bag"]()(ids, LENGTHS),
        lambda ids: CLASSIFIERS["recurrent"]()(ids, LENGTHS),
        lambda ids: CLASSIFIERS["BERT"]()(ids, LENGTHS),
        lambda ids: Captioner(CaptionerConfig(11))(torch.zeros(2, 3, 8, 8), ids),
        lambda ids: next_token_batch(ids, LENGTHS),
        lambda ids: LearnedPositions(9, 4)(ids),
        lambda ids: RelativeBias(2)(ids, ids),
        lambda ids: sequence_loss(torch.zeros(2, 3, 11), ids, pad=0),
        lambda ids: label_smoothing_loss(torch.zeros(2, 3, 11), ids, 0.1, pad=0),
        lambda ids: label_smoothed_targets(ids, 11, 0.1, pad=0),
    ],
)
@pytest.mark.parametrize("kind", [torch.float32, torch.bool])
def test_ids_that_are_no_whole_numbers_are_refused(ask, kind):
    with pytest.raises(TypeError, match=f"are {kind}; wanted whole numbers"):
        ask(SRC.to(kind))


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda: TRANSLATORS["Transformer"]()([[4, 5]], None, TGT),
         TypeError, "ids: list; wanted a tensor"),
        (lambda: masked_softmax([1.0]), TypeError, "scores: list; wanted a tensor"),
        (lambda: dot_score(X[0], X[0, :2]), ValueError,
         r"query: \(3, 5, 4\), key: \(2, 5, 4\); wanted \(\.\.\., length, d\)"),
        (lambda: scaled_dot_product_attention(X[0, 0, 0], X[0, 0], X[0, 0]),
         ValueError, r"query: \(4,\), key: \(5, 4\), value: \(5, 4\); wanted"),
        (lambda: fused_attention(X, X[:, :2], X), ValueError, "that broadcast"),
        (lambda: attend(torch.zeros(2, 5), X[0, 0, :, 0]), ValueError, r"value: \(5,\); wanted"),
        (lambda: location_score(X, torch.zeros(9, 3), 2), ValueError,
         r"weight is \(9, 3\); what it reads is \(2, 3, 5, 4\), so wanted \(rows, 4\)"),
        (lambda: attentional_vector(X[0], X[1, :2], torch.zeros(2, 8)), ValueError,
         "wanted one context for each state"),
        (lambda: soft_attention(X[0, :2, 0], X[0, :2], torch.zeros(3, 4), torch.zeros(3, 5),
                                torch.zeros(3)), ValueError, r"w_features is \(3, 5\)"),
        (lambda: gated_context(X[0, 0], X[0, 0], torch.zeros(3), torch.zeros(())),
         ValueError, r"weight is \(3,\), hidden \(5, 4\); wanted one number for each feature"),
        (lambda: local_p_centre(X[0], torch.zeros(4, 3), torch.zeros(4), LENGTHS),
         ValueError, r"w_p is \(4, 3\)"),
        (lambda: FeedForward(LayerConfig(d_model=8, d_ff=16))(X), ValueError,
         "tokens have 4 features; wanted d_model 8"),
        (lambda: LayerConfig(d_model=8, num_heads=3), ValueError, "3 does not divide d_model 8"),
        (lambda: LayerConfig(num_kv_heads=3), ValueError, "num_kv_heads 3 does not divide"),
        (lambda: split_heads(X, 0), ValueError, "num_heads 0 does not divide the 4 features"),
        (lambda: repeat_heads(X, 0), ValueError, "3 key heads cannot be shared evenly by 0"),
        (lambda: additive_score(X, X, torch.zeros(4, 1)), ValueError, r"v has shape \(4, 1\)"),
        (lambda: concat_score(X, X, torch.zeros(2, 8), torch.tensor(0.0)),
         ValueError, r"v has shape \(\); wanted \(d_a,\)"),
        (lambda: label_smoothing_loss(torch.zeros(2, 3, 11), SRC, 0.1, pad=-100),
         IndexError, "pad is -100; smoothing wants one of the"),
        (lambda: label_smoothed_targets(SRC, 11, 0.1, pad=-1), IndexError, "pad is -1"),
        (lambda: vocabulary_loss(X[0, 0], torch.zeros(7, 4), SRC[0][[0] * 5], label_smoothing=0.1,
                                 pad=7), IndexError, "pad is 7; smoothing wants one of the"),
        (lambda: alibi_bias(2, SRC[0].to(torch.uint8), SRC[0].to(torch.uint8)),
         TypeError, r"query_positions are torch\.uint8; wanted whole numbers, torch\.int64"),
        (lambda: causal_mask(-1), ValueError, "length is -1; wanted at least 0"),
        (lambda: BERT(LanguageModelConfig.tiny(11))(SRC, LENGTHS, SRC[:, :2]),
         ValueError, r"segments are \(2, 2\), ids \(2, 3\); wanted one segment number"),
        (lambda: next_token_batch(SRC[0], LENGTHS), ValueError, r"wanted \(batch, length\)"),
        (lambda: Captioner(CaptionerConfig(11))(torch.zeros(3, 3, 8, 8), TGT),
         ValueError, "wanted one row of ids for each picture"),
        (lambda: sequence_loss(torch.zeros(2, 2, 11), SRC, pad=0),
         ValueError, r"logits are \(2, 2, 11\) and targets \(2, 3\)"),
        (lambda: sequence_loss(torch.zeros(2, 3, 8), SRC, pad=0),
         IndexError, r"targets run from 4 to 8; the vocabulary has ids 0 … 7"),
        (lambda: label_smoothing_loss(torch.zeros(2, 3, 8), SRC, 0.1, pad=0),
         IndexError, "targets run from 4 to 8"),
        (lambda: label_smoothed_targets(SRC, 8, 0.1, pad=0), IndexError, "targets run from 0 to 8"),
    ],
)  # fmt: skip
def test_ranks_and_sizes_that_do_not_fit_are_named(ask, error, message):
    with pytest.raises(error, match=message):
        ask()


@pytest.mark.parametrize("pad", [0, -100])
def test_a_padding_outside_the_vocabulary_is_still_padding(pad):
    logits, targets = torch.randn(2, 3, 11), SRC.masked_fill(SRC == 0, pad)
    assert torch.equal(sequence_loss(logits, targets, pad), sequence_loss(logits, SRC, 0))


def test_a_huge_loss_is_an_endless_perplexity_and_nan_stays_nan():
    assert metrics.perplexity(800.0) == math.inf
    assert math.isnan(metrics.perplexity(math.nan))


@pytest.mark.parametrize("kind", [torch.int32, torch.int64])
def test_targets_may_be_of_either_kind_that_models_take(kind):
    logits, targets = torch.randn(2, 3, 11), SRC.to(kind)
    assert torch.equal(sequence_loss(logits, targets, 0), sequence_loss(logits, SRC, 0))
    smoothed = label_smoothing_loss(logits, targets, 0.1, 0)
    written_out = label_smoothed_targets(targets, 11, 0.1, 0) * logits.log_softmax(-1)
    torch.testing.assert_close(smoothed, -written_out.sum() / (SRC != 0).sum())


def test_checks_do_not_stand_in_the_way_of_transformations():
    logits, targets = torch.randn(4, 3, 11), torch.randint(11, (4, 3))
    by_row = torch.vmap(partial(sequence_loss, pad=0))(logits, targets)
    torch.testing.assert_close(
        by_row, torch.stack([*map(partial(sequence_loss, pad=0), logits, targets)])
    )
    compiled = torch.compile(sequence_loss, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(logits, targets, 0), sequence_loss(logits, targets, 0))


def test_a_compiler_takes_every_size_of_batch_at_once():
    torch._dynamo.reset()
    compiled = 0

    def count(graph, _inputs):
        nonlocal compiled
        compiled += 1
        return graph

    attention = MultiHeadAttention(8, 2).eval()
    fast = torch.compile(attention, fullgraph=True, dynamic=True, backend=count)
    for batch in range(2, 14):
        x = torch.randn(batch, 5, 8)
        torch.testing.assert_close(fast(x)[0], attention(x)[0])
    assert compiled == 1


def test_layers_may_be_put_in_the_place_of_a_models_own():
    class Adapted(nn.Module):
        """A layer of another kind, whose weights have other names."""

        def __init__(self, layer):
            super().__init__()
            self.layer, self.more = layer, nn.Linear(layer.in_features, layer.out_features)

        def forward(self, x):
            return self.layer(x) + self.more(x)

    model = TRANSLATORS["Transformer"]().eval()
    for layer in [*model.encoder_layers, *model.decoder_layers]:
        layer.feed_forward.inner = Adapted(layer.feed_forward.inner)
    assert model(SRC, LENGTHS, TGT)[0].isfinite().all()
    captioner = Captioner(CaptionerConfig(11)).eval()
    captioner.output = Adapted(captioner.output)
    assert captioner(torch.rand(2, 3, 8, 8), TGT).logits.isfinite().all()


def test_a_validation_that_fails_does_not_cost_the_steps_before_it(tmp_path):
    batch, file = Batch(SRC, LENGTHS, TGT, TGT, pad=0), tmp_path / "run.pt"
    model = TRANSLATORS["Seq2Seq"]()
    with pytest.raises(TypeError, match="validate gave None"):
        fit(model, [batch] * 3, steps=3, validate=lambda m: None, checkpoint=file)
    trained = {name: value.clone() for name, value in model.state_dict().items()}
    fresh = TRANSLATORS["Seq2Seq"]()
    fit(fresh, [batch] * 3, steps=3, checkpoint=file)  # nothing is left to do
    for name, value in fresh.state_dict().items():
        assert torch.equal(value, trained[name])


def test_one_batch_of_queries_may_look_at_several_of_keys():
    query, key, mask = (
        torch.randn(1, 2, 5, 4),
        torch.randn(3, 2, 5, 4),
        torch.rand(3, 1, 1, 5) < 0.7,
    )
    context, _ = scaled_dot_product_attention(query, key, key, mask)
    torch.testing.assert_close(fused_attention(query, key, key, mask), context)


def test_a_guide_that_takes_maxima_may_guide_a_model_that_weighs():
    guide = RecurrentClassifier(7, 2, d_embed=3, d_hidden=4, pooling="max")
    guided = Guided(BagClassifier(7, 2), guide)
    assert permute_attention(guided, [REVIEW], VOCABULARY, seed=0).change.shape == (1,)
    with pytest.raises(ValueError, match="takes the largest value of each feature"):
        permute_attention(guide, [REVIEW], VOCABULARY, seed=0)


def test_texts_of_no_tokens_ask_for_nothing():
    nothing = next_token_batch(
        torch.zeros(2, 0, dtype=torch.long), torch.zeros(2, dtype=torch.long)
    )
    assert nothing.lengths.tolist() == [0, 0]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("attention", ["bahdanau", "luong", "none"])
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_deep_decoders_of_every_cell_learn_in_half_precision(attention, cell, precision):
    score = {"score": "concat"} if attention == "bahdanau" else {}
    kind = {"attention": attention, "cell": cell, "num_layers": 2}
    model = Seq2Seq(Seq2SeqConfig(11, 11, d_embed=3, d_hidden=4, **kind, **score))
    before = model.output.weight.detach().clone()
    batch = Batch(SRC, LENGTHS, TGT, TGT, pad=0)
    fit(model, [batch] * 2, steps=2, precision=precision)
    assert not torch.equal(model.output.weight, before)


def test_segments_of_a_text_reach_bert():
    model = CLASSIFIERS["BERT"]().eval()
    nn.init.normal_(model.bert.segment_embedding.weight)
    whole, _ = model(SRC, LENGTHS)
    assert torch.equal(model(SRC, LENGTHS, SRC * 0)[0], whole)
    halves = torch.tensor([[0, 0, 1], [0, 1, 0]])
    assert (model(SRC, LENGTHS, halves)[0] - whole).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("name", "content", "read", "message"),
    [
        ("sst2/dev.tsv.gz", "", lambda folder: sst2("dev", folder), "holds no sentences"),
        ("tatoeba/cmn.txt.gz", "", tatoeba, "holds no pairs of at most 30 words"),
        ("waimai/waimai_10k.csv.gz", "label,review\n", waimai, "holds no reviews"),
    ],
)
def test_a_corpus_of_nothing_is_refused(tmp_path, name, content, read, message):
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_bytes(gzip.compress(content.encode()))
    with pytest.raises(ValueError, match=message):
        read(tmp_path)
