"""Layers on ``rnnlib.fused``, as they are by themselves, against the cells step by step.

``results`` and ``our_gradients`` give outputs, last states and the gradients of x, the first state
and every weight under a loss that weighs all outputs and states.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers import (
    F64,
    LAYERS,
    bptt_call,
    largest_error,
    layer,
    normal,
    our_gradients,
    random_state,
    results,
    same,
    seeded,
    tensors,
)
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from rnnlib import bptt, cells, fused, layers
from rnnlib.fused import sweep

N, T, D, H = 3, 6, 4, 5
each_kind = pytest.mark.parametrize("kind", LAYERS)
#         N, T, D, H, L
SIZES = [(1, 1, 1, 1, 1), (1, 6, 3, 4, 1), (4, 5, 1, 1, 2), (5, 12, 3, 8, 3), (2, 25, 4, 10, 1)]


@pytest.fixture
def steps(monkeypatch) -> list[Any]:
    """The cells that were taken step by step."""
    seen: list[Any] = []
    own = cells.Cell.over_time

    def over_time(self: cells.Cell, x: Tensor, state: Any) -> list[Any]:
        seen.append(self)
        return own(self, x, state)

    monkeypatch.setattr(cells.Cell, "over_time", over_time)
    return seen


def on(kernel: str, net: layers.Recurrent) -> Any:
    """A copy of the layer on a kernel."""
    return copy.deepcopy(net).compute_with(kernel)  # type: ignore[operator]


def all_of(net: Any, x: Tensor, state: Any, kind: str) -> dict[str, Tensor]:
    return results(net, x, state, kind, net.num_layers) | our_gradients(net)


# ---- the same numbers ---------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_outputs_states_and_all_gradients_are_those_of_the_cells(kind, size, steps) -> None:
    N, T, D, H, L = size
    net, x, state = layer(kind, D, H, L), normal(N, T, D), random_state(kind, L, N, H)
    assert net.kernel == "fused"
    found = all_of(net, x, state, kind)
    assert not steps
    expected = all_of(on("cells", net), x, state, kind)
    assert len(steps) == L
    assert largest_error(found, expected) <= 1e-12


@each_kind
def test_pieces_of_steps_on_the_way_back_change_nothing(kind, monkeypatch) -> None:
    """Of 6 steps, three pieces of 2; one of 4 and one of 2; six of 1."""
    net, x, state = layer(kind, D, H), normal(N, T, D), random_state(kind, 1, N, H)
    expected = all_of(on("cells", net), x, state, kind)
    for steps in (2, 4, 1):
        monkeypatch.setattr(sweep, "CACHED", steps * N * H)
        assert len(next(sweep.pieces(T, N * H))) == steps
        assert largest_error(all_of(net, x, state, kind), expected) <= 1e-12


@each_kind
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.bfloat16, 0.05)], ids=str
)
def test_shorter_types_are_as_near_to_float64_as_the_cells(kind, dtype, tolerance, steps) -> None:
    net, x = layer(kind, 10, 32, 2), normal(8, 20, 10).to(dtype)
    state = random_state(kind, 2, 8, 32)
    short = tuple(s.to(dtype) for s in tensors(state))
    given = short if kind == "lstm" else short[0]
    net = net.to(dtype)
    exact_state = tuple(s.double() for s in short)
    exact = all_of(
        on("cells", net).double(),
        x.double(),
        exact_state if kind == "lstm" else exact_state[0],
        kind,
    )
    del steps[:]
    found = all_of(net, x, given, kind)
    assert not steps
    assert {v.dtype for v in found.values()} == {dtype}
    errors = {
        k: ((v.double() - exact[k]).norm() / exact[k].norm()).item() for k, v in found.items()
    }
    assert max(errors.values()) <= tolerance, errors
    assert max(errors.values()) > torch.finfo(dtype).eps / 100  # it did compute in this type


@each_kind
def test_small_states_keep_their_digits(kind) -> None:
    """tanh a by way of a sigmoid, 2 sigma(2a) - 1, is faster and would lose four of seven here."""
    net, x = layer(kind, 10, 32), 1e-4 * normal(8, 20, 10).float()
    for name, weight in net.cells[0].named_parameters():
        weight.data.mul_(name not in ("b", "b_nh"))  # no bias
    exact = on("cells", net)(x.double())[0]
    for gradient in (True, False):
        with torch.set_grad_enabled(gradient):
            found = copy.deepcopy(net).float()(x)[0]
        assert exact.abs().max() < 1e-3
        assert largest_error({"h": found.double()}, {"h": exact}) <= 2e-6


@each_kind
def test_states_that_are_not_given_are_zeros(kind, steps) -> None:
    net, x = layer(kind, D, H, 2), normal(N, T, D)
    found, expected = net(x), on("cells", net)(x)
    pairs = [{k: v for k, v in enumerate([h, *tensors(last)])} for h, last in (found, expected)]
    assert largest_error(*pairs) <= 1e-12


@each_kind
def test_an_input_that_is_not_contiguous_and_one_that_is_expanded(kind, steps) -> None:
    net, state = layer(kind, D, H), random_state(kind, 1, N, H)
    for x in (normal(D, T, N).permute(2, 1, 0), normal(N, 1, D).expand(N, T, D)):
        assert not x.is_contiguous()
        found = all_of(net, x, state, kind)
        assert largest_error(found, all_of(on("cells", net), x, state, kind)) <= 1e-12


@each_kind
def test_gradients_that_come_in_expanded_and_of_the_last_step_only(kind) -> None:
    for loss in (lambda h: h.sum(), lambda h: h[:, -1].square().sum()):
        net, x = layer(kind, D, H, 2), normal(N, T, D)
        other = on("cells", net)
        loss(net(x)[0]).backward()
        loss(other(x)[0]).backward()
        assert largest_error(our_gradients(net), our_gradients(other)) <= 1e-12


@each_kind
def test_dropout_leaves_out_the_same(kind) -> None:
    of_kind, options = LAYERS[kind]
    net = of_kind(D, H, 3, dropout=0.5, generator=seeded(), dtype=F64, **options)
    x, state, found = normal(N, T, D), random_state(kind, 3, N, H), []
    for one in (net, on("cells", net)):
        torch.manual_seed(3)
        found.append(all_of(one, x, state, kind))
    assert largest_error(*found) <= 1e-12
    torch.manual_seed(4)
    assert largest_error(all_of(net, x, state, kind), found[0]) > 1e-3


@each_kind
def test_a_nan_goes_where_it_goes_in_the_cells(kind) -> None:
    net, x = layer(kind, D, H, 2), normal(N, T, D)
    x[1, 2, 0] = float("nan")
    for state in (random_state(kind, 2, N, H), random_state(kind, 2, N, H)):
        found = all_of(net, x, state, kind)
        expected = all_of(on("cells", net), x, state, kind)
        assert all(torch.equal(found[k].isnan(), expected[k].isnan()) for k in found)
        assert found["outputs"].isnan().any() and not found["outputs"].isnan().all()


# ---- the same derivation ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["rnn tanh", "gru", "lstm"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gradients_are_those_by_hand_in_numpy(kind, size) -> None:
    N, T, D, H, _ = size
    net, x, state = layer(kind, D, H), normal(N, T, D), random_state(kind, 1, N, H)
    x.requires_grad_()
    first = [s[0].clone().requires_grad_() for s in tensors(state)]
    h, _ = net(x, tuple(s[None] for s in first) if kind == "lstm" else first[0][None])
    dh = normal(N, T, H, seed=7)
    (h * dh).sum().backward()
    weights = dict(net.cells[0].named_parameters())
    if kind == "rnn tanh":
        weights = dict(zip(("W_hx", "W_hh", "b_h"), weights.values(), strict=True))
    leaves = {"x": x, **dict(zip(("h0", "c0"), first, strict=False)), **weights}
    given = {name: value.detach().numpy() for name, value in leaves.items()}
    name = kind.split()[0]
    h_numpy, cache = bptt_call(getattr(bptt, f"{name}_forward"), given)
    expected = getattr(bptt, f"{name}_backward")(dh.numpy(), cache)
    found = {name: value.grad.numpy() for name, value in leaves.items()}
    assert largest_error({"h": h.detach().numpy()}, {"h": h_numpy}) <= 1e-12
    assert largest_error(found, {name: expected[name] for name in found}) <= 1e-12


def of_all(net: Any, kind: str) -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    """The layer as a function of x, its states and weights, and such values as leaves."""
    names = [name for name, _ in net.named_parameters()]
    state = random_state(kind, net.num_layers, 2, net.hidden_size)
    leaves = [normal(2, 3, net.input_size), *tensors(state), *(w.data for w in net.parameters())]

    def f(x: Tensor, *rest: Tensor) -> Any:
        parts = rest[: len(rest) - len(names)]
        named = dict(zip(names, rest[len(parts) :], strict=True))
        out = torch.func.functional_call(net, named, (x, parts if len(parts) == 2 else parts[0]))
        return tuple(t for part in tensors(out) for t in tensors(part))

    return f, tuple(leaf.clone().requires_grad_() for leaf in leaves)


@each_kind
def test_gradcheck_and_gradgradcheck(kind, steps) -> None:
    f, leaves = of_all(layer(kind, 2, 3, 2), kind)
    assert torch.autograd.gradcheck(f, leaves)
    assert torch.autograd.gradgradcheck(f, leaves)
    assert not steps


@each_kind
def test_second_derivatives_where_x_depends_on_a_weight(kind) -> None:
    """What flows to the weight by way of x must not be counted in its own gradient."""
    found = []
    for kernel in ("fused", "cells"):
        net = on(kernel, layer(kind, D, H))
        W_x = net.cells[0].W_x
        x = W_x[:1, None].expand(N, T, D) * 2
        (slope,) = torch.autograd.grad(net(x)[0].square().sum(), W_x, create_graph=True)
        (second,) = torch.autograd.grad(slope.square().sum(), W_x)
        found.append({"slope": slope, "second": second})
    assert largest_error(*found) <= 1e-12


@each_kind
def test_a_batch_of_gradients_at_once(kind) -> None:
    net, x = layer(kind, 2, 3), normal(2, 3, 2).requires_grad_()

    def f(x: Tensor) -> Any:
        return net(x)[0].sum(dim=(0, 1))

    found = torch.autograd.functional.jacobian(f, x, vectorize=True)
    assert largest_error({0: found}, {0: torch.autograd.functional.jacobian(f, x)}) <= 1e-12


# ---- what is kept, what is not asked for --------------------------------------------------------


@each_kind
def test_without_a_gradient_nothing_is_kept_and_products_are_taken_in_pieces(
    kind, monkeypatch
) -> None:
    net, x = layer(kind, D, H, 2), normal(N, T, D)
    kept: list[Tensor] = []
    rows: list[int] = []
    expected = net(x)
    linear = nn.functional.linear

    def counted(x: Tensor, *rest: Tensor) -> Tensor:
        rows.append(x.shape[:-1].numel())
        return linear(x, *rest)

    monkeypatch.setattr(sweep, "ROWS", 2 * N)
    monkeypatch.setattr(nn.functional, "linear", counted)
    with saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        with torch.no_grad():
            found = net(x)
        assert not kept and not found[0].requires_grad
        of_state = [[h, *tensors(last)] for h, last in (found, expected)]
        assert largest_error(*(dict(enumerate(one)) for one in of_state)) <= 1e-12
        if not kind.startswith("rnn"):  # whose products become its outputs
            assert rows == [2 * N] * T  # two layers, two steps a piece
        del rows[:]
        net(x)
    assert kept and set(rows) == (set() if kind.startswith("rnn") else {N * T})


@each_kind
def test_frozen_weights_and_inputs_get_no_work(kind, monkeypatch) -> None:
    net, x = layer(kind, D, H), normal(N, T, D)
    cell = net.cells[0]
    whole = all_of(net, x, random_state(kind, 1, N, H), kind)
    calls = []
    own = sweep.gradient_of_W_h
    monkeypatch.setattr(sweep, "gradient_of_W_h", lambda *a: calls.append(a) or own(*a))
    for name in ("W_x", "W_h"):
        getattr(cell, name).requires_grad_(False).grad = None
    found = results(net, x, random_state(kind, 1, N, H), kind, 1)
    assert not calls
    assert cell.W_x.grad is None and cell.W_h.grad is None
    assert largest_error(found, {k: whole[k] for k in found}) == 0
    assert torch.equal(cell.b.grad, whole["b layer 0"])
    for weight in net.parameters():
        weight.requires_grad_(False)
    assert not net(x)[0].requires_grad


@each_kind
@pytest.mark.parametrize("name", ["W_x", "W_h"])
def test_a_weight_changed_in_place_before_the_backward_pass_is_found(kind, name) -> None:
    net = layer(kind, D, H)
    h, _ = net(normal(N, T, D))
    with torch.no_grad():
        getattr(net.cells[0], name).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        h.sum().backward()


@each_kind
def test_the_backward_pass_can_be_taken_twice(kind) -> None:
    net, x = layer(kind, D, H), normal(N, T, D)
    loss = net(x)[0].square().sum()
    first = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
    assert same(first, torch.autograd.grad(loss, list(net.parameters())))


# ---- where the cells are taken ------------------------------------------------------------------


class OwnStep(cells.LSTMCell):
    def forward(self, x: Tensor, state: Any) -> Any:
        h, c = super().forward(x, state)
        return h / 2, c


def hooked(net: Any) -> Any:
    net.cells[0].register_forward_hook(lambda cell, given, state: None)
    return net


def own_step(net: Any) -> Any:
    net.cells[0] = OwnStep(D, H, dtype=F64, generator=seeded())
    return net


def own_object(net: Any) -> Any:
    cell = net.cells[0]
    forward = cell.forward
    cell.forward = lambda x, state: tuple(s / 2 for s in forward(x, state))
    return net


def half(net: Any) -> Any:
    return net.to(torch.float16)


@pytest.mark.parametrize("change", [hooked, own_step, own_object, half])
def test_cells_that_must_be_seen_are_taken_step_by_step(change, steps) -> None:
    net = change(layer("lstm", D, H, 2))
    x = normal(N, T, D).to(net.cells[0].W_x.dtype)
    found = net(x)[0]
    assert steps == [net.cells[0]] if change is not half else len(steps) == 2
    assert same([found], [net.compute_with("cells")(x)[0]]) or change is not half
    assert torch.allclose(found, net.compute_with("cells")(x)[0], rtol=0, atol=1e-12)


class Watching(TorchDispatchMode):
    """What records operations, as a tracer does."""

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None):
        return operation(*args, **(kwargs or {}))


@each_kind
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own use
@pytest.mark.parametrize(
    "where", ["global hook", "autocast", "func", "vmap", "forward mode", "mode"]
)
def test_where_torch_does_not_compute_plainly_the_cells_are_taken(kind, where, steps) -> None:
    net, x = layer(kind, D, H).float(), normal(N, T, D).float()
    expected = on("cells", net)(x)[0]
    del steps[:]
    if where == "global hook":
        handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
        found = net(x)[0]
        handle.remove()
    elif where == "autocast":
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = net(x)[0]
        assert 0 < (found - expected).abs().max() < 0.03
    elif where == "func":
        found = torch.func.vjp(lambda x: net(x)[0], x)[0]
    elif where == "vmap":
        found = torch.vmap(lambda x: net(x[None])[0][0])(x)
    elif where == "forward mode":
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(x, x)
            found, slope = torch.autograd.forward_ad.unpack_dual(net(dual)[0])
        other = torch.func.jvp(lambda x: net(x)[0], (x,), (x,))[1]
        assert torch.allclose(slope, other, rtol=1e-5, atol=1e-6)
    else:
        with Watching():
            found = net(x)[0]
    assert steps and set(steps) == {net.cells[0]}
    assert where == "autocast" or torch.allclose(found, expected, rtol=0, atol=1e-6)
    del steps[:]
    net(x)
    assert not steps


@each_kind
def test_a_backward_pass_under_autocast_is_not_rounded(kind) -> None:
    net, x = layer(kind, D, H).float(), normal(N, T, D).float()
    loss = net(x)[0].square().sum()
    expected = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = torch.autograd.grad(loss, list(net.parameters()))
    assert same(found, expected)


@each_kind
def test_parametrized_weights_learn(kind, steps) -> None:
    net, x, state = layer(kind, D, H), normal(N, T, D), random_state(kind, 1, N, H)
    nn.utils.parametrizations.weight_norm(net.cells[0], "W_h")
    grads = []
    for kernel in ("fused", "cells"):
        net.compute_with(kernel).zero_grad()
        values = results(net, x, state, kind, 1)
        grads.append(values | {name: w.grad for name, w in net.named_parameters()})
        assert bool(steps) == (kernel == "cells")
    assert "cells.0.parametrizations.W_h.original1" in grads[0]
    assert largest_error(*grads) <= 1e-12


def test_the_old_name_of_a_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"kernel must be one of \['fused', 'cells', 'torch'\]"):
        layers.GRU(D, H).compute_with("rnnlib")


# ---- the functions by themselves ----------------------------------------------------------------


def arguments(kind: str) -> dict[str, Any]:
    cell, state = layer(kind, D, H).cells[0], random_state(kind, 1, N, H)
    x_and_h = {"x": normal(T, N, D), "h0": tensors(state)[0][0]}
    return x_and_h | {name: w.detach() for name, w in cell.named_parameters()}


@pytest.mark.parametrize(
    ("kind", "wrong", "error", "message"),
    [
        ("gru", {"W_h": normal(10, 5)}, ValueError, r"W_h must have shape \(3H, H\), got \(10, 5\)"),
        ("gru", {"b_nh": normal(4)}, ValueError, r"b_nh must have shape \(5,\), got \(4,\)"),
        ("gru", {"h0": normal(3, 5).float()}, TypeError, r"h0 must have .*float64, got .*float32"),
        ("gru", {"x": normal(6, 4)}, ValueError, r"x must have shape \(T, N, D\), got \(6, 4\)"),
        ("gru", {"W_x": normal(4, 15)}, ValueError, r"W_x must have shape \(15, 4\)"),
        ("gru", {"b": [1.0]}, TypeError, r"b must be a torch.Tensor, got list"),
        ("rnn tanh", {"W_h": normal(10, 5)}, ValueError, r"W_h must have shape \(H, H\)"),
        ("rnn tanh", {"W_x": normal(4, 5)}, ValueError, r"W_x must have shape \(5, 4\)"),
        ("rnn tanh", {"h0": normal(2, 5)}, ValueError, r"h0 must have shape \(3, 5\), got \(2, 5\)"),
        ("rnn tanh", {"b": normal(4)}, ValueError, r"b must have shape \(5,\), got \(4,\)"),
        (
            "rnn tanh", {"nonlinearity": "sine"}, ValueError,
            r"nonlinearity must be one of \['tanh', 'relu'\], got 'sine'",
        ),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_named(kind, wrong, error, message) -> None:
    with pytest.raises(error, match=message):
        getattr(fused, kind.split()[0])(**arguments(kind) | wrong)


@pytest.mark.parametrize("kind", ["gru", "rnn tanh"])
def test_the_functions_refuse_autocast(kind) -> None:
    with (
        torch.autocast("cpu", dtype=torch.bfloat16),
        pytest.raises(
            RuntimeError, match=r"fused\.(gru|rnn) does not compute under torch.autocast"
        ),
    ):
        getattr(fused, kind.split()[0])(**arguments(kind))
