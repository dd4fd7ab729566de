"""Attention, from recurrent encoder-decoders to the Transformer: the library behind the book.

Modules import from the floors below their own only.

===================  ==========================================================================
floor                modules
===================  ==========================================================================
models               seq2seq, transformer, language_models, captioning, classification
layers               recurrent, layers, multihead, pooling, embedding, padding
attention            attention, efficient, triton_attention, area_attention, local_attention
parts                masks, scores, positions, cells
training and use     losses, schedules, training, checkpoint, decoding, evaluation
looking inside       inside, explanation, recurrence_cost, metrics, plots
speed                fast, fast_recurrent: the same results, sooner
data and records     data, results
===================  ==========================================================================
"""
