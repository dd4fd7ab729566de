"""Unit 9: telling attention, which sees a set, in which order the words stand."""

from autograder.checks.spec import Check, Exercise, Unit
from autograder.specs.position import heads, oracles, words
from autograder.specs.position.misconceptions import BANK
from autograder.specs.position.solutions import SOLUTIONS

# The whole library's own answers, by module: a student may import its data, masks and plots.
_FORBIDDEN = (
    "attention_lib.language_models",
    "attention_lib.layers",
    "attention_lib.positions",
    "attention_lib.transformer",
    "autograder.specs",
    "transformers",
)


def _exercise(name: str, title: str, points: float, checks: tuple[Check, ...]) -> Exercise:
    oracle = getattr(oracles, name)
    return Exercise(name, title, points, oracle, checks, BANK[name], SOLUTIONS[name], _FORBIDDEN)


UNIT = Unit(
    "position",
    "Positions",
    (
        _exercise("order_effect", "Who notices a shuffle", 16, words.ORDER_EFFECT),
        _exercise("add_sinusoids", "A bank of clocks", 20, words.ADD_SINUSOIDS),
        _exercise("embed", "A learned table and its end", 16, words.EMBED),
        _exercise("relative_bias", "A bias for every distance", 16, heads.RELATIVE_BIAS),
        _exercise("rotate", "Rotary positions", 20, heads.ROTATE),
        _exercise("add_alibi", "A penalty on distance", 12, heads.ADD_ALIBI),
    ),
)
