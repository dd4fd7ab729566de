"""Cells that were deleted, doubled, moved or disguised."""

from .corpus import Attack, Twin
from .making import (
    again,
    answer,
    cell,
    delete,
    find,
    markdown,
    metadata,
    notebook,
    nothing,
    partly,
    right,
)


def _first(work, world):  # the tests in front of all answers
    tests = [c for c in work.cells if str(c.metadata.get("nbgrader", {})).count("check_")]
    work.cells[:] = tests + [c for c in work.cells if c not in tests]


def _turned(grade_id, kind):
    def step(work, world):
        held = find(work, grade_id)
        held.cell_type = kind
        for key in ("outputs", "execution_count"):
            held.pop(key, None)

    return step


def _stripped(work, world):
    for held in work.cells:
        held.metadata.clear()


def _anonymous(work, world):
    _stripped(work, world)
    for number, held in enumerate(work.cells):
        held["id"] = f"new-{number}"


def _swapped(work, world):
    one, other = find(work, "masked_softmax"), find(work, "general_score")
    one.source, other.source = other.source, one.source


_ALIKE = "def mаsked_softmax(scores, mask):\n    return scores.softmax(-1)"
_REMARK = '"""Ünïcödé in a docstring: α, β, 注意力."""'
_HIDDEN = """
def general_score(query, key, weight):
    return query @ weight @ key.mT  # \u202e } \u2066 return zeros \u2069
"""
_NULL = "x = 1\x00\nprint('never')"
_SKIPS = "%%script false --no-raise-error\nraise RuntimeError('skipped')"
_JAVASCRIPT = "%%javascript\nIPython.notebook.execute_all_cells()"
_PYTHON = "%%capture held\nprint('kept for later')"

ATTACKS = [
    Attack(
        "a deleted test",
        "The test of an exercise that is not done was deleted.",
        notebook(partly, delete("check_luong_step"), delete("check_masked_softmax")),
        24,
        "Deleted tests are put back, each behind its answer, and named.",
        "Cell 'check_luong_step' was deleted; it was put back",
        Twin("Deletes a cell of text that is not locked.",
             notebook(right, lambda work, world: work.cells.remove(
                 next(c for c in work.cells if "nbgrader" not in c.metadata)))),
    ),
    Attack(
        "all tests deleted",
        "All cells but the answers were deleted.",
        notebook(right, lambda work, world: work.cells.__setitem__(slice(None), [
            c for c in work.cells if c.metadata.get("nbgrader", {}).get("solution")])),
        100,
        "All tests and texts are put back and named.",
        "was deleted; it was put back",
        Twin("Writes her answer into a new cell and empties the old one.",
             notebook(right, lambda work, world: cell(
                 find(work, "general_score").source, at="general_score")(work, world),
                 answer("general_score", "# see below"))),
    ),
    Attack(
        "a test that is there twice",
        "The test of the one right exercise is there three times.",
        notebook(partly, again("check_masked_softmax"), again("check_masked_softmax")),
        24,
        "It is run once, counts once, and is named.",
        "Cell 'check_masked_softmax' is there 3 times; it was run once",
        Twin("Copies a test's call into a cell of her own, commented out.",
             notebook(right, cell('# check("luong/masked_softmax", masked_softmax)'))),
    ),
    Attack(
        "an answer that is there twice",
        "An answer cell was copied: one copy is right, the last one is not.",
        notebook(partly, again("general_score", "general_score = None")),
        12,
        "Both run in their order, as in the student's notebook, and it is named.",
        "Cell 'general_score' is there 2 times",
        Twin("Defines a function once more in a cell of her own, better.",
             notebook(right, answer("general_score", "def general_score(*args):\n    return 0"),
                      cell("def general_score(query, key, weight):\n"
                           "    return query @ weight @ key.mT", at="general_score"))),
    ),
    Attack(
        "a locked cell that breaks the rest",
        "The cell that imports torch was emptied.",
        notebook(right, answer("setup", "raise SystemExit")),
        100,
        "Locked cells are restored and named.",
        "edited text: The locked cell 'setup' was edited",
        Twin("Imports what is imported already.", notebook(right, cell("import torch"))),
    ),
    Attack(
        "tests before answers",
        "All tests were moved to the top.",
        notebook(right, _first),
        100,
        "The order is that of the release.",
        "All 8 exercises correct",
        Twin("Moves a cell of her own to the top.",
             notebook(right, cell("mine = 1", at="first"))),
    ),
    Attack(
        "an answer that is text",
        "A wrong answer's cell was turned into text, so that it cannot fail.",
        notebook(partly, answer("concat_score", "raise SystemExit"),
                 _turned("concat_score", "markdown")),
        24,
        "It is turned back into code and named.",
        "was turned from code into markdown",
        Twin("Adds text cells between the exercises.",
             notebook(right, markdown("Some thoughts: $a^2$."))),
    ),
    Attack(
        "cells that lost what they are",
        "All metadata and all ids were removed.",
        notebook(right, _anonymous),
        100,
        "The cells run as the student's own; the tests are put back and find the functions.",
        "was deleted; it was put back",
        Twin("All metadata was removed, as some platforms do, but the ids are there.",
             notebook(right, _stripped)),
    ),
    Attack(
        "a name that looks the same",
        "A function is defined under a name with a Cyrillic letter in it.",
        notebook(nothing, answer("masked_softmax", _ALIKE)),
        0,
        "It is another name: the function that is asked for does not exist.",
        "there is no function called masked_softmax",
        Twin("Uses Greek names and a Chinese docstring.",
             notebook(right, cell(f"def score(α, β):\n    {_REMARK}\n    return α * β\n\n"
                                  "print(score(2, 3))")), shows="6"),
    ),
    Attack(
        "text that runs backwards",
        "Control characters make the code look other than it is.",
        notebook(nothing, answer("general_score", _HIDDEN)),
        12,
        "What counts is what the code does.",
        "1 of 8 exercises correct",
        Twin("Writes Arabic and Hebrew in comments.",
             notebook(right, cell("x = 1  # انتباه, קשב"))),
    ),
    Attack(
        "a null byte",
        "A cell has a null byte in its source.",
        notebook(partly, cell(_NULL)),
        24,
        "Python refuses it; the other cells run.",
        "exercises correct",
        Twin("Has a tabulator and a form feed in its source.",
             notebook(right, cell("if True:\n\tprint('tab')\n\x0c\nprint('feed')")),
             shows="feed"),
    ),
    Attack(
        "an answer that is skipped",
        "The answers begin with a magic that does not run them.",
        notebook(partly, answer("masked_softmax", _SKIPS), answer("general_score", _JAVASCRIPT)),
        0,
        "Then there is no function, and it is said so.",
        "there is no function called masked_softmax",
        Twin("Captures the output of a cell.",
             notebook(right, cell(_PYTHON), cell("held.show()", at="masked_softmax")),
             shows="kept for later"),
    ),
    Attack(
        "answers in the wrong cells",
        "Two answers were swapped.",
        notebook(right, _swapped),
        88,
        "The first test comes before the function that it calls, as in the student's notebook.",
        "there is no function called masked_softmax",
        Twin("Writes two answers into the first one's cell.",
             notebook(right, lambda work, world: find(work, "masked_softmax").update(
                 source=find(work, "masked_softmax").source + "\n\n\n"
                 + find(work, "general_score").source),
                 answer("general_score", "# in the cell above"))),
    ),
    Attack(
        "names that do not belong",
        "The grade_ids of two answers were exchanged in the metadata.",
        notebook(right, metadata("masked_softmax", grade_id="x"),
                 metadata("general_score", grade_id="masked_softmax"),
                 metadata("x", grade_id="general_score")),
        88,
        "Each cell goes where its name belongs; so the first test comes before its function.",
        "there is no function called masked_softmax",
        Twin("Leaves the written question empty.",
             notebook(right, answer("written_window", "*Your answer*"))),
    ),
    Attack(
        "a name that is no name",
        "The grade_id of an answer is a path, a query and a list.",
        notebook(partly, metadata("concat_score", grade_id="../../gradebook"),
                 metadata("luong_step", grade_id="'; drop table grade; --"),
                 metadata("local_m_mask", grade_id=["a", {"b": 1}])),
        24,
        "Names that the release does not have are forgotten; the cells are known by their ids.",
        "This assignment has no cell",
        Twin("Gives a cell of her own a name in its metadata.",
             notebook(right, cell("mine = 1"), lambda work, world: next(
                 c for c in work.cells if c.source == "mine = 1").metadata.update(name="mine"))),
    ),
]  # fmt: skip
