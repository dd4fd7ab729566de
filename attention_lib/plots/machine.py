"""A drawing of the Transformer: two streams, and the sub-layers that read them and add to them."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from attention_lib.plots.drawings import arrow, box, drawing
from attention_lib.plots.style import FAINT, INK

ENCODER, DECODER = 4.3, 11.3  # where the two streams run
BESIDE = 2.75  # from a stream to its sub-layers
SUBLAYER = (2.9, 1.0)
ATTENTION, THINKING = "blue", "green"


def transformer_machine(
    src: str = "我 是 一 个 学生 。", tgt: str = "<bos> I", out: str = "am"
) -> Axes:
    """Draw encoder and decoder with post-norm, for two sentences.

    Args:
        src, tgt: what goes in, written below the two streams.
        out: the word that comes out of the decoder.

    Returns:
        the axes.

    Vaswani et al. (2017), figure 1, with the residual streams as straight lines.

    >>> axes = transformer_machine()
    >>> sum(text.get_text() == "norm" for text in axes.texts)
    5
    """
    ax = drawing(13.2, 12.2)
    for x, words, top in ((ENCODER, src, 8.9), (DECODER, tgt, 10.45)):
        arrow(ax, (x, 0.8), (x, top), colour="vermillion", width=4)
        ax.text(x, 0.35, words, ha="center", va="center")
        box(ax, (x, 1.4), "embed, + position", size=(3.3, 0.7), colour="orange")
    _frame(ax, 0.05, 5.3, 2.05, 8.15)
    _frame(ax, 7.0, 12.3, 2.05, 10.15)
    _sublayer(ax, ENCODER, 3.0, "self-attention", ATTENTION)
    _sublayer(ax, ENCODER, 6.0, "feed-forward", THINKING)
    _sublayer(ax, DECODER, 3.0, "self-attention,\ncausal", ATTENTION)
    _sublayer(ax, DECODER, 5.6, "cross-attention", ATTENTION)
    _sublayer(ax, DECODER, 8.2, "feed-forward", THINKING)
    ax.text(ENCODER, 9.2, "memory", ha="center", va="center")
    arrow(ax, (ENCODER + 0.9, 9.1), (DECODER - BESIDE - 1.45, 5.75), bend=-0.25)
    box(ax, (DECODER, 10.75), "logits", size=(1.6, 0.7), colour="orange")
    arrow(ax, (DECODER, 11.1), (DECODER, 11.55))
    ax.text(DECODER, 11.8, out, ha="center", va="center")
    return ax


def _sublayer(ax: Axes, stream: float, height: float, name: str, colour: str) -> None:
    """Draw a sub-layer left of its stream: it reads, adds, and the sum is normalised."""
    middle = stream - BESIDE
    edge = middle + SUBLAYER[0] / 2
    box(ax, (middle, height), name, size=SUBLAYER, colour=colour)
    arrow(ax, (stream, height - 0.55), (edge, height - 0.2))
    box(ax, (stream, height + 0.55), "+", size=(0.55, 0.55))
    arrow(ax, (edge, height + 0.2), (stream - 0.28, height + 0.5))
    box(ax, (stream, height + 1.35), "norm", size=(1.25, 0.6), colour="purple")


def _frame(ax: Axes, left: float, right: float, low: float, high: float) -> None:
    """Draw the dashed border of what is stacked six times."""
    style = "round,pad=0,rounding_size=0.2"
    shape = FancyBboxPatch((left, low), right - left, high - low, boxstyle=style, fill=False)
    shape.set(edgecolor=FAINT, linestyle="--", linewidth=1.5, zorder=0)
    ax.add_patch(shape)
    ax.text(left + 0.2, high - 0.4, "× 6", color=INK, va="center")
