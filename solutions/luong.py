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
# # Assignment 4 · Which score, and where to look?
#
# You write the attention of Luong, Pham and Manning (2015), piece by piece: eight short functions,
# 100 points. At the end your own functions show where a trained translator looks.
#
# Before you start, read chapter 4. It has every formula you need.
#
# **How it works.** Each exercise is a task, a cell for your code, and a check. Replace the line
# `raise NotImplementedError()`, run the cell, then run the check. The check says which properties
# hold, which do not, and often why. Run it as often as you like. Points add up per property, and a
# mistake that the check knows by name leaves at least half of them. Leave the check cells as they
# are, and keep the names and the arguments of the functions.
#
# During a check your prints and warnings are not shown. To look inside, call your function yourself
# on small tensors, e.g. `masked_softmax(torch.zeros(1, 2, 3), torch.tensor([True, True, False]))`.
#
# **What you may use.** All of torch, but not a function that *is* the answer: no
# `scaled_dot_product_attention` and no `MultiheadAttention`, nor the attention of `attention_lib`.
# Your functions may call each other.
#
# **On any device, in any precision.** Make new tensors on the device of your inputs:
# `torch.arange(n, device=scores.device)`. Results have the dtype of the inputs, be it float64,
# float32 or half precision (float16, bfloat16).
#
# **Letters.** Tensors put the batch first.
#
# | letter | what it counts |
# |---|---|
# | B | sentences in the batch |
# | T | target steps: the decoder's states, which ask (queries) |
# | S | source positions: the encoder's states, which are asked (keys) |
# | d | the size of a vector; d_q of a query, d_k of a key |
#
# A mask is boolean, and True means *may be attended to*. Positions, steps and windows count from 0.

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

import torch

from attention_lib import plots
from attention_lib.results import read_results
from autograder.checks import check

device = "cuda" if torch.cuda.is_available() else "cpu"
plots.use_style()
print(f"torch {torch.__version__} on {device}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_masked_softmax", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · Masked softmax (12 points)
#
# Sentences in a batch have different lengths, so the shorter ones are padded, and nobody should look
# at padding. Turn scores $e_{ts}$ into weights over the positions that the mask $m$ allows:
#
# $$a_{ts} = \frac{m_{ts} \exp(e_{ts})}{\sum_{s'} m_{ts'} \exp(e_{ts'})}$$
#
# - A masked position gets a weight of *exactly* 0, however high its score is. The others sum to 1.
# - A row with nothing to attend to is all zeros. So are its gradients: NaN must not appear, not even
#   on the way back. (A function to look up: `torch.where`, or `nan_to_num`.)
# - Scores of 1000 are no reason to overflow.
# - The mask may have fewer axes than the scores, or axes of size 1: it broadcasts.

# %% nbgrader={"grade": false, "grade_id": "masked_softmax", "locked": false, "schema_version": 3, "solution": true, "task": false}
def masked_softmax(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Turn scores into attention weights over the positions that the mask allows.

    Args:
        scores: (B, T, S), floating.
        mask: bool, broadcastable to (B, T, S), True = may be attended to.

    Returns:
        weights (B, T, S), with the dtype of scores.
    """
    ### BEGIN SOLUTION
    blocked = ~mask.expand(scores.shape)
    nothing = blocked.all(dim=-1, keepdim=True)
    # Softmax of a row of -inf alone is 0/0; such a row becomes zeros and is blanked afterwards.
    scores = scores.masked_fill(blocked, float("-inf")).masked_fill(nothing, 0.0)
    return torch.softmax(scores, dim=-1).masked_fill(blocked, 0.0)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_masked_softmax", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
check("luong/masked_softmax", masked_softmax)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_general_score", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · The general score (12 points)
#
# How well does each key answer each query?
#
# $$\operatorname{score}(h_t, \bar h_s) = h_t^\top W_a \bar h_s$$
#
# The query $h_t$ has $d_q$ numbers and the key $\bar h_s$ has $d_k$: they need not be equally many.
# Score all queries against all keys of their sentence at once, without a loop.

# %% nbgrader={"grade": false, "grade_id": "general_score", "locked": false, "schema_version": 3, "solution": true, "task": false}
def general_score(query: torch.Tensor, key: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Score every query against every key through a learned matrix.

    Args:
        query: (B, T, d_q), the decoder's states h_t.
        key: (B, S, d_k), the encoder's states.
        weight: (d_q, d_k), W_a.

    Returns:
        scores (B, T, S).
    """
    ### BEGIN SOLUTION
    return query @ weight @ key.transpose(1, 2)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_general_score", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
check("luong/general_score", general_score)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_concat_score", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · The concat score (14 points)
#
# A small network may compare more freely than a product:
#
# $$\operatorname{score}(h_t, \bar h_s) = v_a^\top \tanh(W_a [h_t; \bar h_s])$$
#
# $[h_t; \bar h_s]$ is the query followed by the key, so the first $d_q$ columns of $W_a$ read the
# query and the others the key. Every query meets every key: somewhere on the way there is a tensor
# with the axes B, T, S and $d_a$.

# %% nbgrader={"grade": false, "grade_id": "concat_score", "locked": false, "schema_version": 3, "solution": true, "task": false}
def concat_score(
    query: torch.Tensor, key: torch.Tensor, weight: torch.Tensor, v: torch.Tensor
) -> torch.Tensor:
    """Score every query against every key with a network of one hidden layer.

    Args:
        query: (B, T, d_q), the decoder's states h_t.
        key: (B, S, d_k), the encoder's states.
        weight: (d_a, d_q + d_k), W_a.
        v: (d_a,), v_a.

    Returns:
        scores (B, T, S).
    """
    ### BEGIN SOLUTION
    d_q = query.shape[-1]
    from_query = query @ weight[:, :d_q].T
    from_key = key @ weight[:, d_q:].T
    return torch.tanh(from_query[:, :, None, :] + from_key[:, None, :, :]) @ v
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_concat_score", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
check("luong/concat_score", concat_score)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_attentional_vector", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · The attentional vector (10 points)
#
# The context $c_t$ is what the decoder has read; its state $h_t$ is what it was about to say. Luong
# joins the two and lets a layer mix them:
#
# $$\tilde h_t = \tanh(W_c [c_t; h_t])$$
#
# The context comes first.

# %% nbgrader={"grade": false, "grade_id": "attentional_vector", "locked": false, "schema_version": 3, "solution": true, "task": false}
def attentional_vector(
    context: torch.Tensor, hidden: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Join the context with the decoder's state.

    Args:
        context: (B, T, d_k), c_t.
        hidden: (B, T, d_q), h_t.
        weight: (d_out, d_k + d_q), W_c.

    Returns:
        the attentional vectors (B, T, d_out).
    """
    ### BEGIN SOLUTION
    return torch.tanh(torch.cat([context, hidden], dim=-1) @ weight.T)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_attentional_vector", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
check("luong/attentional_vector", attentional_vector)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_local_m_mask", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · A monotonic window: local-m (14 points)
#
# Translations often run along the source: step $t$ looks near position $t$. Local-m attention sees
# only the window of half-width $D$ around $p_t = t$, that is the positions $s$ with
#
# $$|s - p_t| \le D.$$
#
# - Padding is never seen.
# - A translation may be longer than its source. Once $t$ has passed the last real position of *its
#   own* sentence, the centre $p_t$ stays on that last position.
# - A sentence may be empty: its rows are then all False.
#
# For a sentence of 3 words padded to 4, with $D = 0$ and 4 steps, the mask reads (1 is True)
#
#     1 0 0 0
#     0 1 0 0
#     0 0 1 0
#     0 0 1 0

# %% nbgrader={"grade": false, "grade_id": "local_m_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def local_m_mask(steps: int, src_mask: torch.Tensor, window: int) -> torch.Tensor:
    """Let target step t attend to the real positions within the window around position t.

    Args:
        steps: T, the number of target steps.
        src_mask: (B, S) bool, True at real positions; they come first, the padding after them.
        window: D >= 0, the half-width.

    Returns:
        bool (B, T, S), True = may be attended to.
    """
    ### BEGIN SOLUTION
    last = src_mask.sum(dim=1) - 1
    steps_t = torch.arange(steps, device=src_mask.device)
    centre = torch.minimum(steps_t[None, :], last.clamp(min=0)[:, None])
    positions = torch.arange(src_mask.shape[1], device=src_mask.device)
    near = (positions - centre[:, :, None]).abs() <= window
    return near & src_mask[:, None, :]
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_local_m_mask", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
check("luong/local_m_mask", local_m_mask)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_local_p_weights", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · A predicted window: local-p (16 points)
#
# Local-p lets the decoder choose where to look. Each state predicts its own centre, a real number
# between 0 and the sentence's true length $S_b$ (without the padding):
#
# $$p_t = S_b \cdot \sigma(v_p^\top \tanh(W_p h_t))$$
#
# The weights are the softmax of the scores over the real positions in the window $|s - p_t| \le D$,
# times a bell curve around the centre:
#
# $$a_{ts} = \operatorname{softmax}_s(e_{ts}) \cdot
#            \exp\left(-\frac{(s - p_t)^2}{2 \sigma^2}\right), \qquad \sigma = D / 2$$
#
# (The first $\sigma$ is the logistic sigmoid, the second a standard deviation: the paper uses the
# letter twice.) Two things are easily lost. The centre is not rounded. And the product is *not*
# normalised again: a row sums to at most 1. A sentence may be empty: its rows are then all 0.

# %% nbgrader={"grade": false, "grade_id": "local_p_weights", "locked": false, "schema_version": 3, "solution": true, "task": false}
def local_p_weights(
    hidden: torch.Tensor,
    scores: torch.Tensor,
    src_mask: torch.Tensor,
    W_p: torch.Tensor,
    v_p: torch.Tensor,
    window: int,
) -> torch.Tensor:
    """Favour the positions near a centre that the decoder's state predicts.

    Args:
        hidden: (B, T, d_q), the decoder's states h_t.
        scores: (B, T, S), of any kind.
        src_mask: (B, S) bool, True at real positions; they come first, the padding after them.
        W_p: (d_p, d_q).
        v_p: (d_p,).
        window: D >= 1, the half-width.

    Returns:
        weights (B, T, S).
    """
    ### BEGIN SOLUTION
    lengths = src_mask.sum(dim=1, keepdim=True)
    centre = lengths * torch.sigmoid(torch.tanh(hidden @ W_p.T) @ v_p)
    positions = torch.arange(src_mask.shape[1], device=src_mask.device)
    distance = positions - centre[:, :, None]
    inside = (distance.abs() <= window) & src_mask[:, None, :]
    bell = torch.exp(-(distance**2) / (2 * (window / 2) ** 2))
    return masked_softmax(scores, inside) * bell
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_local_p_weights", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("luong/local_p_weights", local_p_weights)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_luong_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7 · One step with input feeding (14 points)
#
# Now the parts make a decoder. It reads the last word's vector $y$ *and* its own last attentional
# vector $\tilde h_{t-1}$, so that it knows where it has looked before. (Here the recurrent cell is a
# plain tanh; the book's is an LSTM.)
#
# $$\begin{aligned}
# h_t &= \tanh(W_{ih} [y; \tilde h_{t-1}] + W_{hh} h_{t-1} + b) \\
# a_t &= \operatorname{softmax}_s(h_t^\top W_a \bar h_s) \quad \text{over the real positions} \\
# c_t &= \textstyle\sum_s a_{ts} \bar h_s \\
# \tilde h_t &= \tanh(W_c [c_t; h_t])
# \end{aligned}$$
#
# There is one step here, so there is no axis T. Your functions from above want one: `x[:, None]` adds
# it and `x[:, 0]` takes it away.

# %% nbgrader={"grade": false, "grade_id": "luong_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def luong_step(
    embedded: torch.Tensor,
    attentional: torch.Tensor,
    state: torch.Tensor,
    memory: torch.Tensor,
    mask: torch.Tensor,
    params: dict[str, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Take one step of Luong's decoder.

    Args:
        embedded: (B, d_e), the last word's vector y.
        attentional: (B, d_o), the last attentional vector.
        state: (B, d_h), the last state h.
        memory: (B, S, d_m), the encoder's states.
        mask: (B, S) bool, True at real source positions.
        params: W_ih (d_h, d_e + d_o), W_hh (d_h, d_h), b (d_h,), W_a (d_h, d_m) and
            W_c (d_o, d_m + d_h).

    Returns:
        the new attentional vector (B, d_o), the new state (B, d_h) and the weights (B, S).
    """
    ### BEGIN SOLUTION
    inputs = torch.cat([embedded, attentional], dim=-1)
    state = torch.tanh(inputs @ params["W_ih"].T + state @ params["W_hh"].T + params["b"])
    query = state[:, None]
    weights = masked_softmax(general_score(query, memory, params["W_a"]), mask[:, None])
    context = weights @ memory
    attentional = attentional_vector(context, query, params["W_c"])
    return attentional[:, 0], state, weights[:, 0]
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_luong_step", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
check("luong/luong_step", luong_step)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_alignment_error_rate", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8 · Alignment error rate (8 points)
#
# Someone who knows both languages has drawn links between the words: *sure* ones, S, and *possible*
# ones, P, where two opinions are defensible. A model predicts links A. The alignment error rate is
#
# $$\mathrm{AER} = 1 - \frac{|A \cap S| + |A \cap P|}{|A| + |S|}$$
#
# where $|\cdot|$ counts links. A sure link is also possible, whether P lists it or not. If nothing is
# predicted and nothing is sure, the rate is 0.

# %% nbgrader={"grade": false, "grade_id": "alignment_error_rate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def alignment_error_rate(
    predicted: torch.Tensor, sure: torch.Tensor, possible: torch.Tensor
) -> float:
    """Measure how far predicted links are from the sure and possible ones.

    Args:
        predicted: (T, S) bool, the set A of predicted links.
        sure: (T, S) bool, the set S of sure links.
        possible: (T, S) bool, the set P of possible links.

    Returns:
        the rate, a number between 0 (perfect) and 1.
    """
    ### BEGIN SOLUTION
    links = int(predicted.sum()) + int(sure.sum())
    if links == 0:
        return 0.0
    hits = int((predicted & sure).sum()) + int((predicted & (possible | sure)).sum())
    return 1.0 - hits / links
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_alignment_error_rate", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check("luong/alignment_error_rate", alignment_error_rate)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_map", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Where does it look?
#
# A translator with Luong's general score was trained on Chinese sentences. Below are its states for
# one of them: the decoder's (queries), the encoder's (memory) and its $W_a$. The weights are missing.
# Your functions fill them in. Run the two cells, then look at the map row by row: at which Chinese
# word does the translator look when it is about to write each English one? Where does the order of
# the two languages differ? A border marks where the grammar says the word comes from: solid where
# that is sure, dashed where it is possible.

# %% nbgrader={"grade": false, "grade_id": "map_states", "locked": true, "schema_version": 3, "solution": false, "task": false}
record = read_results("luong_states")
sentence = record["sentences"][0]
query, memory = (torch.tensor(sentence[name], device=device)[None] for name in ("query", "memory"))
real = torch.ones(1, memory.shape[1], dtype=torch.bool, device=device)
W_a = torch.tensor(record["W_a"], device=device)
print(" ".join(sentence["src"]), "→", " ".join(sentence["tgt"]))
print(f"query {tuple(query.shape)}, memory {tuple(memory.shape)}, W_a {tuple(W_a.shape)}")

# %% nbgrader={"grade": false, "grade_id": "map", "locked": true, "schema_version": 3, "solution": false, "task": false}
sure, possible = (torch.tensor(sentence[name]).bool() for name in ("sure", "possible"))
try:
    map_weights = masked_softmax(general_score(query, memory, W_a), real[:, None])[0].cpu()
    best = torch.nn.functional.one_hot(map_weights.argmax(-1), map_weights.shape[-1]).bool()
    error_rate = alignment_error_rate(best, sure, possible)
except NotImplementedError:
    print("First finish exercises 1, 2 and 8: the map is drawn with them.")
else:
    plots.alignment_map(map_weights, sentence["src"], sentence["tgt"], gold=(sure, possible))
    print(f"alignment error rate: {error_rate:.2f}")

# %% [markdown]
# Room to play: `record["sentences"]` holds more sentences. Draw one of them, or see what the map
# becomes when you change the mask into a window with `local_m_mask`.

# %%
for number, other in enumerate(record["sentences"]):
    print(number, " ".join(other["src"]), "→", " ".join(other["tgt"]))

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_written", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## A question to think about (optional)
#
# Look at your map again, and at the rows of *local-m* in chapter 4's table for the **grammar
# corpus**. Why is the diagonal a poor guess there, why did it do better on the Tatoeba sentences,
# and for which languages might it be a good one? Three sentences are enough. Your instructor reads
# this one.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_window", "locked": false, "points": 0, "schema_version": 3, "solution": true, "task": false}
# The grammar puts time, place and relative clauses where Chinese has them, before the verb or the
# noun, and English has them after: words that belong together are then further from the diagonal
# than a small window reaches. Tatoeba's sentences often keep closer to the order of their source,
# and a model that hardly knows its words yet gains from positions (a guess: nobody has linked those
# words by hand). It suits pairs with nearly the same order, such as Spanish and Portuguese, or a
# task that is monotonic by nature, such as speech.
