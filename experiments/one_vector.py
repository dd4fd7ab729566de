"""Measure how much of a sequence fits into one vector, and what reading it backwards changes.

    python experiments/one_vector.py

Writes attention_lib/results/one_vector.json. Encoder-decoders without attention copy random
sequences of letters, with states of several sizes, and translate the grammar corpus with the
recipe of luong_variants.py. Each also learns from sources that are turned around. A run is kept in
_build/experiments/ as it ends, so that a second call goes on where the first one stopped.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from luong_variants import RECIPES, Recipe, by_length, corpus, quality
from provenance import command_line, kept, shared_provenance, write_record

from attention_lib.data.batching import batches
from attention_lib.data.copy_task import copy_task
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.evaluation import Translator
from attention_lib.metrics import exact_match
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.training import fit

SEEDS = (0, 1, 2)
ORDERS = ("as it is", "reversed")


@dataclass(frozen=True)
class Copying:
    """How sequences are made, and how a model learns to copy them."""

    symbols: int = 8
    longest: int = 12
    training_pairs: int = 20_000
    test_pairs_a_length: int = 300
    cell: str = "gru"
    d_embed: int = 16
    sizes: tuple[int, ...] = (16, 32, 64)
    batch_size: int = 64
    steps: int = 1_500
    learning_rate: float = 5e-3


def trained(
    pairs: Sequence[Any], plan: Copying | Recipe, config: dict[str, Any], seed: int
) -> Translator:
    """Train an encoder-decoder without attention."""
    src, tgt = Vocabulary(p.src for p in pairs), Vocabulary(p.tgt for p in pairs)
    torch.manual_seed(seed)
    model = Seq2Seq(Seq2SeqConfig(len(src), len(tgt), attention="none", **config))
    stream = batches(pairs, src, tgt, batch_size=plan.batch_size, seed=seed)
    fit(model, stream, steps=plan.steps, learning_rate=plan.learning_rate)
    return Translator(model, src, tgt)


def copying(plan: Copying, size: int, order: str, seed: int) -> dict[str, Any]:
    """The share of sequences copied without a mistake, by length."""
    turned = order == "reversed"
    task = {"symbols": plan.symbols, "reverse": turned}
    pairs = copy_task(plan.training_pairs, max_length=plan.longest, seed=seed, **task)
    config = {"d_embed": plan.d_embed, "d_hidden": size, "cell": plan.cell, "dropout": 0.0}
    translator = trained(pairs, plan, config, seed)
    shares = []
    for length in range(1, plan.longest + 1):
        bounds = {"min_length": length, "max_length": length, "seed": 100}
        test = copy_task(plan.test_pairs_a_length, **bounds, **task)
        wanted = [" ".join(pair.tgt) for pair in test]
        shares.append(round(exact_match(translator.translate(test), wanted), 4))
    return {"size": size, "order": order, "seed": seed, "copied": shares}


def translating(recipe: Recipe, seed: int) -> dict[str, Any]:
    """The figures of luong_variants.py, for a source that is read backwards."""
    train, test, longer = ([_turned(pair) for pair in part] for part in corpus(recipe))
    config = {"d_embed": recipe.d_embed, "d_hidden": recipe.d_hidden, "dropout": recipe.dropout}
    translator = trained(train, recipe, config, seed)
    translations = translator.translate(test)
    rows = by_length([*test, *longer], translations + translator.translate(longer), recipe.buckets)
    return {
        "variant": "no attention, reversed", "seed": seed,
        "perplexity": round(translator.perplexity(test), 4),
        **quality(translations, test), "by_length": rows,
    }  # fmt: skip


def _turned(pair: Any) -> Any:
    return replace(pair, src=pair.src[::-1])


def timed(name: str, plan: Copying | Recipe, run: Callable[..., Any], *args: Any) -> dict[str, Any]:
    """A run's result, from an earlier call if there is one; with the seconds it took."""

    def work(_path: Path) -> dict[str, Any]:
        started = time.process_time()
        result = run(plan, *args) | {"cpu_seconds": round(time.process_time() - started)}
        print(result, flush=True)
        return result

    words = "-".join(str(arg).replace(" ", "_") for arg in args)
    return kept(__file__, f"one-vector-{name}-{words}", [asdict(plan), args], work)


def main() -> None:
    """Run what is missing, and write the record."""
    command_line(__doc__).parse_args()
    torch.set_num_threads(1)
    plan, recipe = Copying(), RECIPES["grammar"]
    copies = [
        timed("copy", plan, copying, size, order, seed)
        for seed in SEEDS
        for size in plan.sizes
        for order in ORDERS
    ]
    translated = [timed("grammar", recipe, translating, seed) for seed in SEEDS]
    record = {
        "provenance": shared_provenance([*copies, *translated]),
        "copying": asdict(plan) | {"runs": copies},
        "grammar_reversed": {"runs": translated},
    }
    print(write_record("one_vector", record))


if __name__ == "__main__":
    main()
