import gzip

import pytest

from attention_lib.data.tatoeba import SentencePair, split, tatoeba

LINES = (
    "Hi.\t嗨。\tCC-BY 2.0\nI'm Tom, OK?\t我是 Tom，OK？\tCC-BY 2.0\n"
    + "A" * 9
    + " b" * 40
    + "\t长\tx\n"
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "tatoeba").mkdir()
    with gzip.open(tmp_path / "tatoeba" / "cmn.txt.gz", "wt", encoding="utf-8") as file:
        file.write(LINES)
    return tmp_path


def test_chinese_is_split_by_character_and_english_by_word(folder):
    assert tatoeba(folder) == [
        SentencePair(("嗨", "。"), ("hi", ".")),
        SentencePair(("我", "是", "Tom", "，", "OK", "？"), ("i'm", "tom", ",", "ok", "?")),
    ]


@pytest.mark.parametrize("longer", ["Chinese", "English"])
@pytest.mark.parametrize(("options", "longest"), [({}, 30), ({"max_length": 7}, 7)])
def test_pairs_with_a_side_beyond_the_length_are_left_out(tmp_path, longer, options, longest):
    lines = [
        f"a\t{'长' * n}\tx" if longer == "Chinese" else f"{'b ' * n}\t短\tx" for n in range(1, 37)
    ]
    (tmp_path / "tatoeba").mkdir()
    packed = gzip.compress("\n".join(lines).encode())
    (tmp_path / "tatoeba/cmn.txt.gz").write_bytes(packed)
    sizes = [max(len(pair.src), len(pair.tgt)) for pair in tatoeba(tmp_path, **options)]
    assert sizes == list(range(1, longest + 1))


def test_the_environment_names_the_folder(folder, monkeypatch):
    monkeypatch.setenv("ATTENTION_DATA", str(folder))
    assert len(tatoeba()) == 2


def test_a_missing_file_says_how_to_get_it(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"does not exist. Download .*set ATTENTION_DATA"):
        tatoeba(tmp_path)
    monkeypatch.delenv("ATTENTION_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="ATTENTION_DATA is not set"):
        tatoeba()


def pairs_with_repeats():
    """Sentence i has translations i and i + 1 in groups of three pairs: a chain."""
    return [
        SentencePair((f"{g}a{i // 2}",), (f"{g}b{(i + 1) // 2}",))
        for g in range(40)
        for i in range(3)
    ]


def test_no_sentence_stands_on_two_sides_of_the_split():
    parts = split(pairs_with_repeats(), held_out=7)
    assert [len(part) for part in parts] == [3 * 26, 7, 7]
    for side in ("src", "tgt"):
        sets = [{getattr(pair, side) for pair in part} for part in parts]
        assert sum(map(len, sets)) == len(set.union(*sets))


def test_the_seed_decides_the_split_and_too_much_held_out_is_refused():
    assert split(pairs_with_repeats(), held_out=7) == split(pairs_with_repeats(), held_out=7)
    assert split(pairs_with_repeats(), held_out=7) != split(
        pairs_with_repeats(), held_out=7, seed=1
    )
    with pytest.raises(ValueError, match="held_out is 20, but there are only 40 groups"):
        split(pairs_with_repeats(), held_out=20)


def test_a_line_without_a_translation_is_named(tmp_path):
    (tmp_path / "tatoeba").mkdir()
    text = "Hi.\t嗨。\tCC-BY\n\nRun.\t跑。\tCC-BY\n"
    (tmp_path / "tatoeba/cmn.txt.gz").write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ValueError, match=r"line 2 of .*cmn.txt.gz is ''; wanted English, a tab"):
        tatoeba(tmp_path)
