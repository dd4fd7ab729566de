"""Unit 4: the attention of Luong et al. (2015)."""

from attention_lib import attention, local_attention, metrics, scores, seq2seq
from autograder.checks.spec import Exercise, Unit
from autograder.specs.luong import decoding, scoring

# The whole library's own answers, by module: a student may import its data and plots.
_REFERENCE = (
    "attention_lib.attention",
    "attention_lib.decoding",
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

UNIT = Unit(
    "luong",
    "Luong's attention",
    (
        Exercise(
            "masked_softmax",
            "Masked softmax",
            12,
            attention.masked_softmax,
            scoring.MASKED_SOFTMAX,
            forbidden=_REFERENCE + _TORCH,
        ),
        Exercise(
            "general_score",
            "The general score",
            12,
            scores.general_score,
            scoring.GENERAL_SCORE,
            forbidden=_REFERENCE + _TORCH,
        ),
        Exercise(
            "concat_score",
            "The concat score",
            14,
            scores.concat_score,
            scoring.CONCAT_SCORE,
            forbidden=_REFERENCE + _TORCH,
        ),
        Exercise(
            "attentional_vector",
            "The attentional vector",
            10,
            attention.attentional_vector,
            scoring.ATTENTIONAL_VECTOR,
            forbidden=_REFERENCE + _TORCH,
        ),
        Exercise(
            "local_m_mask",
            "A monotonic window",
            14,
            local_attention.local_m_mask,
            decoding.LOCAL_M_MASK,
            forbidden=(*_REFERENCE, *_TORCH, "attention_lib.masks.window_mask"),
        ),
        Exercise(
            "local_p_weights",
            "A predicted window",
            16,
            local_attention.local_p_weights,
            decoding.LOCAL_P_WEIGHTS,
            forbidden=(*_REFERENCE, *_TORCH, "attention_lib.masks.window_mask"),
        ),
        Exercise(
            "luong_step",
            "One step with input feeding",
            14,
            seq2seq.luong_step,
            decoding.LUONG_STEP,
            forbidden=_REFERENCE + _TORCH,
        ),
        Exercise(
            "alignment_error_rate",
            "Alignment error rate",
            8,
            metrics.alignment_error_rate,
            decoding.ALIGNMENT_ERROR_RATE,
            forbidden=_REFERENCE,
        ),
    ),
)
