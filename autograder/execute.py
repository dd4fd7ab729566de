"""Run a notebook in a kernel that may be hostile, and bring back outputs and answers.

The kernel's own words are never trusted: every message is size-limited and reshaped before it is
kept, the clock is read at every message, and a kernel that hangs or dies is replaced, the other
cells being run again in a fresh one. Which process the kernel is, and what it may touch, is the
provisioner's business (``--sandbox``): any jupyter_client provisioner fits in by its name.
"""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any

import zmq
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import KernelProvisionerFactory
from nbformat import NotebookNode

from autograder.outputs import Outputs
from autograder.sandbox import tracebacks
from autograder.sandbox.protocol import Allowance

AUTO_SANDBOX = "auto"
NO_SANDBOX = "none"
_BUBBLE = "attention-course-bubble"
_LOCAL = "local-provisioner"
_ENVIRONMENT = (
    "CUDA_VISIBLE_DEVICES",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "TMPDIR",
    "TZ",
    "VIRTUAL_ENV",
)


class ExecutionError(Exception):
    """No kernel could be started: the grader's own trouble, never the student's."""


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes that a submission may use.

    ``kept`` is what stays in the graded notebook per cell, ``output`` what a cell may send
    before it is stopped, ``message`` the largest single message. What is in ``allowance`` holds
    in a sandbox only.
    """

    cell: float = 30.0
    submission: float = 300.0
    grace: float = 2.0
    start: float = 60.0
    kept: int = 2**20
    output: int = 16 * 2**20
    message: int = 64 * 2**20
    allowance: Allowance = field(default_factory=Allowance)


@dataclass
class CellRun:
    """What one cell did.

    ``status`` is "ok", "error", "time limit", "output limit", "memory limit", "disk limit",
    "kernel died" or "not run".
    ``lost`` says that the kernel did not survive it; ``answers`` are the raw answer messages.
    """

    status: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    error: str | None = None
    lost: bool = False
    seconds: float = 0.0


def provisioner_name(sandbox: str) -> str:
    """Resolve a ``--sandbox`` choice to a kernel provisioner's name.

    Raises:
        ValueError: no provisioner of that name is installed.
    """
    if sandbox == NO_SANDBOX:
        return _LOCAL
    if sandbox == AUTO_SANDBOX:
        return _BUBBLE
    known = KernelProvisionerFactory.instance().get_provisioner_entries()
    if sandbox not in known:
        others = sorted(set(known) - {_LOCAL})
        raise ValueError(
            f"No sandbox is called {sandbox!r}. Installed: {', '.join(others)}; "
            f"{AUTO_SANDBOX!r} takes {_BUBBLE!r}; or {NO_SANDBOX!r}, on a machine where students' "
            "code may do what you may."
        )
    return sandbox


class _OneSpec(KernelSpecManager):
    """A kernel spec that lives in memory, so that no installed one is needed or trusted."""

    def __init__(self, spec: KernelSpec):
        super().__init__()
        self._spec = spec

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return self._spec


def _kernel_spec(
    sandbox: str, scratch: Path, imports: Sequence[str], warm: bool, allowance: Allowance
) -> KernelSpec:
    name = provisioner_name(sandbox)
    config = {"imports": list(imports), "warm": warm, "allowance": asdict(allowance)}
    return KernelSpec(
        argv=[
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
            "--HistoryManager.enabled=False",
            f"--ext={tracebacks.__name__}",
        ],
        display_name="grading",
        language="python",
        env={
            "IPYTHONDIR": str(scratch / "ipython"),
            "NBGRADER_EXECUTION": "autograde",
            "OMP_NUM_THREADS": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
        },
        metadata={
            "kernel_provisioner": {
                "provisioner_name": name,
                "config": config if name == _BUBBLE else {},
            }
        },
    )


class Kernel:
    """One kernel, its connection and its scratch folder, all gone after ``close``."""

    def __init__(
        self,
        sandbox: str,
        limits: Limits,
        folder: Path | None = None,
        imports: Sequence[str] = (),
        warm: bool = True,
    ):
        self._limits = limits
        self._scratch = Path(tempfile.mkdtemp(prefix="grade-"))
        spec = _kernel_spec(sandbox, self._scratch, imports, warm, limits.allowance)
        self._context = zmq.Context()
        self._context.setsockopt(zmq.MAXMSGSIZE, limits.message)
        self._manager = KernelManager(
            kernel_spec_manager=_OneSpec(spec),
            kernel_name="grading",
            connection_file=str(self._scratch / "kernel.json"),
            transport="ipc",
            ip=str(self._scratch / "socket"),
            shutdown_wait_time=0.5,
        )
        work = folder or self._scratch / "work"
        work.mkdir(exist_ok=True)
        self._client: Any = None
        try:
            environment = {k: os.environ[k] for k in _ENVIRONMENT if k in os.environ}
            self._manager.start_kernel(cwd=str(work), env=environment)
            self._client = self._manager.client(context=self._context)
            self._client.start_channels(stdin=False, hb=False)
            self._client.allow_stdin = False
            self._wait_for_ready(monotonic() + limits.start)
        except Exception as problem:
            self.close()
            raise ExecutionError(
                f"The kernel did not start ({type(problem).__name__}: {problem}). Check that "
                f"'{sys.executable} -m ipykernel_launcher --help' runs and that the folder for "
                "temporary files is writable and its path short."
            ) from problem

    def _wait_for_ready(self, deadline: float) -> None:
        """Ask until the kernel has answered on both channels; jupyter_client's own way is slow."""
        while monotonic() < deadline:
            asked = self._client.kernel_info()
            again = min(deadline, monotonic() + 1.0)
            idle = replied = False
            while not (idle and replied) and monotonic() < again:
                replied = replied or self._reply(asked) is not None
                message = None if idle else self._next(0.05)
                if message is not None:
                    idle = message["parent_header"].get("msg_id") == asked and _is_idle(message)
            if idle and replied:
                return
            if not self._manager.is_alive():
                raise RuntimeError("it died before it answered")
        raise RuntimeError(f"it did not answer within {self._limits.start:g} s")

    def run(self, source: str, seconds: float) -> CellRun:
        """Run one cell for at most ``seconds``; interrupt it then, and give it a last grace."""
        return self._execute(seconds, code=source)

    def evaluate(self, expression: str, seconds: float) -> CellRun:
        """Evaluate an expression in the notebook's namespace, as :meth:`run` would run a cell.

        The kernel keeps no history of it, and does not look for magic in it: that takes long where
        much data stands in it.
        """
        return self._execute(
            seconds, code="", user_expressions={"": expression}, store_history=False
        )

    def _execute(self, seconds: float, **request: Any) -> CellRun:
        began = monotonic()
        outputs = Outputs(self._limits.kept, self._limits.output)
        try:
            message_id = self._client.execute(**request, stop_on_error=False)
            status, lost = self._wait(message_id, began + seconds, outputs)
        except Exception:  # whatever a forged frame may raise
            status, lost = "kernel died", True
        if status == "ok" and outputs.error is not None:
            status = "error"
        return CellRun(
            status,
            outputs.kept(),
            outputs.answers,
            outputs.error,
            lost,
            monotonic() - began,
        )

    def _wait(self, message_id: str, deadline: float, outputs: Outputs) -> tuple[str, bool]:
        """Read messages until the cell is idle and has replied; (status, kernel lost)."""
        status = "ok"
        idle = False
        while not idle or (reply := self._reply(message_id)) is None:
            if status == "ok" and (monotonic() > deadline or outputs.flooded):
                status = "output limit" if outputs.flooded else "time limit"
                self._manager.interrupt_kernel()
                deadline = monotonic() + self._limits.grace
            elif monotonic() > deadline:
                return status, True
            message = self._next(max(0.0, min(0.25, deadline - monotonic())))
            if message is None:
                if not self._manager.is_alive():
                    return self._cause() if status == "ok" else status, True
                continue
            if message["parent_header"].get("msg_id") == message_id:
                idle = idle or _is_idle(message)
                outputs.add(message)
        expressions = reply.get("user_expressions")
        values = expressions.values() if isinstance(expressions, dict) else ()
        for said in (reply, *(value for value in values if isinstance(value, dict))):
            if said.get("status") == "error" and outputs.error is None:
                outputs.add({"msg_type": "error", "content": said})  # nobody has shown it
        return status, False

    def _cause(self) -> str:
        """What ended the kernel: itself, or the sandbox that knows why."""
        return getattr(self._manager.provisioner, "ended_for", "") or "kernel died"

    def _next(self, seconds: float) -> dict[str, Any] | None:
        """The next published message, or None; one that does not parse is dropped."""
        try:
            message: dict[str, Any] = self._client.iopub_channel.get_msg(timeout=seconds)
        except Empty:
            return None
        except (ValueError, KeyError, TypeError):
            return {"parent_header": {}}
        return message if isinstance(message.get("parent_header"), dict) else {"parent_header": {}}

    def _reply(self, message_id: str) -> dict[str, Any] | None:
        """What the shell has answered to this request; looks at one reply a call."""
        try:
            reply = self._client.shell_channel.get_msg(timeout=0.05)
        except Empty:
            return None
        content: dict[str, Any] = reply["content"]
        return content if reply["parent_header"].get("msg_id") == message_id else None

    def close(self) -> None:
        """Kill the kernel with its process group and remove every trace of it."""
        with contextlib.suppress(Exception):
            self._manager.signal_kernel(signal.SIGKILL)
        with contextlib.suppress(Exception):
            self._manager.shutdown_kernel(now=True)
        with contextlib.suppress(Exception):
            if self._client is not None:
                self._client.stop_channels()
            self._context.destroy(linger=0)
        shutil.rmtree(self._scratch, ignore_errors=True)


def _is_idle(message: dict[str, Any]) -> bool:
    content = message.get("content")
    return (
        message.get("msg_type") == "status"
        and isinstance(content, dict)
        and content.get("execution_state") == "idle"
    )


def run_notebook(
    notebook: NotebookNode,
    drives: Mapping[str, Callable[[], str]],
    *,
    sandbox: str,
    limits: Limits,
    folder: Path | None = None,
    imports: Sequence[str] = (),
    warm: bool = True,
) -> dict[int, CellRun]:
    """Run every code cell; a graded cell named in ``drives`` is replaced by what its drive says.

    A drive is asked for its expression only when its turn has come, after the student's code ran.
    ``imports`` names the modules that a sandboxed kernel finds already imported, if it is ``warm``;
    of the course's own it may import no others.

    Raises:
        ExecutionError: no kernel could be started.
    """
    start = partial(Kernel, sandbox, limits, folder, imports, warm)
    return _Session(notebook, drives, limits, start).run()


class _Session:
    """The run of one notebook, over as many kernels as it takes."""

    def __init__(
        self,
        notebook: NotebookNode,
        drives: Mapping[str, Callable[[], str]],
        limits: Limits,
        start: Callable[[], Kernel],
    ):
        self._cells = notebook.cells
        self._drives = drives
        self._limits = limits
        self._start = start
        self._deadline = monotonic() + limits.submission
        self._runs: dict[int, CellRun] = {}
        self._skipped: set[int] = set()

    def run(self) -> dict[int, CellRun]:
        kernel: Kernel | None = None
        try:
            for index in self._code_cells():
                while index not in self._runs:
                    if kernel is None:
                        kernel = self._fresh_kernel(index)
                    if kernel is None:
                        self._runs[index] = CellRun("not run")
                    elif self._run_cell(kernel, index).lost:
                        kernel.close()
                        kernel = None
        finally:
            if kernel is not None:
                kernel.close()
        return self._runs

    def _code_cells(self) -> Iterator[int]:
        for index, cell in enumerate(self._cells):
            if cell.cell_type == "code" and cell.source.strip():
                yield index

    def _drive(self, index: int) -> Callable[[], str] | None:
        return self._drives.get(self._cells[index].metadata.get("nbgrader", {}).get("grade_id"))

    def _left(self) -> float:
        return self._deadline - monotonic()

    def _run_cell(self, kernel: Kernel, index: int) -> CellRun:
        drive = self._drive(index)
        seconds = max(0.0, min(self._limits.cell, self._left()))
        if drive is None:
            return self._note(index, kernel.run(self._cells[index].source, seconds))
        return self._note(index, kernel.evaluate(drive(), seconds))

    def _note(self, index: int, run: CellRun) -> CellRun:
        """Keep what a cell did, and leave out of later kernels the cell that ended this one.

        That is the cell itself, or one that ran into the memory limit before it, and may still hold
        what it took.
        """
        if run.status == "memory limit":
            for full, earlier in self._runs.items():
                if full not in self._skipped and (earlier.error or "").startswith("MemoryError"):
                    index, run = full, replace(earlier, status=run.status, lost=True)
                    break
        if run.lost:
            self._skipped.add(index)
        self._runs[index] = run
        return run

    def _fresh_kernel(self, upto: int) -> Kernel | None:
        """A kernel that has run the cells before ``upto``, but for those that killed one.

        None when the submission's time is over.
        """
        while self._left() > 0:
            kernel = self._start()
            try:
                if self._replay(kernel, upto):
                    return kernel
            except BaseException:
                kernel.close()
                raise
            kernel.close()
        return None

    def _replay(self, kernel: Kernel, upto: int) -> bool:
        for index in self._code_cells():
            if index >= upto:
                return True
            if index in self._skipped or self._drive(index) is not None:
                continue
            seconds = max(0.0, min(self._limits.cell, self._left()))
            again = kernel.run(self._cells[index].source, seconds)
            if again.lost:
                self._note(index, again)
                return False
        return True
