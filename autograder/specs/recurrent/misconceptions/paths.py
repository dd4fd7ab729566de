"""Wrong path lengths."""

from collections.abc import Callable

import torch
from torch import Tensor

from autograder.checks.bank import Bank

PATH_LENGTHS = Bank()


def _walk(
    reads: Tensor, needs: Tensor, choose: Callable[[list[int]], int], *, unread: int = 0
) -> Tensor:
    """Right, but for how one of several ways is chosen, and what stands where there is none."""
    steps, words = reads.shape
    lengths = torch.zeros(steps, words, dtype=torch.long)
    for t in range(steps):
        for s in range(words):
            ways = [int(lengths[k, s]) for k in range(t) if needs[t, k] and lengths[k, s] > 0]
            lengths[t, s] = 1 if reads[t, s] else 1 + choose(ways) if ways else 0
    return torch.where(lengths == 0, unread, lengths)


def _right(reads: Tensor, needs: Tensor) -> Tensor:
    return _walk(reads, needs, min)


@PATH_LENGTHS.add(
    "the longest way instead of the shortest",
    "You count the steps on the longest way. A word may take a shortcut: which way does the task "
    "ask for?",
)
def _longest(reads: Tensor, needs: Tensor) -> Tensor:
    return _walk(reads, needs, max)


@PATH_LENGTHS.add(
    "the first needed step is followed",
    "You follow the first of the needed steps that the word has reached. Another may have heard "
    "of it on a shorter way: how do you find that one?",
)
def _first_found(reads: Tensor, needs: Tensor) -> Tensor:
    return _walk(reads, needs, lambda ways: ways[0])


@PATH_LENGTHS.add(
    "the last needed step is followed",
    "You follow the last of the needed steps that the word has reached. Another may have heard "
    "of it on a shorter way: how do you find that one?",
)
def _last_found(reads: Tensor, needs: Tensor) -> Tensor:
    return _walk(reads, needs, lambda ways: ways[-1])


@PATH_LENGTHS.add(
    "steps that the word has not reached count as length 0",
    "Where a step needs one that the word has never reached, you say 1: the 0 that means never "
    "was taken for a very short way. Which of the needed steps may take part in the minimum?",
)
def _zero_is_short(reads: Tensor, needs: Tensor) -> Tensor:
    steps, words = reads.shape
    lengths = torch.zeros(steps, words, dtype=torch.long)
    for t in range(steps):
        if bool(needs[t].any()):
            lengths[t] = 1 + lengths[needs[t]].amin(0)
        lengths[t] = torch.where(reads[t], 1, lengths[t])
    return lengths


@PATH_LENGTHS.add(
    "links are counted, not steps",
    "You are one short wherever a word arrives: a step that reads the word itself counts 1, not "
    "0. Is step t itself counted?",
)
def _links(reads: Tensor, needs: Tensor) -> Tensor:
    return (_right(reads, needs) - 1).clamp(min=0)


@PATH_LENGTHS.add(
    "whether a word arrives, not how far it is",
    "You return 1 wherever a word arrives. How many steps has it passed by then?",
)
def _reached(reads: Tensor, needs: Tensor) -> Tensor:
    return (_right(reads, needs) > 0).long()


@PATH_LENGTHS.add(
    "two steps at most",
    "You stop after the steps that a step needs directly. Those need others: where do the words "
    "come in that they have heard of, but not read?",
)
def _two_at_most(reads: Tensor, needs: Tensor) -> Tensor:
    through = (needs.double() @ reads.double()) > 0
    return torch.where(reads, 1, torch.where(through, 2, 0))


@PATH_LENGTHS.add(
    "only the step just before is looked at",
    "You follow the step just before, whether it is needed or not. Which steps does row t of "
    "needs name?",
)
def _neighbours(reads: Tensor, needs: Tensor) -> Tensor:
    return _right(reads, torch.ones(max(len(needs) - 1, 0)).diag(-1).bool())


@PATH_LENGTHS.add(
    "the distance t − s, whatever the steps need",
    "You return t − s + 1, which is right for a recurrent layer and for no other. Where do reads "
    "and needs come in?",
)
def _distance(reads: Tensor, needs: Tensor) -> Tensor:
    t, s = torch.arange(reads.shape[0])[:, None], torch.arange(reads.shape[1])
    return (t - s + 1).clamp(min=0)


@PATH_LENGTHS.add(
    "infinity where there is no way",
    "Where a word never arrives you say infinity. Which number does the task want there?",
)
def _infinite(reads: Tensor, needs: Tensor) -> Tensor:
    lengths = _right(reads, needs).double()
    return torch.where(lengths == 0, torch.inf, lengths)


@PATH_LENGTHS.add(
    "1 where there is no way",
    "Where a word never arrives you say 1: one more than the shortest of no ways. Which number "
    "does the task want there, and when may the 1 be added?",
)
def _one_for_never(reads: Tensor, needs: Tensor) -> Tensor:
    lengths = torch.zeros(reads.shape, dtype=torch.long)
    for t in range(len(reads)):
        for s in range(reads.shape[1]):
            ways = [int(lengths[k, s]) for k in range(t) if needs[t, k] and lengths[k, s] > 0]
            lengths[t, s] = 1 if reads[t, s] else 1 + min(ways, default=0)
    return lengths


@PATH_LENGTHS.add(
    "−1 where there is no way",
    "Where a word never arrives you say −1. Which number does the task want there?",
)
def _minus_one(reads: Tensor, needs: Tensor) -> Tensor:
    return _walk(reads, needs, min, unread=-1)


@PATH_LENGTHS.add(
    "a way through other steps goes before reading the word itself",
    "Where a step both reads a word and needs a step that has heard of it, you count the way "
    "through that step. Which of the two is shorter?",
)
def _needs_first(reads: Tensor, needs: Tensor) -> Tensor:
    steps, words = reads.shape
    lengths = torch.zeros(steps, words, dtype=torch.long)
    for t in range(steps):
        for s in range(words):
            ways = [int(lengths[k, s]) for k in range(t) if needs[t, k] and lengths[k, s] > 0]
            lengths[t, s] = 1 + min(ways) if ways else int(reads[t, s])
    return lengths


@PATH_LENGTHS.add(
    "the result is transposed (shape)",
    "Your result has a row for each word. Steps are rows here, as in reads: which of the two "
    "comes first?",
)
def _transposed(reads: Tensor, needs: Tensor) -> Tensor:
    return _right(reads, needs).mT


@PATH_LENGTHS.add(
    "the caller's reads is overwritten",
    "Your numbers are right, but the reads that were passed in have changed. An assignment to "
    "reads[…] writes into the caller's tensor: where else could you keep what is reached?",
)
def _in_place(reads: Tensor, needs: Tensor) -> Tensor:
    lengths = _right(reads, needs)
    reads |= lengths > 0
    return lengths


@PATH_LENGTHS.add(
    "as many words as steps are assumed (exception)",
    "Where there are fewer words than steps you run out of columns: the result was made as large "
    "as needs. Which of the two arguments knows how many words there are?",
)
def _square(reads: Tensor, needs: Tensor) -> Tensor:
    lengths = torch.zeros_like(needs, dtype=torch.long)
    for t in range(len(needs)):
        for s in range(len(needs)):
            ways = [int(lengths[k, s]) for k in range(t) if needs[t, k] and lengths[k, s] > 0]
            lengths[t, s] = 1 if reads[t, s] else 1 + min(ways) if ways else 0
    return lengths
