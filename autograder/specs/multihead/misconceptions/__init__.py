"""What students plausibly write, by exercise, with hints that lead without telling."""

from autograder.specs.multihead.misconceptions.cross import CROSS_ATTENTION
from autograder.specs.multihead.misconceptions.heads import MERGE_HEADS, SPLIT_HEADS
from autograder.specs.multihead.misconceptions.layer import SELF_ATTENTION
from autograder.specs.multihead.misconceptions.sharing import GROUPED_QUERY, TALKING_HEADS

BANK = {
    "split_heads": SPLIT_HEADS.entries,
    "merge_heads": MERGE_HEADS.entries,
    "multihead_self_attention": SELF_ATTENTION.entries,
    "multihead_cross_attention": CROSS_ATTENTION.entries,
    "grouped_query_attention": GROUPED_QUERY.entries,
    "talking_heads": TALKING_HEADS.entries,
}
