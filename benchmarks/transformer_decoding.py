"""Decoding with Transformers of the same size: ours against what others run.

Random weights, 32 sources of 25 words, and no end of sentence, so that all write the same number
of words. Each round runs all contestants in turn; a ratio is the median over the rounds of
peer / ours in time, which is ours / peer in words a second.

    python benchmarks/transformer_decoding.py --threads 2
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformer_peers import PEERS, Ours, Plain, TorchTransformer, sizes

from attention_lib.decoding import beam_search, greedy_decode

VOCABULARY, SOURCES, WORDS = 10_000, 32, 25


def recomputed(model: Plain | TorchTransformer, src: Tensor, length: int) -> None:
    """Write greedily and compute all words again at every step, as tutorials do."""
    mask = torch.ones_like(src, dtype=torch.bool)
    words = torch.ones(len(src), 1, dtype=torch.long)
    for _ in range(length):
        last = model.logits(src, mask, words)[:, -1]
        words = torch.cat([words, last.argmax(-1, keepdim=True)], 1)


def marian(model: nn.Module, src: Tensor, length: int, beams: int) -> None:
    """Write with transformers' generate and its cache."""
    model.model.generate(
        input_ids=src,
        attention_mask=torch.ones_like(src),
        num_beams=beams,
        do_sample=False,
        min_new_tokens=length,
        max_new_tokens=length,
    )


def ours(model: Ours, src: Tensor, length: int, beams: int) -> None:
    """Write with the library's decoders; no word has id −1, so that no sentence ends."""
    lengths = torch.full((len(src),), src.shape[1])
    ends = {"bos": 1, "eos": -1, "max_length": length}
    if beams == 1:
        greedy_decode(model.model, src, lengths, **ends)
    else:
        beam_search(model.model, src, lengths, beam_size=beams, **ends)


def x_transformers(model: nn.Module, src: Tensor, length: int) -> None:
    """Write greedily with x-transformers' modules and their cache."""
    mask = torch.ones_like(src, dtype=torch.bool)
    memory = model.encoder(src, mask=mask, return_embeddings=True)
    words, cache = torch.ones(len(src), 1, dtype=torch.long), None
    for _ in range(length):
        logits, cache = model.decoder(
            words, context=memory, context_mask=mask, cache=cache, return_intermediates=True
        )
        words = torch.cat([words, logits[:, -1].argmax(-1, keepdim=True)], 1)


def compare(
    name: str, runs: dict[str, Callable[[Tensor, int], None]], length: int, rounds: int
) -> None:
    """Print one table row a contestant."""
    src = torch.randint(4, VOCABULARY, (SOURCES, WORDS))
    times: dict[str, list[float]] = {key: [] for key in runs}
    for _ in range(rounds + 1):
        for key, run in runs.items():
            started = time.process_time()
            run(src, length)
            times[key].append(time.process_time() - started)
    for key, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(values[1:], times["ours"][1:], strict=True))
        speed = SOURCES * length / statistics.median(values[1:])
        print(f"| {name} | {length} | {key} | {speed:.0f} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lengths", nargs="*", type=int, default=[16, 64, 128])
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    config = sizes(VOCABULARY, 256, 3, 0.0)
    mine = Ours(config).eval()
    models = {name: build(config).eval() for name, build in PEERS.items()}
    greedy = {
        "ours": lambda src, n: ours(mine, src, n, 1),
        "Marian, cache": lambda src, n: marian(models["transformers' Marian"], src, n, 1),
        "x-transformers, cache": lambda src, n: x_transformers(models["x-transformers"], src, n),
        "nn.Transformer, recomputed": lambda src, n: recomputed(
            models["torch.nn.Transformer"], src, n
        ),
        "written out, recomputed": lambda src, n: recomputed(models["written out"], src, n),
    }
    beam = {
        "ours": lambda src, n: ours(mine, src, n, 5),
        "Marian, cache": lambda src, n: marian(models["transformers' Marian"], src, n, 5),
    }
    print(
        f"torch {torch.__version__}, {args.threads} threads on {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f} before; CPU time\n"
    )
    print("| search | words | | words a second | × |\n|---|---|---|---|---|")
    with torch.inference_mode():
        for length in args.lengths:
            compare("greedy", greedy, length, args.rounds)
            compare("beam 5", beam, length, args.rounds)


if __name__ == "__main__":
    main()
