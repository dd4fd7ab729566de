"""Recurrent cells written out: what one step of an RNN, an LSTM and a GRU computes.

The parameters have torch's layout, so that weights can be carried over from ``nn.RNN``,
``nn.LSTM`` and ``nn.GRU``: k blocks of d_h rows, one block a gate, in the order that each
function names (k is 1 for the RNN, 4 for the LSTM, 3 for the GRU).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attention_lib.checks import check_floating
from attention_lib.masks import length_mask

Network = nn.LSTM | nn.GRU | nn.RNN

# What a cell hands to its next step: (h,) or, for an LSTM, (h, c); each (batch, d_h).
CellState = tuple[Tensor, ...]


class CellParams(NamedTuple):
    """The weights of one cell.

    Attributes:
        W_ih: (k·d_h, d_in), reads the input.
        W_hh: (k·d_h, d_h), reads the state before.
        b_ih, b_hh: (k·d_h,), both added.
    """

    W_ih: Tensor
    W_hh: Tensor
    b_ih: Tensor
    b_hh: Tensor


Step = Callable[[Tensor, CellState, CellParams], CellState]


def rnn_step(inputs: Tensor, state: CellState, params: CellParams) -> CellState:
    r"""One step of Elman's network: mix the input with the state, and squash.

    .. math:: h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})

    Args:
        inputs: (batch, d_in), x_t.
        state: (h_{t−1},), (batch, d_h).
        params: k = 1.

    Returns:
        (h_t,).

    Raises:
        TypeError: if they are not of one floating dtype.
        ValueError: if the sizes of ``inputs``, ``state`` and ``params`` disagree.

    Elman (1990); ``torch.nn.RNNCell``.

    >>> eye, zero = torch.eye(2), torch.zeros(2)
    >>> rnn_step(torch.zeros(1, 2), (torch.zeros(1, 2),), CellParams(eye, eye, zero, zero))
    (tensor([[0., 0.]]),)
    """
    from_input, from_state = _gates(inputs, state, params, blocks=1, parts=1)
    return (torch.tanh(from_input + from_state),)


def lstm_step(inputs: Tensor, state: CellState, params: CellParams) -> CellState:
    r"""One step of an LSTM: a sum c that gates write to, keep and read from.

    .. math::
        (i, f, g, o) &= W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh} \\
        c_t &= \sigma(f) \odot c_{t-1} + \sigma(i) \odot \tanh(g) \\
        h_t &= \sigma(o) \odot \tanh(c_t)

    What c_{t−1} adds to c_t is only scaled by the forget gate f, so that a gradient can travel
    far. The paper of 1997 has no forget gate (f = 1); Gers et al. (2000) added it.

    Args:
        inputs: (batch, d_in), x_t.
        state: (h_{t−1}, c_{t−1}), each (batch, d_h).
        params: k = 4, blocks in the order input i, forget f, candidate g, output o.

    Returns:
        (h_t, c_t).

    Raises:
        TypeError: if they are not of one floating dtype.
        ValueError: if the sizes of ``inputs``, ``state`` and ``params`` disagree.

    Hochreiter and Schmidhuber (1997); ``torch.nn.LSTMCell``.

    >>> nothing = CellParams(*(torch.zeros(4, 1) for _ in "ih"), *(torch.zeros(4) for _ in "ih"))
    >>> _, c = lstm_step(torch.ones(1, 1), (torch.zeros(1, 1), torch.ones(1, 1)), nothing)
    >>> c  # all gates are half open
    tensor([[0.5000]])
    """
    from_input, from_state = _gates(inputs, state, params, blocks=4, parts=2)
    i, f, g, o = (from_input + from_state).chunk(4, dim=-1)
    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def gru_step(inputs: Tensor, state: CellState, params: CellParams) -> CellState:
    r"""One step of a GRU: move the state part of the way towards a candidate.

    .. math::
        r &= \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr}) \\
        z &= \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz}) \\
        n &= \tanh(W_{in} x_t + b_{in} + r \odot (W_{hn} h_{t-1} + b_{hn})) \\
        h_t &= (1 - z) \odot n + z \odot h_{t-1}

    This is torch's variant. Cho et al. reset the state before the product, W_{hn}(r ⊙ h_{t−1});
    here r scales the product, so that all three products with h_{t−1} are one.

    Args:
        inputs: (batch, d_in), x_t.
        state: (h_{t−1},), (batch, d_h).
        params: k = 3, blocks in the order reset r, update z, candidate n.

    Returns:
        (h_t,).

    Raises:
        TypeError: if they are not of one floating dtype.
        ValueError: if the sizes of ``inputs``, ``state`` and ``params`` disagree.

    Cho et al. (2014), equations 5–8; ``torch.nn.GRUCell``.

    >>> nothing = CellParams(*(torch.zeros(3, 1) for _ in "ih"), *(torch.zeros(3) for _ in "ih"))
    >>> gru_step(torch.ones(1, 1), (torch.ones(1, 1),), nothing)
    (tensor([[0.5000]]),)
    """
    from_input, from_state = _gates(inputs, state, params, blocks=3, parts=1)
    input_r, input_z, input_n = from_input.chunk(3, dim=-1)
    state_r, state_z, state_n = from_state.chunk(3, dim=-1)
    r = torch.sigmoid(input_r + state_r)
    z = torch.sigmoid(input_z + state_z)
    n = torch.tanh(input_n + r * state_n)
    return ((1 - z) * n + z * state[0],)


def _gates(
    inputs: Tensor, state: CellState, params: CellParams, *, blocks: int, parts: int
) -> tuple[Tensor, Tensor]:
    """Check the sizes; return W_ih x + b_ih and W_hh h + b_hh, each (batch, blocks·d_h)."""
    if len(state) != parts:
        raise ValueError(f"state has {len(state)} parts; wanted {parts}: (h, c) for an LSTM")
    d_in, d_h = inputs.shape[-1], state[0].shape[-1]
    wanted = ((blocks * d_h, d_in), (blocks * d_h, d_h), (blocks * d_h,), (blocks * d_h,))
    for name, given, shape in zip(params._fields, params, wanted, strict=True):
        if tuple(given.shape) != shape:
            raise ValueError(
                f"{name} has shape {tuple(given.shape)}; wanted {shape}: {blocks} blocks of d_h = "
                f"{d_h} rows for inputs of size {d_in}"
            )
    parts_of_state = {f"state[{i}]": part for i, part in enumerate(state)}
    check_floating(inputs=inputs, **parts_of_state, **params._asdict())
    return inputs @ params.W_ih.mT + params.b_ih, state[0] @ params.W_hh.mT + params.b_hh


def cell_params(module: Network, layer: int = 0) -> CellParams:
    """Take one layer's parameters out of torch's network; they stay shared with it.

    Raises:
        ValueError: if the network has no such layer.

    >>> cell_params(nn.LSTM(3, 5)).W_ih.shape
    torch.Size([20, 3])
    """
    if not 0 <= layer < module.num_layers:
        raise ValueError(f"layer is {layer}; the network has {module.num_layers}, from 0")
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return CellParams(*(getattr(module, f"{name}_l{layer}") for name in names))


def unroll(
    step: Step, inputs: Tensor, state: CellState, lengths: Tensor, params: CellParams
) -> tuple[Tensor, CellState]:
    """Take one step after the other over a padded batch.

    The state of a sentence that has ended stays as it is, whatever stands in the padding.

    Args:
        step: :func:`rnn_step`, :func:`lstm_step` or :func:`gru_step`.
        inputs: (batch, length, d_in), padded on the right.
        state: the state before the first word, each part (batch, d_h).
        lengths: (batch,) true lengths.
        params: the cell's.

    Returns:
        outputs (batch, length, d_h), every h_t, zero at the padding; and the state after each
        sentence's own last word.

    Raises:
        ValueError: if a length exceeds the number of positions.

    >>> half = CellParams(0.5 * torch.ones(1, 1), torch.zeros(1, 1), *torch.zeros(2, 1))
    >>> inputs, start = torch.ones(2, 3, 1), (torch.zeros(2, 1),)
    >>> outputs, _ = unroll(rnn_step, inputs, start, torch.tensor([3, 1]), half)
    >>> outputs[..., 0]
    tensor([[0.4621, 0.4621, 0.4621],
            [0.4621, 0.0000, 0.0000]])
    """
    real = length_mask(lengths.to(inputs.device), inputs.shape[1])
    outputs = []
    for word, is_real in zip(inputs.unbind(1), real.unbind(1), strict=True):
        goes_on = is_real[:, None]
        after = step(word, state, params)
        pairs = zip(after, state, strict=True)
        state = tuple(torch.where(goes_on, new, old) for new, old in pairs)
        outputs.append(state[0].masked_fill(~goes_on, 0.0))
    return torch.stack(outputs, dim=1), state
