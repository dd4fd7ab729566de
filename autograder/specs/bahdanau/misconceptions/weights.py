"""Wrong softmaxes over a sentence's own words."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

ATTENTION_WEIGHTS = Bank()


def _real(scores: Tensor, lengths: Tensor) -> Tensor:
    return torch.arange(scores.shape[1], device=scores.device) < lengths[:, None]


def _softmax(scores: Tensor, real: Tensor) -> Tensor:
    return scores.masked_fill(~real, -torch.inf).softmax(-1)


@ATTENTION_WEIGHTS.add(
    "the lengths are ignored",
    "Your rows sum to 1, but padding gets a share of it: your numbers are those of a softmax that "
    "has never heard of lengths. Which positions hold a word?",
)
def _no_mask(scores: Tensor, lengths: Tensor) -> Tensor:
    return scores.softmax(-1)


@ATTENTION_WEIGHTS.add(
    "the padding is kept and the words are masked",
    "The weight lies exactly where there is no word. Your comparison with the lengths is right, "
    "but it picks the other side: which positions does your fill hit?",
)
def _inverted(scores: Tensor, lengths: Tensor) -> Tensor:
    return scores.masked_fill(_real(scores, lengths), -torch.inf).softmax(-1)


@ATTENTION_WEIGHTS.add(
    "one position too many counts as a word",
    "Each padded sentence gives weight to one position of its padding. Positions count from 0: of "
    "a sentence of 3 words, which is the last?",
)
def _one_more(scores: Tensor, lengths: Tensor) -> Tensor:
    return _softmax(scores, _real(scores, lengths + 1))


@ATTENTION_WEIGHTS.add(
    "the last word counts as padding",
    "Each sentence's last word gets no weight. Positions count from 0: of a sentence of 3 words, "
    "which is the last?",
)
def _one_fewer(scores: Tensor, lengths: Tensor) -> Tensor:
    return _softmax(scores, _real(scores, lengths - 1))


@ATTENTION_WEIGHTS.add(
    "scores at the padding set to 0",
    "Padding still gets weight, as if its score were 0: so it is when scores are multiplied by "
    "the mask or set to zero. But exp(0) is 1, and a score of 0 beats every negative one. Which "
    "score makes an exponential vanish?",
)
def _zero_scores(scores: Tensor, lengths: Tensor) -> Tensor:
    return (scores * _real(scores, lengths)).softmax(-1)


@ATTENTION_WEIGHTS.add(
    "padding removed after the softmax",
    "Padding gets 0, but your rows sum to less than 1: it took its share of the softmax before it "
    "was removed. What must the sum below the fraction line run over?",
)
def _mask_after(scores: Tensor, lengths: Tensor) -> Tensor:
    return scores.softmax(-1) * _real(scores, lengths)


@ATTENTION_WEIGHTS.add(
    "padding removed after the softmax, and divided by what is left",
    "Moderate scores are right. But if the padding's scores are far above the words', the softmax "
    "gives it everything, and you divide by the 0 that is left. Can it be kept from ever seeing "
    "the padding's scores?",
)
def _rescaled(scores: Tensor, lengths: Tensor) -> Tensor:
    weights = scores.softmax(-1) * _real(scores, lengths)
    return weights / weights.sum(-1, keepdim=True)


@ATTENTION_WEIGHTS.add(
    "softmax over the sentences of the batch",
    "The weights of a position add up to 1 over the sentences of the batch: the softmax ran over "
    "the first axis. A sentence shares out its attention among its own words: which axis of "
    "(B, S) are those on?",
)
def _batch_axis(scores: Tensor, lengths: Tensor) -> Tensor:
    filled = scores.masked_fill(~_real(scores, lengths), torch.finfo(scores.dtype).min)
    return filled.softmax(0)


@ATTENTION_WEIGHTS.add(
    "all sentences get the first one's length",
    "Every sentence is cut where the first of the batch ends. Each has a length of its own: what "
    "shape must the lengths have to be compared with S positions at once?",
)
def _first_length(scores: Tensor, lengths: Tensor) -> Tensor:
    return _softmax(scores, _real(scores, lengths[:1].expand_as(lengths)))


@ATTENTION_WEIGHTS.add(
    "exponentials of unshifted scores overflow",
    "Moderate scores are right; scores of ±10⁴ are not: exp(10000) is infinite and exp(−10000) is "
    "0, so you divide ∞ by ∞ or 0 by 0. Adding a constant to a row's scores leaves its weights as "
    "they are: which constant keeps the exponentials in range?",
)
def _no_shift(scores: Tensor, lengths: Tensor) -> Tensor:
    exponentials = scores.exp() * _real(scores, lengths)
    return exponentials / exponentials.sum(-1, keepdim=True)


@ATTENTION_WEIGHTS.add(
    "a fill of −1e9, which half precision does not know",
    "Your weights are right in float32. In float16 the largest number is 65504, so −1e9 does not "
    "fit, and your code stops. Which number is below every score in any precision?",
)
def _finite_fill(scores: Tensor, lengths: Tensor) -> Tensor:
    return scores.masked_fill(~_real(scores, lengths), -1e9).softmax(-1)


@ATTENTION_WEIGHTS.add(
    "the weights come out in float32",
    "Your weights are right, but float64 or half precision goes in and float32 comes out: a model "
    "in another precision would stop at the next product. Where is the dtype changed, and where "
    "could it be changed back?",
)
def _in_float32(scores: Tensor, lengths: Tensor) -> Tensor:
    return _softmax(scores.float(), _real(scores, lengths))


@ATTENTION_WEIGHTS.add(
    "the caller's scores are overwritten",
    "Your weights are right, but the scores that were passed in have changed: a method whose name "
    "ends in _ or an assignment to scores[…] writes into the caller's tensor. Which operation "
    "gives a new one?",
)
def _in_place(scores: Tensor, lengths: Tensor) -> Tensor:
    scores.masked_fill_(~_real(scores, lengths), -torch.inf)
    return scores.softmax(-1)


@ATTENTION_WEIGHTS.add(
    "scores divided by their sum, without exponentials",
    "Your rows sum to 1, but some weights are negative: the scores were divided by their sum as "
    "they are. Which function makes every score positive first?",
)
def _no_exponential(scores: Tensor, lengths: Tensor) -> Tensor:
    kept = scores * _real(scores, lengths)
    return kept / kept.sum(-1, keepdim=True)


@ATTENTION_WEIGHTS.add(
    "−∞ times the mask is added: NaN wherever a word stands",
    "All your weights are NaN: somewhere −∞ is multiplied by a mask, and at the words that is "
    "0 · ∞, which has no value. Is there a way to put −∞ at the padding without multiplying "
    "anything by it?",
)
def _zero_times_infinity(scores: Tensor, lengths: Tensor) -> Tensor:
    return (scores + ~_real(scores, lengths) * -torch.inf).softmax(-1)
