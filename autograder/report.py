"""The class report: one page that an instructor can show at a meeting."""

import hashlib
import os
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from autograder.assignment import Course
from autograder.pages import (
    OUTCOMES,
    STATUS_WORDS,
    is_current,
    made_from,
    percent,
    read_results,
    released_title,
    render_page,
    write_atomically,
)
from autograder.results import ClassResult, ExerciseResult, SubmissionResult
from autograder.similar import Pair, similar_submissions

_FEWEST = 5
_WEAK = 0.2


@dataclass(frozen=True)
class ExerciseRow:
    """How the class did on one exercise: students per outcome and the mean of the points.

    ``discrimination`` is the correlation of its points with all the others of the same student;
    None where there are too few students, or where all did alike.
    """

    exercise: str
    title: str
    max_points: float
    mean: float
    counts: dict[str, int]
    discrimination: float | None

    @property
    def weak(self) -> bool:
        """Whether those who did well elsewhere did no better here: a reason to read the task."""
        return self.discrimination is not None and self.discrimination < _WEAK


@dataclass(frozen=True)
class MisconceptionRow:
    """One misconception, where it was found and in whose work."""

    title: str
    exercise_title: str
    students: tuple[str, ...]


@dataclass(frozen=True)
class Marks:
    """The distribution of marks in percent; quartiles are None for an empty class."""

    bins: tuple[int, ...]
    quartiles: tuple[float, float, float] | None
    lowest: float
    highest: float


def distribution(percents: Sequence[float]) -> Marks:
    """Count marks in ten bins of 10 % (the last one includes 100) and find the quartiles.

    >>> distribution([0, 50, 100]).quartiles
    (25.0, 50.0, 75.0)
    """
    bins = [0] * 10
    for value in percents:
        bins[min(9, int(value // 10))] += 1
    if not percents:
        return Marks(tuple(bins), None, 0.0, 0.0)
    # quantiles() wants two values; a class of one is its own quartiles.
    points = list(percents) if len(percents) > 1 else [*percents, *percents]
    low, middle, high = statistics.quantiles(points, n=4, method="inclusive")
    return Marks(tuple(bins), (low, middle, high), min(percents), max(percents))


def exercise_rows(results: Sequence[SubmissionResult]) -> list[ExerciseRow]:
    """Summarise every exercise over the class; who has no verdict on it counts as "not run"."""
    by_name: dict[str, list[ExerciseResult]] = {}
    for result in results:
        for verdict in result.exercises:
            by_name.setdefault(verdict.exercise, []).append(verdict)
    rows = []
    for name, verdicts in by_name.items():
        found = Counter(v.status if v.status in OUTCOMES else "error" for v in verdicts)
        found["not run"] += len(results) - len(verdicts)
        rows.append(
            ExerciseRow(
                exercise=name,
                title=verdicts[0].title,
                max_points=verdicts[0].max_points,
                mean=sum(v.points for v in verdicts) / len(results),
                counts={outcome: found[outcome] for outcome in OUTCOMES if found[outcome]},
                discrimination=discrimination(name, results),
            )
        )
    return rows


def discrimination(exercise: str, results: Sequence[SubmissionResult]) -> float | None:
    """Correlate the points of one exercise with those of the others, over who could be graded.

    >>> from autograder.results import ExerciseResult as E, SubmissionResult as S
    >>> marks = [(0, 1), (1, 2), (2, 5), (3, 7), (4, 8)]
    >>> group = [S("s", "a", "k", "graded", ".", 0, 0, exercises=(
    ...     E("f", "F", f, 4, "partial", ""), E("g", "G", g, 8, "partial", ""))) for f, g in marks]
    >>> round(discrimination("f", group), 2)
    0.99
    """
    pairs = [
        (v.points, sum(other.points for other in result.exercises) - v.points)
        for result in results
        for v in result.exercises
        if v.exercise == exercise and result.status != "failed"
    ]
    if len(pairs) < _FEWEST:
        return None
    here, elsewhere = zip(*pairs, strict=True)
    try:
        return statistics.correlation(here, elsewhere)
    except statistics.StatisticsError:  # all are equal
        return None


def misconception_rows(results: Sequence[SubmissionResult]) -> list[MisconceptionRow]:
    """List the misconceptions that were recognised, the most frequent first."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for result in results:
        for verdict in result.exercises:
            if verdict.misconception:
                title = verdict.misconception_title or verdict.misconception
                key = (verdict.exercise, verdict.misconception, title)
                found.setdefault(key, []).append(result.student)
    titles = {v.exercise: v.title for r in results for v in r.exercises}
    rows = [
        MisconceptionRow(title, titles[exercise], tuple(students))
        for (exercise, _, title), students in found.items()
    ]
    return sorted(rows, key=lambda row: -len(row.students))


def aliases(students: Sequence[str]) -> dict[str, str]:
    """Give each student a neutral name whose number follows neither alphabet nor marks."""
    shuffled = sorted(students, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())
    return {student: f"Student {i}" for i, student in enumerate(shuffled, start=1)}


def render_report(
    group: ClassResult, feedback: dict[str, str], similar: Sequence[Pair] = ()
) -> str:
    """Render the report; ``feedback`` holds the links of the students who have a feedback page.

    ``similar`` lists the pairs of students whose work a person should compare.
    """
    results = group.results
    # A notebook that could not be run says nothing about what its author understood.
    counted = [r for r in results if r.status != "failed"]
    return render_page(
        "report.html.j2",
        styles=["report.css"],
        scripts=["report.js"],
        group=group,
        when=datetime.fromisoformat(group.graded_at),
        states={word: sum(r.status == key for r in results) for key, word in STATUS_WORDS.items()},
        waiting=sum(r.manual for r in results),
        counted=len(counted),
        marks=distribution([percent(r.score, r.max_score) for r in counted]),
        max_score=max((r.max_score for r in results), default=0.0),
        exercises=exercise_rows(results),
        misconceptions=misconception_rows(results),
        similar=similar,
        attention=sorted(
            (r for r in results if r.status != "graded"), key=lambda r: r.status != "failed"
        ),
        rows=[(r, {v.exercise: v for v in r.exercises}) for r in results],
        alias=aliases([r.student for r in results]),
        feedback=feedback,
        percent=percent,
    )


def class_result(course: Path, assignment: str) -> ClassResult:
    """Collect the results of an assignment; its time is that of the latest result."""
    results = read_results(course, assignment)
    folder = course / "results" / assignment
    latest = max(p.stat().st_mtime for p in (folder, *folder.glob("*.json")))
    graded_at = datetime.fromtimestamp(latest).astimezone().isoformat(timespec="minutes")
    return ClassResult(assignment, released_title(course, assignment), results, graded_at)


def feedback_links(course: Path, group: ClassResult) -> dict[str, str]:
    """Find the feedback pages that exist, as links from the reports folder."""
    links = {}
    for result in group.results:
        folder = course / "feedback" / result.student / group.assignment
        page = next(iter(sorted(folder.glob("*.html"))), None)
        if page is not None:
            links[result.student] = quote(os.fsencode(Path("..") / page.relative_to(course)))
    return links


def write_report(course: Path, assignment: str) -> Path:
    """Write ``reports/<assignment>.html`` from the JSON results and return its path.

    Write the feedback pages first: the report links those that are there. A report that would say
    what it says already is left as it is.
    Raises FileNotFoundError when the assignment has never been graded.
    """
    group = class_result(course, assignment)
    links = feedback_links(course, group)
    path = course / "reports" / f"{assignment}.html"
    mark = made_from(group, links)
    if is_current(path, mark):
        return path
    graded = [result.student for result in group.results if result.status != "failed"]
    page = render_report(group, links, similar_submissions(Course(course), assignment, graded))
    return write_atomically(path, page.rstrip("\n") + "\n" + mark)
