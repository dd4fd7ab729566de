"""What students plausibly write, by exercise, with hints that lead without telling."""

from autograder.specs.seq2seq.misconceptions.encoder import ENCODE
from autograder.specs.seq2seq.misconceptions.forcing import TEACHER_FORCING
from autograder.specs.seq2seq.misconceptions.greedy import GREEDY_DECODE
from autograder.specs.seq2seq.misconceptions.loss import SEQUENCE_LOSS
from autograder.specs.seq2seq.misconceptions.reversal import REVERSE_PADDED
from autograder.specs.seq2seq.misconceptions.step import DECODER_STEP

BANK = {
    "encode": ENCODE.entries,
    "reverse_padded": REVERSE_PADDED.entries,
    "decoder_step": DECODER_STEP.entries,
    "teacher_forcing": TEACHER_FORCING.entries,
    "sequence_loss": SEQUENCE_LOSS.entries,
    "greedy_decode": GREEDY_DECODE.entries,
}
