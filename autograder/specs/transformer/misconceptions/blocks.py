"""Wrong residuals and feed-forward layers."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.checks.bank import Bank
from autograder.specs.transformer import oracles
from autograder.specs.transformer.oracles import EPS, Params

RESIDUAL = Bank()
FEED_FORWARD = Bank()

Sublayer = Callable[[Tensor], Tensor]
LayerNorm = Callable[[Tensor, Tensor, Tensor], Tensor]


def _norm(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    return F.layer_norm(x, gain.shape, gain, bias, EPS)


def _around(
    layer_norm: LayerNorm, x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str
) -> Tensor:
    """A residual that is right, around a layer norm that is not."""
    if norm == "pre":
        return x + sublayer(layer_norm(x, gain, bias))
    return layer_norm(x + sublayer(x), gain, bias)


@RESIDUAL.add(
    "nothing is added: the stream is replaced",
    "Your numbers are those of the sub-layer alone, normalised. What the token brought along is "
    "lost at every sub-layer. What does *residual* say should be left over of x?",
)
def _replaced(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    if norm == "pre":
        return sublayer(_norm(x, gain, bias))
    return _norm(sublayer(x), gain, bias)


@RESIDUAL.add(
    "post-norm whatever is asked for",
    "Post-norm is right, and pre-norm gives the same numbers. Which argument decides between the "
    "two, and where do you look at it?",
)
def _always_post(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    return _norm(x + sublayer(x), gain, bias)


@RESIDUAL.add(
    "pre-norm whatever is asked for",
    "Pre-norm is right, and post-norm gives the same numbers. Which argument decides between the "
    "two, and where do you look at it?",
)
def _always_pre(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    return x + sublayer(_norm(x, gain, bias))


@RESIDUAL.add(
    "pre and post the wrong way round",
    "Both orders are there, each under the other's name. *Post* and *pre* say when the norm comes: "
    "after what, and before what?",
)
def _swapped(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    return oracles.residual(x, sublayer, gain, bias, "post" if norm == "pre" else "pre")


@RESIDUAL.add(
    "post: the sub-layer's answer is normalised, then added",
    "With post-norm you normalise what the sub-layer says and then add it to x. So the stream "
    "itself is never brought back to scale. In the formula, what stands between the brackets of "
    "LayerNorm?",
)
def _norm_inside(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    if norm == "pre":
        return x + sublayer(_norm(x, gain, bias))
    return x + _norm(sublayer(x), gain, bias)


@RESIDUAL.add(
    "pre: the normalised stream is carried on",
    "With pre-norm you add the sub-layer's answer to the *normalised* x. Then no token keeps its "
    "own numbers through the stack. Which of the two, x or its norm, does the formula add to?",
)
def _stream_normed(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    if norm == "pre":
        x = _norm(x, gain, bias)
        return x + sublayer(x)
    return _norm(x + sublayer(x), gain, bias)


@RESIDUAL.add(
    "pre: normalised a second time at the end",
    "Post-norm is right. With pre-norm you normalise before the sub-layer, as you should, and then "
    "the sum once more. What would be left then of a stream that nobody touches?",
)
def _both_norms(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    read = _norm(x, gain, bias) if norm == "pre" else x
    return _norm(x + sublayer(read), gain, bias)


@RESIDUAL.add(
    "post: the sub-layer reads the normalised x, too",
    "Pre-norm is right. With post-norm the sub-layer reads a normalised x, and the sum is "
    "normalised as well. How often does LayerNorm stand in the formula of post-norm?",
)
def _norm_twice(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    total = x + sublayer(_norm(x, gain, bias))
    return total if norm == "pre" else _norm(total, gain, bias)


@RESIDUAL.add(
    "variance divided by d − 1",
    "Your norm is a little too small everywhere, the more so the fewer features there are. Torch's "
    "var and std divide by d − 1 unless told otherwise. By what does the formula divide?",
)
def _unbiased(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    def layer_norm(z: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        scale = (z.var(-1, keepdim=True) + EPS).sqrt()
        return (z - z.mean(-1, keepdim=True)) / scale * gain + bias

    return _around(layer_norm, x, sublayer, gain, bias, norm)


@RESIDUAL.add(
    "std of torch, with d − 1, and 1e-5 added to it",
    "Your norm is a little too small everywhere: torch's std divides by d − 1 unless told "
    "otherwise, and the 1e-5 stands outside the root. What does the formula divide by, and what "
    "stands under its root?",
)
def _unbiased_std(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    def layer_norm(z: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        return (z - z.mean(-1, keepdim=True)) / (z.std(-1, keepdim=True) + EPS) * gain + bias

    return _around(layer_norm, x, sublayer, gain, bias, norm)


@RESIDUAL.add(
    "1e-5 added to the root instead of the variance",
    "All is right until the numbers are tiny: there 1e-5 beside a root is far less than 1e-5 under "
    "it. Where does the formula put it?",
)
def _outer_eps(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    def layer_norm(z: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        centred = z - z.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True).sqrt() + EPS) * gain + bias

    return _around(layer_norm, x, sublayer, gain, bias, norm)


@RESIDUAL.add(
    "nothing added to the variance",
    "A token whose features are all alike has no variance, and you divide 0 by 0. Tiny numbers "
    "are off, too. What does the formula add under the root?",
)
def _no_eps(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    def layer_norm(z: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        centred = z - z.mean(-1, keepdim=True)
        return centred / centred.square().mean(-1, keepdim=True).sqrt() * gain + bias

    return _around(layer_norm, x, sublayer, gain, bias, norm)


@RESIDUAL.add(
    "divided by the variance, not by its root",
    "Your tokens do not come out with a variance of 1: you divide by the variance itself. If all "
    "numbers were doubled, by how much would their variance grow, and what would be left after "
    "your division?",
)
def _by_variance(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    def layer_norm(z: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        centred = z - z.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + EPS) * gain + bias

    return _around(layer_norm, x, sublayer, gain, bias, norm)


@RESIDUAL.add(
    "the mean is not taken away",
    "Your tokens are brought to scale but not to the middle: their mean is not 0 before gain and "
    "bias. (That is RMSNorm, which came later.) What does the formula take from x first?",
)
def _no_mean(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    def layer_norm(z: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        return z / (z.square().mean(-1, keepdim=True) + EPS).sqrt() * gain + bias

    return _around(layer_norm, x, sublayer, gain, bias, norm)


def _over(axes: tuple[int, ...]) -> LayerNorm:
    def layer_norm(z: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        centred = z - z.mean(axes, keepdim=True)
        scale = (centred.square().mean(axes, keepdim=True) + EPS).sqrt()
        return centred / scale * gain + bias

    return layer_norm


@RESIDUAL.add(
    "normalised over the whole sentence",
    "Your mean and variance run over all tokens of a sentence together, so a token depends on its "
    "neighbours, and on the padding. Whose numbers does LayerNorm look at?",
)
def _sentence(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    return _around(_over((-2, -1)), x, sublayer, gain, bias, norm)


@RESIDUAL.add(
    "normalised along the tokens instead of the features",
    "Your mean and variance run along the sentence, feature by feature, so that a sentence of one "
    "token comes out as the bias alone. Which axis holds the features of a token?",
)
def _along_tokens(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    return _around(_over((1,)), x, sublayer, gain, bias, norm)


@RESIDUAL.add(
    "normalised over the batch",
    "Your mean and variance run over the sentences of the batch, as a batch norm's do. A "
    "translation then depends on which other sentences are in its batch. Which axis holds the "
    "features of a token?",
)
def _over_batch(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    return _around(_over((0,)), x, sublayer, gain, bias, norm)


@RESIDUAL.add(
    "gain and bias are not used",
    "Your tokens have a mean of 0 and a variance of 1, and stay like that. The layer is given two "
    "vectors that let it choose another scale and middle for each feature. Where do they go?",
)
def _plain(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    return _around(lambda z, g, b: F.layer_norm(z, g.shape, eps=EPS), x, sublayer, gain, bias, norm)


@RESIDUAL.add(
    "the bias is not used",
    "Your numbers are off by the same vector for every token of a post-norm. The gain is there: "
    "what else does the formula of LayerNorm end with?",
)
def _no_bias(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    return _around(
        lambda z, g, b: F.layer_norm(z, g.shape, g, eps=EPS), x, sublayer, gain, bias, norm
    )


@RESIDUAL.add(
    "the stream is added to itself in place",
    "Your values are right, but += writes into the tensor that you were given. Whoever called you "
    "still needs it, and so does the backward pass. How do you make a new tensor instead?",
)
def _in_place(x: Tensor, sublayer: Sublayer, gain: Tensor, bias: Tensor, norm: str) -> Tensor:
    read = _norm(x, gain, bias) if norm == "pre" else x
    x += sublayer(read)
    return x.clone() if norm == "pre" else _norm(x, gain, bias)


def _inner(x: Tensor, params: Params) -> Tensor:
    return x @ params["W_1"] + params["b_1"]


def _outer(inner: Tensor, params: Params) -> Tensor:
    return inner @ params["W_2"] + params["b_2"]


@FEED_FORWARD.add(
    "no ReLU",
    "Your layer is linear: two matrices in a row are one matrix, so the d_ff hidden units gain "
    "nothing. What stands between them in the formula?",
)
def _no_relu(x: Tensor, params: Params) -> Tensor:
    return _outer(_inner(x, params), params)


@FEED_FORWARD.add(
    "a second ReLU at the end",
    "None of your results is negative: there is a ReLU after the second matrix as well. If a "
    "sub-layer can only ever add, what can the stream never be told?",
)
def _second_relu(x: Tensor, params: Params) -> Tensor:
    return _outer(_inner(x, params).relu(), params).relu()


@FEED_FORWARD.add(
    "the ReLU comes after the second matrix",
    "None of your results is negative: your only ReLU comes last. Between the two matrices nothing "
    "happens, so they are one. Around which of the two products does the max stand?",
)
def _late_relu(x: Tensor, params: Params) -> Tensor:
    return _outer(_inner(x, params), params).relu()


@FEED_FORWARD.add(
    "the ReLU comes before the first bias",
    "You apply the ReLU to the product and add b_1 afterwards. A hidden unit can then not be "
    "switched off by its bias. What stands inside the max?",
)
def _early_relu(x: Tensor, params: Params) -> Tensor:
    return _outer((x @ params["W_1"]).relu() + params["b_1"], params)


@FEED_FORWARD.add(
    "the ReLU is applied to the tokens",
    "You cut off the negative numbers of x before anything is computed from it, and half of what "
    "a token knows is gone. What stands inside the max?",
)
def _relu_first(x: Tensor, params: Params) -> Tensor:
    return _outer(_inner(x.relu(), params), params)


@FEED_FORWARD.add(
    "GELU instead of ReLU",
    "Your numbers are close, but smooth: that is a GELU, as BERT and GPT use it. Which function "
    "does the formula of this exercise use?",
)
def _gelu(x: Tensor, params: Params) -> Tensor:
    return _outer(F.gelu(_inner(x, params)), params)


@FEED_FORWARD.add(
    "tanh instead of ReLU",
    "Your hidden units are squeezed between −1 and 1. What does the max of the formula do to a "
    "large number?",
)
def _tanh(x: Tensor, params: Params) -> Tensor:
    return _outer(_inner(x, params).tanh(), params)


@FEED_FORWARD.add(
    "the first bias is missing",
    "Your result is what it would be if b_1 were 0. How many vectors are in params beside the two "
    "matrices, and where does each go?",
)
def _no_b_1(x: Tensor, params: Params) -> Tensor:
    return _outer((x @ params["W_1"]).relu(), params)


@FEED_FORWARD.add(
    "the second bias is missing",
    "Each of your tokens is off by the same vector. How many vectors are in params beside the two "
    "matrices, and where does each go?",
)
def _no_b_2(x: Tensor, params: Params) -> Tensor:
    return _inner(x, params).relu() @ params["W_2"]


@FEED_FORWARD.add(
    "the token is added to the result",
    "You add x to what the layer says. That is the residual's job, and it would be done twice. "
    "What does the formula of the feed-forward layer alone return?",
)
def _with_residual(x: Tensor, params: Params) -> Tensor:
    return x + _outer(_inner(x, params).relu(), params)


@FEED_FORWARD.add(
    "the matrices are transposed",
    "Your products only run where d_ff and d_model are equal, and are wrong there, too: the "
    "matrices are transposed, as torch's Linear keeps them. Which shapes does the task give, and "
    "on which side of a matrix does a row vector stand?",
)
def _turned(x: Tensor, params: Params) -> Tensor:
    inner = (x @ params["W_1"].T + params["b_1"]).relu()
    return inner @ params["W_2"].T + params["b_2"]


@FEED_FORWARD.add(
    "softmax over the hidden units",
    "Your hidden units sum to 1 for each token: that is a softmax. Nothing attends here. What does "
    "the max of the formula do to each unit by itself?",
)
def _softmax(x: Tensor, params: Params) -> Tensor:
    return _outer(_inner(x, params).softmax(-1), params)


@FEED_FORWARD.add(
    "Python's max",
    "Python's max compares two things as wholes, and a tensor of many numbers is neither larger "
    "nor smaller than 0. The formula's max is taken of each number by itself. What is that "
    "function called in torch?",
)
def _max_of_wholes(x: Tensor, params: Params) -> Tensor:
    return _outer(max(torch.zeros(()), _inner(x, params)), params)


@FEED_FORWARD.add(
    "sigmoid instead of ReLU",
    "Your hidden units are squeezed between 0 and 1. What does the max of the formula do to a "
    "large number?",
)
def _sigmoid(x: Tensor, params: Params) -> Tensor:
    return _outer(_inner(x, params).sigmoid(), params)


@FEED_FORWARD.add(
    "the negative half is kept",
    "Your hidden units are never positive: you keep what the ReLU throws away. Which of two "
    "numbers does a max keep?",
)
def _negative_half(x: Tensor, params: Params) -> Tensor:
    return _outer(_inner(x, params).clamp(max=0), params)
