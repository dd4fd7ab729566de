"""The experiment with classifiers gives the same figures again, and all of them."""

from dataclasses import replace

import classifiers
import provenance
import pytest

SMALL = replace(
    classifiers.RECIPES["reviews"],
    steps=3,
    training=60,
    held_out=20,
    d_embed=4,
    d_hidden=4,
    explained=5,
    shown=2,
    lengths=((3, 4), (5, 6)),
)


def test_a_run_is_kept_and_gives_the_same_figures_again(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "KEPT", tmp_path)
    first = classifiers.run(SMALL, "HAN", 0)
    (kept,) = tmp_path.iterdir()
    assert classifiers.run(SMALL, "HAN", 0) == first
    kept.unlink()
    assert classifiers.run(SMALL, "HAN", 0) == first
    assert classifiers.run(SMALL, "HAN", 1) != first


@pytest.mark.parametrize("name", classifiers.MODELS)
def test_every_model_is_measured_and_those_with_attention_explained(name):
    figures = classifiers.measure(SMALL, name, 0)
    assert 0 <= figures["accuracy"] <= 1
    assert [row["to"] for row in figures["by_length"]] == [4, 6]
    assert ("explanation" in figures) == (name in classifiers.ATTENTIVE)
    if name in classifiers.ATTENTIVE:
        found = figures["explanation"]
        assert set(found["erased_words"]) == {"attention", "gradient", "random"}
        assert 0 <= found["known_words"]["random"]["hit_rate"] <= 1
        document = figures["shown"][0]
        assert len(document["attention"]) == sum(map(len, document["sentences"]))


def test_frozen_attention_stays_as_it_was_drawn():
    model = classifiers.train(SMALL, "LSTM, frozen attention", 0)
    learned = classifiers.train(SMALL, "LSTM + attention", 0)
    drawn = classifiers.train(replace(SMALL, steps=1), "LSTM, frozen attention", 0)
    assert (model.pool.context == drawn.pool.context).all()
    assert (model.pool.context != learned.pool.context).any()


def test_a_record_has_mean_and_spread_of_every_model():
    runs = [
        {"model": name, "seed": seed, "accuracy": 0.5 + seed / 10}
        for name in classifiers.MODELS
        for seed in classifiers.SEEDS
    ]
    record = classifiers.described(SMALL, runs)
    assert record["accuracy"]["HAN"] == {"mean": 0.6, "spread": 0.1}
    assert record["test_documents"] == 20
    assert 0.5 <= record["share_of_the_larger_class"] < 0.9
