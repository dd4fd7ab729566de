"""Every command of the guides for instructors, run in the order in which they stand there."""

import csv
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.assignment import notebook_bytes

pytestmark = pytest.mark.slow

BOOK = Path(__file__).parents[3] / "book"
STAND_INS = Path(__file__).with_name("stand_ins.py")
FILE = re.compile(r"^```\{code-block\} \w+\n:caption: (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Exports name the other platform's students as left out, and end with 1: look at it.
LOOK_LATER = 'autograder() { command autograder "$@" || test $? -eq 1; }\n'
# What was graded would not be graded again by the next command, on the next kind of machine.
GRADE_ALL = 'autograder() { rm -rf my_course/results; command autograder "$@"; }\n'
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Luong attention (7)
    Points Possible,,,,,105
"Lovelace, Ada",12345,s1,ada,A,
"Hopper, Grace",12346,s2,grace,A,
"""
MOODLE = """\
Identifier,Full name,Email address,Status,Grade,Maximum Grade,Last modified (submission),\
Last modified (grade)
Participant 501,Alan Turing,alan@example.org,Submitted,,105.00,\
"Friday, 20 November 2026, 11:59 PM",-
"""


def free_ports(count: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [str(s.getsockname()[1]) for s in sockets]


@pytest.fixture
def school(tmp_path, fresh_home, student_notebook, right):
    """The repository's folder as the guide finds it, with what two platforms gave."""
    shutil.copytree(fresh_home / "solutions", tmp_path / "solutions")
    whole = notebook_bytes(student_notebook(**right))
    half = notebook_bytes(student_notebook(general_score=right["general_score"]))
    with zipfile.ZipFile(tmp_path / "submissions.zip", "w") as archive:
        archive.writestr("lovelaceada_12345_67890_luong.ipynb", whole)
        archive.writestr("hoppergrace_12346_67891_luong.ipynb", half)
    with zipfile.ZipFile(tmp_path / "moodle.zip", "w") as archive:
        archive.writestr("Alan Turing_501_assignsubmission_file_/luong.ipynb", half)
    (tmp_path / "gradebook.csv").write_text(CANVAS, encoding="utf-8")
    (tmp_path / "worksheet.csv").write_text(MOODLE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def follow(school):
    """Write a guide's files, run its commands in one shell, and end all they started."""
    shells, stand_ins = [], school / "stand_ins"
    (stand_ins / "bin").mkdir(parents=True)
    for name in ("sbatch", "scancel", "kubectl"):
        program = stand_ins / "bin" / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_INS} {name} "$@"\n')
        program.chmod(0o755)
    ports = free_ports(2)
    places = {"head-node": "127.0.0.1", "8786": ports[0], "8787": ports[1]}
    env = {
        **os.environ,
        "HOME": str(school),
        "PATH": f"{stand_ins / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "STAND_INS": str(stand_ins),
        "STAND_INS_PORTS": " ".join(ports),
    }

    def placed(text: str) -> str:
        for name, here in places.items():
            text = text.replace(name, here)
        return text

    def run(page: str, commands: str = "", first: str = "") -> str:
        text = (BOOK / f"{page}.md").read_text(encoding="utf-8")
        for name, content in FILE.findall(text):
            path = school / name.replace("~/", "")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(placed(content), encoding="utf-8")
        commands = first + placed(commands or "".join(COMMANDS.findall(text)))
        with (school / "said").open("w+", encoding="utf-8") as said:
            shell = subprocess.Popen(
                ["bash", "-euxo", "pipefail", "-c", commands], cwd=school, env=env,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip
            shells.append(shell)
            status = shell.wait(timeout=500)
            said.seek(0)
            told = said.read()
        assert status == 0, told
        return told

    yield run
    groups = stand_ins / "groups"
    left = groups.read_text(encoding="ascii").split() if groups.exists() else []
    for group in [*(shell.pid for shell in shells), *map(int, left)]:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def marks(school: Path) -> dict[str, float]:
    with Gradebook(f"sqlite:///{school / 'my_course' / 'gradebook.db'}") as book:
        return {s.student.id: s.score for s in book.assignment_submissions("luong")}


@pytest.mark.usefixtures("bubblewrap")
def test_the_instructor_guide_leads_from_release_to_marks(follow, school):
    said = follow("instructor_guide", first=LOOK_LATER)
    assert "To look at" not in said
    assert marks(school) == {"ada": 24.0, "grace": 12.0, "alan@example.org": 12.0}
    with (school / "marks_canvas.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["SIS Login ID"]: row["Luong attention (7)"] for row in csv.DictReader(file)}
    assert (rows["ada"], rows["grace"]) == ("24", "12")
    assert (school / "my_course/feedback/ada/luong/luong.html").is_file()
    assert (school / "my_course/reports/luong.html").is_file()


def sections(page: str) -> dict[str, list[str]]:
    """The blocks of commands below each heading of a page."""
    text = (BOOK / f"{page}.md").read_text(encoding="utf-8")
    parts = (part.partition("\n") for part in text.split("\n## ")[1:])
    return {title: COMMANDS.findall(body) for title, _, body in parts}


MANY = sections("many_machines")
CERTIFICATE = MANY["Some machines in a room"][0]


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("title", [title for title, blocks in MANY.items() if blocks])
def test_the_guide_to_many_machines_grades_on_each_kind_of_them(follow, school, title):
    program = Path(sys.executable).with_name("autograder")
    for command in ("release luong", "collect luong --from submissions.zip --roster gradebook.csv"):
        subprocess.run([program, *command.split(), "--course", "my_course"], cwd=school, check=True)
    blocks = MANY[title] if CERTIFICATE in MANY[title] else [CERTIFICATE, *MANY[title]]
    said = follow("many_machines", "".join(blocks), GRADE_ALL)
    assert marks(school) == {"ada": 24.0, "grace": 12.0}
    runs = re.findall(r"^\+ autograder grade", said, re.MULTILINE)
    assert said.count("2 submissions: 2 graded now") == len(runs) >= 1
