"""Recurrences without the wait: what do minGRU and minLSTM gain in time, and what do they lose?

Parts, a record each, data/results/parallel_PART.json unless --name says otherwise:

parity        is the number of ones odd? asked after every bit
permutations  five things change places: where is each? asked after every swap
palindromes   the last digit from the 50 before; chrono and zero biases
adding        the sum of two marked numbers among 200
times         milliseconds of a training step and of inference, over the length T

minGRU and minLSTM with one and two layers stand beside a GRU and an LSTM with one. The signed
minGRU has $1 - 2z$ where a minGRU has $1 - z$, so that what it keeps may change its sign. The
recurrent blocks of LSTM and GRU are orthogonal, all else starts at torch's default but for
the biases that a part names. torch's kernels compute LSTM and GRU.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import time
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn

from rnnlib import cells, init, layers, scan, tasks, training
from rnnlib.experiments import palindrome
from rnnlib.experiments.study import Settings, means, not_lost, run_study
from rnnlib.layers.minimal import Minimal


class SignedMinGRUCell(cells.MinGRUCell):
    r"""minGRU with a factor in (-1, 1): $h_t = (1 - 2 z_t) \odot h_{t-1} + z_t \odot n_t$."""

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (..., D) -> a = 1 - 2z and b = z n, (..., H) each."""
        a, b = super().coefficients(x)
        return 2 * a - 1, b

    def log_coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """There are none: a factor below zero has no logarithm."""
        raise NotImplementedError("a factor below zero has no logarithm")


class GatesAtOnce(layers.MinGRU):
    """A minGRU that computes all gates in one product, and then its states in a loop."""

    def over_one(self, cell: cells.Cell, x: Tensor, state: Any, **along: Tensor) -> Any:
        """One cell over all steps: x (N, T, D), h_0 (N, H) -> h (N, T, H), h_T (N, H)."""
        h = scan.sequential(*cast(cells.MinGRUCell, cell).coefficients(x), state)
        return h, h[:, -1]


class SignedMinGRU(Minimal):
    """``SignedMinGRUCell`` over time and depth."""

    cell_class = SignedMinGRUCell


CELLS: dict[str, type[layers.Recurrent]] = {
    "minGRU": layers.MinGRU, "minLSTM": layers.MinLSTM, "signed minGRU": SignedMinGRU,
    "GRU": layers.GRU, "LSTM": layers.LSTM,
}  # fmt: skip
CHRONO: dict[str, Callable[[Tensor, int, Generator], Tensor]] = {
    "minGRU": init.chrono_min_gru_, "minLSTM": init.chrono_min_lstm_,
    "GRU": init.chrono_gru_, "LSTM": init.chrono_,
}  # fmt: skip
#   inputs, then the readout's shape: classes, or one number
SIZES: dict[str, tuple[int, tuple[int, ...]]] = {
    "parity": (2, (2,)), "permutations": (10, (5, 5)), "palindromes": (10, (10,)),
    "adding": (2, ()),
}  # fmt: skip
DRAWS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "parity": functools.partial(tasks.parity, one_hot=True),
    "permutations": tasks.permutations,
    "palindromes": functools.partial(tasks.palindromes, one_hot=True),
    "adding": tasks.adding,
}
TRACKING = ("parity", "permutations")  # asked after every step
FRESH = 1024  # sequences of the test
LONGER = 8  # times the trained length, in the test of what is asked after every step
WINDOW = 100  # steps over which adding's loss is averaged
SOLVED = 0.01  # of the trivial answer's loss, for adding


class Reader(nn.Module):
    """Recurrent layers and a linear readout, of every step or of the last."""

    def __init__(
        self, task: str, cell: str, depth: int, hidden: int, bias: str, T: int, generator: Generator
    ):
        super().__init__()
        inputs, self.shape = SIZES[task]
        self.every = task in TRACKING
        self.rnn = CELLS[cell](inputs, hidden, depth, generator=generator)
        for one in self.rnn.cells:
            if isinstance(self.rnn, layers.Convertible):
                init.orthogonal_(one.W_h.data, generator, blocks=one.gates)
            if bias != "uniform":
                for name, b in one.named_parameters():
                    if name.startswith("b"):
                        b.data.zero_()
            if bias == "chrono":
                CHRONO[cell](one.b.data, T, generator)
        if isinstance(self.rnn, layers.Convertible):
            self.rnn.compute_with("torch")
        self.readout = nn.Linear(hidden, torch.Size(self.shape).numel())
        for weight in self.readout.parameters():
            init.uniform_(weight, hidden**-0.5, generator)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T, D) -> logits (N, T, *shape) or (N, *shape); for adding sums (N,)."""
        h, _ = self.rnn(x)  # (N, T, H)
        return self.readout(h if self.every else h[:, -1]).unflatten(-1, self.shape or (1,))


def loss_fn(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, training.Metrics]:
    """Mean squared error, or cross-entropy in nats and the share of right answers.

    An answer about five things is right if all five are.
    """
    x, y = batch
    p = model(x)
    if y.is_floating_point():
        return nn.functional.mse_loss(p[:, 0], y), {}
    loss = nn.functional.cross_entropy(p.flatten(0, -2), y.flatten())
    return loss, {"accuracy": right(p, y).float().mean().item()}


def right(p: Tensor, y: Tensor) -> Tensor:
    """Logits p (..., K), labels y (...) -> is the answer right? Of (N, T, 5): are all five?"""
    same = p.argmax(dim=-1) == y
    return same.all(dim=-1) if y.ndim == 3 else same


def run(
    *, task: str, cell: str, layers: int, bias: str, T: int, hidden: int, batch: int, lr: float,
    clip: float, steps: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """One run; every random number comes from ``seed``."""
    generator = Generator().manual_seed(seed)
    model = Reader(task, cell, layers, hidden, bias, T, generator)
    enough = SOLVED * tasks.adding_baseline()

    def solved(history: training.History) -> bool:
        if task != "adding":
            return palindrome.solved(history)
        last = history.loss[-WINDOW:]
        return len(last) == WINDOW and sum(last) / WINDOW < enough

    history = training.train(
        model, tasks.Batches(DRAWS[task], 1_000 + seed, T=T, N=batch), loss_fn,
        torch.optim.Adam(model.parameters(), lr=lr), steps, clip_norm=clip, stop_when=solved,
    )  # fmt: skip
    found = {
        "steps": history.steps,
        "solved": history.stopped == "stop_when",
        "loss_per_100_steps": means(history.loss, 100, 6),
    }
    return found | fresh(model, task, T, Generator().manual_seed(1_000_000 + seed))


@torch.no_grad()
def fresh(model: nn.Module, task: str, T: int, generator: Generator) -> dict[str, Any]:
    """Loss and accuracy on ``FRESH`` sequences of length T, where asked for also on longer ones.

    "accuracy_by_step": after the steps 1, 2, ..., ``LONGER`` T, the share of right answers.
    """
    loss, metrics = loss_fn(model, DRAWS[task](T, FRESH, generator))
    found: dict[str, Any] = {"test_loss": loss.item(), **metrics}
    if task in TRACKING:
        x, y = DRAWS[task](LONGER * T, FRESH, generator)
        share = right(model(x), y).float().mean(dim=0)  # (8T,)
        found["accuracy_by_step"] = [round(v, 4) for v in share.tolist()]
    return found


# ---- time over the length -----------------------------------------------------------------------

N, H = 8, 64
SCAN = "minGRU, scan"
LENGTHS = [16, 64, 256, 1024, 4096, 16_384]


def ways(device: str) -> dict[str, nn.Module]:
    """The layers whose times are taken; those of one cell have the same weights."""

    def drawn(kind: type[Minimal], method: str = "scan") -> nn.Module:
        return kind(H, H, method=method, generator=Generator().manual_seed(0))

    found: dict[str, nn.Module] = {}
    for kind, name in ((layers.MinGRU, "minGRU"), (layers.MinLSTM, "minLSTM")):
        for method in ("scan", "log scan", "loop"):
            found[f"{name}, {method}"] = drawn(kind, method)
    found["minGRU, gates at once"] = drawn(GatesAtOnce)
    found["torch's GRU"] = nn.GRU(H, H, batch_first=True)
    return {name: layer.to(device) for name, layer in found.items()}


def one_pass(layer: nn.Module, x: Tensor, train: bool) -> None:
    """A training step, with a loss that reads every step of x, or inference."""
    if train:
        layer.zero_grad(set_to_none=True)
        layer(x)[0].square().sum().backward()
    else:
        with torch.no_grad():
            layer(x)
    if x.is_cuda:
        torch.cuda.synchronize()


def times(
    nets: dict[str, nn.Module], T: int, train: bool, repeats: int, clock: Callable[[], float],
    device: str = "cpu",
) -> dict[str, list[float]]:  # fmt: skip
    """Seconds of one pass over T steps, each way once in each repeat, the first left out."""
    x = torch.randn(N, T, H, generator=Generator().manual_seed(1)).to(device)
    found: dict[str, list[float]] = {name: [] for name in nets}
    for _ in range(repeats + 1):
        for name, layer in nets.items():
            start = clock()
            one_pass(layer, x, train)
            found[name].append(clock() - start)
    return {name: seconds[1:] for name, seconds in found.items()}


def time_it(*, T: int, train: bool, repeats: int, seed: int) -> dict[str, Any]:
    """Milliseconds of processor time on one thread, a list a way; the seed changes nothing."""
    torch.set_num_threads(1)
    found = times(ways("cpu"), T, train, repeats, time.process_time)
    return {
        "milliseconds": {way: [round(1e3 * s, 3) for s in taken] for way, taken in found.items()}
    }


# ---- the study ----------------------------------------------------------------------------------

#   what the runs of a part share
PARTS: dict[str, Settings] = {
    "parity": {"T": 32, "bias": "uniform", "lr": 4e-3, "steps": 3000},
    "permutations": {"T": 16, "bias": "uniform", "lr": 4e-3, "steps": 5000},
    "palindromes": {"T": 51, "bias": "chrono", "lr": 4e-3, "steps": 2000},
    "adding": {"T": 200, "bias": "chrono", "lr": 2e-3, "steps": 3000},
    "times": {},
}
ALL: Settings = {"hidden": 64, "batch": 32, "clip": 1.0}
MINIMAL = [("minGRU", 1), ("minGRU", 2), ("minLSTM", 1), ("minLSTM", 2)]
SIGNED = [("signed minGRU", 1), ("signed minGRU", 2)]
GATED = [("GRU", 1), ("LSTM", 1)]


def plan(part: str, seeds: int) -> list[Settings]:
    """The settings of each run of a part."""
    if part == "times":
        return [
            {"T": T, "train": train, "repeats": 5, "seed": 0}
            for T, train in itertools.product(LENGTHS, (True, False))
        ]
    nets = MINIMAL + (SIGNED if part in TRACKING else []) + GATED
    runs = [
        {"task": part, "cell": cell, "layers": depth, "seed": seed} | ALL | PARTS[part]
        for seed, (cell, depth) in itertools.product(range(seeds), nets)
    ]
    if part == "palindromes":
        runs += [r | {"bias": "zero"} for r in runs if (r["cell"], r["layers"]) in MINIMAL]
    return runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--steps", type=int, help="at most, other than the part's own, for a trial")


def main(chosen: argparse.Namespace) -> None:
    """Run the parts one after the other."""
    asked = {"steps": chosen.steps} if chosen.steps else {}
    parts = {
        part: [s | (asked if "steps" in s else {}) for s in plan(part, chosen.seeds)]
        for part in chosen.parts
    }
    for part, settings in parts.items():  # before an hour of the first
        not_lost(f"{chosen.name}_{part}", settings)
    for part, settings in parts.items():
        one = time_it if part == "times" else run
        run_study(f"{chosen.name}_{part}", cast(Any, one), settings, chosen.workers)
