"""Unit 7: scaled dot product attention and the sentence that attends to itself."""

from autograder.checks.spec import Check, Exercise, Unit
from autograder.specs.self_attention import arrays, attending, oracles
from autograder.specs.self_attention.misconceptions import BANK
from autograder.specs.self_attention.solutions import SOLUTIONS

# The whole library's own answers, by module: a student may import its data and plots.
_FORBIDDEN = (
    "attention_lib.attention",
    "attention_lib.efficient",
    "attention_lib.masks",
    "attention_lib.multihead",
    "attention_lib.scores",
    "attention_lib.transformer",
    "autograder.specs",
    "torch.nn.MultiheadAttention",
    "torch.nn.functional.multi_head_attention_forward",
    "torch.nn.functional.scaled_dot_product_attention",
)


def _exercise(name: str, title: str, points: float, checks: tuple[Check, ...]) -> Exercise:
    oracle = getattr(oracles, name)
    return Exercise(name, title, points, oracle, checks, BANK[name], SOLUTIONS[name], _FORBIDDEN)


UNIT = Unit(
    "self_attention",
    "Self-attention",
    (
        _exercise("by_hand", "笔记本 by hand", 14, arrays.BY_HAND),
        _exercise("kernel_regression", "Kernel regression", 16, arrays.KERNEL_REGRESSION),
        _exercise("attention", "Scaled dot product attention", 16, attending.ATTENTION),
        _exercise("attention_mask", "Who may look where", 18, attending.ATTENTION_MASK),
        _exercise("masked_attention", "Attention with a mask", 20, attending.MASKED_ATTENTION),
        _exercise("self_attention", "A layer of self-attention", 16, attending.SELF_ATTENTION),
    ),
)
