"""Figures of the book: one style, maps of weights, curves by length and small drawings."""

from attention_lib.plots.curves import lines_by_length
from attention_lib.plots.drawings import arrow, box, drawing, encoder_decoder
from attention_lib.plots.heads import entropy_by_layer, heads_grid
from attention_lib.plots.looking_back import look_then_step
from attention_lib.plots.machine import transformer_machine
from attention_lib.plots.maps import alignment_map, heat_map
from attention_lib.plots.one_vector import one_vector
from attention_lib.plots.overlay import image_overlay
from attention_lib.plots.recurrence import all_at_once, lstm_cell, word_by_word
from attention_lib.plots.style import COLOURS, SCORES_MAP, WEIGHTS_MAP, use_style

__all__ = [
    "COLOURS",
    "SCORES_MAP",
    "WEIGHTS_MAP",
    "alignment_map",
    "all_at_once",
    "arrow",
    "box",
    "drawing",
    "encoder_decoder",
    "entropy_by_layer",
    "heads_grid",
    "heat_map",
    "image_overlay",
    "lines_by_length",
    "look_then_step",
    "lstm_cell",
    "one_vector",
    "transformer_machine",
    "use_style",
    "word_by_word",
]
