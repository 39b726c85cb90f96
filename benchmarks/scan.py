"""Time of minGRU and minLSTM, all steps at once against one after the other, over the length T.

    python benchmarks/scan.py [--repeats 9] [--threads 2] [--device cpu] [--lengths 16 64 ... 16384]

One layer of N = 8 sequences, D = H = 64, float32. Each repeat times every way once, in turn, and
the ratio to the scan is taken within the repeat: what slows the machine for a while slows them
all. Printed are medians, and the range of the ratio, of a training step (forward and backward)
and of inference. On one thread of a CPU it is processor time, to which other programs add little.
torch's GRU is there for comparison: its gates see h, so it cannot be scanned.
The study `parallel` records the same on one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from step_time import processor

from rnnlib.experiments.parallel import LENGTHS, SCAN, H, N, times, ways


def main() -> None:
    """Print one table a length and pass."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
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
        for name, train in (("training step", True), ("inference", False)):
            found = times(nets, T, train, chosen.repeats, clock, chosen.device)
            print(f"\nT = {T}, {name}\n{'':20}{'ms':>9}{'of scan':>9}   range")
            for way, taken in found.items():
                ratio = [a / b for a, b in zip(taken, found[SCAN], strict=True)]
                print(
                    f"{way:20}{1e3 * statistics.median(taken):9.2f}"
                    f"{statistics.median(ratio):9.2f}   {min(ratio):.2f} to {max(ratio):.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
