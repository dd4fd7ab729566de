"""Drawings of a recurrent layer, a layer of attention and an LSTM's cell."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from attention_lib.plots.drawings import SPACING, Point, arrow, box, drawing

WORDS, STATES = 0.35, 1.7  # the heights of words and of what is made of them
HIGHLIGHT, THICK = "vermillion", 3.0


def word_by_word(words: Sequence[str], *, ax: Axes | None = None, way: bool = False) -> Axes:
    """Draw a recurrent layer unrolled: each state needs its word and the state before.

    Args:
        words: written below the states.
        ax: from ``drawing``; a new sheet if not given.
        way: highlight the way from the first word to the last state.

    Returns:
        the axes.

    >>> len(word_by_word(["我", "走"]).patches)  # two states and the one before the first word
    3
    """
    ax = ax or drawing(SPACING * (len(words) + 1) + 0.2, 2.4)
    look = _look(way)
    box(ax, (0.6, STATES), "$h_0$")
    for t, word in enumerate(words):
        x = _place(t)
        ax.text(x, WORDS, word, ha="center", va="center")
        box(ax, (x, STATES), f"$h_{{{t + 1}}}$", colour="blue")
        on_way = look if t == 0 else _look(False)
        arrow(ax, (x, WORDS + 0.3), (x, STATES - 0.4), **on_way)
        before = _look(False) if t == 0 else look
        arrow(ax, (x - SPACING + 0.43, STATES), (x - 0.43, STATES), **before)
    return ax


def all_at_once(words: Sequence[str], *, ax: Axes | None = None, way: bool = False) -> Axes:
    """Draw a layer of attention: each result reads all words, and none needs another.

    Args:
        words: written below the results.
        ax: from ``drawing``; a new sheet if not given.
        way: highlight the way from the first word to the last result.

    Returns:
        the axes.

    >>> len(all_at_once(["我", "走"]).patches)
    2
    """
    ax = ax or drawing(SPACING * (len(words) + 1) + 0.2, 2.9)
    height = STATES + 0.5
    for t, word in enumerate(words):
        ax.text(_place(t), WORDS, word, ha="center", va="center")
        box(ax, (_place(t), height), f"$a_{{{t + 1}}}$", colour="green")
    for t in range(len(words)):
        for s in range(len(words)):
            chosen = way and (t, s) == (len(words) - 1, 0)
            look = _look(chosen) | ({} if chosen else {"width": 0.5})
            arrow(ax, (_place(s), WORDS + 0.3), (_place(t), height - 0.4), **look)
    return ax


def lstm_cell() -> Axes:
    """Draw one step of an LSTM: the cell along the top, the gates that act on it below.

    >>> len(lstm_cell().patches)  # c twice, x, h twice, three gates, a candidate, four operations
    13
    """
    ax = drawing(11.4, 5.6)
    top, middle, low = 4.9, 2.9, 0.9
    for at, text, colour in (
        ((0.8, top), "$c_{t-1}$", "orange"), ((10.5, top), "$c_t$", "orange"),
        ((0.8, low), "$h_{t-1}$", "blue"), ((10.5, low), "$h_t$", "blue"),
        ((2.4, low), "$x_t$", "white"),
        ((2.6, middle), r"$\sigma(f)$", "green"), ((4.4, middle), r"$\sigma(i)$", "green"),
        ((6.2, middle), r"$\tanh(g)$", "purple"), ((8.2, middle), r"$\sigma(o)$", "green"),
    ):  # fmt: skip
        box(ax, at, text, size=(1.5 if "tanh" in text else 1.2, 0.8), colour=colour)
    times, plus, write, show = (2.6, top), (5.3, top), (5.3, 3.95), (9.3, middle)
    for at, text in ((times, "×"), (plus, "+"), (write, "×"), (show, "×")):
        box(ax, at, text, size=(0.5, 0.5))
    _cell_arrows(ax, times, plus, write, show)
    for x in (2.6, 4.4, 6.2, 8.2):
        arrow(ax, (x, low + 0.75), (x, middle - 0.45), width=1)
    wire: dict[str, Any] = {"color": "black", "linewidth": 1, "linestyle": "-", "marker": ""}
    ax.plot([0.8, 8.2], [low + 0.75, low + 0.75], **wire)
    for x in (0.8, 2.4):
        ax.plot([x, x], [low + 0.4, low + 0.75], **wire)
    return ax


def _cell_arrows(ax: Axes, times: Point, plus: Point, write: Point, show: Point) -> None:
    """Draw what flows along the cell (thick) and into it."""
    along: dict[str, Any] = {"colour": "orange", "width": THICK}
    arrow(ax, (1.4, times[1]), (times[0] - 0.27, times[1]), **along)
    arrow(ax, (times[0] + 0.27, times[1]), (plus[0] - 0.27, plus[1]), **along)
    arrow(ax, (plus[0] + 0.27, plus[1]), (9.88, plus[1]), **along)
    arrow(ax, (2.6, 3.32), (times[0], times[1] - 0.27))
    arrow(ax, (4.6, 3.32), (write[0] - 0.27, write[1] - 0.1))
    arrow(ax, (6.0, 3.32), (write[0] + 0.27, write[1] - 0.1))
    arrow(ax, (write[0], write[1] + 0.27), (plus[0], plus[1] - 0.27))
    arrow(ax, (8.82, show[1]), (show[0] - 0.27, show[1]))
    arrow(ax, (show[0], plus[1] - 0.05), (show[0], show[1] + 0.27))
    ax.text(show[0] - 0.15, 3.9, "tanh", ha="right", va="center", fontsize=11)
    arrow(ax, (show[0], show[1] - 0.27), (10.3, 1.32))


def _place(t: int) -> float:
    return 0.6 + SPACING * (t + 1)


def _look(highlighted: bool) -> dict[str, Any]:
    if highlighted:
        return {"colour": HIGHLIGHT, "width": THICK}
    return {"colour": "black", "width": 1.4}
