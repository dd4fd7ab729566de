import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from attention_lib import plots

WORDS = ["a", "red", "circle"]
GRID = (2, 5)


@pytest.fixture(autouse=True)
def _fresh_style():
    with mpl.rc_context():
        plots.use_style()
        yield
        plt.close("all")


def example():
    torch.manual_seed(0)
    return torch.rand(3, 6, 15), torch.softmax(3 * torch.randn(3, 10), -1)


def veils(figure):
    return [ax.images[1].get_array()[..., 3] for ax in figure.axes[1:]]


def test_the_first_panel_is_the_picture_and_each_word_has_its_own():
    picture, weights = example()
    figure = plots.image_overlay(picture, weights, WORDS, GRID, columns=3)
    assert [ax.get_title() for ax in figure.axes] == ["", *WORDS]
    assert len(figure.axes[0].images) == 1
    shown = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, picture.permute(1, 2, 0), atol=1e-6)


def test_the_veil_is_the_thinner_the_larger_the_weight_and_the_rows_run_across():
    picture, weights = example()
    figure = plots.image_overlay(picture, weights, WORDS, GRID)
    for veil, row in zip(veils(figure), weights, strict=True):
        assert veil.shape == GRID
        np.testing.assert_array_equal(np.argsort(-veil.flatten()), row.argsort())


def test_the_panels_of_a_caption_share_one_scale():
    picture, _ = example()
    weights = torch.zeros(2, 10)
    weights[0, 3], weights[1] = 1.0, 0.1
    sharp, even = veils(plots.image_overlay(picture, weights, ["b", "c"], GRID))
    assert sharp.min() == 0
    assert even.min() == pytest.approx(0.9 * sharp.max())
    lifted = veils(plots.image_overlay(picture, weights, ["b", "c"], GRID, top=0.1))[1]
    assert lifted.max() == pytest.approx(0)


def test_only_words_about_an_object_get_its_outline():
    picture, weights = example()
    masks = torch.zeros(3, 6, 15, dtype=torch.bool)
    masks[1, 2:4, 3:9] = True
    figure = plots.image_overlay(picture, weights, WORDS, GRID, masks=masks)
    assert [len(ax.collections) for ax in figure.axes] == [0, 0, 2, 0]
    edge = figure.axes[2].collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(edge.min(0), (3, 2), atol=0.51)
    np.testing.assert_allclose(edge.max(0), (9, 4), atol=0.51)


def test_tensors_and_arrays_draw_the_same_and_stay_unchanged():
    picture, weights = example()
    kept = picture.clone(), weights.clone()
    one = plots.image_overlay(picture, weights.requires_grad_(), WORDS, GRID)
    two = plots.image_overlay(picture.numpy(), weights.detach().numpy(), WORDS, GRID)
    np.testing.assert_array_equal(veils(one), veils(two))
    assert torch.equal(picture, kept[0])
    assert torch.equal(weights, kept[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"picture": torch.rand(6, 15, 3)}, r"picture has shape \(6, 15, 3\); wanted \(3, height"),
        ({"picture": 200 * torch.ones(3, 6, 15)}, "reaches from 200 to 200; wanted 0 to 1 .*255"),
        ({"weights": torch.rand(3, 9)}, r"weights has shape \(3, 9\); wanted .* = \(3, 10\)"),
        ({"weights": torch.full((3, 10), torch.nan)}, "NaN"),
        ({"weights": torch.full((3, 10), -1.0)}, "negative"),
        ({"masks": torch.ones(2, 6, 15)}, r"masks has shape .* = \(3, 6, 15\)"),
    ],
)
def test_what_does_not_belong_together_is_refused(change, message):
    picture, weights = example()
    given = {"picture": picture, "weights": weights, "words": WORDS, "grid": GRID} | change
    with pytest.raises(ValueError, match=message):
        plots.image_overlay(**given)
