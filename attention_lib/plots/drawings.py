"""Small drawings in the book's style: boxes, arrows and an encoder-decoder with attention."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyBboxPatch, Rectangle

from attention_lib.plots.arrays import as_array
from attention_lib.plots.style import COLOURS, FAINT, INK, WEIGHTS_MAP, luminance

Point = tuple[float, float]
SPACING = 1.25  # between two states of a row
STATES, WEIGHTS, CONTEXT = 1.6, 3.0, 5.0  # the heights of what attention needs


def drawing(width: float, height: float) -> Axes:
    """Make an empty sheet, ``width`` by ``height`` units of 0.5 inches, without axes.

    >>> drawing(4, 2).figure.get_size_inches().tolist()
    [2.0, 1.0]
    """
    ax = plt.subplots(figsize=(width / 2, height / 2))[1]
    ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    ax.axis("off")
    return ax


def box(
    ax: Axes, at: Point, text: str, *, size: Point = (0.85, 0.7), colour: str = "white"
) -> FancyBboxPatch:
    """Draw a rounded box around a text, centred at a point.

    Args:
        ax: from ``drawing``.
        at: the centre.
        text: written inside; mathematics between dollar signs.
        size: width and height.
        colour: a name of ``COLOURS``, drawn pale, or "white".

    Returns:
        the box, in whose outline ``arrow`` may end.
    """
    edge = COLOURS.get(colour, INK)
    corner = (at[0] - size[0] / 2, at[1] - size[1] / 2)
    shape = FancyBboxPatch(
        corner, *size, boxstyle="round,pad=0,rounding_size=0.15", facecolor="white", edgecolor=edge
    )
    shape.set(linewidth=1.5, zorder=2)
    if colour != "white":
        shape.set(facecolor=[0.85 + 0.15 * part for part in to_rgb(edge)])
    ax.add_patch(shape)
    ax.text(*at, text, ha="center", va="center", zorder=3)
    return shape


def arrow(
    ax: Axes,
    start: Point,
    end: Point,
    *,
    colour: str = "black",
    width: float = 1.4,
    bend: float = 0.0,
    dashed: bool = False,
) -> None:
    """Draw an arrow from one point to another.

    Args:
        ax: from ``drawing``.
        start, end: where it begins, and where its head is.
        colour: a name of ``COLOURS``.
        width: of the line, in points.
        bend: how far it swings to the side, as a share of its length.
        dashed: for what is fed back or only possible.
    """
    look = {
        "arrowstyle": "-|>,head_width=0.18,head_length=0.35",
        "color": COLOURS[colour],
        "linewidth": width,
        "linestyle": "--" if dashed else "-",
        "connectionstyle": f"arc3,rad={bend}",
        "shrinkA": 1,
        "shrinkB": 1,
    }
    ax.annotate("", xy=end, xytext=start, arrowprops=look, zorder=1)


def encoder_decoder(
    src: Sequence[str],
    tgt: Sequence[str],
    weights: Any = None,
    *,
    step: int = 0,
    input_feeding: bool = False,
) -> Axes:
    """Draw an unrolled encoder-decoder, and where one decoder step looks.

    Encoder states stand at the left, decoder states at the right. The decoder state of ``step``
    asks; a row of weights answers, and the arrows from there to the context are as thick as they.

    Args:
        src: S source words, below the encoder states.
        tgt: T target words, above the decoder states.
        weights: (S,) weights of the step drawn; without them no attention is drawn, and the
            decoder has only the encoder's last state.
        step: the decoder step that looks, from 0.
        input_feeding: also draw the attentional vector fed into the next step.

    Returns:
        the axes.

    Raises:
        ValueError: if ``weights`` has not one value a source word, or ``step`` is no target step.

    >>> axes = encoder_decoder(["我", "走"], ["I", "go"], [0.9, 0.1], step=0)
    >>> len(axes.patches)  # two states a side, two weights, the context, the attentional vector
    8
    """
    if not 0 <= step < len(tgt):
        raise ValueError(f"step is {step}, but the target has steps 0 to {len(tgt) - 1}")
    shares = None if weights is None else as_array(weights)
    if shares is not None and shares.shape != (len(src),):
        raise ValueError(f"weights has shape {shares.shape}; wanted ({len(src)},), one a word")
    left = 0.75 if shares is None else 1.75
    ax = drawing(SPACING * (len(src) + len(tgt)) + left + 0.45, 2.9 if shares is None else 6.6)
    encoder = _row_of_states(ax, src, r"\bar h", left, "blue")
    decoder = _row_of_states(ax, ["<bos>", *tgt[:-1]], "h", encoder[-1] + SPACING + 0.4, "green")
    arrow(ax, (encoder[-1] + 0.43, STATES), (decoder[0] - 0.43, STATES))
    top = STATES + 0.5
    if shares is not None:
        _draw_attention(ax, encoder, decoder[step], shares, step)
        if input_feeding and step + 1 < len(tgt):
            start, end = (decoder[step] + 0.43, CONTEXT), (decoder[step + 1], STATES + 0.4)
            arrow(ax, start, end, bend=-0.35, dashed=True)
            ax.text(decoder[step] + 1.6, CONTEXT - 0.5, "input feeding", fontsize=11)
        top = CONTEXT + 0.35
    arrow(ax, (decoder[step], top - 0.1), (decoder[step], top + 0.4))
    ax.text(decoder[step], top + 0.45, tgt[step], ha="center", va="bottom")
    return ax


def _row_of_states(
    ax: Axes, words: Sequence[str], name: str, left: float, colour: str
) -> list[float]:
    """Draw recurrent states from left to right with their words below; return their centres."""
    centres = [left + SPACING * i for i in range(len(words))]
    for i, (x, word) in enumerate(zip(centres, words, strict=True)):
        box(ax, (x, STATES), f"${name}_{{{i + 1}}}$", colour=colour)
        ax.text(x, 0.35, word, ha="center", va="center")
        arrow(ax, (x, 0.7), (x, 1.2))
        if i:
            arrow(ax, (centres[i - 1] + 0.43, STATES), (x - 0.43, STATES))
    return centres


def _draw_attention(
    ax: Axes, encoder: Sequence[float], decoder: float, shares: np.ndarray, step: int
) -> None:
    """Draw the question, the weights, the context as their sum, and the attentional vector."""
    middle, name = (encoder[0] + encoder[-1]) / 2, step + 1
    box(ax, (middle, CONTEXT), f"$c_{{{name}}}$", colour="orange")
    ax.text(encoder[0] - 0.75, WEIGHTS, f"$a_{{{name}}}(s)$", ha="right", va="center")
    for x, share in zip(encoder, shares.tolist(), strict=True):
        arrow(ax, (x, STATES + 0.4), (x, WEIGHTS - 0.3), width=0.8)
        weight_cell(ax, x, share)
        foot, head = (x, WEIGHTS + 0.3), (middle, CONTEXT - 0.4)
        arrow(ax, foot, head, colour="orange", width=0.5 + 4 * share)
    start, end = (decoder - 0.3, STATES + 0.4), (encoder[-1] + SPACING / 2, WEIGHTS)
    arrow(ax, start, end, colour="green", width=1)
    ax.text((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.15, "asks", fontsize=11)
    box(ax, (decoder, CONTEXT), rf"$\tilde h_{{{name}}}$", colour="purple")
    ax.text(decoder - 0.6, CONTEXT + 0.15, "$W_c$, tanh", ha="right", va="bottom", fontsize=11)
    arrow(ax, (middle + 0.43, CONTEXT), (decoder - 0.43, CONTEXT))
    arrow(ax, (decoder, STATES + 0.4), (decoder, CONTEXT - 0.4))


def weight_cell(ax: Axes, x: float, share: float, height: float = WEIGHTS) -> None:
    """Draw a weight as the maps do: a cell as dark as it is large, with its value."""
    shade = WEIGHTS_MAP(share)
    cell = Rectangle((x - SPACING / 2, height - 0.3), SPACING, 0.6, facecolor=shade, zorder=2)
    cell.set(edgecolor=FAINT)
    ax.add_patch(cell)
    ink = "white" if luminance(shade) < 0.179 else "black"
    value = f"{share:.2f}".replace("0.", ".", 1)
    ax.text(x, height, value, ha="center", va="center", fontsize=11, color=ink, zorder=3)
