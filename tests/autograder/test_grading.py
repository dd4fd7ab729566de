import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from nbgrader.utils import determine_grade, is_grade

from autograder.assignment import notebook_bytes
from autograder.execute import Limits
from autograder.grading import Job, case_seed, grade_submission
from autograder.intake import Submission
from autograder.results import ExerciseResult, Finding
from autograder.summary import reason

QUICK = Limits(cell=20.0, grace=0.5)


@pytest.fixture
def grade(released):
    """Grade a notebook (or bytes): the result and the graded notebook."""

    def run(work, limits=QUICK, findings=()):
        content = work if isinstance(work, bytes) or work is None else notebook_bytes(work)
        submission = Submission("ada", {"luong": content}, tuple(findings))
        notebooks = {"luong": nbformat.writes(released)}
        job = Job(submission, "luong", notebooks, b"secret", "none", limits, "key")
        graded = grade_submission(job)
        return graded.result, nbformat.reads(graded.notebooks["luong"], as_version=4)

    return run


def statuses(result):
    return {e.exercise: e.status for e in result.exercises}


def by_nbgrader(notebook):
    marks = {
        cell.metadata.nbgrader.grade_id: determine_grade(cell)[0]
        for cell in notebook.cells
        if is_grade(cell)
    }
    return {name.removeprefix("check_"): mark for name, mark in marks.items()}


def test_right_answers_earn_their_points_where_nbgrader_reads_them(grade, student_notebook, right):
    result, notebook = grade(student_notebook(**right))
    assert {statuses(result)[name] for name in right} == {"correct"}
    marks = by_nbgrader(notebook)
    assert all(marks[e.exercise] == e.points for e in result.exercises)
    assert result.score == sum(e.max_points for e in result.exercises if e.exercise in right)
    assert result.findings == ()
    assert (result.student, result.assignment, result.key) == ("ada", "luong", "key")
    nbformat.validate(notebook)


def test_a_stub_that_another_exercise_calls_is_named(grade, student_notebook, right):
    calling = "def luong_step(y, a, state, memory, mask, p):\n    return concat_score(state)"
    result, _ = grade(student_notebook(**right, luong_step=calling))
    step = next(e for e in result.exercises if e.exercise == "luong_step")
    assert (step.status, step.points) == ("wrong", 0)
    assert step.message == (
        "Your luong_step calls concat_score, which is still the stub: write that one first."
    )
    assert result.status == "graded"


def test_an_exception_names_the_line_of_the_exercise_and_the_one_inside(
    grade, student_notebook, right
):
    calling = "def luong_step(y, a, state, memory, mask, p):\n    return general_score(y, y, y)"
    result, _ = grade(student_notebook(**right, luong_step=calling))
    step = next(e for e in result.exercises if e.exercise == "luong_step")
    lines = "at line 2 of luong_step: return general_score(y, y, y), inside general_score at line 2"
    assert lines in step.message


def test_an_empty_notebook_earns_nothing_and_is_no_problem(grade, released):
    result, notebook = grade(released)
    assert set(statuses(result).values()) == {"not attempted"}
    assert (result.score, result.status, result.manual) == (0.0, "graded", 0)
    assert set(by_nbgrader(notebook).values()) == {0.0}


def test_a_notebook_of_a_newer_format_is_graded_and_no_problem(grade, released):
    newer = nbformat.from_dict({**released, "nbformat_minor": 99})
    result, _ = grade(json.dumps(newer).encode())
    assert [f.kind for f in result.findings] == ["newer format"]
    assert result.status == "graded"


def test_a_wrong_answer_is_told_apart_from_a_right_one(grade, student_notebook, right):
    wrong = right["general_score"].replace("query @ weight", "2 * query @ weight")
    result, notebook = grade(student_notebook(**{**right, "general_score": wrong}))
    assert statuses(result)["masked_softmax"] == "correct"
    assert statuses(result)["general_score"] != "correct"
    assert by_nbgrader(notebook)["general_score"] < by_nbgrader(notebook)["masked_softmax"]


def test_printing_to_stderr_costs_nothing(grade, student_notebook, right):
    loud = right["general_score"].replace(
        "    return", "    import sys; print('warning', file=sys.stderr)\n    return"
    )
    result, notebook = grade(student_notebook(**{**right, "general_score": loud}))
    assert statuses(result)["general_score"] == "correct"
    assert by_nbgrader(notebook)["general_score"] > 0


def test_a_written_answer_waits_for_a_person(grade, student_notebook):
    result, notebook = grade(student_notebook(why_masks="Because."))
    assert result.manual == 1
    assert by_nbgrader(notebook)["why_masks"] is None


def test_the_graded_cells_show_the_verdict_and_the_students_cells_their_own_output(
    grade, student_notebook, right
):
    work = student_notebook(**right)
    work.cells.append(new_code_cell("print('mine')"))
    _, notebook = grade(work)
    test = next(c for c in notebook.cells if "check_general_score" in str(c.metadata))
    assert [o.output_type for o in test.outputs] == ["display_data", "execute_result"]
    own = next(c for c in notebook.cells if c.source == "print('mine')")
    assert own.outputs[0].text == "mine\n"


def test_a_syntax_error_costs_its_own_exercise(grade, student_notebook, right):
    result, _ = grade(student_notebook(**{**right, "masked_softmax": "def masked_softmax(:"}))
    assert statuses(result)["general_score"] == "correct"
    assert statuses(result)["masked_softmax"] != "correct"
    assert [f.kind for f in result.findings] == ["exception"]
    assert "'masked_softmax' raised SyntaxError" in result.findings[0].message
    assert result.status == "problems"


def test_a_function_that_never_ends_costs_its_own_exercise(grade, student_notebook, right):
    endless = "def masked_softmax(scores, mask):\n    while True: pass"
    result, _ = grade(
        student_notebook(**{**right, "masked_softmax": endless}),
        limits=Limits(cell=15.0, grace=0.5),
    )
    assert statuses(result)["masked_softmax"] == "error"
    assert statuses(result)["general_score"] == "correct"
    assert "time limit" in [f.kind for f in result.findings]


def test_a_function_that_kills_the_kernel_costs_its_own_exercise(grade, student_notebook, right):
    deadly = "def masked_softmax(scores, mask):\n    import os; os._exit(0)"
    result, _ = grade(student_notebook(**{**right, "masked_softmax": deadly}))
    assert statuses(result)["masked_softmax"] == "error"
    assert statuses(result)["general_score"] == "correct"
    assert "kernel died" in [f.kind for f in result.findings]


SAYS_YES = """
class Yes:
    def __eq__(self, other): return True
    def __bool__(self): return True
    def __float__(self): return 1.0
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    @classmethod
    def __torch_function__(cls, *a, **k): return True
def {name}(*args, **kwargs): return Yes()
"""
PATCHED = """
import torch, numpy
torch.testing.assert_close = numpy.testing.assert_allclose = lambda *a, **k: None
torch.allclose = torch.equal = lambda *a, **k: True
from importlib import import_module
drive = import_module("autograder.checks.drive")
drive._same = lambda *a: True
def {name}(*args, **kwargs): return torch.zeros(1)
"""
OWN_RESULT = """
from IPython.display import publish_display_data
get_ipython().events.register(
    "post_run_cell",
    lambda r: publish_display_data({{"text/plain": "12.0"}}))
get_ipython().ast_transformers.clear()
get_ipython().input_transformers_post.append(
    lambda lines: ["12.0"] if "publish_answers" in "".join(lines) else lines)
def {name}(*args, **kwargs): return None
"""
TWICE = """
from importlib import import_module
drive = import_module("autograder.checks.drive")
_publish = drive.publish_answers
def twice(namespace, request, *rest):
    _publish(namespace, request); _publish(namespace, request)
drive.publish_answers = twice
import torch
{right}
"""
ANOTHER_NONCE = """
import json
from importlib import import_module
drive = import_module("autograder.checks.drive")
_publish = drive.publish_answers
def other(namespace, request, *rest):
    data = json.loads(request); data["nonce"] = "0" * 32
    _publish(namespace, json.dumps(data))
drive.publish_answers = other
{right}
"""
PICKLED = """
from importlib import import_module
drive = import_module("autograder.checks.drive")
from IPython.display import publish_display_data
import json
def mine(namespace, request, *rest):
    data = json.loads(request)
    publish_display_data({{drive.MIME: {{
        "exercise": data["exercise"], "nonce": data["nonce"], "answers": {{"pickle": "gASV"}}}}}})
drive.publish_answers = mine
"""
ATTACKS = {
    "objects that equal everything": SAYS_YES,
    "patched comparisons": PATCHED,
    "an own result": OWN_RESULT,
    "two answers": TWICE,
    "a wrong nonce": ANOTHER_NONCE,
    "a malformed answer": PICKLED,
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_earns_nothing(attack, grade, student_notebook, right):
    source = attack.format(name="general_score", right=right["general_score"])
    result, notebook = grade(student_notebook(general_score=source))
    assert result.score == 0.0
    assert by_nbgrader(notebook)["general_score"] == 0.0
    # Had the attack itself failed, nothing would be shown.
    named = {finding.kind for finding in result.findings}
    assert named == ({"forged answer"} if attack is TWICE else set())


def test_an_answer_sent_unasked_is_named_and_changes_nothing(grade, student_notebook, right):
    work = student_notebook(**right)
    work.cells.append(
        new_code_cell(
            "from IPython.display import publish_display_data\n"
            "from autograder.checks.drive import MIME\npublish_display_data({MIME: {}})"
        )
    )
    result, _ = grade(work)
    assert {statuses(result)[name] for name in right} == {"correct"}
    assert "forged answer" in [f.kind for f in result.findings]


def test_an_unreadable_file_is_graded_zero_with_its_reason(grade):
    result, notebook = grade(b"{")
    assert (result.status, result.score) == ("failed", 0.0)
    assert "not valid JSON" in result.reason
    assert set(statuses(result).values()) == {"not run"}
    assert set(by_nbgrader(notebook).values()) == {0.0}


def test_a_file_that_could_not_be_collected_is_graded_zero_with_its_reason(grade):
    gone = Finding("unreadable notebook", "luong.ipynb is a symbolic link.")
    result, _ = grade(None, findings=[gone])
    assert result.status == "failed"
    assert "symbolic link" in result.reason


def test_cases_depend_on_secret_student_and_exercise():
    seeds = {
        case_seed(b"a", "ada", "f"),
        case_seed(b"b", "ada", "f"),
        case_seed(b"a", "bob", "f"),
        case_seed(b"a", "ada", "g"),
    }
    assert len(seeds) == 4
    assert case_seed(b"a", "ada", "f") == case_seed(b"a", "ada", "f")


def exercise(name, status, title=None):
    return ExerciseResult(name, name, 0.0, 1.0, status, "", misconception_title=title)


def test_the_reason_of_a_perfect_notebook_says_so():
    assert reason([exercise(c, "correct") for c in "abc"], []) == "All 3 exercises correct."


def test_the_reason_names_what_is_wrong_and_why():
    told = reason(
        [exercise("a", "correct"), exercise("b", "wrong", "softmax over queries")],
        [Finding("renamed notebook", "It had another name."), Finding("exception", "Cell 3 fell.")],
    )
    assert told.startswith("1 of 2 exercises correct; wrong: b (softmax over queries).")
    assert told.index("Cell 3 fell.") < told.index("It had another name.")
