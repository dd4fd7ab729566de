"""The recorded results are whole, and come from the scripts in experiments/."""

import json
import re
import subprocess
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from statistics import mean

import captioning
import classifiers
import luong_variants
import multi30k
import provenance
import pytest

from attention_lib.metrics import bleu
from attention_lib.results import read_results

ROOT = Path(__file__).parents[2]
RECORDS = sorted(path.stem for path in (ROOT / "attention_lib" / "results").glob("*.json"))


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_says_where_it_comes_from(name):
    origin = read_results(name)["provenance"]
    assert (ROOT / origin["script"]).is_file()
    assert {"commit", "date", "device", "python", "torch"} <= set(origin)
    assert all(origin.values())


@pytest.mark.parametrize("name", RECORDS)
def test_the_makefile_repeats_every_record(name):
    script = read_results(name)["provenance"]["script"]
    commands = subprocess.run(
        ["make", "--dry-run", "--always-make", "results", "test-gpu"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.search(rf"\b{Path(script).stem}\b", commands)


def test_an_unknown_record_is_refused_with_those_there_are():
    with pytest.raises(FileNotFoundError, match=r"no results called 'x'.*luong_variants"):
        read_results("x")


@pytest.mark.parametrize("corpus", ["grammar", "tatoeba"])
def test_every_variant_was_measured_with_every_seed_by_the_recipe_of_the_script(corpus):
    record = read_results("luong_variants")["corpora"][corpus]
    wanted = product(luong_variants.VARIANTS, luong_variants.SEEDS)
    assert sorted((run["variant"], run["seed"]) for run in record["runs"]) == sorted(wanted)
    for field, value in vars(luong_variants.RECIPES[corpus]).items():
        recorded = record[field]
        assert recorded == ([list(pair) for pair in value] if field == "buckets" else value)
    assert record["bleu_signature"] == bleu(["a"], ["a"], tokenize="none").signature


@pytest.mark.parametrize("corpus", ["grammar", "tatoeba"])
def test_the_figures_by_length_belong_to_all_test_sentences(corpus):
    record = read_results("luong_variants")["corpora"][corpus]
    for run in record["runs"]:
        inside = [row for row in run["by_length"] if row["to"] <= record["longest"]]
        assert sum(row["sentences"] for row in inside) == record["test_pairs"]
        right = sum(row["sentences"] * row["exact_match"] for row in inside)
        assert right / record["test_pairs"] == pytest.approx(run["exact_match"], abs=1e-3)


def test_a_run_gives_the_same_figures_again(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "KEPT", tmp_path)
    small = replace(
        luong_variants.RECIPES["grammar"], pairs=300, held_out=60, steps=5, d_hidden=8, longer=13
    )
    small = replace(small, buckets=((3, 12), (13, 13)))
    first = luong_variants.run(small, "local-p general", 0)
    (kept,) = tmp_path.iterdir()
    assert luong_variants.run(small, "local-p general", 0) == first
    kept.unlink()
    assert luong_variants.run(small, "local-p general", 0) == first
    assert luong_variants.run(small, "local-p general", 1) != first


# Each record's recipe, models and seeds, as its command in the script's docstring has them.
MULTI30K = {
    "multi30k_short": (
        multi30k.Recipe(
            steps=1600, max_tokens=2048, every=160, penalties=(0.0, 0.6, 1.0, 1.4, 1.8)
        ),
        list(multi30k.MODELS),
        [0, 1, 2],
    ),
    "multi30k_lowercase": (multi30k.Recipe(every=400, lowercase=True), ["Transformer-tiny"], [0]),
}


@pytest.mark.parametrize("name", MULTI30K)
def test_every_translator_was_trained_and_measured_by_the_recipe_of_the_script(name):
    record = read_results(name)
    recipe, models, seeds = MULTI30K[name]
    assert list(record["recipes"]) == models
    assert [(run["seed"], run["model"]) for run in record["runs"]] == [*product(seeds, models)]
    assert record["signatures"] == multi30k.SIGNATURES
    for run in record["runs"]:
        recorded, wanted = record["recipes"][run["model"]], multi30k.recipe_of(run["model"], recipe)
        assert recorded.items() <= json.loads(json.dumps(asdict(wanted))).items()
        config = asdict(multi30k.build(run["model"], recipe.subwords).config)
        assert run["config"].items() <= config.items()
        assert run["length_penalty"] in wanted.penalties
        validated = [point["step"] for point in run["validation"]]
        assert validated == list(range(recipe.every, recipe.steps + 1, recipe.every))
        assert sum(row["sentences"] for row in run["by_length"]) == 1000


def test_a_short_schedule_shows_the_order_of_the_translators():
    """No attention, then a recurrent network with any attention, then the Transformer."""
    runs = read_results("multi30k_short")["runs"]
    bleu = {
        model: mean(run["test"]["bleu_raw"] for run in runs if run["model"] == model)
        for model in multi30k.MODELS
    }
    without, transformer = bleu.pop("no attention"), bleu.pop("Transformer-tiny")
    assert without < min(bleu.values())
    assert max(bleu.values()) < transformer


def test_every_captioner_was_measured_with_every_seed_by_the_recipe_of_the_script():
    record = read_results("captioning")
    assert asdict(captioning.RECIPE).items() <= record.items()
    assert record["variants"] == captioning.VARIANTS
    wanted = product(captioning.VARIANTS, captioning.SEEDS)
    assert sorted((run["variant"], run["seed"]) for run in record["runs"]) == sorted(wanted)


def test_attention_describes_better_and_looks_where_its_word_is():
    record = read_results("captioning")
    by_variant = {
        variant: [run for run in record["runs"] if run["variant"] == variant]
        for variant in record["variants"]
    }
    right = {v: mean(run["exact_match"] for run in runs) for v, runs in by_variant.items()}
    blind = right.pop("no attention")
    assert min(right.values()) > blind
    for variant in right:
        for run in by_variant[variant]:
            assert run["pointing_accuracy"] > 5 * record["pointing_accuracy_by_chance"]


@pytest.mark.parametrize("corpus", classifiers.RECIPES)
def test_every_classifier_was_measured_with_every_seed_by_the_recipe_of_the_script(corpus):
    record = read_results("classifiers")["corpora"][corpus]
    recipe = json.loads(json.dumps(asdict(classifiers.RECIPES[corpus])))
    assert recipe.items() <= record.items()
    wanted = product(classifiers.MODELS, classifiers.SEEDS)
    assert sorted((run["model"], run["seed"]) for run in record["runs"]) == sorted(wanted)


@pytest.mark.parametrize("corpus", classifiers.RECIPES)
def test_every_classifier_has_learned_to_read(corpus):
    record = read_results("classifiers")["corpora"][corpus]
    for found in record["accuracy"].values():
        assert found["mean"] > record["share_of_the_larger_class"] + 0.05


def test_a_bag_misses_what_the_made_up_reviews_say_by_their_order():
    accuracy = read_results("classifiers")["corpora"]["reviews"]["accuracy"]
    for name in classifiers.ATTENTIVE:
        assert accuracy[name]["mean"] > accuracy["bag of words"]["mean"] + 0.4
