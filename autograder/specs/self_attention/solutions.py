"""Right solutions in other styles than the library's: all of them earn full marks."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.specs.self_attention.oracles import Array

Parts = tuple[Array, Array, Array]
Pair = tuple[Tensor, Tensor]
Params = dict[str, Tensor]


def _hand_einsum(x: Array) -> Parts:
    scores = np.einsum("id,jd->ij", x, x)
    shifted = np.exp(scores - np.amax(scores, axis=1)[:, None])
    weights = shifted / np.sum(shifted, axis=1)[:, None]
    return scores, weights, np.einsum("ij,jd->id", weights, x)


def _hand_loops(x: Array) -> Parts:
    n, d = x.shape
    scores, weights, context = np.zeros((n, n)), np.zeros((n, n)), np.zeros((n, d))
    for i in range(n):
        for j in range(n):
            scores[i, j] = sum(x[i, m] * x[j, m] for m in range(d))
        highest = max(scores[i])
        powers = [math.exp(s - highest) for s in scores[i]]
        for j in range(n):
            weights[i, j] = powers[j] / sum(powers)
            context[i] += weights[i, j] * x[j]
    return scores, weights, context


def _hand_logs(x: Array) -> Parts:
    scores = np.dot(x, np.transpose(x))
    logs = scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)
    weights = np.exp(logs)
    return scores, weights, np.dot(weights, x)


def _hand_rows(x: Array) -> Any:
    rows = []
    for q in x:
        s = x @ q
        e = np.exp(s - s.max())
        rows.append((s, e / e.sum(), (e / e.sum()) @ x))
    return [np.stack(column) for column in zip(*rows, strict=True)]


def _regression_norm(query: Array, key: Array, value: Array, width: float) -> Array:
    distances = np.linalg.norm(query[:, np.newaxis, :] - key[np.newaxis, :, :], axis=2)
    exponents = -0.5 * (distances / width) ** 2
    kernels = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    answers: Array = (kernels @ value) / kernels.sum(axis=1, keepdims=True)
    return answers


def _regression_loops(query: Array, key: Array, value: Array, width: float) -> Array:
    answers = []
    for q in query:
        exponents = np.array([-np.sum((q - k) ** 2) / (2 * width**2) for k in key])
        kernels = np.exp(exponents - exponents.max())
        answers.append(sum(k * v for k, v in zip(kernels, value, strict=True)) / kernels.sum())
    return np.array(answers)


def _regression_expanded(query: Array, key: Array, value: Array, width: float) -> Array:
    # ‖q − k‖² multiplied out; ‖q‖² is the same for all keys and cancels.
    key, query = key - key.mean(0), query - key.mean(0)
    exponents = (query @ key.T - (key**2).sum(1) / 2) / width**2
    kernels = np.exp(exponents - exponents.max(1, keepdims=True))
    return (kernels / kernels.sum(1, keepdims=True)) @ value


def _regression_density(query: Array, key: Array, value: Array, width: float) -> Array:
    squares = np.square(query[:, None] - key).sum(-1)
    # A constant in front of the kernel, such as the normal density's, cancels.
    logs = -squares / (2 * width**2) - np.log(width * np.sqrt(2 * np.pi))
    weights = np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))
    return np.einsum("qk,kv->qv", weights, value)


def _attention_einsum(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    scores = torch.einsum("bqd,bkd->bqk", query, key) / key.size(-1) ** 0.5
    weights = F.softmax(scores, dim=-1)
    return torch.einsum("bqk,bkv->bqv", weights, value), weights


def _attention_query_first(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    weights = torch.bmm(query / math.sqrt(query.shape[-1]), key.transpose(1, 2)).softmax(2)
    return torch.bmm(weights, value), weights


def _attention_loops(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    contexts, weights = [], []
    for q, k, v in zip(query, key, value, strict=True):
        rows = [torch.softmax(k @ one / math.sqrt(len(one)), 0) for one in q]
        weights.append(torch.stack(rows))
        contexts.append(torch.stack([row @ v for row in rows]))
    return torch.stack(contexts), torch.stack(weights)


def _attention_shifted(query: Tensor, key: Tensor, value: Tensor) -> Any:
    scores = query.matmul(key.permute(0, 2, 1)).div(key.shape[2] ** 0.5)
    exponentials = torch.exp(scores - scores.max(dim=-1, keepdim=True).values)
    weights = exponentials / exponentials.sum(dim=-1, keepdim=True)
    return [weights.matmul(value), weights]


def _attention_logs(query: Tensor, key: Tensor, value: Tensor) -> Pair:
    scale = torch.sqrt(torch.tensor(key.shape[-1], dtype=key.dtype, device=key.device))
    weights = torch.log_softmax(query @ key.mT / scale, -1).exp()
    return (weights[..., None] * value[:, None]).sum(-2), weights


def _mask_positions(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    length = tokens.shape[1]
    mask = tokens.ne(pad).unsqueeze(1).repeat(1, length, 1)
    if causal:
        i = torch.arange(length, device=tokens.device)
        mask = mask & (i[None, :] <= i[:, None])
    return mask


def _mask_loops(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    batch, length = tokens.shape
    mask = torch.zeros(batch, length, length, dtype=torch.bool, device=tokens.device)
    for b in range(batch):
        for i in range(length):
            for j in range(length):
                mask[b, i, j] = tokens[b, j] != pad and not (causal and j > i)
    return mask


def _mask_tril(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    real = tokens != pad
    mask = torch.ones_like(real)[:, :, None] & real[:, None, :]
    return torch.tril(mask) if causal else mask


def _mask_not_triu(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    length = tokens.size(1)
    future = torch.full((length, length), causal, device=tokens.device).triu(1)
    forbidden = (tokens == pad)[:, None, :] | future
    return ~forbidden


def _mask_product(tokens: Tensor, pad: int, causal: bool) -> Tensor:
    length = tokens.shape[1]
    square = torch.ones(length, length, dtype=torch.long, device=tokens.device)
    square = square.tril() if causal else square
    return (square * (tokens != pad).long()[:, None]).bool()


def _masked_where(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    scores = query @ key.mT / math.sqrt(key.shape[-1])
    some = mask.any(-1, keepdim=True)
    weights = torch.where(mask | ~some, scores, -torch.inf).softmax(-1)
    weights = torch.where(mask, weights, torch.zeros_like(weights))
    return weights @ value, weights


def _masked_lowest(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    scores = torch.einsum("bqd,bkd->bqk", query, key) / key.shape[-1] ** 0.5
    weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1) * mask
    return torch.einsum("bqk,bkv->bqv", weights, value), weights


def _masked_by_hand(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    scores = (query @ key.mT / math.sqrt(key.shape[-1])).masked_fill(~mask, -torch.inf)
    highest = scores.amax(-1, keepdim=True).detach()
    highest = highest.masked_fill(highest.isinf(), 0.0)
    exponentials = torch.exp(scores - highest)
    total = exponentials.sum(-1, keepdim=True)
    weights = exponentials / total.masked_fill(total == 0, 1.0)
    return weights @ value, weights


def _masked_nan_to_num(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    scores = query @ key.mT / math.sqrt(key.shape[-1])
    weights = scores.masked_fill(~mask, float("-inf")).softmax(dim=-1).nan_to_num(0.0)
    return weights @ value, weights


def _masked_loops(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Pair:
    b, queries, keys = len(query), query.shape[1], key.shape[1]
    mask = mask.expand(b, queries, keys)
    rows = []
    for n in range(b):
        for t in range(queries):
            seen = mask[n, t].nonzero()[:, 0]
            row = torch.zeros_like(key[n, :, 0])
            if len(seen):
                scores = key[n, seen] @ query[n, t] / math.sqrt(key.shape[-1])
                row = row.index_put((seen,), scores.softmax(0))
            rows.append(row)
    weights = torch.stack(rows).reshape(b, queries, keys)
    return weights @ value, weights


def _layer_with(attend: Callable[..., Pair]) -> Callable[..., Pair]:
    """A layer made of one's own earlier function, as the exercise suggests."""

    def self_attention(x: Tensor, mask: Tensor, params: Params) -> Pair:
        query, key, value = x @ params["W_q"], x @ params["W_k"], x @ params["W_v"]
        return attend(query, key, value, mask)

    return self_attention


def _layer_one_product(x: Tensor, mask: Tensor, params: Params) -> Pair:
    d_k = params["W_q"].shape[1]
    stacked = torch.cat([params["W_q"], params["W_k"], params["W_v"]], dim=1)
    query, key, value = (x @ stacked).split([d_k, d_k, params["W_v"].shape[1]], dim=-1)
    return _masked_by_hand(query, key, value, mask)


def _layer_linear(x: Tensor, mask: Tensor, params: Params) -> Pair:
    query, key, value = (F.linear(x, params[f"W_{name}"].T) for name in "qkv")
    return _masked_lowest(query, key, value, mask)


def _layer_einsum(x: Tensor, mask: Tensor, params: Params) -> Pair:
    # x W_q W_kᵀ xᵀ: the two matrices may as well meet first.
    form = params["W_q"] @ params["W_k"].mT / math.sqrt(params["W_k"].shape[1])
    scores = torch.einsum("bid,de,bje->bij", x, form, x)
    weights = scores.masked_fill(~mask, -torch.inf).softmax(-1).nan_to_num()
    # Values may be projected after they are averaged.
    return weights @ x @ params["W_v"], weights


SOLUTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "by_hand": (_hand_einsum, _hand_loops, _hand_logs, _hand_rows),
    "kernel_regression": (
        _regression_norm, _regression_loops, _regression_expanded, _regression_density,
    ),
    "attention": (
        _attention_einsum, _attention_query_first, _attention_loops, _attention_shifted,
        _attention_logs,
    ),
    "attention_mask": (
        _mask_positions, _mask_loops, _mask_tril, _mask_not_triu, _mask_product,
    ),
    "masked_attention": (
        _masked_where, _masked_lowest, _masked_by_hand, _masked_nan_to_num, _masked_loops,
    ),
    "self_attention": (
        _layer_with(_masked_where), _layer_with(_masked_loops), _layer_one_product, _layer_linear,
        _layer_einsum,
    ),
}  # fmt: skip
