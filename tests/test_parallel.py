"""The study of recurrences without the wait: networks as named, tasks, answers, times, the plan."""

import itertools
import json

import pytest
import torch
from helpers import seeded

from rnnlib import tasks
from rnnlib.experiments import __main__ as command_line
from rnnlib.experiments import parallel, study

SMALL = {"T": 6, "hidden": 8, "batch": 4, "lr": 1e-3, "clip": 1.0, "steps": 3, "seed": 0}


def built(cell: str, bias: str = "uniform", task: str = "palindromes", depth: int = 1):
    return parallel.Reader(task, cell, depth, 16, bias, 40, seeded())


def test_the_cells_are_those_that_the_names_say_and_torch_computes_the_gated_ones() -> None:
    for cell, kind in parallel.CELLS.items():
        model = built(cell, depth=2)
        assert type(model.rnn) is kind and len(model.rnn.cells) == 2
        one = model.rnn.cells[1]
        if cell in ("GRU", "LSTM"):
            for block in one.W_h.detach().chunk(one.gates):
                assert block.T @ block == pytest.approx(torch.eye(16), abs=1e-5)
            assert model.rnn.kernel == "torch"
        assert all(w.abs().max() > 0 for w in model.parameters())


@pytest.mark.parametrize("cell", parallel.CHRONO)
def test_biases_are_zero_or_chrono_for_the_length(cell) -> None:
    for name, b in built(cell, "zero").rnn.named_parameters():
        assert not name.startswith("cells.0.b") or not b.any()
    one = built(cell, "chrono").rnn.cells[0]
    names = {"minGRU": "zn", "minLSTM": "ifg", "GRU": "rzn", "LSTM": "ifgo"}[cell]
    gates = dict(zip(names, one.b.detach().chunk(one.gates), strict=True))
    kept = {"GRU": "z", "LSTM": "f", "minLSTM": "f"}.get(cell)
    u = (gates[kept] if kept else -gates["z"]).exp()
    assert 1 <= u.min() and 3 < u.max() <= 39 + 1e-4
    assert not gates["g" if "f" in gates else "n"].any()


def test_the_signed_cell_turns_the_state_over_where_its_gate_is_open() -> None:
    net = parallel.SignedMinGRU(1, 1)
    one = net.cells[0]
    with torch.no_grad():  # z is 1 for a one and 0 for a zero; the candidate is 1
        one.W_x[:], one.b[:] = torch.tensor([[80.0], [0.0]]), torch.tensor([-40.0, 0.5])
    x, y = tasks.parity(300, 5, seeded())
    for method in ("scan", "loop"):
        h, _ = net.compute_with(method)(x)
        assert torch.equal(h[:, :, 0].round().long(), y)
        assert (h[:, :, 0] - y).abs().max() < 1e-4


@pytest.mark.parametrize("task", parallel.SIZES)
def test_answers_have_the_shape_of_the_labels(task) -> None:
    x, y = parallel.DRAWS[task](6, 3, seeded())
    p = parallel.Reader(task, "minGRU", 1, 8, "uniform", 6, seeded())(x)
    assert p.shape == (3, 1) if task == "adding" else p.shape[:-1] == y.shape
    loss, metrics = parallel.loss_fn(lambda _: p, (x, y))
    if task == "adding":
        assert loss.item() == pytest.approx(((p[:, 0] - y) ** 2).mean().item(), rel=1e-6)
        assert metrics == {}
    else:
        chosen = p.log_softmax(-1).gather(-1, y[..., None])
        assert loss.item() == pytest.approx(-chosen.mean().item(), rel=1e-6)


def test_an_answer_about_five_things_is_right_if_all_are() -> None:
    y = torch.tensor([[[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]])
    p = torch.nn.functional.one_hot(y, 5).float()
    assert parallel.right(p, y).tolist() == [[True, True]]
    p[0, 1, 4] = p[0, 1, 3]
    assert parallel.right(p, y).tolist() == [[True, False]]
    assert parallel.right(p[:, :, 4], y[:, :, 4]).tolist() == [[True, False]]


@pytest.mark.parametrize("task", parallel.SIZES)
@pytest.mark.parametrize("cell", ["minLSTM", "GRU"])
def test_a_run_is_its_seed_s(task, cell) -> None:
    settings = {"task": task, "cell": cell, "layers": 1, "bias": "uniform"} | SMALL
    found, again = parallel.run(**settings), parallel.run(**settings)
    assert found == again and found["steps"] == 3 and not found["solved"]
    assert parallel.run(**settings | {"seed": 1}) != found
    tracking = task in parallel.TRACKING
    assert ("accuracy_by_step" in found) == tracking
    if tracking:
        assert len(found["accuracy_by_step"]) == 8 * 6
    assert ("accuracy" in found) == (task != "adding")
    json.dumps(found)


def test_the_accuracy_by_step_is_of_fresh_sequences_each_step_alone() -> None:
    class FirstBit(torch.nn.Module):
        """Right at step 1, and later where the rest is even."""

        def forward(self, x):
            return torch.nn.functional.one_hot(x[:, :1].argmax(-1).expand(x.shape[:2]), 2).float()

    found = parallel.fresh(FirstBit(), "parity", 5, seeded())
    assert found["accuracy_by_step"][0] == 1
    assert found["accuracy_by_step"][1:] == pytest.approx(39 * [0.5], abs=0.06)
    assert found["accuracy"] == pytest.approx(0.6, abs=0.03)


def test_parity_is_learned_and_stops_the_run() -> None:
    settings = {"task": "parity", "cell": "GRU", "layers": 1, "bias": "uniform"} | SMALL
    found = parallel.run(**settings | {"hidden": 16, "batch": 32, "lr": 1e-2, "steps": 1500})
    assert found["solved"] and found["steps"] < 1500 and found["accuracy"] > 0.99


def test_times_are_taken_of_each_way_in_turn_without_the_first() -> None:
    order, ticks = [], itertools.count()

    class Way(torch.nn.Linear):
        def forward(self, x):
            order.append((self, torch.is_grad_enabled(), tuple(x.shape)))
            return super().forward(x), None

    nets = {"one": Way(parallel.H, 2), "other": Way(parallel.H, 2)}
    for train in (True, False):
        order.clear()
        found = parallel.times(nets, 7, train, 3, lambda: float(next(ticks)))
        assert found == {"one": 3 * [1.0], "other": 3 * [1.0]}
        each = [(net, train, (parallel.N, 7, parallel.H)) for net in nets.values()]
        assert order == 4 * each
        assert (nets["one"].weight.grad is not None) or not train
    assert parallel.time_it(T=2, train=False, repeats=1, seed=0)["milliseconds"].keys() == {
        *(f"min{c}, {m}" for c in ("GRU", "LSTM") for m in ("scan", "log scan", "loop")),
        "minGRU, gates at once", "torch's GRU",
    }  # fmt: skip


def test_ways_of_one_cell_compute_the_same_numbers() -> None:
    x = torch.randn(2, 9, parallel.H, generator=torch.Generator().manual_seed(0))
    found = parallel.ways("cpu")
    for cell in ("minGRU", "minLSTM"):
        loop, _ = found[f"{cell}, loop"](x)
        for name in (name for name in found if name.startswith(f"{cell}, ")):
            torch.testing.assert_close(found[name](x)[0], loop, rtol=1e-4, atol=1e-6)


def test_signed_factors_have_no_logarithm() -> None:
    with pytest.raises(NotImplementedError, match="below zero"):
        parallel.SignedMinGRU(2, 3, method="log scan")(torch.randn(1, 4, 2))


def test_each_run_is_planned_once_and_has_what_it_needs() -> None:
    for part in parallel.PARTS:
        runs = parallel.plan(part, 3)
        keys = [json.dumps(r, sort_keys=True) for r in runs]
        assert len(set(keys)) == len(keys)
        if part == "times":
            assert {(r["T"], r["train"]) for r in runs} == {
                (T, train) for T in parallel.LENGTHS for train in (True, False)
            }
            continue
        nets = {(r["cell"], r["layers"]) for r in runs}
        assert len(runs) == 3 * (len(nets) + 4 * (part == "palindromes"))
        assert (("signed minGRU", 2) in nets) == (part in parallel.TRACKING)
        assert all(set(r) == {"task", "cell", "layers", "bias"} | set(SMALL) for r in runs)


def test_the_command_line_runs_the_parts(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(study, "data_dir", lambda: tmp_path)
    monkeypatch.setattr(parallel, "LENGTHS", [2])
    monkeypatch.setattr(parallel, "MINIMAL", [("minGRU", 1)])
    monkeypatch.setattr(parallel, "GATED", [])
    arguments = ["parallel", "--parts", "palindromes", "times", "--steps", "2", "--seeds", "1"]
    assert command_line.main([*arguments, "--workers", "1"]) == 0
    found = {p.name: json.loads(p.read_text()) for p in (tmp_path / "results").glob("*.json")}
    assert set(found) == {"parallel_palindromes.json", "parallel_times.json"}
    runs = found["parallel_palindromes.json"]["runs"]
    assert [(r["settings"]["bias"], r["settings"]["steps"]) for r in runs] == [
        ("chrono", 2), ("zero", 2),
    ]  # fmt: skip
    assert len(found["parallel_times.json"]["runs"]) == 2
