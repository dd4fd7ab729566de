"""What a submission's result depends on, told by content: the same again is not graded again."""

import contextlib
import hashlib
import json
import os
import platform
import secrets
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat

import autograder
from autograder.assignment import AssignmentError, Course, exercise_of, is_test
from autograder.execute import Limits
from autograder.grading import Job, case_seed
from autograder.intake import Submission
from autograder.processes import GRADER
from autograder.sandbox import view

_SECRET_BYTES = 32
_VERSIONS = ("torch", "numpy", "nbgrader", "nbformat", "ipykernel", "jupyter_client")


@dataclass(frozen=True)
class Circumstances:
    """What all submissions of a run have in common."""

    assignment: str
    released: Mapping[str, str]
    secret: bytes
    sandbox: str
    limits: Limits

    @cached_property
    def digest(self) -> str:
        """Changes with anything, outside a submission, that its result depends on."""
        released = [part for item in sorted(self.released.items()) for part in item]
        settings = (self.sandbox, repr(self.limits), self.secret.hex())
        return _digest(*released, *settings, self._environment)

    @cached_property
    def _environment(self) -> str:
        return environment_digest(self.units, self.imports)

    @cached_property
    def exercises(self) -> list[tuple[str, str]]:
        """The (unit, exercise) of every check in the released notebooks."""
        notebooks = [nbformat.reads(text, as_version=4) for text in self.released.values()]
        cells = [cell for notebook in notebooks for cell in notebook.cells if is_test(cell)]
        return [address for cell in cells if (address := exercise_of(cell))]

    @property
    def units(self) -> tuple[str, ...]:
        """The units whose specs judge this assignment."""
        return tuple(sorted({unit for unit, _ in self.exercises}))

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """The modules that the released notebooks import."""
        notebooks = [nbformat.reads(text, as_version=4) for text in self.released.values()]
        return tuple(sorted({name for n in notebooks for name in view.imports_of(n)}))

    def job(self, submission: Submission, timestamp: str | None) -> Job:
        """The job of grading one submission."""
        return Job(
            submission=submission,
            assignment=self.assignment,
            released=self.released,
            secret=self.secret,
            sandbox=self.sandbox,
            limits=self.limits,
            key=_digest(
                self.digest,
                submission.student,
                json.dumps(content_hashes(submission)),
                json.dumps([[f.kind, f.message] for f in submission.findings]),
                str(timestamp),
            ),
        )

    def seeds(self, student: str) -> dict[str, int]:
        """The seed of each exercise's cases, for one student."""
        addresses = [f"{self.assignment}/{name}" for _, name in self.exercises]
        return {address: case_seed(self.secret, student, address) for address in addresses}

    def described(self) -> dict[str, Any]:
        """What a log says of a run; all of it but the secret."""
        return {
            "released": {name: _sha256(text.encode()) for name, text in self.released.items()},
            "environment": self._environment,
            "versions": {"python": platform.python_version()} | {n: version(n) for n in _VERSIONS},
            "sandbox": self.sandbox,
            "limits": repr(self.limits),
        }


def content_hashes(submission: Submission) -> dict[str, str | None]:
    """The SHA-256 of each notebook that was handed in."""
    return {n: c if c is None else _sha256(c) for n, c in sorted(submission.contents.items())}


def course_secret(course: Course) -> bytes:
    """Read the course's secret, from which cases are drawn; made once, for its owner alone.

    Raises:
        AssignmentError: the file is damaged.
    """
    path = course.root / "grading-secret"
    if not path.exists():
        scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_SECRET_BYTES))
        with contextlib.suppress(FileExistsError):  # another process made it meanwhile
            os.link(scratch, path)
        scratch.unlink()
    text = path.read_text(encoding="ascii", errors="replace")
    if len(text) != 2 * _SECRET_BYTES:
        raise AssignmentError(
            f"{path} is damaged: put it back from a copy, or remove it to have every submission "
            "graded again with other cases."
        )
    return bytes.fromhex(text)


def environment_digest(units: Iterable[str] = (), imports: Iterable[str] = ()) -> str:
    """A digest of the versions and of all code that can change a result.

    That is what the grader, the units' specs and the released notebooks import, so that a change
    in one unit has no other graded again.
    """
    digest = hashlib.sha256(sys.version.encode())
    for name in _VERSIONS:
        digest.update(f"{name} {version(name)}\n".encode())
    sandbox = Path(autograder.__path__[0], "sandbox").glob("*.py")
    roots = [GRADER, *(f"autograder.specs.{u}" for u in units), *imports]
    roots += [f"autograder.sandbox.{path.stem}" for path in sandbox]
    modules = view.reached_modules(roots)
    data = [file for beside in view.data_files(modules).values() for file in beside]
    for file in sorted({*modules.values(), *data}):
        digest.update(f"{file.name} {_sha256(file.read_bytes())}\n".encode())
    return digest.hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest(*parts: str) -> str:
    return _sha256(json.dumps(parts).encode())
