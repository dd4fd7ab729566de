import matplotlib.pyplot as plt
import pytest

from attention_lib.plots.sharing import multihead_layer, shared_keys


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def texts(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


def colours_by_text(axes):
    """What each box says, with the colour of its edge: boxes and texts come in the same order."""
    named = [text for text in axes.texts if text.get_text().startswith("$")]
    return [
        (text.get_text(), patch.get_edgecolor())
        for text, patch in zip(named, axes.patches, strict=True)
    ]


def test_a_layer_projects_once_and_attends_once_a_head():
    shown = texts(multihead_layer())
    assert [shown.count(f"$W^{name}$") for name in "QKVO"] == [1, 1, 1, 1]
    assert [shown.count(f"attention {head}") for head in (1, 2)] == [1, 1]
    assert all(f"${name}_{head}$" in shown for name in "QKV" for head in (1, 2))


@pytest.mark.parametrize(("groups", "wanted"), [([4], 4), ([2], 2), ([1], 1), ([4, 2, 1], 7)])
def test_there_is_one_key_and_value_box_for_each_group(groups, wanted):
    assert texts(shared_keys(4, groups)).count("$kv$") == wanted


def test_neighbours_have_the_colour_of_their_shared_keys():
    boxes = colours_by_text(shared_keys(4, [2]))
    keys = [colour for name, colour in boxes if name == "$kv$"]
    queries = {name: colour for name, colour in boxes if name != "$kv$"}
    assert [queries[f"$q_{i}$"] for i in (1, 2, 3, 4)] == [keys[0], keys[0], keys[1], keys[1]]
    assert keys[0] != keys[1]


@pytest.mark.parametrize(("heads", "groups"), [(5, [5]), (4, [3])])
def test_groups_that_cannot_be_drawn_are_refused(heads, groups):
    with pytest.raises(ValueError, match=f"{heads} heads and groups"):
        shared_keys(heads, groups)
