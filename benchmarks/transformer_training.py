"""One training step of Transformers of the same size: ours against what others run.

Real lengths: Multi30k English–German in 10,000 joint subwords, 64 pairs a batch, drawn at random
or from pairs of like length. Each round gives all contestants the same batch, in turn; a ratio is
the median over the rounds of peer / ours. ATTENTION_DATA must name a folder with multi30k/.

    python benchmarks/transformer_training.py --threads 2
"""

import argparse
import os
import random
import statistics
import time
from itertools import cycle, islice

import torch
from torch import nn
from transformer_peers import PEERS, Ours, sizes

from attention_lib.data.batching import Batch, batches, make_batch
from attention_lib.data.multi30k import multi30k
from attention_lib.data.subwords import Subwords

VOCABULARY, PAIRS = 10_000, 64
SETTINGS = {
    "d128 N3": (128, 3, 0.0),
    "d256 N3": (256, 3, 0.0),
    "d256 N3 dropout": (256, 3, 0.1),
    "d512 N6": (512, 6, 0.0),
    "d512 N6 dropout": (512, 6, 0.1),
}


def data(bucketed: bool, number: int) -> list[Batch]:
    """Make the batches."""
    pairs = multi30k("train")
    texts = [text for pair in pairs for text in (pair.src, pair.tgt)]
    subwords = Subwords.learn(texts, size=VOCABULARY)
    if bucketed:
        stream = batches(pairs, subwords, subwords, batch_size=PAIRS, seed=0)
        return list(islice(stream, number))
    random.Random(0).shuffle(pairs)
    groups = [pairs[i * PAIRS : (i + 1) * PAIRS] for i in range(number)]
    return [make_batch(group, subwords, subwords) for group in groups]


class Contestant:
    """A model with its optimiser: ours is fused, the others' are what one gets by default."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model.train()
        fused = True if isinstance(model, Ours) else None
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=fused)
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def step(self, batch: Batch) -> None:
        """Forward, backward, update; take the time."""
        started, used = time.perf_counter(), time.process_time()
        self.optimizer.zero_grad()
        self.model.loss(batch).backward()
        self.optimizer.step()
        self.wall.append(time.perf_counter() - started)
        self.cpu.append(time.process_time() - used)


def padding(stream: list[Batch]) -> float:
    """Share of all cells, source and target, that hold padding."""
    cells = sum(batch.src.numel() + batch.tgt_out.numel() for batch in stream)
    real = sum(int((x != batch.pad).sum()) for batch in stream for x in (batch.src, batch.tgt_out))
    return 1 - real / cells


def compare(name: str, stream: list[Batch], rounds: int) -> None:
    """Print one table row a peer."""
    torch.manual_seed(0)
    config = sizes(VOCABULARY, *SETTINGS[name])
    runs = {"ours": Contestant(Ours(config))}
    runs |= {peer: Contestant(build(config)) for peer, build in PEERS.items()}
    for batch in islice(cycle(stream), rounds + 2):
        for run in runs.values():
            run.step(batch)
    ours = runs["ours"]
    for peer, run in runs.items():
        parameters = sum(p.numel() for p in run.model.parameters()) / 1e6
        wall, cpu = (
            statistics.median(a / b for a, b in zip(x[2:], y[2:], strict=True))
            for x, y in ((run.wall, ours.wall), (run.cpu, ours.cpu))
        )
        milliseconds = 1000 * statistics.median(run.wall[2:])
        figures = f"{parameters:.2f} M | {milliseconds:.0f} | {wall:.2f} | {cpu:.2f}"
        print(f"| {name} | {peer} | {figures} |", flush=True)


def main() -> None:
    """Print a Markdown table for each kind of batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(
        f"torch {torch.__version__}, {args.threads} threads on {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f} before"
    )
    for kind, bucketed in (("of like length", True), ("at random", False)):
        stream = data(bucketed, args.rounds)
        print(f"\nBatches drawn {kind}: {padding(stream):.0%} padding\n")
        print("| model | | parameters | ms a step | × | × in CPU time |\n|---|---|---|---|---|---|")
        for name in args.settings:
            compare(name, stream, args.rounds)
    print(f"\nload after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
