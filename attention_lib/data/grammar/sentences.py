"""Whole sentences: statements, questions, requests and what conjunctions make of them."""

from . import lexicon as lex
from . import relatives as relatives  # registers its rules
from .frames import BELONGINGS, statement
from .noun_phrases import ANIMALS, PEOPLE, NounPhrase, Sort, Want, measured, noun_phrase, nouns_of
from .predicates import (
    TAKING,
    THING,
    TIME,
    Moved,
    Predicate,
    Setting,
    bare_action,
    predicate,
    time_phrase,
    verbal,
)
from .synchronous import EMPTY, Draw, Misfit, Phrase, Symbol, arrange, echo, silent, sizes, word
from .verbs import FINITE, TENSES, conjugate

Labelled = tuple[str, Phrase]
sentence: Symbol[Labelled] = Symbol("sentence")

SUBJECT = sizes({1: 12, 2: 4, 3: 4, 4: 3, 5: 2, 6: 2, 7: 2, 8: 1.5, 9: 1, 10: 1, 11: 0.5, 12: 0.5})
REST = sizes({n: 6 if n < 7 else 12 - n if n < 11 else 0.6 for n in range(1, 19)})
UNIT = sizes({n: 1 if n < 12 else 0.4 for n in range(4, 19)})
THINGS = Sort(nouns_of("goods show string opening room song subject question written"))
KINDS = {"person": PEOPLE, "animal": ANIMALS, "thing": THINGS}
PRESENT, PAST, DATED = frozenset({"present"}), frozenset({"past"}), frozenset({"time"})
DATES = {zh for words in lex.TIMES.values() for zh, _ in words}
CONDITION = frozenset({"present", "description", "location", "possession", "comparison"})


def comma() -> Phrase:
    """Return the comma of both languages."""
    return word("，", ",")


def declare(draw: Draw, subject: NounPhrase, said: Predicate) -> Phrase:
    """Return subject and predicate as a statement; a time word may come first in Chinese."""
    front = len(subject.zh) == 1 and subject.noun is None and draw.chance(0.25)
    zh = [said.time, subject, said.zh] if front else [subject, said.time, said.zh]
    return arrange(zh, [subject, said.aux, said.rest])


def subject_of(draw: Draw, length: int, kind: str, plain: bool = False) -> NounPhrase:
    """Draw a subject of this kind."""
    return noun_phrase(draw, length, Want(KINDS[kind], role="subject", plain=plain))


def _simple(kind: str, weight: float) -> None:
    @statement.rule(kind, weight=weight, subject=SUBJECT, rest=REST)
    def build(draw: Draw, only: frozenset[str] | None, subject: int, rest: int) -> Labelled:
        who = subject_of(draw, subject, kind)
        name, said = predicate.draw(draw, rest, Setting(who, kind, only=only))
        return name, declare(draw, who, said)


for _kind, _weight in (("person", 12.0), ("animal", 1.5), ("thing", 3.0)):
    _simple(_kind, _weight)


@sentence.rule("statement", fixed=1, weight=30, clause=sizes(
    {n: 1 if n < 14 else 0.7 if n < 20 else 0.1 for n in range(2, 31)}))  # fmt: skip
def simple(draw: Draw, context: None, clause: int) -> Labelled:
    """A statement with its full stop."""
    label, said = statement(draw, clause, None)
    stop = word("。", ".")
    return "relative" if "relative" in draw.notes else label, arrange(*2 * [[said, stop]])


def ended(mark: str, zh: list[Phrase], en: list[Phrase]) -> Labelled:
    """Return a sentence that ends with 。 or ？ and takes its rule's name."""
    stop = word(mark, {"。": ".", "？": "?"}[mark])
    return "", arrange([*zh, stop], [*en, stop])


@sentence.rule("yes-no question", fixed=2, weight=4, subject=SUBJECT, rest=REST)
def yes_no(draw: Draw, context: None, subject: int, rest: int) -> Labelled:
    """你 喜欢 书 吗 ？ do you like books ?"""
    ma = silent("吗")
    who = subject_of(draw, subject, kind := "thing" if draw.chance(0.15) else "person", plain=True)
    said = predicate(draw, rest, Setting(who, kind, question=ma))
    stop = word("？", "?", [ma])
    return "", arrange([who, said.time, said.zh, ma, stop], [said.aux, who, said.rest, stop])


@sentence.rule("who question", fixed=2, weight=1, rest=REST)
def who_question(draw: Draw, context: None, rest: int) -> Labelled:
    """谁 喜欢 书 ？ who likes books ?"""
    asked = word(*lex.QUESTION_WORDS["who"])
    who = NounPhrase(asked.zh, asked.en)
    said = predicate(draw, rest, Setting(who))
    return ended("？", [who, said.time, said.zh], [who, said.aux, said.rest])


def _gapped(draw: Draw, rest: int, moved: Moved, who: NounPhrase, question: Phrase) -> Predicate:
    """Return a predicate without its object, of `rest` words."""
    tense, marks = draw.pick(MOVABLE)
    time = rest - marks - 1
    if time < 0:
        raise Misfit("no room for this tense")
    setting = Setting(who, moved=moved, question=question)
    return verbal(draw, setting, tense=tense, time=time)


MOVABLE = (("present", 0), ("past", 1), ("experience", 1), ("future", 1))
GAPPED = sizes({1: 3, 2: 4, 3: 3, 4: 1})


@sentence.rule("what question", fixed=2, weight=1, subject=SUBJECT, rest=GAPPED)
def what_question(draw: Draw, context: None, subject: int, rest: int) -> Labelled:
    """你 昨天 买 了 什么 ？ what did you buy yesterday ?"""
    what = word(*lex.QUESTION_WORDS["what"])
    who = subject_of(draw, subject, "person", plain=True)
    said = _gapped(draw, rest, Moved(None), who, what)
    return ended("？", [who, said.time, said.zh, what], [what, said.aux, who, said.rest])


@sentence.rule("which question", fixed=4, weight=1.5, subject=SUBJECT, rest=GAPPED)
def which_question(draw: Draw, context: None, subject: int, rest: int) -> Labelled:
    """你 买 了 几 本 书 ？ how many books did you buy ? 你 看 哪 本 书 ？ which book …"""
    many = draw.chance(0.5)
    asked = lex.QUESTION_WORDS["how many" if many else "which"]
    nouns = [n for n in TAKING if n.classifier and not n.measure]
    what = measured(draw, nouns, 0, many, asked)
    who = subject_of(draw, subject, "person", plain=True)
    said = _gapped(draw, rest, Moved(what.noun), who, what)
    return ended("？", [who, said.time, said.zh, what], [what, said.aux, who, said.rest])


@sentence.rule("topic", fixed=1, weight=2, subject=SUBJECT, rest=GAPPED, topic=sizes(
    {3: 5, 4: 3, 5: 2, 6: 1, 7: 1, 8: 0.5}))  # fmt: skip
def topic(draw: Draw, context: None, subject: int, rest: int, topic: int) -> Labelled:
    """这 本 书 我 看 过 。 I have read this book ."""
    thing = noun_phrase(draw, topic, Want(THINGS, form="definite", plain=True))
    who = subject_of(draw, subject, "person", plain=True)
    said = _gapped(draw, rest, Moved(thing.noun, Phrase((), thing.en)), who, EMPTY)
    return ended("。", [thing, who, said.time, said.zh], [who, said.aux, said.rest])


@sentence.rule("where question", fixed=3, weight=1, subject=SUBJECT, time=TIME, object=THING)
def where_question(draw: Draw, context: None, subject: int, time: int, object: int) -> Labelled:
    """你 昨天 在 哪里 看 书 ？ where did you read books yesterday ?"""
    at = silent("在")
    where = word(*lex.QUESTION_WORDS["where"], also=[at])
    who = subject_of(draw, subject, "person", plain=True)
    setting = Setting(who, question=where)
    asked = arrange([at, where], [])
    tense = draw.pick(("present", "dated")) if time else "present"
    said = verbal(draw, setting, tense=tense, time=time, object=object - 1, asked=asked)
    return ended("？", [who, said.time, said.zh], [where, said.aux, who, said.rest])


@sentence.rule("when or why question", fixed=2, weight=1.5, subject=SUBJECT, rest=REST)
def when_question(draw: Draw, context: None, subject: int, rest: int) -> Labelled:
    """你 为什么 喜欢 书 ？ why do you like books ? 他 什么时候 去 北京 ？ when …"""
    when = draw.chance(0.5)
    asked = word(*lex.QUESTION_WORDS["when" if when else "why"])
    who = subject_of(draw, subject, "person", plain=True)
    only = frozenset({"present", "place", "company", "future", "journey", "double object"})
    said = predicate(draw, rest, Setting(who, question=asked, only=only if when else None))
    if when and said.time.zh:
        raise Misfit("when every day?")
    return ended("？", [who, asked, said.time, said.zh], [asked, said.aux, who, said.rest])


@sentence.rule("existence", fixed=4, weight=3, what=THING)
def existence(draw: Draw, context: None, what: int) -> Labelled:
    """桌子 上 有 一 本 书 。 there is a book on the table ."""
    indoors = draw.chance(0.5)
    if indoors:
        place = draw.pick([p for p in lex.PLACES if p.at.startswith("in ~the")])
        side, where = word("里", "in"), word(place.zh, place.at.removeprefix("in "))
    else:
        anchor = draw.pick(lex.ANCHORS)
        side, where = word(*draw.pick(lex.SIDES)), word(anchor.zh, f"~the {anchor.en}")
    sort = Sort(nouns_of("person") if indoors else BELONGINGS.nouns)
    it = noun_phrase(draw, what, Want(sort, form="indefinite", plain=True))
    there = word("有", f"~there {FINITE['be'][it.agreement]}")
    return ended("。", [where, side, there, it], [there, it, side, where])


@sentence.rule("request", fixed=2, weight=1.5, action=sizes({1: 2, 2: 4, 3: 3, 4: 3, 5: 2, 6: 1}))
def request(draw: Draw, context: None, action: int) -> Labelled:
    """请 看 书 。 please read books . 别 说话 。 do not talk ."""
    you = NounPhrase((), (), "pl", False, 2)
    what = bare_action(draw, Setting(you), action)
    please = word(*draw.pick((("请", "please"), ("别", "~do not"))))
    return ended("。", [please, what], [please, what])


@sentence.rule("request", fixed=3, weight=1, action=sizes({1: 2, 2: 4, 3: 3, 4: 3, 5: 2, 6: 1}))
def proposal(draw: Draw, context: None, action: int) -> Labelled:
    """我们 看 书 吧 。 let us read books ."""
    we, ba = word("我们", "us"), silent("吧")
    what = bare_action(draw, Setting(NounPhrase((), (), "pl", True, 1)), action)
    return ended("。", [we, what, ba], [echo("let", ba), we, what])


@sentence.rule("weather", fixed=2, weight=0.3, time=sizes({1: 1, 2: 1}), will=sizes({1: 1}))
def weather(draw: Draw, context: None, time: int, will: int) -> Labelled:
    """昨天 下雨 了 。 it rained yesterday . 明天 会 下雪 。 it will snow tomorrow ."""
    verb = draw.pick(lex.WEATHER)
    tense = draw.pick(("past", "future"))
    group = conjugate(verb, tense, "sg")
    when = time_phrase(draw, TENSES[tense].time, time)
    zh = [when, *group.before, group.verb, *group.after]
    return ended("。", zh, [echo("it", group.verb), group.aux, group.verb, when])


@sentence.rule("because", fixed=4, weight=4, first=UNIT, second=UNIT)
def because(draw: Draw, context: None, first: int, second: int) -> Labelled:
    """因为 他 很 累 ， 所以 他 没 来 。 because he is very tired , he did not come ."""
    return _joined(draw, first, second, ("因为", "because"), "所以")


@sentence.rule("although", fixed=4, weight=3, first=UNIT, second=UNIT)
def although(draw: Draw, context: None, first: int, second: int) -> Labelled:
    """虽然 他 很 累 ， 但是 他 来 了 。 although he is very tired , he came ."""
    return _joined(draw, first, second, ("虽然", "although"), "但是")


def _joined(draw: Draw, first: int, second: int, opening: tuple[str, str], middle: str) -> Labelled:
    then = silent(middle)
    why, stop = word(*opening, also=[then]), comma()
    _, a = statement(draw, first, None)
    _, b = statement(draw, second, None)
    return ended("。", [why, a, stop, then, b], [why, a, stop, b])


@sentence.rule("if", fixed=4, weight=4, first=UNIT, subject=SUBJECT, rest=REST)
def if_(draw: Draw, context: None, first: int, subject: int, rest: int) -> Labelled:
    """如果 他 很 忙 ， 我 就 会 去 公园 。 if he is very busy , I will go to the park ."""
    opening, stop, then = word("如果", "if"), comma(), silent("就")
    _, condition = statement(draw, first, CONDITION)
    who = subject_of(draw, subject, "person", plain=True)
    setting = Setting(who, only=frozenset({"future"}), question=EMPTY)
    said = predicate(draw, rest, setting)
    aux = Phrase((), tuple(t._replace(possible=t.possible + then.zh) for t in said.aux.en))
    return ended(
        "。",
        [opening, condition, stop, who, said.time, then, said.zh],
        [opening, condition, stop, who, aux, said.rest],
    )


@sentence.rule("when", fixed=4, weight=4, first=UNIT, second=UNIT)
def when_(draw: Draw, context: None, first: int, second: int) -> Labelled:
    """我 吃饭 的 时候 ， 他 看 书 。 when I eat , he reads books ."""
    only, then = draw.pick(((PRESENT, PRESENT), (DATED, PAST)))
    de = silent("的")
    opening, stop = word("时候", "when", [de]), comma()
    _, a = statement(draw, first, only)
    b = _undated(draw, second, then)
    return ended("。", [a, de, opening, stop, b], [opening, a, stop, b])


@sentence.rule("before or after", fixed=3, weight=3, first=UNIT, second=UNIT)
def before(draw: Draw, context: None, first: int, second: int) -> Labelled:
    """我 吃饭 以前 ， 他 看 书 。 before I eat , he reads books ."""
    opening, stop = word(*draw.pick(lex.ORDER)), comma()
    _, a = statement(draw, first, PRESENT)
    b = _undated(draw, second, PRESENT)
    return ended("。", [a, opening, stop, b], [opening, a, stop, b])


def _undated(draw: Draw, length: int, only: frozenset[str]) -> Phrase:
    """Draw a statement without a time of its own."""
    _, said = statement(draw, length, only)
    if any(source.word in DATES for source in said.zh):
        raise Misfit("when it rained yesterday, he came last year")
    return said


chain: Symbol[Phrase] = Symbol("chain")


@chain.rule("last", weight=4, clause=UNIT)
def last(draw: Draw, context: None, clause: int) -> Phrase:
    """One statement."""
    return statement(draw, clause, None)[1]


@chain.rule("more", fixed=2, clause=UNIT, rest=sizes(dict.fromkeys(range(4, 54), 1)))
def more(draw: Draw, context: None, clause: int, rest: int) -> Phrase:
    """A statement, a conjunction and what follows."""
    joint = [statement(draw, clause, None)[1], comma(), word(*draw.pick(lex.CONJUNCTIONS))]
    joint.append(chain(draw, rest, None))
    return arrange(joint, joint)


@sentence.rule("coordination", fixed=3, weight=6, first=UNIT, rest=sizes(
    dict.fromkeys(range(4, 54), 1)))  # fmt: skip
def coordination(draw: Draw, context: None, first: int, rest: int) -> Labelled:
    """我 喜欢 书 ， 但是 他 喜欢 电影 。 I like books , but he likes films ."""
    joint = [statement(draw, first, None)[1], comma(), word(*draw.pick(lex.CONJUNCTIONS))]
    joint.append(chain(draw, rest, None))
    return ended("。", joint, joint)
