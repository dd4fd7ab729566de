from unittest.mock import Mock

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import SaveAutoGrades
from nbgrader.utils import is_grade
from sqlalchemy.exc import IntegrityError

from autograder.assignment import AssignmentError, Course
from autograder.gradebook import open_gradebook, timestamp_of

LATE = """
from nbgrader.plugins import BasePlugin

class OnePointAnHour(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return total_seconds_late / 3600

c = get_config()
c.AssignLatePenalties.plugin_class = OnePointAnHour
"""


@pytest.fixture
def graded(released):
    """A graded notebook as the engine hands it over: every test gave the same points."""

    def build(points: float, written: str = "Because."):
        notebook = nbformat.from_dict(released)
        notebook = nbformat.reads(nbformat.writes(notebook), as_version=4)
        for cell in notebook.cells:
            if cell.metadata.get("nbgrader", {}).get("grade_id") == "why_masks":
                cell.source = written
            elif is_grade(cell):
                data = {"text/plain": repr(points)}
                cell.outputs = [nbformat.v4.new_output("execute_result", data=data)]
        return nbformat.writes(notebook)

    return build


def grades(course, student="ada"):
    with Gradebook(course.database) as gradebook:
        row = gradebook.find_submission_notebook("luong", "luong", student)
        return {
            g.name: (g.auto_score, g.manual_score, bool(g.needs_manual_grade)) for g in row.grades
        }


def test_points_and_waiting_answers_are_where_nbgrader_looks_for_them(home, graded):
    with open_gradebook(home, "luong") as gradebook:
        assert not gradebook.has("ada")
        gradebook.record("ada", {"luong": graded(3.5)}, None)
        assert gradebook.has("ada")
    rows = grades(home)
    assert rows["check_general_score"] == (3.5, None, False)
    assert rows["why_masks"] == (None, None, True)
    written = home.autograded("ada", "luong") / "luong.ipynb"
    assert nbformat.read(written, as_version=4) == nbformat.reads(graded(3.5), as_version=4)


def test_a_missing_notebook_or_row_counts_as_not_recorded(home, graded):
    with open_gradebook(home, "luong") as gradebook:
        gradebook.record("ada", {"luong": graded(3.5)}, None)
        (home.autograded("ada", "luong") / "luong.ipynb").unlink()
        assert not gradebook.has("ada")
        gradebook.record("ada", {"luong": graded(3.5)}, None)
        assert gradebook.has("ada")
    with Gradebook(home.database) as database:
        database.remove_student("ada")
    with open_gradebook(home, "luong") as gradebook:
        assert not gradebook.has("ada")


def test_a_grade_without_marks_that_nobody_waits_for_counts_as_not_recorded(home, graded):
    with open_gradebook(home, "luong") as gradebook:
        for student in ("ada", "bob"):
            gradebook.record(student, {"luong": graded(3.5)}, None)
    with Gradebook(home.database) as database:
        database.find_grade("check_general_score", "luong", "luong", "ada").auto_score = None
        database.db.commit()
    with open_gradebook(home, "luong") as gradebook:
        assert [gradebook.has("ada"), gradebook.has("bob")] == [False, True]


def test_manual_marks_and_comments_survive_grading_again(home, graded):
    with open_gradebook(home, "luong") as gradebook:
        gradebook.record("ada", {"luong": graded(3.5)}, None)
    with Gradebook(home.database) as database:
        database.find_grade("why_masks", "luong", "luong", "ada").manual_score = 4
        database.find_comment("why_masks", "luong", "luong", "ada").manual_comment = "Good."
        database.db.commit()
    with open_gradebook(home, "luong") as gradebook:
        gradebook.record("ada", {"luong": graded(2.0)}, None)
    assert grades(home)["why_masks"][1] == 4
    assert grades(home)["check_general_score"][0] == 2.0
    with Gradebook(home.database) as database:
        assert database.find_comment("why_masks", "luong", "luong", "ada").comment == "Good."


def test_marks_are_stored_all_together_or_not_at_all(home, graded, monkeypatch):
    with open_gradebook(home, "luong") as gradebook:
        gradebook.record("ada", {"luong": graded(3.5)}, None)
        refused = IntegrityError("a commit", None, Exception("a key of nowhere"))
        monkeypatch.setattr(SaveAutoGrades, "_add_comment", Mock(side_effect=refused))
        for student in ("ada", "bob"):
            with pytest.raises(IntegrityError):
                gradebook.record(student, {"luong": graded(2.0)}, None)
        assert not gradebook.has("bob")
    assert grades(home)["check_general_score"][0] == 3.5
    with Gradebook(home.database) as database:
        assert [student.id for student in database.students] == ["ada"]


def test_an_empty_written_answer_is_commented_as_nbgrader_does(home, graded, released):
    stub = next(c.source for c in released.cells if "why_masks" in str(c.metadata))
    with open_gradebook(home, "luong") as gradebook:
        gradebook.record("ada", {"luong": graded(1.0, written=stub)}, None)
    assert grades(home)["why_masks"] == (0.0, None, False)
    with Gradebook(home.database) as database:
        comment = database.find_comment("why_masks", "luong", "luong", "ada")
        assert comment.auto_comment == "No response."


def test_a_late_submission_is_penalised_by_the_courses_own_policy(home, graded):
    (home.root / "nbgrader_config.py").write_text(LATE, encoding="utf-8")
    with Gradebook(home.database) as database:
        database.update_or_create_assignment("luong", duedate="2026-01-01 12:00:00 UTC")
    with open_gradebook(home, "luong") as gradebook:
        gradebook.record("ada", {"luong": graded(3.0)}, "2026-01-01 14:00:00 UTC")
        gradebook.record("bob", {"luong": graded(3.0)}, "2026-01-01 11:00:00 UTC")
        gradebook.record("eve", {"luong": graded(3.0)}, None)
    with Gradebook(home.database) as database:
        penalties = {
            name: database.find_submission("luong", name).late_submission_penalty
            for name in ("ada", "bob", "eve")
        }
    assert penalties == {"ada": 2.0, "bob": 0.0, "eve": 0.0}


def test_nbgraders_own_feedback_works_on_what_is_stored(home, graded):
    with open_gradebook(home, "luong") as gradebook:
        gradebook.record("ada", {"luong": graded(3.5)}, "2026-01-01 14:00:00 UTC")
    folder = CourseDirectory(root=str(home.root), assignment_id="luong", student_id="ada")
    GenerateFeedback(coursedir=folder).start()
    page = home.root / "feedback" / "ada" / "luong" / "luong.html"
    assert "3.5" in page.read_text(encoding="utf-8")


def test_an_assignment_that_was_never_released_is_named_with_the_next_step(home, tmp_path):
    for course, name in [(home, "bahdanau"), (Course(tmp_path / "nowhere"), "luong")]:
        with (
            pytest.raises(AssignmentError, match=f"autograder release {name}"),
            open_gradebook(course, name),
        ):
            pass
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("text", ["2026-01-01 14:00:00 UTC", "2026-01-01 14:00:00.5 CET\n"])
def test_a_timestamp_is_read(text, tmp_path):
    (tmp_path / "timestamp.txt").write_text(text, encoding="utf-8")
    assert timestamp_of(tmp_path) == (text.strip(), None)


@pytest.mark.parametrize("content", [b"tomorrow", b"\xff\xfe" * 500, b"9" * 10_000])
def test_a_timestamp_that_is_none_is_named(content, tmp_path):
    (tmp_path / "timestamp.txt").write_bytes(content)
    text, finding = timestamp_of(tmp_path)
    assert text is None
    assert finding.kind == "unreadable timestamp"


def test_a_linked_timestamp_is_not_read(tmp_path):
    (tmp_path / "secret").write_text("2026-01-01 14:00:00 UTC", encoding="utf-8")
    (tmp_path / "timestamp.txt").symlink_to(tmp_path / "secret")
    assert timestamp_of(tmp_path) == (None, None)
