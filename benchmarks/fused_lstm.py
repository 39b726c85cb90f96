"""Time of one LSTM layer, forward and backward: rnnlib.fused against a loop and against torch.

    python benchmarks/fused_lstm.py [--repeats 15] [--threads 1]

Each repeat times every way once, in turn, and the ratio to torch's LSTM in float32 is taken within
the repeat: what slows the machine for a while slows them all. Printed are medians, and the range
of the ratio. On one thread it is processor time, to which other programs add little.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from step_time import interleaved, processor
from torch import Tensor

from rnnlib import fused, layers

SIZES = [(32, 32, 256), (32, 32, 384), (64, 32, 512)]  # T, N, H
INPUTS = 66  # D: the characters of Tiny Shakespeare and one for "none"


def ways(T: int, N: int, H: int) -> dict[str, Callable[[], Tensor]]:
    """The same layer computed in five ways: hidden states of N sequences of T one-hot vectors."""
    generator = torch.Generator().manual_seed(0)
    loop = layers.LSTM(INPUTS, H, generator=generator).compute_with("cells")
    twin = loop.to_torch()
    cell = loop.cells[0]
    symbols = torch.randint(0, INPUTS, (N, T), generator=generator)
    x = torch.nn.functional.one_hot(symbols, INPUTS).float()  # (N, T, D)
    zero = torch.zeros(N, H)

    def by_hand(products: torch.dtype) -> Tensor:
        W_x, W_h, b = cell.W_x, cell.W_h, cell.b
        return fused.lstm(x.transpose(0, 1), zero, zero, W_x, W_h, b, products)[0]

    def autocast() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return twin(x)[0]

    found = {
        "loop over the cell": lambda: loop(x)[0],
        "by hand": lambda: by_hand(torch.float32),
        "by hand, bfloat16": lambda: by_hand(torch.bfloat16),
        "torch": lambda: twin(x)[0],
        "torch, bfloat16": autocast,
    }
    try:
        autocast()
    except RuntimeError:  # of a processor for which torch has no such LSTM
        del found["torch, bfloat16"]
    return found


def main() -> None:
    """Print one table a size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    clock = time.perf_counter if chosen.threads > 1 else time.process_time
    what = "processor time" if clock is time.process_time else "elapsed time"
    print(f"{processor()}; torch {torch.__version__}, {chosen.threads} thread(s), {what}")
    print(f"{INPUTS} inputs, {chosen.repeats} interleaved repeats\n")
    for T, N, H in SIZES:
        steps = {
            name: lambda states=states: states().float().square().sum().backward()
            for name, states in ways(T, N, H).items()
        }
        times = interleaved(steps, chosen.repeats, clock)
        print(f"T = {T}, N = {N}, H = {H}\n{'':24}{'ms':>9}{'of torch':>10}   range")
        for name, taken in times.items():
            ratio = [a / b for a, b in zip(taken, times["torch"], strict=True)]
            print(
                f"{name:24}{1e3 * statistics.median(taken):9.2f}"
                f"{statistics.median(ratio):10.2f}   {min(ratio):.2f} to {max(ratio):.2f}"
            )
        print(flush=True)


if __name__ == "__main__":
    main()
