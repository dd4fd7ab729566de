"""Drawings of many heads: how a layer is cut into them, and who shares keys and values."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from attention_lib.plots.drawings import arrow, box, drawing

# One colour a head, told apart by readers of every colour vision.
HEAD_COLOURS = ("blue", "vermillion", "green", "purple")
WIDTH = 10.4  # units of a drawing that a phone can show


def multihead_layer() -> Axes:
    """Draw a layer with two heads: project, cut, attend twice, put side by side, project.

    Returns:
        the axes.

    >>> axes = multihead_layer()
    >>> words = [text.get_text() for text in axes.texts if text.get_text()]
    >>> words[:3]
    ['$X$', '$W^Q$', '$W^K$']
    """
    ax = drawing(WIDTH, 10.2)
    middle = WIDTH / 2
    box(ax, (middle, 0.5), "$X$", size=(2.4, 0.8))
    places = (1.9, middle, WIDTH - 1.9)
    for x, name in zip(places, "QKV", strict=True):
        arrow(ax, (middle + 0.3 * (x - middle), 0.9), (x, 1.6))
        box(ax, (x, 2.0), f"$W^{name}$", size=(1.5, 0.8))
        arrow(ax, (x, 2.4), (x, 3.0))
    for head, colour in enumerate(HEAD_COLOURS[:2]):
        side = -1 if head == 0 else 1
        attends = (middle + side * 2.1, 5.4)
        for x, name in zip(places, "QKV", strict=True):
            at = x + side * 0.55
            box(ax, (at, 3.4), f"${name}_{head + 1}$", size=(1.1, 0.8), colour=colour)
            arrow(ax, (at, 3.8), (attends[0] + 0.35 * (x - middle), 5.0), colour=colour)
        box(ax, attends, f"attention {head + 1}", size=(3.4, 0.8), colour=colour)
        arrow(ax, (attends[0], 5.8), (middle + side * 0.7, 6.4), colour=colour)
        joined = (middle + side * 0.7, 6.8)
        box(ax, joined, rf"$\mathrm{{head}}_{head + 1}$", size=(1.4, 0.8), colour=colour)
    arrow(ax, (middle, 7.2), (middle, 7.8))
    box(ax, (middle, 8.2), "$W^O$", size=(1.5, 0.8))
    arrow(ax, (middle, 8.6), (middle, 9.2))
    box(ax, (middle, 9.6), "output", size=(2.4, 0.8))
    return ax


def shared_keys(num_heads: int, groups: Sequence[int]) -> Axes:
    """Draw which key and value head each query head uses, once for each number of those.

    Args:
        num_heads: query heads, at most 4.
        groups: numbers of key and value heads; each divides ``num_heads``.

    Returns:
        the axes.

    Raises:
        ValueError: if there are too many heads, or a number of groups does not divide theirs.

    >>> axes = shared_keys(4, [4, 2, 1])
    >>> sum(text.get_text() == "$kv$" for text in axes.texts)
    7
    """
    if num_heads > len(HEAD_COLOURS) or any(num_heads % g for g in groups):
        raise ValueError(
            f"wanted at most {len(HEAD_COLOURS)} heads and groups that divide them; "
            f"got {num_heads} heads and groups {list(groups)}"
        )
    ax = drawing(WIDTH, 2.9 * len(groups) + 0.2)
    step = (WIDTH - 3.4) / num_heads
    for row, shared in enumerate(reversed(groups)):
        low = 0.5 + 2.9 * row
        ax.text(0.1, low + 0.8, f"{shared} of {num_heads}", va="center")
        queries = [2.6 + step * (i + 0.5) for i in range(num_heads)]
        size = num_heads // shared
        for group in range(shared):
            members = queries[group * size : (group + 1) * size]
            colour = HEAD_COLOURS[group]
            owner = sum(members) / size
            box(ax, (owner, low), "$kv$", size=(1.0, 0.7), colour=colour)
            for i, x in enumerate(members):
                arrow(ax, (x, low + 1.25), (owner, low + 0.37), colour=colour)
                name = f"$q_{group * size + i + 1}$"
                box(ax, (x, low + 1.6), name, size=(1.0, 0.7), colour=colour)
    return ax
