"""What a word of the lexicon is: one class a part of speech, and the reading of its tables."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from .morphology import gerund, participle, past, plural, third


@dataclass(frozen=True, eq=False)
class Adjective:
    """An adjective, the kinds of noun it describes, and whether it needs no 的 before a noun."""

    zh: str
    en: str
    kinds: frozenset[str]
    close: bool
    measurable: bool


@dataclass(frozen=True, eq=False)
class Noun:
    """A common noun: its classifier, its kinds, and for mass nouns the measure it is counted by."""

    zh: str
    en: str
    classifier: str
    kinds: frozenset[str]
    measure: str = ""
    adjectives: tuple[Adjective, ...] = ()

    @property
    def pair(self) -> bool:
        """True if one of it is a pair: a pair of shoes."""
        return self.measure == "pair"

    @property
    def mass(self) -> bool:
        """True if it has no plural of its own (water: two glasses of water)."""
        return bool(self.measure) and not self.pair

    @property
    def uncountable(self) -> bool:
        """True if it is never a plural: water, football."""
        return self.mass or not self.classifier

    @cached_property
    def plural(self) -> str:
        """The form of a bare noun: books, water, shoes."""
        return self.en if self.uncountable else plural(self.en)

    @cached_property
    def ownable(self) -> bool:
        """True if it can be somebody's: my book, my teacher, but not my police officer."""
        return bool(self.classifier) and ("person" not in self.kinds or "relation" in self.kinds)

    @cached_property
    def modifiers(self) -> dict[int, list[Adjective]]:
        """The adjectives that stand before it in 1, 2 and 3 words: 新, 有趣 的, 很 贵 的."""
        far = [a for a in self.adjectives if not a.close]
        near = [a for a in self.adjectives if a.close]
        return {1: near, 2: [a for a in far if len(a.zh) > 1], 3: far}


@dataclass(frozen=True, eq=False)
class Verb:
    """A verb; its English may carry a particle (wait ~for)."""

    zh: str
    en: str
    objects: str = ""
    flags: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def forms(self) -> dict[str, str]:
        """English by form: base, third, past, participle, gerund; the particle follows each."""
        base, *particle = self.en.split()
        make: dict[str, Callable[[str], str]] = {
            "base": str,
            "third": third,
            "past": past,
            "participle": participle,
            "gerund": gerund,
        }
        return {name: " ".join([form(base), *particle]) for name, form in make.items()}


@dataclass(frozen=True, eq=False)
class Place:
    """A place: English with "in" or "at", English after "to", and what is done there."""

    zh: str
    at: str
    to: str
    kinds: frozenset[str]


@dataclass(frozen=True, eq=False)
class Pronoun:
    """A personal pronoun in its three cases; `agreement` is its verb's: I, sg or pl."""

    zh: str
    subject: str
    object: str
    owner: str
    person: int
    agreement: str
    plural: bool


def rows(table: str) -> list[list[str]]:
    """Read lines of cells parted by "|"."""
    return [[cell.strip() for cell in row.split("|")] for row in table.strip().splitlines()]


def entries(table: str) -> list[tuple[str, str]]:
    """Read "一 one · 二 two" into pairs."""
    pairs = (entry.strip().partition(" ") for entry in table.replace("\n", " ").split("·"))
    return [(zh, en.strip()) for zh, _, en in pairs]
