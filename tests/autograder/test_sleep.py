"""A machine that falls asleep in the middle of a run: every process stops, and goes on later."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from autograder.assignment import Course

AUTOGRADER = Path(sys.executable).with_name("autograder")
LIMIT = 200.0


def grade(course: Course) -> "subprocess.Popen[str]":
    command = [AUTOGRADER, "grade", "luong", "--course", course.root, "--sandbox", "none"]
    return subprocess.Popen(
        [*command, "--workers", "1", "--timeout", str(LIMIT)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def told(course: Course) -> dict[str, tuple]:
    """What each result says but for the time taken."""
    results = [
        json.loads(p.read_text("utf-8")) for p in (course.root / "results" / "luong").glob("*.json")
    ]
    return {r["student"]: (r["status"], r["reason"], r["findings"]) for r in results}


def signal_all(session: int, signum: int) -> None:
    """Signal every process of a session, those in groups of their own included."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(ProcessLookupError):
            if os.getsid(int(name)) == session:
                os.kill(int(name), signum)


@pytest.mark.slow
def test_a_run_goes_on_after_its_machine_slept(home, submit, student_notebook, right, booked):
    for student in ("ada", "bob", "cyd"):
        submit(student, student_notebook(**right))
    undisturbed = Course(Path(shutil.copytree(home.root, home.root.with_name("undisturbed"))))
    assert grade(undisturbed).wait() == 0
    running = grade(home)
    try:
        assert running.stdout.readline().startswith("[1/3")
        signal_all(running.pid, signal.SIGSTOP)
        time.sleep(3)
        signal_all(running.pid, signal.SIGCONT)
        assert running.wait(timeout=400) == 0
    finally:
        signal_all(running.pid, signal.SIGKILL)
    assert booked(home, "luong") == booked(undisturbed, "luong")
    assert told(home) == told(undisturbed)


def test_limits_are_measured_by_a_clock_that_sleeps_with_the_machine():
    """Linux' CLOCK_MONOTONIC stands still while the machine is suspended."""
    assert time.get_clock_info("monotonic").implementation == "clock_gettime(CLOCK_MONOTONIC)"
    package = Path(__file__).parents[2] / "autograder"
    used = {p.name for p in package.rglob("*.py") if "time.time()" in p.read_text("utf-8")}
    assert used == set()
