"""Maps of weights and scores: rows are queries, columns are keys."""

from collections.abc import Collection, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.layout_engine import PlaceHolderLayoutEngine
from matplotlib.patches import Rectangle

from attention_lib.plots.arrays import as_array
from attention_lib.plots.style import COLOURS, FAINT, SCORES_MAP, WEIGHTS_MAP, luminance

CELL = 0.5  # inches
SHORT = 2  # labels of at most so many characters stand upright above their column

Links = Any  # a (T, S) boolean array or tensor, or (source, target) index pairs


def heat_map(
    weights: Any,
    *,
    queries: Sequence[str],
    keys: Sequence[str],
    ax: Axes | None = None,
    values: bool | None = None,
    signed: bool = False,
    top: float | None = None,
    title: str = "",
) -> Axes:
    """Draw a matrix of attention weights as a grid of cells, 0 being the background.

    Args:
        weights: (L_q, L_k) array or tensor of weights ≥ 0; with ``signed`` scores of any sign,
            in which −inf (a masked score) is hatched.
        queries: L_q labels, drawn at the left.
        keys: L_k labels, drawn on top.
        ax: where to draw; a new figure, sized by the number of cells, if not given.
        values: print each cell's value; if not given, only in small maps.
        signed: centre the colours at 0, blue for positive and orange for negative scores.
        top: the value of the darkest colour; if not given 1 for weights that do not exceed it,
            else the largest value.
        title: drawn above the keys.

    Returns:
        the axes.

    Raises:
        ValueError: if ``weights`` is not a matrix, does not match the labels, or holds NaN or
            (without ``signed``) infinite or negative values.

    >>> axes = heat_map([[0.9, 0.1], [0.2, 0.8]], queries=["I", "am"], keys=["我", "是"])
    >>> [label.get_text() for label in axes.get_xticklabels()]
    ['我', '是']
    """
    matrix = _as_matrix(weights, len(queries), len(keys))
    _refuse_bad_values(matrix, signed)
    if ax is None:
        ax = _new_axes(queries, keys)
    finite = matrix[np.isfinite(matrix)]
    largest = float(np.abs(finite).max()) if finite.size else 1.0
    if top is None:
        top = largest or 1.0 if signed or largest > 1 else 1.0
    norm = Normalize(-top if signed else 0.0, top)
    cmap = SCORES_MAP if signed else WEIGHTS_MAP
    shown = np.ma.masked_invalid(matrix)
    ax.pcolormesh(shown, cmap=cmap, norm=norm, edgecolors=FAINT, linewidth=0.5)
    for row, column in np.argwhere(~np.isfinite(matrix)):
        ax.add_patch(Rectangle((column, row), 1, 1, fill=False, hatch="////", ec=FAINT, lw=0))
    _label_cells(ax, queries, keys)
    if values or (values is None and max(matrix.shape) <= 8):
        _print_values(ax, matrix, cmap, norm)
    if title:
        ax.set_title(title, pad=10)
    return ax


def alignment_map(
    weights: Any,
    src: Sequence[str],
    tgt: Sequence[str],
    gold: tuple[Links, Links] | None = None,
    *,
    ax: Axes | None = None,
    values: bool = False,
    title: str = "",
) -> Axes:
    """Draw which source words each target word attends to, and the gold alignment over it.

    Args:
        weights: (T, S) weights; row t belongs to the target word t.
        src: S source words, drawn on top.
        tgt: T target words, drawn at the left.
        gold: (sure, possible) links, each a (T, S) boolean matrix or a collection of
            (source, target) index pairs. Sure links get a solid border, links that are only
            possible a dashed one.
        ax, values, title: as in ``heat_map``.

    Returns:
        the axes.

    Raises:
        ValueError: as ``heat_map``, or if a link lies outside the matrix.

    >>> axes = alignment_map(torch.eye(2), ["我", "走"], ["I", "go"], gold=({(0, 0)}, {(1, 1)}))
    >>> len(axes.collections)  # the cells, and both kinds of borders on their white rims
    5
    """
    ax = heat_map(weights, queries=tgt, keys=src, ax=ax, values=values, title=title)
    if gold is not None:
        sure = _as_links(gold[0], len(tgt), len(src))
        possible = _as_links(gold[1], len(tgt), len(src)) & ~sure
        _outline(ax, sure, "solid")
        _outline(ax, possible, "dashed")
    return ax


def _as_matrix(weights: Any, rows: int, columns: int) -> np.ndarray:
    """Copy weights into a float64 matrix and hold its shape against the labels."""
    matrix = as_array(weights)
    if matrix.ndim != 2:
        raise ValueError(
            f"weights has shape {matrix.shape}; wanted (queries, keys): "
            "pick one sentence, and one head, first"
        )
    if matrix.shape != (rows, columns):
        hint = "; is it transposed?" if matrix.shape == (columns, rows) else ""
        raise ValueError(
            f"weights has shape {matrix.shape}, but there are {rows} query labels "
            f"and {columns} key labels{hint}"
        )
    return matrix


def _refuse_bad_values(matrix: np.ndarray, signed: bool) -> None:
    """Raise on values that a map would show as something they are not."""
    if np.isnan(matrix).any() or np.isposinf(matrix).any():
        raise ValueError("weights holds NaN or +inf; was a fully masked row left to softmax?")
    if not signed and (matrix < 0).any():
        raise ValueError(
            f"weights holds {matrix.min():.3g}; weights are at least 0: "
            "apply the softmax first, or draw scores with signed=True"
        )


def _new_axes(queries: Sequence[str], keys: Sequence[str]) -> Axes:
    """Make a figure in which each cell is a readable square, with room for labels around the grid.

    The places are known beforehand, so that no layout engine has to look for them.
    """
    longest = max(map(_width, keys), default=0)
    left = 0.35 + 0.09 * max(map(_width, queries), default=0)
    above = 0.7 + (0.065 * longest if longest > 2 * SHORT else 0)
    width, height = CELL * max(len(keys), 1), CELL * max(len(queries), 1)
    whole = np.array([left + max(width, 3 * CELL) + 0.2, height + above + 0.2])
    # Not "none": after a figure has been saved once, that falls back to the engine of the style.
    engine = PlaceHolderLayoutEngine(adjust_compatible=True, colorbar_gridspec=True)
    figure = plt.figure(figsize=tuple(whole), layout=engine)
    return figure.add_axes((*(left, 0.2) / whole, *(width, height) / whole))


def _width(label: str) -> int:
    """Count a label's columns: a Chinese character is two letters wide."""
    return sum(2 if ord(character) > 0x2E7F else 1 for character in label)


def _label_cells(ax: Axes, queries: Sequence[str], keys: Sequence[str]) -> None:
    """Put the query words left of their rows and the key words above their columns."""
    ax.set_aspect("equal")
    ax.set_ylim(len(queries), 0)
    ax.set_xlim(0, len(keys))
    ax.set_yticks(np.arange(len(queries)) + 0.5, queries)
    slanted = max(map(_width, keys), default=0) > 2 * SHORT
    places = np.arange(len(keys)) + 0.5
    if slanted:
        ax.set_xticks(places, keys, rotation=45, ha="left", rotation_mode="anchor")
    else:
        ax.set_xticks(places, keys)
    ax.tick_params(top=False, bottom=False, left=False, labeltop=True, labelbottom=False, pad=3)
    ax.spines[:].set_visible(True)
    ax.spines[:].set_color(FAINT)


def _print_values(ax: Axes, matrix: np.ndarray, cmap: Colormap, norm: Normalize) -> None:
    """Write each value into its cell, light on dark cells and dark on light ones."""
    for (row, column), value in np.ndenumerate(matrix):
        if not np.isfinite(value):
            text, dark = "−∞", False
        else:
            text = f"{value:.2f}".replace("-", "−")
            text = {"0.00": "0", "−0.00": "0"}.get(text, text.replace("0.", ".", 1))
            dark = luminance(cmap(norm(value))) < 0.179  # where black and white contrast alike
        label = ax.text(column + 0.5, row + 0.52, text, ha="center", va="center", fontsize=10)
        label.set_color("white" if dark else "black")


def _as_links(links: Links, rows: int, columns: int) -> np.ndarray:
    """Bring gold links into a (T, S) boolean matrix."""
    if isinstance(links, (torch.Tensor, np.ndarray)):
        matrix = np.asarray(torch.as_tensor(links).cpu()).astype(bool)
        if matrix.shape != (rows, columns):
            raise ValueError(
                f"gold links have shape {matrix.shape}; wanted (target, source) = {rows, columns}"
            )
        return matrix
    matrix = np.zeros((rows, columns), dtype=bool)
    pairs: Collection[tuple[int, int]] = links
    for source, target in pairs:
        if not (0 <= source < columns and 0 <= target < rows):
            raise ValueError(
                f"gold link (source {source}, target {target}) lies outside "
                f"{columns} source and {rows} target words"
            )
        matrix[target, source] = True
    return matrix


def _outline(ax: Axes, links: np.ndarray, style: str) -> None:
    """Draw a border inside each linked cell, on a white rim so that it shows on dark cells."""
    square = 0.07 + 0.86 * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    borders = square + np.argwhere(links)[:, None, ::-1]
    for colour, width, line in (("white", 4, "solid"), (COLOURS["vermillion"], 2, style)):
        drawn = PolyCollection(
            list(borders), facecolors="none", edgecolors=colour, linewidths=width, linestyles=line
        )
        ax.add_collection(drawn, autolim=False)
