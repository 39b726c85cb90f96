"""An LSTM that learns to write, character by character, and what it is measured against.

Two layers of 128 units read windows of 30 characters from random places of the first 95 % of a
book, each from a zero state. The last 5 % are held out. At five even points of training the
model writes a few lines. The record also has a smoothed n-gram model and xz on the same split.

A run that was stopped, by Ctrl-C or otherwise, goes on from its checkpoint with the same command,
to the same text at the end. The weights of the seed with the lowest held-out loss go to
data/weights/char_CORPUS.safetensors, in float16; those of a trial, with --steps or --name, to
data/checkpoints. The record is data/results/char_lm_CORPUS.json unless --name says otherwise.

With --text my.txt, a file or a link, one network learns to write like a text of your own. Steps
and held-out part suit its length; --seeds and --workers are not asked. What it makes lies beside
the text: my_lstm.safetensors, the weights, and my_lstm.json, the record.
"""

from __future__ import annotations

import argparse
import functools
import json
import lzma
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from rnnlib import checkpoints, corpora, metrics, ngram, optim, sampling, training
from rnnlib.experiments import study
from rnnlib.experiments.study import means, not_lost, run_study
from rnnlib.models import CharacterModel
from rnnlib.text import Vocabulary, Windows, split

CORPORA: tuple[corpora.TextName, ...] = ("grimm", "democracy", "tinyshakespeare", "tales")
#   as the course sets it, but for the clipping and the decay
TRAINING: dict[str, Any] = {
    "T": 30, "hidden": 128, "layers": 2, "batch": 64, "optimizer": "rmsprop", "lr": 2e-3,
    "clip": 1.0, "decay": 0.2,
}  # fmt: skip
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": optim.Adam,
    "rmsprop": optim.RMSprop,
}
STEPS = 9000
POINTS = 5  # samples while training
LENGTHS = (20, 30, 60)  # of a sample: shorter than, as long as, longer than a training window
EVERY = 100  # steps over which the training loss and accuracy are averaged
LAST = 500  # steps over which loss and accuracy at the end are averaged
LONGEST = 8  # order of the n-gram models


def rate(step: int, steps: int, lr: float, decay: float) -> float:
    """The learning rate of a step: ``lr``, then over the last share ``decay`` a line towards 0."""
    return lr * min(1.0, (steps - step) / (decay * steps)) if decay else lr


def samples(model: nn.Module, vocabulary: Vocabulary, seed: int) -> list[dict[str, Any]]:
    """A text of each length, greedy and drawn at temperature 1, from the same capital letter.

    A vocabulary without capitals begins with any letter, one without letters with any character.
    """
    generator = torch.Generator().manual_seed(2_000 + seed)
    kinds = (str.isupper, str.isalpha, lambda c: True)
    found_starts = ([c for c in vocabulary.symbols if kind(c)] for kind in kinds)
    capitals = next(filter(None, found_starts))
    found: list[dict[str, Any]] = []
    for length in LENGTHS:
        start = capitals[int(torch.randint(len(capitals), (), generator=generator))]
        for temperature in (0.0, 1.0):
            text = start + sampling.generate(
                model, vocabulary, start, length - 1, temperature=temperature, seed=seed
            )
            found.append({"length": length, "temperature": temperature, "text": text})
    return found


def evaluate(
    model: nn.Module, vocabulary: Vocabulary, held_out: Tensor, T: int, seed: int
) -> dict[str, Any]:
    """Loss and accuracy on windows of the held-out text, and samples."""
    found, texts = metrics.from_zero(model, held_out, T), samples(model, vocabulary, seed)
    lines = "".join(f"\n  at temperature {s['temperature']:g}: {s['text']!r}" for s in texts)
    tqdm.write(f"seed {seed}: held-out loss {found['nats']:.3f} nats{lines}", file=sys.stderr)
    return {**found, "samples": texts}


def run(*, folder: Path, **settings: Any) -> dict[str, Any]:
    """One run of either kind: "lstm" or "baselines"; what it needs to go on lies in ``folder``."""
    text = corpora.load(settings["corpus"])
    if settings["kind"] == "baselines":
        return baselines(text)
    return train(text, study.checkpoint(folder, "char_lm", settings), settings)


def train(text: str, checkpoint: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Train on a text; write the weights beside ``checkpoint``; every draw comes from the seed."""
    seed, steps, T, lr = (settings[name] for name in ("seed", "steps", "T", "lr"))
    if steps % POINTS:
        raise ValueError(f"steps must be a multiple of {POINTS}, got {steps}")
    vocabulary = Vocabulary.of(text)
    parts = split(text, settings.get("held_out", 0.05))
    numbers, held_out = (vocabulary.encode(part) for part in parts)
    generator = torch.Generator().manual_seed(seed)
    model = CharacterModel(
        len(vocabulary), settings["hidden"], settings["layers"], generator=generator
    ).fast()
    method = OPTIMIZERS[settings["optimizer"]](model.parameters(), lr=lr)
    session: list[int] = []  # the first step of this session

    def each_step(history: training.History) -> bool:
        if not session:
            session.append(history.steps)
            if history.steps > 1:
                tqdm.write(f"seed {seed}: goes on after step {history.steps - 1}", file=sys.stderr)
        method.param_groups[0]["lr"] = rate(history.steps, steps, lr, settings["decay"])
        return False

    history = training.train(
        model,
        Windows(numbers, T, settings["batch"], seed=1_000 + seed),
        metrics.next_character_loss,
        method,
        steps,
        clip_norm=settings["clip"],
        evaluate=lambda m: evaluate(m, vocabulary, held_out, T, seed),
        eval_every=steps // POINTS,
        stop_when=each_step,
        checkpoint=checkpoint,
        checkpoint_every=max(1, steps // 50),
        settings={"steps": steps, "decay": settings["decay"]},  # what the rate depends on
    )
    accuracies = [m["accuracy"] for m in history.metrics]
    weights = checkpoint.with_suffix(".weights")
    checkpoints.save_model(weights, model, vocabulary, settings)
    rounded, _, _ = checkpoints.load_model(weights)
    return {
        "loss": means(history.loss[-LAST:], LAST, 5)[0],
        "accuracy": means(accuracies[-LAST:], LAST, 5)[0],
        "loss_per_100_steps": means(history.loss, EVERY, 5),
        "accuracy_per_100_steps": means(accuracies, EVERY, 5),
        "held_out": {
            "carried": metrics.carried(model, held_out),
            "from zero": metrics.from_zero(model, held_out, T),
            "carried, float16 weights": metrics.carried(rounded.fast(), held_out),
        },
        "points": history.evaluations,
        "wall_seconds": round(history.seconds, 1),
    }


def baselines(text: str) -> dict[str, Any]:
    """Bits a character of the held-out text by n-gram models of each order, and by xz."""
    vocabulary = Vocabulary.of(text)
    train, held_out = split(text)
    order, on_a_piece = ngram.choose_order(train, LONGEST, vocabulary)
    bits = ngram.NGram(train, LONGEST, vocabulary).bits_per_character(held_out)
    return {
        "characters": {"train": len(train), "held_out": len(held_out), "K": len(vocabulary)},
        "ngram": {
            "bits_by_order": bits,
            "bits_by_order_on_a_piece_of_train": on_a_piece,
            "order": order,
            "bits": bits[order - 1],
        },
        "xz": {
            "after_train": 8 * (_xz(text) - _xz(train)) / len(held_out),
            "alone": 8 * _xz(held_out) / len(held_out),
        },
    }


def _xz(text: str) -> int:
    """Bytes of the text as xz packs it, with the most effort."""
    return len(lzma.compress(text.encode("utf-8"), preset=9 | lzma.PRESET_EXTREME))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--corpus", choices=CORPORA, default="grimm")
    parser.add_argument("--text", metavar="FILE", help="train on your own text, a file or a link")
    parser.add_argument("--encoding", help="of your text, as cp1251; default: found out")
    parser.add_argument("--steps", type=int, help=f"other than {STEPS}, for a trial")
    for name in ("optimizer", "lr", "clip", "decay"):
        value = TRAINING[name]
        choices = list(OPTIMIZERS) if name == "optimizer" else None
        parser.add_argument(f"--{name}", type=type(value), choices=choices, default=value)


def main(chosen: argparse.Namespace) -> None:
    """Run the study over all seeds; keep the best seed's weights. Or train on one's own text."""
    if chosen.text:
        from rnnlib.experiments import own_text  # which needs this module

        return own_text.main(chosen)
    corpus = study.available(chosen.corpus, "char_lm")
    asked = {"corpus": corpus, "asked": chosen.corpus}
    settings = TRAINING | {name: getattr(chosen, name) for name in TRAINING if name in chosen}
    settings |= {"steps": chosen.steps or STEPS}
    runs: list[dict[str, Any]] = [
        {"kind": "lstm", **asked, "seed": seed, **settings} for seed in range(chosen.seeds)
    ]
    every = [*runs, {"kind": "baselines", **asked, "seed": 0}]
    own = f"char_lm_{corpus}"
    name = not_lost(own if chosen.name == "char_lm" else chosen.name, every)
    folder = study.checkpoints(name, own)
    path = run_study(name, functools.partial(run, folder=folder), every, chosen.workers)
    record = json.loads(path.read_text(encoding="utf-8"))
    best = min(
        record["runs"][: len(runs)], key=lambda r: r["result"]["held_out"]["carried"]["nats"]
    )
    trial = chosen.steps or name != own
    target = (folder if trial else study.data_dir() / "weights") / f"char_{corpus}"
    target.parent.mkdir(exist_ok=True)
    files = [study.checkpoint(folder, "char_lm", r) for r in runs]
    weights = study.checkpoint(folder, "char_lm", best["settings"]).with_suffix(".weights")
    if not weights.exists():  # the run was made on another machine
        print(f"the weights of seed {best['settings']['seed']} are not here: no file is written")
        return
    os.replace(weights, f"{target}.safetensors")
    for file in files:  # and what a kill left beside them
        for made in folder.glob(f"{file.stem}.*"):
            made.unlink()
    print(f"the weights of seed {best['settings']['seed']} are in {target.name}.safetensors")
