"""Attention, from recurrent encoder-decoders to the Transformer: the library behind the book."""
