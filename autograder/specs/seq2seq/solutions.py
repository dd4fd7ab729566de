"""Right solutions in other styles than the library's: all of them earn full marks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Params = dict[str, Tensor]
Pair = tuple[Tensor, Tensor]


def _encode_where(src: Tensor, lengths: Tensor, params: Params) -> Tensor:
    h = params["b"].new_zeros(src.shape[0], params["b"].shape[0])
    for t in range(src.shape[1]):
        new = torch.tanh(params["E"][src[:, t]] @ params["W_ih"].T + h @ params["W_hh"].T
                         + params["b"])  # fmt: skip
        h = torch.where((t < lengths)[:, None], new, h)
    return h


def _encode_gather(src: Tensor, lengths: Tensor, params: Params) -> Tensor:
    """Read on over the padding, then pick what was there at the end."""
    words = F.embedding(src, params["E"])
    h, states = torch.zeros_like(words[:, 0]) @ params["W_ih"].T, []
    for t in range(src.size(1)):
        h = (
            F.linear(words[:, t], params["W_ih"], params["b"]) + F.linear(h, params["W_hh"])
        ).tanh()
        states.append(h)
    return torch.stack(states, 1)[torch.arange(len(src), device=src.device), lengths - 1]


def _encode_one_by_one(src: Tensor, lengths: Tensor, params: Params) -> Tensor:
    """Sentence by sentence, word by word, with column vectors."""
    contexts = []
    for sentence, length in zip(src, lengths, strict=True):
        h = torch.zeros_like(params["b"])
        for word in sentence[:length]:
            h = torch.tanh(params["W_ih"] @ params["E"][word] + params["W_hh"] @ h + params["b"])
        contexts.append(h)
    return torch.stack(contexts)


def _encode_multiply(src: Tensor, lengths: Tensor, params: Params) -> Tensor:
    inputs = params["E"][src] @ params["W_ih"].mT + params["b"]
    h = inputs.new_zeros(inputs.shape[0], inputs.shape[-1])
    for t, x in enumerate(inputs.unbind(dim=1)):
        m = (lengths > t).to(x.dtype).unsqueeze(1)
        h = m * torch.tanh(x + h @ params["W_hh"].mT) + (1 - m) * h
    return h


def _encode_einsum(src: Tensor, lengths: Tensor, params: Params) -> Tensor:
    """The states at the ends are picked as they come by."""
    words = params["E"][src]
    h = torch.zeros(len(src), len(params["b"]), dtype=words.dtype, device=words.device)
    context = h
    for t in range(words.shape[1]):
        from_word = torch.einsum("be,he->bh", words[:, t], params["W_ih"])
        h = torch.tanh(from_word + torch.einsum("bg,hg->bh", h, params["W_hh"]) + params["b"])
        context = torch.where((lengths - 1 == t).unsqueeze(1), h, context)
    return context


def _reverse_rows(src: Tensor, lengths: Tensor) -> Tensor:
    result = src.clone()
    for i, n in enumerate(lengths):
        result[i, :n] = src[i, :n].flip(0)
    return result


def _reverse_index(src: Tensor, lengths: Tensor) -> Tensor:
    places = torch.arange(src.shape[1], device=src.device).expand_as(src)
    n = lengths[:, None]
    return src.gather(1, torch.where(places < n, n - 1 - places, places))


def _reverse_sort(src: Tensor, lengths: Tensor) -> Tensor:
    """Positions with a minus sort backwards; the padding keeps its own."""
    places = torch.arange(src.shape[1], device=src.device)
    key = torch.where(places < lengths[:, None], -1 - places, places)
    return torch.take_along_dim(src, key.argsort(dim=1), dim=1)


def _reverse_roll(src: Tensor, lengths: Tensor) -> Tensor:
    """Turn all around, and push the words back to the left end."""
    width = src.shape[1]
    places = torch.arange(width, device=src.device)
    back = (places + width - lengths[:, None]) % width
    turned = src.flip(1).gather(1, back)
    return torch.where(places < lengths[:, None], turned, src)


def _reverse_lists(src: Tensor, lengths: Tensor) -> Tensor:
    rows = [row[:n][::-1] + row[n:] for row, n in zip(src.tolist(), lengths.tolist(), strict=True)]
    return torch.tensor(rows, device=src.device)


def _step_linear(words: Tensor, state: Tensor, params: Params) -> Pair:
    x = F.embedding(words, params["E"])
    new = torch.tanh(F.linear(x, params["W_ih"]) + F.linear(state, params["W_hh"], params["b"]))
    return F.linear(new, params["W_s"], params["b_s"]), new


def _step_joined(words: Tensor, state: Tensor, params: Params) -> Pair:
    both = torch.cat([params["E"][words], state], dim=1)
    weight = torch.cat([params["W_ih"], params["W_hh"]], dim=1)
    new = (both @ weight.T + params["b"]).tanh()
    return new @ params["W_s"].T + params["b_s"], new


def _step_one_hot(words: Tensor, state: Tensor, params: Params) -> Pair:
    one_hot = F.one_hot(words, params["E"].shape[0]).to(state.dtype)
    x = one_hot @ params["E"]
    new = torch.tanh(x @ params["W_ih"].mT + state @ params["W_hh"].mT + params["b"])
    return torch.addmm(params["b_s"], new, params["W_s"].mT), new


def _step_columns(words: Tensor, state: Tensor, params: Params) -> Pair:
    """Sentence by sentence, with the matrix on the left."""
    states = [
        torch.tanh(params["W_ih"] @ params["E"][w] + params["W_hh"] @ s + params["b"])
        for w, s in zip(words, state, strict=True)
    ]
    logits = [params["W_s"] @ s + params["b_s"] for s in states]
    return torch.stack(logits), torch.stack(states)


def _step_list(words: Tensor, state: Tensor, params: Params) -> list[Tensor]:
    E, W, U, b, W_s, b_s = params.values()
    new = torch.tanh(E.index_select(0, words) @ W.t() + state.matmul(U.t()) + b)
    return [new.matmul(W_s.t()) + b_s, new]


def _forcing_shift(state: Tensor, targets: Tensor, bos: int, params: Params) -> Tensor:
    read = torch.roll(targets, 1, dims=1)
    read[:, 0] = bos
    logits = []
    for t in range(targets.shape[1]):
        row, state = _step_linear(read[:, t], state, params)
        logits.append(row)
    return torch.stack(logits, 1)


def _forcing_before(state: Tensor, targets: Tensor, bos: int, params: Params) -> Tensor:
    """The word before is remembered from step to step."""
    before = torch.full((targets.shape[0],), bos, dtype=targets.dtype, device=targets.device)
    rows = []
    for word in targets.T:
        row, state = _step_joined(before, state, params)
        rows.append(row.unsqueeze(1))
        before = word
    return torch.cat(rows, 1)


def _forcing_all_states(state: Tensor, targets: Tensor, bos: int, params: Params) -> Tensor:
    """All inputs before the loop, all logits after it."""
    read = F.pad(targets[:, :-1], (1, 0), value=bos)
    inputs = params["E"][read] @ params["W_ih"].mT + params["b"]
    states = []
    for x in inputs.unbind(1):
        state = torch.tanh(x + state @ params["W_hh"].mT)
        states.append(state)
    return torch.stack(states, 1) @ params["W_s"].mT + params["b_s"]


def _forcing_prefilled(state: Tensor, targets: Tensor, bos: int, params: Params) -> Tensor:
    steps, size = targets.shape[1], len(params["b_s"])
    logits = state.new_empty(len(targets), steps, size)
    for t in range(steps):
        words = targets[:, t - 1] if t else torch.full_like(targets[:, 0], bos)
        logits[:, t], state = _step_one_hot(words, state, params)
    return logits


def _loss_gather(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    log_p = torch.log_softmax(logits, dim=-1)
    chosen = log_p.gather(2, targets.unsqueeze(2)).squeeze(2)
    return -chosen[targets != pad].mean()


def _loss_multiply(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    real = (targets != pad).to(logits.dtype)
    one_hot = F.one_hot(targets, logits.shape[-1])
    cost = -(logits.log_softmax(-1) * one_hot).sum(-1)
    return (cost * real).sum() / real.sum()


def _loss_real_first(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    """The padding is thrown out before anything is computed."""
    real = targets != pad
    words, rows = targets[real], logits[real]
    right = rows[torch.arange(len(words), device=rows.device), words]
    return (rows.logsumexp(-1) - right).mean()


def _loss_shift(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    """The softmax by hand, the largest logit first taken away."""
    shifted = logits - logits.amax(-1, keepdim=True)
    log_p = shifted - shifted.exp().sum(-1, keepdim=True).log()
    cost = -torch.take_along_dim(log_p, targets[..., None], dim=-1)[..., 0]
    cost = cost.masked_fill(targets == pad, 0.0)
    return cost.sum() / (targets != pad).sum()


def _loss_loops(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    costs = []
    for row, sentence in zip(logits, targets, strict=True):
        for scores, word in zip(row, sentence, strict=True):
            if word != pad:
                costs.append(-F.log_softmax(scores, -1)[word])
    return torch.stack(costs).mean()


def _greedy_done(
    state: Tensor, params: Params, bos: int, eos: int, pad: int, max_length: int
) -> Tensor:
    words = torch.full((len(state),), bos, device=state.device)
    done = torch.zeros(len(state), dtype=torch.bool, device=state.device)
    written = torch.full((len(state), max_length), pad, device=state.device)
    for t in range(max_length):
        logits, state = _step_linear(words, state, params)
        words = logits.argmax(-1)
        written[:, t] = torch.where(done, pad, words)
        done = done | (words == eos)
        if done.all():
            break
    return written


def _greedy_cut(
    state: Tensor, params: Params, bos: int, eos: int, pad: int, max_length: int
) -> Tensor:
    """Write on, and blank afterwards what comes behind an <eos>."""
    words, columns = state.new_full((len(state),), bos).long(), []
    for _ in range(max_length):
        logits, state = _step_joined(words, state, params)
        words = logits.max(dim=1).indices
        columns.append(words)
    written = torch.stack(columns, 1)
    before = (written == eos).cumsum(1) - (written == eos).long()
    return written.masked_fill(before > 0, pad)


def _greedy_sentences(
    state: Tensor, params: Params, bos: int, eos: int, pad: int, max_length: int
) -> Tensor:
    """One sentence after the other."""
    rows = []
    for s in state:
        word, row = bos, list[int]()
        h = s[None]
        while len(row) < max_length:
            logits, h = _step_columns(torch.tensor([word]), h, params)
            word = int(logits[0].argmax())
            row.append(word)
            if word == eos:
                break
        rows.append(row + [pad] * (max_length - len(row)))
    return torch.tensor(rows)


def _greedy_fed_padding(
    state: Tensor, params: Params, bos: int, eos: int, pad: int, max_length: int
) -> Tensor:
    """A sentence that has ended reads padding, and what it says is not heard."""
    current = torch.full_like(state[:, 0], bos, dtype=torch.long)
    goes_on = torch.ones_like(current, dtype=torch.bool)
    columns = []
    for _ in range(max_length):
        logits, state = _step_one_hot(current, state, params)
        current = torch.where(goes_on, logits.topk(1).indices[:, 0], pad)
        goes_on = goes_on & (current != eos)
        columns.append(current)
    return torch.stack(columns, dim=-1)


SOLUTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "encode": (_encode_where, _encode_gather, _encode_one_by_one, _encode_multiply,
               _encode_einsum),
    "reverse_padded": (_reverse_rows, _reverse_index, _reverse_sort, _reverse_roll,
                       _reverse_lists),
    "decoder_step": (_step_linear, _step_joined, _step_one_hot, _step_columns, _step_list),
    "teacher_forcing": (_forcing_shift, _forcing_before, _forcing_all_states,
                        _forcing_prefilled),
    "sequence_loss": (_loss_gather, _loss_multiply, _loss_real_first, _loss_shift, _loss_loops),
    "greedy_decode": (_greedy_done, _greedy_cut, _greedy_sentences, _greedy_fed_padding),
}  # fmt: skip
