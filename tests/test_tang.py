"""The study of quatrains: its corpus and split, runs that repeat and go on, the plan, the records."""

import itertools
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import seeded
from torch.nn.functional import cross_entropy

from rnnlib import checkpoints, corpora, metrics, ngram, poems
from rnnlib.experiments import study, tang
from rnnlib.experiments.__main__ import main
from rnnlib.text import END, START, UNK, Characters

SETTINGS: dict[str, Any] = tang.COURSE | {
    "corpus": "made", "embedding": 5, "hidden": 6, "batch": 8, "lr": 0.02, "epochs": 3, "seed": 1,
}  # fmt: skip


def made_corpus() -> list[dict[str, Any]]:
    """120 quatrains of few characters; every tenth again with another character; and no poem."""
    generator = seeded(7)
    texts = []
    for n in range(120):
        form = poems.FORMS[n % 2]
        draws = torch.randint(30, (4, form), generator=generator).tolist()
        lines = ["".join(chr(0x4E00 + k) for k in line) for line in draws]
        texts.append("".join(a + b for a, b in zip(lines, poems.PAUSES, strict=True)))
    texts += [text[:-2] + "龍" + text[-1] for text in texts[::10]]
    texts += ["", texts[0], texts[1].replace("，", "（一）")]
    return [{"paragraphs": [text[: len(text) // 2], text[len(text) // 2 :]]} for text in texts]


@pytest.fixture(autouse=True)
def made(monkeypatch, tmp_path) -> Path:
    load = corpora.load
    monkeypatch.setattr(
        tang.corpora, "load", lambda name: made_corpus() if name == "made" else load(name)
    )
    monkeypatch.setattr(tang.study, "data_dir", lambda: tmp_path)
    monkeypatch.setattr(tang, "SAMPLE_SIZE", 25)
    monkeypatch.setattr(tang, "SHARES", (0.6, 0.2, 0.2))
    for cached in (tang.quatrains, tang.near, tang.places, tang.load):
        cached.cache_clear()
    return tmp_path


def twins(held_out: list[str], train: list[str]) -> int:
    """How many held-out poems share a fifth of their threes of characters with one to train on."""

    def threes(poem: str) -> set[str]:
        text = poems.han(poem)
        return {a + b + c for a, b, c in zip(text, text[1:], text[2:], strict=False)}

    where: dict[str, list[int]] = {}
    for n, poem in enumerate(train):
        for three in threes(poem):
            where.setdefault(three, []).append(n)
    found = 0
    for poem in held_out:
        own = threes(poem)
        shared = Counter(n for three in own for n in where.get(three, []))
        found += any(k / len(own | threes(train[n])) >= 0.2 for n, k in shared.items())
    return found


def check_split(clean: tang.Corpus, leaking: tang.Corpus) -> None:
    whole = sorted(itertools.chain(*clean[:3]))
    assert whole == sorted(itertools.chain(*leaking[:3])) and len({*whole}) == len(whole)
    assert all(poems.form_of(poem) for poem in whole)
    assert twins(clean.validation + clean.test, clean.train) == 0
    assert twins(clean.test, clean.validation) == 0
    assert twins(leaking.validation + leaking.test, leaking.train) > 0


def test_no_poem_and_no_near_duplicate_is_on_both_sides() -> None:
    clean, leaking = tang.load("made"), tang.load("made", leaking=True)
    check_split(clean, leaking)
    assert sum(map(len, clean[:3])) == 132 and len(tang.near("made")) == 12
    assert tang.quatrains("made").dropped["same"] == 1
    assert len(clean.vocabulary) == 25 and START in clean.vocabulary.symbols


def test_the_real_corpus_is_split_so_too(monkeypatch) -> None:
    monkeypatch.setattr(tang, "SHARES", (0.9, 0.05, 0.05))
    try:
        tang.corpora.load("tang")
    except corpora.CorpusUnavailable:
        pytest.skip("the Tang poems are not here")
    clean, leaking = tang.load("tang"), tang.load("tang", leaking=True)
    check_split(clean, leaking)
    assert [len(part) for part in clean[:3]] == [12609, 700, 700]
    assert sum(tang.quatrains("tang").dropped.values()) + 14009 == 57607
    assert len(clean.vocabulary) == 3500
    whole = "".join(clean.train)
    fallen = {*whole} - {*clean.vocabulary.symbols}
    assert max(whole.count(c) for c in fallen) <= min(
        whole.count(c) for c in clean.vocabulary.symbols if len(c) == 1 and c != END
    )


def test_the_sample_corpus_stands_in() -> None:
    data = tang.load("quatrains")
    assert sum(map(len, data[:3])) >= 150 and all(data[:3])


def test_padding_is_no_target_of_a_batch() -> None:
    data = tang.load("made")
    made = tang.build(SETTINGS)
    rows = tang.rows("made")
    assert rows.shape == (len(data.train), 34)
    batch = rows[[0, 1, 4]]
    loss, _ = tang.Loss(data.vocabulary)(made, batch)
    nats, symbols = 0.0, 0
    for poem in (data.train[n] for n in (0, 1, 4)):
        numbers = data.vocabulary.encode(START + poem + END)
        logits = made(numbers[None, :-1])[0][0]
        nats += cross_entropy(logits, numbers[1:], reduction="sum").item()
        symbols += len(poem) + 1
    assert loss.item() == pytest.approx(nats / symbols, rel=1e-5)


def test_a_run_keeps_its_best_epoch_and_stops_after_two_without_a_better() -> None:
    settings = SETTINGS | {"epochs": 60}
    model, found = tang.train(settings)
    curve = [e["validation"] for e in found["evaluations"]]
    assert found["stopped"] == "patience" and curve.index(min(curve)) == len(curve) - 3
    data = tang.load("made")
    now = tang.measured(model, data.validation, data.vocabulary)["nats"]
    assert now == pytest.approx(found["best"]["validation"], abs=1e-5)
    assert found["steps_per_epoch"] == len(data.train) // 8


@pytest.mark.parametrize("change", list(tang.CHANGES))
def test_a_stopped_run_goes_on_to_the_same_end(change, monkeypatch, tmp_path) -> None:
    own = {"embedding": 6, "hidden": 6, "batch": 8, "epochs": 4}
    settings = SETTINGS | tang.variants()[change] | own
    whole = tang.train(settings)
    for file in (tmp_path / "checkpoints").iterdir():
        file.unlink()
    evaluate, looks = tang.measured, itertools.count()

    def stopping(*a: Any) -> Any:
        if next(looks) == 2:
            raise KeyboardInterrupt
        return evaluate(*a)

    monkeypatch.setattr(tang, "measured", stopping)
    with pytest.raises(KeyboardInterrupt):
        tang.train(settings)
    began = next(looks)
    again = tang.train(settings)
    assert next(looks) - began - 1 == 2  # two epochs were there
    assert again[1] == whole[1]
    pairs = zip(whole[0].parameters(), again[0].parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_rate_falls_in_a_line_where_it_should(monkeypatch) -> None:
    rates = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self, *a: (rates.append(self.param_groups[0]["lr"]), step(self, *a))
    )  # fmt: skip
    tang.train(SETTINGS | {"decay": True, "patience": 9})
    steps = len(rates)
    assert rates == pytest.approx([0.02 * (1 - k / steps) for k in range(steps)])
    rates.clear()
    tang.train(SETTINGS | {"patience": 9})
    assert rates == [0.02] * steps


def test_a_tested_model_has_four_perplexities_over_fifty_places() -> None:
    data, model = tang.load("made"), tang.build(SETTINGS)
    found = tang.tested(model, data)
    lengths = [len(poem) + 1 for poem in data.test]
    sums = []
    for poem in data.test:
        numbers = data.vocabulary.encode(START + poem + END)
        sums.append(cross_entropy(model(numbers[None, :-1])[0][0], numbers[1:]).item())
    total = sum(s * T for s, T in zip(sums, lengths, strict=True))
    assert found["character"] == pytest.approx(math.exp(total / sum(lengths)), rel=1e-4)
    assert found["padded"] == pytest.approx(math.exp(total / (50 * len(lengths))), rel=1e-4)
    assert found["sentence"] == pytest.approx(sum(map(math.exp, sums)) / len(sums), rel=1e-4)
    assert found["padding"] == pytest.approx(1 - sum(lengths) / (50 * len(lengths)), abs=1e-5)
    assert metrics.perplexity(found["nats"]) == pytest.approx(found["character"], rel=1e-4)


def test_the_last_of_better_writes_poems_and_keeps_the_weights_of_seed_0(monkeypatch) -> None:
    monkeypatch.setattr(tang, "WRITTEN", 2)
    settings = SETTINGS | {"change": "dropout", "seed": 0, "epochs": 1, "tied": True, "hidden": 5}
    found = tang.run(part="better", **settings)
    for form in poems.FORMS:
        written = found["copied"][str(form)]
        assert written["lines"] == 8
        assert [poems.form_of(poem) for poem in written["poems"]] == [form] * 2
    small, vocabulary, kept = checkpoints.load_model(
        study.checkpoints("tang", "tang") / "tang_best.safetensors"
    )
    assert kept == settings and isinstance(vocabulary, Characters)
    assert found["eight_bits"]["nats"] == pytest.approx(found["test"]["nats"], abs=0.01)
    assert found["eight_bits"] == pytest.approx(tang.tested(small, tang.load("made")), abs=2e-5)
    other = tang.run(part="better", **settings | {"seed": 1})
    assert "copied" in other and "eight_bits" not in other
    assert "copied" not in tang.run(part="better", **settings | {"change": "tied", "seed": 1})


def test_counts_are_those_of_the_corpus() -> None:
    found = tang.run(part="counts", corpus="made", seed=0)
    data, leaking = tang.load("made"), tang.load("made", leaking=True)
    assert (
        found["dropped"]["brackets"] == found["dropped"]["empty"] == found["dropped"]["same"] == 1
    )
    assert found["near"] == {"pairs": 12, "poems": 24, "groups": 12, "largest": 2}
    assert sum(found["poems"].values()) == 132
    text = "".join(data.train)
    assert found["characters"] == len({*text, END})
    lost = {*text} - {*data.vocabulary.symbols}
    assert found["fall_out"]["characters"] == len(lost) and {*found["fall_out"]["first"]} <= lost
    assert found["fall_out"]["most"] == max(map(text.count, lost))
    share = sum(c in lost for c in text) / (len(text) + len(data.train))
    assert found["unk"]["train"] == pytest.approx(share, abs=1e-5)
    counted = ngram.NGram(tang.joined(data.train), 5, data.vocabulary)
    nats = -counted.log_probabilities(tang.joined(data.test)).mean(dim=1)
    assert found["kneser_ney"]["test"] == pytest.approx(nats.tolist(), abs=1e-5)
    near = twins(leaking.test, leaking.train)
    assert near > 0 and found["leaking"]["share"] == pytest.approx(
        near / len(leaking.test), abs=1e-5
    )
    assert found["leaking"]["nats"]["twins"][2] < found["leaking"]["nats"]["others"][2]
    assert 0 < found["xz"]["after_train"] < 16
    assert found["copied"]["test"]["copied"] == 0


@pytest.mark.parametrize("method", list(tang.RATES))
def test_an_optimizer_is_looked_at_at_even_points(method) -> None:
    settings = SETTINGS | {"method": method, "lr": 0.01, "steps": 6, "points": 3, "clip": 1.0}
    found = tang.run(part="sweep", **settings)
    assert [point["step"] for point in found["curve"]] == [0, 2, 4, 6]
    assert found["validation"] == found["curve"][-1]["validation"]
    assert not found["diverged"] and found == tang.run(part="optimizers", **settings)
    begins = tang.run(part="sweep", **settings | {"lr": 0.02})["curve"][0]
    assert begins == found["curve"][0]  # all begin alike
    assert found["curve"][1]["validation"] != begins["validation"]


def test_a_run_that_diverges_says_so(monkeypatch) -> None:
    settings = SETTINGS | {"method": "SGD", "lr": 1e30, "steps": 6, "points": 3, "clip": None}
    found = tang.run(part="sweep", **settings)
    assert found["diverged"] and found["validation"] == math.inf
    assert len(found["curve"]) < 4


def test_units_that_begin_alike_stay_alike() -> None:
    settings = SETTINGS | {"steps": 8, "points": 2, "lr": 0.01}
    curves = {
        begins: tang.run(part="zero", **settings | {"begins": begins})["curve"]
        for begins in tang.BEGINNINGS
    }
    assert [point["spread"] for point in curves["zero"]] == [0, 0, 0]
    apart = min(point["spread"] for point in curves["xavier"])
    assert apart > 0.02  # Adam makes rounding errors larger, not as large as this
    assert max(point["spread"] for point in curves["constant"]) < apart / 100
    even = math.log(len(tang.load("made").vocabulary))
    assert curves["zero"][0]["validation"] == pytest.approx(even, abs=1e-5)
    assert all(curve[-1]["validation"] < curve[0]["validation"] for curve in curves.values())

    model = tang.build(SETTINGS)
    tang.begin_(model, "constant", seeded(0))
    tang.short(model, torch.optim.Adam(model.parameters(), lr=0.01), settings)
    cell: Any = model.layers[0].cells[0]
    for block in cell.W_h.detach().split(6):  # a gate's rows are one row, however long it learns
        assert torch.allclose(block, block[:1].expand_as(block), atol=1e-3)
    assert not torch.allclose(cell.W_h[0], torch.tensor(tang.CONSTANT), atol=1e-2)


def test_the_best_rate_of_each_method_is_taken_from_the_sweep(tmp_path) -> None:
    (tmp_path / "results").mkdir()
    runs = [
        {"settings": {"method": method, "lr": lr}, "result": {"validation": nats}}
        for method, lr, nats in [
            ("Adam", 0.1, math.inf), ("Adam", 0.01, 5.0), ("Adam", 0.001, 6.0), ("SGD", 3.0, 5.5),
        ]
    ]  # fmt: skip
    (tmp_path / "results" / "tang_sweep.json").write_text(json.dumps({"runs": runs}))
    assert tang.best_rates("tang") == {"Adam": 0.01, "SGD": 3.0}
    plan = tang.plan("optimizers", 2)
    assert [(s["method"], s["lr"], s["seed"]) for s in plan] == [
        ("Adam", 0.01, 0), ("SGD", 3.0, 0), ("Adam", 0.01, 1), ("SGD", 3.0, 1)
    ]  # fmt: skip


def test_the_plan_has_every_setting_once_for_each_seed() -> None:
    names = [part for part in tang.PARTS if part != "optimizers"]
    assert {part: len(tang.plan(part, 3)) for part in names} == {
        "counts": 1, "course": 3, "better": 6, "sweep": 24, "zero": 9
    }  # fmt: skip
    for part in names:
        plan = [json.dumps(s, sort_keys=True) for s in tang.plan(part, 3)]
        assert len({*plan}) == len(plan)
    course = tang.plan("course", 1)[0]
    assert (course["embedding"], course["hidden"], course["batch"], course["lr"]) == (
        128, 256, 256, 1e-3
    )  # fmt: skip
    steps = [tang.COURSE, *tang.variants().values()]
    for before, after, change in zip(steps, steps[1:], tang.CHANGES.values(), strict=False):
        assert {k: v for k, v in after.items() if v != before[k]} == change


def test_the_command_writes_a_record_a_part(tmp_path, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(tang, "run_study", lambda *a: asked.append(a))

    def unavailable(name: str) -> Any:
        raise corpora.CorpusUnavailable(f"corpus {name!r} is not available")

    monkeypatch.setattr(tang.corpora, "load", unavailable)
    assert main("tang --part course zero --seeds 2 --epochs 1 --steps 8 --workers 1".split()) == 0
    assert [(name, len(settings), workers) for name, _, settings, workers in asked] == [
        ("tang_course", 2, 1),
        ("tang_zero", 6, 1),
    ]
    every = [s for _, _, settings, _ in asked for s in settings]
    assert {s["corpus"] for s in every} == {"quatrains"} and UNK not in every[0]
    assert all(s["epochs"] == 1 and "steps" not in s for s in every[:2])
    assert all(s["steps"] == 8 and "epochs" not in s for s in every[2:])
