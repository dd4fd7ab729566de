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
# # Assignment 8 · Why several heads?
#
# You take chapter 7's attention, cut it into heads, and put the heads to work: side by side, on another
# sentence, sharing their keys, and talking to each other. Six short functions, 100 points. At the end
# your own layer answers two questions at once, with two heads, and you see why one head cannot.
#
# Before you start, read chapter 8. It has every formula you need.
#
# **How it works.** Each exercise is a task, a cell for your code, and a check. Replace the line
# `raise NotImplementedError()`, run the cell, then run the check. The check says which properties
# hold, which do not, and often why. Run it as often as you like. Points add up per property, and a
# mistake that the check knows by name leaves at least half of them. Leave the check cells as they
# are, and keep the names and the arguments of the functions.
#
# During a check your prints and warnings are not shown. To look inside, call your function yourself
# on small inputs, e.g. `split_heads(torch.arange(12.0).view(1, 2, 6), 3)`.
#
# **What you may use.** All of torch, but not a function that *is* the answer: no
# `scaled_dot_product_attention` and no `MultiheadAttention`, nor the attention of `attention_lib`. Your
# functions may call each other. The softmax with a mask, which you wrote for chapter 7, is given below.
#
# **On any device, in any precision.** Make new tensors on the device of your inputs:
# `torch.zeros(n, device=x.device)`. Results have the dtype of the inputs, be it float64, float32 or
# half precision (float16, bfloat16).
#
# **Letters.** Tensors put the batch first, then the heads.
#
# | letter | what it counts |
# |---|---|
# | B | sentences in the batch |
# | L | words of a sentence; L_q that ask (queries), L_k that are asked (keys) |
# | h | heads |
# | d_model | numbers of a word |
# | d_k, d_v | numbers of *one head's* query or key, and of its value |
#
# A mask is boolean, and True means *may be attended to*. It broadcasts to (B, h, L_q, L_k): a mask of
# shape (L_q, L_k) or (B, 1, 1, L_k) will do.

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
from autograder.checks import check

device = "cuda" if torch.cuda.is_available() else "cpu"
plots.use_style()
print(f"torch {torch.__version__} on {device}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_given", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Given: a softmax with a mask
#
# Chapter 7's answer. Use it wherever you need weights. Its softmax runs over the axis `dim`, masked
# cells get exactly 0, and a query that may look nowhere gets zeros.

# %% nbgrader={"grade": false, "grade_id": "given", "locked": true, "schema_version": 3, "solution": false, "task": false}
def masked_softmax(scores: torch.Tensor, mask: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Weights over the open cells; the mask broadcasts to the shape of the scores."""
    blocked = ~mask.expand(scores.shape)
    nothing = blocked.all(dim=dim, keepdim=True)
    filled = scores.masked_fill(blocked, float("-inf")).masked_fill(nothing, 0.0)
    return filled.softmax(dim).masked_fill(blocked, 0.0)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_split_heads", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · Cut into heads (12 points)
#
# A projection gives each word one long row of numbers, those of all heads, one head after the other.
# Cut it: head $i$ gets the numbers $i \cdot d$ to $(i+1) \cdot d - 1$ of *every* word, where $d$ is the
# size of a head.
#
#     (B, L, h · d)  →  (B, h, L, d)
#
# - With 2 heads the word `[1, 2, 3, 4]` becomes `[1, 2]` in head 0 and `[3, 4]` in head 1.
# - A `view` or a `reshape` keeps all numbers in their order in memory. Is that enough here?

# %% nbgrader={"grade": false, "grade_id": "split_heads", "locked": false, "schema_version": 3, "solution": true, "task": false}
def split_heads(x: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Give each head its slice of every word.

    Args:
        x: (B, L, h · d).
        num_heads: h, which divides the last axis.

    Returns:
        (B, h, L, d).
    """
    ### BEGIN SOLUTION
    batch, length, width = x.shape
    return x.reshape(batch, length, num_heads, width // num_heads).transpose(1, 2)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_split_heads", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
check("multihead/split_heads", split_heads)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_merge_heads", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · Put side by side again (10 points)
#
# The way back: for each word the heads' answers, head 0 first, in one row.
#
#     (B, h, L, d)  →  (B, L, h · d)
#
# `merge_heads(split_heads(x, h))` is `x` again.

# %% nbgrader={"grade": false, "grade_id": "merge_heads", "locked": false, "schema_version": 3, "solution": true, "task": false}
def merge_heads(heads: torch.Tensor) -> torch.Tensor:
    """Put the heads of each word side by side.

    Args:
        heads: (B, h, L, d).

    Returns:
        (B, L, h · d).
    """
    ### BEGIN SOLUTION
    return heads.transpose(1, 2).flatten(2)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_merge_heads", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
check("multihead/merge_heads", merge_heads)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_multihead_self_attention", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · Self-attention with several heads (26 points)
#
# Project once for all heads, cut, let each head attend by itself, merge, and let $W^O$ mix what the
# heads found:
#
# $$\begin{aligned}
# Q, K, V &= X W^Q, \; X W^K, \; X W^V \\
# A_i &= \operatorname{softmax}\left(\frac{Q_i K_i^\top}{\sqrt{d_k}}\right) \\
# \text{output} &= [A_1 V_1; \dots; A_h V_h]\, W^O
# \end{aligned}$$
#
# $Q_i$ is head $i$'s slice of $Q$. A word is a *row*, so the matrices stand on the right. In the paper
# $d_k = d_v = d_{\text{model}} / h$; yours takes any sizes.
#
# - Of what is $d_k$ the size? (See the letters above.)
# - No loop over the heads is needed: `@` and `.mT` work on the last two axes, whatever stands before.

# %% nbgrader={"grade": false, "grade_id": "multihead_self_attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def multihead_self_attention(
    x: torch.Tensor, mask: torch.Tensor, num_heads: int, params: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let the words of each sentence look at each other, with several heads.

    Args:
        x: (B, L, d_model), the words.
        mask: bool, broadcastable to (B, h, L, L), True = may be attended to.
        num_heads: h.
        params: W_q and W_k (d_model, h · d_k), W_v (d_model, h · d_v), W_o (h · d_v, d_model).

    Returns:
        output (B, L, d_model) and weights (B, h, L, L).
    """
    ### BEGIN SOLUTION
    query, key, value = (split_heads(x @ params[name], num_heads) for name in ("W_q", "W_k", "W_v"))
    weights = masked_softmax(query @ key.mT / key.shape[-1] ** 0.5, mask)
    return merge_heads(weights @ value) @ params["W_o"], weights
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_multihead_self_attention", "locked": true, "points": 26, "schema_version": 3, "solution": false, "task": false}
check("multihead/multihead_self_attention", multihead_self_attention)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_multihead_cross_attention", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · Cross-attention, as torch does it (20 points)
#
# In a translator, the words of the target (`x`) ask and the words of the source (`memory`) are asked.
# Write it so that it gives what `torch.nn.MultiheadAttention` gives, from that module's own parameters.
# They come as its state dict:
#
# | name | shape | what it is |
# |---|---|---|
# | `in_proj_weight` | (3 · d_model, d_model) | the matrices of query, key and value, in this order, one under the other |
# | `in_proj_bias` | (3 · d_model,) | their biases, in the same order |
# | `out_proj.weight` | (d_model, d_model) | $W^O$ |
# | `out_proj.bias` | (d_model,) | its bias |
#
# - A linear layer of torch computes $x W^\top + b$: it keeps its matrix the other way round than
#   exercise 3.
# - Each head has $d_{\text{model}} / h$ numbers. Return the weights of each head.
# - The mask is ours: True = may be attended to. (torch's module has it the other way round.)

# %% nbgrader={"grade": false, "grade_id": "multihead_cross_attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def multihead_cross_attention(
    x: torch.Tensor,
    memory: torch.Tensor,
    mask: torch.Tensor,
    num_heads: int,
    state: dict[str, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let the words of x look at the words of memory.

    Args:
        x: (B, L_q, d_model), the words that ask.
        memory: (B, L_k, d_model), the words that are asked.
        mask: bool, broadcastable to (B, h, L_q, L_k), True = may be attended to.
        num_heads: h, which divides d_model.
        state: the state dict of a torch.nn.MultiheadAttention, see the table.

    Returns:
        output (B, L_q, d_model) and weights (B, h, L_q, L_k).
    """
    ### BEGIN SOLUTION
    weight, bias = state["in_proj_weight"].chunk(3), state["in_proj_bias"].chunk(3)
    query, key, value = (
        split_heads(tokens @ weight[i].T + bias[i], num_heads)
        for i, tokens in enumerate((x, memory, memory))
    )
    weights = masked_softmax(query @ key.mT / key.shape[-1] ** 0.5, mask)
    output = merge_heads(weights @ value) @ state["out_proj.weight"].T + state["out_proj.bias"]
    return output, weights
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_multihead_cross_attention", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
check("multihead/multihead_cross_attention", multihead_cross_attention)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_torch", "locked": true, "schema_version": 3, "solution": false, "task": false}
# And here is the proof, on a sentence and its translation. 5 English tokens ask, 6 Chinese tokens are
# asked:

# %% nbgrader={"grade": false, "grade_id": "torch", "locked": true, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(0)
module = torch.nn.MultiheadAttention(8, 2, batch_first=True).to(device)
torch.nn.init.normal_(module.in_proj_bias)  # torch starts with biases of 0
english, chinese = torch.randn(1, 5, 8, device=device), torch.randn(1, 6, 8, device=device)
everyone = torch.ones(5, 6, dtype=torch.bool, device=device)
try:
    with torch.no_grad():
        state = dict(module.named_parameters())
        mine = multihead_cross_attention(english, chinese, everyone, 2, state)
        theirs = module(english, chinese, chinese, average_attn_weights=False)
    gap = max((a - b).abs().max().item() for a, b in zip(mine, theirs, strict=True))
    print(f"yours and torch's differ by {gap:.1e} at most")
except Exception as problem:  # a stub, or another shape
    print("First finish exercise 4.", problem)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_grouped_query_attention", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · Heads that share (16 points)
#
# A translator that writes word by word keeps the keys and values of everything before. With $h$ heads
# that is $h$ keys and $h$ values a word. In *grouped-query attention* there are only $g$, where $g$
# divides $h$: neighbouring query heads share. The first $h/g$ query heads use key and value head 0, the next
# $h/g$ use head 1, and so on. With $g = 1$, *multi-query attention*, all use the same one.
#
# - The heads are projected already: no $W^Q$ here, and no $W^O$.
# - There is still one map for each *query* head.

# %% nbgrader={"grade": false, "grade_id": "grouped_query_attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def grouped_query_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend with query heads that share key and value heads.

    Args:
        query: (B, h, L_q, d_k).
        key: (B, g, L_k, d_k), where g divides h.
        value: (B, g, L_k, d_v).
        mask: bool, broadcastable to (B, h, L_q, L_k), True = may be attended to.

    Returns:
        context (B, h, L_q, d_v) and weights (B, h, L_q, L_k).
    """
    ### BEGIN SOLUTION
    times = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(times, dim=1), value.repeat_interleave(times, dim=1)
    weights = masked_softmax(query @ key.mT / key.shape[-1] ** 0.5, mask)
    return weights @ value, weights
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_grouped_query_attention", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("multihead/grouped_query_attention", grouped_query_attention)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_talking_heads", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · Heads that talk (16 points)
#
# *Talking heads* tell each other what they see. Their scores $E_1, \dots, E_{h_k}$ are mixed before the
# softmax, and the weights once more after it:
#
# $$\begin{aligned}
# E_i &= \frac{Q_i K_i^\top}{\sqrt{d_k}}, & \tilde E_g &= \sum_{i} P_{ig}\, E_i, \\
# A_g &= \operatorname{softmax}(\tilde E_g), & \tilde A_j &= \sum_{g} R_{gj}\, A_g
# \end{aligned}$$
#
# and head $j$ returns $\tilde A_j V_j$. $P$ is `mix_scores`, $R$ is `mix_weights`. They need not be
# square: $h_k$ heads of queries and keys, $h$ heads of scores, $h_v$ heads of values.
#
# - The mixed weights are used as they are. Their rows need not sum to 1.
# - Where does the mask belong? ($-\infty$ times a negative number is $+\infty$.)
# - A sum over heads is a matrix product over the heads' axis. `torch.einsum` says it in one line, or
#   you move that axis to the end and back.

# %% nbgrader={"grade": false, "grade_id": "talking_heads", "locked": false, "schema_version": 3, "solution": true, "task": false}
def talking_heads(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    mix_scores: torch.Tensor,
    mix_weights: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend with heads that mix their scores, and then their weights.

    Args:
        query: (B, h_k, L_q, d_k).
        key: (B, h_k, L_k, d_k).
        value: (B, h_v, L_k, d_v).
        mask: bool, broadcastable to (B, h, L_q, L_k), True = may be attended to.
        mix_scores: (h_k, h), P.
        mix_weights: (h, h_v), R.

    Returns:
        context (B, h_v, L_q, d_v) and the mixed weights (B, h_v, L_q, L_k).
    """
    ### BEGIN SOLUTION
    scores = query @ key.mT / key.shape[-1] ** 0.5
    scores = torch.einsum("biqk,ig->bgqk", scores, mix_scores)
    weights = torch.einsum("bgqk,gj->bjqk", masked_softmax(scores, mask), mix_weights)
    return weights @ value, weights
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_talking_heads", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("multihead/talking_heads", talking_heads)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_two_prices", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Two questions at once
#
# Chapter 8's task, read by *your* layer of exercise 3. A list names six products with their prices; then
# somebody asks for the prices of two of them. One vector must carry both answers, the first price and the
# second. The layer is trained twice, with one head and with two: the matrices have the same sizes both
# times. Run the cell. It takes about half a minute.

# %% nbgrader={"grade": false, "grade_id": "two_prices", "locked": true, "schema_version": 3, "solution": false, "task": false}
products = ["笔记本", "铅笔", "书", "杯子", "雨伞", "手机", "电脑", "桌子"]
prices, d_model = 10, 32


def price_lists(size: int, named: int = 2, length: int = 6) -> tuple[torch.Tensor, ...]:
    """Products and prices (size, length), the products asked for and the answers (size, named)."""
    items = torch.rand(size, len(products)).argsort(1)[:, :length]
    tags = torch.randint(prices, (size, length))
    places = torch.rand(size, length).argsort(1)[:, :named]
    asked, answers = items.gather(1, places), tags.gather(1, places)
    return items.to(device), tags.to(device), asked.to(device), answers.to(device)


def read_lists(
    items: torch.Tensor, tags: torch.Tensor, asked: torch.Tensor, heads: int, params: dict
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits for the prices (size, named, prices), and the weights, from your layer."""
    words = params["product"][items] + params["price"][tags]
    # One set of vectors for each place in the question.
    places = len(products) * torch.arange(asked.shape[1], device=device)
    question = params["question"][asked + places].sum(1)
    x = torch.cat([words, question[:, None]], dim=1)
    everyone = torch.ones(1, 1, 1, x.shape[1], dtype=torch.bool, device=device)
    output, weights = multihead_self_attention(x, everyone, heads, params)
    return (output[:, -1] @ params["out"]).unflatten(-1, (-1, prices)), weights


def train(heads: int, named: int = 2, steps: int = 300) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    rows = {"product": 8, "price": prices, "question": 8 * named}
    params = {name: torch.randn(n, d_model) for name, n in rows.items()}
    for name in ("W_q", "W_k", "W_v", "W_o"):
        params[name] = torch.randn(d_model, d_model) / d_model**0.5
    params["out"] = torch.randn(d_model, named * prices) / d_model**0.5
    params = {name: tensor.to(device).requires_grad_() for name, tensor in params.items()}
    optimiser = torch.optim.Adam(params.values(), lr=1e-2)
    for _ in range(steps):
        *tokens, answers = price_lists(64, named)
        logits, _ = read_lists(*tokens, heads, params)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), answers.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return params


trained = {}
try:
    for heads in (1, 2):
        trained[heads] = train(heads)
        *tokens, answers = price_lists(1000)
        right = read_lists(*tokens, heads, trained[heads])[0].argmax(-1) == answers
        first, second = right.float().mean(0).tolist()
        both = right.all(-1).float().mean().item()
        print(f"{heads} head(s): first price {first:4.0%}, second {second:4.0%}, both {both:4.0%}")
except Exception as problem:  # a stub, or a layer that is not right yet
    print("First finish exercises 1 to 3: your layer is what is trained here.", problem)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_map", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The last row of each map is the question. Where does the one head look, and where do the two?

# %% nbgrader={"grade": false, "grade_id": "map", "locked": true, "schema_version": 3, "solution": false, "task": false}
import matplotlib.pyplot as plt

torch.manual_seed(3)
items, tags, asked, answers = price_lists(1)
labels = [f"{products[i]} {t}" for i, t in zip(items[0].tolist(), tags[0].tolist(), strict=True)]
labels += ["、".join(products[i] for i in asked[0].tolist()) + " ?"]
try:
    with torch.no_grad():
        maps = [
            (f"head {i + 1} of {heads}", weights[0, i])
            for heads, params in trained.items()
            for weights in [read_lists(items, tags, asked, heads, params)[1]]
            for i in range(heads)
        ]
    figure, axes = plt.subplots(1, len(maps), figsize=(12, 4.6))
    for ax, (title, weights) in zip(axes, maps, strict=True):
        plots.heat_map(weights[-1:], queries=labels[-1:], keys=labels, ax=ax, title=title)
        ax.tick_params(labelleft=False)
    print(f"asked: {labels[-1]}  the list says {answers[0].tolist()}")
except Exception as problem:
    print("First finish exercises 1 to 3, and run the cell above.", problem)

# %% [markdown]
# Room to play: give your layer 8, 16 or 32 heads. At which number does it begin to fail, and how many
# numbers has a key then? Or ask for three products. How many heads does it take? (They must divide 32.)

# %%
try:
    for heads, named in ((8, 2), (32, 2), (2, 3)):
        params = train(heads, named)
        *tokens, answers = price_lists(1000, named)
        right = read_lists(*tokens, heads, params)[0].argmax(-1) == answers
        print(f"{heads} heads, {named} prices: all right {right.all(-1).float().mean().item():4.0%}")
except Exception as problem:
    print("First finish exercises 1 to 3.", problem)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_written", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## A question to think about (optional)
#
# Two heads can do what one cannot, at the same number of parameters. Then why not 32 heads of one number
# each? And which of exercises 5 and 6 helps against that, and which one makes something cheaper instead?
# Your instructor reads this one.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_heads", "locked": false, "points": 0, "schema_version": 3, "solution": true, "task": false}
# A head of one number compares words along a single line: it can prefer large numbers or small ones, but
# not pick one product out of many. Talking heads mix the scores before the softmax, so that each choice is
# made with the numbers of all heads. Sharing keys and values does not make the heads see more; it makes
# what has to be kept for each word smaller.
