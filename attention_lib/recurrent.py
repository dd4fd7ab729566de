"""Recurrent networks: reading a padded batch of sentences one word at a time."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attention_lib.cells import Network
from attention_lib.embedding import Embedding
from attention_lib.fast import Dropout
from attention_lib.fast_recurrent import one_dnn_where_it_can, padded_lstm
from attention_lib.padding import checked_lengths

Cell = Literal["lstm", "gru", "rnn"]

# A recurrent state: (h, c) for an LSTM, else (h,); each (num_layers, batch, d_hidden).
State = tuple[Tensor, ...]


def make_rnn(
    cell: Cell, d_in: int, d_hidden: int, *, num_layers: int = 1, dropout: float = 0.0
) -> Network:
    """Build a batch-first LSTM, GRU or plain tanh network; dropout acts between layers.

    Raises:
        ValueError: if ``cell`` is none of "lstm", "gru" and "rnn".
    """
    kinds: dict[str, type[Network]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
    if cell not in kinds:
        raise ValueError(f"cell is {cell!r}; wanted one of {sorted(kinds)}")
    between = dropout if num_layers > 1 else 0.0
    return kinds[cell](d_in, d_hidden, num_layers, batch_first=True, dropout=between)


def run_rnn(rnn: Network, inputs: Tensor, state: State) -> tuple[Tensor, State]:
    """Run a network over (batch, length, d_in) from a state in the one form of ``State``."""
    if isinstance(rnn, nn.LSTM):
        with one_dnn_where_it_can():
            outputs, (h, c) = rnn(inputs, (state[0], state[1]))
        return outputs, (h, c)
    outputs, h = rnn(inputs, state[0])
    return outputs, (h,)


class RecurrentEncoder(nn.Module):
    r"""Read a source sentence into a memory of states and a final state.

    .. math:: \bar h_s = \mathrm{RNN}(E x_s, \bar h_{s-1}), \qquad \bar h_0 = 0

    With ``bidirectional`` a second network reads backwards, each has d_hidden / 2 units, and
    h̄_s is the two states side by side.

    Args:
        vocab_size: number of source words.
        d_embed: size of a word vector.
        d_hidden: size of h̄_s; even if ``bidirectional``.
        cell: "lstm", "gru" or "rnn" (plain tanh).
        num_layers: layers stacked on each other.
        bidirectional: read in both directions.
        dropout: on word vectors and between layers.

    Raises:
        ValueError: if ``d_hidden`` is odd and ``bidirectional``.

    >>> encoder = RecurrentEncoder(11, d_embed=3, d_hidden=4, bidirectional=True).eval()
    >>> memory, (h, c) = encoder(torch.tensor([[5, 6, 7], [8, 9, 0]]), torch.tensor([3, 2]))
    >>> memory.shape, h.shape, memory[1, 2].tolist()
    (torch.Size([2, 3, 4]), torch.Size([1, 2, 4]), [0.0, 0.0, 0.0, 0.0])
    """

    def __init__(
        self,
        vocab_size: int,
        d_embed: int,
        d_hidden: int,
        *,
        cell: Cell = "lstm",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if bidirectional and d_hidden % 2:
            raise ValueError(f"d_hidden is {d_hidden}; two directions want an even number")
        units = d_hidden // 2 if bidirectional else d_hidden
        self.embedding = Embedding(vocab_size, d_embed)
        self.dropout = Dropout(dropout)
        self.rnn = make_rnn(cell, d_embed, units, num_layers=num_layers, dropout=dropout)
        self.backward_rnn = (
            make_rnn(cell, d_embed, units, num_layers=num_layers, dropout=dropout)
            if bidirectional
            else None
        )

    def forward(self, src: Tensor, src_lengths: Tensor | None) -> tuple[Tensor, State]:
        """Encode a padded batch; what stands in the padding has no effect.

        Args:
            src: (batch, length) word ids, padded on the right.
            src_lengths: (batch,) true lengths, each at least 1; None if nothing is padding.

        Returns:
            memory (batch, length, d_hidden), zero at the padding; and the state after each
            sentence's own last word, each tensor (num_layers, batch, d_hidden).

        Raises:
            ValueError: if a sentence is empty, or the lengths are not those of ``src``.
        """
        src_lengths = checked_lengths(src, src_lengths)
        embedded = self.dropout(self.embedding(src))
        memory, state = _run_padded(self.rnn, embedded, src_lengths)
        if self.backward_rnn is None:
            return memory, state
        turned = reverse_padded(embedded, src_lengths)
        memory_back, state_back = _run_padded(self.backward_rnn, turned, src_lengths)
        memory = torch.cat([memory, reverse_padded(memory_back, src_lengths)], dim=-1)
        joined = zip(state, state_back, strict=True)
        return memory, tuple(torch.cat(pair, dim=-1) for pair in joined)


def _run_padded(rnn: Network, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
    """Run over the real positions only, so that the final state is the one at the true end."""
    if bool((lengths == inputs.shape[1]).all()):
        # Without padding there is nothing to skip, and torch's fused layers take over.
        with one_dnn_where_it_can():
            outputs, state = rnn(inputs)
        return outputs, state if isinstance(state, tuple) else (state,)
    if isinstance(rnn, nn.LSTM) and inputs.device.type == "cpu":
        return padded_lstm(rnn, inputs, lengths)
    packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
    outputs, state = rnn(packed)
    memory, _ = pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])
    return memory, state if isinstance(state, tuple) else (state,)


def reverse_padded(sequences: Tensor, lengths: Tensor) -> Tensor:
    """Turn each sequence of a padded batch around; the padding stays on the right.

    Args:
        sequences: (batch, length, ...).
        lengths: (batch,) true lengths.

    Returns:
        a tensor like ``sequences``.

    >>> reverse_padded(torch.tensor([[1, 2, 3, 0], [4, 5, 0, 0]]), torch.tensor([3, 2]))
    tensor([[3, 2, 1, 0],
            [5, 4, 0, 0]])
    """
    positions = torch.arange(sequences.shape[1], device=sequences.device)
    lengths = lengths.to(sequences.device)[:, None]
    index = torch.where(positions < lengths, lengths - 1 - positions, positions)
    rows = torch.arange(sequences.shape[0], device=sequences.device)[:, None]
    return sequences[rows, index]
