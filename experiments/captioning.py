"""Describe the shapes world without, with soft and with hard attention, and see who looks where.

    python experiments/captioning.py --workers 2

Each run is kept in _build/experiments/ as it ends, so that a second call goes on where the first
one stopped. Writes attention_lib/results/captioning.json.
"""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from provenance import command_line, kept, shared_provenance, write_record
from torch import Tensor
from tqdm import tqdm

from attention_lib.captioning import Captioner, CaptionerConfig, captioning_loss
from attention_lib.data.shapes import Scene, caption_batches, make_caption_batch, shapes_world
from attention_lib.data.vocabulary import Vocabulary
from attention_lib.decoding import greedy_decode
from attention_lib.metrics import (
    bleu,
    exact_match,
    masks_on_grid,
    perplexity,
    pointing_accuracy,
)
from attention_lib.training import fit, mean_loss

VARIANTS: dict[str, dict[str, Any]] = {
    "no attention": {"attention": "none"},
    "soft": {"attention": "soft"},
    "soft, doubly stochastic": {"attention": "soft", "spread": 0.01},
    "hard": {"attention": "hard"},
}
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Recipe:
    """How the scenes are made and how a model is trained on them."""

    scenes: int = 20_000
    held_out: int = 500
    batch_size: int = 32
    steps: int = 2000
    learning_rate: float = 1e-2


RECIPE = Recipe()


def train(recipe: Recipe, variant: str, seed: int, scenes: list[Scene]) -> Captioner:
    """Train one variant from one seed, which also decides the order of the batches."""
    words = vocabulary(scenes)
    torch.manual_seed(seed)
    model = Captioner(CaptionerConfig(len(words), **VARIANTS[variant]))
    stream = caption_batches(scenes, words, batch_size=recipe.batch_size, seed=seed)
    rate = recipe.learning_rate
    fit(model, stream, captioning_loss, steps=recipe.steps, learning_rate=rate)
    return model


def vocabulary(scenes: Sequence[Scene]) -> Vocabulary:
    """Collect the captions' words: there are so few that any thousand scenes has them all."""
    return Vocabulary(scene.caption for scene in scenes)


def measure(model: Captioner, test: list[Scene], words: Vocabulary) -> dict[str, Any]:
    """Take all the figures of one trained model on held-out scenes."""
    batch = make_caption_batch(test, words)
    ends = {"bos": words.bos, "eos": words.eos, "max_length": batch.tgt_in.shape[1] + 3}
    decoded = greedy_decode(model, batch.pictures, None, **ends)
    written = [" ".join(words.decode(caption.words)) for caption in decoded]
    wanted = [" ".join(scene.caption) for scene in test]
    with torch.no_grad():
        logits, weights, _ = model(batch.pictures, batch.tgt_in)
    right = (logits.argmax(-1) == batch.tgt_out)[batch.tgt_out != batch.pad]
    figures: dict[str, Any] = {
        "perplexity": round(perplexity(mean_loss(model, [batch], captioning_loss)), 4),
        "word_accuracy": round(float(right.double().mean()), 4),
        "bleu": round(bleu(written, wanted, tokenize="none").score, 2),
        "exact_match": round(exact_match(written, wanted), 4),
        "exact_match_by_shapes": by_shapes(test, written, wanted),
    }
    if weights is not None:
        rows = torch.cat([w[: len(s.caption)] for w, s in zip(weights, test, strict=True)])
        grid = model.encoder.grid(batch.pictures)
        figures["pointing_accuracy"] = round(pointing_accuracy(rows, word_masks(test), grid), 4)
    return figures


def by_shapes(
    scenes: Sequence[Scene], written: Sequence[str], wanted: Sequence[str]
) -> list[float]:
    """The share of captions that are right to the word, for one, two and three shapes."""
    shares = []
    for number in (1, 2, 3):
        chosen = [i for i, scene in enumerate(scenes) if len(scene.shapes) == number]
        same = exact_match([written[i] for i in chosen], [wanted[i] for i in chosen])
        shares.append(round(same, 4))
    return shares


def word_masks(scenes: Sequence[Scene]) -> Tensor:
    """The masks of all words of all captions, one under the other."""
    return torch.cat([scene.word_masks for scene in scenes])


def chance(scenes: Sequence[Scene], grid: tuple[int, int]) -> float:
    """The pointing accuracy of someone who points anywhere."""
    masks = word_masks(scenes)
    about = masks.flatten(1).any(1)
    return round(float(masks_on_grid(masks[about], grid).double().mean()), 4)


def run(recipe: Recipe, variant: str, seed: int) -> dict[str, Any]:
    """Train and measure one model on one core, or take what an earlier call kept."""
    torch.set_num_threads(1)
    sizes = asdict(CaptionerConfig(tgt_size=0, **VARIANTS[variant]))

    def train_and_measure(_path: Path) -> dict[str, Any]:
        scenes = shapes_world(recipe.scenes)
        training, test = scenes[: -recipe.held_out], scenes[-recipe.held_out :]
        started = time.process_time()
        model = train(recipe, variant, seed, training)
        return {
            "variant": variant,
            "seed": seed,
            "parameters": sum(p.numel() for p in model.parameters()),
            "processor_seconds": round(time.process_time() - started),
            **measure(model, test, vocabulary(training)),
        }

    described = [asdict(recipe), sizes, seed]
    return kept(__file__, f"captioning-{variant}-{seed}", described, train_and_measure)


def main() -> None:
    """Run what is missing, and write the record."""
    parser = command_line(__doc__)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="models at a time")
    workers = parser.parse_args().workers
    runs = [(variant, seed) for seed in SEEDS for variant in VARIANTS]
    with ProcessPoolExecutor(workers) as pool:
        jobs = [pool.submit(run, RECIPE, variant, seed) for variant, seed in runs]
        for job in tqdm(as_completed(jobs), total=len(jobs), unit="run"):
            job.result()
    results = [job.result() for job in jobs]
    scenes = shapes_world(RECIPE.scenes)
    test = scenes[-RECIPE.held_out :]
    encoder = Captioner(CaptionerConfig(tgt_size=4)).encoder
    grid = encoder.grid(test[0].picture)
    record = {
        "provenance": shared_provenance(results),
        **asdict(RECIPE),
        "variants": VARIANTS,
        "grid": list(grid),
        "pointing_accuracy_by_chance": chance(test, grid),
        "bleu_signature": bleu(["a"], ["a"], tokenize="none").signature,
        "runs": results,
    }
    print(write_record("captioning", record))


if __name__ == "__main__":
    main()
