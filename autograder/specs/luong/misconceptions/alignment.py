"""Wrong alignment error rates."""

from torch import Tensor

from autograder.checks.bank import Bank

ALIGNMENT_ERROR_RATE = Bank()


def _count(links: Tensor) -> int:
    return int(links.sum())


def _rate(hits: float, links: float) -> float:
    """1 − hits / links, 0 where there are no links."""
    return 1 - hits / links if links else 0.0


@ALIGNMENT_ERROR_RATE.add(
    "accuracy returned instead of the error",
    "A perfect prediction gets 1 and a useless one 0: you return how much is right. What turns "
    "that into an error rate?",
)
def _accuracy(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    hits = _count(predicted & sure) + _count(predicted & (possible | sure))
    links = _count(predicted) + _count(sure)
    return hits / links if links else 0.0


@ALIGNMENT_ERROR_RATE.add(
    "possible links are not used",
    "Links that are only possible cost you as much as wrong ones: your rate knows sure links "
    "only. Which of the two hits in the numerator forgives more?",
)
def _sure_only(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    return _rate(2 * _count(predicted & sure), _count(predicted) + _count(sure))


@ALIGNMENT_ERROR_RATE.add(
    "sure links are not used",
    "Possible links that were not predicted count against you: your rate knows possible links "
    "only. Which links must be found, and which merely may?",
)
def _possible_only(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    possible = possible | sure
    return _rate(2 * _count(predicted & possible), _count(predicted) + _count(possible))


@ALIGNMENT_ERROR_RATE.add(
    "sure links are not counted as possible",
    "When the possible links leave out the sure ones, your rate is too high: a hit on a sure "
    "link should count twice. What does it take for P to contain S?",
)
def _apart(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    hits = _count(predicted & sure) + _count(predicted & possible)
    return _rate(hits, _count(predicted) + _count(sure))


@ALIGNMENT_ERROR_RATE.add(
    "|A| + |P| below the line",
    "Your rate rises with every possible link, predicted or not: possible links are counted below "
    "the line. Which links does the denominator count?",
)
def _divided_by_possible(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    possible = possible | sure
    hits = _count(predicted & sure) + _count(predicted & possible)
    return _rate(hits, _count(predicted) + _count(possible))


@ALIGNMENT_ERROR_RATE.add(
    "only precision",
    "Sure links that were missed cost you nothing: you ask how many predictions are acceptable, "
    "not how many sure links were found. What is the other half of the formula?",
)
def _precision(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    return _rate(_count(predicted & (possible | sure)), _count(predicted))


@ALIGNMENT_ERROR_RATE.add(
    "only recall",
    "Wrong predictions cost you nothing, so predicting every link would be perfect: you ask only "
    "how many sure links were found. What is the other half of the formula?",
)
def _recall(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    return _rate(_count(predicted & sure), _count(sure))


@ALIGNMENT_ERROR_RATE.add(
    "the harmonic mean of precision and recall",
    "Your numbers are 1 − F1. Its precision allows possible links and its recall wants sure ones, "
    "and AER adds hits and links before it divides: do the two fractions have the same weight?",
)
def _f_measure(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    if not _count(predicted) + _count(sure):
        return 0.0
    precision = _count(predicted & (possible | sure)) / max(_count(predicted), 1)
    recall = _count(predicted & sure) / max(_count(sure), 1)
    return _rate(2 * precision * recall, precision + recall) if precision + recall else 1.0


@ALIGNMENT_ERROR_RATE.add(
    "cells compared one by one",
    "Your rate shrinks when a matrix has more empty cells: you count cells that differ, and most "
    "cells of an alignment are empty for everyone. What does AER count?",
)
def _cells(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    return float((predicted != sure).double().mean())


@ALIGNMENT_ERROR_RATE.add(
    "divides by 0 when there are no links (exception)",
    "All is well until nothing is predicted and nothing is sure: then you divide by 0. How wrong "
    "is a prediction that says nothing when there is nothing to say?",
)
def _zero_division(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    hits = _count(predicted & sure) + _count(predicted & (possible | sure))
    return 1 - hits / (_count(predicted) + _count(sure))


@ALIGNMENT_ERROR_RATE.add(
    "NaN when there are no links",
    "All is well until nothing is predicted and nothing is sure: 0/0 of tensors is NaN, without "
    "an exception. How wrong is a prediction that says nothing when there is nothing to say?",
)
def _nan(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    hits = (predicted & sure).sum() + (predicted & (possible | sure)).sum()
    return float(1 - hits / (predicted.sum() + sure.sum()))
