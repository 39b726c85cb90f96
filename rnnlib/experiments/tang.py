"""Quatrains of the Complete Tang Poems, character by character, and perplexity told honestly.

Parts, a record each, data/results/NAME_PART.json, NAME is "tang" unless --name says otherwise:

counts      cleaning, vocabulary, near-duplicates, split; interpolated Kneser-Ney of orders 1 to 5,
            with near-duplicates kept together and leaking; xz
course      the published setting: embedding 128, one LSTM of 256 units, batch 256, Adam at 1e-3,
            stopped by validation; one model's perplexity four ways
better      what lowers perplexity, one change after the other with seed 0; the last with all seeds
sweep       six optimizers over learning rates, one seed
optimizers  each at its best rate of "sweep", which must be there; all seeds
zero        weights that begin at zero, or at one constant, against Xavier

Poems that are nearly the same are on one side of the split. A model reads START and the poem, and
predicts the poem and END; padding is never a target. After each epoch nats a symbol and accuracy
are taken on the validation poems, and the weights of the best epoch are kept. The weights of
seed 0 of the last of "better" go to data/checkpoints in eight bits, as the book's page takes them.
A run that was stopped goes on with the same command, from its last whole epoch.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import lzma
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Generator, Tensor, nn

from rnnlib import checkpoints, corpora, init, metrics, ngram, optim, poems, tasks, text, training
from rnnlib.evaluation import evaluating
from rnnlib.experiments import study
from rnnlib.experiments.study import Settings, means, rounded, run_study
from rnnlib.layers import LSTM
from rnnlib.models import RNNLM

SIZE, SAMPLE_SIZE = 3500, 500  # of the vocabulary: UNK, START, END and characters
SAMPLE_BATCH = 16  # of the sample's poems at most: it has few
LENGTH = 50  # of a padded poem, in symbols to predict
SHARES = (0.9, 0.05, 0.05)  # of the poems: to train on, to validate, to test
SHINGLE, NEAR = 3, 0.2  # characters of a shingle; Jaccard similarity of near-duplicates
LONGEST = 5  # order of the counts
COURSE: dict[str, Any] = {
    "embedding": 128, "hidden": 256, "tied": False, "dropout": 0.0, "frequencies": False,
    "batch": 256, "lr": 1e-3, "decay": False, "clip": None, "epochs": 100, "patience": 2,
}  # fmt: skip
#   each with all changes of those before it
CHANGES: dict[str, dict[str, Any]] = {
    "schedule": {"batch": 64, "lr": 3e-3, "decay": True, "clip": 1.0, "epochs": 6, "patience": 9},
    "frequencies": {"frequencies": True},
    "tied": {"embedding": 256, "tied": True},
    "dropout": {"dropout": 0.3, "epochs": 10},
}
WRITTEN = 100  # quatrains of each form, written to be looked at for copies
RATES = {  # of the sweep
    "Adam": (1e-3, 3e-3, 1e-2, 3e-2),
    "RMSprop": (1e-3, 3e-3, 1e-2, 3e-2),
    "momentum": (0.3, 1.0, 3.0, 10.0),
    "SGD": (3.0, 10.0, 30.0, 100.0),
    "Adagrad": (0.01, 0.03, 0.1, 0.3),
    "Adadelta": (30.0, 100.0, 300.0, 1000.0),
}
EQUAL: dict[str, Any] = {"batch": 32, "clip": 1.0}  # what all optimizers share, beside COURSE
SWEEP = {"steps": 100, "points": 1}  # steps, and after how many even stretches of them is evaluated
CURVES = {"steps": 240, "points": 6}
ZERO = {"steps": 160, "points": 4, "lr": 3e-3}
BEGINNINGS = ("xavier", "constant", "zero")
CONSTANT = 0.05


class Corpus(NamedTuple):
    """Poems to train on, to validate and to test, and the vocabulary of the first."""

    train: list[str]
    validation: list[str]
    test: list[str]
    vocabulary: text.Characters


@functools.cache
def quatrains(corpus: str = "tang") -> poems.Cleaned:
    """The quatrains of a corpus, cleaned; of the other poems, how many had another form."""
    texts = [
        "".join(poem["paragraphs"]) for poem in cast(list[dict[str, Any]], corpora.load(corpus))
    ]
    cleaned = poems.clean(texts, most=LENGTH)
    kept = [poem for poem in cleaned.poems if poems.form_of(poem)]
    dropped = cleaned.dropped | {"no quatrain": len(cleaned.poems) - len(kept)}
    return poems.Cleaned(kept, dropped)


@functools.cache
def near(corpus: str = "tang") -> list[tuple[int, int, float]]:
    """The pairs of quatrains that are nearly the same, by their places, and how much."""
    sets = [text.shingles(poems.han(poem), SHINGLE) for poem in quatrains(corpus).poems]
    return text.near_duplicates(sets, NEAR)


@functools.cache
def places(corpus: str = "tang", leaking: bool = False) -> list[list[int]]:
    """The places of the poems to train on, to validate and to test.

    Near-duplicates are on one side; where ``leaking``, each poem goes its own way.
    """
    count = len(quatrains(corpus).poems)
    groups = text.groups_of(count, [] if leaking else [(j, k) for j, k, _ in near(corpus)])
    return text.split_groups(groups, SHARES, Generator().manual_seed(0))


@functools.cache
def load(corpus: str = "tang", leaking: bool = False) -> Corpus:
    """The poems in three parts, and the vocabulary of those to train on."""
    every = quatrains(corpus).poems
    train, validation, test = ([every[k] for k in part] for part in places(corpus, leaking))
    size = SIZE if corpus == "tang" else SAMPLE_SIZE
    return Corpus(train, validation, test, text.Characters.of(joined(train), size))


def joined(some: Iterable[str]) -> str:
    """One text of poems, a line each."""
    return "".join(poem + text.END for poem in some)


def sequences(some: Sequence[str], vocabulary: text.Characters) -> list[Tensor]:
    """Each poem as numbers, between START and END."""
    return [vocabulary.encode(text.START + poem + text.END) for poem in some]


# ---- training -----------------------------------------------------------------------------------


def build(settings: Settings) -> RNNLM:
    """The network that the settings describe."""
    data = load(settings["corpus"])
    K, numbers = len(data.vocabulary), data.vocabulary.encode(joined(data.train))
    return RNNLM(
        K, LSTM, settings["embedding"], settings["hidden"], tied=settings["tied"],
        dropout=settings["dropout"],
        frequencies=text.frequencies(numbers, K) if settings["frequencies"] else None,
        generator=Generator().manual_seed(settings["seed"]),
    ).fast()  # fmt: skip


def rows(corpus: str) -> Tensor:
    """The poems to train on, START and END around each, padded with END: (M, T + 1)."""
    data = load(corpus)
    return text.padded(sequences(data.train, data.vocabulary), fill=data.vocabulary.end)[0]


class Loss:
    """Mean cross-entropy of padded poems (N, T + 1) in nats, padding excluded."""

    def __init__(self, vocabulary: text.Characters):
        self.end = vocabulary.end

    def __call__(self, model: Any, batch: Tensor) -> tuple[Tensor, training.Metrics]:
        """Loss () and no metrics. The first END is the last target."""
        lengths = (batch == self.end).int().argmax(dim=1)  # (N,)
        T = int(lengths.max())
        loss, _ = model.loss(batch[:, :T], batch[:, 1 : T + 1], lengths=lengths)
        return loss, {}


def measured(model: nn.Module, some: Sequence[str], vocabulary: text.Characters) -> dict[str, Any]:
    """Nats a symbol and accuracy on poems, padding excluded."""
    return metrics.separate(model, sequences(some, vocabulary))


def train(settings: Settings, folder: Path | None = None) -> tuple[RNNLM, dict[str, Any]]:
    """A network at its best epoch, and what happened; every draw comes from the seed.

    Its checkpoint is in ``folder``, else in data/checkpoints.
    """
    data = load(settings["corpus"])
    folder = folder or study.checkpoints("tang", "tang")
    model = build(settings)
    source = tasks.Shuffled(rows(settings["corpus"]), settings["batch"], 1_000 + settings["seed"])
    epoch = len(source.rows) // settings["batch"]
    steps = settings["epochs"] * epoch
    # fused: the numbers of rnnlib.optim.Adam in less time
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["lr"], fused=True)

    def next_rate(history: training.History) -> bool:
        if settings["decay"]:
            optimizer.param_groups[0]["lr"] = settings["lr"] * (1 - history.steps / steps)
        return False

    def evaluate(model: nn.Module) -> training.Metrics:
        of = measured(model, data.validation, data.vocabulary)
        return {"validation": of["nats"], "accuracy": of["accuracy"]}

    history = training.train(
        model, source, Loss(data.vocabulary), optimizer, steps, clip_norm=settings["clip"],
        evaluate=evaluate, eval_every=epoch, stop_when=next_rate,
        patience=settings["patience"], monitor="validation",
        checkpoint=study.checkpoint(folder, "tang", settings), checkpoint_every=epoch,
    )  # fmt: skip
    return model, {
        "parameters": sum(w.numel() for w in model.parameters()),
        "steps_per_epoch": epoch,
        "stopped": history.stopped,
        "loss": means(history.loss, epoch, 4),  # while learning, with dropout
        "evaluations": rounded(history.evaluations),
        "best": rounded(min(history.evaluations, key=lambda e: e["validation"])),
    }


def tested(model: RNNLM, data: Corpus) -> dict[str, Any]:
    """The test poems' nats a symbol and accuracy, and their perplexity four ways."""
    found = measured(model, data.test, data.vocabulary)
    nats, lengths = metrics.symbol_nats(model, sequences(data.test, data.vocabulary))
    padding = nn.functional.pad(nats, (0, LENGTH - nats.shape[1]))
    ways = metrics.perplexities(padding, lengths)._asdict()
    return rounded({**found, **ways, "padding": 1 - lengths.sum().item() / padding.numel()})


def copies(model: RNNLM, data: Corpus, seed: int) -> dict[str, Any]:
    """What written quatrains share with the poems to train on, by form, and a few of them."""
    found: dict[str, Any] = {}
    for form in poems.FORMS:
        generator = Generator().manual_seed(seed)
        written = [
            poems.write(model, data.vocabulary, form, temperature=0.8, seed=generator)
            for _ in range(WRITTEN)
        ]
        found[str(form)] = poems.copied(written, data.train) | {"poems": written[:4]}
    return found


def run(*, part: str, folder: Path | None = None, **settings: Any) -> dict[str, Any]:
    """One run of a part."""
    match part:
        case "counts":
            return counts(settings["corpus"])
        case "sweep" | "optimizers":
            return compared(settings)
        case "zero":
            return beginning(settings)
    data = load(settings["corpus"])
    folder = folder or study.checkpoints("tang", "tang")
    model, result = train(settings, folder)
    result["test"] = tested(model, data)
    if part == "better" and settings["change"] == [*CHANGES][-1]:
        result["copied"] = copies(model, data, settings["seed"])
        if settings["seed"] == 0:
            small, _, _ = checkpoints.load_model(keep(model, settings, folder))
            result["eight_bits"] = tested(cast(RNNLM, small).fast(), data)
    return result


def keep(model: RNNLM, settings: Settings, folder: Path) -> Path:
    """Write the weights in eight bits, with vocabulary and settings beside them."""
    path = folder / "tang_best.safetensors"
    vocabulary = load(settings["corpus"]).vocabulary
    checkpoints.save_model(path, model, vocabulary, settings, torch.int8)
    return path


# ---- counting -----------------------------------------------------------------------------------


def counts(corpus: str) -> dict[str, Any]:
    """What the poems are like, and how well counting predicts them, with and without the leak."""
    data, every = load(corpus), quatrains(corpus)
    parts = data._asdict()
    vocabulary = parts.pop("vocabulary")
    often = Counter(joined(data.train))
    lost = sorted(often.keys() - set(vocabulary.symbols), key=lambda c: (-often[c], c))
    groups = text.groups_of(len(every.poems), [(j, k) for j, k, _ in near(corpus)])
    return rounded({
        "dropped": every.dropped,
        "K": len(vocabulary),
        "characters": len(often),
        "fall_out": {"characters": len(lost), "most": often[lost[0]] if lost else 0,
                     "once": sum(often[c] == 1 for c in lost), "first": "".join(lost[:20])},
        "poems": {name: len(some) for name, some in parts.items()},
        "forms": {
            name: {str(form): sum(poems.form_of(p) == form for p in some) for form in poems.FORMS}
            for name, some in parts.items()
        },
        "symbols": {name: len(vocabulary.cut(joined(some))) for name, some in parts.items()},
        "unk": {
            name: (vocabulary.encode(joined(some)) == vocabulary.unk).double().mean().item()
            for name, some in parts.items()
        },
        "near": {"pairs": len(near(corpus)), "poems": sum(len(g) for g in groups if len(g) > 1),
                 "groups": sum(len(g) > 1 for g in groups), "largest": max(map(len, groups))},
        "kneser_ney": kneser_ney(data),
        "leaking": leak(corpus),
        "xz": xz(data),
        "copied": {name: poems.copied(parts[name], data.train) for name in ("validation", "test")},
    })  # fmt: skip


def kneser_ney(data: Corpus) -> dict[str, Any]:
    """Nats a symbol of validation and test by the order of the counts."""
    model = ngram.NGram(joined(data.train), LONGEST, data.vocabulary)
    return {
        "validation": (-model.log_probabilities(joined(data.validation)).mean(dim=1)).tolist(),
        "test": (-model.log_probabilities(joined(data.test)).mean(dim=1)).tolist(),
    }


def leak(corpus: str) -> dict[str, Any]:
    """The same counts where each poem went its own way: on all test poems, and on two kinds.

    "twins" are those with a near-duplicate among the poems to train on.
    """
    data, (train, _, test) = load(corpus, leaking=True), places(corpus, leaking=True)
    learned = set(train)
    beside = [(j, k) for a, b, _ in near(corpus) for j, k in ((a, b), (b, a)) if k in learned]
    twin = {j for j, _ in beside}
    model = ngram.NGram(joined(data.train), LONGEST, data.vocabulary)
    every = quatrains(corpus).poems
    kinds = {"test": test, "twins": [k for k in test if k in twin],
             "others": [k for k in test if k not in twin]}  # fmt: skip
    return {
        "share": len(kinds["twins"]) / len(test),
        "nats": {
            name: (-model.log_probabilities(joined(every[k] for k in some)).mean(dim=1)).tolist()
            for name, some in kinds.items() if some
        },
    }  # fmt: skip


def xz(data: Corpus) -> dict[str, Any]:
    """Bits a symbol of the test poems by xz, after the poems to train on and alone.

    It packs the numbers that the models predict, two bytes each.
    """
    train, test = (data.vocabulary.encode(joined(p)) for p in (data.train, data.test))
    return {
        "after_train": 8 * (packed(torch.cat([train, test])) - packed(train)) / len(test),
        "alone": 8 * packed(test) / len(test),
    }


def packed(numbers: Tensor) -> int:
    """Bytes of numbers (M,) below 2**16 as xz packs them, with the most effort."""
    data = numbers.numpy().astype(np.dtype("<u2")).tobytes()
    return len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


# ---- optimizers, and where weights begin --------------------------------------------------------


def short(
    model: RNNLM, optimizer: torch.optim.Optimizer, settings: Settings
) -> list[dict[str, Any]]:
    """Validation at some points of so many steps, which are the same for all of a seed.

    Ends early where the loss is no number.
    """
    data = load(settings["corpus"])
    source = tasks.Shuffled(rows(settings["corpus"]), settings["batch"], 1_000 + settings["seed"])
    found: list[dict[str, Any]] = []

    def evaluate(model: nn.Module) -> training.Metrics:
        of = measured(model, data.validation, data.vocabulary)
        found.append({"validation": of["nats"], "accuracy": of["accuracy"], **spread(model, data)})
        return {}

    losses: list[float] = []

    def look(history: training.History) -> bool:
        losses.append(history.loss[-1])
        return False

    every = settings["steps"] // settings["points"]
    with torch.no_grad(), evaluating(model):
        evaluate(model)
    try:
        training.train(
            model, source, Loss(data.vocabulary), optimizer, settings["steps"],
            clip_norm=settings["clip"], evaluate=evaluate, eval_every=every, stop_when=look,
            progress=False,
        )  # fmt: skip
    except training.Diverged:
        pass
    for k, point in enumerate(found):
        point["step"] = min(k * every, settings["steps"])
        if k:
            point["loss"] = means(losses[(k - 1) * every : k * every], every, 4)[0]
    return rounded(found)


@torch.no_grad()
def spread(model: nn.Module, data: Corpus) -> dict[str, float]:
    """How different hidden units are: the standard deviation of h over the units, in the mean.

    Over the steps of a few validation poems. Zero: all units give the same number at each step.
    """
    few = sequences(data.validation[:32], data.vocabulary)
    numbers, lengths = text.padded(few, data.vocabulary.end)
    with evaluating(model):
        h, _ = cast(RNNLM, model).outputs(numbers)  # (N, T, H)
    return {"spread": h[text.within(lengths, *numbers.shape)].std(dim=1).mean().item()}


def compared(settings: Settings) -> dict[str, Any]:
    """One optimizer at one rate."""
    model = build(settings)
    kind: Any
    kind, others = optim.METHODS[settings["method"]]
    found = short(model, kind(model.parameters(), lr=settings["lr"], **others), settings)
    done = found[-1]["step"] == settings["steps"]
    return {
        "curve": found,
        "diverged": not done,
        "validation": found[-1]["validation"] if done else math.inf,
    }


def beginning(settings: Settings) -> dict[str, Any]:
    """The course's network from weights at zero, at one constant or at Xavier's."""
    model = build(settings)
    begin_(model, settings["begins"], Generator().manual_seed(settings["seed"]))
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["lr"], fused=True)
    return {"curve": short(model, optimizer, settings)}


@torch.no_grad()
def begin_(model: RNNLM, begins: str, generator: Generator) -> None:
    """All matrices at zero; or at one constant but the table, which is Xavier's; or at Xavier's.

    The layers' matrices are one block a gate. Biases are zero.
    """
    table = model.embedding.weight
    for weight in model.parameters():
        if weight.ndim < 2 or begins == "zero":
            weight.zero_()
        elif begins == "constant" and weight is not table:
            weight.fill_(CONSTANT)
        else:
            layer = weight is not table and weight is not model.readout.weight
            init.xavier_(weight, generator, blocks=4 if layer else 1)


# ---- the study ----------------------------------------------------------------------------------


def variants() -> dict[str, dict[str, Any]]:
    """The settings of each change of "better", with all changes of those before it."""
    settings = itertools.accumulate(CHANGES.values(), lambda a, b: a | b, initial=COURSE)
    return dict(zip(CHANGES, itertools.islice(settings, 1, None), strict=True))


def best_rates(name: str) -> dict[str, float]:
    """The rate of each method with the lowest validation loss, out of the sweep's record."""
    runs = study.load(f"{name}_sweep")["runs"]
    best: dict[str, tuple[float, float]] = {}
    for one in runs:
        asked = one["settings"]
        found = (one["result"]["validation"], asked["lr"])
        best[asked["method"]] = min(found, best.get(asked["method"], found))
    return {method: lr for method, (_, lr) in best.items()}


def plan(part: str, seeds: int, name: str = "tang") -> list[Settings]:
    """The settings of each run of a part."""
    shared = {key: v for key, v in (COURSE | EQUAL).items() if key not in ("epochs", "patience")}
    match part:
        case "counts":
            return [{"seed": 0}]
        case "course":
            return [COURSE | {"seed": seed} for seed in range(seeds)]
        case "better":
            last = [*CHANGES][-1]
            return [
                settings | {"change": change, "seed": seed}
                for change, settings in variants().items()
                for seed in range(seeds if change == last else 1)
            ]
        case "sweep":
            return [
                shared | {"method": method, "lr": lr, "seed": 0} | SWEEP
                for method, rates in RATES.items() for lr in rates
            ]  # fmt: skip
        case "optimizers":
            return [
                shared | {"method": method, "lr": lr, "seed": seed} | CURVES
                for seed in range(seeds) for method, lr in best_rates(name).items()
            ]  # fmt: skip
        case _:
            return [
                shared | {"begins": begins, "seed": seed} | ZERO
                for seed in range(seeds) for begins in BEGINNINGS
            ]  # fmt: skip


PARTS = ("counts", "course", "better", "sweep", "optimizers", "zero")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options."""
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--corpus", choices=("tang", "quatrains"), default="tang")
    parser.add_argument("--epochs", type=int, help="other than the part's own, for a trial")
    parser.add_argument("--steps", type=int, help="other than the part's own, for a trial")


def asked(chosen: argparse.Namespace) -> Iterator[tuple[str, list[Settings]]]:
    """The record's name and the settings of all runs of each part, as the options have them."""
    corpus = study.available(chosen.corpus, chosen.study, "quatrains")
    for part in chosen.part:
        settings = []
        for one in plan(part, chosen.seeds, chosen.name):
            given = {key: getattr(chosen, key) for key in ("epochs", "steps") if key in one}
            one |= {key: value for key, value in given.items() if value}
            if corpus != "tang" and "batch" in one:
                one["batch"] = min(one["batch"], SAMPLE_BATCH)
            settings.append({"part": part, "corpus": corpus} | one)
        yield f"{chosen.name}_{part}", settings


def main(chosen: argparse.Namespace) -> None:
    """Run the parts one after the other."""
    every = functools.partial(run, folder=study.checkpoints(chosen.name, "tang"))
    for name, settings in asked(chosen):
        run_study(name, every, settings, chosen.workers)
