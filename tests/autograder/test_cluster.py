"""The same class on Dask workers: what comes back is what one process would have given."""

from functools import partial

import dask
import pytest
from distributed import LocalCluster
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook

from autograder import cluster
from autograder.classroom import grade_class, result_file
from autograder.cluster import ClusterError, spread_over
from autograder.execute import Limits

QUICK = Limits(cell=20.0, grace=0.5)


@pytest.fixture(scope="module")
def two_workers():
    """Two worker processes of this machine, one of which has a GPU's tag."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, resources={"GPU": 1}
    ) as running:
        yield running


def told(course):
    """All that the gradebook says, and all that the results say but for the time taken."""
    with Gradebook(course.database) as book:
        rows = {
            (s.student_id, g.name): (g.auto_score, g.manual_score, bool(g.needs_manual_grade))
            for s in book.assignment_submissions("luong")
            for n in s.notebooks
            for g in n.grades
        }
    return rows


def unhurried(result):
    return {
        **vars(result),
        "seconds": 0,
        "exercises": [{**vars(e), "seconds": 0} for e in result.exercises],
    }


@pytest.mark.slow
def test_dask_workers_give_what_processes_here_give(
    home, submit, student_notebook, right, two_workers
):
    submit("ada", student_notebook(**right))
    submit("bob", student_notebook(general_score=right["general_score"]))
    submit("cyd", student_notebook())
    submit("eve", b"not a notebook")
    grade = partial(grade_class, home, "luong", sandbox="none", limits=QUICK)
    here = grade()
    booked = told(home)
    for student in ("ada", "bob", "cyd", "eve"):
        result_file(home, "luong", student).unlink()
    with spread_over(two_workers.scheduler_address, 0, "GPU") as spread:
        there = grade(spread=spread)
    assert told(home) == booked
    assert list(map(unhurried, there.results)) == list(map(unhurried, here.results))


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_costs_nothing(
    home, submit, student_notebook, right, two_workers, tmp_path
):
    """The first kernel that runs a student's cell ends the worker that grades it, once."""
    mark = tmp_path / "killed"
    kill = (
        "import os, pathlib, signal\n"
        f"if not pathlib.Path({str(mark)!r}).exists():\n"
        f"    pathlib.Path({str(mark)!r}).touch()\n"
        "    os.kill(os.getppid(), signal.SIGKILL)"
    )
    for student in ("ada", "bob", "cyd"):
        notebook = student_notebook(**right)
        notebook.cells.insert(2, new_code_cell(kill))
        submit(student, notebook)
    with spread_over(two_workers.scheduler_address, 0) as spread:
        graded = grade_class(home, "luong", sandbox="none", limits=QUICK, spread=spread)
    assert mark.exists()
    assert {(r.score > 0, r.status) for r in graded.results} == {(True, "graded")}


def test_another_version_on_a_worker_is_refused(home, submit, two_workers, monkeypatch):
    submit("ada", b"1")
    monkeypatch.setattr(cluster, "own_digest", lambda released: "of another version")
    with (
        spread_over(two_workers.scheduler_address, 0) as spread,
        pytest.raises(ClusterError, match="another version"),
    ):
        grade_class(home, "luong", sandbox="none", spread=spread)
    assert not (home.root / "results").exists()


def test_a_tag_that_no_worker_has_is_named(two_workers):
    with (
        pytest.raises(ClusterError, match="--resources TPU=1"),
        spread_over(two_workers.scheduler_address, 0, "TPU"),
    ):
        pass


def test_an_address_where_nobody_answers_is_named(monkeypatch):
    monkeypatch.setattr(cluster, "_PATIENCE", "0.2s")
    with (
        pytest.raises(ClusterError, match=r"answers at 'tcp://127\.0\.0\.1:9'"),
        spread_over("tcp://127.0.0.1:9", 0),
    ):
        pass


@pytest.fixture
def untouched_configuration():
    """Dask's own defaults, whatever a test before has set for a while."""
    dask.config.refresh()
    yield
    dask.config.refresh()


@pytest.mark.usefixtures("untouched_configuration")
def test_slurm_jobs_are_as_dasks_configuration_says_with_the_tag():
    told = {"jobqueue.slurm.cores": 3, "jobqueue.slurm.memory": "5GB", "jobqueue.slurm.queue": "q"}
    with dask.config.set(told), cluster._cluster("slurm", 0, "GPU") as queue:
        script = queue.job_script()
    assert "#SBATCH -p q" in script
    assert "--cpus-per-task=3" in script
    assert "--resources GPU=1" in script


@pytest.mark.usefixtures("untouched_configuration")
def test_a_slurm_queue_that_nobody_described_is_named():
    with (
        pytest.raises(ClusterError, match=r"started as 'slurm'.*cores"),
        spread_over("slurm", 0),
    ):
        pass
