"""The Transformer against torch's, Marian's and the properties that define it."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from transformers import MarianConfig, MarianMTModel

from attention_lib.data.batching import Batch
from attention_lib.decoding import beam_search, greedy_decode
from attention_lib.layers import DecoderLayer, EncoderLayer, Memory, SelfView
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


def _load_attention(ours, theirs) -> None:
    ours.load_state_dict(theirs.state_dict())


def _load_layer(ours, theirs, decoder: bool) -> None:
    _load_attention(ours.self_attention, theirs.self_attn)
    pairs = [(ours.feed_forward.inner, theirs.linear1), (ours.feed_forward.outer, theirs.linear2)]
    pairs += [(ours.after_self.norm, theirs.norm1)]
    if decoder:
        _load_attention(ours.cross_attention, theirs.multihead_attn)
        pairs += [(ours.after_cross.norm, theirs.norm2)]
    pairs += [(ours.after_feed_forward.norm, theirs.norm3 if decoder else theirs.norm2)]
    for mine, other in pairs:
        mine.load_state_dict(other.state_dict())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_stacks_equal_torchs_with_its_weights(device, dtype, norm):
    """All layers of encoder and decoder, with padding, in values and gradients."""
    torch.manual_seed(0)
    options = {"dropout": 0.0, "batch_first": True, "norm_first": norm == "pre"}
    theirs_e = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(20, 2, 29, **options), 2, enable_nested_tensor=False
    )
    theirs_d = nn.TransformerDecoder(nn.TransformerDecoderLayer(20, 2, 29, **options), 3)
    config = _config(norm=norm)
    ours_e = nn.ModuleList(EncoderLayer(config) for _ in range(2))
    ours_d = nn.ModuleList(DecoderLayer(config) for _ in range(3))
    for stack in (theirs_e, theirs_d):
        for parameter in stack.parameters():
            nn.init.normal_(parameter, std=0.4)
    for mine, other in zip(ours_e, theirs_e.layers, strict=True):
        _load_layer(mine, other, decoder=False)
    for mine, other in zip(ours_d, theirs_d.layers, strict=True):
        _load_layer(mine, other, decoder=True)
    for stack in (theirs_e, theirs_d, ours_e, ours_d):
        stack.to(device, dtype)
    src, tgt = torch.randn(2, 7, 20), torch.randn(2, 5, 20)
    src, tgt = (x.to(device, dtype).requires_grad_() for x in (src, tgt))
    real = length_mask(torch.tensor([7, 3])).to(device)
    lower = causal_mask(5, device=device)
    memory = theirs_e(src, src_key_padding_mask=~real)
    wanted = theirs_d(tgt, memory, tgt_mask=~lower, memory_key_padding_mask=~real)

    x, mask = src, real[:, None, None]
    for layer in ours_e:
        x = layer(x, SelfView(turn=lambda heads: heads, mask=mask))
    y = tgt
    for layer in ours_d:
        seen = Memory(*layer.cross_attention.project(x, "kv"), mask)
        y = layer(y, SelfView(turn=lambda heads: heads, causal=True), seen)
    bound = TOLERANCE[dtype]
    assert torch.allclose(x[real], memory[real], atol=bound)
    assert torch.allclose(y, wanted, atol=bound)
    upstream = torch.randn_like(wanted)
    mine = torch.autograd.grad(y, (src, tgt, *ours_d[0].parameters()), upstream)
    other = torch.autograd.grad(wanted, (src, tgt), upstream)
    for given, expected in zip(mine[:2], other, strict=True):
        assert torch.allclose(given, expected, atol=100 * bound)
    assert all(gradient.isfinite().all() for gradient in mine)


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
    state = {k.removeprefix("model."): v for k, v in theirs.state_dict().items()}
    # Marian's sines and cosines stand in halves; as a learned table they are taken as they are.
    table = state["encoder.embed_positions.weight"]
    ours.src_positions.learned.table.weight = nn.Parameter(table.clone())
    ours.tgt_positions.learned.table.weight = nn.Parameter(table.clone())
    ours.tgt_embedding.weight.data = state["shared.weight"]
    for side, layers in (("encoder", ours.encoder_layers), ("decoder", ours.decoder_layers)):
        for i, layer in enumerate(layers):
            _load_marian_layer(layer, state, f"{side}.layers.{i}.")
    return theirs, ours.eval()


def _load_marian_layer(layer, state, prefix) -> None:
    for mine, other in (("self_attention", "self_attn"), ("cross_attention", "encoder_attn")):
        attention = getattr(layer, mine, None)
        if attention is None:
            continue
        for kind in ("weight", "bias"):
            parts = [state[f"{prefix}{other}.{p}_proj.{kind}"] for p in "qkv"]
            getattr(attention, f"in_proj_{kind}").data = torch.cat(parts)
            out = state[f"{prefix}{other}.out_proj.{kind}"]
            getattr(attention.out_proj, kind).data = out
    names = {
        "after_self.norm": "self_attn_layer_norm",
        "after_cross.norm": "encoder_attn_layer_norm",
        "after_feed_forward.norm": "final_layer_norm",
        "feed_forward.inner": "fc1",
        "feed_forward.outer": "fc2",
    }
    for mine, other in names.items():
        for kind in ("weight", "bias"):
            if f"{prefix}{other}.{kind}" in state:
                layer.get_parameter(f"{mine}.{kind}").data = state[f"{prefix}{other}.{kind}"]


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_logits_and_loss_gradients_equal_marians(device, dtype, bound, activation):
    theirs, ours = _marian(activation)
    theirs, ours = theirs.to(device, dtype), ours.to(device, dtype)
    batch = _batch().to(device)
    mask = length_mask(batch.src_lengths, 7).long().to(device)
    wanted = theirs(input_ids=batch.src, attention_mask=mask, decoder_input_ids=batch.tgt_in).logits
    logits, _ = ours(batch.src, batch.src_lengths, batch.tgt_in)
    real = batch.tgt_out != PAD
    assert torch.allclose(logits[real], wanted[real], atol=bound)
    F.cross_entropy(wanted[real], batch.tgt_out[real], reduction="sum").backward()
    ours.loss(batch)[0].backward()
    assert torch.allclose(
        ours.tgt_embedding.weight.grad, theirs.model.shared.weight.grad, atol=100 * bound
    )


def test_base_and_big_have_the_papers_parameters():
    for config, wanted in (
        (TransformerConfig.base(37_000), 65e6),
        (TransformerConfig.big(37_000), 213e6),
    ):
        with torch.device("meta"):
            total = sum(parameter.numel() for parameter in Transformer(config).parameters())
        assert total == pytest.approx(wanted, rel=0.035)


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
    assert torch.allclose(total, wanted, atol=1e-10)
    for mine, other in zip(
        fast, torch.autograd.grad(wanted, list(model.parameters())), strict=True
    ):
        assert torch.allclose(mine, other, atol=1e-9)


# Properties of every variant


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kv_heads", [None, 1])
def test_padding_has_no_effect(scheme, kv_heads):
    model, batch = _model(positions=scheme, num_kv_heads=kv_heads), _batch()
    logits, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
    wider = F.pad(batch.src, (0, 3), value=9)
    wider[1, 4:7] = 11
    again, _ = model(wider, batch.src_lengths, F.pad(batch.tgt_in, (0, 2), value=5))
    assert torch.allclose(logits, again[:, :6], atol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_sentence_alone_is_translated_as_in_a_batch(scheme):
    model, batch = _model(positions=scheme), _batch()
    logits, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
    for i, length in enumerate(batch.src_lengths):
        alone, _ = model(batch.src[i : i + 1, :length], length[None], batch.tgt_in[i : i + 1])
        assert torch.allclose(alone[0], logits[i], atol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_later_target_word_moves_no_earlier_prediction(scheme):
    model, batch = _model(positions=scheme), _batch()
    before, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
    changed = batch.tgt_in.clone()
    changed[:, 3] = 12
    after, _ = model(batch.src, batch.src_lengths, changed)
    assert torch.allclose(before[:, :3], after[:, :3], atol=1e-12)
    assert not torch.isclose(before[:, 3], after[:, 3]).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_order_counts_with_every_scheme_but_none(scheme):
    model = _model(positions=scheme)
    src, lengths, tgt_in = torch.tensor([[5, 6, 7, 8]]), torch.tensor([4]), torch.tensor([[BOS]])
    before, _ = model(src, lengths, tgt_in)
    swapped, _ = model(src[:, [1, 0, 2, 3]], lengths, tgt_in)
    assert torch.allclose(before, swapped, atol=1e-10) == (scheme == "none")


def test_alibi_cannot_tell_a_source_from_its_mirror():
    """It sees distances without direction; a causal mask would tell the two apart."""
    model = _model(positions="alibi")
    src, lengths, tgt_in = torch.tensor([[5, 6, 7, 8]]), torch.tensor([4]), torch.tensor([[BOS]])
    forward, _ = model(src, lengths, tgt_in)
    backward, _ = model(src.flip(1), lengths, tgt_in)
    assert torch.allclose(forward, backward, atol=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_cached_steps_equal_the_full_pass(scheme):
    model, batch = _model(positions=scheme), _batch()
    wanted, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
    state = model.start(batch.src, batch.src_lengths)
    for t in range(batch.tgt_in.shape[1]):
        logits, state, _ = model.step(batch.tgt_in[:, t], state)
        assert torch.allclose(logits, wanted[:, t], atol=1e-10)


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
        assert torch.allclose(logits, wanted[:, -1], atol=1e-10)
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
