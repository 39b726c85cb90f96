"""Optimizers on recurrent networks: each over a range of learning rates.

Three tasks: palindromes with a plain RNN, palindromes with an LSTM, and the next character of
Grimms' fairy tales. The models are started alike, the batches of a seed are the same for all, and
gradients are clipped at norm 1. Nine rates go up by half a power of ten around each method's
own centre, which a trial with one seed set.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rnnlib import corpora, init, layers, metrics, optim, tasks, training
from rnnlib.experiments import palindrome
from rnnlib.experiments.study import means, not_lost, run_study
from rnnlib.models import CharacterModel, Classifier
from rnnlib.text import Vocabulary, Windows, split

CENTRES = {  # of the rates, for the first task
    "SGD": 1.0, "momentum": 0.1, "Nesterov": 0.1, "Adagrad": 0.03,
    "Adadelta": 3.0, "RMSprop": 0.001, "Adam": 0.003, "AdamW": 0.003,
}  # fmt: skip
#   class, settings beside the rate, centre
METHODS: dict[str, tuple[Callable[..., torch.optim.Optimizer], dict[str, Any], float]] = {
    **{name: (*optim.METHODS[name], centre) for name, centre in CENTRES.items()},
    # not in the comparison unless asked for: RMSprop and Adam, a step towards each other
    "RMSprop, 0.999": (optim.RMSprop, {"alpha": 0.999}, 0.001),
    "Adam, 0.99": (optim.Adam, {"betas": (0.9, 0.99)}, 0.003),
    "Adam, 0.99, no momentum": (optim.Adam, {"betas": (0.0, 0.99)}, 0.001),
}
COMPARED = list(CENTRES)
#   steps, batch N, length T, hidden size H, by how much the centres move
TASKS = {
    "palindromes, RNN": (400, 64, 20, 128, 1.0),
    "palindromes, LSTM": (600, 64, 20, 64, 10**0.5),
    "characters, LSTM": (1000, 32, 50, 128, 10.0),
}
RATES = range(-4, 5)
EVERY = 20  # steps over which the training loss is averaged
CLIP = 1.0


def small_rnn(seed: int, gain: float = 1.0) -> Classifier:
    """32 units for palindromes in one-hot digits, W_h orthogonal times ``gain``.

    The two notebooks on optimizers train it where the network does not matter.
    """
    generator = torch.Generator().manual_seed(seed)
    rnn = layers.RNN(10, 32, generator=generator)
    init.orthogonal_(rnn.cells[0].W_h.data, generator, gain=gain)
    return Classifier(rnn, 10, generator=generator)


@functools.cache
def text() -> tuple[Tensor, Tensor, int]:
    """Grimm's characters as numbers, first 95 % and last 5 %, and how many there are."""
    book = corpora.load("grimm")
    vocabulary = Vocabulary.of(book)
    train, test = (vocabulary.encode(part) for part in split(book))
    return train, test, len(vocabulary)


def held_out(model: nn.Module, T: int) -> float:
    """Loss in nats a character on the held-out text, cut into windows that do not overlap."""
    _, test, _ = text()
    test = test[: len(test) // (T + 1) * (T + 1)].view(-1, T + 1)
    with torch.no_grad():
        return metrics.next_character_loss(model, test)[0].item()


def run(*, task: str, method: str, lr: float, seed: int, steps: int) -> dict[str, Any]:
    """One run; every random number comes from ``seed``."""
    _, N, T, H, _ = TASKS[task]
    generator = torch.Generator().manual_seed(seed)
    model: nn.Module
    source: tasks.Batches
    loss_fn: Callable[..., tuple[Tensor, training.Metrics]]
    if task == "characters, LSTM":
        numbers, _, characters = text()
        model = CharacterModel(characters, H, 1, generator=generator)
        # torch's second bias learns too, as in the record
        model.rnn = model.rnn.to_torch()  # type: ignore[assignment]
        source = Windows(numbers, T, N, seed=1_000 + seed)
        loss_fn = metrics.next_character_loss
    else:
        cell, weights, bias = {
            "palindromes, RNN": ("rnn", "orthogonal", "zero"),
            "palindromes, LSTM": ("lstm", "orthogonal", "one"),
        }[task]
        model = palindrome.build(cell, 10, H, weights, T, generator, bias)
        source = tasks.PalindromeBatches(T, N, seed=1_000 + seed, one_hot=True)
        loss_fn = training.classification_loss
    kind, settings, _ = METHODS[method]
    history = training.History()
    diverged = False
    start = time.process_time()
    losses: list[float] = []

    def keep(history: training.History) -> bool:
        losses.append(history.loss[-1])
        return False

    try:
        history = training.train(
            model, source, loss_fn, kind(model.parameters(), lr=lr, **settings), steps,
            clip_norm=CLIP, stop_when=keep,
        )  # fmt: skip
    except training.Diverged:
        diverged = True
    seconds = time.process_time() - start
    result = {
        "diverged": diverged,
        "ms_per_step": round(1000 * seconds / max(len(losses), 1), 3),
        "loss": means(losses, EVERY, 5),
    }
    if task == "characters, LSTM":
        return result | {"test_loss": math.inf if diverged else held_out(model, T)}
    fresh = tasks.palindromes(
        T, 2000, torch.Generator().manual_seed(1_000_000 + seed), one_hot=True
    )
    accuracies = [m["accuracy"] for m in history.metrics]
    return result | {
        "accuracy": means(accuracies, EVERY, 4),
        "test_accuracy": 0.0 if diverged else training.accuracy(model, fresh),
    }


def rates(task: str, method: str) -> list[float]:
    """The nine learning rates of a method on a task, to three digits."""
    centre = METHODS[method][2] * TASKS[task][-1]
    return [float(f"{centre * 10 ** (k / 2):.3g}") for k in RATES]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=COMPARED)
    parser.add_argument("--steps", type=int, help="fewer steps than the task's own, for a trial")


def main(chosen: argparse.Namespace) -> None:
    """Run the study over all tasks, methods, rates and seeds."""
    settings = [
        {
            "task": task,
            "method": method,
            "lr": lr,
            "seed": seed,
            "steps": chosen.steps or TASKS[task][0],
        }
        for task, seed, method in itertools.product(
            chosen.tasks, range(chosen.seeds), chosen.methods
        )
        for lr in rates(task, method)
    ]
    run_study(not_lost(chosen.name, settings), run, settings, chosen.workers)
