"""Right solutions in other styles than the library's: all of them earn full marks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Params = dict[str, Tensor]
Pair = tuple[Tensor, Tensor]


def _rnn_linear(x: Tensor, h: Tensor, params: Params) -> Tensor:
    words = F.linear(x, params["W_ih"], params["b_ih"])
    return torch.tanh(words + F.linear(h, params["W_hh"], params["b_hh"]))


def _rnn_joined(x: Tensor, h: Tensor, params: Params) -> Tensor:
    weight = torch.cat([params["W_ih"], params["W_hh"]], dim=1)
    return torch.tanh(torch.cat([x, h], 1) @ weight.T + (params["b_ih"] + params["b_hh"]))


def _rnn_einsum(x: Tensor, h: Tensor, params: Params) -> Tensor:
    total = torch.einsum("bi,oi->bo", x, params["W_ih"]) + params["b_ih"]
    return (total + torch.einsum("bj,oj->bo", h, params["W_hh"]) + params["b_hh"]).tanh()


def _rnn_loop(x: Tensor, h: Tensor, params: Params) -> Tensor:
    rows = []
    for word, state in zip(x, h, strict=True):
        total = params["W_ih"] @ word + params["b_ih"] + params["W_hh"] @ state + params["b_hh"]
        rows.append(torch.tanh(total))
    return torch.stack(rows)


def _rnn_transposed(x: Tensor, h: Tensor, params: Params) -> Tensor:
    columns = params["W_ih"] @ x.T + params["W_hh"] @ h.T
    bias = (params["b_ih"] + params["b_hh"]).unsqueeze(1)
    return torch.tanh(columns + bias).T


def _lstm_split(x: Tensor, h: Tensor, c: Tensor, params: Params) -> Pair:
    gates = F.linear(x, params["W_ih"], params["b_ih"]) + F.linear(
        h, params["W_hh"], params["b_hh"]
    )
    i, f, g, o = torch.split(gates, h.shape[1], dim=1)
    new_c = c * f.sigmoid() + i.sigmoid() * g.tanh()
    return o.sigmoid() * new_c.tanh(), new_c


def _lstm_slices(x: Tensor, h: Tensor, c: Tensor, params: Params) -> Pair:
    n = h.size(-1)
    z = x @ params["W_ih"].T + params["b_ih"] + h @ params["W_hh"].T + params["b_hh"]
    i, f = torch.sigmoid(z[:, :n]), torch.sigmoid(z[:, n : 2 * n])
    g, o = torch.tanh(z[:, 2 * n : 3 * n]), torch.sigmoid(z[:, 3 * n :])
    new_c = f * c + i * g
    return o * torch.tanh(new_c), new_c


def _lstm_blocks(x: Tensor, h: Tensor, c: Tensor, params: Params) -> list[Tensor]:
    """Cut the parameters, not the product; a list will do for a tuple."""
    cut = [params[name].chunk(4) for name in ("W_ih", "W_hh", "b_ih", "b_hh")]
    i, f, g, o = (x @ w.T + b + h @ u.T + d for w, u, b, d in zip(*cut, strict=True))
    new_c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return [torch.sigmoid(o) * torch.tanh(new_c), new_c]


def _lstm_view(x: Tensor, h: Tensor, c: Tensor, params: Params) -> Pair:
    joined = torch.cat([x, h], dim=-1) @ torch.cat([params["W_ih"], params["W_hh"]], dim=1).T
    gates = (joined + params["b_ih"] + params["b_hh"]).view(len(x), 4, -1)
    i, f, o = torch.sigmoid(gates[:, [0, 1, 3]]).unbind(1)
    new_c = torch.addcmul(f * c, i, torch.tanh(gates[:, 2]))
    return o * torch.tanh(new_c), new_c


def _lstm_loop(x: Tensor, h: Tensor, c: Tensor, params: Params) -> Pair:
    states, cells = [], []
    for word, state, cell in zip(x, h, c, strict=True):
        z = params["W_ih"] @ word + params["W_hh"] @ state + params["b_ih"] + params["b_hh"]
        i, f, g, o = z.reshape(4, -1)
        cells.append(torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g))
        states.append(torch.sigmoid(o) * torch.tanh(cells[-1]))
    return torch.stack(states), torch.stack(cells)


def _gru_slices(x: Tensor, h: Tensor, params: Params) -> Tensor:
    d = h.shape[1]
    a = F.linear(x, params["W_ih"], params["b_ih"])
    b = F.linear(h, params["W_hh"], params["b_hh"])
    gates = torch.sigmoid(a[:, : 2 * d] + b[:, : 2 * d])
    r, z = gates[:, :d], gates[:, d:]
    n = torch.tanh(a[:, 2 * d :] + r * b[:, 2 * d :])
    return n + z * (h - n)


def _gru_blocks(x: Tensor, h: Tensor, params: Params) -> Tensor:
    w_r, w_z, w_n = torch.chunk(params["W_ih"], 3, dim=0)
    u_r, u_z, u_n = torch.chunk(params["W_hh"], 3, dim=0)
    b_r, b_z, b_n = torch.chunk(params["b_ih"], 3)
    d_r, d_z, d_n = torch.chunk(params["b_hh"], 3)
    r = torch.sigmoid(x @ w_r.T + b_r + h @ u_r.T + d_r)
    z = torch.sigmoid(x @ w_z.T + b_z + h @ u_z.T + d_z)
    n = torch.tanh(x @ w_n.T + b_n + r * (h @ u_n.T + d_n))
    return (1 - z) * n + z * h


def _gru_lerp(x: Tensor, h: Tensor, params: Params) -> Tensor:
    a = (x @ params["W_ih"].T + params["b_ih"]).unflatten(-1, (3, -1))
    b = (h @ params["W_hh"].T + params["b_hh"]).unflatten(-1, (3, -1))
    r, z = (a[:, :2] + b[:, :2]).sigmoid().unbind(1)
    return torch.lerp((a[:, 2] + r * b[:, 2]).tanh(), h, z)


def _gru_loop(x: Tensor, h: Tensor, params: Params) -> Tensor:
    rows = []
    for word, state in zip(x, h, strict=True):
        a_r, a_z, a_n = torch.split(params["W_ih"] @ word + params["b_ih"], len(state))
        b_r, b_z, b_n = torch.split(params["W_hh"] @ state + params["b_hh"], len(state))
        stays = torch.sigmoid(a_z + b_z)
        candidate = torch.tanh(a_n + torch.sigmoid(a_r + b_r) * b_n)
        rows.append(stays * state + (1 - stays) * candidate)
    return torch.stack(rows)


def _unroll_lists(inputs: Tensor, h: Tensor, lengths: Tensor, params: Params) -> Pair:
    """One sentence after the other, without any mask."""
    outputs = inputs.new_zeros(inputs.shape[0], inputs.shape[1], h.shape[1])
    ends = []
    for b, length in enumerate(lengths.tolist()):
        state = h[b : b + 1]
        for t in range(length):
            state = _rnn_linear(inputs[b : b + 1, t], state, params)
            outputs[b, t] = state[0]
        ends.append(state[0])
    return outputs, torch.stack(ends)


def _unroll_gather(inputs: Tensor, h: Tensor, lengths: Tensor, params: Params) -> Pair:
    """Read on over the padding, then pick what was there at the end."""
    states = [h]
    for t in range(inputs.size(1)):
        states.append(_rnn_joined(inputs[:, t], states[-1], params))
    every = torch.stack(states, dim=1)
    last = every[torch.arange(len(lengths), device=h.device), lengths]
    real = torch.arange(inputs.size(1), device=inputs.device) < lengths[:, None]
    return every[:, 1:] * real[:, :, None].to(every.dtype), last


def _unroll_multiply(inputs: Tensor, h: Tensor, lengths: Tensor, params: Params) -> Pair:
    outputs = []
    for t, x in enumerate(inputs.transpose(0, 1)):
        m = (lengths > t).to(h.dtype).unsqueeze(1)
        h = m * _rnn_einsum(x, h, params) + (1 - m) * h
        outputs.append(m * h)
    return torch.stack(outputs, 1), h


def _unroll_prefilled(inputs: Tensor, h: Tensor, lengths: Tensor, params: Params) -> Pair:
    """All products with the words first; then only the sentences that still go on."""
    words = inputs @ params["W_ih"].T + params["b_ih"]
    outputs = torch.zeros_like(words)
    state = h.clone()
    for t in range(inputs.shape[1]):
        goes_on = lengths > t
        new = torch.tanh(words[:, t] + state @ params["W_hh"].T + params["b_hh"])
        state = torch.where(goes_on.unsqueeze(-1), new, state)
        outputs[:, t] = torch.where(goes_on.unsqueeze(-1), new, torch.zeros_like(new))
    return outputs, state


def _steps_recursive(needs: Tensor) -> int:
    def finished(t: int) -> int:
        if t not in known:
            known[t] = 1 + max([finished(s) for s in range(t) if needs[t, s]], default=0)
        return known[t]

    known: dict[int, int] = {}
    return max([finished(t) for t in range(len(needs))], default=0)


def _steps_powers(needs: Tensor) -> int:
    """A chain of k steps exists where the (k − 1)-th power is not 0."""
    links = needs.to(torch.float64)
    longest, ways = 0, torch.eye(len(needs), dtype=torch.float64)
    while len(needs) and ways.any():
        longest, ways = longest + 1, (ways @ links).clamp(max=1)
    return longest


def _steps_waves(needs: Tensor) -> int:
    """Let run, again and again, all steps whose needs are done."""
    done = torch.zeros(len(needs), dtype=torch.bool)
    waves = 0
    while not done.all():
        ready = ~done & ~(needs & ~done).any(dim=1)
        done = done | ready
        waves += 1
    return waves


def _steps_tensor(needs: Tensor) -> Tensor:
    time = torch.zeros(needs.shape[0] + 1, dtype=torch.long)
    for t in range(needs.shape[0]):
        time[t] = 1 + (time[:-1] * needs[t]).max()
    return time.max()


def _steps_numpy(needs: Tensor) -> int:
    matrix = needs.numpy()
    time = np.zeros(len(matrix), dtype=int)
    for t, row in enumerate(matrix):
        time[t] = 1 + time[row].max(initial=0)
    return int(time.max(initial=0))


def _paths_masked(reads: Tensor, needs: Tensor) -> Tensor:
    far = reads.shape[0] + 1
    lengths = torch.full(reads.shape, far)
    for t in range(len(reads)):
        ways = torch.cat([lengths[needs[t]], torch.full((1, reads.shape[1]), far)])
        lengths[t] = torch.where(reads[t], 1, ways.min(0).values + 1).clamp(max=far)
    return torch.where(lengths == far, 0, lengths)


def _paths_powers(reads: Tensor, needs: Tensor) -> Tensor:
    """After k products with ``needs``, what is newly reached has length k + 1."""
    links, reached = needs.double(), reads
    lengths = reads.long()
    front = reads.double()
    for k in range(2, len(reads) + 1):
        front = ((links @ front) > 0).double()
        new = (front > 0) & ~reached
        lengths[new] = k
        reached = reached | new
    return lengths


def _paths_search(reads: Tensor, needs: Tensor) -> Tensor:
    """From each word, breadth first."""
    result = torch.zeros(reads.shape, dtype=torch.int64)
    for s in range(reads.shape[1]):
        front = reads[:, s].nonzero().flatten().tolist()
        length = 1
        while front:
            for t in front:
                result[t, s] = length
            length += 1
            after = needs[:, front].any(dim=1) & (result[:, s] == 0)
            front = after.nonzero().flatten().tolist()
    return result


def _paths_float(reads: Tensor, needs: Tensor) -> Tensor:
    paths = torch.where(reads, 1.0, torch.inf)
    for t in range(len(reads)):
        for k in range(t):
            if needs[t, k]:
                paths[t] = torch.minimum(paths[t], paths[k] + 1)
    return torch.where(paths.isinf(), 0.0, paths)


def _paths_lists(reads: Tensor, needs: Tensor) -> Tensor:
    table: list[list[int]] = []
    for read, needed in zip(reads.tolist(), needs.tolist(), strict=True):
        before = [row for row, n in zip(table, needed, strict=False) if n]
        columns = zip(*before, strict=True) if before else [()] * len(read)
        row = [
            1 if r else min((n + 1 for n in column if n), default=0)
            for r, column in zip(read, columns, strict=True)
        ]
        table.append(row)
    return torch.tensor(table)


SOLUTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "rnn_step": (_rnn_linear, _rnn_joined, _rnn_einsum, _rnn_loop, _rnn_transposed),
    "lstm_step": (_lstm_split, _lstm_slices, _lstm_blocks, _lstm_view, _lstm_loop),
    "gru_step": (_gru_slices, _gru_blocks, _gru_lerp, _gru_loop),
    "unroll_rnn": (_unroll_lists, _unroll_gather, _unroll_multiply, _unroll_prefilled),
    "sequential_steps": (
        _steps_recursive, _steps_powers, _steps_waves, _steps_tensor, _steps_numpy,
    ),
    "path_lengths": (
        _paths_masked, _paths_powers, _paths_search, _paths_float, _paths_lists,
    ),
}  # fmt: skip
