"""Predicates with a frame of their own: 是, 很, 比, 把, 被, 给 …, one function a pattern."""

from collections.abc import Callable
from typing import Any

from . import lexicon as lex
from .entries import Adjective, Noun
from .morphology import article, comparative, plural, superlative
from .noun_phrases import (
    PEOPLE,
    SORTS,
    Sort,
    Want,
    choose,
    describe,
    measured,
    noun_phrase,
    nouns_of,
)
from .predicates import (
    ANYWHERE,
    DATED,
    DEFINITE,
    SOMEONE,
    TAKING,
    THING,
    TIME,
    Predicate,
    Setting,
    at_place,
    bare_action,
    beside,
    place_for,
    predicate,
    said_of,
    spoken,
    time_phrase,
)
from .synchronous import EMPTY, Draw, Misfit, Phrase, Symbol, arrange, echo, silent, sizes, word
from .verbs import FINITE, TENSES, WAS, VerbGroup, conjugate

JOBS = Sort(nouns_of("job"))
OWNABLE = Sort(nouns_of("goods pet"))
BELONGINGS = Sort(nouns_of("device tool printed dish gift hat"))
GIFTS = Sort(nouns_of("printed tool gift device ticket picture flower"))
statement: Symbol[tuple[str, Phrase]] = Symbol("statement")  # its rules are in sentences.py


def be(s: Setting, *of: Phrase, past: bool = False) -> Phrase:
    """Return am, is, are (was, were), with possible links to the words that make it needed."""
    return echo((WAS if past else FINITE["be"])[s.subject.agreement], *of, s.question)


@predicate.rule(**said_of("identity", "person"), fixed=1, weight=5, what=THING)
def identity(draw: Draw, s: Setting, what: int) -> Predicate:
    """是 一 个 学生: is a student; 是 老师: is a teacher, are teachers (after the subject)."""
    shi = word("是", FINITE["be"][s.subject.agreement], [s.question])
    return spoken(EMPTY, [shi, thing := _what(draw, s, what)], shi, [thing])


@predicate.rule(**said_of("negation", "person", question=False), fixed=2, weight=1, what=THING)
def no_identity(draw: Draw, s: Setting, what: int) -> Predicate:
    """不 是 学生: is not a student."""
    no, shi = word("不", "not"), word("是", FINITE["be"][s.subject.agreement])
    thing = _what(draw, s, what)
    return spoken(EMPTY, [no, shi, thing], shi, [no, thing])


def _what(draw: Draw, s: Setting, length: int) -> Phrase:
    noun = s.subject.noun
    if noun is not None and ("job" in noun.kinds or len(s.subject.zh) == 1):
        raise Misfit("teachers are doctors")
    many = s.subject.plural
    if length >= 5 and not many:
        one = noun_phrase(draw, length, Want(JOBS, form="definite", plain=s.inner))
        if one.plural:
            raise Misfit("she is those drivers")
        return one
    if length >= 3 and not many and draw.chance(0.6):
        return measured(draw, JOBS.nouns, length - 3, False, lex.ONE)
    if length > 4:
        raise Misfit("no such class of people")
    noun = choose(draw, JOBS.nouns, length - 1)
    core = describe(draw, noun, length - 1, many)
    a = EMPTY if many else echo(article(core.en[0].word), core)
    return arrange([core], [a, core])


@predicate.rule(**said_of("superlative", "person"), fixed=5, weight=6)
def superlative_of(draw: Draw, s: Setting) -> Predicate:
    """是 最 高 的 学生: is the tallest student."""
    if s.subject.plural or s.subject.noun is not None:
        raise Misfit("one person is the tallest")
    noun = draw.pick(nouns_of("job"))
    adjective = draw.pick([a for a in noun.adjectives if a.measurable])
    *most, form = superlative(adjective.en).split()
    shi, core = word("是", FINITE["be"][s.subject.agreement], [s.question]), word(noun.zh, noun.en)
    top = word("最", most[0]) if most else silent("最")
    de = silent("的")
    quality = word(adjective.zh, form, [de] if most else [de, top])
    english = [echo("the", top), top, quality, core]
    return spoken(EMPTY, [shi, top, quality, de, core], shi, english)


def qualities(s: Setting, measurable: bool) -> list[Adjective]:
    """Return the adjectives that can be said of the subject."""
    kinds = s.subject.noun.kinds if s.subject.noun else frozenset({"person"})
    if s.kind == "thing" and s.subject.noun is None:
        raise Misfit("what is common to them?")
    if s.kind == "person":
        kinds |= frozenset() if measurable else {"mood"}
    fitting = [
        a for a in lex.ADJECTIVES if a.kinds & kinds and (a.measurable or not measurable)
        and not (a.close and {"小", "好"} & {a.zh} and s.kind == "person")
    ]  # fmt: skip
    if not fitting:
        raise Misfit("no adjective")
    return fitting


@predicate.rule(
    **said_of("description", "person", "animal", "thing"),
    fixed=2,
    weight=5,
    time=sizes({0: 6, 1: 1}),
)
def description(draw: Draw, s: Setting, time: int) -> Predicate:
    """很 高: is very tall; 昨天 很 忙: was very busy yesterday; 不 贵: is not expensive."""
    adjective = draw.pick(qualities(s, measurable=False))
    past = bool(time) and draw.chance(0.5)
    if time and "mood" not in adjective.kinds:
        raise Misfit("tall yesterday")
    when = time_phrase(draw, "past" if past else "now", time)
    options = lex.DEGREES if s.question.zh else (*lex.DEGREES, *3 * [("不", "not")])
    degree, quality = word(*draw.pick(options)), word(adjective.zh, adjective.en)
    is_ = be(s, quality, past=past)
    return spoken(when, [degree, quality], is_, [degree, quality, when])


@predicate.rule(
    **said_of("comparison", "person", "animal", "thing"), fixed=2, weight=5, other=SOMEONE,
    more=sizes({0: 3, 2: 1}),
)  # fmt: skip
def comparison(draw: Draw, s: Setting, other: int, more: int) -> Predicate:
    """比 玛丽 高 得 多: is much taller than Mary."""
    adjective, than_whom = _compared(draw, s, other)
    *more_, form = comparative(adjective.en).split()
    than = word("比", "than")
    quality = word(adjective.zh, form, [than])
    degree = _much() if more else EMPTY
    english = [degree, *[echo(w, than, quality) for w in more_], quality, than, than_whom]
    return spoken(EMPTY, [than, than_whom, quality, degree], be(s, quality), english)


def _much() -> Phrase:
    de = silent("得")
    much = word("多", "much", [de])
    return arrange([de, much], [much])


@predicate.rule(
    **said_of("comparison", "person", "animal", "thing"), fixed=3, weight=2, other=SOMEONE
)
def equality(draw: Draw, s: Setting, other: int) -> Predicate:
    """跟 玛丽 一样 高: is as tall as Mary."""
    adjective, as_whom = _compared(draw, s, other)
    with_, same = silent("跟"), word("一样", "as")
    quality = word(adjective.zh, adjective.en)
    english = [same, quality, echo("as", with_, same), as_whom]
    return spoken(EMPTY, [with_, as_whom, same, quality], be(s, quality), english)


@predicate.rule(
    **said_of("comparison", "person", "thing", question=False), fixed=2, weight=2, other=SOMEONE
)
def inferiority(draw: Draw, s: Setting, other: int) -> Predicate:
    """没有 玛丽 高: is not as tall as Mary."""
    adjective, as_whom = _compared(draw, s, other)
    no, quality = word("没有", "not ~as"), word(adjective.zh, adjective.en)
    english = [no, quality, echo("as", no), as_whom]
    return spoken(EMPTY, [no, as_whom, quality], be(s, quality), english)


def _compared(draw: Draw, s: Setting, length: int) -> tuple[Adjective, Phrase]:
    adjective = draw.pick(qualities(s, measurable=True))
    if s.kind == "person":
        sort = PEOPLE
    else:
        kinds = s.subject.noun.kinds & adjective.kinds if s.subject.noun else frozenset()
        alike = [n for n in lex.NOUNS if n.kinds & kinds and n is not s.subject.noun]
        if not alike:
            raise Misfit("nothing to compare it with")
        sort = Sort(tuple(alike))
    return adjective, noun_phrase(draw, length, Want(sort, plain=True, avoid=s.subject.person))


@predicate.rule(
    **said_of("location", "person", "animal", "thing"), weight=3, time=sizes({0: 4, 1: 1}),
    place=sizes({2: 4, 3: 2}),
)  # fmt: skip
def location(draw: Draw, s: Setting, time: int, place: int) -> Predicate:
    """在 图书馆: is in the library; 昨天 在 图书馆: was in the library yesterday."""
    if (place == 2) != (s.kind == "person") or (
        s.kind == "thing" and s.subject.noun not in BELONGINGS.nouns
    ):
        raise Misfit("a car on a chair")
    if s.subject.noun is not None and "zoo" in s.subject.noun.kinds:
        raise Misfit("a tiger under the bed")
    where = at_place(draw.pick(lex.PLACES)) if place == 2 else beside(draw)
    past = bool(time) and draw.chance(0.6)
    when = time_phrase(draw, "past" if past else "now", time)
    return spoken(when, [where], be(s, where, past=past), [where, when])


@predicate.rule(**said_of("possession", "person"), fixed=1, weight=4, what=THING)
def possession(draw: Draw, s: Setting, what: int) -> Predicate:
    """有 三 本 书: has three books."""
    group = conjugate(lex.HAVE, "present", s.subject.agreement, question=s.question)
    thing = noun_phrase(draw, what, Want(OWNABLE, plain=True, form="indefinite"))
    return spoken(EMPTY, [group.verb, thing], group.aux, [group.verb, thing])


@predicate.rule(
    **said_of("possession", "person", question=False), fixed=1, weight=1, what=sizes({1: 3, 2: 1})
)
def no_possession(draw: Draw, s: Setting, what: int) -> Predicate:
    """没有 书: has no books."""
    has = word("没有", f"{FINITE['have'][s.subject.agreement]} no")
    noun = choose(draw, OWNABLE.nouns, what - 1)
    thing = describe(draw, noun, what - 1, True)
    return spoken(EMPTY, [has, thing], EMPTY, [has, thing])


def tensed(name: str, *, weight: float, past: str = "dated", **slots: Any) -> Callable[..., Any]:
    """Register a rule three times: every day, in the past, in the future.

    The function gets `tense` for `conjugate` and the time phrase that suits it; with `past` as
    "past" the verb has 了, as "dated" the time word alone tells.
    """
    variants = (
        ("present", 0, TIME, 0.7),
        (past, int(past == "past"), DATED, 1.0),
        ("future", 1, TIME, 0.7),
    )

    def register(build: Callable[..., Predicate]) -> Callable[..., Predicate]:
        for tense, marks, time, share in variants:

            def variant(
                draw: Draw, s: Setting, time: int, tense: str = tense, **lengths: int
            ) -> Predicate:
                return build(draw, s, tense, time_phrase(draw, TENSES[tense].time, time), **lengths)

            options = {**slots, "fixed": slots["fixed"] + marks, "weight": weight * share}
            predicate.rule(**said_of(name, "person"), time=time, **options)(variant)
        return build

    return register


@tensed("journey", weight=5, fixed=2, transport=sizes({0: 5, 2: 2}), purpose=sizes(
    {0: 4, 1: 2, 2: 3, 3: 2, 4: 3, 5: 2, 6: 1, 7: 0.5}))  # fmt: skip
def journey(
    draw: Draw, s: Setting, tense: str, when: Phrase, transport: int, purpose: int
) -> Predicate:
    """坐 火车 去 图书馆 看 书: goes to the library by train to read books."""
    group = conjugate(lex.GO, tense, s.subject.agreement, question=s.question)
    cities = [p for p in lex.PLACES if "city" in p.kinds]
    action, destination = EMPTY, draw.pick(cities if transport else lex.PLACES)
    if purpose:
        action = bare_action(draw, s, purpose, at=destination.kinds)
    place = word(destination.zh, destination.to)
    ride = EMPTY
    if transport:
        vehicle = word(*draw.pick(lex.TRANSPORT))
        by = word("坐", "by")
        ride = arrange([by, vehicle], [by, vehicle])
    to = echo("to", place)
    chinese = [*group.before, ride, group.verb, place, action]
    english = [*group.inner, group.verb, to, place, ride]
    english += [echo("to", action), action, when] if purpose else [when]
    return spoken(when, chinese, group.aux, english)


@predicate.rule(**said_of("wish", "person"), fixed=1, weight=4, time=TIME, place=ANYWHERE,
                action=THING)  # fmt: skip
def wish(draw: Draw, s: Setting, time: int, place: int, action: int) -> Predicate:
    """明天 想 在 公园 跑步: wants to run in the park tomorrow."""
    verb = draw.pick(lex.WISH[:2] if time else lex.WISH)
    group = conjugate(verb, "present", s.subject.agreement, question=s.question)
    when = time_phrase(draw, "future", time)
    what = bare_action(draw, s, action, place=bool(place))
    return spoken(when, [group.verb, what], group.aux, [group.verb, what, when])


@tensed("double object", weight=2.5, past="past", fixed=1, whom=SOMEONE, what=THING)
def double_object(
    draw: Draw, s: Setting, tense: str, when: Phrase, whom: int, what: int
) -> Predicate:
    """给 玛丽 一 本 书: gives Mary a book; 教 我们 中文: teaches us Chinese."""
    teaches = what == 1 and draw.chance(0.5)
    verb = lex.TEACH if teaches else draw.pick(lex.GIVE)
    group = conjugate(verb, tense, s.subject.agreement, question=s.question)
    person = noun_phrase(draw, whom, Want(PEOPLE, plain=True, avoid=s.subject.person))
    thing = noun_phrase(
        draw, what, Want(SORTS["subject"] if teaches else GIFTS, plain=s.inner or bool(when.zh))
    )
    rest = [group.verb, person, thing]
    return spoken(
        when,
        [*group.before, group.verb, *group.after, person, thing],
        group.aux,
        [*group.inner, *rest, when],
    )


@predicate.rule(**said_of("ba", "person"), fixed=3, weight=4, time=TIME, what=DEFINITE)
def ba(draw: Draw, s: Setting, time: int, what: int) -> Predicate:
    """昨天 把 这 本 书 卖 了: sold this book yesterday."""
    verb = draw.pick([v for v in lex.VERBS if "done" in v.flags])
    return _disposal(draw, s, conjugate_past(s, verb), time, what, SORTS[verb.objects], EMPTY)


@predicate.rule(**said_of("ba", "person"), fixed=6, weight=2, time=TIME, what=DEFINITE)
def ba_put(draw: Draw, s: Setting, time: int, what: int) -> Predicate:
    """把 我 的 书 放 在 桌子 上 了: put my book on the table."""
    where = beside(draw)
    return _disposal(draw, s, conjugate_past(s, lex.PUT), time, what, BELONGINGS, where)


def conjugate_past(s: Setting, verb: lex.Verb) -> VerbGroup:
    """Return the verb in the past with 了."""
    return conjugate(verb, "past", s.subject.agreement, question=s.question)


def _disposal(
    draw: Draw, s: Setting, group: VerbGroup, time: int, what: int, sort: Sort, where: Phrase
) -> Predicate:
    ba_ = silent("把")
    when = time_phrase(draw, "past", time)
    thing = noun_phrase(
        draw, what, Want(sort, form="definite", plain=s.inner or bool(when.zh or where.zh))
    )
    verb = Phrase(
        group.verb.zh, tuple(t._replace(possible=t.possible + ba_.zh) for t in group.verb.en)
    )
    chinese = [ba_, thing, verb, where, *group.after]
    return spoken(when, chinese, group.aux, [verb, thing, where, when])


@predicate.rule(**said_of("bei", "thing"), fixed=3, weight=4, time=sizes({0: 3, 1: 1}),
                agent=SOMEONE)  # fmt: skip
def bei(draw: Draw, s: Setting, time: int, agent: int) -> Predicate:
    """昨天 被 玛丽 借 了: was borrowed by Mary yesterday."""
    options = [v for v in TAKING[_noun_of(s)] if "done" in v.flags]
    if not options or not s.subject.noun:
        raise Misfit("nothing can be done to it")
    verb, le = draw.pick(options), silent("了")
    by, who = word("被", "by"), noun_phrase(draw, agent, Want(PEOPLE, plain=bool(time)))
    act = word(verb.zh, verb.forms["participle"], [le])
    when = time_phrase(draw, "past", time)
    was = be(s, by, le, past=True)
    return spoken(when, [by, who, act, le], was, [act, by, who, when])


def _noun_of(s: Setting) -> Noun:
    if s.subject.noun is None:
        raise Misfit("things of two kinds")
    return s.subject.noun


@predicate.rule(**said_of("manner", "person"), fixed=4, weight=2)
def manner(draw: Draw, s: Setting) -> Predicate:
    """跑 得 很 快: runs very fast."""
    verb, adverbs = draw.pick(lex.MANNER)
    group = conjugate(verb, "present", s.subject.agreement, question=s.question)
    de = silent("得")
    how = word(*draw.pick(adverbs), also=[de])
    very = word(*draw.pick(lex.DEGREES[:2]))
    chinese = [group.verb, de, very, how]
    return spoken(EMPTY, chinese, group.aux, [group.verb, very, how])


@predicate.rule(**said_of("manner", "person"), fixed=6, weight=2)
def manner_with_object(draw: Draw, s: Setting) -> Predicate:
    """说 中文 说 得 很 好: speaks Chinese very well; the verb stands twice in Chinese."""
    verb = draw.pick(lex.MANNER_WITH_OBJECT)
    group = conjugate(verb, "present", s.subject.agreement, question=s.question)
    noun = draw.pick(SORTS[verb.objects].nouns)
    thing, again = word(noun.zh, noun.plural), silent(verb.zh)
    both = Phrase(group.verb.zh, tuple(t._replace(sure=t.sure + again.zh) for t in group.verb.en))
    de = silent("得")
    how, very = word(*draw.pick(lex.SKILL), also=[de]), word(*draw.pick(lex.DEGREES[:2]))
    chinese = [both, thing, again, de, very, how]
    return spoken(EMPTY, chinese, group.aux, [both, thing, very, how])


@predicate.rule(
    **said_of("duration", "person"), fixed=2, weight=3, time=TIME, place=ANYWHERE,
    length=sizes({2: 3, 3: 3}), object=sizes({0: 3, 1: 2}),
)  # fmt: skip
def duration(draw: Draw, s: Setting, time: int, place: int, length: int, object: int) -> Predicate:
    """在 学校 学习 了 三 年 中文: studied Chinese at school for three years."""
    verb = draw.pick(lex.LASTING_WITH_OBJECT if object else lex.LASTING)
    noun = draw.pick(SORTS[verb.objects].nouns) if object else None
    thing = word(noun.zh, noun.plural) if noun else EMPTY
    group = conjugate_past(s, verb)
    units = [u for u in lex.UNITS if bool(u.classifier) == (length == 3)]
    unit = draw.pick(units)
    if not (unit.zh in ("小时", "分钟") or ("long" in verb.flags and not time)):
        raise Misfit("slept for five months yesterday")
    number = draw.pick((lex.ONE, *lex.NUMBERS))
    one = number is lex.ONE
    classifier = (silent(unit.classifier),) if unit.classifier else ()
    many = word(number[0], article(unit.en) if one else number[1], classifier)
    span = word(unit.zh, unit.en if one else plural(unit.en), classifier)
    where = place_for(draw, verb) if place else EMPTY
    when = time_phrase(draw, "past", time)
    chinese = [where, group.verb, *group.after, many, *classifier, span, thing]
    english = [group.verb, thing, where, echo("for", span), many, span, when]
    return spoken(when, chinese, group.aux, english)


@tensed("cause", weight=2, fixed=1, whom=SOMEONE, action=sizes({1: 3, 2: 4, 3: 2, 4: 2, 5: 1}))
def cause(draw: Draw, s: Setting, tense: str, when: Phrase, whom: int, action: int) -> Predicate:
    """请 我 做 作业: asks me to do homework."""
    verb, to = draw.pick(lex.CAUSE)
    group = conjugate(verb, tense, s.subject.agreement, question=s.question)
    person = noun_phrase(draw, whom, Want(PEOPLE, plain=True, avoid=s.subject.person))
    what = bare_action(draw, s, action)
    chinese = [*group.before, group.verb, person, what]
    english = [*group.inner, group.verb, person, echo(to, group.verb), what, when]
    return spoken(when, chinese, group.aux, english)


@predicate.rule(
    **said_of("thought", "person"), fixed=1, weight=4,
    clause=sizes({2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 4, 8: 3, 9: 3, 10: 2, 11: 2, 12: 1, 13: 1}),
)  # fmt: skip
def thought(draw: Draw, s: Setting, clause: int) -> Predicate:
    """知道 他 喜欢 书: knows that he likes books."""
    if s.inner:
        raise Misfit("too deep")
    group = conjugate(draw.pick(lex.THINK), "present", s.subject.agreement, question=s.question)
    _, what = statement(draw, clause, None)
    return spoken(EMPTY, [group.verb, what], group.aux, [group.verb, what])
