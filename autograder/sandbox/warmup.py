"""What the warm server does before its first fork, so that no kernel has to do it again."""

import gc
import importlib
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

_PRELOADED = (
    "torch.testing",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "PIL.PngImagePlugin",
)
# What a kernel, and torch with its first gradient and its first tensor without data, would load.
# Doing these things here would start threads.
_LOADED_LATE = (
    "torch._dynamo",
    "torch._subclasses.schema_check_mode",
    "pdb",
    "cProfile",
    "faulthandler",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "tornado.platform.asyncio",
    "tornado.queues",
)
_REHEARSALS = 3


def warm_up(modules: Iterable[str]) -> None:
    """Import modules and all that torch and matplotlib load late."""
    for name in (*_PRELOADED, *modules, *_LOADED_LATE):
        with suppress(Exception):
            importlib.import_module(name)
    _draw()


def settle() -> None:
    """Make the process ready to be forked.

    Raises:
        RuntimeError: there is more than one thread, so that no fork would be a faithful copy.
    """
    # Kernels need not look through all this for garbage, nor copy the pages that looking marks.
    gc.collect()
    gc.freeze()
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"the server has {threads} threads after its imports; it must have one")


def _draw() -> None:
    """Draw a figure as a notebook shows it: fonts are found and formulas parsed once for all.

    Without pyplot, which would choose a backend before there is a notebook to show figures in.
    """
    from IPython.core.pylabtools import print_figure
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.imshow([[0, 1]])
    axes.set_title("$\\alpha_{ts}$")
    print_figure(figure, fmt="png", base64=True)
    plots = sys.modules.get("attention_lib.plots")
    if plots is not None:
        _draw_a_map(plots)


def _draw_a_map(plots: Any) -> None:
    """Draw what most of the course's notebooks draw; Python runs faster what it has run before."""
    from IPython.core.pylabtools import print_figure
    from matplotlib.figure import Figure

    # Not in the course's style: setting that loads a backend, too early for it to show figures.
    words = ["last", "week", "they", "talked", "in", "the", "library", "."]
    for _ in range(_REHEARSALS):
        figure = Figure()
        weights = [[1 / len(words)] * len(words)] * len(words)
        plots.alignment_map(weights, words, words, ax=figure.subplots())
        print_figure(figure, fmt="png", base64=True)
