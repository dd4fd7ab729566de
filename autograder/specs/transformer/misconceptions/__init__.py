"""What students plausibly write, by exercise, with hints that lead without telling."""

from autograder.specs.transformer.misconceptions.blocks import FEED_FORWARD, RESIDUAL
from autograder.specs.transformer.misconceptions.decoder import DECODER_LAYER
from autograder.specs.transformer.misconceptions.encoder import ENCODER_LAYER
from autograder.specs.transformer.misconceptions.inherited import (
    inherit_in_decoder,
    inherit_in_encoder,
    inherit_in_machine,
)
from autograder.specs.transformer.misconceptions.machine import TRANSFORMER
from autograder.specs.transformer.misconceptions.masks import MASKS

inherit_in_encoder(ENCODER_LAYER)
inherit_in_decoder(DECODER_LAYER)
inherit_in_machine(TRANSFORMER)

BANK = {
    "residual": RESIDUAL.entries,
    "feed_forward": FEED_FORWARD.entries,
    "transformer_masks": MASKS.entries,
    "encoder_layer": ENCODER_LAYER.entries,
    "decoder_layer": DECODER_LAYER.entries,
    "transformer": TRANSFORMER.entries,
}
