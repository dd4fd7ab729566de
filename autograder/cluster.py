"""Grade jobs on the workers of a Dask cluster: here, at an address, or as a Slurm queue has them.

Only the course's own code and plain data travel. A worker that is lost in the middle costs
nothing: its jobs are done again by another. A job that loses one worker after the other is named.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from autograder.circumstances import Circumstances, environment_digest
from autograder.execute import Limits
from autograder.grading import Graded, Job
from autograder.sandbox.protocol import SandboxError
from autograder.workers import Spread, failure, grade_job, killer

if TYPE_CHECKING:
    from distributed import Client, Future

LOCAL, SLURM = "local", "slurm"
# A worker has its next job at hand while the results of the last one travel.
_AHEAD = 2
_PATIENCE = "60s"
# The name of a socket in it has at most 107 characters.
_LONGEST_FOLDER = 70


class ClusterError(ValueError):
    """The cluster cannot be used as it was called for; the message says what to do."""


@contextmanager
def spread_over(where: str, workers: int, tag: str | None = None) -> Iterator[Spread]:
    """Connect to a cluster, or start one and end it afterwards.

    Args:
        where: "local" for processes of this machine, "slurm" for jobs of a Slurm queue, as Dask's
            own configuration describes them, or a scheduler's address.
        workers: how many to start; an address has its own.
        tag: a resource that a worker must have, "GPU" say, to be given jobs.

    Raises:
        ClusterError: Dask is not installed, nobody answers there, or no worker has the tag.
    """
    try:
        import distributed
    except ImportError:
        raise ClusterError(
            "Grading on a cluster needs Dask: pip install 'attention-course[cluster]'."
        ) from None
    with ExitStack() as stack:
        own = where in (LOCAL, SLURM)
        try:
            scheduler = stack.enter_context(_cluster(where, workers, tag)) if own else where
            client = stack.enter_context(distributed.Client(scheduler, timeout=_PATIENCE))
        except (OSError, ValueError, ImportError) as problem:
            trouble = "could be started as" if own else "answers at"
            raise ClusterError(f"No Dask cluster {trouble} {where!r}: {problem}") from problem
        if own:
            client.wait_for_workers(1)
        _refuse_a_tag_that_nobody_has(client, tag)
        yield partial(_spread, client, {tag: 1} if tag else None)


def _cluster(where: str, workers: int, tag: str | None) -> AbstractContextManager[Any]:
    """Start a cluster that nobody else on its machines can use or listen to."""
    if where == LOCAL:
        from distributed import LocalCluster

        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            protocol="tls://",
            security=True,
            dashboard_address=":0",
            local_directory=tempfile.gettempdir(),
            resources={tag: 1} if tag else {},
        )
    from dask_jobqueue import SLURMCluster

    # Whatever else a job needs is told in Dask's configuration, jobqueue.slurm.
    told: dict[str, Any] = {"worker_extra_args": [f"--resources {tag}=1"]} if tag else {}
    cluster = SLURMCluster(security=True, **told)
    cluster.scale(jobs=workers)
    return cluster


def _refuse_a_tag_that_nobody_has(client: "Client", tag: str | None) -> None:
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    if tag and workers and not any(worker["resources"].get(tag) for worker in workers):
        raise ClusterError(
            f"None of the {len(workers)} Dask workers has the resource {tag!r}: start some with "
            f"dask worker ADDRESS --resources {tag}=1"
        )


def _spread(
    client: "Client", resources: dict[str, int] | None, jobs: Iterator[Job]
) -> Iterator[tuple[Graded, bool]]:
    """Hand out few more jobs than there are threads; each comes back once, as it is done."""
    from distributed import as_completed

    running: dict[Any, Job] = {}
    done = as_completed()

    def submit(most: int) -> None:
        for job in islice(jobs, max(0, most - len(running))):
            digest = own_digest(tuple(job.released.items()))
            future = client.submit(_grade_there, job, digest, pure=False, resources=resources)
            running[future.key] = job
            done.add(future)

    submit(_room(client))
    for future in done:
        yield _outcome(future, running.pop(future.key))
        submit(_room(client))


def _room(client: "Client") -> int:
    """How many jobs may be out at a time: workers may come and go."""
    return _AHEAD * max(1, sum(client.nthreads().values()))


def _outcome(future: "Future", job: Job) -> tuple[Graded, bool]:
    from distributed import CancelledError, KilledWorker

    problem = future.exception()
    if isinstance(problem, SandboxError | ClusterError):
        raise problem
    if isinstance(problem, KilledWorker):
        return killer(job), True
    if problem is not None:
        return failure(job, problem), False
    try:
        return future.result(), True
    except CancelledError:
        raise ClusterError(
            "The Dask scheduler is gone. What was graded is kept: grade again to go on."
        ) from None


def _grade_there(job: Job, wanted: str) -> Graded:
    """Grade one submission on a worker, if it has the same course as the one who asks.

    Raises:
        ClusterError: it has not.
        SandboxError: a protection is missing on the worker's machine.
    """
    if own_digest(tuple(job.released.items())) != wanted:
        raise ClusterError(
            f"The Dask worker on {os.uname().nodename} has another version of the course, of "
            "Python or of a library: install the same there (constraints.txt names all versions)."
        )
    _keep_scratch_with_dasks()
    return grade_job(job)


@cache
def own_digest(released: tuple[tuple[str, str], ...]) -> str:
    """The digest of all that can change these notebooks' marks and that this process would use."""
    told = Circumstances("", dict(released), b"", "", Limits())
    return environment_digest(told.units, told.imports)


def _keep_scratch_with_dasks() -> None:
    """Use the worker's own folder, which Dask clears away if the worker is killed."""
    from distributed import get_worker

    folder = get_worker().local_directory
    if len(folder) <= _LONGEST_FOLDER:
        tempfile.tempdir = folder
