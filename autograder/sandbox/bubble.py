"""A bubble of namespaces with a warm server in it, seen from outside.

Inside, the machine consists of the system's libraries, the interpreter and its packages, the
course's harmless modules (``view``), all read-only, and two small folders in memory. There are no
other processes, no network, no devices but GPUs, and no file that could be written and is seen
outside.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autograder.sandbox import view
from autograder.sandbox.protocol import MESSAGE, Allowance, Confinement, SandboxError

SCRATCH = "/tmp"
_SHARED = "/dev/shm"
_VIEW = "/course"
_ANSWER = 20.0
_START = 120.0
_SHARED_SIZE = 64 * 2**20
# Numbers that systems keep free for users of the moment.
_UIDS = range(61184, 65184)
_ETC = ("alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "ssl")
_LIBRARIES = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "share", "include")
# IPython runs a line with ! in a terminal; those in here are the bubble's own.
_TERMINALS = "/dev/pts"
_DEVICES = ("null", "zero", "full", "random", "urandom")
_DEV = Path("/dev")
# What CUDA and ROCm compute through; not what shows pictures, nor what looks into other processes.
_GPUS = (
    "nvidia[0-9]*",
    "nvidiactl",
    "nvidia-uvm",
    "nvidia-caps/nvidia-cap[0-9]*",
    "kfd",
    "dri/renderD*",
)
# Where their libraries read which GPU sits where.
_ABOUT_GPUS = ("/sys/bus/pci", "/sys/devices")


class Bubble:
    """One running bubble; at most one kernel at a time is in it.

    Its first kernel waits until the server has imported what it is to share with all of them;
    nobody else has to. A cold server imports nothing: a bubble to be looked at, not to work in.
    """

    def __init__(self, imports: Sequence[str], disk: int, *, warm: bool = True):
        self._folder = Path(tempfile.mkdtemp(prefix="bubble-"))
        self._uid = _UIDS[os.getpid() % len(_UIDS)] if os.geteuid() == 0 else None
        self._disk = disk
        self._readable: list[str] = []
        self._mounted: set[str] = set()
        self._gpus = gpu_nodes(_DEV)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = self._launch(imports, theirs)
            theirs.close()
            scratch = {"scratch": [SCRATCH, _SHARED], "mounted": sorted(self._mounted)}
            self._send({"imports": list(imports) if warm else None} | scratch)
            self._ready = False
        except BaseException:
            theirs.close()
            self.close()
            raise

    def _launch(self, imports: Sequence[str], control: socket.socket) -> "subprocess.Popen[bytes]":
        program = shutil.which("bwrap")
        if program is None:
            raise SandboxError(
                "There is no program 'bwrap'. Install bubblewrap (Debian and Ubuntu: "
                "apt-get install bubblewrap; Fedora: dnf install bubblewrap)."
            )
        course = self._folder / "course"
        course.mkdir()
        modules = view.visible_modules([*imports, "autograder.sandbox.forkserver"])
        modules |= view.visible_modules(["autograder.sandbox.kernel", "autograder.checks.drive"])
        view.write_view(modules, course)
        _open_to_all(course)
        user = self._uid if self._uid is not None else os.geteuid()
        (self._folder / "passwd").write_text(f"student:x:{user}:{user}::{SCRATCH}:/bin/sh\n")
        (self._folder / "passwd").chmod(0o644)
        command = [program, *self._namespaces(), *self._files(), *self._environment()]
        command += ["--", sys.executable, "-m", "autograder.sandbox.forkserver"]
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(
                [*command, str(control.fileno())],
                pass_fds=[control.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath)},
            )

    def _namespaces(self) -> list[str]:
        options = ["--unshare-ipc", "--unshare-net", "--unshare-pid", "--unshare-uts"]
        options += ["--unshare-cgroup-try", "--hostname", "grading", "--new-session"]
        options += ["--die-with-parent", "--as-pid-1"]
        if self._uid is None:
            return [*options, "--unshare-user", "--cap-drop", "ALL"]
        # What it takes to become another user, to end that user's processes, to see their memory
        # and to remove their files; the kernels themselves keep none of it.
        kept = ("SETUID", "SETGID", "KILL", "SYS_PTRACE", "DAC_OVERRIDE")
        return [*options, "--cap-drop", "ALL", *_each("--cap-add", (f"CAP_{c}" for c in kept))]

    def _files(self) -> list[str]:
        """What there is: folders by depth, so that what lies in another comes after it."""
        shown = {path: path for path in _system_folders()} | _environment_folders()
        shown[_VIEW] = str(self._folder / "course")
        shown["/etc/passwd"] = str(self._folder / "passwd")
        if self._gpus:
            shown |= {path: path for path in _ABOUT_GPUS if Path(path).is_dir()}
        hidden = [str(path) for path in _source_folders() if _within(path, shown)]
        parents = {str(p) for path in (*shown, *hidden) for p in Path(path).parents} - {"/"}
        # A course may itself lie in the machine's folder for temporary files.
        self._mounted = {p for p in (*shown, *parents) if str(Path(p).parent) == SCRATCH}
        options: list[str] = []
        options += ["--perms", "1777", "--size", str(self._disk), "--tmpfs", SCRATCH]
        for path in self._mounted:
            options += ["--perms", "0755", "--tmpfs", path]
        for path in sorted({*shown, *hidden, *parents}, key=lambda p: (p.count("/"), p)):
            if path == SCRATCH or (path in self._mounted and path not in shown):
                continue
            if path not in shown and path not in hidden:
                if not _within(Path(path), shown):
                    options += ["--perms", "0755", "--dir", path]
            elif path in hidden:
                options += ["--tmpfs", path, "--remount-ro", path]
            elif Path(shown[path]).is_symlink() and path.count("/") == 1:
                options += ["--symlink", os.readlink(path), path]
            else:
                options += ["--ro-bind", shown[path], path]
        self._readable = [p for p in shown if p not in hidden]
        options += ["--proc", "/proc", "--dev", "/dev"]
        for inside, outside in self._gpus.items():
            options += ["--dev-bind", outside, inside]
        options += ["--perms", "1777", "--size", str(_SHARED_SIZE), "--tmpfs", _SHARED]
        for path in (*self._mounted, "/dev", "/"):
            options += ["--remount-ro", path]
        return [*options, "--chdir", SCRATCH]

    def _environment(self) -> list[str]:
        variables = {
            "HOME": SCRATCH,
            "LANG": "C.UTF-8",
            "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "MPLCONFIGDIR": f"{SCRATCH}/matplotlib",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONNOUSERSITE": "1",
            "PYTHONPATH": _VIEW,
            "TMPDIR": SCRATCH,
            "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            "VIRTUAL_ENV": os.environ.get("VIRTUAL_ENV", ""),
        }
        told = [word for k, v in variables.items() if v for word in ("--setenv", k, v)]
        return ["--clearenv", *told]

    def wait_until_ready(self) -> None:
        """Wait until the server has imported all that it is to import.

        Raises:
            SandboxError: it could not, or is gone.
        """
        if not self._ready:
            self._receive(_START)
            self._ready = True

    # ------------------------------------------------------------ kernels

    def start(
        self,
        sockets: Sequence[socket.socket],
        allowance: Allowance,
        key: str,
        env: dict[str, str],
    ) -> int:
        """Fork a kernel that serves these listening sockets; its process number in the bubble.

        Raises:
            SandboxError: it could not be confined, or the server is gone.
        """
        self.wait_until_ready()
        limits = Confinement(
            allowance=allowance,
            readable=(*self._readable, "/proc"),
            writable=(SCRATCH, _SHARED),
            devices=(*(f"/dev/{name}" for name in _DEVICES), _TERMINALS, *self._gpus),
            uid=self._uid,
        )
        request = {"do": "start", "limits": asdict(limits), "key": key, "env": env}
        request["home"] = f"{SCRATCH}/home"
        return int(self._ask(request, [s.fileno() for s in sockets])["pid"])

    def signal(self, signum: int) -> None:
        """Send a signal to the kernel; nothing happens if there is none."""
        self._ask({"do": "signal", "signum": signum})

    def poll(self) -> tuple[bool, int | None, str]:
        """Whether the kernel runs, its exit status, and what it was ended for, or ""."""
        answer = self._ask({"do": "poll"})
        return bool(answer["running"]), answer["status"], str(answer["ended_for"])

    def end(self) -> bool:
        """Kill the kernel with all it started, remove its files; whether nothing is left."""
        return bool(self._ask({"do": "end"})["clean"])

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any]:
        self._send(request, descriptors)
        return self._receive(_ANSWER)

    def _send(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        self._control.settimeout(_ANSWER)
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], descriptors)
        except OSError as problem:
            raise self._silence(problem) from problem

    def _receive(self, within: float) -> dict[str, Any]:
        self._control.settimeout(within)
        try:
            data = self._control.recv(MESSAGE)
            answer: dict[str, Any] = json.loads(data) if data else {"error": self._last_words()}
        except (OSError, ValueError) as problem:
            raise self._silence(problem) from problem
        if "error" in answer:
            raise SandboxError(f"The sandbox failed: {answer['error']}")
        return answer

    def _silence(self, problem: Exception) -> SandboxError:
        return SandboxError(f"The sandbox does not answer ({problem}). {self._last_words()}")

    def _last_words(self) -> str:
        with suppress(OSError, subprocess.TimeoutExpired):
            self._process.wait(1.0)
        with suppress(OSError):
            return (self._folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:]
        return ""

    def close(self) -> None:
        """End the server, and with it everything that is left in the bubble."""
        self._control.close()
        process = getattr(self, "_process", None)
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(2.0)
            process.kill()
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def gpu_nodes(dev: Path) -> dict[str, str]:
    """The nodes of this machine's GPUs: what they are called inside, and outside.

    None where CUDA_VISIBLE_DEVICES hides all.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return {}
    found = sorted(path for pattern in _GPUS for path in dev.glob(pattern))
    return {f"/dev/{p.relative_to(dev)}": str(p) for p in found if p.is_char_device()}


def _each(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _open_to_all(folder: Path) -> None:
    """Let any user read a folder, whatever the mask for new files is."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _system_folders() -> list[str]:
    """The system's programs and libraries; no sources, no local folders of anybody's."""
    roots = [Path("/"), Path("/usr"), Path("/usr/local")]
    paths = [root / name for root in roots for name in _LIBRARIES]
    paths += [*Path("/usr/local").glob("cuda*"), *(Path("/etc") / name for name in _ETC)]
    return [str(path) for path in paths if path.exists()]


def _environment_folders() -> dict[str, str]:
    """The interpreter and its packages, each where it is looked for."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix}
    prefixes |= {os.path.realpath(prefix) for prefix in prefixes}
    return {p: os.path.realpath(p) for p in prefixes if p not in ("/", "/usr", "/usr/local")}


def _source_folders() -> list[Path]:
    """Where the course itself lies: its packages, or the whole source tree they are used from."""
    found = []
    for name in view.PACKAGES:
        package = Path(sys.modules["autograder"].__path__[0]).with_name(name)
        inside = package.parent.name in ("site-packages", "dist-packages")
        found.append(package if inside else package.parent)
    return sorted(set(found))


def _within(path: Path, shown: Iterable[str]) -> bool:
    return any(path.is_relative_to(root) for root in shown)
