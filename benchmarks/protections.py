"""What each protection of the sandbox costs: one is switched off at a time.

Each variant has a warm server of its own, made with one line taken out of the code that runs in
the sandbox, or one word out of bubblewrap's command. All take turns, with a notebook of one empty
cell and with a student's, graded whole, in an order that chance makes anew each round. What counts
is how much less a variant takes than the sandbox with all its protections: the median over the
rounds of full minus variant, and the standard error of that median.

    python benchmarks/protections.py --rounds 20
"""

import argparse
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch
from grading import STUDENTS, jobs_of, make_course

from autograder.assignment import released_notebook
from autograder.execute import run_notebook
from autograder.grading import grade_submission
from autograder.sandbox import provisioner, view
from autograder.sandbox.bubble import Bubble

FULL, NONE = "all of them", "no sandbox, and cold kernels"
# Name -> (file in the sandbox, what is there, what stands there instead).
LINES = {
    "Landlock": ("confine", "    _restrict_files(limits)\n", ""),
    "seccomp": ("confine", "    calls.load()\n", ""),
    "resource limits": ("confine", "    _limit_resources(limits.allowance)\n", ""),
    "a user of its own": ("confine", "if limits.uid is not None:", "if False:"),
    "the watch over memory and files": (
        "forkserver",
        "                self._watch()\n",
        "                self._reap()\n",
    ),
}
WORDS = {
    "no network": "--unshare-net",
    "no shared memory with others": "--unshare-ipc",
    "a host name of its own": "--unshare-uts",
}


class Variant:
    """The sandbox without one protection, with its own warm servers."""

    def __init__(self, name: str):
        self.name = name
        self.warm: list[object] = []
        self.seconds: dict[str, list[float]] = {}

    def run(self, what: str, work: Callable[[str], None]) -> None:
        """Take the time of one piece of work."""
        provisioner._warm[:] = self.warm
        with (
            mock.patch.object(view, "write_view", self._write_view),
            mock.patch.object(Bubble, "_namespaces", self._namespaces()),
        ):
            began = time.perf_counter()
            work("none" if self.name == NONE else "auto")
            self.seconds.setdefault(what, []).append(time.perf_counter() - began)
        self.warm = list(provisioner._warm)
        provisioner._warm.clear()

    def _write_view(self, modules: dict[str, Path], folder: Path) -> None:
        _write_view(modules, folder)
        if self.name in LINES:
            module, there, instead = LINES[self.name]
            path = folder / "autograder" / "sandbox" / f"{module}.py"
            text = path.read_text(encoding="utf-8")
            if text.count(there) != 1:
                raise RuntimeError(f"{path.name} has {there!r} {text.count(there)} times, wanted 1")
            path.write_text(text.replace(there, instead), encoding="utf-8")

    def _namespaces(self) -> Callable[[Bubble], list[str]]:
        left_out = WORDS.get(self.name)
        host = {"--hostname", "grading"} if left_out == "--unshare-uts" else set()

        def options(bubble: Bubble) -> list[str]:
            return [word for word in _namespaces(bubble) if word != left_out and word not in host]

        return options

    def close(self) -> None:
        """End its servers."""
        provisioner._warm[:] = self.warm
        provisioner.close_idle_bubbles()


_write_view, _namespaces = view.write_view, Bubble._namespaces


def main() -> None:
    """Print a Markdown table with a row for each protection."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=[*LINES, *WORDS, NONE])
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    empty = released_notebook("# %%\n1")
    variants = [Variant(name) for name in (FULL, *args.only)]
    with tempfile.TemporaryDirectory() as folder:
        job = jobs_of(make_course(Path(folder), len(STUDENTS)), 1, "auto")[0]

        def nothing(sandbox: str) -> None:
            run_notebook(empty, {}, sandbox=sandbox, limits=job.limits, imports=("torch",))

        def whole(sandbox: str) -> None:
            graded = grade_submission(replace(job, sandbox=sandbox))
            if graded.result.score != graded.result.max_score:
                raise RuntimeError(f"not full marks: {graded.result.reason}")

        chance = random.Random(0)
        for _ in range(args.rounds + 1):
            for variant in chance.sample(variants, len(variants)):
                variant.run("empty", nothing)
                variant.run("whole", whole)
    report(variants)
    for variant in variants:
        variant.close()
    print(f"\nload after {os.getloadavg()[0]:.1f}")


def report(variants: list[Variant]) -> None:
    """Print what each protection costs; the first round warmed up."""
    full = variants[0]
    for what, title in (("empty", "an empty notebook"), ("whole", "a student's")):
        median = 1000 * statistics.median(full.seconds[what][1:])
        print(f"\n{title}: {median:.0f} ms with all protections\n")
        print("| without | ms less | ± |\n|---|---|---|")
        for variant in variants[1:]:
            pairs = zip(full.seconds[what][1:], variant.seconds[what][1:], strict=True)
            less = [1000 * (a - b) for a, b in pairs]
            error = 1.253 * statistics.stdev(less) / math.sqrt(len(less))  # as of normal values
            print(f"| {variant.name} | {statistics.median(less):.1f} | {error:.1f} |")


if __name__ == "__main__":
    main()
