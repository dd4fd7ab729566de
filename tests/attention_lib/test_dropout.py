"""Dropout stands where the papers put it, in every model."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from attention_lib.captioning import Captioner, CaptionerConfig
from attention_lib.classification import HAHNN, HAN, RecurrentClassifier
from attention_lib.data.batching import Batch
from attention_lib.language_models import BERT, GPT, LanguageModelConfig, TextClassifier
from attention_lib.layers import LayerConfig, Residual
from attention_lib.multihead import MultiHeadAttention
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.transformer import Transformer, TransformerConfig

D = 62  # of word vectors, and of what the last layer reads
WORD, NEXT, ONE = torch.tensor([[5]]), torch.tensor([[7]]), torch.tensor([1])
PADDED = Batch(torch.tensor([[5, 0]]), ONE, torch.tensor([[1, 0]]), torch.tensor([[7, 0]]), pad=0)
NOTHING = torch.zeros(1, 0, dtype=torch.long)
PICTURE = torch.rand(1, 3, 10, 14, generator=torch.Generator().manual_seed(0)).double()


def transformer():
    sizes = {"src_size": 11, "tgt_size": 13, "tie": "none", "d_model": D, "num_heads": 2}
    sizes |= {"d_ff": 7, "num_encoder_layers": 1, "num_decoder_layers": 1, "dropout": 0.5}
    return Transformer(TransformerConfig(**sizes))


def language_model(kind, dropout=0.5):
    sizes = {"vocab_size": 13, "d_model": D, "num_heads": 2, "d_ff": 7, "num_layers": 1}
    return kind(LanguageModelConfig(**sizes, dropout=dropout))


def seq2seq(**options):
    return Seq2Seq(Seq2SeqConfig(11, 13, d_embed=D, d_hidden=D, dropout=0.5, **options))


def captioner(attention="soft"):
    sizes = {"channels": 5, "d_features": 7, "d_embed": D, "d_hidden": 11, "d_attention": 3}
    return Captioner(CaptionerConfig(13, attention, **sizes, dropout=0.5))


def classifier(kind, **options):
    return kind(11, 3, d_embed=D, d_hidden=D, dropout=0.5, **options)


def text_classifier():
    return TextClassifier(language_model(BERT, dropout=0.0), 3, cls_id=1, dropout=0.5)


def whole(model):
    return model(WORD, ONE, NEXT)[0]


def step(model):
    return model.step(NEXT[:, 0], model.start(WORD, ONE))[0]


def loss(model):
    return model.loss(PADDED)[0]


def text(model):
    return model(WORD, ONE)[0]


def padded_text(model):
    return model(PADDED.src, ONE)[0]


def gpt_step(model):
    return model.step(NEXT[:, 0], model.start(NOTHING, None))[0]


def document(model):
    real = torch.tensor([[[True]]])
    return model(WORD[None], real, real[0])[0]


def caption(model):
    return model(PICTURE, NEXT).logits


def caption_step(model):
    return model.step(NEXT[:, 0], model.start(PICTURE))[0]


def built(build):
    torch.manual_seed(0)
    model = build().double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def read(model, weight, bias, run):
    """Tell from the gradient δxᵀ of a matrix, and δ of its bias, the one x that it was given."""
    model.zero_grad()
    run(model).sum().backward()
    matrix, delta = model.get_parameter(weight).grad, model.get_parameter(bias).grad
    row = int(delta.abs().argmax())
    return matrix[row, :D] / delta[row]


def check_half_is_dropped(model, weight, bias, run):
    exact = read(model.eval(), weight, bias, run)
    model.train()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    trained = read(model, weight, bias, run)
    kept = trained != 0
    torch.testing.assert_close(trained, 2 * exact * kept, rtol=1e-9, atol=1e-12)
    assert 0.3 < kept[exact != 0].double().mean() < 0.7


LAYER = ("self_attention.in_proj_weight", "self_attention.in_proj_bias")
RNN = ("weight_ih_l0", "bias_ih_l0")
TRANSLATORS = {
    "none": partial(seq2seq, attention="none"),
    "bahdanau": partial(seq2seq, attention="bahdanau", score="concat"),
    "luong": partial(seq2seq, input_feeding=False),
    "luong feeding": seq2seq,
    "luong local": partial(seq2seq, locality="local-m"),
}
WORDS = {
    **{
        f"Transformer {side} {run.__name__}": (transformer, f"{side}_layers.0.", LAYER, run)
        for side in ("encoder", "decoder")
        for run in (whole, step, loss)
    },
    "GPT": (partial(language_model, GPT), "layers.0.", LAYER, lambda model: model(WORD)),
    "GPT step": (partial(language_model, GPT), "layers.0.", LAYER, gpt_step),
    "BERT": (partial(language_model, BERT), "layers.0.", LAYER, lambda model: model(WORD, ONE)),
    **{
        f"encoder {direction} {run.__name__}": (
            partial(classifier, RecurrentClassifier, bidirectional=True),
            f"encoder.{direction}.",
            RNN,
            run,
        )
        for direction in ("rnn", "backward_rnn")
        for run in (text, padded_text)
    },
    **{
        f"Seq2Seq {kind} {run.__name__}": (build, "rnn.", RNN, run)
        for kind, build in TRANSLATORS.items()
        for run in (whole, step, loss)
    },
    "Captioner": (captioner, "lstm.", ("weight_ih", "bias_ih"), caption),
    "Captioner step": (captioner, "lstm.", ("weight_ih", "bias_ih"), caption_step),
    "HAN": (partial(classifier, HAN), "word_rnn.", RNN, document),
    "HAHNN": (partial(classifier, HAHNN), "convolutions.0.", ("weight", "bias"), document),
}


@pytest.mark.parametrize("name", WORDS)
def test_word_vectors_are_dropped_in_training(name):
    build, part, (weight, bias), run = WORDS[name]
    check_half_is_dropped(built(build), part + weight, part + bias, run)


OUTPUTS = {
    **{
        f"Seq2Seq {kind} {run.__name__}": (build, run)
        for kind, build in TRANSLATORS.items()
        for run in (whole, step, loss)
    },
    **{
        f"Captioner {kind} {run.__name__}": (partial(captioner, attention=kind), run)
        for kind in ("none", "soft")
        for run in (caption, caption_step)
    },
    **{
        f"RecurrentClassifier {pooling}": (
            partial(classifier, RecurrentClassifier, pooling=pooling),
            text,
        )
        for pooling in ("final", "attention")
    },
    "HAN": (partial(classifier, HAN), document),
    "HAHNN": (partial(classifier, HAHNN), document),
    "TextClassifier": (text_classifier, text),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_the_last_layer_reads_is_dropped_in_training(name):
    build, run = OUTPUTS[name]
    model = built(build)
    # Dropout on words that are all zero does nothing: what is seen is the last one alone.
    for table in model.modules():
        if isinstance(table, nn.Embedding):
            nn.init.zeros_(table.weight)
    check_half_is_dropped(model, "output.weight", "output.bias", run)


@pytest.mark.parametrize(
    "build", [transformer, partial(language_model, GPT), partial(language_model, BERT)]
)
def test_every_attention_of_a_model_drops_the_weights_that_its_config_asks(build):
    config = replace(build().config, attention_dropout=0.25)
    model = type(build())(config)
    attentions = [part for part in model.modules() if isinstance(part, MultiHeadAttention)]
    assert attentions
    assert {attention.dropout for attention in attentions} == {0.25}


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_what_a_sublayer_adds_is_dropped_and_what_was_there_stays(norm):
    torch.manual_seed(0)
    layer = Residual(LayerConfig(d_model=D, num_heads=2, norm=norm, dropout=0.5))
    layer.norm = nn.Identity()
    x, added = torch.randn(2, 5, 7, D).unbind(0)
    given = layer(x, lambda _: added)
    kept = ~torch.isclose(given, x, atol=1e-6)
    torch.testing.assert_close(given, x + 2 * added * kept)
    assert 0.4 < kept.float().mean() < 0.6
    torch.testing.assert_close(layer.eval()(x, lambda _: added), x + added)
