"""What the warm server does before its first fork, so that no kernel has to do it again."""

import gc
import importlib
import json
import os
import socket
import sys
from collections.abc import Iterable
from contextlib import suppress

from autograder.sandbox.protocol import CHANNELS


def warm_up(modules: Iterable[str]) -> None:
    """Import modules and all that torch and matplotlib load late; leaves the process one thread.

    Raises:
        RuntimeError: there is more than one thread, so that no fork would be a faithful copy.
    """
    for name in (*modules, *_loaded_late()):
        with suppress(Exception):
            importlib.import_module(name)
    _draw()
    # Kernels need not look through all this for garbage, nor copy the pages that looking marks.
    gc.collect()
    gc.freeze()
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"the server has {threads} threads after its imports; it must have one")


def _loaded_late() -> list[str]:
    """The modules that a kernel and torch load on first use, told in order by a process that did.

    Using them here would start threads.
    """
    reader, writer = os.pipe()
    if os.fork() == 0:
        before = set(sys.modules)
        with suppress(BaseException), os.fdopen(writer, "w", encoding="utf-8") as told:
            _compute()
            _be_a_kernel()
            json.dump([name for name in sys.modules if name not in before], told)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as told:
        text = told.read()
    os.wait()
    return json.loads(text) if text else []


def _compute() -> None:
    import torch

    for device in ("cpu", "meta"):
        x = torch.ones(2, 3, device=device, requires_grad=True)
        y = (x.masked_fill(x > 1, 0.0).softmax(-1) @ x.T).sum()
        torch.autograd.grad(y, x)
        repr(x)
    torch.testing.assert_close(x, x)


def _be_a_kernel() -> None:
    from autograder.sandbox.kernel import make_kernel

    listeners = [socket.socket(socket.AF_UNIX) for _ in CHANNELS]
    for listener in listeners:
        listener.bind("")  # any name; nobody will call
        listener.listen()
    numbers = [listener.fileno() for listener in listeners]
    make_kernel(dict(zip(CHANNELS, numbers, strict=True)), b"")


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
