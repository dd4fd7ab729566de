"""The record of norm order and warm-up was made by the recipe of its script."""

from itertools import product

import norm_order
import torch

from attention_lib.results import read_results


def test_the_record_has_every_rate_norm_warmup_and_seed_of_the_script():
    record = read_results("norm_order")
    found = [(run["rate"], run["norm"], run["warmup"]) for run in record["runs"]]
    assert found == list(product(norm_order.RATES, norm_order.NORMS, norm_order.WARMUPS))
    points = norm_order.STEPS // norm_order.EVERY
    for run in record["runs"]:
        assert [len(curve) for curve in run["losses"]] == [points] * len(norm_order.SEEDS)
    for name in ("symbols", "length", "layers", "d_model", "heads", "d_ff", "steps", "batch"):
        assert record[name] == getattr(norm_order, name.upper())


def test_a_run_gives_the_same_curve_again(monkeypatch):
    monkeypatch.setattr(norm_order, "STEPS", 4)
    monkeypatch.setattr(norm_order, "EVERY", 2)
    first = norm_order.train("pre", 3, 1e-3, 0)
    assert norm_order.train("pre", 3, 1e-3, 0) == first
    assert len(first) == 2


def test_a_warmup_begins_with_small_steps(monkeypatch):
    """With a long warm-up the first updates change almost nothing."""
    monkeypatch.setattr(norm_order, "STEPS", 2)
    monkeypatch.setattr(norm_order, "EVERY", 1)
    still = norm_order.train("post", 10**6, 5e-3, 0)
    moved = norm_order.train("post", 0, 5e-3, 0)
    assert still[0] == moved[0]
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = norm_order.Stack("post")
    for _ in range(2):
        size = (norm_order.BATCH, norm_order.LENGTH)
        symbols = torch.randint(norm_order.SYMBOLS, size, generator=generator)
    logits = model(symbols).flatten(0, 1)
    untrained = torch.nn.functional.cross_entropy(logits, symbols.flip(1).flatten()).item()
    assert abs(still[1] - untrained) < 1e-3
    assert abs(moved[1] - untrained) > 1e-2
