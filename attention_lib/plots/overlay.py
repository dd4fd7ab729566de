"""Pictures with what a model looked at for each word."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attention_lib.plots.arrays import as_array
from attention_lib.plots.style import COLOURS

PANEL = 1.3  # inches
VEIL = 0.92  # how much of the picture a weight of 0 hides: what was not looked at stays faint


def image_overlay(
    picture: Any,
    weights: Any,
    words: Sequence[str],
    grid: tuple[int, int],
    *,
    masks: Any = None,
    top: float | None = None,
    columns: int = 4,
) -> Figure:
    """Draw a picture once for each word, under a white veil that lifts where the word looked.

    Lightness alone carries the weights, so no colour vision is needed to read them. The first panel
    is the picture itself.

    Args:
        picture: (3, height, width) array or tensor, 0 … 1.
        weights: (words, locations) weights ≥ 0, one row a word.
        words: drawn above the panels.
        grid: (rows, columns) of locations, counted row by row.
        masks: (words, height, width) bool: the object that each word is about, outlined; an empty
            mask draws nothing.
        top: the weight that lifts the veil wholly; the largest of all if not given, so that the
            panels of a caption can be compared.
        columns: panels in a row.

    Returns:
        the figure, its axes in the order of the panels.

    Raises:
        ValueError: if the shapes do not fit each other, ``picture`` is not between 0 and 1, or
            ``weights`` holds NaN or negatives.

    >>> figure = image_overlay(np.zeros((3, 8, 8)), [[0.5, 0.5, 0, 0]], ["sky"], grid=(2, 2))
    >>> [axes.get_title() for axes in figure.axes]
    ['', 'sky']
    """
    image, maps, outlines = _as_arrays(picture, weights, masks)
    _refuse_misfits(image, maps, outlines, len(words), grid)
    rows = -(-(len(words) + 1) // columns)
    size = (PANEL * columns, (PANEL + 0.25) * rows)
    figure, panels = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for ax in panels.flat[len(words) + 1 :]:
        ax.remove()
    _draw_picture(panels.flat[0], image)
    largest = float(maps.max()) if top is None else top
    for step, (ax, word) in enumerate(zip(panels.flat[1:], words, strict=False)):
        _draw_picture(ax, image)
        _draw_veil(ax, maps[step].reshape(grid) / (largest or 1.0), image.shape[:2])
        if outlines is not None and outlines[step].any():
            _draw_outline(ax, outlines[step])
        ax.set_title(word, loc="center", fontsize=12, pad=3)
    return figure


def _as_arrays(
    picture: Any, weights: Any, masks: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Copy what is to be drawn: (height, width, 3) picture, float64 weights, bool masks."""
    image = as_array(picture)
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"picture has shape {image.shape}; wanted (3, height, width)")
    if not ((image >= 0) & (image <= 1 + 1e-6)).all():
        raise ValueError(
            f"picture reaches from {image.min():g} to {image.max():g}; wanted 0 to 1 "
            "(divide one of bytes by 255)"
        )
    outlines = None if masks is None else as_array(masks).astype(bool)
    return np.moveaxis(image, 0, -1), as_array(weights), outlines


def _refuse_misfits(
    image: np.ndarray,
    maps: np.ndarray,
    outlines: np.ndarray | None,
    words: int,
    grid: tuple[int, int],
) -> None:
    """Raise on weights and masks that do not belong to the picture and its words."""
    wanted = (words, grid[0] * grid[1])
    if maps.shape != wanted:
        raise ValueError(
            f"weights has shape {maps.shape}; wanted (words, rows · columns) = {wanted}"
        )
    if not np.isfinite(maps).all() or (maps < 0).any():
        raise ValueError("weights holds NaN, infinite or negative values; wanted weights ≥ 0")
    if outlines is not None and outlines.shape != (words, *image.shape[:2]):
        raise ValueError(
            f"masks has shape {outlines.shape}; "
            f"wanted (words, height, width) = {(words, *image.shape[:2])}"
        )


def _draw_picture(ax: Axes, image: np.ndarray) -> None:
    """Show a picture without ticks, its pixels from 0 to the width and the height."""
    height, width = image.shape[:2]
    ax.imshow(image.clip(0, 1), extent=(0, width, height, 0), interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def _draw_veil(ax: Axes, shares: np.ndarray, size: tuple[int, ...]) -> None:
    """Lay white over each cell, the thinner the more of the highest weight the cell has."""
    veil = np.ones((*shares.shape, 4))
    veil[..., 3] = VEIL * (1 - shares.clip(0, 1))
    ax.imshow(veil, extent=(0, size[1], size[0], 0), interpolation="nearest")


def _draw_outline(ax: Axes, mask: np.ndarray) -> None:
    """Draw the edge of a mask, on a white rim so that it shows on every colour."""
    height, width = mask.shape
    across, down = np.arange(width + 2) - 0.5, np.arange(height + 2) - 0.5
    padded = np.pad(mask.astype(float), 1)  # so that an outline closes at the picture's edge
    for colour, line in (("white", 3.5), (COLOURS["vermillion"], 1.8)):
        ax.contour(across, down, padded, levels=[0.5], colors=colour, linewidths=line)
    ax.set(xlim=(0, width), ylim=(height, 0))
