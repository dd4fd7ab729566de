"""The same class graded by stock nbgrader, command and API, and by ours in the sandbox.

Every contestant gets a fresh copy of the same course and a process of its own; they take turns,
and a ratio is the median over the rounds of stock / ours. Ours is told twice: the whole command
with its start-up, which a large class pays once as a small one does, and its pace once the workers
are warm. Then, per submission, where our time goes. With --scale, N submissions in one run of ours:
the rate of each hundred and the memory of all processes. Wants a machine that does nothing else.

    python benchmarks/grading.py --students 30 --rounds 5 --workers 2
    python benchmarks/grading.py --rounds 0 --scale 1000
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import psutil
import torch

from autograder import execute, feedback, grading
from autograder.assignment import Course, notebook_bytes, release, released_notebook
from autograder.circumstances import Circumstances, course_secret
from autograder.classroom import grade_class
from autograder.execute import Limits, run_notebook
from autograder.feedback import write_feedback
from autograder.gradebook import open_gradebook
from autograder.grading import Job
from autograder.intake import collect
from autograder.results import write_json
from autograder.run_log import read_log
from autograder.sample import FOLDER, patched

ROOT = Path(__file__).parents[1]
UNIT = "luong"
WARM = "ours, once warm"
# Those of the sample class whose notebooks any grader can run; what they know differs.
STUDENTS = ("王小明", "ines.ferreira", "陈静怡", "mira.kovac", "ben.okafor", "amira.haddad")
API = f"""
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Config
api = NbGraderAPI(config=Config({{"CourseDirectory": {{"root": "."}}}}))
for student in sorted(api.get_submitted_students("{UNIT}")):
    assert api.autograde("{UNIT}", student, force=True)["success"], student
"""


def make_course(root: Path, students: int) -> Course:
    """Release the unit and hand in ``students`` notebooks, no two students' in a row alike."""
    course = Course(root)
    release(UNIT, course, ROOT / "solutions")
    released = released_notebook((ROOT / "solutions" / f"{UNIT}.py").read_text(encoding="utf-8"))
    work = [notebook_bytes(patched(released, FOLDER / UNIT / f"{s}.txt")) for s in STUDENTS]
    for number in range(students):
        folder = course.submitted(f"student{number:05}", UNIT)
        folder.mkdir(parents=True)
        (folder / f"{UNIT}.ipynb").write_bytes(work[number % len(work)])
    return course


def contestants(workers: int) -> dict[str, list[str]]:
    """The commands, each run in a course's folder."""
    scripts = Path(sys.executable).parent
    ours = [str(scripts / "autograder"), "grade", UNIT, "--course", ".", "--workers", str(workers)]
    return {
        "ours": ours,
        "nbgrader autograde": [str(scripts / "nbgrader"), "autograde", UNIT, "--force"],
        "nbgrader API": [sys.executable, "-c", API],
    }


def timed(command: list[str], course: Course, workers: int) -> tuple[float, float]:
    """Seconds a submission of a command in a fresh copy of a course: of all its time, and warm.

    It must succeed. Warm is from when each worker has graded one; stock nbgrader never is.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(course.root, folder, dirs_exist_ok=True)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True
        )
        seconds = time.perf_counter() - began
        graded = len(list(Path(folder, "autograded").glob(f"*/{UNIT}/{UNIT}.ipynb")))
        if done.returncode or graded != len(list(Path(folder, "submitted").iterdir())):
            raise RuntimeError(f"{command[0]} graded {graded}: {done.stderr[-2000:]}")
        log = read_log(Course(Path(folder)), UNIT) if Path(folder, "logs").exists() else []
    ends = [datetime.fromisoformat(line["time"]) for line in log if line["event"] == "graded"]
    whole = seconds / graded
    if len(ends) <= workers:
        return whole, whole
    return whole, (ends[-1] - ends[workers - 1]).total_seconds() / (graded - workers)


def compare(course: Course, students: int, rounds: int, workers: int) -> dict[str, Any]:
    """Let all take turns; seconds a submission, and how often ours fits into the others'."""
    taken: dict[str, list[float]] = {name: [] for name in (*contestants(workers), WARM)}
    for _ in range(rounds):
        for name, command in contestants(workers).items():
            whole, warm = timed(command, course, workers)
            taken[name].append(whole)
            if name == "ours":
                taken[WARM].append(warm)
            print(f"{name}: {whole:.2f} s a submission, {warm:.2f} once warm", flush=True)
    print(f"\n| {students} students | s a submission | × ours | × ours, warm |\n|---|---|---|---|")
    for name, seconds in taken.items():
        ratios = [
            statistics.median(a / b for a, b in zip(seconds, taken[ours], strict=True))
            for ours in ("ours", WARM)
        ]
        print(f"| {name} | {statistics.median(seconds):.2f} | {ratios[0]:.1f} | {ratios[1]:.1f} |")
    return {"seconds": taken}


# ---------------------------------------------------------------- where the time goes


def jobs_of(course: Course, submissions: int, sandbox: str) -> list[Job]:
    """The first jobs of a course."""
    released = {UNIT: course.release(UNIT).read_text(encoding="utf-8")}
    run = Circumstances(UNIT, released, course_secret(course), sandbox, Limits())
    folders = [course.submitted(f"student{n:05}", UNIT) for n in range(submissions)]
    return [run.job(collect(folder, [UNIT]), None) for folder in folders]


PARTS: dict[str, tuple[Any, str]] = {
    "rebuild": (grading, "rebuild"),
    "kernel start": (execute.Kernel, "__init__"),
    "kernel end": (execute.Kernel, "close"),
    "execution": (execute.Kernel, "_execute"),
    "judge": (grading, "_verdict"),
    "draw and encode cases": (grading, "make_request"),
    "pages": (feedback, "render_feedback"),
}


@contextmanager
def stopwatch() -> Iterator[dict[str, list[float]]]:
    """Add up the time spent in each part, by name."""
    spent: dict[str, list[float]] = {name: [0.0, 0.0] for name in PARTS}

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with measured(spent[name]):
                return function(*args, **kwargs)

        return wrapper

    with ExitStack() as stack:
        for name, (owner, attribute) in PARTS.items():
            replacement = watched(name, getattr(owner, attribute))
            stack.enter_context(mock.patch.object(owner, attribute, replacement))
        yield spent


@contextmanager
def measured(spent: list[float]) -> Iterator[None]:
    """Add wall-clock and own CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    spent[0] += time.perf_counter() - wall
    spent[1] += time.process_time() - cpu


def breakdown(course: Course, submissions: int) -> dict[str, Any]:
    """Milliseconds a submission in each part, one after the other in this process, warm."""
    torch.set_num_threads(1)
    jobs = jobs_of(course, submissions, "auto")
    grading.grade_submission(jobs[0])
    grading.grade_submission(jobs[-1])
    whole, book = [0.0, 0.0], [0.0, 0.0]
    with stopwatch() as spent, open_gradebook(course, UNIT) as gradebook:
        for job in jobs:
            with measured(whole):
                graded = grading.grade_submission(job)
            with measured(book):
                gradebook.record(job.submission.student, graded.notebooks, None)
                path = course.root / "results" / UNIT / f"{job.submission.student}.json"
                write_json(path, graded.result)
        write_feedback(course.root, UNIT)
    spent |= {"grading, whole": whole, "book": book}
    print("\n| per submission | ms | ms of the grader's CPU |\n|---|---|---|")
    for name, seconds in spent.items():
        wall, cpu = (1000 * s / submissions for s in seconds)
        print(f"| {name} | {wall:.0f} | {cpu:.0f} |")
    return {"milliseconds": {name: 1000 * s[0] / submissions for name, s in spent.items()}}


# ---------------------------------------------------------------- many submissions


def scale(course: Course, submissions: int, workers: int) -> dict[str, Any]:
    """Rate and memory of each hundred submissions of one run."""
    moments, memory = [time.perf_counter()], []
    step = min(100, max(1, submissions // 4))

    def progress(*_: object) -> None:
        moments.append(time.perf_counter())
        if len(moments) % step == 1:
            memory.append(used_memory())

    grade_class(course, UNIT, sandbox="auto", workers=workers, progress=progress)
    # The first submissions wait for the start-up: rates count from when they are done.
    warm = min(2 * workers, step)
    rates = [step / (moments[i] - moments[i - step]) for i in range(warm + step, submissions, step)]
    print(
        f"\n{submissions} submissions, {workers} workers: first after "
        f"{moments[1] - moments[0]:.1f} s"
    )
    print(f"\n| {step} submissions | a second | MiB, all processes |\n|---|---|---|")
    for number, (rate, used) in enumerate(zip(rates, memory, strict=False), start=1):
        print(f"| {number} | {rate:.2f} | {used:.0f} |")
    print(f"\nlast / first: {rates[-1] / rates[0]:.3f}; memory: {memory[-1] / memory[0]:.3f}")
    return {"rates": rates, "mebibytes": memory}


def used_memory() -> float:
    """Mebibytes of this process and all that it started; what they share counts once."""
    me = psutil.Process()
    total = 0
    for process in (me, *me.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 2**20


def smallest(course: Course) -> None:
    """An empty notebook: what cannot be less."""
    empty = released_notebook("# %%\n1")
    taken = []
    for _ in range(10):
        began = time.perf_counter()
        run_notebook(empty, {}, sandbox="auto", limits=Limits())
        taken.append(time.perf_counter() - began)
    print(f"\nA notebook of one empty cell: {1000 * statistics.median(taken):.0f} ms")


def main() -> None:
    """Run what is asked for and keep the figures in _build/benchmarks/grading.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scale", type=int, default=0, help="this many submissions in one run")
    args = parser.parse_args()
    names = ("torch", "nbgrader", "nbconvert", "ipykernel", "jupyter_client")
    record: dict[str, Any] = {name: version(name) for name in names}
    record |= {"cores": os.cpu_count(), "workers": args.workers, "load": os.getloadavg()[0]}
    print(", ".join(f"{key} {value}" for key, value in record.items()), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        course = make_course(Path(folder) / "class", args.students)
        if args.rounds:
            record |= compare(course, args.students, args.rounds, args.workers)
            record |= breakdown(course, min(args.students, 12))
            smallest(course)
        if args.scale:
            many = make_course(Path(folder) / "many", args.scale)
            record |= scale(many, args.scale, args.workers)
    path = ROOT / "_build" / "benchmarks" / "grading.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"\nload after {os.getloadavg()[0]:.1f}; {path}")


if __name__ == "__main__":
    main()
