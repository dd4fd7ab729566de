"""The script that trains on Multi30k, on a corpus of a few made-up captions."""

import json
from dataclasses import replace
from itertools import product

import multi30k
import provenance
import pytest

from attention_lib.data.pairs import TextPair

CAPTIONS = [
    TextPair(f"A {size} {en} in the {place}.", f"Ein {groesse} {de} im {ort}.")
    for (size, groesse), (en, de), (place, ort) in product(
        [("small", "kleiner"), ("big", "großer"), ("young", "junger")],
        [("dog", "Hund"), ("man", "Mann"), ("bird", "Vogel")],
        [("garden", "Garten"), ("forest", "Wald")],
    )
]
RECIPE = multi30k.Recipe(
    steps=4,
    every=2,
    max_tokens=40,
    subwords=300,
    beam_size=2,
    word_dropout=0.3,
    penalties=(0.5, 2.0),
)


@pytest.fixture(autouse=True)
def made_up(monkeypatch, tmp_path):
    """Train on the captions, and keep files in a folder of the test's own."""
    monkeypatch.setattr(provenance, "KEPT", tmp_path)
    monkeypatch.setattr(multi30k, "multi30k", lambda split: CAPTIONS[:11])
    multi30k.corpus.cache_clear()
    yield
    multi30k.corpus.cache_clear()


def without_times(figures):
    training = {name: values for name, values in figures["training"].items() if name != "seconds"}
    return {**figures, "seconds": None, "training": training}


@pytest.mark.parametrize("name", multi30k.MODELS)
def test_every_model_is_trained_and_measured(name):
    figures = multi30k.run(name, RECIPE, 0, 1)
    assert (figures["model"], figures["seed"]) == (name, 0)
    assert figures["training"]["step"] == [1, 2, 3, 4]
    assert [point["step"] for point in figures["validation"]] == [2, 4]
    assert set(figures["test"]) == set(multi30k.SIGNATURES)
    assert sum(row["sentences"] for row in figures["by_length"]) == 11
    assert figures["length_penalty"] in RECIPE.penalties
    assert multi30k.MODELS[name].items() <= figures["config"].items()


def test_a_run_that_is_broken_off_goes_on_to_the_same_figures(monkeypatch, tmp_path):
    whole = multi30k.run("Transformer-tiny", RECIPE, 0, 1)
    (kept,) = tmp_path.iterdir()  # no checkpoint is left
    kept.unlink()

    original, calls = multi30k.token_batches, []

    def breaking(*args, **settings):
        calls.append(args)
        for number, batch in enumerate(original(*args, **settings)):
            if number == 3 and len(calls) == 1:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(multi30k, "token_batches", breaking)
    with pytest.raises(KeyboardInterrupt):
        multi30k.run("Transformer-tiny", RECIPE, 0, 1)
    again = multi30k.run("Transformer-tiny", RECIPE, 0, 1)
    assert without_times(again) == without_times(whole)
    assert multi30k.run("Transformer-tiny", RECIPE, 0, 1) == again
    assert len(calls) == 2
    assert json.loads(kept.read_text()) == again


@pytest.mark.parametrize("name", ["Bahdanau", "Transformer-tiny"])
def test_the_learning_rate_peaks_where_the_recipe_says(name, monkeypatch):
    original, rates = multi30k.fit, []

    def watched(*args, optimizer, **settings):
        optimizer.register_step_pre_hook(
            lambda optimizer, *_: rates.append(optimizer.param_groups[0]["lr"])
        )
        return original(*args, optimizer=optimizer, **settings)

    monkeypatch.setattr(multi30k, "fit", watched)
    multi30k.run(name, RECIPE, 0, 1)
    assert len(rates) == RECIPE.steps
    assert max(rates) == pytest.approx(multi30k.recipe_of(name, RECIPE).peak)


def test_the_training_curve_keeps_the_mean_of_all_steps():
    history = multi30k.History([4.0, 2.0, 1.0, 1.0], [1] * 4, [0.5, 1.0, 1.5, 2.0])
    assert multi30k.thinned(history, points=2) == {
        "step": [2, 4],
        "seconds": [1.0, 2.0],
        "loss": [3.0, 1.0],
    }


def test_lower_case_is_for_every_pair():
    parts, _ = multi30k.corpus(replace(RECIPE, lowercase=True))
    for pair in [*parts["train"], *parts["val"], *parts["test"]]:
        assert pair.src + pair.tgt == (pair.src + pair.tgt).lower()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_words_are_hidden_in_training_alone(share, monkeypatch):
    original, shares = multi30k.Transformer.loss, {True: [], False: []}

    def watched(model, batch, label_smoothing):
        words = batch.src[batch.src >= multi30k.Subwords.unk]
        shares[model.training].append((words == multi30k.Subwords.unk).float().mean().item())
        return original(model, batch, label_smoothing)

    monkeypatch.setattr(multi30k.Transformer, "loss", watched)
    multi30k.run("Transformer-tiny", replace(RECIPE, word_dropout=share), 0, 1)
    assert set(shares[True]) == {share}
    assert set(shares[False]) == {0.0}
