"""Wrong losses of padded batches."""

import math

import torch
from torch import Tensor

from autograder.checks.bank import Bank

SEQUENCE_LOSS = Bank()


def _costs(logits: Tensor, targets: Tensor) -> Tensor:
    """−log p of each target, (B, T)."""
    return -logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]


def _right(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return _costs(logits, targets)[targets != pad].mean()


@SEQUENCE_LOSS.add(
    "the padding is counted",
    "Your loss is the mean over all B × T positions, padding included: whoever predicts <pad> "
    "well is praised for it. Which positions hold a word?",
)
def _counts_padding(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return _costs(logits, targets).mean()


@SEQUENCE_LOSS.add(
    "the padding costs nothing, but is divided by",
    "The padding costs nothing, but you still divide by all B × T positions: the more padding, "
    "the smaller your loss. How many words were there to predict?",
)
def _divides_by_all(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return (_costs(logits, targets) * (targets != pad)).mean()


@SEQUENCE_LOSS.add(
    "the sum is not divided",
    "Your loss is the sum over the real words: it grows with the batch. What turns a sum into a "
    "mean?",
)
def _sum_only(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return _costs(logits, targets)[targets != pad].sum()


@SEQUENCE_LOSS.add(
    "divided by the number of sentences",
    "Your loss is the mean cost of a sentence, and a long one costs more than a short one. What "
    "does the formula divide by?",
)
def _per_sentence(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return _costs(logits, targets)[targets != pad].sum() / len(targets)


@SEQUENCE_LOSS.add(
    "divided by the size of the vocabulary as well",
    "Your loss is the right one divided by V: a mean has been taken over the vocabulary, too. Of "
    "the V numbers of a step only one is asked for: what is N in the formula?",
)
def _over_vocabulary(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return _right(logits, targets, pad) / logits.shape[-1]


@SEQUENCE_LOSS.add(
    "<pad> is taken out of the vocabulary",
    "Your probabilities sum to 1 over the words without <pad>: its logit was made infinitely "
    "small, or left out. The formula leaves out positions: over what does its softmax run?",
)
def _never_pad(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    words = torch.arange(logits.shape[-1], device=logits.device)
    return _right(logits.masked_fill(words == pad, -math.inf), targets, pad)


@SEQUENCE_LOSS.add(
    "a mean of the sentences' means",
    "You take the mean of each sentence first, and then the mean of these: a word in a short "
    "sentence weighs more than one in a long sentence. How much should each word weigh?",
)
def _mean_of_means(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    real = targets != pad
    return ((_costs(logits, targets) * real).sum(1) / real.sum(1)).mean()


@SEQUENCE_LOSS.add(
    "the padding is taken to be 0",
    "Your loss leaves out the id 0, whatever the padding's id is. Which argument says so?",
)
def _pad_is_zero(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return _right(logits, targets, 0)


@SEQUENCE_LOSS.add(
    "only the padding is counted",
    "Your loss is the mean over the padding, and the words are left out; without padding it is "
    "NaN. Which way round is your mask?",
)
def _inverted(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return _costs(logits, targets)[targets == pad].mean()


@SEQUENCE_LOSS.add(
    "the minus is missing",
    "Your loss is negative: the better the prediction, the larger it is. Which sign has the "
    "formula?",
)
def _positive(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return -_right(logits, targets, pad)


@SEQUENCE_LOSS.add(
    "no logarithm",
    "Your loss is the negative mean of the probabilities themselves. What does the formula take "
    "of a probability before it is averaged?",
)
def _no_log(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    probs = logits.softmax(-1).gather(-1, targets[..., None])[..., 0]
    return -probs[targets != pad].mean()


@SEQUENCE_LOSS.add(
    "no softmax",
    "Your loss is the negative mean of the logits of the right words: it falls when all logits "
    "rise together, and the wrong words have no say. What makes probabilities of logits?",
)
def _no_softmax(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return -logits.gather(-1, targets[..., None])[..., 0][targets != pad].mean()


@SEQUENCE_LOSS.add(
    "two softmaxes",
    "Your numbers are those of a softmax over a softmax: even a sure prediction costs something. "
    "How often are logits turned into probabilities?",
)
def _twice(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return _right(logits.softmax(-1), targets, pad)


@SEQUENCE_LOSS.add(
    "the softmax runs over the steps",
    "Your probabilities sum to 1 over the steps of a sentence. What are the alternatives that a "
    "step chooses among?",
)
def _over_steps(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    costs = -logits.log_softmax(1).gather(-1, targets[..., None])[..., 0]
    return costs[targets != pad].mean()


@SEQUENCE_LOSS.add(
    "infinite for large logits",
    "Your loss is right for small logits, and NaN or infinite for large ones: exp overflows, or "
    "the logarithm meets a probability that has become 0. Which function of torch does both in "
    "one, safely?",
)
def _unsafe(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    probs = logits.exp() / logits.exp().sum(-1, keepdim=True)
    costs = -probs.log().gather(-1, targets[..., None])[..., 0]
    return costs[targets != pad].mean()


@SEQUENCE_LOSS.add(
    "the logarithm of a probability that has become 0",
    "Your loss is right for small logits and infinite for large ones: a probability becomes 0 in "
    "the softmax, and then its logarithm is taken. Which function of torch does both in one?",
)
def _log_of_softmax(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    costs = -logits.softmax(-1).log().gather(-1, targets[..., None])[..., 0]
    return costs[targets != pad].mean()


@SEQUENCE_LOSS.add(
    "logits at the padding are set to 0 and still counted",
    "Each position of padding costs the logarithm of V: its logits were set to 0, and then it was "
    "counted like a word. What has to be left out, the logits or the cost?",
)
def _zeroed(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return _costs(logits * (targets != pad)[..., None], targets).mean()


@SEQUENCE_LOSS.add(
    "the targets are shifted once more",
    "Step t is held to target t + 1. The logits of step t are about target t already: who has "
    "taken care of the shift?",
)
def _shifted(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    if targets.shape[1] == 1:
        return _right(logits, targets, pad)
    return _right(logits[:, :-1], targets[:, 1:], pad)


@SEQUENCE_LOSS.add(
    "a logarithm with base 2",
    "Your loss is in bits: it is the right one divided by the logarithm of 2. Which logarithm "
    "undoes the exp of a softmax?",
)
def _bits(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return _right(logits, targets, pad) / math.log(2)


@SEQUENCE_LOSS.add(
    "the loss is cut off from the logits",
    "Your numbers are right, but no gradient reaches the logits: somewhere a tensor became a "
    "plain number, or was detached. What can training learn from such a loss?",
)
def _detached(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    return _right(logits.detach(), targets, pad)


@SEQUENCE_LOSS.add(
    "a plain number is returned",
    "You return a number of Python's, which has forgotten the logits it came from. What does "
    "training ask of a loss that only a tensor can give?",
)
def _plain_number(logits: Tensor, targets: Tensor, pad: int) -> float:
    return _right(logits, targets, pad).item()


@SEQUENCE_LOSS.add(
    "the caller's targets are overwritten",
    "Your numbers are right, but the targets that were passed in have changed. An assignment to "
    "targets[…] writes into the caller's tensor: how else can the padding be left out?",
)
def _in_place(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    real = targets != pad
    targets[~real] = (pad + 1) % logits.shape[-1]
    return _costs(logits, targets)[real].mean()
