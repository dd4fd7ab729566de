"""What is special to unit 10: the oracle is the library's machine, and six hand-ins."""

import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib.layers import DecoderLayer, EncoderLayer, LayerConfig, Memory, SelfView
from attention_lib.transformer import Transformer, TransformerConfig
from autograder.checks import PUBLIC_SEED
from autograder.checks.cases import floating_tensors, tensors_in
from autograder.checks.drive import drive
from autograder.checks.judge import judge
from autograder.checks.spec import draw_cases, load_unit
from autograder.specs.transformer import oracles

UNIT = load_unit("transformer")
EXERCISES = {e.name: e for e in UNIT.exercises}
every_exercise = pytest.mark.parametrize("exercise", UNIT.exercises, ids=EXERCISES)


def verdict(name, function):
    """Judge by answers alone: the functions below lean on the oracle's parts, as no student may."""
    cases = draw_cases(EXERCISES[name], PUBLIC_SEED)
    return judge(EXERCISES[name], cases, [drive(function, row) for row in cases])


def test_six_exercises_are_worth_100_points():
    assert [e.points for e in UNIT.exercises] == [18, 10, 18, 18, 18, 18]


# The oracle's functions of dicts are the library's modules


def attention_dict(attention) -> dict[str, Tensor]:
    """Cut a MultiHeadAttention without biases into one matrix a head."""
    heads = attention.num_heads
    q, k, v = (
        part.view(heads, -1, attention.d_model).mT
        for part in attention.in_proj_weight.split(attention.sizes)
    )
    out = attention.out_proj.weight.mT.reshape(heads, -1, attention.d_model)
    return {"W_q": q, "W_k": k, "W_v": v, "W_o": out}


def layer_dict(layer) -> dict[str, dict[str, Tensor]]:
    inner, outer = layer.feed_forward.inner, layer.feed_forward.outer
    params = {
        "self_attention": attention_dict(layer.self_attention),
        "feed_forward": {"W_1": inner.weight.mT, "b_1": inner.bias,
                         "W_2": outer.weight.mT, "b_2": outer.bias},
    }  # fmt: skip
    norms = [layer.after_self, layer.after_feed_forward]
    if isinstance(layer, DecoderLayer):
        params["cross_attention"] = attention_dict(layer.cross_attention)
        norms.insert(1, layer.after_cross)
    for number, residual in enumerate(norms, 1):
        params[f"norm_{number}"] = {"gain": residual.norm.weight, "bias": residual.norm.bias}
    return params


def randomised(module: nn.Module) -> nn.Module:
    """Random weights everywhere but in the attentions' biases, which the exercise leaves out."""
    torch.manual_seed(0)
    for name, parameter in module.named_parameters():
        attention_bias = "attention" in name and "bias" in name
        nn.init.zeros_(parameter) if attention_bias else nn.init.normal_(parameter, std=0.4)
    return module.double().eval()


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_oracles_layers_are_the_librarys(norm):
    config = LayerConfig(d_model=14, num_heads=2, d_ff=11, dropout=0.0, norm=norm)
    encoder, decoder = randomised(EncoderLayer(config)), randomised(DecoderLayer(config))
    x, y = torch.randn(2, 5, 14).double(), torch.randn(2, 3, 14).double()
    real = torch.arange(5) < torch.tensor([5, 2])[:, None]
    masks = real[:, None].expand(-1, 5, -1), real[:, None].expand(-1, 3, -1)
    past = torch.ones(2, 3, 3, dtype=torch.bool).tril()

    memory = oracles.encoder_layer(x, masks[0], layer_dict(encoder), norm)
    wanted = encoder(x, SelfView(turn=lambda heads: heads, mask=real[:, None, None]))
    torch.testing.assert_close(memory, wanted)
    seen = Memory(*decoder.cross_attention.project(memory, "kv"), real[:, None, None])
    given = oracles.decoder_layer(y, memory, past, masks[1], layer_dict(decoder), norm)
    wanted = decoder(y, SelfView(turn=lambda heads: heads, causal=True), seen)
    torch.testing.assert_close(given, wanted)


def test_the_oracles_machine_is_the_librarys():
    sizes = {"src_size": 13, "tgt_size": 13, "d_model": 14, "num_heads": 2, "d_ff": 11}
    config = TransformerConfig(
        **sizes, num_encoder_layers=2, num_decoder_layers=3, dropout=0.0, positions="learned"
    )
    model = randomised(Transformer(config))
    model.tgt_positions.load_state_dict(model.src_positions.state_dict())
    params = {
        "embedding": model.tgt_embedding.weight,
        "positions": model.src_positions.learned.table.weight,
        "encoder": [layer_dict(layer) for layer in model.encoder_layers],
        "decoder": [layer_dict(layer) for layer in model.decoder_layers],
    }
    src, tgt = (
        torch.tensor([[4, 5, 6, 7, 8], [9, 10, 0, 0, 0]]),
        torch.tensor([[1, 4, 5], [1, 9, 0]]),
    )
    wanted, _ = model(src, torch.tensor([5, 2]), tgt)
    given = oracles.transformer(src, tgt, 0, params)
    torch.testing.assert_close(given[tgt != 0], wanted[tgt != 0])


def test_the_assignments_attention_gives_and_refuses_what_the_oracles_does():
    """Word for word: a mistake that ends in an error is known by the error's text."""
    source = (Path(__file__).parents[3] / "solutions" / "transformer.py").read_text()
    cell = re.search(r"^def multi_head.*?(?=^# %%)", source, re.MULTILINE | re.DOTALL)
    namespace = {"torch": torch, "looked": []}
    exec(cell[0], namespace)
    torch.manual_seed(0)
    config = LayerConfig(d_model=14, num_heads=2, d_ff=11, dropout=0.0)
    weights = layer_dict(EncoderLayer(config))["self_attention"]
    x, memory = torch.randn(2, 3, 14), torch.randn(2, 5, 14)
    mask = (torch.arange(5) < torch.tensor([[3], [0]]))[:, None].expand(2, 3, 5)

    given, right = namespace["multi_head"], oracles.multi_head
    torch.testing.assert_close(given(x, memory, mask, weights), right(x, memory, mask, weights))
    with pytest.raises(RuntimeError) as told:
        given(x, memory, mask.mT, weights)
    with pytest.raises(RuntimeError, match=re.escape(str(told.value))):
        right(x, memory, mask.mT, weights)


@every_exercise
def test_edges_half_precision_gradients_and_gpus_are_among_the_cases(exercise):
    cases = [case for row in draw_cases(exercise, 0) for case in row]
    tensors = [t for case in cases for t in tensors_in(case.args)]
    assert any(1 in t.shape for t in tensors)
    assert any(not t.is_contiguous() for t in tensors)
    assert any(case.cuda for case in cases)
    if exercise.name != "transformer_masks":
        dtypes = {t.dtype for case in cases for t in floating_tensors(case)}
        assert dtypes >= {torch.float16, torch.bfloat16, torch.float32, torch.float64}
        assert any(case.grad for case in cases)


# Six hand-ins, with the marks that a fair teacher would give


def norm_by_hand(z, gain, bias, correction=0):
    scale = (z.var(-1, keepdim=True, correction=correction) + 1e-5).sqrt()
    return (z - z.mean(-1, keepdim=True)) / scale * gain + bias


def right_residual(x, sublayer, gain, bias, norm):
    if norm == "pre":
        return x + sublayer(norm_by_hand(x, gain, bias))
    return norm_by_hand(x + sublayer(x), gain, bias)


def right_feed_forward(x, p):
    return F.relu(x @ p["W_1"] + p["b_1"]) @ p["W_2"] + p["b_2"]


def stack_of(residual, feed_forward):
    """Both layers, written with a student's own functions."""

    def encoder_layer(x, mask, params, norm):
        attend = params["self_attention"]
        x = residual(x, lambda h: oracles.multi_head(h, h, mask, attend), **params["norm_1"],
                     norm=norm)  # fmt: skip
        return residual(
            x, lambda h: feed_forward(h, params["feed_forward"]), **params["norm_2"], norm=norm
        )

    def decoder_layer(y, memory, self_mask, cross_mask, params, norm):
        own, other = params["self_attention"], params["cross_attention"]
        y = residual(
            y, lambda h: oracles.multi_head(h, h, self_mask, own), **params["norm_1"], norm=norm
        )
        y = residual(
            y, lambda h: oracles.multi_head(h, memory, cross_mask, other), **params["norm_2"],
            norm=norm,
        )  # fmt: skip
        return residual(
            y, lambda h: feed_forward(h, params["feed_forward"]), **params["norm_3"], norm=norm
        )

    return encoder_layer, decoder_layer


def machine_of(masks, encoder_layer, decoder_layer, root=True, norm="post"):
    def transformer(src, tgt, pad, params):
        inside, past, across = masks(src, tgt, pad)
        table, places = params["embedding"], params["positions"]
        times = math.sqrt(table.shape[1]) if root else 1
        x, y = (table[ids] * times + places[: ids.shape[1]] for ids in (src, tgt))
        for layer in params["encoder"]:
            x = encoder_layer(x, inside, layer, norm)
        for layer in params["decoder"]:
            y = decoder_layer(y, x, past, across, layer, norm)
        return y @ table.mT

    return transformer


def stub(*args):
    raise NotImplementedError


def all_right():
    encoder, decoder = stack_of(right_residual, right_feed_forward)
    machine = machine_of(oracles.transformer_masks, encoder, decoder)
    return right_residual, right_feed_forward, oracles.transformer_masks, encoder, decoder, machine


def unbiased_norm_throughout():
    """One wrong number in the norm: each exercise that calls it says so, and keeps half."""

    def residual(x, sublayer, gain, bias, norm):
        if norm == "pre":
            return x + sublayer(norm_by_hand(x, gain, bias, correction=1))
        return norm_by_hand(x + sublayer(x), gain, bias, correction=1)

    encoder, decoder = stack_of(residual, right_feed_forward)
    machine = machine_of(oracles.transformer_masks, encoder, decoder)
    return residual, right_feed_forward, oracles.transformer_masks, encoder, decoder, machine


def post_norm_only():
    """The order is never looked at; the machine, which is post-norm, is right all the same."""

    def residual(x, sublayer, gain, bias, norm):
        return norm_by_hand(x + sublayer(x), gain, bias)

    encoder, decoder = stack_of(residual, right_feed_forward)
    machine = machine_of(oracles.transformer_masks, encoder, decoder)
    return residual, right_feed_forward, oracles.transformer_masks, encoder, decoder, machine


def first_half():
    return right_residual, right_feed_forward, oracles.transformer_masks, stub, stub, stub


def slips():
    """No second bias, a causal cross mask, queries alone normalised, the root forgotten."""

    def no_bias(x, p):
        return F.relu(x @ p["W_1"] + p["b_1"]) @ p["W_2"]

    def masks(src, tgt, pad):
        inside, past, across = oracles.transformer_masks(src, tgt, pad)
        return inside, past, across.tril()

    def encoder(x, mask, params, norm):
        raw, attend = x, params["self_attention"]
        x = right_residual(
            x, lambda h: oracles.multi_head(h, raw, mask, attend), **params["norm_1"], norm=norm
        )
        return right_residual(
            x, lambda h: right_feed_forward(h, params["feed_forward"]), **params["norm_2"],
            norm=norm,
        )  # fmt: skip

    right_encoder, decoder = stack_of(right_residual, right_feed_forward)
    machine = machine_of(oracles.transformer_masks, right_encoder, decoder, root=False)
    return right_residual, no_bias, masks, encoder, decoder, machine


def nothing_yet():
    return (stub,) * 6


HAND_INS = [
    (all_right, [18, 10, 18, 18, 18, 18]),
    (unbiased_norm_throughout, [9, 10, 18, 9, 9, 9]),
    (post_norm_only, [9, 10, 18, 9, 10, 18]),
    (first_half, [18, 10, 18, 0, 0, 0]),
    (slips, [18, 5, 10.5, 9, 18, 9]),
    (nothing_yet, [0, 0, 0, 0, 0, 0]),
]


@pytest.mark.parametrize(("hand_in", "marks"), HAND_INS, ids=[h.__name__ for h, _ in HAND_INS])
def test_a_hand_in_gets_the_marks_of_a_fair_teacher(hand_in, marks):
    given = [verdict(name, f).points for name, f in zip(EXERCISES, hand_in(), strict=True)]
    assert given == marks


# Slips written in other words than the bank's

SLIPS = [
    ("residual", "replaced",
     lambda x, f, g, b, norm: f(F.layer_norm(x, (x.shape[-1],), g, b)) if norm == "pre"
     else F.layer_norm(f(x), (x.shape[-1],), g, b)),
    ("residual", "both_norms",
     lambda x, f, g, b, norm: norm_by_hand(
         x + f(norm_by_hand(x, g, b) if norm == "pre" else x), g, b)),
    ("feed_forward", "no_relu",
     lambda x, p: torch.einsum("bld,df,fe->ble", x, p["W_1"], p["W_2"])
     + p["b_1"] @ p["W_2"] + p["b_2"]),
    ("transformer_masks", "inverted",
     lambda s, t, pad: tuple(~mask for mask in oracles.transformer_masks(s, t, pad))),
    ("transformer_masks", "no_causality",
     lambda s, t, pad: ((s != pad)[:, None].repeat(1, s.shape[1], 1),
                        (t != pad)[:, None].repeat(1, t.shape[1], 1),
                        (s != pad)[:, None].repeat(1, t.shape[1], 1))),
    ("feed_forward", "max_of_wholes",
     lambda x, p: max(0, x @ p["W_1"] + p["b_1"]) @ p["W_2"] + p["b_2"]),
    ("transformer_masks", "heads_axis",
     lambda s, t, pad: ((s != pad)[:, None, None],
                        oracles.transformer_masks(s, t, pad)[1].unsqueeze(1),
                        (s != pad)[:, None, None])),
    ("transformer_masks", "pad_rows",
     lambda s, t, pad: ((s != pad).unsqueeze(2).expand(-1, -1, s.shape[1]),
                        ((t != pad).unsqueeze(2).expand(-1, -1, t.shape[1])).tril(),
                        (t != pad).unsqueeze(2).expand(-1, -1, s.shape[1]))),
    ("decoder_layer", "masks_exchanged",
     lambda y, m, a, b, p, norm: oracles.decoder_layer(y, m, b, a, p, norm)),
    ("transformer", "zero_pad",
     machine_of(lambda s, t, pad: oracles.transformer_masks(s, t, 0), oracles.encoder_layer,
                oracles.decoder_layer)),
    ("transformer", "unscaled",
     machine_of(oracles.transformer_masks, oracles.encoder_layer, oracles.decoder_layer, False)),
    ("transformer", "pre_norm",
     machine_of(oracles.transformer_masks, oracles.encoder_layer, oracles.decoder_layer,
                norm="pre")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "misconception", "function"), SLIPS)
def test_a_plausible_slip_is_named_and_keeps_half_of_the_points(name, misconception, function):
    result = verdict(name, function)
    assert result.misconception, str(result)
    assert result.misconception.name == misconception
    assert result.max_points / 2 <= result.points < result.max_points


UNFORESEEN = {
    "residual": lambda x, f, g, b, norm: 0.9 * x + f(x) * g,
    "feed_forward": lambda x, p: F.leaky_relu(x @ p["W_1"] + p["b_1"]) @ p["W_2"] + p["b_2"],
    "transformer_masks": lambda s, t, pad: tuple(
        mask & torch.ones_like(mask).triu(-2) for mask in oracles.transformer_masks(s, t, pad)
    ),
    "encoder_layer": lambda x, mask, p, norm: 0.5 * oracles.encoder_layer(x, mask, p, norm) + x,
    "decoder_layer": lambda y, m, a, b, p, norm: oracles.decoder_layer(y, m * 2, a, b, p, norm),
    "transformer": lambda s, t, pad, p: oracles.transformer(s, t, pad, p) ** 3,
}


@pytest.mark.parametrize(("name", "function"), UNFORESEEN.items())
def test_wrong_code_that_nobody_foresaw_loses_points_and_is_told_something(name, function):
    result = verdict(name, function)
    assert result.status in ("partial", "wrong")
    assert result.misconception is None
    assert "differ" in result.message
