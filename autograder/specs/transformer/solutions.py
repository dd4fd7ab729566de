"""Right solutions in other styles than the reference's: all of them earn full marks."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autograder.specs.transformer.oracles import Masks, Params, multi_head

Sublayer = Callable[[Tensor], Tensor]


def _normalise(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return gain * (x - mean) / torch.sqrt(variance + 1e-5) + bias


def _residual_by_hand(
    x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str
) -> Tensor:
    if norm == "post":
        return _normalise(x + sublayer(x), gain, bias)
    return x + sublayer(_normalise(x, gain, bias))


def _residual_var(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    def layer_norm(z: Tensor) -> Tensor:
        centred = z - z.mean(dim=-1, keepdim=True)
        scale = torch.rsqrt(z.var(dim=-1, keepdim=True, correction=0) + 1e-5)
        return centred * scale * gain + bias

    read = layer_norm(x) if norm == "pre" else x
    total = x + sublayer(read)
    return layer_norm(total) if norm == "post" else total


def _residual_module(
    x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str
) -> Tensor:
    layer = nn.LayerNorm(x.shape[-1], device=x.device, dtype=x.dtype)
    call: Callable[[Tensor], Tensor] = lambda z: torch.func.functional_call(  # noqa: E731
        layer, {"weight": gain, "bias": bias}, (z,)
    )
    return call(x + sublayer(x)) if norm == "post" else x + sublayer(call(x))


def _residual_moments(
    x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str
) -> Tensor:
    def unit(z: Tensor) -> Tensor:
        return F.layer_norm(z, z.shape[-1:]) * gain + bias

    match norm:
        case "pre":
            return torch.add(x, sublayer(unit(x)))
        case _:
            return unit(torch.add(x, sublayer(x)))


def _ff_linear(x: Tensor, params: Params) -> Tensor:
    inner = F.relu(F.linear(x, params["W_1"].T, params["b_1"]))
    return F.linear(inner, params["W_2"].T, params["b_2"])


def _ff_einsum(x: Tensor, params: Params) -> Tensor:
    inner = torch.einsum("bld,df->blf", x, params["W_1"]) + params["b_1"]
    inner = torch.maximum(inner, torch.zeros_like(inner))
    return torch.einsum("blf,fd->bld", inner, params["W_2"]) + params["b_2"]


def _ff_flat(x: Tensor, params: Params) -> Tensor:
    tokens = x.reshape(-1, x.shape[-1])
    inner = torch.addmm(params["b_1"], tokens, params["W_1"]).relu()
    return torch.addmm(params["b_2"], inner, params["W_2"]).reshape(x.shape)


def _ff_where(x: Tensor, params: Params) -> Tensor:
    inner = x.matmul(params["W_1"]).add(params["b_1"])
    inner = torch.where(inner > 0, inner, 0.0)
    return inner.matmul(params["W_2"]).add(params["b_2"])


def _masks_tril(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    def seen(asking: Tensor, asked: Tensor) -> Tensor:
        return torch.ones_like(asking, dtype=torch.bool)[:, :, None] & (asked != pad)[:, None, :]

    return seen(src, src), torch.tril(seen(tgt, tgt)), seen(tgt, src)


def _masks_expand(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    (b, s), t = src.shape, tgt.shape[1]
    real = src.ne(pad).unsqueeze(1)
    steps = torch.arange(t, device=tgt.device)
    past = steps[None, :] <= steps[:, None]
    return real.expand(b, s, s), tgt.ne(pad)[:, None] & past[None], real.expand(b, t, s)


def _masks_not_future(src: Tensor, tgt: Tensor, pad: int) -> Masks:
    s, t = src.shape[1], tgt.shape[1]
    future = torch.ones(t, t, dtype=torch.bool, device=tgt.device).triu(1)
    hidden = (tgt == pad)[:, None, :].repeat(1, t, 1) | future
    padded = (src == pad)[:, None, :]
    return ~padded.repeat(1, s, 1), ~hidden, ~padded.repeat(1, t, 1)


def _masks_loops(src: Tensor, tgt: Tensor, pad: int) -> Any:
    (b, s), t = src.shape, tgt.shape[1]
    kind: dict[str, Any] = {"dtype": torch.bool, "device": src.device}
    encoder, decoder, cross = (
        torch.zeros(b, rows, columns, **kind) for rows, columns in ((s, s), (t, t), (t, s))
    )
    for n in range(b):
        for j in range(s):
            encoder[n, :, j] = cross[n, :, j] = src[n, j] != pad
        for i in range(t):
            for j in range(i + 1):
                decoder[n, i, j] = tgt[n, j] != pad
    return [encoder, decoder, cross]


def _encoder_with(residual: Callable[..., Tensor], ff: Callable[..., Tensor]) -> Any:
    """A layer made of one's own earlier functions, as the exercise suggests."""

    def encoder_layer(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
        first, second = params["norm_1"], params["norm_2"]

        def attend(z: Tensor) -> Tensor:
            return multi_head(z, z, mask, params["self_attention"])

        x = residual(x, attend, first["gain"], first["bias"], norm)
        return residual(
            x, lambda z: ff(z, params["feed_forward"]), second["gain"], second["bias"], norm
        )

    return encoder_layer


def _encoder_written_out(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    n_1, n_2, attention = params["norm_1"], params["norm_2"], params["self_attention"]
    if norm == "post":
        x = _normalise(x + multi_head(x, x, mask, attention), n_1["gain"], n_1["bias"])
        x = x + _ff_linear(x, params["feed_forward"])
        return _normalise(x, n_2["gain"], n_2["bias"])
    z = _normalise(x, **n_1)
    x = x + multi_head(z, z, mask, attention)
    return x + _ff_linear(_normalise(x, **n_2), params["feed_forward"])


def _encoder_loop(x: Tensor, mask: Tensor, params: Params, norm: str) -> Tensor:
    sublayers: list[Sublayer] = [
        lambda z: multi_head(z, z, mask, params["self_attention"]),
        lambda z: _ff_einsum(z, params["feed_forward"]),
    ]
    for i, sublayer in enumerate(sublayers, 1):
        x = _residual_var(x, sublayer, **params[f"norm_{i}"], norm=norm)
    return x


def _decoder_with(residual: Callable[..., Tensor], ff: Callable[..., Tensor]) -> Any:
    """A layer made of one's own earlier functions, as the exercise suggests."""

    def decoder_layer(
        y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
    ) -> Tensor:
        def attend(z: Tensor) -> Tensor:
            return multi_head(z, z, self_mask, params["self_attention"])

        def read(z: Tensor) -> Tensor:
            return multi_head(z, memory, cross_mask, params["cross_attention"])

        def think(z: Tensor) -> Tensor:
            return ff(z, params["feed_forward"])

        for name, sublayer in (("norm_1", attend), ("norm_2", read), ("norm_3", think)):
            y = residual(y, sublayer, params[name]["gain"], params[name]["bias"], norm)
        return y

    return decoder_layer


def _decoder_written_out(
    y: Tensor, memory: Tensor, self_mask: Tensor, cross_mask: Tensor, params: Params, norm: str
) -> Tensor:
    own, other = params["self_attention"], params["cross_attention"]
    one, two, three = (params[f"norm_{i}"] for i in (1, 2, 3))
    if norm == "pre":
        z = _normalise(y, **one)
        y = y + multi_head(z, z, self_mask, own)
        y = y + multi_head(_normalise(y, **two), memory, cross_mask, other)
        return y + _ff_flat(_normalise(y, **three), params["feed_forward"])
    y = _normalise(y + multi_head(y, y, self_mask, own), **one)
    y = _normalise(y + multi_head(y, memory, cross_mask, other), **two)
    return _normalise(y + _ff_flat(y, params["feed_forward"]), **three)


def _embedded(ids: Tensor, params: Params) -> Tensor:
    words = F.embedding(ids, params["embedding"]) * math.sqrt(params["embedding"].shape[-1])
    return words + params["positions"][None, : ids.shape[1]]


def _model_with(encode: Any, decode: Any, masks: Callable[..., Any]) -> Any:
    """The machine made of one's own earlier functions, as the exercise suggests."""

    def transformer(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
        encoder_mask, decoder_mask, cross_mask = masks(src, tgt, pad)
        memory = _embedded(src, params)
        for layer in params["encoder"]:
            memory = encode(memory, encoder_mask, layer, "post")
        y = _embedded(tgt, params)
        for layer in params["decoder"]:
            y = decode(y, memory, decoder_mask, cross_mask, layer, "post")
        return F.linear(y, params["embedding"])

    return transformer


def _model_one_hot(src: Tensor, tgt: Tensor, pad: int, params: Params) -> Tensor:
    table, positions = params["embedding"], params["positions"]
    size, d_model = table.shape

    def embed(ids: Tensor) -> Tensor:
        chosen = (ids[..., None] == torch.arange(size, device=ids.device)).to(table.dtype)
        places = torch.arange(ids.shape[1], device=ids.device)
        return (chosen @ table) * d_model**0.5 + positions[places]

    encode = _encoder_with(_residual_var, _ff_where)
    decode = _decoder_with(_residual_var, _ff_where)
    x, y = embed(src), embed(tgt)
    in_src, in_tgt, across = _masks_expand(src, tgt, pad)
    for weights in params["encoder"]:
        x = encode(x, in_src, weights, "post")
    for weights in params["decoder"]:
        y = decode(y, x, in_tgt, across, weights, "post")
    return torch.einsum("btd,vd->btv", y, table)


SOLUTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "residual": (_residual_by_hand, _residual_var, _residual_module, _residual_moments),
    "feed_forward": (_ff_linear, _ff_einsum, _ff_flat, _ff_where),
    "transformer_masks": (_masks_tril, _masks_expand, _masks_not_future, _masks_loops),
    "encoder_layer": (
        _encoder_with(_residual_by_hand, _ff_linear), _encoder_with(_residual_moments, _ff_flat),
        _encoder_written_out, _encoder_loop,
    ),
    "decoder_layer": (
        _decoder_with(_residual_by_hand, _ff_where), _decoder_with(_residual_var, _ff_einsum),
        _decoder_with(_residual_module, _ff_linear), _decoder_written_out,
    ),
    "transformer": (
        _model_with(_encoder_loop, _decoder_written_out, _masks_tril),
        _model_with(_encoder_written_out, _decoder_with(_residual_by_hand, _ff_flat), _masks_loops),
        _model_with(
            _encoder_with(_residual_module, _ff_linear),
            _decoder_with(_residual_module, _ff_linear), _masks_not_future,
        ),
        _model_one_hot,
    ),
}  # fmt: skip
