"""The drawing of Bahdanau's decoder says what it shows."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex

from attention_lib import plots

SRC, WEIGHTS = ["我", "是", "学生"], [0.05, 0.2, 0.75]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def arrows(ax, colour: str) -> list:
    """The arrows of one colour."""
    heads = [text.arrow_patch for text in ax.texts if getattr(text, "arrow_patch", None)]
    wanted = plots.COLOURS[colour].lower()
    return [head for head in heads if to_hex(head.get_edgecolor()) == wanted]


def test_every_word_has_a_state_from_each_side_and_a_weight():
    ax = plots.look_then_step(SRC, "a", "student", WEIGHTS)
    assert len(ax.patches) == 3 * len(SRC) + 3
    labels = [text.get_text() for text in ax.texts]
    assert [label for label in labels if label in SRC] == SRC
    assert {".05", ".20", ".75", "a", "student"} <= set(labels)


def test_one_state_asks_and_what_is_read_goes_into_the_step():
    ax = plots.look_then_step(SRC, "a", "student", WEIGHTS)
    assert len(arrows(ax, "green")) == 1
    *reading, into_the_step = arrows(ax, "orange")
    widths = [arrow.get_linewidth() for arrow in reading]
    assert len(widths) == len(SRC)
    assert widths == sorted(widths)
    assert into_the_step.get_linewidth() > 1


@pytest.mark.parametrize("weights", [[1.0], [0.2] * 5, [[0.2, 0.3, 0.5]]])
def test_weights_that_do_not_fit_the_words_are_refused(weights):
    with pytest.raises(ValueError, match="one a word"):
        plots.look_then_step(SRC, "a", "student", weights)
