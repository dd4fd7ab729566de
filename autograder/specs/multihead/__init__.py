"""Unit 8: several heads, side by side, shared, and talking to each other."""

from collections.abc import Callable
from typing import Any

from autograder.checks.spec import Check, Exercise, Unit
from autograder.specs.multihead import attending, heads, oracles, sharing
from autograder.specs.multihead.misconceptions import BANK
from autograder.specs.multihead.solutions import SOLUTIONS

# The whole library's own answers, by module: a student may import its data and plots.
_FORBIDDEN = (
    "attention_lib.attention",
    "attention_lib.efficient",
    "attention_lib.layers",
    "attention_lib.multihead",
    "attention_lib.transformer",
    "autograder.specs",
    "einops.layers",
    "torch.nn.MultiheadAttention",
    "torch.nn.functional.multi_head_attention_forward",
    "torch.nn.functional.scaled_dot_product_attention",
)


def _exercise(
    title: str, points: float, oracle: Callable[..., Any], checks: tuple[Check, ...]
) -> Exercise:
    """An exercise is called what its oracle is called."""
    name = oracle.__name__
    return Exercise(name, title, points, oracle, checks, BANK[name], SOLUTIONS[name], _FORBIDDEN)


UNIT = Unit(
    "multihead",
    "Several heads",
    (
        _exercise("Cut into heads", 12, oracles.split_heads, heads.SPLIT_HEADS),
        _exercise("Put side by side again", 10, oracles.merge_heads, heads.MERGE_HEADS),
        _exercise("Self-attention with several heads", 26, oracles.multihead_self_attention,
                  attending.SELF_ATTENTION),
        _exercise("Cross-attention, as torch does it", 20, oracles.multihead_cross_attention,
                  attending.CROSS_ATTENTION),
        _exercise("Heads that share", 16, oracles.grouped_query_attention, sharing.GROUPED_QUERY),
        _exercise("Heads that talk", 16, oracles.talking_heads, sharing.TALKING_HEADS),
    ),
)  # fmt: skip
