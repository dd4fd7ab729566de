"""The floors that the package's docstring names are those of its imports."""

import ast
from pathlib import Path

import pytest

import attention_lib

PACKAGE = Path(attention_lib.__file__).parent
# From the bottom; a floor may use itself and those below.
FLOORS = [
    {"checks", "masks", "scores", "positions", "cells"},
    {"data", "results"},
    {"attention", "efficient", "triton_attention", "area_attention", "local_attention", "fast"},
    {"losses", "schedules", "embedding", "padding", "multihead", "pooling", "fast_recurrent"},
    {"recurrent", "layers", "visual_attention", "inside"},
    {"seq2seq", "transformer", "language_models", "captioning", "classification"},
    {"decoding", "checkpoint", "training", "metrics", "recurrence_cost"},
    {"evaluation", "explanation", "plots"},
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported(path: Path) -> set[str]:
    """All modules that a file imports, with their full names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= whole if node.module == "attention_lib" else {node.module}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_uses_its_own_floor_and_those_below(path):
    name = _name(path)
    if name == "__init__":
        return
    floor = next((i for i, names in enumerate(FLOORS) if name in names), None)
    assert floor is not None, f"{name} stands on no floor: add it to the floors and the docstring"
    allowed = set().union(*FLOORS[: floor + 1])
    used = {n.split(".")[1] for n in _imported(path) if n.startswith("attention_lib.")}
    assert used <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_library_knows_nobody(path):
    strangers = {"autograder", "nbgrader", "nbformat", "sphinx", "transformers"}
    assert not {name.split(".")[0] for name in _imported(path)} & strangers


def test_the_docstring_names_every_module():
    words = set(attention_lib.__doc__.replace(",", " ").replace(":", " ").split())
    names = {_name(path) for path in MODULES} - {"__init__"}
    assert not names - words
