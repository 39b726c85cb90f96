"""How far back can a cell remember, and what does its initialisation change?

Palindromes with one-hot digits, Adam at 1e-3, gradients clipped at 1. Each variant is run at
growing lengths, up to where it fails; a run is ``palindrome.run``.
"""

from __future__ import annotations

import argparse
from typing import Any

from rnnlib.experiments import palindrome
from rnnlib.experiments.study import not_lost, run_study

SHARED = {
    "one_hot": True, "optimizer": "adam", "lr": 1e-3, "clip": 1.0, "hidden": 128, "batch": 128,
}  # fmt: skip

#   cell, weights, bias: lengths
DIRECT: dict[tuple[str, str, str], list[int]] = {
    ("rnn", "uniform", "uniform"): [20, 30],
    ("rnn", "xavier", "zero"): [10, 20, 30, 60, 100],
    ("rnn", "orthogonal", "zero"): [20, 30, 60, 100],
    ("lstm", "xavier", "zero"): [20],
    ("lstm", "kaiming", "zero"): [20],
    ("lstm", "orthogonal", "zero"): [20, 30],
    ("lstm", "xavier", "one"): [20, 30, 50],
    ("lstm", "kaiming", "one"): [20, 30, 50],
    ("lstm", "orthogonal", "one"): [20, 30, 50],
    ("lstm", "xavier", "chrono"): [50],
    ("lstm", "kaiming", "chrono"): [50],
    ("lstm", "orthogonal", "chrono"): [50],
    ("gru", "orthogonal", "zero"): [30],
    ("gru", "orthogonal", "chrono"): [50],
}
STEPS = {"rnn": 3000, "lstm": 1000, "gru": 1000}


# With --curriculum, lengths grow from 20 to the last one.
# cell, weights, bias: the last T, batch, learning rate, steps
START = 20
CURRICULUM: dict[tuple[str, str, str], tuple[int, int, float, int]] = {
    ("lstm", "orthogonal", "chrono"): (400, 32, 4e-3, 2000),
    ("lstm", "orthogonal", "one"): (400, 32, 4e-3, 2000),
    ("rnn", "orthogonal", "zero"): (150, 128, 3e-4, 2500),
}


def direct(seeds: int) -> list[dict[str, Any]]:
    """All runs at one length each, the short ones first."""
    runs: list[dict[str, Any]] = [
        {"cell": cell, "weights": weights, "bias": bias, "T": T, "steps": STEPS[cell], "seed": seed}
        for (cell, weights, bias), lengths in DIRECT.items()
        for T in lengths
        for seed in range(seeds)
    ]
    return [SHARED | r for r in sorted(runs, key=lambda r: r["T"] * (1 + 2 * (r["cell"] != "rnn")))]


def growing(seeds: int) -> list[dict[str, Any]]:
    """All runs over growing lengths."""
    return [
        SHARED
        | {"cell": cell, "weights": weights, "bias": bias, "T": T, "start": START}
        | {"batch": batch, "lr": lr, "steps": steps, "seed": seed}
        for seed in range(seeds)
        for (cell, weights, bias), (T, batch, lr, steps) in CURRICULUM.items()
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--curriculum", action="store_true", help="grow the length from 20")


def main(chosen: argparse.Namespace) -> None:
    """Run the study over all variants, lengths and seeds."""
    settings = (growing if chosen.curriculum else direct)(chosen.seeds)
    run_study(not_lost(chosen.name, settings), palindrome.run, settings, chosen.workers)
