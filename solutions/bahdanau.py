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
# # Assignment 3 · What if the decoder may look back?
#
# You write the attention of Bahdanau, Cho and Bengio (2015), piece by piece: six short functions, 100
# points. At the end a trained translator runs on your functions alone: they read 我是一个学生。 from both
# ends, look back at it, and write it in English.
#
# Before you start, read chapter 3. It has every formula you need.
#
# **How it works.** Each exercise is a task, a cell for your code, and a check. Replace the line
# `raise NotImplementedError()`, run the cell, then run the check. The check says which properties
# hold, which do not, and often why. Run it as often as you like. Points add up per property, and a
# mistake that the check knows by name leaves at least half of them. Leave the check cells as they
# are, and keep the names and the arguments of the functions.
#
# During a check your prints and warnings are not shown. To look inside, call your function yourself
# on small tensors, e.g. `attention_weights(torch.zeros(2, 3), torch.tensor([3, 2]))`.
#
# **What you may use.** All of torch, but not a function that *is* the answer: no `nn.RNN`, `nn.LSTM`
# or `nn.GRU`, no attention of torch's, and none of `attention_lib` but its drawings. Your functions
# may call each other.
#
# **On any device, in any precision.** Make new tensors on the device of your inputs:
# `torch.arange(n, device=scores.device)`. Results have the dtype of the inputs, be it float64,
# float32 or half precision (float16, bfloat16). Leave the tensors that you are given as they are.
#
# **Letters.** Tensors put the batch first.
#
# | letter | what it counts |
# |---|---|
# | B | sentences in the batch |
# | S | source positions: words of the longest sentence |
# | T | target words |
# | d_e, d_s, d_h | numbers in a word vector, a decoder's state, an encoder's state |
# | d_a | hidden units of the score |
# | n | numbers in the state of one encoder network; d_h = 2n |
#
# `lengths` (B,) says how many words each source sentence has, at least 1. Behind them is padding, and
# nobody may rely on what stands there. Positions count from 0.
#
# A formula has column vectors: $W x$. A batch has one vector in each *row*, so there the matrix goes
# to the right, transposed: `x @ W.T`.

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

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_additive_score", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · The additive score (18 points)
#
# The decoder is about to write a word. How well does each source word answer what it needs? A small
# network with $d_a$ tanh units compares the decoder's state $s_{i-1}$ with the encoder's state $h_j$
# of each word:
#
# $$e_{ij} = v_a^\top \tanh(W_a s_{i-1} + U_a h_j)$$
#
# Score all words of all sentences at once, without a loop. One state a sentence meets S words: on
# the way there is a tensor with the axes B, S and $d_a$.

# %% nbgrader={"grade": false, "grade_id": "additive_score", "locked": false, "schema_version": 3, "solution": true, "task": false}
def additive_score(
    state: torch.Tensor,
    memory: torch.Tensor,
    W_a: torch.Tensor,
    U_a: torch.Tensor,
    v_a: torch.Tensor,
) -> torch.Tensor:
    """Score every source word against the decoder's state.

    Args:
        state: (B, d_s), the decoder's state s.
        memory: (B, S, d_h), the encoder's states h.
        W_a: (d_a, d_s).
        U_a: (d_a, d_h).
        v_a: (d_a,).

    Returns:
        scores (B, S).
    """
    ### BEGIN SOLUTION
    from_state = (state @ W_a.T)[:, None, :]
    from_words = memory @ U_a.T
    return torch.tanh(from_state + from_words) @ v_a
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_additive_score", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("bahdanau/additive_score", additive_score)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_attention_weights", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · Weights over the real words (16 points)
#
# Scores become weights by a softmax over the words of the sentence, and over nothing else. With
# $\ell_b$ for the length of sentence $b$,
#
# $$\alpha_{bj} = \frac{\exp(e_{bj})}{\sum_{k < \ell_b} \exp(e_{bk})} \quad \text{for } j < \ell_b$$
#
# - A position at the padding gets *exactly* 0, however high its score is. The others sum to 1.
# - Scores of ±10000 are no reason to overflow.
# - float16 has no number as large as $10^9$.

# %% nbgrader={"grade": false, "grade_id": "attention_weights", "locked": false, "schema_version": 3, "solution": true, "task": false}
def attention_weights(scores: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Turn scores into weights over each sentence's own words.

    Args:
        scores: (B, S), with any numbers at the padding.
        lengths: (B,) whole numbers, 1 ≤ length ≤ S.

    Returns:
        weights (B, S), 0 at the padding.
    """
    ### BEGIN SOLUTION
    positions = torch.arange(scores.shape[1], device=scores.device)
    padding = positions >= lengths[:, None]
    return scores.masked_fill(padding, float("-inf")).softmax(dim=1)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_attention_weights", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("bahdanau/attention_weights", attention_weights)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_context_vector", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · The context (10 points)
#
# What the decoder reads is the average of the encoder's states by these weights:
#
# $$c_i = \sum_j \alpha_{ij} h_j$$

# %% nbgrader={"grade": false, "grade_id": "context_vector", "locked": false, "schema_version": 3, "solution": true, "task": false}
def context_vector(weights: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
    """Average the encoder's states by the weights.

    Args:
        weights: (B, S).
        memory: (B, S, d_h), the encoder's states h.

    Returns:
        the contexts (B, d_h).
    """
    ### BEGIN SOLUTION
    return (weights[:, :, None] * memory).sum(dim=1)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_context_vector", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
check("bahdanau/context_vector", context_vector)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_read_both_ways", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · Reading both ways (22 points)
#
# A decoder that looks at a word should find there what comes before it *and* what comes after it. So
# two networks read the sentence, one from each end, and a word's state is both of theirs. Here both
# are plain:
#
# $$\begin{aligned}
# \overrightarrow{h}_j &= \tanh(W x_j + U \overrightarrow{h}_{j-1} + b) \\
# \overleftarrow{h}_j &= \tanh(W' x_j + U' \overleftarrow{h}_{j+1} + b') \\
# h_j &= [\overrightarrow{h}_j; \overleftarrow{h}_j]
# \end{aligned}$$
#
# - Each network starts from zeros: the first before the first word, the second behind the *sentence's
#   own* last word. In a padded batch these last words stand at different positions.
# - Where there is no word, the result is 0.
# - $h_j$ belongs to word $j$, in both halves.
#
# A loop over the S positions is fine. A loop over the sentences is right, too, but slow.

# %% nbgrader={"grade": false, "grade_id": "read_both_ways", "locked": false, "schema_version": 3, "solution": true, "task": false}
def read_both_ways(
    embedded: torch.Tensor,
    lengths: torch.Tensor,
    forward: dict[str, torch.Tensor],
    backward: dict[str, torch.Tensor],
) -> torch.Tensor:
    """Read a padded batch with two plain networks, one from each end.

    Args:
        embedded: (B, S, d_e), the word vectors x, with any numbers at the padding.
        lengths: (B,) whole numbers, 1 ≤ length ≤ S.
        forward: the parameters of the network from the left: W (n, d_e), U (n, n), b (n,).
        backward: those of the network from the right, W', U' and b', by the same names W, U, b.

    Returns:
        memory (B, S, 2n): the state from the left, then the state from the right; 0 at the padding.
    """
    ### BEGIN SOLUTION
    batch, size, _ = embedded.shape
    real = torch.arange(size, device=embedded.device) < lengths[:, None]
    halves = []
    for network, order in ((forward, range(size)), (backward, reversed(range(size)))):
        h = embedded.new_zeros(batch, network["b"].shape[0])
        states = [h] * size
        for j in order:
            h = torch.tanh(embedded[:, j] @ network["W"].T + h @ network["U"].T + network["b"])
            # At the padding the state is 0, so a sentence that is read from the right starts there.
            h = h * real[:, j, None]
            states[j] = h
        halves.append(torch.stack(states, dim=1))
    return torch.cat(halves, dim=-1)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_read_both_ways", "locked": true, "points": 22, "schema_version": 3, "solution": false, "task": false}
check("bahdanau/read_both_ways", read_both_ways)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_bahdanau_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · Look, then step (20 points)
#
# Now the parts make a decoder. It looks *before* it steps: the state that asks is $s_{i-1}$, in which
# the decoder stands after the word before. What it reads then goes into the step. (The recurrent cell
# is a plain tanh; the paper's is gated.)
#
# $$\begin{aligned}
# e_{ij} &= v_a^\top \tanh(W_a s_{i-1} + U_a h_j) \\
# \alpha_i &= \operatorname{softmax}_j(e_{ij}) \quad \text{over the real words} \\
# c_i &= \textstyle\sum_j \alpha_{ij} h_j \\
# s_i &= \tanh(W y_{i-1} + U s_{i-1} + C c_i + b)
# \end{aligned}$$

# %% nbgrader={"grade": false, "grade_id": "bahdanau_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bahdanau_step(
    embedded: torch.Tensor,
    state: torch.Tensor,
    memory: torch.Tensor,
    lengths: torch.Tensor,
    params: dict[str, torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Take one step of Bahdanau's decoder.

    Args:
        embedded: (B, d_e), the vector y of the word written last.
        state: (B, d_s), the state before, s of step i − 1.
        memory: (B, S, d_h), the encoder's states h.
        lengths: (B,) whole numbers, 1 ≤ length ≤ S.
        params: W_a (d_a, d_s), U_a (d_a, d_h), v_a (d_a,), W (d_s, d_e), U (d_s, d_s),
            C (d_s, d_h) and b (d_s,).

    Returns:
        the new state (B, d_s), the context (B, d_h) and the weights (B, S).
    """
    ### BEGIN SOLUTION
    scores = additive_score(state, memory, params["W_a"], params["U_a"], params["v_a"])
    weights = attention_weights(scores, lengths)
    context = context_vector(weights, memory)
    from_word = embedded @ params["W"].T
    moved = from_word + state @ params["U"].T + context @ params["C"].T + params["b"]
    return torch.tanh(moved), context, weights
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_bahdanau_step", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
check("bahdanau/bahdanau_step", bahdanau_step)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_alignment_accuracy", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · Does it look where it should? (14 points)
#
# Put the weights of all steps under each other, and there is a map of T target words by S source
# words. Someone who knows both languages has said which words belong together: the *gold* links. A
# target word may have several, or none.
#
# Read one link a target word out of the map, the place of its largest weight. The word is right if
# that place is one of its gold links. The **accuracy** is the share of right words among those that
# have a gold link at all. Where no word has one, nothing can be wrong, and it is 1.

# %% nbgrader={"grade": false, "grade_id": "alignment_accuracy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def alignment_accuracy(weights: torch.Tensor, gold: torch.Tensor) -> float:
    """Say how often the largest weight lies on a gold link.

    Args:
        weights: (T, S), for one sentence; no row has two equal largest weights.
        gold: (T, S) bool, True where two words are linked.

    Returns:
        the share, a number between 0 and 1.
    """
    ### BEGIN SOLUTION
    linked = gold.any(dim=1)
    if not linked.any():
        return 1.0
    best = weights.argmax(dim=1, keepdim=True)
    hits = gold.gather(1, best)[:, 0]
    return int((hits & linked).sum()) / int(linked.sum())
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_alignment_accuracy", "locked": true, "points": 14, "schema_version": 3, "solution": false, "task": false}
check("bahdanau/alignment_accuracy", alignment_accuracy)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_translate", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Your translator
#
# Below are the parameters of a small translator, trained on sentences of a grammar. It has no code:
# your functions are its code. `translate` reads a Chinese sentence with your `read_both_ways` and
# writes with your `bahdanau_step`, always the likeliest word, until it writes `<eos>`. It was never
# trained on 我是一个学生。

# %% nbgrader={"grade": false, "grade_id": "load", "locked": true, "schema_version": 3, "solution": false, "task": false}
record = read_results("bahdanau_translator")
src_words, tgt_words = record["words"]["src"], record["words"]["tgt"]
vectors, forward, backward, decoder, readout = (
    {name: torch.tensor(numbers, device=device) for name, numbers in record[part].items()}
    for part in ("vectors", "forward", "backward", "decoder", "readout")
)
print(f"{len(src_words)} Chinese and {len(tgt_words)} English words")
print(f"{record['exact_match']:.0%} of {record['held_out_pairs']} new sentences are translated")
print("exactly as the grammar would.")

# %% nbgrader={"grade": false, "grade_id": "translate", "locked": true, "schema_version": 3, "solution": false, "task": false}
def translate(sentence: list[str], longest: int = 20) -> tuple[list[str], torch.Tensor]:
    """Translate word by word; return the words and the weights (T, S) they were written with."""
    unknown = src_words.index("<unk>")
    ids = [src_words.index(word) if word in src_words else unknown for word in sentence]
    lengths = torch.tensor([len(ids)], device=device)
    memory = read_both_ways(vectors["src"][ids][None], lengths, forward, backward)
    n = memory.shape[-1] // 2
    # The decoder starts from where the two networks ended: at the last word, and at the first.
    state = torch.cat([memory[:, -1, :n], memory[:, 0, n:]], dim=-1)
    word, words, rows = tgt_words.index("<bos>"), [], []
    while len(words) < longest:
        embedded = vectors["tgt"][word][None]
        state, context, weights = bahdanau_step(embedded, state, memory, lengths, decoder)
        out = torch.tanh(torch.cat([context, state], dim=-1) @ readout["W_c"].T)
        word = int((out @ readout["W_o"].T + readout["b_o"]).argmax())
        if tgt_words[word] == "<eos>":
            break
        words.append(tgt_words[word])
        rows.append(weights[0])
    return words, torch.stack(rows).cpu() if rows else torch.zeros(0, len(ids))


student = ["我", "是", "一", "个", "学生", "。"]
try:
    english, attention = translate(student)
except NotImplementedError:
    print("First finish exercises 1 to 5: the translator runs on them.")
else:
    print("".join(student), "→", " ".join(english))
    plots.alignment_map(attention, student, english, title="Your translator looks back")

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_reordered", "locked": true, "schema_version": 3, "solution": false, "task": false}
# And the sentence among those recorded whose order differs most between the languages. A border marks
# a gold link: the grammar that made the sentence knows which words belong together. Is the largest
# weight of each row inside a border?

# %% nbgrader={"grade": false, "grade_id": "reordered", "locked": true, "schema_version": 3, "solution": false, "task": false}
sentence = record["sentences"][-1]
links = {tuple(link) for link in sentence["sure"]}
gold = torch.zeros(len(sentence["tgt"]), len(sentence["src"]), dtype=torch.bool)
for source, target in links:
    gold[target, source] = True
try:
    english, attention = translate(sentence["src"])
    if english == sentence["tgt"]:
        accuracy = alignment_accuracy(attention, gold)
except NotImplementedError:
    print("First finish all six exercises.")
else:
    print("".join(sentence["src"]), "→", " ".join(english))
    if english == sentence["tgt"]:
        plots.alignment_map(attention, sentence["src"], english, gold=(links, set()))
        print(f"alignment accuracy: {accuracy:.2f}")
    else:
        print("wanted:", " ".join(sentence["tgt"]))

# %% [markdown]
# Room to play: translate other sentences of these words (`print(src_words)`), or the others in
# `record["sentences"]`. What happens to the map, and to the translation, if `bahdanau_step` asks with
# the *new* state instead, as chapter 4's decoder does? These parameters were trained for the old one.

# %%

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_written", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## A question to think about (optional)
#
# Bahdanau's decoder decides where to look before it knows which word it is about to write. What in
# $s_{i-1}$ can tell it where to look? And what would it lose if the encoder read from the left only?
# Three sentences are enough. Your instructor reads this one.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_state", "locked": false, "points": 0, "schema_version": 3, "solution": true, "task": false}
# The state holds what has been written and, through the contexts before, what has been read, so it
# knows roughly what part of the sentence is due next; it starts from the encoder's last states, which
# have seen the whole source. Reading from the left only, a word's state knows nothing of what follows
# it: that 个 counts a student, or that a sentence is a question, would have to be found at other words.
