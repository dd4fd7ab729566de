"""The drawing of an encoder-decoder with one vector in the middle."""

import matplotlib.pyplot as plt
import pytest

from attention_lib import plots

SRC, TGT = ["我", "是", "一", "个", "学生", "。"], ["I", "am", "a", "student", "."]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_every_word_is_read_or_written_and_what_is_written_is_read():
    labels = [text.get_text() for text in plots.one_vector(SRC, TGT).texts]
    assert all(labels.count(word) == 1 for word in [*SRC, "<bos>", TGT[-1]])
    assert all(labels.count(word) == 2 for word in TGT[:-1])


def test_one_way_leads_from_the_encoder_to_the_decoder():
    ax = plots.one_vector(SRC, TGT)
    assert len(ax.patches) == len(SRC) + 1 + len(TGT)
    ways = [text.arrow_patch for text in ax.texts if getattr(text, "arrow_patch", None)]
    dashed = [way for way in ways if way.get_linestyle() == "--"]
    assert len(dashed) == len(TGT) - 1
    between_states = len(SRC) + len(TGT)
    assert len(ways) == len(SRC) + 2 * len(TGT) + between_states + len(dashed)
