"""Wrong alignment accuracies."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

ALIGNMENT_ACCURACY = Bank()


def _hits(weights: Tensor, gold: Tensor) -> Tensor:
    """(T,) bool: the largest weight lies on a link."""
    return gold[torch.arange(len(gold)), weights.argmax(-1)]


def _share(hits: Tensor, gold: Tensor) -> float:
    linked = gold.any(-1)
    return float(hits[linked].double().mean()) if bool(linked.any()) else 1.0


@ALIGNMENT_ACCURACY.add(
    "words without a link count as wrong",
    "Words that have no link count against you: you divide by all words. Which of them can be "
    "right at all?",
)
def _all_words(weights: Tensor, gold: Tensor) -> float:
    return float(_hits(weights, gold).double().mean()) if bool(gold.any()) else 1.0


@ALIGNMENT_ACCURACY.add(
    "words without a link count as right",
    "Words that have no link count in your favour. They can be neither right nor wrong: should "
    "they stand above the fraction line, below it, or nowhere?",
)
def _free_words(weights: Tensor, gold: Tensor) -> float:
    return float((_hits(weights, gold) | ~gold.any(-1)).double().mean())


@ALIGNMENT_ACCURACY.add(
    "the largest weight of each column instead of each row",
    "You take the largest weight of each source word. It is the target word that looks: is it a "
    "row or a column of (T, S)?",
)
def _columns(weights: Tensor, gold: Tensor) -> float:
    hits = torch.zeros(len(gold), dtype=torch.bool)
    best = weights.argmax(0)
    columns = torch.arange(gold.shape[1])
    hits[best[gold[best, columns]]] = True
    return _share(hits, gold)


@ALIGNMENT_ACCURACY.add(
    "the accuracy of the source words",
    "You say how many source words are looked at from where they should be: rows and columns have "
    "changed places all through. Whose words look, and so, which are counted?",
)
def _of_the_source(weights: Tensor, gold: Tensor) -> float:
    return _share(_hits(weights.mT, gold.mT), gold.mT)


@ALIGNMENT_ACCURACY.add(
    "the weight on the links instead of the count of hits",
    "You add up how much weight lies on the links. A word counts in full or not at all: what has "
    "to be on a link for it to be right?",
)
def _mass(weights: Tensor, gold: Tensor) -> float:
    linked = gold.any(-1)
    mass = (weights * gold).sum(-1)[linked].double()
    return float(mass.mean()) if len(mass) else 1.0


@ALIGNMENT_ACCURACY.add(
    "a weight counts only if it passes a half",
    "Words whose weight is spread over several count as wrong with you: you ask for more than a "
    "half. The largest weight may be smaller than that: what must it be larger than?",
)
def _half(weights: Tensor, gold: Tensor) -> float:
    return _share(((weights > 0.5) & gold).any(-1), gold)


@ALIGNMENT_ACCURACY.add(
    "divided by the number of links",
    "A word with three links could never be right with you: you divide by the number of links. "
    "Which things are right or wrong here, words or links?",
)
def _per_link(weights: Tensor, gold: Tensor) -> float:
    return int(_hits(weights, gold).sum()) / int(gold.sum()) if bool(gold.any()) else 1.0


@ALIGNMENT_ACCURACY.add(
    "cells compared one by one",
    "Your number grows when a map has more empty cells: you count cells that agree, and most cells "
    "of a map are empty for everyone. What is counted here?",
)
def _cells(weights: Tensor, gold: Tensor) -> float:
    best = torch.nn.functional.one_hot(weights.argmax(-1), gold.shape[1]).bool()
    return float((best == gold).double().mean())


@ALIGNMENT_ACCURACY.add(
    "all links of a word must be the one that was found",
    "A word with several links is always wrong with you: you ask that its links equal the one "
    "place with the largest weight. How many of several links have to be found?",
)
def _exactly(weights: Tensor, gold: Tensor) -> float:
    best = torch.nn.functional.one_hot(weights.argmax(-1), gold.shape[1]).bool()
    return _share((best == gold).all(-1), gold)


@ALIGNMENT_ACCURACY.add(
    "the first link of a word is the only one that counts",
    "Of several links you know the first only: that is what an argmax of the links gives. Is a "
    "place right because it is the first link, or because it is one of them?",
)
def _first_link(weights: Tensor, gold: Tensor) -> float:
    return _share(weights.argmax(-1) == gold.int().argmax(-1), gold)


@ALIGNMENT_ACCURACY.add(
    "the error instead of the accuracy",
    "A perfect map gets 0 and a useless one 1: you give the share that is wrong. What is asked "
    "for?",
)
def _error(weights: Tensor, gold: Tensor) -> float:
    return 1.0 - _share(_hits(weights, gold), gold) if bool(gold.any()) else 1.0


@ALIGNMENT_ACCURACY.add(
    "a percentage instead of a share",
    "Your numbers are the right ones times 100. What is the largest value that a share can have?",
)
def _percent(weights: Tensor, gold: Tensor) -> float:
    return 100 * _share(_hits(weights, gold), gold)


@ALIGNMENT_ACCURACY.add(
    "divides by 0 where nothing is linked",
    "All is well until no word has a link: then you divide 0 by 0, and get NaN or an exception. "
    "How much can be wrong where nothing is asked?",
)
def _nan(weights: Tensor, gold: Tensor) -> float:
    return float((_hits(weights, gold).sum() / gold.any(-1).sum()).double())


@ALIGNMENT_ACCURACY.add(
    "0 where nothing is linked",
    "All is well until no word has a link: then you say 0, as if everything were wrong. The task "
    "names another number: how much can be wrong where nothing is asked?",
)
def _zero(weights: Tensor, gold: Tensor) -> float:
    return _share(_hits(weights, gold), gold) if bool(gold.any()) else 0.0
