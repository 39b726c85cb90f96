"""Time and memory of our layers in units of torch's: LSTM, GRU and RNN, training and inference.

    python benchmarks/layers.py [--repeats 15] [--threads 1] [--layers LSTM GRU RNN]

"fused" is what rnnlib's layers run on by themselves, "cells" the loop over the cell, by autograd.
Each repeat times torch's layer and both of ours once, in turn, and the ratio is taken within the
repeat: what slows the machine for a while slows them all. Printed are medians of the ratios, their
geometric means over the sizes at the end, and the time of torch's layer itself. On one thread it is
processor time, to which other programs add little. A training step is the forward and backward
pass of a loss over all outputs. Memory is what a first training step takes at its peak, in a
process of its own, beyond the weights and the input.
"""

from __future__ import annotations

import argparse
import functools
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable

import torch
from softmax import peak
from step_time import OURS, interleaved, processor
from torch import nn

SIZES = [  # N, T, D, H
    (64, 30, 128, 128), (128, 20, 10, 128), (128, 40, 1, 128),
    (256, 50, 128, 256), (64, 200, 128, 128),
]  # fmt: skip
KERNELS = ("torch", "cells", "fused")


def made(name: str, size: tuple[int, ...], kernel: str) -> tuple[nn.Module, torch.Tensor]:
    """A layer, torch's own or ours with a kernel, and its input."""
    N, T, D, H = size
    generator = torch.Generator().manual_seed(0)
    layer = OURS[name](D, H, generator=generator)
    x = torch.randn(N, T, D, generator=generator)
    return (layer.to_torch() if kernel == "torch" else layer.compute_with(kernel)), x


def train(layer: nn.Module, x: torch.Tensor) -> None:
    """Forwards and backwards."""
    layer.zero_grad(set_to_none=True)
    layer(x)[0].square().mean().backward()


@torch.no_grad()
def infer(layer: nn.Module, x: torch.Tensor) -> None:
    """Forwards alone."""
    layer(x)


def memory(name: str, size: tuple[int, ...], kernel: str) -> float:
    """Peak memory of one training step in MB, beyond what is there before it."""
    torch.set_num_threads(1)
    train(*made(name, (1, 2, *size[2:]), kernel))  # what a first call loads is not counted
    layer, x = made(name, size, kernel)
    before = peak()
    train(layer, x)
    return peak() - before


def geometric(values: list[float]) -> float:
    """The geometric mean."""
    return math.exp(statistics.fmean(map(math.log, values)))


def main() -> None:
    """Print one table a layer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", nargs="+", choices=list(OURS), default=list(OURS))
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    clock = time.perf_counter if chosen.threads > 1 else time.process_time
    what = "processor time" if clock is time.process_time else "elapsed time"
    print(f"{processor()}; torch {torch.__version__}, {chosen.threads} thread(s), {what}, float32")
    print(f"{chosen.repeats} interleaved repeats; ratios to torch.nn, training and inference\n")
    ways: dict[str, Callable[[nn.Module, torch.Tensor], None]] = {"train": train, "infer": infer}
    columns = [f"{way}, {kernel}" for way in ways for kernel in KERNELS[1:]]
    head = "".join(f"{column:>14}" for column in columns)
    for name in chosen.layers:
        print(f"{name:24}{head}{'torch ms':>16}   MB: {', '.join(KERNELS)}")
        ratios: dict[str, list[float]] = {column: [] for column in columns}
        for size in SIZES:
            made_of = {kernel: made(name, size, kernel) for kernel in KERNELS}
            ms = []
            for way, once in ways.items():
                steps = {k: functools.partial(once, *given) for k, given in made_of.items()}
                times = interleaved(steps, chosen.repeats, clock)
                ms.append(1e3 * statistics.median(times["torch"]))
                for kernel in KERNELS[1:]:
                    of_torch = [a / b for a, b in zip(times[kernel], times["torch"], strict=True)]
                    ratios[f"{way}, {kernel}"].append(statistics.median(of_torch))
            held = []
            for kernel in KERNELS:
                with multiprocessing.get_context("spawn").Pool(1) as one:
                    held.append(one.apply(memory, (name, size, kernel)))
            cells = "".join(f"{ratios[column][-1]:14.2f}" for column in columns)
            MB = ", ".join(f"{value:.0f}" for value in held)
            print(f"{size!s:24}{cells}{ms[0]:8.1f}{ms[1]:8.1f}   {MB}", flush=True)
        means = "".join(f"{geometric(ratios[column]):14.2f}" for column in columns)
        print(f"{'geometric mean':24}{means}\n", flush=True)


if __name__ == "__main__":
    main()
