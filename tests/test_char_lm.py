"""The study of the chapter on characters: its record, its rate, a run that is killed and goes on."""

import json
import lzma
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import held_char_lm
import pytest
import tiny_study
import torch
from helpers import HANGS

from rnnlib import checkpoints, corpora, metrics, ngram, sampling
from rnnlib.experiments import char_lm, study
from rnnlib.experiments.__main__ import main
from rnnlib.text import Vocabulary, split

SETTINGS: dict[str, Any] = char_lm.TRAINING | {
    "kind": "lstm", "corpus": "tales", "asked": "tales", "seed": 1, "steps": 50,
    "hidden": 16, "batch": 8,
}  # fmt: skip
TEXT = corpora.load("tales")[:8000]


def command(script: ModuleType, folder: Path, *options: str) -> list[str]:
    arguments = ["char_lm", "--corpus", "tales", "--seeds", "1", "--workers", "1", *options]
    return [sys.executable, str(script.__file__), str(folder), *arguments]


def without_time(result: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in result.items() if k != "wall_seconds"}


def test_a_run_killed_in_the_middle_writes_the_same_text_as_one_that_was_not(tmp_path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir(), whole.mkdir()
    options = ["--steps", "50"]
    process = subprocess.Popen(
        command(held_char_lm, killed, *options),
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert "held\n" in process.stderr
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=HANGS)
    assert not (killed / "results" / "char_lm_tales.json").exists()
    (checkpoint,) = (killed / "checkpoints").glob("*.checkpoint")
    checkpoint.with_name(f"{checkpoint.name}.1.part").write_text("cut off by the kill")

    again = subprocess.run(
        command(tiny_study, killed, *options),
        capture_output=True, text=True, check=True, timeout=HANGS,
    )  # fmt: skip
    (said,) = [line for line in again.stderr.splitlines() if "goes on after step" in line]
    assert int(said.split()[-1]) == held_char_lm.HELD_AT - 1
    record = json.loads((killed / "results" / "char_lm_tales.json").read_text("utf-8"))
    lstm, baselines = record["runs"]
    assert baselines["settings"]["kind"] == "baselines"
    assert baselines["result"]["characters"]["train"] == 94376
    result = char_lm.run(folder=whole, **lstm["settings"])
    assert without_time(lstm["result"]) == without_time(result)
    assert [p["step"] for p in result["points"]] == [10, 20, 30, 40, 50]

    weights = killed / "checkpoints" / "char_tales.safetensors"  # of a trial
    assert list((killed / "checkpoints").iterdir()) == [weights]
    (expected,) = whole.glob("*.weights")
    assert weights.read_bytes() == expected.read_bytes()
    texts = [
        sampling.generate(model, vocabulary, "The ", 50, seed=1)
        for model, vocabulary, _ in map(checkpoints.load_model, (weights, expected))
    ]
    assert texts[0] == texts[1]


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("run")
    found = char_lm.train(TEXT, folder / "c.checkpoint", SETTINGS | {"steps": 150})
    return {**found, "folder": folder}


def test_the_record_has_the_curves_and_the_means_of_the_end(result) -> None:
    loss, accuracy = result["loss_per_100_steps"], result["accuracy_per_100_steps"]
    assert len(loss) == len(accuracy) == 2
    assert loss[0] > loss[1]
    assert result["loss"] == pytest.approx((100 * loss[0] + 50 * loss[1]) / 150, abs=1e-4)
    assert result["accuracy"] == pytest.approx(
        (100 * accuracy[0] + 50 * accuracy[1]) / 150, abs=1e-4
    )


def test_the_held_out_loss_is_that_of_the_weights_that_were_written(result) -> None:
    model, vocabulary, settings = checkpoints.load_model(result["folder"] / "c.weights")
    assert settings == SETTINGS | {"steps": 150}
    assert vocabulary.symbols == Vocabulary.of(TEXT).symbols
    held_out = vocabulary.encode(split(TEXT)[1])
    found = result["held_out"]
    rounded = metrics.carried(model, held_out)
    assert found["carried, float16 weights"]["nats"] == pytest.approx(rounded["nats"], rel=1e-5)
    assert found["carried"]["nats"] == pytest.approx(rounded["nats"], abs=2e-3)
    windows = metrics.from_zero(model, held_out, 30)
    assert found["from zero"]["nats"] == pytest.approx(windows["nats"], abs=2e-3)
    assert found["carried"] != found["from zero"]
    assert result["points"][-1]["nats"] == found["from zero"]["nats"]


def test_samples_have_three_lengths_and_are_greedy_and_drawn(result) -> None:
    assert [p["step"] for p in result["points"]] == [30, 60, 90, 120, 150]
    model, vocabulary, _ = checkpoints.load_model(result["folder"] / "c.weights")
    for point in result["points"]:
        kinds = [(s["length"], s["temperature"]) for s in point["samples"]]
        assert kinds == [(20, 0), (20, 1), (30, 0), (30, 1), (60, 0), (60, 1)]
        assert all(len(s["text"]) == s["length"] for s in point["samples"])
        starts = [s["text"][0] for s in point["samples"]]
        assert starts == [s["text"][0] for s in result["points"][0]["samples"]]
        assert all(c.isupper() for c in starts)
    greedy = result["points"][-1]["samples"][4]["text"]
    assert sampling.generate(model, vocabulary, greedy[0], 59, temperature=0) == greedy[1:]


def test_the_rate_falls_on_a_line_over_the_last_share() -> None:
    rates = [char_lm.rate(step, 100, 2.0, 0.2) for step in range(100)]
    assert rates[:81] == [2.0] * 81
    assert rates[80:] == pytest.approx([2.0 * (100 - s) / 20 for s in range(80, 100)])
    assert char_lm.rate(99, 100, 2.0, 0.0) == 2.0


def test_the_rate_reaches_the_optimizer(tmp_path, monkeypatch) -> None:
    made = []

    def method(parameters, lr):
        made.append(torch.optim.SGD(parameters, lr=lr))
        return made[-1]

    monkeypatch.setitem(char_lm.OPTIMIZERS, SETTINGS["optimizer"], method)
    char_lm.train(TEXT, tmp_path / "c.checkpoint", SETTINGS | {"steps": 5, "decay": 1.0})
    assert made[0].param_groups[0]["lr"] == 0  # after the last step; the last one had 1/5
    char_lm.train(TEXT, tmp_path / "d.checkpoint", SETTINGS | {"steps": 5, "decay": 0.0})
    assert made[1].param_groups[0]["lr"] == 2e-3


@pytest.mark.parametrize("other", [{"decay": 0.5}, {"steps": 10}])
def test_a_checkpoint_of_another_schedule_is_refused(other, tmp_path) -> None:
    settings = SETTINGS | {"steps": 5, "decay": 0.2}
    char_lm.train(TEXT, tmp_path / "c.checkpoint", settings)
    with pytest.raises(ValueError, match=next(iter(other))):
        char_lm.train(TEXT, tmp_path / "c.checkpoint", settings | other)


def test_the_baselines_are_the_n_gram_model_and_xz_on_the_same_split() -> None:
    found = char_lm.baselines(TEXT)
    train, held_out = split(TEXT)
    assert found["characters"] == {"train": 7600, "held_out": 400, "K": len(set(TEXT))}
    model = ngram.NGram(train, char_lm.LONGEST, Vocabulary.of(TEXT))
    counts = found["ngram"]
    assert counts["bits_by_order"] == model.bits_per_character(held_out)
    chosen = ngram.choose_order(train, char_lm.LONGEST, Vocabulary.of(TEXT))
    assert (counts["order"], counts["bits_by_order_on_a_piece_of_train"]) == chosen
    assert counts["bits"] == counts["bits_by_order"][counts["order"] - 1]
    sizes = [len(lzma.compress(t.encode(), preset=9 | lzma.PRESET_EXTREME)) for t in (TEXT, train)]
    assert found["xz"]["after_train"] == 8 * (sizes[0] - sizes[1]) / 400
    assert found["xz"]["after_train"] < found["xz"]["alone"] < 8 * 2
    assert 1 < counts["bits"] < math.log2(len(set(TEXT)))


def test_without_the_corpus_the_tales_stand_in_and_the_settings_say_so(
    monkeypatch, tmp_path, capsys
) -> None:
    asked = []

    def load(name: str) -> str:
        if name != "tales":
            raise corpora.CorpusUnavailable(f"corpus {name!r} is not available")
        return TEXT

    def run_study(*arguments):
        asked.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(char_lm.corpora, "load", load)
    monkeypatch.setattr(char_lm, "run_study", run_study)
    monkeypatch.setattr(char_lm.study, "data_dir", lambda: tmp_path)
    assert main(["char_lm", "--corpus", "democracy", "--seeds", "2"]) == 130
    name, _, settings, _ = asked[0]
    assert name == "char_lm_tales"
    assert "fell back to the tales" in capsys.readouterr().out
    assert [(s["kind"], s["seed"]) for s in settings] == [
        ("lstm", 0),
        ("lstm", 1),
        ("baselines", 0),
    ]
    assert {(s["corpus"], s["asked"]) for s in settings} == {("tales", "democracy")}
    assert settings[0]["steps"] == char_lm.STEPS


def test_the_best_seeds_weights_are_kept_and_the_rest_is_removed(monkeypatch, tmp_path) -> None:
    def run_study(name, run, settings, workers) -> Path:
        runs = []
        for s in settings[:-1]:
            file = study.checkpoint(tmp_path / "checkpoints", "char_lm", s)
            file.write_text("to go on")
            file.with_suffix(".weights").write_text(f"seed {s['seed']}")
            nats = [1.4, 1.3, 1.5][s["seed"]]
            runs.append({"settings": s, "result": {"held_out": {"carried": {"nats": nats}}}})
        path = tmp_path / "record.json"
        path.write_text(json.dumps({"runs": [*runs, {"settings": settings[-1], "result": {}}]}))
        return path

    monkeypatch.setattr(char_lm, "run_study", run_study)
    monkeypatch.setattr(char_lm.study, "data_dir", lambda: tmp_path)
    assert main(["char_lm", "--corpus", "tales", "--seeds", "3"]) == 0
    assert not list((tmp_path / "checkpoints").iterdir())
    assert (tmp_path / "weights" / "char_tales.safetensors").read_text() == "seed 1"
    assert main(["char_lm", "--corpus", "tales", "--seeds", "1", "--steps", "5"]) == 0
    assert (tmp_path / "weights" / "char_tales.safetensors").read_text() == "seed 1"  # untouched
    assert (tmp_path / "checkpoints" / "char_tales.safetensors").read_text() == "seed 0"


def test_other_settings_have_another_checkpoint(tmp_path) -> None:
    files = {
        study.checkpoint(tmp_path, "char_lm", SETTINGS | {"seed": s, "lr": lr})
        for s in (0, 1)
        for lr in (1, 2)
    }
    assert len(files) == 4
    assert study.checkpoint(
        tmp_path, "char_lm", dict(reversed(SETTINGS.items()))
    ) == study.checkpoint(tmp_path, "char_lm", SETTINGS)


def test_steps_that_do_not_make_five_even_points_are_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="steps must be a multiple of 5, got 12"):
        char_lm.train(TEXT, tmp_path / "c", SETTINGS | {"steps": 12})
