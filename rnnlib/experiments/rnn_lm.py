"""Recurrent language models on the words of the study of n-grams.

Parts, a record each, data/results/rnn_lm_PART.json unless --name says otherwise:

kinds       RNN, GRU and LSTM with 128 units and embedding 64, with dropout and without; and, where
            without, how far truncated gradients are from the full one, before training and after
embedding   LSTMs with embeddings 16, 32 and 128, and 128 with tied weights, with dropout
best        two layers of 160 units, tied, dropout; the test text
window      LSTMs trained on windows of 1 to 80 steps, the state carried or reset: validation
            after equal steps, equal words and equal time

Networks read 20 strands of the training text, window by window, with the state carried; the
readout's products are in bfloat16. After each epoch perplexity and accuracy are taken in float32;
the weights of the epoch with the lowest validation loss are kept. The weights of seed 0 of "best"
go to data/checkpoints in eight bits, as the book's page takes them.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import time
from pathlib import Path
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn

from rnnlib import checkpoints, metrics, training
from rnnlib.cells import each
from rnnlib.evaluation import evaluating
from rnnlib.experiments import study, words
from rnnlib.experiments.study import rounded, run_study
from rnnlib.layers import GRU, LSTM, RNN
from rnnlib.models import RNNLM
from rnnlib.text import Contiguous, frequencies

KINDS = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
NETWORK: dict[str, Any] = {
    "kind": "lstm", "embedding": 64, "hidden": 128, "layers": 1, "tied": False, "dropout": 0.0,
    "T": 20, "batch": 20, "lr": 6e-3, "clip": 1.0, "epochs": 4,
}  # fmt: skip
DROPOUT = 0.2
WINDOWS = (1, 2, 5, 10, 20, 40, 80)  # steps of truncated back-propagation
FULL = 160  # steps of what counts as the full gradient
STRETCHES = 12  # of so many steps, over which gradients are compared
STRANDS = 20  # of an evaluation
#   when "window" evaluates: after so many steps, words, and seconds of processor time in training
EQUAL: dict[str, float] = {"steps": 500, "words": 250_000, "seconds": 75.0}


def build(train: Tensor, K: int, settings: dict[str, Any], generator: Generator) -> RNNLM:
    """The network that the settings describe; its readout begins at the words' frequencies."""
    return RNNLM(
        K, KINDS[settings["kind"]], settings["embedding"], settings["hidden"], settings["layers"],
        tied=settings["tied"], dropout=settings["dropout"], frequencies=frequencies(train, K),
        generator=generator,
    ).fast()  # fmt: skip


def loss(
    model: RNNLM, x: Tensor, y: Tensor, state: Any, products: torch.dtype = torch.bfloat16
) -> tuple[Tensor, Any]:
    """Mean cross-entropy of a window in nats; ``products``: the data type of the readout's."""
    return model.loss(x, y, state, products)


def method(model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """Adam, in torch's fused form: the numbers of ``rnnlib.optim.Adam`` in less time."""
    return torch.optim.Adam(model.parameters(), lr=lr, fused=True)


def encoded(corpus: str) -> tuple[Tensor, Tensor, Tensor, int]:
    """Numbers of the training, validation and test text, and how many words there are (K)."""
    text = words.load(corpus)
    train, validation, test = (text.vocabulary.encode(part) for part in text[:3])
    return train, validation, test, len(text.vocabulary)


def measured(model: RNNLM, text: Tensor) -> training.Metrics:
    """Nats a word and accuracy, the state carried."""
    return metrics.carried(model, text, piece=50, strands=STRANDS)


def train(
    settings: dict[str, Any], products: torch.dtype = torch.bfloat16
) -> tuple[RNNLM, dict[str, Any]]:
    """A trained network at its best epoch, and what happened; every draw comes from the seed.

    ``products``: see ``loss``; few processors have fast ones in bfloat16.
    """
    text, validation, _, K = encoded(settings["corpus"])
    parts = {"validation": validation, "train": text[: len(validation) // 2]}
    generator = Generator().manual_seed(settings["seed"])
    model = build(text, K, settings, generator)
    source = training.TruncatedBPTT(
        Contiguous(text, settings["T"], settings["batch"]),
        functools.partial(loss, products=products),
    )
    result = words.fit(
        model, source, source.loss, method(model, settings["lr"]), source.windows.rounds, settings,
        measured, parts, clip_norm=settings["clip"],
    )  # fmt: skip
    return model, result


def run(*, part: str, folder: Path | None = None, **settings: Any) -> dict[str, Any]:
    """One run of a part."""
    if part == "window":
        return window(settings)
    model, result = train(settings)
    text, _, test, K = encoded(settings["corpus"])
    if part == "kinds" and settings["dropout"] == 0:
        generator = Generator().manual_seed(settings["seed"])
        untrained = build(text, K, settings, generator)
        result["gradient"] = {
            name: truncation(some, text, settings["batch"])
            for name, some in (("before", untrained), ("after", model))
        }
    if part == "best":
        result["test"] = rounded(measured(model, test))
        if settings["seed"] == 0:
            small, _, _ = checkpoints.load_model(keep(model, settings, folder))
            result["eight_bits"] = rounded(measured(cast(RNNLM, small).fast(), test))
    return result


# ---- truncated back-propagation -----------------------------------------------------------------


def gradient(model: RNNLM, stretch: Tensor, T: int, state: Any) -> tuple[Tensor, Any]:
    """The gradient (P,) of a stretch's mean loss in windows of T steps, and the state after it.

    stretch (N, FULL + 1). Of the recurrent weights alone: those of the readout do not depend on T.
    """
    weights = [w for layer in model.layers for w in layer.parameters()]
    total = torch.zeros(sum(w.numel() for w in weights))
    S = stretch.shape[1] - 1
    for t in range(0, S, T):
        x, y = stretch[:, t : min(t + T, S)], stretch[:, t + 1 : t + T + 1]
        mean, state = model.loss(x, y, state)
        parts = torch.autograd.grad(mean * x.shape[1] / S, weights)
        total += torch.cat([part.flatten() for part in parts])
        state = each(state, Tensor.detach)
    return total, state


def truncation(model: RNNLM, text: Tensor, N: int) -> dict[str, Any]:
    r"""Cosine of the angle to the full gradient, and length by its length, for windows of T steps.

    Over ``STRETCHES`` of N strands and ``FULL`` steps, which are read from the text one after the
    other with the state carried. "mean" compares means over all stretches: the bias, with little of
    the noise; "noise" is the cosine of the full gradients of two stretches in a row.
    """
    source = Contiguous(text, FULL, N)
    state: Any = None
    found: dict[int, list[Tensor]] = {T: [] for T in (*WINDOWS, FULL)}
    with evaluating(model), torch.enable_grad():
        for _ in range(STRETCHES):
            stretch = next(source)
            for T, gradients in found.items():
                g, after = gradient(model, stretch, T, state)
                gradients.append(g)
            state = after
    full = torch.stack(found.pop(FULL))  # (STRETCHES, P)
    result: dict[str, Any] = {
        "noise": cosine(full[1:], full[:-1]).mean().item(), "windows": list(WINDOWS),
        "cosine": [], "cosine_sd": [], "length": [], "mean_cosine": [], "mean_length": [],
    }  # fmt: skip
    for gradients in found.values():
        g = torch.stack(gradients)
        cosines, means = cosine(g, full), (g.mean(dim=0), full.mean(dim=0))
        result["cosine"].append(cosines.mean().item())
        result["cosine_sd"].append(cosines.std().item())
        result["length"].append((g.norm(dim=1) / full.norm(dim=1)).mean().item())
        result["mean_cosine"].append(cosine(*means).item())
        result["mean_length"].append((means[0].norm() / means[1].norm()).item())
    return rounded(result)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the angle between vectors (..., P), in float64."""
    return nn.functional.cosine_similarity(a.double(), b.double(), dim=-1)


def window(settings: dict[str, Any]) -> dict[str, Any]:
    """Training on windows of T steps: validation after equal steps, words and time."""
    text, validation, _, K = encoded(settings["corpus"])
    generator = Generator().manual_seed(settings["seed"])
    model = build(text, K, settings, generator)
    source = training.TruncatedBPTT(
        Contiguous(text, settings["T"], settings["batch"]), loss, resets=settings["resets"]
    )
    found: dict[str, dict[str, float]] = {}
    began = time.process_time()
    evaluating_took = 0.0

    def look(history: training.History) -> bool:
        """Evaluate whenever one of the three has come; stop after the last."""
        nonlocal evaluating_took
        now = time.process_time()
        spent: dict[str, float] = {
            "steps": history.steps,
            "words": history.steps * settings["T"] * settings["batch"],
            "seconds": now - began - evaluating_took,
        }
        for name in EQUAL.keys() - found.keys():
            if spent[name] >= settings["equal"][name]:
                found[name] = rounded(spent | measured(model, validation))
        evaluating_took += time.process_time() - now
        return len(found) == len(EQUAL)

    training.train(
        model, source, source.loss, method(model, settings["lr"]), 10**9,
        clip_norm=settings["clip"], stop_when=look, progress=False,
    )  # fmt: skip
    from_zero = metrics.from_zero(model, validation, settings["T"])
    return {"equal": found, "from_zero": rounded(from_zero)}


# ---- files --------------------------------------------------------------------------------------


def keep(model: RNNLM, settings: dict[str, Any], folder: Path | None) -> Path:
    """Write the weights in eight bits, with vocabulary and settings beside them."""
    folder = folder or study.data_dir() / "checkpoints"
    folder.mkdir(exist_ok=True)
    vocabulary = words.load(settings["corpus"]).vocabulary
    path = folder / "rnn_lm_best.safetensors"
    checkpoints.save_model(path, model, vocabulary, settings, torch.int8)
    return path


# ---- the study ----------------------------------------------------------------------------------


def plan(part: str, seeds: int) -> list[dict[str, Any]]:
    """The settings of each run of a part."""
    changes: list[dict[str, Any]]
    match part:
        case "kinds":
            changes = [{"kind": kind, "dropout": rate} for kind in KINDS for rate in (0.0, DROPOUT)]
        case "embedding":
            sizes = [(16, False), (32, False), (128, False), (128, True)]
            changes = [{"embedding": E, "tied": tied, "dropout": DROPOUT} for E, tied in sizes]
        case "best":
            changes = [
                {"embedding": 160, "hidden": 160, "layers": 2, "tied": True, "dropout": 0.4}
                | {"T": 35, "epochs": 10}
            ]
        case _:
            changes = [
                {"T": T, "resets": resets, "lr": 3e-3, "equal": EQUAL}
                for T in WINDOWS for resets in (0.0, 1.0)
            ]  # fmt: skip
    every = itertools.product(range(seeds), changes)
    return [{"seed": seed} | NETWORK | change for seed, change in every]


PARTS = ("kinds", "embedding", "best", "window")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    words.add_arguments(parser, PARTS)


def main(chosen: argparse.Namespace) -> None:
    """Run the parts one after the other."""
    parts = words.parts(chosen, plan)
    every = functools.partial(run, folder=study.checkpoints(chosen.name, "rnn_lm"))
    for name, settings in parts:
        run_study(name, every, settings, chosen.workers)
