import warnings

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from attention_lib import plots
from attention_lib.plots import style
from attention_lib.plots.explorer import explore

SRC = ["我", "是", "学生"]
TGT = ["I", "am", "a", "student", "."]


@pytest.fixture(autouse=True)
def _fresh_style():
    with mpl.rc_context():
        plots.use_style()
        yield
        plt.close("all")


def _weights(rows=5, columns=3):
    return torch.softmax(torch.randn(rows, columns, generator=torch.manual_seed(0)), -1)


def _cells(axes):
    return np.asarray(axes.collections[0].get_array()).reshape(-1)


def test_a_heat_map_puts_keys_on_top_and_the_first_query_in_the_first_row():
    axes = plots.heat_map(_weights(), queries=TGT, keys=SRC)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == SRC
    assert [tick.get_text() for tick in axes.get_yticklabels()] == TGT
    assert axes.yaxis_inverted()
    np.testing.assert_allclose(_cells(axes), _weights().flatten(), rtol=1e-6)


def test_tensors_arrays_and_lists_draw_the_same_map():
    weights = _weights().bfloat16().requires_grad_()
    drawn = [
        _cells(plots.heat_map(form, queries=TGT, keys=SRC))
        for form in (weights, weights.detach().float().numpy(), weights.tolist())
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])


def test_drawing_leaves_the_weights_unchanged():
    weights = np.array([[0.25, 0.75], [1.0, 0.0]])
    before = weights.copy()
    axes = plots.heat_map(weights, queries=["a", "b"], keys=["c", "d"])
    axes.collections[0].set_array(np.zeros((2, 2)))
    np.testing.assert_array_equal(weights, before)


def test_a_weight_of_zero_has_the_colour_of_the_background_and_one_the_darkest():
    axes = plots.heat_map([[0.0, 1.0]], queries=["q"], keys=["k", "l"])
    figure = axes.figure
    figure.canvas.draw()
    zero, one = axes.collections[0].get_facecolors()
    np.testing.assert_allclose(
        zero, mpl.colors.to_rgba(mpl.rcParams["figure.facecolor"]), atol=0.01
    )
    assert style.luminance(one) < 0.1


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.zeros(1, 5, 3), "pick one sentence"),
        (torch.zeros(3, 5), "transposed"),
        (torch.zeros(4, 3), "5 query labels and 3 key labels"),
        (torch.full((5, 3), torch.nan), "NaN"),
        (torch.full((5, 3), -1.0), "signed=True"),
        (torch.full((5, 3), -torch.inf), "signed=True"),
    ],
)
def test_what_is_no_map_of_these_words_is_refused_with_the_reason(weights, message):
    with pytest.raises(ValueError, match=message):
        plots.heat_map(weights, queries=TGT, keys=SRC)


def test_scores_are_centred_at_white_and_masked_ones_hatched():
    scores = [[-2.0, 0.0, -np.inf, 4.0]]
    axes = plots.heat_map(scores, queries=["q"], keys=list("abcd"), signed=True)
    assert axes.collections[0].get_clim() == (-4.0, 4.0)
    hatched = [patch for patch in axes.patches if patch.get_hatch()]
    assert [patch.get_x() for patch in hatched] == [2]
    assert style.luminance(plots.SCORES_MAP(0.5)) > 0.98
    assert [text.get_text() for text in axes.texts] == ["−2.00", "0", "−∞", "4.00"]


def test_printed_values_contrast_with_their_cells():
    ramp = np.linspace(0, 1, 8)[None]
    axes = plots.heat_map(ramp, queries=["q"], keys=list("abcdefgh"), values=True)
    axes.figure.canvas.draw()
    cells = axes.collections[0].get_facecolors()
    for cell, text in zip(cells, axes.texts, strict=True):
        light, dark = sorted(
            [style.luminance(cell), style.luminance(mpl.colors.to_rgb(text.get_color()))]
        )[::-1]
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_large_maps_print_no_values_unless_asked():
    keys = [str(n) for n in range(9)]
    assert not plots.heat_map(_weights(9, 9), queries=keys, keys=keys).texts
    assert plots.heat_map(_weights(9, 9), queries=keys, keys=keys, values=True).texts


@pytest.mark.parametrize("colours", [plots.WEIGHTS_MAP, plots.SCORES_MAP.resampled(256)])
def test_equal_steps_of_weight_are_equal_steps_of_perceived_lightness(colours):
    start = 0.0 if colours is plots.WEIGHTS_MAP else 0.5
    luminance = np.array([style.luminance(colours(t)) for t in np.linspace(start, 1, 33)])
    lightness = np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, 0)
    steps = -np.diff(lightness)
    assert steps.min() > 0.7 * steps.mean()
    assert steps.max() < 1.4 * steps.mean()


def _borders(axes):
    """Cells (row, column) with a coloured border, and its style."""
    rim = mpl.colors.to_rgba("white")
    return {
        (int(y), int(x)): "solid" if dashes is None else "dashed"
        for drawn in axes.collections[1:]
        for [(_, dashes)] in [drawn.get_linestyle()]
        for x, y in (path.vertices[0] for path in drawn.get_paths())
        if tuple(drawn.get_edgecolor()[0]) != rim
    }


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (12, 4)])
def test_a_cell_is_half_an_inch_and_labels_fit_into_the_figure(shape):
    words = ["an uncommonly long word", *"abcdefghijk"]
    axes = plots.heat_map(_weights(*shape), queries=words[: shape[0]], keys=words[: shape[1]])
    figure = axes.figure
    drawn = axes.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    assert (drawn.height, drawn.width) == pytest.approx((shape[0] / 2, shape[1] / 2))
    labels = figure.get_tightbbox()
    assert min(labels.x0, labels.y0) >= 0
    assert labels.y1 <= figure.get_figheight()


def test_sure_links_get_a_solid_border_and_merely_possible_ones_a_dashed_one():
    axes = plots.alignment_map(_weights(), SRC, TGT, gold=({(0, 0)}, {(0, 0), (2, 3)}))
    assert _borders(axes) == {(0, 0): "solid", (3, 2): "dashed"}


def test_links_as_pairs_and_as_matrices_draw_the_same_borders():
    sure, possible = torch.zeros(5, 3, dtype=torch.bool), torch.zeros(5, 3, dtype=torch.bool)
    sure[4, 2] = possible[1, 0] = True
    drawn = plots.alignment_map(_weights(), SRC, TGT, gold=(sure, possible.numpy()))
    pairs = plots.alignment_map(_weights(), SRC, TGT, gold=({(2, 4)}, {(0, 1)}))
    assert _borders(drawn) == _borders(pairs) == {(4, 2): "solid", (1, 0): "dashed"}


@pytest.mark.parametrize("links", [{(3, 0)}, {(0, 5)}, np.zeros((3, 5), dtype=bool)])
def test_gold_links_outside_the_map_are_refused(links):
    with pytest.raises(ValueError, match="gold link"):
        plots.alignment_map(_weights(), SRC, TGT, gold=(links, set()))


def test_chinese_is_drawn_with_a_font_that_has_it(tmp_path):
    axes = plots.heat_map(_weights(), queries=TGT, keys=SRC, title="我是一个学生。 − √ ℎ̃")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph .* missing")
        axes.set_title("我是一个学生。")
        axes.figure.savefig(tmp_path / "map.svg")
        axes.figure.savefig(tmp_path / "map.png")


def test_without_any_chinese_font_the_style_warns_and_names_the_remedy(monkeypatch):
    monkeypatch.setattr(style, "chinese_font", lambda: None)
    with pytest.warns(UserWarning, match="pip install zhplot"):
        plots.use_style()


def test_the_same_figure_is_the_same_svg_file(tmp_path):
    for name in ("one", "two"):
        axes = plots.alignment_map(_weights(), SRC, TGT, gold=({(0, 0)}, set()))
        axes.figure.savefig(tmp_path / f"{name}.svg", metadata={"Date": None})
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_curves_differ_in_colour_line_and_marker():
    cycle = list(mpl.rcParams["axes.prop_cycle"])
    for key in ("color", "linestyle", "marker"):
        assert len({str(entry[key]) for entry in cycle}) == len(cycle)


def _curves(axes):
    return [line for line in axes.lines if len(line.get_xdata()) > 2]


def test_several_runs_are_drawn_as_their_mean_with_a_band_from_lowest_to_highest():
    runs = np.array([[90.0, 70.0, 30.0], [80.0, 80.0, 10.0]])
    axes = plots.lines_by_length({"no attention": runs}, [5, 10, 20], ylabel="BLEU")
    np.testing.assert_array_equal(_curves(axes)[0].get_ydata(), [85, 75, 20])
    edge = axes.collections[0].get_paths()[0].vertices
    assert {(5, 90), (5, 80), (20, 30), (20, 10)} <= {tuple(point) for point in edge}


@pytest.mark.parametrize("logarithmic", [False, True])
def test_every_curve_is_named_at_its_end_and_no_two_names_overlap(logarithmic):
    curves = {name: [90.0, 90.0 + i / 10] for i, name in enumerate(["dot", "general", "concat"])}
    curves["none"] = [90.0, 10.0]
    axes = plots.lines_by_length(curves, [5, 20], ylabel="BLEU", logarithmic=logarithmic)
    axes.figure.canvas.draw()
    names = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert set(names) == set(curves)
    boxes = list(names.values())
    overlaps = [a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert not any(overlaps)
    assert min(box.x0 for box in boxes) > axes.bbox.x1


def test_on_logarithmic_axes_a_square_rises_twice_as_steeply_as_a_line():
    lengths = np.array([5.0, 10, 40])
    curves = {"line": 3 * lengths, "square": 7 * lengths**2}
    axes = plots.lines_by_length(curves, lengths, ylabel="ms", logarithmic=True)
    rises = [
        np.diff(axes.transScale.transform(np.c_[line.get_xdata(), line.get_ydata()]), axis=0)
        for line in _curves(axes)
    ]
    slopes = [rise[:, 1] / rise[:, 0] for rise in rises]
    np.testing.assert_allclose(slopes, [[1, 1], [2, 2]])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["5", "10", "40"]


def test_a_length_that_was_not_measured_leaves_a_gap_and_the_name_at_the_last_value():
    axes = plots.lines_by_length({"dot": [90, 80, np.nan]}, [5, 10, 20], ylabel="BLEU")
    assert axes.texts[0].xy[1] == 80
    leader = axes.lines[-1]
    assert (leader.get_xdata()[0], leader.get_ydata()[0]) == (10, 80)


def test_a_curve_without_any_value_is_refused():
    with pytest.raises(ValueError, match="curve 'none' has no finite value to draw"):
        plots.lines_by_length({"none": [np.nan] * 2}, [5, 10], ylabel="BLEU")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_every_figure_takes_weights_as_a_model_returns_them(dtype):
    """With a gradient, in any precision, and a layer's maps in a list."""
    words, row = ["我", "走"], torch.tensor([0.25, 0.75], dtype=dtype)
    row.requires_grad_()
    square = torch.stack([row, row])
    drawn = plots.heat_map(square, queries=words, keys=words).collections[0].get_array()
    np.testing.assert_array_equal(drawn, [[0.25, 0.75]] * 2)
    plots.heads_grid([square[None]], queries=words, keys=words)
    plots.entropy_by_layer([row, row], even=1.0)
    plots.encoder_decoder(words, ["I", "go"], row)
    plots.look_then_step(words, "I", "go", row)
    axes = plots.lines_by_length({"dot": row, "concat": [row, row]}, [5, 10], ylabel="BLEU")
    for line in axes.lines[:2]:
        np.testing.assert_array_equal(line.get_ydata(), [0.25, 0.75])
    explore(square, words, words, caption="Where they look.")
    picture = torch.rand(3, 4, 4, dtype=torch.float64).to(dtype)
    plots.image_overlay(picture, square, words, grid=(1, 2))


def test_curves_that_do_not_match_the_lengths_are_refused_by_name():
    with pytest.raises(ValueError, match="'dot' has shape"):
        plots.lines_by_length({"dot": [1, 2, 3]}, [5, 10], ylabel="BLEU")


def test_buckets_are_drawn_at_their_middles_and_named_by_their_bounds():
    axes = plots.lines_by_length({"dot": [9, 8, 7]}, [(3, 4), (5, 6), (7, 15)], ylabel="BLEU")
    np.testing.assert_array_equal(_curves(axes)[0].get_xdata(), [3.5, 5.5, 11])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["3–4", "5–6", "7–15"]


def test_a_model_looks_the_same_in_every_figure_of_a_family():
    family = ("none", "dot", "general")
    figures = [("dot", "none"), ("general", "dot")]
    looks = []
    for names in figures:
        curves = {name: [9, 8, 7] for name in names}
        axes = plots.lines_by_length(curves, [1, 2, 3], ylabel="BLEU", among=family)
        line = next(line for line in _curves(axes) if line.get_label() == "dot")
        looks.append((line.get_color(), line.get_linestyle(), line.get_marker()))
    assert looks[0] == looks[1]
    assert looks[0][0] == list(plots.COLOURS.values())[1]


def test_no_curves_are_an_empty_figure_and_a_cost_of_nothing_has_no_logarithm():
    assert not _curves(plots.lines_by_length({}, [5, 10, 20], ylabel="ms"))
    with pytest.raises(ValueError, match="'free' has values of 0 or below"):
        plots.lines_by_length({"free": [1, 0]}, [5, 10], ylabel="ms", logarithmic=True)


def test_a_curve_outside_its_family_is_refused_by_name():
    curves = {"none": [1, 2], "dot": [1, 2]}
    with pytest.raises(ValueError, match="'dot' is not among 'none', 'general'"):
        plots.lines_by_length(curves, [5, 9], ylabel="BLEU", among=("none", "general"))


def test_the_longest_length_in_training_is_marked_and_named():
    axes = plots.lines_by_length({"dot": [9, 8]}, [(3, 12), (13, 20)], ylabel="BLEU", longest=12)
    mark = next(line for line in axes.lines if line.get_linestyle() == ":")
    assert list(mark.get_xdata()) == [12.5, 12.5]
    assert "longest in training" in [text.get_text() for text in axes.texts]


def _widths(axes):
    return [note.arrow_patch.get_linewidth() for note in axes.texts if note.get_text() == ""]


def test_arrows_to_the_context_are_as_thick_as_their_weights():
    even = plots.encoder_decoder(SRC, TGT, [1 / 3] * 3, step=3)
    sharp = plots.encoder_decoder(SRC, TGT, [0.0, 0.0, 1.0], step=3)
    assert max(_widths(sharp)) > 2 * max(_widths(even)) > 2 * min(_widths(sharp))


def test_without_weights_no_attention_is_drawn():
    without = plots.encoder_decoder(SRC, TGT)
    with_attention = plots.encoder_decoder(SRC, TGT, [0.0, 0.0, 1.0])
    assert len(without.patches) == len(SRC) + len(TGT)
    added = len(SRC) + 2  # the weights, the context and the attentional vector
    assert len(with_attention.patches) == len(without.patches) + added


def test_the_drawing_prints_each_weight_and_shades_its_cell_by_it():
    axes = plots.encoder_decoder(SRC, TGT, [0.05, 0.2, 0.75], step=3)
    assert {".05", ".20", ".75", "asks"} <= {text.get_text() for text in axes.texts}
    cells = [patch for patch in axes.patches if type(patch) is mpl.patches.Rectangle]
    shades = [style.luminance(cell.get_facecolor()) for cell in cells]
    assert shades == sorted(shades, reverse=True)


@pytest.mark.parametrize(
    ("weights", "step", "message"), [([0.5, 0.5], 0, "one a word"), (None, 5, "steps 0 to 4")]
)
def test_a_drawing_of_what_does_not_fit_is_refused(weights, step, message):
    with pytest.raises(ValueError, match=message):
        plots.encoder_decoder(SRC, TGT, weights, step=step)


@pytest.mark.parametrize(("grading", "formats"), [("", ("svg", "png")), ("autograde", ("png",))])
def test_a_graded_notebook_draws_only_what_is_kept_of_it(monkeypatch, grading, formats):
    asked = []
    monkeypatch.setenv("NBGRADER_EXECUTION", grading)
    monkeypatch.setattr("IPython.get_ipython", lambda: "a notebook")
    monkeypatch.setattr(
        "matplotlib_inline.backend_inline.set_matplotlib_formats",
        lambda *names, **options: asked.append(names),
    )
    with mpl.rc_context():
        plots.use_style()
    assert asked == [formats]


_COUNT = """
from matplotlib.backends.backend_agg import FigureCanvasAgg
drawn = []
FigureCanvasAgg.draw_idle = lambda self: drawn.append(self)
from attention_lib import plots
plots.use_style()
"""


def test_a_notebook_draws_a_figure_only_to_show_it():
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    figure = "plots.heat_map([[1.0]], queries=['q'], keys=['k']);"
    cells = [nbformat.v4.new_code_cell(source) for source in (_COUNT, figure, "print(len(drawn))")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook).execute()
    [shown] = cells[1].outputs
    assert {"image/svg+xml", "image/png"} <= set(shown["data"])
    assert cells[2].outputs[0]["text"] == "0\n"
