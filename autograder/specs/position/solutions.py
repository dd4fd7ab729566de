"""Right solutions in other styles than the library's: all of them earn full marks."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Params = dict[str, Tensor]


def _fused(x: Tensor, params: Params) -> Tensor:
    query, key, value = x @ params["W_q"], x @ params["W_k"], x @ params["W_v"]
    return F.scaled_dot_product_attention(query, key, value)


def _by_hand(x: Tensor, params: Params) -> Tensor:
    query, key, value = (torch.einsum("bld,dk->blk", x, params[f"W_{n}"]) for n in "qkv")
    weights = (query @ key.transpose(1, 2) / math.sqrt(key.shape[-1])).softmax(dim=-1)
    return weights @ value


def _effect_argsort(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    back = torch.argsort(order)
    return _fused(x[:, order] + positions, params)[:, back] - _fused(x + positions, params)


def _effect_scatter(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    shuffled = _by_hand(torch.index_select(x, 1, order) + positions[None], params)
    restored = torch.zeros_like(shuffled)
    restored[:, order] = shuffled
    return restored - _by_hand(x + positions[None], params)


def _effect_loop(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    places = order.tolist()
    words = torch.stack([x[:, place] for place in places], dim=1)
    shuffled, straight = _by_hand(words + positions, params), _by_hand(x + positions, params)
    rows = [shuffled[:, places.index(i)] - straight[:, i] for i in range(len(places))]
    return torch.stack(rows, dim=1)


def _effect_matrix(x: Tensor, positions: Tensor, order: Tensor, params: Params) -> Tensor:
    # Row i of the matrix takes word order[i]; its transpose puts the words back.
    p = torch.eye(len(order), dtype=x.dtype, device=x.device)[order]
    return p.T @ _fused(p @ x + positions, params) - _fused(x + positions, params)


def _sinusoids_columns(x: Tensor, positions: Tensor) -> Tensor:
    d_model = x.shape[-1]
    table = torch.zeros(len(positions), d_model, dtype=torch.float64, device=x.device)
    speeds = 10_000 ** (
        -torch.arange(0, d_model, 2, dtype=torch.float64, device=x.device) / d_model
    )
    table[:, 0::2] = torch.sin(positions[:, None] * speeds)
    table[:, 1::2] = torch.cos(positions[:, None] * speeds)
    return x + table.to(x.dtype)


def _sinusoids_exp(x: Tensor, positions: Tensor) -> Tensor:
    d = x.shape[-1]
    even = torch.arange(0, d, 2, device=x.device).double()
    angles = torch.outer(positions.double(), torch.exp(even * (-math.log(10000.0) / d)))
    pairs = torch.stack((angles.sin(), angles.cos()), dim=2)
    return x + pairs.reshape(len(positions), d).to(x)


def _sinusoids_loops(x: Tensor, positions: Tensor) -> Tensor:
    d, rows = x.shape[-1], []
    for pos in positions.tolist():
        row = []
        for i in range(d // 2):
            angle = pos / 10000 ** (2 * i / d)
            row += [math.sin(angle), math.cos(angle)]
        rows.append(row)
    return x + torch.tensor(rows, dtype=x.dtype, device=x.device)


def _sinusoids_phase(x: Tensor, positions: Tensor) -> Tensor:
    # A cosine is a sine a quarter of a turn ahead.
    d = x.shape[-1]
    feature = torch.arange(d, device=x.device)
    speed = 10000.0 ** (-(feature - feature % 2).double() / d)
    angle = positions.double().unsqueeze(-1) * speed + (feature % 2) * math.pi / 2
    return (x.double() + angle.sin()).to(x.dtype)


def _limit(length: int, longest: int) -> None:
    if length > longest:
        raise ValueError(f"The sentence has {length} tokens; the table ends after {longest}.")


def _embed_index(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    _, length = tokens.shape
    _limit(length, table.shape[0])
    places = torch.arange(length, device=tokens.device)
    return words[tokens] * math.sqrt(words.shape[1]) + table[places].unsqueeze(0)


def _embed_functional(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    if tokens.size(1) > table.size(0):
        raise ValueError(f"max_length is {table.size(0)}, got a sentence of {tokens.size(1)}")
    places = torch.arange(tokens.size(1), device=tokens.device).expand_as(tokens)
    return F.embedding(tokens, words) * words.size(1) ** 0.5 + F.embedding(places, table)


def _embed_onehot(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    length = tokens.shape[-1]
    _limit(length, len(table))
    chosen = (tokens[..., None] == torch.arange(len(words), device=tokens.device)).to(words.dtype)
    return chosen @ (words * words.shape[-1] ** 0.5) + table.narrow(0, 0, length)


def _embed_error_first(tokens: Tensor, words: Tensor, table: Tensor) -> Tensor:
    try:
        rows = [table[i] for i in range(tokens.shape[1])]
    except IndexError:
        message = f"{tokens.shape[1]} words do not fit into {len(table)} positions"
        raise ValueError(message) from None
    scale = torch.tensor(words.shape[1], dtype=words.dtype, device=words.device).sqrt()
    return torch.index_select(words, 0, tokens.flatten()).view(*tokens.shape, -1) * scale + (
        torch.stack(rows)
    )


def _bias_gather(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    k = (table.shape[1] - 1) // 2
    distance = key_positions.view(1, -1) - query_positions.view(-1, 1)
    index = torch.clip(distance, -k, k) + k
    return table.index_select(1, index.flatten()).reshape(len(table), *index.shape)


def _bias_min_max(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    last = table.shape[1] - 1
    index = last // 2 + key_positions[None] - query_positions[:, None]
    index = torch.minimum(index, torch.full_like(index, last))
    return table[:, torch.maximum(index, torch.zeros_like(index))]


def _bias_loops(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    k = table.shape[1] // 2
    rows = []
    for i in query_positions.tolist():
        rows.append(
            torch.stack(
                [table[:, k + max(-k, min(k, j - i))] for j in key_positions.tolist()], dim=-1
            )
        )
    return torch.stack(rows, dim=1)


def _bias_embedding(table: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    k = table.shape[1] // 2
    distance = (query_positions[:, None] - key_positions).neg().clamp(min=-k).clamp(max=k)
    return F.embedding(distance + k, table.T).permute(2, 0, 1)


def _angles(positions: Tensor, d: int) -> Tensor:
    speeds = 10_000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64, device=positions.device) / d)
    return positions.double()[:, None] * speeds


def _rotate_stack(x: Tensor, positions: Tensor) -> Tensor:
    angles = _angles(positions, x.shape[-1])
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).reshape(x.shape)


def _rotate_half_turned(x: Tensor, positions: Tensor) -> Tensor:
    angles = _angles(positions, x.shape[-1]).repeat_interleave(2, dim=-1)
    turned = torch.stack([-x[..., 1::2], x[..., 0::2]], dim=-1).flatten(-2)
    return (x * angles.cos() + turned * angles.sin()).to(x.dtype)


def _rotate_complex(x: Tensor, positions: Tensor) -> Tensor:
    angles = _angles(positions, x.shape[-1])
    hands = torch.view_as_complex(x.double().reshape(*x.shape[:-1], -1, 2))
    turned = hands * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten(-2).to(x.dtype)


def _rotate_matrices(x: Tensor, positions: Tensor) -> Tensor:
    angles = _angles(positions, x.shape[-1])
    cos, sin = angles.cos(), angles.sin()
    matrices = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    pairs = x.double().unflatten(-1, (-1, 2))
    return torch.einsum("lpij,bhlpj->bhlpi", matrices, pairs).flatten(-2).to(x.dtype)


def _rotate_in_a_copy(x: Tensor, positions: Tensor) -> Tensor:
    angles = _angles(positions, x.shape[-1])
    cos, sin = torch.cos(angles).to(x), torch.sin(angles).to(x)
    out = x.clone()
    out[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
    out[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
    return out


def _alibi_powers(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    n = scores.shape[1]
    slopes = torch.tensor([2 ** (-8 * h / n) for h in range(1, n + 1)], device=scores.device)
    distance = torch.abs(key_positions[None, :] - query_positions[:, None])
    return scores - (slopes.view(-1, 1, 1) * distance).to(scores.dtype)


def _alibi_geometric(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    ratio = 2.0 ** (-8 / scores.size(1))
    heads = torch.arange(1, scores.size(1) + 1, device=scores.device, dtype=torch.float64)
    distance = (query_positions.unsqueeze(1) - key_positions.unsqueeze(0)).abs()
    return (scores - (ratio**heads)[None, :, None, None] * distance).to(scores.dtype)


def _alibi_einsum(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    n = scores.shape[1]
    slopes = torch.exp2(-8.0 / n * torch.arange(1, n + 1, device=scores.device)).to(scores)
    distance = (query_positions[:, None] - key_positions[None]).abs().to(scores)
    return scores - torch.einsum("h,qk->hqk", slopes, distance)


def _alibi_loop(scores: Tensor, query_positions: Tensor, key_positions: Tensor) -> Tensor:
    distance = (query_positions[:, None] - key_positions).abs()
    slope, heads = 1.0, []
    for head in scores.unbind(1):
        slope *= 0.5 ** (8 / scores.shape[1])
        heads.append(head - slope * distance)
    return torch.stack(heads, dim=1).to(scores.dtype)


SOLUTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "order_effect": (_effect_argsort, _effect_scatter, _effect_loop, _effect_matrix),
    "add_sinusoids": (_sinusoids_columns, _sinusoids_exp, _sinusoids_loops, _sinusoids_phase),
    "embed": (_embed_index, _embed_functional, _embed_onehot, _embed_error_first),
    "relative_bias": (_bias_gather, _bias_min_max, _bias_loops, _bias_embedding),
    "rotate": (
        _rotate_stack, _rotate_half_turned, _rotate_complex, _rotate_matrices, _rotate_in_a_copy,
    ),
    "add_alibi": (_alibi_powers, _alibi_geometric, _alibi_einsum, _alibi_loop),
}  # fmt: skip
