"""What students plausibly write, by exercise, with hints that lead without telling."""

from autograder.specs.position.misconceptions.scores import ADD_ALIBI, RELATIVE_BIAS
from autograder.specs.position.misconceptions.tables import EMBED
from autograder.specs.position.misconceptions.turning import ROTATE
from autograder.specs.position.misconceptions.words import ADD_SINUSOIDS, ORDER_EFFECT

BANK = {
    "order_effect": ORDER_EFFECT.entries,
    "add_sinusoids": ADD_SINUSOIDS.entries,
    "embed": EMBED.entries,
    "relative_bias": RELATIVE_BIAS.entries,
    "rotate": ROTATE.entries,
    "add_alibi": ADD_ALIBI.entries,
}
