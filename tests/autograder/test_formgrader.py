"""nbgrader's own grading pages open on what is stored, and marks given there stay."""

import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from time import monotonic

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.utils import is_grade, is_solution

from autograder.gradebook import open_gradebook

pytestmark = pytest.mark.slow

CONFIG = """
c = get_config()
c.CourseDirectory.root = {root!r}
c.ServerApp.jpserver_extensions = {{"nbgrader.server_extensions.formgrader": True}}
c.ServerApp.port, c.ServerApp.ip, c.ServerApp.allow_root = {port}, "127.0.0.1", True
c.ServerApp.open_browser = False
c.ServerApp.port_retries = 0
c.IdentityProvider.token = ""
c.ServerApp.disable_check_xsrf = True
"""


def record(course, released, why: str) -> None:
    notebook = nbformat.reads(nbformat.writes(released), as_version=4)
    for cell in notebook.cells:
        if is_grade(cell) and is_solution(cell):
            cell.source = why
        elif is_grade(cell):
            data = {"text/plain": "2.0"}
            cell.outputs = [nbformat.v4.new_output("execute_result", data=data)]
    with open_gradebook(course, "luong") as gradebook:
        gradebook.record("ada", {"luong": nbformat.writes(notebook)}, None)


@pytest.fixture
def formgrader(home, submit, released, tmp_path):
    """Ask the pages of a running formgrader: formgrader(path), or with something to put."""
    submit("ada", released)
    record(home, released, "Because.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "jupyter_server_config.py"
    config.write_text(CONFIG.format(root=str(home.root.resolve()), port=port), encoding="utf-8")
    elsewhere = {"JUPYTER_CONFIG_DIR": str(tmp_path / "none"), "HOME": str(tmp_path)}
    environment = {**os.environ, **elsewhere}
    command = [sys.executable, "-m", "jupyter_server", f"--config={config}"]
    with subprocess.Popen(
        command, cwd=home.root, env=environment, stderr=subprocess.PIPE, text=True
    ) as server:
        said = []
        for line in server.stderr:
            said.append(line)
            if "is running at" in line:
                break
        else:
            pytest.fail("".join(said))

        def ask(path: str, put: dict | None = None) -> str:
            body = None if put is None else json.dumps(put).encode()
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/formgrader/{path}",
                data=body,
                method="PUT" if put else "GET",
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read().decode()

        until = monotonic() + 60
        while True:  # it says that it is running a little before it listens
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert monotonic() < until, server.poll()
        yield ask
        server.terminate()
        server.stderr.read()


def test_its_pages_open_and_marks_given_there_stay(formgrader, home, released):
    assert "<title>nbgrader formgrade</title>" in formgrader("gradebook/luong/luong/")
    [luong] = json.loads(formgrader("api/assignments"))
    assert (luong["name"], luong["num_submissions"]) == ("luong", 1)
    [ada] = json.loads(formgrader("api/submitted_notebooks/luong/luong"))
    assert (ada["student"], ada["needs_manual_grade"]) == ("ada", True)
    page = formgrader(f"submissions/{ada['id']}/")
    assert "Because." in page
    assert re.search(r"class=.*score", page)
    grades = json.loads(formgrader(f"api/grades?submission_id={ada['id']}"))
    [waiting] = [grade for grade in grades if grade["needs_manual_grade"]]
    assert waiting["name"] == "why_masks"
    formgrader(f"api/grade/{waiting['id']}", {"manual_score": 3, "extra_credit": None})
    record(home, released, "Because.")
    with Gradebook(home.database) as book:
        grade = book.find_grade("why_masks", "luong", "luong", "ada")
        assert (grade.manual_score, grade.needs_manual_grade) == (3, False)
    [ada] = json.loads(formgrader("api/submitted_notebooks/luong/luong"))
    assert ada["needs_manual_grade"] is False
