"""Right solutions in other styles than the library's: all of them earn full marks."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Params = dict[str, Tensor]
Step = tuple[Tensor, Tensor, Tensor]


def _softmax_filled(scores: Tensor, mask: Tensor) -> Tensor:
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(-1) * mask


def _softmax_by_hand(scores: Tensor, mask: Tensor) -> Tensor:
    open_scores = torch.where(mask, scores, -torch.inf)
    highest = open_scores.amax(-1, keepdim=True)
    highest = torch.where(highest.isinf(), torch.zeros_like(highest), highest)
    exponentials = torch.exp(open_scores - highest.detach())
    total = exponentials.sum(-1, keepdim=True)
    return exponentials / torch.where(total == 0, torch.ones_like(total), total)


def _softmax_loops(scores: Tensor, mask: Tensor) -> Tensor:
    mask = mask.expand(scores.shape)
    sentences = []
    for row_scores, row_mask in zip(scores, mask, strict=True):
        rows = []
        for e, m in zip(row_scores, row_mask, strict=True):
            row = torch.zeros_like(e)
            if m.any():
                row = row.masked_scatter(m, torch.softmax(e[m], 0))
            rows.append(row)
        sentences.append(torch.stack(rows))
    return torch.stack(sentences)


def _softmax_logsumexp(scores: Tensor, mask: Tensor) -> Tensor:
    some = mask.any(-1, keepdim=True)
    filled = scores.masked_fill(~mask & some, -torch.inf)
    logs = filled - filled.logsumexp(-1, keepdim=True)
    return logs.exp().masked_fill(~mask, 0)


def _softmax_additive(scores: Tensor, mask: Tensor) -> Tensor:
    bias = torch.zeros_like(scores).masked_fill(~mask, torch.finfo(scores.dtype).min / 2)
    return F.softmax(scores + bias, dim=-1) * mask


def _softmax_nan_to_num(scores: Tensor, mask: Tensor) -> Tensor:
    return torch.nan_to_num(scores.masked_fill(~mask, float("-inf")).softmax(dim=-1))


def _general_einsum(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return torch.einsum("btq,qk,bsk->bts", query, weight, key)


def _general_key_first(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return torch.bmm(query, F.linear(key, weight).transpose(1, 2))


def _general_broadcast(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    projected = torch.matmul(query, weight)
    return (projected.unsqueeze(2) * key.unsqueeze(1)).sum(dim=-1)


def _general_loops(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return torch.stack(
        [
            torch.stack([torch.stack([h @ weight @ s for s in keys]) for h in queries])
            for queries, keys in zip(query, key, strict=True)
        ]
    )


def _concat_expand(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    steps, positions = query.size(1), key.size(1)
    q = query.unsqueeze(2).expand(-1, -1, positions, -1)
    k = key.unsqueeze(1).expand(-1, steps, -1, -1)
    return torch.tanh(F.linear(torch.cat([q, k], dim=-1), weight)).matmul(v)


def _concat_split(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    size = query.shape[-1]
    q = query @ weight[:, :size].T
    k = key @ weight[:, size:].T
    return (v * torch.tanh(q[:, :, None, :] + k[:, None, :, :])).sum(-1)


def _concat_einsum(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    w_q, w_k = torch.split(weight, [query.shape[2], key.shape[2]], dim=1)
    q = torch.einsum("btq,aq->bta", query, w_q)
    k = torch.einsum("bsk,ak->bsa", key, w_k)
    return torch.einsum("a,btsa->bts", v, torch.tanh(q.unsqueeze(2) + k.unsqueeze(1)))


def _concat_loops(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    columns = []
    for s in range(key.shape[1]):
        k = key[:, s : s + 1].expand(-1, query.shape[1], -1)
        columns.append(torch.tanh(torch.cat((query, k), -1) @ weight.t()) @ v)
    return torch.stack(columns, dim=-1)


def _concat_repeat(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    batch, steps, positions = query.shape[0], query.shape[1], key.shape[1]
    q = query.repeat_interleave(positions, dim=1)
    k = key.repeat(1, steps, 1)
    scores = torch.tanh(torch.cat([q, k], -1) @ weight.T) @ v.unsqueeze(1)
    return scores.squeeze(-1).view(batch, steps, positions)


def _vector_linear(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return F.linear(torch.cat((context, hidden), dim=2), weight).tanh()


def _vector_split(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    size = context.size(-1)
    return torch.tanh(context @ weight[:, :size].T + hidden @ weight[:, size:].T)


def _vector_einsum(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(torch.einsum("btj,oj->bto", torch.cat([context, hidden], -1), weight))


def _vector_loops(context: Tensor, hidden: Tensor, weight: Tensor) -> Tensor:
    steps = [
        torch.stack([weight @ torch.cat([c, h]) for c, h in zip(cs, hs, strict=True)])
        for cs, hs in zip(context, hidden, strict=True)
    ]
    return torch.tanh(torch.stack(steps))


def _local_m_broadcast(steps: int, src_mask: Tensor, window: int) -> Tensor:
    last = src_mask.sum(1) - 1
    device = src_mask.device
    t = torch.arange(steps, device=device).unsqueeze(0).expand(src_mask.size(0), -1)
    centre = torch.min(t, last.unsqueeze(1))
    s = torch.arange(src_mask.size(1), device=device).view(1, 1, -1)
    inside = (s >= centre.unsqueeze(2) - window) & (s <= centre.unsqueeze(2) + window)
    return inside & src_mask.unsqueeze(1)


def _local_m_loops(steps: int, src_mask: Tensor, window: int) -> Tensor:
    batch, positions = src_mask.shape
    result = torch.zeros(batch, steps, positions, dtype=torch.bool, device=src_mask.device)
    for b in range(batch):
        length = int(src_mask[b].sum())
        for t in range(steps):
            centre = min(t, length - 1)
            for s in range(length):
                result[b, t, s] = abs(s - centre) <= window
    return result


def _local_m_slices(steps: int, src_mask: Tensor, window: int) -> Tensor:
    result = src_mask.new_zeros(len(src_mask), steps, src_mask.shape[1])
    for b, length in enumerate(src_mask.sum(1).tolist()):
        for t in range(steps):
            centre = max(min(t, length - 1), 0)
            result[b, t, max(0, centre - window) : min(length, centre + window + 1)] = True
    return result


def _local_m_numpy(steps: int, src_mask: Tensor, window: int) -> Tensor:
    real = src_mask.cpu().numpy()
    centre = np.minimum(np.arange(steps)[None, :], real.sum(1)[:, None] - 1)
    s = np.arange(real.shape[1])
    near = np.abs(s[None, None, :] - centre[:, :, None]) <= window
    return torch.from_numpy(near & real[:, None, :]).to(src_mask.device)


def _local_p_squares(
    hidden: Tensor, scores: Tensor, src_mask: Tensor, w_p: Tensor, v_p: Tensor, window: int
) -> Tensor:
    lengths = src_mask.sum(dim=1).to(scores.dtype)
    p = lengths.unsqueeze(1) * torch.sigmoid(torch.tanh(hidden @ w_p.T) @ v_p)
    distance = torch.arange(scores.shape[2], device=scores.device) - p.unsqueeze(2)
    allowed = (distance**2 <= window**2) & src_mask.unsqueeze(1)
    weights = _softmax_filled(scores, allowed)
    sigma = window / 2
    return weights * torch.exp(-(distance**2) / (2 * sigma**2))


def _local_p_einsum(
    hidden: Tensor, scores: Tensor, src_mask: Tensor, w_p: Tensor, v_p: Tensor, window: int
) -> Tensor:
    inner = torch.einsum("btq,pq->btp", hidden, w_p).tanh()
    p = torch.einsum("btp,p->bt", inner, v_p).sigmoid() * src_mask.sum(-1, keepdim=True)
    s = torch.arange(src_mask.shape[1], device=p.device, dtype=p.dtype)
    inside = (s >= p[..., None] - window) & (s <= p[..., None] + window) & src_mask[:, None, :]
    gauss = torch.exp(-0.5 * ((s - p[..., None]) / (window / 2)).square())
    return _softmax_by_hand(scores, inside) * gauss


def _local_p_loops(
    hidden: Tensor, scores: Tensor, src_mask: Tensor, w_p: Tensor, v_p: Tensor, window: int
) -> Tensor:
    rows = []
    for b in range(scores.shape[0]):
        length = int(src_mask[b].sum())
        for t in range(scores.shape[1]):
            p = length * torch.sigmoid(v_p @ torch.tanh(w_p @ hidden[b, t]))
            row = [scores.new_zeros(()) for _ in range(scores.shape[2])]
            inside = [s for s in range(length) if abs(s - p.item()) <= window]
            if inside:
                weights = torch.softmax(scores[b, t, inside], 0)
                for weight, s in zip(weights, inside, strict=True):
                    row[s] = weight * torch.exp(-((s - p) ** 2) / (2 * (window / 2) ** 2))
            rows.append(torch.stack(row))
    return torch.stack(rows).reshape(scores.shape)


def _local_p_in_scores(
    hidden: Tensor, scores: Tensor, src_mask: Tensor, w_p: Tensor, v_p: Tensor, window: int
) -> Tensor:
    centre = F.linear(torch.tanh(F.linear(hidden, w_p)), v_p[None]).squeeze(-1).sigmoid()
    centre = src_mask.sum(1)[:, None] * centre
    gap = torch.arange(scores.size(-1), device=scores.device)[None, None] - centre[:, :, None]
    allowed = src_mask[:, None] & (gap.abs() <= window)
    # exp(log a − gap² / 2σ²), with the logarithm of an open cell only
    logs = _log_of_softmax(scores, allowed) - gap.pow(2) * 2 / window**2
    return logs.exp().masked_fill(~allowed, 0.0)


def _log_of_softmax(scores: Tensor, allowed: Tensor) -> Tensor:
    some = allowed.any(-1, keepdim=True)
    return scores.masked_fill(~allowed & some, -math.inf).log_softmax(-1)


def _step_with(
    score: Callable[[Tensor, Tensor, Tensor], Tensor],
    softmax: Callable[[Tensor, Tensor], Tensor],
    vector: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Callable[..., Step]:
    """A step made of one's own earlier functions, as the exercise suggests."""

    def luong_step(
        embedded: Tensor,
        attentional: Tensor,
        state: Tensor,
        memory: Tensor,
        mask: Tensor,
        params: Params,
    ) -> Step:
        x = torch.cat([embedded, attentional], dim=1)
        new = torch.tanh(x @ params["W_ih"].T + state @ params["W_hh"].T + params["b"])
        query = new.unsqueeze(1)
        weights = softmax(score(query, memory, params["W_a"]), mask.unsqueeze(1))
        out = vector(weights @ memory, query, params["W_c"])
        return out.squeeze(1), new, weights.squeeze(1)

    return luong_step


def _step_flat(
    embedded: Tensor,
    attentional: Tensor,
    state: Tensor,
    memory: Tensor,
    mask: Tensor,
    params: Params,
) -> Step:
    inputs = torch.cat([embedded, attentional, state], 1)
    weight = torch.cat([params["W_ih"], params["W_hh"]], 1)
    new = F.linear(inputs, weight, params["b"]).tanh()
    scores = torch.einsum("bh,hm,bsm->bs", new, params["W_a"], memory)
    weights = scores.masked_fill(~mask, -math.inf).softmax(1)
    context = torch.einsum("bs,bsm->bm", weights, memory)
    return torch.tanh(torch.cat([context, new], 1) @ params["W_c"].T), new, weights


def _step_loops(
    embedded: Tensor,
    attentional: Tensor,
    state: Tensor,
    memory: Tensor,
    mask: Tensor,
    params: Params,
) -> Any:
    results: list[list[Tensor]] = [[], [], []]
    for b in range(len(embedded)):
        x = torch.cat([embedded[b], attentional[b]])
        new = torch.tanh(params["W_ih"] @ x + params["W_hh"] @ state[b] + params["b"])
        words = mask[b].nonzero()[:, 0]
        alpha = torch.softmax(torch.stack([new @ params["W_a"] @ memory[b, s] for s in words]), 0)
        context = (alpha[:, None] * memory[b, words]).sum(0)
        weights = torch.zeros_like(memory[b, :, 0]).index_put((words,), alpha)
        out = torch.tanh(params["W_c"] @ torch.cat([context, new]))
        for column, item in zip(results, (out, new, weights), strict=True):
            column.append(item)
    return [torch.stack(column) for column in results]


def _aer_tensors(predicted: Tensor, sure: Tensor, possible: Tensor) -> Tensor | float:
    links = predicted.sum() + sure.sum()
    if links == 0:
        return 0.0
    hits = (predicted & sure).sum() + (predicted & (sure | possible)).sum()
    return 1 - hits.double() / links


def _aer_sets(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    a, s, p = (set(map(tuple, links.nonzero().tolist())) for links in (predicted, sure, possible))
    p |= s
    return 1 - (len(a & s) + len(a & p)) / (len(a) + len(s)) if a or s else 0.0


def _aer_numpy(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    a, s = predicted.numpy(), sure.numpy()
    p = np.logical_or(s, possible.numpy())
    total = a.sum() + s.sum()
    return np.float64(1) - ((a & s).sum() + (a & p).sum()) / total if total > 0 else 0


def _aer_loops(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    hits = links = 0
    for a, s, p in zip(
        predicted.flatten().tolist(),
        sure.flatten().tolist(),
        possible.flatten().tolist(),
        strict=True,
    ):
        hits += (a and s) + (a and (s or p))
        links += a + s
    return 1.0 - hits / links if links else 0.0


SOLUTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "masked_softmax": (
        _softmax_filled, _softmax_by_hand, _softmax_loops, _softmax_logsumexp, _softmax_additive,
        _softmax_nan_to_num,
    ),
    "general_score": (_general_einsum, _general_key_first, _general_broadcast, _general_loops),
    "concat_score": (
        _concat_expand, _concat_split, _concat_einsum, _concat_loops, _concat_repeat,
    ),
    "attentional_vector": (_vector_linear, _vector_split, _vector_einsum, _vector_loops),
    "local_m_mask": (_local_m_broadcast, _local_m_loops, _local_m_slices, _local_m_numpy),
    "local_p_weights": (_local_p_squares, _local_p_einsum, _local_p_loops, _local_p_in_scores),
    "luong_step": (
        _step_with(_general_einsum, _softmax_filled, _vector_linear),
        _step_with(_general_broadcast, _softmax_by_hand, _vector_split),
        _step_flat,
        _step_loops,
    ),
    "alignment_error_rate": (_aer_tensors, _aer_sets, _aer_numpy, _aer_loops),
}  # fmt: skip
