"""What students plausibly write, by exercise, with hints that lead without telling."""

from autograder.specs.self_attention.misconceptions.arrays import BY_HAND, KERNEL_REGRESSION
from autograder.specs.self_attention.misconceptions.attention import ATTENTION, SELF_ATTENTION
from autograder.specs.self_attention.misconceptions.masking import (
    ATTENTION_MASK,
    MASKED_ATTENTION,
)

BANK = {
    "by_hand": BY_HAND.entries,
    "kernel_regression": KERNEL_REGRESSION.entries,
    "attention": ATTENTION.entries,
    "attention_mask": ATTENTION_MASK.entries,
    "masked_attention": MASKED_ATTENTION.entries,
    "self_attention": SELF_ATTENTION.entries,
}
