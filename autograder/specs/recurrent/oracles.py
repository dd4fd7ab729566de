"""The library's cells with the plain arguments that the exercises have."""

from torch import Tensor

from attention_lib import cells
from attention_lib.cells import CellParams

Params = dict[str, Tensor]


def rnn_step(x: Tensor, h: Tensor, params: Params) -> Tensor:
    """One step of Elman's network: the new state."""
    return cells.rnn_step(x, (h,), CellParams(**params))[0]


def lstm_step(x: Tensor, h: Tensor, c: Tensor, params: Params) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: the new state and the new cell."""
    h, c = cells.lstm_step(x, (h, c), CellParams(**params))
    return h, c


def gru_step(x: Tensor, h: Tensor, params: Params) -> Tensor:
    """One step of a GRU in torch's variant: the new state."""
    return cells.gru_step(x, (h,), CellParams(**params))[0]


def unroll_rnn(inputs: Tensor, h: Tensor, lengths: Tensor, params: Params) -> tuple[Tensor, Tensor]:
    """A plain network over a padded batch: its outputs, and the state at each sentence's end."""
    outputs, (last,) = cells.unroll(cells.rnn_step, inputs, (h,), lengths, CellParams(**params))
    return outputs, last
