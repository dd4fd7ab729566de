"""Decoding with Transformers of the same size: ours against what others run.

Random weights, 32 sources of 25 words, and no end of sentence, so that all write the same number
of words. Each round runs all contestants in turn; a ratio is the median over the rounds of
peer / ours in time, which is ours / peer in words a second. The last row, "matrix products alone",
is no contestant: the decoder's products with the same matrices, which nobody can leave out, and
nothing else. A peer's ratio divided by its own is what a decoder could gain on that peer at best.

    python benchmarks/transformer_decoding.py --threads 2
"""

import argparse
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
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


def products(model: Ours, length: int, beams: int) -> None:
    """Multiply with every matrix of the decoder, once a step."""
    matrices = [model.model.output.weight]
    for layer in model.model.decoder_layers:
        crosses = layer.cross_attention
        matrices += [layer.self_attention.in_proj_weight, layer.self_attention.out_proj.weight]
        matrices += [crosses.in_proj_weight[: crosses.d_model], crosses.out_proj.weight]
        matrices += [layer.feed_forward.inner.weight, layer.feed_forward.outer.weight]
    inputs = {matrix.shape[1]: torch.randn(SOURCES * beams, matrix.shape[1]) for matrix in matrices}
    for _ in range(length):
        for matrix in matrices:
            F.linear(inputs[matrix.shape[1]], matrix)


def compare(
    name: str, runs: dict[str, Callable[[Tensor, int], None]], length: int, rounds: int
) -> None:
    """Print one table row a contestant."""
    src = torch.randint(4, VOCABULARY, (SOURCES, WORDS))
    wall, cpu = defaultdict(list), defaultdict(list)
    for _ in range(rounds + 1):
        for key, run in runs.items():
            started, used = time.perf_counter(), time.process_time()
            run(src, length)
            wall[key].append(time.perf_counter() - started)
            cpu[key].append(time.process_time() - used)
    for key in runs:
        ratios = (
            statistics.median(a / b for a, b in zip(times[key][1:], times["ours"][1:], strict=True))
            for times in (wall, cpu)
        )
        speed = SOURCES * length / statistics.median(wall[key][1:])
        figures = " | ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"| {name} | {length} | {key} | {speed:.0f} | {figures} |", flush=True)


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
        "matrix products alone": lambda src, n: products(mine, n, 5),
    }
    print(
        f"torch {torch.__version__}, {args.threads} threads on {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f} before\n"
    )
    print("| search | words | | words a second | × | × in CPU time |\n|---|---|---|---|---|---|")
    with torch.inference_mode():
        for length in args.lengths:
            compare("greedy", greedy, length, args.rounds)
            compare("beam 5", beam, length, args.rounds)
    print(f"\nload after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
