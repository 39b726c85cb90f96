"""The text that models of words are compared on, and its vocabulary."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from rnnlib import corpora, training
from rnnlib.experiments.study import Settings, available, means, not_lost, rounded
from rnnlib.text import Words, split

SIZE, TALES_SIZE = 8000, 1500  # of the vocabulary: UNK, START, END and words
TRAIN, HELD_OUT = 500_000, 100_000  # words and ENDs of the training text; of each of the other two


class Text(NamedTuple):
    """Three texts of whole lines, none of them blank, and the vocabulary of the first."""

    train: str
    validation: str
    test: str
    vocabulary: Words


@functools.cache
def load(corpus: str = "wikitext-2") -> Text:
    """WikiText-2's first lines of each part, or the tales: 80 % to train on, 10 % and 10 %."""
    size = TALES_SIZE if corpus == "tales" else SIZE
    if corpus == "tales":
        train, rest = split(corpora.load("tales"), 0.2, whole_lines=True)
        validation, test = split(rest, 0.5, whole_lines=True)
        parts = tuple(first_lines(text, len(text)) for text in (train, validation, test))
    else:
        texts = corpora.load("wikitext-2")
        assert isinstance(texts, dict)
        lengths = {"train": TRAIN, "valid": HELD_OUT, "test": HELD_OUT}
        parts = tuple(first_lines(texts[name], length) for name, length in lengths.items())
    train, validation, test = parts
    return Text(train, validation, test, Words.of(train, size))


def first_lines(text: str, words: int) -> str:
    """The first lines of a text that are not blank, until they have so many words and ENDs."""
    found, count = [], 0
    for line in text.split("\n"):
        if count >= words:
            break
        if line.strip():
            found.append(line + "\n")
            count += len(line.split()) + 1
    return "".join(found)


def fit(
    model: nn.Module, source: Any, loss: Any, optimizer: Any, epoch: int, settings: Settings,
    measure: Callable[[Any, Tensor], training.Metrics], parts: dict[str, Tensor],
    clip_norm: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train for the settings' epochs of so many steps; the rate falls to zero in a line.

    After each epoch ``measure`` gives nats and accuracy of each of the ``parts``; the model is left
    with the weights of the epoch whose "validation" had the fewest nats. Returns what happened.
    """
    steps = settings["epochs"] * epoch

    def next_rate(history: training.History) -> bool:
        for group in optimizer.param_groups:
            group["lr"] = settings["lr"] * (1 - history.steps / steps)
        return False

    def evaluate(model: nn.Module) -> training.Metrics:
        found: training.Metrics = {}
        for name, some in parts.items():
            of = measure(model, some)
            found |= {name: of["nats"], f"{name}_accuracy": of["accuracy"]}
        return found

    history = training.train(
        model, source, loss, optimizer, steps, clip_norm=clip_norm,
        evaluate=evaluate, eval_every=epoch, stop_when=next_rate,
        patience=settings["epochs"] + 1, monitor="validation",
    )  # fmt: skip
    return {
        "parameters": sum(w.numel() for w in model.parameters()),
        "steps": steps,
        "loss": means(history.loss, epoch, 4),  # while learning, with dropout
        "evaluations": rounded(history.evaluations),
        "best": rounded(min(history.evaluations, key=lambda e: e["validation"])),
    }


def add_arguments(parser: argparse.ArgumentParser, parts: Sequence[str]) -> None:
    """The options of a study of words that has parts."""
    parser.add_argument("--part", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--corpus", choices=("wikitext-2", "tales"), default="wikitext-2")
    parser.add_argument("--epochs", type=int, help="other than the part's own, for a trial")


def parts(
    chosen: argparse.Namespace, plan: Callable[[str, int], list[Settings]]
) -> list[tuple[str, list[Settings]]]:
    """The record's name and the settings of all runs of each part, as the options have them."""
    corpus = available(chosen.corpus, chosen.study)
    asked = {"epochs": chosen.epochs} if chosen.epochs else {}
    found = []
    for part in chosen.part:
        settings = [{"part": part, "corpus": corpus} | s | asked for s in plan(part, chosen.seeds)]
        found.append((not_lost(f"{chosen.name}_{part}", settings), settings))
    return found
