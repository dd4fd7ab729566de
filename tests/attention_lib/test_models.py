"""What holds for every model of the course, over sizes drawn at random."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attention_lib.captioning import Captioner, CaptionerConfig
from attention_lib.classification import HAHNN, HAN, BagClassifier, RecurrentClassifier
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.decoding import beam_search, greedy_decode, sample
from attention_lib.evaluation import Translator
from attention_lib.language_models import BERT, GPT, LanguageModelConfig, TextClassifier
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.transformer import Transformer, TransformerConfig

SCHEMES = ["sinusoidal", "learned", "rotary", "alibi", "relative"]
PAD, BOS, EOS = 0, 1, 2


# The models, each with the sizes and options that a test wants


@dataclass(frozen=True)
class Sizes:
    """What a builder may choose: sizes, and dropout for training."""

    words: int = 13
    heads: int = 1
    head_dim: int = 6
    layers: int = 2
    dropout: float = 0.0

    @property
    def layer(self) -> dict:
        return {
            "d_model": self.heads * self.head_dim,
            "num_heads": self.heads,
            "d_ff": 7,
            "max_length": 23,
            "dropout": self.dropout,
        }

    @property
    def network(self) -> dict:
        return {"d_embed": 4 + self.heads, "d_hidden": self.head_dim, "dropout": self.dropout}


SIZES = Sizes()


def transformer(sizes, **options):
    counts = {"num_encoder_layers": 1, "num_decoder_layers": sizes.layers}
    config = {"src_size": 17, "tgt_size": sizes.words, "tie": "none"} | counts | sizes.layer
    return Transformer(TransformerConfig(**config, **options))


def language_model(kind, sizes, **options):
    config = {"vocab_size": sizes.words, "num_layers": sizes.layers} | sizes.layer
    return kind(LanguageModelConfig(**config, **options))


def text_classifier(sizes):
    bert = language_model(BERT, replace(sizes, words=17))
    return TextClassifier(bert, 3, cls_id=1, dropout=sizes.dropout)


def seq2seq(sizes, **options):
    config = Seq2SeqConfig(17, sizes.words, **sizes.network, num_layers=sizes.layers, **options)
    return Seq2Seq(config)


def captioner(sizes, attention):
    widths = {"channels": 5, "d_features": 7, "d_attention": 2} | sizes.network
    return Captioner(CaptionerConfig(sizes.words, attention, **widths))


def classifier(kind, sizes, **options):
    return kind(17, 3, **sizes.network, **options)


DECODERS = {
    **{
        f"Transformer {norm} {scheme}": partial(transformer, norm=norm, positions=scheme)
        for norm in ("post", "pre")
        for scheme in SCHEMES
    },
    "GPT": partial(language_model, GPT, norm="pre", positions="learned"),
    "Seq2Seq none": partial(seq2seq, attention="none"),
    "Seq2Seq bahdanau": partial(seq2seq, attention="bahdanau", score="concat"),
    "Seq2Seq luong": partial(seq2seq, input_feeding=False),
    "Seq2Seq luong feeding": partial(seq2seq, input_feeding=True, bidirectional=True),
    **{
        f"Captioner {kind}": partial(captioner, attention=kind) for kind in ("soft", "hard", "none")
    },
}
MODELS = DECODERS | {
    "BERT": partial(language_model, BERT, positions="learned"),
    "TextClassifier": text_classifier,
    "bag": lambda sizes: BagClassifier(17, 3),
    **{
        f"recurrent {pooling}": partial(classifier, RecurrentClassifier, pooling=pooling)
        for pooling in ("final", "attention")
    },
    "HAN": partial(classifier, HAN),
    "HAHNN": partial(classifier, HAHNN),
}
every_model = pytest.mark.parametrize("name", MODELS)
every_decoder = pytest.mark.parametrize("name", DECODERS)


def build(name, sizes=SIZES, seed=0, std=0.5):
    torch.manual_seed(seed)
    model = MODELS[name](sizes).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    return model


# What the models are given, and what they make of it


class Row(NamedTuple):
    """One example: a source or text, what is written about it, and a picture."""

    src: list[int]
    tgt: list[int]
    picture: torch.Tensor


class Padding(NamedTuple):
    """How far beyond the longest row a batch is padded, and with which id."""

    extra: int = 0
    fill: int = PAD


UNPADDED = Padding()


@st.composite
def some_rows(draw):
    """Draw a few examples of lengths that differ."""
    lengths = st.sampled_from([1, 2, 3, 5, 7])
    ids = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    return [
        Row(
            torch.randint(4, 13, (draw(lengths),), generator=ids).tolist(),
            [BOS, *torch.randint(4, 13, (draw(lengths) - 1,), generator=ids).tolist()],
            torch.rand(3, 10, 14, generator=ids).double(),
        )
        for _ in range(draw(st.sampled_from([2, 3, 5])))
    ]


some_sizes = st.builds(
    Sizes, heads=st.sampled_from([1, 2, 3]), head_dim=st.sampled_from([6, 10, 14])
)
PICTURES = torch.rand(2, 3, 10, 14, generator=torch.Generator().manual_seed(0)).double()
ROWS = [
    Row([5, 6, 7, 8, 9], [BOS, 4, 5], PICTURES[0]),
    Row([9, 4], [BOS, 7, 8, 9, 10], PICTURES[1]),
]


def padded(lists, padding=UNPADDED):
    """Batch lists of ids: the ids, and their lengths."""
    lengths = torch.tensor([len(ids) for ids in lists])
    longest = int(lengths.max()) + padding.extra
    rows = [[*ids, *[padding.fill] * (longest - len(ids))] for ids in lists]
    return torch.tensor(rows), lengths


def source(model, rows, padding=UNPADDED):
    """What a model that writes starts from, and its lengths."""
    if isinstance(model, Captioner):
        return torch.stack([row.picture for row in rows]), None
    return padded([row.src for row in rows], padding)


def documents(rows, padding):
    """Cut each text into sentences of three words: (batch, sentences, words) and two masks."""
    cut = [[row.src[i : i + 3] for i in range(0, len(row.src), 3)] for row in rows]
    most = max(map(len, cut)) + padding.extra
    words = torch.full((len(rows), most, 3 + padding.extra), padding.fill)
    word_mask = torch.zeros_like(words, dtype=torch.bool)
    for i, sentences in enumerate(cut):
        for j, sentence in enumerate(sentences):
            words[i, j, : len(sentence)] = torch.tensor(sentence)
            word_mask[i, j, : len(sentence)] = True
    return words, word_mask, word_mask.any(-1)


def inputs_of(model, rows, padding=UNPADDED):
    """What the model's forward takes."""
    if isinstance(model, HAN):
        return documents(rows, padding)
    if isinstance(model, GPT):
        return padded([row.src + row.tgt for row in rows], padding)[:1]
    if not hasattr(model, "step"):
        return padded([row.src for row in rows], padding)
    targets, _ = padded([row.tgt for row in rows], padding)
    given = source(model, rows, padding)
    return (given[0], targets) if isinstance(model, Captioner) else (*given, targets)


def outputs(model, rows, padding=UNPADDED):
    """Run a model over rows: for each one what it predicts, without what stands at padding.

    GPT reads the source and what is written about it as one text.
    """
    made = model(*inputs_of(model, rows, padding))
    made = made if isinstance(made, torch.Tensor) else made[0]
    if isinstance(model, GPT):
        return [row[len(r.src) :][: len(r.tgt)] for row, r in zip(made, rows, strict=True)]
    if isinstance(model, BERT):
        return [row[: len(r.src)] for row, r in zip(made, rows, strict=True)]
    if hasattr(model, "step"):
        return [row[: len(r.tgt)] for row, r in zip(made, rows, strict=True)]
    return list(made)


def assert_close(given, wanted):
    for one, other in zip(given, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@every_model
@settings(deadline=None, max_examples=7)
@given(some_rows(), some_sizes, st.sampled_from([1, 2, 3]), st.integers(0, 12))
def test_padding_of_any_width_and_word_changes_nothing(name, rows, sizes, extra, fill):
    model = build(name, sizes)
    assert_close(outputs(model, rows, Padding(extra, fill)), outputs(model, rows))


@every_model
@settings(deadline=None, max_examples=7)
@given(some_rows(), some_sizes)
def test_a_row_alone_is_read_as_in_a_batch(name, rows, sizes):
    model = build(name, sizes)
    alone = [outputs(model, [row])[0] for row in rows]
    assert_close(alone, outputs(model, rows))


@every_decoder
@settings(deadline=None, max_examples=7)
@given(some_rows(), some_sizes, st.data())
def test_a_word_moves_the_predictions_after_it_and_none_before(name, rows, sizes, data):
    model = build(name, sizes)
    before = outputs(model, rows)
    t = data.draw(st.integers(0, max(len(row.tgt) for row in rows) - 1))
    changed = [
        row._replace(tgt=[*row.tgt[:t], 3, *row.tgt[t + 1 :]][: len(row.tgt)]) for row in rows
    ]
    after = outputs(model, changed)
    assert_close([row[:t] for row in after], [row[:t] for row in before])
    for one, other in zip(after, before, strict=True):
        if len(one) > t:
            assert (one[t] - other[t]).abs().max() > 1e-6


@every_decoder
@settings(deadline=None, max_examples=7)
@given(some_rows(), some_sizes)
def test_every_step_predicts_what_teacher_forcing_does(name, rows, sizes):
    model = build(name, sizes)
    wanted = outputs(model, rows)
    state = model.start(*source(model, rows))
    targets, _ = padded([row.tgt for row in rows])
    for t in range(targets.shape[1]):
        logits, state, _ = model.step(targets[:, t], state)
        for row, predicted in zip(logits, wanted, strict=True):
            if len(predicted) > t:
                torch.testing.assert_close(row, predicted[t], rtol=1e-9, atol=1e-10)


# Writing


def writer(name, words, seed):
    """A model whose random weights are large enough to prefer some sentences."""
    torch.manual_seed(seed)
    model = MODELS[name](Sizes(words)).double().eval()
    for parameter in model.parameters():
        parameter.data.mul_(2)
    return model


@every_decoder
@torch.no_grad()
def test_a_beam_wide_enough_finds_the_best_of_all_sentences(name):
    rows = [ROWS[0]._replace(src=[3, 4, 3]), ROWS[1]._replace(src=[4])]
    ends = {"bos": BOS, "eos": EOS, "max_length": 3, "beam_size": 125}
    written = set()
    for seed, alpha in product(range(4), [0.0, 5.0]):
        model = writer(name, 5, seed)
        found = beam_search(model, *source(model, rows), length_penalty=alpha, **ends)
        for row, decoded in zip(rows, found, strict=True):
            best = max(every_sentence(model, row), key=partial(rank, alpha))
            assert decoded.words == best[0]
            assert decoded.log_prob == pytest.approx(best[1], abs=1e-4)
            written.add(tuple(decoded.words))
    assert len(written) > 2


def rank(alpha, sentence):
    _, log_prob, length = sentence
    return log_prob / ((5 + length) / 6) ** alpha


def every_sentence(model, row):
    """Each sentence of up to three of five words: its words, log-probability and length."""
    cut = [words[: (*words, EOS).index(EOS) + 1] for words in product(range(5), repeat=3)]
    written = sorted(set(cut))
    logits = outputs(model, [row._replace(tgt=[BOS, *words[:-1]]) for words in written])
    for words, steps in zip(written, logits, strict=True):
        total = steps.log_softmax(-1)[torch.arange(len(words)), torch.tensor(words)].sum()
        yield [word for word in words if word != EOS], float(total), len(words)


@every_decoder
def test_a_beam_of_one_is_greedy(name):
    ends = {"bos": BOS, "eos": EOS, "max_length": 7}
    written = set()
    for seed in range(5):
        model = writer(name, 9, seed)
        rows = [row._replace(src=[3 + word % 4 for word in row.src]) for row in ROWS]
        greedy = greedy_decode(model, *source(model, rows), **ends)
        beam = beam_search(model, *source(model, rows), beam_size=1, **ends)
        assert [one.words for one in greedy] == [one.words for one in beam]
        written |= {tuple(one.words) for one in greedy}
    assert len(written) > 2


class Pair(NamedTuple):
    src: tuple[str, ...]
    tgt: tuple[str, ...]


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("name", [n for n in DECODERS if n.startswith(("Transformer post", "Seq"))])
def test_translations_do_not_depend_on_the_targets_given(name, beam_size):
    sources = [("我", "是", "一个", "学生"), ("你", "是", "老师", "。"), ("我", "。"), ("你",)]
    targets = [("I", "am", "a", "student"), ("you", "are"), ("I", "."), ("you", "a", ".")]
    others = [("you",), ("a", "student", ".", "I", "am", "."), ("am",), ("student",) * 5]
    src, tgt = Vocabulary(sources), Vocabulary(targets)
    written = set()
    for seed in range(2):
        model = writer(name, len(tgt), seed)
        decode = partial(Translator(model, src, tgt).decode, beam_size=beam_size, batch_size=3)
        first, second = (decode(list(map(Pair, sources, tgts))) for tgts in (targets, others))
        assert [d.words for d in first] == [d.words for d in second]
        written |= {tuple(d.words) for d in first}
    assert len(written) > 2
    assert max(map(len, written)) == 13


# The rest


@every_model
def test_training_goes_by_its_seed_and_evaluation_repeats(name):
    model = build(name, Sizes(dropout=0.5))

    def run(seed):
        torch.manual_seed(seed)
        return torch.cat([row.flatten() for row in outputs(model, ROWS)])

    assert torch.equal(run(0), run(1))
    model.train()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
    assert torch.equal(run(0), run(0))
    assert torch.equal(run(0), run(1)) == (name == "bag")


@every_model
def test_reading_and_writing_leave_their_inputs_as_they_were(name):
    model = build(name)
    inputs = inputs_of(model, ROWS)
    before = [part.clone() for part in inputs]
    model(*inputs)
    assert all(map(torch.equal, inputs, before))
    if name not in DECODERS:
        return
    given = source(model, ROWS)
    before = [part.clone() for part in given if part is not None]
    bos = torch.full((len(ROWS),), BOS)
    for decode in (greedy_decode, partial(beam_search, beam_size=3), sample):
        decode(model, *given, bos=bos, eos=EOS, max_length=5)
        assert all(map(torch.equal, [part for part in given if part is not None], before))
        assert bos.eq(BOS).all()


@every_model
def test_gradients_of_all_parameters_pass_gradcheck(name):
    model = build(name, Sizes(words=11, head_dim=4, layers=1))
    parameters = dict(model.named_parameters())
    inputs = inputs_of(model, ROWS)

    def run(*values):
        swapped = dict(zip(parameters, values, strict=True))
        made = torch.func.functional_call(model, swapped, inputs)
        return made if isinstance(made, torch.Tensor) else made[0]

    values = [value.detach().clone().requires_grad_() for value in parameters.values()]
    assert torch.autograd.gradcheck(run, values, fast_mode=True)


@pytest.mark.parametrize("name", ["Transformer post rotary", "GPT", "Seq2Seq luong feeding"])
def test_a_compiled_model_learns_what_the_model_itself_does(name):
    torch._dynamo.reset()
    model = build(name).train()
    compiled = torch.compile(model, backend="aot_eager")
    inputs, gradients = inputs_of(model, ROWS), []
    for run in (model, compiled):
        made = run(*inputs)
        made = made if isinstance(made, torch.Tensor) else made[0]
        gradients.append(torch.autograd.grad(made.square().sum(), [*model.parameters()]))
    assert_close(*gradients)


@every_model
def test_a_saved_model_is_read_back_with_the_same_outputs(name, tmp_path):
    model = build(name).train()
    outputs(model, ROWS)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    again = build(name, seed=1)
    again.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    pairs = zip(outputs(again, ROWS), outputs(model.eval(), ROWS), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("name", ["BERT", "GPT"])
def test_bfloat16_stays_near_float32(name):
    exact, model = build(name, std=0.2).float(), build(name, std=0.2).bfloat16()
    for half, wanted in zip(outputs(model, ROWS), outputs(exact, ROWS), strict=True):
        assert half.dtype == torch.bfloat16
        torch.testing.assert_close(half.float(), wanted, rtol=0.05, atol=0.05)
