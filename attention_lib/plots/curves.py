"""Curves of several models over sentence length."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes


def lines_by_length(
    curves: Mapping[str, Any],
    lengths: Sequence[float],
    *,
    ylabel: str,
    xlabel: str = "source length (words)",
    ax: Axes | None = None,
    title: str = "",
) -> Axes:
    """Draw a measure by sentence length, one curve a model, each named at its right end.

    Colour, line style and marker differ together, so the curves are told apart without colour.

    Args:
        curves: the model's name -> (L,) values, or (runs, L) values of several runs, drawn as
            their mean with a band from the lowest to the highest run. NaN leaves a gap.
        lengths: L lengths, one a value.
        ylabel, xlabel: what is measured, and over what, in words.
        ax: where to draw; a new figure if not given.
        title: drawn above the curves.

    Returns:
        the axes.

    Raises:
        ValueError: if a curve has not one value a length.

    >>> axes = lines_by_length({"no attention": [90, 40], "dot": [91, 90]}, [5, 20], ylabel="BLEU")
    >>> [text.get_text() for text in axes.texts]
    ['no attention', 'dot']
    """
    if ax is None:
        ax = plt.subplots()[1]
    places = np.asarray(lengths, dtype=np.float64)
    ends = []
    for name, values in curves.items():
        runs = np.atleast_2d(np.array(values, dtype=np.float64))
        if runs.ndim != 2 or runs.shape[1] != len(places):
            raise ValueError(
                f"curve {name!r} has shape {np.shape(values)}; wanted ({len(places)},) "
                f"or (runs, {len(places)}): one value a length"
            )
        mean = runs.mean(0)
        (line,) = ax.plot(places, mean, label=name)
        if len(runs) > 1:
            band = ax.fill_between(places, runs.min(0), runs.max(0), color=line.get_color())
            band.set(alpha=0.15, linewidth=0)
        last = np.flatnonzero(np.isfinite(mean))
        ends.append((name, mean[last[-1]] if last.size else 0.0, line.get_color()))
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title, xticks=places)
    _name_ends(ax, places[-1], ends)
    return ax


def _name_ends(ax: Axes, right: float, ends: list[tuple[str, float, Any]]) -> None:
    """Write each curve's name beside its last point, moved apart where the ends lie close."""
    low, high = ax.get_ylim()
    inches = ax.bbox.height / ax.figure.dpi
    apart = (high - low) * 0.18 / inches  # the height of a line of text
    order = sorted(range(len(ends)), key=lambda i: ends[i][1])
    heights = np.array([ends[i][1] for i in order])
    for _ in range(100):  # neighbours that are too close push each other away
        missing = np.clip(apart - np.diff(heights), 0, None) / 2
        heights[:-1] -= missing
        heights[1:] += missing
    placed = dict(zip(order, heights.tolist(), strict=True))
    step = (ax.get_xlim()[1] - right) or 1.0
    for i, (name, value, colour) in enumerate(ends):
        # The name is in ink, which every reader can see; a line in the curve's colour leads to it.
        leader = {"color": colour, "linewidth": 1, "linestyle": "-", "marker": ""}
        ax.plot([right, right + 1.2 * step], [value, placed[i]], clip_on=False, **leader)
        place = (right + 1.4 * step, placed[i])
        ax.annotate(name, place, va="center", fontsize=11, annotation_clip=False)
    ax.set(ylim=(low, high), xlim=(ax.get_xlim()[0], right + step))
