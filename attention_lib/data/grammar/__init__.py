"""A seeded Chinese→English corpus whose word alignments are right by construction."""

from .corpus import STUDENT, Pair, grammar_corpus

__all__ = ["STUDENT", "Pair", "grammar_corpus"]
