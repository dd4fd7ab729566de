"""The verb of a clause: its markers in Chinese, its auxiliary and form in English."""

from dataclasses import dataclass
from typing import NamedTuple

from . import lexicon as lex
from .lexicon import Verb
from .synchronous import EMPTY, Phrase, echo, silent, word


class Tense(NamedTuple):
    """Chinese words around the verb; the English auxiliary and the form that it takes.

    An auxiliary written as "do" or "did" shows only in questions and negations. A marker whose
    English is in `meaning` translates it surely (会 will, 已经 already).
    """

    before: str
    after: str
    auxiliary: str
    form: str
    meaning: str = ""
    time: str = ""


TENSES = {
    "present": Tense("", "", "do", "", time="present"),
    "past": Tense("", "了", "did", "past", time="past"),
    "dated": Tense("", "", "did", "past", time="past"),  # 昨天 alone tells the past
    "future": Tense("会", "", "will", "base", "will", time="future"),
    "intention": Tense("要", "", "be", "base", "going ~to", time="future"),
    "progressive": Tense("正在", "", "be", "gerund", time="now"),
    "experience": Tense("", "过", "have", "participle"),
    "completion": Tense("已经", "了", "have", "participle", "already"),
    **{zh: Tense(zh, "", en, "base", en, time="future") for zh, en in lex.MODALS},
}
FINITE = {
    "be": {"I": "am", "sg": "is", "pl": "are"},
    "have": {"I": "have", "sg": "has", "pl": "have"},
    "do": {"I": "do", "sg": "does", "pl": "do"},
}
WAS = {"I": "was", "sg": "was", "pl": "were"}


@dataclass(frozen=True, slots=True)
class VerbGroup:
    """The verb and what surrounds it: `aux` and `inner` (not, already) stand before it in English,

    `before` and `after` are its Chinese neighbours.
    """

    verb: Phrase
    before: tuple[Phrase, ...] = ()
    after: tuple[Phrase, ...] = ()
    aux: Phrase = EMPTY
    inner: tuple[Phrase, ...] = ()


def conjugate(
    verb: Verb, tense: str, agreement: str, *, negated: bool = False, question: Phrase = EMPTY
) -> VerbGroup:
    """Return the verb in `tense`, agreeing with I, sg or pl.

    `question` is the word that makes the clause a question (吗, 什么): its do is linked to it.
    """
    t = TENSES[tense]
    after = (silent(t.after),) if t.after else ()
    if t.auxiliary in ("do", "did"):
        return _with_do(verb, t, agreement, after, negated, question)
    finite = FINITE.get(t.auxiliary, {}).get(agreement, t.auxiliary)
    modal = t.meaning == t.auxiliary
    mark = word(t.before, finite if modal else t.meaning) if t.before else EMPTY
    if not modal:
        mark = mark if t.meaning or not t.before else silent(t.before)
    aux = mark if modal else echo(finite, mark, *after)
    no = word("没" if t.after else "不", "not") if negated else EMPTY
    form = word(verb.zh, verb.forms[t.form], (mark, *after) if not t.meaning else after)
    inner = (no,) if modal else (no, mark)
    return VerbGroup(form, (no, mark), after, aux, inner)


def _with_do(
    verb: Verb,
    t: Tense,
    agreement: str,
    after: tuple[Phrase, ...],
    negated: bool,
    question: Phrase,
) -> VerbGroup:
    if not negated and not question.zh:
        form = t.form or ("third" if agreement == "sg" else "base")
        return VerbGroup(word(verb.zh, verb.forms[form], after), (), after)
    no = word("没" if t.form else "不", "not") if negated else EMPTY
    main = word(verb.zh, verb.forms["base"])
    do = "did" if t.form else FINITE["do"][agreement]
    after = () if negated else after  # 没 stands instead of 了
    return VerbGroup(main, (no,), after, echo(do, no, question, main, *after), (no,))
