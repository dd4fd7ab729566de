"""Recurrent networks done fast: the one place where speed costs clarity.

The decoders compute what :meth:`attention_lib.seq2seq.Seq2Seq.step` computes word by word.
Whatever does not wait for the step before is done for all steps at once, outside the loop (the
words' part of the cell's input, the keys, the context's part of h̃); and the gradient of each
matrix that every step multiplies by is one product after the loop, not a sum of T products.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from attention_lib.cells import CellState, Network, cell_params
from attention_lib.fast import Dropout
from attention_lib.masks import length_mask

# Far out on the sigmoid, and within float16.
_SATURATED = 1e4

# Maps states (batch, d) to scores (batch, length).
Scores = Callable[[Tensor], Tensor]


# What a backward pass leaves for the gradient: (x_t, δ_t) by the pass and the number of the call.
# A pass that asks for other gradients alone leaves products that are none of the next one's.
_Seen = dict[tuple[int, int], tuple[Tensor, Tensor]]


class SharedMatrix:
    r"""A matrix M that many steps multiply by; its gradient waits until all steps are known.

    .. math:: y_t = x_t M + b, \qquad
              \frac{\partial L}{\partial M} = \sum_t x_t^\top \delta_t =
              [x_1; \ldots; x_T]^\top [\delta_1; \ldots; \delta_T]

    where δ_t is the gradient of y_t. Autograd would form and add up T products of the size of M.

    Args:
        matrix: (d_in, d_out), or (batch, d_in, d_out) with one matrix a sentence.
        bias: (d_out,), or None.

    >>> matrix = torch.randn(3, 5, requires_grad=True)
    >>> times = SharedMatrix(matrix)
    >>> x, y = torch.randn(2, 7, 3).unbind(0)
    >>> (times(x).sum() + times(y).sum()).backward()
    >>> torch.allclose(matrix.grad, (x + y).sum(0)[:, None].expand(3, 5), atol=1e-5)
    True
    """

    def __init__(self, matrix: Tensor, bias: Tensor | None = None) -> None:
        kind = matrix.device.type
        if torch.is_autocast_enabled(kind):
            matrix = matrix.to(torch.get_autocast_dtype(kind))
            bias = None if bias is None else bias.to(matrix.dtype)
        self.seen: _Seen = {}
        self.calls = 0
        self.matrix, self.bias = _GradientAtTheEnd.apply(matrix, bias, self.seen)

    def __call__(self, x: Tensor) -> Tensor:
        """Multiply (..., d_in) to (..., d_out)."""
        self.calls += 1
        x = x.to(self.matrix.dtype)
        product: Tensor = _Product.apply(x, self.matrix, self.bias, self.seen, self.calls)
        return product


class _GradientAtTheEnd(torch.autograd.Function):
    """Hand on a matrix; its backward runs when that of each of its products has run."""

    @staticmethod
    def forward(
        ctx: Any, matrix: Tensor, bias: Tensor | None, seen: _Seen
    ) -> tuple[Tensor, Tensor | None]:
        ctx.seen = seen
        ctx.set_materialize_grads(False)
        return matrix.view_as(matrix), None if bias is None else bias.view_as(bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *_: None) -> tuple[Tensor | None, ...]:
        now = torch._C._current_graph_task_id()
        products = [product for (task, _), product in ctx.seen.items() if task == now]
        ctx.seen.clear()
        if not products:
            return None, None, None
        inputs, deltas = (torch.cat(parts, dim=-2) for parts in zip(*products, strict=True))
        bias = deltas.sum(0) if ctx.needs_input_grad[1] else None
        return inputs.mT @ deltas, bias, None


class _Product(torch.autograd.Function):
    """x M + b, whose backward leaves x and δ for :class:`_GradientAtTheEnd`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        matrix: Tensor,
        bias: Tensor | None,
        seen: _Seen,
        call: int,
    ) -> Tensor:
        ctx.save_for_backward(x, matrix)
        ctx.seen, ctx.call = seen, call
        return x @ matrix if bias is None else torch.addmm(bias, x, matrix)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:
        x, matrix = ctx.saved_tensors
        if ctx.needs_input_grad[1]:
            ctx.seen[torch._C._current_graph_task_id(), ctx.call] = x.detach(), delta
        return delta @ matrix.mT, None, None, None, None


def dot_scores(keys: Tensor) -> Scores:
    """Score by dot products with keys (batch, length, d)."""
    times = SharedMatrix(keys.mT)
    return lambda query: times(query[:, None])[:, 0]


def additive_scores(keys: Tensor, w_query: Tensor, v: Tensor) -> Scores:
    """Score by vᵀ tanh(W_q h_t + k_s) against keys (batch, length, d) that are projected."""
    project = SharedMatrix(w_query.mT)
    return lambda query: torch.tanh(project(query)[:, None] + keys) @ v


class Reader:
    """Attend to one memory from one state after the other.

    Args:
        scores: e.g. from :func:`dot_scores` or :func:`additive_scores`.
        values: (batch, length, d_v).
        mask: (batch, length) bool, True at real positions, of which each sentence has one.
    """

    def __init__(self, scores: Scores, values: Tensor, mask: Tensor) -> None:
        self.scores = scores
        self.average = SharedMatrix(values)
        wide = torch.promote_types(values.dtype, torch.float32)
        self.blocked = torch.zeros_like(mask, dtype=wide).masked_fill(~mask, -torch.inf)

    def __call__(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Map states (batch, d) to contexts (batch, d_v) and weights (batch, length)."""
        weights = (self.scores(query) + self.blocked).softmax(-1).to(query.dtype)
        return self.average(weights[:, None])[:, 0], weights


class FedBackNetwork:
    """Torch's network taken step by step, where the word's part of the input is done before.

    Args:
        rnn: reads [word; what is fed back].
        embedded: (batch, steps, d_embed), all words.
    """

    def __init__(self, rnn: Network, embedded: Tensor) -> None:
        layers = [cell_params(rnn, layer) for layer in range(rnn.num_layers)]
        w_word, w_fed = layers[0].W_ih.tensor_split([embedded.shape[-1]], dim=1)
        self.words = (embedded @ w_word.mT + layers[0].b_ih).unbind(1)
        self.from_fed = SharedMatrix(w_fed.mT)
        self.from_below = [SharedMatrix(p.W_ih.mT, p.b_ih) for p in layers[1:]]
        self.from_state = [SharedMatrix(p.W_hh.mT, p.b_hh) for p in layers]
        self.update = _UPDATES[type(rnn)]
        self.dropout = Dropout(rnn.dropout).train(rnn.training)

    def step(self, t: int, fed: Tensor, state: list[CellState]) -> list[CellState]:
        """Read word t and ``fed`` (batch, d_fed); a state is (h, …) of each layer, from below."""
        from_input = self.words[t] + self.from_fed(fed)
        after: list[CellState] = []
        for layer, before in enumerate(state):
            if layer:
                below = self.dropout(after[-1][0])
                from_input = self.from_below[layer - 1](below)
            after.append(self.update(from_input, self.from_state[layer](before[0]), before))
        return after


def _rnn_update(from_input: Tensor, from_state: Tensor, state: CellState) -> CellState:
    return (torch.tanh(from_input + from_state),)


def _lstm_update(from_input: Tensor, from_state: Tensor, state: CellState) -> CellState:
    i, f, g, o = (from_input + from_state).chunk(4, dim=-1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru_update(from_input: Tensor, from_state: Tensor, state: CellState) -> CellState:
    d = state[0].shape[-1]
    r, z = (from_input[:, : 2 * d] + from_state[:, : 2 * d]).sigmoid().chunk(2, dim=-1)
    n = torch.tanh(from_input[:, 2 * d :] + r * from_state[:, 2 * d :])
    return (n + z * (state[0] - n),)  # autocast leaves the two of different dtypes


_UPDATES = {nn.RNN: _rnn_update, nn.LSTM: _lstm_update, nn.GRU: _gru_update}


def luong_decoder(
    rnn: Network,
    embedded: Tensor,
    state: CellState,
    scores: Scores,
    values: Tensor,
    mask: Tensor,
    w_c: Tensor,
) -> tuple[Tensor, Tensor]:
    """Luong's decoder with input feeding over all words.

    Args:
        rnn: the decoder's network; reads [word; h̃].
        embedded: (batch, steps, d_embed).
        state: each part (num_layers, batch, d).
        scores: e.g. from :func:`dot_scores` or :func:`additive_scores`.
        values: (batch, length, d), the encoder's states.
        mask: (batch, length) bool, True at real positions.
        w_c: (d, 2d).

    Returns:
        h̃ (batch, steps, d) and weights (batch, steps, length).
    """
    network = FedBackNetwork(rnn, embedded)
    w_context, w_hidden = w_c.tensor_split(2, dim=1)
    # W_c[c; h] = Σ a_s (W_context h̄_s) + W_hidden h: the first product is done for all of h̄.
    read = Reader(scores, values @ w_context.mT, mask)
    from_hidden = SharedMatrix(w_hidden.mT)
    layers, attentional = _by_layer(state), embedded.new_zeros(len(embedded), len(w_c))
    outputs, rows = [], []
    for t in range(embedded.shape[1]):
        layers = network.step(t, attentional, layers)
        top = layers[-1][0]
        context, weights = read(top)
        attentional = torch.tanh(context + from_hidden(top))
        outputs.append(attentional)
        rows.append(weights)
    return torch.stack(outputs, 1), torch.stack(rows, 1)


def bahdanau_decoder(
    rnn: Network,
    embedded: Tensor,
    state: CellState,
    scores: Scores,
    values: Tensor,
    mask: Tensor,
    w_c: Tensor,
) -> tuple[Tensor, Tensor]:
    """Bahdanau's decoder over all words; arguments and results as :func:`luong_decoder`'s."""
    network, read, layers = (
        FedBackNetwork(rnn, embedded),
        Reader(scores, values, mask),
        _by_layer(state),
    )
    joined, rows = [], []
    for t in range(embedded.shape[1]):
        context, weights = read(layers[-1][0])
        layers = network.step(t, context, layers)
        joined.append(torch.cat([context, layers[-1][0]], dim=-1))
        rows.append(weights)
    return torch.tanh(torch.stack(joined, 1) @ w_c.mT), torch.stack(rows, 1)


def _by_layer(state: CellState) -> list[CellState]:
    """Turn (h, c), each (num_layers, batch, d), into (h, c) of each layer."""
    return list(zip(*(part.unbind(0) for part in state), strict=True))


def one_dnn_where_it_can() -> AbstractContextManager[None]:
    """Use torch's own LSTM in mixed precision where oneDNN has none for this processor."""
    if torch.is_autocast_enabled("cpu"):
        half = torch.get_autocast_dtype("cpu") == torch.float16
        asked = torch.ops.mkldnn
        if not (asked._is_mkldnn_fp16_supported if half else asked._is_mkldnn_bf16_supported)():
            return torch.backends.mkldnn.flags(enabled=False)
    return nullcontext()


def padded_lstm(rnn: nn.LSTM, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, CellState]:
    """Run an LSTM over a padded batch as it stands: on a CPU much faster than packed.

    Torch's fused layer takes no lengths. An input of its own tells it of padding: there it shuts
    the input gate and opens the forget gate, so that c stays what it was at the true end.

    Args:
        rnn: in one direction, batch-first.
        inputs: (batch, length, d_in), padded on the right.
        lengths: (batch,) true lengths, each at least 1.

    Returns:
        outputs (batch, length, d), zero at the padding; and the state (h, c) at the true ends,
        each (num_layers, batch, d).
    """
    d, batch = rnn.hidden_size, len(inputs)
    lengths = lengths.to(inputs.device)
    padding = ~length_mask(lengths, inputs.shape[1])[..., None]
    column = torch.cat([inputs.new_full((d, 1), sign * _SATURATED) for sign in (-1, 1, 0, 0)])
    dropout, zero = Dropout(rnn.dropout).train(rnn.training), inputs.new_zeros(1, batch, d)
    rows, outputs, ends = torch.arange(batch, device=inputs.device), inputs, []
    for layer in range(rnn.num_layers):
        params = cell_params(rnn, layer)
        weights = [torch.cat([params.W_ih, column], dim=1), *params[1:]]
        below = torch.cat([dropout(outputs) if layer else outputs, padding.to(outputs.dtype)], -1)
        with one_dnn_where_it_can():
            outputs, _, c = torch.lstm(
                below, (zero, zero), weights, True, 1, 0.0, rnn.training, False, True
            )
        ends.append((outputs[rows, lengths - 1], c[0]))
    h, c = (torch.stack(parts) for parts in zip(*ends, strict=True))
    return outputs.masked_fill(padding, 0.0), (h, c)
