"""Predicates: what is said of a subject. One rule, one way of saying it.

A predicate keeps its English auxiliary apart, so that the same rule serves statements (he can
read), questions (can he read ?) and relative clauses (who can read).
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

from . import lexicon as lex
from .entries import Noun, Place, Verb
from .noun_phrases import PEOPLE, SORTS, NounPhrase, Want, noun_phrase
from .synchronous import EMPTY, Draw, Misfit, Phrase, Symbol, arrange, silent, sizes, word
from .verbs import TENSES, conjugate


@dataclass(frozen=True, slots=True)
class Moved:
    """An object whose Chinese stands outside the predicate (relatives, 什么, topics).

    `noun` limits the verbs to those it can be the object of; `en` stands in the object's place.
    """

    noun: Noun | None
    en: Phrase = EMPTY


@dataclass(frozen=True, slots=True)
class Setting:
    """What a predicate is said of, and how.

    `kind` is person, animal or thing; `question` the word that asks; `moved` an object that stands
    elsewhere; `inner` is set in relative clauses (short, and no person before 的); `only` names the
    rules that the sentence can use.
    """

    subject: NounPhrase
    kind: str = "person"
    question: Phrase = EMPTY
    moved: Moved | None = None
    inner: bool = False
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Predicate:
    """Chinese: subject, time, zh. English: subject, aux, rest; time is the last part of rest."""

    time: Phrase
    zh: Phrase
    aux: Phrase
    rest: Phrase


predicate: Symbol[Predicate] = Symbol("predicate")

TIME = sizes({0: 5, 1: 4, 2: 1})
DATED = sizes({1: 4, 2: 1})
OBJECT = sizes({0: 4, 1: 5, 2: 3, 3: 6, 4: 4, 5: 3, 6: 2, 7: 1.5, 8: 1, 9: 1, 10: 0.7, 12: 0.3})
BARE = sizes({0: 4, 1: 5, 2: 3, 3: 2, 4: 1})
THING = sizes({1: 4, 2: 3, 3: 6, 4: 4, 5: 3, 6: 2, 7: 1.5, 8: 1, 9: 1, 10: 0.5, 12: 0.2})
DEFINITE = sizes({3: 6, 4: 4, 5: 3, 6: 2, 7: 1, 8: 1, 9: 0.5})
SOMEONE = sizes({1: 8, 2: 3, 3: 3, 4: 1, 5: 0.5})
PLACE = sizes({2: 1})
ANYWHERE = sizes({0: 3, 2: 1})
NOW = sizes({0: 3, 1: 1})
ANYTHING_PLACED = frozenset().union(*(place.kinds for place in lex.PLACES))

ACTIVE, LASTING = frozenset({"state"}), frozenset({"state", "event"})
UNMARKED = ("dated", "progressive")  # tenses that suit no verb of a moment

# Verbs by the noun that can be their object, and those that one object word needs no other for.
TAKING: dict[Noun, list[Verb]] = defaultdict(list)
for _verb in lex.VERBS:
    if _verb.objects and "beast" not in _verb.flags:
        for _noun in SORTS[_verb.objects].nouns:
            TAKING[_noun].append(_verb)
_MEANINGS: dict[str, set[str]] = defaultdict(set)
for _verb in lex.VERBS:
    _MEANINGS[_verb.zh].add(_verb.en)
PLAIN_VERBS = [  # mean the same whatever the object, so that 什么 can ask for it
    v for v in lex.VERBS
    if v.objects and len(_MEANINGS[v.zh]) == 1 and "beast" not in v.flags
    and "person" not in v.objects.split() and v.zh != "说"
]  # fmt: skip


def spoken(time: Phrase, zh: list[Phrase], aux: Phrase, en: list[Phrase]) -> Predicate:
    """Return a predicate from its children in both orders; `en` goes on after `aux`."""
    return Predicate(time, arrange(zh, ()), aux, arrange((), en))


def verb_for(
    draw: Draw,
    s: Setting,
    length: int,
    without: frozenset[str] = ACTIVE,
    at: frozenset[str] | None = None,
) -> Verb:
    """Draw a verb for an object of `length` words (0: none).

    `without` excludes verbs by their flags; `at` keeps what is done at that kind of place.
    """
    moved = s.moved.noun if s.moved else None
    options = _verbs(s.moved is not None, moved, length, s.kind == "animal", s.inner, without, at)
    if not options:
        raise Misfit("no verb")
    return draw.pick(options)


@cache
def _verbs(
    is_moved: bool,
    moved: Noun | None,
    length: int,
    beast: bool,
    inner: bool,
    without: frozenset[str],
    at: frozenset[str] | None,
) -> list[Verb]:
    if is_moved:
        options = TAKING[moved] if moved else PLAIN_VERBS
    elif length == 0:
        options = [v for v in lex.VERBS if not v.objects]
    else:
        options = [v for v in lex.VERBS if v.objects]
        if length not in (1, 3):  # 数学 stands alone or in 中文 和 数学
            options = [v for v in options if SORTS[v.objects].countable]
    return [
        v
        for v in options
        if ({"pet", "beast"} & v.flags if beast else "beast" not in v.flags)
        and not without & v.flags
        and (at is None or at & v.flags)
        and not (inner and "person" in v.objects.split() and not is_moved)
    ]


def object_of(
    draw: Draw, s: Setting, verb: Verb, length: int, plain: bool = False, form: str = "any"
) -> Phrase:
    """Draw an object that suits the verb.

    `plain` keeps relative clauses out of it, for where an adverbial follows it in English.
    """
    if s.moved:
        return s.moved.en
    if not length:
        return EMPTY
    want = Want(SORTS[verb.objects], plain=plain or s.inner, form=form, avoid=s.subject.person)
    return noun_phrase(draw, length, want)


def time_phrase(draw: Draw, when: str, length: int) -> Phrase:
    """Draw a time of `length` words (0, 1 or 2) that suits the tense."""
    if not length:
        return EMPTY
    if when not in (lex.TIMES if length == 1 else lex.DAYS) or length > 2:
        raise Misfit(f"no time of {length} words goes with this tense")
    if length == 1:
        return word(*draw.pick(lex.TIMES[when]))
    both = [word(*lex.DAYS[when]), word(*draw.pick(lex.PARTS_OF_DAY))]
    return arrange(both, both)


def place_for(draw: Draw, verb: Verb) -> Phrase:
    """Draw a place where people do this: 在 图书馆 (in the library)."""
    places = [p for p in lex.PLACES if p.kinds & verb.flags]
    if not places:
        raise Misfit("not done anywhere in particular")
    return at_place(draw.pick(places))


def at_place(place: Place) -> Phrase:
    """Return 在 图书馆: in the library."""
    at, _, rest = place.at.partition(" ")
    both = [word("在", at), word(place.zh, rest)]
    return arrange(both, both)


def beside(draw: Draw) -> Phrase:
    """Draw a place of three words: 在 桌子 上 (on the table)."""
    at = silent("在")
    where = word(*draw.pick(lex.SIDES), also=[at])
    anchor = draw.pick(lex.ANCHORS)
    thing = word(anchor.zh, f"~the {anchor.en}")
    return arrange([at, thing, where], [where, thing])


def company_phrase(draw: Draw, s: Setting, length: int) -> Phrase:
    """Draw company: 跟 朋友 (with friends)."""
    if not length:
        return EMPTY
    who = noun_phrase(draw, length - 1, Want(PEOPLE, plain=True, avoid=s.subject.person))
    both = [word("跟", "with"), who]
    return arrange(both, both)


def verbal(
    draw: Draw,
    s: Setting,
    *,
    tense: str,
    negated: bool = False,
    time: int = 0,
    middle: int = 0,
    company: int = 0,
    place: int = 0,
    object: int = 0,
    asked: Phrase = EMPTY,
    verb: Verb | None = None,
) -> Predicate:
    """Build 每天 跟 朋友 在 公园 吃 苹果: eats apples with friends in the park every day.

    What stands before the verb in Chinese follows it in English, in the opposite order. `asked`
    replaces the place (在 哪里).
    """
    timeless = tense == "present" and not (time or middle or company or place or asked.zh)
    somewhere = ANYTHING_PLACED if place or asked.zh else None
    without = frozenset() if timeless else LASTING if tense in UNMARKED else ACTIVE
    verb = verb or verb_for(draw, s, object, without, at=somewhere)
    group = conjugate(verb, tense, s.subject.agreement, negated=negated, question=s.question)
    form = "bare" if tense == "dated" and not s.inner else "any"
    thing = object_of(draw, s, verb, object, plain=bool(time or place or company), form=form)
    when = time_phrase(draw, TENSES[tense].time, time)
    where = place_for(draw, verb) if place else EMPTY
    with_whom = company_phrase(draw, s, company)
    often = word(*draw.pick(lex.MIDDLE)) if middle else EMPTY
    chinese = [often, *group.before, with_whom, asked, where, group.verb, *group.after]
    if not s.moved:
        chinese.append(thing)
    english = [*group.inner, often, group.verb, thing, with_whom, where, when]
    return spoken(when, chinese, group.aux, english)


def bare_action(
    draw: Draw, s: Setting, length: int, at: frozenset[str] | None = None, place: bool = False
) -> Phrase:
    """Draw a verb without tense, its object and perhaps a place: 在 学校 看 书."""
    verb = verb_for(draw, s, length - 1, at=ANYTHING_PLACED if place else at)
    if "mishap" in verb.flags:
        raise Misfit("nobody means to")
    thing = object_of(draw, s, verb, length - 1)
    where = place_for(draw, verb) if place else EMPTY
    act = word(verb.zh, verb.forms["base"])
    return arrange([where, act, thing], [act, thing, where])


def said_of(name: str, *kinds: str, question: bool = True, moved: bool = False) -> dict[str, Any]:
    """Return a rule's name and condition: which subjects it suits, in a question, with a gap."""

    def when(s: Setting) -> bool:
        return (
            s.kind in kinds
            and (question or not s.question.zh)
            and (moved or s.moved is None)
            and (s.only is None or name in s.only)
        )

    return {"name": name, "when": when}


def _verbal_rule(name: str, *, tense: str, negated: bool = False, **options: Any) -> None:
    """Register `verbal` with these slots; intransitive verbs when the object has no words."""
    kinds = ("person", "animal") if name in ("present", "past") else ("person",)
    conditions = said_of(name, *kinds, question=not negated)

    @predicate.rule(**conditions, **options)
    def build(draw: Draw, s: Setting, **lengths: Any) -> Predicate:
        return verbal(draw, s, tense=tense, negated=negated, **lengths)


MIDDLE = sizes({0: 4, 1: 1})
COMPANY = sizes({2: 4, 3: 2, 4: 2, 5: 1})
_verbal_rule("present", fixed=1, weight=5, tense="present", time=TIME, middle=MIDDLE, object=OBJECT)
_verbal_rule("past", fixed=2, weight=8, tense="past", time=TIME, object=OBJECT)
_verbal_rule("time", fixed=1, weight=3, tense="dated", time=DATED, object=BARE)
_verbal_rule("place", fixed=1, weight=4, tense="present", time=TIME, place=PLACE, object=OBJECT)
_verbal_rule("place", fixed=1, weight=4, tense="dated", time=DATED, place=PLACE, object=BARE)
_verbal_rule("place", fixed=2, weight=4, tense="past", time=TIME, place=PLACE, object=OBJECT)
_verbal_rule(
    "company", fixed=1, weight=2, tense="present", time=TIME, company=COMPANY, object=OBJECT
)
_verbal_rule(
    "company", fixed=1, weight=3, tense="dated", time=DATED, company=COMPANY, place=ANYWHERE,
    object=BARE,
)  # fmt: skip
_verbal_rule("future", fixed=2, weight=3, tense="future", time=TIME, place=ANYWHERE, object=OBJECT)
_verbal_rule("future", fixed=2, weight=2, tense="intention", time=TIME, object=OBJECT)
_verbal_rule("progressive", fixed=2, weight=3, tense="progressive", time=NOW, object=OBJECT)
_verbal_rule("experience", fixed=2, weight=2, tense="experience", object=THING)
_verbal_rule("completion", fixed=3, weight=2, tense="completion", object=OBJECT)
_verbal_rule("negation", fixed=2, weight=3, tense="present", negated=True, object=OBJECT)
_verbal_rule(
    "negation", fixed=2, weight=3, tense="past", negated=True, time=TIME, place=ANYWHERE,
    object=OBJECT,
)  # fmt: skip
_verbal_rule("negation", fixed=3, tense="experience", negated=True, object=THING)
for _modal, _ in lex.MODALS:
    _verbal_rule("modal", fixed=2, weight=0.8, tense=_modal, place=ANYWHERE, object=OBJECT)
    _verbal_rule("modal", fixed=3, weight=0.3, tense=_modal, negated=True, object=OBJECT)
