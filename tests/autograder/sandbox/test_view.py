import ast
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from attention_lib import attention
from autograder.assignment import Course, graded_exercises, release
from autograder.sandbox.view import imports_of, reveals, visible_modules, write_view

SOLUTIONS = Path(__file__).parents[3] / "solutions"


def notebook(*sources):
    return new_notebook(cells=[new_code_cell(s) for s in sources])


def test_imports_are_those_of_the_code_cells_with_the_names_they_take():
    cells = notebook("import torch", "%matplotlib inline\nfrom attention_lib import plots")
    cells.cells.append(new_markdown_cell("import os"))
    assert imports_of(cells) == ("attention_lib", "attention_lib.plots", "torch")


def test_a_module_brings_what_it_imports_and_its_packages_and_nothing_else():
    seen = visible_modules(["attention_lib.results", "torch"])
    assert set(seen) == {"attention_lib", "attention_lib.results"}
    assert "attention_lib.scores" in visible_modules(["attention_lib.attention"])


def test_specs_are_in_no_view():
    assert not any("specs" in name for name in visible_modules(["autograder.specs.luong"]))


def test_a_view_holds_the_modules_and_the_data_beside_them(tmp_path):
    write_view(visible_modules(["attention_lib.results"]), tmp_path)
    package = tmp_path / "attention_lib"
    assert (package / "results" / "luong_states.json").is_file()
    assert sorted(p.name for p in package.iterdir()) == ["__init__.py", "py.typed", "results"]
    ast.parse((package / "results" / "__init__.py").read_text(encoding="utf-8"))


def test_an_import_that_shows_a_reference_is_found():
    oracle = attention.masked_softmax
    assert reveals(["attention_lib.plots"], [oracle]) == []
    assert reveals(["attention_lib.seq2seq"], [oracle]) == [
        f"{oracle.__module__}.{oracle.__name__}"
    ]


@pytest.mark.parametrize("unit", sorted(p.stem for p in SOLUTIONS.glob("*.py")))
def test_no_released_notebook_shows_its_own_references(unit, tmp_path):
    course = Course(tmp_path)
    release(unit, course, SOLUTIONS)
    released = nbformat.read(course.release(unit), as_version=4)
    oracles = [e.oracle for e in graded_exercises(released).values()]
    assert reveals(imports_of(released), oracles) == []
