"""Time of one training step, forward and backward, for RNN, LSTM and GRU.

    python benchmarks/step_time.py [--repeats 15] [--threads 1] [--device cpu]

Each repeat times every layer once, in turn, and the ratio to the LSTM is taken within the repeat:
what slows the machine for a while slows them all. Printed are medians, and the range of the ratio.
On one thread of a CPU it is processor time, to which other programs add little.
rnnlib's layers, as a loop over the cell's equations ("cells") and with the backward pass by hand
("fused"), and torch's own are timed, at equal hidden size H and at the LSTM's number of
parameters. On a CPU torch's LSTM uses a kernel of oneDNN that its GRU lacks, so torch is timed
without oneDNN as well.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator

import torch
from torch import nn

from rnnlib import layers

OURS: dict[str, type[layers.Convertible]] = {
    "RNN": layers.RNN,
    "LSTM": layers.LSTM,
    "GRU": layers.GRU,
}
SIZES = [(32, 30, 64), (128, 30, 128), (128, 100, 128), (64, 30, 512)]  # N, T, H
INPUTS = 10  # D


def parameters(layer: nn.Module) -> int:
    """How many numbers a layer learns."""
    return sum(w.numel() for w in layer.parameters())


def equal_size(kind: type[layers.Recurrent], wanted: int) -> int:
    """The hidden size at which a layer's number of parameters is nearest to ``wanted``."""
    return min(range(1, 4096), key=lambda H: abs(count(kind, H) - wanted))


def count(kind: type[layers.Recurrent], H: int) -> int:
    """Parameters of one of our layers with ``INPUTS`` inputs, by formula."""
    gates = kind.cell_class.gates
    return gates * (INPUTS * H + H * H + H) + (H if kind is layers.GRU else 0)


def step(layer: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    """One forward and backward pass, with a loss that reads the last state."""

    def once() -> None:
        layer.zero_grad(set_to_none=True)
        layer(x)[0][:, -1].square().sum().backward()
        if x.is_cuda:
            torch.cuda.synchronize()

    return once


def seconds(once: Callable[[], None], clock: Callable[[], float]) -> float:
    """How long one call takes."""
    start = clock()
    once()
    return clock() - start


def interleaved(
    steps: dict[str, Callable[[], None]], repeats: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds of each step, once in each repeat, after two calls that do not count."""
    for once in [*steps.values()] * 2:
        once()
    rounds = [{name: seconds(once, clock) for name, once in steps.items()} for _ in range(repeats)]
    return {name: [one[name] for one in rounds] for name in steps}


@contextlib.contextmanager
def one_dnn(enabled: bool) -> Iterator[None]:
    """torch with or without oneDNN; setting it makes torch warn of settings for GPUs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.backends.mkldnn.flags(enabled=enabled):
            yield


def main() -> None:
    """Print one table a size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    cuda = chosen.device.startswith("cuda")
    device = torch.cuda.get_device_name(chosen.device) if cuda else processor()
    print(f"{device}; torch {torch.__version__}, {chosen.threads} thread(s)")
    clock = time.perf_counter if cuda or chosen.threads > 1 else time.process_time
    what = "processor time" if clock is time.process_time else "elapsed time"
    print(f"{what}, float32, {INPUTS} inputs, {chosen.repeats} interleaved repeats\n")
    for N, T, H in SIZES:
        x = torch.randn(N, T, INPUTS, device=chosen.device)
        wanted = count(layers.LSTM, H)
        sizes = {f"{name}, same H": (kind, H) for name, kind in OURS.items()}
        sizes |= {
            f"{name}, same parameters": (OURS[name], equal_size(OURS[name], wanted))
            for name in ("RNN", "GRU")
        }
        print(f"N = {N}, T = {T}, H = {H}")
        print(f"{'layer':24}{'H':>5}{'parameters':>12}{'ms':>9}{'of LSTM':>9}   range")
        for library in ("cells", "fused", "torch", "torch without oneDNN")[: 3 if cuda else 4]:
            nets = {
                name: kind(INPUTS, size).to(chosen.device) for name, (kind, size) in sizes.items()
            }
            made = {
                name: net.to_torch() if library.startswith("torch") else net.compute_with(library)
                for name, net in nets.items()
            }
            steps = {name: step(net, x) for name, net in made.items()}
            with one_dnn(enabled=library != "torch without oneDNN"):
                times = interleaved(steps, chosen.repeats, clock)
            for name, taken in times.items():
                ratio = [a / b for a, b in zip(taken, times["LSTM, same H"], strict=True)]
                print(
                    f"{name:24}{nets[name].hidden_size:5}{parameters(made[name]):12,}"
                    f"{1e3 * statistics.median(taken):9.2f}{statistics.median(ratio):9.2f}   "
                    f"{min(ratio):.2f} to {max(ratio):.2f}  {library}"
                )
        print(flush=True)


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(one.split(":")[1].strip() for one in lines if one.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
