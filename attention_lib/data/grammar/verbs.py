"""The verb of a clause: its markers in Chinese, its auxiliary and form in English."""

from dataclasses import dataclass
from typing import NamedTuple

from . import lexicon as lex
from .entries import Verb
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
    """The verb, its Chinese neighbours, and what stands before it in English.

    English order: aux (does, will), inner (not, already), verb.
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
    no = word("没" if t.after else "不", "not") if negated else EMPTY
    if t.meaning == t.auxiliary:  # a modal: its Chinese is the auxiliary's
        aux = mark = word(t.before, t.auxiliary, [question])
        main = word(verb.zh, verb.forms[t.form], after)
        return VerbGroup(main, (no, mark), after, aux, (no,))
    finite = FINITE[t.auxiliary][agreement]
    if t.meaning:
        mark = word(t.before, t.meaning)
        main = word(verb.zh, verb.forms[t.form], after)
    else:
        mark = silent(t.before) if t.before else EMPTY
        main = word(verb.zh, verb.forms[t.form], [mark, *after])
    aux = echo(finite, mark, *after, question)
    return VerbGroup(main, (no, mark), after, aux, (no, mark))


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
