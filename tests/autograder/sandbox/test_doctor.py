from dataclasses import replace

import pytest

from autograder import workers
from autograder.execute import Limits
from autograder.sandbox import bubble, doctor, provisioner
from autograder.sandbox.protocol import SandboxError


@pytest.fixture(scope="module")
def findings():
    return doctor.examine()


def test_every_protection_holds_where_these_tests_run(findings):
    assert [f for f in findings if not f.holds] == []
    assert doctor.missing(findings) == ""


def test_a_missing_protection_is_named_with_what_to_do(findings):
    told = doctor.missing([*findings, replace(findings[0], holds=False, seen="it was allowed")])
    assert f"{findings[0].protection} (it was allowed)" in told
    assert "--sandbox none" in told


def test_a_machine_without_bubblewrap_is_told_what_to_install(monkeypatch):
    provisioner.close_idle_bubbles()
    monkeypatch.setattr(bubble.shutil, "which", lambda name: None)
    [finding] = doctor.examine()
    assert not finding.holds
    assert "apt-get install bubblewrap" in finding.seen


def test_a_worker_whose_server_does_not_get_ready_grades_nothing(bubblewrap, monkeypatch):
    monkeypatch.setattr(doctor, "examine", lambda imports: [])
    monkeypatch.setattr(bubble, "_START", 0.01)
    provisioner.close_idle_bubbles()
    try:
        with pytest.raises(SandboxError, match="does not answer"):
            workers._holes.__wrapped__(("torch",), Limits())
    finally:
        provisioner.close_idle_bubbles()
