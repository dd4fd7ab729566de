"""Synchronous phrases: a Chinese and an English side made together, linked word by word.

A rule of a synchronous grammar lists the same children twice, once in the order of each language
(`arrange`). A link is a reference from an English word to the Chinese words themselves, not to
their positions, so it stays right wherever the parts go; `indexed` reads positions off at the end.
"""

import random
from bisect import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any, Generic, NamedTuple, TypeVar

LONGEST = 60
Links = frozenset[tuple[int, int]]
T = TypeVar("T")


class Source:
    """One Chinese word in one place of one sentence: links refer to its identity."""

    __slots__ = ("word",)

    def __init__(self, word: str) -> None:
        self.word = word


class Target(NamedTuple):
    """One English word with the Chinese words that it surely, and possibly, translates."""

    word: str
    sure: tuple[Source, ...]
    possible: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Phrase:
    """A piece of a sentence in both languages; either side may be empty."""

    zh: tuple[Source, ...] = ()
    en: tuple[Target, ...] = ()


EMPTY = Phrase()


class Misfit(Exception):
    """No rule makes a phrase of the length asked for in this context."""


@cache
def _words(en: str) -> tuple[tuple[str, bool], ...]:
    """Return the words of `en`, and whether each is a sure translation."""
    return tuple((w.removeprefix("~"), w[0] != "~") for w in en.split())


def word(zh: str, en: str, also: Iterable[Phrase] = ()) -> Phrase:
    """Return Chinese `zh` linked to each word of `en`: surely, or possibly after a "~".

    Every English word is also possibly linked to the Chinese words of `also`.

    >>> [(t.word, len(t.sure), len(t.possible)) for t in word("等", "wait ~for").en]
    [('wait', 1, 0), ('for', 0, 1)]
    """
    source = (Source(zh),)
    extra = tuple([s for phrase in also for s in phrase.zh])
    english = [
        Target(w, source, extra) if sure else Target(w, (), source + extra)
        for w, sure in _words(en)
    ]
    return Phrase(source, tuple(english))


def silent(zh: str) -> Phrase:
    """Return a Chinese word that has no English side of its own (的, 了, 把, a classifier)."""
    return Phrase((Source(zh),))


def echo(en: str, *of: Phrase) -> Phrase:
    """Return English words with no Chinese of their own, possibly linked to the phrases `of`."""
    possible = tuple(s for phrase in of for s in phrase.zh)
    return Phrase((), tuple(Target(w, (), possible) for w in en.split()))


def arrange(zh: Iterable[Phrase], en: Iterable[Phrase]) -> Phrase:
    """Compose phrases: `zh` in Chinese order, `en` in English order.

    >>> he, than, me = word("他", "he"), word("比", "than"), word("我", "me")
    >>> tall = word("高", "taller")
    >>> both = arrange([he, than, me, tall], [he, echo("is", tall), tall, than, me])
    >>> sorted(indexed(both)[2])
    [(0, 0), (1, 3), (2, 4), (3, 2)]
    """
    chinese = [s for phrase in zh for s in phrase.zh]
    return Phrase(tuple(chinese), tuple([t for phrase in en for t in phrase.en]))


def indexed(phrase: Phrase) -> tuple[tuple[str, ...], tuple[str, ...], Links, Links]:
    """Return (Chinese words, English words, sure links, possible links incl. the sure ones)."""
    position = {source: i for i, source in enumerate(phrase.zh)}
    if len(position) < len(phrase.zh):
        raise ValueError("a rule placed the same Chinese word twice; make a new one for each place")
    sure = frozenset((position[s], j) for j, t in enumerate(phrase.en) for s in t.sure)
    possible = frozenset((position[s], j) for j, t in enumerate(phrase.en) for s in t.possible)
    return (
        tuple(s.word for s in phrase.zh),
        tuple(t.word for t in phrase.en),
        sure,
        sure | possible,
    )


class Draw:
    """The random choices of one corpus; prefers words not yet used in the sentence."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.begin()

    def begin(self) -> None:
        """Start a new sentence: forget the words used and the notes taken in the last one."""
        self.used: set[int] = set()
        self.notes: set[str] = set()

    def pick(self, options: Sequence[T]) -> T:
        """Return one of `options`, if possible one not picked before in this sentence."""
        for _ in range(6):
            choice = options[int(self.random.random() * len(options))]
            if id(choice) not in self.used:
                break
        self.used.add(id(choice))
        return choice

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.random.random() < probability

    def weighted(self, cumulative: Sequence[float]) -> int:
        """Return an index with the probability by which `cumulative` grows there."""
        return bisect(cumulative, self.random.random() * cumulative[-1])


Sizes = tuple[float, ...]


def sizes(weights: Mapping[int, float]) -> Sizes:
    """Return how likely a slot is to have 0, 1, 2 … words, from weights by length."""
    total = sum(weights.values())
    return tuple(weights.get(n, 0.0) / total for n in range(max(weights) + 1))


@cache
def _fill(slots: tuple[Sizes, ...]) -> Sizes:
    """Probability that the slots together take n words, for n = 0 … LONGEST."""
    if not slots:
        return (1.0,) + (0.0,) * LONGEST
    rest = _fill(slots[1:])
    return tuple(
        sum(p * rest[n - k] for k, p in enumerate(slots[0]) if p and k <= n)
        for n in range(LONGEST + 1)
    )


class Rule(Generic[T]):
    """One way to build a symbol: `fixed` words of its own plus slots of variable length."""

    def __init__(
        self,
        name: str,
        build: Callable[..., T],
        weight: float,
        fixed: int,
        slots: dict[str, Sizes],
        when: Callable[[Any], bool] | None,
    ) -> None:
        self.name = name
        self.build = build
        self.when = when
        self.fixed = fixed
        self.slots = slots
        # For each slot: how likely it and those after it are to take n words together.
        self._fills = [_fill(tuple(slots.values())[i:]) for i in range(len(slots) + 1)]
        self._shares: dict[tuple[str, int], list[float]] = {}
        self.chances = [0.0] * fixed + [weight * p for p in self._fills[0]]

    def fit(self, draw: Draw, length: int) -> dict[str, int]:
        """Draw a length for every slot such that the rule makes `length` words."""
        left = length - self.fixed
        lengths = {}
        for i, (name, slot) in enumerate(self.slots.items()):
            shares = self._shares.get((name, left))
            if shares is None:
                rest = self._fills[i + 1]
                weights = (p * rest[left - k] for k, p in enumerate(slot[: left + 1]))
                shares = self._shares[name, left] = list(accumulate(weights))
            lengths[name] = draw.weighted(shares)
            left -= lengths[name]
        return lengths


class Symbol(Generic[T]):
    """A grammar symbol: its rules, and the drawing of one that gives exactly n Chinese words."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rules: list[Rule[T]] = []

    def rule(
        self,
        name: str,
        *,
        fixed: int = 0,
        weight: float = 1.0,
        when: Callable[[Any], bool] | None = None,
        **slots: Sizes,
    ) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Register the decorated function `build(draw, context, **lengths of the slots)`."""

        def register(build: Callable[..., T]) -> Callable[..., T]:
            self.rules.append(Rule(name, build, weight, fixed, slots, when))
            return build

        return register

    def draw(self, draw: Draw, n: int, context: Any = None) -> tuple[str, T]:
        """Return (rule name, what it built) with exactly n Chinese words; raise Misfit if none."""
        fitting = [r for r in self.rules if r.chances[n] and (r.when is None or r.when(context))]
        if not fitting:
            raise Misfit(f"{self.name} of {n} words")
        rule = fitting[draw.weighted(list(accumulate([r.chances[n] for r in fitting])))]
        return rule.name, rule.build(draw, context, **rule.fit(draw, n))

    def __call__(self, draw: Draw, n: int, context: Any = None) -> T:
        """Return what one of the rules built, see `draw`."""
        return self.draw(draw, n, context)[1]
