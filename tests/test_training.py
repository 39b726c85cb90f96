"""The training loop: exact repetition and resume, clipping, stopping, errors, checkpoints."""

import inspect
import json
import math
import random
import re
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
from torch.optim import Optimizer
from tqdm import tqdm

from rnnlib import optim, tasks, tensorfiles, training
from rnnlib.experiments import far
from rnnlib.text import Contiguous, Windows
from rnnlib.training import Best, Diverged, History, clip_gradient, fingerprint, resume


class Numbers:
    """A source that counts: 0., 1., 2., ..., up to ``count`` numbers."""

    def __init__(self, count: float = math.inf) -> None:
        self.next, self.count = 0, count

    def __next__(self) -> Tensor:
        if self.next >= self.count:
            raise StopIteration
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
    assert kinds == {"model", "optimizer", "source", "history", "best", "random"}
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("max_norm", [0, 0.1, 2.5, 3])
def test_clipping_is_the_equation_to_the_last_bit(dtype, max_norm) -> None:
    """In half precision the length is that of the float32 copies."""
    before = [torch.randn(s, generator=seeded(1)).to(dtype) for s in [(7, 5), (11,), ()]]
    ws = [nn.Parameter(torch.zeros_like(g)) for g in before]
    for w, g in zip(ws, before, strict=True):
        w.grad = g.clone()
    half = dtype in (torch.float16, torch.bfloat16)
    wide = [g.float() if half else g for g in before]
    lengths = torch.stack([torch.linalg.vector_norm(g) for g in wide])
    norm = torch.linalg.vector_norm(lengths)
    assert norm > max_norm  # about 7
    assert torch.equal(clip_gradient((w for w in ws), max_norm), norm)
    for w, g in zip(ws, wide, strict=True):
        expected = (g * (max_norm / norm)).to(dtype)
        assert torch.allclose(w.grad, expected, rtol=torch.finfo(dtype).eps if half else 0, atol=0)


def test_half_precision_does_not_overflow_on_the_way() -> None:
    w = nn.Parameter(torch.zeros(9, dtype=torch.float16))
    w.grad = torch.full((9,), 4e4, dtype=torch.float16)
    assert clip_gradient([w], 1.0).item() == 12e4  # float16 ends at 65504
    assert w.grad.tolist() == pytest.approx([1 / 3] * 9, rel=1e-3)


def test_a_weight_that_stands_there_twice_counts_once() -> None:
    w, v = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1))
    w.grad, v.grad = torch.tensor([2.0, 3.0]), torch.tensor([6.0])
    assert clip_gradient([w, v, w], 3.5).item() == 7
    assert w.grad.tolist() + v.grad.tolist() == [1, 1.5, 3]


def test_a_gradient_that_is_no_number_or_zero_is_left_alone() -> None:
    w = nn.Parameter(torch.zeros(2))
    for gradient in ([math.nan, 4.0], [0.0, 0.0]):
        w.grad = torch.tensor(gradient)
        norm = clip_gradient([w], 0.0)
        assert torch.equal(norm, w.grad.norm()) or norm.isnan()
        assert str(w.grad.tolist()) == str(gradient)


def test_a_gradient_with_a_graph_of_its_own_is_clipped_without_one() -> None:
    w = nn.Parameter(torch.ones(4))
    w.grad = (w * 2).clone()
    norm = clip_gradient([w], 1.0)
    assert not norm.requires_grad
    assert w.grad.tolist() == [0.5] * 4


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
        ([math.nan, math.nan, 1], 2, 2, 1),  # there is no best: the last stay
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


def test_without_patience_the_last_weights_stay(tmp_path) -> None:
    """Even if an earlier session looked for the best."""
    options = {"checkpoint": tmp_path / "c", "evaluate": sequence([1, 2, 3], []), "eval_every": 2}
    first, second = One(), One()
    train_one(first, 4, patience=9, **options)
    assert first.w.item() == 1 - 2
    train_one(second, 5, **options)
    assert second.w.item() == 1 - 5


def test_a_rule_that_stops_first_is_the_one_that_is_told() -> None:
    evaluate, second = sequence([1, 2], []), lambda h: h.steps == 2
    history = train_one(evaluate=evaluate, eval_every=1, patience=1, stop_when=second)
    assert (history.steps, history.stopped) == (2, "stop_when")


def test_how_often_unless_said_otherwise(tmp_path, monkeypatch) -> None:
    written = []
    monkeypatch.setattr(resume.Run, "save", lambda run, _: written.append(run.history.steps))
    history = train_one(steps=1001, evaluate=lambda m: {}, checkpoint=tmp_path / "c")
    assert [e["step"] for e in history.evaluations] == [*range(100, 1001, 100), 1001]
    assert written == [1000, 1001]


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


class Parts(nn.Module):
    """Three parts; dropout shows that the mode of each is its own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)), One()

    def modes(self) -> list[bool]:
        return [part.training for part in self.modules()]


def in_parts(model: Parts, **options: Any) -> list[list[bool]]:
    """The modes of all parts at each of six steps."""
    seen = []

    def loss_fn(m: Parts, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        seen.append(m.modes())
        return m.c.w.sum(), {}

    train_one(model, 6, loss_fn=loss_fn, eval_every=2, **options)
    return seen


def test_a_frozen_part_stays_in_evaluation_mode_and_a_whole_model_does_not() -> None:
    found = []

    def evaluate(m: Parts) -> dict[str, float]:
        found.append(m.modes())
        m.train()  # as many functions end
        return {}

    model = Parts()
    model.b.eval()
    model.b[0].train()  # within a frozen part
    frozen = [True, True, False, True, True]
    assert in_parts(model, evaluate=evaluate) == [frozen] * 6
    assert found == [[False] * 5] * 3
    assert in_parts(model.eval(), evaluate=lambda m: {}) == [[True] * 5] * 6


def test_stop_when_may_look_in_evaluation_mode_or_freeze_a_part() -> None:
    model = Parts()
    model.a.eval()
    assert (
        in_parts(model, stop_when=lambda h: bool(model.eval()) and False)
        == [[True, False, True, True, True]] * 6
    )
    model = Parts()
    freeze = lambda h: model.b.eval().training and False  # noqa: E731
    assert (
        in_parts(model, stop_when=freeze) == [[True] * 5] + [[True, True, False, False, True]] * 5
    )


class Merging(Parts):
    """Does more at a change of mode than set flags, and keeps a part in evaluation mode itself."""

    def train(self, mode: bool = True) -> "Merging":
        self.merged = not mode
        super().train(mode)
        self.a.eval()
        return self


def test_a_model_that_does_more_at_a_change_of_mode_can_do_so() -> None:
    model, merged = Merging(), []

    def evaluate(m: Merging) -> dict[str, float]:
        merged.append(m.merged)
        return {}

    assert in_parts(model, evaluate=evaluate) == [[True, False, True, True, True]] * 6
    assert merged == [True] * 3
    assert not model.merged


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


def test_an_infinite_loss_with_a_finite_gradient_is_seen_too() -> None:
    with pytest.raises(Diverged, match="step 0: loss inf, gradient norm 1"):
        train_one(loss_fn=lambda m, b: (m.w.sum() + math.inf, {}))


def test_a_first_loss_that_is_no_number_has_none_before() -> None:
    with pytest.raises(Diverged, match=r"^step 0: loss nan, gradient norm nan .*before: none\)"):
        train_one(loss_fn=lambda m, b: (m.w.sum() * math.nan, {}))


# ---- a source that ends -------------------------------------------------------------------------


@pytest.mark.parametrize("count", [5, 4])
def test_a_source_that_ends_stops_the_run_like_any_other_end(count) -> None:
    model, seen = One(), []
    values = [2, 1, 3][: (count + 1) // 2]
    history = train_one(
        model, 9, source=Numbers(count), evaluate=sequence(values, seen), eval_every=2, patience=9
    )
    assert (history.steps, history.stopped) == (count, "source")
    assert [e["step"] for e in history.evaluations] == [2, 4, 5][: len(values)]
    assert same(weights(model), seen[1])  # the best


def test_patience_may_end_with_the_source() -> None:
    evaluate = sequence([1, 2, 3], [])
    history = train_one(steps=9, source=Numbers(5), evaluate=evaluate, eval_every=2, patience=2)
    assert history.stopped == "patience"
    assert history.steps == 5


def test_a_source_that_ends_with_the_steps_does_not_stop_them() -> None:
    assert train_one(steps=5, source=Numbers(5)).stopped == "steps"


@pytest.mark.parametrize("nothing", [{"steps": 0}, {"source": Numbers(0)}, {"source": iter(())}])
def test_a_run_of_no_steps_evaluates_and_changes_nothing(nothing) -> None:
    model = One()
    history = train_one(model, evaluate=sequence([], []), eval_every=1, **nothing)
    assert plain(history) == plain(History(stopped="steps" if "steps" in nothing else "source"))
    assert model.w.item() == 1


def test_one_pass_over_a_data_loader() -> None:
    loader = torch.utils.data.DataLoader(torch.arange(5.0), batch_size=2)
    history = train_one(
        steps=9, source=iter(loader), loss_fn=lambda m, b: (m.w.sum() * b.sum(), {})
    )
    assert history.stopped == "source"
    assert history.grad_norm == [1, 5, 4]


@pytest.mark.parametrize("where", ["loss_fn", "evaluate", "stop_when"])
def test_the_end_of_something_else_is_not_the_end_of_the_source(where) -> None:
    with pytest.raises(StopIteration, match="another"):
        train_one(eval_every=1, **{where: lambda *_: next(another())})


def another() -> Any:
    class Another:
        def __next__(self) -> Tensor:
            raise StopIteration("another")

    return Another()


def test_a_run_goes_on_when_its_source_has_more(tmp_path) -> None:
    options = {"checkpoint": tmp_path / "c", "eval_every": 3}
    model, again, whole = One(), One(), One()
    first = train_one(model, 9, source=Numbers(4), evaluate=sequence([1, 2], []), **options)
    assert first.stopped == "source"
    more = train_one(again, 9, source=Numbers(7), evaluate=sequence([3, 4], []), **options)
    assert (more.steps, more.stopped) == (7, "source")
    assert more.loss == train_one(whole, 7).loss
    assert same(weights(again), weights(whole))
    assert [e["step"] for e in more.evaluations] == [3, 4, 6, 7]


def test_the_last_step_is_evaluated_even_if_the_session_takes_none(tmp_path) -> None:
    """As after a kill between the checkpoint of step 4 and the source's end."""
    options = {"checkpoint": tmp_path / "c", "eval_every": 3}
    train_one(steps=4, **options)
    for values in ([7], []):  # and once only
        history = train_one(steps=9, source=Numbers(4), evaluate=sequence(values, []), **options)
        assert history.evaluations == [{"step": 4, "loss": 7, "accuracy": 0.5}]
        assert history.stopped == "source"


# ---- optimizers ---------------------------------------------------------------------------------

DRIVEN = {
    name: kind
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and issubclass(kind, Optimizer)
    if name not in ("Optimizer", "LBFGS", "SparseAdam")
} | {f"rnnlib's {name}": getattr(optim, name) for name in ("SGD", "Adam", "Adagrad")}


def parabola(model: nn.Module, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
    return ((model.weight - batch) ** 2).mean(), {}


@pytest.mark.parametrize("name", DRIVEN)
def test_an_optimizer_does_what_it_does_in_a_loop_by_hand(name) -> None:
    ends = []
    for by_hand in (False, True):
        model = nn.Linear(3, 4, bias=False)
        nn.init.normal_(model.weight, generator=seeded())
        optimizer = DRIVEN[name](model.parameters(), lr=0.03)
        source = Numbers()
        if by_hand:
            losses = []
            for _ in range(7):
                loss, _ = parabola(model, next(source))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        else:
            losses = training.train(model, source, parabola, optimizer, 7).loss
        ends.append((losses, model.weight.tolist()))
    assert ends[0] == ends[1]
    assert len(losses) == 7


def named(*sizes: int) -> nn.Module:
    """A model of weights w0, w1, ... of these sizes."""
    model = nn.Module()
    for k, size in enumerate(sizes):
        model.register_parameter(f"w{k}", nn.Parameter(torch.ones(size)))
    return model


def all_of(model: nn.Module, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
    return sum(w.sum() for w in model.parameters()), {}


@pytest.mark.parametrize(
    ("held", "says"),
    [([1, 2, 3], "w0:"), ([3], "w0, w1, w2:"), ([0], "w1, w2, w3:"), ([], "w0, w1, w2 and 1 more")],
)
def test_an_optimizer_that_misses_weights_is_refused_before_a_step(held, says) -> None:
    model, extra = named(1, 2, 1, 1), nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([*(getattr(model, f"w{k}") for k in held), extra], lr=1.0)
    with pytest.raises(ValueError, match=f"^optimizer .*misses {says}.*requires_grad_"):
        training.train(model, Numbers(), all_of, optimizer, 5)
    assert all(w.eq(1).all() for w in model.parameters())


def test_frozen_weights_may_be_missing_and_others_may_be_there() -> None:
    model, extra = named(1, 2), nn.Parameter(torch.ones(1))
    model.w1.requires_grad_(False)
    optimizer = torch.optim.SGD([{"params": [extra]}, {"params": [model.w0]}], lr=1.0)
    loss_fn = lambda m, b: (m.w0.sum() + 2 * extra.sum(), {})  # noqa: E731
    history = training.train(model, Numbers(), loss_fn, optimizer, 2)
    assert (model.w0.tolist(), model.w1.tolist(), extra.tolist()) == ([-1], [1, 1], [-3])
    assert history.grad_norm == pytest.approx([5**0.5] * 2)


def test_weights_under_two_names_and_wrapped_models_are_no_others() -> None:
    model = named(2)
    model.tied, wrapped = model.w0, nn.DataParallel(model)
    optimizer = torch.optim.SGD([model.tied], lr=1.0)
    history = training.train(wrapped, Numbers(), all_of, optimizer, 1)
    assert history.grad_norm == pytest.approx([2**0.5])


def test_weights_that_are_made_at_the_first_batch_train_too() -> None:
    model = nn.LazyLinear(2, bias=False)
    loss_fn = lambda m, b: (m(torch.ones(1, 3)).sum(), {})  # noqa: E731
    history = train_one(model, 2, loss_fn=loss_fn)
    assert history.loss[1] == pytest.approx(history.loss[0] - 6)
    with pytest.raises(ValueError, match="misses weight:"):
        other = torch.optim.SGD(One().parameters(), lr=1.0)
        training.train(nn.LazyLinear(2, bias=False), Numbers(), loss_fn, other, 1)


def test_weights_that_join_during_the_run_are_clipped_too() -> None:
    model = named(1, 1)
    model.w1.requires_grad_(False)
    optimizer = torch.optim.SGD([model.w0], lr=1.0)

    def thaw(history: History) -> bool:
        if history.steps == 1:
            optimizer.add_param_group({"params": [model.w1.requires_grad_()]})
        return False

    history = training.train(model, Numbers(), all_of, optimizer, 2, clip_norm=0.5, stop_when=thaw)
    assert history.grad_norm == pytest.approx([1, 2**0.5])
    assert model.w1.item() == pytest.approx(1 - 0.5 / 2**0.5)


class Passing(torch.optim.SGD):
    """Passes on whatever it is given."""

    def step(self, *given: Any, **named: Any) -> Any:
        return super().step(*given, **named)


def test_an_optimizer_may_take_more_than_it_needs() -> None:
    model = One()
    training.train(model, Numbers(), the_weight, Passing(model.parameters(), lr=0.5), 3)
    assert model.w.item() == 1 - 3 * 0.5


def test_a_scheduler_on_the_optimizer_is_no_hindrance() -> None:
    model = One()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    step = lambda h: schedule.step()  # noqa: E731
    training.train(model, Numbers(), the_weight, optimizer, 3, stop_when=step)
    assert model.w.item() == 1 - 1 - 0.5 - 0.25


# ---- what is recorded ---------------------------------------------------------------------------


def test_the_recorded_loss_is_that_before_the_step_even_of_a_view() -> None:
    assert train_one(steps=3, loss_fn=lambda m, b: (m.w[0], {})).loss == [1, 0, -1]


def test_what_is_recorded_does_not_change_with_what_was_returned() -> None:
    returned = {"a": [0]}

    def count(model: nn.Module, batch: Tensor | None = None) -> Any:
        returned["a"][0] += 1
        return returned if batch is None else (model.w.sum(), returned)

    history = train_one(steps=2, loss_fn=count, evaluate=count, eval_every=1)
    assert history.metrics == [{"a": [1]}, {"a": [3]}]
    assert history.evaluations == [{"step": 1, "a": [2]}, {"step": 2, "a": [4]}]


def test_plain_data_is_recorded_as_it_came() -> None:
    several = {
        "text": "x",
        "none": None,
        "yes": torch.tensor(True).numpy()[()],
        "in": [(1, {2: 3.5})],
    }
    history = train_one(steps=1, evaluate=lambda m: several)
    assert str(history.evaluations) == str([{"step": 1, **several}])


# ---- checkpoints --------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_old_checkpoint_and_nothing_else(tmp_path, monkeypatch) -> None:
    checkpoint = tmp_path / "c"
    train_one(steps=5, checkpoint=checkpoint)
    before = checkpoint.read_bytes()

    def half(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="no space"):
        train_one(steps=9, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_nothing_is_left_beside_a_checkpoint(tmp_path) -> None:
    train_one(steps=9, checkpoint=tmp_path / "c", checkpoint_every=2)
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def go_on(checkpoint: Path, model: nn.Module | None = None, optimizer: Any = torch.optim.SGD):
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
        go_on(checkpoint)


def test_a_checkpoint_of_another_model_or_optimizer_is_refused(tmp_path) -> None:
    checkpoint = tmp_path / "c"
    train_one(steps=5, checkpoint=checkpoint)
    with pytest.raises(
        ValueError,
        match=r"does not fit the model.* weight w: 'torch.float32 \(1,\)' in .*'torch.float32 \(2,\)' here",
    ):
        go_on(checkpoint, model=One(2))
    with pytest.raises(
        ValueError, match=r"does not fit the model.* weight w: .* in the file, 'nothing' here"
    ):
        go_on(checkpoint, model=nn.Linear(1, 1))
    with pytest.raises(
        ValueError, match=r"does not fit the optimizer.*class: 'SGD' in the file, 'Adam' here"
    ):
        go_on(checkpoint, optimizer=torch.optim.Adam)
    two_groups = lambda ws, lr: torch.optim.SGD([{"params": list(ws)}, {"params": []}], lr)  # noqa: E731
    with pytest.raises(ValueError, match="does not fit the optimizer"):
        go_on(checkpoint, optimizer=two_groups)
    assert go_on(checkpoint).steps == 9


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


def test_what_a_source_or_an_optimizer_keeps_comes_back_of_the_same_type(tmp_path) -> None:
    """Two names that give one path are kept apart, and so are 1 and "1", lists and tuples."""
    kept = {
        "a/b": torch.tensor(1.0), "a": {"b": torch.tensor(2.0)}, "a/b'": torch.tensor(3.0),
        1: [1, (2.5, None)], "1": ((), [True, "x"], torch.tensor([1, 2])), "half": torch.ones(2).half(),
    }  # fmt: skip
    given: list[Any] = []

    class Keeping(Numbers):
        def state_dict(self) -> dict[str, Any]:
            return kept

        def load_state_dict(self, state: dict[str, Any]) -> None:
            given.append(state)

    model, history = One(), History()
    run = (model, torch.optim.SGD(model.parameters(), lr=1.0), Keeping(), history)
    training.save_checkpoint(tmp_path / "c", *run)
    training.load_checkpoint(tmp_path / "c", *run)
    assert str(given) == str([kept])
    assert given[0]["half"].dtype == torch.float16


def test_a_loaded_checkpoint_has_let_go_of_its_file(tmp_path) -> None:
    """What was loaded does not change with the file, which can be replaced on any system."""
    checkpoint = tmp_path / "c"
    resumable.train(checkpoint, steps=10)
    model, optimizer, source, history = resumable.train(None, steps=0)
    best = Best()
    training.load_checkpoint(checkpoint, model, optimizer, source, history, best)

    def loaded() -> list[Tensor]:
        state = [v for kept in optimizer.state.values() for v in kept.values()]
        return [*weights(model), *state, *best.weights.values(), source.generator.get_state()]

    before = [v.clone() for v in loaded()]
    assert len(best.weights) == 5 and len(before) == 5 + 3 * 5 + 5 + 1
    with checkpoint.open("r+b") as file:
        file.write(bytes(checkpoint.stat().st_size))
    assert same(before, loaded())


def test_a_checkpoint_is_saved_to_a_file_in_a_folder_that_is_there(tmp_path) -> None:
    model = One()
    run = (model, torch.optim.SGD(model.parameters(), lr=1.0), Numbers(), History())
    for path in (tmp_path, tmp_path / "missing" / "c"):
        with pytest.raises(ValueError, match="checkpoint must be a file in a folder that is there"):
            training.save_checkpoint(path, *run)


def test_weights_may_be_tied_or_lie_across_the_memory(tmp_path) -> None:
    model, history = nn.Module(), History()
    model.tied = model.w = nn.Parameter(torch.randn(3, 4, generator=seeded()))
    model.across = nn.Parameter(torch.randn(3, 4, generator=seeded(1)).T)
    run = (model, torch.optim.SGD(model.parameters(), lr=1.0), Numbers(), history)
    before = [w.detach().clone() for w in model.parameters()]
    training.save_checkpoint(tmp_path / "c", *run)
    for w in model.parameters():
        w.data.zero_()
    training.load_checkpoint(tmp_path / "c", *run)
    assert same(model.parameters(), before) and model.tied is model.w
    assert not model.across.is_contiguous()


def test_the_generator_of_the_gpu_is_kept_if_there_is_one(tmp_path, monkeypatch) -> None:
    model = One()
    run = (model, torch.optim.SGD(model.parameters(), lr=1.0), Numbers(), History())
    state, put_back = torch.arange(5, dtype=torch.uint8), []
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: state)
    monkeypatch.setattr(torch.cuda, "set_rng_state", put_back.append)
    for saved_on_gpu, loaded_on_gpu in [(True, False), (False, True), (True, True)]:
        assert put_back == []
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=saved_on_gpu: gpu)
        training.save_checkpoint(tmp_path / "c", *run)
        assert ("/random/cuda" in safetensors.torch.load_file(tmp_path / "c")) == saved_on_gpu
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=loaded_on_gpu: gpu)
        training.load_checkpoint(tmp_path / "c", *run)
    assert same(put_back, [state])


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ({"steps": 7}, [2, 4, 6, 7]),
        ({"steps": 6}, [2, 4, 6]),
        ({"steps": 0}, []),
        ({"steps": 6, "eval_every": 4}, [2, 4, 6]),
        ({"steps": 9, "stop_when": lambda h: h.steps == 5}, [2, 4, 5]),
        ({"steps": 9, "stop_when": lambda h: h.steps == 4}, [2, 4]),
        ({"steps": 9, "eval_every": 3, "patience": 1}, [2, 4, 6]),  # better at 3 only
        ({"steps": 9, "eval_every": 2, "patience": 1}, [2, 4]),
        ({"steps": 9, "source": Numbers(5), "eval_every": 3}, [2, 4, 5]),
        ({"steps": 9, "source": Numbers(4), "eval_every": 4}, [2, 4]),
        ({"steps": 9, "source": Numbers(4), "eval_every": 3}, [2, 4, 4]),  # and once evaluated
        ({"steps": 9, "source": Numbers(0)}, []),
    ],
)
def test_when_a_checkpoint_is_written(options, written, tmp_path, monkeypatch) -> None:
    found, write = [], resume.Run.save

    def watched(run: resume.Run, path: Path) -> None:
        found.append(run.history.steps)
        write(run, path)

    monkeypatch.setattr(resume.Run, "save", watched)
    options = {"evaluate": sequence([1] * 9, [])} | options
    history = train_one(checkpoint=tmp_path / "c", checkpoint_every=2, **options)
    assert found == written
    if written:
        kept = contents_of_one(tmp_path / "c")
        final = history.stopped in ("stop_when", "patience")
        assert plain(kept) == plain(history) | {"stopped": history.stopped if final else ""}
        assert kept.evaluations[-1]["step"] == history.steps


def contents_of_one(checkpoint: Path) -> History:
    model, history = One(), History()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    training.load_checkpoint(checkpoint, model, optimizer, Numbers(), history)
    return history


def test_the_seconds_are_those_in_the_loop_over_all_sessions(tmp_path, monkeypatch) -> None:
    """The clock ticks once a step and three times an evaluation, and stands at another place."""
    now = [100.0]

    def tick(seconds: float) -> float:
        now[0] += seconds
        return now[0]

    monkeypatch.setattr(training.loop.time, "perf_counter", lambda: now[0])
    loss_fn = lambda m, b: (m.w.sum() * (tick(1) > 0), {})  # noqa: E731
    options = {
        "checkpoint": tmp_path / "c", "loss_fn": loss_fn, "eval_every": 2,
        "evaluate": lambda m: {"at": tick(3)}, "stop_when": lambda h: tick(0.25) < 0,
    }  # fmt: skip
    assert train_one(steps=3, **options).seconds == 3 + 0.75 + 6  # evaluated at 2 and 3
    tick(1000)
    assert train_one(steps=4, **options).seconds == 4 + 1 + 9
    assert contents_of_one(tmp_path / "c").seconds == 4 + 1 + 9
    assert train_one(steps=2, loss_fn=loss_fn).seconds == 2


def test_the_file_is_one_of_safetensors_with_json_beside(tmp_path) -> None:
    """Others read it too."""
    train_one(steps=3, checkpoint=tmp_path / "c")
    with safetensors.safe_open(tmp_path / "c", framework="pt") as file:
        kept = dict(json.loads(file.metadata()["rnnlib"])["dict"])
        assert file.get_tensor("/model/w").tolist() == [-2]
    assert tuple(kept) == resume.PARTS
    assert kept["model"] == {"dict": [["w", {"tensor": "/model/w"}]]}
    assert kept["source"] == {"dict": [["next", 3]]}


# ---- what a checkpoint belongs to ---------------------------------------------------------------


def of_text(numbers: Tensor, **changes: Any) -> resume.Run:
    """A run over a text, or one that differs in what ``changes`` says."""
    made = {"T": 4, "N": 2, "seed": 0, "lr": 0.1, "H": 3, "gamma": None, "p": 0.5} | changes
    model = nn.Sequential(nn.Linear(1, made["H"]), nn.Dropout(made["p"]), nn.Linear(made["H"], 1))
    for w in model.parameters():
        w.data.fill_(0.5)
    optimizer = torch.optim.SGD(model.parameters(), made["lr"], momentum=0.9)
    if made["gamma"]:
        model.schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, made["gamma"])
    source = Windows(numbers, made["T"], made["N"], made["seed"])
    about = {"settings": made["settings"]} if "settings" in made else {}
    return resume.Run(model, optimizer, source, History(), Best(), about)


TEXT = torch.arange(40) % 7
DIFFERENCES = [
    ({"numbers": TEXT.flip(0)}, "source", r"source numbers: 'torch.int64 .* in the file, .* here"),
    ({"T": 5}, "source", "source T: 4 in the file, 5 here"),
    ({"N": 3}, "source", "source N: 2 in the file, 3 here"),
    ({"seed": 1}, "source", "source seed: 0 in the file, 1 here"),
    ({"lr": 0.2}, "optimizer", r"optimizer lr: 0\.1 in the file, 0\.2 here"),
    ({"p": 0.25}, "model", r"model part 1: 'Dropout\(p=0\.5.* in the file, 'Dropout\(p=0\.25"),
    (
        {"H": 4},
        "model",
        r"weight 0\.weight: 'torch.float32 \(3, 1\)' in the file, .*\(4, 1\)' here",
    ),
    ({"gamma": 0.5}, "schedulers", r"classes: \[\] in the file, \['ExponentialLR'\] here"),
    ({"settings": {"corpus": "b"}}, "settings", "corpus: 'a' in the file, 'b' here"),
    ({"settings": {}}, "settings", "corpus: 'a' in the file, 'nothing' here"),
]


@pytest.mark.parametrize(("changes", "part", "said"), DIFFERENCES)
def test_a_checkpoint_of_another_run_is_refused_and_nothing_is_changed(
    tmp_path, changes, part, said
) -> None:
    of_text(TEXT, settings={"corpus": "a"}).save(tmp_path / "c")
    other = of_text(**{"numbers": TEXT, "settings": {"corpus": "a"}} | changes)
    other.model[0].bias.data.fill_(9.0)
    before = other.pack()
    with pytest.raises(ValueError, match=rf"c does not fit the {part}, and nothing .*: .*{said}"):
        other.load(tmp_path / "c")
    assert other.pack() == before
    of_text(TEXT, settings={"corpus": "a"}).load(tmp_path / "c")


@pytest.mark.parametrize(
    ("make", "one", "other"),
    [
        (lambda rows, N, seed: tasks.Shuffled(rows, N, seed), (TEXT, 2, 0), (TEXT + 1, 3, 1)),
        (lambda text, T: Contiguous(text, T, 2), (TEXT, 4), (TEXT + 1, 5)),
        (
            lambda text, T, resets: training.TruncatedBPTT(Contiguous(text, T, 2), resets=resets),
            (TEXT, 4, 0.0),
            (TEXT + 1, 5, 0.5),
        ),
        (
            lambda draw, N, seed, T: far.Growing(draw, seed, T, N),
            (far.DRAWS["palindromes"], 2, 0, [3, 4]),
            (far.DRAWS["digits"], 3, 1, [3, 5]),
        ),
        (
            lambda T, N, seed, one_hot: tasks.PalindromeBatches(T, N, seed, one_hot=one_hot),
            (3, 2, 0, False),
            (4, 3, 1, True),
        ),
    ],
)
def test_every_source_says_what_it_is_made_of(make, one, other) -> None:
    """One argument that differs is one name that differs, and drawing changes none."""
    names = list(inspect.signature(make).parameters)
    source = make(*one)
    before = fingerprint.plain(source.describe())
    next(source)
    assert fingerprint.plain(source.describe()) == before
    for k, name in enumerate(names):
        changed = fingerprint.plain(make(*one[:k], other[k], *one[k + 1 :]).describe())
        assert [key for key in before if before[key] != changed[key]] == [name]


def test_another_rate_of_a_scheduler_and_other_weights_of_the_optimizer_are_told(tmp_path) -> None:
    of_text(TEXT, gamma=0.5).save(tmp_path / "c")
    of_text(TEXT, gamma=0.5).load(tmp_path / "c")
    with pytest.raises(ValueError, match=r"schedulers gamma: 0\.5 in the file, 0\.25 here"):
        of_text(TEXT, gamma=0.25).load(tmp_path / "c")
    frozen = of_text(TEXT, gamma=0.5)
    frozen.model[0].weight.requires_grad_(False)
    other = resume.Run(frozen.model, frozen.optimizer, frozen.source, History())
    with pytest.raises(ValueError, match=r"model frozen: \[\] in the file, \['0.weight'\] here"):
        other.load(tmp_path / "c")


def scheduled(parts: list[int], path: Path | None, schedule: Callable[[Any], Any]) -> Any:
    """The weight and the rates of a run in parts, its scheduler stepped by a hook."""
    for steps in parts:
        model = One()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
        one = schedule(optimizer)
        moved = partial(one.step, -1.0) if isinstance(one, Plateau) else one.step
        optimizer.register_step_post_hook(lambda *_, moved=moved: moved())
        training.train(model, Numbers(), the_weight, optimizer, steps, checkpoint=path)
    return model.w.item(), optimizer.param_groups[0]["lr"], str(one.state_dict())


LR = torch.optim.lr_scheduler
Plateau = LR.ReduceLROnPlateau
SCHEDULES = {
    "cosine": lambda o: LR.CosineAnnealingLR(o, 10),
    "steps": lambda o: LR.MultiStepLR(o, [2, 6, 6], 0.5),
    "cycle": lambda o: LR.OneCycleLR(o, 1.0, total_steps=10),
    "one after the other": lambda o: LR.SequentialLR(
        o, [LR.ConstantLR(o, 0.5, 2), LR.ExponentialLR(o, 0.7)], [3]
    ),
    "plateau": lambda o: Plateau(o, patience=1),
}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_scheduler_goes_on_with_its_run(tmp_path, kind) -> None:
    assert scheduled([4, 8], tmp_path / "c", SCHEDULES[kind]) == scheduled(
        [8], None, SCHEDULES[kind]
    )


def test_an_optimizer_that_goes_on_being_used_fits_its_own_checkpoint(tmp_path) -> None:
    """Its rate is then the one at which the run stands, not the one with which it began."""
    model = One()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    one = LR.ExponentialLR(optimizer, 0.5)
    step = lambda h: one.step()  # noqa: E731
    for steps in (3, 5):
        training.train(
            model, Numbers(), the_weight, optimizer, steps, stop_when=step,
            checkpoint=tmp_path / "c",
        )  # fmt: skip
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5**5)


def test_fewer_steps_than_a_checkpoint_has_taken_are_refused(tmp_path) -> None:
    train_one(steps=5, checkpoint=tmp_path / "c")
    with pytest.raises(ValueError, match=r"steps must be at least the 5 that .*c has taken, got 3"):
        train_one(steps=3, checkpoint=tmp_path / "c")


def test_settings_and_clipping_are_compared_by_train(tmp_path) -> None:
    options = {"checkpoint": tmp_path / "c", "clip_norm": 1.0, "settings": {"corpus": "a"}}
    train_one(steps=2, **options)
    assert train_one(steps=3, **options).steps == 3
    with pytest.raises(ValueError, match=r"training clip_norm: 1\.0 in the file, 2\.0 here"):
        train_one(steps=4, **options | {"clip_norm": 2.0})
    with pytest.raises(ValueError, match="settings corpus: 'a' in the file, 'b' here"):
        train_one(steps=4, **options | {"settings": {"corpus": "b"}})
    with pytest.raises(TypeError, match="settings must be plain data"):
        train_one(settings={"corpus": {1, 2}})


def test_another_version_of_torch_or_kind_of_device_is_said(tmp_path, monkeypatch) -> None:
    train_one(steps=2, checkpoint=tmp_path / "c")
    monkeypatch.setattr(torch, "__version__", "9.9")
    with pytest.warns(UserWarning, match=r"c goes on, but its last digits .*torch: .*'9\.9' here"):
        assert train_one(steps=3, checkpoint=tmp_path / "c").steps == 3


def test_weights_of_the_loss_that_are_none_of_the_models_go_on_too(tmp_path) -> None:
    def two(parts: list[int], path: Path | None) -> list[float]:
        for steps in parts:
            model, scale = One(), nn.Parameter(torch.ones(1))
            optimizer = torch.optim.SGD([*model.parameters(), scale], lr=0.1)
            loss = lambda m, b, scale=scale: ((m.w * scale).sum() ** 2, {})  # noqa: E731
            training.train(model, Numbers(), loss, optimizer, steps, checkpoint=path)
        return [model.w.item(), scale.item()]

    assert two([2, 4], tmp_path / "c") == two([4], None)


# ---- what a checkpoint cannot hold, or no longer holds ------------------------------------------


class Odd(Numbers):
    """A source that keeps ``kept`` from its batch ``since`` on."""

    def __init__(self, kept: Any, since: int) -> None:
        super().__init__()
        self.kept, self.since = kept, since

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | ({"kept": self.kept} if self.next >= self.since else {})


@pytest.mark.parametrize("kept", [{1, 2}, {(1, 2): 3}, b"x", torch.zeros(2).to_sparse()])
@pytest.mark.parametrize("since", [0, 1])
def test_what_no_file_can_hold_is_refused_at_once(tmp_path, kept, since) -> None:
    source = Odd(kept, since)
    with pytest.raises(TypeError, match="checkpoint cannot hold /source/kept, a "):
        train_one(source=source, checkpoint=tmp_path / "c")
    assert source.next == since and not list(tmp_path.iterdir())


def test_a_run_whose_weights_are_not_finite_leaves_the_checkpoint_as_it_was(tmp_path) -> None:
    run = of_text(TEXT)
    run.save(tmp_path / "c")
    before = (tmp_path / "c").read_bytes()
    run.model[0].bias.data[1] = math.inf
    with pytest.raises(ValueError, match=r"cannot hold weights that are not finite: 0\.bias"):
        run.save(tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == before


def resealed(path: Path, change: Callable[[dict[str, Tensor], dict[str, Any]], Any]) -> None:
    """Change what a checkpoint holds, under a checksum that fits."""
    tensors, about = tensorfiles.load(path)
    kept = dict(about["dict"])
    change(tensors, kept)
    tensorfiles.save(path, tensors, {"dict": [list(pair) for pair in kept.items()]})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t, kept: kept.pop("best"), "it has no best"),
        (lambda t, kept: t["/model/0.bias"].fill_(math.nan), r"not finite: 0\.bias"),
        (
            lambda t, kept: t.update({"/model/0.bias": torch.ones(3).int()}),
            r"0\.bias as torch\.int32",
        ),
        (lambda t, kept: t.update({"/model/0.bias": torch.ones(2)}), r"0\.bias as .*\(2,\), and"),
        (lambda t, kept: t.pop("/model/0.bias"), r"/model/0\.bias"),
        (lambda t, kept: kept.update(source={"dict": []}), "and nothing was changed: KeyError"),
        (lambda t, kept: kept.update(optimizer={"dict": []}), "param_groups"),
        (lambda t, kept: kept.update(random={"dict": []}), "and nothing was changed: KeyError"),
        (lambda t, kept: kept.update(model={"dict": []}), "and nothing was changed: RuntimeError"),
    ],
)
def test_a_checkpoint_that_was_made_up_is_refused_and_nothing_is_changed(
    tmp_path, change, said
) -> None:
    of_text(TEXT).save(tmp_path / "c")
    resealed(tmp_path / "c", change)
    run = of_text(TEXT)
    run.model[0].bias.data.fill_(9.0)
    before = run.pack()
    with pytest.raises(ValueError, match=rf"checkpoint .*c .*{said}"):
        run.load(tmp_path / "c")
    assert run.pack() == before


def test_no_flipped_bit_and_no_missing_end_of_a_checkpoint_goes_unnoticed(tmp_path) -> None:
    path = tmp_path / "c"
    of_text(TEXT).save(path)
    data, draw, run = path.read_bytes(), random.Random(0), of_text(TEXT, gamma=0.5)
    before = run.pack()
    damaged = [data[:length] for length in range(0, len(data), 97)]
    for _ in range(200):
        place = draw.randrange(8 * len(data))
        one = bytearray(data)
        one[place // 8] ^= 1 << place % 8
        damaged.append(bytes(one))
    for some in damaged:
        path.write_bytes(some)
        with pytest.raises(ValueError, match=r"checkpoint .*c is not one of rnnlib's"):
            run.load(path)
    assert run.pack() == before


def test_a_checkpoint_of_an_older_rnnlib_is_refused_with_its_version(tmp_path) -> None:
    of_text(TEXT).save(tmp_path / "c")
    tensors, about = tensorfiles.load(tmp_path / "c")
    safetensors.torch.save_file(tensors, tmp_path / "c", {"rnnlib": json.dumps(about)})
    with pytest.raises(ValueError, match=r"c has format 1, without a checksum, as an older rnnlib"):
        of_text(TEXT).load(tmp_path / "c")


def test_a_long_history_takes_its_numbers_and_no_header(tmp_path) -> None:
    n = 10_000
    loss = [1 / (k + 1) for k in range(n)]
    rows = [{"accuracy": value, "T": k} for k, value in enumerate(loss)]
    first = of_text(TEXT)
    first.history.loss, first.history.grad_norm, first.history.metrics = loss, loss, rows
    first.history.evaluations = [{}] * 3
    first.save(tmp_path / "c")
    second = of_text(TEXT)
    second.load(tmp_path / "c")
    assert plain(second.history) == plain(first.history)
    data = (tmp_path / "c").read_bytes()
    assert int.from_bytes(data[:8], "little") < 8 * n + 20_000  # the numbers T; no digits of losses
    assert len(data) < 3 * 8 * n + 8 * n + 60_000


# ---- the bar ------------------------------------------------------------------------------------


def test_the_bar_shows_loss_and_rate_unless_it_is_off(capsys, monkeypatch) -> None:
    def shown(steps: int, **options: Any) -> str:
        train_one(steps=steps, **options)
        return capsys.readouterr().err

    monkeypatch.setattr(training.loop, "tqdm", partial(tqdm, mininterval=0))  # show every step
    assert shown(50) == ""  # RNNLIB_PROGRESS=0: see conftest.py
    bar = shown(3, progress=True)
    assert "loss=-1.0000" in bar
    assert re.search(r"[\d?]step/s|\ds/step", bar)  # as the machine is quick or slow
    assert bar.endswith("\r")  # and is gone
    monkeypatch.delenv("RNNLIB_PROGRESS")
    assert shown(50, progress=False) == ""
    assert shown(49) == ""  # too short for a bar
    assert "/50" in shown(50)
    monkeypatch.setenv("RNNLIB_PROGRESS", "1")
    assert "/50" in shown(50)
    monkeypatch.setattr(training.loop, "tqdm", partial(tqdm, mininterval=1e9))  # once, and no more
    assert "loss" not in shown(50)


def test_the_bar_of_a_resumed_run_starts_where_it_stopped(tmp_path, capsys) -> None:
    train_one(steps=4, checkpoint=tmp_path / "c")
    train_one(steps=6, checkpoint=tmp_path / "c", progress=True)
    assert re.findall(r"(\d)/6", capsys.readouterr().err)[0] == "4"


# ---- losses -------------------------------------------------------------------------------------


def answers(N: int, K: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random logits (N, K) and labels (N,), about half of which are right."""
    p = torch.randn(N, K, generator=seeded(seed))
    y = torch.randint(K, (N,), generator=seeded(seed + 1))
    return p, torch.where(torch.rand(N, generator=seeded(seed + 2)) < 0.4, p.argmax(dim=1), y)


def test_accuracy_is_the_share_of_right_answers_to_the_last_bit_and_keeps_no_graph() -> None:
    graphs = []

    def model(x: Tensor) -> Tensor:
        w = torch.ones(1, requires_grad=True)
        graphs.append((x * w).requires_grad)
        return x * w

    for N in (1, 3, 7, 10, 49, 77, 1000):
        p, y = answers(N, seed=N)
        expected = (p.argmax(dim=1) == y).double().mean().item()
        assert training.accuracy(model, (p, y)) == expected
    assert 0.3 < expected < 0.8
    assert not any(graphs)


def test_the_classifiers_loss_is_torchs_and_its_accuracy_the_batchs() -> None:
    p, y = answers(77)
    model = nn.Linear(4, 4)
    loss, metrics = training.classification_loss(model, (p, y))
    assert torch.equal(loss, nn.functional.cross_entropy(model(p), y))
    assert metrics == {"accuracy": (model(p).argmax(dim=1) == y).float().mean().item()}
    assert metrics["accuracy"] == pytest.approx(training.accuracy(model, (p, y)), rel=1e-6)
    assert 0 < metrics["accuracy"] < 1
    assert loss.requires_grad
