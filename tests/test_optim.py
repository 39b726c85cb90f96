"""The optimisers, step for step against torch's and against their equations in plain numbers."""

import copy
import inspect
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers import F64, normal
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torch.optim.optimizer import Optimizer

from rnnlib import optim, training

NAMES = ["SGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW"]
each_method = pytest.mark.parametrize("name", NAMES)
SWITCHES = {"foreach", "fused", "capturable", "differentiable"}  # how, not what, torch computes
STEPS = 100


def one(value: float, dtype: torch.dtype = F64, shape: tuple[int, ...] = ()) -> Tensor:
    return torch.full(shape, value, dtype=dtype)


# Every argument alone, all together, and what tensors and the edges of the ranges do.
# A tensor in float32 makes torch compute step sizes in float32: ours must do the same.
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": one(0.1)}),
    ("SGD", {"lr": one(0.1, torch.float32)}),
    ("SGD", {"lr": one(0.1, shape=(1,))}),
    ("SGD", {"lr": 0.0}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": -0.5}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": one(0.1)}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.01, "maximize": True}),
    ("SGD", {"lr": 0.01, "maximize": True, "weight_decay": 0.1, "momentum": 0.5, "nesterov": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": one(0.1)}),
    ("Adagrad", {"lr": one(0.1, torch.float32), "lr_decay": 0.1}),
    ("Adagrad", {"lr": one(0.1, shape=(1,))}),
    ("Adagrad", {"lr_decay": 0.2}),
    ("Adagrad", {"weight_decay": 0.1}),
    ("Adagrad", {"initial_accumulator_value": 0.5}),
    ("Adagrad", {"eps": 0.1}),
    ("Adagrad", {"maximize": True}),
    (
        "Adagrad",
        {"lr": 0.1, "lr_decay": 0.05, "weight_decay": 0.1, "initial_accumulator_value": 0.01,
         "eps": 1e-3, "maximize": True},
    ),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 10.0}),
    ("Adadelta", {"lr": one(2.0)}),
    ("Adadelta", {"lr": one(2.1, torch.float32)}),
    ("Adadelta", {"lr": one(2.0, shape=(1, 1))}),
    ("Adadelta", {"rho": 0.5}),
    ("Adadelta", {"rho": 0.0}),
    ("Adadelta", {"rho": 1.0}),
    ("Adadelta", {"eps": 1e-3}),
    ("Adadelta", {"weight_decay": 0.1}),
    ("Adadelta", {"maximize": True}),
    ("Adadelta", {"lr": 2.0, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.001}),
    ("RMSprop", {"lr": one(0.001)}),
    ("RMSprop", {"lr": one(0.001, torch.float32)}),
    ("RMSprop", {"lr": one(0.001, shape=(1,)), "momentum": 0.5}),
    ("RMSprop", {"alpha": 0.5}),
    ("RMSprop", {"alpha": 0.0}),
    ("RMSprop", {"eps": 0.1}),
    ("RMSprop", {"weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.9, "lr": 0.001}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "lr": 0.001}),
    ("RMSprop", {"maximize": True, "lr": 0.001}),
    (
        "RMSprop",
        {"lr": 0.001, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.5,
         "centered": True, "maximize": True},
    ),
    *(
        (name, settings)
        for name in ("Adam", "AdamW")
        for settings in (
            {},
            {"lr": 0.01},
            {"lr": one(0.01)},
            {"lr": one(0.01, torch.float32), "weight_decay": 0.1},
            {"lr": one(0.01, shape=(1,))},
            {"lr": 0.01, "betas": (0.5, 0.9)},
            {"lr": 0.01, "betas": (0.0, 0.0)},
            {"lr": 0.01, "betas": (one(0.8), one(0.95))},
            {"lr": 0.01, "betas": (one(0.1, torch.float32), one(0.95, torch.float32, (1,)))},
            {"lr": 0.01, "eps": 0.1},
            {"lr": 0.01, "weight_decay": 0.0},
            {"lr": 0.01, "weight_decay": 0.3},
            {"lr": 0.01, "amsgrad": True},
            {"lr": 0.01, "betas": (0.9, 0.5), "amsgrad": True},
            {"lr": 0.01, "maximize": True},
            {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1, "amsgrad": True,
             "maximize": True},
        )
    ),
    ("Adam", {"lr": 0.01, "decoupled_weight_decay": True, "weight_decay": 0.3}),
]  # fmt: skip


def named(case: tuple[str, dict[str, Any]]) -> str:
    return ", ".join([case[0], *(f"{k}={v}" for k, v in case[1].items())])


each_setting = pytest.mark.parametrize("case", SETTINGS, ids=named)


# ---- the race: two equal networks, one moved by ours, one by torch's -----------------------------


class Net(nn.Module):
    """A small LSTM classifier, and a weight that takes no part in it."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.head = nn.Linear(4, 3)
        self.idle = nn.Parameter(torch.ones(2))
        for k, w in enumerate(self.parameters()):
            w.data = 0.5 * normal(*w.shape, seed=k)

    def loss(self, t: int) -> Tensor:
        """Cross-entropy of the batch of step ``t``: x (5, 3, 3)."""
        dtype = self.idle.dtype
        h, _ = self.lstm(normal(5, 3, 3, seed=1000 + t).to(dtype))
        return nn.functional.cross_entropy(self.head(h[:, -1]), (torch.arange(5) + t) % 3)

    def backward(self, t: int) -> Tensor:
        """Gradients of step ``t``; some are None at first, or now and then."""
        self.zero_grad()
        loss = self.loss(t)
        loss.backward()
        if t < 10:
            self.lstm.bias_hh_l0.grad = None
        if t % 7 == 3:
            self.head.weight.grad = None
        return loss


def make(library: Any, case: tuple[str, dict[str, Any]], net: Net) -> Optimizer:
    """An optimiser with two groups, the second with its own lr and weight_decay."""
    name, settings = case
    settings = copy.deepcopy(settings) | ({"foreach": False} if library is torch.optim else {})
    head = {"params": list(net.head.parameters()), "lr": 0.02, "weight_decay": 0.05}
    return getattr(library, name)(
        [{"params": [*net.lstm.parameters(), net.idle]}, head], **settings
    )


def difference(a: Net, b: Net) -> float:
    return max(
        float((u - v).detach().abs().max())
        for u, v in zip(a.parameters(), b.parameters(), strict=True)
    )


def race(
    case: tuple[str, dict[str, Any]],
    schedule: Callable[[Optimizer], Any] | None = lambda one: lr_scheduler.StepLR(one, 20, 0.5),
    dtype: torch.dtype = F64,
) -> tuple[float, Optimizer, Optimizer]:
    """The largest difference of any weight after any step, and both optimisers at the end."""
    net = Net().to(dtype)
    twin, start = copy.deepcopy(net), copy.deepcopy(net)
    ours, torchs = make(optim, case, net), make(torch.optim, case, twin)
    schedules = [schedule(one) for one in (ours, torchs)] if schedule else []
    largest = 0.0
    for t in range(STEPS):
        net.backward(t)
        twin.backward(t)
        ours.step()
        torchs.step()
        for one in schedules:
            one.step()
        apart = difference(net, twin)
        assert math.isfinite(apart)
        largest = max(largest, apart)
    assert difference(net, start) > 1e-3, "the weights hardly moved: nothing was compared"
    assert torch.equal(net.idle, start.idle)
    return largest, ours, torchs


def assert_same_state(ours: Optimizer, torchs: Optimizer, tolerance: float) -> None:
    """The same buffers under the same names, of the same type, and the same settings.

    Torch's Adagrad has buffers from the start, ours from a weight's first gradient on.
    """

    def used(method: Optimizer) -> dict[int, dict[str, Tensor]]:
        kept = method.state_dict()["state"]
        return {k: buffers for k, buffers in kept.items() if buffers.get("step") != 0}

    found, expected = used(ours), used(torchs)
    assert found.keys() == expected.keys()
    for k, buffers in expected.items():
        assert found[k].keys() == buffers.keys()
        for name, b in buffers.items():
            a = found[k][name]
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert float((a - b).abs().max()) <= tolerance, name
    for ours_group, torchs_group in zip(ours.param_groups, torchs.param_groups, strict=True):
        assert ours_group.keys() - torchs_group.keys() <= {"bias_correction"}
        assert torchs_group.keys() - ours_group.keys() <= SWITCHES | {"initial_lr"}
        for name in (ours_group.keys() & torchs_group.keys()) - {"params"}:
            assert ours_group[name] == torchs_group[name], name


@each_setting
def test_every_step_equals_torch(case) -> None:
    largest, ours, torchs = race(case)
    assert largest == 0.0
    assert_same_state(ours, torchs, 1e-12)


@each_method
def test_every_step_equals_torch_in_float32(name) -> None:
    settings = [s for s in SETTINGS if s[0] == name]
    for case in (settings[0], max(settings, key=lambda s: len(s[1]))):
        largest, ours, torchs = race(case, dtype=torch.float32)
        assert largest == 0.0
        assert_same_state(ours, torchs, 1e-5)


@each_method
def test_arguments_order_and_defaults_are_torchs(name) -> None:
    def arguments(cls: type) -> dict[str, Any]:
        found = inspect.signature(cls).parameters.values()
        return {p.name: p.default for p in found if p.name not in SWITCHES | {"bias_correction", "switches"}}

    def positional(cls: type) -> list[str]:
        found = inspect.signature(cls).parameters.values()
        by_place = [p.name for p in found if p.kind is p.POSITIONAL_OR_KEYWORD]
        return [n for n in by_place if n not in SWITCHES | {"maximize"}]  # a keyword of ours

    ours, torchs = getattr(optim, name), getattr(torch.optim, name)
    assert arguments(ours) == arguments(torchs)
    assert positional(ours) == positional(torchs)


# ---- the equations in plain numbers, for a reader and against a change of torch's ----------------

GRADIENTS = [0.5, -2.0, 0.25, 1.0]
LR, EPS = 0.1, 0.01


def sgd_by_hand(momentum: float, dampening: float, nesterov: bool, decay: float = 0.0) -> float:
    w, b = 1.0, None
    for g in GRADIENTS:
        g = g + decay * w
        b = g if b is None else momentum * b + (1 - dampening) * g
        w -= LR * (g + momentum * b if nesterov else b)
    return w


def adagrad_by_hand(lr_decay: float, start: float) -> float:
    w, s = 1.0, start
    for t, g in enumerate(GRADIENTS, 1):
        s += g**2
        w -= LR / (1 + (t - 1) * lr_decay) * g / (math.sqrt(s) + EPS)
    return w


def adadelta_by_hand(rho: float) -> float:
    w = 1.0
    v = u = 0.0
    for g in GRADIENTS:
        v = rho * v + (1 - rho) * g**2
        delta = g * math.sqrt(u + EPS) / math.sqrt(v + EPS)
        u = rho * u + (1 - rho) * delta**2
        w -= LR * delta
    return w


def rmsprop_by_hand(alpha: float, centered: bool, momentum: float) -> float:
    w = 1.0
    v = m = b = 0.0
    for g in GRADIENTS:
        v = alpha * v + (1 - alpha) * g**2
        m = alpha * m + (1 - alpha) * g if centered else 0.0
        b = momentum * b + g / (math.sqrt(v - m**2) + EPS)
        w -= LR * b
    return w


def adam_by_hand(
    beta1: float, beta2: float, corrected: bool, amsgrad: bool, l2: float = 0.0, away: float = 0.0
) -> float:
    w = 1.0
    m = v = v_max = 0.0
    for t, g in enumerate(GRADIENTS, 1):
        g = g + l2 * w
        w -= LR * away * w
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        v_max = max(v_max, v) if amsgrad else v
        m_hat = m / (1 - beta1**t) if corrected else m
        v_hat = v_max / (1 - beta2**t) if corrected else v_max
        w -= LR * m_hat / (math.sqrt(v_hat) + EPS)
    return w


BETAS = {"betas": (0.7, 0.8), "eps": EPS}
BY_HAND: list[tuple[str, dict[str, Any], float]] = [
    ("SGD", {}, 1 - LR * sum(GRADIENTS)),
    ("SGD", {"momentum": 0.8}, sgd_by_hand(0.8, 0, False)),
    ("SGD", {"momentum": 0.8, "dampening": 0.3}, sgd_by_hand(0.8, 0.3, False)),
    ("SGD", {"momentum": 0.8, "nesterov": True}, sgd_by_hand(0.8, 0, True)),
    ("SGD", {"momentum": 0.8, "weight_decay": 0.3}, sgd_by_hand(0.8, 0, False, 0.3)),
    ("Adagrad", {"eps": EPS}, adagrad_by_hand(0, 0)),
    (
        "Adagrad", {"eps": EPS, "lr_decay": 0.5, "initial_accumulator_value": 0.2},
        adagrad_by_hand(0.5, 0.2),
    ),
    ("Adadelta", {"eps": EPS, "rho": 0.7}, adadelta_by_hand(0.7)),
    ("RMSprop", {"eps": EPS, "alpha": 0.7}, rmsprop_by_hand(0.7, False, 0)),
    ("RMSprop", {"eps": EPS, "alpha": 0.7, "centered": True}, rmsprop_by_hand(0.7, True, 0)),
    ("RMSprop", {"eps": EPS, "alpha": 0.7, "momentum": 0.6}, rmsprop_by_hand(0.7, False, 0.6)),
    ("Adam", BETAS, adam_by_hand(0.7, 0.8, True, False)),
    ("Adam", BETAS | {"bias_correction": False}, adam_by_hand(0.7, 0.8, False, False)),
    ("Adam", BETAS | {"amsgrad": True}, adam_by_hand(0.7, 0.8, True, True)),
    (
        "Adam", BETAS | {"amsgrad": True, "bias_correction": False},
        adam_by_hand(0.7, 0.8, False, True),
    ),
    ("Adam", BETAS | {"weight_decay": 0.3}, adam_by_hand(0.7, 0.8, True, False, l2=0.3)),
    ("AdamW", BETAS | {"weight_decay": 0.3}, adam_by_hand(0.7, 0.8, True, False, away=0.3)),
    (
        "AdamW", BETAS | {"weight_decay": 0.3, "bias_correction": False},
        adam_by_hand(0.7, 0.8, False, False, away=0.3),
    ),
]  # fmt: skip


@pytest.mark.parametrize("name, settings, expected", BY_HAND)
def test_four_steps_equal_the_equations_in_plain_numbers(name, settings, expected) -> None:
    w = nn.Parameter(torch.ones((), dtype=F64))
    method = getattr(optim, name)([w], lr=LR, **settings)
    for g in GRADIENTS:
        w.grad = torch.tensor(g, dtype=F64)
        method.step()
    assert w.item() == pytest.approx(expected, rel=1e-14)


def test_without_correction_adams_first_step_is_too_long_by_a_known_factor() -> None:
    def first_step(**settings: Any) -> float:
        w = nn.Parameter(torch.zeros((), dtype=F64))
        w.grad = torch.tensor(-3.0, dtype=F64)
        optim.Adam([w], lr=LR, eps=0.0, **settings).step()
        return w.item()

    assert first_step() == pytest.approx(LR, rel=1e-14)  # η, whatever the gradient's size
    factor = (1 - 0.9) / math.sqrt(1 - 0.999)
    assert first_step(bias_correction=False) == pytest.approx(factor * LR, rel=1e-12)


# ---- a state saved by one and loaded by the other ------------------------------------------------


def other_defaults(library: Any, name: str, net: Net) -> Optimizer:
    """An optimiser that has none of the settings of the state it will load."""
    return make(library, (name, {"lr": 0.5}), net)


@each_setting
@pytest.mark.parametrize("onward", ["torch loads ours", "ours loads torch's"])
def test_a_state_goes_on_in_the_other(case, onward) -> None:
    first, second = (optim, torch.optim) if onward == "torch loads ours" else (torch.optim, optim)
    net = Net()
    before = make(first, case, net)
    for t in range(4, 14):
        net.backward(t)
        before.step()
    twin = copy.deepcopy(net)
    after = other_defaults(second, case[0], twin)
    after.load_state_dict(copy.deepcopy(before.state_dict()))  # loading shares the tensors
    for t in range(14, 24):
        net.backward(t)
        twin.backward(t)
        before.step()
        after.step()
        assert difference(net, twin) <= 1e-12
    found = second is optim
    assert_same_state(*((after, before) if found else (before, after)), 1e-12)
    back = other_defaults(first, case[0], net)
    back.load_state_dict(copy.deepcopy(after.state_dict()))  # and home again
    net.backward(25)
    twin.backward(25)
    back.step()
    after.step()
    assert difference(net, twin) <= 1e-12


def assert_same_state_groups(groups: list[dict[str, Any]], **expected: Any) -> None:
    for group in groups:
        assert {name: group[name] for name in expected} == expected


def test_bias_correction_survives_where_torch_does_not_have_it() -> None:
    net = Net()
    plain = make(optim, ("Adam", {"bias_correction": False}), net)
    net.backward(20)
    plain.step()
    torchs = make(torch.optim, ("Adam", {}), net)
    torchs.load_state_dict(plain.state_dict())
    torchs.step()
    back = make(optim, ("Adam", {}), net)
    back.load_state_dict(torchs.state_dict())
    assert_same_state_groups(back.param_groups, bias_correction=False)
    plain.load_state_dict(make(torch.optim, ("Adam", {}), net).state_dict())  # has no such key
    assert_same_state_groups(plain.param_groups, bias_correction=False)


def test_adams_state_in_adamw_decays_as_adamw() -> None:
    net = Net()
    for library in (optim, torch.optim):
        after = make(optim, ("AdamW", {}), net)
        after.load_state_dict(make(library, ("Adam", {"weight_decay": 0.1}), net).state_dict())
        assert_same_state_groups(
            after.param_groups[:1], decoupled_weight_decay=True, weight_decay=0.1
        )


@each_method
@pytest.mark.parametrize("way", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_goes_on_alike(name, way) -> None:
    net = Net()
    method = make(optim, (name, {}), net)
    net.backward(20)
    method.step()
    twin, twins = way((net, method))
    for t in range(21, 25):
        net.backward(t)
        twin.backward(t)
        method.step()
        twins.step()
    assert difference(net, twin) == 0.0


@each_method
@pytest.mark.parametrize("first, second", [(optim, torch.optim), (torch.optim, optim)])
def test_training_resumes_with_the_other_from_a_checkpoint(name, first, second, tmp_path) -> None:
    class Steps:
        def __init__(self) -> None:
            self.t = 20

        def __next__(self) -> int:
            self.t += 1
            return self.t

        def state_dict(self) -> dict[str, Any]:
            return {"t": self.t}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.t = state["t"]

    def train(library: Any, steps: int, checkpoint: Any) -> Net:
        net = Net()
        training.train(
            net, Steps(), lambda net, t: (net.loss(t), {}), make(library, (name, {}), net), steps,
            checkpoint=checkpoint,
        )  # fmt: skip
        return net

    train(first, 6, tmp_path / "run")
    assert difference(train(second, 12, tmp_path / "run"), train(first, 12, None)) <= 1e-12


# ---- what torch's optimisers do around a step ----------------------------------------------------

SCHEDULES: dict[str, Callable[[Optimizer, bool], Any]] = {
    "StepLR": lambda one, _: lr_scheduler.StepLR(one, 10, 0.3),
    "CosineAnnealingLR": lambda one, _: lr_scheduler.CosineAnnealingLR(one, 40, 1e-4),
    "OneCycleLR": lambda one, cycles: lr_scheduler.OneCycleLR(
        one, [0.01, 0.02], total_steps=STEPS + 1, cycle_momentum=cycles
    ),
    "CyclicLR": lambda one, cycles: lr_scheduler.CyclicLR(
        one, 1e-4, 0.01, step_size_up=7, cycle_momentum=cycles
    ),
}
CYCLED = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "RMSprop": {"momentum": 0.9},
    "Adam": {},
    "AdamW": {},
}


@each_method
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_torchs_schedules_move_ours_as_torchs(name, schedule) -> None:
    cycles = name in CYCLED
    case = (name, CYCLED.get(name, {}))
    largest, ours, _ = race(case, lambda one: SCHEDULES[schedule](one, cycles))
    assert largest == 0.0
    group = ours.param_groups[0]
    if cycles and schedule in ("OneCycleLR", "CyclicLR"):
        cycled = group["betas"][0] if "betas" in group else group["momentum"]
        assert cycled != 0.9


@each_method
def test_a_closure_is_called_with_gradients_on_and_its_loss_returned(name) -> None:
    net = Net()
    twin = copy.deepcopy(net)
    ours, torchs = make(optim, (name, {}), net), make(torch.optim, (name, {}), twin)
    for t in range(20, 23):
        loss = ours.step(lambda t=t: net.backward(t))
        expected = torchs.step(lambda t=t: twin.backward(t))
        assert loss.item() == pytest.approx(expected.item(), rel=1e-14)
    assert difference(net, twin) <= 1e-12
    assert ours.step() is None


@each_method
def test_zero_grad_clears_every_gradient(name) -> None:
    net = Net()
    net.backward(20)
    method = make(optim, (name, {}), net)
    method.zero_grad(set_to_none=False)
    grads = [w.grad for w in net.parameters() if w is not net.idle]
    assert all(g is not None and not g.any() for g in grads)
    method.zero_grad()
    assert all(w.grad is None for w in net.parameters())
    before = copy.deepcopy(net)
    method.step()  # moves nothing
    assert difference(net, before) == 0.0


@each_method
def test_weights_added_later_start_as_in_torch(name) -> None:
    net = Net()
    twin = copy.deepcopy(net)
    settings = {"initial_accumulator_value": 0.1} if name == "Adagrad" else {}
    pairs = [(net, getattr(optim, name)), (twin, getattr(torch.optim, name))]
    methods = [one(n.lstm.parameters(), **settings) for n, one in pairs]
    for t in range(10, 30):
        if t == 20:
            for method, (n, _) in zip(methods, pairs, strict=True):
                method.add_param_group({"params": n.head.parameters(), "lr": 0.3})
        for method, (n, _) in zip(methods, pairs, strict=True):
            n.backward(t)
            method.step()
        assert difference(net, twin) <= 1e-12
    assert difference(net, Net()) > 1e-3
    assert not torch.equal(net.head.bias, Net().head.bias)


def test_adagrads_start_is_one_for_all_groups_as_in_torch() -> None:
    moved = []
    for library in (optim, torch.optim):
        w, other = weight(), weight()
        method = library.Adagrad([w], initial_accumulator_value=0.5)
        method.add_param_group({"params": [other], "initial_accumulator_value": 7.0})
        other.grad = torch.ones(2)
        method.step()
        moved.append(other.detach().clone())
    assert torch.equal(*moved)
    assert moved[0].tolist() == pytest.approx([1 - 0.01 / math.sqrt(1.5)] * 2, rel=1e-6)


@each_setting
def test_steps_leave_the_gradients_as_they_were(case) -> None:
    net = Net()
    method = make(optim, case, net)
    net.backward(20)
    before = {name: w.grad.clone() for name, w in net.named_parameters() if w.grad is not None}
    for _ in range(3):
        method.step()
    assert all(torch.equal(net.get_parameter(name).grad, g) for name, g in before.items())


# ---- wrong arguments -----------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")
COMMON = [("lr", -0.1), ("weight_decay", -0.1), ("lr", "0.1"), ("lr", None), ("lr", torch.ones(2))]
COMMON += [("weight_decay", "none"), ("weight_decay", None), ("lr", [0.1])]
BAD_BETAS = [
    (-0.1, 0.9), (1.0, 0.9), (0.9, 1.0), (0.9, -0.1), (0.9, NAN), (0.9, 2), (0, 0.9), (0.9, 0),
    (0.9,), (), 0.9, None, ("0.9", "0.99"), (None, 0.9), (0.9, None), (torch.tensor(0.9), 0.9),
]  # fmt: skip
WRONG: list[tuple[str, str, Any]] = [
    *((name, *wrong) for name in NAMES for wrong in COMMON),
    *((name, "eps", bad) for name in NAMES[1:] for bad in (-1e-8, NAN, "small", None)),
    *((name, "lr", NAN) for name in NAMES[1:]),
    ("SGD", "momentum", -0.9),
    ("SGD", "momentum", "0.9"),
    ("SGD", "momentum", None),
    ("Adagrad", "lr_decay", -1),
    ("Adagrad", "lr_decay", NAN),
    ("Adagrad", "initial_accumulator_value", -1),
    ("Adagrad", "initial_accumulator_value", None),
    ("Adadelta", "rho", -0.1),
    ("Adadelta", "rho", 1.1),
    ("Adadelta", "rho", NAN),
    ("RMSprop", "alpha", -0.1),
    ("RMSprop", "alpha", "0.9"),
    ("RMSprop", "momentum", -0.1),
    *((name, "betas", bad) for name in ("Adam", "AdamW") for bad in BAD_BETAS),
]


def weight() -> nn.Parameter:
    return nn.Parameter(torch.ones(2))


def error_of(call: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("name, argument, value", WRONG)
def test_a_wrong_setting_raises_what_torch_raises_and_is_named(name, argument, value) -> None:
    ours = error_of(lambda: getattr(optim, name)([weight()], **{argument: value}))
    torchs = error_of(lambda: getattr(torch.optim, name)([weight()], **{argument: value}))
    assert type(ours) is type(torchs)
    message = str(ours)
    assert message.startswith(argument)
    assert "must" in message and "got" in message


@pytest.mark.parametrize(
    "settings",
    [
        {"nesterov": True},
        {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
        {"nesterov": True, "dampening": 0.1},
    ],
)
def test_nesterov_without_momentum_or_with_dampening_raises_what_torch_raises(settings) -> None:
    ours = error_of(lambda: optim.SGD([weight()], **settings))
    assert type(ours) is type(error_of(lambda: torch.optim.SGD([weight()], **settings)))
    assert "nesterov must" in str(ours) and f"dampening = {settings.get('dampening', 0)}" in str(
        ours
    )


WRONG_WEIGHTS: dict[str, Callable[[], Any]] = {
    "one tensor": lambda: weight(),
    "no weights": lambda: [],
    "a number": lambda: [1.0],
    "None": lambda: None,
    "a set in a group": lambda: [{"params": {weight()}}],
    "not a leaf": lambda: [weight() * 2],
    "a group and a weight": lambda: [{"params": [weight()]}, weight()],
    "a group without weights": lambda: [{"lr": 0.1}],
    "one weight in two groups": lambda: [{"params": [w]} for w in [weight()] * 2],
}


@each_method
@pytest.mark.parametrize("what", WRONG_WEIGHTS)
def test_wrong_weights_raise_what_torch_raises(name, what) -> None:
    errors = [
        type(error_of(lambda of=library: getattr(of, name)(WRONG_WEIGHTS[what]())))
        for library in (optim, torch.optim)
    ]
    assert errors[0] is errors[1]


# What torch lets pass: it computes NaN, or something without a meaning, or fails at the first step.
# Betas with two elements do raise in torch, but before its own check for them: a RuntimeError.
STRICTER: list[tuple[str, dict[str, Any], type[Exception]]] = [
    ("SGD", {"lr": NAN}, ValueError),
    ("SGD", {"momentum": NAN}, ValueError),
    ("SGD", {"momentum": 0.9, "dampening": "0.1"}, TypeError),
    ("RMSprop", {"alpha": 1.5}, ValueError),
    ("Adam", {"betas": (0.9, 0.99, 0.999)}, ValueError),
    ("Adam", {"betas": (torch.ones(2) / 2, torch.ones(2) / 2)}, ValueError),
    *((name, {"lr": INF}, ValueError) for name in NAMES),
    *((name, {"lr": True}, TypeError) for name in NAMES),
]


@pytest.mark.parametrize("name, settings, error", STRICTER)
def test_what_torch_lets_pass_raises_too(name, settings, error) -> None:
    ours = error_of(lambda: getattr(optim, name)([weight()], **settings))
    assert type(ours) is error
    assert list(settings)[-1] in str(ours)


@each_method
def test_a_groups_own_settings_are_checked(name) -> None:
    def group() -> dict[str, Any]:
        return {"params": [weight()], "lr": -1}

    assert type(error_of(lambda: getattr(optim, name)([group()]))) is ValueError
    method = getattr(optim, name)([weight()])
    assert "lr must" in str(error_of(lambda: method.add_param_group(group())))
    assert len(method.param_groups) == 1
    assert "param_group must" in str(error_of(lambda: method.add_param_group([weight()])))


@each_method
def test_sparse_gradients_are_refused_before_anything_moves(name) -> None:
    w, table = weight(), nn.Embedding(4, 2, sparse=True)
    before = table.weight.detach().clone()
    method = getattr(optim, name)([w, table.weight], lr=0.1)
    (w.sum() + table(torch.tensor([1, 2])).sum()).backward()
    error = error_of(method.step)
    assert type(error) is RuntimeError
    assert f"{name} does not support sparse" in str(error) and "sparse_coo" in str(error)
    assert torch.equal(w, torch.ones(2)) and torch.equal(table.weight, before)


@each_method
def test_complex_gradients_are_refused(name) -> None:
    w = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    w.grad = torch.ones_like(w)
    error = error_of(getattr(optim, name)([w]).step)
    assert type(error) is RuntimeError and "complex64" in str(error)
