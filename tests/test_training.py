"""The training loop: exact repetition and resume, clipping, stopping, errors, checkpoints."""

import math
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import resumable
import safetensors.torch
import torch
from helpers import HANGS, same, seeded
from torch import Tensor, nn
from tqdm import tqdm

from rnnlib import training
from rnnlib.training import Diverged, History, clip_gradient


class Numbers:
    """A source that counts: 0., 1., 2., ..."""

    def __init__(self) -> None:
        self.next = 0

    def __next__(self) -> Tensor:
        self.next += 1
        return torch.tensor(float(self.next - 1))

    def state_dict(self) -> dict[str, Any]:
        return {"next": self.next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.next = state["next"]


class One(nn.Module):
    """A model of one weight w = 1; with a loss of w and a rate of 1, each step takes 1 off."""

    def __init__(self, size: int = 1) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(size))


def the_weight(model: nn.Module, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
    return model.w.sum(), {}


def train_one(model: nn.Module | None = None, steps: int = 10, **options: Any) -> History:
    model = One() if model is None else model
    options = {"source": Numbers(), "loss_fn": the_weight} | options
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return training.train(model, optimizer=optimizer, steps=steps, **options)


def weights(model: nn.Module) -> list[Tensor]:
    return [w.detach().clone() for w in model.parameters()]


def plain(history: History) -> dict[str, Any]:
    """A history without its time."""
    return {k: v for k, v in history.as_dict().items() if k != "seconds"}


def contents(checkpoint: Path) -> tuple[dict[str, Tensor], History]:
    """Every tensor of a checkpoint, and its history."""
    model, optimizer, source, _ = resumable.train(None, steps=0)
    history = History()
    training.load_checkpoint(checkpoint, model, optimizer, source, history)
    return safetensors.torch.load_file(checkpoint), history


# ---- repetition and resume ----------------------------------------------------------------------


def test_two_runs_agree_to_the_last_digit() -> None:
    (model, optimizer, _, history), (again, optimizer_too, _, history_too) = (
        resumable.train(None) for _ in range(2)
    )
    assert same(weights(model), weights(again))
    assert plain(history) == plain(history_too)
    assert history.steps == resumable.STEPS
    assert history.evaluations[-1]["loss"] < history.evaluations[0]["loss"]
    states = [o.state_dict()["state"] for o in (optimizer, optimizer_too)]
    assert all(same(a.values(), b.values()) for a, b in zip(*map(dict.values, states), strict=True))


def test_a_run_killed_in_the_middle_continues_to_the_same_last_digit(tmp_path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, resumable.__file__, str(killed)]
    with subprocess.Popen(
        [*command, "waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "waiting\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    _, before = contents(killed)
    assert before.steps == 20  # the last multiple of checkpoint_every
    subprocess.run(command, check=True, timeout=HANGS)

    *_, history = resumable.train(whole)
    (tensors, resumed), (expected, _) = contents(killed), contents(whole)
    assert plain(resumed) | {"stopped": "steps"} == plain(history)
    assert tensors.keys() == expected.keys()
    kinds = {name.split("/")[1] for name in tensors}
    assert kinds == {"model", "optimizer", "source", "best", "random"}
    for name in tensors:
        assert torch.equal(tensors[name], expected[name]), name


def test_a_longer_run_goes_on_from_a_finished_one(tmp_path) -> None:
    resumable.train(tmp_path / "c", steps=23)
    model, *_, history = resumable.train(tmp_path / "c", steps=40)
    expected, *_, expected_history = resumable.train(None, steps=40)
    assert same(weights(model), weights(expected))
    assert history.loss == expected_history.loss
    assert history.evaluations[-1] == expected_history.evaluations[-1]


def test_a_finished_run_is_not_trained_further(tmp_path) -> None:
    *_, first = resumable.train(tmp_path / "c", steps=12)
    *_, again = resumable.train(tmp_path / "c", steps=12)
    assert plain(first) == plain(again)


# ---- clipping -----------------------------------------------------------------------------------


@pytest.mark.parametrize("max_norm", [0.1, 1.0, 1e6])
def test_clipping_equals_torchs(max_norm) -> None:
    def parameters() -> list[nn.Parameter]:
        ws = [nn.Parameter(torch.zeros(s)) for s in [(3, 4), (5,), ()]]
        for k, w in enumerate(ws):
            w.grad = torch.randn(w.shape, generator=seeded(k))
        return [*ws, nn.Parameter(torch.zeros(2))]  # the last got no gradient

    ours, theirs, untouched = parameters(), parameters(), parameters()
    norm = clip_gradient(ours, max_norm)
    assert norm.item() == pytest.approx(nn.utils.clip_grad_norm_(theirs, max_norm).item(), rel=1e-6)
    flat, expected, before = (
        torch.cat([w.grad.reshape(-1) for w in ws[:3]]) for ws in (ours, theirs, untouched)
    )
    assert flat.tolist() == pytest.approx(expected.tolist(), rel=1e-4)  # torch adds 1e-6 to norm
    assert flat.norm().item() == pytest.approx(min(max_norm, norm.item()), rel=1e-6)
    assert nn.functional.cosine_similarity(flat, before, dim=0).item() == pytest.approx(1)
    assert max_norm < norm or torch.equal(flat, before)


def test_no_clipping_leaves_the_gradient_and_tells_its_length() -> None:
    w = nn.Parameter(torch.zeros(2))
    w.grad = torch.tensor([3.0, 4.0])
    assert clip_gradient([w], None).item() == 5
    assert w.grad.tolist() == [3, 4]


def test_the_history_has_the_norm_before_clipping_and_the_step_is_clipped() -> None:
    model = One(4)
    history = train_one(model, steps=1, clip_norm=0.5)
    assert history.grad_norm == [2.0]
    assert model.w.tolist() == [0.75] * 4


# ---- stopping and evaluating --------------------------------------------------------------------


def sequence(values: list[float], seen: list[list[Tensor]]) -> Callable[[nn.Module], Any]:
    """An evaluation whose losses are ``values``; ``seen`` collects the weights it saw."""
    coming: Iterator[float] = iter(values)

    def evaluate(model: nn.Module) -> dict[str, float]:
        seen.append(weights(model))
        return {"loss": next(coming), "accuracy": 0.5}

    return evaluate


@pytest.mark.parametrize(
    ("values", "patience", "evaluations", "best"),
    [
        ([3, 2, 5, 4, 1], 2, 4, 1),  # 5 and 4 are not below 2
        ([3, 2, 5, 1, 4, 4, 4, 9], 3, 7, 3),
        ([1, 1, 1], 1, 2, 0),  # the same is not lower
        ([math.nan, 2, math.nan, 3], 2, 4, 1),
    ],
)
def test_patience_stops_and_puts_the_best_weights_back(values, patience, evaluations, best) -> None:
    model, seen = One(), []
    history = train_one(
        model, 100, evaluate=sequence(values, seen), eval_every=3, patience=patience
    )
    assert history.stopped == "patience"
    assert history.steps == 3 * evaluations
    assert [e["step"] for e in history.evaluations] == [3 * (k + 1) for k in range(evaluations)]
    assert same(weights(model), seen[best])


def test_the_best_weights_come_back_also_when_the_steps_ran_out() -> None:
    model, seen = One(), []
    history = train_one(model, 4, evaluate=sequence([1, 2, 3], seen), eval_every=2, patience=9)
    assert history.stopped == "steps"
    assert same(weights(model), seen[0])


def test_an_unknown_monitor_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"monitor .*\['accuracy', 'loss', 'step'\], got 'los'"):
        train_one(evaluate=sequence([1] * 9, []), eval_every=1, patience=1, monitor="los")


def test_stop_when_ends_the_run_after_an_evaluation() -> None:
    history = train_one(stop_when=lambda h: h.steps == 3, evaluate=sequence([1], []), eval_every=9)
    assert (history.steps, history.stopped) == (3, "stop_when")
    assert [e["step"] for e in history.evaluations] == [3]


def test_evaluation_is_without_gradient_in_eval_mode_and_training_goes_on_in_train_mode() -> None:
    model, evaluated, trained = One(), [], []

    def evaluate(m: nn.Module) -> dict[str, float]:
        evaluated.append((torch.is_grad_enabled(), m.training, m.w.item()))
        return {}

    def loss_fn(m: nn.Module, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        trained.append((torch.is_grad_enabled(), m.training, batch.item()))
        return m.w.sum(), {"seen": batch.item()}

    model.eval()
    history = train_one(model, 10, evaluate=evaluate, eval_every=4, loss_fn=loss_fn)
    assert evaluated == [(False, False, 1.0 - step) for step in (4, 8, 10)]  # and after the last
    assert trained == [(True, True, float(k)) for k in range(10)]
    assert history.loss == [1.0 - k for k in range(10)]
    assert history.metrics == [{"seen": k} for k in range(10)]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_divergence_says_where_and_what_to_do_and_changes_no_weight(bad, where) -> None:
    model = One()

    def loss_fn(m: nn.Module, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        loss = m.w.sum()
        if batch == 3 and where == "loss":
            loss = loss * bad
        if batch == 3 and where == "gradient":
            loss.register_hook(lambda g: g * bad)
        return loss, {}

    with pytest.raises(Diverged, match=r"step 3: loss .*before: -1\)\. Lower the .*clip_norm"):
        train_one(model, loss_fn=loss_fn)
    assert model.w.item() == 1 - 3


# ---- checkpoints --------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_checkpoint_and_nothing_else(tmp_path, monkeypatch) -> None:
    checkpoint = tmp_path / "c"
    train_one(steps=5, checkpoint=checkpoint)
    before = checkpoint.read_bytes()

    def half(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
        Path(path).write_bytes(before[: len(before) // 2])
        raise OSError("no space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", half)
    with pytest.raises(OSError, match="no space"):
        train_one(steps=9, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_nothing_is_left_beside_a_checkpoint(tmp_path) -> None:
    train_one(steps=9, checkpoint=tmp_path / "c", checkpoint_every=2)
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def resume(checkpoint: Path, model: nn.Module | None = None, optimizer: Any = torch.optim.SGD):
    model = One() if model is None else model
    return training.train(
        model, Numbers(), the_weight, optimizer(model.parameters(), lr=1.0), 9,
        checkpoint=checkpoint,
    )  # fmt: skip


@pytest.mark.parametrize("spoil", ["garbage", "empty", "half", "other"])
def test_a_file_that_is_no_checkpoint_is_refused(spoil, tmp_path) -> None:
    checkpoint = tmp_path / "c"
    train_one(steps=5, checkpoint=checkpoint)
    data = checkpoint.read_bytes()
    if spoil == "other":
        safetensors.torch.save_file({"w": torch.zeros(2)}, checkpoint)
    else:
        short = {"garbage": b"garbage " * 99, "empty": b"", "half": data[: len(data) // 2]}
        checkpoint.write_bytes(short[spoil])
    with pytest.raises(ValueError, match=r"checkpoint .*c is not one of rnnlib's"):
        resume(checkpoint)


def test_a_checkpoint_of_another_model_or_optimizer_is_refused(tmp_path) -> None:
    checkpoint = tmp_path / "c"
    train_one(steps=5, checkpoint=checkpoint)
    with pytest.raises(ValueError, match=r"(?s)does not fit the model.*size mismatch"):
        resume(checkpoint, model=One(2))
    with pytest.raises(ValueError, match=r"(?s)does not fit the model.*Missing key"):
        resume(checkpoint, model=nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"does not fit the optimizer.*SGD, got Adam"):
        resume(checkpoint, optimizer=torch.optim.Adam)
    two_groups = lambda ws, lr: torch.optim.SGD([{"params": list(ws)}, {"params": []}], lr)  # noqa: E731
    with pytest.raises(ValueError, match="does not fit the optimizer"):
        resume(checkpoint, optimizer=two_groups)
    assert resume(checkpoint).steps == 9


def test_a_checkpoint_keeps_what_loss_fn_returned(tmp_path) -> None:
    numpy_float = torch.tensor(0.25).numpy()[()]
    assert type(numpy_float).__name__ == "float32"
    first = train_one(
        steps=2,
        checkpoint=tmp_path / "c",
        loss_fn=lambda m, b: (m.w.sum(), {"a": numpy_float, "b": math.inf, "c": True}),
    )
    again = train_one(steps=2, checkpoint=tmp_path / "c")
    assert again.metrics == first.metrics == [{"a": 0.25, "b": math.inf, "c": True}] * 2


# ---- the bar ------------------------------------------------------------------------------------


def test_the_bar_shows_loss_and_rate_unless_it_is_off(capsys, monkeypatch) -> None:
    monkeypatch.setattr(training, "tqdm", partial(tqdm, mininterval=0))  # show every step
    train_one(steps=3)
    assert capsys.readouterr().err == ""  # RNNLIB_PROGRESS=0: see conftest.py
    train_one(steps=3, progress=True)
    shown = capsys.readouterr().err
    assert "loss=-1.0000" in shown
    assert "step/s" in shown
    monkeypatch.delenv("RNNLIB_PROGRESS")
    train_one(steps=3, progress=False)
    assert capsys.readouterr().err == ""
    train_one(steps=49)
    assert capsys.readouterr().err == ""  # too short for a bar
    train_one(steps=50)
    assert "/50" in capsys.readouterr().err


def test_accuracy_is_the_share_of_right_answers_and_keeps_no_graph() -> None:
    p = torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 4.0]], requires_grad=True)
    graphs = []

    def model(x: Tensor) -> Tensor:
        graphs.append((p * 1).requires_grad)
        return p

    assert training.accuracy(model, (p, torch.tensor([0, 1, 1]))) == 2 / 3
    assert graphs == [False]
