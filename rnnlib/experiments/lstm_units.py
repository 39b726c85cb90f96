"""Gates and cell states of one trained LSTM while it reads one palindrome, for a moving figure.

The network is the first of those that the notebook on the LSTM looks into: palindromes of 31
digits, chrono start, Adam. The number is the first of that notebook's fresh ones.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

from rnnlib import bptt, init, layers, models, tasks, training
from rnnlib.experiments.palindrome import solved
from rnnlib.experiments.study import not_lost, run_study
from rnnlib.interactive import unit_data

SHARED = {"T": 31, "hidden": 32, "lr": 1e-2, "steps": 1500, "batch": 64, "clip": 1.0}


def run(
    *, T: int, hidden: int, lr: float, steps: int, batch: int, clip: float, seed: int
) -> dict[str, Any]:
    """One run: train, then read one number and keep what every unit does."""
    generator = torch.Generator().manual_seed(seed)
    rnn = layers.LSTM(10, hidden, generator=generator)
    init.chrono_(rnn.cells[0].b.data, T, generator)
    model = models.Classifier(rnn, 10, generator=torch.Generator().manual_seed(1_000 + seed))
    history = training.train(
        model,
        tasks.PalindromeBatches(T, batch, seed=1_000 + seed, one_hot=True),
        training.classification_loss,
        torch.optim.Adam(model.parameters(), lr=lr),
        steps,
        clip_norm=clip,
        stop_when=solved,
    )
    x, first = tasks.palindromes(T, 2000, torch.Generator().manual_seed(1), one_hot=True)
    zeros = np.zeros((1, hidden), dtype=np.float32)
    weights = {name: w.detach().numpy() for name, w in rnn.cells[0].named_parameters()}
    _, cache = bptt.lstm_forward(x[:1].numpy(), (zeros, zeros), weights)
    digits = [str(digit) for digit in x[0].argmax(dim=1).tolist()]
    return {
        "steps": history.steps,
        "solved": history.stopped == "stop_when",
        "test_accuracy": training.accuracy(model, (x, first)),
        "answer": model(x[:1]).argmax().item(),
        "units": unit_data(torch.tensor(cache.gates[0]), torch.tensor(cache.c[0]), digits),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--steps", type=int, default=SHARED["steps"], help="at most so many")


def main(chosen: argparse.Namespace) -> None:
    """Run the study, for the figure with one seed."""
    settings = [{**SHARED, "steps": chosen.steps, "seed": seed} for seed in range(chosen.seeds)]
    run_study(not_lost(chosen.name, settings), run, settings, chosen.workers)
