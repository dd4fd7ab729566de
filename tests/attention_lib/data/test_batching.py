import itertools
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attention_lib.data.batching import (
    batches,
    drop_words,
    group_by_tokens,
    make_batch,
    ordered_batches,
    pad_ids,
    shift_right,
    shuffled_groups,
    token_batches,
)
from attention_lib.data.vocabulary import Vocabulary

PAIRS = [SimpleNamespace(src=["x"] * n, tgt=["y"] * (1 + n % 7) + [str(n)]) for n in range(1, 101)]
SRC, TGT = Vocabulary(p.src for p in PAIRS), Vocabulary(p.tgt for p in PAIRS)


def test_a_batch_shifts_targets_by_one_and_pads_the_rest():
    batch = make_batch(PAIRS[:2], SRC, TGT)
    one, two, y = *TGT.encode(["1", "2"]), TGT.encode(["y"])[0]
    assert batch.src_lengths.tolist() == [1, 2]
    assert batch.tgt_in.tolist() == [[TGT.bos, y, y, one, 0], [TGT.bos, y, y, y, two]]
    assert batch.tgt_out.tolist() == [[y, y, one, TGT.eos, 0], [y, y, y, two, TGT.eos]]


@pytest.mark.parametrize("p", [0.0, 0.1, 0.7, 1.0])
def test_as_many_words_are_hidden_as_was_asked_and_no_mark(p):
    batch = make_batch(PAIRS, SRC, TGT)
    before = [ids.clone() for ids in (batch.src, batch.tgt_in, batch.tgt_out)]
    torch.manual_seed(0)
    hidden = drop_words(batch, p, unk=SRC.unk)
    for old, new in ((batch.src, hidden.src), (batch.tgt_in, hidden.tgt_in)):
        marks = old < SRC.unk
        assert torch.equal(new[marks], old[marks])
        gone = new[~marks] == SRC.unk
        assert gone.float().mean() == pytest.approx(p, abs=0.05)
        assert torch.equal(new[~marks][~gone], old[~marks][~gone])
    assert torch.equal(hidden.tgt_out, batch.tgt_out)
    assert all(map(torch.equal, (batch.src, batch.tgt_in, batch.tgt_out), before))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_hiding_words_wants_a_probability(p):
    with pytest.raises(ValueError, match=r"p is .*; wanted the probability of hiding a word"):
        drop_words(make_batch(PAIRS[:2], SRC, TGT), p, unk=SRC.unk)


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
    with pytest.raises(ValueError, match="no sentence pairs"):
        next(batches([], SRC, TGT, batch_size=8, seed=0))
    with pytest.raises(ValueError, match="source sentence is empty"):
        make_batch([SimpleNamespace(src=[], tgt=["y"])], SRC, TGT)


def test_what_is_read_is_what_was_to_be_written_one_step_before():
    targets = torch.tensor([[5, 6, 7, 2], [8, 2, 0, 0], [2, 0, 0, 0]])
    before = targets.clone()
    shifted = shift_right(targets, bos=1, pad=0)
    assert shifted.tolist() == [[1, 5, 6, 7], [1, 8, 0, 0], [1, 0, 0, 0]]
    assert torch.equal(targets, before)


def one_pass(max_tokens, seed=0, pairs=PAIRS):
    """The batches of the first pass over the data."""
    stream, left = token_batches(pairs, SRC, TGT, max_tokens=max_tokens, seed=seed), len(pairs)
    while left:
        batch = next(stream)
        left -= len(batch.src)
        yield batch
    assert left == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(100, 1500), st.integers(0, 5))
def test_no_batch_has_more_cells_than_allowed_and_each_pair_comes_once(max_tokens, seed):
    batches = list(one_pass(max_tokens, seed))
    assert max(max(batch.src.numel(), batch.tgt_out.numel()) for batch in batches) <= max_tokens
    assert sorted(n for batch in batches for n in seen(batch)) == list(range(1, 101))


def test_batches_by_tokens_are_nearly_full_and_hardly_padded():
    pairs = [SimpleNamespace(src=["x"] * n, tgt=["y"] * n) for n in range(3, 23) for _ in range(50)]
    batches = list(one_pass(500, pairs=pairs))
    cells = sum(batch.tgt_out.numel() for batch in batches)
    assert sum(int((batch.tgt_out != batch.pad).sum()) for batch in batches) > 0.97 * cells
    assert cells / len(batches) > 0.9 * 500


def test_the_seed_alone_decides_batches_by_tokens_and_passes_differ():
    first, again, other = (
        [seen(b) for b in itertools.islice(stream, 60)]
        for stream in (
            token_batches(PAIRS, SRC, TGT, max_tokens=300, seed=seed) for seed in (1, 1, 2)
        )
    )
    assert first == again != other
    assert first[: len(list(one_pass(300)))] != first[len(list(one_pass(300))) :]


def test_a_pair_longer_than_a_batch_is_refused_at_the_call_by_its_words():
    with pytest.raises(ValueError, match=r"has 100 tokens, .* max_tokens=99; .*: 'x x x"):
        token_batches(PAIRS, SRC, TGT, max_tokens=99, seed=0)
    with pytest.raises(ValueError, match="no sentence pairs"):
        token_batches([], SRC, TGT, max_tokens=99, seed=0)


def test_batches_by_tokens_hold_what_a_batch_of_the_same_pairs_would():
    pairs = PAIRS[:1]
    got, wanted = next(one_pass(50, pairs=pairs)), make_batch(pairs, SRC, TGT)
    for name in ("src", "src_lengths", "tgt_in", "tgt_out"):
        assert torch.equal(getattr(got, name), getattr(wanted, name))
    assert got.pad == wanted.pad


@settings(deadline=None)
@given(st.lists(st.integers(1, 17), max_size=40), st.integers(17, 60))
def test_groups_keep_the_order_and_the_bound_and_leave_no_room(lengths, max_tokens):
    groups = group_by_tokens(lengths, max_tokens)
    assert [i for group in groups for i in group] == list(range(len(lengths)))
    sizes = [[lengths[i] for i in group] for group in groups]
    assert all(len(some) * max(some) <= max_tokens for some in sizes)
    for some, after in itertools.pairwise(sizes):
        assert (len(some) + 1) * max(*some, after[0]) > max_tokens


def test_a_sentence_longer_than_a_group_is_refused():
    with pytest.raises(ValueError, match="sentence 1 has 8 tokens, but max_tokens is 7"):
        group_by_tokens([3, 8], 7)


def test_rows_are_padded_on_the_right_to_the_longest_even_where_one_is_empty():
    assert pad_ids([[3, 4], [], (5, 6, 7)], pad=9).tolist() == [[3, 4, 9], [9, 9, 9], [5, 6, 7]]
    assert pad_ids([[], []], pad=9).shape == (2, 0)
    assert pad_ids([[1]], pad=0).dtype == torch.int64


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_of_no_pairs_is_refused(batch_size):
    for make, order in ((batches, {"seed": 0}), (ordered_batches, {})):
        with pytest.raises(ValueError, match=f"batch_size is {batch_size}; a batch wants"):
            next(make(PAIRS, SRC, TGT, batch_size=batch_size, **order))


def test_groups_of_nothing_are_refused():
    with pytest.raises(ValueError, match="nothing to make batches of"):
        next(shuffled_groups([], 2, seed=0, key=len))
