"""Accuracy on palindromes against their length: which cell remembers how far?

One run trains a classifier until 20 batches running are perfect, or to the last step,
then measures accuracy on fresh palindromes.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
from typing import Any

import torch

from rnnlib import init, layers, models, tasks, training
from rnnlib.experiments.study import means, not_lost, run_study

CELLS = {"rnn": layers.RNN, "lstm": layers.LSTM, "gru": layers.GRU}
PERFECT_BATCHES = 20
GROW_AFTER = 5  # perfect batches running, in a curriculum over length
TEST_SIZE = 2000


WEIGHTS = ["uniform", "xavier", "kaiming", "orthogonal", "identity"]
BIASES = ["uniform", "zero", "one", "chrono"]


def build(
    cell: str,
    inputs: int,
    hidden: int,
    weights: str,
    T: int,
    generator: torch.Generator,
    bias: str = "uniform",
) -> models.Classifier:
    """A classifier over ten digits; ``weights`` and ``bias`` name how its cell is initialised.

    ``weights`` is about W_h alone, and "uniform" is torch's default, as it is for the rest.
    ``bias``: "zero" for all biases; "one" sets the forget gate's to 1 after that, "chrono" the
    gates' to a memory of up to T steps.
    """
    rnn = CELLS[cell](inputs, hidden, generator=generator)
    model = models.Classifier(rnn, 10, generator=generator)
    for one in rnn.cells:
        W, b = one.W_h.data, one.b.data
        if weights == "xavier":
            init.xavier_(W, generator, blocks=one.gates)
        if weights == "kaiming":
            init.kaiming_(W, generator, blocks=one.gates)
        if weights == "orthogonal":
            init.orthogonal_(W, generator, blocks=one.gates)
        if weights == "identity":
            init.identity_(W, blocks=one.gates)
        if bias != "uniform":
            for name, value in one.named_parameters():
                if name.startswith("b"):
                    value.data.zero_()
        if bias == "one":
            init.forget_bias_(b, 1.0)
        if bias == "chrono":
            chrono_ = {"lstm": init.chrono_, "gru": init.chrono_gru_}[cell]
            chrono_(b, max(T, 3), generator)
    return model


def solved(history: training.History, perfect: int = PERFECT_BATCHES) -> bool:
    """True after so many perfect batches running: 20, or fewer on the way there."""
    last = history.metrics[-perfect:]
    return len(last) == perfect and all(m["accuracy"] == 1 for m in last)


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
    bias: str = "uniform",
    start: int | None = None,
) -> dict[str, Any]:
    """One run; every random number comes from ``seed``.

    With ``start``, lengths grow from there to T: half as much again after 5 perfect batches.
    """
    generator = torch.Generator().manual_seed(seed)
    model = build(cell, 10 if one_hot else 1, hidden, weights, T, generator, bias)
    kind = {"rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam}[optimizer]
    moves = kind(model.parameters(), lr=lr)
    accuracies: list[float] = []
    reached = []  # the lengths in turn, each with the steps that it took
    stopped = ""
    for length in lengths(start or T, T):
        perfect = PERFECT_BATCHES if length == T else GROW_AFTER
        history = training.train(
            model,
            tasks.PalindromeBatches(length, batch, seed=1_000 + seed, one_hot=one_hot),
            training.classification_loss,
            moves,
            steps - len(accuracies),
            clip_norm=clip,
            stop_when=functools.partial(solved, perfect=perfect),
        )
        accuracies += [m["accuracy"] for m in history.metrics]
        reached.append({"T": length, "steps": history.steps})
        stopped = history.stopped
        if stopped == "steps":
            break
    test = torch.Generator().manual_seed(1_000_000 + seed)
    fresh = tasks.palindromes(T, TEST_SIZE, test, one_hot=one_hot)
    return {
        "steps": len(accuracies),
        "solved": stopped == "stop_when" and reached[-1]["T"] == T,
        "test_accuracy": training.accuracy(model, fresh),
        "train_accuracy_per_100_steps": means(accuracies, 100, 4),
    } | ({} if start is None else {"lengths": reached})


def lengths(start: int, T: int) -> list[int]:
    """A curriculum: from ``start`` to T, half as much again each time."""
    grown = [min(start, T)]
    while grown[-1] < T:
        grown.append(min(T, math.ceil(1.5 * grown[-1])))
    return grown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=["rnn"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[5, 10, 15, 20, 25, 30, 40])
    parser.add_argument(
        "--inputs", nargs="+", choices=["scalar", "one_hot"], default=["scalar", "one_hot"]
    )
    parser.add_argument("--weights", choices=WEIGHTS, default="uniform")
    parser.add_argument("--bias", choices=BIASES, default="uniform")
    parser.add_argument("--optimizer", choices=["rmsprop", "adam"], default="rmsprop")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--clip", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--start", type=int, help="grow the lengths from here (a curriculum)")


def main(chosen: argparse.Namespace) -> None:
    """Run the study over all chosen settings."""
    shared = {
        key: getattr(chosen, key)
        for key in ("weights", "bias", "optimizer", "lr", "clip", "steps", "hidden", "batch")
    }
    if chosen.start is not None:
        shared["start"] = chosen.start
    settings = [
        {"cell": cell, "T": T, "one_hot": inputs == "one_hot", "seed": seed, **shared}
        for cell, inputs, T, seed in itertools.product(
            chosen.cells, chosen.inputs, chosen.lengths, range(chosen.seeds)
        )
    ]
    run_study(not_lost(chosen.name, settings), run, settings, chosen.workers)
