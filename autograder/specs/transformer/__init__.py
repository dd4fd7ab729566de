"""Unit 10: the Transformer, from the residual stream to logits."""

from autograder.checks.spec import Check, Exercise, Unit
from autograder.specs.transformer import blocks, oracles, stacks
from autograder.specs.transformer.misconceptions import BANK
from autograder.specs.transformer.solutions import SOLUTIONS

# The whole library's own answers, by module: a student may import its data, plots and training.
_FORBIDDEN = (
    "attention_lib.layers",
    "attention_lib.masks",
    "attention_lib.transformer",
    "autograder.specs",
    "torch.nn.Transformer",
    "torch.nn.TransformerDecoder",
    "torch.nn.TransformerDecoderLayer",
    "torch.nn.TransformerEncoder",
    "torch.nn.TransformerEncoderLayer",
)


def _exercise(name: str, title: str, points: float, checks: tuple[Check, ...]) -> Exercise:
    oracle = getattr(oracles, name)
    return Exercise(name, title, points, oracle, checks, BANK[name], SOLUTIONS[name], _FORBIDDEN)


UNIT = Unit(
    "transformer",
    "The Transformer",
    (
        _exercise("residual", "Add and normalise", 18, blocks.RESIDUAL),
        _exercise("feed_forward", "Feed-forward", 10, blocks.FEED_FORWARD),
        _exercise("transformer_masks", "Three masks", 18, blocks.MASKS),
        _exercise("encoder_layer", "An encoder layer", 18, stacks.ENCODER_LAYER),
        _exercise("decoder_layer", "A decoder layer", 18, stacks.DECODER_LAYER),
        _exercise("transformer", "The whole machine", 18, stacks.TRANSFORMER),
    ),
)
