"""Recall the first of many symbols: how far back do recurrent networks learn to remember?

Writes attention_lib/results/recall.json in a minute or two on one core. A network reads one of
eight symbols, then so many others, and has to name the first one.
"""

import time

import torch
from provenance import command_line, provenance, write_record
from torch import Tensor, nn
from torch.nn import functional as F

from attention_lib.cells import Network, cell_params
from attention_lib.recurrent import Cell, make_rnn, run_rnn

SYMBOLS, SIZE = 8, 32
DISTANCES, SEEDS = (5, 10, 20, 40), (0, 1, 2)
STEPS, BATCH, RATE, CLIP = 200, 32, 1e-2, 1.0
OPEN = 2.0  # what is added to the biases of an open forget gate
NETWORKS: dict[str, Cell] = {"RNN": "rnn", "GRU": "gru", "LSTM": "lstm", "LSTM, open": "lstm"}


class Recall(nn.Module):
    """Read symbols, and say from the last state which was the first."""

    def __init__(self, cell: Cell, open_gate: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(2 * SYMBOLS, SIZE)
        self.rnn: Network = make_rnn(cell, SIZE, SIZE)
        self.output = nn.Linear(SIZE, SYMBOLS)
        if open_gate:
            with torch.no_grad():  # the second block of rows is the forget gate's
                cell_params(self.rnn).b_ih[SIZE : 2 * SIZE] += OPEN

    def forward(self, symbols: Tensor) -> Tensor:
        """Logits (batch, 8) of the first of the symbols (batch, length)."""
        start = self.embedding.weight.new_zeros(1, len(symbols), SIZE)
        state = (start, start) if isinstance(self.rnn, nn.LSTM) else (start,)
        outputs, _ = run_rnn(self.rnn, self.embedding(symbols), state)
        logits: Tensor = self.output(outputs[:, -1])
        return logits


def draw(batch: int, distance: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw a symbol to be remembered and ``distance`` others after it."""
    first = torch.randint(SYMBOLS, (batch, 1), generator=generator)
    rest = torch.randint(SYMBOLS, 2 * SYMBOLS, (batch, distance), generator=generator)
    return torch.cat([first, rest], dim=1), first[:, 0]


def recall(name: str, distance: int, seed: int) -> float:
    """Train one network at one distance; return the share it recalls of 1,000 new ones."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = Recall(NETWORKS[name], open_gate="open" in name)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(STEPS):
        symbols, first = draw(BATCH, distance, generator)
        optimizer.zero_grad()
        F.cross_entropy(model(symbols), first).backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
    symbols, first = draw(1000, distance, generator)
    with torch.no_grad():
        return float((model(symbols).argmax(-1) == first).float().mean())


def main() -> None:
    """Train all and write the record."""
    command_line(__doc__).parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    recalled: dict[str, list[list[float]]] = {}
    for name in NETWORKS:
        runs = [[round(recall(name, far, seed), 4) for far in DISTANCES] for seed in SEEDS]
        recalled[name] = runs
        print(name, *runs, flush=True)
    record = {
        "provenance": provenance(__file__),
        "symbols": SYMBOLS,
        "size": SIZE,
        "distances": list(DISTANCES),
        "steps": STEPS,
        "batch": BATCH,
        "learning_rate": RATE,
        "clipped_to": CLIP,
        "added_to_forget_bias": OPEN,
        "cpu_seconds": round(time.process_time() - started),
        "recalled": recalled,
    }
    print(write_record("recall", record))


if __name__ == "__main__":
    main()
