"""How much gradient reaches each time step, at initialisation and during training.

One run trains a cell on palindromes and, at chosen training steps, measures the mean over
a batch of ||dL/dh_t|| and, for the LSTM, ||dL/dc_t||, for a loss at the last step.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import torch
from torch import Tensor

from rnnlib import init, layers, models, tasks, training
from rnnlib.experiments import palindrome
from rnnlib.experiments.study import not_lost, run_study

VARIANTS = {
    "rnn": ("rnn", "uniform", None),
    "rnn orthogonal": ("rnn", "orthogonal", None),
    "lstm": ("lstm", "uniform", None),
    "lstm forget bias 1": ("lstm", "uniform", 1.0),
    "lstm forget bias 4": ("lstm", "uniform", 4.0),
    "gru": ("gru", "uniform", None),
}


def gradient_norms(model: models.Classifier, x: Tensor, y: Tensor) -> dict[str, list[float]]:
    """Mean over the batch of the length of each sequence's dL/dh_t, for every step t.

    For an LSTM also of dL/dc_t. Both are total derivatives: they hold all paths to the loss.
    """
    cell = model.rnn.cells[0]
    states = layers.unroll(cell, x)
    hs = [layers.hidden(s) for s in states]
    traced = {"h": hs} | ({"c": [s[1] for s in states]} if isinstance(states[0], tuple) else {})
    loss = torch.nn.functional.cross_entropy(model.readout(hs[-1]), y, reduction="sum")
    flat = [v for values in traced.values() for v in values]
    grads = iter(torch.autograd.grad(loss, flat))
    return {
        name: [next(grads).norm(dim=1).mean().item() for _ in values]
        for name, values in traced.items()
    }


def build(variant: str, T: int, hidden: int, generator: torch.Generator) -> models.Classifier:
    """The classifier of a variant: cell, recurrent weights, forget bias."""
    cell, weights, forget_bias = VARIANTS[variant]
    model = palindrome.build(cell, 10, hidden, weights, T, generator)
    if forget_bias is not None:
        init.forget_bias_(model.rnn.cells[0].b.data, forget_bias)
    return model


def run(
    *, variant: str, T: int, hidden: int, batch: int, lr: float, clip: float,
    snapshots: list[int], seed: int,
) -> dict[str, Any]:  # fmt: skip
    """One run: train to each snapshot in turn, and measure there."""
    generator = torch.Generator().manual_seed(seed)
    model = build(variant, T, hidden, generator)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=lr)
    source = tasks.PalindromeBatches(T, batch, seed=1_000 + seed, one_hot=True)
    x, y = tasks.palindromes(T, 512, torch.Generator().manual_seed(1_000_000 + seed), one_hot=True)
    measured, before = [], 0
    for step in snapshots:
        training.train(
            model, source, training.classification_loss, optimizer, step - before, clip_norm=clip
        )
        before = step
        with torch.no_grad():
            p = model(x)
        measured.append(
            {
                "step": step,
                "loss": torch.nn.functional.cross_entropy(p, y).item(),
                "accuracy": (p.argmax(dim=1) == y).double().mean().item(),
                "norms": gradient_norms(model, x, y),
            }
        )
    return {"snapshots": measured}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--length", type=int, default=30)
    parser.add_argument("--snapshots", nargs="+", type=int, default=[0, 100, 1000, 3000])
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--clip", type=float, default=10.0)


def main(chosen: argparse.Namespace) -> None:
    """Run the study over all chosen settings."""
    shared = {key: getattr(chosen, key) for key in ("hidden", "batch", "lr", "clip", "snapshots")}
    settings = [
        {"variant": variant, "T": chosen.length, "seed": seed, **shared}
        for variant, seed in itertools.product(chosen.variants, range(chosen.seeds))
    ]
    run_study(not_lost(chosen.name, settings), run, settings, chosen.workers)
