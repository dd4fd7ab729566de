"""Unit 1: recurrent cells, and what it costs to read one word at a time."""

from collections.abc import Callable
from typing import Any

from attention_lib.recurrence_cost import path_lengths, sequential_steps
from autograder.checks.spec import Check, Exercise, Unit
from autograder.specs.recurrent import cells, counting, oracles, reading
from autograder.specs.recurrent.misconceptions import BANK
from autograder.specs.recurrent.solutions import SOLUTIONS

# The whole library's own answers, by module: a student may import its data and plots.
_REFERENCE = (
    "attention_lib.cells",
    "attention_lib.fast_recurrent",
    "attention_lib.recurrence_cost",
    "attention_lib.recurrent",
    "attention_lib.seq2seq",
    "autograder.specs",
)
_TORCH = (
    *(f"torch.nn.{kind}{cell}" for kind in ("RNN", "LSTM", "GRU") for cell in ("", "Cell")),
    *(f"torch.{kind}{cell}" for kind in ("lstm", "gru") for cell in ("", "_cell")),
    *(f"torch.rnn_{kind}{cell}" for kind in ("tanh", "relu") for cell in ("", "_cell")),
    "torch.nn.modules.rnn",
    "torch.nn.utils.rnn",
    "torch._VF",
    "torch.ops",
    "networkx",
)


def _exercise(
    title: str, points: float, oracle: Callable[..., Any], checks: tuple[Check, ...]
) -> Exercise:
    """An exercise is called what its oracle is called."""
    name = oracle.__name__
    forbidden = _REFERENCE + _TORCH
    return Exercise(name, title, points, oracle, checks, BANK[name], SOLUTIONS[name], forbidden)


UNIT = Unit(
    "recurrent",
    "One word at a time",
    (
        _exercise("One step of a plain network", 12, oracles.rnn_step, cells.RNN_STEP),
        _exercise("One step of an LSTM", 20, oracles.lstm_step, cells.LSTM_STEP),
        _exercise("One step of a GRU", 18, oracles.gru_step, cells.GRU_STEP),
        _exercise("Reading a padded batch", 20, oracles.unroll_rnn, reading.UNROLL_RNN),
        _exercise("Steps that must wait", 14, sequential_steps, counting.SEQUENTIAL_STEPS),
        _exercise("How far is a word?", 16, path_lengths, counting.PATH_LENGTHS),
    ),
)
