import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_lib.data.batching import make_batch
from attention_lib.data.pairs import TextPair
from attention_lib.data.subwords import Subwords

GERMAN = [
    "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche.",
    "Ein Mann in grünem Pullover hält eine Gitarre, während die Katze schläft.",
    "Die größere Straße führt über die Brücke.",
]
CHINESE = ["我是一个学生。", "我喜欢这个学生的猫。", "一个学生是我的朋友。"]
TEXTS = [*GERMAN, *CHINESE] * 20
SUBWORDS = Subwords.learn(TEXTS, size=400)


@pytest.mark.parametrize("text", [*TEXTS[:6], "", " ", "  zwei  Leerzeichen ", "ß\tÄ\n☃𝄞 <eos>"])
def test_what_is_decoded_is_what_was_encoded(text):
    ids = SUBWORDS.encode(text)
    assert SUBWORDS.text(ids) == text
    assert " ".join(SUBWORDS.decode(ids)) == text
    assert not {SUBWORDS.pad, SUBWORDS.bos, SUBWORDS.eos, SUBWORDS.unk} & set(ids)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_every_text_comes_back_exactly(text):
    assert SUBWORDS.text(SUBWORDS.encode(text)) == text


def test_frequent_words_have_an_id_of_their_own_and_save_ids():
    assert len(SUBWORDS.encode("Ein Mann in der Nähe")) <= 7
    assert len(SUBWORDS) <= 400


def test_words_are_the_text_between_their_spaces():
    assert SUBWORDS.encode(["Die", "Straße"]) == SUBWORDS.encode("Die Straße")


def test_no_piece_holds_two_chinese_characters():
    pieces = SUBWORDS.pieces(SUBWORDS.encode("我是一个学生。"))
    assert max(map(len, pieces)) == 1
    assert "学" in pieces


def test_marks_in_decoded_ids_leave_no_trace_but_have_a_piece():
    ids = [SUBWORDS.bos, *SUBWORDS.encode("Die Straße"), SUBWORDS.eos, SUBWORDS.pad]
    assert SUBWORDS.text(ids) == "Die Straße"
    assert SUBWORDS.pieces(ids)[0] == "<bos>"
    assert SUBWORDS.pieces(ids)[-2:] == ["<eos>", "<pad>"]


def test_a_saved_model_is_the_same(tmp_path):
    SUBWORDS.save(tmp_path / "subwords.json")
    loaded = Subwords.load(tmp_path / "subwords.json")
    assert len(loaded) == len(SUBWORDS)
    text = "Größere Büsche <pad> 学生"
    assert loaded.encode(text) == SUBWORDS.encode(text)
    assert loaded.text(loaded.encode(text)) == text


def test_learning_gives_the_same_model_again():
    again = Subwords.learn(TEXTS, size=400)
    assert [again.encode(text) for text in TEXTS] == [SUBWORDS.encode(text) for text in TEXTS]


def test_ids_outside_the_table_are_refused():
    with pytest.raises(IndexError, match=r"ids reach from 4 to 400; wanted 0 … 39\d"):
        SUBWORDS.text([4, 400])
    with pytest.raises(IndexError, match="ids reach from -1 to 5"):
        SUBWORDS.decode([5, -1])


def test_impossible_models_are_refused(tmp_path):
    with pytest.raises(ValueError, match="size is 259; wanted at least 260"):
        Subwords.learn(TEXTS, size=259)
    with pytest.raises(TypeError, match="texts is the text 'Zwei junge'; wanted several"):
        Subwords.learn("Zwei junge", size=400)
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ValueError, match=r"broken.json is no subword model"):
        Subwords.load(tmp_path / "broken.json")
    with pytest.raises(FileNotFoundError):
        Subwords.load(tmp_path / "missing.json")


def test_subwords_make_batches_of_texts():
    batch = make_batch([TextPair(CHINESE[0], GERMAN[0])], SUBWORDS, SUBWORDS)
    assert SUBWORDS.text(batch.src[0].tolist()) == CHINESE[0]
    assert SUBWORDS.text(batch.tgt_out[0].tolist()) == GERMAN[0]
    assert batch.tgt_out[0, -1] == SUBWORDS.eos


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_a_copy_reads_marks_as_text_too(copied):
    text = "Größere <eos> <pad>"
    assert copied(SUBWORDS).encode(text) == SUBWORDS.encode(text)
    assert copied(SUBWORDS).text(SUBWORDS.encode(text)) == text
