"""The library's functions with the plain arguments that the exercises have."""

import torch
from torch import Tensor

from attention_lib import cells, scores
from attention_lib.attention import attend, masked_softmax
from attention_lib.cells import CellParams
from attention_lib.masks import length_mask
from attention_lib.metrics import hard_alignment
from attention_lib.recurrent import reverse_padded

Params = dict[str, Tensor]


def additive_score(state: Tensor, memory: Tensor, W_a: Tensor, U_a: Tensor, v_a: Tensor) -> Tensor:
    """Score every source word against one decoder state a sentence."""
    return scores.additive_score((state @ W_a.mT)[:, None], memory @ U_a.mT, v_a)[:, 0]


def attention_weights(scores: Tensor, lengths: Tensor) -> Tensor:
    """Softmax over each sentence's own words."""
    return masked_softmax(scores, length_mask(lengths, scores.shape[1]))


def context_vector(weights: Tensor, memory: Tensor) -> Tensor:
    """The average of the memory by the weights."""
    return (weights[:, None] @ memory)[:, 0]


def read_both_ways(embedded: Tensor, lengths: Tensor, forward: Params, backward: Params) -> Tensor:
    """Two plain networks over a padded batch, one from each end; their states side by side."""
    turned = reverse_padded(embedded, lengths)
    ahead, back = _read(embedded, lengths, forward), _read(turned, lengths, backward)
    return torch.cat([ahead, reverse_padded(back, lengths)], -1)


def _read(embedded: Tensor, lengths: Tensor, p: Params) -> Tensor:
    start = embedded.new_zeros(len(embedded), len(p["b"]))
    params = CellParams(p["W"], p["U"], p["b"], torch.zeros_like(p["b"]))
    outputs, _ = cells.unroll(cells.rnn_step, embedded, (start,), lengths, params)
    return outputs


def bahdanau_step(
    embedded: Tensor, state: Tensor, memory: Tensor, lengths: Tensor, params: Params
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of Bahdanau's decoder: look with the state before, then step."""
    p = params
    e = additive_score(state, memory, p["W_a"], p["U_a"], p["v_a"])
    mask = length_mask(lengths, memory.shape[1])[:, None]
    context, weights = (part[:, 0] for part in attend(e[:, None], memory, mask))
    cell = CellParams(torch.cat([p["W"], p["C"]], 1), p["U"], p["b"], torch.zeros_like(p["b"]))
    (state,) = cells.rnn_step(torch.cat([embedded, context], -1), (state,), cell)
    return state, context, weights


def alignment_accuracy(weights: Tensor, gold: Tensor) -> float:
    """The share of linked target words whose largest weight lies on a linked source word."""
    linked = gold.any(-1)
    hits = (hard_alignment(weights) & gold).any(-1)
    return int(hits.sum()) / int(linked.sum()) if bool(linked.any()) else 1.0
