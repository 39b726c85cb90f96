"""How far back can a cell remember, and what does its initialisation change?

Palindromes with one-hot digits, Adam at 1e-3, gradients clipped at 1. Each variant is run at
growing lengths, up to where it fails; a run is ``palindrome.run``.
"""

from __future__ import annotations

import argparse
from typing import Any

from rnnlib.experiments import palindrome
from rnnlib.experiments.study import run_study

SHARED = {
    "one_hot": True, "optimizer": "adam", "lr": 1e-3, "clip": 1.0, "hidden": 128, "batch": 128,
}  # fmt: skip

#   cell, weights, bias: lengths
DIRECT: dict[tuple[str, str, str], list[int]] = {
    ("rnn", "xavier", "zero"): [10, 20, 30, 60, 100],
    ("rnn", "orthogonal", "zero"): [30, 60, 100, 150],
    ("lstm", "xavier", "zero"): [20, 30],
    ("lstm", "kaiming", "zero"): [20, 30],
    ("lstm", "orthogonal", "zero"): [20, 30],
    ("lstm", "xavier", "one"): [20, 30, 50],
    ("lstm", "kaiming", "one"): [20, 30, 50],
    ("lstm", "orthogonal", "one"): [20, 30, 50],
    ("lstm", "xavier", "chrono"): [50],
    ("lstm", "kaiming", "chrono"): [50],
    ("lstm", "orthogonal", "chrono"): [50, 100, 200],
    ("gru", "orthogonal", "zero"): [20, 30, 50],
    ("gru", "orthogonal", "chrono"): [50, 100],
}
STEPS = {"rnn": 5000, "lstm": 1500, "gru": 1500}


def settings(seeds: int) -> list[dict[str, Any]]:
    """All runs, the short lengths first."""
    runs = [
        {"cell": cell, "weights": weights, "bias": bias, "T": T, "steps": STEPS[cell], "seed": seed}
        for (cell, weights, bias), lengths in DIRECT.items()
        for T in lengths
        for seed in range(seeds)
    ]
    return [SHARED | r for r in sorted(runs, key=lambda r: r["T"] * (1 + 2 * (r["cell"] != "rnn")))]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study has no options of its own."""


def main(chosen: argparse.Namespace) -> None:
    """Run the study over all variants, lengths and seeds."""
    run_study(chosen.name, palindrome.run, settings(chosen.seeds), chosen.workers)
