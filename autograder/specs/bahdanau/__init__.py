"""Unit 3: the attention of Bahdanau et al. (2015)."""

from collections.abc import Callable
from typing import Any

from autograder.checks.spec import Check, Exercise, Unit
from autograder.specs.bahdanau import decoding, looking, oracles
from autograder.specs.bahdanau.misconceptions import BANK
from autograder.specs.bahdanau.solutions import SOLUTIONS

# The whole library's own answers, by module: a student may import its data and plots.
_REFERENCE = (
    "attention_lib.attention",
    "attention_lib.cells",
    "attention_lib.decoding",
    "attention_lib.evaluation",
    "attention_lib.fast_recurrent",
    "attention_lib.masks",
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
    *(f"torch.nn.{kind}{cell}" for kind in ("RNN", "LSTM", "GRU") for cell in ("", "Cell")),
    *(f"torch.rnn_{kind}{cell}" for kind in ("tanh", "relu") for cell in ("", "_cell")),
    "torch.nn.modules.rnn",
    "torch._VF",
    "torch.ops",
)


def _exercise(
    title: str, points: float, oracle: Callable[..., Any], checks: tuple[Check, ...]
) -> Exercise:
    """An exercise is called what its oracle is called."""
    name = oracle.__name__
    forbidden = _REFERENCE + _TORCH
    return Exercise(name, title, points, oracle, checks, BANK[name], SOLUTIONS[name], forbidden)


UNIT = Unit(
    "bahdanau",
    "A decoder that looks back",
    (
        _exercise("The additive score", 18, oracles.additive_score, looking.ADDITIVE_SCORE),
        _exercise(
            "Weights over real words", 16, oracles.attention_weights, looking.ATTENTION_WEIGHTS
        ),
        _exercise("The context", 10, oracles.context_vector, looking.CONTEXT_VECTOR),
        _exercise("Reading both ways", 22, oracles.read_both_ways, decoding.READ_BOTH_WAYS),
        _exercise("Look, then step", 20, oracles.bahdanau_step, decoding.BAHDANAU_STEP),
        _exercise(
            "Does it look where it should?",
            14,
            oracles.alignment_accuracy,
            decoding.ALIGNMENT_ACCURACY,
        ),
    ),
)
