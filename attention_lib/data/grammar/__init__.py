"""A seeded Chinese→English corpus whose word alignments are right by construction.

Both sides of a sentence grow together from a synchronous grammar. A rule is a function that makes
its children and lists them twice, once in each language's order (`arrange`); `Symbol.rule` tells
how many Chinese words it has of its own (`fixed`) and how long its other parts may be, so that a
sentence of any wanted length can be drawn. To add a pattern, write one such function in frames.py
(what is said of a subject) or in sentences.py (a whole sentence), and its words into lexicon.py.

English is a function of the Chinese: 一 and 这 with a classifier are singular, a bare noun and a
noun after a number, 些 or 们 are plural, a noun after a relative clause is definite.

Links. *Sure*: a word and its translation, each word of it (警察: police, officer). *Possible* (a
superset): English words that Chinese does without go with the word that makes them needed (the and
its noun, does and its verb, wait for and 等); Chinese words without an English one go with what
shows their meaning: a classifier with the number or this and with the noun; 的 with who, that, 's
or the adjective; 了, 过 and 正在 with the verb and its auxiliary; 吗 with do or is and with "?"; 把
with the verb; 得 with the adverb.
"""

from .corpus import STUDENT, Pair, grammar_corpus

__all__ = ["STUDENT", "Pair", "grammar_corpus"]
