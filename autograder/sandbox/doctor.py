"""Whether the sandbox holds on this machine: each protection is tried by doing what it must refuse.

A probe is a notebook's cell like any student's, run as students' cells are run. It counts as held
only if the cell says that it was refused; whatever else happens is a hole.
"""

import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook

import attention_lib
from autograder.execute import AUTO_SANDBOX, CellRun, ExecutionError, Limits, run_notebook
from autograder.sandbox.protocol import Allowance

_HELD = "held:"


@dataclass(frozen=True)
class Finding:
    """One protection: its name, whether it holds here, and what showed it."""

    protection: str
    holds: bool
    seen: str


@dataclass(frozen=True)
class _Probe:
    """A cell that tries something, with the errors that mean that it was refused."""

    protection: str
    source: str
    errors: str = "OSError"


def examine(imports: Sequence[str] = ()) -> list[Finding]:
    """Try each protection in a real kernel; takes some seconds.

    Args:
        imports: as for :func:`autograder.execute.run_notebook`: what a class's notebooks may see.
    """
    limits = Limits(cell=20.0, grace=0.5, submission=120.0)
    try:
        return [
            *_refusals(limits, imports),
            *_stopped(limits, imports),
            _left_behind(limits, imports),
        ]
    except ExecutionError as problem:
        return [Finding("a kernel starts in the sandbox", False, str(problem))]


def missing(findings: Sequence[Finding]) -> str:
    """Say what does not hold and what to do about it; "" if all holds."""
    holes = [f for f in findings if not f.holds]
    if not holes:
        return ""
    named = "; ".join(f"{f.protection} ({f.seen})" for f in holes)
    return (
        f"The sandbox does not hold on this machine: {named}. Run `autograder doctor` for the "
        "whole list. Grade on a Linux machine where all of it holds, or with '--sandbox none', "
        "which lets students' code do what you may: read and change the gradebook, say."
    )


# ---------------------------------------------------------------- what must be refused


def _refusals(limits: Limits, imports: Sequence[str]) -> list[Finding]:
    with _bait() as bait:
        probes = _probes(bait)
        cells = [_cell(probe) for probe in probes]
        runs = _run(cells, limits, imports)
    return [_read(p, run) for p, run in zip(probes, runs, strict=True)]


def _cell(probe: _Probe) -> str:
    body = "\n".join(f"    {line}" for line in probe.source.splitlines())
    return (
        "import ctypes, os, resource, socket\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def must_be_zero(value):\n"
        "    if value:\n"
        "        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))\n"
        f"try:\n{body}\n"
        f"except ({probe.errors}) as refusal:\n"
        f"    print({_HELD!r}, type(refusal).__name__ + ',', refusal)\n"
        "else:\n"
        "    print('it was allowed')"
    )


def _read(probe: _Probe, run: CellRun) -> Finding:
    shown = _printed(run)
    if shown.startswith(_HELD):
        return Finding(probe.protection, True, " ".join(shown.removeprefix(_HELD).split())[:200])
    return Finding(probe.protection, False, shown or run.error or run.status)


@dataclass(frozen=True)
class _Bait:
    """Things of this machine that nobody inside may reach."""

    file: Path
    folder: Path
    port: int
    abstract: str
    process: str


@contextmanager
def _bait() -> Iterator[_Bait]:
    name = f"\0autograder-doctor-{secrets.token_hex(8)}"
    with (
        tempfile.TemporaryDirectory(prefix="doctor-") as folder,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        unix.bind(name)
        unix.listen()
        file = Path(folder) / "open-to-all.txt"
        file.write_text("bait", encoding="ascii")
        file.chmod(0o666)
        Path(folder).chmod(0o777)
        mark = str(10**15 + secrets.randbelow(10**14))
        process = subprocess.Popen(["sleep", mark])
        try:
            yield _Bait(file, Path(folder), tcp.getsockname()[1], name, mark)
        finally:
            process.kill()
            process.wait()


def _probes(bait: _Bait) -> list[_Probe]:
    reference = Path(attention_lib.__path__[0]) / "attention.py"
    return [
        _Probe("files outside cannot be read", f"open({str(bait.file)!r}).read()"),
        _Probe("files outside cannot be written", f"open({str(bait.folder / 'new')!r}, 'w')"),
        _Probe("the interpreter is read-only", f"open({str(Path(sys.prefix) / 'new')!r}, 'w')"),
        _Probe("the system is read-only", "open('/usr/lib/new', 'w')"),
        _Probe("the reference cannot be read", f"open({str(reference)!r}).read()"),
        _Probe("the reference cannot be imported", "import attention_lib.attention", "ImportError"),
        _Probe("Landlock: what is not listed is closed", "os.listdir('/')", "PermissionError"),
        _Probe("no network address", f"socket.create_connection(('127.0.0.1', {bait.port}), 2)"),
        _Probe("no socket by name", f"socket.socket(socket.AF_UNIX).connect({bait.abstract!r})"),
        _Probe("processes outside do not exist", _LOOK_FOR.format(bait.process)),
        _Probe("Landlock: no signal to the server", "os.kill(1, 0)", "PermissionError"),
        _Probe("the server's memory is closed", "open('/proc/1/mem', 'rb').read(1)"),
        _Probe("seccomp: no tracing", "must_be_zero(libc.ptrace(0, 0, 0, 0))", "PermissionError"),
        _Probe("seccomp: no new namespaces", "must_be_zero(libc.unshare(0x10000000))"),
        _Probe("seccomp: no other sockets", "socket.socket(socket.AF_INET)"),
        _Probe("no way back to root", "os.setuid(0) if os.getuid() else None"),
        _Probe("no capabilities", "must_be_zero(libc.mount(b'x', b'/tmp', b'tmpfs', 0, None))"),
        _Probe("memory is limited", f"bytearray({2 * Allowance().memory})", "MemoryError"),
        _Probe("processes are limited", _FORK_WITHOUT_END, "BlockingIOError"),
        _Probe("file sizes are limited", "open('large', 'wb').truncate(2**40)"),
        _Probe("the scratch folder is limited", _FILL),
        _Probe("processor time is limited", _RAISE.format("CPU"), "ValueError, PermissionError"),
    ]


_LOOK_FOR = """\
for name in filter(str.isdigit, os.listdir('/proc')):
    if {0!r} in open(f'/proc/{{name}}/cmdline').read():
        break
else:
    raise ProcessLookupError('none of them is seen')"""
# The children end when the pipe is closed, which happens whatever becomes of their parent.
_FORK_WITHOUT_END = """\
reader, writer = os.pipe()
try:
    for _ in range(1000):
        if os.fork() == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
finally:
    os.close(writer)"""
_FILL = """\
for number in range(64):
    with open(f'fill-{number}', 'wb') as file:
        os.posix_fallocate(file.fileno(), 0, 2**25)"""
_RAISE = """\
hard = resource.getrlimit(resource.RLIMIT_{0})[1]
if hard != resource.RLIM_INFINITY:
    resource.setrlimit(resource.RLIMIT_{0}, (hard, hard + 1))"""


# ---------------------------------------------------------------- what must be stopped


def _stopped(limits: Limits, imports: Sequence[str]) -> list[Finding]:
    """Loops and floods that do not listen are ended from outside, one kernel each."""
    deaf = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    short = replace(limits, cell=0.5)
    flooded = replace(limits, output=2**16)
    small = replace(limits, allowance=replace(limits.allowance, memory=2**28))
    shared = (
        f"import mmap\nshared = mmap.mmap(-1, {2**30})\n"
        f"for _ in range(512): shared.write(bytes({2**20}))\n"
        "import time\ntime.sleep(2)"
    )
    cases: list[tuple[str, str, str, Limits]] = [
        ("time is limited", deaf, "time limit", short),
        ("memory of all processes is limited", shared, "memory limit", small),
        ("output is limited", "while True: print('x' * 999)", "output limit", flooded),
    ]
    found = []
    for protection, source, wanted, case in cases:
        status = _run([source], case, imports)[0].status
        found.append(Finding(protection, status == wanted, f"the cell ended with: {status}"))
    return found


def _left_behind(limits: Limits, imports: Sequence[str]) -> Finding:
    """A daemon that leaves its session and its parents must end with the kernel."""
    mark = str(10**15 + secrets.randbelow(10**14))
    start = (
        "import os, subprocess\n"
        f"child = subprocess.Popen(['sleep', '{mark}'], start_new_session=True)\n"
        f"while '{mark}' not in open(f'/proc/{{child.pid}}/cmdline').read(): pass\n"
        "print(1)"
    )
    seen = _printed(_run([start], limits, imports)[0])
    left = _processes_with(mark)
    name = "what a notebook started ends with it"
    if seen != "1":
        return Finding(name, False, f"the probe could not start a process: {seen!r}")
    return Finding(name, not left, f"{len(left)} processes left")


def _processes_with(mark: str) -> list[Path]:
    def holds(path: Path) -> bool:
        try:
            return mark.encode() in path.read_bytes()
        except OSError:
            return False

    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if holds(path)]


def _run(sources: Sequence[str], limits: Limits, imports: Sequence[str]) -> list[CellRun]:
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    runs = run_notebook(
        notebook, {}, sandbox=AUTO_SANDBOX, limits=limits, imports=imports, warm=False
    )
    return [runs[index] for index in range(len(sources))]


def _printed(run: CellRun) -> str:
    return "".join(o["text"] for o in run.outputs if o["output_type"] == "stream").strip()
