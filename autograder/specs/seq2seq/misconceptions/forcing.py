"""Wrong ways to lead a decoder through given translations."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank
from autograder.specs.seq2seq.misconceptions.step import right_step as _step

TEACHER_FORCING = Bank()

Params = dict[str, Tensor]


def _lead(state: Tensor, read: Tensor, p: Params) -> Tensor:
    """Logits (B, T, V) of a decoder that reads the words (B, T)."""
    rows = []
    for words in read.unbind(1):
        logits, state = _step(words, state, p)
        rows.append(logits)
    return torch.stack(rows, 1)


def _shifted(targets: Tensor, bos: int) -> Tensor:
    return torch.cat([torch.full_like(targets[:, :1], bos), targets[:, :-1]], 1)


def _right(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _lead(state, _shifted(targets, bos), p)


@TEACHER_FORCING.add(
    "each step reads the word that it is to predict",
    "Step t reads target t, the very word that it shall predict: it would learn to copy its "
    "input. Which word has been written when step t begins?",
)
def _not_shifted(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _lead(state, targets, p)


@TEACHER_FORCING.add(
    "the decoder reads its own words",
    "Your decoder reads the word it finds likeliest itself. That is how it will translate; what "
    "does a teacher give it to read instead?",
)
def _free_running(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    rows, words = [], torch.full_like(targets[:, 0], bos)
    for _ in range(targets.shape[1]):
        logits, state = _step(words, state, p)
        words = logits.argmax(-1)
        rows.append(logits)
    return torch.stack(rows, 1)


@TEACHER_FORCING.add(
    "every step reads <bos>",
    "Every step reads <bos>, so the given words have no say. Only the first step has nothing "
    "before it: what do the others read?",
)
def _only_bos(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _lead(state, torch.full_like(targets, bos), p)


@TEACHER_FORCING.add(
    "every step starts from the context",
    "The first step is right, and the others do not know of the words before the last: each "
    "starts from the state you were given. What does one step hand to the next?",
)
def _not_carried(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    read = _shifted(targets, bos)
    return torch.stack([_step(words, state, p)[0] for words in read.unbind(1)], 1)


@TEACHER_FORCING.add(
    "the first step reads word 0 instead of <bos>",
    "Your first step reads the word with id 0, and all that follows starts from there. Which id "
    "marks the begin?",
)
def _starts_with_zero(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _right(state, targets, 0, p)


@TEACHER_FORCING.add(
    "no step reads <bos> (shape)",
    "Your result has a step too few: nothing predicts the first word. What does the decoder read "
    "before anything is written?",
)
def _no_bos(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    read = targets[:, :-1] if targets.shape[1] > 1 else targets
    return _lead(state, read, p)[:, : targets.shape[1] - 1]


@TEACHER_FORCING.add(
    "one step too many (shape)",
    "Your result has a step too many: after the last target there is nothing left to predict. "
    "Which of the targets is read by no step?",
)
def _one_more(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _lead(state, torch.cat([torch.full_like(targets[:, :1], bos), targets], 1), p)


@TEACHER_FORCING.add(
    "words are shifted the wrong way",
    "Step t reads target t + 1, a word that lies in the future. Which word has been written when "
    "step t begins?",
)
def _wrong_way(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    read = torch.cat([targets[:, 1:], torch.full_like(targets[:, :1], bos)], 1)
    return _lead(state, read, p)


@TEACHER_FORCING.add(
    "the last word is read first",
    "Your first step reads the last target instead of <bos>: rolling a tensor brings its end to "
    "the front. What should stand there?",
)
def _rolled(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _lead(state, targets.roll(1, dims=1), p)


@TEACHER_FORCING.add(
    "shifted by two words",
    "The second step reads <bos> again, and from there on each word comes one step late. Which "
    "word has been written when step 1 begins?",
)
def _late(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _lead(state, _shifted(_shifted(targets, bos), bos), p)


@TEACHER_FORCING.add(
    "the whole batch reads the first sentence",
    "All sentences are led through the words of the first one. Which row of targets belongs to "
    "which row of state?",
)
def _first_sentence(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _right(state, targets[:1].expand_as(targets), bos, p)


@TEACHER_FORCING.add(
    "probabilities instead of logits",
    "Your results are positive and sum to 1 over the vocabulary: a softmax has been over them. "
    "The task asks for logits: who applies the softmax, and when?",
)
def _softmaxed(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _right(state, targets, bos, p).softmax(-1)


@TEACHER_FORCING.add(
    "starts from zeros",
    "Your numbers are those of a decoder that starts from zeros: it knows nothing of the source. "
    "Which state were you given?",
)
def _from_zeros(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _right(torch.zeros_like(state), targets, bos, p)


@TEACHER_FORCING.add(
    "time comes first in the result",
    "Your logits are stacked along a new first axis, so that the steps come before the batch. "
    "Where do the steps belong in (B, T, V)?",
)
def _time_first(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _right(state, targets, bos, p).transpose(0, 1)


@TEACHER_FORCING.add(
    "only the last step's logits are returned",
    "You return the logits of the last step alone. Each step predicts a word, and training learns "
    "from all of them: where are the others kept?",
)
def _last_only(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    return _right(state, targets, bos, p)[:, -1]


@TEACHER_FORCING.add(
    "the caller's targets are overwritten",
    "Your numbers are right, but the targets that were passed in have changed: they are still "
    "needed for the loss. An assignment to targets[…] writes into the caller's tensor: how can "
    "the words to be read be a new one?",
)
def _in_place(state: Tensor, targets: Tensor, bos: int, p: Params) -> Tensor:
    targets[:] = _shifted(targets, bos)
    return _lead(state, targets, p)
