"""Grade jobs in several processes of this machine, whatever becomes of one of them."""

import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TextIO

import nbformat
import torch

from autograder.execute import AUTO_SANDBOX, Limits, provisioner_name
from autograder.grading import Graded, Job, grade_submission, ungraded
from autograder.processes import GRADER, clean_processes
from autograder.sandbox import doctor, view
from autograder.sandbox.protocol import SandboxError
from autograder.sandbox.provisioner import wait_until_warm, warm_up

# Grades jobs; each comes back once, as it is done, and whether the grader itself was sound.
Spread = Callable[[Iterator[Job]], Iterator[tuple[Graded, bool]]]
_scratch: Path | None = None


def grade_jobs(jobs: Iterator[Job], workers: int) -> Iterator[tuple[Graded, bool]]:
    """Grade jobs in ``workers`` processes; each comes back once, in the order of completion.

    The flag is False when the grader itself failed on a job. A job that kills its process is
    tried once more by itself; if it does so again, it is named, and the others go on.
    """
    first = next(jobs, None)
    while first is not None:
        suspects: list[Job] = []
        yield from _pool(chain([first], jobs), workers, suspects)
        for job in suspects:
            alone: list[Job] = []
            yield from _pool(iter([job]), 1, alone)
            if alone:
                yield killer(job), True
        first = next(jobs, None)


def killer(job: Job) -> Graded:
    """The result of a submission that ends whatever process grades it."""
    return ungraded(
        job, "grader killed", "Running this notebook killed the grading process, twice."
    )


def failure(job: Job, problem: BaseException) -> Graded:
    """The result of a submission that the grader itself failed on."""
    message = f"The grader failed: {type(problem).__name__}: {problem}"
    return ungraded(job, "grader failed", message)


def _pool(jobs: Iterator[Job], workers: int, broken: list[Job]) -> Iterator[tuple[Graded, bool]]:
    """Take jobs until there are no more or a process dies; what ran then is broken.

    Only as many jobs are handed out as there are workers: few are in memory, and few are under
    suspicion.
    """
    running: dict[Future[Graded], Job] = {}
    finished: list[tuple[Graded, bool]] = []
    with (
        TemporaryDirectory(prefix="grade-", ignore_cleanup_errors=True) as scratch,
        ProcessPoolExecutor(workers, clean_processes(GRADER), _keep_scratch_in, (scratch,)) as pool,
    ):
        while True:
            while not broken and len(running) < workers and (job := next(jobs, None)):
                try:
                    running[pool.submit(grade_job, job)] = job
                except BrokenProcessPool:
                    broken.append(job)
            # Once the workers are busy again, so that none of them waits until all is stored.
            yield from finished
            if not running:
                return
            finished = []
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                problem = future.exception()
                if isinstance(problem, SandboxError):
                    raise problem
                if isinstance(problem, BrokenProcessPool):
                    broken.append(job)
                elif problem is not None:
                    finished.append((failure(job, problem), False))
                else:
                    finished.append((future.result(), True))


def grade_job(job: Job) -> Graded:
    """Grade one submission, once it has been seen that the sandbox holds where this process runs.

    Raises:
        SandboxError: a protection is missing here.
    """
    # The tensors are small: threads would only wait for each other, and for other workers'.
    torch.set_num_threads(1)
    if provisioner_name(job.sandbox) == provisioner_name(AUTO_SANDBOX):
        for text in job.released.values():
            imports = view.imports_of(nbformat.reads(text, as_version=4))
            if holes := _holes(imports, job.limits):
                raise SandboxError(holes)
    return grade_submission(job)


@cache
def _holes(imports: tuple[str, ...], limits: Limits) -> str:
    """What does not hold, "" if all does; all workers of a run ask their machine only once.

    The first one finds out, while the servers of all of them warm up.

    Raises:
        SandboxError: this worker's server cannot serve.
    """
    with suppress(SandboxError):  # the doctor will say so
        warm_up(imports, limits.allowance.disk)
    with _one_at_a_time() as seen:
        if repr(imports) not in seen.read().splitlines():
            holes = doctor.missing(doctor.examine(imports))
            if holes:
                return holes
            seen.write(f"{imports!r}\n")
    wait_until_warm()
    return ""


@contextmanager
def _one_at_a_time() -> Iterator[TextIO]:
    """The list of what was seen to hold, which the workers of a run share: one has it at a time."""
    import fcntl

    with TemporaryFile("w+") if _scratch is None else (_scratch / "seen").open("a+") as seen:
        fcntl.flock(seen, fcntl.LOCK_EX)
        seen.seek(0)
        yield seen


def _keep_scratch_in(folder: str) -> None:
    """Let this process put its scratch folders where they are removed even if it is killed.

    If the process that asked for it is killed, nobody would stop it: it ends by itself then.
    """
    global _scratch
    tempfile.tempdir = folder
    _scratch = Path(folder)
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()


def _end_with_parent(folder: str) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)
