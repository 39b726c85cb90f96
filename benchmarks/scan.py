"""Time of minGRU and minLSTM, all steps at once against one after the other, over the length T.

    python benchmarks/scan.py [--repeats 9] [--threads 2] [--device cpu] [--lengths 16 64 ... 4096]

One layer of N = 8 sequences, D = H = 64, float32. Each repeat times every way once, in turn, and
the ratio to the scan is taken within the repeat: what slows the machine for a while slows them
all. Printed are medians, and the range of the ratio, of a training step (forward and backward)
and of inference. On one thread of a CPU it is processor time, to which other programs add little.
torch's GRU is there for comparison: its gates see h, so it cannot be scanned.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from step_time import interleaved, processor
from torch import nn

from rnnlib import layers

N, H = 8, 64
SCAN = "minGRU, scan"


def ways(device: str) -> dict[str, nn.Module]:
    """The layers, with random weights."""
    generator = torch.Generator().manual_seed(0)
    found: dict[str, nn.Module] = {}
    for kind, name in ((layers.MinGRU, "minGRU"), (layers.MinLSTM, "minLSTM")):
        for method in ("scan", "log scan", "loop"):
            found[f"{name}, {method}"] = kind(H, H, method=method, generator=generator)
    found["torch's GRU"] = nn.GRU(H, H, batch_first=True)
    return {name: layer.to(device) for name, layer in found.items()}


def training(layer: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """One forward and backward pass, with a loss that reads every step."""

    def once() -> None:
        layer.zero_grad(set_to_none=True)
        layer(x)[0].square().sum().backward()
        wait(x)

    return once


def inference(layer: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """One forward pass."""

    def once() -> None:
        with torch.no_grad():
            layer(x)
        wait(x)

    return once


def wait(x: torch.Tensor) -> None:
    """Until a GPU has done its work."""
    if x.is_cuda:
        torch.cuda.synchronize()


def main() -> None:
    """Print one table a length and pass."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 64, 256, 1024, 4096])
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    cuda = chosen.device.startswith("cuda")
    device = torch.cuda.get_device_name(chosen.device) if cuda else processor()
    clock = time.perf_counter if cuda or chosen.threads > 1 else time.process_time
    what = "processor time" if clock is time.process_time else "elapsed time"
    print(f"{device}; torch {torch.__version__}, {chosen.threads} thread(s), {what}")
    print(f"N = {N}, D = H = {H}, float32, {chosen.repeats} interleaved repeats")
    nets = ways(chosen.device)
    for T in chosen.lengths:
        x = torch.randn(N, T, H, generator=torch.Generator().manual_seed(1)).to(chosen.device)
        for name, one_pass in (("training step", training), ("inference", inference)):
            steps = {way: one_pass(net, x) for way, net in nets.items()}
            times = interleaved(steps, chosen.repeats, clock)
            print(f"\nT = {T}, {name}\n{'':20}{'ms':>9}{'of scan':>9}   range")
            for way, taken in times.items():
                ratio = [a / b for a, b in zip(taken, times[SCAN], strict=True)]
                print(
                    f"{way:20}{1e3 * statistics.median(taken):9.2f}"
                    f"{statistics.median(ratio):9.2f}   {min(ratio):.2f} to {max(ratio):.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
