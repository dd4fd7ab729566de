"""Unit 4: the attention of Luong et al. (2015)."""

from collections.abc import Callable
from typing import Any

from attention_lib import attention, local_attention, metrics, scores, seq2seq
from autograder.checks.spec import Check, Exercise, Unit
from autograder.specs.luong import decoding, scoring
from autograder.specs.luong.misconceptions import BANK
from autograder.specs.luong.solutions import SOLUTIONS

# The whole library's own answers, by module: a student may import its data and plots.
_REFERENCE = (
    "attention_lib.attention",
    "attention_lib.decoding",
    "attention_lib.evaluation",
    "attention_lib.local_attention",
    "attention_lib.metrics",
    "attention_lib.recurrent",
    "attention_lib.scores",
    "attention_lib.seq2seq",
    "autograder.specs",
)
_TORCH = (
    "torch.nn.MultiheadAttention",
    "torch.nn.functional.multi_head_attention_forward",
    "torch.nn.functional.scaled_dot_product_attention",
)

_WINDOWS = ("attention_lib.masks.window_mask",)


def _exercise(
    title: str,
    points: float,
    oracle: Callable[..., Any],
    checks: tuple[Check, ...],
    forbidden: tuple[str, ...] = (),
) -> Exercise:
    """An exercise is called what its oracle is called."""
    name = oracle.__name__
    forbidden = _REFERENCE + _TORCH + forbidden
    return Exercise(name, title, points, oracle, checks, BANK[name], SOLUTIONS[name], forbidden)


UNIT = Unit(
    "luong",
    "Luong's attention",
    (
        _exercise("Masked softmax", 12, attention.masked_softmax, scoring.MASKED_SOFTMAX),
        _exercise("The general score", 12, scores.general_score, scoring.GENERAL_SCORE),
        _exercise("The concat score", 14, scores.concat_score, scoring.CONCAT_SCORE),
        _exercise(
            "The attentional vector", 10, attention.attentional_vector, scoring.ATTENTIONAL_VECTOR
        ),
        _exercise(
            "A monotonic window", 14, local_attention.local_m_mask, decoding.LOCAL_M_MASK, _WINDOWS
        ),
        _exercise(
            "A predicted window",
            16,
            local_attention.local_p_weights,
            decoding.LOCAL_P_WEIGHTS,
            _WINDOWS,
        ),
        _exercise("One step with input feeding", 14, seq2seq.luong_step, decoding.LUONG_STEP),
        _exercise(
            "Alignment error rate", 8, metrics.alignment_error_rate, decoding.ALIGNMENT_ERROR_RATE
        ),
    ),
)
