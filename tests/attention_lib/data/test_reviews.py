from collections import Counter

import pytest

from attention_lib.data.reviews import LANGUAGES, reviews

DOCUMENTS = {language: reviews(1500, seed=1, language=language) for language in LANGUAGES}
VERDICT_CUES = {
    "en": ("but overall", "all in all", "in the end"),
    "zh": ("但是 总的来说", "总之", "最后"),
}
NEGATIONS = {"en": {"not", "hardly", "never"}, "zh": {"不", "算不上", "不能"}}


def polar_words(language):
    phrases = LANGUAGES[language]
    subjects = (*phrases.subjects, phrases.whole)
    return (
        {word for subject in subjects for word in subject.good},
        {word for subject in subjects for word in subject.bad},
    )


def verdicts(document, language):
    """Positions of the sentences that give a verdict, by how they begin."""
    return [
        i
        for i, sentence in enumerate(document.sentences)
        if " ".join(sentence).startswith(VERDICT_CUES[language])
    ]


def deciding_sentences(document):
    start, found = 0, set()
    for i, sentence in enumerate(document.sentences):
        if document.deciding & set(range(start, start + len(sentence))):
            found.add(i)
        start += len(sentence)
    return found


def test_reviews_depend_on_their_arguments_alone():
    assert reviews(20, seed=5) == reviews(20, seed=5) != reviews(20, seed=6)
    assert reviews(50, seed=5)[:20] == reviews(20, seed=5)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_review_comes_twice(language):
    assert len({document.sentences for document in DOCUMENTS[language]}) == 1500


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_labels_come_equally_often(language):
    assert sum(document.label for document in DOCUMENTS[language]) == pytest.approx(750, abs=75)


@pytest.mark.parametrize(("low", "high"), [(2, 2), (3, 8), (19, 23)])
def test_every_length_asked_for_comes_and_no_other(low, high):
    lengths = Counter(
        len(document.sentences) for document in reviews(400, min_sentences=low, max_sentences=high)
    )
    assert sorted(lengths) == list(range(low, high + 1))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_deciding_words_say_the_label(language):
    good, bad = polar_words(language)
    for document in DOCUMENTS[language]:
        start = 0
        for sentence in document.sentences:
            marked = [w for i, w in enumerate(sentence, start) if i in document.deciding]
            start += len(sentence)
            if marked:
                (word,) = set(marked) & (good | bad)
                praises = (word in good) != bool(set(marked) & NEGATIONS[language])
                assert praises == bool(document.label)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_verdict_decides_alone(language):
    with_verdict = [(d, v) for d in DOCUMENTS[language] if (v := verdicts(d, language))]
    assert len(with_verdict) == pytest.approx(750, abs=75)
    for document, found in with_verdict:
        assert deciding_sentences(document) == set(found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_review_has_deciding_words(language):
    assert all(document.deciding for document in DOCUMENTS[language])


@pytest.mark.parametrize("language", LANGUAGES)
def test_praise_is_found_in_good_and_bad_reviews_alike(language):
    good, _ = polar_words(language)
    shares = []
    for label in (0, 1):
        chosen = [d for d in DOCUMENTS[language] if d.label == label]
        shares.append(sum(bool(good & set(d.words)) for d in chosen) / len(chosen))
    assert abs(shares[0] - shares[1]) < 0.15


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": -1}, "size is -1; give 0 or more reviews"),
        ({"size": 1, "language": "de"}, r"language is 'de'; wanted one of \['en', 'zh'\]"),
        ({"size": 1, "min_sentences": 1}, "min_sentences is 1 and max_sentences 8; give 2 <="),
        ({"size": 1, "min_sentences": 5, "max_sentences": 3}, "min_sentences is 5"),
        ({"size": 1, "max_sentences": 101}, "max_sentences 101"),
    ],
)
def test_impossible_requests_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        reviews(**wrong)
