"""Right solutions in other styles than the library's: all of them earn full marks."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_lib.attention import masked_softmax

Pair = tuple[Tensor, Tensor]
Params = dict[str, Tensor]


def _split_view(x: Tensor, num_heads: int) -> Tensor:
    b, length, d_model = x.shape
    return x.view(b, length, num_heads, d_model // num_heads).transpose(1, 2)


def _split_chunks(x: Tensor, num_heads: int) -> Tensor:
    return torch.stack(x.chunk(num_heads, dim=-1), dim=1)


def _split_permuted(x: Tensor, num_heads: int) -> Tensor:
    b, length, d_model = x.size()
    return x.reshape(b, length, num_heads, d_model // num_heads).permute(0, 2, 1, 3).contiguous()


def _split_slices(x: Tensor, num_heads: int) -> Tensor:
    d = x.shape[-1] // num_heads
    heads = [x[:, :, i * d : (i + 1) * d] for i in range(num_heads)]
    return torch.cat([head.unsqueeze(1) for head in heads], dim=1)


def _split_moved(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(2, (num_heads, x.shape[2] // num_heads)).movedim(2, 1)


def _merge_view(heads: Tensor) -> Tensor:
    b, h, length, d = heads.shape
    return heads.transpose(1, 2).contiguous().view(b, length, h * d)


def _merge_cat(heads: Tensor) -> Tensor:
    return torch.cat([heads[:, i] for i in range(heads.shape[1])], dim=-1)


def _merge_unbind(heads: Tensor) -> Tensor:
    return torch.cat(heads.unbind(1), -1)


def _merge_permuted(heads: Tensor) -> Tensor:
    return heads.permute(0, 2, 1, 3).reshape(heads.shape[0], heads.shape[2], -1)


def _merge_stacked(heads: Tensor) -> Tensor:
    return torch.stack(heads.unbind(dim=1), dim=2).flatten(start_dim=2)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    weights = masked_softmax(query @ key.transpose(-2, -1) / key.shape[-1] ** 0.5, mask)
    return weights @ value, weights


def _layer_parts(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query = _split_view(x @ params["W_q"], num_heads)
    key = _split_chunks(x @ params["W_k"], num_heads)
    value = _split_permuted(x @ params["W_v"], num_heads)
    context, weights = _attend(query, key, value, mask)
    return _merge_view(context) @ params["W_o"], weights


def _layer_loop(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    """Head by head, each with its own columns of the matrices."""
    b, length, _ = x.shape
    mask = mask.expand(b, num_heads, length, length)
    columns = {name: w.chunk(num_heads, dim=0 if name == "W_o" else 1)
               for name, w in params.items()}  # fmt: skip
    output, maps = torch.zeros_like(x), []
    for i in range(num_heads):
        query, key, value = (x @ columns[name][i] for name in ("W_q", "W_k", "W_v"))
        scores = torch.bmm(query, key.mT) / math.sqrt(query.shape[-1])
        maps.append(masked_softmax(scores, mask[:, i]))
        # The sum over heads of context times its rows of W_o is the product of the merged ones.
        output = output + torch.bmm(maps[-1], value) @ columns["W_o"][i]
    return output, torch.stack(maps, 1)


def _layer_einsum(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    query, key, value = (
        torch.einsum("bld,dhe->bhle", x, params[name].unflatten(1, (num_heads, -1)))
        for name in ("W_q", "W_k", "W_v")
    )
    scores = torch.einsum("bhqe,bhke->bhqk", query, key) * query.shape[-1] ** -0.5
    weights = masked_softmax(scores, mask)
    context = torch.einsum("bhqk,bhke->bqhe", weights, value)
    out = params["W_o"].unflatten(0, (num_heads, -1))
    return torch.einsum("bqhe,hed->bqd", context, out), weights


def _layer_folded(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Pair:
    """Heads folded into the batch, as older code does."""
    b, length, _ = x.shape
    query, key, value = (
        _split_view(x @ params[name], num_heads).flatten(0, 1) for name in ("W_q", "W_k", "W_v")
    )
    mask = mask.expand(b, num_heads, length, length).flatten(0, 1)
    weights = masked_softmax(torch.bmm(query / math.sqrt(query.shape[-1]), key.mT), mask)
    context = torch.bmm(weights, value).unflatten(0, (b, num_heads))
    return _merge_cat(context) @ params["W_o"], weights.unflatten(0, (b, num_heads))


def _layer_one_product(x: Tensor, mask: Tensor, num_heads: int, params: Params) -> Any:
    widths = [params[name].shape[1] for name in ("W_q", "W_k", "W_v")]
    stacked = torch.cat([params["W_q"], params["W_k"], params["W_v"]], dim=1)
    query, key, value = (
        _split_moved(part, num_heads) for part in (x @ stacked).split(widths, dim=-1)
    )
    context, weights = _attend(query, key, value, mask)
    return [_merge_stacked(context) @ params["W_o"], weights]


def _cross_linear(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    w_q, w_k, w_v = state["in_proj_weight"].chunk(3)
    b_q, b_k, b_v = state["in_proj_bias"].chunk(3)
    query = _split_view(F.linear(x, w_q, b_q), num_heads)
    key = _split_view(F.linear(memory, w_k, b_k), num_heads)
    value = _split_view(F.linear(memory, w_v, b_v), num_heads)
    context, weights = _attend(query, key, value, mask)
    merged = _merge_permuted(context)
    return F.linear(merged, state["out_proj.weight"], state["out_proj.bias"]), weights


def _cross_slices(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    d, weight, bias = x.shape[-1], state["in_proj_weight"], state["in_proj_bias"]
    query = x @ weight[:d].T + bias[:d]
    both = memory @ weight[d:].T + bias[d:]
    key, value = both[..., :d], both[..., d:]
    heads = [_split_slices(part, num_heads) for part in (query, key, value)]
    context, weights = _attend(heads[0], heads[1], heads[2], mask)
    return _merge_unbind(context) @ state["out_proj.weight"].T + state["out_proj.bias"], weights


def _cross_modules(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    d = x.shape[-1]
    linears = [torch.nn.Linear(d, d, device=x.device, dtype=x.dtype) for _ in range(4)]
    blocks = [*state["in_proj_weight"].split(d), state["out_proj.weight"]]
    biases = [*state["in_proj_bias"].split(d), state["out_proj.bias"]]
    called = [
        lambda t, m=m, w=w, b=b: torch.func.functional_call(m, {"weight": w, "bias": b}, (t,))
        for m, w, b in zip(linears, blocks, biases, strict=True)
    ]
    query, key, value = (
        _split_chunks(f(t), num_heads) for f, t in zip(called[:3], (x, memory, memory), strict=True)
    )
    context, weights = _attend(query, key, value, mask)
    return called[3](_merge_view(context)), weights


def _cross_einsum(x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params) -> Pair:
    w = state["in_proj_weight"].unflatten(0, (3, num_heads, -1))
    b = state["in_proj_bias"].unflatten(0, (3, num_heads, -1))[:, :, None]
    query = torch.einsum("bld,hed->bhle", x, w[0]) + b[0]
    key, value = (torch.einsum("bld,hed->bhle", memory, w[i]) + b[i] for i in (1, 2))
    weights = masked_softmax(
        torch.einsum("bhqe,bhke->bhqk", query, key) / key.shape[-1] ** 0.5, mask
    )
    context = torch.einsum("bhqk,bhke->bqhe", weights, value).flatten(2)
    return F.linear(context, state["out_proj.weight"], state["out_proj.bias"]), weights


def _cross_through_the_layer(
    x: Tensor, memory: Tensor, mask: Tensor, num_heads: int, state: Params
) -> Pair:
    """One sentence of words that ask and words that are asked, in exercise 3's function."""
    queries = x.shape[1]
    ones = torch.ones_like(torch.cat([x, memory], 1)[..., :1])
    words = torch.cat([torch.cat([x, memory], 1), ones], -1)
    names = ("W_q", "W_k", "W_v")
    blocks = zip(
        names, state["in_proj_weight"].chunk(3), state["in_proj_bias"].chunk(3), strict=True
    )
    # A bias is a weight on a number that is always 1.
    params = {name: torch.cat([w.T, b[None]]) for name, w, b in blocks}
    params["W_o"] = state["out_proj.weight"].T
    wide = mask.expand(len(x), num_heads, queries, memory.shape[1])
    whole = F.pad(wide, (queries, 0, 0, memory.shape[1]))
    query, key, value = (_split_view(words @ params[name], num_heads) for name in names)
    context, weights = _attend(query, key, value, whole)
    output = _merge_view(context) @ params["W_o"] + state["out_proj.bias"]
    return output[:, :queries], weights[:, :, :queries, queries:]


def _grouped_repeat(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    times = query.shape[1] // key.shape[1]
    return _attend(query, key.repeat_interleave(times, 1), value.repeat_interleave(times, 1), mask)


def _grouped_expand(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    """Views only, as well-known language models do it."""
    times = query.shape[1] // key.shape[1]
    key, value = (
        t[:, :, None].expand(-1, -1, times, -1, -1).reshape(len(t), -1, *t.shape[2:])
        for t in (key, value)
    )
    return _attend(query, key, value, mask)


def _grouped_axis(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    """The group as an axis of its own; nothing is copied."""
    b, h, queries, _ = query.shape
    g, keys = key.shape[1:3]
    wide = mask.expand(b, h, queries, keys).unflatten(1, (g, -1))
    scores = query.unflatten(1, (g, -1)) @ key[:, :, None].mT / math.sqrt(key.shape[-1])
    weights = masked_softmax(scores, wide)
    return (weights @ value[:, :, None]).flatten(1, 2), weights.flatten(1, 2)


def _grouped_loop(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    b, h, queries, _ = query.shape
    times = h // key.shape[1]
    mask = mask.expand(b, h, queries, key.shape[2])
    pairs = [
        _attend(query[:, i], key[:, i // times], value[:, i // times], mask[:, i]) for i in range(h)
    ]
    return torch.stack([p[0] for p in pairs], 1), torch.stack([p[1] for p in pairs], 1)


def _grouped_index(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Any:
    owner = torch.arange(query.shape[1], device=query.device) * key.shape[1] // query.shape[1]
    return list(_attend(query, key[:, owner], value[:, owner], mask))


def _talking_einsum(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    scores = torch.einsum("bhqd,bhkd,hg->bgqk", query, key, mix_scores) / key.shape[-1] ** 0.5
    weights = torch.einsum("bgqk,gv->bvqk", masked_softmax(scores, mask), mix_weights)
    return torch.einsum("bvqk,bvkd->bvqd", weights, value), weights


def _talking_last_axis(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    scores = query @ key.mT / math.sqrt(key.shape[-1])
    scores = (scores.permute(0, 2, 3, 1) @ mix_scores).permute(0, 3, 1, 2)
    weights = masked_softmax(scores, mask)
    weights = (weights.permute(0, 2, 3, 1) @ mix_weights).permute(0, 3, 1, 2)
    return weights @ value, weights


def _talking_linear(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    scores = query @ key.mT * query.shape[-1] ** -0.5
    mixed = F.linear(scores.movedim(1, -1), mix_scores.T).movedim(-1, 1)
    weights = F.linear(masked_softmax(mixed, mask).movedim(1, -1), mix_weights.T).movedim(-1, 1)
    return weights @ value, weights


def _talking_loop(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Any:
    scores = (query @ key.mT / math.sqrt(key.shape[-1])).unbind(1)
    mask = mask.expand(len(query), mix_scores.shape[1], query.shape[2], key.shape[2])
    chosen = []
    for g in range(mix_scores.shape[1]):
        mixed = torch.zeros_like(scores[0])
        for i, own in enumerate(scores):
            mixed = mixed + mix_scores[i, g] * own
        chosen.append(masked_softmax(mixed, mask[:, g]))
    mixtures = [
        torch.stack([mix_weights[i, v] * own for i, own in enumerate(chosen)]).sum(0)
        for v in range(value.shape[1])
    ]
    weights = torch.stack(mixtures, 1)
    return [weights @ value, weights]


def _talking_flat(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, mix_scores: Tensor, mix_weights: Tensor
) -> Pair:
    """A mixture of heads is a matrix product once the maps are rows."""
    b, h, queries, _ = query.shape
    keys = key.shape[2]
    scores = (query @ key.mT / math.sqrt(key.shape[-1])).reshape(b, h, -1)
    mixed = (mix_scores.T @ scores).reshape(b, -1, queries, keys)
    weights = (mix_weights.T @ masked_softmax(mixed, mask).flatten(2)).unflatten(2, (queries, keys))
    return weights @ value, weights


SOLUTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "split_heads": (_split_view, _split_chunks, _split_permuted, _split_slices, _split_moved),
    "merge_heads": (_merge_view, _merge_cat, _merge_unbind, _merge_permuted, _merge_stacked),
    "multihead_self_attention": (
        _layer_parts, _layer_loop, _layer_einsum, _layer_folded, _layer_one_product,
    ),
    "multihead_cross_attention": (
        _cross_linear, _cross_slices, _cross_modules, _cross_einsum, _cross_through_the_layer,
    ),
    "grouped_query_attention": (
        _grouped_repeat, _grouped_expand, _grouped_axis, _grouped_loop, _grouped_index,
    ),
    "talking_heads": (
        _talking_einsum, _talking_last_axis, _talking_linear, _talking_loop, _talking_flat,
    ),
}  # fmt: skip
