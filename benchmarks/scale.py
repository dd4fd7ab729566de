"""10,000 synthetic submissions through scheduler, result store and gradebook writer.

The grading itself is left out: a worker answers at once with the result and the notebook of one
real submission, under the name of the job's, so that what is seen is all the rest. Prints for each
thousand the rate of a first run, that of a second one, in which nothing is new, and the memory;
then how long pages and report take. None of it may bend: the last thousand as fast as the first.

    python benchmarks/scale.py --submissions 10000 --workers 2
    python benchmarks/scale.py --submissions 10000 --dask local
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from grading import ROOT, UNIT, jobs_of, make_course, used_memory

from autograder import cluster, workers
from autograder.assignment import Course
from autograder.classroom import grade_class
from autograder.feedback import write_feedback
from autograder.grading import Graded, Job, grade_submission
from autograder.report import write_report


def answer(sample: Graded, job: Job, *_: object) -> Graded:
    """What a worker says at once."""
    result = replace(sample.result, student=job.submission.student, key=job.key)
    return replace(sample, result=result)


def synthetic_class(folder: Path, submissions: int) -> tuple[Course, Graded]:
    """A course with so many submissions, and what the only one earns that is a notebook."""
    course = make_course(folder, 1)
    for number in range(1, submissions):
        other = course.submitted(f"student{number:05}", UNIT)
        other.mkdir(parents=True)
        (other / f"{UNIT}.ipynb").write_text(f"number {number}", encoding="utf-8")
    return course, grade_submission(jobs_of(course, 1, "none")[0])


@contextmanager
def synthetic_workers(sample: Graded) -> Iterator[None]:
    """Let workers, of whichever kind, grade nothing."""
    with (
        mock.patch.object(workers, "grade_job", partial(answer, sample)),
        mock.patch.object(cluster, "_grade_there", partial(answer, sample)),
    ):
        yield


def run(course: Course, count: int, dask: str | None, title: str) -> dict[str, Any]:
    """One run over the class; rate and memory of each thousand."""
    moments, memory = [time.perf_counter()], [used_memory()]
    step = min(1000, len(list((course.root / "submitted").iterdir())) // 4)

    def progress(*_: object) -> None:
        moments.append(time.perf_counter())
        if len(moments) % step == 1:
            memory.append(used_memory())

    connected = cluster.spread_over(dask, count) if dask else nullcontext()
    with connected as spread:
        grade_class(course, UNIT, sandbox="none", workers=count, spread=spread, progress=progress)
    # The start-up is no part of the first thousand's rate.
    moments[0] = moments[1]
    rates = [
        step / (later - before)
        for before, later in zip(moments[::step], moments[step::step], strict=False)
    ]
    print(f"\n{title}\n\n| {step} submissions | a second | MiB, all processes |\n|---|---|---|")
    for number, (rate, used) in enumerate(zip(rates, memory[1:], strict=True), start=1):
        print(f"| {number} | {rate:.1f} | {used:.0f} |", flush=True)
    print(f"\nlast / first: {rates[-1] / rates[0]:.3f}; memory: {memory[-1] / memory[1]:.3f}")
    return {"rates": rates, "mebibytes": memory}


def pages(course: Course, count: int) -> dict[str, float]:
    """Seconds for all feedback pages and the report, made and found to be current."""
    taken = {}
    for what in ("made", "current"):
        for name, write in (
            ("feedback", partial(write_feedback, course.root, UNIT, count)),
            ("report", partial(write_report, course.root, UNIT)),
        ):
            began = time.perf_counter()
            write()
            taken[f"{name}, {what}"] = time.perf_counter() - began
            print(f"{name}, {what}: {taken[f'{name}, {what}']:.1f} s", flush=True)
    return taken


def main() -> None:
    """Run all of it and keep the figures in _build/benchmarks/scale.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--dask", help="as for autograder grade")
    parser.add_argument("--pages", action="store_true", help="feedback and report, too")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    record: dict[str, Any] = dict(vars(args))
    with tempfile.TemporaryDirectory() as folder:
        course, sample = synthetic_class(Path(folder), args.submissions)
        with synthetic_workers(sample):
            for title in ("all of it new", "nothing new"):
                record[title] = run(course, args.workers, args.dask, title)
        if args.pages:
            record["pages"] = pages(course, args.workers)
    path = ROOT / "_build" / "benchmarks" / "scale.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"\nload after {os.getloadavg()[0]:.1f}; {path}")


if __name__ == "__main__":
    main()
