import pytest

from attention_lib.data.documents import Document
from attention_lib.data.vocabulary import Vocabulary

SENTENCES = [["b", "a"], ["a", "c", "c", "a"]]


def test_words_come_back_as_they_went_in_and_strangers_as_unk():
    vocabulary = Vocabulary(SENTENCES)
    assert vocabulary.decode(vocabulary.encode(["c", "z", "a"])) == ["c", "<unk>", "a"]


def test_ids_do_not_depend_on_the_order_of_the_sentences():
    assert Vocabulary(SENTENCES).words == Vocabulary(SENTENCES[::-1]).words


def test_rare_words_are_left_out():
    assert Vocabulary(SENTENCES, min_count=2).words[4:] == ["a", "c"]


def test_the_marks_stand_first_even_if_a_sentence_holds_them():
    vocabulary = Vocabulary([["<eos>", "a"]])
    assert vocabulary.words == ["<pad>", "<bos>", "<eos>", "<unk>", "a"]
    assert (vocabulary.pad, vocabulary.bos, vocabulary.eos, vocabulary.unk) == (0, 1, 2, 3)


def test_text_that_was_not_split_is_refused():
    with pytest.raises(TypeError, match=r"got the text 'a dog'; wanted its words"):
        Vocabulary(["a dog", "a cat"])
    with pytest.raises(TypeError, match=r"got the text 'a dog'; wanted its words"):
        Vocabulary(SENTENCES).encode("a dog")
    with pytest.raises(TypeError, match=r"got the text 'not bad'; wanted its words"):
        Document(("not bad",), 1)
