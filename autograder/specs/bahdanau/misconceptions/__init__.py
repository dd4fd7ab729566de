"""What students plausibly write, by exercise, with hints that lead without telling."""

from autograder.specs.bahdanau.misconceptions.alignment import ALIGNMENT_ACCURACY
from autograder.specs.bahdanau.misconceptions.context import CONTEXT_VECTOR
from autograder.specs.bahdanau.misconceptions.encoder import READ_BOTH_WAYS
from autograder.specs.bahdanau.misconceptions.score import ADDITIVE_SCORE
from autograder.specs.bahdanau.misconceptions.step import BAHDANAU_STEP
from autograder.specs.bahdanau.misconceptions.weights import ATTENTION_WEIGHTS

BANK = {
    "additive_score": ADDITIVE_SCORE.entries,
    "attention_weights": ATTENTION_WEIGHTS.entries,
    "context_vector": CONTEXT_VECTOR.entries,
    "read_both_ways": READ_BOTH_WAYS.entries,
    "bahdanau_step": BAHDANAU_STEP.entries,
    "alignment_accuracy": ALIGNMENT_ACCURACY.entries,
}
