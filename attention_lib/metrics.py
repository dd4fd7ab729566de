"""How good is a translation, how good are its alignments, and does a model look where it should?"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sacrebleu
import torch
from torch import Tensor


class Bleu(NamedTuple):
    """A corpus BLEU score (0 … 100) and the sacrebleu signature that says how it was computed."""

    score: float
    signature: str


def bleu(hypotheses: Sequence[str], references: Sequence[str], *, tokenize: str = "13a") -> Bleu:
    """Corpus BLEU through sacrebleu.

    Args:
        hypotheses: one translation a sentence.
        references: one reference a sentence.
        tokenize: sacrebleu's tokenizer; "none" for text that is already split at spaces.

    Returns:
        the score and its signature.

    Raises:
        TypeError: if one of the two is a text rather than sentences.
        ValueError: if there are no sentences, or not as many of one as of the other.

    >>> bleu(["I am a student ."], ["I am a student ."], tokenize="none").score
    100.0
    """
    _check_sentences(hypotheses, references)
    metric = sacrebleu.BLEU(tokenize=tokenize, force=True)
    score = metric.corpus_score(list(hypotheses), [list(references)]).score
    # sacrebleu sums logarithms: a perfect score comes back as 100.00000000000004.
    return Bleu(round(score, 10), str(metric.get_signature()))


def _check_sentences(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    """Refuse what is not one hypothesis a reference."""
    for name, given in (("hypotheses", hypotheses), ("references", references)):
        if isinstance(given, str):
            raise TypeError(f"{name} is the text {given[:40]!r}; wanted a list of sentences")
    if len(hypotheses) != len(references) or not hypotheses:
        raise ValueError(
            f"{len(hypotheses)} hypotheses for {len(references)} references; "
            "wanted as many of each, and at least one"
        )


def exact_match(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """The fraction of translations that equal their reference, word for word.

    Raises:
        TypeError: if one of the two is a text rather than sentences.
        ValueError: if there are no sentences, or not as many of one as of the other.

    >>> exact_match(["a b", "c"], ["a b", "d"])
    0.5
    """
    _check_sentences(hypotheses, references)
    same = sum(h == r for h, r in zip(hypotheses, references, strict=True))
    return same / len(hypotheses)


def perplexity(loss: float) -> float:
    """The perplexity of a mean negative log-likelihood per token, in nats; ∞ for a huge one.

    >>> perplexity(math.log(7))
    7.0
    """
    # Above 709 a float has no room.
    return math.inf if loss >= 709 else round(math.exp(loss), 12)


def hard_alignment(weights: Tensor) -> Tensor:
    """Link every target word to the source word with the largest weight.

    Args:
        weights: (..., L_tgt, L_src).

    Returns:
        bool (..., L_tgt, L_src), one True a row.

    Raises:
        ValueError: if a weight is NaN.

    >>> hard_alignment(torch.tensor([[0.2, 0.8], [0.6, 0.4]]))
    tensor([[False,  True],
            [ True, False]])
    """
    _refuse_nan(weights)
    best = weights.argmax(-1, keepdim=True)
    return torch.zeros_like(weights, dtype=torch.bool).scatter(-1, best, True)


def _refuse_nan(weights: Tensor) -> None:
    """Raise where argmax would call NaN the largest weight."""
    if weights.isnan().any():
        raise ValueError("weights holds NaN; was a fully masked row left to softmax?")


def diagonal_alignment(tgt_length: int, src_length: int) -> Tensor:
    """Link the words in order, stretched to fit: the alignment of someone who cannot read.

    Returns:
        bool (tgt_length, src_length), one True a row.

    >>> diagonal_alignment(4, 2).int()
    tensor([[1, 0],
            [1, 0],
            [0, 1],
            [0, 1]], dtype=torch.int32)
    """
    centres = (torch.arange(tgt_length) + 0.5) * src_length / tgt_length
    return hard_alignment(-(torch.arange(src_length) + 0.5 - centres[:, None]).abs())


def alignment_error_rate(predicted: Tensor, sure: Tensor, possible: Tensor) -> float:
    r"""How far predicted links A are from the gold's sure links S and possible links P.

    .. math:: \mathrm{AER} = 1 - \frac{|A \cap S| + |A \cap P|}{|A| + |S|}, \qquad S \subseteq P

    Args:
        predicted: bool (L_tgt, L_src), A.
        sure: bool (L_tgt, L_src), S.
        possible: bool (L_tgt, L_src), P; sure links count as possible whether it says so or not.

    Returns:
        the rate, 0 (perfect) … 1; 0 if nothing is predicted and nothing is sure.

    Och and Ney (2003), equation 12.

    >>> gold = torch.eye(2, dtype=torch.bool)
    >>> alignment_error_rate(gold, gold, gold), alignment_error_rate(~gold, gold, gold)
    (0.0, 1.0)
    """
    return corpus_alignment_error_rate([(predicted, sure, possible)])


def corpus_alignment_error_rate(sentences: Iterable[tuple[Tensor, Tensor, Tensor]]) -> float:
    """The alignment error rate of all links of many sentences together.

    Args:
        sentences: for each, ``predicted``, ``sure`` and ``possible`` as in
            :func:`alignment_error_rate`.

    Raises:
        TypeError: if a matrix is not boolean.
        ValueError: if the matrices of a sentence differ in shape.

    >>> right, wrong = torch.eye(2).bool(), torch.eye(2).flip(0).bool()
    >>> corpus_alignment_error_rate([(right, right, right), (wrong, right, right)])
    0.5
    """
    hits = links = 0
    for predicted, sure, possible in sentences:
        for name, matrix in (("predicted", predicted), ("sure", sure), ("possible", possible)):
            if matrix.dtype != torch.bool:
                raise TypeError(f"{name} has dtype {matrix.dtype}; wanted torch.bool")
            if matrix.shape != sure.shape:
                raise ValueError(
                    f"{name} has shape {tuple(matrix.shape)}, sure has {tuple(sure.shape)}"
                )
        hits += int((predicted & sure).sum()) + int((predicted & (possible | sure)).sum())
        links += int(predicted.sum()) + int(sure.sum())
    return 1 - hits / links if links else 0.0


def raw_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> Bleu:
    """Corpus BLEU of text as people write it: sacrebleu's own measure, case counts.

    It is lower than :func:`tokenised_bleu` and cannot be compared with it.

    Args:
        hypotheses, references: sentences of detokenised text, e.g. from
            :meth:`attention_lib.data.subwords.Subwords.text`.

    Raises:
        TypeError: if one of the two is a text rather than sentences.
        ValueError: if there are no sentences, or not as many of one as of the other.

    >>> raw_bleu(["Ein Mann schläft."], ["Ein Mann schläft."]).signature.split("|")[1:4]
    ['case:mixed', 'eff:no', 'tok:13a']
    """
    return bleu(hypotheses, references, tokenize="13a")


def tokenised_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> Bleu:
    """Corpus BLEU of lower-cased tokens, as papers on Multi30k mostly score it.

    They split text with Moses' tokeniser and count with multi-bleu; here sacrebleu splits, by
    mteval's rules, into nearly the same tokens (12,106 for Multi30k's German test_2016_flickr,
    where Wu et al. 2021 have 12,103).

    Args:
        hypotheses, references: sentences of detokenised text.

    Raises:
        TypeError: if one of the two is a text rather than sentences.
        ValueError: if there are no sentences, or not as many of one as of the other.

    >>> tokenised_bleu(["ein Mann schläft."], ["Ein Mann schläft ."]).score
    100.0
    """
    _check_sentences(hypotheses, references)
    metric = sacrebleu.BLEU(tokenize="13a", lowercase=True, force=True)
    score = metric.corpus_score(list(hypotheses), [list(references)]).score
    return Bleu(round(score, 10), str(metric.get_signature()))


class Chrf(NamedTuple):
    """A corpus chrF score (0 … 100) and the sacrebleu signature that says how it was computed."""

    score: float
    signature: str


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> Chrf:
    r"""Corpus chrF2 through sacrebleu: how many sequences of up to six characters are right.

    .. math:: \mathrm{chrF} = (1 + \beta^2)
              \frac{\mathrm{chrP} \cdot \mathrm{chrR}}{\beta^2 \mathrm{chrP} + \mathrm{chrR}},
              \qquad \beta = 2

    Precision chrP and recall chrR are averaged over lengths 1 … 6; spaces do not count.

    Args:
        hypotheses, references: sentences of detokenised text.

    Raises:
        TypeError: if one of the two is a text rather than sentences.
        ValueError: if there are no sentences, or not as many of one as of the other.

    Popović (2015).

    >>> chrf(["Ein Mann schläft."], ["Ein Mann schläft."]).score
    100.0
    """
    _check_sentences(hypotheses, references)
    metric = sacrebleu.CHRF()
    score = metric.corpus_score(list(hypotheses), [list(references)]).score
    return Chrf(round(score, 10), str(metric.get_signature()))


def masks_on_grid(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """Say for each cell of a grid over a picture whether its centre lies on an object.

    Args:
        masks: (..., height, width) bool, True at the object's pixels.
        grid: (rows, columns) of cells.

    Returns:
        (..., rows · columns) bool, row by row.

    Raises:
        TypeError: if ``masks`` is not boolean.
        ValueError: if the grid is finer than the pixels.

    >>> masks_on_grid(torch.tensor([[[True, True, False, False]] * 2]), grid=(1, 2))
    tensor([[ True, False]])
    """
    if masks.dtype != torch.bool:
        raise TypeError(f"masks have dtype {masks.dtype}; wanted torch.bool")
    picks = []
    for size, cells in zip(masks.shape[-2:], grid, strict=True):
        if not 1 <= cells <= size:
            raise ValueError(f"{size} pixels cannot be split into {cells} cells")
        picks.append(((torch.arange(cells, device=masks.device) + 0.5) * size / cells).long())
    return masks[..., picks[0][:, None], picks[1]].flatten(-2)


def pointing_accuracy(weights: Tensor, masks: Tensor, grid: tuple[int, int]) -> float:
    """The share of words for objects whose largest weight falls on the object.

    Args:
        weights: (steps, locations), one row a word; concatenate the rows of many pictures.
        masks: (steps, height, width) bool, the pixels of the object that each word is about; a
            word whose mask is all False is about none and does not count.
        grid: (rows, columns) of locations, counted row by row.

    Returns:
        the share, 0 … 1. Someone who points anywhere reaches
        ``masks_on_grid(masks, grid).float().mean()`` over the words that count.

    Raises:
        TypeError: if ``masks`` is not boolean.
        ValueError: if the sizes do not fit, a weight is NaN, or no word is about an object.

    The pointing game of Zhang et al. (2016), section 4.2, with the centre of the cell as the point.

    >>> left = torch.tensor([[[True, False]]])
    >>> pointing_accuracy(torch.tensor([[0.9, 0.1], [0.4, 0.6]]), left.expand(2, 1, 2), grid=(1, 2))
    0.5
    """
    if len(masks) != len(weights) or weights.shape[-1] != math.prod(grid):
        raise ValueError(
            f"weights of shape {tuple(weights.shape)} do not fit masks of shape "
            f"{tuple(masks.shape)} and a grid of {grid[0]} × {grid[1]}; "
            "wanted (steps, rows · columns) and (steps, height, width)"
        )
    _refuse_nan(weights)
    counts = masks.flatten(1).any(1)
    if not counts.any():
        raise ValueError("no word is about an object: every mask is empty")
    hits = masks_on_grid(masks, grid).gather(1, weights.argmax(-1, keepdim=True))[:, 0]
    return float(hits[counts].double().mean())
