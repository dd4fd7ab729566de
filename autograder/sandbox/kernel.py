"""The kernel that a forked process becomes: ipykernel on sockets that were bound for it."""

import random
import sys
from collections.abc import Mapping
from typing import Any

import zmq
from ipykernel.iostream import OutStream
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from IPython.core.compilerop import CachingCompiler
from traitlets.config import Config

from autograder.sandbox import tracebacks
from autograder.sandbox.protocol import CHANNELS

_SEED = 0


class LazyStream(OutStream):
    """A stream that waits for the publishing thread only where there is something to publish.

    The kernel flushes both of its streams several times for every cell.
    """

    _unsent = False

    def write(self, string: str) -> int:
        """Take a text, to be published soon."""
        self._unsent = True
        return super().write(string) or 0

    def flush(self) -> None:
        """Publish what has been written, if anything has."""
        if self._unsent:
            self._unsent = False
            super().flush()


class WarmKernel(IPythonKernel):
    """An IPython kernel that does not tell what the grader knows: half of all messages."""

    def _publish_execute_input(self, *_: Any, **__: Any) -> None:
        """The grader knows what it has sent."""

    def _publish_status(self, status: str, *rest: Any, **more: Any) -> None:
        """Say that a request is done with, not that it is begun."""
        if status != "busy":
            super()._publish_status(status, *rest, **more)


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

    def parse_command_line(self, argv: Any = None) -> None:
        """Nobody gives this kernel a command: all there is to say is said in ``make_kernel``."""

    def _configure_logging(self) -> None:
        """Nobody reads a log."""

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
    app = WarmKernelApp.instance()
    # The sockets have their names outside; this one is never made.
    app.transport, app.ip = "ipc", "/nowhere"
    app.session.key = key
    app.bind_to(sockets)
    app.update_config(
        Config(
            HistoryManager={"enabled": False},
            IPKernelApp={
                "extra_extensions": [tracebacks.__name__],
                "kernel_class": f"{__name__}.{WarmKernel.__name__}",
                "outstream_class": f"{__name__}.{LazyStream.__name__}",
            },
            IPythonKernel={"_execute_sleep": 0.0},
        )
    )
    app.initialize()
    # The kernel's own hashes every cell byte by byte in Python, to name files for a debugger.
    app.shell.compile = CachingCompiler()
    # A cell with exit() would otherwise take the cells after it along.
    app.shell.unobserve_all("exit_now")
    _seed_at_first_cell(app.shell.events)
    return app


def _seed_at_first_cell(events: Any) -> None:
    """Let chance be the same in every kernel: IPython itself draws a varying number before.

    What has not been imported by then starts from its own seed.
    """

    def seed(_: object) -> None:
        events.unregister("pre_run_cell", seed)
        random.seed(_SEED)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(_SEED)
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(_SEED)

    events.register("pre_run_cell", seed)
