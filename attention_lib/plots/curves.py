"""Curves of several models over sentence length."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from attention_lib.plots.arrays import as_array
from attention_lib.plots.style import INK


def lines_by_length(
    curves: Mapping[str, Any],
    lengths: Sequence[float] | Sequence[tuple[float, float]],
    *,
    ylabel: str,
    xlabel: str = "source length (words)",
    among: Sequence[str] = (),
    longest: float | None = None,
    logarithmic: bool = False,
    ax: Axes | None = None,
    title: str = "",
) -> Axes:
    """Draw a measure by sentence length, one curve a model, each named at its right end.

    Colour, line style and marker differ together, so the curves are told apart without colour.

    Args:
        curves: the model's name -> (L,) values, or (runs, L) values of several runs, drawn as
            their mean with a band from the lowest to the highest run. NaN leaves a gap.
        lengths: L lengths, one a value; or L buckets (shortest, longest), drawn at their middles.
        ylabel, xlabel: what is measured, and over what, in words.
        among: the names of a family of figures. A curve takes its look from its place among them,
            so that a model looks the same in each figure; if not given, from its place in
            ``curves``.
        longest: the longest length in training, marked by a dotted line.
        logarithmic: draw both axes so; what grows with the n-th power of the length is a straight
            line of slope n.
        ax: where to draw; a new figure if not given.
        title: drawn above the curves.

    Returns:
        the axes.

    Raises:
        ValueError: if a curve has not one value a length, nothing but NaN, or is not ``among`` the
            names.

    >>> axes = lines_by_length({"no attention": [90, 40], "dot": [91, 90]}, [5, 20], ylabel="BLEU")
    >>> [text.get_text() for text in axes.texts]
    ['no attention', 'dot']
    """
    if ax is None:
        ax = plt.subplots()[1]
    if logarithmic:
        ax.set(xscale="log", yscale="log")
        ax.minorticks_off()
    places = np.asarray(lengths, dtype=np.float64)
    labels = ["–".join(f"{bound:g}" for bound in np.atleast_1d(length)) for length in places]
    places = places.reshape(len(places), -1).mean(1)
    looks = _looks(list(curves), list(among or curves))
    ends = []
    for name, values in curves.items():
        mean = _draw_runs(ax, places, name, values, looks[name])
        last = np.flatnonzero(np.isfinite(mean))[-1]
        ends.append((name, places[last], mean[last], looks[name]["color"]))
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.set_xticks(places, labels, fontsize=11)
    _name_ends(ax, places[-1], ends)
    if longest is not None:
        _mark_longest(ax, longest)
    return ax


def _looks(names: list[str], among: list[str]) -> dict[str, dict[str, Any]]:
    """Give each name the colour, line and marker of its place in the family."""
    if strangers := [name for name in names if name not in among]:
        raise ValueError(f"curve {strangers[0]!r} is not among {', '.join(map(repr, among))}")
    cycle = list(mpl.rcParams["axes.prop_cycle"])
    return {name: cycle[among.index(name) % len(cycle)] for name in names}


def _draw_runs(
    ax: Axes, places: np.ndarray, name: str, values: Any, look: dict[str, Any]
) -> np.ndarray:
    """Draw a model's mean and a band from its lowest to its highest run; return the mean."""
    array = as_array(values)
    runs = np.atleast_2d(array)
    if runs.ndim != 2 or runs.shape[1] != len(places):
        raise ValueError(
            f"curve {name!r} has shape {array.shape}; wanted ({len(places)},) "
            f"or (runs, {len(places)}): one value a length"
        )
    mean: np.ndarray = runs.mean(0)
    if not np.isfinite(mean).any():
        raise ValueError(f"curve {name!r} has no finite value to draw; leave it out")
    if ax.get_yscale() == "log" and not (runs[np.isfinite(runs)] > 0).all():
        raise ValueError(f"curve {name!r} has values of 0 or below, which have no logarithm")
    ax.plot(places, mean, label=name, **look)
    if len(runs) > 1:
        band = ax.fill_between(places, runs.min(0), runs.max(0), color=look["color"])
        band.set(alpha=0.15, linewidth=0)
    return mean


def _mark_longest(ax: Axes, longest: float) -> None:
    """Draw a dotted line behind the longest length in training, and say so above it."""
    ax.axvline(longest + 0.5, color=INK, linewidth=1.5, linestyle=":", marker="")
    ax.annotate(
        "longest in training",
        (longest + 0.5, 1.02),
        xycoords=("data", "axes fraction"),
        ha="center",
        va="bottom",
        fontsize=11,
    )


def _name_ends(ax: Axes, right: float, ends: list[tuple[str, float, float, Any]]) -> None:
    """Write each curve's name at the right of its last point, apart where the ends lie close."""
    if not ends:
        return
    # On the paper, where distances are those that are seen, whatever the scales.
    limits = {"xlim": ax.get_xlim(), "ylim": ax.get_ylim()}
    paper, data = ax.transData, ax.transData.inverted()
    apart = 0.18 * ax.figure.dpi  # the height of a line of text
    order = sorted(range(len(ends)), key=lambda i: ends[i][2])
    heights = np.array([paper.transform(ends[i][1:3])[1] for i in order])
    for _ in range(100):  # neighbours that are too close push each other away
        missing = np.clip(apart - np.diff(heights), 0, None) / 2
        heights[:-1] -= missing
        heights[1:] += missing
    placed = dict(zip(order, heights.tolist(), strict=True))
    start = paper.transform((right, ends[0][2]))[0]
    step = (ax.bbox.x1 - start) or 1.0
    for i, (name, last, value, colour) in enumerate(ends):
        # The name is in ink, which every reader can see; a line in the curve's colour leads to it.
        leader = {"color": colour, "linewidth": 1, "linestyle": "-", "marker": ""}
        x, y = data.transform((start + 1.2 * step, placed[i]))
        ax.plot([last, x], [value, y], clip_on=False, **leader)
        x, y = data.transform((start + 1.4 * step, placed[i]))
        ax.annotate(name, (x, y), va="center", fontsize=11, annotation_clip=False)
    ax.set(**limits)
