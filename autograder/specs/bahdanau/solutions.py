"""Right solutions in other styles than the library's: all of them earn full marks."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Params = dict[str, Tensor]
Step = tuple[Tensor, Tensor, Tensor]


def _score_broadcast(
    state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor
) -> Tensor:
    return torch.tanh((state @ W_a.T)[:, None, :] + memory @ U_a.T) @ v_a


def _score_linear(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    hidden = (F.linear(state, W_a).unsqueeze(1) + F.linear(memory, U_a)).tanh()
    return F.linear(hidden, v_a.unsqueeze(0)).squeeze(-1)


def _score_einsum(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    q = torch.einsum("ak,bk->ba", W_a, state)
    k = torch.einsum("ah,bsh->bsa", U_a, memory)
    return torch.einsum("a,bsa->bs", v_a, torch.tanh(q.unsqueeze(1) + k))


def _score_joined(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    copies = state.unsqueeze(1).expand(-1, memory.size(1), -1)
    both = torch.cat([copies, memory], dim=-1) @ torch.cat([W_a, U_a], dim=1).t()
    return (torch.tanh(both) * v_a).sum(dim=-1)


def _score_loops(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    rows = []
    for b in range(state.shape[0]):
        asked = W_a @ state[b]
        rows.append(torch.stack([v_a @ torch.tanh(asked + U_a @ h) for h in memory[b]]))
    return torch.stack(rows)


def _weights_filled(scores: Tensor, lengths: Tensor) -> Tensor:
    positions = torch.arange(scores.shape[1], device=scores.device)
    padding = positions[None, :] >= lengths[:, None]
    return torch.softmax(scores.masked_fill(padding, float("-inf")), dim=-1)


def _weights_where(scores: Tensor, lengths: Tensor) -> Tensor:
    real = torch.arange(scores.size(1), device=scores.device).unsqueeze(0) < lengths.unsqueeze(1)
    lowest = torch.finfo(scores.dtype).min
    return F.softmax(torch.where(real, scores, lowest), dim=1) * real


def _weights_by_hand(scores: Tensor, lengths: Tensor) -> Tensor:
    ones = torch.ones_like(scores, dtype=torch.long)
    real = ones.cumsum(1) <= lengths[:, None]
    highest = scores.masked_fill(~real, -math.inf).max(dim=1, keepdim=True).values
    exponentials = torch.where(real, (scores - highest).clamp(max=0).exp(), 0)
    return exponentials / exponentials.sum(1, keepdim=True)


def _weights_loops(scores: Tensor, lengths: Tensor) -> Tensor:
    rows = []
    for row, n in zip(scores, lengths.tolist(), strict=True):
        rows.append(F.pad(row[:n].softmax(0), (0, len(row) - n)))
    return torch.stack(rows)


def _weights_logs(scores: Tensor, lengths: Tensor) -> Tensor:
    real = torch.arange(scores.shape[1], device=scores.device) < lengths[:, None]
    return scores.masked_fill(~real, -math.inf).log_softmax(-1).exp()


def _context_product(weights: Tensor, memory: Tensor) -> Tensor:
    return (weights.unsqueeze(-1) * memory).sum(dim=1)


def _context_bmm(weights: Tensor, memory: Tensor) -> Tensor:
    return torch.bmm(weights.unsqueeze(1), memory).squeeze(1)


def _context_einsum(weights: Tensor, memory: Tensor) -> Tensor:
    return torch.einsum("bs,bsh->bh", weights, memory)


def _context_turned(weights: Tensor, memory: Tensor) -> Tensor:
    return (memory.transpose(1, 2) @ weights[:, :, None])[..., 0]


def _context_loops(weights: Tensor, memory: Tensor) -> Tensor:
    total = torch.zeros_like(memory[:, 0])
    for j in range(memory.shape[1]):
        total = total + weights[:, j : j + 1] * memory[:, j]
    return total


def _cell(x: Tensor, h: Tensor, p: Params) -> Tensor:
    return torch.tanh(x @ p["W"].T + h @ p["U"].T + p["b"])


def _read_held(embedded: Tensor, lengths: Tensor, forward: Params, backward: Params) -> Tensor:
    """Both networks over all positions; a state waits at 0 until its sentence begins."""
    batch, size, _ = embedded.shape
    real = torch.arange(size, device=embedded.device) < lengths[:, None]
    halves = []
    for p, order in ((forward, range(size)), (backward, range(size - 1, -1, -1))):
        h = embedded.new_zeros(batch, p["b"].shape[0])
        states = [h] * size
        for t in order:
            h = _cell(embedded[:, t], h, p) * real[:, t, None]
            states[t] = h
        halves.append(torch.stack(states, dim=1))
    return torch.cat(halves, dim=-1)


def _read_alone(embedded: Tensor, lengths: Tensor, forward: Params, backward: Params) -> Tensor:
    """Sentence by sentence, without any padding."""
    rows = []
    for words, n in zip(embedded, lengths.tolist(), strict=True):
        ahead = _sentence(words[:n], forward)
        back = _sentence(words[:n].flip(0), backward).flip(0)
        rows.append(F.pad(torch.cat([ahead, back], 1), (0, 0, 0, len(words) - n)))
    return torch.stack(rows)


def _sentence(words: Tensor, p: Params) -> Tensor:
    states = [words.new_zeros(len(p["b"]))]
    for x in words:
        states.append(torch.tanh(p["W"] @ x + p["U"] @ states[-1] + p["b"]))
    return torch.stack(states[1:])


def _read_turned(embedded: Tensor, lengths: Tensor, forward: Params, backward: Params) -> Tensor:
    """Each sentence turned around within its own length, read, and turned back."""
    positions = torch.arange(embedded.shape[1], device=embedded.device).expand(len(lengths), -1)
    real = positions < lengths[:, None]
    index = torch.where(real, lengths[:, None] - 1 - positions, positions)

    def turn(x: Tensor) -> Tensor:
        return x.gather(1, index[..., None].expand_as(x))

    def read(x: Tensor, p: Params) -> Tensor:
        h, states = x.new_zeros(x.shape[0], p["b"].numel()), []
        for t in range(x.shape[1]):
            h = _cell(x[:, t], h, p)
            states.append(h)
        return torch.stack(states, 1)

    both = torch.cat([read(embedded, forward), turn(read(turn(embedded), backward))], -1)
    return both * real[..., None]


def _read_where(embedded: Tensor, lengths: Tensor, forward: Params, backward: Params) -> Tensor:
    """Flip the whole batch; what stands before the first word leaves the state at zeros."""
    real = (torch.arange(embedded.size(1), device=embedded.device) < lengths[:, None]).unsqueeze(2)

    def run(x: Tensor, open_: Tensor, p: Params) -> Tensor:
        from_words = F.linear(x, p["W"], p["b"])
        h = torch.zeros_like(from_words[:, 0])
        states = []
        for word, is_real in zip(from_words.unbind(1), open_.unbind(1), strict=True):
            h = torch.where(is_real, torch.tanh(word + F.linear(h, p["U"])), h)
            states.append(h)
        return torch.stack(states, dim=1)

    ahead = run(embedded, real, forward)
    back = run(embedded.flip(1), real.flip(1), backward).flip(1)
    return torch.cat([ahead, back], dim=2).masked_fill(~real, 0.0)


def _step_with(
    score: Callable[..., Tensor],
    softmax: Callable[[Tensor, Tensor], Tensor],
    average: Callable[[Tensor, Tensor], Tensor],
) -> Callable[..., Step]:
    """A step made of one's own earlier functions, as the exercise suggests."""

    def bahdanau_step(
        embedded: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, params: Params
    ) -> Step:
        scores = score(state, memory, params["W_a"], params["U_a"], params["v_a"])
        weights = softmax(scores, lengths)
        context = average(weights, memory)
        total = embedded @ params["W"].T + state @ params["U"].T + context @ params["C"].T
        return torch.tanh(total + params["b"]), context, weights

    return bahdanau_step


def _step_flat(
    embedded: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, params: Params
) -> list[Tensor]:
    W_a, U_a, v_a, W, U, C, b = (params[k] for k in ("W_a", "U_a", "v_a", "W", "U", "C", "b"))
    e = torch.einsum("a,bsa->bs", v_a, torch.tanh((state @ W_a.T)[:, None] + memory @ U_a.T))
    padding = torch.arange(e.shape[1], device=e.device) >= lengths[:, None]
    alpha = e.masked_fill(padding, -math.inf).softmax(1)
    c = torch.einsum("bs,bsh->bh", alpha, memory)
    inputs = torch.cat([embedded, state, c], 1)
    return [F.linear(inputs, torch.cat([W, U, C], 1), b).tanh(), c, alpha]


def _step_loops(
    embedded: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, params: Params
) -> Step:
    p = params
    news, contexts, rows = [], [], []
    for y, s, words, n in zip(embedded, state, memory, lengths.tolist(), strict=True):
        asked = p["W_a"] @ s
        e = torch.stack([p["v_a"] @ torch.tanh(asked + p["U_a"] @ words[j]) for j in range(n)])
        alpha = torch.softmax(e, 0)
        c = words[:n].T @ alpha
        news.append(torch.tanh(p["W"] @ y + p["U"] @ s + p["C"] @ c + p["b"]))
        contexts.append(c)
        rows.append(F.pad(alpha, (0, len(words) - n)))
    return torch.stack(news), torch.stack(contexts), torch.stack(rows)


def _accuracy_index(weights: Tensor, gold: Tensor) -> float:
    best = weights.argmax(dim=-1)
    hits = gold[torch.arange(len(best), device=best.device), best]
    linked = gold.any(dim=-1)
    return hits[linked].float().mean().item() if linked.any() else 1.0


def _accuracy_gather(weights: Tensor, gold: Tensor) -> float:
    hits = gold.gather(1, weights.max(1, keepdim=True).indices).squeeze(1)
    linked = gold.sum(1) > 0
    return 1.0 if linked.sum() == 0 else int((hits & linked).sum()) / int(linked.sum())


def _accuracy_loops(weights: Tensor, gold: Tensor) -> float:
    right = total = 0
    for row, links in zip(weights.tolist(), gold.tolist(), strict=True):
        if any(links):
            total += 1
            right += links[row.index(max(row))]
    return right / total if total else 1.0


def _accuracy_sets(weights: Tensor, gold: Tensor) -> float:
    links = set(map(tuple, gold.nonzero().tolist()))
    words = {t for t, _ in links}
    hits = links & set(enumerate(weights.argmax(1).tolist()))
    return len(hits) / len(words) if words else 1.0


def _accuracy_best(weights: Tensor, gold: Tensor) -> Tensor | float:
    """The largest weight on a link is the row's largest."""
    linked = gold.any(1)
    if not linked.any():
        return 1.0
    on_links = weights.masked_fill(~gold, -1.0).amax(1)
    return (on_links == weights.amax(1))[linked].double().mean()


SOLUTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "additive_score": (
        _score_broadcast, _score_linear, _score_einsum, _score_joined, _score_loops,
    ),
    "attention_weights": (
        _weights_filled, _weights_where, _weights_by_hand, _weights_loops, _weights_logs,
    ),
    "context_vector": (
        _context_product, _context_bmm, _context_einsum, _context_turned, _context_loops,
    ),
    "read_both_ways": (_read_held, _read_alone, _read_turned, _read_where),
    "bahdanau_step": (
        _step_with(_score_broadcast, _weights_filled, _context_bmm),
        _step_with(_score_joined, _weights_where, _context_product),
        _step_flat,
        _step_loops,
    ),
    "alignment_accuracy": (
        _accuracy_index, _accuracy_gather, _accuracy_loops, _accuracy_sets, _accuracy_best,
    ),
}  # fmt: skip
