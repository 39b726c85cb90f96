"""WikiText-2: how a text is evaluated, how the rate falls, and that a run goes on exactly."""

import argparse
import math
from typing import Any

import pytest
import torch
from helpers import same, seeded
from torch.nn.functional import cross_entropy

from rnnlib import LSTM, tensorfiles
from rnnlib.experiments import wikitext
from rnnlib.models import RNNLM

K = 11
TEXTS = {
    part: torch.randint(K, (length,), generator=seeded(k)) ** 2 % K
    for k, (part, length) in enumerate([("train", 700), ("valid", 214), ("test", 155)])
}
SMALL: dict[str, Any] = wikitext.PUBLISHED | {
    "name": "tiny", "variant": "published", "seed": 1, "epochs": 3, "words": None, "threads": 1, "hidden": 8,
    "batch": 4, "T": 5, "lr": 8.0, "products": "float32",
}  # fmt: skip


def of(variant: str) -> dict[str, Any]:
    """A small run of a variant."""
    rates = {} if variant == "published" else {"lr": 0.02}
    sizes = {name: SMALL[name] for name in ("hidden", "batch", "T", "products")}
    made = SMALL | wikitext.variants()[variant] | sizes | rates | {"variant": variant}
    return made | ({"sample": 6} if made["sample"] else {})


@pytest.fixture(autouse=True)
def tiny(monkeypatch) -> None:
    """A text without rules, so that validation soon gets worse; a checkpoint every 13 steps."""
    monkeypatch.setattr(wikitext, "texts", lambda: (TEXTS, K))
    monkeypatch.setattr(wikitext, "EVERY", 13)
    monkeypatch.setattr(wikitext, "LOOK", 2)


def model() -> RNNLM:
    return RNNLM(K, LSTM, 6, 6, 2, tied=True, dropout=0.5, generator=seeded(1)).double()


@pytest.mark.parametrize("T", [1, 7, 21, 50])
def test_an_evaluation_reads_strands_with_the_state_carried(T) -> None:
    made = model()
    text = TEXTS["valid"]
    found = wikitext.evaluate(made, text, strands=10, T=T)
    assert made.training
    made.eval()
    strands = text[:210].view(10, 21)
    nats = [
        cross_entropy(made(x[None])[0][0], text[21 * n + 1 : 21 * n + 22])
        for n, x in enumerate(strands)
    ]
    assert found == pytest.approx((sum(nats) / 10).item(), rel=1e-12)


@pytest.mark.parametrize("variant", ["published", "resets"])
def test_a_run_goes_on_to_the_same_last_digit(variant, tmp_path, monkeypatch) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    small = of(variant)
    expected = wikitext.run(folder=whole, **small)
    kind: Any = wikitext.optim.SGD if variant == "published" else torch.optim.AdamW
    step = kind.step

    def interrupted(*_: Any) -> Any:
        if len(seen) == 44:  # in the second epoch, five steps after a checkpoint
            raise KeyboardInterrupt
        seen.append(1)
        return step(*_)

    seen: list[int] = []
    monkeypatch.setattr(kind, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        wikitext.run(folder=parts, **small)
    monkeypatch.setattr(kind, "step", step)
    if variant == "published":  # its rate does not depend on the end
        wikitext.run(folder=parts, **small | {"epochs": 2})
    found = wikitext.run(folder=parts, **small)
    for record in (found, expected):
        for timed in (record, *record["epochs"]):
            timed.pop("wall_seconds", None), timed.pop("processor_seconds", None)
    assert found == expected
    (file,) = (path.name for path in whole.iterdir())
    assert file == (
        "tiny_published_1.checkpoint" if variant == "published" else "tiny_resets_1_3.checkpoint"
    )
    (a, _), (b, _) = (tensorfiles.load(folder / file) for folder in (whole, parts))
    assert a.keys() == b.keys()
    del a["/random/torch"]  # the global generator, which nothing draws from
    a = {name: tensor for name, tensor in a.items() if not name.startswith("/history/evaluations")}
    assert same(a.values(), [b[key] for key in a])
    assert "/random/model drops.0" in a and "/source/state/0" in a


def test_a_second_fall_goes_on_where_the_first_ended(tmp_path) -> None:
    small = of("resets")
    per_epoch, lr = 34, small["lr"]
    once = wikitext.run(folder=tmp_path, **small)
    twice = wikitext.run(folder=tmp_path, **small, again=2)
    in_one = wikitext.run(folder=tmp_path / "..", **small, again=2)
    assert [e["nats"] for e in twice["epochs"][:3]] == [e["nats"] for e in once["epochs"]]
    assert [e["nats"] for e in twice["epochs"]] == [e["nats"] for e in in_one["epochs"]]
    assert twice["test_nats"] == in_one["test_nats"]
    rates = [e["lr"] for e in twice["epochs"]]
    assert rates[:2] == [wikitext.rate(k * per_epoch, 3 * per_epoch, lr) for k in (1, 2)]
    assert rates[3] == wikitext.rate(per_epoch, 2 * per_epoch, lr / 2) > rates[4] == 0


def test_an_evaluation_every_few_epochs(tmp_path) -> None:
    small = of("resets") | {"epochs": 4}
    found = wikitext.run(folder=tmp_path, **small, every=2)
    each = wikitext.run(folder=tmp_path / "..", **small)
    assert [e["step"] for e in found["epochs"]] == [68, 136]
    assert [e["nats"] for e in found["epochs"]] == [e["nats"] for e in each["epochs"][1::2]]


def test_the_rate_is_divided_when_validation_does_not_improve(tmp_path) -> None:
    found = wikitext.run(folder=tmp_path, **SMALL | {"epochs": 8, "lr": 20.0})
    epochs = found["epochs"]
    assert [e["step"] for e in epochs] == [34 * k for k in range(1, 9)]
    rate, best = 20.0, math.inf
    for epoch in epochs:
        assert epoch["lr"] == rate
        rate /= 1 if epoch["nats"] < best else 4
        best = min(best, epoch["nats"])
    assert 20 * 4**-7 < epochs[-1]["lr"] < 20  # it has fallen, and not each time
    assert found["valid_perplexity"] == pytest.approx(math.exp(best), rel=1e-14)
    assert epochs[found["best_epoch"] - 1]["nats"] == best
    assert ["test_nats" in e for e in epochs] == [False, True] + 6 * [False]


def test_the_test_text_is_read_with_the_best_weights(tmp_path) -> None:
    small = SMALL | {"epochs": 8, "lr": 20.0, "anneal": 1.0}  # so large that it goes to and fro
    for seed in range(20):  # until one ends above its best; which, depends on the machine's sums
        found = wikitext.run(folder=tmp_path, **small | {"seed": seed})
        if found["best_epoch"] < 8:
            break
    assert found["best_epoch"] < 8
    other = {"seed": seed, "epochs": found["best_epoch"]}
    again = wikitext.run(folder=tmp_path / "..", **small | other)
    assert found["test_nats"] == again["test_nats"]
    assert found["test_perplexity"] == pytest.approx(math.exp(found["test_nats"]), rel=1e-14)


def test_variants_build_on_each_other_and_the_first_is_as_published() -> None:
    every = wikitext.variants()
    assert list(every) == list(wikitext.CHANGES)
    assert every["published"] == wikitext.PUBLISHED
    names = {frozenset(s.keys() - {"every"}) for s in every.values()}
    assert len(names) == 1  # none is misspelt
    last = every["resets"]
    assert last["optimizer"] == "adamw" and last["sample"] == 4096 and last["resets"] == 0.01
    assert last["first"] == "book" and last["hidden"] == 200


def test_the_beginning_of_the_book() -> None:
    settings = wikitext.variants()["beginning"] | {"hidden": 8}
    made = wikitext.build(TEXTS["train"], K, settings, seeded(1))
    counts = torch.bincount(TEXTS["train"], minlength=K) + 1
    assert torch.allclose(made.readout.bias, (counts / counts.sum()).log())
    for layer in made.layers:
        cell = layer.cells[0]
        for W in cell.W_h.chunk(4):
            assert torch.allclose(W @ W.T, torch.eye(8), atol=1e-6)
        assert cell.b.tolist() == 8 * [0] + 8 * [1] + 16 * [0]
        assert 0.5 < cell.W_x.abs().max() < (6 / 16) ** 0.5
    plain = wikitext.build(
        TEXTS["train"], K, settings | wikitext.PUBLISHED | {"hidden": 8}, seeded(1)
    )
    assert not plain.readout.bias.any()
    assert plain.layers[0].cells[0].b.std() > 0.1


def test_adamw_spares_the_biases_and_its_rate_rises_and_falls() -> None:
    settings = of("adamw")
    made = wikitext.build(TEXTS["train"], K, settings, seeded(1))
    decay = {
        id(w): group["weight_decay"]
        for group in wikitext.method(made, settings).param_groups
        for w in group["params"]
    }
    assert len(decay) == 8  # table, three weights of two layers, the readout's bias
    assert all(decay[id(w)] == (0.01 if w.ndim > 1 else 0) for w in made.parameters())
    rates = [wikitext.rate(k, 1000, 2.0) for k in range(1000)]
    assert rates[0] == pytest.approx(0.01) and rates[199] == pytest.approx(2 * 0.801)
    assert max(rates) == rates[199] and rates[600] == pytest.approx(0.8)
    assert rates[-1] == pytest.approx(0.002)


def test_the_published_model_has_as_many_weights_as_published() -> None:
    with torch.device("meta"):
        made = RNNLM(33278, LSTM, 200, 200, 2, tied=True)
    table, lstm, b = 33278 * 200, 2 * 4 * 200 * (200 + 200 + 1), 33278
    assert sum(w.numel() for w in made.parameters()) == table + lstm + b == 7_330_478


def chosen(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="wikitext")
    parser.add_argument("--seeds", type=int, default=1)
    wikitext.add_arguments(parser)
    return parser.parse_args(arguments)


def test_epochs_are_one_number_for_all_variants_or_one_for_each() -> None:
    both = ("--variants", "published", "resets")
    runs = wikitext.plan(chosen(*both, "--epochs", "6", "12", "--seeds", "2"))
    found = [(r["variant"], r["seed"], r["epochs"], r["sample"]) for r in runs]
    one = [("published", 6, 0), ("resets", 12, 4096)]
    assert found == [(v, seed, n, sample) for seed in (0, 1) for v, n, sample in one]
    assert [r["epochs"] for r in wikitext.plan(chosen(*both, "--epochs", "3"))] == [3, 3]
    assert not {"every", "again"} & runs[0].keys()  # as in older records
    (other,) = wikitext.plan(
        chosen("--variants", "dropout", "--sample", "9", "--every", "3", "--again", "2")
    )
    assert other["sample"] == 9 and other["every"] == 3 and other["again"] == 2
    with pytest.raises(SystemExit, match="one for each of the 2 variants, got 3"):
        wikitext.plan(chosen(*both, "--epochs", "1", "2", "3"))
    fallen = wikitext.plan(chosen(*both, "--again", "0", "5"))
    assert [r.get("again") for r in fallen] == [None, 5]
    with pytest.raises(SystemExit, match="--again must be one number, or one for each"):
        wikitext.plan(chosen(*both, "--again", "1", "2", "3"))
