import stat
import tempfile
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import IntegrityError

from autograder import workers
from autograder.assignment import AssignmentError
from autograder.circumstances import course_secret, environment_digest
from autograder.classroom import grade_class, result_file, students
from autograder.execute import Limits
from autograder.gradebook import GradebookWriter
from autograder.results import read_submission

QUICK = Limits(cell=20.0, grace=0.5)


class Watch:
    """Counts what was graded and what was taken over."""

    def __init__(self):
        self.fresh, self.cached = [], []

    def __call__(self, result, cached):
        (self.cached if cached else self.fresh).append(result.student)


@pytest.fixture
def grade(home):
    def run(workers=1, **kwargs):
        watch = Watch()
        graded = grade_class(
            home, "luong", sandbox="none", workers=workers, limits=QUICK, progress=watch, **kwargs
        )
        return {r.student: r for r in graded.results}, watch

    return run


def gradebook_scores(course):
    with Gradebook(course.database) as gradebook:
        return {s.student.id: s.score for s in gradebook.assignment_submissions("luong")}


def test_a_class_is_graded_recorded_and_not_graded_again(
    grade, home, submit, student_notebook, right
):
    submit("ada", student_notebook(**right))
    submit("bob", student_notebook())
    submit("eve", b"not a notebook")
    results, watch = grade(workers=2)
    assert sorted(watch.fresh) == ["ada", "bob", "eve"]
    assert [results[s].status for s in ("ada", "bob", "eve")] == ["graded", "graded", "failed"]
    assert results["ada"].score > 0
    assert gradebook_scores(home) == {s: r.score for s, r in results.items()}
    assert read_submission(result_file(home, "luong", "eve")) == results["eve"]

    again, watch = grade()
    assert (watch.fresh, sorted(watch.cached)) == ([], ["ada", "bob", "eve"])
    assert again == results

    (home.autograded("ada", "luong") / "luong.ipynb").unlink()
    submit("bob", student_notebook(**right))
    result_file(home, "luong", "eve").write_text("{", encoding="utf-8")
    third, watch = grade()
    assert sorted(watch.fresh) == ["ada", "bob", "eve"]
    assert third["bob"].score == third["ada"].score == results["ada"].score


def test_a_notebook_that_kills_its_grader_is_named_and_the_others_are_graded(
    grade, home, submit, student_notebook, right, monkeypatch
):
    scratch = Path(tempfile.mkdtemp())  # pytest's own folders are too deep for a socket's name
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    killer = student_notebook()
    killer.cells.insert(
        2, new_code_cell("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)")
    )
    submit("ada", student_notebook(**right))
    submit("mallory", killer)
    submit("zoe", student_notebook(**right))
    results, _ = grade()
    assert results["mallory"].findings[-1].kind == "grader killed"
    assert (results["mallory"].status, results["mallory"].score) == ("failed", 0.0)
    assert results["ada"].score == results["zoe"].score > 0
    # multiprocessing keeps its own folder beside them until the end, where this test runs first.
    assert list(scratch.glob("grade-*")) == []


def test_the_graders_own_failure_is_named_not_marked_and_tried_again(
    grade, home, submit, student_notebook, monkeypatch
):
    submit("ada", student_notebook())
    monkeypatch.setattr(workers, "grade_job", _fail)
    results, _ = grade()
    assert results["ada"].status == "failed"
    assert "KeyError" in results["ada"].reason
    assert gradebook_scores(home) == {}
    monkeypatch.undo()
    results, watch = grade()
    assert watch.fresh == ["ada"]
    assert results["ada"].status == "graded"


def _fail(job):
    raise KeyError("no such oracle")


def test_a_worker_has_its_next_job_before_its_last_result_is_stored(monkeypatch):
    monkeypatch.setattr(workers, "grade_job", str.upper)
    jobs = iter("abc")
    assert next(workers.grade_jobs(jobs, 1)) == ("A", True)
    assert list(jobs) == ["c"]


def test_work_that_was_withdrawn_leaves_no_result(grade, home, submit, student_notebook):
    path = submit("ada", b"1")
    submit("bob", b"2")
    grade()
    path.unlink()
    path.parent.rmdir()
    results, _ = grade()
    assert list(results) == ["bob"]
    assert not result_file(home, "luong", "ada").exists()


@pytest.mark.slow
def test_honest_work_gets_stock_nbgraders_scores(grade, home, submit, student_notebook, right):
    half = {"general_score": right["general_score"]}
    wrong = {**right, "general_score": right["general_score"].replace("query @", "2 * query @")}
    broken = {**right, "masked_softmax": "def masked_softmax(:"}
    for name, answers in {"ada": right, "bob": half, "cyd": wrong, "dan": broken}.items():
        submit(name, student_notebook(**answers))
    results, _ = grade()
    ours = gradebook_scores(home)
    folder = CourseDirectory(root=str(home.root), assignment_id="luong")
    stock = Autograde(coursedir=folder)
    stock.force = True
    stock.start()
    assert gradebook_scores(home) == ours == {s: r.score for s, r in results.items()}
    assert len(set(ours.values())) >= 2


def test_marks_that_cannot_be_stored_are_named_and_tried_again(grade, home, submit, monkeypatch):
    submit("ada", b"1")
    submit("bob", b"2")
    record = GradebookWriter.record

    def refusing(self, student, notebooks, timestamp):
        if student == "ada":
            raise IntegrityError("insert", {}, Exception("UNIQUE constraint failed"))
        record(self, student, notebooks, timestamp)

    monkeypatch.setattr(GradebookWriter, "record", refusing)
    results, _ = grade()
    assert "could not be stored" in results["ada"].reason
    assert gradebook_scores(home) == {"bob": 0.0}
    monkeypatch.undo()
    _, watch = grade()
    assert (watch.fresh, watch.cached) == (["ada"], ["bob"])


def test_a_folder_whose_name_is_no_text_is_named(home):
    (home.root / "submitted" / "a\nb" / "luong").mkdir(parents=True)
    with pytest.raises(AssignmentError, match="rename it"):
        students(home, "luong")


def test_the_secret_is_made_once_and_for_its_owner_alone(home):
    first = course_secret(home)
    assert len(first) == 32
    assert course_secret(home) == first
    mode = stat.S_IMODE((home.root / "grading-secret").stat().st_mode)
    assert mode == 0o600


def test_the_environment_is_known_by_its_content():
    assert environment_digest() == environment_digest()


def test_a_course_without_submissions_says_where_they_belong(home):
    with pytest.raises(AssignmentError, match=r"submitted/<student>/luong/luong\.ipynb"):
        grade_class(home, "luong", sandbox="none")


def test_an_unknown_sandbox_is_refused_before_anything_runs(home, submit):
    submit("ada", b"1")
    with pytest.raises(ValueError, match="No sandbox"):
        grade_class(home, "luong", sandbox="bubble")
    assert not result_file(home, "luong", "ada").exists()
