"""Unit 2: an encoder, a decoder, and one vector between them."""

from collections.abc import Callable
from typing import Any

from autograder.checks.spec import Check, Exercise, Unit
from autograder.specs.seq2seq import decoding, encoding, oracles, teaching
from autograder.specs.seq2seq.misconceptions import BANK
from autograder.specs.seq2seq.solutions import SOLUTIONS

# The library's own answers, by module: a student may import its data and plots.
_REFERENCE = (
    "attention_lib.cells",
    "attention_lib.data.batching.shift_right",
    "attention_lib.decoding",
    "attention_lib.fast",
    "attention_lib.fast_recurrent",
    "attention_lib.losses",
    "attention_lib.recurrent",
    "attention_lib.seq2seq",
    "attention_lib.training",
    "autograder.specs",
)
_TORCH = (
    *(f"torch.nn.{kind}{cell}" for kind in ("RNN", "LSTM", "GRU") for cell in ("", "Cell")),
    *(f"torch.{kind}{cell}" for kind in ("lstm", "gru") for cell in ("", "_cell")),
    *(f"torch.rnn_{kind}{cell}" for kind in ("tanh", "relu") for cell in ("", "_cell")),
    "torch.nn.modules.rnn",
    "torch.nn.utils.rnn",
    "torch.nn.functional.cross_entropy",
    "torch.nn.functional.nll_loss",
    "torch.nn.CrossEntropyLoss",
    "torch.nn.NLLLoss",
    "torch.nn.modules.loss",
    "torch.nll_loss",
    "torch._VF",
    "torch._C",
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
    "seq2seq",
    "A sentence in one vector",
    (
        _exercise("The encoder", 18, oracles.encode, encoding.ENCODE),
        _exercise("Turning the source around", 12, oracles.reverse_padded, encoding.REVERSE_PADDED),
        _exercise("One step of the decoder", 16, oracles.decoder_step, decoding.DECODER_STEP),
        _exercise("Teacher forcing", 16, oracles.teacher_forcing, decoding.TEACHER_FORCING),
        _exercise("The loss of a padded batch", 18, oracles.sequence_loss, teaching.SEQUENCE_LOSS),
        _exercise("Greedy decoding", 20, oracles.greedy_decode, decoding.GREEDY_DECODE),
    ),
)
