"""The Transformer against torch's, Marian's and the properties that define it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import MarianConfig, MarianMTModel

from attention_lib.data.batching import Batch
from attention_lib.decoding import beam_search, greedy_decode
from attention_lib.losses import label_smoothing_loss
from attention_lib.masks import causal_mask, length_mask
from attention_lib.multihead import KeyValueCache, record_attention
from attention_lib.transformer import Transformer, TransformerConfig

SCHEMES = ["none", "sinusoidal", "learned", "rotary", "alibi", "relative"]
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
BOS, EOS, PAD = 1, 2, 0


def _config(**options) -> TransformerConfig:
    sizes = {"src_size": 17, "tgt_size": 13, "tie": "output", "num_encoder_layers": 2}
    sizes |= {"num_decoder_layers": 3, "d_model": 20, "num_heads": 2, "d_ff": 29, "dropout": 0.0}
    return TransformerConfig(**(sizes | options))


def _model(**options) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(_config(**options)).double().eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter)
    return model


def _batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    src = torch.randint(4, 17, (3, 7), generator=generator)
    tgt = torch.randint(4, 13, (3, 5), generator=generator)
    src_lengths, tgt_lengths = torch.tensor([7, 4, 1]), torch.tensor([3, 5, 1])
    src = src.masked_fill(~length_mask(src_lengths, 7), PAD)
    tgt_out = torch.cat([tgt, torch.full((3, 1), PAD)], 1)
    tgt_out[torch.arange(3), tgt_lengths] = EOS
    tgt_out = tgt_out.masked_fill(~length_mask(tgt_lengths + 1, 6), PAD)
    tgt_in = torch.cat([torch.full((3, 1), BOS), tgt_out[:, :-1]], 1)
    return Batch(src, src_lengths, tgt_in.where(tgt_in != EOS, PAD), tgt_out, PAD)


# Parity


def _close(ours: torch.Tensor, theirs: torch.Tensor, bound: float) -> bool:
    """Whether no entry is further off than this share of the largest."""
    return bool((ours - theirs).abs().max() <= bound * theirs.abs().max())


def _pairs(ours, theirs, decoder: bool) -> list[tuple[nn.Module, nn.Module]]:
    """Name the parts of our layer and torch's that hold the same parameters in the same order."""
    pairs = [(ours.self_attention, theirs.self_attn)]
    pairs += [(ours.feed_forward.inner, theirs.linear1), (ours.feed_forward.outer, theirs.linear2)]
    pairs += [(ours.after_self.norm, theirs.norm1)]
    if decoder:
        pairs += [(ours.cross_attention, theirs.multihead_attn)]
        pairs += [(ours.after_cross.norm, theirs.norm2)]
    pairs += [(ours.after_feed_forward.norm, theirs.norm3 if decoder else theirs.norm2)]
    return pairs


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_whole_model_equals_torchs_with_its_weights(device, dtype, norm):
    """With padding, in values and in the gradients of every parameter, final norms included."""
    torch.manual_seed(0)
    options = {"dropout": 0.0, "batch_first": True, "norm_first": norm == "pre"}
    ends = [nn.LayerNorm(20) if norm == "pre" else None for _ in range(2)]
    theirs_e = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(20, 2, 29, **options), 2, ends[0], enable_nested_tensor=False
    )
    theirs_d = nn.TransformerDecoder(nn.TransformerDecoderLayer(20, 2, 29, **options), 3, ends[1])
    for parameter in [*theirs_e.parameters(), *theirs_d.parameters()]:
        nn.init.normal_(parameter, std=0.4)
    ours = Transformer(_config(norm=norm, positions="none"))
    pairs = [(ours.encoder_norm, ends[0]), (ours.decoder_norm, ends[1])] if norm == "pre" else []
    for mine, other in zip(ours.encoder_layers, theirs_e.layers, strict=True):
        pairs += _pairs(mine, other, decoder=False)
    for mine, other in zip(ours.decoder_layers, theirs_d.layers, strict=True):
        pairs += _pairs(mine, other, decoder=True)
    for mine, other in pairs:
        mine.load_state_dict(other.state_dict())
    for stack in (theirs_e, theirs_d, ours):
        stack.to(device, dtype)
    batch = _batch().to(device)
    words = [table.weight.detach().clone() for table in (ours.src_embedding, ours.tgt_embedding)]
    words = [table.requires_grad_() for table in words]
    src = 20**0.5 * F.embedding(batch.src, words[0])
    tgt = 20**0.5 * F.embedding(batch.tgt_in, words[1])
    padding = ~length_mask(batch.src_lengths, 7).to(device)
    later = ~causal_mask(6, device=device)
    memory = theirs_e(src, src_key_padding_mask=padding)
    hidden = theirs_d(tgt, memory, tgt_mask=later, memory_key_padding_mask=padding)
    wanted = hidden @ words[1].mT

    logits, _ = ours(batch.src, batch.src_lengths, batch.tgt_in)
    assert torch.allclose(logits, wanted, rtol=0, atol=TOLERANCE[dtype])
    upstream = torch.randn_like(wanted)
    mine = [ours.src_embedding.weight, ours.tgt_embedding.weight]
    mine += [parameter for pair in pairs for parameter in pair[0].parameters()]
    other = [*words, *(parameter for pair in pairs for parameter in pair[1].parameters())]
    assert len(mine) == len(list(ours.parameters()))
    for given, expected in zip(
        torch.autograd.grad(logits, mine, upstream),
        torch.autograd.grad(wanted, other, upstream),
        strict=True,
    ):
        assert _close(given, expected, TOLERANCE[dtype])


def _marian(activation: str) -> tuple[MarianMTModel, Transformer]:
    """Build Marian, the paper's encoder–decoder, and ours with its weights."""
    torch.manual_seed(3)
    config = MarianConfig(
        vocab_size=19,
        d_model=20,
        encoder_layers=2,
        decoder_layers=3,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=29,
        decoder_ffn_dim=29,
        activation_function=activation,
        dropout=0.0,
        scale_embedding=True,
        max_position_embeddings=32,
        pad_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=1,
        forced_eos_token_id=None,
    )
    theirs = MarianMTModel(config).eval()
    for parameter in theirs.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.3)
    ours = Transformer(
        _config(src_size=19, tgt_size=19, tie="all", activation=activation, positions="learned")
    )
    # Marian's sines and cosines stand in halves; as a learned table they are taken as they are.
    table = theirs.model.encoder.embed_positions.weight.detach()
    for scheme in (ours.src_positions, ours.tgt_positions):
        scheme.learned.table.weight = nn.Parameter(table.clone(), requires_grad=False)
    for name, value in _by_our_names(theirs.state_dict()).items():
        ours.get_parameter(name).data = value.clone()
    return theirs, ours.eval()


def _by_our_names(marians: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Sort Marian's tensors, one a trained parameter, by the names of our parameters."""
    ours = {"tgt_embedding.weight": marians["model.shared.weight"]}
    parts = {
        "self_attention.out_proj": "self_attn.out_proj",
        "cross_attention.out_proj": "encoder_attn.out_proj",
        "after_self.norm": "self_attn_layer_norm",
        "after_cross.norm": "encoder_attn_layer_norm",
        "after_feed_forward.norm": "final_layer_norm",
        "feed_forward.inner": "fc1",
        "feed_forward.outer": "fc2",
    }
    stacks = [("encoder", i) for i in range(2)] + [("decoder", i) for i in range(3)]
    for (side, i), kind in itertools.product(stacks, ("weight", "bias")):
        here, there = f"{side}_layers.{i}.", f"model.{side}.layers.{i}."
        for mine, other in parts.items():
            if side == "decoder" or "cross" not in mine:
                ours[f"{here}{mine}.{kind}"] = marians[f"{there}{other}.{kind}"]
        for mine, other in (("self_attention", "self_attn"), ("cross_attention", "encoder_attn")):
            if side == "decoder" or mine == "self_attention":
                three = [marians[f"{there}{other}.{p}_proj.{kind}"] for p in "qkv"]
                ours[f"{here}{mine}.in_proj_{kind}"] = torch.cat(three)
    return ours


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_logits_and_loss_gradients_equal_marians(device, dtype, activation):
    theirs, ours = _marian(activation)
    theirs, ours = theirs.to(device, dtype), ours.to(device, dtype)
    batch = _batch().to(device)
    mask = length_mask(batch.src_lengths, 7).long().to(device)
    wanted = theirs(input_ids=batch.src, attention_mask=mask, decoder_input_ids=batch.tgt_in).logits
    logits, _ = ours(batch.src, batch.src_lengths, batch.tgt_in)
    real = batch.tgt_out != PAD
    assert torch.allclose(logits[real], wanted[real], rtol=0, atol=TOLERANCE[dtype])
    F.cross_entropy(wanted[real], batch.tgt_out[real], reduction="sum").backward()
    ours.loss(batch)[0].backward()
    expected = {n: p.grad for n, p in theirs.named_parameters() if p.grad is not None}
    expected = _by_our_names(expected)
    given = {name: p.grad for name, p in ours.named_parameters() if p.requires_grad}
    assert given.keys() == expected.keys()
    for name, gradient in given.items():
        assert _close(gradient, expected[name], TOLERANCE[dtype]), name


def test_base_and_big_have_the_papers_parameters():
    for config, wanted in (
        (TransformerConfig.base(37_000), 65e6),
        (TransformerConfig.big(37_000), 213e6),
    ):
        with torch.device("meta"):
            total = sum(parameter.numel() for parameter in Transformer(config).parameters())
        assert total == pytest.approx(wanted, rel=0.035)


# Positions, written out


def _sinusoids(length: int, size: int) -> torch.Tensor:
    table = np.empty((length, size))
    for position, i in itertools.product(range(length), range(size // 2)):
        angle = position / 10_000 ** (2 * i / size)
        table[position, 2 * i : 2 * i + 2] = np.sin(angle), np.cos(angle)
    return torch.from_numpy(table)


def _turned(head: torch.Tensor) -> torch.Tensor:
    """Turn features 2i and 2i + 1 at position m by m / 10000^(2i / size), as complex numbers."""
    length, size = head.shape[-2:]
    speeds = 10_000.0 ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angles = torch.arange(length, dtype=torch.float64).outer(speeds)
    pairs = torch.view_as_complex(head.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


def _bias(scheme: str, positions: nn.Module, i: int, j: int) -> torch.Tensor:
    """What a scheme adds to the score of query i and key j in each of two heads."""
    if scheme == "alibi":
        return -abs(i - j) * torch.tensor([2.0**-4, 2.0**-8], dtype=torch.float64)
    if scheme == "relative":
        # So near, each distance has a number of its own; those of keys ahead come 16 later.
        return positions.relative.bias.weight[i - j if j <= i else 16 + j - i]
    return torch.zeros(2, dtype=torch.float64)


def _attention_written_out(attention, x, memory, positions=None, causal=False) -> torch.Tensor:
    """Attend with one head after another, and without positions to a memory."""
    scheme = "none" if positions is None else positions.scheme
    matrices = zip(attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True)
    projected = [
        tokens @ weight.mT + bias
        for tokens, (weight, bias) in zip((x, memory, memory), matrices, strict=True)
    ]
    contexts = []
    for h in range(2):
        query, key, value = (part[..., 10 * h : 10 * h + 10] for part in projected)
        if scheme == "rotary":
            query, key = _turned(query), _turned(key)
        scores = query @ key.mT / 10**0.5
        for i, j in itertools.product(range(x.shape[1]), range(memory.shape[1])):
            scores[:, i, j] += _bias(scheme, positions, i, j)[h]
            if causal and j > i:
                scores[:, i, j] = -torch.inf
        contexts.append(scores.softmax(-1) @ value)
    return attention.out_proj(torch.cat(contexts, -1))


def _logits_written_out(model: Transformer, src, tgt_in) -> torch.Tensor:
    """Translate unpadded sentences with post-norm layers, one equation after another."""

    def embed(ids, embedding, positions) -> torch.Tensor:
        x, length = embedding.weight[ids] * 20**0.5, ids.shape[1]
        if positions.scheme == "sinusoidal":
            return x + _sinusoids(length, 20)
        return x + positions.learned.table.weight[:length] if positions.scheme == "learned" else x

    x = embed(src, model.src_embedding, model.src_positions)
    for layer in model.encoder_layers:
        look = _attention_written_out(layer.self_attention, x, x, model.src_positions)
        x = layer.after_self.norm(x + look)
        x = layer.after_feed_forward.norm(x + layer.feed_forward(x))
    y = embed(tgt_in, model.tgt_embedding, model.tgt_positions)
    for layer in model.decoder_layers:
        look = _attention_written_out(layer.self_attention, y, y, model.tgt_positions, causal=True)
        y = layer.after_self.norm(y + look)
        y = layer.after_cross.norm(y + _attention_written_out(layer.cross_attention, y, x))
        y = layer.after_feed_forward.norm(y + layer.feed_forward(y))
    return y @ model.tgt_embedding.weight.mT


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_is_what_its_paper_says_written_out(scheme):
    model = _model(positions=scheme)
    generator = torch.Generator().manual_seed(0)
    src = torch.randint(4, 17, (2, 7), generator=generator)
    # Distances of 8 and more share relative buckets unless only the past is seen.
    tgt_in = torch.randint(4, 13, (2, 11), generator=generator)
    logits, _ = model(src, None, tgt_in)
    assert torch.allclose(logits, _logits_written_out(model, src, tgt_in), rtol=0, atol=1e-10)


# The fast loss


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_fast_loss_is_that_of_the_logits(scheme, norm, smoothing):
    model, batch = _model(positions=scheme, norm=norm), _batch()
    total, count = model.loss(batch, smoothing)
    fast = torch.autograd.grad(total, list(model.parameters()))
    logits, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
    real = batch.tgt_out != PAD
    wanted = label_smoothing_loss(logits, batch.tgt_out, smoothing, pad=PAD, reduction="sum")
    assert count == int(real.sum())
    assert torch.allclose(total, wanted, rtol=0, atol=1e-10)
    for mine, other in zip(
        fast, torch.autograd.grad(wanted, list(model.parameters())), strict=True
    ):
        assert torch.allclose(mine, other, rtol=0, atol=1e-9)


# Properties of every variant


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kv_heads", [None, 1])
def test_padding_has_no_effect(scheme, kv_heads):
    model, batch = _model(positions=scheme, num_kv_heads=kv_heads), _batch()
    logits, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
    wider = F.pad(batch.src, (0, 3), value=9)
    wider[1, 4:7] = 11
    again, _ = model(wider, batch.src_lengths, F.pad(batch.tgt_in, (0, 2), value=5))
    assert torch.allclose(logits, again[:, :6], rtol=0, atol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_sentence_alone_is_translated_as_in_a_batch(scheme):
    model, batch = _model(positions=scheme), _batch()
    logits, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
    for i, length in enumerate(batch.src_lengths):
        alone, _ = model(batch.src[i : i + 1, :length], length[None], batch.tgt_in[i : i + 1])
        assert torch.allclose(alone[0], logits[i], rtol=0, atol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_later_target_word_moves_no_earlier_prediction(scheme):
    model, batch = _model(positions=scheme), _batch()
    before, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
    changed = batch.tgt_in.clone()
    changed[:, 3] = 12
    after, _ = model(batch.src, batch.src_lengths, changed)
    assert torch.allclose(before[:, :3], after[:, :3], rtol=0, atol=1e-12)
    assert not torch.isclose(before[:, 3], after[:, 3]).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_order_counts_with_every_scheme_but_none(scheme):
    model = _model(positions=scheme)
    src, lengths, tgt_in = torch.tensor([[5, 6, 7, 8]]), torch.tensor([4]), torch.tensor([[BOS]])
    before, _ = model(src, lengths, tgt_in)
    swapped, _ = model(src[:, [1, 0, 2, 3]], lengths, tgt_in)
    assert torch.allclose(before, swapped, rtol=0, atol=1e-10) == (scheme == "none")


def test_alibi_cannot_tell_a_source_from_its_mirror():
    """It sees distances without direction; a causal mask would tell the two apart."""
    model = _model(positions="alibi")
    src, lengths, tgt_in = torch.tensor([[5, 6, 7, 8]]), torch.tensor([4]), torch.tensor([[BOS]])
    forward, _ = model(src, lengths, tgt_in)
    backward, _ = model(src.flip(1), lengths, tgt_in)
    assert torch.allclose(forward, backward, rtol=0, atol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_cached_steps_equal_the_full_pass(scheme):
    model, batch = _model(positions=scheme), _batch()
    wanted, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
    state = model.start(batch.src, batch.src_lengths)
    for t in range(batch.tgt_in.shape[1]):
        logits, state, _ = model.step(batch.tgt_in[:, t], state)
        assert torch.allclose(logits, wanted[:, t], rtol=0, atol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_beams_that_change_places_equal_the_full_pass_of_their_own_words(scheme):
    """Each beam's logits follow from its own history, whichever rows its keys lie in."""
    model, batch = _model(positions=scheme), _batch()
    generator = torch.Generator().manual_seed(5)
    beams, first = 3, torch.arange(3)[:, None] * 3
    state = model.start(batch.src, batch.src_lengths).repeat(beams)
    words = torch.full((3, beams, 1), BOS)
    for _ in range(5):
        logits, state, _ = model.step(words[:, :, -1].flatten(), state)
        src = batch.src.repeat_interleave(beams, 0)
        lengths = batch.src_lengths.repeat_interleave(beams)
        wanted, _ = model(src, lengths, words.flatten(0, 1))
        assert torch.allclose(logits, wanted[:, -1], rtol=0, atol=1e-10)
        parents = torch.randint(beams, (3, beams), generator=generator)
        state = state.select((first + parents).flatten())
        words = words.gather(1, parents[:, :, None].expand_as(words))
        words = torch.cat([words, torch.randint(4, 13, (3, beams, 1), generator=generator)], -1)


def test_a_beam_of_one_is_greedy():
    model, batch = _model(), _batch()
    ends = {"bos": BOS, "eos": EOS, "max_length": 9}
    greedy = greedy_decode(model, batch.src, batch.src_lengths, **ends)
    beam = beam_search(model, batch.src, batch.src_lengths, beam_size=1, **ends)
    assert [d.words for d in greedy] == [d.words for d in beam]


def test_maps_of_all_heads_of_all_layers_can_be_recorded():
    model, batch = _model(), _batch()
    with record_attention(model) as maps:
        model(batch.src, batch.src_lengths, batch.tgt_in)
    assert len(maps) == 2 + 3 + 3
    cross = maps["decoder_layers.1.cross_attention"][0]
    assert cross.shape == (3, 2, 6, 7)
    assert torch.allclose(cross.sum(-1), torch.ones(3, 2, 6, dtype=torch.float64))
    assert torch.equal(cross[1, :, :, 4:], torch.zeros(2, 6, 3, dtype=torch.float64))
    own = maps["decoder_layers.0.self_attention"][0]
    assert torch.equal(own.triu(1), torch.zeros_like(own))


@pytest.mark.parametrize(("dtype", "bound"), [(torch.bfloat16, 0.3), (torch.float16, 0.05)])
def test_half_precision_runs_close_to_the_exact_model(device, dtype, bound):
    model, batch = _model(norm="pre"), _batch().to(device)
    exact, _ = model.to(device)(batch.src, batch.src_lengths, batch.tgt_in)
    halves, _ = model.to(dtype)(batch.src, batch.src_lengths, batch.tgt_in)
    assert halves.dtype == dtype
    assert (halves.double() - exact).abs().mean() < bound


def test_saving_and_loading_keeps_the_outputs(tmp_path):
    model, batch = _model(positions="relative"), _batch()
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = Transformer(_config(positions="relative")).double().eval()
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    wanted, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
    given, _ = other(batch.src, batch.src_lengths, batch.tgt_in)
    assert torch.equal(given, wanted)


def test_tied_matrices_are_one():
    all_tied = Transformer(_config(src_size=13, tie="all"))
    assert all_tied.output.weight is all_tied.tgt_embedding.weight
    assert all_tied.src_embedding is all_tied.tgt_embedding
    output = Transformer(_config(tie="output"))
    assert output.output.weight is output.tgt_embedding.weight
    assert output.src_embedding is not output.tgt_embedding
    none = Transformer(_config(tie="none"))
    assert none.output.weight is not none.tgt_embedding.weight


# Errors


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="tie='all' wants one vocabulary"):
        _config(tie="all")
    with pytest.raises(ValueError, match="norm is 'middle'"):
        _config(norm="middle")
    with pytest.raises(ValueError, match="positions is 'clock'"):
        replace(_config(), positions="clock")
    model = _model(positions="learned", max_length=6)
    tgt_in = torch.tensor([[BOS]])
    with pytest.raises(IndexError, match="ids run from 4 to 17; the vocabulary has ids 0 … 16"):
        model(torch.tensor([[4, 17]]), torch.tensor([2]), tgt_in)
    with pytest.raises(ValueError, match="position 6 lies beyond the learned table of 6"):
        model(torch.full((1, 7), 4), torch.tensor([7]), tgt_in)
    with pytest.raises(ValueError, match="a sentence is empty; wanted at least 1 word"):
        model(torch.tensor([[4], [0]]), torch.tensor([1, 0]), torch.tensor([[BOS], [BOS]]))


def test_a_cache_grows_beyond_its_first_buffer_and_keeps_what_it_holds():
    cache, seen = KeyValueCache(), []
    for i in range(150):
        seen.append(torch.full((1, 1, 1, 2), float(i)))
        key, value = cache.append(seen[-1], -seen[-1])
    assert torch.equal(key, torch.cat(seen, 2))
    assert torch.equal(value, -key)


def test_a_state_can_be_spent_once():
    model = Transformer(TransformerConfig.tiny(11)).eval()
    state = model.start(torch.tensor([[4, 5, 6]]), None)
    _, later, _ = model.step(torch.tensor([1]), state)
    with pytest.raises(ValueError, match="a step was taken from this state before"):
        model.step(torch.tensor([7]), state)
    model.step(torch.tensor([7]), later)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_encoder_layers": -2}, "num_encoder_layers is -2; wanted at least 1"),
        ({"num_heads": 0}, "num_heads is 0; wanted at least 1"),
        ({"num_kv_heads": 0}, "num_kv_heads is 0; wanted at least 1"),
        ({"d_ff": 0}, "d_ff is 0; wanted at least 1"),
        ({"norm_eps": -1.0}, "norm_eps is -1.0; wanted at least 0"),
        ({"positions": "rotary", "d_model": 12}, "4 heads have 3 features each; rotary"),
        ({"positions": "sinusoidal", "d_model": 9, "num_heads": 3}, "d_model is 9; sinusoids"),
    ],
)
def test_sizes_that_no_model_has_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TransformerConfig.tiny(11), **change)
