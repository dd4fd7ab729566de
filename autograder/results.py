"""What grading produces: plain records that travel between processes and into the report."""

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.atomic import write_whole


@dataclass(frozen=True)
class Finding:
    """Something about a submission that its instructor should know, e.g. a deleted graded cell."""

    kind: str
    message: str


@dataclass(frozen=True)
class ExerciseResult:
    """The verdict on one exercise of one submission.

    ``status`` is a verdict's ("correct", "partial", "wrong", "not attempted", "error") or
    "not run"; ``checks`` holds each check's name, passed, weight, message and judged.
    """

    exercise: str
    title: str
    points: float
    max_points: float
    status: str
    message: str
    misconception: str | None = None
    misconception_title: str | None = None
    checks: Sequence[dict[str, Any]] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class SubmissionResult:
    """One student's row: marks, the reason in a sentence, and everything that was found.

    ``status`` is "graded", "problems" (graded, but something needs a look) or "failed" (nothing
    could be run); ``key`` identifies submission, assignment and environment by content;
    ``manual`` counts the answers that wait for a person.
    """

    student: str
    assignment: str
    key: str
    status: str
    reason: str
    score: float
    max_score: float
    manual: int = 0
    findings: Sequence[Finding] = field(default_factory=tuple)
    exercises: Sequence[ExerciseResult] = field(default_factory=tuple)
    seconds: float = 0.0

    @property
    def outline(self) -> str:
        """The reason without the findings that it quotes: for where all of them follow."""
        told = self.reason
        for finding in self.findings:
            if finding.message.endswith("."):  # only a whole sentence leaves no stump
                told = told.replace(finding.message, "")
        return " ".join(_LEFT_OUT.sub("", told).split())


_LEFT_OUT = re.compile(r"Findings not shown here: \d+\.")


@dataclass(frozen=True)
class ClassResult:
    """All rows of one assignment; ``graded_at`` is an ISO 8601 time."""

    assignment: str
    title: str
    results: Sequence[SubmissionResult]
    graded_at: str


def write_json(path: Path, record: Any) -> None:
    """Write a record (a dataclass instance) as JSON, atomically: readers never see half a file."""
    text = json.dumps(dataclasses.asdict(record), ensure_ascii=False, indent=1)
    write_whole(path, f"{text}\n".encode())


def submission_from(data: dict[str, Any]) -> SubmissionResult:
    """Rebuild a SubmissionResult from its JSON form."""
    return SubmissionResult(
        **{
            **data,
            "findings": tuple(Finding(**f) for f in data["findings"]),
            "exercises": tuple(
                ExerciseResult(**{**e, "checks": tuple(e["checks"])}) for e in data["exercises"]
            ),
        }
    )


def read_submission(path: Path) -> SubmissionResult:
    """Read one student's result."""
    return submission_from(json.loads(path.read_text(encoding="utf-8")))


def read_class(path: Path) -> ClassResult:
    """Read a whole class."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return ClassResult(**{**data, "results": tuple(submission_from(r) for r in data["results"])})
