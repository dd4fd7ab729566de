"""Corpora, vocabularies and batches."""

from .grammar import Pair, grammar_corpus

__all__ = ["Pair", "grammar_corpus"]
