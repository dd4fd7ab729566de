"""Time and peak memory of attention, forward and backward, by length.

    python benchmarks/attention_memory.py --threads 2

Each peak is measured in a process of its own: how far the resident memory rises above what the
inputs hold (on CUDA: what the allocator hands out above them). Times are taken in one process a
length, each round running all contestants once; a ratio is the median over the rounds of written
out / contestant. Writes _build/benchmarks/attention_memory.json.
"""

import argparse
import ctypes
import json
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from attention_lib.attention import fused_attention, scaled_dot_product_attention
from attention_lib.efficient import sliding_window_attention, tiled_attention
from attention_lib.masks import causal_mask

sys.path.append(str(Path(__file__).resolve().parent.parent / "experiments"))
from provenance import ROOT, provenance

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
BATCH, HEADS, HEAD_DIM, WINDOW = 1, 8, 64, 128
LENGTHS = (128, 256, 512, 1024, 2048, 4096, 8192)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ATTENTIONS: dict[str, Attention] = {
    "written out": lambda q, k, v: scaled_dot_product_attention(q, k, v)[0],
    "tiled": tiled_attention,
    "fused": fused_attention,
    "written out, causal": lambda q, k, v: scaled_dot_product_attention(
        q, k, v, causal_mask(q.shape[-2], device=q.device)
    )[0],
    "tiled, causal": lambda q, k, v: tiled_attention(q, k, v, causal=True),
    "fused, causal": lambda q, k, v: fused_attention(q, k, v, causal=True),
    f"window of {WINDOW}, causal": lambda q, k, v: sliding_window_attention(
        q, k, v, WINDOW, causal=True
    ),
}


def zero_of(name: str) -> str:
    """Name the written-out form that a contestant is compared with."""
    return "written out, causal" if name.endswith("causal") else "written out"


def step(attention: Attention, length: int) -> Callable[[], None]:
    """Make one forward and backward pass over fixed random inputs."""
    torch.manual_seed(0)
    # As multi-head attention hands them over: a view of what a projection has written.
    shape = (BATCH, length, HEADS, HEAD_DIM)
    query, key, value, grad = (torch.randn(shape, device=DEVICE).transpose(1, 2) for _ in range(4))
    inputs = [tensor.requires_grad_() for tensor in (query, key, value)]

    def run() -> None:
        torch.autograd.grad(attention(*inputs), inputs, grad)
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    return run


def peak_bytes(name: str, length: int, threads: int) -> int:
    """Measure how far memory rises above the inputs (to be called in a fresh process)."""
    torch.set_num_threads(threads)
    # The first step loads the kernels and starts the threads; what it leaves goes back.
    step(ATTENTIONS[name], 512)()
    if DEVICE == "cpu":
        ctypes.CDLL(None).malloc_trim(0)
    run = step(ATTENTIONS[name], length)
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return torch.cuda.max_memory_allocated() - before
    # Importing torch has taken more than is held now: forget that peak.
    Path("/proc/self/clear_refs").write_text("5")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run()
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def seconds(names: list[str], length: int, rounds: int, threads: int) -> dict[str, list[float]]:
    """Time the contestants in turn, ``rounds`` times after one that does not count."""
    torch.set_num_threads(threads)
    steps = {name: step(ATTENTIONS[name], length) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds + 1):
        for name, run in steps.items():
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return {name: taken[1:] for name, taken in times.items()}


def fits(name: str, length: int) -> bool:
    """Whether the written-out form's five matrices of weights leave half the memory free."""
    if DEVICE == "cuda":
        free = torch.cuda.mem_get_info()[0]
    else:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return name != zero_of(name) or 5 * 4 * BATCH * HEADS * length**2 < free / 2


def measure(length: int, rounds: int, threads: int) -> list[dict[str, Any]]:
    """Measure all contestants at one length; ratios are written out / contestant."""
    names = [name for name in ATTENTIONS if fits(name, length)]
    # A fresh process for every task, so that none inherits another's peak.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        times = pool.apply(seconds, (names, length, rounds, threads))
        peaks = {name: pool.apply(peak_bytes, (name, length, threads)) for name in names}
    rows = []
    for name in names:
        row = {
            "attention": name,
            "length": length,
            "milliseconds": round(1e3 * statistics.median(times[name]), 3),
            "megabytes": round(peaks[name] / 1e6, 3),
        }
        zero = zero_of(name)
        if zero in names:
            pairs = zip(times[zero], times[name], strict=True)
            row["times_faster"] = round(statistics.median(a / b for a, b in pairs), 3)
            row["times_smaller"] = round(peaks[zero] / max(peaks[name], 1), 3)
        rows.append(row)
    return rows


def main() -> None:
    """Print a Markdown table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    args = parser.parse_args()
    record: dict[str, Any] = {
        "provenance": provenance(__file__),
        "setting": {"batch": BATCH, "num_heads": HEADS, "head_dim": HEAD_DIM, "dtype": "float32",
                    "threads": args.threads, "rounds": args.rounds,
                    "load_before": os.getloadavg()[0]},
        "rows": [],
    }  # fmt: skip
    print("| length | attention | ms | MB | × faster | × smaller |\n|---|---|---|---|---|---|")
    for length in args.lengths:
        for row in measure(length, args.rounds, args.threads):
            record["rows"].append(row)
            ratios = f"{row.get('times_faster', '')} | {row.get('times_smaller', '')}"
            figures = f"{row['milliseconds']} | {row['megabytes']} | {ratios}"
            print(f"| {length} | {row['attention']} | {figures} |", flush=True)
    record["setting"]["load_after"] = os.getloadavg()[0]
    path = ROOT / "_build" / "benchmarks" / "attention_memory.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
