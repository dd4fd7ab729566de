import itertools

import pytest
import torch

from attention_lib.data.documents import (
    Document,
    document_batch,
    document_batches,
    flat_batch,
    ordered_document_batches,
    refuse_pieces,
)
from attention_lib.data.subwords import Subwords
from attention_lib.data.vocabulary import Vocabulary

REVIEW = Document((("we", "came", "late", "."), ("not", "bad"), ("thanks",)), 1, frozenset({4, 5}))
SHORT = Document((("bad",),), 0)
VOCABULARY = Vocabulary([REVIEW.words])


def of_lengths(*lengths):
    return [Document((("bad",) * length,), length % 2) for length in lengths]


def test_words_are_the_sentences_in_reading_order():
    assert REVIEW.words == ("we", "came", "late", ".", "not", "bad", "thanks")
    assert len(REVIEW) == 7


def test_leaving_words_out_drops_empty_sentences_and_moves_the_deciding_words():
    left = REVIEW.without([0, 4, 6])
    assert left.sentences == (("came", "late", "."), ("bad",))
    assert [left.words[position] for position in left.deciding] == ["bad"]
    assert left.label == REVIEW.label
    assert REVIEW.without([]) == REVIEW


def test_leaving_out_all_words_is_refused():
    with pytest.raises(ValueError, match="leaving out 1 words would leave none of 1"):
        SHORT.without([0])


@pytest.mark.parametrize(
    ("sentences", "label", "deciding", "message"),
    [
        ((), 0, (), "at least one sentence"),
        ((("a",), ()), 0, (), "no empty one"),
        ((("a",),), -1, (), "label is -1"),
        ((("a",), ("b",)), 0, (2,), r"deciding has \[2\]; the document has positions 0 to 1"),
    ],
)
def test_impossible_documents_are_refused(sentences, label, deciding, message):
    with pytest.raises(ValueError, match=message):
        Document(sentences, label, frozenset(deciding))


def test_a_flat_batch_holds_the_words_and_their_number():
    batch = flat_batch([REVIEW, SHORT], VOCABULARY)
    assert batch.lengths.tolist() == [7, 1]
    assert batch.labels.tolist() == [1, 0]
    assert VOCABULARY.decode(batch.words[0].tolist()) == list(REVIEW.words)
    assert (batch.words[1, 1:] == VOCABULARY.pad).all()
    assert batch.word_mask.sum(1).tolist() == [7, 1]


def test_a_document_batch_masks_words_and_sentences():
    batch = document_batch([REVIEW, SHORT], VOCABULARY)
    assert batch.words.shape == (2, 3, 4)
    assert batch.word_mask.sum(-1).tolist() == [[4, 2, 1], [1, 0, 0]]
    assert batch.sentence_mask.tolist() == [[True, True, True], [True, False, False]]
    assert (batch.words[~batch.word_mask] == VOCABULARY.pad).all()


@pytest.mark.parametrize("collate", [flat_batch, document_batch])
def test_both_forms_hold_the_same_words_in_reading_order(collate):
    batch = collate([SHORT, REVIEW], VOCABULARY)
    for row, document in enumerate([SHORT, REVIEW]):
        ids = batch.words[row][batch.word_mask[row]]
        assert tuple(VOCABULARY.decode(ids.tolist())) == document.words


@pytest.mark.parametrize("collate", [flat_batch, document_batch])
def test_a_batch_moves_to_a_device(collate, device):
    batch = collate([SHORT, REVIEW], VOCABULARY).to(device)
    assert batch.words.device.type == batch.word_mask.device.type == device
    assert batch.labels.device.type == device


@pytest.mark.parametrize("collate", [flat_batch, document_batch])
def test_no_documents_make_no_batch(collate):
    with pytest.raises(ValueError, match="no documents to batch"):
        collate([], VOCABULARY)
    with pytest.raises(ValueError, match="no documents to batch"):
        next(document_batches([], VOCABULARY, collate, batch_size=2, seed=0))


def test_a_pass_gives_every_document_once_and_mixes_few_lengths():
    documents = of_lengths(*range(1, 12), *range(1, 12))
    stream = document_batches(documents, VOCABULARY, flat_batch, batch_size=2, seed=3)
    found = list(itertools.islice(stream, 11))
    assert sorted(torch.cat([b.lengths for b in found]).tolist()) == sorted(map(len, documents))
    assert all(batch.lengths[0] == batch.lengths[1] for batch in found)
    assert [len(batch.words[0]) for batch in found] != sorted(len(b.words[0]) for b in found)


def test_the_order_of_batches_depends_on_the_seed_alone():
    documents = of_lengths(*range(1, 30))

    def lengths(seed):
        stream = document_batches(documents, VOCABULARY, flat_batch, batch_size=3, seed=seed)
        return [batch.lengths.tolist() for batch in itertools.islice(stream, 25)]

    assert lengths(1) == lengths(1) != lengths(2)


def test_ordered_batches_keep_the_order_and_end():
    found = ordered_document_batches(of_lengths(5, 1, 3), VOCABULARY, flat_batch, batch_size=2)
    assert [batch.lengths.tolist() for batch in found] == [[5, 1], [3]]


@pytest.mark.parametrize("collate", [flat_batch, document_batch])
def test_subwords_are_all_read_and_none_of_the_padding(collate):
    documents = [REVIEW, SHORT]
    subwords = Subwords.learn([document.words for document in documents], size=260)  # bytes
    batch = collate(documents, subwords)
    rows = zip(batch.words, batch.word_mask, strict=True)
    written = [subwords.text(row[mask].tolist()) for row, mask in rows]
    assert [text.replace(" ", "") for text in written] == ["wecamelate.notbadthanks", "bad"]
    with pytest.raises(ValueError, match=r"a document of 7 words has .* wants one id a word"):
        refuse_pieces([REVIEW], subwords)
    refuse_pieces([REVIEW], VOCABULARY)


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_of_no_documents_is_refused(batch_size):
    for make, settings in ((document_batches, {"seed": 0}), (ordered_document_batches, {})):
        with pytest.raises(ValueError, match=f"batch_size is {batch_size}; a batch wants"):
            next(make([SHORT], VOCABULARY, flat_batch, batch_size=batch_size, **settings))
