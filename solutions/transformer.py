# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] nbgrader={"grade": false, "grade_id": "intro", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # Assignment 10 · How do the parts make a machine?
#
# You build the Transformer: six short functions, 100 points. Each uses the ones before it, and the last
# one is the whole machine. At the end your own functions learn to translate, and you see where every head
# of every layer looks.
#
# Before you start, read chapter 10. It has every formula you need.
#
# **How it works.** Each exercise is a task, a cell for your code, and a check. Replace the line
# `raise NotImplementedError()`, run the cell, then run the check. The check says which properties
# hold, which do not, and often why. Run it as often as you like. Points add up per property, and a
# mistake that the check knows by name leaves at least half of them. Leave the check cells as they
# are, and keep the names and the arguments of the functions.
#
# During a check your prints and warnings are not shown. To look inside, call your function yourself on
# small inputs, e.g. `residual(torch.randn(1, 2, 4), torch.sin, torch.ones(4), torch.zeros(4), "pre")`.
#
# **What you may use.** All of torch, `torch.nn.functional.layer_norm` included, but not a function that
# *is* the answer: nothing of `torch.nn.Transformer` and its layers, nor `layers`, `transformer` and `masks`
# of `attention_lib`. Multi-head attention is given below: you have written it before. Your functions may
# (and should) call each other.
#
# **On any device, in any precision.** Make new tensors on the device of your inputs:
# `torch.arange(n, device=src.device)`. Results have the dtype of the inputs, be it float64, float32 or
# half precision (float16, bfloat16).
#
# **Letters.** Tensors put the batch first.
#
# | letter | what it counts |
# |---|---|
# | B | sentence pairs in the batch |
# | S, T | words of a source, words of a target; L where it may be either |
# | d | d_model, the size of a word's vector |
# | V | words of the vocabulary |
#
# A mask is boolean, and True means *may be attended to*. Positions count from 0. Weights come in
# dicts, and a word's vector is a *row*: the matrices stand on its right, `x @ W`.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("attention_lib") is None:
    # On Colab, or wherever the course is not installed yet. ATTENTION_COURSE may name another
    # place to install it from: a folder, a wheel, or git+https://... as your instructor says.
    course = os.environ.get("ATTENTION_COURSE", "attention-course")
    pip = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", course])
    if pip.returncode:
        raise RuntimeError(
            f"The course could not be installed from {course!r}. Ask your instructor where it is, "
            "set os.environ['ATTENTION_COURSE'] to that in a cell above, and run this one again."
        )

from collections import deque
from collections.abc import Callable

import torch
from torch.nn import functional as F

from attention_lib import plots
from autograder.checks import check

device = "cuda" if torch.cuda.is_available() else "cpu"
plots.use_style()
print(f"torch {torch.__version__} on {device}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_multi_head", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Given: multi-head attention
#
# The vectors of `x` ask, those of `memory` answer. In self-attention the two are the same. The matrices
# have one axis for the heads: `W_q` and `W_k` are (heads, d, d_k), `W_v` is (heads, d, d_v) and `W_o`
# (heads, d_v, d). A row of the mask without any True gets zeros. The last calls' weights are kept for the
# drawings at the end.

# %% nbgrader={"grade": false, "grade_id": "multi_head", "locked": true, "schema_version": 3, "solution": false, "task": false}
looked = deque(maxlen=6)


def multi_head(x, memory, mask, params):
    """Let x (B, L_q, d) look at memory (B, L_k, d), where mask (B, L_q, L_k) is True."""
    query = torch.einsum("bld,hde->bhle", x, params["W_q"])
    key = torch.einsum("bld,hde->bhle", memory, params["W_k"])
    value = torch.einsum("bld,hde->bhle", memory, params["W_v"])
    scores = query @ key.mT / key.shape[-1] ** 0.5
    weights = scores.masked_fill(~mask[:, None], float("-inf")).softmax(-1).nan_to_num()
    looked.append(weights.detach())
    return torch.einsum("bhle,hed->bld", weights @ value, params["W_o"])

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_residual", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · Add and normalise (18 points)
#
# A sub-layer $f$ does not replace the vector of a word. It adds to it:
#
# $$\text{post:}\quad \operatorname{LayerNorm}(x + f(x)) \qquad\qquad
#   \text{pre:}\quad x + f(\operatorname{LayerNorm}(x))$$
#
# LayerNorm looks at one word at a time. It takes away the mean $\mu$ of the word's $d$ numbers, divides by
# the root of their variance $\sigma^2$, and gives each feature a learned gain $g$ and bias $b$:
#
# $$\operatorname{LayerNorm}(x) = g \odot \frac{x - \mu}{\sqrt{\sigma^2 + 10^{-5}}} + b , \qquad
#   \sigma^2 = \frac1d \sum_i (x_i - \mu)^2$$
#
# ($\odot$ multiplies feature by feature.) Write it yourself, or find torch's function for it.
#
# - `sublayer` is a function: call it with the vectors that $f$ should read.
# - Do not write into `x`: somebody else still needs it.

# %% nbgrader={"grade": false, "grade_id": "residual", "locked": false, "schema_version": 3, "solution": true, "task": false}
def residual(
    x: torch.Tensor,
    sublayer: Callable[[torch.Tensor], torch.Tensor],
    gain: torch.Tensor,
    bias: torch.Tensor,
    norm: str,
) -> torch.Tensor:
    """Add to x what a sub-layer says, normalised after it ("post") or before it ("pre").

    Args:
        x: (B, L, d).
        sublayer: maps (B, L, d) to (B, L, d).
        gain: (d,).
        bias: (d,).
        norm: "post" or "pre".

    Returns:
        (B, L, d).
    """
    ### BEGIN SOLUTION
    if norm == "pre":
        return x + sublayer(F.layer_norm(x, x.shape[-1:], gain, bias))
    return F.layer_norm(x + sublayer(x), x.shape[-1:], gain, bias)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_residual", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("transformer/residual", residual)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_feed_forward", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · Feed-forward (10 points)
#
# After the words have heard of each other, each thinks by itself: out to $d_{ff}$ hidden units, and back.
#
# $$\operatorname{FFN}(x) = \max(0,\; x W_1 + b_1)\, W_2 + b_2$$
#
# (The max is taken of each number by itself.)

# %% nbgrader={"grade": false, "grade_id": "feed_forward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def feed_forward(x: torch.Tensor, params: dict[str, torch.Tensor]) -> torch.Tensor:
    """Transform each word's vector by itself.

    Args:
        x: (B, L, d).
        params: W_1 (d, d_ff), b_1 (d_ff,), W_2 (d_ff, d) and b_2 (d,).

    Returns:
        (B, L, d).
    """
    ### BEGIN SOLUTION
    inner = torch.relu(x @ params["W_1"] + params["b_1"])
    return inner @ params["W_2"] + params["b_2"]
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_feed_forward", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
check("transformer/feed_forward", feed_forward)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_transformer_masks", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · Three masks (18 points)
#
# Attention is used in three places, and each has its own rule. Cell $(i, j)$ says whether word $i$, which
# asks, may look at word $j$.
#
# | place | rows | columns | may be looked at |
# |---|---|---|---|
# | encoder | source | source | all real words |
# | decoder | target | target | real words up to and including itself |
# | cross | target | source | all real words |
#
# - A pad is never *looked at*, wherever it stands. It still asks: its own row follows the same rules.
# - The id of the padding is `pad`. It need not be 0.
# - The chapter's masks leave some rows to broadcasting and have an axis for the heads. Here every row is
#   written out: (B, rows, columns).
# - A source may be empty: its rows are then all False.
#
# For the source `[[7, 8, 0]]`, the target `[[1, 9]]` and `pad=0` the masks read (1 is True)
#
#     encoder   decoder   cross
#     1 1 0     1 0       1 1 0
#     1 1 0     1 1       1 1 0
#     1 1 0

# %% nbgrader={"grade": false, "grade_id": "transformer_masks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def transformer_masks(
    src: torch.Tensor, tgt: torch.Tensor, pad: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Say who may look where in encoder, decoder and cross-attention.

    Args:
        src: (B, S), integer ids.
        tgt: (B, T), integer ids, beginning with <bos>.
        pad: the id of the padding.

    Returns:
        three bool masks: encoder (B, S, S), decoder (B, T, T) and cross (B, T, S).
    """
    ### BEGIN SOLUTION
    sources, targets = src.shape[1], tgt.shape[1]
    past = torch.ones(targets, targets, dtype=torch.bool, device=tgt.device).tril()
    real = (src != pad)[:, None, :]
    return (
        real.expand(-1, sources, -1),
        (tgt != pad)[:, None, :] & past,
        real.expand(-1, targets, -1),
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_transformer_masks", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("transformer/transformer_masks", transformer_masks)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_encoder_layer", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · An encoder layer (18 points)
#
# Two sub-layers on one stream, each with a residual and a norm of its own:
#
# 1. multi-head self-attention, with `norm_1`,
# 2. the feed-forward layer, with `norm_2`.
#
# You have both, and `residual` wants a function. A `lambda` is one: `lambda h: feed_forward(h, weights)`.
# Its argument `h` is what the sub-layer is to read, which with pre-norm is not `x`.

# %% nbgrader={"grade": false, "grade_id": "encoder_layer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def encoder_layer(x: torch.Tensor, mask: torch.Tensor, params: dict, norm: str) -> torch.Tensor:
    """Let the words of the source hear of each other, then think.

    Args:
        x: (B, S, d).
        mask: bool (B, S, S).
        params: "self_attention" for multi_head, "feed_forward" for feed_forward, and "norm_1" and
            "norm_2", each with "gain" and "bias".
        norm: "post" or "pre".

    Returns:
        (B, S, d).
    """
    ### BEGIN SOLUTION
    x = residual(
        x, lambda h: multi_head(h, h, mask, params["self_attention"]), **params["norm_1"], norm=norm
    )
    return residual(
        x, lambda h: feed_forward(h, params["feed_forward"]), **params["norm_2"], norm=norm
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_encoder_layer", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("transformer/encoder_layer", encoder_layer)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_decoder_layer", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · A decoder layer (18 points)
#
# Three sub-layers on one stream:
#
# 1. self-attention over what is written, with `self_mask` and `norm_1`,
# 2. cross-attention to the memory, with `cross_mask` and `norm_2`,
# 3. the feed-forward layer, with `norm_3`.
#
# The memory is what the encoder returned. It is read as it is: with pre-norm, too, only what comes from the
# stream is normalised.

# %% nbgrader={"grade": false, "grade_id": "decoder_layer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def decoder_layer(
    y: torch.Tensor,
    memory: torch.Tensor,
    self_mask: torch.Tensor,
    cross_mask: torch.Tensor,
    params: dict,
    norm: str,
) -> torch.Tensor:
    """Let the words of the target hear of each other and of the source, then think.

    Args:
        y: (B, T, d).
        memory: (B, S, d).
        self_mask: bool (B, T, T).
        cross_mask: bool (B, T, S).
        params: "self_attention" and "cross_attention" for multi_head, "feed_forward", and "norm_1",
            "norm_2" and "norm_3", each with "gain" and "bias".
        norm: "post" or "pre".

    Returns:
        (B, T, d).
    """
    ### BEGIN SOLUTION
    def look_back(h):
        return multi_head(h, h, self_mask, params["self_attention"])

    def look_across(h):
        return multi_head(h, memory, cross_mask, params["cross_attention"])

    y = residual(y, look_back, **params["norm_1"], norm=norm)
    y = residual(y, look_across, **params["norm_2"], norm=norm)
    return residual(
        y, lambda h: feed_forward(h, params["feed_forward"]), **params["norm_3"], norm=norm
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_decoder_layer", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("transformer/decoder_layer", decoder_layer)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_transformer", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · The whole machine (18 points)
#
# Ids in, logits out. Both languages share one vocabulary, and one matrix $E$ (V, d) does three jobs: it embeds
# the source, it embeds the target, and it turns the decoder's vectors into logits.
#
# 1. Embed both sentences: a word with the id $w$ at position $p$ becomes
#    $\sqrt d \, E_w + P_p$. ($P$ is `params["positions"]`. It has a row for each
#    position, more rows than a sentence needs. Only the word is multiplied.)
# 2. Run the source through all encoder layers, one after the other.
# 3. Run the target through all decoder layers. Each of them reads the *last* encoder layer's output.
# 4. The logits of position $t$ are the dot products of its vector $y_t$ with all rows of $E$: $y_t E^\top$.
#
# The layers are post-norm, as in the paper. The number of layers is the length of the lists in `params`.

# %% nbgrader={"grade": false, "grade_id": "transformer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def transformer(src: torch.Tensor, tgt: torch.Tensor, pad: int, params: dict) -> torch.Tensor:
    """Predict every next word of the target.

    Args:
        src: (B, S), integer ids.
        tgt: (B, T), integer ids, beginning with <bos>.
        pad: the id of the padding.
        params: "embedding" (V, d), "positions" (L, d) with L at least S and T, and "encoder" and
            "decoder", lists with the params of each layer.

    Returns:
        logits (B, T, V).
    """
    ### BEGIN SOLUTION
    table = params["embedding"]
    encoder_mask, decoder_mask, cross_mask = transformer_masks(src, tgt, pad)
    x = table[src] * table.shape[-1] ** 0.5 + params["positions"][: src.shape[1]]
    for layer in params["encoder"]:
        x = encoder_layer(x, encoder_mask, layer, "post")
    y = table[tgt] * table.shape[-1] ** 0.5 + params["positions"][: tgt.shape[1]]
    for layer in params["decoder"]:
        y = decoder_layer(y, x, decoder_mask, cross_mask, layer, "post")
    return y @ table.mT
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_transformer", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("transformer/transformer", transformer)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_train", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Your machine translates
#
# Two encoder layers and two decoder layers, all of them yours, learn from a few hundred sentences with 是
# (*to be*). The first cell makes weights, the second trains them, the third translates sentences that were
# not in the training. Training takes some ten seconds on a quiet machine. How it works is the next
# chapter's subject.

# %% nbgrader={"grade": false, "grade_id": "weights", "locked": true, "schema_version": 3, "solution": false, "task": false}
from attention_lib.data import grammar_corpus
from attention_lib.data.batching import batches, make_batch
from attention_lib.data.pairs import SentencePair
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.positions import sinusoidal_positions
from attention_lib.schedules import warmup_cosine

pairs = [pair for pair in grammar_corpus(20_000, max_length=7) if "是" in pair.src]
words = Vocabulary(sentence for pair in pairs for sentence in (pair.src, pair.tgt))
train, test = pairs[:-50], pairs[-50:]
print(f"{len(train)} pairs to learn from, {len(words)} words")

d, heads = 48, 4
size = d // heads


def matrix(*shape):
    return torch.randn(shape) * shape[-2] ** -0.5


def attention_weights():
    inward = {name: matrix(heads, d, size) for name in ("W_q", "W_k", "W_v")}
    return inward | {"W_o": matrix(heads, size, d) / 2}


def layer_weights(*attentions):
    layer = {name: attention_weights() for name in attentions}
    inner, outer = matrix(d, 4 * d), matrix(4 * d, d)
    biases = torch.zeros(4 * d), torch.zeros(d)
    names = ("W_1", "b_1", "W_2", "b_2")
    layer["feed_forward"] = dict(zip(names, (inner, biases[0], outer, biases[1]), strict=True))
    for number in range(1, len(attentions) + 2):
        layer[f"norm_{number}"] = {"gain": torch.ones(d), "bias": torch.zeros(d)}
    return layer


def moved(weights):
    """The same weights on the device, ready to learn."""
    if isinstance(weights, torch.Tensor):
        return weights.to(device).requires_grad_()
    if isinstance(weights, list):
        return [moved(one) for one in weights]
    return {name: moved(one) for name, one in weights.items()}


def tensors(weights):
    if isinstance(weights, torch.Tensor):
        return [weights]
    inside = weights.values() if isinstance(weights, dict) else weights
    return [tensor for one in inside for tensor in tensors(one)]


torch.manual_seed(0)
params = moved({
    "embedding": torch.randn(len(words), d) * d**-0.5,
    "encoder": [layer_weights("self_attention") for _ in range(2)],
    "decoder": [layer_weights("self_attention", "cross_attention") for _ in range(2)],
})  # fmt: skip
learned = tensors(params)
params["positions"] = sinusoidal_positions(torch.arange(30), d).to(device)
print(f"{sum(tensor.numel() for tensor in learned):,} parameters")

# %% nbgrader={"grade": false, "grade_id": "train", "locked": true, "schema_version": 3, "solution": false, "task": false}
steps = 220
optimiser = torch.optim.Adam(learned, lr=4e-3, betas=(0.9, 0.98))
schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, warmup_cosine(steps))
stream = batches(train, words, words, batch_size=48, seed=0)
try:
    for step in range(steps):
        batch = next(stream).to(device)
        logits = transformer(batch.src, batch.tgt_in, words.pad, params)
        loss = F.cross_entropy(logits.mT, batch.tgt_out, ignore_index=words.pad)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 50 == 49:
            print(f"step {step + 1}: loss {loss.item():.2f}")
except Exception as problem:  # a stub, or a machine that is not right yet
    print("First finish exercises 1 to 6: your machine is what is trained here.", problem)

# %% nbgrader={"grade": false, "grade_id": "translate", "locked": true, "schema_version": 3, "solution": false, "task": false}
@torch.no_grad()
def translate(sentence):
    """Write the likeliest next word until <eos>."""
    batch = make_batch([SentencePair(tuple(sentence), ())], words, words).to(device)
    written = batch.tgt_in[:, :1]  # <bos>
    while written.shape[1] < 15 and written[0, -1] != words.eos:
        logits = transformer(batch.src, written, words.pad, params)
        written = torch.cat([written, logits[:, -1:].argmax(-1)], dim=1)
    found = [word for word in written[0, 1:].tolist() if word != words.eos]
    return words.decode(found)


student = ["我", "是", "一", "个", "学生", "。"]
try:
    print(*student, "→", *translate(student))
    right = sum(tuple(translate(pair.src)) == tuple(pair.tgt) for pair in test)
    print(f"{right} of {len(test)} unseen sentences are right word for word; three of them:")
    for pair in test[:3]:
        print(*pair.src, "→", *translate(pair.src))
except Exception as problem:
    print("First finish exercises 1 to 6.", problem)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_maps", "locked": true, "schema_version": 3, "solution": false, "task": false}
# And where does it look? Each row below is one of your six attentions: two of the encoder, then
# self-attention and cross-attention of each decoder layer. A column is a head. Which heads look at the word
# before? Which of them translate?

# %% nbgrader={"grade": false, "grade_id": "maps", "locked": true, "schema_version": 3, "solution": false, "task": false}
kinds = ["encoder 1", "encoder 2", "decoder 1", "cross 1", "decoder 2", "cross 2"]
try:
    asked = translate(student)
    batch = make_batch([SentencePair(tuple(student), tuple(asked))], words, words).to(device)
    looked.clear()
    with torch.no_grad():
        transformer(batch.src, batch.tgt_in, words.pad, params)
    read = ["<bos>", *asked]
    for kind, weights in zip(kinds, looked, strict=True):
        rows, columns = weights.shape[-2:]
        queries = student if kind.startswith("encoder") else read
        keys = read if kind.startswith("decoder") else student
        figure = plots.heads_grid([weights[0].cpu()], queries=queries, keys=keys)
        for number, ax in enumerate(figure.axes, 1):
            ax.set_title(f"{kind}, head {number}", fontsize=9, pad=4)
except Exception as problem:
    print("First finish exercises 1 to 6.", problem)

# %% [markdown]
# Room to play: a sentence of your own, from the words that your machine knows. What does it write for a
# question with 吗? For two students?

# %%
try:
    for sentence in ("她 是 学生 吗 ？", "他们 是 学生 。"):
        print(sentence, "→", *translate(sentence.split()))
except Exception as problem:
    print("First finish exercises 1 to 6.", problem)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_written", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## A question to think about (optional)
#
# Exchange the two lines of your decoder layer so that the words look at the source *before* they look at what
# is written. Would you expect the translations to get worse? Say why, then try it. Your instructor reads this
# one.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_order", "locked": false, "points": 0, "schema_version": 3, "solution": true, "task": false}
# Not by much: a stack alternates the two anyway, so from the second layer on each sub-layer reads a stream that
# already holds the other's result. Only the very first look changes: with cross-attention first, a word asks
# the source knowing nothing but itself and its position. On sentences this small the difference is hard to
# see.
