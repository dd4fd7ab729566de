"""Train the classifiers on three corpora from three seeds, and ask whether attention explains.

    ATTENTION_DATA=folder/with/sst2/and/waimai python experiments/classifiers.py --workers 2

Each run is kept in _build/experiments/ as it ends, so that a second call goes on where the first
one stopped. Writes attention_lib/results/classifiers.json. Without ATTENTION_DATA the made-up
reviews are measured alone. --steps 50 proves the script in minutes and writes no record.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from provenance import command_line, kept, shared_provenance, write_record
from torch import Tensor, nn
from tqdm import tqdm

from attention_lib.classification import (
    HAHNN,
    HAN,
    BagClassifier,
    RecurrentClassifier,
    accuracy,
    attention_by_word,
    classification_loss,
    predict,
)
from attention_lib.data import waimai
from attention_lib.data.documents import Document, document_batches
from attention_lib.data.reviews import reviews
from attention_lib.data.sst2 import sst2
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.explanation import (
    Erasure,
    Guided,
    deciding_share,
    erase_top,
    gradient_by_word,
    hit_rate,
    kendall_tau,
    permute_attention,
    random_scores,
)
from attention_lib.training import fit

BUILDERS: dict[str, Callable[..., nn.Module]] = {
    # All but the bag read in both directions; the LSTMs differ in nothing but the pooling.
    "bag of words": lambda vocab_size, num_classes, **_: BagClassifier(vocab_size, num_classes),
    "LSTM": partial(RecurrentClassifier, pooling="final", bidirectional=True),
    "LSTM, mean": partial(RecurrentClassifier, pooling="mean", bidirectional=True),
    "LSTM, frozen attention": partial(RecurrentClassifier, bidirectional=True),
    "LSTM + attention": partial(RecurrentClassifier, bidirectional=True),
    "HN-AVE": partial(HAN, pooling="mean"),
    "HAN": HAN,
    "HAHNN": HAHNN,
}
GUIDED = "bag guided by LSTM + attention"
MODELS = (*BUILDERS, GUIDED)
ATTENTIVE = ("LSTM, frozen attention", "LSTM + attention", "HAN", "HAHNN")
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Recipe:
    """How a corpus is made, how a model is trained on it, and what it is asked."""

    corpus: str
    steps: int
    batch_size: int = 32
    min_count: int = 1
    d_embed: int = 64
    d_hidden: int = 64
    dropout: float = 0.2
    learning_rate: float = 3e-3
    bag_learning_rate: float = 0.05
    explained: int = 300
    shown: int = 0
    training: int = 0
    held_out: int = 1000
    lengths: tuple[tuple[int, int], ...] = ()


RECIPES = {
    "reviews": Recipe(
        "reviews", steps=1200, training=4000, shown=4,
        lengths=((3, 5), (6, 8), (9, 16), (17, 32)),
    ),
    "sst2": Recipe("sst2", steps=1000, min_count=2, dropout=0.3, learning_rate=6e-3),
    "waimai": Recipe(
        "waimai", steps=1000, min_count=2, dropout=0.3, learning_rate=6e-3, held_out=1200
    ),
}  # fmt: skip


@cache
def corpus(recipe: Recipe) -> tuple[list[Document], list[Document]]:
    """Make or read the documents: to train on, and to test on."""
    if recipe.corpus == "sst2":
        return sst2("train"), sst2("test")
    if recipe.corpus == "waimai":
        splits = waimai.split(waimai.waimai(), held_out=recipe.held_out)
        return splits.train, splits.test
    low, high = recipe.lengths[0][0], recipe.lengths[1][1]
    sizes = {"min_sentences": low, "max_sentences": high}
    documents = reviews(recipe.training + recipe.held_out, **sizes)
    return documents[: recipe.training], documents[recipe.training :]


def vocabulary(recipe: Recipe) -> Vocabulary:
    """Collect the words of the documents to train on."""
    return Vocabulary((d.words for d in corpus(recipe)[0]), min_count=recipe.min_count)


def train(recipe: Recipe, name: str, seed: int) -> nn.Module:
    """Train one model from one seed, which also decides the order of the batches."""
    words = vocabulary(recipe)
    if name == GUIDED:
        guide = train(recipe, "LSTM + attention", seed)
        model: nn.Module = Guided(BagClassifier(len(words), 2), guide)
    else:
        torch.manual_seed(seed)
        sizes = {"d_embed": recipe.d_embed, "d_hidden": recipe.d_hidden, "dropout": recipe.dropout}
        model = BUILDERS[name](len(words), 2, **sizes)
    if name == "LSTM, frozen attention":
        model.pool.requires_grad_(False)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    stream = document_batches(
        corpus(recipe)[0], words, model.collate, batch_size=recipe.batch_size, seed=seed
    )
    rate = recipe.bag_learning_rate if "bag" in name else recipe.learning_rate
    fit(model, stream, classification_loss, steps=recipe.steps, learning_rate=rate)
    return model


def measure(recipe: Recipe, name: str, seed: int) -> dict[str, Any]:
    """Train one model and take all its figures on the documents held out."""
    model, words = train(recipe, name, seed), vocabulary(recipe)
    training, test = corpus(recipe)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    figures: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in trained),
        "accuracy": round(accuracy(model, test, words), 4),
        "training_accuracy": round(accuracy(model, training[: len(test)], words), 4),
    }
    if recipe.lengths:
        figures["by_length"] = by_length(model, words, recipe)
    if name in ATTENTIVE:
        asked = [document for document in test if len(document) > 5][: recipe.explained]
        figures["explanation"] = explain(model, asked, words, seed)
        if seed == SEEDS[0]:
            figures["shown"] = shown(model, asked[: recipe.shown], words)
    return figures


def by_length(model: nn.Module, words: Vocabulary, recipe: Recipe) -> list[dict[str, Any]]:
    """The accuracy for each range of sentences; the last ones are longer than any trained on."""
    rows = []
    for low, high in recipe.lengths:
        documents = reviews(400, seed=1, min_sentences=low, max_sentences=high)
        rows.append({"from": low, "to": high, "accuracy": accuracy(model, documents, words)})
    return rows


def explain(
    model: nn.Module, documents: Sequence[Document], words: Vocabulary, seed: int
) -> dict[str, Any]:
    """Put attention to the tests, beside gradients and chance."""
    scores = {
        "attention": attention_by_word(model, documents, words),
        "gradient": gradient_by_word(model, documents, words),
        "random": random_scores(documents, seed=seed),
    }
    asked = (model, documents, words)
    taus = [
        kendall_tau(*pair) for pair in zip(scores["attention"], scores["gradient"], strict=True)
    ]
    figures: dict[str, Any] = {
        "documents": len(documents),
        "kendall_tau_of_attention_and_gradient": round(mean(taus), 4),
        "permuted": summary(permute_attention(*asked, seed=seed)),
    }
    for what in ("words", "weights"):
        figures[f"erased_{what}"] = {
            by: summary(erase_top(*asked, found, what=what)) for by, found in scores.items()
        }
    if all(document.deciding for document in documents):
        figures["known_words"] = {by: known(documents, found) for by, found in scores.items()}
    return figures


def summary(erasure: Erasure) -> dict[str, float]:
    """The mean change of the probabilities, and the share of the decisions that flip."""
    return {
        "change": round(erasure.change.mean().item(), 4),
        "flips": round(erasure.flipped.double().mean().item(), 4),
    }


def known(documents: Sequence[Document], scores: Sequence[Tensor]) -> dict[str, float]:
    """How well scores find the words that decide the label."""
    return {
        "hit_rate": round(hit_rate(documents, scores), 4),
        "share": round(deciding_share(documents, scores), 4),
    }


def shown(
    model: nn.Module, documents: Sequence[Document], words: Vocabulary
) -> list[dict[str, Any]]:
    """A few documents with the attention of each word, to be drawn."""
    chances = predict(model, documents, words)[:, 1].tolist() if documents else []
    shares = attention_by_word(model, documents, words)
    return [
        {
            "sentences": document.sentences,
            "label": document.label,
            "deciding": sorted(document.deciding),
            "probability": round(chance, 4),
            "attention": [round(share, 4) for share in row.tolist()],
        }
        for document, chance, row in zip(documents, chances, shares, strict=True)
    ]


def run(recipe: Recipe, name: str, seed: int) -> dict[str, Any]:
    """Train and measure one model on one core, or take what an earlier call kept."""
    torch.set_num_threads(1)
    described = [asdict(recipe), name, seed]
    return kept(
        __file__,
        f"{recipe.corpus}-{name}-{seed}",
        described,
        lambda _path: {"model": name, "seed": seed, **measure(recipe, name, seed)},
    )


def described(recipe: Recipe, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Say how a corpus' runs were made and what came out: mean and spread over the seeds."""
    training, test = corpus(recipe)
    record = asdict(recipe) | {
        "training_documents": len(training),
        "test_documents": len(test),
        "share_of_the_larger_class": round(larger_class(test), 4),
    }
    if recipe.corpus != "reviews":
        files = sorted((Path(os.environ["ATTENTION_DATA"]) / recipe.corpus).iterdir())
        digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
        record["sha256"] = digests
    accuracies = {name: [r["accuracy"] for r in runs if r["model"] == name] for name in MODELS}
    record["accuracy"] = {
        name: {"mean": round(mean(found), 4), "spread": round(stdev(found), 4)}
        for name, found in accuracies.items()
    }
    return record | {"runs": list(runs)}


def larger_class(documents: Sequence[Document]) -> float:
    """The accuracy of someone who cannot read."""
    positive = mean(document.label for document in documents)
    return max(positive, 1 - positive)


def main() -> None:
    """Run what is missing, and write the record."""
    parser = command_line(__doc__)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="models at a time")
    parser.add_argument("--steps", type=int, help="updates of each model, to prove the script")
    arguments = parser.parse_args()
    names = ["reviews", *(["sst2", "waimai"] if os.environ.get("ATTENTION_DATA") else [])]
    recipes = {name: RECIPES[name] for name in names}
    if arguments.steps:
        short = {"steps": arguments.steps, "explained": 40}
        recipes = {name: replace(recipe, **short) for name, recipe in recipes.items()}
    runs = [(name, model, seed) for name in names for seed in SEEDS for model in MODELS]
    with ProcessPoolExecutor(arguments.workers) as pool:
        jobs = {pool.submit(run, recipes[n], m, s): n for n, m, s in runs}
        for job in tqdm(as_completed(jobs), total=len(jobs), unit="run"):
            job.result()
    found = {job: job.result() for job in jobs}
    origin = shared_provenance(list(found.values()))
    record: dict[str, Any] = {"provenance": origin, "corpora": {}}
    for name in names:
        results = [found[job] for job, corpus_name in jobs.items() if corpus_name == name]
        record["corpora"][name] = described(recipes[name], results)
        print(name, json.dumps(record["corpora"][name]["accuracy"], indent=1))
    if not arguments.steps:
        print(write_record("classifiers", record))


if __name__ == "__main__":
    main()
