"""The record of who recalls the first symbol was made by the recipe of its script."""

import recall
import torch

from attention_lib.results import read_results


def test_the_record_has_every_network_distance_and_seed_of_the_script():
    record = read_results("recall")
    assert list(record["recalled"]) == list(recall.NETWORKS)
    for runs in record["recalled"].values():
        assert [len(run) for run in runs] == [len(recall.DISTANCES)] * len(recall.SEEDS)
    for name in ("symbols", "size", "distances", "steps", "batch"):
        wanted = getattr(recall, name.upper())
        assert record[name] == (list(wanted) if isinstance(wanted, tuple) else wanted)


def test_the_first_symbol_is_asked_for_and_comes_only_once():
    symbols, first = recall.draw(13, 7, torch.Generator().manual_seed(0))
    assert symbols.shape == (13, 8)
    assert torch.equal(symbols[:, 0], first)
    assert int(first.max()) < recall.SYMBOLS <= int(symbols[:, 1:].min())


def test_an_open_gate_is_the_forget_gate_and_nothing_else():
    torch.manual_seed(0)
    shut = recall.Recall("lstm", open_gate=False)
    torch.manual_seed(0)
    opened = recall.Recall("lstm", open_gate=True)
    moved = opened.rnn.bias_ih_l0 - shut.rnn.bias_ih_l0
    wanted = torch.zeros(4, recall.SIZE)
    wanted[1] = recall.OPEN
    torch.testing.assert_close(moved.view(4, -1), wanted)


def test_a_run_gives_the_same_figure_again(monkeypatch):
    monkeypatch.setattr(recall, "STEPS", 3)
    assert recall.recall("GRU", 2, 0) == recall.recall("GRU", 2, 0)
