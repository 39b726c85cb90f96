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
from rnnlib.experiments.study import not_lost, run_study
from rnnlib.tasks.frequency import LONGEST

MODELS = ("plstm", "lstm", "lstm dt")
Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # x, times, lengths, y
SAMPLINGS = ("asynchronous", "standard", "oversampled")  # the order of the runs
PART = 250  # waves a forward pass, when testing


def build(model: str, hidden: int, generator: torch.Generator) -> nn.Module:
    """Two classes; the Phased LSTM reads the wave, an LSTM the wave and a time.

    torch's kernel computes the LSTM: the same numbers and gradients, in less time.
    """
    if model == "plstm":
        phased = layers.PhasedLSTM(1, hidden, generator=generator)
        return models.Classifier(phased, 2, generator=generator)
    lstm = layers.LSTM(2, hidden, generator=generator).compute_with("torch")
    return models.Classifier(lstm, 2, generator=generator)


def logits(model: nn.Module, kind: str, x: Tensor, times: Tensor, lengths: Tensor) -> Tensor:
    """The classifier's answer (N, 2).

    "plstm" gets the times for its gate; "lstm" the time as a second input, scaled to [-1, 1];
    "lstm dt" the time since the last sample, in ms, as a second input (0 at the first).
    """
    if kind == "plstm":
        return model(x, lengths, times=times)
    extra = 2 * times / LONGEST - 1 if kind == "lstm" else times.diff(dim=1, prepend=times[:, :1])
    return model(torch.cat([x, extra.unsqueeze(-1)], dim=2), lengths=lengths)


@torch.no_grad()
def accuracy(model: nn.Module, kind: str, batch: Batch) -> float:
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
    optimizer = torch.optim.Adam([w for w in network.parameters() if w.requires_grad], lr=lr)
    rnn = network.rnn
    if isinstance(rnn, layers.PhasedLSTM):
        optimizer.register_step_post_hook(lambda *_: rnn.project_())
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
    if isinstance(rnn, layers.PhasedLSTM):
        cell = rnn.cells[0]
        result["gate"] = {
            name: [round(v, 4) for v in getattr(cell, name).tolist()]
            for name in ("tau", "s", "r_on")
        }
    return result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--hidden", type=int, default=110)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--eval-every", type=int, default=100)
    parser.add_argument("--eval-size", type=int, default=500)
    parser.add_argument("--test-size", type=int, default=2000)
    parser.add_argument(
        "--oversampled-steps", type=int, default=300, help="updates, with ten times the samples"
    )
    parser.add_argument(
        "--oversampled-longest", type=float, default=50.0, help="ms, longest oversampled wave"
    )


def main(chosen: argparse.Namespace) -> None:
    """Run the study: every model and sampling with seeds 0 to 2 first, then further seeds."""
    shared = {
        key: getattr(chosen, key)
        for key in ("hidden", "batch", "lr", "clip", "eval_every", "eval_size", "test_size")
    }
    settings = []
    order = [range(min(3, chosen.seeds)), range(3, chosen.seeds)]
    for seeds, sampling in itertools.product(order, SAMPLINGS):
        many = sampling == "oversampled"
        for seed, model in itertools.product(seeds, chosen.models):
            if model == "lstm dt" and sampling != "asynchronous":
                continue  # the time between samples says nothing where it is always the same
            settings.append(
                {
                    "model": model,
                    "sampling": sampling,
                    "seed": seed,
                    "steps": chosen.oversampled_steps if many else chosen.steps,
                    "durations": [15.0, chosen.oversampled_longest if many else LONGEST],
                    **shared,
                }
            )
    run_study(not_lost(chosen.name, settings), run, settings, chosen.workers)
