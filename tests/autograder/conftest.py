"""An invented class after grading: results, graded notebooks, names that try to break pages."""

import copy
import json
import os
import shutil
import subprocess
import sysconfig
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.api import Gradebook

from autograder.assignment import Course, notebook_bytes, release, released_notebook
from autograder.checks.spec import load_unit
from autograder.results import ExerciseResult, Finding, SubmissionResult, write_json


@pytest.fixture(scope="session")
def bubblewrap() -> None:
    """Skip, with the reason, where no sandbox can be."""
    try:
        subprocess.run(
            ["bwrap", "--ro-bind", "/", "/", "--unshare-pid", "--unshare-net", "true"],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as problem:
        pytest.skip(f"no bubblewrap that works on this machine: {problem}")


EXERCISES = {
    "masked_softmax": ("Masked softmax", 12),
    "general_score": ("The general score", 12),
    "concat_score": ("The concat score", 14),
    "attentional_vector": ("The attentional vector", 10),
    "local_m_mask": ("A monotonic window", 14),
    "local_p_weights": ("A predicted window", 16),
    "luong_step": ("One step with input feeding", 14),
    "alignment_error_rate": ("Alignment error rate", 8),
}
AXIS = ("wrong_axis", "softmax over the queries instead of the keys")
SHIFT = ("one_based", "the window is centred one position too far right")
HOSTILE = {
    "formula": "=1+1",
    "script": "<script>window.hacked='name'<script>",
    "comma": 'O’Brien, "Bo" J.',
}


def verdict(name: str, share: float = 1.0, status: str = "correct", known=None) -> ExerciseResult:
    title, points = EXERCISES[name]
    passed = status == "correct"
    return ExerciseResult(
        exercise=name,
        title=title,
        points=round(points * share, 2),
        max_points=points,
        status=status,
        message="All checks passed."
        if passed
        else f"{title}: look at the shapes first <b>& think</b>",
        misconception=known and known[0],
        misconception_title=known and known[1],
        checks=(
            {
                "name": "equals the paper's formula",
                "passed": passed,
                "weight": 3,
                "message": "",
                "judged": True,
            },
            {
                "name": "masked cells are exactly 0",
                "passed": share > 0,
                "weight": 1,
                "message": "" if share > 0 else "cell (0, 2, 3) is 0.25",
                "judged": True,
            },
        ),
        seconds=0.1,
    )


def student(name: str, exercises: list[ExerciseResult], **changes) -> SubmissionResult:
    result = SubmissionResult(
        student=name,
        assignment="luong",
        key=f"key-of-{len(name)}",
        status="graded",
        reason="All graded cells ran.",
        score=sum(e.points for e in exercises),
        max_score=100,
        manual=1,
        exercises=tuple(exercises),
        seconds=2.5,
    )
    return replace(result, **changes)


def with_changes(**changes: tuple) -> list[ExerciseResult]:
    return [verdict(name, *changes.get(name, ())) for name in EXERCISES]


def invented_class() -> list[SubmissionResult]:
    nothing = (0.0, "not attempted")
    axis = (0.25, "partial", AXIS)
    return [
        student("王小明", with_changes()),
        student("李雷", with_changes(), manual=0),
        student("陈静怡", with_changes(masked_softmax=axis, local_m_mask=(0.5, "partial", SHIFT))),
        student("amira.haddad", with_changes(masked_softmax=axis, luong_step=nothing)),
        student("ben.okafor", with_changes(concat_score=(0.0, "wrong"))),
        student(HOSTILE["comma"], with_changes(local_m_mask=(0.5, "partial", SHIFT))),
        student(HOSTILE["formula"], with_changes(local_p_weights=(0.3, "partial"))),
        student(HOSTILE["script"], with_changes(masked_softmax=axis, alignment_error_rate=nothing)),
        student("dora.nagy", with_changes(**dict.fromkeys(list(EXERCISES)[3:], nothing))),
        student(
            "emil.berg",
            with_changes(general_score=(0.0, "error"), concat_score=(0.0, "error")),
            status="problems",
            reason="An exception in general_score: NameError: name 'tourch' is not defined.",
            findings=(Finding("exception", "NameError: name 'tourch' is not defined"),),
        ),
        student(
            "farah.aziz",
            with_changes(local_p_weights=(0.0, "error"), luong_step=(0.0, "not run")),
            status="problems",
            reason="A cell ran longer than 30 s and was stopped.",
            findings=(Finding("time limit", "cell 14 was stopped after 30 s"),),
            seconds=41.0,
        ),
        student(
            "goran.ilic",
            with_changes(),
            status="problems",
            reason="A graded cell was deleted and has been put back; the rest is unchanged.",
            findings=(
                Finding("missing cell", "test_general_score was deleted"),
                Finding("edited test", "test_concat_score was edited; the released one was used"),
            ),
        ),
        student(
            "hana.sato",
            [],
            status="failed",
            reason="The file is not a notebook: it is not valid JSON (line 1, column 2).",
            findings=(Finding("unreadable notebook", "Expecting property name: line 1 column 2"),),
            manual=0,
            seconds=0.0,
        ),
        student(
            "ivo.marin",
            [],
            status="failed",
            reason="The kernel died before any cell could run.",
            findings=(Finding("kernel died", "exit status 139"),),
            manual=0,
        ),
    ]


def graded_notebook() -> nbformat.NotebookNode:
    """An honest notebook with everything that a hostile one would put into markdown and outputs."""

    flood = "\x1b[31mred\x1b[0m <i>" + "y" * 500_000
    traceback = ["\x1b[0;31mNameError\x1b[0m: <script>window.hacked='tb'</script>"]

    def graded(grade_id: str, *, solution: bool) -> dict:
        return {
            "nbgrader": {
                "grade": True,
                "solution": solution,
                "task": False,
                "locked": not solution,
                "schema_version": 3,
                "grade_id": grade_id,
                "points": 1,
            }
        }

    attacks = "\n\n".join(
        [
            "<script>window.hacked='markdown'</script>",
            "<img src=x onerror=\"window.hacked='onerror'\">",
            "![outside](https://outside.example/pixel.png)",
            "<iframe src='https://outside.example/'></iframe>",
            "<a href=\"javascript:window.hacked='link'\">a link</a>",
            "<style>body { display: none }</style>",
            "<form action='https://outside.example'><button>Send</button></form>",
            "<p style=\"background: url('https://outside.example/b.png'); position: fixed\">x</p>",
            "![gone](attachment:gone.png)",
            "### A heading of the student's own",
        ]
    )
    html = (
        "<table><tr><th>head</th><td>cell</td></tr></table><script>window.hacked='html'</script>"
        "<svg onload=\"window.hacked='svg'\"></svg><link rel=stylesheet href=//outside.example/s>"
    )
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">'
        "<script>parent.hacked='svg output'</script>"
        '<image href="https://outside.example/i.png" width="5" height="5"/>'
        '<rect width="40" height="20" fill="#56b4e9"/></svg>'
    )
    return new_notebook(
        cells=[
            new_markdown_cell("# Luong 注意力\n\nMath stays as text: $q^T W k < 1$.\n\n> quoted"),
            new_markdown_cell(attacks),
            new_code_cell(
                "def masked_softmax(scores, mask):\n    return scores.softmax(-1)  # 注意力 <b>",
                execution_count=1,
            ),
            new_code_cell(
                'check("luong/masked_softmax", masked_softmax)',
                metadata=graded("test_masked_softmax", solution=False),
                outputs=[new_output("stream", name="stdout", text="GRADER OUTPUT")],
            ),
            new_code_cell(
                "print('x')",
                outputs=[
                    new_output("stream", name="stdout", text=flood),
                    new_output("display_data", {"text/html": html}),
                    new_output("display_data", {"image/svg+xml": svg, "text/plain": "a drawing"}),
                    new_output("display_data", {"application/javascript": "window.hacked='js'"}),
                    new_output("display_data", {"text/markdown": attacks}),
                    new_output("display_data", {"text/latex": "$\\alpha<script>$"}),
                    new_output("error", ename="NameError", evalue="x", traceback=traceback),
                ],
            ),
            new_code_cell(
                'check("luong/general_score", general_score)\n'
                "### BEGIN HIDDEN TESTS\nassert SECRET_TEST\n### END HIDDEN TESTS",
                metadata=graded("test_general_score", solution=False),
                outputs=[new_output("stream", name="stdout", text="assert SECRET_TEST failed")],
            ),
            new_markdown_cell(
                "Attention helps most where the order of words differs.",
                metadata=graded("written_why", solution=True),
            ),
        ]
    )


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course folder as the engine leaves it, for the invented class."""
    for i, result in enumerate(invented_class()):
        write_json(tmp_path / "results" / "luong" / f"{i}.json", result)
        if result.status != "failed":
            path = tmp_path / "autograded" / result.student / "luong" / "luong.ipynb"
            path.parent.mkdir(parents=True)
            nbformat.write(graded_notebook(), path)
    release = tmp_path / "release" / "luong" / "luong.ipynb"
    release.parent.mkdir(parents=True)
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Luong's attention")]), release)
    return tmp_path


@pytest.fixture
def new_gradebook(course, monkeypatch):
    """The course's gradebook with the assignment in it and no student."""
    # nbgrader makes a database by calling alembic by name.
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"), prepend=os.pathsep)
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        book.add_assignment("luong")
        book.add_notebook("luong", "luong")
        yield book


@pytest.fixture
def make_student():
    """Build one more student: make_student(name, exercises, **changes)."""
    return student


@pytest.fixture
def make_exercises():
    """Build verdicts on all exercises: make_exercises(masked_softmax=(share, status))."""
    return with_changes


@pytest.fixture
def class_of_14() -> list[SubmissionResult]:
    return invented_class()


# ------------------------------------------------------------------ a small assignment, ungraded

ANSWERS = {
    "masked_softmax": """\
    scores = scores.masked_fill(~mask, float("-inf"))
    top = scores.amax(-1, keepdim=True)
    exps = torch.exp(scores - torch.where(torch.isfinite(top), top, torch.zeros_like(top)))
    return exps / exps.sum(-1, keepdim=True).clamp(min=torch.finfo(exps.dtype).tiny)""",
    "general_score": """\
    return query @ weight @ key.transpose(1, 2)""",
}
SIGNATURES = {"masked_softmax": "scores, mask", "general_score": "query, key, weight"}


def percent_cell(
    kind: str, source: str, grade_id: str, points: float | None = None, **flags
) -> str:
    meta = {"grade": False, "solution": False, "locked": False, "task": False, **flags}
    meta |= {"grade_id": grade_id, "schema_version": 3}
    if points is not None:
        meta["points"] = points
    if kind == "markdown":
        source = "\n".join(f"# {line}" for line in source.split("\n"))
    mark = "# %% [markdown]" if kind == "markdown" else "# %%"
    return f"{mark} nbgrader={json.dumps(meta)}\n{source}\n"


@pytest.fixture(scope="session")
def solution_text() -> str:
    """Unit luong as a small assignment: two exercises with answers, the others left open."""
    parts = [
        percent_cell("markdown", "# Luong attention", "intro", locked=True),
        percent_cell(
            "code",
            "import torch\nfrom autograder.checks import check",
            "setup",
            locked=True,
        ),
        "# %% [markdown]\n# Scratch paper follows.\n",
    ]
    for exercise in load_unit("luong").exercises:
        name = exercise.name
        answer = ANSWERS.get(name, "    raise NotImplementedError()")
        source = (
            f"def {name}({SIGNATURES.get(name, '*args')}):\n"
            f"    ### BEGIN SOLUTION\n{answer}\n    ### END SOLUTION"
        )
        parts.append(percent_cell("code", source, name, solution=True))
        call = f'check("luong/{name}", {name})'
        parts.append(
            percent_cell("code", call, f"check_{name}", exercise.points, grade=True, locked=True)
        )
    parts.append(
        percent_cell(
            "markdown", "Masks keep padding out.", "why_masks", 5, grade=True, solution=True
        )
    )
    return "\n".join(parts)


@pytest.fixture(scope="session")
def released(solution_text):
    """What students receive."""
    return released_notebook(solution_text)


@pytest.fixture
def student_notebook(released):
    """Build a student's notebook: answers by exercise put into the released one."""

    def build(**bodies: str):
        notebook = copy.deepcopy(released)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in bodies:
                cell.source = bodies[name]
        return notebook

    return build


def definition(name: str, body: str | None = None) -> str:
    """A right answer's cell, or one with another body."""
    return f"def {name}({SIGNATURES[name]}):\n{ANSWERS[name] if body is None else body}"


@pytest.fixture
def right() -> dict[str, str]:
    """The right answers' cells, by exercise."""
    return {name: definition(name) for name in ANSWERS}


@pytest.fixture(scope="session")
def fresh_home(tmp_path_factory, solution_text) -> Path:
    """A folder with solutions/ and a course into which they were released, made once."""
    folder = tmp_path_factory.mktemp("released")
    (folder / "solutions").mkdir()
    (folder / "solutions" / "luong.py").write_text(solution_text, encoding="utf-8")
    release("luong", Course(folder / "course"), folder / "solutions")
    return folder


@pytest.fixture
def home(tmp_path, fresh_home) -> Course:
    """A course into which the small assignment was released."""
    shutil.copytree(fresh_home, tmp_path, dirs_exist_ok=True)
    return Course(tmp_path / "course")


@pytest.fixture
def submit(home):
    """Hand in a notebook (or raw bytes) for a student."""

    def hand_in(student: str, work, timestamp: str | None = None) -> Path:
        folder = home.submitted(student, "luong")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "luong.ipynb"
        path.write_bytes(work if isinstance(work, bytes) else notebook_bytes(work))
        if timestamp:
            (folder / "timestamp.txt").write_text(timestamp, encoding="utf-8")
        return path

    return hand_in


def _booked(submission) -> dict:
    """What the gradebook says of a submission, without the names of its rows."""
    return {
        "timestamp": str(submission.timestamp),
        "score": submission.score,
        "max_score": submission.max_score,
        "notebooks": {
            notebook.name: {
                "penalty": notebook.late_submission_penalty,
                "grades": {
                    grade.name: (
                        grade.auto_score,
                        grade.manual_score,
                        grade.extra_credit,
                        bool(grade.needs_manual_grade),
                        grade.max_score,
                    )
                    for grade in notebook.grades
                },
                "comments": {c.name: (c.auto_comment, c.manual_comment) for c in notebook.comments},
            }
            for notebook in submission.notebooks
        },
    }


@pytest.fixture
def booked():
    """All that the gradebook says of an assignment, field by field: booked(course, name)."""

    def read(course: Course, assignment: str) -> dict:
        with Gradebook(course.database) as book:
            return {s.student_id: _booked(s) for s in book.assignment_submissions(assignment)}

    return read


@pytest.fixture
def stored(booked):
    """All that grading luong leaves in a course, but for times: stored(course)."""

    def read(course: Course) -> dict:
        results = (course.root / "results" / "luong").glob("*.json")
        return {
            "gradebook": booked(course, "luong"),
            "results": {p.stem: json.loads(p.read_text("utf-8")) for p in results},
            "files": {
                str(p.relative_to(course.root)): p.read_bytes()
                for p in (course.root / "autograded").rglob("*")
                if p.is_file()
            },
        }

    return read
