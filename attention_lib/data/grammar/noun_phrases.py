"""Noun phrases: 我, 一 本 书, 昨天 来 的 学生 and the rest.

A bare noun is a plural (书: books); 的 after a relative clause or an owner makes it definite and
singular; 一 or 这 with a classifier make it singular, a number or 们 or 些 make it plural.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from . import lexicon as lex
from .entries import Noun
from .morphology import article, plural
from .synchronous import (
    EMPTY,
    Draw,
    Misfit,
    Phrase,
    Symbol,
    arrange,
    echo,
    silent,
    sizes,
    word,
)


@dataclass(frozen=True)
class Sort:
    """What may fill a place in a sentence: nouns, and whether pronouns, names and kin may too."""

    nouns: tuple[Noun, ...]
    people: bool = False

    @cached_property
    def countable(self) -> tuple[Noun, ...]:
        """Those of its nouns that have a classifier."""
        return tuple(noun for noun in self.nouns if noun.classifier)


@dataclass(frozen=True, slots=True)
class Want:
    """What a rule asks of a noun phrase.

    `role` is subject or object; `plain` forbids relative clauses and 和; `form` is "definite"
    (this, my, the …), "indefinite" (a, three, many …), "bare" or "any"; `avoid` is
    the person (1, 2) whose pronoun the clause has already.
    """

    sort: Sort
    role: str = "object"
    plain: bool = False
    form: str = "any"
    avoid: int = 0


@dataclass(frozen=True, slots=True)
class NounPhrase(Phrase):
    """A phrase with what the rest of the clause must agree with: I, sg or pl."""

    agreement: str = "sg"
    plural: bool = False
    person: int = 3
    noun: Noun | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """The noun that a relative clause describes, its number, and the 的 between them."""

    noun: Noun
    plural: bool
    de: Phrase


def nouns_of(kinds: str) -> tuple[Noun, ...]:
    """Return the nouns of any of the space-separated kinds."""
    wanted = frozenset(kinds.split())
    return tuple(noun for noun in lex.NOUNS if noun.kinds & wanted)


PEOPLE = Sort(nouns_of("person"), people=True)
ANIMALS = Sort(nouns_of("pet zoo"))
# What a verb takes, by its table's column of objects.
SORTS = {
    kinds: Sort(nouns_of(kinds), "person" in kinds.split())
    for kinds in {verb.objects for verb in (*lex.VERBS, *lex.WITH_FIXED_OBJECT) if verb.objects}
}

noun_phrase: Symbol[NounPhrase] = Symbol("noun phrase")
relative_clause: Symbol[Phrase] = Symbol("relative clause")  # its rules are in relatives.py

# Words of adjective before a noun: none, 新, 有趣 的, 很 贵 的.
MODIFIER = sizes({0: 10, 1: 3, 2: 2.5, 3: 2})
CLAUSE = sizes({1: 2, 2: 6, 3: 6, 4: 4, 5: 3, 6: 2, 7: 1.5, 8: 1, 9: 0.5})
PART = sizes({1: 6, 2: 3, 3: 4, 4: 2, 5: 1})
OWNER = sizes({1: 5, 2: 4, 3: 2})
POINTER = sizes({0: 5, 1: 1.5, 2: 2})


def make(zh: Iterable[Phrase], en: Iterable[Phrase], noun: Noun | None, many: bool) -> NounPhrase:
    """Arrange children into a noun phrase of the third person."""
    both = arrange(zh, en)
    return NounPhrase(both.zh, both.en, "pl" if many else "sg", many, 3, noun)


def choose(draw: Draw, nouns: Iterable[Noun], modifier: int) -> Noun:
    """Draw a noun that some adjective of `modifier` words describes."""
    fitting = [n for n in nouns if not modifier or n.modifiers[modifier]]
    if not fitting:
        raise Misfit(f"no noun has an adjective of {modifier} words")
    return draw.pick(fitting)


def describe(
    draw: Draw, noun: Noun, modifier: int, many: bool, also: tuple[Phrase, ...] = ()
) -> Phrase:
    """Return the noun in the given number with `modifier` words of adjective before it."""
    core = word(noun.zh, noun.plural if many else noun.en, also)
    if not modifier:
        return core
    adjective = draw.pick(noun.modifiers[modifier])
    de = silent("的") if modifier > 1 else EMPTY
    quality = word(adjective.zh, adjective.en, [de])
    if modifier == 1:
        return arrange([quality, core], [quality, core])
    degree = word(*draw.pick(lex.DEGREES[:2])) if modifier == 3 else EMPTY
    return arrange([degree, quality, de, core], [degree, quality, core])


def measured(
    draw: Draw,
    nouns: Iterable[Noun],
    modifier: int,
    many: bool,
    *determiners: tuple[str, str],
) -> NounPhrase:
    """Return determiners + classifier + noun: 这 两 本 书, 一 杯 水 (a glass of water).

    The English determiner "a" becomes "an" where the next word asks for it.
    """
    noun = choose(draw, (n for n in nouns if n.classifier), modifier)
    if noun.measure:
        measure = plural(noun.measure) if many else noun.measure
        classifier = word(noun.classifier, f"{measure} ~of")
        core = describe(draw, noun, modifier, True)
    else:
        classifier = silent(noun.classifier)
        core = describe(draw, noun, modifier, many, (classifier,))
    following = (classifier.en or core.en)[0].word
    words = [
        word(zh, article(following) if en == "a" else en, [classifier]) for zh, en in determiners
    ]
    everything = [*words, classifier, core]
    return make(everything, everything, noun, many)


def counted(draw: Draw, nouns: Iterable[Noun], modifier: int) -> NounPhrase:
    """Return 一 本 书 (a book) or 三 本 书 (three books)."""
    number = lex.ONE if draw.chance(0.5) else draw.pick(lex.NUMBERS)
    return measured(draw, nouns, modifier, number is not lex.ONE, number)


def owner(draw: Draw, length: int, de: Phrase) -> Phrase:
    """Return an owner with the 的 that follows: 我 的 (my), 玛丽 的, 我 妈妈 的, 这 个 学生 的."""
    if length == 1 and draw.chance(0.6):
        pronoun = draw.pick(lex.PRONOUNS)
        mine = word(pronoun.zh, pronoun.owner, [de])
        return arrange([mine, de], [mine])
    if length == 1:
        who = word(*draw.pick(lex.NAMES))
    elif length == 2:
        who = kin(draw, Want(PEOPLE))
    else:
        who = measured(draw, PEOPLE.nouns, 0, False, draw.pick(lex.POINTERS))
    return arrange([who, de], [who, echo("'s", de)])


def _people(want: Want) -> bool:
    return want.sort.people and want.form in ("any", "definite")


def _generic(want: Want) -> bool:
    return want.form in ("any", "bare")


def _countable(want: Want) -> bool:
    return bool(want.sort.countable)


def _indefinite(want: Want) -> bool:
    return want.form in ("any", "indefinite") and _countable(want)


def _definite(want: Want) -> bool:
    return want.form in ("any", "definite") and _countable(want)


def _definite_person(want: Want) -> bool:
    return want.form in ("any", "definite") and any("person" in n.kinds for n in want.sort.nouns)


def _with_clause(want: Want) -> bool:
    return not want.plain and _definite(want)


def _coordinated(want: Want) -> bool:
    return not want.plain and want.form == "any"


@noun_phrase.rule("pronoun", fixed=1, weight=8, when=_people)
def pronoun(draw: Draw, want: Want) -> NounPhrase:
    """我: I, me."""
    options = [p for p in lex.PRONOUNS if p.person == 3 or p.person != want.avoid]
    it = draw.pick(options)
    both = word(it.zh, it.subject if want.role == "subject" else it.object)
    return NounPhrase(both.zh, both.en, it.agreement, it.plural, it.person)


@noun_phrase.rule("name", fixed=1, weight=6, when=_people)
def name(draw: Draw, want: Want) -> NounPhrase:
    """玛丽: Mary."""
    both = word(*draw.pick(lex.NAMES))
    return NounPhrase(both.zh, both.en)


@noun_phrase.rule("kin", fixed=2, weight=5, when=_people)
def kin(draw: Draw, want: Want) -> NounPhrase:
    """我 妈妈: my mother."""
    whose, relative = draw.pick(lex.PRONOUNS), draw.pick(lex.KIN)
    parts = [word(whose.zh, whose.owner), word(*relative)]
    return make(parts, parts, None, False)


@noun_phrase.rule("bare", fixed=1, weight=4, when=_generic, modifier=MODIFIER)
def bare(draw: Draw, want: Want, modifier: int) -> NounPhrase:
    """书: books; 水: water."""
    noun = choose(draw, want.sort.nouns, modifier)
    core = describe(draw, noun, modifier, True)
    return make([core], [core], noun, not noun.uncountable)


@noun_phrase.rule("some", fixed=2, weight=2, when=_indefinite, modifier=MODIFIER)
def some(draw: Draw, want: Want, modifier: int) -> NounPhrase:
    """一些 书: some books; 很多 书: many books."""
    quantity = word(*draw.pick(lex.QUANTITIES))
    noun = choose(draw, (n for n in want.sort.nouns if not n.uncountable), modifier)
    core = describe(draw, noun, modifier, True)
    return make([quantity, core], [quantity, core], noun, True)


@noun_phrase.rule("these", fixed=2, weight=2, when=_definite, modifier=MODIFIER)
def these(draw: Draw, want: Want, modifier: int) -> NounPhrase:
    """这些 书: these books."""
    which = word(*draw.pick(lex.PLURAL_POINTERS))
    noun = choose(draw, (n for n in want.sort.nouns if not n.uncountable), modifier)
    core = describe(draw, noun, modifier, True)
    return make([which, core], [which, core], noun, True)


@noun_phrase.rule("group", fixed=2, weight=3, when=_definite_person)
def group(draw: Draw, want: Want) -> NounPhrase:
    """学生 们: the students."""
    men = silent("们")
    noun = draw.pick([n for n in want.sort.nouns if "person" in n.kinds])
    core = word(noun.zh, noun.plural, [men])
    return make([core, men], [echo("the", men), core], noun, True)


@noun_phrase.rule("counted", fixed=3, weight=8, when=_indefinite, modifier=MODIFIER)
def any_counted(draw: Draw, want: Want, modifier: int) -> NounPhrase:
    """一 本 书: a book; 三 本 书: three books."""
    return counted(draw, want.sort.nouns, modifier)


@noun_phrase.rule("pointed", fixed=3, weight=5, when=_definite, modifier=MODIFIER)
def pointed(draw: Draw, want: Want, modifier: int) -> NounPhrase:
    """这 本 书: this book."""
    return measured(draw, want.sort.nouns, modifier, False, draw.pick(lex.POINTERS))


@noun_phrase.rule("pointed and counted", fixed=4, weight=3, when=_definite, modifier=MODIFIER)
def pointed_and_counted(draw: Draw, want: Want, modifier: int) -> NounPhrase:
    """这 两 本 书: these two books."""
    here = draw.random.randrange(2)
    which = (lex.POINTERS[here][0], lex.PLURAL_POINTERS[here][1])
    return measured(draw, want.sort.nouns, modifier, True, which, draw.pick(lex.NUMBERS))


@noun_phrase.rule("owned", fixed=2, weight=6, when=_definite, owner=OWNER, modifier=MODIFIER)
def owned(draw: Draw, want: Want, modifier: int, **lengths: int) -> NounPhrase:
    """我 的 书: my book; 我 妈妈 的 书: my mother 's book."""
    de = silent("的")
    whose = owner(draw, lengths["owner"], de)
    noun = choose(draw, (n for n in want.sort.nouns if n.ownable), modifier)
    core = describe(draw, noun, modifier, noun.pair)
    return make([whose, core], [whose, core], noun, noun.pair)


@noun_phrase.rule("relative", fixed=2, weight=8, when=_with_clause, clause=CLAUSE, pointer=POINTER)
def relative(draw: Draw, want: Want, clause: int, pointer: int) -> NounPhrase:
    """昨天 来 的 学生: the student who came yesterday; with a pointer 昨天 来 的 那 个 学生."""
    noun = draw.pick([n for n in want.sort.nouns if n.classifier])
    many = noun.pair if pointer == 0 else pointer == 1 and not noun.mass
    de = silent("的")
    if pointer == 2:
        core: Phrase = measured(draw, [noun], 0, False, lex.POINTERS[1])
    elif pointer == 1:
        if noun.mass:
            raise Misfit("those waters")
        which = word(*lex.PLURAL_POINTERS[1])
        core = arrange(*2 * [[which, word(noun.zh, noun.plural)]])
    else:
        thing = word(noun.zh, noun.plural if many else noun.en)
        core = arrange([thing], [echo("the", de, thing), thing])
    many = False if pointer == 2 else many
    modifier = relative_clause(draw, clause, Gap(noun, many, de))
    draw.notes.add("relative")
    return make([modifier, de, core], [core, modifier], noun, many)


@noun_phrase.rule("coordinated", fixed=1, weight=4, when=_coordinated, first=PART, second=PART)
def coordinated(draw: Draw, want: Want, first: int, second: int) -> NounPhrase:
    """苹果 和 香蕉: apples and bananas; 我 和 玛丽: Mary and I (I comes last)."""
    inner = Want(want.sort, want.role, plain=True, avoid=want.avoid)
    a, b = noun_phrase(draw, first, inner), noun_phrase(draw, second, inner)
    if a.noun is b.noun is not None:
        raise Misfit("a book and two books")
    first_words = {p.zh: p for p in lex.PRONOUNS}
    if any(
        len(part.zh) == 1 and first_words.get(part.zh[0].word) not in (None, *lex.PRONOUNS[:2])
        for part in (a, b)
    ):
        raise Misfit("Mary and they")
    both = [a, word("和", "and"), b]
    english = both[::-1] if a.agreement == "I" else both
    phrase = arrange(both, english)
    return NounPhrase(phrase.zh, phrase.en, "pl", True, min(a.person, b.person))
