"""The drawing of the Transformer: every part is in it, as often as it should be."""

import matplotlib.pyplot as plt
import pytest

from attention_lib import plots


@pytest.fixture(autouse=True)
def _style():
    with plt.rc_context():
        plots.use_style()
        yield


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_each_sub_layer_has_a_sum_and_a_norm():
    labels = [text.get_text() for text in plots.transformer_machine().texts]
    sublayers = [label for label in labels if "attention" in label or label == "feed-forward"]
    assert len(sublayers) == labels.count("+") == labels.count("norm") == 5
    assert labels.count("× 6") == 2


def test_the_words_stand_where_they_go_in_and_come_out():
    ax = plots.transformer_machine("我 走", "<bos>", "I")
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert places["我 走"][1] == places["<bos>"][1] < places["I"][1]
    assert places["我 走"][0] < places["<bos>"][0] == places["I"][0]


def test_nothing_is_drawn_outside_the_sheet():
    ax = plots.transformer_machine()
    ax.figure.canvas.draw()
    sheet = ax.get_window_extent()
    for text in ax.texts:
        if text.get_text():
            extent = text.get_window_extent()
            assert min(extent.x0 - sheet.x0, sheet.x1 - extent.x1) >= 0
            assert min(extent.y0 - sheet.y0, sheet.y1 - extent.y1) >= 0
