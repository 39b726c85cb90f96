"""Studies: what a record holds, that it can be interrupted, the command line, the runs."""

import itertools
import json
import math
import multiprocessing
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_study
import torch
from helpers import largest_error, layer, seeded

from rnnlib import bptt, experiments, layers, models, tasks, training
from rnnlib.experiments import (
    gradient_flow,
    memory,
    optimizers,
    palindrome,
    palindrome_memory,
    study,
    version,
)
from rnnlib.experiments.__main__ import STUDIES, main
from rnnlib.models import CharacterModel
from rnnlib.text import windows
from rnnlib.training import History

SHARED = dict(weights="uniform", optimizer="rmsprop", lr=1e-3, clip=10.0, hidden=8, batch=4)
SETTINGS = [
    {"cell": cell, "T": 3, "one_hot": one_hot, "seed": seed, "steps": 5, **SHARED}
    for cell, one_hot in [("rnn", False), ("lstm", True)]
    for seed in (1, 0)
]


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    record = {k: v for k, v in record.items() if k not in ("finished", "run_seconds", "workers")}
    return record | {"runs": [{**r, "seconds": 0} for r in record["runs"]]}


def left(folder: Path) -> list[str]:
    """The files in a folder, without locks: those stay, and a process that has ended holds none."""
    return sorted(p.name for p in folder.iterdir() if p.suffix != ".lock")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, Any]:
    """The record of an uninterrupted study on two processes."""
    folder = tmp_path_factory.mktemp("whole")
    path = study.run_study("tiny", palindrome.run, SETTINGS, workers=2, folder=folder)
    assert left(folder) == ["tiny.json"]
    return json.loads(path.read_text("utf-8"))


def test_a_record_says_how_it_was_made(whole) -> None:
    assert list(whole) == [
        "study", "command", "finished", "run_seconds", "workers", "seeds", "versions",
        "code", "hardware", "runs",
    ]  # fmt: skip
    assert whole["study"] == "tiny"
    assert whole["command"].startswith("python -m rnnlib.experiments")
    assert whole["workers"] == 2
    assert whole["seeds"] == [0, 1]
    assert whole["versions"] == {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    rnnlib = {"rnnlib": version.sources(), "runs": len(SETTINGS)}
    assert whole["code"] == [whole["versions"] | rnnlib]
    assert whole["hardware"]["threads_per_run"] == 1
    assert whole["run_seconds"] == pytest.approx(sum(r["seconds"] for r in whole["runs"]), abs=0.1)


def test_runs_stand_in_the_order_of_the_settings(whole) -> None:
    assert [r["settings"] for r in whole["runs"]] == SETTINGS
    for r in whole["runs"]:
        assert r["result"].keys() == {
            "steps", "solved", "test_accuracy", "train_accuracy_per_100_steps"
        }  # fmt: skip
        assert r["result"]["steps"] == 5


def test_an_interrupted_study_continues_with_what_is_missing_on_any_number_of_processes(
    whole, tmp_path, capsys
) -> None:
    code = version.code()
    kept = [
        {**whole["runs"][k], "seconds": -1.0 - k, "code": code} for k in (2, 0)
    ]  # none takes so
    other = {"settings": {**SETTINGS[0], "T": 99}, "seconds": 1.0, "result": {}}
    lines = [json.dumps(r) for r in (kept[0], other, kept[1])]
    cut_off = json.dumps(whole["runs"][1])[:-40]
    (tmp_path / "tiny.partial.jsonl").write_text("\n".join([*lines, cut_off]), "utf-8")
    path = study.run_study("tiny", palindrome.run, SETTINGS, workers=1, folder=tmp_path)
    record = json.loads(path.read_text("utf-8"))
    assert without_times(record) == without_times(whole)
    seconds = [r["seconds"] for r in record["runs"]]
    assert (seconds[0], seconds[2]) == (-1.0, -3.0)  # taken over, not run again
    assert min(seconds[1], seconds[3]) >= 0
    assert left(tmp_path) == ["tiny.json", "tiny.partial.jsonl"]
    assert json.loads((tmp_path / "tiny.partial.jsonl").read_bytes()) == other  # it was not used
    said = capsys.readouterr().out
    assert "2 of 4 runs were there, 2 to go" in said
    assert "other versions" not in said


def test_a_failing_run_stops_the_study_and_loses_no_other_run(tmp_path) -> None:
    partial = tmp_path / "tiny.partial.jsonl"
    partial.write_text('{"settings": {"seed": 7}, "sec', "utf-8")  # a line cut off before
    settings = [{"seed": 0}, {"seed": 1}, {"seed": 2, "fails": True}]
    settings += [{"seed": s, "until": str(tmp_path / "never")} for s in range(3, 9)]
    with pytest.raises(ArithmeticError, match="seed 2 fails") as failed:
        study.run_study("tiny", tiny_study.run, settings, workers=1, folder=tmp_path)
    assert (
        "In a worker:" in failed.value.__notes__[0] and "tiny_study.py" in failed.value.__notes__[0]
    )
    assert not multiprocessing.active_children()  # what waits is not run first
    assert not (tmp_path / "tiny.json").exists()
    kept = [json.loads(line) for line in partial.read_text("utf-8").splitlines()[1:]]
    assert [r["settings"]["seed"] for r in kept] == [0, 1]
    study.run_study("tiny", tiny_study.run, settings[:2], folder=tmp_path)
    record = json.loads((tmp_path / "tiny.json").read_text("utf-8"))
    assert [r["result"] for r in record["runs"]] == [{"twice": 0}, {"twice": 2}]


def recorded(seed: int, **others: Any) -> dict[str, Any]:
    """A finished run, as a line of a partial file has it."""
    return {"settings": {"seed": seed}, "seconds": 1.0, "result": {"a": seed}} | others


def complete(folder: Path, name: str, seeds: int = 2) -> Path:
    """A record from a study whose runs were all there already: it starts no process."""
    runs = [recorded(seed) for seed in range(seeds)]
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps(r) + "\n" for r in runs)
    (folder / f"{name}.partial.jsonl").write_text(text, "utf-8")
    return study.run_study(name, tiny_study.run, [r["settings"] for r in runs], folder=folder)


def test_a_record_has_one_run_a_line(tmp_path) -> None:
    lines = complete(tmp_path, "tiny", 5).read_text("utf-8").splitlines()
    assert sum(line.startswith('  {"settings"') for line in lines) == 5


def test_means_are_of_so_many_values_at_a_time() -> None:
    values = [0.1, 0.25, 0.7, 1.3, 2.0]
    assert study.means(values, 2, 3) == [0.175, 1.0, 2.0]
    assert study.means(values, 1, 9) == values
    assert study.means(values, 5, 2) == study.means(values, 9, 2) == [0.87]
    assert study.means(values, 3, 0) == [0.0, 2.0]
    assert study.means((np.float64(v) for v in values), 2, 3) == [0.175, 1.0, 2.0]
    assert study.means([], 2, 3) == []


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (([1.0], 0, 2), ValueError, "every must be at least 1, got 0"),
        (([1.0], 2.0, 2), TypeError, "every must be an integer, got 2.0"),
        (([1.0], True, 2), TypeError, "every must be an integer, got True"),
        (([1.0], 1, -1), ValueError, "digits must be at least 0, got -1"),
        (([1.0], 1, None), TypeError, "digits must be an integer, got None"),
        ((1.0, 1, 2), TypeError, "values must be numbers, got float"),
        (("12", 1, 2), TypeError, "values must be a number, got '1'"),
        ((torch.ones(2), 1, 2), TypeError, r"values must be a number, got tensor\(1.\)"),
        (([1.0, None], 1, 2), TypeError, "values must be a number, got None"),
        (([1.0, True], 1, 2), TypeError, "values must be a number, got True"),
        (([1.0, math.nan], 1, 2), ValueError, "values must be finite, got nan"),
    ],
)
def test_means_are_of_numbers(arguments, error, says) -> None:
    with pytest.raises(error, match=says):
        study.means(*arguments)


def test_load_reads_a_record_and_suggests_the_nearest_name(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(study, "data_dir", lambda: tmp_path)
    for name in ("palindrome", "gradient_flow"):
        complete(tmp_path / "results", name)
    assert [r["result"] for r in experiments.load("palindrome")["runs"]] == [{"a": 0}, {"a": 1}]
    with pytest.raises(ValueError, match=r"name .*got 'palindrom'; did you mean 'palindrome'\?"):
        experiments.load("palindrom")
    with pytest.raises(ValueError, match=r"\['gradient_flow', 'palindrome'\], got 'xyz'$"):
        experiments.load("xyz")


# ---- the command line ---------------------------------------------------------------------------


def test_help_lists_the_studies_and_their_options(capsys) -> None:
    for arguments, words in [([], STUDIES), (["palindrome"], ["--lengths", "--seeds", "(default"])]:
        with pytest.raises(SystemExit) as stop:
            main([*arguments, "--help"])
        assert stop.value.code == 0
        text = capsys.readouterr().out
        assert all(word in text for word in words)


def test_python_m_runs_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "rnnlib.experiments", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "gradient_flow" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("palindrom", "invalid choice: 'palindrom'"),
        ("", "required: STUDY"),
        ("palindrome --cells rnm", "--cells: invalid choice: 'rnm'"),
        ("palindrome --seeds 0", "--seeds: invalid positive value: '0'"),
        ("palindrome --seeds 1.5", "--seeds: invalid positive value: '1.5'"),
        ("gradient_flow --workers 0", "--workers: invalid positive value: '0'"),
    ],
)
def test_a_wrong_command_exits_with_2_and_says_why(arguments, said, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments.split())
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_the_command_line_makes_the_settings(monkeypatch, tmp_path) -> None:
    asked = []
    monkeypatch.setattr(study, "data_dir", lambda: tmp_path)  # no record is there
    for module in STUDIES.values():
        monkeypatch.setattr(module, "run_study", lambda *arguments: asked.append(arguments))
    main(["palindrome", "--cells", "rnn", "gru", "--lengths", "5", "9", "--seeds", "3"])
    main(["gradient_flow", "--variants", "lstm", "--seeds", "2", "--workers", "1", "--name", "g"])
    (name, run, settings, workers), (name_2, _, settings_2, workers_2) = asked
    assert (name, run, workers) == ("palindrome", palindrome.run, None)
    assert len(settings) == 2 * 2 * 2 * 3  # cells, inputs, lengths, seeds
    assert {s["T"] for s in settings} == {5, 9}
    assert {s["one_hot"] for s in settings} == {True, False}
    assert (name_2, workers_2) == ("g", 1)
    assert [(s["variant"], s["seed"]) for s in settings_2] == [("lstm", 0), ("lstm", 1)]


def test_a_start_on_the_command_line_makes_a_curriculum(monkeypatch, tmp_path) -> None:
    asked = []
    monkeypatch.setattr(study, "data_dir", lambda: tmp_path)
    monkeypatch.setattr(
        palindrome, "run_study", lambda name, run, settings, _: asked.extend(settings)
    )
    main(["palindrome", "--lengths", "9", "--seeds", "1", "--start", "4"])
    assert [s["start"] for s in asked] == [4, 4]  # scalar and one-hot
    asked.clear()
    main(["palindrome", "--lengths", "9", "--seeds", "1"])
    assert not any("start" in s for s in asked)  # so that older records keep their settings


# ---- the runs -----------------------------------------------------------------------------------


def test_a_palindrome_is_solved_after_20_perfect_batches_running() -> None:
    perfect, wrong = {"accuracy": 1.0}, {"accuracy": 0.99}
    assert palindrome.solved(History(metrics=[wrong] + 20 * [perfect]))
    assert not palindrome.solved(History(metrics=19 * [perfect]))
    assert not palindrome.solved(History(metrics=19 * [perfect] + [wrong]))


def test_palindromes_of_three_digits_are_learned() -> None:
    result = palindrome.run(
        cell="rnn",
        T=3,
        one_hot=True,
        seed=0,
        steps=1000,
        **SHARED | {"lr": 1e-2, "batch": 64, "hidden": 32},
    )
    assert result["solved"]
    assert result["test_accuracy"] == 1
    curve = result["train_accuracy_per_100_steps"]
    assert len(curve) == math.ceil(result["steps"] / 100)
    assert curve[-1] > 0.9


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("weights", ["uniform", "xavier", "kaiming", "orthogonal", "identity"])
def test_weights_are_initialised_as_named(cell, weights) -> None:
    model = palindrome.build(cell, 10, 64, weights, 9, seeded())
    one = model.rnn.cells[0]
    for block in one.W_h.detach().chunk(one.gates):
        if weights == "orthogonal":
            assert block.T @ block == pytest.approx(torch.eye(64), abs=1e-5)
        elif weights == "identity":
            assert torch.equal(block, torch.eye(64))
        elif weights == "kaiming":
            assert block.var().item() == pytest.approx(2 / 64, rel=0.1)
        else:
            bound = {"uniform": 1 / 8, "xavier": math.sqrt(6 / 128)}[weights]
            assert 0.99 * bound < block.abs().max() <= bound


def test_chrono_reaches_back_over_the_whole_length() -> None:
    b = palindrome.build("lstm", 10, 500, "uniform", 40, seeded(), "chrono").rnn.cells[0].b.detach()
    i, f, _, _ = b.chunk(4)
    assert math.log(38) < f.max() <= math.log(39)
    assert torch.equal(i, -f)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_named_bias_is_zero_where_it_is_not_set(cell) -> None:
    one = palindrome.build(cell, 10, 8, "uniform", 9, seeded(), "zero").rnn.cells[0]
    biases = [b for name, b in one.named_parameters() if name.startswith("b")]
    assert len(biases) == (2 if cell == "gru" else 1)
    assert all((b == 0).all() for b in biases)


def test_forget_bias_and_chrono_go_to_the_gate_that_keeps() -> None:
    b = palindrome.build("lstm", 10, 4, "uniform", 9, seeded(), "one").rnn.cells[0].b
    assert b.tolist() == 4 * [0] + 4 * [1] + 8 * [0]
    r, z, n = (
        palindrome.build("gru", 10, 4, "uniform", 9, seeded(), "chrono").rnn.cells[0].b.chunk(3)
    )
    assert (r == 0).all() and (n == 0).all()
    assert (z > 0).all() and z.max() <= math.log(8)


def test_a_curriculum_grows_by_half_and_ends_at_the_length() -> None:
    assert palindrome.lengths(4, 20) == [4, 6, 9, 14, 20]
    assert palindrome.lengths(20, 20) == [20]
    assert palindrome.lengths(30, 20) == [20]


def test_growing_lengths_are_trained_in_turn_and_the_steps_add_up() -> None:
    settings = SHARED | {"lr": 1e-2, "batch": 64, "hidden": 32, "cell": "rnn", "one_hot": True}
    grown = palindrome.run(T=6, start=3, seed=0, **settings | {"steps": 2000})
    assert grown["solved"]
    assert [s["T"] for s in grown["lengths"]] == [3, 5, 6]
    assert sum(s["steps"] for s in grown["lengths"]) == grown["steps"] < 2000
    assert grown["test_accuracy"] > 0.99
    cut = palindrome.run(T=6, start=3, seed=0, **settings | {"steps": grown["lengths"][0]["steps"]})
    assert not cut["solved"]  # the length that it passed was not the last
    assert cut["lengths"] == [grown["lengths"][0], {"T": 5, "steps": 0}]


def test_the_direct_lengths_of_the_memory_study_are_run_with_every_seed_once() -> None:
    runs = palindrome_memory.direct(2)
    keys = [(r["cell"], r["weights"], r["bias"], r["T"], r["seed"]) for r in runs]
    assert len(set(keys)) == len(keys) == 2 * sum(map(len, palindrome_memory.DIRECT.values()))


@pytest.mark.parametrize("task", ["adding", "copy"])
@pytest.mark.parametrize("variant", memory.VARIANTS)
def test_adding_and_copy_train_the_cell_that_they_name(task, variant) -> None:
    cell, bias = memory.VARIANTS[variant]
    model = memory.Reader(task, variant, 50, 16, seeded())
    back = memory.CELLS[cell].from_torch(model.rnn).cells[0]
    for block in back.W_h.detach().chunk(back.gates):
        assert block.T @ block == pytest.approx(torch.eye(16), abs=1e-5)
    if cell == "lstm":
        i, f, g, o = back.b.chunk(4)
        assert (g == 0).all() and (o == 0).all()
        assert bias == "chrono" or (f == {"zero": 0, "one": 1}[bias]).all()
        assert torch.equal(i, -f) if bias == "chrono" else (i == 0).all()
    result = memory.run(
        task=task, variant=variant, T=10, hidden=16, batch=8, lr=1e-3, clip=1.0, steps=3, seed=0
    )
    assert result["steps"] == 3 and not result["solved"]
    assert len(result["loss_per_100_steps"]) == 1


def test_the_trivial_answers_are_the_baselines_of_the_study() -> None:
    for task in memory.SIZES:
        model = memory.Reader(task, "rnn orthogonal", 30, 8, seeded())
        for weight in model.readout.parameters():
            weight.data.zero_()
        if task == "adding":
            model.readout.bias.data.fill_(1.0)
        draw = tasks.adding if task == "adding" else tasks.copying
        loss, _ = memory.loss_fn(model, draw(30, 20_000 if task == "adding" else 20, seeded()))
        expected = memory.baseline("adding", 30) if task == "adding" else math.log(9)
        assert loss.item() == pytest.approx(expected, rel=0.02)


def test_a_short_addition_is_learned_and_stops_the_run() -> None:
    result = memory.run(
        task="adding", variant="lstm bias 1", T=4, hidden=32, batch=64, lr=1e-2, clip=1.0,
        steps=2000, seed=0,
    )  # fmt: skip
    assert result["solved"]
    assert result["test_loss"] < 0.02 / 6


def test_variants_are_built_as_named() -> None:
    for variant, (cell, _, forget_bias) in gradient_flow.VARIANTS.items():
        model = gradient_flow.build(variant, 9, 16, seeded())
        assert type(model.rnn) is palindrome.CELLS[cell]
        if forget_bias is not None:
            assert (model.rnn.cells[0].b.chunk(4)[1] == forget_bias).all()


def test_gradient_norms_of_the_rnn_equal_the_hand_derived_ones() -> None:
    N, T = 6, 9
    model = models.Classifier(layer("rnn tanh", 10, 5), 10)
    x, y = tasks.palindromes(T + 1, N, seeded(), one_hot=True)
    norms = gradient_flow.gradient_norms(model, x.double(), y)
    assert norms.keys() == {"h"}
    cell, readout = model.rnn.cells[0], model.readout
    names = ("W_hx", "W_hh", "b_h", "W_ph", "b_p")
    tensors = (*cell.parameters(), readout.weight, readout.bias)
    weights = {k: w.detach().numpy() for k, w in zip(names, tensors, strict=True)}
    _, grads = bptt.rnn_loss(x.double().numpy(), y.numpy(), np.zeros((N, 5)), weights)
    per_sequence = N * np.linalg.norm(grads["h"], axis=2)  # rnn_loss is the mean over N
    expected = {"h": per_sequence.mean(axis=0)}
    assert largest_error({"h": np.array(norms["h"])}, expected) <= 1e-12


def test_gradient_norms_of_the_lstm_are_total_derivatives_for_h_and_c() -> None:
    T = 5
    model = models.Classifier(layer("lstm", 10, 4), 10)
    cell = model.rnn.cells[0]
    x, y = tasks.palindromes(T + 1, 3, seeded(), one_hot=True)
    x = x.double()
    norms = gradient_flow.gradient_norms(model, x, y)
    states = layers.unroll(cell, x)
    for t in range(T):
        # dL/dh_t: the rest of the sequence from h_t on. dL/dc_t also goes through h_t.
        h, c = (s.detach().requires_grad_() for s in states[t])
        o = (h / torch.tanh(c)).detach()
        rest = layers.unroll(cell, x[:, t + 1 :], (h, c)) if t + 1 < T else [(h, c)]
        p = model.readout(rest[-1][0])
        loss = torch.nn.functional.cross_entropy(p, y, reduction="sum")
        dh, dc = torch.autograd.grad(loss, (h, c), allow_unused=True)
        dc = (0 if dc is None else dc) + dh * o * (1 - torch.tanh(c) ** 2)
        assert norms["h"][t] == pytest.approx(dh.norm(dim=1).mean().item(), rel=1e-12)
        assert norms["c"][t] == pytest.approx(dc.norm(dim=1).mean().item(), rel=1e-12)


@pytest.mark.parametrize("variant", gradient_flow.VARIANTS)
def test_gradient_flow_measures_at_each_snapshot_and_repeats(variant) -> None:
    options = dict(variant=variant, T=4, hidden=6, batch=4, lr=1e-2, clip=1.0, seed=3)
    first, again = (gradient_flow.run(snapshots=[0, 2, 5], **options) for _ in range(2))
    assert first == again
    assert [s["step"] for s in first["snapshots"]] == [0, 2, 5]
    for s in first["snapshots"]:
        assert s["norms"].keys() == ({"h", "c"} if variant.startswith("lstm") else {"h"})
        assert all(len(v) == 3 and min(v) > 0 for v in s["norms"].values())
    # Stopping to measure changes nothing: the run to step 5 is the same without a stop at 2.
    assert gradient_flow.run(snapshots=[5], **options)["snapshots"] == first["snapshots"][2:]


# ---- optimizers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("task", optimizers.TASKS)
@pytest.mark.parametrize("method", optimizers.METHODS)
def test_nine_rates_go_up_by_the_root_of_ten_around_the_centre(task, method) -> None:
    rates = optimizers.rates(task, method)
    assert len(rates) == 9
    ratios = [b / a for a, b in itertools.pairwise(rates)]
    assert ratios == pytest.approx([10**0.5] * 8, rel=0.005)  # three digits
    centre = optimizers.METHODS[method][2] * optimizers.TASKS[task][-1]
    assert rates[4] == pytest.approx(centre, rel=0.005)


@pytest.mark.parametrize("task", ["palindromes, RNN", "palindromes, LSTM"])
def test_the_methods_start_from_the_same_loss_and_a_run_repeats(task) -> None:
    runs = [
        optimizers.run(task=task, method=method, lr=0.001, seed=1, steps=1)
        for method in ("SGD", "Adam", "Adam")
    ]
    first = [r["loss"][0] for r in runs]
    assert first[0] == first[1] == first[2]  # same weights, same batch
    two = [optimizers.run(task=task, method="Adam", lr=0.01, seed=s, steps=40) for s in (1, 1, 2)]
    assert two[0]["loss"] == two[1]["loss"] != two[2]["loss"]
    assert len(two[0]["loss"]) == len(two[0]["accuracy"]) == 2  # means of 20 steps each
    assert two[0]["loss"][1] < two[0]["loss"][0]


def test_the_small_network_of_the_notebooks_stretches_by_its_gain() -> None:
    one, long, other = (optimizers.small_rnn(*of) for of in ((1,), (1, 1.5), (2,)))
    for model, gain in ((one, 1.0), (long, 1.5)):
        W = model.rnn.cells[0].W_h.detach()
        assert torch.allclose(W @ W.T, gain**2 * torch.eye(32), atol=1e-5)
    assert torch.equal(one.readout.weight, long.readout.weight)  # and is the same elsewhere
    assert not torch.equal(one.readout.weight, other.readout.weight)
    x, _ = tasks.palindromes(10, 3, one_hot=True)
    assert one(x).shape == (3, 10)


def test_a_diverged_run_is_recorded_with_the_losses_before(monkeypatch) -> None:
    def train(model, source, loss_fn, optimizer, steps, *, stop_when, **_):
        history = training.History()
        for loss in (1.0, 3.0):
            history.loss.append(loss)
            stop_when(history)
        raise training.Diverged("it did")

    monkeypatch.setattr(training, "train", train)
    r = optimizers.run(task="palindromes, RNN", method="SGD", lr=1.0, seed=0, steps=40)
    assert r["diverged"] and r["loss"] == [2.0] and r["test_accuracy"] == 0.0


def test_the_character_model_predicts_the_next_character_of_text_it_has_not_seen(
    monkeypatch,
) -> None:
    numbers = torch.arange(4000) % 3
    monkeypatch.setattr(optimizers, "text", lambda: (numbers[:3800], numbers[3800:], 3))
    r = optimizers.run(task="characters, LSTM", method="Adam", lr=0.03, seed=0, steps=60)
    assert r["test_loss"] < 0.1 < r["loss"][0]
    uniform = CharacterModel(3, 4, 1, generator=torch.Generator().manual_seed(0))
    for weight in uniform.parameters():
        weight.data.zero_()
    assert optimizers.held_out(uniform, T=10) == pytest.approx(math.log(3), rel=1e-6)
    batch = windows(numbers, 10, 5, torch.Generator().manual_seed(0))
    assert batch.shape == (5, 11)
    assert torch.equal(batch[:, 1:], (batch[:, :-1] + 1) % 3)  # in order, without gaps
