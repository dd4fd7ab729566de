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
# # Assignment 1 · What does it cost to read one word at a time?
#
# You write the three classic recurrent cells, let one of them read a padded batch of sentences, and
# count what reading word by word costs: six functions, 100 points. At the end your own cells show how
# far back they remember.
#
# Before you start, read chapter 1. It has every formula you need.
#
# **How it works.** Each exercise is a task, a cell for your code, and a check. Replace the line
# `raise NotImplementedError()`, run the cell, then run the check. The check says which properties
# hold, which do not, and often why. Run it as often as you like. Points add up per property, and a
# mistake that the check knows by name leaves at least half of them. Leave the check cells as they
# are, and keep the names and the arguments of the functions.
#
# During a check your prints and warnings are not shown. To look inside, call your function yourself
# on small tensors, e.g. `sequential_steps(torch.tensor([[False, False], [True, False]]))`.
#
# **What you may use.** All of torch, but not a network or a cell that *is* the answer: no `nn.RNN`,
# `nn.LSTM`, `nn.GRU`, none of their cells, and none of `attention_lib`. Your functions may call each
# other.
#
# **On any device, in any precision.** Make new tensors on the device of your inputs:
# `torch.arange(n, device=inputs.device)`. Results have the dtype of the inputs, be it float64,
# float32 or half precision (float16, bfloat16). Leave the tensors that you are given as they are:
# others may still need them.
#
# **Letters.** Tensors put the batch first.
#
# | letter | what it counts |
# |---|---|
# | B | sentences in the batch |
# | T | positions: words of the longest sentence, or steps of a computation |
# | d_in | numbers in a word vector |
# | d_h | numbers in a state |
#
# A formula has column vectors: $W x$. A batch has one word vector in each *row*, so there the matrix
# goes to the right, transposed: `x @ W.mT`.

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

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_rnn_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · One step of a plain network (12 points)
#
# The new state mixes the word that is read with the state before, and squashes:
#
# $$h_t = \tanh(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})$$
#
# All sentences of the batch take the step at once, without a loop. The two biases are torch's habit:
# both are added. The parameters come in a dictionary: $W_{ih}$ is `params["W_ih"]`.

# %% nbgrader={"grade": false, "grade_id": "rnn_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rnn_step(x: torch.Tensor, h: torch.Tensor, params: dict[str, torch.Tensor]) -> torch.Tensor:
    """Read one word of each sentence.

    Args:
        x: (B, d_in), the word vectors x_t.
        h: (B, d_h), the states h_{t-1}.
        params: W_ih (d_h, d_in), W_hh (d_h, d_h), b_ih (d_h,) and b_hh (d_h,).

    Returns:
        the new states h_t, (B, d_h).
    """
    ### BEGIN SOLUTION
    from_word = x @ params["W_ih"].T + params["b_ih"]
    from_state = h @ params["W_hh"].T + params["b_hh"]
    return torch.tanh(from_word + from_state)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_rnn_step", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
check("recurrent/rnn_step", rnn_step)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_lstm_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · One step of an LSTM (20 points)
#
# An LSTM carries a second vector, the cell $c$, from step to step. Three gates, each between 0 and 1,
# say what is written to it ($i$), what is kept of it ($f$) and what is shown of it ($o$); $g$ is what
# might be written.
#
# $$\begin{aligned}
# (i, f, g, o) &= W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh} \\
# c_t &= \sigma(f) \odot c_{t-1} + \sigma(i) \odot \tanh(g) \\
# h_t &= \sigma(o) \odot \tanh(c_t)
# \end{aligned}$$
#
# $\sigma$ is the logistic sigmoid and $\odot$ multiplies number by number. The matrices hold four
# blocks of $d_h$ rows, one below the other, in the order $i, f, g, o$. So the first line is one product,
# and its result has $4 d_h$ columns to be cut into four. (A function to look up: `torch.chunk`.)

# %% nbgrader={"grade": false, "grade_id": "lstm_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lstm_step(
    x: torch.Tensor, h: torch.Tensor, c: torch.Tensor, params: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read one word of each sentence with an LSTM.

    Args:
        x: (B, d_in), the word vectors x_t.
        h: (B, d_h), the states h_{t-1}.
        c: (B, d_h), the cells c_{t-1}.
        params: W_ih (4 d_h, d_in), W_hh (4 d_h, d_h), b_ih (4 d_h,) and b_hh (4 d_h,).

    Returns:
        the new states h_t and the new cells c_t, both (B, d_h).
    """
    ### BEGIN SOLUTION
    from_word = x @ params["W_ih"].T + params["b_ih"]
    from_state = h @ params["W_hh"].T + params["b_hh"]
    i, f, g, o = (from_word + from_state).chunk(4, dim=-1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_lstm_step", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
check("recurrent/lstm_step", lstm_step)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_gru_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · One step of a GRU (18 points)
#
# A GRU has no cell beside its state. It moves the state part of the way towards a candidate $n$: the
# update gate $z$ says how much of the old state *stays*, and the reset gate $r$ how much of it the
# candidate may see.
#
# $$\begin{aligned}
# r &= \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr}) \\
# z &= \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz}) \\
# n &= \tanh(W_{in} x_t + b_{in} + r \odot (W_{hn} h_{t-1} + b_{hn})) \\
# h_t &= (1 - z) \odot n + z \odot h_{t-1}
# \end{aligned}$$
#
# This is torch's variant: $r$ scales the product $W_{hn} h_{t-1}$ with its bias. (The paper of 2014
# resets the state *before* the product.) The matrices hold three blocks of $d_h$ rows, in the order
# $r, z, n$: $W_{ir}$ is the first block of `W_ih`, $b_{hn}$ the last of `b_hh`.

# %% nbgrader={"grade": false, "grade_id": "gru_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gru_step(x: torch.Tensor, h: torch.Tensor, params: dict[str, torch.Tensor]) -> torch.Tensor:
    """Read one word of each sentence with a GRU, in torch's variant.

    Args:
        x: (B, d_in), the word vectors x_t.
        h: (B, d_h), the states h_{t-1}.
        params: W_ih (3 d_h, d_in), W_hh (3 d_h, d_h), b_ih (3 d_h,) and b_hh (3 d_h,).

    Returns:
        the new states h_t, (B, d_h).
    """
    ### BEGIN SOLUTION
    word_r, word_z, word_n = (x @ params["W_ih"].T + params["b_ih"]).chunk(3, dim=-1)
    state_r, state_z, state_n = (h @ params["W_hh"].T + params["b_hh"]).chunk(3, dim=-1)
    r = torch.sigmoid(word_r + state_r)
    z = torch.sigmoid(word_z + state_z)
    n = torch.tanh(word_n + r * state_n)
    return (1 - z) * n + z * h
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_gru_step", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("recurrent/gru_step", gru_step)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_unroll_rnn", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · Reading a padded batch (20 points)
#
# Now the plain network reads whole sentences, step after step. They have different lengths, and the
# shorter ones are padded on the right to T positions. Padding is no word. It must not change
# anything, whatever numbers stand in it:
#
# - the state of a sentence that has ended *stays as it is* while the longer ones are read on;
# - `last` is therefore the state after each sentence's *own* last word;
# - the outputs at the padding are 0.
#
# For lengths 3 and 1, padded to 4 positions, where h1, h2, h3 are the states of that very sentence after
# 1, 2, 3 words:
#
#     outputs[0] = h1  h2  h3  0          last[0] = h3
#     outputs[1] = h1  0   0   0          last[1] = h1
#
# A sentence may be empty. It keeps the state that it started with. (A function to look up:
# `torch.where`. Print the shapes of what it chooses by and of what it chooses from.)

# %% nbgrader={"grade": false, "grade_id": "unroll_rnn", "locked": false, "schema_version": 3, "solution": true, "task": false}
def unroll_rnn(
    inputs: torch.Tensor,
    h: torch.Tensor,
    lengths: torch.Tensor,
    params: dict[str, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Let a plain network read a padded batch.

    Args:
        inputs: (B, T, d_in), word vectors, padded on the right.
        h: (B, d_h), the states before the first word.
        lengths: (B,) whole numbers from 0 to T.
        params: those of rnn_step.

    Returns:
        outputs (B, T, d_h), the state after each word and 0 at the padding; and last (B, d_h).
    """
    ### BEGIN SOLUTION
    outputs = []
    for t in range(inputs.shape[1]):
        goes_on = (t < lengths)[:, None]
        h = torch.where(goes_on, rnn_step(inputs[:, t], h, params), h)
        outputs.append(h.masked_fill(~goes_on, 0.0))
    return torch.stack(outputs, dim=1), h
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_unroll_rnn", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
check("recurrent/unroll_rnn", unroll_rnn)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_sequential_steps", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · Steps that must wait (14 points)
#
# How long does a computation take, with as many processors as you like? As long as its longest chain
# of steps of which each needs the result of the one before.
#
# Number the steps 0 … T − 1 so that a step needs earlier ones only. Row t of `needs` says what step t
# needs: `needs[t, s]` is True where it needs the result of step s. A step that needs nothing can run at
# time 1, another at the time after the *last* of those it needs:
#
# $$n_t = 1 + \max_{s\,:\,t \text{ needs } s} n_s$$
#
# (1 if there is no such $s$). Return the largest $n_t$; without any step, 0. A loop over the steps is
# fine here.
#
# In this example, steps 0 and 1 run at time 1, step 2 at time 2, and step 3, which needs 0 and 2, at
# time 3. The answer is 3.
#
#     needs:  0 0 0 0
#             0 0 0 0
#             0 1 0 0
#             1 0 1 0

# %% nbgrader={"grade": false, "grade_id": "sequential_steps", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sequential_steps(needs: torch.Tensor) -> int:
    """Count the steps of the longest chain in which each waits for the one before.

    Args:
        needs: (T, T) bool, True at [t, s] where step t needs the result of step s; s < t.

    Returns:
        the number of steps, a whole number.
    """
    ### BEGIN SOLUTION
    time = []
    for row in needs.tolist():
        waited = [n for n, needed in zip(time, row, strict=False) if needed]
        time.append(1 + max(waited, default=0))
    return max(time, default=0)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_sequential_steps", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
check("recurrent/sequential_steps", sequential_steps)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_path_lengths", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · How far is a word from a result? (16 points)
#
# What a network can learn about two words also depends on how many steps lie between them. Besides
# `needs` there is now `reads`: `reads[t, s]` is True where step t reads word s itself.
#
# The path length from word s to step t is the number of steps on the *shortest* way, step t included:
#
# - 1 where step t reads the word itself;
# - else one more than the shortest among the steps that t needs and that the word *has reached*;
# - 0 where the word never gets there.
#
# In this example there are two words and three steps. Step 0 reads word 0, step 1 reads word 1 and
# needs step 0, and step 2 needs step 1:
#
#     reads:  1 0     needs:  0 0 0     path lengths:  1 0
#             0 1             1 0 0                    2 1
#             0 0             0 1 0                    3 2

# %% nbgrader={"grade": false, "grade_id": "path_lengths", "locked": false, "schema_version": 3, "solution": true, "task": false}
def path_lengths(reads: torch.Tensor, needs: torch.Tensor) -> torch.Tensor:
    """Count the steps on the shortest way from each word to each result.

    Args:
        reads: (T, S) bool, True at [t, s] where step t reads word s itself.
        needs: (T, T) bool, True at [t, s] where step t needs the result of step s; s < t.

    Returns:
        (T, S) whole numbers, 0 where the word never gets there.
    """
    ### BEGIN SOLUTION
    steps, words = reads.shape
    lengths = torch.zeros(steps, words, dtype=torch.long)
    for t in range(steps):
        for s in range(words):
            ways = [int(lengths[k, s]) for k in range(t) if needs[t, k] and lengths[k, s] > 0]
            if reads[t, s]:
                lengths[t, s] = 1
            elif ways:
                lengths[t, s] = 1 + min(ways)
    return lengths
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_path_lengths", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("recurrent/path_lengths", path_lengths)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_count", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## What your counts say
#
# A translator with a recurrent encoder and decoder reads a sentence of 12 words, with a begin and an end mark,
# and writes one of as many. Step t needs step t − 1, and the decoder goes on from where the encoder
# ended. How many steps have to wait for each other? And how far is the first word from the last result, in
# a recurrent layer and in a layer of attention, in which every step reads all words and needs no other step?

# %% nbgrader={"grade": false, "grade_id": "count", "locked": true, "schema_version": 3, "solution": false, "task": false}
try:
    tokens = 12 + 2
    chain = torch.ones(2 * tokens - 1).diag(-1).bool()  # True just below the diagonal
    print("steps that wait for each other:", sequential_steps(chain))
    alone = torch.zeros(tokens, tokens, dtype=torch.bool)
    recurrent = path_lengths(torch.eye(tokens).bool(), chain[:tokens, :tokens])
    attention = path_lengths(~alone, alone)
except NotImplementedError:
    print("First finish exercises 5 and 6.")
else:
    print("a layer of attention:          ", sequential_steps(alone))
    print("from the first word to the last result:")
    print("  recurrent:", int(recurrent[-1, 0]), "  attention:", int(attention[-1, 0]))

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_memory", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## How far back does it remember?
#
# Your three cells now read 50 random words each, with fresh, untrained weights. The figure asks autograd how much
# the last state would change if a word were changed a little, for words farther and farther back. The
# scale is in powers of ten: at −10, a word leaves a ten-billionth. The fourth curve is your LSTM
# once more, with the biases of its forget gate raised by 5, so that it keeps nearly all of its cell.

# %% nbgrader={"grade": false, "grade_id": "memory", "locked": true, "schema_version": 3, "solution": false, "task": false}
def new_params(gates: int, size: int, seed: int) -> dict[str, torch.Tensor]:
    """Draw fresh parameters of a cell with so many blocks, as torch would."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"W_ih": (gates * size, size), "W_hh": (gates * size, size),
              "b_ih": (gates * size,), "b_hh": (gates * size,)}
    bound = size**-0.5
    return {
        name: (torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1) * bound
        for name, shape in shapes.items()
    }


def remembered(cell, params, words):
    """Return log10 of the gradient of the last state's sum for each word, the last word first."""
    words = words.clone().requires_grad_()
    h = c = torch.zeros(words.shape[0], words.shape[2], dtype=words.dtype)
    for x in words.unbind(1):
        if cell is lstm_step:
            h, c = cell(x, h, c, params)
        else:
            h = cell(x, h, params)
    (gradient,) = torch.autograd.grad(h.sum(), words)
    return gradient.norm(dim=-1).mean(0).log10().flip(0)


size = 32
words = torch.randn(8, 50, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
open_gate = new_params(4, size, 1)
open_gate["b_ih"][size : 2 * size] += 5
try:
    curves = {
        "RNN": remembered(rnn_step, new_params(1, size, 1), words),
        "GRU": remembered(gru_step, new_params(3, size, 1), words),
        "LSTM": remembered(lstm_step, new_params(4, size, 1), words),
        "LSTM, open": remembered(lstm_step, open_gate, words),
    }
except NotImplementedError:
    print("First finish exercises 1, 2 and 3: the curves are drawn with them.")
else:
    every = slice(0, 50, 7)
    plots.lines_by_length(
        {name: curve[every] for name, curve in curves.items()},
        list(range(50))[every],
        ylabel="gradient (powers of ten)",
        xlabel="words back",
        title="What your cells remember, untrained",
    )

# %% [markdown]
# Room to play: raise the biases by 1 or 2 instead of 5, or multiply the RNN's `W_hh` by 3. What would
# happen if a gradient grew at every step instead of shrinking?

# %%

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_written", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## A question to think about (optional)
#
# The curve of the untrained LSTM falls by ten powers of ten, too. Why is an LSTM said to remember, then?
# Which of its numbers would have to change in training, and why can the RNN not do the same with its
# $W_{hh}$? Three sentences are enough. Your instructor reads this one.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_memory", "locked": false, "points": 0, "schema_version": 3, "solution": true, "task": false}
# The gradient passes from cell to cell through the forget gate alone, so it is multiplied by sigma(f) at each step:
# about a half in an untrained LSTM, whose biases are near 0, and about 1 once training has raised the gate's bias.
# A gate can do that for each component and each word by itself, and it can never exceed 1. In the RNN the factor is
# W_hh times the slope of the tanh: one matrix for all words, which would have to stay near 1 in every direction,
# with a tanh that is hardly used.
