"""The library's encoder-decoder, piece by piece, with the plain arguments of the exercises."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from attention_lib import cells, decoding, losses, recurrent
from attention_lib.cells import CellParams
from attention_lib.data.batching import pad_ids

Params = dict[str, Tensor]


def _cell(params: Params) -> CellParams:
    """The exercises have one bias where torch has two."""
    bias = params["b"]
    return CellParams(params["W_ih"], params["W_hh"], bias, torch.zeros_like(bias))


def encode(src: Tensor, lengths: Tensor, params: Params) -> Tensor:
    """The state after each sentence's own last word."""
    words = params["E"][src]
    start = words.new_zeros(len(src), len(params["W_hh"]))
    _, (context,) = cells.unroll(cells.rnn_step, words, (start,), lengths, _cell(params))
    return context


def reverse_padded(src: Tensor, lengths: Tensor) -> Tensor:
    """Each sentence turned around; the padding stays."""
    return recurrent.reverse_padded(src, lengths)


def decoder_step(words: Tensor, state: Tensor, params: Params) -> tuple[Tensor, Tensor]:
    """Logits of the next word, and the state that gave them."""
    (state,) = cells.rnn_step(params["E"][words], (state,), _cell(params))
    return F.linear(state, params["W_s"], params["b_s"]), state


def teacher_forcing(state: Tensor, targets: Tensor, bos: int, params: Params) -> Tensor:
    """Logits of every next word of given translations."""
    first = torch.full_like(targets[:, :1], bos)
    logits = []
    for words in torch.cat([first, targets], dim=1)[:, :-1].unbind(1):
        row, state = decoder_step(words, state, params)
        logits.append(row)
    return torch.stack(logits, dim=1)


def sequence_loss(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    """Mean negative log-likelihood of the real words."""
    return losses.sequence_loss(logits, targets, pad)


@dataclass(frozen=True)
class _Decoder:
    """The exercises' decoder as the library's decoding wants it."""

    state: Tensor
    params: Params

    def start(self, src: Tensor, src_lengths: Tensor | None) -> "_Decoder":
        return self

    def step(self, words: Tensor, state: "_Decoder") -> tuple[Tensor, "_Decoder", None]:
        logits, hidden = decoder_step(words, state.state, state.params)
        return logits, replace(state, state=hidden), None


def greedy_decode(
    state: Tensor, params: Params, bos: int, eos: int, pad: int, max_length: int
) -> Tensor:
    """The likeliest words up to <eos>, then the padding, in max_length columns."""
    decoder = _Decoder(state, params)
    rows = torch.zeros(len(state), 1, dtype=torch.long, device=state.device)
    decoded = decoding.greedy_decode(decoder, rows, None, bos=bos, eos=eos, max_length=max_length)
    full = [[*sentence.words, eos][:max_length] for sentence in decoded]
    return pad_ids([*full, [pad] * max_length], pad)[:-1]
