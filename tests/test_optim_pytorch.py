"""PyTorch's own list of optimizer inputs, and the checks of its test_optim.py, on our six methods.

torch ships the list: for each optimizer its settings, what it must refuse, and schedulers.
Every entry is run here; what our methods leave out stands in ``NOT_HERE`` and must be refused.
Where both compute, weights and state are equal to the last bit.
"""

import copy
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from helpers import F64, normal
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from rnnlib import optim

# ---- the list ------------------------------------------------------------------------------------

NOT_HERE = {  # what torch's entries have and our methods refuse, with the reason
    "foreach": "an implementation: one call for many weights",
    "fused": "an implementation: one kernel for a whole step",
    "capturable": "an implementation: for graphs of a GPU's calls",
    "differentiable": "an implementation: steps that autograd records",
    "sparse": "gradients that name only some entries are not in the book",
    "complex": "all weights of the book are real",
}


def torchs_list() -> dict[str, Any]:
    """torch's entries for our methods, by name.

    The list is one file in torch.testing._internal. The test harness that it stands in wants
    packages that torch does not install (expecttest) and changes global settings; stand-ins for
    its three modules are enough to read the list.
    """
    package = "torch.testing._internal."
    harness = ("common_device_type", "common_methods_invocations", "common_utils")
    added = [package + name for name in harness if package + name not in sys.modules]
    sys.modules.update({name: MagicMock() for name in added})
    try:
        from torch.testing._internal.common_optimizers import optim_db
    finally:
        for name in [*added, package + "common_optimizers"]:
            sys.modules.pop(name, None)
    return {info.name: info for info in optim_db if hasattr(optim, info.name)}


if torch.__version__ < "2.11":
    pytest.skip(
        f"torch {torch.__version__} has a shorter list and other last bits", allow_module_level=True
    )
LIST = torchs_list()
DEVICES = ("cpu", "cuda", "xpu", "mps")  # the list has more for some; the tensors are made on none


def settings_of(info: Any) -> list[tuple[str, dict[str, Any]]]:
    """All settings of an entry, each once."""
    found = {}
    for device in DEVICES:
        for one in info.optim_inputs_func(device=device):
            found.setdefault(f"{info.name}, {one.desc}, {one.kwargs}", one.kwargs)
    return [(info.name, kwargs) for kwargs in found.values()]


INPUTS = [one for info in LIST.values() for one in settings_of(info)]
RUN = [(name, kwargs) for name, kwargs in INPUTS if not any(kwargs.get(key) for key in NOT_HERE)]
ERRORS = [
    (name, one) for name in LIST for one in LIST[name].optim_error_inputs_func("cpu", torch.float64)
]
each_method = pytest.mark.parametrize("name", LIST)
each_setting = pytest.mark.parametrize("name, kwargs", RUN, ids=str)


def test_every_method_of_ours_is_on_the_list() -> None:
    methods = {
        name for name, one in vars(optim).items()
        if isinstance(one, type) and issubclass(one, Optimizer)
    }  # fmt: skip
    assert LIST.keys() == methods - {"GradientMethod"}


def sparse_gradient(w: nn.Parameter) -> Tensor:
    return normal(*w.shape).to(w.dtype).to_sparse()


def test_what_is_left_out_is_refused_and_torch_has_it() -> None:
    """Of each name in NOT_HERE: some entry has it, and our method refuses it by name."""
    needed: set[str] = set()
    for name, info in LIST.items():
        ours = getattr(optim, name)
        switches = {*info.supported_impls, *(["capturable"] if info.has_capturable_arg else [])}
        for _, kwargs in settings_of(info):
            switches |= {key for key in NOT_HERE.keys() & kwargs.keys() if kwargs[key]}
        for switch in switches:  # one that NOT_HERE lacks fails below
            with pytest.raises(ValueError, match=rf"^{switch} must be None or False, got True"):
                ours([nn.Parameter(normal(2))], **{switch: True})
        kinds = {"sparse": info.supports_sparse, "complex": info.supports_complex}
        for kind in (kind for kind, has in kinds.items() if has):
            w = nn.Parameter(normal(2, 2).to(torch.complex64 if kind == "complex" else F64))
            w.grad = w.detach().clone() if kind == "complex" else sparse_gradient(w)
            before = w.detach().clone()
            with pytest.raises(RuntimeError, match=f"{name} does not support .*{kind}"):
                ours([w]).step()
            assert torch.equal(w, before)
            needed.add(kind)
        needed |= switches
    assert needed == NOT_HERE.keys()


@each_method
def test_switches_that_change_nothing_are_taken_and_kept_out(name) -> None:
    switches = NOT_HERE.keys() - {"sparse", "complex"}
    method = getattr(optim, name)([nn.Parameter(normal(2))], **dict.fromkeys(switches))
    other = getattr(optim, name)([nn.Parameter(normal(2))], **dict.fromkeys(switches, False))
    plain = getattr(optim, name)([nn.Parameter(normal(2))])
    assert method.state_dict() == other.state_dict() == plain.state_dict()
    assert method.defaults == other.defaults == plain.defaults
    assert not plain.defaults.keys() & switches


# ---- two equal sets of weights, one moved by ours, one by torch's --------------------------------


def weights(dtype: torch.dtype = F64) -> list[nn.Parameter]:
    """A matrix, one that is not contiguous, a number, nothing, and one without a gradient."""
    values = [normal(4, 3), normal(5, 4, 2, seed=1)[..., 0], normal(1, seed=2)[0], normal(0, 3)]
    return [nn.Parameter(v.to(dtype)) for v in [*values, normal(2, seed=3)]]


def gradients(ws: list[nn.Parameter], t: int) -> None:
    """Gradients of step ``t``; the first weight now and then has none, the last never."""
    for k, w in enumerate(ws[:-1]):
        absent = k == 0 and t % 4 == 2
        w.grad = None if absent else normal(1, *w.shape, seed=100 + 10 * t + k)[0].to(w.dtype)


def assert_equal(ours: Optimizer, torchs: Optimizer) -> None:
    """The same weights and state, bit by bit, and the same settings."""
    a, b = ours.state_dict(), torchs.state_dict()
    for state in (a, b):  # torch's Adagrad has a sum before a weight's first step, ours has not
        state["state"] = {k: kept for k, kept in state["state"].items() if kept.get("step") != 0}
    assert a["state"].keys() == b["state"].keys()
    for k in a["state"]:
        assert a["state"][k].keys() == b["state"][k].keys()
        for key, value in b["state"][k].items():
            assert a["state"][k][key].dtype == value.dtype
            assert torch.equal(a["state"][k][key], value), key
    for u, v in zip(ours.param_groups, torchs.param_groups, strict=True):
        assert all(torch.equal(w, x) for w, x in zip(u["params"], v["params"], strict=True))
        for key in (u.keys() & v.keys()) - NOT_HERE.keys() - {"params"}:
            assert u[key] == v[key], key


def advance(methods: list[Optimizer], steps: range) -> None:
    """Steps of several methods with the same gradients, compared with the last one after each."""
    for t in steps:
        for method in methods:
            gradients([w for group in method.param_groups for w in group["params"]], t)
            method.step()
        for method in methods[:-1]:
            assert_equal(method, methods[-1])


def twins(name: str, kwargs: dict[str, Any], arrange: Any = list, **types: Any) -> list[Optimizer]:
    """Ours and torch's, on equal weights that ``arrange`` puts into groups."""
    return [
        getattr(library, name)(arrange(weights(**types)), **copy.deepcopy(kwargs))
        for library in (optim, torch.optim)
    ]


@each_setting
@pytest.mark.parametrize("dtype", [F64, torch.float32], ids=str)
def test_every_setting_gives_torchs_numbers(name, kwargs, dtype) -> None:
    methods = twins(name, kwargs, dtype=dtype)
    before = [w.detach().clone() for w in methods[0].param_groups[0]["params"]]
    advance(methods, range(12))
    moved = [not torch.equal(w, v) for w, v in zip(weights(dtype), before, strict=True)]
    assert not any(moved)
    after = methods[0].param_groups[0]["params"]
    moved = [not torch.equal(w, v) for w, v in zip(after, before, strict=True)]
    assert moved == [True, True, True, False, False]  # nothing to move, and no gradient


@each_setting
def test_groups_with_settings_of_their_own(name, kwargs) -> None:
    def two_groups(ws: list[nn.Parameter]) -> list[dict[str, Any]]:
        return [{"params": ws[:2]}, {"params": ws[2:], "lr": 0.02, "weight_decay": 0.3}]

    advance(twins(name, kwargs, two_groups), range(6))


@each_setting
def test_the_loss_goes_the_right_way(name, kwargs) -> None:
    w, b = nn.Parameter(normal(10, 5)), nn.Parameter(normal(10, seed=1))
    x = normal(5, seed=2)
    method = getattr(optim, name)([w, b], **kwargs)

    def loss() -> Tensor:
        method.zero_grad()
        value = (w.mv(x) + b).square().sum()
        value.backward()
        return value

    first = loss().item()
    for _ in range(30):
        method.step(loss)
    assert (loss().item() > first) == kwargs.get("maximize", False)


@pytest.mark.parametrize(
    "name, k", [(name, k) for name in LIST for k in range(len(LIST[name].scheduler_inputs))]
)
def test_schedulers_move_ours_as_torchs(name, k) -> None:
    methods = twins(name, {"lr": 0.01})
    schedules = [[make(one) for make in LIST[name].scheduler_inputs[k]] for one in methods]
    rates = set()
    for t in range(24):
        advance(methods, range(t, t + 1))
        for schedule in (one for both in schedules for one in both):
            plateau = isinstance(schedule, lr_scheduler.ReduceLROnPlateau)
            schedule.step(*[1.0] if plateau else [])  # a loss that does not fall
        rates.add(methods[0].param_groups[0]["lr"])
    assert len(rates) > 1


@each_method
@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1)])
def test_a_rate_in_a_tensor_and_its_schedule(name, shape) -> None:
    methods = twins(name, {"lr": torch.full(shape, 0.01)}, dtype=torch.float32)
    schedules = [lr_scheduler.StepLR(one, 2, 0.5) for one in methods]
    for t in range(6):
        advance(methods, range(t, t + 1))
        for schedule in schedules:
            schedule.step()
    assert methods[0].param_groups[0]["lr"].item() == pytest.approx(0.01 / 8)


@pytest.mark.parametrize("name, one", ERRORS, ids=lambda v: getattr(v, "error_regex", v))
def test_every_error_of_torchs_is_one_of_ours(name, one) -> None:
    inputs = one.optimizer_error_input

    def build() -> Optimizer:
        params = [nn.Parameter(normal(1))] if inputs.params is None else copy.copy(inputs.params)
        return getattr(optim, name)(params, **inputs.kwargs)

    if issubclass(one.error_type, Warning):
        with pytest.warns(one.error_type, match=one.error_regex):
            build()
        return
    with pytest.raises(one.error_type, match=None if inputs.kwargs else one.error_regex) as caught:
        build().step()
    if inputs.kwargs:  # the message is ours: it begins with the argument that is wrong
        assert str(caught.value).startswith(tuple(inputs.kwargs)) and "must" in str(caught.value)


# ---- states --------------------------------------------------------------------------------------

WAYS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "as it is": lambda state: state,
    "deepcopy": copy.deepcopy,
    "pickle": lambda state: pickle.loads(pickle.dumps(state)),
    "torch.save": lambda state: saved_and_read(state),
}


def saved_and_read(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal: keys, types and every bit."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(u, v) for u, v in zip(a, b, strict=True))
    return type(a) is type(b) and a == b


@each_setting
@pytest.mark.parametrize("way", WAYS)
def test_a_state_is_the_same_after_a_round_trip_and_goes_on(name, kwargs, way) -> None:
    methods = twins(name, kwargs)
    advance(methods, range(6))
    before = copy.deepcopy(methods[0].state_dict())
    assert same(WAYS[way](methods[0].state_dict()), before)
    ws = copy.deepcopy(methods[0].param_groups[0]["params"])
    loaded = getattr(optim, name)(ws, lr=0.5)  # its own settings do not matter
    defaults = dict(loaded.defaults)
    loaded.load_state_dict(copy.deepcopy(WAYS[way](before)))
    assert same(loaded.state_dict(), before) and loaded.defaults == defaults
    advance([loaded, *methods], range(6, 9))
    for one in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
        assert same(one.state_dict(), loaded.state_dict())
        assert same(one.defaults, loaded.defaults)
        assert {k for k in vars(one) if k[0] != "_"} == {"defaults", "state", "param_groups"}
        one.add_param_group({"params": nn.Parameter(normal(2))})
        assert one.param_groups[-1].keys() == loaded.param_groups[0].keys()


@each_setting
def test_torchs_state_keeps_its_groups_in_ours_and_ours_in_torchs(name, kwargs) -> None:
    methods = twins(name, kwargs)
    advance(methods, range(5))
    ws = [copy.deepcopy(one.param_groups[0]["params"]) for one in methods]
    ours, torchs = getattr(optim, name)(ws[0]), getattr(torch.optim, name)(ws[1])
    saved = copy.deepcopy(methods[1].state_dict())
    ours.load_state_dict(copy.deepcopy(saved))
    assert same(ours.state_dict(), saved)
    torchs.load_state_dict(copy.deepcopy(methods[0].state_dict()))
    advance([ours, torchs, *methods], range(5, 9))


@each_setting
def test_an_older_state_without_the_newer_settings_and_with_a_plain_counter(name, kwargs) -> None:
    """What torch's first versions did not save has its default; their counter was a number."""
    methods = twins(name, {key: v for key, v in kwargs.items() if key != "maximize"})
    advance(methods, range(4))
    state = copy.deepcopy(methods[0].state_dict())
    for group in state["param_groups"]:
        for flag in {*LIST[name].not_og_supported_flags, "bias_correction"} & group.keys():
            del group[flag]
    for kept in state["state"].values():
        if "step" in kept:
            kept["step"] = kept["step"].item()
    ours = getattr(optim, name)(copy.deepcopy(methods[0].param_groups[0]["params"]))
    ours.load_state_dict(state)
    assert "maximize" not in ours.param_groups[0]
    advance([ours, *methods], range(4, 8))


@each_method
def test_a_state_of_other_groups_is_refused(name) -> None:
    ws = weights()
    method = getattr(optim, name)([{"params": ws[:2]}, {"params": ws[2:]}])
    before = copy.deepcopy(method.state_dict())
    for groups in ([ws], [ws[:3], ws[3:]], [ws[:2], ws[2:3], ws[3:]]):
        other = getattr(optim, name)([{"params": group} for group in groups])
        with pytest.raises(ValueError, match="parameter group"):
            method.load_state_dict(other.state_dict())
    assert same(method.state_dict(), before)


@each_method
def test_settings_of_a_loaded_state_replace_those_of_the_groups(name) -> None:
    def groups(**settings: Any) -> Optimizer:
        ws = weights()
        return getattr(optim, name)([{"params": ws[:2]}, {"params": ws[2:], **settings}])

    saved = groups(lr=0.03, weight_decay=0.4)
    other = groups(lr=0.7)
    other.load_state_dict(saved.state_dict())
    assert [g["lr"] for g in other.param_groups] == [g["lr"] for g in saved.param_groups]
    assert other.param_groups[1]["weight_decay"] == 0.4
    assert other.defaults == saved.defaults


@each_method
def test_named_weights_keep_their_names(name) -> None:
    net = nn.Linear(3, 2)
    named, plain = (getattr(optim, name)(p) for p in (net.named_parameters(), net.parameters()))
    assert named.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]
    plain.load_state_dict(named.state_dict())
    assert plain.param_groups[0]["param_names"] == ["weight", "bias"]
    net(torch.ones(1, 3)).sum().backward()
    plain.step()


# ---- around a step -------------------------------------------------------------------------------


def one_weight(name: str, **kwargs: Any) -> tuple[nn.Parameter, Optimizer]:
    w = nn.Parameter(normal(3))
    w.grad = normal(3, seed=1)
    return w, getattr(optim, name)([w], **kwargs)


@each_method
def test_hooks_around_a_step(name) -> None:
    w, method = one_weight(name)
    seen: list[Any] = []
    before = w.detach().clone()
    handles = [
        method.register_step_pre_hook(
            lambda one, args, kwargs: seen.append(torch.equal(w, before))
        ),
        method.register_step_post_hook(lambda one, args, kwargs: seen.append(one is method)),
        register_optimizer_step_post_hook(lambda one, *_: seen.append(torch.equal(w, before))),
    ]
    method.step()
    for handle in handles:
        handle.remove()
    method.step()
    assert seen == [True, True, False]
    closures = iter([lambda: torch.tensor(7.0)])
    method.register_step_pre_hook(lambda one, args, kwargs: ((one, next(closures)), {}))
    assert method.step().item() == 7.0  # the hook put a closure in


@each_method
def test_hooks_around_states(name) -> None:
    method = one_weight(name)[1]
    method.step()
    seen: list[str] = []

    def note(what: str) -> Callable[..., None]:
        return lambda one, *_: seen.append(what)

    method.register_state_dict_pre_hook(note("before saving"))
    method.register_state_dict_post_hook(lambda one, state: {**state, "note": 1})
    method.register_load_state_dict_pre_hook(note("before loading"))
    method.register_load_state_dict_post_hook(note("after loading"))
    state = method.state_dict()
    assert state["note"] == 1
    method.load_state_dict(state)
    assert seen == ["before saving", "before loading", "after loading"]
    copy.deepcopy(method).state_dict()  # a copy has no hooks, as in torch
    assert len(seen) == 3


@each_method
def test_a_profile_names_the_step(name) -> None:
    method = one_weight(name)[1]
    with torch.autograd.profiler.profile() as profile:
        method.step()
        method.zero_grad()
    events = {event.name for event in profile.function_events}
    assert {f"Optimizer.step#{name}.step", f"Optimizer.zero_grad#{name}.zero_grad"} <= events


@each_setting
def test_without_gradients_nothing_happens(name, kwargs) -> None:
    ws = weights()
    method = getattr(optim, name)(ws, **kwargs)
    before = [w.detach().clone() for w in ws]
    method.step()
    assert all(torch.equal(w, v) for w, v in zip(ws, before, strict=True))
    assert not method.state
    frozen = [nn.Parameter(normal(2), requires_grad=False), normal(2)]
    getattr(optim, name)(frozen, **kwargs).step()


@each_setting
def test_gradients_of_zero_move_weights_by_decay_only(name, kwargs) -> None:
    methods = twins(name, kwargs)
    for method in methods:
        for w in method.param_groups[0]["params"]:
            w.grad = torch.zeros_like(w)
        method.step()
    assert_equal(*methods)
    group = methods[0].param_groups[0]
    assert (group["weight_decay"] == 0) == torch.equal(group["params"][0], weights()[0])


@each_setting
def test_what_is_kept_after_a_step_and_the_counter(name, kwargs) -> None:
    ws = weights()
    method = getattr(optim, name)(ws, **kwargs)
    for t in range(3):
        gradients(ws, 5)
        method.step()
        counters = {float(kept["step"]) for kept in method.state.values() if "step" in kept}
        assert counters == (set() if name == "SGD" else {t + 1.0})
    assert len(method.state) == (0 if name == "SGD" and not kwargs.get("momentum") else 4)


@each_method
def test_a_method_prints_its_settings(name) -> None:
    text = repr(getattr(optim, name)(weights(), lr=0.125))
    assert text.startswith(f"{name} (\nParameter Group 0\n") and "    lr: 0.125\n" in text
    assert "foreach" not in text


@each_method
@pytest.mark.parametrize("to_none", [True, False])
def test_zero_grad(name, to_none) -> None:
    w, method = one_weight(name)
    method.zero_grad(set_to_none=to_none)
    assert w.grad is None if to_none else not w.grad.any()


@each_method
def test_weights_on_two_types_each_have_their_own(name) -> None:
    def both(ws: list[nn.Parameter]) -> list[nn.Parameter]:
        return [*ws[:2], *(nn.Parameter(w.detach().float()) for w in ws[2:])]

    advance(twins(name, {}, both), range(5))


@pytest.fixture
def restored() -> Iterator[None]:
    """Put torch's defaults back after the test."""
    dtype = torch.get_default_dtype()
    yield
    torch.set_default_dtype(dtype)


@each_setting
def test_a_counter_in_float64_where_that_is_the_default_type(name, kwargs, restored) -> None:
    torch.set_default_dtype(F64)
    methods = twins(name, kwargs, dtype=torch.float32)
    advance(methods, range(4))  # compares types too
    assert {kept["step"].dtype for kept in methods[0].state.values() if "step" in kept} <= {F64}


@each_method
def test_loss_scaling_skips_a_step_that_overflowed(name) -> None:
    methods = twins(name, {})
    scalers = [torch.amp.GradScaler("cpu", init_scale=4.0) for _ in methods]
    for t in range(4):
        for method, scaler in zip(methods, scalers, strict=True):
            ws = method.param_groups[0]["params"]
            gradients(ws, t)
            for w in ws[:-1]:
                if w.grad is not None:
                    w.grad *= float("inf") if t == 1 else scaler.scale(torch.tensor(1.0)).item()
            before = ws[1].detach().clone()
            scaler.step(method)
            scaler.update()
            assert torch.equal(ws[1], before) == (t == 1)
        assert_equal(*methods)
