"""GPT and BERT against public implementations with the same weights, and their objectives."""

import itertools
import math
import pickle
from dataclasses import fields, replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertForMaskedLM, BertModel, GPT2Config, GPT2LMHeadModel

from attention_lib.classification import predict
from attention_lib.data.documents import Document, FlatBatch
from attention_lib.data.subwords import Subwords
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.decoding import beam_search, greedy_decode
from attention_lib.language_models import (
    BERT,
    GPT,
    NO_TARGET,
    LanguageModelConfig,
    TextClassifier,
    TokenBatch,
    hide_tokens,
    language_model_loss,
    masked_language_model_loss,
    next_token_batch,
    split_prompts,
)
from attention_lib.layers import LayerConfig
from attention_lib.masks import length_mask
from attention_lib.transformer import Transformer, TransformerConfig

SCHEMES = ["sinusoidal", "learned", "rotary", "alibi", "relative"]
BOUNDS = [(torch.float64, 1e-10), (torch.float32, 1e-5)]


def _config(**options) -> LanguageModelConfig:
    sizes = {"d_model": 20, "num_heads": 2, "d_ff": 29, "num_layers": 3, "max_length": 32}
    base = LanguageModelConfig.gpt2(vocab_size=19)
    return LanguageModelConfig(**(vars(base) | sizes | {"dropout": 0.0} | options))


def _gpt(**options) -> GPT:
    torch.manual_seed(0)
    model = GPT(_config(**options)).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def _bert(**options) -> BERT:
    torch.manual_seed(0)
    model = BERT(_config(norm="post", activation="gelu", **options)).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def _ids(rows: int = 3, length: int = 7, seed: int = 0) -> torch.Tensor:
    return torch.randint(4, 19, (rows, length), generator=torch.Generator().manual_seed(seed))


# Parity


def _close(ours: torch.Tensor, theirs: torch.Tensor, bound: float) -> bool:
    """Whether no entry is further off than this share of the largest."""
    return bool((ours - theirs).abs().max() <= bound * theirs.abs().max())


def _gpt2() -> tuple[GPT2LMHeadModel, GPT]:
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=19, n_positions=32, n_embd=20, n_layer=3, n_head=2, n_inner=29,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    theirs, ours = GPT2LMHeadModel(config).eval(), GPT(_config()).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    for name, value in _gpt2s_by_our_names(dict(theirs.named_parameters())).items():
        ours.get_parameter(name).data = value.detach().clone()
    return theirs, ours


def _gpt2s_by_our_names(theirs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Sort GPT-2's tensors, one a parameter, by the names of our parameters."""
    theirs = {name.removeprefix("transformer."): value for name, value in theirs.items()}
    ours = {"embedding.weight": theirs["wte.weight"]}
    ours["positions.learned.table.weight"] = theirs["wpe.weight"]
    parts = {
        "self_attention.in_proj_": "attn.c_attn.",
        "self_attention.out_proj.": "attn.c_proj.",
        "after_self.norm.": "ln_1.",
        "after_feed_forward.norm.": "ln_2.",
        "feed_forward.inner.": "mlp.c_fc.",
        "feed_forward.outer.": "mlp.c_proj.",
    }
    for kind in ("weight", "bias"):
        ours[f"norm.{kind}"] = theirs[f"ln_f.{kind}"]
        for i, (mine, other) in itertools.product(range(3), parts.items()):
            value = theirs[f"h.{i}.{other}{kind}"]
            # GPT-2 keeps its matrices turned around.
            ours[f"layers.{i}.{mine}{kind}"] = value.T if value.dim() == 2 else value
    return ours


@pytest.mark.parametrize(("dtype", "bound"), BOUNDS)
def test_logits_and_gradients_equal_gpt2s(device, dtype, bound):
    theirs, ours = _gpt2()
    theirs, ours = theirs.to(device, dtype), ours.to(device, dtype)
    ids = _ids().to(device)
    wanted = theirs(ids).logits
    logits = ours(ids)
    assert torch.allclose(logits, wanted, rtol=0, atol=bound)
    F.cross_entropy(wanted[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum").backward()
    batch = next_token_batch(ids, torch.full((3,), 7))
    language_model_loss(ours, batch).total.backward()
    _check_gradients(ours, _gpt2s_by_our_names(_gradients(theirs)), bound)


def _gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def _check_gradients(ours: nn.Module, expected: dict[str, torch.Tensor], bound: float) -> None:
    given = {name: parameter.grad for name, parameter in ours.named_parameters()}
    assert given.keys() == expected.keys()
    for name, gradient in given.items():
        assert gradient is not None, name
        assert _close(gradient, expected[name], bound), name


def _public_bert() -> tuple[BertForMaskedLM, BERT]:
    """Build the public BERT, with its pooler, and ours with its weights."""
    torch.manual_seed(2)
    config = BertConfig(
        vocab_size=19, hidden_size=20, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=29, max_position_embeddings=32, pad_token_id=0,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    theirs = BertForMaskedLM(config)
    theirs.bert = BertModel(config)
    theirs.tie_weights()
    ours = BERT(_config(norm="post", activation="gelu", norm_eps=1e-12)).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    for name, value in _berts_by_our_names(dict(theirs.named_parameters())).items():
        ours.get_parameter(name).data = value.detach().clone()
    return theirs.eval(), ours


def _berts_by_our_names(theirs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Sort BERT's tensors, one a parameter, by the names of our parameters."""
    both = ("weight", "bias")
    names = {
        "embedding.weight": "bert.embeddings.word_embeddings.weight",
        "positions.learned.table.weight": "bert.embeddings.position_embeddings.weight",
        "segment_embedding.weight": "bert.embeddings.token_type_embeddings.weight",
        "word_bias": "cls.predictions.bias",
    }
    names |= {f"embedding_norm.{k}": f"bert.embeddings.LayerNorm.{k}" for k in both}
    names |= {f"pooler.{k}": f"bert.pooler.dense.{k}" for k in both}
    names |= {f"word_transform.{k}": f"cls.predictions.transform.dense.{k}" for k in both}
    names |= {f"word_norm.{k}": f"cls.predictions.transform.LayerNorm.{k}" for k in both}
    three = {}
    for i in range(3):
        here, there = f"layers.{i}.", f"bert.encoder.layer.{i}."
        for k in both:
            parts = [theirs[f"{there}attention.self.{p}.{k}"] for p in ("query", "key", "value")]
            three[f"{here}self_attention.in_proj_{k}"] = torch.cat(parts)
            names |= {
                f"{here}self_attention.out_proj.{k}": f"{there}attention.output.dense.{k}",
                f"{here}after_self.norm.{k}": f"{there}attention.output.LayerNorm.{k}",
                f"{here}feed_forward.inner.{k}": f"{there}intermediate.dense.{k}",
                f"{here}feed_forward.outer.{k}": f"{there}output.dense.{k}",
                f"{here}after_feed_forward.norm.{k}": f"{there}output.LayerNorm.{k}",
            }
    return three | {mine: theirs[other] for mine, other in names.items()}


@pytest.mark.parametrize(("dtype", "bound"), BOUNDS)
def test_hidden_pooled_and_word_logits_equal_berts(device, dtype, bound):
    theirs, ours = (model.to(device, dtype) for model in _public_bert())
    ids, lengths = _ids().to(device), torch.tensor([7, 4, 2])
    segments = (torch.arange(7) > 2).long().expand(3, 7).to(device)
    mask = length_mask(lengths, 7).to(device)
    wanted = theirs.bert(ids, attention_mask=mask.long(), token_type_ids=segments)
    hidden = ours(ids, lengths, segments)
    pooled = ours.pool(hidden)
    assert torch.allclose(hidden[mask], wanted.last_hidden_state[mask], rtol=0, atol=bound)
    assert torch.allclose(pooled, wanted.pooler_output, rtol=0, atol=bound)
    logits = theirs.cls(wanted.last_hidden_state)
    assert torch.allclose(ours.word_logits(hidden)[mask], logits[mask], rtol=0, atol=bound)
    targets = ids.masked_fill(~mask, NO_TARGET)
    loss = masked_language_model_loss(ours, TokenBatch(ids, lengths, targets, segments))
    assert loss.count == 13
    upstream = torch.randn_like(pooled)
    (loss.total + (upstream * pooled).sum()).backward()
    total = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    (total + (upstream * wanted.pooler_output).sum()).backward()
    _check_gradients(ours, _berts_by_our_names(_gradients(theirs)), bound)


@pytest.mark.parametrize(
    ("model", "config", "wanted"),
    [(GPT, LanguageModelConfig.gpt2(), 124e6), (BERT, LanguageModelConfig.bert(), 110e6)],
)
def test_the_published_sizes_have_the_published_parameters(model, config, wanted):
    with torch.device("meta"):
        total = sum(parameter.numel() for parameter in model(config).parameters())
    assert total == pytest.approx(wanted, rel=0.01)


# GPT


@pytest.mark.parametrize("scheme", SCHEMES)
def test_gpt_is_a_decoder_to_which_no_source_speaks(scheme):
    """With what the cross-attentions say taken away, and words scaled up beside sinusoids alone."""
    gpt, ids = _gpt(positions=scheme), _ids(length=23)
    config = TransformerConfig(
        **{field.name: getattr(gpt.config, field.name) for field in fields(LayerConfig)},
        src_size=19,
        tgt_size=19,
        num_decoder_layers=3,
    )
    decoder = Transformer(config).double().eval()
    decoder.decoder_layers.load_state_dict(gpt.layers.state_dict(), strict=False)
    decoder.decoder_norm.load_state_dict(gpt.norm.state_dict())
    decoder.tgt_positions.load_state_dict(gpt.positions.state_dict())
    scale = 1 if scheme == "sinusoidal" else 20**-0.5
    decoder.tgt_embedding.weight.data = gpt.embedding.weight.data * scale
    for layer in decoder.decoder_layers:
        nn.init.zeros_(layer.cross_attention.out_proj.weight)
    wanted = decoder.decode(ids, decoder.encode(ids, None))
    assert torch.allclose(gpt.hidden(ids), wanted, rtol=0, atol=1e-10)
    assert torch.allclose(gpt(ids), wanted @ gpt.embedding.weight.mT, rtol=0, atol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_later_token_moves_no_earlier_prediction(scheme):
    model, ids = _gpt(positions=scheme), _ids()
    before = model(ids)
    changed = ids.clone()
    changed[:, 4] = 3
    after = model(changed)
    assert torch.allclose(before[:, :4], after[:, :4], rtol=0, atol=1e-12)
    assert not torch.isclose(before[:, 4], after[:, 4]).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_cached_steps_equal_the_full_pass_for_prompts_of_any_lengths(scheme):
    model, ids = _gpt(positions=scheme), _ids(length=5)
    lengths = torch.tensor([5, 3, 1])
    src, src_lengths, words = split_prompts(ids, lengths)
    state = model.start(src, src_lengths)
    texts = [row[:n].tolist() for row, n in zip(ids, lengths.tolist(), strict=True)]
    for step in range(4):
        logits, state, _ = model.step(words, state)
        for text, row in zip(texts, logits, strict=True):
            assert torch.allclose(row, model(torch.tensor([text]))[0, -1], rtol=0, atol=1e-10)
        words = _ids(3, 1, seed=step)[:, 0]
        for text, word in zip(texts, words.tolist(), strict=True):
            text.append(word)


def test_one_word_prompts_need_no_beginning():
    model, ids = _gpt(), _ids(length=1)
    src, lengths, words = split_prompts(ids, torch.ones(3, dtype=torch.long))
    logits, _, _ = model.step(words, model.start(src, lengths))
    assert torch.allclose(logits, model(ids)[:, 0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_continued_text_is_the_same_alone_and_in_a_batch(beam_size):
    model, ids, lengths = _gpt(), _ids(length=5), torch.tensor([5, 2, 4])
    ends = {"eos": 2, "max_length": 6}

    def go_on(ids: torch.Tensor, lengths: torch.Tensor) -> list[list[int]]:
        src, src_lengths, last = split_prompts(ids, lengths)
        if beam_size == 1:
            decoded = greedy_decode(model, src, src_lengths, bos=last, **ends)
        else:
            decoded = beam_search(model, src, src_lengths, bos=last, beam_size=beam_size, **ends)
        return [text.words for text in decoded]

    together = go_on(ids, lengths)
    for i in range(3):
        assert go_on(ids[i : i + 1, : lengths[i]], lengths[i : i + 1]) == together[i : i + 1]


def test_next_tokens_leave_the_padding_out():
    ids = torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]])
    batch = next_token_batch(ids, torch.tensor([4, 2]))
    model = _gpt()
    loss = language_model_loss(model, batch)
    assert loss.count == 4
    longer = F.pad(ids, (0, 3), value=11)
    again = language_model_loss(model, next_token_batch(longer, torch.tensor([4, 2])))
    assert torch.allclose(loss.total, again.total, rtol=0, atol=1e-10)


def test_an_empty_prompt_is_refused():
    with pytest.raises(ValueError, match="a prompt is empty"):
        split_prompts(torch.tensor([[5], [0]]), torch.tensor([1, 0]))


def test_a_text_beyond_the_learned_positions_is_named():
    with pytest.raises(ValueError, match="position 32 lies beyond the learned table of 32"):
        _gpt()(_ids(length=33))


# BERT


def test_sinusoids_are_added_to_words_and_segments_scaled_up():
    """The table of the paper's sinusoids, learned, does the same beside scaled vectors."""
    model, table = _bert(positions="sinusoidal"), _bert(positions="learned")
    table.load_state_dict(model.state_dict(), strict=False)
    for embedding in (table.embedding, table.segment_embedding):
        embedding.weight.data *= 20**0.5
    for position, i in itertools.product(range(7), range(10)):
        angle = position / 10_000 ** (2 * i / 20)
        row = table.positions.learned.table.weight.data[position]
        row[2 * i], row[2 * i + 1] = math.sin(angle), math.cos(angle)
    lengths, segments = torch.tensor([7, 4, 2]), (torch.arange(7) > 2).long().expand(3, 7)
    given, wanted = (bert(_ids(), lengths, segments) for bert in (model, table))
    real = length_mask(lengths, 7)
    assert torch.allclose(given[real], wanted[real], rtol=0, atol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_padding_has_no_effect(scheme):
    model, ids, lengths = _bert(positions=scheme), _ids(), torch.tensor([7, 4, 2])
    before = model(ids, lengths)
    wider = F.pad(ids, (0, 3), value=9)
    wider[1, 4:], wider[2, 2:] = 11, 12
    after = model(wider, lengths)
    for i, length in enumerate(lengths):
        assert torch.allclose(before[i, :length], after[i, :length], rtol=0, atol=1e-10)


def test_a_token_sees_what_stands_to_its_right():
    model, ids = _bert(), _ids()
    before = model(ids, torch.full((3,), 7))
    ids[:, 6] = 3
    assert not torch.isclose(before[:, 0], model(ids, torch.full((3,), 7))[:, 0]).all()


def test_hidden_tokens_come_in_the_shares_of_the_paper():
    ids = torch.full((400, 500), 7)
    candidates = torch.ones_like(ids, dtype=torch.bool)
    candidates[:, 0] = False
    generator = torch.Generator().manual_seed(0)
    hidden, targets = hide_tokens(
        ids, candidates, mask_id=3, vocab_size=1000, first_word=4, generator=generator
    )
    chosen = targets != NO_TARGET
    assert chosen.float().mean().item() == pytest.approx(0.15, abs=3e-3)
    assert not chosen[:, 0].any()
    assert torch.equal(targets[chosen], ids[chosen])
    assert torch.equal(hidden[~chosen], ids[~chosen])
    fate = hidden[chosen]
    assert (fate == 3).float().mean().item() == pytest.approx(0.8, abs=0.01)
    assert (fate == 7).float().mean().item() == pytest.approx(0.1, abs=0.01)
    words = fate[(fate != 3) & (fate != 7)]
    assert int(words.min()) >= 4
    assert words.float().mean().item() == pytest.approx(502, abs=15)
    assert torch.equal(ids, torch.full((400, 500), 7))


def test_hiding_repeats_with_the_seed():
    ids = _ids(5, 31)

    def hide(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return hide_tokens(ids, ids > 0, mask_id=3, vocab_size=19, generator=generator)[0]

    assert torch.equal(hide(1), hide(1))
    assert not torch.equal(hide(1), hide(2))


def test_a_fine_tuned_classifier_reads_batches_of_documents():
    words = [("good", "food"), ("bad",), ("so", "good", "!")]
    documents = [Document((text,), int("good" in text)) for text in words]
    vocabulary = Vocabulary(words)
    batch: FlatBatch = TextClassifier.collate(documents, vocabulary)
    model = TextClassifier(_bert(), 2, cls_id=1, dropout=0.0).double().eval()
    logits, _ = model(*batch.inputs)
    alone, _ = model(*TextClassifier.collate(documents[1:2], vocabulary).inputs)
    assert logits.shape == (3, 2)
    assert torch.allclose(logits[1:2], alone, rtol=0, atol=1e-10)


def test_a_classifier_sums_a_text_up_in_the_token_put_before_it():
    model = TextClassifier(_bert(), 5, cls_id=3, dropout=0.0).double().eval()
    words, lengths = _ids(), torch.tensor([7, 4, 2])
    segments = (torch.arange(7) > 2).long().expand(3, 7)
    first = torch.full((3, 1), 3)
    for kinds in (None, segments):
        given = None if kinds is None else torch.cat([torch.zeros_like(first), kinds], 1)
        hidden = model.bert(torch.cat([first, words], 1), lengths + 1, given)
        wanted = model.output(model.bert.pool(hidden))
        assert torch.allclose(model(words, lengths, kinds)[0], wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("build", [_gpt, _bert])
def test_an_id_or_a_share_out_of_range_is_named(build):
    model = build()
    inputs = (torch.tensor([[5, 19]]),) + ((torch.tensor([2]),) if build is _bert else ())
    with pytest.raises(IndexError, match="ids run from 5 to 19; the vocabulary has ids 0 … 18"):
        model(*inputs)
    with pytest.raises(ValueError, match=r"share is 1\.5"):
        hide_tokens(_ids(), _ids() > 0, mask_id=3, vocab_size=19, share=1.5)


def test_a_state_can_be_spent_once_but_for_its_copies():
    model = GPT(LanguageModelConfig.tiny(11)).eval()
    state = model.start(torch.tensor([[4, 5, 6]]), None)
    copy = state.select(torch.tensor([0]))
    expected, _, _ = model.step(torch.tensor([7]), state)
    with pytest.raises(ValueError, match="a step was taken from this state before"):
        model.step(torch.tensor([7]), state)
    again, _, _ = model.step(torch.tensor([7]), copy)
    torch.testing.assert_close(again, expected)


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh", "silu"])
def test_a_model_can_be_pickled_with_every_activation(activation):
    model = GPT(replace(LanguageModelConfig.tiny(11), activation=activation)).eval()
    ids = torch.tensor([[1, 5, 6]])
    assert torch.equal(pickle.loads(pickle.dumps(model))(ids), model(ids))


def test_a_fine_tuned_classifier_reads_every_subword():
    documents = [Document((("wonderful", "food"),), 1), Document((("wonderful", "fool"),), 0)]
    subwords = Subwords.learn([document.words for document in documents], size=260)
    torch.manual_seed(0)
    bert = BERT(LanguageModelConfig.tiny(len(subwords)))
    model = TextClassifier(bert, 2, cls_id=1).eval()
    first, second = predict(model, documents, subwords)
    assert (first - second).abs().max() > 1e-5


class _OneRowEnds:
    """A model whose first text ends at once, and the others never."""

    def __init__(self, model, beams=1) -> None:
        self.start, self.model, self.beams = model.start, model, beams

    def step(self, words, state):
        logits, state, weights = self.model.step(words, state)
        logits = logits.clone()
        logits[:, 2] = -1e9
        logits[: self.beams, 2] = 1e9
        return logits, state, weights


@pytest.mark.parametrize("beams", [1, 3])
def test_a_finished_text_does_not_run_out_of_learned_positions(beams):
    torch.manual_seed(0)
    model = GPT(replace(LanguageModelConfig.tiny(13), positions="learned", max_length=16)).eval()
    ids, lengths = torch.randint(3, 13, (2, 12)), torch.tensor([12, 2])
    texts, lengths, last = split_prompts(ids, lengths)
    settings = {"eos": 2, "max_length": 14}
    if beams == 1:
        ended, running = greedy_decode(_OneRowEnds(model), texts, lengths, bos=last, **settings)
    else:
        settings["beam_size"] = beams
        model_ = _OneRowEnds(model, beams)
        ended, running = beam_search(model_, texts, lengths, bos=last, **settings)
    assert (len(ended.words), len(running.words)) == (0, 14)
    alone = _OneRowEnds(model, 0)
    given = alone, texts[1:, :1], lengths[1:]
    decode = greedy_decode if beams == 1 else beam_search
    assert running.words == decode(*given, bos=last[1:], **settings)[0].words
    with pytest.raises(ValueError, match="position 16 lies beyond the learned table"):
        greedy_decode(alone, texts, lengths, bos=last, eos=2, max_length=6)
