"""The kernel that a forked process becomes: ipykernel on sockets that were bound for it."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import zmq
from ipykernel.kernelapp import IPKernelApp

from autograder.sandbox.protocol import CHANNELS

_SEED = 0


class WarmKernelApp(IPKernelApp):
    """An IPython kernel that takes over listening sockets instead of making files for them."""

    def bind_to(self, sockets: Mapping[str, int]) -> None:
        """Use these file descriptors, by channel; the names that are bound to lead nowhere."""
        self._waiting = dict(sockets)
        for number, channel in enumerate(CHANNELS, start=1):
            setattr(self, f"{channel}_port", number)

    def _try_bind_socket(self, s: Any, port: int) -> int:
        s.setsockopt(zmq.USE_FD, self._waiting[CHANNELS[port - 1]])
        s.bind(f"ipc://{self.ip}-{port}")
        return port

    def init_control(self, context: Any) -> None:
        """Open the control channel, without the debugger's way to the shell channel."""
        super().init_control(context)
        self.debug_shell_socket.disconnect(self.shell_socket.getsockopt(zmq.LAST_ENDPOINT))

    def init_heartbeat(self) -> None:
        """Nobody listens to the heart: the server knows whether a kernel lives."""

    def init_connection_file(self) -> None:
        """There is no connection file to be read."""

    def write_connection_file(self, **_: Any) -> None:
        """There is no connection file to be written."""


def make_kernel(sockets: Mapping[str, int], key: bytes) -> WarmKernelApp:
    """Make the kernel of this process; ``start`` runs it until it is killed.

    Args:
        sockets: listening file descriptors by channel.
        key: signs the messages.
    """
    random.seed(_SEED)
    np.random.seed(_SEED)  # noqa: NPY002 - what a fresh process would not share with the others
    torch.manual_seed(_SEED)
    app = WarmKernelApp.instance()
    # The sockets have their names outside; this one is never made.
    app.transport, app.ip = "ipc", "/nowhere"
    app.session.key = key
    app.bind_to(sockets)
    app.initialize(["--HistoryManager.enabled=False"])
    return app
