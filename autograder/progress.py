"""What is told while a class is graded, and at its end."""

import sys
from collections.abc import Iterable
from time import monotonic

import click
from tqdm import tqdm

from autograder.results import ClassResult, SubmissionResult


class Progress:
    """A bar with rate and estimate on a terminal, a line for each submission elsewhere."""

    def __init__(self, assignment: str, total: int):
        self._total = total
        self._began = monotonic()
        self._done = 0
        self._bar = tqdm(
            total=total,
            desc=f"Grading {assignment}",
            unit="notebook",
            disable=not sys.stderr.isatty(),
        )
        self.fresh = 0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def __call__(self, result: SubmissionResult, cached: bool) -> None:
        """Count a result, and show it if it is new."""
        self._done += 1
        self._bar.update()
        if cached:
            return
        self.fresh += 1
        self._say(
            f"[{self._done}/{self._total}{self._estimate()}] {result.student}: "
            f"{result.score:g}/{result.max_score:g}, {result.status} ({result.seconds:.1f} s). "
            f"{result.reason}"
        )

    def notice(self, message: str) -> None:
        """Say something that concerns no single submission."""
        self._say(message, err=True)

    def _estimate(self) -> str:
        """The pace so far and what it means for the rest; unchanged submissions cost nothing."""
        seconds = (monotonic() - self._began) / self.fresh
        left = seconds * (self._total - self._done)
        return f", {seconds:.1f} s each, {_clock(left)} left" if left else ""

    def _say(self, line: str, *, err: bool = False) -> None:
        if self._bar.disable:
            click.echo(line, err=err)
        else:
            self._bar.write(line)


def _clock(seconds: float) -> str:
    """Show a duration as people say it.

    >>> _clock(42), _clock(200), _clock(9000)
    ('42 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def summary(graded: ClassResult, fresh: int) -> Iterable[str]:
    """Say how the run ended, naming each submission that a person should look at, and why."""
    failed = [r for r in graded.results if r.status == "failed"]
    look = [r for r in graded.results if r.status == "problems"]
    for title, results in (("Failed", failed), ("To look at", look)):
        if results:
            yield f"{title}:"
            yield from (f"  {result.student}: {result.reason}" for result in results)
    waiting = sum(result.manual for result in graded.results)
    if waiting:
        yield f"{waiting} answers wait for a person: `nbgrader formgrader`, or its page in Jupyter."
    yield (
        f"{len(graded.results)} submissions: {fresh} graded now, "
        f"{len(graded.results) - fresh} unchanged; {len(look)} with something to look at, "
        f"{len(failed)} failed."
    )
