"""Many heads at once: all maps of a stack as one grid, and how spread out each head is."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attention_lib.plots.arrays import as_array
from attention_lib.plots.maps import heat_map
from attention_lib.plots.style import COLOURS, FAINT, INK


def heads_grid(
    layers: Sequence[Any], *, queries: Sequence[str], keys: Sequence[str], size: float = 1.7
) -> Figure:
    """Draw the map of every head, one row of maps a layer, one column a head.

    Words stand at the left of the first column and over the first row only.

    Args:
        layers: for each layer (num_heads, L_q, L_k) weights; the lowest is drawn first.
        queries: L_q labels.
        keys: L_k labels.
        size: width and height of a map in inches.

    Returns:
        the figure.

    Raises:
        ValueError: if there is no layer, the layers differ in shape, or a map does not match the
            labels.

    >>> import torch
    >>> weights = torch.full((3, 2, 2), 0.5)
    >>> figure = heads_grid([weights, weights], queries=["我", "走"], keys=["我", "走"])
    >>> len(figure.axes), figure.axes[4].get_title()
    (6, 'layer 2, head 2')
    """
    maps = [as_array(layer) for layer in layers]
    shapes = {layer.shape for layer in maps}
    if len(shapes) != 1 or len(next(iter(shapes))) != 3:
        given = ", ".join(str(layer.shape) for layer in maps) or "none"
        raise ValueError(f"wanted one shape (num_heads, L_q, L_k) for all layers; got {given}")
    rows, columns = len(maps), maps[0].shape[0]
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(0.7 + size * columns, 0.6 + size * rows),
        squeeze=False,
        layout="constrained",
    )
    for i, layer in enumerate(maps):
        for j, weights in enumerate(layer):
            ax = heat_map(weights, queries=queries, keys=keys, ax=grid[i, j], values=False)
            ax.set_title(f"layer {i + 1}, head {j + 1}", fontsize=9, pad=4)
            ax.tick_params(labelsize=7, labelleft=j == 0, labeltop=i == 0)
    return figure


def entropy_by_layer(entropies: Any, *, even: float, ax: Axes | None = None) -> Axes:
    """Draw how widely each head of each layer spreads its weights, and each layer's mean.

    Args:
        entropies: (layers, num_heads) mean entropies in nats, see
            :func:`attention_lib.inside.attention_entropy`.
        even: the entropy of weights that are all equal, drawn as a dotted line.
        ax: where to draw; a new figure if not given.

    Returns:
        the axes.

    Raises:
        ValueError: if ``entropies`` is not a matrix of finite numbers.

    >>> axes = entropy_by_layer([[0.5, 1.0], [2.0, 2.2]], even=2.3)
    >>> axes.get_ylabel()
    'entropy (nats)'
    """
    values = as_array(entropies)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(
            f"wanted finite entropies of shape (layers, num_heads); got shape {values.shape}"
        )
    if ax is None:
        ax = plt.subplots()[1]
    layers = np.arange(1, len(values) + 1)
    spread = np.linspace(-0.15, 0.15, values.shape[1]) if values.shape[1] > 1 else np.zeros(1)
    ax.scatter(layers[:, None] + spread, values, s=36, color=COLOURS["blue"], zorder=3)
    ax.plot(layers, values.mean(1), color=COLOURS["vermillion"], marker="_", ms=16, ls="--")
    ax.axhline(even, color=FAINT, ls=":", lw=2)
    ax.annotate("all keys alike", (layers[0] - 0.4, even), va="bottom", fontsize=10, color=INK)
    ax.set(xlabel="layer", ylabel="entropy (nats)", xticks=layers)
    ax.set(xlim=(0.5, len(values) + 0.5), ylim=(0, max(even, values.max()) * 1.12))
    return ax
