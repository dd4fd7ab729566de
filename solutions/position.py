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
# # Assignment 9 · Who tells it the order?
#
# Self-attention sees a set. First you measure what that means; then you write the five ways in which
# models are told where a word stands: sinusoids, a learned table, a relative bias, rotary positions and
# ALiBi. Six short functions, 100 points. At the end three of them learn to find a word's neighbour, and
# you see which of them can read further than it was taught.
#
# Before you start, read chapter 9. It has every formula you need.
#
# **How it works.** Each exercise is a task, a cell for your code, and a check. Replace the line
# `raise NotImplementedError()`, run the cell, then run the check. The check says which properties
# hold, which do not, and often why. Run it as often as you like. Points add up per property, and a
# mistake that the check knows by name leaves at least half of them. Leave the check cells as they
# are, and keep the names and the arguments of the functions.
#
# During a check your prints and warnings are not shown. To look inside, call your function yourself
# on small inputs, e.g. `add_sinusoids(torch.zeros(1, 3, 4), torch.arange(3))`.
#
# **What you may use.** All of torch (also `scaled_dot_product_attention`: you have written that one
# already), but not the positions, layers and models of `attention_lib`, nor those of `transformers`.
#
# **On any device, in any precision.** Make new tensors on the device of your inputs:
# `torch.arange(n, device=x.device)`. Results have the dtype of the inputs, be it float64, float32 or
# half precision (float16, bfloat16). Positions are whole numbers (int64). In half precision not every
# whole number exists: 2049 is 2048 in float16, and 257 is 256 in bfloat16. So compute angles in float64,
# and round their sines and cosines, not the positions.
#
# **Letters.** Tensors put the batch first.
#
# | letter | what it counts |
# |---|---|
# | B | sentences in the batch |
# | L | words of a sentence; L_q that ask (queries), L_k that are asked (keys) |
# | d | the size of a vector: d_model of a word, d_k of a query or key, d_v of a value, head_dim in a head |
# | h | heads of a layer; head j is one of them |
#
# Positions count from 0.

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

import math

import matplotlib.pyplot as plt
import torch

from attention_lib import plots
from autograder.checks import check

device = "cuda" if torch.cuda.is_available() else "cpu"
plots.use_style()
print(f"torch {torch.__version__} on {device}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_order_effect", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · Who notices a shuffle? (16 points)
#
# The words of a sentence change places; the places stay where they are. What does that change in the
# answer that each *word* gets from self-attention?
#
# - The straight sentence is `x + positions`: row $i$ of `positions` is the vector of place $i$.
# - In the shuffled sentence, word `order[i]` stands at place $i$. With `order = [2, 0, 1]`, 我 爱 你 becomes
#   你 我 爱.
# - Let both go through the same layer (chapter 7, without a mask):
#   $\operatorname{softmax}\left(QK^\top / \sqrt{d_k}\right) V$ with $Q = XW^Q$, $K = XW^K$, $V = XW^V$.
# - Bring the shuffled answers back into the order of the straight sentence, so that row $j$ belongs to
#   word $j$ again, and return them *less* the straight ones. (A function to look up: `torch.argsort`.)
#
# With `positions` of zeros the result is 0, up to rounding: nobody notices.

# %% nbgrader={"grade": false, "grade_id": "order_effect", "locked": false, "schema_version": 3, "solution": true, "task": false}
def order_effect(
    x: torch.Tensor, positions: torch.Tensor, order: torch.Tensor, params: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Say how a shuffle changes what self-attention answers each word.

    Args:
        x: (B, L, d_model), the words.
        positions: (L, d_model), one vector a place, the same for all sentences.
        order: (L,), a permutation of 0 … L - 1: which word stands at each place after the shuffle.
        params: W_q (d_model, d_k), W_k (d_model, d_k) and W_v (d_model, d_v).

    Returns:
        (B, L, d_v): for each word, its answer in the shuffled sentence less that in the straight one.
    """
    ### BEGIN SOLUTION
    def attend(words: torch.Tensor) -> torch.Tensor:
        query, key, value = (words @ params[name] for name in ("W_q", "W_k", "W_v"))
        return torch.nn.functional.scaled_dot_product_attention(query, key, value)

    shuffled = attend(x[:, order] + positions)
    return shuffled[:, order.argsort()] - attend(x + positions)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_order_effect", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("position/order_effect", order_effect)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_who_notices", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Two sentences of the same three characters. With your function: does 爱 (*love*) notice who loves whom?

# %% nbgrader={"grade": false, "grade_id": "who_notices", "locked": true, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(2)
vectors = {word: torch.randn(8) for word in "我爱你"}
sentence = torch.stack([vectors[word] for word in "我爱你"])[None]
layer = {name: torch.randn(8, 4) / 8**0.5 for name in ("W_q", "W_k", "W_v")}
swap = torch.tensor([2, 1, 0])  # 你爱我
try:
    for name, places in (("no positions", torch.zeros(3, 8)), ("positions", torch.randn(3, 8))):
        change = order_effect(sentence, places, swap, layer)[0].norm(dim=-1)
        told = zip("我爱你", change.tolist(), strict=True)
        print(f"{name:13}", ", ".join(f"{word} changes by {size:.2f}" for word, size in told))
except Exception as problem:  # a stub, or not a tensor yet
    print("First finish exercise 1.", problem)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_add_sinusoids", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · A bank of clocks (20 points)
#
# Position $pos$ is written as the hands of $d/2$ clocks. Clock $i$ has turned by the angle
# $pos / 10000^{2i/d}$, and shows its sine and its cosine side by side ($d$ is d_model, $i$ counts from 0):
#
# $$PE_{pos,\,2i} = \sin\left(\frac{pos}{10000^{2i/d}}\right), \qquad
#   PE_{pos,\,2i+1} = \cos\left(\frac{pos}{10000^{2i/d}}\right)$$
#
# Add them to the words.
#
# - `positions` are any whole numbers, in any order: a text that goes on does not start at 0.
# - d_model is even. Position 0 reads 0, 1, 0, 1, …
# - (A function to look up if you make sines and cosines apart: `torch.stack`.)

# %% nbgrader={"grade": false, "grade_id": "add_sinusoids", "locked": false, "schema_version": 3, "solution": true, "task": false}
def add_sinusoids(x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Tell each word where it stands.

    Args:
        x: (B, L, d_model), the words.
        positions: (L,), where they stand, whole numbers.

    Returns:
        (B, L, d_model), in the dtype of x.
    """
    ### BEGIN SOLUTION
    d_model = x.shape[-1]
    even = torch.arange(0, d_model, 2, dtype=torch.float64, device=x.device)
    angles = positions[:, None] / 10_000 ** (even / d_model)
    clocks = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
    return x + clocks.to(x.dtype)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_add_sinusoids", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
check("position/add_sinusoids", add_sinusoids)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_clocks", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Your clocks, over 60 positions. Which rows can tell 3 from 4, and which 3 from 40?

# %% nbgrader={"grade": false, "grade_id": "clocks", "locked": true, "schema_version": 3, "solution": false, "task": false}
try:
    table = add_sinusoids(torch.zeros(1, 60, 16), torch.arange(60))[0]
    places, features = ([str(i) if i % step == 0 else "" for i in range(n)]
                        for n, step in ((60, 10), (16, 2)))  # fmt: skip
    _, ax = plt.subplots(figsize=(9, 3.2))
    plots.heat_map(table.T, queries=features, keys=places, signed=True, values=False, ax=ax)
    ax.set(aspect="auto", xlabel="position", ylabel="feature")
except Exception as problem:
    print("First finish exercise 2.", problem)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_embed", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · A learned table, and its end (16 points)
#
# The simplest scheme: a table with one learned vector a position. What comes into the first layer is then
#
# $$x_i = \sqrt{d_{\text{model}}}\; E_{w_i} + P_i$$
#
# with the word's row of $E$ (`words`) and the position's row of $P$ (`table`); $i = 0, 1, 2, \dots$ in each
# sentence. The factor brings word vectors, which start small, up to the size of the positions.
#
# A table ends. A sentence that is longer than the table cannot be told its order, and the model's user
# must learn that from a clear message rather than from a wrong answer:
#
# - if there are more words than rows in `table`, raise a `ValueError` whose message holds both numbers,
#   e.g. "8 words, but the table has only 7 positions".

# %% nbgrader={"grade": false, "grade_id": "embed", "locked": false, "schema_version": 3, "solution": true, "task": false}
def embed(tokens: torch.Tensor, words: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Look up words and positions, as a Transformer's first layer wants them.

    Args:
        tokens: (B, L), ids of the words.
        words: (V, d_model), one vector a word.
        table: (max_length, d_model), one vector a position.

    Returns:
        (B, L, d_model).

    Raises:
        ValueError: if L is larger than max_length; the message holds both.
    """
    ### BEGIN SOLUTION
    length, max_length = tokens.shape[1], table.shape[0]
    if length > max_length:
        raise ValueError(f"{length} words, but the table has only {max_length} positions")
    return words[tokens] * words.shape[1] ** 0.5 + table[:length]
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_embed", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("position/embed", embed)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_relative_bias", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · A bias for every distance (16 points)
#
# Words need not know where they stand if the *scores* know how far apart they are. Each head $j$ learns one
# number for each distance, added to the score of query position $m$ and key position $n$:
#
# $$e_{mn} = \frac{q_m \cdot k_n}{\sqrt{d_k}} + b_j(n - m)$$
#
# The distance is the key's position less the query's, so keys to the left have negative ones. All distances
# beyond $\pm k$ share the number at the end of their side. So a table of $2k + 1$ columns is enough: column 0
# is for the distance $-k$ and all below, column $k$ for 0, column $2k$ for $k$ and all above.
#
# Return the bias alone. ($k$ follows from the table's shape.)

# %% nbgrader={"grade": false, "grade_id": "relative_bias", "locked": false, "schema_version": 3, "solution": true, "task": false}
def relative_bias(
    table: torch.Tensor, query_positions: torch.Tensor, key_positions: torch.Tensor
) -> torch.Tensor:
    """Look up what each head adds to each score.

    Args:
        table: (heads, 2k + 1).
        query_positions: (L_q,), whole numbers.
        key_positions: (L_k,), whole numbers.

    Returns:
        (heads, L_q, L_k).
    """
    ### BEGIN SOLUTION
    farthest = table.shape[1] // 2
    distance = key_positions[None, :] - query_positions[:, None]
    return table[:, distance.clamp(-farthest, farthest) + farthest]
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_relative_bias", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("position/relative_bias", relative_bias)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_rotate", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · Rotary positions (20 points)
#
# Turn queries and keys, two features at a time, by angles that grow with the position $m$:
#
# $$\begin{pmatrix} x'_{2i} \\ x'_{2i+1} \end{pmatrix} =
#   \begin{pmatrix} \cos m\theta_i & -\sin m\theta_i \\ \sin m\theta_i & \cos m\theta_i \end{pmatrix}
#   \begin{pmatrix} x_{2i} \\ x_{2i+1} \end{pmatrix}, \qquad \theta_i = 10000^{-2i/d}$$
#
# with $d$ = head_dim and $i = 0, \dots, d/2 - 1$. Then the score of a query at $m$ and a key at $n$ depends on
# $n - m$ alone. Your function gets a query or a key and turns it; values are left alone in this scheme, so it
# never sees one.
#
# - Pairs are neighbours: features 0 and 1, 2 and 3, …
# - Positions are any whole numbers: a decoder that has written 17 words asks for position 17 alone.

# %% nbgrader={"grade": false, "grade_id": "rotate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rotate(x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Turn each pair of features of each word by its angles.

    Args:
        x: (B, heads, L, head_dim), queries or keys; head_dim is even.
        positions: (L,), where the words stand, whole numbers.

    Returns:
        (B, heads, L, head_dim), in the dtype of x.
    """
    ### BEGIN SOLUTION
    head_dim = x.shape[-1]
    even = torch.arange(0, head_dim, 2, dtype=torch.float64, device=x.device)
    angles = positions[:, None] * 10_000 ** (-even / head_dim)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x[..., 0::2], x[..., 1::2]
    turned = torch.stack([first * cos - second * sin, first * sin + second * cos], dim=-1)
    return turned.flatten(-2)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_rotate", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
check("position/rotate", rotate)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_add_alibi", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · A penalty on distance (12 points)
#
# ALiBi learns nothing about positions. It takes from each score the distance, times a slope that is fixed
# for each of the $h$ heads:
#
# $$e_{mn} \leftarrow e_{mn} - s_j\, |m - n|, \qquad s_j = 2^{-8j/h}, \quad j = 1, \dots, h$$
#
# Eight heads have the slopes 1/2, 1/4, …, 1/256: the first sees little but its neighbours, the last nearly the
# whole text. Here the number of heads is a power of two.

# %% nbgrader={"grade": false, "grade_id": "add_alibi", "locked": false, "schema_version": 3, "solution": true, "task": false}
def add_alibi(
    scores: torch.Tensor, query_positions: torch.Tensor, key_positions: torch.Tensor
) -> torch.Tensor:
    """Punish distance.

    Args:
        scores: (B, heads, L_q, L_k).
        query_positions: (L_q,), whole numbers.
        key_positions: (L_k,), whole numbers.

    Returns:
        (B, heads, L_q, L_k), in the dtype of scores.
    """
    ### BEGIN SOLUTION
    heads = scores.shape[1]
    slopes = 2 ** (-8 * torch.arange(1, heads + 1, device=scores.device) / heads)
    distance = (query_positions[:, None] - key_positions[None, :]).abs()
    return scores - (slopes[:, None, None] * distance).to(scores.dtype)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_add_alibi", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
check("position/add_alibi", add_alibi)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_neighbours", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Who can read further than it was taught?
#
# One layer of attention is to name, for each letter of a row, the letter on its left. It learns on rows of
# 12 letters and is then asked about rows of up to 48. *Your* functions tell it the order, in three ways.
# Before you run the two cells: which of the three should go on reading well, and why?

# %% nbgrader={"grade": false, "grade_id": "neighbours", "locked": true, "schema_version": 3, "solution": false, "task": false}
SYMBOLS, SIZE, TAUGHT = 10, 32, 12


def scores_of(scheme: str, x: torch.Tensor, params: dict[str, torch.Tensor]) -> torch.Tensor:
    """The scores of every letter with every other, in one head, told the order by a scheme."""
    places = torch.arange(x.shape[1], device=x.device)
    query, key = x @ params["W_q"], x @ params["W_k"]
    if scheme == "rotary":
        query, key = rotate(query[:, None], places)[:, 0], rotate(key[:, None], places)[:, 0]
    scores = query @ key.mT / math.sqrt(SIZE)
    return scores + relative_bias(params["bias"], places, places) if scheme == "bias" else scores


def read(
    scheme: str, letters: torch.Tensor, params: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits over the letters, and the weights."""
    x = params["letter"][letters]
    if scheme == "sinusoids":
        x = add_sinusoids(x, torch.arange(letters.shape[1], device=letters.device))
    # The 1 behind each vector gives W_q and W_k a bias, a part that is the same for every letter.
    weights = scores_of(scheme, torch.cat([x, torch.ones_like(x[..., :1])], -1), params).softmax(-1)
    return weights @ (params["letter"][letters] @ params["W_v"]) @ params["out"], weights


def learn(scheme: str, steps: int = 300) -> dict[str, torch.Tensor]:
    """Teach one layer to name left neighbours, in rows of 12 letters."""
    torch.manual_seed(0)
    shapes = {"letter": (SYMBOLS, SIZE), "W_q": (SIZE + 1, SIZE), "W_k": (SIZE + 1, SIZE),
              "W_v": (SIZE, SIZE), "out": (SIZE, SYMBOLS), "bias": (1, 9)}  # fmt: skip
    start = {name: torch.randn(shape) / shape[0] ** 0.5 for name, shape in shapes.items()}
    params = {name: tensor.to(device) for name, tensor in start.items()}
    params["letter"] *= SYMBOLS**0.5
    params["bias"] *= 0
    optimiser = torch.optim.Adam([p.requires_grad_() for p in params.values()], lr=1e-2)
    for _ in range(steps):
        letters = torch.randint(SYMBOLS, (32, TAUGHT), device=device)
        logits, _ = read(scheme, letters, params)
        loss = torch.nn.functional.cross_entropy(logits[:, 1:].mT, letters[:, :-1])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return params


schemes, trained = ("sinusoids", "bias", "rotary"), {}
try:
    for scheme in schemes:
        trained[scheme] = learn(scheme)
        print(f"{scheme} has learned")
except Exception as problem:  # a stub, or a scheme that is not right yet
    print("First finish exercises 2, 4 and 5: your positions are what is trained here.", problem)

# %% nbgrader={"grade": false, "grade_id": "further", "locked": true, "schema_version": 3, "solution": false, "task": false}
lengths, right = (6, 12, 18, 24, 36, 48), {scheme: [] for scheme in trained}
torch.manual_seed(1)
with torch.no_grad():
    for length in lengths:
        letters = torch.randint(SYMBOLS, (100, length), device=device)
        for scheme, params in trained.items():
            logits, _ = read(scheme, letters, params)
            hits = logits[:, 1:].argmax(-1) == letters[:, :-1]
            right[scheme].append(hits.float().mean().item())
if len(trained) == len(schemes):
    ax = plots.lines_by_length(
        right, lengths, ylabel="left neighbours named", xlabel="letters in a row", longest=TAUGHT
    )
    ax.set(ylim=(0, 1.05))
    ax.yaxis.set_major_formatter("{x:.0%}")
else:
    print("First finish exercises 2, 4 and 5.")

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_written", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## A question to think about (optional)
#
# ALiBi is missing from the last figure. Its bias is the same for the left and the right neighbour, so this
# layer could not use it. Yet language models that predict the next word work well with it. What do those
# have that this layer has not? Your instructor reads this one.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_alibi", "locked": false, "points": 0, "schema_version": 3, "solution": true, "task": false}
# A causal mask. There, nothing stands to the right, so the distance alone says where a word is: the
# nearest word before it is the one at distance 1. (A causal mask by itself already tells something of the
# order: the first word can look at one word, the second at two, and so on.)
