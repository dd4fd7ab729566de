"""What students receive follows from what instructors edit, and can be solved."""

import importlib.util
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from autograder.assignment import (
    graded_exercises,
    notebook_bytes,
    released_notebook,
    source_notebook,
)
from autograder.execute import NO_SANDBOX, Limits, run_notebook
from autograder.selfcheck import check_notebook

ROOT = Path(__file__).parents[2]
UNITS = sorted(path.stem for path in (ROOT / "solutions").glob("*.py"))


def text(unit: str) -> str:
    return (ROOT / "solutions" / f"{unit}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("unit", UNITS)
def test_the_exercises_are_byte_for_byte_what_the_solutions_give(unit):
    assert (ROOT / "exercises" / f"{unit}.ipynb").read_bytes() == notebook_bytes(
        released_notebook(text(unit))
    ), f"run `autograder release {unit} --exercises exercises`"


@pytest.mark.parametrize("unit", UNITS)
def test_the_exercises_hold_no_solution_and_give_100_points(unit):
    released = nbformat.read(ROOT / "exercises" / f"{unit}.ipynb", as_version=4)
    solved = {c.metadata.nbgrader.grade_id: c.source for c in source_notebook(text(unit)).cells
              if c.metadata.get("nbgrader", {}).get("solution")}  # fmt: skip
    assert len(solved) >= 4
    everything = "\n".join(cell.source for cell in released.cells)
    for line in solution_lines(text(unit)):
        assert line not in everything
    for cell in released.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name in solved:
            assert "### BEGIN SOLUTION" not in cell.source
            left = "raise NotImplementedError()", "YOUR ANSWER HERE"
            assert cell.source.rstrip().endswith(left)
            assert cell.source != solved[name]
    assert sum(e.points for e in graded_exercises(released).values()) == 100


def solution_lines(source: str) -> list[str]:
    """The lines between the marks, but for those too short to give anything away."""
    regions = re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", source, re.DOTALL)
    lines = [line.strip() for region in regions for line in region.splitlines()]
    return [line for line in lines if len(line) > 15]


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_the_solutions_earn_full_marks_and_every_cell_runs(unit, tmp_path):
    path = tmp_path / f"{unit}.ipynb"
    notebook = source_notebook(text(unit))
    nbformat.write(notebook, path)
    verdicts = check_notebook(path, 60.0)
    assert all(verdict.points == verdict.max_points for verdict in verdicts)
    assert sum(verdict.max_points for verdict in verdicts) == 100
    runs = run_notebook(notebook, {}, sandbox=NO_SANDBOX, limits=Limits(cell=60.0))
    assert {run.status for run in runs.values()} == {"ok"}


@pytest.mark.parametrize("unit", UNITS)
def test_the_first_cell_installs_the_course_where_it_is_missing(unit, monkeypatch):
    cells = source_notebook(text(unit)).cells
    setup = next(cell.source for cell in cells if cell.cell_type == "code")
    commands, codes = [], [0, 1]

    def pip(command):
        commands.append(command)
        return SimpleNamespace(returncode=codes.pop(0))

    monkeypatch.setenv("ATTENTION_COURSE", "a-wheel.whl")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", pip)
    install = setup.split("\nimport torch")[0]
    exec(install, {})
    with pytest.raises(RuntimeError, match="could not be installed from 'a-wheel"):
        exec(install, {})
    assert commands[0][1:] == ["-m", "pip", "install", "--quiet", "a-wheel.whl"]
