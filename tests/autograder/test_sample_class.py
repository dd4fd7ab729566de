"""The sample class that `make course` grades: every invented student gets the marks they earned."""

from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.coursedir import CourseDirectory

from autograder.assignment import AssignmentError, Course, release
from autograder.classroom import grade_class
from autograder.execute import Limits
from autograder.feedback import write_feedback
from autograder.report import write_report
from autograder.sample import FOLDER, patched, write_sample_class

ROOT = Path(__file__).parents[2]
LIMITS = Limits(cell=20.0, grace=0.5)

# What each student earned, and why.
SCORES = {
    "王小明": 100,
    "ines.ferreira": 100,
    "goran.ilic": 100,  # the deleted cell was put back
    "kofi.mensah": 100,  # noise costs nothing
    "dora.nagy": 12 + 12 + 14 + 10,  # the first four
    "hana.sato": 12,  # the first, once
    "farah.aziz": 100 - 14,  # all but the endless one
    "emil.berg": 100 - 12 - 14 - 14,  # two exceptions, and the step that calls one of them
    # A mistake that has a name leaves half of the points, or more where more checks pass.
    "amira.haddad": 100 - 6,  # softmax over the queries
    "ben.okafor": 100 - 6 - 6,  # the same, and W transposed
    "陈静怡": 100 - 5 - 3 - 8,  # [h; c]; the steps past the end; rows normalised again
    "mira.kovac": 100 - 7 - 7 - 4,  # no tanh; no input feeding; no possible links
    "ivo.marin": 0,  # edited tests are restored
    "liam.o'brien": 0,  # what equals everything is no tensor
    "jonas.weber": 0,  # not JSON
}
FAILED = {"jonas.weber": "unreadable notebook"}
PROBLEMS = {
    "emil.berg": "exception",
    "farah.aziz": "time limit",
    "goran.ilic": "missing cell",
    "hana.sato": "duplicate cell",
    "ivo.marin": "edited test",
    "liam.o'brien": "exception",
}
MISCONCEPTIONS = {
    ("amira.haddad", "masked_softmax"): "wrong_axis",
    ("ben.okafor", "masked_softmax"): "wrong_axis",
    ("ben.okafor", "general_score"): "transposed_w",
    ("陈静怡", "attentional_vector"): "hidden_first",
    ("陈静怡", "local_m_mask"): "not_clamped",
    ("陈静怡", "local_p_weights"): "renormalised",
    ("mira.kovac", "concat_score"): "no_tanh",
    ("mira.kovac", "luong_step"): "no_input_feeding",
    ("mira.kovac", "alignment_error_rate"): "sure_only",
}
# Stock nbgrader gives 0 to a test cell in which anything is written to stderr, so kofi is not here.
HONEST = ("王小明", "ines.ferreira", "dora.nagy", "emil.berg", "amira.haddad", "ben.okafor",
          "陈静怡", "mira.kovac")  # fmt: skip

TIMESTAMPS = {
    "dora.nagy": "2026-03-06 23:58:40",
    "ines.ferreira": "2026-03-05 18:02:11",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["none", "auto"])
def sandbox(request) -> str:
    """The results are the same in the sandbox and out of it."""
    if request.param == "auto":
        request.getfixturevalue("bubblewrap")
    return request.param


@pytest.fixture(scope="module")
def course(tmp_path_factory, sandbox) -> Course:
    made = Course(tmp_path_factory.mktemp("sample"))
    release("luong", made, ROOT / "solutions")
    write_sample_class("luong", made)
    return made


def grade(course: Course, sandbox: str):
    fresh = []
    graded = grade_class(
        course, "luong", sandbox=sandbox, workers=2, limits=LIMITS,
        progress=lambda result, cached: None if cached else fresh.append(result.student),
    )  # fmt: skip
    return {result.student: result for result in graded.results}, fresh


@pytest.fixture(scope="module")
def results(course, sandbox):
    return grade(course, sandbox)[0]


def test_every_student_has_the_score_they_earned(results):
    assert {name: result.score for name, result in results.items()} == SCORES
    assert {result.max_score for result in results.values()} == {100}


def test_every_student_has_a_status_and_a_reason(results):
    wanted = {name: "failed" if name in FAILED else "problems" if name in PROBLEMS else "graded"
              for name in SCORES}  # fmt: skip
    assert {name: result.status for name, result in results.items()} == wanted
    assert all(result.reason for result in results.values())
    for name, kind in (FAILED | PROBLEMS).items():
        result = results[name]
        assert kind in [finding.kind for finding in result.findings], (
            result.reason, result.seconds, [(e.status, e.message) for e in result.exercises]
        )  # fmt: skip


def test_every_misconception_is_named(results):
    found = {
        (name, exercise.exercise): exercise.misconception
        for name, result in results.items()
        for exercise in result.exercises
        if exercise.misconception
    }
    assert found == MISCONCEPTIONS


def test_written_answers_wait_for_a_person(results):
    assert {name for name, result in results.items() if result.manual} == {
        "王小明", "ines.ferreira",
        *(name for name in SCORES if _builds_on(name) in ("王小明", "ines.ferreira")),
    }  # fmt: skip


def _builds_on(name: str) -> str | None:
    path = FOLDER / "luong" / f"{name}.txt"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return text.split("# %% like ")[1].split("\n")[0] if "# %% like " in text else None


def test_the_report_has_a_row_with_a_reason_for_everyone(results, course):
    page = write_report(course.root, "luong").read_text(encoding="utf-8")
    for name, result in results.items():
        assert name.replace("'", "&#39;") in page
        assert result.reason.split(".")[0].split("'")[0] in page


def test_the_attention_map_that_a_student_drew_is_in_their_feedback(results, course):
    name = "王小明"
    path = course.autograded(name, "luong") / "luong.ipynb"
    cells = {c.metadata.get("nbgrader", {}).get("grade_id"): c
             for c in nbformat.read(path, as_version=4).cells}  # fmt: skip
    pictures = [
        o.data["image/png"] for o in cells["map"].outputs if "image/png" in o.get("data", {})
    ]
    assert len(pictures) == 1
    write_feedback(course.root, "luong")
    page = (course.root / "feedback" / name / "luong" / "luong.html").read_text(encoding="utf-8")
    assert pictures[0].strip() in page


def test_times_of_handing_in_reach_the_gradebook(results, course):
    with Gradebook(course.database) as gradebook:
        times = {s.student_id: str(s.timestamp) for s in gradebook.assignment_submissions("luong")
                 if s.timestamp}  # fmt: skip
    assert times == TIMESTAMPS


def test_grading_again_changes_nothing(results, course, sandbox):
    assert write_sample_class("luong", course) == (sorted(SCORES), 0)
    again, fresh = grade(course, sandbox)
    assert fresh == []
    assert again == results


def test_stock_nbgrader_gives_the_honest_the_same_scores(tmp_path):
    own = Course(tmp_path)
    release("luong", own, ROOT / "solutions")
    write_sample_class("luong", own)
    folder = CourseDirectory(root=str(own.root), assignment_id="luong")
    stock = Autograde(coursedir=folder)
    for name in HONEST:
        stock.coursedir.student_id = name
        stock.start()
    with Gradebook(own.database) as gradebook:
        scores = {s.student.id: s.score for s in gradebook.assignment_submissions("luong")}
    assert scores == {name: SCORES[name] for name in HONEST}


def test_a_patch_that_names_no_cell_is_refused(course, tmp_path):
    patch = tmp_path / "zoe.txt"
    patch.write_text("Nothing.\n\n# %% delete check_nothing\n", encoding="utf-8")
    released = nbformat.read(course.release("luong"), as_version=4)
    with pytest.raises(AssignmentError, match="no cell 'check_nothing'"):
        patched(released, patch)


def test_an_unknown_or_unreleased_assignment_is_refused(tmp_path):
    with pytest.raises(AssignmentError, match="no sample class for 'unknown', only for luong"):
        write_sample_class("unknown", Course(tmp_path))
    with pytest.raises(AssignmentError, match="autograder release luong"):
        write_sample_class("luong", Course(tmp_path))
