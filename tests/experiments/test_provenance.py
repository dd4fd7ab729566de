"""Kept runs say which code they come from, and no script runs when it is only asked for help."""

import subprocess
import sys
from pathlib import Path

import provenance
import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted({path.stem for path in (ROOT / "experiments").glob("*.py")} - {"provenance"})


@pytest.fixture
def keep(monkeypatch, tmp_path):
    """Keep a run in a folder of the test's own, by the code of the commit named."""
    monkeypatch.setattr(provenance, "KEPT", tmp_path)

    def keep(name, commit, result, recipe=None):
        monkeypatch.setattr(provenance, "CODE", commit)
        return provenance.kept(__file__, name, recipe, lambda _path: {"result": result})

    return keep


def test_a_kept_run_keeps_the_commit_that_it_was_run_by(keep):
    first = keep("one", "aaa", 1)
    assert first["result"] == 1
    assert first["provenance"]["commit"] == "aaa"
    assert keep("one", "bbb", 2) == first
    assert keep("one", "bbb", 2, recipe="another")["result"] == 2


def test_a_record_names_the_commit_of_every_run_once(keep):
    runs = [keep(name, commit, 0) for name, commit in (("one", "a"), ("two", "b"), ("three", "a"))]
    origin = provenance.shared_provenance(runs)
    assert origin["commit"] == "a, b"
    assert origin["torch"] == provenance.provenance(__file__)["torch"]
    assert runs == [{"result": 0}] * 3


def test_a_run_that_fails_keeps_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "KEPT", tmp_path)
    with pytest.raises(ZeroDivisionError):
        provenance.kept(__file__, "one", None, lambda _path: {"result": 1 / 0})
    assert not list(tmp_path.iterdir())


def test_changed_code_is_told_apart_and_a_changed_record_is_none(monkeypatch, tmp_path):
    folder = tmp_path / "attention_lib" / "results"
    folder.mkdir(parents=True)
    (folder / "one.json").write_text("1")
    (folder.parent / "code.py").write_text("1")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "All"]):
        subprocess.run([*git, *arguments], check=True)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    clean = provenance._code()
    assert len(clean) == 40
    (folder / "one.json").write_text("2")
    assert provenance._code() == clean
    (folder.parent / "code.py").write_text("2")
    assert provenance._code() == f"{clean} with changes"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_mistyped_option_starts_no_run(script):
    """So that nobody overwrites a record who only wants to know what a script does."""
    done = subprocess.run(
        [sys.executable, ROOT / "experiments" / f"{script}.py", "--halp"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")
