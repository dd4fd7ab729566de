"""The loaders of Multi30k, SST-2 and waimai_10k, on small files of the same form."""

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from attention_lib.data import multi30k as multi30k_module
from attention_lib.data.characters import characters
from attention_lib.data.documents import Document
from attention_lib.data.multi30k import multi30k
from attention_lib.data.pairs import TextPair
from attention_lib.data.sst2 import sst2
from attention_lib.data.waimai import split, waimai

HAS_DATA = (Path(os.environ.get("ATTENTION_DATA", "")) / "multi30k").is_dir()
needs_data = pytest.mark.skipif(not HAS_DATA, reason="ATTENTION_DATA has no multi30k/")


def put(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_multi30k_pairs_lines_of_the_two_languages(tmp_path, monkeypatch):
    sums = {
        "val.en": put(tmp_path, "multi30k/val.en.gz", "A dog.\nTwo men talk. \n"),
        "val.de": put(tmp_path, "multi30k/val.de.gz", "Ein Hund.\nZwei Männer reden.\n"),
    }
    monkeypatch.setattr(multi30k_module, "_SHA256", sums)
    assert multi30k("val", tmp_path) == [
        TextPair("A dog.", "Ein Hund."),
        TextPair("Two men talk.", "Zwei Männer reden."),
    ]


def test_multi30k_refuses_other_files_and_other_splits(tmp_path):
    put(tmp_path, "multi30k/val.en.gz", "A dog.\n")
    with pytest.raises(ValueError, match=r"damaged or another .*github.com/multi30k/dataset"):
        multi30k("val", tmp_path)
    with pytest.raises(ValueError, match="split is 'test'; wanted one of train, val, test_2016"):
        multi30k("test", tmp_path)


def test_sst2_reads_a_sentence_and_its_label(tmp_path):
    put(tmp_path, "sst2/dev.tsv.gz", "a gem .\t1\nnot so 'good'\t0\n")
    assert sst2("dev", tmp_path) == [
        Document((("a", "gem", "."),), 1),
        Document((("not", "so", "'good'"),), 0),
    ]


@pytest.mark.parametrize("line", ["no label", "two\t2", "\t1"])
def test_sst2_names_the_line_that_is_wrong(tmp_path, line):
    put(tmp_path, "sst2/dev.tsv.gz", f"fine\t1\n{line}\n")
    with pytest.raises(ValueError, match=r"line 2 of .*dev.tsv.gz .*; wanted a sentence, a tab"):
        sst2("dev", tmp_path)


def test_sst2_says_what_is_missing_and_which_splits_there_are(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"dev.tsv.gz does not exist. Write the dev sent"):
        sst2("dev", tmp_path)
    with pytest.raises(ValueError, match="split is 'val'; wanted one of train, dev, test"):
        sst2("val", tmp_path)


def test_waimai_is_split_into_sentences_and_characters(tmp_path):
    put(
        tmp_path,
        "waimai/waimai_10k.csv.gz",
        'label,review\n1,很快！！味道好 OK\n0,"等了2小时,\n冷了。"\n0, \n',
    )
    assert waimai(tmp_path) == [
        Document((("很", "快", "！", "！"), ("味", "道", "好", "OK")), 1),
        Document((("等", "了", "2", "小", "时", ","), ("冷", "了", "。")), 0),
    ]


def test_waimai_refuses_files_of_another_form(tmp_path):
    put(tmp_path, "waimai/waimai_10k.csv.gz", "review,label\n好,1\n")
    with pytest.raises(ValueError, match=r"begins with .*; wanted the header label,review"):
        waimai(tmp_path)
    put(tmp_path, "waimai/waimai_10k.csv.gz", "label,review\n5,好\n")
    with pytest.raises(ValueError, match=r"line 2 of .* holds .*; wanted 0 or 1, and a review"):
        waimai(tmp_path)


def test_no_text_stands_on_two_sides_of_the_split():
    documents = [Document(((str(n // 2),),), n % 2) for n in range(100)]
    parts = split(documents, held_out=7)
    assert [len(part) for part in parts] == [100 - 2 * 14, 7, 7]
    words = [{document.words for document in part} for part in parts]
    assert sum(map(len, words)) == len(set.union(*words))
    assert split(documents, held_out=7) == parts != split(documents, held_out=7, seed=1)
    with pytest.raises(ValueError, match="held_out is 25, but there are only 50 texts"):
        split(documents, held_out=25)


def test_chinese_goes_by_character_and_keeps_latin_words():
    assert characters("给5星，very good～") == ("给", "5", "星", "，", "very", "good", "～")


@needs_data
def test_the_real_corpora_have_the_sizes_that_their_papers_name():
    sizes = [len(multi30k(split)) for split in ("train", "val", "test_2016_flickr")]
    assert sizes == [29_000, 1_014, 1_000]
    assert [len(sst2(split)) for split in ("train", "dev", "test")] == [6_920, 872, 1_821]
    reviews = waimai()
    assert (len(reviews), sum(review.label for review in reviews)) == (11_987, 4_000)


def test_a_quote_that_is_not_closed_swallows_no_reviews(tmp_path):
    rows = ['1,"太好了', *["0,很慢"] * 9, '1,"好，""快""。"']
    put(tmp_path, "waimai/waimai_10k.csv.gz", "label,review\n" + "\n".join(rows) + "\n")
    with pytest.raises(ValueError, match=r"line 12 of .*waimai_10k.csv.gz is no CSV .*not closed"):
        waimai(tmp_path)


def test_bytes_that_do_not_decompress_are_named_as_a_damaged_file(tmp_path):
    put(tmp_path, "sst2/dev.tsv.gz", "".join(f"sentence {n} .\t1\n" for n in range(2000)))
    path = tmp_path / "sst2/dev.tsv.gz"
    content = bytearray(path.read_bytes())
    for at in range(40, len(content) - 8, 2):
        content[at] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"dev.tsv.gz is not a whole gzip file"):
        sst2("dev", tmp_path)
