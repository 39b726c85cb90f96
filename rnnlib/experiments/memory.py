"""The adding and the copy problem over long gaps: which cell gets below the trivial answer?

One run trains a cell until the mean loss of 100 steps is a hundredth of the trivial answer's,
or to the last step. It trains torch's twin of our cell (`to_torch`), which gives the same
numbers: at 64 hidden units its compiled loop is several times faster.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import torch
from torch import Tensor, nn

from rnnlib import init, layers, tasks, training
from rnnlib.experiments.study import means, not_lost, run_study

#   cell, bias; the recurrent weights are orthogonal, all other biases zero
VARIANTS = {
    "rnn orthogonal": ("rnn", "zero"),
    "lstm bias 0": ("lstm", "zero"),
    "lstm bias 1": ("lstm", "one"),
    "lstm chrono": ("lstm", "chrono"),
    "gru": ("gru", "zero"),
}
CELLS = {"rnn": layers.RNN, "lstm": layers.LSTM, "gru": layers.GRU}
SIZES = {"adding": (2, 1), "copy": (10, 9)}  # inputs, outputs
WINDOW = 100  # steps over which the loss is averaged
SOLVED = 0.01  # of the trivial answer's loss
TEST_SIZE = 1000


class Reader(nn.Module):
    """A recurrent layer and a linear readout: of the last step (adding), or of all (copy)."""

    def __init__(self, task: str, variant: str, T: int, hidden: int, generator: torch.Generator):
        super().__init__()
        inputs, outputs = SIZES[task]
        cell, bias = VARIANTS[variant]
        rnn = CELLS[cell](inputs, hidden, generator=generator)
        (one,) = rnn.cells
        init.orthogonal_(one.W_h.data, generator, blocks=one.gates)
        for name, b in one.named_parameters():
            if name.startswith("b"):
                b.data.zero_()
        if bias == "one":
            init.forget_bias_(one.b.data, 1.0)
        if bias == "chrono":
            init.chrono_(one.b.data, T, generator)
        self.task = task
        self.rnn = rnn.to_torch()
        self.readout = nn.Linear(hidden, outputs)
        for weight in self.readout.parameters():
            init.uniform_(weight, hidden**-0.5, generator)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T, D) -> sums (N,) for adding, logits (N, T, K) for copy."""
        h, _ = self.rnn(x)  # (N, T, H)
        return self.readout(h[:, -1])[:, 0] if self.task == "adding" else self.readout(h)


def loss_fn(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, training.Metrics]:
    """Mean squared error of the sums, or cross-entropy a step in nats, for a ``Reader``."""
    x, y = batch
    p = model(x)
    if p.dim() == 1:
        return nn.functional.mse_loss(p, y), {}
    return nn.functional.cross_entropy(p.flatten(0, 1), y.flatten()), {}


def baseline(task: str, T: int) -> float:
    """The loss of the best answer without a memory."""
    return tasks.adding_baseline() if task == "adding" else tasks.copying_baseline(T)


def run(
    *, task: str, variant: str, T: int, hidden: int, batch: int, lr: float, clip: float,
    steps: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """One run; every random number comes from ``seed``."""
    generator = torch.Generator().manual_seed(seed)
    model = Reader(task, variant, T, hidden, generator)
    draw = tasks.adding if task == "adding" else tasks.copying
    enough = SOLVED * baseline(task, T)

    def solved(history: training.History) -> bool:
        last = history.loss[-WINDOW:]
        return len(last) == WINDOW and sum(last) / WINDOW < enough

    history = training.train(
        model,
        tasks.Batches(draw, 1_000 + seed, T=T, N=batch),
        loss_fn,
        torch.optim.Adam(model.parameters(), lr=lr),
        steps,
        clip_norm=clip,
        stop_when=solved,
    )
    fresh = draw(T, TEST_SIZE, torch.Generator().manual_seed(1_000_000 + seed))
    with torch.no_grad():
        test_loss = loss_fn(model, fresh)[0].item()
    return {
        "steps": history.steps,
        "solved": history.stopped == "stop_when",
        "test_loss": test_loss,
        "baseline": baseline(task, T),
        "loss_per_100_steps": means(history.loss, WINDOW, 6),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--tasks", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--lengths", nargs="+", type=int, default=[200, 400])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--clip", type=float, default=1.0)


def main(chosen: argparse.Namespace) -> None:
    """Run the study over all chosen settings."""
    shared = {key: getattr(chosen, key) for key in ("hidden", "batch", "lr", "clip", "steps")}
    settings = [
        {"task": task, "variant": variant, "T": T, "seed": seed, **shared}
        for T, seed, task, variant in itertools.product(
            chosen.lengths, range(chosen.seeds), chosen.tasks, chosen.variants
        )
    ]
    run_study(not_lost(chosen.name, settings), run, settings, chosen.workers)
