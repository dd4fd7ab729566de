"""Figures of many heads show every head, named, with its own weights."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from attention_lib.plots import entropy_by_layer, heads_grid

WORDS = ["I", "am", "we"]


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def _layers(layers: int = 2, heads: int = 5) -> list[np.ndarray]:
    weights = np.random.default_rng(0).random((layers, heads, 3, 3))
    return list(weights / weights.sum(-1, keepdims=True))


def test_every_head_of_every_layer_has_its_map():
    layers = _layers()
    figure = heads_grid(layers, queries=WORDS, keys=WORDS)
    assert [ax.get_title() for ax in figure.axes] == [
        f"layer {i}, head {j}" for i in (1, 2) for j in range(1, 6)
    ]
    drawn = figure.axes[7].collections[0].get_array()
    assert np.allclose(np.asarray(drawn).reshape(3, 3), layers[1][2])


def test_words_stand_at_the_outer_maps_only():
    figure = heads_grid(_layers(), queries=WORDS, keys=WORDS)
    figure.canvas.draw()

    def shown(ax, axis: str) -> bool:
        return any(
            label.get_visible() and label.get_text()
            for tick in getattr(ax, f"{axis}axis").get_major_ticks()
            for label in (tick.label1, tick.label2)
        )

    assert [shown(ax, "y") for ax in figure.axes[:5]] == [True] + 4 * [False]
    assert [shown(figure.axes[j], "x") for j in (0, 5)] == [True, False]


def test_maps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="got none"):
        heads_grid([], queries=WORDS, keys=WORDS)
    with pytest.raises(ValueError, match=r"\(5, 3, 3\), \(4, 3, 3\)"):
        heads_grid([_layers()[0], _layers(1, 4)[0]], queries=WORDS, keys=WORDS)


def test_entropies_show_each_head_and_the_layers_means():
    values = np.array([[0.5, 1.0, 0.2], [2.0, 2.2, 1.7]])
    ax = entropy_by_layer(values, even=2.5)
    points = ax.collections[0].get_offsets()
    assert np.allclose(np.sort(points[:, 1]), np.sort(values.ravel()))
    assert np.allclose(ax.lines[0].get_ydata(), values.mean(1))
    assert ax.get_ylim()[0] == 0
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        entropy_by_layer(values[0], even=2.5)
