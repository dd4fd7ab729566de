"""Small drawings in the book's style: boxes, arrows and an encoder-decoder with attention."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyBboxPatch

from attention_lib.plots.style import COLOURS, INK

Point = tuple[float, float]
SPACING = 1.25  # between two states of a row


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

    Encoder states stand at the left, decoder states at the right; the arrows from the encoder to
    the context of ``step`` are as thick as their weights.

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
    >>> len(axes.patches)  # two states a side, the context and the attentional vector
    6
    """
    if not 0 <= step < len(tgt):
        raise ValueError(f"step is {step}, but the target has steps 0 to {len(tgt) - 1}")
    shares = None if weights is None else np.array(weights, dtype=np.float64)
    if shares is not None and shares.shape != (len(src),):
        raise ValueError(f"weights has shape {shares.shape}; wanted ({len(src)},), one a word")
    ax = drawing(SPACING * (len(src) + len(tgt)) + 1.2, 2.9 if shares is None else 6.2)
    encoder = _row_of_states(ax, src, r"\bar h", 0.75, "blue")
    decoder = _row_of_states(ax, ["<s>", *tgt[:-1]], "h", encoder[-1] + SPACING + 0.4, "green")
    arrow(ax, (encoder[-1] + 0.43, 1.6), (decoder[0] - 0.43, 1.6))
    top = 2.1
    if shares is not None:
        _draw_attention(ax, encoder, decoder[step], shares, step)
        if input_feeding and step + 1 < len(tgt):
            arrow(
                ax, (decoder[step] + 0.43, 4.65), (decoder[step + 1], 2.0), bend=-0.35, dashed=True
            )
            ax.text(decoder[step] + 1.6, 4.2, "input feeding", fontsize=11)
        top = 5.05
    arrow(ax, (decoder[step], top - 0.1), (decoder[step], top + 0.4))
    ax.text(decoder[step], top + 0.45, tgt[step], ha="center", va="bottom")
    return ax


def _row_of_states(
    ax: Axes, words: Sequence[str], name: str, left: float, colour: str
) -> list[float]:
    """Draw recurrent states from left to right with their words below; return their centres."""
    centres = [left + SPACING * i for i in range(len(words))]
    for i, (x, word) in enumerate(zip(centres, words, strict=True)):
        box(ax, (x, 1.6), f"${name}_{{{i + 1}}}$", colour=colour)
        ax.text(x, 0.35, word, ha="center", va="center")
        arrow(ax, (x, 0.7), (x, 1.2))
        if i:
            arrow(ax, (centres[i - 1] + 0.43, 1.6), (x - 0.43, 1.6))
    return centres


def _draw_attention(
    ax: Axes, encoder: Sequence[float], decoder: float, shares: np.ndarray, step: int
) -> None:
    """Draw the context as the weighted sum of encoder states, and the attentional vector."""
    middle = (encoder[0] + encoder[-1]) / 2
    box(ax, (middle, 4.7), f"$c_{{{step + 1}}}$", colour="orange")
    for x, share in zip(encoder, shares, strict=True):
        arrow(ax, (x, 2.0), (middle, 4.3), colour="orange", width=0.5 + 4 * float(share))
    box(ax, (decoder, 4.7), rf"$\tilde h_{{{step + 1}}}$", colour="purple")
    arrow(ax, (middle + 0.43, 4.7), (decoder - 0.43, 4.7))
    arrow(ax, (decoder, 2.0), (decoder, 4.3))
