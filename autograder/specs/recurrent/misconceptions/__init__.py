"""What students plausibly write, by exercise, with hints that lead without telling."""

from autograder.specs.recurrent.misconceptions.gru import GRU_STEP
from autograder.specs.recurrent.misconceptions.lstm import LSTM_STEP
from autograder.specs.recurrent.misconceptions.paths import PATH_LENGTHS
from autograder.specs.recurrent.misconceptions.rnn import RNN_STEP
from autograder.specs.recurrent.misconceptions.steps import SEQUENTIAL_STEPS
from autograder.specs.recurrent.misconceptions.unroll import UNROLL_RNN

BANK = {
    "rnn_step": RNN_STEP.entries,
    "lstm_step": LSTM_STEP.entries,
    "gru_step": GRU_STEP.entries,
    "unroll_rnn": UNROLL_RNN.entries,
    "sequential_steps": SEQUENTIAL_STEPS.entries,
    "path_lengths": PATH_LENGTHS.entries,
}
