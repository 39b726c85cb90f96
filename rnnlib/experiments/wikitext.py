"""WikiText-2 with all of its 33,278 words: an LSTM as published, and one that has read this book.

The published setting is that of pytorch/examples, word_language_model: two layers of 200 units
read 20 strands in windows of 35 words, state carried; the table of words is the readout too.
Users report a test perplexity of 130 after 6 epochs and of 100 after 40 (issues 415 and 281 of
that repository; its README gave numbers of another corpus). Like there, a text is
evaluated in ten strands read side by side, and what is left over at its end is dropped.
The other variants build on it, each with all changes of those before it, and have as many weights.

A run goes on from its checkpoint with the same command, to the same last digit, and, where its
learning rate does not depend on the end, with a larger --epochs to where one of that many would
be: data/checkpoints keeps it. A rate that has fallen to zero falls once more, from half as high, in
--again epochs: such a run goes on where one without them ended. The test text is read after
epoch 6, and at the end with the weights that were best on the validation text.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from rnnlib import corpora, init, metrics, optim, training
from rnnlib.experiments import study
from rnnlib.experiments.study import means, not_lost, run_study
from rnnlib.layers import LSTM
from rnnlib.models import RNNLM, chances, sampled_cross_entropy
from rnnlib.text import Contiguous, Words, frequencies

PUBLISHED: dict[str, Any] = {
    "hidden": 200, "layers": 2, "T": 35, "batch": 20, "products": "bfloat16",
    "first": "torch", "frequencies": False, "optimizer": "sgd", "lr": 20.0, "anneal": 4.0,
    "clip": 0.25, "weight_decay": 0.0, "dropout": [0.2, 0.2, 0.2], "locked": False,
    "word_dropout": 0.0, "resets": 0.0, "sample": 0,
}  # fmt: skip
#   what changes against the variant before
CHANGES: dict[str, dict[str, Any]] = {
    "published": {},
    "sampled": {"sample": 4096},  # words of the softmax, in the mean, drawn at each step
    "beginning": {"first": "book", "frequencies": True},
    "adamw": {"optimizer": "adamw", "lr": 3e-3, "anneal": 0.0, "clip": 1.0, "weight_decay": 0.01},
    "resets": {"resets": 0.01},
    "dropout": {
        "dropout": [0.35, 0.35, 0.35],
        "sample": 2048,
        "products": "float32",
        "every": 3,
    },
}
PRODUCTS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
STRANDS = 10  # of an evaluation
LOOK = 6  # the epoch after which the test text is read too
EVERY = 500  # steps between two checkpoints, and over which the training loss is averaged
WARM_UP = 200  # steps in which the rate of AdamW rises
EPS = 1e-5  # of AdamW: gradients of a rare word's row are smaller, and shall not count as large


def variants() -> dict[str, dict[str, Any]]:
    """The settings of each variant, with all changes of those before it."""
    settings = itertools.accumulate(CHANGES.values(), lambda a, b: a | b, initial=PUBLISHED)
    return dict(zip(CHANGES, itertools.islice(settings, 1, None), strict=True))


def texts() -> tuple[dict[str, Tensor], int]:
    """Numbers of the words of "train", "valid" and "test", and how many words there are (K)."""
    parts: Any = corpora.load("wikitext-2")
    vocabulary = Words.of(parts["train"], start=False)
    return {name: vocabulary.encode(text) for name, text in parts.items()}, len(vocabulary)


def evaluate(model: RNNLM, numbers: Tensor, strands: int = STRANDS, T: int = 70) -> float:
    """Nats a word, over strands of the text that are read side by side with the state carried."""
    S = (len(numbers) - 1) // strands
    return metrics.carried(model, numbers[: S * strands + 1], piece=T, strands=strands)["nats"]


def build(train: Tensor, K: int, settings: dict[str, Any], generator: Generator) -> RNNLM:
    """The model that the settings describe, for a training text (M,)."""
    model = RNNLM(
        K, LSTM, settings["hidden"], settings["hidden"], settings["layers"], tied=True,
        dropout=settings["dropout"], locked=settings["locked"],
        word_dropout=settings["word_dropout"], generator=generator,
        frequencies=frequencies(train, K) if settings["frequencies"] else None,
    )  # fmt: skip
    if settings["first"] == "book":
        for layer in model.layers:
            cell = layer.cells[0]
            init.orthogonal_(cell.W_h, generator, blocks=4)
            init.xavier_(cell.W_x, generator, blocks=4)
            init.forget_bias_(cell.b.data.zero_(), 1.0)
    return model.fast()


def method(model: RNNLM, settings: dict[str, Any]) -> Optimizer:
    """The optimizer: SGD, or AdamW in torch's fused form, which takes less time."""
    if settings["optimizer"] == "sgd":
        return optim.SGD(model.parameters(), lr=settings["lr"])
    groups = study.decaying(model, settings["weight_decay"])
    return torch.optim.AdamW(groups, lr=settings["lr"], betas=(0.9, 0.999), eps=EPS, fused=True)


def rate(step: int, steps: int, lr: float) -> float:
    """The rate of AdamW: up over ``WARM_UP`` steps, then down to zero in a line."""
    return lr * min(1.0, (step + 1) / WARM_UP) * (1 - step / steps)


def run(
    *, folder: Path, name: str, variant: str, seed: int, epochs: int, words: int | None,
    threads: int, every: int = 1, again: int = 0, **settings: Any,
) -> dict[str, Any]:  # fmt: skip
    """One run of so many epochs, or of what is missing of them; every draw comes from ``seed``."""
    torch.set_num_threads(threads)
    numbers, K = texts()
    train = numbers["train"][:words]
    generator = Generator().manual_seed(seed)
    model = build(train, K, settings, generator)
    optimizer = method(model, settings)
    lr, anneal = settings["lr"], settings["anneal"]

    products = PRODUCTS[settings["products"]]
    chance = chances(frequencies(train, K), settings["sample"]) if settings["sample"] else None

    def loss(_: nn.Module, x: Tensor, y: Tensor, state: Any) -> tuple[Tensor, Any]:
        if chance is None:
            return model.loss(x, y, state, products)
        outputs, state = model.outputs(x, state)
        h, W, b = outputs.flatten(0, 1), model.readout.weight, model.readout.bias
        return sampled_cross_entropy(h, W, b, y.flatten(), chance, products, generator), state

    source = training.TruncatedBPTT(
        Contiguous(train, settings["T"], settings["batch"]), loss,
        resets=settings["resets"], generator=generator,
    )  # fmt: skip
    per_epoch = source.windows.rounds
    first, second = epochs * per_epoch, again * per_epoch  # steps of the rate's two falls
    file = f"{name}_{variant}_{seed}" if anneal else f"{name}_{variant}_{seed}_{epochs}"
    began: list[float] = []  # processor time after each evaluation of this session

    def next_rate(history: training.History) -> bool:
        if not anneal:
            for group in optimizer.param_groups:
                if history.steps > first:
                    group["lr"] = rate(history.steps - first, second, lr / 2)
                else:
                    group["lr"] = rate(history.steps, first, lr)
        return False

    def look(_: nn.Module) -> training.Metrics:
        """Validation after ``every`` epochs; without a new best, ``anneal`` divides the rate."""
        ended = time.process_time()
        group = optimizer.param_groups[0]  # a checkpoint keeps it, and so the best so far
        found = {"lr": group["lr"], "nats": evaluate(model, numbers["valid"])}
        if found["nats"] < group.setdefault("best", math.inf):
            group["best"] = found["nats"]
        elif anneal:
            group["lr"] /= anneal
        epoch = source.windows.taken / per_epoch
        if epoch == LOOK:
            found["test_nats"] = evaluate(model, numbers["test"])
        if began:
            found["processor_seconds"] = round((ended - began[-1]) / every, 1)
        shown = ", ".join(f"{key} {value:.5g}" for key, value in found.items())
        tqdm.write(f"{name} {variant}: epoch {epoch:g}: {shown}", file=sys.stderr)
        began.append(time.process_time())
        return found

    next_rate(training.History())
    history = training.train(
        model, source, source.loss, optimizer, first + second, clip_norm=settings["clip"],
        evaluate=look, eval_every=every * per_epoch, patience=epochs + again + 1, monitor="nats",
        stop_when=next_rate, checkpoint=folder / f"{file}.checkpoint", checkpoint_every=EVERY,
        settings=settings,
    )  # fmt: skip
    best = min(history.evaluations, key=lambda found: found["nats"])  # its weights are put back
    test = evaluate(model, numbers["test"])
    return {
        "parameters": sum(w.numel() for w in model.parameters()),
        "words": {part: len(text) for part, text in numbers.items()} | {"K": K},
        "steps_per_epoch": per_epoch,
        "epochs": history.evaluations,
        "best_epoch": best["step"] // per_epoch,
        "valid_perplexity": metrics.perplexity(best["nats"]),
        "test_nats": test,
        "test_perplexity": metrics.perplexity(test),
        "loss_per_500_steps": means(history.loss, EVERY, 4),
        "wall_seconds": round(history.seconds, 1),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--variants", nargs="+", choices=CHANGES, default=["published"])
    parser.add_argument("--epochs", type=int, nargs="+", default=[6], help="of each variant")
    parser.add_argument("--words", type=int, help="of the training text, for a trial")
    parser.add_argument("--threads", type=int, default=2, help="of the one run at a time")
    parser.add_argument("--products", choices=PRODUCTS, help="data type of the readout's products")
    parser.add_argument("--sample", type=int, help="words of the softmax that a step draws")
    parser.add_argument(
        "--again", type=int, nargs="+", default=[0], help="epochs of AdamW's second fall"
    )
    parser.add_argument("--every", type=int, default=1, help="epochs between two evaluations")


def plan(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """The settings of each run.

    ``--epochs`` and ``--again`` are one number for all variants, or one for each.
    """

    def of_each(name: str) -> list[int]:
        """An option, one number for each variant."""
        given, n = getattr(chosen, name), len(chosen.variants)
        if len(given) not in (1, n):
            raise SystemExit(
                f"--{name} must be one number, or one for each of the {n} variants, "
                f"got {len(given)}"
            )
        return list(given) * (n if len(given) == 1 else 1)

    every = variants()
    shared = {"name": chosen.name, "words": chosen.words, "threads": chosen.threads}
    asked = {
        "products": chosen.products, "sample": chosen.sample,
        "every": chosen.every if chosen.every > 1 else None,
    }  # fmt: skip
    other = {key: value for key, value in asked.items() if value is not None}
    runs = [
        {"variant": variant, "epochs": epochs} | shared | every[variant] | other
        | ({"again": again} if again else {})
        for variant, epochs, again in zip(
            chosen.variants, of_each("epochs"), of_each("again"), strict=True
        )
    ]  # fmt: skip
    return [one | {"seed": seed} for seed in range(chosen.seeds) for one in runs]


def main(chosen: argparse.Namespace) -> None:
    """Run the study over variants and seeds, one run after the other."""
    settings = plan(chosen)
    name = not_lost(chosen.name, settings)
    every = functools.partial(run, folder=study.checkpoints(name, "wikitext"))
    run_study(name, every, settings, 1, threads=chosen.threads)
