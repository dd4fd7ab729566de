"""Measure what each position scheme says beyond the lengths it was trained on.

Small language models learn to spell: they read windows of 32 letters of the grammar corpus'
English sentences, and are then asked for the next letter at every position of windows eight times
as long: once looking at all letters before it, and once at the last 32 alone. Each run is kept in
_build/experiments/ as it ends, so that a second call goes on where the first one stopped. Writes
attention_lib/results/positions.json in some minutes on one core.
"""

import time
from functools import cache
from pathlib import Path
from typing import Any

import torch
from provenance import command_line, kept, shared_provenance, write_record
from torch import Tensor
from torch.nn import functional as F

from attention_lib.data import grammar_corpus
from attention_lib.language_models import GPT, LanguageModelConfig
from attention_lib.layers import PositionScheme, self_view
from attention_lib.masks import sliding_window_mask
from attention_lib.positions import RelativeBias

SCHEMES: tuple[PositionScheme, ...] = (
    "none",
    "sinusoidal",
    "learned",
    "relative",
    "rotary",
    "alibi",
)
SEEDS = (0, 1, 2)
TRAINED, TESTED = 32, 256  # letters in a window
BUCKETS = ((1, 8), (9, 16), (17, 24), (25, 32), (33, 48), (49, 64), (65, 128), (129, 256))
SENTENCES, HELD_OUT, WINDOWS = 12_000, 2_000, 300
STEPS, BATCH, RATE, WARM_UP = 600, 16, 4e-3, 50
BIASES = 16  # buckets of the relative bias
SIZES: dict[str, Any] = {
    "d_model": 64,
    "num_heads": 4,
    "d_ff": 128,
    "num_layers": 2,
    "dropout": 0.0,
}


@cache
def streams() -> tuple[int, Tensor, Tensor]:
    """The alphabet's size, and all letters in a row: for training and for testing."""
    lines = [" ".join(pair.tgt) for pair in grammar_corpus(SENTENCES)]
    alphabet = sorted(set("".join(lines)) | {" "})
    number = {letter: i for i, letter in enumerate(alphabet)}
    parts = (" ".join(part) for part in (lines[:-HELD_OUT], lines[-HELD_OUT:]))
    rows = [torch.tensor([number[letter] for letter in part]) for part in parts]
    return len(alphabet), rows[0], rows[1]


def draw(stream: Tensor, count: int, length: int, generator: torch.Generator) -> Tensor:
    """Cut windows (count, length + 1) out of a stream, at any letter."""
    starts = torch.randint(len(stream) - length, (count, 1), generator=generator)
    return stream[starts + torch.arange(length + 1)]


def losses(model: GPT, windows: Tensor, reach: int = TESTED) -> Tensor:
    """The loss at every position (count, length), in nats; each looks at ``reach`` letters."""
    ids, targets = windows[:, :-1], windows[:, 1:]
    length = ids.shape[1]
    mask = sliding_window_mask(length, reach - 1, causal=True)
    view = self_view(model.positions, ids, mask=mask)
    x = model.positions.embed(model.scale * model.embedding(ids), torch.arange(length))
    for layer in model.layers:
        x = layer(x, view)
    logits = F.linear(model.norm(x), model.embedding.weight)
    return F.cross_entropy(logits.mT, targets, reduction="none")


def train(scheme: PositionScheme, seed: int) -> GPT:
    """Train one model on short windows; the rate warms up and falls to 0."""
    vocab_size, stream, _ = streams()
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    config = LanguageModelConfig(
        vocab_size=vocab_size, norm="pre", activation="gelu", positions=scheme,
        max_length=TESTED, **SIZES,
    )  # fmt: skip
    model = GPT(config)
    if scheme == "relative":
        # All its buckets must be trained: the last one begins within the trained length.
        model.positions.relative = RelativeBias(
            config.num_heads, num_buckets=BIASES, max_distance=TRAINED, causal=True
        )
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARM_UP, 1 - step / STEPS)
    )
    for _ in range(STEPS):
        optimizer.zero_grad()
        losses(model, draw(stream, BATCH, TRAINED, generator)).mean().backward()
        optimizer.step()
        rate.step()
    return model.eval()


@torch.no_grad()
def measure(model: GPT, reach: int = TESTED) -> list[float]:
    """The mean loss of each bucket of positions, on the same long windows for every model."""
    generator = torch.Generator().manual_seed(2017)
    windows = draw(streams()[2], WINDOWS, TESTED, generator)
    by_position = torch.cat([losses(model, part, reach) for part in windows.split(50)]).mean(0)
    return [round(float(by_position[first - 1 : last].mean()), 4) for first, last in BUCKETS]


def run(scheme: PositionScheme, seed: int) -> dict[str, Any]:
    """Measure one model, or read what an earlier call has kept of it."""
    lengths = [STEPS, BATCH, RATE, WARM_UP, TRAINED, TESTED, BUCKETS]
    recipe = [*lengths, SENTENCES, SIZES, BIASES, "within reach"]

    def train_and_measure(_path: Path) -> dict[str, Any]:
        started = time.process_time()
        model = train(scheme, seed)
        figures: dict[str, Any] = {"loss": measure(model)}
        figures["loss_within_reach"] = measure(model, TRAINED)
        figures["cpu_seconds"] = round(time.process_time() - started)
        print(scheme, seed, figures, flush=True)
        return figures

    return kept(__file__, f"positions-{scheme}-{seed}", recipe, train_and_measure)


def main() -> None:
    """Train all and write the record."""
    command_line(__doc__).parse_args()
    torch.set_num_threads(1)
    found = {(scheme, seed): run(scheme, seed) for seed in SEEDS for scheme in SCHEMES}
    record = {
        "provenance": shared_provenance(list(found.values())),
        "trained": TRAINED,
        "tested": TESTED,
        "buckets": [list(bucket) for bucket in BUCKETS],
        "sentences": SENTENCES,
        "windows": WINDOWS,
        "steps": STEPS,
        "batch": BATCH,
        "learning_rate": RATE,
        "warm_up": WARM_UP,
        "biases": BIASES,
        "sizes": SIZES,
        "cpu_seconds": sum(figures["cpu_seconds"] for figures in found.values()),
    }
    for name in ("loss", "loss_within_reach"):
        record[name] = {s: [found[s, seed][name] for seed in SEEDS] for s in SCHEMES}
    print(write_record("positions", record))


if __name__ == "__main__":
    main()
