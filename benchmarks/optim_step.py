"""Time of one step of each optimiser: rnnlib's against the same one of torch.

    python benchmarks/optim_step.py [--repeats 30] [--steps 20]

Torch runs its loop over the weights (``foreach=False``), as rnnlib does.
Both move copies of the same weights by the same gradients. Each repeat times both, the first of
them in turn, and the ratio is taken within the repeat: what slows the machine for a while slows
both. Printed are medians, and the range of the ratio. It is processor time of one thread, to which
other programs add little.
"""

from __future__ import annotations

import argparse
import copy
import platform
import statistics
import time
from typing import Any

import torch
from torch import nn

from rnnlib import optim

SIZES = [(10, 128, 1), (128, 512, 2)]  # D, H, layers
METHODS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("Adagrad", {}),
    ("Adadelta", {}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True, "momentum": 0.9}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.01}),
    ("AdamW", {}),
]


def with_gradients(lstm: nn.Module) -> nn.Module:
    """A copy of a layer that has gradients, the same for each copy."""
    one = copy.deepcopy(lstm)
    generator = torch.Generator().manual_seed(0)
    for w in one.parameters():
        w.grad = 0.01 * torch.randn(w.shape, generator=generator)
    return one


def seconds(optimizer: torch.optim.Optimizer, steps: int) -> float:
    """Processor time of one step, as the mean of a few."""
    start = time.process_time()
    for _ in range(steps):
        optimizer.step()
    return (time.process_time() - start) / steps


def main() -> None:
    """Print one table a size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--steps", type=int, default=20)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # the same gradient for ever lets some averages underflow
    print(f"{platform.machine()}; torch {torch.__version__}, 1 thread, processor time, float32")
    print(f"{chosen.repeats} interleaved repeats of {chosen.steps} steps\n")
    for D, H, layers in SIZES:
        lstm = nn.LSTM(D, H, layers)
        print(f"LSTM({D}, {H}), {layers} layer(s), {sum(w.numel() for w in lstm.parameters()):,}")
        print(f"{'method':44}{'ours, us':>10}{'torch, us':>10}{'ratio':>7}   range")
        for name, settings in METHODS:
            ours = getattr(optim, name)(with_gradients(lstm).parameters(), **settings)
            torchs = getattr(torch.optim, name)(
                with_gradients(lstm).parameters(), **settings, foreach=False
            )
            for one in (ours, torchs):
                seconds(one, 2)  # does not count
            times: dict[Any, list[float]] = {ours: [], torchs: []}
            for repeat in range(chosen.repeats):
                for one in (ours, torchs) if repeat % 2 else (torchs, ours):
                    times[one].append(seconds(one, chosen.steps))
            ratios = [a / b for a, b in zip(times[ours], times[torchs], strict=True)]
            label = ", ".join([name, *(f"{k}={v}" for k, v in settings.items())])
            print(
                f"{label:44}{1e6 * statistics.median(times[ours]):10.0f}"
                f"{1e6 * statistics.median(times[torchs]):10.0f}{statistics.median(ratios):7.2f}   "
                f"{min(ratios):.2f} to {max(ratios):.2f}",
                flush=True,
            )
        print()


if __name__ == "__main__":
    main()
