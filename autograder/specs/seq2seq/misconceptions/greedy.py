"""Wrong ways to write a sentence, word by word."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank
from autograder.specs.seq2seq.misconceptions.step import right_step as _step

GREEDY_DECODE = Bank()

Params = dict[str, Tensor]


def _write(state: Tensor, p: Params, bos: int, steps: int) -> Tensor:
    """The likeliest words (B, steps), with no regard for <eos>."""
    words, written = torch.full((len(state),), bos, device=state.device), []
    for _ in range(steps):
        logits, state = _step(words, state, p)
        words = logits.argmax(-1)
        written.append(words)
    return torch.stack(written, 1)


def _cut(written: Tensor, eos: int, pad: int) -> Tensor:
    """Padding after each sentence's own <eos>."""
    ended = (written == eos).int().cumsum(1) - (written == eos).int() > 0
    return written.masked_fill(ended, pad)


def _right(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    return _cut(_write(state, p, bos, max_length), eos, pad)


@GREEDY_DECODE.add(
    "never stops at <eos>",
    "Your sentences go on after their <eos>: the words up to there are right. What should stand "
    "in the columns after it?",
)
def _no_stop(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    return _write(state, p, bos, max_length)


@GREEDY_DECODE.add(
    "one sentence's <eos> ends all",
    "As soon as one sentence of the batch has ended, nothing more is written for the others. Who "
    "has ended is a matter of each sentence: how can you remember it for each?",
)
def _ends_all(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    written = _right(state, p, bos, eos, pad, max_length)
    over = (written == eos).any(0).int()
    return written.masked_fill(over.cumsum(0) - over > 0, pad)


@GREEDY_DECODE.add(
    "the end of the first sentence ends all",
    "When the first sentence of the batch has ended, nothing more is written for the others. Who "
    "has ended is a matter of each sentence: how can you remember it for each?",
)
def _first_ends(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    written = _right(state, p, bos, eos, pad, max_length)
    over = (written[0] == eos).int()
    return written.masked_fill(over.cumsum(0) - over > 0, pad)


@GREEDY_DECODE.add(
    "<eos> itself is missing",
    "Your sentences end in time, but their <eos> has become padding as well. Is <eos> written "
    "before a sentence counts as ended, or after?",
)
def _no_eos(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    written = _right(state, p, bos, eos, pad, max_length)
    return written.masked_fill(written == eos, pad)


@GREEDY_DECODE.add(
    "<eos> is repeated to the end",
    "After its <eos> a sentence of yours has <eos> again and again. What should stand in the "
    "columns after the first?",
)
def _eos_again(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    return _cut(_write(state, p, bos, max_length), eos, eos)


@GREEDY_DECODE.add(
    "the padding is taken to be 0",
    "After <eos> your sentences are filled up with 0, whatever the padding's id is. Which "
    "argument says so?",
)
def _pads_zero(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    return _cut(_write(state, p, bos, max_length), eos, 0)


@GREEDY_DECODE.add(
    "the marks have the ids of the example",
    "Your sentences are right where the marks have the ids 1, 2 and 0 as in the example, and wrong "
    "where they have others. Where do you get the ids from?",
)
def _fixed_ids(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    return _right(state, p, 1, 2, 0, max_length)


@GREEDY_DECODE.add(
    "one step too many (shape)",
    "Your result has a column too many at its end. Is <eos> counted among the max_length words, or "
    "does it come on top of them?",
)
def _one_more(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    return _right(state, p, bos, eos, pad, max_length + 1)


@GREEDY_DECODE.add(
    "every step reads <bos>",
    "Your first words are right; after that, each step reads <bos> again instead of the word that "
    "has just been written. What does step 1 read?",
)
def _reads_bos(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    words, written = torch.full((len(state),), bos, device=state.device), []
    for _ in range(max_length):
        logits, state = _step(words, state, p)
        written.append(logits.argmax(-1))
    return _cut(torch.stack(written, 1), eos, pad)


@GREEDY_DECODE.add(
    "every step starts from the context",
    "Your first words are right; after that, each step starts from the state you were given and "
    "knows only the last word. What does one step hand to the next?",
)
def _not_carried(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    words, written = torch.full((len(state),), bos, device=state.device), []
    for _ in range(max_length):
        words = _step(words, state, p)[0].argmax(-1)
        written.append(words)
    return _cut(torch.stack(written, 1), eos, pad)


@GREEDY_DECODE.add(
    "the first step reads word 0 instead of <bos>",
    "Your decoder begins by reading the word with id 0, and all that follows starts from there. "
    "Which id marks the begin?",
)
def _from_zero(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    return _right(state, p, 0, eos, pad, max_length)


@GREEDY_DECODE.add(
    "the first step reads <eos>",
    "Your decoder begins by reading <eos>. Which id marks the begin?",
)
def _from_eos(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    return _right(state, p, eos, eos, pad, max_length)


@GREEDY_DECODE.add(
    "the least likely word is written",
    "Each of your words is the least likely one of its step. Which end of the logits is the "
    "likely one?",
)
def _least(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    words, written = torch.full((len(state),), bos, device=state.device), []
    for _ in range(max_length):
        logits, state = _step(words, state, p)
        words = logits.argmin(-1)
        written.append(words)
    return _cut(torch.stack(written, 1), eos, pad)


@GREEDY_DECODE.add(
    "<bos> stands in the result",
    "Your sentences begin with <bos>, and so their last word does not fit any more. Is <bos> "
    "written by the decoder, or read?",
)
def _with_bos(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    written = _right(state, p, bos, eos, pad, max_length)
    return torch.cat([torch.full_like(written[:, :1], bos), written], 1)[:, :max_length]


@GREEDY_DECODE.add(
    "<bos> stands in the result (shape)",
    "Your result has a column too many: it begins with <bos>. Is <bos> written by the decoder, or "
    "read?",
)
def _bos_column(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    written = _right(state, p, bos, eos, pad, max_length)
    return torch.cat([torch.full_like(written[:, :1], bos), written], 1)


@GREEDY_DECODE.add(
    "columns are missing when all have ended (shape)",
    "Where all sentences end early, your result has fewer than max_length columns. To stop there "
    "is a good idea; what should stand in the columns that are left?",
)
def _too_few(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    written = _right(state, p, bos, eos, pad, max_length)
    if not (written == eos).any(1).all():
        return written
    return written[:, : int((written == eos).int().argmax(1).max()) + 1]


@GREEDY_DECODE.add(
    "the last word is always <eos>",
    "A sentence that does not end gets an <eos> in its last column. Nobody has written that: "
    "which word did the last step choose?",
)
def _forced_eos(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    written = _right(state, p, bos, eos, pad, max_length)
    unfinished = ~(written == eos).any(1)
    last = torch.where(unfinished, eos, written[:, -1])
    return torch.cat([written[:, :-1], last[:, None]], 1)


@GREEDY_DECODE.add(
    "the likeliest word is looked for across the batch",
    "Your argmax runs over the sentences of the batch, not over the words: its results are "
    "numbers of rows. Which axis of (B, V) holds the vocabulary?",
)
def _across(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    words, written = torch.full((len(state),), bos, device=state.device), []
    for _ in range(max_length):
        logits, state = _step(words, state, p)
        best = logits.argmax(0)
        words = best[torch.arange(len(state), device=state.device) % len(best)]
        written.append(words)
    return _cut(torch.stack(written, 1), eos, pad)


@GREEDY_DECODE.add(
    "all write what the first sentence writes",
    "All the sentences of the batch write the same: the likeliest word was taken from the first "
    "row. Whose logits make whose word?",
)
def _first_row(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    return _right(state[:1].expand_as(state), p, bos, eos, pad, max_length)


@GREEDY_DECODE.add(
    "the caller's state is overwritten",
    "Your words are right, but the state that was passed in has changed: an assignment to "
    "state[…] writes into the caller's tensor. Under which name could the new state go on?",
)
def _in_place(state: Tensor, p: Params, bos: int, eos: int, pad: int, max_length: int) -> Tensor:
    written = _right(state, p, bos, eos, pad, max_length)
    state[:] = 0
    return written
