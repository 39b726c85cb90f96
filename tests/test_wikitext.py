"""WikiText-2: how a text is evaluated, how the rate falls, and that a run goes on exactly."""

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


def test_a_run_goes_on_to_the_same_last_digit(tmp_path, monkeypatch) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = wikitext.run(folder=whole, **SMALL)
    step = wikitext.optim.SGD.step

    def interrupted(*_: Any) -> Any:
        if len(seen) == 44:  # in the second epoch, five steps after a checkpoint
            raise KeyboardInterrupt
        seen.append(1)
        return step(*_)

    seen: list[int] = []
    monkeypatch.setattr(wikitext.optim.SGD, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        wikitext.run(folder=parts, **SMALL)
    monkeypatch.setattr(wikitext.optim.SGD, "step", step)
    wikitext.run(folder=parts, **SMALL | {"epochs": 2})
    found = wikitext.run(folder=parts, **SMALL)
    for record in (found, expected):
        for timed in (record, *record["epochs"]):
            timed.pop("wall_seconds", None), timed.pop("processor_seconds", None)
    assert found == expected
    (a, _), (b, _) = (tensorfiles.load(f / "tiny_published_1.checkpoint") for f in (whole, parts))
    assert a.keys() == b.keys()
    del a["/random/torch"]  # the global generator, which nothing draws from
    assert same(a.values(), [b[key] for key in a])
    assert "/random/model drops.0" in a and "/source/state/0" in a


def test_the_rate_is_divided_when_validation_does_not_improve(tmp_path) -> None:
    found = wikitext.run(folder=tmp_path, **SMALL | {"epochs": 8})
    epochs = found["epochs"]
    assert [e["step"] for e in epochs] == [34 * k for k in range(1, 9)]
    rate, best = 8.0, math.inf
    for epoch in epochs:
        assert epoch["lr"] == rate
        rate /= 1 if epoch["nats"] < best else 4
        best = min(best, epoch["nats"])
    assert 8 * 4**-7 < rate < 8  # it has fallen, and not each time
    assert found["valid_perplexity"] == pytest.approx(math.exp(best), rel=1e-14)
    assert epochs[found["best_epoch"] - 1]["nats"] == best
    assert ["test_nats" in e for e in epochs] == [False, True] + 6 * [False]


def test_the_test_text_is_read_with_the_best_weights(tmp_path) -> None:
    found = wikitext.run(folder=tmp_path, **SMALL | {"epochs": 8})
    assert found["best_epoch"] < 8
    again = wikitext.run(folder=tmp_path / "..", **SMALL | {"epochs": found["best_epoch"]})
    assert found["test_nats"] == again["test_nats"]
    assert found["test_perplexity"] == pytest.approx(math.exp(found["test_nats"]), rel=1e-14)


def test_the_published_model_has_as_many_weights_as_published() -> None:
    with torch.device("meta"):
        made = RNNLM(33278, LSTM, 200, 200, 2, tied=True)
    table, lstm, b = 33278 * 200, 2 * 4 * 200 * (200 + 200 + 1), 33278
    assert sum(w.numel() for w in made.parameters()) == table + lstm + b == 7_330_478
