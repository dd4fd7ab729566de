"""What students plausibly write, by exercise, with hints that lead without telling."""

from autograder.specs.luong.misconceptions.alignment import ALIGNMENT_ERROR_RATE
from autograder.specs.luong.misconceptions.decoder import ATTENTIONAL_VECTOR, LUONG_STEP
from autograder.specs.luong.misconceptions.scores import CONCAT_SCORE, GENERAL_SCORE
from autograder.specs.luong.misconceptions.softmax import MASKED_SOFTMAX
from autograder.specs.luong.misconceptions.windows import LOCAL_M_MASK, LOCAL_P_WEIGHTS

BANK = {
    "masked_softmax": MASKED_SOFTMAX.entries,
    "general_score": GENERAL_SCORE.entries,
    "concat_score": CONCAT_SCORE.entries,
    "attentional_vector": ATTENTIONAL_VECTOR.entries,
    "local_m_mask": LOCAL_M_MASK.entries,
    "local_p_weights": LOCAL_P_WEIGHTS.entries,
    "luong_step": LUONG_STEP.entries,
    "alignment_error_rate": ALIGNMENT_ERROR_RATE.entries,
}
