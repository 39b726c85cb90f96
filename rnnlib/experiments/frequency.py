"""Frequency discrimination under three samplings: Phased LSTM against LSTM.

One run trains a classifier of sine waves for a fixed number of updates, and measures the
accuracy on fresh waves on the way and at the end.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import torch
from torch import Tensor, nn

from rnnlib import layers, models, tasks, training
from rnnlib.experiments.study import run_study
from rnnlib.tasks.frequency import LONGEST

MODELS = ("plstm", "lstm", "lstm dt")
Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # x, times, lengths, y
PART = 250  # waves a forward pass, when testing


def build(model: str, hidden: int, generator: torch.Generator) -> models.Classifier:
    """Two classes; the Phased LSTM reads the wave, an LSTM the wave and a time."""
    rnn: layers.Recurrent
    if model == "plstm":
        rnn = layers.PhasedLSTM(1, hidden, generator=generator)
    else:
        rnn = layers.LSTM(2, hidden, generator=generator)
    return models.Classifier(rnn, 2, generator=generator)


def logits(model: models.Classifier, kind: str, x: Tensor, times: Tensor, lengths: Tensor) -> Tensor:
    """The classifier's answer (N, 2).

    "plstm" gets the times for its gate; "lstm" the time as a second input, scaled to [-1, 1];
    "lstm dt" the time since the last sample, in ms, as a second input (0 at the first).
    """
    if kind == "plstm":
        return model(x, times, lengths)
    extra = 2 * times / LONGEST - 1 if kind == "lstm" else times.diff(dim=1, prepend=times[:, :1])
    return model(torch.cat([x, extra.unsqueeze(-1)], dim=2), lengths=lengths)


@torch.no_grad()
def accuracy(model: models.Classifier, kind: str, batch: Batch) -> float:
    """Share of right answers."""
    x, times, lengths, y = batch
    right = 0
    for part in torch.arange(len(y)).split(PART):
        T = int(lengths[part].max())
        p = logits(model, kind, x[part, :T], times[part, :T], lengths[part])
        right += int((p.argmax(dim=1) == y[part]).sum())
    return right / len(y)


def run(
    *, model: str, sampling: str, durations: list[float], hidden: int, batch: int, lr: float,
    clip: float, steps: int, eval_every: int, eval_size: int, test_size: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """One run; every random number comes from ``seed``."""
    generator = torch.Generator().manual_seed(seed)
    network = build(model, hidden, generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    if isinstance(network.rnn, layers.PhasedLSTM):
        gated = network.rnn
        optimizer.register_step_post_hook(lambda *_: gated.project_())
    options: dict[str, Any] = {"sampling": sampling, "durations": tuple(durations)}

    def loss(net: nn.Module, drawn: Batch) -> tuple[Tensor, training.Metrics]:
        x, times, lengths, y = drawn
        p = logits(network, model, x, times, lengths)
        right = (p.argmax(dim=1) == y).float().mean().item()
        return nn.functional.cross_entropy(p, y), {"accuracy": right}

    fresh = torch.Generator().manual_seed(1_000_000 + seed)
    watched = tasks.frequency(eval_size, fresh, **options)
    history = training.train(
        network,
        tasks.Batches(tasks.frequency, 1_000 + seed, N=batch, **options),
        loss,
        optimizer,
        steps,
        clip_norm=clip,
        evaluate=lambda _: {"accuracy": accuracy(network, model, watched)},
        eval_every=eval_every,
    )
    test = tasks.frequency(test_size, fresh, **options)
    result: dict[str, Any] = {
        "steps": history.steps,
        "test_accuracy": accuracy(network, model, test),
        "evaluations": history.evaluations,
    }
    if isinstance(network.rnn, layers.PhasedLSTM):
        cell = network.rnn.cells[0]
        result["gate"] = {
            name: [round(v, 4) for v in getattr(cell, name).tolist()] for name in ("tau", "s", "r_on")
        }
    return result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--hidden", type=int, default=110)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=3000)
