"""The record of how far position schemes reach was made by the recipe of its script."""

import positions
import torch

from attention_lib.results import read_results


def test_the_record_has_every_scheme_seed_and_bucket_of_the_script():
    record = read_results("positions")
    for name in ("loss", "loss_within_reach"):
        assert list(record[name]) == list(positions.SCHEMES)
        for runs in record[name].values():
            assert [len(run) for run in runs] == [len(positions.BUCKETS)] * len(positions.SEEDS)
    assert record["buckets"] == [list(bucket) for bucket in positions.BUCKETS]
    for name in ("trained", "tested", "steps", "batch", "sentences", "windows", "sizes", "biases"):
        assert record[name] == getattr(positions, name.upper())


def test_a_window_within_reach_of_all_is_read_alike():
    alike, limited = (read_results("positions")[name] for name in ("loss", "loss_within_reach"))
    for scheme in positions.SCHEMES:
        for one, other in zip(alike[scheme], limited[scheme], strict=True):
            torch.testing.assert_close(torch.tensor(one[:4]), torch.tensor(other[:4]))


def test_a_letter_sees_as_many_letters_as_its_reach(monkeypatch):
    monkeypatch.setattr(positions, "STEPS", 1)
    monkeypatch.setattr(positions, "SENTENCES", 2_100)
    positions.streams.cache_clear()
    model = positions.train("none", 0)
    windows = torch.randint(5, (1, 14))
    far = windows.clone()
    far[0, 0] = (windows[0, 0] + 1) % 5
    short, long = (
        positions.losses(model, far, reach) - positions.losses(model, windows, reach)
        for reach in (3, 13)
    )
    positions.streams.cache_clear()
    # Two layers reach twice as far: letter 0 is seen by letters 0 to 4.
    assert short[0, :5].ne(0).all()
    assert short[0, 5:].eq(0).all()
    assert long[0].ne(0).all()
