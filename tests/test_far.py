"""The study of far memories: what it draws, how lengths grow, and that a run goes on exactly."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import seeded
from torch import nn

from rnnlib import models, tasks
from rnnlib.experiments import far
from rnnlib.experiments.__main__ import main

SMALL: dict[str, Any] = far.ALL | {
    "task": "digits", "cell": "lstm", "T": 7, "start": 3, "bias": "one", "hidden": 16, "lr": 0.03,
    "seed": 1, "steps": 600,
}  # fmt: skip


@pytest.fixture(autouse=True)
def small(monkeypatch) -> None:
    monkeypatch.setattr(far, "FRESH", 64)


def without_seconds(result: dict[str, Any]) -> dict[str, Any]:
    lengths = [{k: v for k, v in one.items() if k != "seconds"} for one in result["lengths"]]
    return result | {"lengths": lengths, "processor_seconds": 0}


def test_random_digits_ask_for_the_first_and_no_digit_comes_back_in_order() -> None:
    x, y = far.first_digit(9, 4000, seeded())
    digits = x.argmax(dim=2)
    assert x.shape == (4000, 8, 10) and x.dtype == torch.float32
    assert (x.sum(dim=2) == 1).all() and torch.equal(y, digits[:, 0])
    for t in range(1, 8):  # the mirror image of a palindrome would agree everywhere
        for s in range(t):
            assert (digits[:, t] == digits[:, s]).double().mean() == pytest.approx(0.1, abs=0.02)
    with pytest.raises(ValueError, match="T must be at least 2, got 1"):
        far.first_digit(1, 4)


def test_a_source_grows_and_knows_where_it_stood() -> None:
    source = far.Growing(far.first_digit, 3, [4, 6, 9], 5)
    assert next(source)[0].shape == (5, 3, 10)
    assert source.grow() and source.T == 6
    next(source)
    state = source.state_dict()
    expected = next(source)[0]
    assert expected.shape == (5, 5, 10)
    assert source.grow() and source.T == 9 and not source.grow() and source.T == 9
    other = far.Growing(far.first_digit, 4, [4, 6, 9], 5)
    other.load_state_dict(state)
    assert torch.equal(next(other)[0], expected) and other.T == 6


@pytest.mark.parametrize("task", far.DRAWS)
def test_the_answers_that_count_are_the_last_digit_or_the_ten_symbols(task) -> None:
    model = far.build("gru", 16, 12, "chrono", seeded()).double()
    x, y = far.DRAWS[task](12, 6, seeded(2))
    loss, metrics = far.loss_fn(model, (x.double(), y))
    with torch.no_grad():
        states, _ = model.rnn.compute_with("cells")(x.double())  # type: ignore[operator]
        p = model.readout(states)
    if task == "copy":
        right = [(p[:, t].argmax(dim=1) == y[:, t]).double() for t in range(22, 32)]
        expected = nn.functional.cross_entropy(p.transpose(1, 2), y)
    else:
        assert y.shape == (6,)
        right = [(p[:, -1].argmax(dim=1) == y).double()]
        expected = nn.functional.cross_entropy(p[:, -1], y)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    assert metrics["accuracy"] == pytest.approx(torch.stack(right).mean().item(), abs=1e-6)


def test_blanks_alone_are_no_right_answer_of_the_copy_problem() -> None:
    model = models.Classifier(far.build("lstm", 4, 5, "one", seeded()).rnn, 10)
    for weight in model.readout.parameters():
        weight.data.zero_()
    model.readout.bias.data[0] = 9.0  # blanks
    assert far.loss_fn(model, tasks.copying(5, 8, seeded()))[1]["accuracy"] == 0


def test_lengths_grow_after_5_perfect_batches_and_the_last_is_solved_after_20(tmp_path) -> None:
    result = far.run(folder=tmp_path, **SMALL)
    assert result["solved"] and result["steps"] < 600
    assert [one["T"] for one in result["lengths"]] == [3, 5, 7]
    least = [one["steps"] for one in result["lengths"]]
    assert min(least) >= 5 and least[-1] >= 20 and sum(least) == result["steps"]
    assert result["fresh"]["accuracy"] > 0.9 and result["fresh"]["loss"] < 0.5
    assert result["processor_seconds"] >= 0
    cut = far.run(folder=tmp_path, **SMALL | {"steps": least[0]})
    assert not cut["solved"] and [one["T"] for one in cut["lengths"]] == [3]
    whole = far.run(folder=tmp_path, **SMALL | {"start": None, "steps": 3})
    assert [one["T"] for one in whole["lengths"]] == [7]


def test_perfect_batches_are_counted_anew_at_each_length(tmp_path, monkeypatch) -> None:
    honest = far.loss_fn
    monkeypatch.setattr(far, "loss_fn", lambda *batch: (honest(*batch)[0], {"accuracy": 1.0}))
    result = far.run(folder=tmp_path, **SMALL)
    assert [(one["T"], one["steps"]) for one in result["lengths"]] == [(3, 5), (5, 5), (7, 20)]


def test_a_run_goes_on_to_the_same_last_digit(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(far, "EVERY", 7)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = far.run(folder=whole, **SMALL)
    step, seen = torch.optim.Adam.step, [0]

    def interrupted(*arguments: Any) -> Any:
        seen[0] += 1
        if seen[0] in stops:
            raise KeyboardInterrupt
        return step(*arguments)

    grown = expected["lengths"][0]["steps"]
    stops = (4, grown + 9, grown + 20)  # before the first checkpoint, and at the second length
    monkeypatch.setattr(torch.optim.Adam, "step", interrupted)
    for _ in stops:
        with pytest.raises(KeyboardInterrupt):
            far.run(folder=parts, **SMALL)
    found = far.run(folder=parts, **SMALL)
    assert without_seconds(found) == without_seconds(expected)
    assert [file.name for file in parts.iterdir()] == [
        far.study.checkpoint(whole, "far", SMALL).name
    ]
    again = far.run(folder=parts, **SMALL)  # a run that is done takes no step
    assert without_seconds(again) == without_seconds(expected)


def test_each_run_of_a_part_is_planned_once_and_one_thing_is_left_out() -> None:
    for part in far.PARTS:
        runs = far.plan(part, 3, far.CELLS, far.LENGTHS)
        assert len({far.study.checkpoint(Path(), "far", one).name for one in runs}) == len(runs)
        assert {one["seed"] for one in runs} == {0, 1, 2}
        assert {one["cell"] for one in runs} == {"lstm", "gru"}
    complete = {one["cell"]: one for one in far.plan("digits", 1, far.CELLS, [1000])}
    for one in far.plan("without", 1, far.CELLS, far.LENGTHS):
        left = one.pop("without")
        changed = {key: one[key] for key in one if one[key] != complete[one["cell"]][key]}
        assert (
            changed
            == {
                "chrono": {"bias": "one" if one["cell"] == "lstm" else "zero"},
                "curriculum": {"start": None},
                "rate": {"lr": 0.001},
            }[left]
        )


def test_the_command_line_runs_the_parts_and_removes_what_is_done(monkeypatch, tmp_path) -> None:
    asked: list[Any] = []

    def run_study(name: str, run: Any, settings: list[Any], workers: int | None) -> None:
        asked.append((name, settings))
        run(**settings[0])
        assert far.study.checkpoint(tmp_path / "checkpoints", "far", settings[0]).exists()

    monkeypatch.setattr(far, "run_study", run_study)
    monkeypatch.setattr(far.study, "data_dir", lambda: tmp_path)
    monkeypatch.setitem(far.ALL, "hidden", 4)
    main(
        [
            "far",
            "--parts",
            "long",
            "copy",
            "--cells",
            "gru",
            "--lengths",
            "4",
            "--seeds",
            "1",
            "--steps",
            "2",
        ]
    )
    assert [name for name, _ in asked] == ["far_long", "far_copy"]
    assert [(s["task"], s["cell"], s["T"], s["steps"]) for _, some in asked for s in some] == [
        ("palindromes", "gru", 4, 2), ("copy", "gru", 200, 2),
    ]  # fmt: skip
    assert not list((tmp_path / "checkpoints").iterdir())
