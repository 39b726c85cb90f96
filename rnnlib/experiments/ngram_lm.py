"""Neural 4-grams of words on WikiText-2, and counting on the same words.

Parts, a record each, data/results/ngram_lm_PART.json unless --name says otherwise:

counts      interpolated Kneser-Ney of orders 1 to 5
hidden      linear against tanh at 128, 256 and 512 hidden units, embedding 16
scale       a table that begins at N(0, 1) or N(0, 0.01^2) in place of N(0, 0.1^2)
embedding   embeddings 32, 64 and 128, and 128 with dropout
best        256 hidden units, embedding 128, dropout; mixed with the counts; the test text
curriculum  first without the most frequent words as targets, against plain training
map         an embedding of 2 numbers a word, drawn beside the table of "best", which must be there

Networks read windows of 4 words in a new order each epoch; the products of training are made in
bfloat16. After each epoch perplexity and accuracy are taken in float32; the weights of the epoch
with the lowest validation loss are kept. The weights of seed 0 of "best" go to data/checkpoints.
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from rnnlib import ngram, optim, tasks, tensorfiles, training
from rnnlib.experiments import study, words
from rnnlib.experiments.study import rounded, run_study
from rnnlib.interactive import word_data
from rnnlib.models import NGramLM
from rnnlib.text import context_windows, frequencies

n = 4
LONGEST = 5  # order of the counts
NETWORK: dict[str, Any] = {
    "activation": "tanh", "embedding": 16, "hidden": 128, "dropout": 0.0, "scale": 0.1,
    "frequencies": True, "optimizer": "adam", "lr": 2e-3, "weight_decay": 0.0, "batch": 256,
    "epochs": 4,
}  # fmt: skip
FREQUENT = (0, 10, 100, 1000)  # groups of targets, by rank: 10 words, 90, 900, all others
DROPPED = (10, 5, 2, 0)  # curriculum: so many words are no targets, for a quarter of the steps each
POINTS = 12  # evaluations of a curriculum
EXAMPLES = 12
DRAWN = 500  # words on a map


def windows(text: str, corpus: str) -> Tensor:
    """The words of a text behind the three before each: (M, n)."""
    vocabulary = words.load(corpus).vocabulary
    return context_windows(vocabulary.encode(text), n, vocabulary)


@torch.no_grad()
def log_probabilities(model: nn.Module, rows: Tensor) -> tuple[Tensor, Tensor]:
    """ln P of each target of windows (M, n), in float64, and whether it was the likeliest word."""
    log_p, right = [], []
    for some in rows.split(512):
        logits, target = model(some[:, :-1]), some[:, -1]
        log_p.append(-cross_entropy(logits, target, reduction="none").double())
        right.append(logits.argmax(dim=1) == target)
    return torch.cat(log_p), torch.cat(right)


def measured(model: nn.Module, rows: Tensor) -> training.Metrics:
    """Nats a word and accuracy."""
    log_p, right = log_probabilities(model, rows)
    return {"nats": -log_p.mean().item(), "accuracy": right.double().mean().item()}


def loss(
    model: nn.Module, rows: Tensor, products: torch.dtype = torch.bfloat16
) -> tuple[Tensor, training.Metrics]:
    """Mean cross-entropy of windows (N, n) in nats; ``products``: bfloat16 or float32."""
    with torch.autocast("cpu", torch.bfloat16, enabled=products == torch.bfloat16):
        logits = model(rows[:, :-1])
    return cross_entropy(logits.float(), rows[:, -1]), {}


def build(rows: Tensor, K: int, settings: dict[str, Any]) -> NGramLM:
    """The network that the settings describe, for training windows (M, n)."""
    return NGramLM(
        K, n - 1, settings["embedding"], settings["hidden"], settings["activation"],
        settings["dropout"], scale=settings["scale"],
        frequencies=frequencies(rows[:, -1], K) if settings["frequencies"] else None,
        generator=torch.Generator().manual_seed(settings["seed"]),
    )  # fmt: skip


def method(model: nn.Module, settings: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimizer: SGD, or AdamW in torch's fused form, which takes less time."""
    if settings["optimizer"] == "sgd":
        return optim.SGD(model.parameters(), lr=settings["lr"])
    groups = study.decaying(model, settings["weight_decay"])
    return torch.optim.AdamW(groups, lr=settings["lr"], fused=True)


def train(
    settings: dict[str, Any], products: torch.dtype = torch.bfloat16
) -> tuple[NGramLM, dict[str, Any]]:
    """A trained network at its best epoch, and what happened; every draw comes from the seed.

    ``products``: see ``loss``; few processors have fast ones in bfloat16.
    """
    text = words.load(settings["corpus"])
    rows, validation = (windows(part, settings["corpus"]) for part in text[:2])
    parts = {"validation": validation, "train": rows[: len(validation) // 2]}
    seed, N = settings["seed"], settings["batch"]
    model = build(rows, len(text.vocabulary), settings)
    result = words.fit(
        model, tasks.Shuffled(rows, N, seed=1_000 + seed),
        functools.partial(loss, products=products), method(model, settings),
        len(rows) // N, settings, measured, parts,
    )  # fmt: skip
    return model.eval(), result


def run(*, part: str, folder: Path | None = None, **settings: Any) -> dict[str, Any]:
    """One run of a part; the weights of "best" are in ``folder``, else in data/checkpoints."""
    if part == "counts":
        return counts(settings["corpus"])
    if part == "curriculum":
        return curriculum(settings)
    if part == "map":
        return maps(settings, folder)
    model, result = train(settings)
    if part == "best":
        result |= {"mixture": mixture(model, settings["corpus"])}
        if settings["seed"] == 0:
            keep(model, settings, folder)
    return result


# ---- counting -----------------------------------------------------------------------------------


def counts(corpus: str) -> dict[str, Any]:
    """Nats a word by the order of the counts, and what the texts are like."""
    train, validation, test, vocabulary = words.load(corpus)
    model = ngram.NGram(train, LONGEST, vocabulary)
    seen = [table.counts for table in model.longest]
    orders = range(1, LONGEST + 1)
    grams = {"validation": model.grams(validation), "test": model.grams(test)}
    texts = {"train": train, "validation": validation, "test": test}
    return {
        "K": len(vocabulary),
        "words": {name: len(vocabulary.cut(text)) for name, text in texts.items()},
        "lines": {name: text.count("\n") for name, text in texts.items()},
        "characters": {name: len(text) for name, text in texts.items()},
        "unk": {
            name: (vocabulary.encode(text) == vocabulary.unk).double().mean().item()
            for name, text in texts.items()
        },
        "nats": {
            name: (-model.log_probabilities(texts[name]).mean(dim=1)).tolist() for name in grams
        },
        "different": [len(some) for some in seen],
        "discounts": [table.discount for table in model.longest],
        "seen": {  # share of the n-grams of a text that stand in the training text too
            name: [sum(g[-k:] in seen[k - 1] for g in some) / len(some) for k in orders]
            for name, some in grams.items()
        },
    }  # fmt: skip


def mixture(model: nn.Module, corpus: str) -> dict[str, Any]:
    """The network, the counts of the same order, and both mixed, with what each knows alone.

    The share of the counts is chosen on the first half of the validation words. All figures are of
    the second half and of the test text.
    """
    train, validation, test, vocabulary = words.load(corpus)
    counted = ngram.NGram(train, n, vocabulary)
    P, P_test = (counted.log_probabilities(text)[-1] for text in (validation, test))
    Q, Q_test = (log_probabilities(model, windows(text, corpus))[0] for text in (validation, test))
    half = len(P) // 2
    share = ngram.choose_share(P[:half], Q[:half])
    P, Q, grams = P[half:], Q[half:], counted.grams(validation)[half:]
    both, both_test = ngram.mixture(P, Q, share), ngram.mixture(P_test, Q_test, share)
    orders = torch.tensor([seen_order(counted, gram) for gram in grams])
    ranks = rank_groups(windows(train, corpus), windows(validation, corpus)[half:])

    def nats(where: Tensor) -> dict[str, float]:
        found = {"counts": -P[where], "network": -Q[where], "mixture": -both[where]}
        share_of_words = where.double().mean().item()
        return {"share": share_of_words} | {k: v.mean().item() for k, v in found.items()}

    gain = (Q - P).tolist()  # above zero where the network knew better
    order = sorted(range(len(gain)), key=gain.__getitem__)
    everywhere = torch.ones_like(P, dtype=torch.bool)
    return {
        "share": share,
        "validation": rounded(nats(everywhere)),
        "test": rounded(
            {
                "counts": -P_test.mean().item(),
                "network": -Q_test.mean().item(),
                "mixture": -both_test.mean().item(),
            }
        ),
        "by_seen": {k: rounded(nats(orders == k)) for k in range(n + 1) if (orders == k).any()},
        "by_rank": [rounded(nats(ranks == k)) for k in range(len(FREQUENT))],
        "examples": {
            name: [[" ".join(grams[m]), round(P[m].item(), 2), round(Q[m].item(), 2)] for m in some]
            for name, some in (("network", order[-EXAMPLES:]), ("counts", order[:EXAMPLES]))
        },
    }


def seen_order(counted: ngram.NGram, gram: ngram.Gram) -> int:
    """The longest k such that the last k words stood in the training text one after the other."""
    return max(
        (k for k in range(1, n + 1) if gram[-k:] in counted.longest[k - 1].counts), default=0
    )


# ---- curriculum ---------------------------------------------------------------------------------


def rank_groups(rows: Tensor, others: Tensor) -> Tensor:
    """The group of ``FREQUENT`` that the target of each of the ``others`` (M, n) belongs to: (M,).

    Words are ranked by how often they are targets of the training windows ``rows``.
    """
    by_count = torch.bincount(rows[:, -1], minlength=int(others.max()) + 1).argsort(
        descending=True, stable=True
    )
    rank = by_count.argsort()  # (K,)
    return torch.bucketize(rank[others[:, -1]], torch.tensor(FREQUENT[1:]), right=True)


def phases(rows: Tensor, steps: int, settings: dict[str, Any]) -> Iterator[Tensor]:
    """Batches of each phase: windows whose target is none of the most frequent words."""
    ranked = [word for word, _ in Counter(rows[:, -1].tolist()).most_common(max(DROPPED))]
    for k, dropped in enumerate(DROPPED if settings["curriculum"] else [0] * len(DROPPED)):
        kept = rows[~torch.isin(rows[:, -1], torch.tensor(ranked[:dropped], dtype=torch.int64))]
        source = tasks.Shuffled(kept, settings["batch"], seed=10_000 * k + settings["seed"])
        yield from itertools.islice(source, steps // len(DROPPED))


def curriculum(settings: dict[str, Any]) -> dict[str, Any]:
    """Training in phases, or plain, evaluated all along by how frequent the target is."""
    text = words.load(settings["corpus"])
    rows, validation = (windows(part, settings["corpus"]) for part in text[:2])
    quarter = len(validation) // 4
    parts = {
        name: (some[:quarter], rank_groups(rows, some[:quarter]))
        for name, some in (("validation", validation), ("train", rows))
    }
    steps = settings["epochs"] * (len(rows) // settings["batch"]) // POINTS * POINTS
    network = build(rows, len(text.vocabulary), settings)
    log_frequency = frequencies(rows[:, -1], len(text.vocabulary)).log()

    def evaluate(model: nn.Module) -> training.Metrics:
        found = {}
        for name, (some, groups) in parts.items():
            log_p, right = log_probabilities(model, some)
            found[name] = -log_p.mean().item()
            found[f"{name}_accuracy"] = right.double().mean().item()
            for k in range(len(FREQUENT)):
                found[f"{name}_{k}"] = -log_p[groups == k].mean().item()
        both = torch.stack([network.readout.bias.detach(), log_frequency])
        found["bias"] = torch.corrcoef(both)[0, 1].item()
        return found

    source: Any = phases(rows, steps, settings)  # no checkpoint: next() is enough
    history = training.train(
        network, source, loss, method(network, settings), steps,
        evaluate=evaluate, eval_every=steps // POINTS,
    )  # fmt: skip
    whole = rounded(measured(network.eval(), validation))
    return {
        "steps": steps,
        "validation": whole["nats"],  # of all of it
        "accuracy": whole["accuracy"],
        "loss": study.means(history.loss, steps // POINTS, 4),
        "evaluations": rounded(history.evaluations),
    }


# ---- maps of words ------------------------------------------------------------------------------


def maps(settings: dict[str, Any], folder: Path | None) -> dict[str, Any]:
    """A table of 2 numbers a word is trained, and that of "best" projected: the frequent words."""
    weights, _ = tensorfiles.load(kept(folder))
    model, result = train(settings)
    symbols = words.load(settings["corpus"]).vocabulary.symbols
    some = slice(3, 3 + DRAWN)  # behind UNK, START and END
    two = model.embedding.weight.detach()[some]  # (DRAWN, 2)
    many = weights["embedding.weight"][some].float()  # (DRAWN, E)
    places = {"learned, 2 numbers": two, "projected": principal(many)}
    return result | {"words": word_data(symbols[some], places, many)}


def principal(rows: Tensor) -> Tensor:
    """Rows (V, E) along the two directions in which they vary most, their principal components."""
    centred = rows - rows.mean(dim=0)
    return centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:2].T


# ---- files --------------------------------------------------------------------------------------


def kept(folder: Path | None = None) -> Path:
    """Where the weights of "best" are: in ``folder``, else in data/checkpoints."""
    return (folder or study.data_dir() / "checkpoints") / "ngram_lm_best.safetensors"


def keep(model: NGramLM, settings: dict[str, Any], folder: Path | None) -> None:
    """Write the weights, with vocabulary and settings beside them."""
    weights = {name: w.half().contiguous() for name, w in model.state_dict().items()}
    symbols = words.load(settings["corpus"]).vocabulary.symbols
    kept(folder).parent.mkdir(exist_ok=True)
    about = {"symbols": symbols, "settings": settings}
    tensorfiles.save(kept(folder), weights, about)


# ---- the study ----------------------------------------------------------------------------------


def plan(part: str, seeds: int) -> list[dict[str, Any]]:
    """The settings of each run of a part."""
    changes: list[dict[str, Any]]
    match part:
        case "counts":
            return [{"seed": 0}]
        case "hidden":
            changes = [
                {"activation": f, "hidden": H} for f in ("linear", "tanh") for H in (128, 256, 512)
            ]
        case "scale":
            changes = [{"scale": scale} for scale in (1.0, 0.01)]
        case "embedding":
            sizes = [(32, 0.0), (64, 0.0), (128, 0.0), (128, 0.3)]
            changes = [{"embedding": E, "dropout": rate} for E, rate in sizes]
        case "best":
            changes = [{"embedding": 128, "hidden": 256, "dropout": 0.4, "epochs": 6}]
        case "curriculum":
            methods = [{"optimizer": "sgd", "lr": 1.0}, {"optimizer": "adam", "lr": 1e-3}]
            changes = [
                method | {"frequencies": bias, "curriculum": curriculum, "epochs": 2}
                for method in methods for bias in (False, True) for curriculum in (False, True)
            ]  # fmt: skip
        case _:
            changes = [{"embedding": 2, "seed": 0}]
            seeds = 1
    every = itertools.product(range(seeds), changes)
    return [{"seed": seed} | NETWORK | change for seed, change in every]


PARTS = ("counts", "hidden", "scale", "embedding", "best", "curriculum", "map")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    words.add_arguments(parser, PARTS)


def main(chosen: argparse.Namespace) -> None:
    """Run the parts one after the other."""
    parts = words.parts(chosen, plan)
    every = functools.partial(run, folder=study.checkpoints(chosen.name, "ngram_lm"))
    for name, settings in parts:
        run_study(name, every, settings, chosen.workers)
