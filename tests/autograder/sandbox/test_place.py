"""A course that itself lies in the machine's folder for temporary files."""

import sys

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.execute import AUTO_SANDBOX, Limits, run_notebook
from autograder.sandbox import bubble, provisioner


@pytest.mark.slow
def test_an_environment_below_tmp_is_there_read_only_and_the_rest_is_cleared(monkeypatch):
    inside = f"{bubble.SCRATCH}/somebody/course/.venv"
    folders = bubble._environment_folders() | {inside: sys.prefix}
    monkeypatch.setattr(bubble, "_environment_folders", lambda: folders)
    sources = (
        f"print('home' in open('{inside}/pyvenv.cfg').read())",
        f"open('{inside}/../new', 'w')",
        f"open('{bubble.SCRATCH}/somebody/new', 'w')",
        f"open('{bubble.SCRATCH}/new', 'w')",
    )
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    look = new_notebook(cells=[new_code_cell(f"import os; print(os.listdir('{bubble.SCRATCH}'))")])
    provisioner.close_idle_bubbles()
    try:
        runs = run_notebook(notebook, {}, sandbox=AUTO_SANDBOX, limits=Limits())
        [warm] = provisioner._warm
        again = run_notebook(look, {}, sandbox=AUTO_SANDBOX, limits=Limits())
        assert provisioner._warm == [warm]
    finally:
        provisioner.close_idle_bubbles()
    assert runs[0].outputs[0]["text"] == "True\n"
    assert [run.status for run in runs.values()] == ["ok", "error", "error", "ok"]
    names = eval(again[0].outputs[0]["text"])
    assert {"home", "somebody"} <= set(names)
    assert "new" not in names
