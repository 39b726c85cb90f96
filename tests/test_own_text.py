"""A text of one's own: the plan for its length, the command from file to weights, what it refuses."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from test_corpora import world  # noqa: F401  # a server, a fixture

from rnnlib import checkpoints, corpora, metrics, sampling
from rnnlib.experiments import char_lm, own_text, study
from rnnlib.experiments.__main__ import main
from rnnlib.text import Vocabulary, split

TEXT = corpora.load("tales")[:600]  # 5 % are less than is held out
SMALL = {"hidden": 8, "batch": 4}
WRITTEN = ["my.txt", "my_lstm.json", "my_lstm.safetensors"]


@pytest.fixture
def small(monkeypatch) -> None:
    monkeypatch.setattr(char_lm, "TRAINING", char_lm.TRAINING | SMALL)


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.txt").write_text(TEXT, encoding="utf-8", newline="")
    return tmp_path / "my.txt"


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def refused(*options: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["char_lm", *options])
    return str(caught.value)


# the plan


@pytest.mark.parametrize(
    ("length", "steps", "held_out"),
    [
        (100, 500, 32),  # never below, in characters
        (1000, 500, 50),
        (100_000, 35 * 100_000 // 1920 // 5 * 5, 5000),
        (500_000, 9000, 25_000),
        (50_000_000, 9000, 100_000),
    ],
)
def test_the_plan_suits_the_length(length, steps, held_out) -> None:
    plan = own_text.plan("a" * length)
    assert plan["steps"] == steps
    train, end = split("a" * length, plan["held_out"])
    assert (len(train), len(end)) == (length - held_out, held_out)
    assert {k: plan[k] for k in char_lm.TRAINING} == char_lm.TRAINING
    assert len(train) > plan["T"] and len(end) > plan["T"]


def test_a_text_that_is_too_short_says_how_long_it_must_be() -> None:
    with pytest.raises(ValueError, match=r"at least 100 characters to train on, got 99; .* 50,000"):
        own_text.plan("a" * 99)


@pytest.mark.parametrize("steps", [0, -5, 7])
def test_steps_that_cannot_be_looked_at_in_even_parts_are_refused(steps) -> None:
    with pytest.raises(ValueError, match=f"steps must be a positive multiple of 5, got {steps}"):
        own_text.plan("a" * 1000, steps)


def test_the_description_names_what_is_held_out_and_what_is_rare() -> None:
    text = "ab\n" * 100 + "z" * 9 + "é" + "ab\n" * 10
    said = own_text.describe(text, own_text.plan(text))
    assert said[0] == "The last 32 characters (9.4%) are held out."
    assert said[1].endswith(f"each of the others is read about {1920 * 500 / 308:,.0f} times.")
    assert said[2].startswith("2 of 5 characters come fewer than 10 times")
    assert said[2].endswith("learn them: 'é' 'z'")
    assert "short" in said[3]
    long = own_text.describe("ab\n" * 20_000, own_text.plan("ab\n" * 20_000))
    assert len(long) == 2


# the command


def test_the_command_trains_writes_beside_the_text_and_shows_how_to_go_on(
    small, mine, capsys
) -> None:
    assert main(["char_lm", "--text", "my.txt", "--steps", "50"]) == 0
    out = capsys.readouterr().out
    assert names(mine.parent) == WRITTEN
    record = json.loads((mine.parent / "my_lstm.json").read_text("utf-8"))
    assert record["text"]["characters"] == 600
    assert record["settings"]["steps"] == 50
    model, vocabulary, settings = checkpoints.load_model("my_lstm.safetensors")
    assert vocabulary.symbols == Vocabulary.of(TEXT).symbols
    assert settings["text"] == record["text"]

    end = vocabulary.encode(split(TEXT, record["settings"]["held_out"])[1])
    lost = metrics.carried(model, end)["nats"]
    assert record["result"]["held_out"]["carried, float16 weights"]["nats"] == pytest.approx(lost)
    assert lost < math.log(len(vocabulary))
    assert f"{record['result']['held_out']['carried']['nats']:.2f} held out" in out

    prompt = f"{TEXT.split()[0]} "
    written = sampling.generate(model.fast(), vocabulary, prompt, 200, temperature=0.5, seed=0)
    assert f"At temperature 0.5:\n{prompt}{written}\n" in out
    code = re.search(r"(?s)or in Python:\n(.*)", out)
    assert code is not None
    lines = [line.strip() for line in code[1].splitlines()]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, cwd=mine.parent,
        env=os.environ | {"PYTHONPATH": str(Path(own_text.__file__).parents[2]), "PYTHONUTF8": "1"},
        check=True,
    )  # fmt: skip
    assert len(done.stdout) == 301


def test_the_same_command_again_takes_its_own_files_place(small, mine) -> None:
    for seed in ("0.002", "0.003"):
        assert main(["char_lm", "--text", "my.txt", "--steps", "5", "--lr", seed]) == 0
    assert names(mine.parent) == WRITTEN
    assert json.loads((mine.parent / "my_lstm.json").read_text())["settings"]["lr"] == 0.003


def test_what_was_interrupted_goes_on(small, mine, monkeypatch, capsys) -> None:
    evaluate, calls = char_lm.evaluate, []

    def stop(*arguments: Any) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(char_lm, "evaluate", stop)
        assert main(["char_lm", "--text", "my.txt", "--steps", "50"]) == 130
    (checkpoint,) = mine.parent.glob("my_lstm.*.checkpoint")
    assert names(mine.parent) == sorted(["my.txt", checkpoint.name])
    assert main(["char_lm", "--text", "my.txt", "--steps", "50"]) == 0
    assert "goes on after step 29" in capsys.readouterr().err
    assert names(mine.parent) == WRITTEN
    resumed = (mine.parent / "my_lstm.safetensors").read_bytes()
    (mine.parent / "my_lstm.json").unlink()
    (mine.parent / "my_lstm.safetensors").unlink()
    assert main(["char_lm", "--text", "my.txt", "--steps", "50"]) == 0
    assert (mine.parent / "my_lstm.safetensors").read_bytes() == resumed


@pytest.mark.parametrize(
    "text",
    [
        "no capitals, two hundred letters\n" * 6,
        "春眠不覺曉處處聞啼鳥夜來風雨聲花落知多少\n" * 9,
        "🙂🙃 12 34\n" * 20,
        "0123456789\n" * 20,
    ],
)
def test_texts_without_capitals_letters_or_blanks_are_trained_on(small, mine, text) -> None:
    mine.write_text(text, encoding="utf-8")
    assert main(["char_lm", "--text", "my.txt", "--steps", "5"]) == 0
    _, vocabulary, _ = checkpoints.load_model("my_lstm.safetensors")
    assert vocabulary.symbols == "".join(sorted(set(text)))


def test_samples_begin_with_a_capital_else_a_letter_else_anything() -> None:
    def starts(symbols: str) -> set[str]:
        model = char_lm.CharacterModel(len(symbols), 4)
        found = char_lm.samples(model, Vocabulary(symbols), 0)
        return {s["text"][0] for s in found}

    assert starts(" .Aab") == {"A"}
    assert starts(" .a") == {"a"}
    assert starts(" .") <= {" ", "."}


def test_a_link_is_trained_on_and_written_to_the_current_folder(
    small, world, tmp_path, monkeypatch  # noqa: F811
) -> None:  # fmt: skip
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    world.origin["/books/my.txt"] = TEXT.encode()
    assert main(["char_lm", "--text", f"{world.url}/books/my.txt", "--steps", "5"]) == 0
    assert names(here) == WRITTEN[1:]


# what is refused


def test_texts_that_cannot_be_read_are_refused_in_words(mine) -> None:
    assert "where there is none" in refused("--text", "none.txt")
    mine.write_bytes(b"a\0b")
    assert "NUL at place 1" in refused("--text", "my.txt")
    mine.write_text("too short")
    assert "at least 100 characters to train on, got 9" in refused("--text", "my.txt")
    mine.write_text(TEXT)
    assert "encoding must be one that Python knows" in refused(
        "--text", "my.txt", "--encoding", "utf-9"
    )
    assert names(mine.parent) == ["my.txt"]


def test_files_of_others_are_not_touched(mine) -> None:
    for name, content in (("my_lstm.json", "{}"), ("my_lstm.json", "a"), ("x.safetensors", "w")):
        (mine.parent / name).write_text(content)
        own = ["--name", "x"] if name[0] == "x" else []
        assert "is there and is no own text's" in refused("--text", "my.txt", *own)
        assert (mine.parent / name).read_text() == content
    assert "a name without folders" in refused("--text", "my.txt", "--name", "../x")


@pytest.mark.parametrize("part", ["results", "weights", "samples"])
def test_the_books_own_folders_are_not_written_to(tmp_path, monkeypatch, part) -> None:
    monkeypatch.setattr(study, "data_dir", lambda: tmp_path)
    (tmp_path / part).mkdir()
    (tmp_path / part / "my.txt").write_text(TEXT)
    assert "belongs to the book: copy the text" in refused(
        "--text", str(tmp_path / part / "my.txt")
    )
    assert names(tmp_path / part) == ["my.txt"]


def test_a_folder_that_cannot_be_written_is_said_before_the_training(mine, monkeypatch) -> None:
    def refuse(**options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(own_text.tempfile, "TemporaryFile", refuse)
    assert "must be a folder that can be written: [Errno 13]" in refused("--text", "my.txt")


def test_encode_needs_no_list(monkeypatch) -> None:
    """50 million characters are 400 MB of numbers; a list of them would be as much again."""
    vocabulary = Vocabulary("ab")
    monkeypatch.setattr(torch, "tensor", None)
    assert vocabulary.encode("abba").tolist() == [0, 1, 1, 0]
