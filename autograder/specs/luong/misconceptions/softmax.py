"""Wrong masked softmaxes."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

MASKED_SOFTMAX = Bank()


@MASKED_SOFTMAX.add(
    "softmax over the queries instead of the keys",
    "Your columns sum to 1 and your rows do not: the softmax ran over the query axis. Each query "
    "shares out one unit of attention: which axis of (B, T, S) are its choices laid out on?",
)
def _wrong_axis(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -torch.inf).softmax(1)


@MASKED_SOFTMAX.add(
    "softmax over the sentences of the batch",
    "The weights of a cell add up to 1 over the sentences of the batch, so a batch of one gets all "
    "ones: the softmax ran over the first axis, as it also does when it is not told which. Each "
    "query shares out its attention among positions: which axis of (B, T, S) are those on?",
)
def _batch_axis(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -torch.inf).softmax(0)


@MASKED_SOFTMAX.add(
    "softmax over the whole matrix",
    "All the weights of a sentence together sum to 1, so each row sums to less. Every query has "
    "a distribution of its own: how many sums of 1 should there be?",
)
def _whole_matrix(scores: Tensor, mask: Tensor) -> Tensor:
    filled = scores.masked_fill(~mask, -torch.inf)
    return filled.flatten(1).softmax(-1).reshape(scores.shape)


@MASKED_SOFTMAX.add(
    "the mask is ignored",
    "Your rows sum to 1, but masked cells get a share of it: your numbers are those of a softmax "
    "that has never seen the mask. Is the mask used before the exponentials are summed?",
)
def _no_mask(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.softmax(-1)


@MASKED_SOFTMAX.add(
    "the mask is used upside down",
    "The weight lies exactly on the cells that should have none. In this course True means that a "
    "position may be attended to: which cells does your fill hit?",
)
def _inverted(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(mask, -torch.inf).softmax(-1)


@MASKED_SOFTMAX.add(
    "masked scores set to about 0 (times the mask, or filled with 1e-9)",
    "Masked cells still get weight, as if their score were 0: so it is when scores are multiplied "
    "by the mask, or filled with a tiny number such as 1e-9. But exp(0) is 1, and a score of 0 "
    "beats every negative one. Which score makes an exponential vanish?",
)
def _zero_scores(scores: Tensor, mask: Tensor) -> Tensor:
    return (scores * mask).softmax(-1)


@MASKED_SOFTMAX.add(
    "masked after the softmax, without normalising again",
    "Masked cells are 0, but your rows sum to less than 1: the masked positions took their share "
    "of the softmax before they were removed. What must the sum run over?",
)
def _mask_after(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.softmax(-1) * mask


@MASKED_SOFTMAX.add(
    "masked after the softmax and divided by what is left",
    "Most weights are right, but a row with nothing to attend to is NaN, and so is one whose "
    "masked scores are far above the open ones: the softmax gave nearly everything to the masked "
    "cells, and you divide by the 0 that is left. Can it be kept from ever seeing their scores?",
)
def _rescaled_after(scores: Tensor, mask: Tensor) -> Tensor:
    weights = scores.softmax(-1) * mask
    return weights / weights.sum(-1, keepdim=True)


@MASKED_SOFTMAX.add(
    "NaN in a row with nothing to attend to",
    "All is well until a row has nothing to attend to: there your weights are NaN. If every score "
    "of a row is −∞, what is the sum of the exponentials that you divide by?",
)
def _nan_rows(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -torch.inf).softmax(-1)


@MASKED_SOFTMAX.add(
    "NaN replaced after the softmax: gradients are still NaN",
    "Your weights are right, but the gradient of a row with nothing to attend to is NaN. Replacing "
    "NaN afterwards mends the forward pass only: the division 0/0 still happened, and the backward "
    "pass goes through it. Can the softmax of such a row get harmless numbers to begin with?",
)
def _hidden_nan(scores: Tensor, mask: Tensor) -> Tensor:
    # With masked_fill this would be right: its backward pass gives masked cells a 0 by itself.
    bias = torch.zeros_like(scores).masked_fill(~mask, -torch.inf)
    return (scores + bias).softmax(-1).nan_to_num(0.0)


@MASKED_SOFTMAX.add(
    "a finite fill such as −1e9",
    "A row with nothing to attend to comes out uniform, though all of it is masked: when every "
    "score is the same −1e9, the softmax sees a tie. Such a number does not fit into float16 "
    "either. What should the weights of masked cells be, whatever the softmax made of them?",
)
def _finite_fill(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -1e9).softmax(-1)


@MASKED_SOFTMAX.add(
    "exponentials of unshifted scores overflow",
    "Moderate scores are right; scores of ±10⁴ are not: exp(10000) is infinite and exp(−10000) is "
    "0, so you divide ∞ by ∞ or 0 by 0. Adding a constant to a row's scores leaves its weights as "
    "they are: which constant keeps the exponentials in range?",
)
def _no_shift(scores: Tensor, mask: Tensor) -> Tensor:
    exponentials = scores.exp() * mask
    return exponentials / exponentials.sum(-1, keepdim=True)


@MASKED_SOFTMAX.add(
    "unshifted exponentials, with a small number added to their sum",
    "The small number saves the empty rows, but not scores of ±10⁴: exp(10000) is infinite, and "
    "beside exp(−10000) the small number is all there is. Adding a constant to a row's scores "
    "leaves its weights as they are: which constant keeps the exponentials in range?",
)
def _no_shift_but_epsilon(scores: Tensor, mask: Tensor) -> Tensor:
    exponentials = scores.exp() * mask
    return exponentials / (exponentials.sum(-1, keepdim=True) + 1e-9)


@MASKED_SOFTMAX.add(
    "the largest score is looked for among the masked ones, too",
    "All is well until masked scores lie far above the open ones: then the open weights vanish. "
    "A softmax before the mask, or a shift by the largest score of all, measures the open scores "
    "by one that nobody may see. Against which scores should they be measured?",
)
def _measured_by_masked(scores: Tensor, mask: Tensor) -> Tensor:
    exponentials = (scores - scores.amax(-1, keepdim=True)).exp() * mask
    return exponentials / (exponentials.sum(-1, keepdim=True) + 1e-9)


@MASKED_SOFTMAX.add(
    "the caller's scores are overwritten",
    "Your weights are right, but the scores that were passed in have changed: a method whose name "
    "ends in _ or an assignment to scores[…] writes into the caller's tensor. Which operation "
    "returns a new one?",
)
def _in_place(scores: Tensor, mask: Tensor) -> Tensor:
    scores.masked_fill_(~mask, torch.finfo(scores.dtype).min)
    return scores.softmax(-1) * mask


@MASKED_SOFTMAX.add(
    "log-softmax instead of softmax",
    "Your values are negative or 0: these are the logarithms of weights. Which function gives "
    "the weights themselves?",
)
def _log_weights(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask, -torch.inf).log_softmax(-1)
