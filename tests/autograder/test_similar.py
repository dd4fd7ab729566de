import inspect
import re
import textwrap

import pytest

from autograder.checks.spec import known_units, load_unit
from autograder.similar import ALIKE, similar_pairs

RELEASED = "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()\n"


def styles(unit: str) -> dict[str, str]:
    """Whole works by different hands: each takes another of the right solutions."""
    exercises = load_unit(unit).exercises
    hands = min(len(exercise.solutions) for exercise in exercises)
    return {
        f"hand {i}": "\n\n".join(
            textwrap.dedent(inspect.getsource(e.solutions[i])) for e in exercises
        )
        for i in range(hands)
    }


def disguised(code: str) -> str:
    """A copy with other names, comments, spaces and a line of its own."""
    names = sorted(set(re.findall(r"\b[a-z_]{4,}(?= =)", code)))
    for i, name in enumerate(names):
        code = re.sub(rf"\b{name}\b", f"renamed_{i}", code)
    lines = [f"{line}  # my own work" if line.endswith(")") else line for line in code.split("\n")]
    return "\n".join(["print('hello')", *lines])


@pytest.mark.parametrize("unit", known_units())
def test_right_solutions_by_different_hands_are_not_listed(unit):
    assert similar_pairs(styles(unit), RELEASED) == []


@pytest.mark.parametrize("unit", known_units())
def test_a_disguised_copy_is_listed(unit):
    works = styles(unit)
    [pair] = similar_pairs({**works, "copy": disguised(works["hand 1"])}, RELEASED)
    assert (pair.one, pair.other) == ("copy", "hand 1")
    assert pair.share > ALIKE


def test_what_was_released_makes_nobody_alike():
    [first, *_] = styles("luong").values()
    assert similar_pairs({"ada": first, "bob": f"{first}\n\nx = 1"}, first) == []


def test_what_many_wrote_makes_nobody_alike():
    hands = styles("luong")
    lecture = {f"student {i}": hands["hand 0"] for i in range(5)}
    assert similar_pairs(lecture, RELEASED) == []


def test_broken_and_empty_code_is_compared_as_far_as_it_goes():
    works = {"ada": "", "bob": "def f(:\n  '''", "cyd": "\x00 \udcff"}
    assert similar_pairs(works, RELEASED) == []


def test_pairs_are_listed_the_most_alike_first():
    hands = styles("luong")
    part = hands["hand 1"][: 2 * len(hands["hand 1"]) // 3] + hands["hand 2"]
    works = {"a": hands["hand 0"], "b": hands["hand 0"], "c": hands["hand 1"], "d": part}
    pairs = similar_pairs(works, RELEASED, alike=0.4)
    assert [(p.one, p.other) for p in pairs] == [("a", "b"), ("c", "d")]
