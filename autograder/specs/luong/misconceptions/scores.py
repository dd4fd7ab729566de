"""Wrong general and concat scores."""

import math

import torch
from torch import Tensor

from autograder.checks.bank import Bank

GENERAL_SCORE = Bank()
CONCAT_SCORE = Bank()

_SQUEEZED = (
    "With one sentence, one step or one position an axis of your result disappears: squeeze() "
    "without a dim drops every axis of size 1, not just the one you mean. Which one do you mean?"
)
_NORMALISED = (
    "Your rows are positive and sum to 1: you return weights, and what is asked for are the scores "
    "that the softmax will be given. Which step is one too many?"
)
_TURNED = (
    "Your result has shape (B, S, T), with the numbers of each matrix transposed. Weights are "
    "asked for by step: which axis should the queries be on?"
)


@GENERAL_SCORE.add(
    "W is used transposed",
    "Only a symmetric W gives right scores, and a W that is not square fails: your W meets "
    "the key's numbers where it should meet the query's. W is (d_q, d_k): which of its axes fits "
    "which vector?",
)
def _transposed_w(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return query @ weight.mT @ key.mT


@GENERAL_SCORE.add(
    "key and query have changed places",
    "You start from the key: only with d_q = d_k does that run, and then it gives (B, S, T). The "
    "first axis of W is d_q and the second d_k: which vector stands to the left of W in the "
    "formula, and which to the right?",
)
def _changed_places(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return key @ weight @ query.mT


@GENERAL_SCORE.add(
    "W is ignored",
    "Your scores are plain dot products: right when W is the identity, and only then. Where does "
    "W stand between query and key?",
)
def _dot(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return query @ key.mT


@GENERAL_SCORE.add("query and key axes are swapped", _TURNED)
def _turned(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return (query @ weight @ key.mT).mT


@GENERAL_SCORE.add(
    "divided by √d_k",
    "Your scores are the right ones divided by the root of the key's size. That is the scaled "
    "dot product of the Transformer: does Luong's general score have a scale?",
)
def _scaled_by_key(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return query @ weight @ key.mT / math.sqrt(key.shape[-1])


@GENERAL_SCORE.add(
    "divided by √d_q",
    "Your scores are the right ones divided by the root of the query's size. The learned W can "
    "scale by itself: does Luong's general score have a scale?",
)
def _scaled_by_query(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return query @ weight @ key.mT / math.sqrt(query.shape[-1])


@GENERAL_SCORE.add(
    "a tanh around the score",
    "All your scores lie between −1 and 1: a tanh is around them. Which of Luong's scores has "
    "a tanh in it?",
)
def _tanh(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(query @ weight @ key.mT)


@GENERAL_SCORE.add(
    "a tanh on the projected key",
    "Your scores are those of keys that went through a tanh after W. The general score is linear "
    "in query and in key: where does something bend?",
)
def _tanh_inside(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return query @ torch.tanh(key @ weight.mT).mT


@GENERAL_SCORE.add("squeeze() without a dim", _SQUEEZED)
def _squeezed(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return (query @ weight @ key.mT).squeeze()


@GENERAL_SCORE.add("weights returned instead of scores", _NORMALISED)
def _normalised(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return (query @ weight @ key.mT).softmax(-1)


@GENERAL_SCORE.add(
    "keys of all sentences summed",
    "With one sentence your scores are right; with more, each is a sum over the keys of all "
    "sentences. In an einsum, a letter that only one operand has is summed over: do query and key "
    "share theirs for the batch?",
)
def _over_the_batch(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return torch.einsum("btd,de,cse->bts", query, weight, key)


@GENERAL_SCORE.add(
    "the result is cut off from the inputs: no gradient",
    "Your scores are right, but no gradient reaches query, key or W, so a model could not learn "
    "through them. .detach(), .data, .tolist(), NumPy and torch.no_grad() all cut that line: "
    "where does your result pass through one?",
)
def _no_gradient(query: Tensor, key: Tensor, weight: Tensor) -> Tensor:
    return (query @ weight @ key.mT).detach()


def _joined(query: Tensor, key: Tensor, key_first: bool = False) -> Tensor:
    """(B, T, S, d_q + d_k): every query beside every key."""
    steps, positions = query.shape[1], key.shape[1]
    q = query[:, :, None].expand(-1, -1, positions, -1)
    k = key[:, None].expand(-1, steps, -1, -1)
    return torch.cat([k, q] if key_first else [q, k], -1)


@CONCAT_SCORE.add(
    "the tanh is missing",
    "Your scores grow without bound when the inputs do: they are linear. Then the query adds the "
    "same amount to every position, and the softmax forgets it. What stands between W and v?",
)
def _no_tanh(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    return _joined(query, key) @ weight.mT @ v


@CONCAT_SCORE.add(
    "ReLU instead of tanh",
    "Your numbers are those of a ReLU: large inputs give large scores, negative ones are cut off. "
    "Which function keeps everything within ±1?",
)
def _relu(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    return torch.relu(_joined(query, key) @ weight.mT) @ v


@CONCAT_SCORE.add(
    "sigmoid instead of tanh",
    "Your numbers are those of a sigmoid between W and v: it runs from 0 to 1. Which function of "
    "the same form runs from −1 to 1?",
)
def _sigmoid(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    return torch.sigmoid(_joined(query, key) @ weight.mT) @ v


@CONCAT_SCORE.add(
    "key before query",
    "Your scores are those of [key; query]. The columns of W belong to the two parts in "
    "a fixed order: which part comes first in [h_t; h̄_s]?",
)
def _key_first(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    return torch.tanh(_joined(query, key, key_first=True) @ weight.mT) @ v


@CONCAT_SCORE.add(
    "the tanh is around the whole score",
    "All your scores lie within ±1: the tanh is the last thing you do. Which product comes after "
    "it in vᵀ tanh(W [q; k])?",
)
def _tanh_outside(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    return torch.tanh(_joined(query, key) @ weight.mT @ v)


@CONCAT_SCORE.add(
    "v is left out",
    "Your scores are plain sums of the hidden values, each counted once. Which vector says how "
    "much each of them counts?",
)
def _no_v(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    return torch.tanh(_joined(query, key) @ weight.mT).sum(-1)


@CONCAT_SCORE.add("query and key axes are swapped", _TURNED)
def _turned_concat(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    return (torch.tanh(_joined(query, key) @ weight.mT) @ v).mT


@CONCAT_SCORE.add("squeeze() without a dim", _SQUEEZED)
def _squeezed_concat(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    return (torch.tanh(_joined(query, key) @ weight.mT) @ v).squeeze()


@CONCAT_SCORE.add("weights returned instead of scores", _NORMALISED)
def _normalised_concat(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    return (torch.tanh(_joined(query, key) @ weight.mT) @ v).softmax(-1)


@CONCAT_SCORE.add(
    "one half of W is used for both query and key",
    "Query and key go through the same columns of W, so equal sizes give wrong scores and "
    "different sizes fail. W has d_q + d_k columns: whose are the others?",
)
def _one_half(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    half = weight[:, : query.shape[-1]]
    return torch.tanh((query @ half.mT)[:, :, None] + (key @ half.mT)[:, None]) @ v


@CONCAT_SCORE.add(
    "two tanhs: query and key apart",
    "Your numbers are those of tanh(W_q q) + tanh(W_k k): each part bends by itself. In the "
    "formula the two meet first: is the tanh of a sum the sum of the tanhs?",
)
def _two_tanhs(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    w_query, w_key = weight.split([query.shape[-1], key.shape[-1]], 1)
    return (torch.tanh(query @ w_query.mT)[:, :, None] + torch.tanh(key @ w_key.mT)[:, None]) @ v


@CONCAT_SCORE.add(
    "pairs are laid out in the wrong order",
    "With one step or one position your scores are right; else they belong to other pairs: "
    "repeat() lays copies of the whole block one after another, and the reshape reads them as "
    "something else. Which axis should be copied for the query, and which for the key?",
)
def _wrong_pairs(query: Tensor, key: Tensor, weight: Tensor, v: Tensor) -> Tensor:
    batch, steps, positions = query.shape[0], query.shape[1], key.shape[1]
    q = query.repeat(1, positions, 1).reshape(batch, steps, positions, -1)
    k = key.repeat(1, steps, 1).reshape(batch, steps, positions, -1)
    return torch.tanh(torch.cat([q, k], -1) @ weight.mT) @ v
