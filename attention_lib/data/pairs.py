"""Sentences with their translations."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SentencePair:
    """A sentence and its translation, as words."""

    src: tuple[str, ...]
    tgt: tuple[str, ...]


@dataclass(frozen=True)
class TextPair:
    """A sentence and its translation, as text; a subword model splits it."""

    src: str
    tgt: str
