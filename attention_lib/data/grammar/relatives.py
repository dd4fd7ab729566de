"""Relative clauses: before the noun in Chinese, after it in English."""

from .noun_phrases import PART, PEOPLE, Gap, NounPhrase, Want, noun_phrase, relative_clause
from .predicates import TAKING, TIME, Moved, Setting, predicate, verbal
from .synchronous import Draw, Misfit, Phrase, arrange, echo, sizes

ACTIONS = frozenset(
    {"present", "past", "time", "place", "company", "experience", "negation", "journey", "ba"}
)


def _who(gap: Gap) -> Phrase:
    return echo("who" if "person" in gap.noun.kinds else "that", gap.de)


def _animate(gap: Gap) -> bool:
    return bool(gap.noun.kinds & {"person", "pet", "zoo"})


@relative_clause.rule(
    "subject", weight=4, when=_animate, rest=sizes(dict.fromkeys(range(1, 13), 1))
)
def subject_gap(draw: Draw, gap: Gap, rest: int) -> Phrase:
    """昨天 来 的 学生: the student who came yesterday; the verb agrees with the noun."""
    noun = NounPhrase((), (), "pl" if gap.plural else "sg", gap.plural, 3, gap.noun)
    kind = "person" if "person" in gap.noun.kinds else "animal"
    said = predicate(draw, rest, Setting(noun, kind, inner=True, only=ACTIONS))
    return arrange([said.time, said.zh], [_who(gap), said.aux, said.rest])


@relative_clause.rule("object", fixed=1, weight=3, who=PART, time=TIME, place=sizes({0: 4, 2: 1}))
def object_gap(draw: Draw, gap: Gap, who: int, time: int, place: int) -> Phrase:
    """我 昨天 买 的 书: the book that I bought yesterday; 我 喜欢 的 书: the book that I like."""
    options = [v for v in TAKING[gap.noun] if "state" not in v.flags or not time + place]
    if not options:
        raise Misfit("no verb for it")
    verb = draw.pick(options)
    subject = noun_phrase(draw, who, Want(PEOPLE, role="subject", plain=True))
    tense = "present" if "state" in verb.flags else "dated"
    setting = Setting(subject, moved=Moved(gap.noun), inner=True)
    said = verbal(draw, setting, tense=tense, time=time, place=place, verb=verb)
    that = echo("that" if "person" not in gap.noun.kinds else "whom", gap.de)
    return arrange([subject, said.time, said.zh], [that, subject, said.aux, said.rest])
