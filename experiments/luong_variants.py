"""Measure Luong's Table 4 in small: every attention, three seeds, two corpora.

    ATTENTION_DATA=folder/with/tatoeba python experiments/luong_variants.py --workers 4

Each run is kept in _build/experiments/ as it ends, so that a second call goes on where the first
one stopped. Writes attention_lib/results/luong_variants.json. Without ATTENTION_DATA the grammar
corpus is measured alone.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from provenance import command_line, kept, shared_provenance, write_record
from tqdm import tqdm

from attention_lib.data import grammar_corpus
from attention_lib.data.batching import batches
from attention_lib.data.tatoeba import split, tatoeba
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.evaluation import Translator, gold_error_rate
from attention_lib.metrics import bleu, diagonal_alignment, exact_match, hard_alignment
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.training import fit

# Of Luong's rows only the last feeds h̃ back: steps that wait for each other take far longer.
VARIANTS: dict[str, dict[str, Any]] = {
    "no attention": {"attention": "none"},
    "Bahdanau": {"attention": "bahdanau", "score": "concat"},
    "global location": {"score": "location"},
    "global dot": {"score": "dot"},
    "global general": {"score": "general"},
    "global concat": {"score": "concat"},
    "local-m dot": {"score": "dot", "locality": "local-m"},
    "local-m general": {"score": "general", "locality": "local-m"},
    "local-p dot": {"score": "dot", "locality": "local-p"},
    "local-p general": {"score": "general", "locality": "local-p"},
    "global general, input feeding": {"score": "general", "input_feeding": True},
}
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Recipe:
    """How a corpus is made and how a model is trained on it."""

    corpus: str
    longest: int
    held_out: int
    min_count: int
    d_embed: int
    d_hidden: int
    dropout: float
    window: int
    batch_size: int
    steps: int
    learning_rate: float
    buckets: tuple[tuple[int, int], ...]
    pairs: int | None = None
    longer: int = 0


RECIPES = {
    "grammar": Recipe(
        "grammar", longest=12, held_out=2000, min_count=1, d_embed=64, d_hidden=96, dropout=0.1,
        window=3, batch_size=64, steps=3000, learning_rate=4e-3, pairs=52_000, longer=16,
        buckets=((3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    ),
    "tatoeba": Recipe(
        "tatoeba", longest=25, held_out=1000, min_count=2, d_embed=64, d_hidden=128, dropout=0.2,
        window=5, batch_size=64, steps=1200, learning_rate=4e-3,
        buckets=((1, 5), (6, 8), (9, 11), (12, 15), (16, 25)),
    ),
}  # fmt: skip


@cache
def corpus(recipe: Recipe) -> tuple[list[Any], list[Any], list[Any]]:
    """Make or read the pairs: for training, for testing, and longer ones than any trained on."""
    if recipe.corpus == "tatoeba":
        train, _, test = split(tatoeba(max_length=recipe.longest), held_out=recipe.held_out)
        return train, test, []
    pairs = grammar_corpus(recipe.pairs, max_length=recipe.longest)
    held_out = recipe.held_out
    bounds = {"min_length": recipe.longest + 1, "max_length": recipe.longer}
    longer = grammar_corpus(held_out // 4, seed=1, **bounds)
    return pairs[:-held_out], pairs[-held_out:], longer


def train(recipe: Recipe, variant: str, seed: int) -> Translator:
    """Train one variant from one seed, which also decides the order of the batches."""
    pairs = corpus(recipe)[0]
    src = Vocabulary((p.src for p in pairs), min_count=recipe.min_count)
    tgt = Vocabulary((p.tgt for p in pairs), min_count=recipe.min_count)
    settings = {"input_feeding": False, "window": recipe.window, **VARIANTS[variant]}
    sizes = {"d_embed": recipe.d_embed, "d_hidden": recipe.d_hidden, "dropout": recipe.dropout}
    torch.manual_seed(seed)
    model = Seq2Seq(Seq2SeqConfig(len(src), len(tgt), **sizes, **settings))
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    stream = batches(pairs, src, tgt, batch_size=recipe.batch_size, seed=seed)
    fit(model, stream, steps=recipe.steps, learning_rate=recipe.learning_rate)
    return Translator(model, src, tgt)


def measure(translator: Translator, recipe: Recipe) -> dict[str, Any]:
    """Take all the figures of one trained model on the held-out pairs."""
    _, test, longer = corpus(recipe)
    translations = translator.translate(test)
    figures: dict[str, Any] = {
        "parameters": sum(p.numel() for p in translator.model.parameters()),
        "perplexity": round(translator.perplexity(test), 4),
        **quality(translations, test),
        "by_length": by_length([*test, *longer], translations + translate(translator, longer),
                               recipe.buckets),
    }  # fmt: skip
    if recipe.corpus == "grammar" and translator.model.config.attention != "none":
        figures |= alignment(translator, test)
    return figures


def translate(translator: Translator, pairs: Sequence[Any]) -> list[str]:
    """Translate, also nothing."""
    return translator.translate(pairs) if pairs else []


def quality(translations: Sequence[str], pairs: Sequence[Any]) -> dict[str, float]:
    """BLEU of the words as they stand, and the share of sentences that are right to the word."""
    references = [" ".join(pair.tgt) for pair in pairs]
    return {
        "bleu": round(bleu(translations, references, tokenize="none").score, 2),
        "exact_match": round(exact_match(translations, references), 4),
    }


def by_length(
    pairs: Sequence[Any], translations: Sequence[str], buckets: Sequence[tuple[int, int]]
) -> list[dict[str, Any]]:
    """The quality for each bucket of source lengths."""
    rows = []
    for low, high in buckets:
        chosen = [i for i, pair in enumerate(pairs) if low <= len(pair.src) <= high]
        figures = quality([translations[i] for i in chosen], [pairs[i] for i in chosen])
        rows.append({"from": low, "to": high, "sentences": len(chosen), **figures})
    return rows


def alignment(translator: Translator, pairs: Sequence[Any]) -> dict[str, float]:
    """Alignment error rates, of the weights as they are and of each weight one word earlier.

    The weights that help to write word t may belong to word t or, as Luong et al. found for
    scores that look at the last word read, to the word before it.
    """
    links = [hard_alignment(weights) for weights in translator.align(pairs)]
    earlier = [torch.cat([rows[1:], rows[-1:]]) for rows in links]
    return {
        "alignment_error_rate": round(gold_error_rate(links, pairs), 4),
        "alignment_error_rate_of_the_word_before": round(gold_error_rate(earlier, pairs), 4),
    }


def run(recipe: Recipe, variant: str, seed: int) -> dict[str, Any]:
    """Train and measure one model on one core, or take what an earlier call kept."""
    torch.set_num_threads(1)

    def train_and_measure(_path: Path) -> dict[str, Any]:
        figures = measure(train(recipe, variant, seed), recipe)
        return {"variant": variant, "seed": seed, **figures}

    described = [asdict(recipe), VARIANTS[variant], seed]
    return kept(__file__, f"{recipe.corpus}-{variant}-{seed}", described, train_and_measure)


def diagonal_error_rate(recipe: Recipe) -> float:
    """The alignment error rate of someone who cannot read: the floor to beat."""
    test = corpus(recipe)[1]
    links = [diagonal_alignment(len(pair.tgt), len(pair.src)) for pair in test]
    return round(gold_error_rate(links, test), 4)


def described(recipe: Recipe) -> dict[str, Any]:
    """Say how a corpus' runs were made and what they were measured on."""
    training, test, _ = corpus(recipe)
    record = asdict(recipe) | {"training_pairs": len(training), "test_pairs": len(test)}
    record["bleu_signature"] = bleu(["a"], ["a"], tokenize="none").signature
    if recipe.corpus == "grammar":
        return record | {"diagonal_alignment_error_rate": diagonal_error_rate(recipe)}
    file = Path(os.environ["ATTENTION_DATA"]) / "tatoeba" / "cmn.txt.gz"
    return record | {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}


def main() -> None:
    """Run what is missing, and write the record."""
    parser = command_line(__doc__)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="models at a time")
    workers = parser.parse_args().workers
    names = ["grammar", *(["tatoeba"] if os.environ.get("ATTENTION_DATA") else [])]
    runs = [(name, variant, seed) for name in names for seed in SEEDS for variant in VARIANTS]
    with ProcessPoolExecutor(workers) as pool:
        jobs = {pool.submit(run, RECIPES[n], v, s): (n, v, s) for n, v, s in runs}
        for job in tqdm(as_completed(jobs), total=len(jobs), unit="run"):
            job.result()
    found = {job: job.result() for job in jobs}
    origin = shared_provenance(list(found.values()))
    record: dict[str, Any] = {"provenance": origin, "corpora": {}}
    for name in names:
        results = [found[job] for job, (corpus_name, *_) in jobs.items() if corpus_name == name]
        record["corpora"][name] = described(RECIPES[name]) | {"runs": results}
    print(write_record("luong_variants", record))


if __name__ == "__main__":
    main()
