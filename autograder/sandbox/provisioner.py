"""The sandbox as jupyter_client knows it: a kernel provisioner, named in pyproject.toml."""

import atexit
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerBase
from traitlets import Bool, Dict, List, Unicode

from autograder.sandbox.bubble import Bubble
from autograder.sandbox.protocol import CHANNELS, Allowance, SandboxError

_warm: list["_Warm"] = []


class _Warm:
    """A bubble that waits for its next kernel, and what it was made for."""

    def __init__(self, imports: tuple[str, ...], disk: int, warm: bool):
        self.purpose = (imports, disk, warm)
        self.bubble = Bubble(imports, disk, warm=warm)


@atexit.register
def close_idle_bubbles() -> None:
    """End the warm servers that wait in this process."""
    while _warm:
        _warm.pop().bubble.close()


def warm_up(imports: Sequence[str], disk: int) -> None:
    """Let a server begin to import what this process's first kernel will need; does not wait.

    Raises:
        SandboxError: it could not be started.
    """
    _warm.append(_Warm(tuple(imports), disk, True))


def wait_until_warm() -> None:
    """Wait for the servers that this process has begun to warm up.

    Raises:
        SandboxError: one of them cannot serve.
    """
    for waiting in _warm:
        waiting.bubble.wait_until_ready()


class BubbleProvisioner(KernelProvisionerBase):
    """Launches kernels by forking them in a warm bubble."""

    imports = List(Unicode(), help="The modules that the notebooks import.").tag(config=True)
    warm = Bool(True, help="Whether the server imports them ahead.").tag(config=True)
    allowance = Dict(help="What a notebook may use: fields of Allowance.").tag(config=True)
    _held: _Warm | None = None
    _sockets: tuple[socket.socket, ...] = ()
    ended_for = ""

    @property
    def has_process(self) -> bool:
        """Whether there is a kernel, running or not yet cleared away."""
        return self._held is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Bind the sockets, so that nothing inside has to make a file outside."""
        manager = self.parent
        ports = {f"{name}_port": n for n, name in enumerate(CHANNELS, start=1)}
        for name, number in ports.items():
            setattr(manager, name, number)
        self.connection_info = manager.get_connection_info()
        return await super().pre_launch(cmd=[], **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork a kernel; ``cmd`` is empty, since no program is started."""
        ip = self.parent.ip
        try:
            self._sockets = tuple(_listen(f"{ip}-{n + 1}") for n in range(len(CHANNELS)))
            allowance = Allowance(**self.allowance)
            self._held = self._warm_bubble(allowance.disk)
            key = self.parent.session.key.decode()
            self._held.bubble.start(self._sockets, allowance, key, self.kernel_spec.env)
        except BaseException:
            self._close()
            raise
        finally:
            for listener in self._sockets:
                listener.close()
        return self.connection_info

    def _warm_bubble(self, disk: int) -> _Warm:
        purpose = (tuple(self.imports), disk, self.warm)
        for known in _warm:
            if known.purpose == purpose:
                _warm.remove(known)
                return known
        return _Warm(*purpose)

    async def poll(self) -> int | None:
        """None while the kernel runs, else its exit status; a lost bubble counts as killed."""
        if self._held is None:
            return 0
        try:
            running, status, self.ended_for = self._held.bubble.poll()
        except SandboxError:
            self._close()
            return -9
        return None if running else (status or 0)

    async def wait(self) -> int | None:
        """Nothing is left to be waited for once the bubble has been cleared."""
        return await self.poll()

    async def send_signal(self, signum: int) -> None:
        """Signal the kernel."""
        if self._held is not None:
            with suppress(SandboxError):
                self._held.bubble.signal(signum)

    async def kill(self, restart: bool = False) -> None:
        """End the kernel with all it started; the bubble stays warm if nothing is left in it."""
        held, self._held = self._held, None
        if held is None:
            return
        try:
            clean = held.bubble.end()
        except SandboxError:
            clean = False
        if clean:
            _warm.append(held)
        else:
            held.bubble.close()

    async def terminate(self, restart: bool = False) -> None:
        """The same as :meth:`kill`: nobody is asked to leave politely."""
        await self.kill(restart)

    async def cleanup(self, restart: bool = False) -> None:
        """Remove the sockets."""
        for number in range(len(CHANNELS)):
            Path(f"{self.parent.ip}-{number + 1}").unlink(missing_ok=True)

    def _close(self) -> None:
        if self._held is not None:
            self._held.bubble.close()
            self._held = None


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    return listener
