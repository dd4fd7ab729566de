import zipfile
from dataclasses import replace

import nbformat
import pytest
from click.testing import CliRunner

from autograder import classroom
from autograder.assignment import notebook_bytes
from autograder.checks.spec import known_units
from autograder.cli import main
from autograder.sandbox import doctor
from autograder.sandbox.protocol import SandboxError

COMMANDS = [
    "release",
    "sample-class",
    "collect",
    "grade",
    "feedback",
    "report",
    "export",
    "doctor",
    "audit",
    "check",
]


@pytest.fixture
def cli():
    """Run a command line: its exit code and what it said."""

    def run(*words):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.output

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example(command, cli):
    code, said = cli(command, "--help")
    assert code == 0
    assert f"autograder {command} " in said.split("Example:")[1]


def test_help_says_what_exit_codes_mean(cli):
    assert "Exit codes: 0" in cli("--help")[1]


def test_release_writes_the_course_and_the_students_copy(cli, tmp_path, fresh_home):
    words = ["release", "luong", "--course", tmp_path / "course"]
    words += ["--solutions", fresh_home / "solutions", "--exercises", tmp_path / "exercises"]
    code, said = cli(*words)
    assert (code, "Released" in said) == (0, True)
    assert (tmp_path / "exercises" / "luong.ipynb").is_file()
    assert "Up to date" in cli(*words)[1]


def test_release_without_a_text_names_the_file_and_the_next_step(cli, tmp_path):
    code, said = cli("release", "luong", "--course", tmp_path, "--solutions", tmp_path)
    assert code == 2
    assert "luong.py does not exist" in said
    assert "--solutions" in said


def test_sample_class_says_what_is_wrong_and_what_to_run(cli, tmp_path):
    code, said = cli("sample-class", "nothing", "--course", tmp_path)
    assert (code, "There is no sample class for 'nothing'" in said) == (2, True)
    code, said = cli("sample-class", "luong", "--course", tmp_path)
    assert (code, "autograder release luong" in " ".join(said.split())) == (2, True)


def test_collect_brings_a_download_in_and_names_what_needs_a_look(
    cli, home, tmp_path, student_notebook
):
    work = notebook_bytes(student_notebook())
    download = tmp_path / "submissions.zip"
    with zipfile.ZipFile(download, "w") as archive:
        archive.writestr("lovelaceada_12345_67890_luong.ipynb", work)
    words = ["collect", "luong", "--course", home.root, "--from", download]
    code, said = cli(*words)
    assert (code, "12345 (lovelaceada): new" in said) == (0, True)
    assert (home.submitted("12345", "luong") / "luong.ipynb").read_bytes() == work
    assert "1 students: 1 unchanged; 0 files left out." in cli(*words)[1]
    with zipfile.ZipFile(download, "a") as archive:
        archive.writestr("../../evil.ipynb", work)
    code, said = cli(*words)
    assert (code, "Left out: ../../evil.ipynb: its path leads out" in said) == (1, True)


def test_collect_names_a_roster_that_is_none(cli, home, tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text("a,b\n1,2\n")
    words = ["collect", "luong", "--course", home.root, "--from", tmp_path, "--roster", path]
    code, said = cli(*words)
    assert (code, "neither Canvas' gradebook" in " ".join(said.split())) == (2, True)


def test_export_for_a_platform_fills_its_roster_and_names_who_is_not_in_it(cli, course, tmp_path):
    roster = tmp_path / "gradebook.csv"
    roster.write_text("Student,ID,SIS Login ID,Section,Luong (456)\n王小明,1,王小明,A,\n")
    words = ["export", "luong", "--course", course, "--format", "canvas"]
    code, said = cli(*words)
    assert (code, "Give with --roster" in said) == (2, True)
    code, said = cli(*words, "--roster", roster)
    assert (code, "1 of the roster's 1 students" in said) == (1, True)
    assert "Left out: ben.okafor: has no row in the roster." in said
    table = (course / "exports" / "luong-canvas.csv").read_text(encoding="utf-8")
    assert table.splitlines()[1] == "王小明,1,王小明,A,100"
    code, said = cli("export", "luong", "--course", course, "--roster", roster)
    assert (code, "go with canvas or moodle" in said) == (2, True)


def test_grade_refuses_a_machine_without_a_protection_and_names_it(cli, home, submit, monkeypatch):
    def broken(jobs, workers):
        raise SandboxError(doctor.missing([doctor.Finding("no network", False, "it was allowed")]))
        yield

    monkeypatch.setattr(classroom, "grade_jobs", broken)
    submit("ada", b"1")
    code, said = cli("grade", "luong", "--course", home.root)
    assert (code, "no network (it was allowed)" in " ".join(said.split())) == (2, True)
    assert "--sandbox none" in said
    assert not (home.root / "results").exists()


def test_doctor_lists_what_holds_and_fails_if_something_is_missing(cli, monkeypatch):
    held = doctor.Finding("no network", True, "refused")
    monkeypatch.setattr(doctor, "examine", lambda: [held])
    assert cli("doctor") == (0, "holds    no network: refused\n")
    monkeypatch.setattr(doctor, "examine", lambda: [held, replace(held, holds=False)])
    code, said = cli("doctor")
    assert (code, "MISSING  no network" in said) == (1, True)


def test_grade_names_an_unknown_sandbox(cli, home, submit):
    submit("ada", b"1")
    code, said = cli("grade", "luong", "--course", home.root, "--sandbox", "bubble")
    assert (code, "No sandbox is called 'bubble'" in said) == (2, True)


def test_grade_before_release_says_what_to_run(cli, tmp_path):
    code, said = cli("grade", "luong", "--course", tmp_path, "--sandbox", "none")
    assert (code, "autograder release luong" in " ".join(said.split())) == (2, True)


def test_grade_shows_each_row_and_fails_softly_when_a_notebook_failed(
    cli, home, submit, student_notebook
):
    submit("ada", student_notebook())
    words = ["grade", "luong", "--course", home.root, "--sandbox", "none", "--workers", "1"]
    code, said = cli(*words)
    assert code == 0
    assert "[1/1] ada: 0/" in said
    submit("bob", b"{")
    code, said = cli(*words)
    assert code == 1
    assert "not valid JSON" in said
    assert "2 submissions: 1 graded now, 1 unchanged" in said


def test_check_tells_a_student_what_is_left_and_leaves_the_file_alone(
    cli, tmp_path, student_notebook, right
):
    path = tmp_path / "luong.ipynb"
    nbformat.write(student_notebook(general_score=right["general_score"]), path)
    before = path.read_bytes()
    code, said = cli("check", path)
    assert code == 1
    assert "Not attempted" in said or "not attempted" in said
    assert path.read_bytes() == before
    points = float(said.rsplit("\n", 2)[1].split(" of ")[0])
    assert points > 0


def test_check_refuses_a_file_that_is_no_notebook(cli, tmp_path):
    path = tmp_path / "luong.ipynb"
    path.write_text("{", encoding="utf-8")
    code, said = cli("check", path)
    assert code == 2
    assert "luong.ipynb" in said


def test_audit_wants_units_or_all_of_them_and_not_both(cli, monkeypatch):
    asked = []

    class Clean:
        ok = True

        def __str__(self) -> str:
            return "a table"

    def audit(unit):
        asked.append(unit.name)
        return Clean()

    monkeypatch.setattr("autograder.audit.audit", audit)
    for words in ((), ("luong", "--all")):
        code, said = cli("audit", *words)
        assert (code, "Name the units to audit, or say --all." in said) == (2, True)
    assert cli("audit", "luong") == (0, "a table\n")
    assert asked == ["luong"]
    code, said = cli("audit", "--all")
    assert asked[1:] == known_units()
    assert (code, said.count("a table")) == (0, len(known_units()))
