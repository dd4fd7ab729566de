"""Count and time what recurrence and attention do with a sentence, against its length.

Writes attention_lib/results/recurrence_cost.json in a few minutes on one core. Everything is
forward and backward; the two translators have an equal size and a small vocabulary, so that the
output layer, which both share, does not hide what differs.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from provenance import command_line, provenance, write_record
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from attention_lib.cells import cell_params, lstm_step, unroll
from attention_lib.multihead import MultiHeadAttention
from attention_lib.recurrence_cost import gradient_norm_by_distance, sequential_operations
from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
from attention_lib.transformer import Transformer, TransformerConfig

SIZE, HEADS, VOCABULARY, LAYERS = 256, 4, 100, 2
LENGTHS, BATCHES, ROUNDS = (25, 50, 100, 200, 400), (1, 64), 5
# At batch 64 the longest sentences take minutes and gigabytes and show nothing new.
LONGEST_IN_A_BATCH = 100
Run = Callable[[], Tensor]


class CountOperators(TorchDispatchMode):
    """Counts every operator that reaches the device, the backward pass's too."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one, and run it."""
        self.count += 1
        return func(*args, **(kwargs or {}))


def layers(length: int, batch: int) -> dict[str, Run]:
    """One layer of each kind over (batch, length, 256)."""
    torch.manual_seed(0)
    x = torch.randn(batch, length, SIZE)
    lstm = nn.LSTM(SIZE, SIZE, batch_first=True)
    attention = MultiHeadAttention(SIZE, HEADS)
    start = (x.new_zeros(batch, SIZE),) * 2
    lengths = torch.full((batch,), length)
    return {
        "LSTM, written out": lambda: unroll(lstm_step, x, start, lengths, cell_params(lstm))[0],
        "LSTM, torch's": lambda: lstm(x)[0],
        "self-attention": lambda: attention(x)[0],
    }


def translator_models() -> dict[str, nn.Module]:
    """Encoder–decoders of equal size."""
    torch.manual_seed(0)
    sizes = {"d_embed": SIZE, "d_hidden": SIZE, "num_layers": LAYERS, "dropout": 0.0}
    config = TransformerConfig(
        src_size=VOCABULARY,
        tgt_size=VOCABULARY,
        d_model=SIZE,
        num_heads=HEADS,
        d_ff=2 * SIZE,
        num_encoder_layers=LAYERS,
        num_decoder_layers=LAYERS,
        dropout=0.0,
    )
    return {
        "Luong, input feeding": Seq2Seq(Seq2SeqConfig(VOCABULARY, VOCABULARY, **sizes)),
        "Luong, no feedback": Seq2Seq(
            Seq2SeqConfig(VOCABULARY, VOCABULARY, **sizes, input_feeding=False)
        ),
        "Transformer": Transformer(config),
    }


def translators(length: int, batch: int) -> dict[str, Run]:
    """Whole encoder–decoders over (batch, length) words."""
    torch.manual_seed(0)
    words = torch.randint(4, VOCABULARY, (batch, length))
    lengths = torch.full((batch,), length)
    return {
        name: lambda model=model: model(words, lengths, words)[0]
        for name, model in translator_models().items()
    }


def measure(runs: dict[str, Run], length: int, batch: int) -> list[dict[str, Any]]:
    """Count operators once; take the median time over rounds in which all take their turn.

    On one thread the processor's time is what the clock would show on an idle machine.
    """
    counts: dict[str, int] = {}
    for name, run in runs.items():
        with CountOperators() as counter:
            run().sum().backward()
        counts[name] = counter.count
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            started = time.process_time()
            run().sum().backward()
            seconds[name].append(time.process_time() - started)
    return [
        {
            "model": name,
            "batch": batch,
            "length": length,
            "operators": counts[name],
            "cpu_milliseconds": round(1000 * statistics.median(seconds[name]), 2),
        }
        for name in runs
    ]


def gradient_norms(length: int = 50, size: int = 32, seeds: int = 5) -> dict[str, list[float]]:
    """How fast the last state forgets, before any training: means over seeds, by distance."""
    norms: dict[str, list[float]] = {}
    for kind in (nn.RNN, nn.GRU, nn.LSTM):
        runs = []
        for seed in range(seeds):
            torch.manual_seed(seed)
            network = kind(size, size, batch_first=True).double()
            inputs = torch.randn(4, length, size, dtype=torch.double)
            runs.append(gradient_norm_by_distance(lambda x, rnn=network: rnn(x)[0], inputs))
        norms[kind.__name__] = [float(f"{x:.4g}") for x in torch.stack(runs).mean(0)]
    return norms


def main() -> None:
    """Measure everything and write the record."""
    command_line(__doc__).parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    rows: list[dict[str, Any]] = []
    for batch in BATCHES:
        for length in LENGTHS:
            if batch > 1 and length > LONGEST_IN_A_BATCH:
                continue
            for runs in (layers(length, batch), translators(length, batch)):
                rows += measure(runs, length, batch)
                print(*rows[-3:], sep="\n", flush=True)
    record = {
        "provenance": provenance(__file__),
        "size": SIZE,
        "heads": HEADS,
        "layers_of_translators": LAYERS,
        "vocabulary": VOCABULARY,
        "parameters": {
            name: sum(p.numel() for p in model.parameters())
            for name, model in translator_models().items()
        },
        "rounds": ROUNDS,
        "threads": 1,
        "load_average": [round(load, 1), round(os.getloadavg()[0], 1)],
        "sequential_operations": [
            {kind: sequential_operations(kind, n) for kind in ("recurrent", "self-attention")}
            | {"length": n}
            for n in LENGTHS
        ],
        "rows": rows,
        "gradient_norm_by_distance": gradient_norms(),
    }
    print(write_record("recurrence_cost", record))


if __name__ == "__main__":
    main()
