"""Time and memory of a readout over many words: loss and gradients, by autograd, by hand, adaptive.

    python benchmarks/softmax.py [--repeats 9] [--threads 2] [--words 8000 33278 1000000]

700 states of 200 numbers, as a window of WikiText-2 gives them; words are as frequent as Zipf's law
has it. Each repeat times every way once, in turn; printed are the medians. Memory is what a first
step takes, beyond the weights, at its peak, in a process of its own. A readout that would need
more than --gigabytes is not run, and its arithmetic is printed in its place.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from step_time import interleaved, processor
from torch import Tensor, nn

from rnnlib import fused

N, H = 700, 200
ADAPTIVE = "adaptive (torch)"


def ways(K: int) -> dict[str, Callable[[], None]]:
    """A step of each way over K words: the loss and all gradients."""
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(N, H, generator=generator).mul_(0.2).requires_grad_()
    frequency = 1 / torch.arange(3.0, K + 3)  # Zipf, Mandelbrot's form
    places = torch.rand(N, generator=generator) * frequency.sum()
    y = torch.searchsorted(frequency.cumsum(0), places).clamp_(max=K - 1)  # (N,)

    def full(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
        W = torch.empty(K, H).uniform_(-0.1, 0.1, generator=generator).requires_grad_()
        b = torch.zeros(K, requires_grad=True)
        return lambda: take(loss(W, b), [h, W, b])

    def adaptive() -> Callable[[], None]:
        torch.manual_seed(0)
        layer = nn.AdaptiveLogSoftmaxWithLoss(H, K, [K // 16, K // 4])
        return lambda: take(layer(h, y).loss, [h, *layer.parameters()])

    return {
        "autograd": lambda: full(
            lambda W, b: nn.functional.cross_entropy(nn.functional.linear(h, W, b), y)
        ),
        "by hand": lambda: full(lambda W, b: fused.cross_entropy(h, W, b, y)),
        "by hand, bfloat16": lambda: full(
            lambda W, b: fused.cross_entropy(h, W, b, y, torch.bfloat16)
        ),
        ADAPTIVE: adaptive,
    }


def take(loss: Tensor, weights: list[Tensor]) -> None:
    """Compute the gradients, and forget them."""
    torch.autograd.grad(loss, weights)


def memory(K: int, name: str) -> float:
    """Peak memory of one step in MB, beyond what is there before it."""
    step = ways(K)[name]()
    before = peak()
    step()
    return peak() - before


def peak() -> float:
    """The most memory that this process has held, in MB; only Linux tells."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return math.nan
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def main() -> None:
    """Print one table a size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--words", type=int, nargs="+", default=[8000, 33_278, 1_000_000])
    parser.add_argument("--gigabytes", type=float, default=4.0)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    print(f"{processor()}; torch {torch.__version__}, {chosen.threads} thread(s)")
    print(f"{N} states of {H} numbers, {chosen.repeats} interleaved repeats")
    for K in chosen.words:
        logits = 4e-9 * N * K  # gigabytes of one (N, K) tensor
        print(f"\n{K:,} words\n{'':20}{'ms':>9}{'processor ms':>14}{'MB':>9}")
        fits = {
            n: way for n, way in ways(K).items() if n == ADAPTIVE or 3 * logits < chosen.gigabytes
        }
        steps = {name: way() for name, way in fits.items()}
        elapsed = interleaved(steps, chosen.repeats, time.perf_counter)
        spent = interleaved(steps, chosen.repeats, time.process_time)
        del steps
        context = multiprocessing.get_context("spawn")
        for name in fits:
            with context.Pool(1) as one:
                held = one.apply(memory, (K, name))
            ms = [1e3 * statistics.median(taken[name]) for taken in (elapsed, spent)]
            print(f"{name:20}{ms[0]:9.0f}{ms[1]:14.0f}{held:9.0f}", flush=True)
        if len(fits) == 1:
            print(
                f"a softmax over all: {6e-12 * N * K * H:.1f} Tflop a step, logits of "
                f"{logits:.1f} GB, weights of {4e-9 * K * H:.1f} GB"
            )


if __name__ == "__main__":
    main()
