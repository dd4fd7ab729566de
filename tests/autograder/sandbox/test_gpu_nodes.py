"""A GPU's device nodes in the sandbox, with other nodes in the place of the GPU's."""

import os
import stat

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from autograder.execute import AUTO_SANDBOX, Limits, run_notebook
from autograder.sandbox import bubble, provisioner


@pytest.fixture
def dev(tmp_path):
    """A folder like /dev: a 'GPU' that gives zeros, a screen, a file with a GPU's name."""
    try:
        for name in ("nvidia0", "nvidiactl", "nvidia-modeset"):
            os.mknod(tmp_path / name, stat.S_IFCHR | 0o666, os.makedev(1, 5))
            (tmp_path / name).chmod(0o666)
        (tmp_path / "nvidia0").open("rb").close()
    except PermissionError as problem:
        pytest.skip(f"no device nodes can be made here: {problem}")
    (tmp_path / "nvidia1").write_text("no device")
    return tmp_path


def test_only_what_computes_passes_and_only_what_is_not_hidden(dev, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert bubble.gpu_nodes(dev) == {
        "/dev/nvidia0": str(dev / "nvidia0"),
        "/dev/nvidiactl": str(dev / "nvidiactl"),
    }
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert bubble.gpu_nodes(dev) == {}


@pytest.mark.slow
def test_a_gpu_can_be_used_and_the_limits_stay(dev, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(bubble, "_DEV", dev)
    sources = (
        "print(len(open('/dev/nvidia0', 'r+b', buffering=0).read(9)))",
        "import os; print(os.path.exists('/dev/nvidia-modeset'))",
        "open('/dev/nvidia2', 'w')",
        "import socket; socket.socket(socket.AF_INET)",
        "open('/usr/lib/new', 'w')",
        "import os; print(os.listdir('/sys/bus/pci') is not None, os.path.exists('/sys/fs'))",
    )
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    try:
        runs = run_notebook(
            notebook, {}, sandbox=AUTO_SANDBOX, limits=Limits(), imports=("torch.cuda",)
        )
    finally:
        provisioner.close_idle_bubbles()
    printed = ["".join(o.get("text", "") for o in run.outputs).strip() for run in runs.values()]
    assert printed[:2] == ["9", "False"]
    assert [run.status for run in runs.values()][2:5] == ["error"] * 3
    assert printed[5] == "True False"
