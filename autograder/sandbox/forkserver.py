"""The warm server: it has imported all that notebooks need, and forks a kernel when told to.

It runs as the first process of a bubble and is told what to do through one inherited socket. It
has one thread, so that a fork is a faithful copy, and holds nothing that a student must not read:
a forked kernel has all its memory. One kernel lives at a time, and ends with all it started.
"""

import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from time import monotonic, process_time
from typing import Any

from autograder.sandbox.confine import confine, refused_calls, set_dumpable
from autograder.sandbox.hidden import explain_what_is_hidden
from autograder.sandbox.protocol import CHANNELS, MESSAGE, Allowance, Confinement

TICK = 0.1
_MANY_FILES = 20_000


class Server:
    """Forks, watches and ends kernels; each request gets one answer."""

    def __init__(self, control: socket.socket, scratch: tuple[str, ...], mounted: frozenset[str]):
        self._control = control
        self._scratch = scratch
        self._mounted = mounted
        self._calls = refused_calls()
        self._limits: Confinement | None = None
        self._kernel: int | None = None
        self._status: int | None = None
        self._ended_for = ""
        self._rests_until = 0.0
        self._free_then = 0

    def serve(self) -> None:
        """Answer requests until the other side is gone, and with it this process and all others."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            while True:
                if selector.select(None if self._kernel is None else TICK):
                    data, sockets, _, _ = socket.recv_fds(self._control, MESSAGE, 8)
                    if not data:
                        return
                    self._send(self._answer(json.loads(data), sockets))
                self._watch()

    def _send(self, answer: dict[str, Any]) -> None:
        self._control.send(json.dumps(answer).encode())

    def _answer(self, request: dict[str, Any], sockets: list[int]) -> dict[str, Any]:
        match request["do"]:
            case "start":
                return self._start(request, sockets)
            case "signal":
                return {"sent": self._signal(request["signum"])}
            case "poll":
                self._reap()
                return {"running": self._kernel is not None, **self._end()}
            case "end":
                return {"clean": self.clear(), **self._end()}
        return {"error": f"an unknown request: {request['do']!r}"}

    def _end(self) -> dict[str, Any]:
        return {"status": self._status, "ended_for": self._ended_for}

    def _start(self, request: dict[str, Any], sockets: list[int]) -> dict[str, Any]:
        told = request["limits"]
        limits = Confinement(
            allowance=Allowance(**told["allowance"]),
            readable=tuple(told["readable"]),
            writable=tuple(told["writable"]),
            devices=tuple(told["devices"]),
            uid=told["uid"],
        )
        self._limits, self._status, self._ended_for = limits, None, ""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            self._control.close()
            _become_kernel(request, sockets, limits, self._calls, writer)
        self._kernel = pid
        os.close(writer)
        for descriptor in sockets:
            os.close(descriptor)
        with open(reader, encoding="utf-8") as words:
            problem = words.read(MESSAGE // 2)
        if problem == "ready":
            return {"pid": pid}
        self.clear()
        return {"error": problem or "the kernel's process ended before it was ready"}

    def _signal(self, signum: int) -> bool:
        with suppress(ProcessLookupError):
            if self._kernel is not None:
                os.kill(self._kernel, signum)
                return True
        return False

    def _watch(self) -> None:
        """End a kernel that, with all it started, takes more than its share.

        Looking at many processes takes long. It shall not take more than a tenth of the time, but
        while the machine's memory goes fast.
        """
        self._reap()
        if self._kernel is None or self._limits is None:
            return
        most = self._limits.allowance.memory
        free = _free_memory()
        if monotonic() < self._rests_until and free > self._free_then - most // 4:
            return
        began = process_time()
        over = self._over(most)
        self._rests_until, self._free_then = monotonic() + 9 * (process_time() - began), free
        if over:
            self._ended_for = over
            self._kill_all()

    def _over(self, most: int) -> str:
        """The limit that is exceeded now, or ""."""
        if _memory_of_others(most) > most:
            return "memory limit"
        if any(_files_in(folder) > _MANY_FILES for folder in self._scratch):
            return "disk limit"
        return ""

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._kernel:
                    self._kernel, self._status = None, os.waitstatus_to_exitcode(status)

    def _kill_all(self) -> None:
        """Kill every process but this one and wait for each of them.

        As the first process of its namespace this one is everybody's last parent, and the signal
        to -1 reaches all the others at once, so that nothing can fork its way past it.
        """
        with suppress(ChildProcessError):
            while True:
                with suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
                pid, status = os.wait()
                if pid == self._kernel:
                    self._kernel, self._status = None, os.waitstatus_to_exitcode(status)
        self._kernel = None

    def clear(self) -> bool:
        """End the kernel with all it started and left behind; whether nothing is left."""
        self._kill_all()
        for path in self._left():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        return not self._left()

    def _left(self) -> list[Path]:
        """What lies in the scratch folders, but for what is mounted there, read-only."""
        paths = [path for folder in self._scratch for path in Path(folder).iterdir()]
        return [path for path in paths if str(path) not in self._mounted]


def _become_kernel(
    request: dict[str, Any],
    sockets: list[int],
    limits: Confinement,
    calls: Any,
    writer: int,
) -> None:
    """Turn this freshly forked process into a confined kernel; never returns."""
    try:
        os.setsid()
        confine(limits, calls)
        home = Path(request["home"])
        (home / "work").mkdir(parents=True)
        os.chdir(home / "work")
        own = {"HOME": str(home), "TMPDIR": str(home), "IPYTHONDIR": str(home / ".ipython")}
        os.environ.update(request["env"] | own)
        tempfile.tempdir = None
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        from autograder.sandbox.kernel import make_kernel

        by_channel = dict(zip(CHANNELS, sockets, strict=True))
        app = make_kernel(by_channel, request["key"].encode())
        os.write(writer, b"ready")
        os.close(writer)
        app.start()
    except BaseException:
        with suppress(OSError):
            os.write(writer, traceback.format_exc()[-4000:].encode())
    finally:
        os._exit(1)


# ---------------------------------------------------------------- what the others use


def _others() -> list[int]:
    return [
        int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()
    ]


def _memory_of_others(enough: int) -> int:
    """Bytes that all other processes hold together; what they share is counted once.

    The exact sum is slow, so it is taken only where a rough one, which is never smaller, is large.
    """
    pids = _others()
    rough = sum(_anonymous_memory(pid) for pid in pids)
    if rough <= enough:
        return rough
    return sum(_proportional_memory(pid) for pid in pids)


def _free_memory() -> int:
    """Bytes that the machine can still give."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next((int(li.split()[1]) * 1024 for li in lines if li.startswith("MemAvailable:")), 0)


def _anonymous_memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return sum(
        int(line.split()[1]) * 1024
        for line in lines.splitlines()
        if line.startswith(("RssAnon:", "RssShmem:"))
    )


def _proportional_memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return sum(
        int(line.split()[1]) * 1024
        for line in lines.splitlines()
        if line.startswith(("Pss_Anon:", "Pss_Shmem:"))
    )


def _files_in(folder: str) -> int:
    told = os.statvfs(folder)
    return told.f_files - told.f_ffree


# ---------------------------------------------------------------- the process


def main() -> None:
    """Import what is asked for, say so, and serve."""
    if os.getpid() != 1:
        # It kills all that it may, which must be all of a namespace of its own and nothing else.
        raise RuntimeError("this server runs as the first process of a bubble only")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    settings = json.loads(control.recv(MESSAGE))
    try:
        _prepare(settings["imports"])
        server = Server(control, tuple(settings["scratch"]), frozenset(settings["mounted"]))
        server.clear()
    except BaseException:
        control.send(json.dumps({"error": traceback.format_exc()[-4000:]}).encode())
        raise
    control.send(json.dumps({"ready": os.getpid()}).encode())
    server.serve()


def _prepare(imports: list[str] | None) -> None:
    """Load what notebooks with these imports need; of a cold server's kernels, only themselves."""
    from autograder.sandbox.warmup import settle, warm_up

    # The debugger takes long to load, and nobody will use it.
    sys.modules["debugpy"] = None  # type: ignore[assignment]
    set_dumpable(False)
    importlib.import_module("autograder.sandbox.kernel")
    if imports is None:
        os.environ.pop("MPLBACKEND")  # its kernels would each import matplotlib for it
    else:
        warm_up(imports)
    settle()
    explain_what_is_hidden()


if __name__ == "__main__":
    main()
