"""A drawing of Bahdanau's decoder: it looks back, and then steps."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from attention_lib.plots.arrays import as_array
from attention_lib.plots.drawings import SPACING, arrow, box, drawing, weight_cell

WORDS, AHEAD, BACK = 0.35, 1.6, 2.7  # the heights of the words and of the two networks
WEIGHTS, CONTEXT = 4.1, 5.9
LEFT = 1.5


def look_then_step(src: Sequence[str], last: str, written: str, weights: Any) -> Axes:
    """Draw one step of Bahdanau's decoder over an encoder that reads both ways.

    Every source word has a state from the left and one from the right. The decoder's state before
    the step asks (1), the context is read (2), and only then does the decoder step (3).

    Args:
        src: S source words.
        last: the word written last, which the step reads.
        written: the word that comes out of the step.
        weights: (S,) weights of the step.

    Returns:
        the axes.

    Raises:
        ValueError: if ``weights`` has not one value a source word.

    >>> ax = look_then_step(["我", "走"], "I", "go", [0.1, 0.9])
    >>> len(ax.patches)  # two states and a weight a word, the context, two decoder states
    9
    """
    shares = as_array(weights)
    if shares.shape != (len(src),):
        raise ValueError(f"weights has shape {shares.shape}; wanted ({len(src)},), one a word")
    places = [LEFT + SPACING * j for j in range(len(src))]
    ax = drawing(places[-1] + 6.6, 6.6)
    _read_both_ways(ax, places, src)
    middle = (places[0] + places[-1]) / 2
    before, after = places[-1] + 2.0, places[-1] + 4.2
    _look(ax, places, shares, (middle, before))
    _step(ax, middle, (before, after), last, written)
    return ax


def _read_both_ways(ax: Axes, places: Sequence[float], src: Sequence[str]) -> None:
    """Draw the two networks of the encoder, one above the other."""
    for j, (x, word) in enumerate(zip(places, src, strict=True)):
        ax.text(x, WORDS, word, ha="center", va="center")
        box(ax, (x, AHEAD), rf"$\overrightarrow{{h}}_{{{j + 1}}}$", colour="blue")
        box(ax, (x, BACK), rf"$\overleftarrow{{h}}_{{{j + 1}}}$", colour="sky")
        arrow(ax, (x, WORDS + 0.3), (x, AHEAD - 0.4))
        arrow(ax, (x - 0.25, WORDS + 0.3), (x - 0.25, BACK - 0.4), width=0.8, bend=-0.35)
    for left, right in pairwise(places):
        arrow(ax, (left + 0.43, AHEAD), (right - 0.43, AHEAD))
        arrow(ax, (right - 0.43, BACK), (left + 0.43, BACK))


def _look(
    ax: Axes, places: Sequence[float], shares: np.ndarray, centres: tuple[float, float]
) -> None:
    """Draw the question of the state before, the weights, and the context as their sum."""
    middle, before = centres
    ax.text(places[0] - 0.75, WEIGHTS, r"$\alpha_{ij}$", ha="right", va="center")
    for x, share in zip(places, shares.tolist(), strict=True):
        arrow(ax, (x, BACK + 0.4), (x, WEIGHTS - 0.3), width=0.8)
        weight_cell(ax, x, share, WEIGHTS)
        foot, head = (x, WEIGHTS + 0.3), (middle, CONTEXT - 0.4)
        arrow(ax, foot, head, colour="orange", width=0.5 + 4 * share)
    start, end = (before, (AHEAD + BACK) / 2 + 0.4), (places[-1] + SPACING / 2, WEIGHTS)
    arrow(ax, start, end, colour="green", width=1.6)
    ax.text(before + 0.05, (start[1] + end[1]) / 2 - 0.15, "1 asks", fontsize=11)
    ax.text(middle - 0.6, CONTEXT, "2 reads", ha="right", va="center", fontsize=11)


def _step(ax: Axes, middle: float, centres: tuple[float, float], last: str, written: str) -> None:
    """Draw the decoder's state before and after, with all that the step takes in."""
    before, after = centres
    height = (AHEAD + BACK) / 2
    box(ax, (middle, CONTEXT), "$c_i$", colour="orange")
    box(ax, (before, height), "$s_{i-1}$", colour="green", size=(1.05, 0.7))
    box(ax, (after, height), "$s_i$", colour="green", size=(1.05, 0.7))
    arrow(ax, (before + 0.53, height), (after - 0.53, height))
    arrow(ax, (middle + 0.43, CONTEXT), (after, height + 0.4), colour="orange", width=2.4,
          bend=-0.25)  # fmt: skip
    arrow(ax, (after, WORDS + 0.3), (after, height - 0.4))
    ax.text(after, WORDS, last, ha="center", va="center")
    ax.text((before + after) / 2, height - 0.45, "3 steps", ha="center", va="center", fontsize=11)
    arrow(ax, (after + 0.53, height), (after + 1.15, height))
    ax.text(after + 1.25, height, written, ha="left", va="center")
