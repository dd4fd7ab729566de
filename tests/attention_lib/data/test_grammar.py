"""The grammar corpus: what is promised of its sentences and of their gold alignments."""

import re
from collections import Counter, defaultdict

import pytest

from attention_lib.data.grammar import STUDENT, Pair, frames, grammar_corpus, lexicon, morphology
from attention_lib.data.grammar.entries import Noun, Verb
from attention_lib.data.grammar.noun_phrases import NounPhrase
from attention_lib.data.grammar.predicates import Setting
from attention_lib.data.grammar.synchronous import Draw, arrange, indexed, word

CLASSIFIERS = {noun.classifier for noun in lexicon.NOUNS if noun.classifier}
NOUN = {noun.zh: noun for noun in lexicon.NOUNS}
COUNTED = {zh for zh, _ in (*lexicon.NUMBERS, *lexicon.POINTERS, lexicon.ONE)}
# Chinese words that English shows in other words, if at all.
FUNCTION_WORDS = {*CLASSIFIERS, *"的了过吗把们得就跟在吧最", "正在", "所以", "但是"}
QUESTIONS = {"who", "what", "which", "where", "when or why"}
EXPECTED_PATTERNS = {
    "because", "although", "if", "when", "before or after", "coordination", "existence", "topic",
    "request", "present", "past", "time", "place", "company", "future", "progressive",
    "experience", "completion", "negation", "modal", "wish", "identity", "superlative",
    "description", "comparison", "location", "possession", "journey", "double object", "ba", "bei",
    "manner", "duration", "cause", "thought", "relative", "yes-no question", "weather",
    *(f"{name} question" for name in QUESTIONS),
}  # fmt: skip


@pytest.fixture(scope="module")
def corpus() -> list[Pair]:
    return grammar_corpus(20_000, seed=0)


@pytest.fixture(scope="module")
def by_pattern(corpus: list[Pair]) -> dict[str, list[Pair]]:
    groups = defaultdict(list)
    for pair in corpus:
        groups[pair.pattern].append(pair)
    return groups


def english_of(pair: Pair, chinese: str) -> set[int]:
    """The English positions surely linked to a Chinese word."""
    return {j for i, j in pair.sure if pair.src[i] == chinese}


def crosses(pair: Pair) -> bool:
    return any(i < k and j > m for i, j in pair.sure for k, m in pair.sure)


def test_links_point_into_both_sentences_and_sure_links_are_possible(corpus):
    for pair in corpus:
        assert pair.sure <= pair.possible
        assert all(0 <= i < len(pair.src) and 0 <= j < len(pair.tgt) for i, j in pair.possible)


def test_every_content_word_has_a_sure_link_and_every_chinese_word_a_possible_one(corpus):
    for pair in corpus:
        sure, possible = ({i for i, _ in links} for links in (pair.sure, pair.possible))
        unlinked = {pair.src[i] for i in range(len(pair.src)) if i not in sure}
        assert unlinked <= FUNCTION_WORDS, pair
        assert possible == set(range(len(pair.src))), pair


ENGLISH_FUNCTION_WORDS = """
the a an 's to of for at after as more there it let that who whom
is are am was were do does did has have
"""


def test_unlinked_english_words_are_function_words(corpus):
    allowed = set(ENGLISH_FUNCTION_WORDS.split())
    for pair in corpus:
        linked = {j for _, j in pair.sure}
        assert {w for j, w in enumerate(pair.tgt) if j not in linked} <= allowed, pair


def translations() -> dict[str, set[str]]:
    """Every English word that each Chinese word of the lexicon may become."""
    found: dict[str, set[str]] = defaultdict(set)

    def add(zh: str, *english: str) -> None:
        found[zh].update(w.removeprefix("~") for en in english for w in en.split())

    def visit(entry: object) -> None:
        if isinstance(entry, Noun):
            add(entry.zh, entry.en, morphology.plural(entry.en))
            if entry.measure:
                add(entry.classifier, entry.measure, morphology.plural(entry.measure))
        elif isinstance(entry, Verb):
            add(entry.zh, *entry.forms.values())
        elif isinstance(entry, lexicon.Adjective):
            add(entry.zh, entry.en, morphology.comparative(entry.en))
            add(entry.zh, morphology.superlative(entry.en))
        elif isinstance(entry, lexicon.Pronoun):
            add(entry.zh, entry.subject, entry.object, entry.owner)
        elif isinstance(entry, lexicon.Place):
            add(entry.zh, entry.at, entry.to)
            add("在", entry.at.split()[0])
        elif isinstance(entry, dict):
            visit(tuple(entry.values()))
        elif isinstance(entry, tuple | list):
            if len(entry) == 2 and all(isinstance(part, str) for part in entry):
                add(*entry)
            else:
                for part in entry:
                    visit(part)

    for name, table in vars(lexicon).items():
        if name.isupper() and not name.startswith("_"):
            visit(table)
    # The words that the rules themselves bring in.
    closed = """一 a an · 是 am is are · 不 not · 没 not · 没有 not has have no · 和 and ·
比 than · 多 much · 一样 as · 被 by · 坐 by · 跟 with · 会 will · 要 going · 已经 already ·
这 these · 那 those · 有 is are · 里 in · 请 please · 别 not · 我们 us · 因为 because ·
虽然 although · 如果 if · 时候 when · 最 most · 。 . · ？ ? · ， ,"""
    for zh, english in lexicon.entries(closed):
        add(zh, english)
    return found


def test_every_sure_link_is_a_translation_of_the_lexicon(corpus):
    known = translations()
    for pair in corpus:
        for i, j in pair.sure:
            assert pair.tgt[j] in known[pair.src[i]], (pair.src[i], pair.tgt[j])


def test_equal_sources_have_equal_targets_and_links(corpus):
    seen = {pair.src: pair for pair in corpus}
    others = [grammar_corpus(4_000, seed=s, max_length=7) for s in (1, 2)]
    shared = 0
    for pair in (pair for other in others for pair in other):
        if first := seen.setdefault(pair.src, pair):
            shared += first is not pair
            assert (pair.tgt, pair.sure, pair.possible) == (first.tgt, first.sure, first.possible)
    assert shared > 500


def test_the_seed_decides_the_corpus():
    assert grammar_corpus(200, seed=7) == grammar_corpus(200, seed=7)
    assert grammar_corpus(200, seed=7) != grammar_corpus(200, seed=8)


def test_a_longer_corpus_begins_with_the_shorter_one():
    assert grammar_corpus(50, seed=3) == grammar_corpus(80, seed=3)[:50]


@pytest.mark.parametrize("length", range(3, 61))
def test_every_length_from_3_to_60_can_be_asked_for_exactly(length):
    pairs = grammar_corpus(6, seed=length, min_length=length, max_length=length)
    assert [len(pair.src) for pair in pairs] == [length] * 6
    assert len({pair.src for pair in pairs}) == 6


def test_lengths_are_spread_evenly_and_no_sentence_comes_twice(corpus):
    counts = Counter(len(pair.src) for pair in corpus)
    assert set(counts) == set(range(3, 21))
    assert max(counts.values()) < 1.3 * min(counts.values())
    assert len({pair.src for pair in corpus}) == len(corpus)


def test_sentences_come_again_only_when_a_range_has_run_out():
    pairs = grammar_corpus(5_000, seed=0, min_length=3, max_length=4)
    assert len({pair.src for pair in pairs}) == len(pairs)
    assert sum(len(pair.src) == 4 for pair in pairs) > sum(len(pair.src) == 3 for pair in pairs)
    only_three = grammar_corpus(2_500, seed=0, min_length=3, max_length=3)
    assert len(only_three) == 2_500 > len({pair.src for pair in only_three}) > 1_000


def test_vocabulary_has_hundreds_of_words_on_both_sides(corpus):
    chinese = Counter(w for pair in corpus for w in pair.src)
    english = Counter(w for pair in corpus for w in pair.tgt)
    assert sum(n >= 5 for n in chinese.values()) >= 400
    assert sum(n >= 5 for n in english.values()) >= 600


def test_all_patterns_come_at_the_default_lengths(by_pattern):
    assert set(by_pattern) == EXPECTED_PATTERNS
    assert min(len(pairs) for pairs in by_pattern.values()) >= 10


def test_student_sentence_is_what_the_grammar_makes():
    for seed in range(500):
        draw = Draw(seed)
        i = word("我", "I")
        said = frames.identity(draw, Setting(NounPhrase(i.zh, i.en, "I", person=1)), what=3)
        stop = word("。", ".")
        made = indexed(arrange([i, said.zh, stop], [i, said.aux, said.rest, stop]))
        if made[0] == STUDENT.src:
            assert made == (STUDENT.src, STUDENT.tgt, STUDENT.sure, STUDENT.possible)
            return
    pytest.fail("我 是 一 个 学生 。 never came")


@pytest.mark.parametrize(
    "pattern",
    ["relative", "place", "time", "company", "bei", "existence", "topic", "when",
     "where question", "what question", "which question"],
)  # fmt: skip
def test_reordering_patterns_cross(by_pattern, pattern):
    assert not [pair for pair in by_pattern[pattern] if not crosses(pair)]


def test_comparisons_with_bi_put_the_adjective_last_in_chinese_only(by_pattern):
    pairs = [pair for pair in by_pattern["comparison"] if "比" in pair.src]
    assert len(pairs) > 100
    for pair in pairs:
        than = pair.src.index("比")
        assert min(j for i, j in pair.sure if i > than + 1) < min(english_of(pair, "比")), pair


def test_time_and_place_stand_before_the_verb_in_chinese_and_after_it_in_english(by_pattern):
    checked = 0
    for pair in by_pattern["place"]:
        if "和" in pair.src or pair.src.count("在") != 1:
            continue
        at = pair.src.index("在")
        (at_en,) = {j for i, j in pair.sure if i == at}
        place_en = {j for i, j in pair.sure if i == at + 1}
        verb_en = {j for i, j in pair.sure if i == at + 2}
        assert max(verb_en) < at_en < min(place_en), pair
        checked += 1
    assert checked > 50


def test_relative_clauses_stand_before_the_noun_in_chinese_and_after_it_in_english(by_pattern):
    for pair in by_pattern["relative"]:
        openings = [j for j, w in enumerate(pair.tgt) if w in ("who", "whom", "that")]
        de = [(i, j) for i, j in pair.possible if pair.src[i] == "的" and j in openings]
        assert de, pair
        for i, j in de:
            before = {m for k, m in pair.sure if k == i - 1}
            head = {m for k, m in pair.sure if k > i and m < j}
            assert head, pair
            assert min(before, default=j + 1) > j or pair.src[i - 1] in FUNCTION_WORDS, pair


def test_classifiers_agree_with_their_nouns(corpus):
    checked = 0
    for pair in corpus:
        for i, word_ in enumerate(pair.src[:-1]):
            follows_number = i > 0 and pair.src[i - 1] in {*COUNTED, "几", "哪"}
            if word_ in CLASSIFIERS and follows_number and pair.src[i + 1] in NOUN:
                assert NOUN[pair.src[i + 1]].classifier == word_, pair
                checked += 1
    assert checked > 3_000


def test_number_is_shown_on_the_english_noun(corpus):
    checked = 0
    for pair in corpus:
        for i, zh in enumerate(pair.src):
            noun = NOUN.get(zh)
            if i < 2 or noun is None or noun.measure or pair.src[i - 1] != noun.classifier:
                continue
            english = " ".join(pair.tgt[j] for j in sorted(j for k, j in pair.sure if k == i))
            many = pair.src[i - 2] in {zh for zh, _ in lexicon.NUMBERS} | {"几"}
            assert english == (noun.plural if many else noun.en), pair
            checked += 1
    assert checked > 3_000


def test_a_stands_before_consonants_and_an_before_vowels(corpus):
    exceptions = ("uni", "use", "hour")
    seen = Counter()
    for pair in corpus:
        for first, second in zip(pair.tgt, pair.tgt[1:], strict=False):
            if first in ("a", "an"):
                vowel = second[0] in "aeiou" and not second.startswith(("uni", "use"))
                assert first == ("an" if vowel or second.startswith("hour") else "a"), pair
                seen[first, second.startswith(exceptions)] += 1
    assert min(seen[key] for key in [("a", False), ("an", False), ("a", True), ("an", True)]) > 0


def test_verbs_agree_with_pronoun_subjects(corpus):
    singular = {morphology.third(v.forms["base"].split()[0]) for v in lexicon.VERBS}
    singular |= {"is", "was", "has", "does"}
    base = {v.forms["base"].split()[0] for v in lexicon.VERBS} - {"read"}
    checked = Counter()
    for pair in corpus:
        first, second = pair.tgt[:2]
        if first in ("he", "she"):
            assert second not in {*base, "are", "am", "have", "do"}, pair
            checked["third"] += second in singular
        if first in ("we", "they", "you", "I") and "and" not in pair.tgt[:3]:
            assert second not in singular - ({"was"} if first == "I" else set()), pair
            checked["other"] += second in base
    assert min(checked["third"], checked["other"]) > 50


def test_questions_with_ma_put_the_auxiliary_first(by_pattern):
    auxiliaries = {"do", "does", "did", "is", "are", "am", "was", "were", "has", "have", "will"}
    auxiliaries |= {en for _, en in lexicon.MODALS}
    for pair in by_pattern["yes-no question"]:
        assert pair.src[-2:] == ("吗", "？")
        assert pair.tgt[0] in auxiliaries
        ma = len(pair.src) - 2
        assert {(ma, 0), (ma, len(pair.tgt) - 1)} <= pair.possible - pair.sure


def test_pronouns_have_the_case_of_their_place(corpus):
    text = "\n".join(" ".join(pair.tgt) for pair in corpus)
    assert not re.search(r"\b(with|by|than|for|to) (I|he|she|we|they)\b", text)
    assert not re.search(r"^(me|him|her|us|them) (is|are|was|were|do|does)\b", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": -1}, "size is -1"),
        ({"size": 1.5}, "size is 1.5"),
        ({"size": 3, "seed": "x"}, "seed is 'x'"),
        ({"size": 3, "min_length": 2}, "3 <= min_length"),
        ({"size": 3, "max_length": 61}, "max_length <= 60"),
        ({"size": 3, "min_length": 9, "max_length": 8}, "min_length is 9 and max_length 8"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        grammar_corpus(**arguments)
