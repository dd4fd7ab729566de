"""Drawings of recurrent layers: what leads where."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from attention_lib import plots

WORDS = ["我", "是", "一", "个", "学生", "。"]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def arrows(ax, colour: str) -> list:
    """The arrows of one colour."""
    heads = [text.arrow_patch for text in ax.texts if getattr(text, "arrow_patch", None)]
    wanted = plots.COLOURS[colour].lower()
    return [head for head in heads if to_hex(head.get_edgecolor()) == wanted]


def test_a_recurrent_layer_has_a_state_for_each_word_and_one_before():
    ax = plots.word_by_word(WORDS)
    assert len(ax.patches) == len(WORDS) + 1
    labels = [text.get_text() for text in ax.texts]
    assert [label for label in labels if label in WORDS] == WORDS
    assert len(arrows(ax, "black")) == 2 * len(WORDS)


def test_the_way_through_a_recurrent_layer_passes_every_state_and_through_attention_none():
    assert len(arrows(plots.word_by_word(WORDS, way=True), "vermillion")) == len(WORDS)
    attention = plots.all_at_once(WORDS, way=True)
    assert len(arrows(attention, "vermillion")) == 1
    assert len(arrows(attention, "black")) == len(WORDS) ** 2 - 1


def test_both_can_be_drawn_on_one_sheet():
    _, axes = plt.subplots(2)
    assert plots.word_by_word(WORDS, ax=axes[0]) is axes[0]
    assert plots.all_at_once(WORDS, ax=axes[1]) is axes[1]


def test_an_lstm_has_three_gates_one_candidate_and_a_cell_that_is_carried_along():
    ax = plots.lstm_cell()
    labels = [text.get_text() for text in ax.texts]
    assert sum(r"\sigma" in label for label in labels) == 3
    assert sum(label == "×" for label in labels) == 3
    assert len(arrows(ax, "orange")) == 3
