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
# # Assignment 7 · What if the sentence attends to itself?
#
# You write self-attention, from a calculation that fits on paper to a layer that learns: six short
# functions, 100 points. At the end your own layer is trained to read price lists, and you see where
# it looks.
#
# Before you start, read chapter 7. It has every formula you need.
#
# **How it works.** Each exercise is a task, a cell for your code, and a check. Replace the line
# `raise NotImplementedError()`, run the cell, then run the check. The check says which properties
# hold, which do not, and often why. Run it as often as you like. Points add up per property, and a
# mistake that the check knows by name leaves at least half of them. Leave the check cells as they
# are, and keep the names and the arguments of the functions.
#
# During a check your prints and warnings are not shown. To look inside, call your function yourself
# on small inputs, e.g. `by_hand(np.eye(3))`.
#
# **What you may use.** The first two exercises are in NumPy: arrays go in, arrays come out. The
# others are in torch, all of it, but not a function that *is* the answer: no
# `scaled_dot_product_attention` and no `MultiheadAttention`, nor the attention and the masks of
# `attention_lib`. Your functions may call each other.
#
# **On any device, in any precision.** In torch, make new tensors on the device of your inputs:
# `torch.arange(n, device=tokens.device)`. Results have the dtype of the inputs, be it float64,
# float32 or half precision (float16, bfloat16).
#
# **Letters.** Tensors put the batch first.
#
# | letter | what it counts |
# |---|---|
# | B | sentences in the batch |
# | L | words of a sentence; L_q that ask (queries), L_k that are asked (keys) |
# | d | the size of a vector: d_model of a word, d_k of a query or key, d_v of a value |
#
# A mask is boolean, and True means *may be attended to*. Positions count from 0.

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

import numpy as np
import torch

from attention_lib import plots
from autograder.checks import check

device = "cuda" if torch.cuda.is_available() else "cpu"
plots.use_style()
print(f"torch {torch.__version__} on {device}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_by_hand", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · 笔记本 by hand (14 points, NumPy)
#
# The three characters of 笔记本 (*notebook*) are three vectors of five numbers, the rows of $X$.
# Without anything learned, self-attention is
#
# $$\operatorname{softmax}(X X^\top)\, X$$
#
# Write it for any $X$ with $n$ rows, and return what you would write on paper on the way: the scores
# $XX^\top$, the weights, and the context. The softmax runs over each row:
#
# $$a_{ij} = \frac{e^{s_{ij}}}{\sum_{j'} e^{s_{ij'}}}$$
#
# - There is no scale here: the $\sqrt{d_k}$ comes in exercise 3.
# - Scores of 10,000 are no reason for NaN. (Taking the same number from all scores of a row does not
#   change its weights.)

# %% nbgrader={"grade": false, "grade_id": "by_hand", "locked": false, "schema_version": 3, "solution": true, "task": false}
def by_hand(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Let the rows of x attend to each other.

    Args:
        x: (n, d), one vector a token.

    Returns:
        scores (n, n), weights (n, n) and context (n, d).
    """
    ### BEGIN SOLUTION
    scores = x @ x.T
    exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return scores, weights, weights @ x
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_by_hand", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
check("self_attention/by_hand", by_hand)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_bi_ji_ben", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Now the numbers of the chapter are yours. Which of them did a published version get wrong?

# %% nbgrader={"grade": false, "grade_id": "bi_ji_ben", "locked": true, "schema_version": 3, "solution": false, "task": false}
np.set_printoptions(precision=4, suppress=True)
notebook = np.array([[1, 2, 1, 2, 1], [1, 1, 1, 2, 1], [3, 2, 1, 1, 1]], dtype=float)
try:
    for name, part in zip(("scores", "weights", "context"), by_hand(notebook), strict=True):
        print(name, part, sep="\n")
except Exception as problem:  # a stub, or not three things yet
    print("First finish exercise 1.", problem)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_kernel_regression", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · A dictionary that always answers (16 points, NumPy)
#
# Nadaraya and Watson predict the value at $q$ from examples: keys $k_i$ with values $v_i$. Examples
# near $q$ count much, far ones little:
#
# $$\hat v(q) = \sum_i \frac{K(q, k_i)}{\sum_j K(q, k_j)} \, v_i , \qquad
#   K(q, k) = \exp\left(-\frac{\lVert q - k \rVert^2}{2 w^2}\right)$$
#
# $\lVert q - k \rVert^2$ is the sum of the squared differences of their components, and $w$ is the
# width of the kernel. Answer all questions at once.
#
# - A question may lie so far from every example that each $K$ is 0 to the computer. The formula still
#   has an answer then: the nearest examples decide. (Which function did you write in exercise 1 that
#   survives such numbers?)

# %% nbgrader={"grade": false, "grade_id": "kernel_regression", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kernel_regression(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, width: float
) -> np.ndarray:
    """Answer each question with an average of the values, by a Gaussian kernel.

    Args:
        query: (L_q, d), the questions.
        key: (L_k, d), where the examples lie.
        value: (L_k, d_v), what was seen there.
        width: w > 0.

    Returns:
        the answers (L_q, d_v).
    """
    ### BEGIN SOLUTION
    squares = ((query[:, None] - key[None]) ** 2).sum(axis=-1)
    scores = -squares / (2 * width**2)
    kernels = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return kernels @ value / kernels.sum(axis=-1, keepdims=True)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_kernel_regression", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("self_attention/kernel_regression", kernel_regression)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_attention", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · Scaled dot product attention (16 points)
#
# $$\operatorname{Attention}(Q, K, V) =
#   \operatorname{softmax}\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V$$
#
# From here on it is torch, and a batch of sentences. `key.mT` swaps the last two axes of a batch of
# matrices. There may be more keys than queries, or fewer, and the values may have another size than the
# keys.

# %% nbgrader={"grade": false, "grade_id": "attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let every query look at every key of its sentence.

    Args:
        query: (B, L_q, d_k).
        key: (B, L_k, d_k).
        value: (B, L_k, d_v).

    Returns:
        context (B, L_q, d_v) and weights (B, L_q, L_k).
    """
    ### BEGIN SOLUTION
    weights = torch.softmax(query @ key.mT / key.shape[-1] ** 0.5, dim=-1)
    return weights @ value, weights
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_attention", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("self_attention/attention", attention)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_attention_mask", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · Who may look where (18 points)
#
# Sentences come as word ids, and the short ones are filled up with the id `pad`. Build the mask of a
# whole batch: cell $(i, j)$ says whether word $i$ may look at word $j$.
#
# - Nobody looks at padding, wherever it stands.
# - If `causal` is True, word $i$ looks at the words $0 \dots i$ only, itself included.
# - A pad still asks: its own row follows the same two rules.
#
# For the ids `[[7, 8, 9, 0]]` with `pad=0` and `causal=True` the mask reads (1 is True)
#
#     1 0 0 0
#     1 1 0 0
#     1 1 1 0
#     1 1 1 0

# %% nbgrader={"grade": false, "grade_id": "attention_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def attention_mask(tokens: torch.Tensor, pad: int, causal: bool) -> torch.Tensor:
    """Say which word may look at which.

    Args:
        tokens: (B, L), integer ids.
        pad: the id of the padding.
        causal: whether the words ahead are hidden.

    Returns:
        bool (B, L, L), True = may be attended to; rows ask, columns are asked.
    """
    ### BEGIN SOLUTION
    length = tokens.shape[1]
    mask = (tokens != pad)[:, None, :].expand(-1, length, -1)
    if causal:
        mask = mask & torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
    return mask
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_attention_mask", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("self_attention/attention_mask", attention_mask)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_masked_attention", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · Attention with a mask (20 points)
#
# Now exercise 3 with a mask $m$: the softmax runs over the open cells only.
#
# $$a_{ij} = \frac{m_{ij} \exp(e_{ij})}{\sum_{j'} m_{ij'} \exp(e_{ij'})}, \qquad
#   e_{ij} = \frac{q_i \cdot k_j}{\sqrt{d_k}}$$
#
# - A masked cell gets a weight of *exactly* 0, however high its score is. The others sum to 1.
# - The fraction says what comes out. Computed as it is printed, it overflows: leave the exponentials
#   to a softmax, and think of a score that makes one vanish.
# - A query that may look nowhere gets weights and a context of 0, and its gradients are 0: NaN must
#   not appear, not even on the way back. (The chapter, under *−1e9 for −∞*, says how. A function to
#   look up: `masked_fill`, or `torch.where`.)
# - The mask may have fewer axes than (B, L_q, L_k), or axes of size 1: it broadcasts.
# - Half precision is tested here, too. How large is the largest float16?

# %% nbgrader={"grade": false, "grade_id": "masked_attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def masked_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let every query look at the keys that the mask allows.

    Args:
        query: (B, L_q, d_k).
        key: (B, L_k, d_k).
        value: (B, L_k, d_v).
        mask: bool, broadcastable to (B, L_q, L_k), True = may be attended to.

    Returns:
        context (B, L_q, d_v) and weights (B, L_q, L_k).
    """
    ### BEGIN SOLUTION
    scores = query @ key.mT / key.shape[-1] ** 0.5
    blocked = ~mask.expand(scores.shape)
    nothing = blocked.all(dim=-1, keepdim=True)
    # A row of -inf alone is 0/0 in the softmax; such a row becomes zeros and is blanked afterwards.
    scores = scores.masked_fill(blocked, float("-inf")).masked_fill(nothing, 0.0)
    weights = torch.softmax(scores, dim=-1).masked_fill(blocked, 0.0)
    return weights @ value, weights
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_masked_attention", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
check("self_attention/masked_attention", masked_attention)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_self_attention", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · A layer of self-attention (16 points)
#
# Each word asks, can be found, and has something to give, in three vectors of its own:
#
# $$Q = X W^Q, \qquad K = X W^K, \qquad V = X W^V$$
#
# A word is a *row* of $X$, so the matrices stand on the right. The rest you have written already.

# %% nbgrader={"grade": false, "grade_id": "self_attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def self_attention(
    x: torch.Tensor, mask: torch.Tensor, params: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let the words of each sentence look at each other.

    Args:
        x: (B, L, d_model), the words.
        mask: bool, broadcastable to (B, L, L), True = may be attended to.
        params: W_q (d_model, d_k), W_k (d_model, d_k) and W_v (d_model, d_v).

    Returns:
        context (B, L, d_v) and weights (B, L, L).
    """
    ### BEGIN SOLUTION
    query, key, value = (x @ params[name] for name in ("W_q", "W_k", "W_v"))
    return masked_attention(query, key, value, mask)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_self_attention", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("self_attention/self_attention", self_attention)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_shop", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Where does it look?
#
# The chapter's price lists, read by *your* layer. A sentence names seven products with their prices and
# then asks for one of them. Prices are drawn anew for every sentence, so the answer can only be looked
# up. Run the two cells. The first trains; the second draws where each token of a new list looks. Only the
# last row has a question to answer. Which cell should be dark there?

# %% nbgrader={"grade": false, "grade_id": "shop", "locked": true, "schema_version": 3, "solution": false, "task": false}
products = ["笔记本", "铅笔", "书", "杯子", "雨伞", "手机", "电脑", "桌子"]
products += ["椅子", "钥匙", "帽子", "苹果", "面包", "牛奶", "茶", "报纸"]
prices = 10  # 0 to 9; the id 10 is the question mark


def price_lists(size: int, length: int = 7) -> tuple[torch.Tensor, ...]:
    """Products and prices (size, length + 1), the question last, and the answers (size,)."""
    listed = torch.rand(size, len(products)).argsort(1)[:, :length]
    tags = torch.randint(prices, (size, length))
    asked = torch.randint(length, (size, 1))
    items = torch.cat([listed, listed.gather(1, asked)], dim=1)
    answers = tags.gather(1, asked)[:, 0]
    tags = torch.cat([tags, torch.full((size, 1), prices)], dim=1)
    return items.to(device), tags.to(device), answers.to(device)


def read_lists(items: torch.Tensor, tags: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits over the prices, and the weights, from your layer."""
    x = torch.cat([params["product"][items], params["price"][tags]], dim=-1)
    everyone = torch.ones(1, 1, x.shape[1], dtype=torch.bool, device=device)
    context, weights = self_attention(x, everyone, params)
    return context[:, -1] @ params["out"], weights


torch.manual_seed(0)
shapes = {"product": (16, 24), "price": (11, 24), "W_q": (48, 24), "W_k": (48, 24),
          "W_v": (48, 24), "out": (24, prices)}  # fmt: skip
params = {
    name: (torch.randn(shape) / (1 if name in ("product", "price") else shape[0] ** 0.5))
    .to(device).requires_grad_() for name, shape in shapes.items()
}  # fmt: skip
optimiser = torch.optim.Adam(params.values(), lr=5e-3)
try:
    for step in range(121):
        items, tags, answers = price_lists(32)
        logits, _ = read_lists(items, tags)
        loss = torch.nn.functional.cross_entropy(logits, answers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 30 == 0:
            right = (logits.argmax(-1) == answers).float().mean().item()
            print(f"step {step:3}: loss {loss.item():.2f}, {right:4.0%} right")
except Exception as problem:  # a stub, or a layer that is not right yet
    print("First finish exercises 5 and 6: your layer is what is trained here.", problem)

# %% nbgrader={"grade": false, "grade_id": "map", "locked": true, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(7)
items, tags, answers = price_lists(1)
try:
    with torch.no_grad():
        logits, weights = read_lists(items, tags)
except Exception as problem:
    print("First finish exercises 5 and 6.", problem)
else:
    pairs = zip(items[0].tolist(), tags[0].tolist(), strict=True)
    labels = [f"{products[i]} {'?' if t == prices else t}" for i, t in pairs]
    plots.heat_map(weights[0], queries=labels, keys=labels)
    print(f"your layer says {logits[0].argmax().item()}, the list says {answers[0].item()}")

# %% [markdown]
# Room to play: ask for a product that is not in the list, or for one that is there twice, with two
# prices. What does a dictionary that always answers say then?

# %%
sentence = [("茶", "3"), ("书", "9"), ("茶", "5"), ("茶", "?")]
ids = [(products.index(p), prices if t == "?" else int(t)) for p, t in sentence]
items, tags = torch.tensor(ids, device=device).T[:, None]
print(" · ".join(" ".join(pair) for pair in sentence))
try:
    with torch.no_grad():
        shares = read_lists(items, tags)[0][0].softmax(-1)
    print({price: round(share, 2) for price, share in enumerate(shares.tolist())})
except Exception as problem:
    print("First finish exercises 5 and 6.", problem)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_written", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## A question to think about (optional)
#
# Your layer was told nothing about the order of the tokens. Why does it not need to know it here?
# Change the task in one sentence so that it would. Your instructor reads this one.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_order", "locked": false, "points": 0, "schema_version": 3, "solution": true, "task": false}
# Each product stands in the list once, together with its price in the same token, so the question
# finds it wherever it is: a list is a set. Order would matter if a product could be listed twice and
# the *last* price counted, or if product and price were two tokens, side by side.
