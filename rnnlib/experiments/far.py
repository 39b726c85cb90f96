"""How far back can a cell remember, and what does it need to get there?

Parts, a record each, data/results/far_PART.json unless --name says otherwise:

long      palindromes of 1,000 and 10,000 digits, LSTM and GRU
digits    random digits of these lengths, of which the first is asked for: no counting helps
without   random digits of 1,000, with one left out in turn: chrono, the curriculum, the large rate
copy      the copy problem over 200 blanks

Where nothing is left out, a cell has orthogonal recurrent blocks and chrono for the last length,
Adam takes a rate of 0.004, and the length grows by half after 5 perfect batches in a row. A run is
solved after 20 perfect batches at the last length. Batches are perfect if every digit, or every
copied symbol, is right.

A run that was stopped goes on from its checkpoint with the same command, to the same last digit;
data/checkpoints keeps it until its part is recorded. torch's kernels compute the cells.
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn

from rnnlib import layers, models, tasks, training, validate
from rnnlib.experiments import palindrome, study
from rnnlib.experiments.study import Settings, means, not_lost, run_study
from rnnlib.tasks.copying import LENGTH

ALL: dict[str, Any] = {
    "bias": "chrono", "start": 20, "lr": 4e-3, "hidden": 128, "batch": 32, "clip": 1.0,
    "steps": 3000,
}  # fmt: skip
CELLS = ("lstm", "gru")
LENGTHS = (1000, 10_000)
#   what takes the place of what is left out
WITHOUT: dict[str, dict[str, Any]] = {
    "chrono": {"bias": {"lstm": "one", "gru": "zero"}},
    "curriculum": {"start": None},
    "rate": {"lr": 1e-3},
}
FRESH = 1024  # sequences of the test
EVERY = 20  # steps between two checkpoints


def first_digit(T: int, N: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
    """N times T-1 random digits, and the first of them as the label.

    Returns x (N, T-1, 10) as float32, and y (N,) as int64.
    """
    digits = torch.randint(
        0, 10, (N, validate.positive_int("T", T, minimum=2) - 1), generator=generator
    )
    return nn.functional.one_hot(digits, 10).float(), digits[:, 0]


DRAWS: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {
    "palindromes": functools.partial(tasks.palindromes, one_hot=True),
    "digits": first_digit,
    "copy": tasks.copying,
}


class Growing(tasks.Batches):
    """Batches of a length T that grows: to the next of ``lengths`` at each ``grow``."""

    def __init__(self, draw: Callable[..., Any], seed: int, lengths: list[int], N: int):
        self.lengths, self.stage = lengths, 0
        super().__init__(draw, seed, N=N)

    @property
    def T(self) -> int:
        """The length of the next batch."""
        return self.lengths[self.stage]

    def grow(self) -> bool:
        """Go on to the next length; False if this is the last."""
        if self.stage == len(self.lengths) - 1:
            return False
        self.stage += 1
        return True

    def __next__(self) -> Any:
        self.options["T"] = self.T
        return super().__next__()

    def describe(self) -> dict[str, Any]:
        """What the source is made of: all lengths, in place of the one it has come to."""
        return super().describe() | {"T": self.lengths}

    def state_dict(self) -> dict[str, Any]:
        """Where the source stands: the length, and the state of its generator."""
        return {"stage": self.stage, **super().state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self.stage = state["stage"]
        super().load_state_dict(state)


def build(cell: str, hidden: int, T: int, bias: str, generator: Generator) -> models.Classifier:
    """Ten inputs, ten outputs (the copy problem needs nine), orthogonal blocks; torch computes."""
    model = palindrome.build(cell, 10, hidden, "orthogonal", T, generator, bias)
    cast(layers.Convertible, model.rnn).compute_with("torch")
    return model


def loss_fn(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, training.Metrics]:
    """Cross-entropy in nats, and the share of right answers, for a ``Classifier``.

    Labels (N,) are asked after the last step, labels (N, T) after each; of these the last ten
    count as answers.
    """
    x, y = batch
    one = cast(models.Classifier, model)
    h, _ = one.rnn(x)  # (N, T, H)
    p = one.readout(h if y.ndim == 2 else h[:, -1])  # (N, T, K) or (N, K)
    right = (p.argmax(dim=-1) == y)[..., -LENGTH:] if y.ndim == 2 else p.argmax(dim=-1) == y
    loss = nn.functional.cross_entropy(p.flatten(0, -2), y.flatten())
    return loss, {"accuracy": right.float().mean().item()}


@torch.no_grad()
def fresh(model: nn.Module, task: str, T: int, N: int, generator: Generator) -> dict[str, float]:
    """Mean loss and accuracy on ``FRESH`` sequences, N at a time to save memory."""
    found = [loss_fn(model, DRAWS[task](T, N, generator)) for _ in range(FRESH // N)]
    return {
        "loss": sum(loss.item() for loss, _ in found) / len(found),
        "accuracy": sum(metrics["accuracy"] for _, metrics in found) / len(found),
    }


def run(*, folder: Path, **settings: Any) -> dict[str, Any]:
    """One run, or what is missing of it; every random number comes from the seed."""
    task, T, N, seed = (settings[name] for name in ("task", "T", "batch", "seed"))
    generator = Generator().manual_seed(seed)
    model = build(settings["cell"], settings["hidden"], T, settings["bias"], generator)
    lengths = palindrome.lengths(settings["start"] or T, T)
    source = Growing(DRAWS[task], 1_000 + seed, lengths, N)
    began = process_time()

    def grown(history: training.History) -> bool:
        """Note the step; after enough perfect batches go on, at the last length to the end."""
        nonlocal began
        now = process_time()
        history.metrics[-1] |= {"T": source.T, "seconds": round(now - began, 3)}
        began = now
        perfect = palindrome.PERFECT_BATCHES if source.T == T else palindrome.GROW_AFTER
        enough = palindrome.solved(history, perfect) and history.metrics[-perfect]["T"] == source.T
        return enough and not source.grow()

    history = training.train(
        model, source, loss_fn, torch.optim.Adam(model.parameters(), lr=settings["lr"]),
        settings["steps"], clip_norm=settings["clip"], stop_when=grown,
        checkpoint=study.checkpoint(folder, "far", settings), checkpoint_every=EVERY,
    )  # fmt: skip
    test = Generator().manual_seed(1_000_000 + seed)
    steps = history.metrics
    return {
        "steps": history.steps,
        "solved": history.stopped == "stop_when",
        "fresh": fresh(model, task, T, N, test),
        "processor_seconds": round(sum(step["seconds"] for step in steps), 1),  # over all sessions
        "lengths": [
            {"T": length, "steps": len(some), "seconds": round(sum(s["seconds"] for s in some), 1)}
            for length in lengths
            if (some := [step for step in steps if step["T"] == length])
        ],
        "accuracy_per_100_steps": means([step["accuracy"] for step in steps], 100, 4),
    }


# ---- the study ----------------------------------------------------------------------------------

PARTS = ("long", "digits", "without", "copy")


def plan(part: str, seeds: int, cells: Sequence[str], lengths: Sequence[int]) -> list[Settings]:
    """The settings of each run of a part, the short ones first."""
    changes: list[Settings]
    match part:
        case "long":
            changes = [{"task": "palindromes", "T": T} for T in lengths]
        case "digits":
            changes = [{"task": "digits", "T": T} for T in lengths]
        case "without":
            changes = [
                {"task": "digits", "T": LENGTHS[0], "without": name} | change
                for name, change in WITHOUT.items()
            ]
        case _:
            changes = [{"task": "copy", "T": 200, "start": 5, "steps": 20_000}]
    runs = [
        ALL | change | {"cell": cell, "seed": seed}
        for change, cell, seed in itertools.product(changes, cells, range(seeds))
    ]
    for one in runs:  # a bias that depends on the cell
        if isinstance(one["bias"], dict):
            one["bias"] = one["bias"][one["cell"]]
    return runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument(
        "--lengths", nargs="+", type=int, default=list(LENGTHS), help="of the parts long and digits"
    )
    parser.add_argument("--steps", type=int, help="at most, other than the part's own, for a trial")


def main(chosen: argparse.Namespace) -> None:
    """Run the parts one after the other."""
    asked = {"steps": chosen.steps} if chosen.steps else {}
    parts = {
        f"{chosen.name}_{part}": [
            s | asked for s in plan(part, chosen.seeds, chosen.cells, chosen.lengths)
        ]
        for part in chosen.parts
    }
    for name, settings in parts.items():  # before hours of the first
        not_lost(name, settings)
    folder = study.checkpoints(chosen.name, "far")
    for name, settings in parts.items():
        run_study(name, functools.partial(run, folder=folder), settings, chosen.workers)
        for one in settings:
            study.checkpoint(folder, "far", one).unlink(missing_ok=True)
