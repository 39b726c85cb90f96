"""Accuracy on palindromes against their length: which cell remembers how far?

One run trains a classifier until 20 batches running are perfect, or to the last step,
then measures accuracy on fresh palindromes.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import torch

from rnnlib import init, layers, models, tasks, training
from rnnlib.experiments.study import run_study

CELLS = {"rnn": layers.RNN, "lstm": layers.LSTM, "gru": layers.GRU}
PERFECT_BATCHES = 20
TEST_SIZE = 2000


def build(
    cell: str, inputs: int, hidden: int, weights: str, T: int, generator: torch.Generator
) -> models.Classifier:
    """A classifier over ten digits; ``weights`` names the recurrent initialisation."""
    rnn = CELLS[cell](inputs, hidden, generator=generator)
    model = models.Classifier(rnn, 10, generator=generator)
    for one in rnn.cells:
        if weights == "xavier":
            init.xavier_(one.W_h.data, generator, blocks=one.gates)
        if weights in ("orthogonal", "chrono"):
            init.orthogonal_(one.W_h.data, generator, blocks=one.gates)
        if weights == "chrono":
            init.chrono_(one.b.data, max(T, 3), generator)
    return model


def solved(history: training.History) -> bool:
    """True after 20 perfect batches running."""
    last = history.metrics[-PERFECT_BATCHES:]
    return len(last) == PERFECT_BATCHES and all(m["accuracy"] == 1 for m in last)


def run(
    *,
    cell: str,
    T: int,
    one_hot: bool,
    weights: str,
    optimizer: str,
    lr: float,
    clip: float,
    steps: int,
    hidden: int,
    batch: int,
    seed: int,
) -> dict[str, Any]:
    """One run; every random number comes from ``seed``."""
    generator = torch.Generator().manual_seed(seed)
    model = build(cell, 10 if one_hot else 1, hidden, weights, T, generator)
    kind = {"rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam}[optimizer]
    history = training.train(
        model,
        tasks.PalindromeBatches(T, batch, seed=1_000 + seed, one_hot=one_hot),
        training.classification_loss,
        kind(model.parameters(), lr=lr),
        steps,
        clip_norm=clip,
        stop_when=solved,
    )
    test = torch.Generator().manual_seed(1_000_000 + seed)
    fresh = tasks.palindromes(T, TEST_SIZE, test, one_hot=one_hot)
    trained = [m["accuracy"] for m in history.metrics]
    curve = [sum(part) / len(part) for part in _parts(trained, 100)]
    return {
        "steps": history.steps,
        "solved": history.stopped == "stop_when",
        "test_accuracy": training.accuracy(model, fresh),
        "train_accuracy_per_100_steps": [round(a, 4) for a in curve],
    }


def _parts(values: list[float], size: int) -> list[list[float]]:
    return [values[k : k + size] for k in range(0, len(values), size)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=["rnn"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[5, 10, 15, 20, 25, 30, 40])
    parser.add_argument(
        "--inputs", nargs="+", choices=["scalar", "one_hot"], default=["scalar", "one_hot"]
    )
    parser.add_argument(
        "--weights", choices=["uniform", "xavier", "orthogonal", "chrono"], default="uniform"
    )
    parser.add_argument("--optimizer", choices=["rmsprop", "adam"], default="rmsprop")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--clip", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch", type=int, default=128)


def main(chosen: argparse.Namespace) -> None:
    """Run the study over all chosen settings."""
    shared = {
        key: getattr(chosen, key)
        for key in ("weights", "optimizer", "lr", "clip", "steps", "hidden", "batch")
    }
    settings = [
        {"cell": cell, "T": T, "one_hot": inputs == "one_hot", "seed": seed, **shared}
        for cell, inputs, T, seed in itertools.product(
            chosen.cells, chosen.inputs, chosen.lengths, range(chosen.seeds)
        )
    ]
    run_study(chosen.name, run, settings, chosen.workers)
