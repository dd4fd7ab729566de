"""Wrong hand calculations and wrong kernel regressions, in NumPy."""

import numpy as np

from autograder.checks.bank import Bank
from autograder.specs.self_attention.oracles import Array

BY_HAND = Bank()
KERNEL_REGRESSION = Bank()

Parts = tuple[Array, Array, Array]


def _shares(scores: Array, axis: int | None = -1) -> Array:
    exponentials = np.exp(scores - scores.max(axis=axis, keepdims=True))
    shares: Array = exponentials / exponentials.sum(axis=axis, keepdims=True)
    return shares


def _finish(scores: Array, weights: Array, x: Array) -> Parts:
    return scores, weights, weights @ x


@BY_HAND.add(
    "softmax over the columns instead of the rows",
    "Your scores are right, but the columns of your weights sum to 1 and the rows do not. The "
    "scores are symmetric, so nothing else looks wrong. Row i belongs to the token that asks: "
    "over which axis does it share out its attention?",
)
def _columns(x: Array) -> Parts:
    scores = x @ x.T
    return _finish(scores, _shares(scores, axis=0), x)


@BY_HAND.add(
    "softmax over the whole matrix",
    "All your weights together sum to 1, so each row sums to less. Every token asks for itself: "
    "how many sums of 1 should there be?",
)
def _whole(x: Array) -> Parts:
    scores = x @ x.T
    return _finish(scores, _shares(scores, axis=None), x)


@BY_HAND.add(
    "XᵀX instead of XXᵀ",
    "Your scores are (d, d): they compare the numbers of the vectors with each other. With tokens "
    "as rows, which product has one row and one column for each *token*?",
)
def _transposed(x: Array) -> Parts:
    scores = x.T @ x
    weights = _shares(scores)
    return scores, weights, (weights @ x.T).T


@BY_HAND.add(
    "scores divided by √d",
    "Your scores are the right ones divided by the root of the vectors' size. That is the next "
    "step of the chapter; what does the formula of *this* exercise do between the product and the "
    "softmax?",
)
def _scaled(x: Array) -> Parts:
    scores = x @ x.T / np.sqrt(x.shape[-1])
    return _finish(scores, _shares(scores), x)


@BY_HAND.add(
    "scores right, but the softmax divides them by √d",
    "Your scores are right, but your weights are those of scores divided by the root of the "
    "vectors' size. Does the formula of this exercise have a scale?",
)
def _scaled_weights(x: Array) -> Parts:
    scores = x @ x.T
    return _finish(scores, _shares(scores / np.sqrt(x.shape[-1])), x)


@BY_HAND.add(
    "exponentials of unshifted scores overflow",
    "Small numbers are right, large ones give NaN: the exponential of 1000 is infinite, and ∞/∞ is "
    "no number. Taking the same amount from every score of a row leaves its weights as they are: "
    "which amount keeps the exponentials small?",
)
def _overflow(x: Array) -> Parts:
    scores = x @ x.T
    with np.errstate(all="ignore"):
        exponentials = np.exp(scores)
        return _finish(scores, exponentials / exponentials.sum(axis=1, keepdims=True), x)


@BY_HAND.add(
    "the scores come back shifted",
    "Your weights and your context are right. The scores are no longer those of XXᵀ: the largest "
    "of each row is 0. A shift helps the exponentials: must the scores that you return be shifted, "
    "too?",
)
def _shifted(x: Array) -> Parts:
    scores = x @ x.T
    return _finish(scores - scores.max(axis=1, keepdims=True), _shares(scores), x)


@BY_HAND.add(
    "all rows shifted by the largest score of the whole matrix",
    "All is well until the scores are large: then rows whose own scores are far below the largest "
    "of the matrix have exponentials of 0, and 0/0 is no number. A shift cancels within a row: "
    "whose largest score should a row be measured by?",
)
def _one_shift(x: Array) -> Parts:
    scores = x @ x.T
    with np.errstate(all="ignore"):
        exponentials = np.exp(scores - scores.max())
        return _finish(scores, exponentials / exponentials.sum(axis=1, keepdims=True), x)


@BY_HAND.add(
    "scores divided by their sum, without the exponential",
    "Your rows sum to 1, but they are shares of the scores themselves: 11 of 31 where a softmax "
    "gives e¹¹ its part. What makes a softmax favour the largest so strongly, and keeps negative "
    "scores from making negative weights?",
)
def _proportional(x: Array) -> Parts:
    scores = x @ x.T
    with np.errstate(all="ignore"):
        return _finish(scores, scores / scores.sum(axis=1, keepdims=True), x)


@BY_HAND.add(
    "exponentials that are not divided by their sum",
    "Your weights are exponentials, and the rows do not sum to 1. By what must each row be divided "
    "to become shares?",
)
def _not_divided(x: Array) -> Parts:
    scores = x @ x.T
    return _finish(scores, np.exp(scores - scores.max(axis=1, keepdims=True)), x)


@BY_HAND.add(
    "divided by the sum of the whole matrix's exponentials, row by row shifted",
    "Each row is shifted by its own largest score, as it should be, but then divided by the sum of "
    "*all* exponentials. In NumPy a sum without an axis runs over everything: which axis belongs "
    "to one token's choices?",
)
def _one_sum(x: Array) -> Parts:
    scores = x @ x.T
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return _finish(scores, exponentials / exponentials.sum(), x)


@BY_HAND.add(
    "row sums divided along the wrong axis",
    "You divide column j by the sum of row j. An array of n sums without its second axis is laid "
    "out along the columns when it meets an (n, n) matrix. How does a sum keep the axis it ran "
    "over, so that it stays a column?",
)
def _broadcast(x: Array) -> Parts:
    scores = x @ x.T
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return _finish(scores, exponentials / exponentials.sum(axis=1), x)


@BY_HAND.add(
    "weights rounded to four digits",
    "Your weights are the right ones, rounded. What a book prints need not be what the computer "
    "goes on with: where do you round, and who asked for it?",
)
def _rounded(x: Array) -> Parts:
    scores = x @ x.T
    return _finish(scores, _shares(scores).round(4), x)


@BY_HAND.add(
    "weights used transposed for the context",
    "Scores and weights are right, the context is not: you let column i of the weights average "
    "the tokens, and a column does not sum to 1. Whose shares are in row i?",
)
def _context_transposed(x: Array) -> Parts:
    scores = x @ x.T
    weights = _shares(scores)
    return scores, weights, weights.T @ x


@BY_HAND.add(
    "vectors brought to length 1 before they are compared",
    "Your scores lie between −1 and 1: they are cosines. XXᵀ holds plain dot products, in which a "
    "long vector scores higher: what do you divide by that the formula does not?",
)
def _cosine(x: Array) -> Parts:
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    scores = unit @ unit.T
    return _finish(scores, _shares(scores), x)


def _squares(query: Array, key: Array) -> Array:
    squares: Array = ((query[:, None] - key[None]) ** 2).sum(-1)
    return squares


@KERNEL_REGRESSION.add(
    "the 2 is missing: exp(−d²/w²)",
    "Your kernel is too narrow by a factor of √2, as if the exponent were −d²/w². What else stands "
    "below the fraction line?",
)
def _no_two(query: Array, key: Array, value: Array, width: float) -> Array:
    return _shares(-_squares(query, key) / width**2) @ value


@KERNEL_REGRESSION.add(
    "the width is not squared",
    "Your answers are right for a width of 1 only: the exponent is −d²/2w. If pages became "
    "centimetres, d² would change by a factor squared: which power of w keeps the fraction the "
    "same?",
)
def _plain_width(query: Array, key: Array, value: Array, width: float) -> Array:
    return _shares(-_squares(query, key) / (2 * width)) @ value


@KERNEL_REGRESSION.add(
    "a / 2 * w**2 multiplies by w²",
    "Your kernel grows narrower as w grows. Python reads a fraction from left to right: in "
    "d² / 2 * w², what is w² doing? Where do the brackets belong?",
)
def _precedence(query: Array, key: Array, value: Array, width: float) -> Array:
    return _shares(-_squares(query, key) / 2 * width**2) @ value


@KERNEL_REGRESSION.add(
    "distances are not squared",
    "Your kernel has a peak where it should have a round top: the exponent holds the distance, not "
    "its square. A norm takes a root: is it taken back?",
)
def _distances(query: Array, key: Array, value: Array, width: float) -> Array:
    return _shares(-np.sqrt(_squares(query, key)) / (2 * width**2)) @ value


@KERNEL_REGRESSION.add(
    "differences summed as absolute values",
    "With keys of one number your answers are nearly what one expects; with more the distance is "
    "that of a taxi, along the axes, and then squared. What is summed over the components of q − k "
    "in ‖q − k‖²?",
)
def _taxi(query: Array, key: Array, value: Array, width: float) -> Array:
    gaps = np.abs(query[:, None] - key[None]).sum(-1)
    return _shares(-(gaps**2) / (2 * width**2)) @ value


@KERNEL_REGRESSION.add(
    "differences squared, but not summed over the components",
    "Your function is written for keys of one number, as the chapter's is. Here a key has d of "
    "them, and the differences are (L_q, L_k, d): one of these axes has to go before the softmax. "
    "Which one does ‖q − k‖² sum over?",
)
def _unsummed(query: Array, key: Array, value: Array, width: float) -> Array:
    gaps = query[:, None] - key[None]
    return _shares(-(gaps**2) / (2 * width**2)) @ value


@KERNEL_REGRESSION.add(
    "mean over the components instead of the sum",
    "With keys of one number your answers are right; with more your distances are too small: you "
    "average the squared differences over the components. What does ‖q − k‖² do with them?",
)
def _mean(query: Array, key: Array, value: Array, width: float) -> Array:
    squares = ((query[:, None] - key[None]) ** 2).mean(-1)
    return _shares(-squares / (2 * width**2)) @ value


@KERNEL_REGRESSION.add(
    "the minus is missing",
    "Your examples count the more, the further away they are. Which sign makes an exponential "
    "shrink with distance?",
)
def _no_minus(query: Array, key: Array, value: Array, width: float) -> Array:
    return _shares(_squares(query, key) / (2 * width**2)) @ value


@KERNEL_REGRESSION.add(
    "not divided by the sum of the kernels",
    "Your answers are sums, not averages: examples that all have the value 5 should make you "
    "answer 5. What stands below the fraction line of the estimate?",
)
def _sums(query: Array, key: Array, value: Array, width: float) -> Array:
    return np.exp(-_squares(query, key) / (2 * width**2)) @ value


@KERNEL_REGRESSION.add(
    "far from every example all kernels are 0: NaN",
    "Near the examples your answers are right. Far away every kernel underflows to 0, and 0/0 is "
    "no number. The shares depend only on *differences* of the exponents: what could be taken "
    "from all of a row before the exponential, so that one of them is surely not 0?",
)
def _underflow(query: Array, key: Array, value: Array, width: float) -> Array:
    with np.errstate(all="ignore"):
        kernels = np.exp(-_squares(query, key) / (2 * width**2))
        return kernels / kernels.sum(-1, keepdims=True) @ value


@KERNEL_REGRESSION.add(
    "a small number added to the sum of the kernels",
    "Far from every example you answer 0: all kernels are 0 there, and the small number below the "
    "fraction line is all there is. Nobody has seen a value of 0. How can the nearest example be "
    "kept from underflowing instead?",
)
def _epsilon(query: Array, key: Array, value: Array, width: float) -> Array:
    kernels = np.exp(-_squares(query, key) / (2 * width**2))
    return kernels / (kernels.sum(-1, keepdims=True) + 1e-9) @ value


@KERNEL_REGRESSION.add(
    "shares over the questions instead of the examples",
    "Your weights of each example sum to 1 over the questions. Each question divides one unit of "
    "belief among the examples: which axis are those on?",
)
def _wrong_axis(query: Array, key: Array, value: Array, width: float) -> Array:
    return _shares(-_squares(query, key) / (2 * width**2), axis=0) @ value


@KERNEL_REGRESSION.add(
    "dot products instead of distances",
    "Your answers change when questions and examples are moved by the same vector: you compare by "
    "dot product. What does the kernel of this exercise look at?",
)
def _dots(query: Array, key: Array, value: Array, width: float) -> Array:
    return _shares(query @ key.T / width**2) @ value


@KERNEL_REGRESSION.add(
    "only the nearest example is believed",
    "You answer with the value of the nearest example, as a kernel without width would. What do "
    "the others contribute, and what decides how much?",
)
def _nearest(query: Array, key: Array, value: Array, width: float) -> Array:
    return value[_squares(query, key).argmin(-1)]


@KERNEL_REGRESSION.add(
    "squeeze() without an axis",
    "With one question, one example or one number an axis of your result disappears: squeeze() "
    "drops every axis of size 1, not just the one you mean. Which one do you mean, if any?",
)
def _squeezed(query: Array, key: Array, value: Array, width: float) -> Array:
    return np.squeeze(_shares(-_squares(query, key) / (2 * width**2)) @ value)
