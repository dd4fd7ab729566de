import itertools
from types import SimpleNamespace

import pytest

from attention_lib.data.batching import batches, make_batch, ordered_batches
from attention_lib.data.vocabulary import Vocabulary

PAIRS = [SimpleNamespace(src=["x"] * n, tgt=["y"] * (1 + n % 7) + [str(n)]) for n in range(1, 101)]
SRC, TGT = Vocabulary(p.src for p in PAIRS), Vocabulary(p.tgt for p in PAIRS)


def test_a_batch_shifts_targets_by_one_and_pads_the_rest():
    batch = make_batch(PAIRS[:2], SRC, TGT)
    one, two, y = *TGT.encode(["1", "2"]), TGT.encode(["y"])[0]
    assert batch.src_lengths.tolist() == [1, 2]
    assert batch.tgt_in.tolist() == [[TGT.bos, y, y, one, 0], [TGT.bos, y, y, y, two]]
    assert batch.tgt_out.tolist() == [[y, y, one, TGT.eos, 0], [y, y, y, two, TGT.eos]]


def seen(batch):
    return sorted(int(w) for row in batch.tgt_out for w in TGT.decode(row.tolist()) if w.isdigit())


def test_each_pass_gives_every_pair_once_in_another_order():
    stream = batches(PAIRS, SRC, TGT, batch_size=8, seed=0)
    passes = [list(itertools.islice(stream, 13)) for _ in range(2)]
    for once in passes:
        assert sorted(n for batch in once for n in seen(batch)) == list(range(1, 101))
    assert [seen(b) for b in passes[0]] != [seen(b) for b in passes[1]]


def test_the_seed_decides_the_order():
    def first(seed):
        return [
            seen(b) for b in itertools.islice(batches(PAIRS, SRC, TGT, batch_size=8, seed=seed), 5)
        ]

    assert first(1) == first(1) != first(2)


def test_sentences_of_like_length_share_a_batch():
    pairs = [SimpleNamespace(src=p.tgt, tgt=p.src[:3]) for p in PAIRS]
    stream = itertools.islice(batches(pairs, TGT, SRC, batch_size=8, seed=0), 13)
    assert max(int(b.src_lengths.max() - b.src_lengths.min()) for b in stream) <= 1


def test_ordered_batches_keep_the_order():
    got = [n for b in ordered_batches(PAIRS, SRC, TGT, batch_size=9) for n in seen(b)]
    assert got == list(range(1, 101))


def test_nothing_to_batch_and_empty_sources_are_refused():
    with pytest.raises(ValueError, match="no sentence pairs"):
        make_batch([], SRC, TGT)
    with pytest.raises(ValueError, match="source sentence is empty"):
        make_batch([SimpleNamespace(src=[], tgt=["y"])], SRC, TGT)
