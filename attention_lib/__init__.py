"""Attention, from recurrent encoder-decoders to the Transformer: the library behind the book.

A module uses those of its own floor and of the floors below.

===================  ==========================================================================
floor, from the top  modules
===================  ==========================================================================
judging and showing  evaluation, explanation, plots
using                training, checkpoint, decoding, metrics, recurrence_cost
models               seq2seq, transformer, language_models, captioning, classification
layers               recurrent, layers, visual_attention, inside
building blocks      multihead, pooling, embedding, padding, losses, schedules, fast_recurrent
attention            attention, efficient, triton_attention, area_attention, local_attention, fast
data and records     data, results
first parts          checks, masks, scores, positions, cells
===================  ==========================================================================

fast and fast_recurrent hold what is done for speed alone; their results are those of the rest.
"""
