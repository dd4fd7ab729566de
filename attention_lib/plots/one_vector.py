"""A drawing of an encoder-decoder that has one vector between its halves."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes

from attention_lib.plots.drawings import SPACING, arrow, box, drawing

_WORDS, _STATES, _WRITTEN = 0.35, 1.7, 3.1  # the heights of what is read, of states, of words


def one_vector(src: Sequence[str], tgt: Sequence[str]) -> Axes:
    """Draw an encoder, its last state as the context, and a decoder that reads its own words.

    Args:
        src: source words, below the encoder's states.
        tgt: what the decoder writes, above its states; each word is read at the next step.

    Returns:
        the axes.

    >>> len(one_vector(["我", "走"], ["I", "go"]).patches)  # two states a side, and the context
    5
    """
    ax = drawing(SPACING * (len(src) + len(tgt) + 1) + 0.5, 3.6)
    encoder = [0.75 + SPACING * i for i in range(len(src))]
    context = encoder[-1] + SPACING
    decoder = [context + SPACING * (i + 1) for i in range(len(tgt))]
    for i, (x, word) in enumerate(zip(encoder, src, strict=True)):
        box(ax, (x, _STATES), f"$h_{{{i + 1}}}$", colour="blue")
        _read(ax, x, word)
    box(ax, (context, _STATES), "$c$", size=(0.85, 1.3), colour="orange")
    for i, (x, word) in enumerate(zip(decoder, tgt, strict=True)):
        box(ax, (x, _STATES), f"$s_{{{i + 1}}}$", colour="green")
        _read(ax, x, tgt[i - 1] if i else "<bos>")
        arrow(ax, (x, _STATES + 0.4), (x, _WRITTEN - 0.25))
        ax.text(x, _WRITTEN, word, ha="center", va="center")
        if i + 1 < len(tgt):
            start, end = (x + 0.4, _WRITTEN - 0.2), (x + SPACING - 0.35, _WORDS + 0.25)
            arrow(ax, start, end, width=0.9, dashed=True)
    states = [*encoder, context, *decoder]
    for before, after in pairwise(states):
        arrow(ax, (before + 0.43, _STATES), (after - 0.43, _STATES))
    return ax


def _read(ax: Axes, x: float, word: str) -> None:
    ax.text(x, _WORDS, word, ha="center", va="center")
    arrow(ax, (x, _WORDS + 0.3), (x, _STATES - 0.4))
