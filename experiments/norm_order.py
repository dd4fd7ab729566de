"""Where the norm stands and whether the learning rate warms up: which of the four learn?

Writes attention_lib/results/norm_order.json in about ten minutes on one core. Stacks of six encoder
layers have to say eight random symbols backwards: position i is to look at position 7 − i.
"""

import time

import torch
from provenance import command_line, provenance, write_record
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from attention_lib.layers import EncoderLayer, LayerConfig, Norm, SelfView, final_norm
from attention_lib.positions import sinusoidal_positions

SYMBOLS, LENGTH = 8, 8
LAYERS, D_MODEL, HEADS, D_FF = 6, 32, 4, 128
NORMS: tuple[Norm, ...] = ("post", "pre")
WARMUPS, RATES, SEEDS = (0, 240), (2e-3, 5e-3), (0, 1, 2)
STEPS, BATCH, BETAS, EPS = 480, 32, (0.9, 0.98), 1e-9
EVERY = 20  # steps whose mean loss is one point of a curve


class Stack(nn.Module):
    """An encoder alone: symbols in, logits of symbols out."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        config = LayerConfig(d_model=D_MODEL, num_heads=HEADS, d_ff=D_FF, dropout=0.0, norm=norm)
        self.embedding = nn.Embedding(SYMBOLS, D_MODEL)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(LAYERS))
        self.norm = final_norm(config)
        self.output = nn.Linear(D_MODEL, SYMBOLS)

    def forward(self, symbols: Tensor) -> Tensor:
        """Logits (batch, length, symbols) for symbols (batch, length)."""
        x = self.embedding(symbols)
        x = x + sinusoidal_positions(torch.arange(symbols.shape[1]), D_MODEL)
        for layer in self.layers:
            x = layer(x, SelfView(turn=lambda heads: heads))
        logits: Tensor = self.output(self.norm(x))
        return logits


def train(norm: Norm, warmup: int, rate: float, seed: int) -> list[float]:
    """Train one stack with a rate that climbs for ``warmup`` steps; return its loss curve."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = Stack(norm)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, betas=BETAS, eps=EPS)
    schedule = LambdaLR(optimizer, lambda done: min(1.0, (done + 1) / max(1, warmup)))
    losses = []
    for _ in range(STEPS):
        symbols = torch.randint(SYMBOLS, (BATCH, LENGTH), generator=generator)
        logits = model(symbols)
        loss = F.cross_entropy(logits.flatten(0, 1), symbols.flip(1).flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    points = torch.tensor(losses).view(-1, EVERY).mean(1)
    return [round(point, 4) for point in points.tolist()]


def main() -> None:
    """Train all and write the record."""
    command_line(__doc__).parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    runs = []
    for rate in RATES:
        for norm in NORMS:
            for warmup in WARMUPS:
                losses = [train(norm, warmup, rate, seed) for seed in SEEDS]
                runs.append({"rate": rate, "norm": norm, "warmup": warmup, "losses": losses})
                print(rate, norm, warmup, [curve[-1] for curve in losses], flush=True)
    record = {
        "provenance": provenance(__file__),
        "symbols": SYMBOLS,
        "length": LENGTH,
        "layers": LAYERS,
        "d_model": D_MODEL,
        "heads": HEADS,
        "d_ff": D_FF,
        "steps": STEPS,
        "batch": BATCH,
        "every": EVERY,
        "seeds": list(SEEDS),
        "cpu_seconds": round(time.process_time() - started),
        "runs": runs,
    }
    print(write_record("norm_order", record))


if __name__ == "__main__":
    main()
