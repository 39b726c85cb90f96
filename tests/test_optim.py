"""The optimisers, step for step against torch's and against their equations in plain numbers."""

import copy
import inspect
import math
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from helpers import F64, normal
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torch.optim.optimizer import Optimizer

from rnnlib import optim, training
from rnnlib.optim.base import FLAGS, check_types

NAMES = ["SGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW"]
each_method = pytest.mark.parametrize("name", NAMES)
SWITCHES = {"foreach", "fused", "capturable", "differentiable"}  # how, not what, torch computes
STEPS = 40
# torch before 2.7 does not have it in Adam, and its AdamW does not save it.
ONLY_OURS = {"bias_correction", "decoupled_weight_decay"} - inspect.signature(
    torch.optim.Adam
).parameters.keys()
# To the last bit. Older ones compute some means in another order.
OLD = torch.__version__ < "2.11"
TOLERANCE = 1e-12 if OLD else 0.0


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


def torch_takes(case: tuple[str, dict[str, Any]]) -> bool:
    """Whether torch itself takes this: older ones have fewer arguments and take fewer tensors."""
    name, settings = case
    for dtype in (F64, torch.float32):
        w = nn.Parameter(torch.ones(2, dtype=dtype))
        w.grad = torch.ones(2, dtype=dtype)
        try:
            getattr(torch.optim, name)([w], **copy.deepcopy(settings)).step()
        except (TypeError, ValueError, RuntimeError):
            return False
    return True


TAKEN = [case for case in SETTINGS if not OLD or torch_takes(case)]
each_setting = pytest.mark.parametrize("case", TAKEN, ids=named)


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
    schedule: Callable[[Optimizer], Any] = lambda one: lr_scheduler.StepLR(one, 20, 0.5),
) -> tuple[float, Optimizer, Optimizer]:
    """The largest difference of any weight after any step, and both optimisers at the end."""
    net = Net()
    twin, start = copy.deepcopy(net), copy.deepcopy(net)
    ours, torchs = make(optim, case, net), make(torch.optim, case, twin)
    schedules = [schedule(one) for one in (ours, torchs)]
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
    assert difference(net, start) > 3e-4, "the weights hardly moved: nothing was compared"
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
            if isinstance(b, Tensor):  # older versions count in a plain number
                assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert float((a - torch.as_tensor(b)).abs().max()) <= tolerance, name
    for ours_group, torchs_group in zip(ours.param_groups, torchs.param_groups, strict=True):
        assert ours_group.keys() - torchs_group.keys() <= ONLY_OURS
        assert torchs_group.keys() - ours_group.keys() <= SWITCHES | {"initial_lr"}
        for name in (ours_group.keys() & torchs_group.keys()) - {"params"}:
            assert ours_group[name] == torchs_group[name], name


@each_setting
def test_every_step_equals_torch(case) -> None:
    """In float64; the other types are under number formats."""
    largest, ours, torchs = race(case)
    assert largest <= TOLERANCE
    assert_same_state(ours, torchs, TOLERANCE)


@each_method
def test_arguments_order_and_defaults_are_torchs(name) -> None:
    not_shared = SWITCHES | ONLY_OURS | {"switches"}

    def arguments(cls: type) -> dict[str, Any]:
        found = inspect.signature(cls).parameters.values()
        return {p.name: p.default for p in found if p.name not in not_shared}

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


def test_the_methods_of_the_book_are_torchs_defaults_but_for_momentum() -> None:
    found = {name: (one.optimizer.__name__, one.settings) for name, one in optim.METHODS.items()}
    heavy_ball = {"momentum": 0.9}
    expected = {name: (name, {}) for name in NAMES}
    expected |= {
        "momentum": ("SGD", heavy_ball),
        "Nesterov": ("SGD", heavy_ball | {"nesterov": True}),
    }
    assert found == expected


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
        assert difference(net, twin) <= TOLERANCE
    found = second is optim
    assert_same_state(*((after, before) if found else (before, after)), TOLERANCE)
    back = other_defaults(first, case[0], net)
    back.load_state_dict(copy.deepcopy(after.state_dict()))  # and home again
    net.backward(25)
    twin.backward(25)
    back.step()
    after.step()
    assert difference(net, twin) <= 1e-12


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
    assert [group["bias_correction"] for group in back.param_groups] == [False, False]


def test_what_a_saved_group_lacks_is_the_constructors() -> None:
    """A state of torch's has no bias_correction: ours goes on with its own, and adds no key."""
    saved = make(torch.optim, ("Adam", {}), Net()).state_dict()
    after = []
    for corrected in (True, False):
        net, expected = Net(), Net()
        loaded, new = (
            make(optim, ("Adam", {"bias_correction": corrected}), one) for one in (net, expected)
        )
        loaded.load_state_dict(saved)
        assert "bias_correction" not in loaded.state_dict()["param_groups"][0]
        net.backward(20)
        expected.backward(20)
        loaded.step()
        new.step()
        assert difference(net, expected) == 0.0
        after.append(net)
    assert difference(*after) > 1e-4
    del saved["param_groups"][0]["eps"]  # a method's own setting, which is checked too
    loaded.load_state_dict(saved)
    assert loaded.param_groups[0].get("eps", loaded.defaults["eps"]) == 1e-8


def test_a_method_of_ones_own_needs_its_update_alone() -> None:
    """It may keep numbers beside tensors, and need none of torch's switches."""

    class Signs(optim.base.GradientMethod):
        def __init__(self, params: Any, lr: float, weight_decay: float = 0.0):
            super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "maximize": False})

        def update(self, w: Tensor, g: Tensor, state: dict[str, Any], group: Any) -> None:
            state["mean"] = 0.5 * (state.get("mean", 0.0) + g.mean().item())
            w.sub_(group["lr"] * g.sign())

    w = nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float16))
    method = Signs([w], lr=0.5)
    for _ in range(2):
        w.grad = torch.tensor([1.0, -3.0], dtype=torch.float16)
        with pytest.warns(UserWarning, match="weights in torch.float16"):
            method.step()
    assert w.tolist() == [0.0, 3.0] and method.state[w] == {"mean": -0.75}


def test_adams_state_in_adamw_decays_as_adamw() -> None:
    net = Net()
    for library in (optim, torch.optim):
        after = make(optim, ("AdamW", {}), net)
        after.load_state_dict(make(library, ("Adam", {"weight_decay": 0.1}), net).state_dict())
        group = after.param_groups[0]
        assert group["decoupled_weight_decay"] is True and group["weight_decay"] == 0.1


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
    assert largest <= TOLERANCE
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


def skip_unless_torchs_adagrad_takes_weights_later() -> None:
    method, later = torch.optim.Adagrad([weight()]), weight()
    method.add_param_group({"params": [later]})
    later.grad = torch.ones(2)
    try:
        method.step()
    except KeyError:
        pytest.skip(f"torch {torch.__version__}: its Adagrad keeps no sum for weights added later")


@each_method
def test_weights_added_later_start_as_in_torch(name) -> None:
    if name == "Adagrad":
        skip_unless_torchs_adagrad_takes_weights_later()
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
    skip_unless_torchs_adagrad_takes_weights_later()
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
    if not OLD:  # which refuse less
        torchs = error_of(lambda: getattr(torch.optim, name)([weight()], **{argument: value}))
        assert type(ours) is type(torchs)
    message = str(ours)
    assert message.startswith(argument)
    assert "must" in message and "got" in message


def test_a_tensor_for_a_number_holds_one() -> None:
    says = r"lr must be a number or hold one, got a tensor of shape \(2,\)"
    with pytest.raises(ValueError, match=says):
        optim.SGD([weight()], lr=torch.ones(2))


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
@pytest.mark.parametrize("arrange", [list, lambda ws: [{"params": [w]} for w in ws]])
def test_sparse_gradients_are_refused_before_anything_moves(name, arrange) -> None:
    w, table = weight(), nn.Embedding(4, 2, sparse=True)
    before = table.weight.detach().clone()
    method = getattr(optim, name)(arrange([w, table.weight]), lr=0.1)
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


@each_method
def test_gradients_of_integers_are_refused(name) -> None:
    w = torch.ones(2, dtype=torch.int64)
    w.grad = torch.ones_like(w)
    error = error_of(getattr(optim, name)([w]).step)
    assert type(error) is RuntimeError and "int64" in str(error)


FLAGGED = [
    (name, flag)
    for name in NAMES
    for flag in sorted(FLAGS & inspect.signature(getattr(optim, name)).parameters.keys())
]


def test_every_yes_or_no_is_a_flag() -> None:
    for name in NAMES:
        found = inspect.signature(getattr(optim, name)).parameters.values()
        assert {p.name for p in found if isinstance(p.default, bool)} <= FLAGS
    assert {flag for _, flag in FLAGGED} == FLAGS


@pytest.mark.parametrize("name, flag", FLAGGED)
@pytest.mark.parametrize("bad", ["no", "False", 1, 0, 0.0, None, torch.tensor(True), []], ids=repr)
def test_a_flag_must_be_true_or_false_wherever_it_comes_from(name, flag, bad) -> None:
    of, settings = getattr(optim, name), {"momentum": 0.9} if flag == "nesterov" else {}
    w = weight()
    method = of([w], **settings)
    saved = copy.deepcopy(method.state_dict())
    wrong = copy.deepcopy(saved)
    wrong["param_groups"][0][flag] = bad
    group = {"params": [weight()], flag: bad}
    for call in (
        lambda: of([weight()], **settings, **{flag: bad}),
        lambda: of([dict(group)], **settings),
        lambda: method.add_param_group(dict(group)),
        lambda: method.load_state_dict(wrong),
    ):
        error = error_of(call)
        assert type(error) is TypeError
        assert str(error).startswith(f"{flag} must be True or False, got ")
        assert method.state_dict() == saved
    method.param_groups[0][flag] = bad  # behind our back: seen at the next step
    w.grad = torch.ones(2)
    assert str(error_of(method.step)).startswith(f"{flag} must be True or False, got ")
    assert torch.equal(w, torch.ones(2))


@pytest.mark.parametrize("name, flag", FLAGGED)
def test_numpys_true_is_true(name, flag) -> None:
    settings = {"momentum": 0.9} if flag == "nesterov" else {"weight_decay": 0.1}
    if flag == "bias_correction":
        largest = [first_weight(name, **settings, **{flag: v}) for v in (np.True_, True)]
    else:
        largest = [first_weight(name, **settings, **{flag: v}) for v in (np.True_, True, False)]
        assert not torch.equal(largest[1], largest[2]) or flag == "amsgrad"
    assert torch.equal(largest[0], largest[1])


def first_weight(name: str, library: Any = optim, **settings: Any) -> Tensor:
    """Where three weights are after four steps."""
    w = nn.Parameter(normal(3))
    method = getattr(library, name)([w], **settings)
    for t in range(4):
        w.grad = normal(3, seed=t + 1)
        method.step()
    return w.detach()


NUMBERS: list[tuple[str, str]] = [
    (name, key)
    for name in NAMES
    for key, p in inspect.signature(getattr(optim, name)).parameters.items()
    if isinstance(p.default, float | int) and not isinstance(p.default, bool)
]


@pytest.mark.parametrize("name, key", NUMBERS)
def test_numbers_may_be_numpys_and_states_must_hold_numbers_in_range(name, key) -> None:
    value = {"momentum": 0.9, "dampening": 0.2, "eps": 1e-3}.get(key, 0.1)
    settings = {"momentum": 0.9} if name == "SGD" and key == "dampening" else {}
    expected = first_weight(name, torch.optim, **settings, **{key: value})
    assert not torch.equal(expected, first_weight(name, torch.optim, **settings))
    for of in (float, np.float64, lambda v: torch.tensor(v, dtype=F64)):
        assert torch.equal(first_weight(name, **settings, **{key: of(value)}), expected)
    single = first_weight(name, **settings, **{key: np.float32(value)})
    assert torch.equal(
        single, first_weight(name, torch.optim, **settings, **{key: np.float32(value)})
    )
    method = getattr(optim, name)([weight()], **settings)
    saved = copy.deepcopy(method.state_dict())
    for bad in ("0.1", True, None, [0.1], NAN, INF, torch.ones(2), 1j):
        wrong = copy.deepcopy(saved)
        wrong["param_groups"][0][key] = bad
        for call in (
            lambda wrong=wrong: method.load_state_dict(wrong),
            lambda bad=bad: getattr(optim, name)([weight()], **{key: bad}),
        ):
            error = error_of(call)
            assert isinstance(error, TypeError | ValueError) and str(error).startswith(key)
        assert method.state_dict() == saved


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_betas_may_be_a_list(name) -> None:
    expected = first_weight(name, torch.optim, betas=(0.7, 0.8))
    assert torch.equal(first_weight(name, betas=[0.7, 0.8]), expected)
    wrong = getattr(optim, name)([weight()])
    state = wrong.state_dict()
    state["param_groups"][0]["betas"] = (0.9, 1.0)
    assert str(error_of(lambda: wrong.load_state_dict(state))).startswith("betas[1] must")
    assert wrong.param_groups[0]["betas"] == (0.9, 0.999)


@each_method
@pytest.mark.parametrize("switch", sorted(SWITCHES))
@pytest.mark.parametrize("bad", [True, 1, 0, "no"])
def test_a_switch_of_torchs_is_refused_and_named(name, switch, bad) -> None:
    of = getattr(optim, name)
    method = of([weight()])
    for call in (
        lambda: of([weight()], **{switch: bad}),
        lambda: of([{"params": [weight()], switch: bad}]),
        lambda: method.add_param_group({"params": [weight()], switch: bad}),
    ):
        error = error_of(call)
        assert type(error) is ValueError
        assert str(error).startswith(f"{switch} must be None or False, got {bad!r}")
        assert str(error).endswith(f"torch.optim.{name} has others")
    assert len(method.param_groups) == 1


@each_method
def test_an_unknown_argument_is_named(name) -> None:
    for unknown in ("learning_rate", "switches", "params2"):
        error = error_of(
            lambda unknown=unknown: getattr(optim, name)([weight()], **{unknown: None})
        )
        assert type(error) is TypeError
        assert str(error) == f"{name} got an unexpected argument {unknown!r}"


# ---- number formats ------------------------------------------------------------------------------

HALF = [torch.float16, torch.bfloat16]
each_half = pytest.mark.parametrize("dtype", HALF, ids=str)
KEEPING = {  # settings with which a method keeps all that it can keep
    "SGD": {"momentum": 0.9}, "Adagrad": {}, "Adadelta": {},
    "RMSprop": {"momentum": 0.5, "centered": True}, "Adam": {"amsgrad": True},
    "AdamW": {"amsgrad": True},
}  # fmt: skip
each_that_counts = pytest.mark.parametrize("name", NAMES[1:])
quietly = pytest.mark.filterwarnings("ignore:weights in torch")


@pytest.fixture
def default_type() -> Iterator[None]:
    """Put torch's default data type back after the test."""
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


@each_that_counts
@each_half
def test_a_counter_counts_in_any_default_type(name, dtype, default_type) -> None:
    torch.set_default_dtype(dtype)
    w = nn.Parameter(torch.ones(2, dtype=F64))
    w.grad = torch.ones_like(w)
    method = getattr(optim, name)([w])
    method.step()
    counter = method.state[w]["step"]
    assert (counter.item(), counter.dtype, counter.device.type) == (1.0, torch.float32, "cpu")
    state = method.state_dict()
    state["state"][0]["step"] = torch.tensor(2048.0, dtype=dtype)  # adding 1 would change nothing
    method.load_state_dict(state)
    for t in range(2049, 2052):
        method.step()
        assert method.state[w]["step"].item() == t
    torch.set_default_dtype(F64)
    method.step()
    assert method.state[w]["step"].item() == 2052


@each_that_counts
def test_a_counter_is_on_the_processor_whatever_the_default_device(name) -> None:
    w = weight()
    w.grad = torch.ones(2)
    method = getattr(optim, name)([w])
    with torch.device("meta"):
        method.step()
        method.step()
    assert method.state[w]["step"].device.type == "cpu" and method.state[w]["step"] == 2


@each_method
def test_a_change_of_the_default_type_between_steps_changes_no_number(name, default_type) -> None:
    net, twin = Net(), Net()
    methods = [make(optim, (name, KEEPING[name]), one) for one in (net, twin)]
    for t in range(4, 10):
        torch.set_default_dtype(torch.bfloat16 if t % 2 else torch.float32)
        net.backward(t)
        methods[0].step()
        torch.set_default_dtype(torch.float32)
        twin.backward(t)
        methods[1].step()
        assert difference(net, twin) == 0.0


@each_setting
@pytest.mark.parametrize("dtype", [torch.float32, *HALF], ids=str)
def test_every_type_gives_torchs_numbers_and_half_precision_a_warning(case, dtype) -> None:
    name, settings = case
    if name != "SGD" and dtype in HALF:
        settings = {"eps": 1e-3} | settings
    ws = [nn.Parameter(normal(30).to(dtype)) for _ in range(2)]
    methods = [
        getattr(library, name)([w], **copy.deepcopy(settings))
        for library, w in zip((optim, torch.optim), ws, strict=True)
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for t in range(20):
            for w, method in zip(ws, methods, strict=True):
                w.grad = normal(30, seed=t + 1).to(dtype)
                method.step()
            assert torch.allclose(*ws, rtol=1e7 * TOLERANCE, atol=0.0)
    assert_same_state(*methods, 1e7 * TOLERANCE)
    assert settings.get("lr") == 0.0 or not torch.equal(ws[0], normal(30).to(dtype))
    messages = {str(one.message) for one in caught}
    if dtype in HALF:
        text = messages.pop()
        lost = "5e-04" if dtype == torch.float16 else "4e-03"
        assert text.startswith(f"weights in {dtype}: each sum loses what is below {lost} of it")
        assert text.endswith("keep the weights in float32 and compute under torch.autocast")
    assert not messages


def test_eps_is_refused_where_it_rounds_to_zero() -> None:
    """Over all sizes, and on both sides of where a type's smallest number begins."""
    sizes = [1.0, 0.0] + [10.0**-k for k in range(1, 320, 7)]
    sizes += [factor * 2.0**k for k in (-25, -134, -150) for factor in (0.999, 1.0, 1.001)]
    refused = set()
    for dtype in (*HALF, torch.float32, F64):
        w, g = torch.ones(2, dtype=dtype), torch.ones(2, dtype=dtype)
        for eps in sizes:
            vanishes = eps > 0 and torch.tensor(eps, dtype=dtype).item() == 0
            refused |= {(dtype, eps)} if vanishes else set()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    check_types("Adam", w, g, {}, {"eps": eps})
                    found = False
                except ValueError:
                    found = True
            assert found == vanishes, (dtype, eps)
    assert len({dtype for dtype, _ in refused}) == 3  # no double is 0 in float64
    check_types("SGD", torch.ones(2), torch.ones(2), {}, {})  # has no eps


@pytest.mark.parametrize("name", ["Adagrad", "RMSprop", "Adam", "AdamW"])
@quietly
def test_an_eps_that_is_zero_in_float16_is_refused_before_anything_moves(name) -> None:
    wide, w = weight(), nn.Parameter(torch.ones(2, dtype=torch.float16))
    method = getattr(optim, name)([{"params": [wide]}, {"params": [w]}])
    method.step()  # no gradient yet
    for one in (wide, w):
        one.grad = torch.zeros_like(one)
    error = error_of(method.step)
    assert type(error) is ValueError and not method.state
    assert str(error) == (
        "eps must not round to 0 in the weights' data type torch.float16, got "
        f"{method.defaults['eps']}; take 2e-04 or more (smaller squares are 0 there), or keep the "
        "weights in float32"
    )
    assert torch.equal(wide, torch.ones(2)) and torch.equal(w, torch.ones_like(w))
    method.param_groups[1]["eps"] = 1e-3
    method.step()
    assert torch.isfinite(w).all()


@quietly
def test_adadeltas_eps_is_a_number_in_float16_too() -> None:
    w = nn.Parameter(torch.ones(2, dtype=torch.float16))
    w.grad = torch.zeros_like(w)
    optim.Adadelta([w]).step()
    assert torch.equal(w, torch.ones_like(w))


@quietly
@pytest.mark.parametrize("momentum", [0.0, 0.5])
@pytest.mark.parametrize("dtype", [*HALF, torch.float32], ids=str)
def test_a_variance_below_zero_by_rounding_counts_as_zero(dtype, momentum) -> None:
    """With a steady gradient v - m² is 0 but for rounding: torch has NaN in places, ours has not."""
    settings = {"lr": 1e-5, "centered": True, "momentum": momentum, "eps": 1e-3, "alpha": 0.9}
    ws = [nn.Parameter(torch.ones(400, dtype=dtype)) for _ in range(2)]
    methods = [optim.RMSprop(ws[:1], **settings), torch.optim.RMSprop(ws[1:], **settings)]
    for _ in range(200):
        for w, method in zip(ws, methods, strict=True):
            w.grad = torch.linspace(1, 10, 400).to(dtype)
            method.step()
    finite = ws[1].isfinite()
    assert ws[0].isfinite().all() and finite.any() and not finite.all()
    assert torch.allclose(ws[0][finite], ws[1][finite], rtol=1e7 * TOLERANCE, atol=0.0)


def test_a_variance_below_zero_is_zero_and_not_its_size() -> None:
    w = nn.Parameter(torch.ones((), dtype=F64))
    method = optim.RMSprop([w], lr=1e-3, eps=1e-3, alpha=1.0, centered=True)
    method.state[w] = {"square_avg": one(1.0), "grad_avg": one(1.01)}  # alpha = 1: they stay
    w.grad = one(0.5)
    method.step()
    assert w.item() == pytest.approx(1 - 1e-3 * 0.5 / 1e-3, rel=1e-14)


@quietly
@pytest.mark.parametrize(
    "name, settings",
    [
        ("Adagrad", {"eps": 1e-3}),
        ("Adadelta", {"rho": 0.0}),
        ("RMSprop", {"eps": 1e-3, "alpha": 0.0}),
        ("Adam", {"eps": 1e-3, "betas": (0.9, 0.0)}),
        ("SGD", {"lr": 1e3}),
        ("SGD", {"lr": 0.0, "weight_decay": 1e3}),
    ],
)
def test_an_overflow_in_half_precision_is_an_error(name, settings) -> None:
    """A square above 65504 would stop the weight for ever, without a word."""
    w = nn.Parameter(torch.full((3,), 100.0, dtype=torch.float16))
    method = getattr(optim, name)([w], **settings)
    w.grad = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float16)
    if name != "SGD":
        method.step()
        w.grad = torch.tensor([0.0, 1.0, 300.0], dtype=torch.float16)
    else:
        w.grad *= 300
    message = str(error_of(method.step))
    assert message.startswith("gradients must be small enough for torch.float16")
    assert "65504" in message and message.endswith("keep the weights in float32")


@quietly
@each_method
def test_infinity_does_what_it_does_in_torch(name) -> None:
    """A gradient's is the caller's: see training.train and torch's loss scaling."""
    for dtype in (torch.float16, torch.float32):
        ws = [nn.Parameter(torch.tensor([1.0, 1.0, 1.0, INF], dtype=dtype)) for _ in range(2)]
        for library, w in zip((optim, torch.optim), ws, strict=True):
            w.grad = torch.tensor([1.0, INF, NAN, 1.0], dtype=dtype)
            settings = {} if name == "SGD" else {"eps": 1e-3}
            getattr(library, name)([w], lr=0.5, **settings).step()
        assert torch.equal(*(torch.nan_to_num(w, nan=7.0) for w in ws))
    w = nn.Parameter(torch.ones(3) * 1e30)  # nor does a finite one in float32
    w.grad = torch.full_like(w, 1e30)
    getattr(optim, name)([w], lr=1e10).step()


@quietly
@each_method
@pytest.mark.parametrize("dtype", [*HALF, F64], ids=str)
def test_weights_that_change_their_type_between_steps(name, dtype) -> None:
    """An error, before anything moves, that says how to go on; then as a state that is loaded."""
    if OLD and dtype is torch.bfloat16:
        pytest.skip("nn.LSTM of this torch does not train in bfloat16 on every processor")
    eps = {} if name == "SGD" else {"eps": 1e-3}
    first, net = weight(), Net().float()
    method = make(optim, (name, KEEPING[name] | eps), net)
    method.add_param_group({"params": [first]})
    net.backward(20)
    first.grad = torch.ones(2)
    method.step()
    net.to(dtype)
    net.backward(24)
    before, moved = copy.deepcopy(net), first.detach().clone()
    error = error_of(method.step)
    assert type(error) is ValueError
    assert str(error).startswith(
        f"weights must keep their data type and device, got {dtype} on cpu"
    )
    assert "after steps in torch.float32 on cpu; optimizer.load_state_dict(" in str(error)
    assert difference(net, before) == 0.0 and torch.equal(first, moved)

    twin = copy.deepcopy(net)
    torchs = make(torch.optim, (name, KEEPING[name] | eps), twin)
    torchs.add_param_group({"params": [nn.Parameter(moved)]})
    state = copy.deepcopy(method.state_dict())
    torchs.load_state_dict(copy.deepcopy(state))
    method.load_state_dict(state)
    for t in range(24, 28):
        for one, moves in ((net, method), (twin, torchs)):
            one.backward(t)
            moves.step()
        assert difference(net, twin) <= 1e7 * TOLERANCE


@each_method
def test_weights_that_change_their_device_between_steps(name) -> None:
    w = weight()
    w.grad = torch.ones(2)
    method = getattr(optim, name)([w], **KEEPING[name])
    method.step()
    for key in method.state[w].keys() - {"step"}:
        kept = method.state[w][key]
        method.state[w][key] = kept.to("meta")
        assert "got torch.float32 on cpu after steps in torch.float32 on meta" in str(
            error_of(method.step)
        )
        method.state[w][key] = kept
    method.step()


@pytest.mark.parametrize("name, key", [(n, k) for n, k in NUMBERS if k not in ("dampening", "rho")])
@each_half
def test_a_setting_in_half_precision_is_computed_with_in_float32(name, key, dtype) -> None:
    """1 - η λ would be 1 in half precision, and the weight would never decay."""
    value = {"momentum": 0.875, "eps": 1e-3, "lr": 2e-3, "weight_decay": 1e-3}.get(key, 0.125)
    tensor = torch.tensor(value, dtype=dtype)
    found = first_weight(name, **{key: tensor})
    expected = first_weight(name, **{key: tensor.item()})
    assert torch.allclose(found, expected, rtol=1e-6, atol=0.0)
    assert not torch.equal(found, normal(3))


@each_half
def test_betas_in_half_precision_too(dtype) -> None:
    betas = torch.tensor(0.75, dtype=dtype), torch.tensor(0.875, dtype=dtype)
    expected = first_weight("Adam", betas=(0.75, 0.875))
    assert torch.allclose(first_weight("Adam", betas=betas), expected, rtol=1e-6, atol=0.0)
    assert torch.equal(first_weight("Adam", betas=list(betas)), first_weight("Adam", betas=betas))
    error = error_of(lambda: optim.Adam([weight()], betas=(torch.tensor(0.9), betas[1].fill_(1.0))))
    assert str(error).startswith("betas[1] must")
