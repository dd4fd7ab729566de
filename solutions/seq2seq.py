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
# # Assignment 2 · How much of a sentence fits in one vector?
#
# You write a translator: an encoder that reads a sentence into one vector, a decoder that writes
# another sentence from it, and what it takes to train and to use them. Six functions, 100 points. At
# the end your translator learns a few sentences, and you measure how much its vector holds.
#
# Before you start, read chapter 2. It has every formula you need.
#
# **How it works.** Each exercise is a task, a cell for your code, and a check. Replace the line
# `raise NotImplementedError()`, run the cell, then run the check. The check says which properties
# hold, which do not, and often why. Run it as often as you like. Points add up per property, and a
# mistake that the check knows by name leaves at least half of them. Leave the check cells as they
# are, and keep the names and the arguments of the functions.
#
# During a check your prints and warnings are not shown. To look inside, call your function yourself
# on small tensors, e.g. `reverse_padded(torch.tensor([[5, 6, 7, 0]]), torch.tensor([3]))`.
#
# **What you may use.** All of torch, but not what *is* the answer: no `nn.RNN`, `nn.LSTM`, `nn.GRU`
# or their cells, no `cross_entropy` or `nll_loss`, and none of `attention_lib`'s models and losses.
# Your functions may call each other.
#
# **On any device, in any precision.** Make new tensors on the device of your inputs:
# `torch.arange(n, device=src.device)`. Results have the dtype of the floating inputs, be it float64,
# float32 or half precision (float16, bfloat16); ids stay whole numbers (`torch.int64`). Leave the
# tensors that you are given as they are: others may still need them.
#
# **Letters.** Tensors put the batch first.
#
# | letter | what it counts |
# |---|---|
# | B | sentences in the batch |
# | S, T | positions of the longest source; steps of the longest target |
# | V | words of a vocabulary |
# | d_e | numbers in a word vector |
# | d_h | numbers in a state |
#
# **Parameters.** Encoder and decoder each have a dict of their own. Both hold the table of word vectors
# `E` (V, d_e), and `W_ih` (d_h, d_e), `W_hh` (d_h, d_h) and `b` (d_h,) of a plain recurrent network. The
# decoder's also holds `W_s` (V, d_h) and `b_s` (V,), which turn a state into logits.
#
# A formula has column vectors: $W x$. A batch has one vector in each *row*, so there the matrix goes
# to the right, transposed: `x @ W.mT`.

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
from attention_lib.data.batching import batches, make_batch
from attention_lib.data.copy_task import copy_task
from attention_lib.data.pairs import SentencePair
from attention_lib.data.vocabulary import Vocabulary
from autograder.checks import check

device = "cuda" if torch.cuda.is_available() else "cpu"
plots.use_style()
print(f"torch {torch.__version__} on {device}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_encode", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · The encoder (18 points)
#
# The encoder starts from zeros and reads one word after the other. What it has when a sentence ends is
# all that the decoder will ever know of it, the context $c$:
#
# $$h_0 = 0, \qquad h_s = \tanh(W_{ih} E_{x_s} + W_{hh} h_{s-1} + b), \qquad c = h_{\text{length}}$$
#
# $E_{x_s}$ is the row of `E` that belongs to word $x_s$. (`E[src]` looks up all the words of a batch at
# once.)
#
# The sentences of a batch have different lengths, and the shorter ones are padded on the right. What
# stands in the padding, whichever ids these are, must not change anything: `c[b]` is the state after
# sentence b's *own* last word. For lengths 3 and 1, padded to 4 positions,
#
#     states of sentence 0:  h1  h2  h3  .          c[0] = h3
#     states of sentence 1:  h1  .   .   .          c[1] = h1

# %% nbgrader={"grade": false, "grade_id": "encode", "locked": false, "schema_version": 3, "solution": true, "task": false}
def encode(
    src: torch.Tensor, lengths: torch.Tensor, params: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Read each sentence into one vector.

    Args:
        src: (B, S) word ids, padded on the right.
        lengths: (B,) whole numbers from 1 to S.
        params: E (V, d_e), W_ih (d_h, d_e), W_hh (d_h, d_h) and b (d_h,).

    Returns:
        the contexts, (B, d_h).
    """
    ### BEGIN SOLUTION
    h = params["E"].new_zeros(src.shape[0], params["b"].shape[0])
    for t in range(src.shape[1]):
        from_word = params["E"][src[:, t]] @ params["W_ih"].mT
        new = torch.tanh(from_word + h @ params["W_hh"].mT + params["b"])
        h = torch.where((t < lengths)[:, None], new, h)
    return h
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_encode", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("seq2seq/encode", encode)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_reverse_padded", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · Turning the source around (12 points)
#
# Translators of this kind got better when they read the source backwards. In a padded batch that takes
# some care: the words of each sentence change places, the padding stays on the right, and as it is.
#
#     src        5  6  7  0  0        lengths  3        result     7  6  5  0  0
#                8  9  4  3  0                 4                   3  4  9  8  0
#
# (The padding's id is 0 in this example. You are not told what it is; leave what you find there.)

# %% nbgrader={"grade": false, "grade_id": "reverse_padded", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reverse_padded(src: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Turn each sentence of a padded batch around.

    Args:
        src: (B, S) word ids, padded on the right.
        lengths: (B,) whole numbers from 1 to S.

    Returns:
        (B, S) word ids.
    """
    ### BEGIN SOLUTION
    places = torch.arange(src.shape[1], device=src.device).expand_as(src)
    ends = lengths[:, None]
    return src.gather(1, torch.where(places < ends, ends - 1 - places, places))
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_reverse_padded", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
check("seq2seq/reverse_padded", reverse_padded)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_decoder_step", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · One step of the decoder (16 points)
#
# The decoder is a recurrent network, too. A step reads the word that was written last, changes the
# state, and says from the *new* state how likely each word of the target language is to come next:
#
# $$\begin{aligned}
# s_t &= \tanh(W_{ih} E_{y_{t-1}} + W_{hh} s_{t-1} + b) \\
# \text{logits}_t &= W_s s_t + b_s
# \end{aligned}$$
#
# Logits are what stands before the softmax. Return them as they are: whoever needs probabilities, or only
# the largest, can take it from there.

# %% nbgrader={"grade": false, "grade_id": "decoder_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def decoder_step(
    words: torch.Tensor, state: torch.Tensor, params: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read one word of each sentence, and score the next.

    Args:
        words: (B,) ids of the words before, y_{t-1}.
        state: (B, d_h), s_{t-1}.
        params: E (V, d_e), W_ih (d_h, d_e), W_hh (d_h, d_h), b (d_h,), W_s (V, d_h), b_s (V,).

    Returns:
        the logits (B, V) and the new states s_t (B, d_h).
    """
    ### BEGIN SOLUTION
    from_word = params["E"][words] @ params["W_ih"].mT
    state = torch.tanh(from_word + state @ params["W_hh"].mT + params["b"])
    return state @ params["W_s"].mT + params["b_s"], state
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_decoder_step", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("seq2seq/decoder_step", decoder_step)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_teacher_forcing", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · Teacher forcing (16 points)
#
# In training the right translation is known. So the decoder is led through it: whatever it would have
# said itself, the next step reads the *right* word. The first step reads the mark `<bos>`, step t reads
# target t − 1, and the logits of step t are about target t.
#
#     the targets            I      am     a        student  .       <eos>
#     the steps read         <bos>  I      am       a        student  .
#
# The first step starts from the state you are given (it will be the encoder's context). If your
# targets hold padding, read it like any word: the loss will leave those steps out.

# %% nbgrader={"grade": false, "grade_id": "teacher_forcing", "locked": false, "schema_version": 3, "solution": true, "task": false}
def teacher_forcing(
    state: torch.Tensor, targets: torch.Tensor, bos: int, params: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Score every next word of given translations.

    Args:
        state: (B, d_h), the state before the first step.
        targets: (B, T) ids, what shall be written.
        bos: id of the mark that the first step reads.
        params: those of decoder_step.

    Returns:
        the logits of all steps, (B, T, V).
    """
    ### BEGIN SOLUTION
    words = torch.full_like(targets[:, 0], bos)
    logits = []
    for t in range(targets.shape[1]):
        row, state = decoder_step(words, state, params)
        logits.append(row)
        words = targets[:, t]
    return torch.stack(logits, dim=1)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_teacher_forcing", "locked": true, "points": 16, "schema_version": 3, "solution": false, "task": false}
check("seq2seq/teacher_forcing", teacher_forcing)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_sequence_loss", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · The loss of a padded batch (18 points)
#
# How surprised was the decoder by the right words? With $p = \operatorname{softmax}(\text{logits})$ over
# the vocabulary,
#
# $$L = -\frac{1}{N} \sum_{\text{real words}} \log p(\text{target}),$$
#
# where N is the number of real words in the *whole batch*. Every word weighs the same, in a short sentence or
# a long one. A position whose target is `pad` is no word: it does not count, neither in the sum nor in N.
#
# Logits can be large. `softmax` and then `log` gives −∞ where a probability has become 0; torch has one function for
# both. (Others to look up: `torch.gather` and `torch.take_along_dim`.) Training needs the gradient, so the loss stays a tensor.

# %% nbgrader={"grade": false, "grade_id": "sequence_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sequence_loss(logits: torch.Tensor, targets: torch.Tensor, pad: int) -> torch.Tensor:
    """Average −log p over the real words of a batch.

    Args:
        logits: (B, T, V).
        targets: (B, T) ids, filled up with ``pad``; at least one is real.
        pad: id of the padding, any number from 0 to V − 1.

    Returns:
        the loss, a tensor without axes.
    """
    ### BEGIN SOLUTION
    log_p = logits.log_softmax(dim=-1)
    right = log_p.gather(2, targets[:, :, None])[:, :, 0]
    return -right[targets != pad].mean()
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_sequence_loss", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
check("seq2seq/sequence_loss", sequence_loss)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_greedy_decode", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · Greedy decoding (20 points)
#
# Now nobody knows the translation. Each step writes its likeliest word, and the next step reads that
# word. The first step reads `bos`. A sentence ends when it writes `eos`; the others of the batch go on.
#
# Return one row a sentence: its words, `eos`, and from there on `pad`, in exactly `max_length` columns. A
# sentence that has written `max_length` words without an `eos` is cut off there. With `eos` = 2, `pad` = 0 and
# `max_length` = 5:
#
#     I am . <eos>                 7  8  5  2  0
#     <eos>                        2  0  0  0  0
#     a sentence that never ends   7  7  8  7  8

# %% nbgrader={"grade": false, "grade_id": "greedy_decode", "locked": false, "schema_version": 3, "solution": true, "task": false}
def greedy_decode(
    state: torch.Tensor,
    params: dict[str, torch.Tensor],
    bos: int,
    eos: int,
    pad: int,
    max_length: int,
) -> torch.Tensor:
    """Write the likeliest word of each step until <eos>.

    Args:
        state: (B, d_h), the state before the first step.
        params: those of decoder_step.
        bos, eos, pad: ids of the marks, whichever numbers they are.
        max_length: the most words to write, at least 1.

    Returns:
        (B, max_length) ids.
    """
    ### BEGIN SOLUTION
    words = torch.full((len(state),), bos, device=state.device)
    done = torch.zeros_like(words, dtype=torch.bool)
    columns = []
    for _ in range(max_length):
        logits, state = decoder_step(words, state, params)
        words = torch.where(done, pad, logits.argmax(dim=-1))
        done = done | (words == eos)
        columns.append(words)
    return torch.stack(columns, dim=1)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "check_greedy_decode", "locked": true, "points": 20, "schema_version": 3, "solution": false, "task": false}
check("seq2seq/greedy_decode", greedy_decode)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_translator", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## Your translator
#
# All the parts are there. The next cell puts them together: it draws fresh parameters, and in each
# update encodes a batch, leads the decoder through the translations, and follows the gradient of your
# loss. The second cell writes a small phrase book, keeps some sentences back, 我是一个学生。 among them, and trains
# on the rest. The third asks for sentences that your translator has never seen.

# %% nbgrader={"grade": false, "grade_id": "training", "locked": true, "schema_version": 3, "solution": false, "task": false}
def new_params(size: int, d_e: int, d_h: int, writes: bool) -> dict[str, torch.Tensor]:
    """Draw the parameters of an encoder, or of a decoder, which also writes."""
    params = {
        "E": torch.randn(size, d_e),
        "W_ih": torch.nn.init.xavier_uniform_(torch.empty(d_h, d_e)),
        "W_hh": torch.nn.init.orthogonal_(torch.empty(d_h, d_h)),
        "b": torch.zeros(d_h),
    }
    if writes:
        params |= {"W_s": torch.nn.init.xavier_uniform_(torch.empty(size, d_h))}
        params |= {"b_s": torch.zeros(size)}
    return {name: given.requires_grad_() for name, given in params.items()}


def train(pairs, src_words, tgt_words, *, d_h, steps, backwards, batch_size=32):
    """Learn to translate; return the parameters of the encoder and of the decoder."""
    torch.manual_seed(1)
    encoder = new_params(len(src_words), 8, d_h, writes=False)
    decoder = new_params(len(tgt_words), 8, d_h, writes=True)
    everything = [*encoder.values(), *decoder.values()]
    optimizer = torch.optim.Adam(everything, lr=3e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    stream = batches(pairs, src_words, tgt_words, batch_size=batch_size, seed=0)
    for _ in range(steps):
        batch = next(stream)
        src = reverse_padded(batch.src, batch.src_lengths) if backwards else batch.src
        context = encode(src, batch.src_lengths, encoder)
        logits = teacher_forcing(context, batch.tgt_out, tgt_words.bos, decoder)
        loss = sequence_loss(logits, batch.tgt_out, tgt_words.pad)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(everything, 1.0)
        optimizer.step()
        schedule.step()
    print(f"{steps} updates, the last batch's loss is {loss:.3f}")
    return encoder, decoder


@torch.no_grad()
def translate(pairs, src_words, tgt_words, encoder, decoder, *, backwards):
    """Write a translation of each source, as a list of words."""
    batch = make_batch(pairs, src_words, tgt_words)
    src = reverse_padded(batch.src, batch.src_lengths) if backwards else batch.src
    context = encode(src, batch.src_lengths, encoder)
    marks = tgt_words.bos, tgt_words.eos, tgt_words.pad
    rows = greedy_decode(context, decoder, *marks, max_length=14).tolist()
    ends = [row.index(tgt_words.eos) if tgt_words.eos in row else len(row) for row in rows]
    return [tgt_words.decode(row[:end]) for row, end in zip(rows, ends, strict=True)]

# %% nbgrader={"grade": false, "grade_id": "phrase_book", "locked": true, "schema_version": 3, "solution": false, "task": false}
subjects = {"我": "I am", "你": "you are", "他": "he is", "她": "she is"}
nouns = {"学生": "student", "老师": "teacher", "医生": "doctor", "工人": "worker", "朋友": "friend"}
kinds = {"是 一 个": "a", "是 好": "a good", "不 是 一 个": "not a", "不 是 好": "not a good"}
phrases = [
    SentencePair(f"{who} {kind} {noun} 。".split(), f"{subject} {said} {name} .".split())
    for who, subject in subjects.items()
    for kind, said in kinds.items()
    for noun, name in nouns.items()
]
kept_back = phrases[::16]  # the first of them is 我是一个学生。
known = [pair for pair in phrases if pair not in kept_back]
chinese = Vocabulary(pair.src for pair in known)
english = Vocabulary(pair.tgt for pair in known)
print(len(known), "sentences to learn from,", len(kept_back), "kept back")

try:
    encoder, decoder = train(known, chinese, english, d_h=64, steps=700, backwards=True)
except NotImplementedError:
    print("First finish exercises 1 to 5.")

# %% nbgrader={"grade": false, "grade_id": "unseen", "locked": true, "schema_version": 3, "solution": false, "task": false}
try:
    written = translate(kept_back, chinese, english, encoder, decoder, backwards=True)
except (NotImplementedError, NameError):
    print("First finish the six exercises.")
else:
    for pair, words in zip(kept_back, written, strict=True):
        mark = "✓" if words == list(pair.tgt) else f"✗, it is: {' '.join(pair.tgt)}"
        print("".join(pair.src), "→", " ".join(words), mark)

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_capacity", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## How much fits?
#
# A sentence of letters drawn at random has no grammar that would help to guess: to copy it, all of it must
# have been in the vector. Here your translator learns to copy sequences of up to 8 letters out of four,
# once as they are and once with the source turned around. It takes a little while.

# %% nbgrader={"grade": false, "grade_id": "capacity", "locked": true, "schema_version": 3, "solution": false, "task": false}
lengths = range(1, 9)
letters = copy_task(8000, max_length=8, symbols=4, seed=0)
names = Vocabulary(pair.src for pair in letters)
curves = {}
try:
    for label, backwards in (("as it is", False), ("turned around", True)):
        nets = train(letters, names, names, d_h=64, steps=800, backwards=backwards, batch_size=64)
        curves[label] = []
        for n in lengths:
            test = copy_task(200, min_length=n, max_length=n, symbols=4, seed=1)
            written = translate(test, names, names, *nets, backwards=backwards)
            right = sum(words == list(pair.tgt) for words, pair in zip(written, test, strict=True))
            curves[label].append(right / len(test))
except NotImplementedError:
    print("First finish the six exercises: the curves are measured with them.")
else:
    ax = plots.lines_by_length(
        curves, list(lengths), ylabel="copied without a mistake", xlabel="letters",
        title="How much fits into your vector of 64 numbers",
    )
    ax.yaxis.set_major_formatter("{x:.0%}")

# %% [markdown]
# Room to play: another size of the state, more letters, longer sequences. Or lead a decoder that was
# trained on the phrase book through a sentence with one wrong word in it.

# %%

# %% [markdown] nbgrader={"grade": false, "grade_id": "task_written", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## A question to think about (optional)
#
# A source of 8 letters out of four can be written down in 16 bits, and your vector has 64 numbers of 32 bits each. Why
# does it not hold every sequence of 8 letters after the same training? And turning the source around
# brings no letter closer to its copy *on average*: why does it help so much? Four sentences are enough. Your instructor reads this one.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_capacity", "locked": false, "points": 0, "schema_version": 3, "solution": true, "task": false}
# There is room enough, but it has to be learned how to use it: every step multiplies the whole vector, so that the letters
# already in it must survive all later steps and must not get mixed up with new ones, and the gradient that could teach
# this has passed through all these steps as well. Turned around, the first letter is read last and is the
# first to be written: the way between the two is one step, which is quickly learned, and with the first words right, the
# rest follows letter by letter. The last letter pays for it with a way that is twice as long as before.
