"""Notebooks in the real sandbox; skipped, with the reason, where the machine has none."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.execute import AUTO_SANDBOX, Limits, run_notebook
from autograder.sandbox.protocol import Allowance

IMPORTS = ("attention_lib.plots", "attention_lib.results", "autograder.checks")
# Small, so that an attack that succeeds does little harm.
ALLOWANCE = Allowance(
    memory=512 * 2**20, processes=64, file_size=8 * 2**20, disk=16 * 2**20, cpu=60
)


@pytest.fixture(autouse=True)
def _machine(request):
    if request.module.__name__.rpartition(".")[2] != "test_view":
        request.getfixturevalue("bubblewrap")


@pytest.fixture(scope="session")
def sandboxed():
    """Run cells in a warm bubble: what each did and printed. Each call is a new submission."""

    def run(*sources, cell=20.0):
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        limits = Limits(cell=cell, submission=60.0, grace=0.5, allowance=ALLOWANCE)
        runs = run_notebook(notebook, {}, sandbox=AUTO_SANDBOX, limits=limits, imports=IMPORTS)
        return [_outcome(runs[index]) for index in range(len(sources))]

    return run


def _outcome(run):
    """The status, and what was printed or the exception."""
    shown = "".join(o["text"] for o in run.outputs if o["output_type"] == "stream")
    return run.status, run.error or shown.strip()
