"""Whatever ends or hinders a run, the next one goes on, and nothing that was stored is lost."""

import contextlib
import hashlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

import autograder
from autograder import classroom, database
from autograder.assignment import Course, is_test
from autograder.atomic import CannotStore, write_whole
from autograder.classroom import grade_class
from autograder.gradebook import open_gradebook
from autograder.grading import Graded
from autograder.intake import rebuild
from autograder.locks import Busy, only_grader
from autograder.results import SubmissionResult, write_json
from autograder.run_log import log_file, open_log, read_log
from autograder.summary import marks_of

SOURCES = f"{Path(autograder.__path__[0])}{os.sep}"
LATE = """
from nbgrader.plugins import BasePlugin

class OnePointAnHour(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return total_seconds_late / 3600

c = get_config()
c.AssignLatePenalties.plugin_class = OnePointAnHour
"""


def graded_by_hash(job) -> Graded:
    """In place of kernels: points that follow from what was handed in."""
    released = nbformat.reads(job.released["luong"], as_version=4)
    work = rebuild(job.submission.contents["luong"], released).notebook
    for cell in work.cells:
        if is_test(cell):
            text = f"{job.submission.contents['luong']!r}{cell.source}"
            points = int(hashlib.sha256(text.encode()).hexdigest(), 16) % 5
            data = {"text/plain": repr(float(points))}
            cell.outputs = [nbformat.v4.new_output("execute_result", data=data)]
    score, most, manual = marks_of(work)
    result = SubmissionResult(
        job.submission.student, "luong", job.key, "graded", "By hash.", score, most, manual
    )
    return Graded(result, {"luong": nbformat.writes(work)}, "here")


@pytest.fixture(autouse=True)
def stub_grader(monkeypatch):
    def jobs(jobs, workers):
        return ((graded_by_hash(job), True) for job in jobs)

    monkeypatch.setattr(classroom, "grade_jobs", jobs)
    monkeypatch.setattr("autograder.circumstances.environment_digest", lambda *_: "code")


def run(course: Course, **options):
    return grade_class(course, "luong", sandbox="none", **options)


@pytest.fixture
def marked(home, submit, student_notebook, right) -> Course:
    """A class once graded and marked by hand, then in part handed in again, late in part."""
    written = {"why_masks": "Because."}
    (home.root / "nbgrader_config.py").write_text(LATE, encoding="utf-8")
    with Gradebook(home.database) as book:
        book.update_or_create_assignment("luong", duedate="2026-01-01 12:00:00 UTC")
    for student in ("ada", "bob", "cyd"):
        submit(student, student_notebook(**written), "2026-01-01 11:00:00 UTC")
    run(home)
    with Gradebook(home.database) as book:
        for student in ("ada", "bob", "cyd"):
            grade = book.find_grade("why_masks", "luong", "luong", student)
            grade.manual_score, grade.needs_manual_grade = 4, False
            comment = book.find_comment("why_masks", "luong", "luong", student)
            comment.manual_comment = f"Good, {student}."
        book.db.commit()
    submit("ada", student_notebook(why_masks="Because of padding."), "2026-01-01 15:00:00 UTC")
    submit("bob", student_notebook(**right, **written), "2026-01-01 13:00:00 UTC")
    submit("dan", b"no notebook")
    submit("eve", student_notebook(**right))
    return home


def copied(course: Course, folder: Path) -> Course:
    shutil.copytree(course.root, folder / "course")
    return Course(folder / "course")


@pytest.fixture
def undisturbed(marked, tmp_path, stored):
    """All that one run without any trouble leaves."""
    course = copied(marked, tmp_path / "undisturbed")
    run(course)
    return stored(course)


def in_child(work, *, before=lambda: None) -> int:
    """Do something in a child process: 0, 3 for a run that stopped with a reason, or -signal."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            before()
            work()
            code = 0
        except (Busy, CannotStore) as problem:
            os.write(2, f"{problem}\n".encode())
            code = 3
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class KillAt:
    """Ends this process without a word at its n-th line of the grader's own code."""

    def __init__(self, line: int):
        self.left = line

    def __call__(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(SOURCES):
            return None
        self.left -= 1
        if self.left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self


# ---------------------------------------------------------------- killed


@pytest.mark.slow
def test_after_fifty_kills_at_any_line_everything_is_as_if_there_had_been_none(
    marked, tmp_path, stored, undisturbed
):
    chance = random.Random(0)
    kills = rounds = 0
    while kills < 50:
        rounds += 1
        course = copied(marked, tmp_path / str(rounds))
        for _ in range(8):
            line = round(10 ** chance.uniform(1.5, 4))
            code = in_child(partial(run, course), before=partial(sys.settrace, KillAt(line)))
            assert code in (0, -signal.SIGKILL)
            kills += code != 0
        run(course)
        assert stored(course) == undisturbed
        assert list(course.root.rglob("*.partial")) == []
        shutil.rmtree(tmp_path / str(rounds))


def test_grading_again_changes_nothing_and_grades_nobody(marked, stored):
    run(marked)
    before = stored(marked)
    seen = []
    run(marked, progress=lambda result, cached: seen.append(cached))
    assert stored(marked) == before
    assert seen == [True] * 5


def test_grading_afresh_stores_the_same_again(marked, stored):
    run(marked)
    before = stored(marked)
    shutil.rmtree(marked.root / "results")
    seen = []
    run(marked, progress=lambda result, cached: seen.append(cached))
    assert stored(marked) == before
    assert seen == [False] * 5


def test_work_that_went_back_to_an_older_state_is_not_taken_for_graded(
    marked, stored, submit, monkeypatch
):
    before = copied(marked, marked.root.parent / "older")
    path = marked.submitted("cyd", "luong") / "luong.ipynb"
    older = path.read_bytes()
    submit("cyd", b"newer")

    def dying(path, record):
        if path.stem == "cyd" and record.key:
            os.kill(os.getpid(), signal.SIGKILL)
        write_json(path, record)

    dead = in_child(
        partial(run, marked), before=partial(monkeypatch.setattr, classroom, "write_json", dying)
    )
    assert dead == -signal.SIGKILL
    path.write_bytes(older)
    run(marked)
    run(before)
    assert scores(marked) == scores(before)


def scores(course):
    with Gradebook(course.database) as book:
        return {s.student_id: s.score for s in book.assignment_submissions("luong")}


# ---------------------------------------------------------------- no room


@pytest.mark.parametrize("room", [1_000, 4_000, 20_000, "gradebook"])
def test_a_full_disk_stops_the_run_in_a_sentence_and_the_next_one_goes_on(
    room, marked, stored, undisturbed, capfd
):
    size = (marked.root / "gradebook.db").stat().st_size if room == "gradebook" else room

    def fill():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    assert in_child(partial(run, marked), before=fill) == 3
    assert "run this again to go on" in capfd.readouterr().err
    run(marked)
    assert stored(marked) == undisturbed


def test_a_file_that_does_not_fit_leaves_the_old_one_and_no_other(tmp_path, monkeypatch):
    path = write_whole(tmp_path / "result.json", b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotStore, match="No space left on device"):
        write_whole(path, b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("result.json", b"old")]


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


def test_a_full_file_system_loses_nothing(marked, tmp_path, stored, undisturbed):
    room = sum(p.stat().st_size // 4096 + 2 for p in marked.root.rglob("*")) * 4 + 60
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={room}k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    try:
        course = copied(marked, disk)
        ballast = disk / "ballast"
        fill(ballast)
        os.truncate(ballast, max(0, ballast.stat().st_size - 40_000))
        assert in_child(partial(run, course)) == 3
        ballast.unlink()
        run(course)
        assert stored(course) == undisturbed
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


# ---------------------------------------------------------------- held, read-only, two at once

HOLD = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); " + (
    "c.execute('BEGIN EXCLUSIVE'); print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def formgrader(marked, monkeypatch):
    """Another process that holds the gradebook until it is told to let go."""
    monkeypatch.setattr(database, "_BETWEEN_NOTICES", 0.1)
    command = [sys.executable, "-c", HOLD, str(marked.root / "gradebook.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.stdin.close()


def test_a_gradebook_that_is_held_is_waited_for_and_the_holder_named(
    marked, formgrader, stored, undisturbed
):
    told = []

    def notice(message):
        told.append(message)
        formgrader.stdin.close()
        formgrader.wait()

    run(marked, notice=notice)
    assert f"held by process {formgrader.pid} (" in told[0]
    assert stored(marked) == undisturbed


def test_a_gradebook_that_nobody_lets_go_of_ends_the_run_with_nothing_lost(
    marked, formgrader, stored, undisturbed, monkeypatch
):
    monkeypatch.setattr(classroom, "open_gradebook", partial(open_gradebook, patience=0.3))
    with pytest.raises(CannotStore, match=rf"process {formgrader.pid} .*close that program"):
        run(marked)
    formgrader.stdin.close()
    formgrader.wait()
    run(marked)
    assert stored(marked) == undisturbed


def test_a_gradebook_taken_in_the_middle_of_a_run_is_waited_for_too(
    marked, stored, undisturbed, monkeypatch
):
    monkeypatch.setattr(database, "_BETWEEN_NOTICES", 0.1)
    other = sqlite3.connect(marked.root / "gradebook.db", isolation_level=None)
    told = []

    def progress(result, cached):
        if result.student == "ada":
            other.execute("BEGIN IMMEDIATE")

    def notice(message):
        told.append(message)
        other.execute("ROLLBACK")

    run(marked, progress=progress, notice=notice)
    assert len(told) == 1
    assert stored(marked) == undisturbed


def test_a_gradebook_that_may_not_be_written_is_named_with_what_to_do(marked, capfd):
    with tempfile.TemporaryDirectory() as folder:
        course = copied(marked, Path(folder))
        nobody = 65534 if os.getuid() == 0 else os.getuid()
        for path in [Path(folder), *Path(folder).rglob("*")]:
            os.chown(path, nobody, -1)
        book = course.root / "gradebook.db"
        os.chown(book, os.getuid(), -1)
        book.chmod(0o444)
        become = partial(os.setuid, nobody)
        assert in_child(partial(run, course), before=become) == 3
        told = capfd.readouterr().err
        assert "gradebook.db takes no marks" in told
        assert "get the right to write it" in told


def test_a_second_grader_is_told_who_the_first_one_is(marked, stored, undisturbed):
    seen = []

    def second(result, cached):
        if not seen:
            with pytest.raises(Busy, match=rf"process {os.getpid()} on .*, since 20") as stopped:
                run(marked)
            seen.append(stopped)

    run(marked, progress=second)
    assert len(seen) == 1
    assert stored(marked) == undisturbed


def test_a_lock_that_a_killed_grader_held_is_free(marked):
    def hold_and_die():
        with only_grader(marked, "luong"):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(hold_and_die) == -signal.SIGKILL
    with only_grader(marked, "luong"):
        pass


def test_another_assignment_may_be_graded_at_the_same_time(marked):
    with only_grader(marked, "luong"), only_grader(marked, "transformer"):
        pass


# ---------------------------------------------------------------- what a person gave


def needs_a_look(course):
    with Gradebook(course.database) as book:
        return {
            s.student_id: next(
                g.needs_manual_grade for n in s.notebooks for g in n.grades if g.name == "why_masks"
            )
            for s in book.assignment_submissions("luong")
        }


def test_marks_by_hand_stay_and_only_a_changed_answer_is_looked_at_again(marked):
    run(marked)
    assert needs_a_look(marked) == {
        "ada": True,  # another answer
        "bob": False,  # the same answer, with other functions
        "cyd": False,  # not graded again
        "dan": False,  # nothing was handed in
        "eve": False,  # left empty
    }
    with Gradebook(marked.database) as book:
        assert book.find_grade("why_masks", "luong", "luong", "ada").manual_score == 4
        comment = book.find_comment("why_masks", "luong", "luong", "bob")
        assert comment.comment == "Good, bob."


def test_a_changed_late_policy_changes_penalties_and_grades_nobody_again(marked, stored):
    run(marked)
    seen = []
    config = marked.root / "nbgrader_config.py"
    config.write_text(LATE.replace("/ 3600", "/ 7200"), encoding="utf-8")
    before = stored(marked)["gradebook"]
    run(marked, progress=lambda result, cached: seen.append(cached))
    after = stored(marked)["gradebook"]
    assert seen == [True] * 5
    penalty = {s: row["notebooks"]["luong"]["penalty"] for s, row in after.items()}
    assert penalty["ada"] == before["ada"]["notebooks"]["luong"]["penalty"] / 2 > 0
    with Gradebook(marked.database) as book:
        book.update_or_create_assignment("luong", duedate="2027-01-01 12:00:00 UTC")
    run(marked)
    assert stored(marked)["gradebook"]["ada"]["notebooks"]["luong"]["penalty"] is None


# ---------------------------------------------------------------- the log


def test_the_log_says_who_was_graded_how_and_with_what(marked):
    run(marked)
    lines = read_log(marked, "luong")
    started = [line for line in lines if line["event"] == "run started"][-1]
    graded = {line.get("student"): line for line in lines if line["run"] == started["run"]}
    assert set(graded) >= {"ada", "bob", "dan", "eve"}
    content = (marked.submitted("ada", "luong") / "luong.ipynb").read_bytes()
    assert graded["ada"]["submitted"] == {"luong": hashlib.sha256(content).hexdigest()}
    assert set(graded["ada"]["seeds"]) >= {"luong/masked_softmax"}
    assert graded["ada"]["device"] == "here"
    assert {"torch", "python", "nbgrader"} <= set(started["versions"])
    released = marked.release("luong").read_bytes()
    assert started["released"] == {"luong": hashlib.sha256(released).hexdigest()}
    secret = (marked.root / "grading-secret").read_text("ascii")
    assert secret not in log_file(marked, "luong").read_text("utf-8")


def test_a_line_that_was_cut_off_costs_no_other(marked):
    run(marked)
    before = len(read_log(marked, "luong"))
    with log_file(marked, "luong").open("ab") as file:
        file.write(b'{"event": "grad')
    with open_log(marked, "luong") as log:
        log.write("tried", student="王")
    lines = read_log(marked, "luong")
    assert len(lines) == before + 1
    assert (lines[-1]["event"], lines[-1]["student"]) == ("tried", "王")
