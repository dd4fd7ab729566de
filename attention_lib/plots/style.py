"""The one look of the book's figures: colours, sizes, the map for weights and a Chinese font."""

import functools
import importlib.util
import os
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import font_manager
from matplotlib.colors import LinearSegmentedColormap

# Okabe and Ito's colours, told apart by readers of every colour vision; yellow is left out,
# because a yellow line on white cannot be seen by anyone.
COLOURS = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "orange": "#E69F00",
    "black": "#000000",
}
INK = "#1f2933"  # text and axes: the book's own text colour
FAINT = "#cbd2d9"  # frames, grids, cell borders

# Line style and marker change with the colour, so that curves survive a black-and-white print.
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

# Sans-serif fonts with simplified characters that systems ship, the best shapes first.
SYSTEM_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "Hiragino Sans GB",
    "WenQuanYi Micro Hei",
    "SimHei",
    "Noto Sans CJK JP",  # what matplotlib calls the collection that holds the SC font, too
)


def use_style() -> None:
    """Give every figure drawn from now on the look of the book.

    Sets matplotlib's rcParams; in a notebook, figures become SVG, sharp at every zoom. Chinese
    labels are drawn with the font of the ``zhplot`` package, the same on every machine; without it
    with a font of the system.

    Warns:
        UserWarning: if no font with Chinese characters is found; Chinese would become boxes.

    >>> with mpl.rc_context():
    ...     use_style()
    ...     print(mpl.rcParams["axes.prop_cycle"].by_key()["color"][0])
    #0072B2
    """
    family = chinese_font()
    if family is None:
        warnings.warn(
            "no font with Chinese characters was found, so Chinese labels will be boxes; "
            "`pip install zhplot` brings one (or install fonts-noto-cjk), then restart Python",
            stacklevel=2,
        )
    mpl.rcParams.update(_settings([family, "DejaVu Sans"] if family else ["DejaVu Sans"]))
    _draw_for_notebooks()


def _settings(family: list[str]) -> dict[Any, Any]:
    """Gather the rcParams of the book's look."""
    cycle = cycler(color=COLOURS.values(), linestyle=LINES, marker=MARKERS)
    return {
        # A phone shows a figure 330 pixels wide: at 5.2 inches, 12 points are still 10 pixels.
        "figure.figsize": (5.2, 3.4),
        "figure.dpi": 100,
        "savefig.dpi": 200,
        "savefig.bbox": "tight",
        "figure.constrained_layout.use": True,
        "figure.facecolor": "white",
        "font.family": family,
        "font.size": 12,
        "mathtext.fontset": "cm",  # the shapes of the formulas in the text
        "axes.titlesize": "medium",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.grid": False,
        "grid.color": FAINT,
        "axes.prop_cycle": cycle,
        "lines.linewidth": 2.0,
        "lines.markersize": 6,
        "legend.frameon": False,
        "svg.fonttype": "path",  # the reader's machine may lack the font
        "svg.hashsalt": "attention",  # the same figure is the same file
    }


def _draw_for_notebooks() -> None:
    """Ask IPython for sharp SVG figures; outside a notebook there is nothing to ask.

    A PNG goes with each, for places that do not trust SVG. A graded notebook is one, so that
    nothing else is drawn while nbgrader or our own grader executes it.
    """
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is None:
        return
    formats = ("png",) if os.environ.get("NBGRADER_EXECUTION") else ("svg", "png")
    set_matplotlib_formats(*formats, metadata={"Date": None})
    if "inline" in mpl.get_backend():
        # At the end of each cell pyplot would draw all figures, and the backend then draws them
        # anew to show them. Switching puts that in place, so it comes first.
        plt.switch_backend(mpl.get_backend())
        plt.uninstall_repl_displayhook()


@functools.cache
def chinese_font() -> str | None:
    """Find a font with Chinese characters and make it known to matplotlib.

    Returns:
        the family's name: that of zhplot's font if the package is installed, else a system font
        of ``SYSTEM_FONTS``, else None.
    """
    spec = importlib.util.find_spec("zhplot")
    if spec is not None and spec.origin is not None:
        for path in sorted((Path(spec.origin).parent / "fonts").glob("*.[ot]tf")):
            font_manager.fontManager.addfont(path)
            return font_manager.FontProperties(fname=str(path)).get_name()
    known = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in SYSTEM_FONTS if name in known), None)


def _oklab_ramp(hue: float, chroma: float, darkest: float) -> np.ndarray:
    """Walk from white to a dark colour of one hue in even steps of perceived lightness.

    Args:
        hue: angle in the OKLab plane, in degrees.
        chroma: the most colour, reached at two thirds of the way.
        darkest: OKLab lightness of the last colour.

    Returns:
        (256, 3) sRGB values.
    """
    t = np.linspace(0, 1, 256)
    colour = chroma * np.sin(np.pi * 0.72 * t**0.9)
    angle = np.deg2rad(hue)
    lab = np.stack([1 - t * (1 - darkest), colour * np.cos(angle), colour * np.sin(angle)])
    # OKLab -> cone responses -> linear sRGB -> sRGB (Ottosson, 2020).
    cones = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728],
         [1, -0.0894841775, -1.2914855480]]
    )  # fmt: skip
    to_rgb = np.array(
        [[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
         [-0.0041960863, -0.7034186147, 1.7076147010]]
    )  # fmt: skip
    linear = np.clip(to_rgb @ (cones @ lab) ** 3, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return srgb.T.clip(0, 1)


_BLUES = _oklab_ramp(hue=245, chroma=0.13, darkest=0.32)
_ORANGES = _oklab_ramp(hue=50, chroma=0.13, darkest=0.38)

#: Weights: white, the background, is 0; the eye sees equal steps as equal.
WEIGHTS_MAP = LinearSegmentedColormap.from_list("attention.weights", _BLUES)
#: Scores: white is 0, blue is positive, orange is negative.
SCORES_MAP = LinearSegmentedColormap.from_list(
    "attention.scores", np.concatenate([_ORANGES[::-2], _BLUES[::2]])
)


def luminance(colour: tuple[float, ...]) -> float:
    """Compute the relative luminance of an sRGB colour as WCAG defines it, 0 to 1."""
    srgb = np.asarray(colour[:3])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
