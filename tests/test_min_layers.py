"""minGRU and minLSTM: equations by hand; step, loop, scan and log scan are one network."""

import math
from typing import Any

import pytest
import torch
from helpers import F64, largest_error, normal, same, seeded
from torch import Tensor, nn

import rnnlib
from rnnlib import models
from rnnlib.cells.minimal import g, log_g
from rnnlib.layers import unroll

N, D, H = 3, 4, 5
CELLS = {rnnlib.MinGRU: rnnlib.MinGRUCell, rnnlib.MinLSTM: rnnlib.MinLSTMCell}
each_kind = pytest.mark.parametrize("kind", CELLS, ids=lambda kind: kind.__name__)
each_method = pytest.mark.parametrize("method", ["scan", "log scan", "loop"])
# how steps are computed, with the candidate: a linear one has no logarithms
WAYS = [("scan", "positive"), ("log scan", "positive"), ("scan", "linear")]
each_way = pytest.mark.parametrize(("method", "candidate"), WAYS)


def layer(kind: Any, L: int = 1, **options: Any) -> Any:
    return kind(D, H, L, generator=seeded(), dtype=F64, **options)


def results(net: nn.Module, x: Tensor, h_0: Tensor) -> dict[str, Tensor]:
    """Outputs, last state and all gradients of a loss that weighs every number at random."""
    net.zero_grad()
    x, h_0 = x.clone().requires_grad_(), h_0.clone().requires_grad_()
    h, last = net(x, h_0)
    ((normal(*h.shape, seed=8) * h).sum() + (normal(*last.shape, seed=9) * last).sum()).backward()
    named = {"h": h, "last": last, "dx": x.grad, "dh_0": h_0.grad}
    return named | {f"d {name}": w.grad.clone() for name, w in net.named_parameters()}


def set_to(cell: Any, W_x: list[list[float]], b: list[float]) -> Any:
    with torch.no_grad():
        cell.W_x.copy_(torch.tensor(W_x, dtype=F64))
        cell.b.copy_(torch.tensor(b, dtype=F64))
    return cell


# ---- the equations ------------------------------------------------------------------------------


def test_two_steps_of_mingru_by_hand() -> None:
    net = rnnlib.MinGRU(1, 1, dtype=F64)
    set_to(net.cells[0], [[math.log(3)], [1.0]], [0.0, 0.5])  # z, n
    x, h_0 = torch.tensor([[[1.0], [-1.0]]], dtype=F64), torch.tensor([[[10.0]]], dtype=F64)
    # z = 3/4 and 1/4; n = g(1.5) = 2, g(-0.5) = sigmoid(-0.5)
    first = 10 / 4 + 2 * 3 / 4
    second = first * 3 / 4 + 1 / (1 + math.exp(0.5)) / 4
    for method in ("scan", "log scan", "loop"):
        h, last = net.compute_with(method)(x, h_0)
        assert h.flatten().tolist() == pytest.approx([first, second], rel=1e-15)
        assert last.item() == h[0, 1].item()


def test_two_steps_of_minlstm_by_hand() -> None:
    net = rnnlib.MinLSTM(1, 1, dtype=F64)
    set_to(net.cells[0], [[0.0], [math.log(3)], [1.0]], [0.0, 0.0, 0.5])  # i, f, g
    x, h_0 = torch.tensor([[[1.0], [-1.0]]], dtype=F64), torch.tensor([[[10.0]]], dtype=F64)
    # i = 1/2; f = 3/4 and 1/4; f' = 3/5 and 1/3
    first = 10 * 3 / 5 + 2 * 2 / 5
    second = first / 3 + 2 / 3 / (1 + math.exp(0.5))
    for method in ("scan", "log scan", "loop"):
        h, last = net.compute_with(method)(x, h_0)
        assert h.flatten().tolist() == pytest.approx([first, second], rel=1e-15)
        assert last.item() == h[0, 1].item()


@pytest.mark.parametrize("candidate", ["positive", "linear"])
def test_the_step_is_the_papers_equations(candidate) -> None:
    x, h = normal(N, D), normal(N, H, seed=1)

    def parts(one: Any) -> list[Tensor]:
        return list((x @ one.W_x.T + one.b).split(H, dim=1))

    def positive(n: Tensor) -> Tensor:
        return n if candidate == "linear" else torch.where(n >= 0, n + 0.5, n.sigmoid())

    options = {"candidate": candidate, "generator": seeded(), "dtype": F64}
    gru, lstm = rnnlib.MinGRUCell(D, H, **options), rnnlib.MinLSTMCell(D, H, **options)
    z, n = parts(gru)
    z = z.sigmoid()
    expected = {"gru": (1 - z) * h + z * positive(n)}
    i, f, c = parts(lstm)
    i, f = i.sigmoid(), f.sigmoid()
    expected["lstm"] = f / (f + i) * h + i / (f + i) * positive(c)
    assert largest_error({"gru": gru(x, h), "lstm": lstm(x, h)}, expected) <= 1e-14


def test_g_is_above_zero_and_its_logarithm_is_finite_where_g_is_not() -> None:
    x = torch.tensor([-1000, -80, -0.5, -0.0, 0.0, 0.5, 1000], dtype=F64).requires_grad_()
    expected = [0, math.exp(-80), 1 / (1 + math.exp(0.5)), 0.5, 0.5, 1, 1000.5]
    assert g(x).tolist() == pytest.approx(expected, rel=1e-14)
    logs = log_g(x)
    assert logs[0].item() == -1000
    assert logs[1:].tolist() == pytest.approx([math.log(v) for v in expected[1:]], rel=1e-14)
    for function in (g, log_g):
        (slope,) = torch.autograd.grad(function(x).sum(), x)
        assert torch.isfinite(slope).all() and (slope >= 0).all()


# ---- step = loop = scan = log scan --------------------------------------------------------------


@each_kind
@each_way
@pytest.mark.parametrize("T", [1, 2, 3, 7, 64, 1000])
def test_scans_equal_the_loop_with_all_gradients(kind, method, candidate, T) -> None:
    net = layer(kind, candidate=candidate)
    x, h_0 = normal(N, T, D), normal(1, N, H, seed=1)  # of both signs
    found = results(net.compute_with(method), x, h_0)
    expected = results(net.compute_with("loop"), x, h_0)
    assert set(expected) == {"h", "last", "dx", "dh_0", "d cells.0.W_x", "d cells.0.b"}
    assert largest_error(found, expected) <= 1e-10


@each_kind
@each_way
def test_scans_equal_the_loop_over_depth(kind, method, candidate) -> None:
    net = kind(D, H, 3, candidate=candidate, method=method, generator=seeded(), dtype=F64)
    x, h_0 = normal(N, 9, D), normal(3, N, H, seed=1)
    found = results(net, x, h_0)
    assert largest_error(found, results(net.compute_with("loop"), x, h_0)) <= 1e-10


@each_kind
def test_the_loop_is_the_cells_step_again_and_again(kind) -> None:
    net = layer(kind, method="loop")
    x, h = normal(N, 6, D), normal(N, H, seed=1)
    outputs, last = net(x, h[None])
    states = unroll(net.cells[0], x, h)
    for t in range(6):
        h = net.cells[0](x[:, t], h)
        assert torch.equal(states[t], h) and torch.equal(outputs[:, t], h)
    assert torch.equal(last[0], h)


@each_kind
@each_method
def test_a_first_state_of_zero_has_its_own_gradient(kind, method) -> None:
    net, x = layer(kind, method=method), normal(N, 6, D)
    h_0 = torch.zeros(1, N, H, dtype=F64)
    found = results(net, x, h_0)
    assert largest_error(found, results(net.compute_with("loop"), x, h_0)) <= 1e-10
    assert (found["dh_0"].abs() > 1e-6).all()
    assert torch.equal(net.compute_with(method)(x)[0], found["h"])  # without a state


@each_kind
@each_method
@pytest.mark.parametrize("L", [1, 2])
def test_in_pieces_with_the_state_carried_it_is_the_whole(kind, method, L) -> None:
    net, x, h = layer(kind, L, method=method), normal(N, 30, D), normal(L, N, H, seed=1)
    whole, last = net(x, h)
    parts = []
    for some in x.split([7, 1, 16, 6], dim=1):
        outputs, h = net(some, h)
        parts.append(outputs)
    assert largest_error({0: torch.cat(parts, 1), 1: h}, {0: whole, 1: last}) <= 1e-13


@each_kind
@each_way
def test_first_and_second_derivatives_by_differences(kind, method, candidate) -> None:
    net = kind(2, 2, generator=seeded(), dtype=F64, method=method, candidate=candidate)
    names = [name for name, _ in net.named_parameters()]

    def run(x: Tensor, h_0: Tensor, *weights: Tensor) -> Any:
        with_these = dict(zip(names, weights, strict=True))
        return torch.func.functional_call(net, with_these, (x, h_0))

    inputs = [normal(2, 3, 2), normal(1, 2, 2, seed=1), *(w.detach() for w in net.parameters())]
    inputs = [v.requires_grad_() for v in inputs]
    assert torch.autograd.gradcheck(run, inputs)
    assert torch.autograd.gradgradcheck(run, inputs)


# ---- extreme gates ------------------------------------------------------------------------------


def extreme(kind: Any, size: float, T: int = 50) -> tuple[Any, Tensor]:
    """A layer that takes its gates' and candidates' logits, +-size in all mixtures, as its input."""
    gates = CELLS[kind].gates
    net = kind(gates * H, H, dtype=F64)
    with torch.no_grad():
        net.cells[0].W_x.copy_(torch.eye(gates * H))
        net.cells[0].b.zero_()
    signs = torch.randint(2, (N, T, gates * H), generator=seeded()) * 2.0 - 1
    return net, (size + normal(N, T, gates * H)) * signs


@each_kind
@each_method
@pytest.mark.parametrize("size", [80.0, 700.0])
def test_extreme_gates_are_finite_and_equal_to_the_loop(kind, method, size) -> None:
    """Against the largest entry: what a closed gate lets through is below any rounding."""
    net, x = extreme(kind, size)
    h_0 = normal(1, N, H, seed=1).abs()

    def flat(net: Any, dtype: torch.dtype) -> dict[str, Tensor]:
        found = results(net.to(dtype), x.to(dtype), h_0.to(dtype))
        assert all(torch.isfinite(v).all() for v in found.values())
        return {name: v.flatten().double() for name, v in found.items()}

    expected = flat(net.compute_with("loop"), F64)
    assert largest_error(flat(net.compute_with(method), F64), expected) <= 1e-10
    assert largest_error(flat(net, torch.float32), expected) <= 1e-4


def test_two_closed_gates_of_minlstm_are_shared_as_in_exact_arithmetic() -> None:
    one = set_to(rnnlib.MinLSTMCell(1, 1), [[0.0]] * 3, [-200.0, -200.0 + math.log(3), 0.5])
    h = one(torch.zeros(1, 1), torch.tensor([[2.0]]))  # f + i is 0 in float32
    assert h.item() == pytest.approx(2 * 3 / 4 + 1 / 4, rel=1e-5)


# ---- as a layer ---------------------------------------------------------------------------------


@each_kind
def test_weights_and_where_they_begin(kind) -> None:
    one = CELLS[kind](9, 200, generator=seeded())
    shapes = {name: tuple(w.shape) for name, w in one.named_parameters()}
    assert shapes == {"W_x": (one.gates * 200, 9), "b": (one.gates * 200,)}
    for w in one.parameters():
        assert 0.99 / 3 < w.abs().max() <= 1 / 3  # 1 / sqrt(D), as in nn.Linear
        assert abs(w.mean()) < 0.03
    assert same(one.parameters(), CELLS[kind](9, 200, generator=seeded()).parameters())


@each_kind
@each_method
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_data_type_and_the_device_are_kept(kind, method, dtype) -> None:
    for device in ("cpu", "meta"):
        net = kind(D, H, 2, method=method, dtype=dtype, device=device)
        h, last = net(torch.zeros(N, 3, D, dtype=dtype, device=device))
        assert (h.dtype, h.device.type, h.shape) == (dtype, device, (N, 3, H))
        assert (last.dtype, last.device.type, last.shape) == (dtype, device, (2, N, H))


@each_kind
@each_method
def test_dropout_acts_between_layers_in_training_only(kind, method) -> None:
    net = layer(kind, 2, dropout=0.4, method=method)
    below, above = layer(kind), kind(H, H, dtype=F64)
    below.cells[0].load_state_dict(net.cells[0].state_dict())
    above.cells[0].load_state_dict(net.cells[1].state_dict())
    x = normal(N, 8, D)
    torch.manual_seed(0)
    found, _ = net(x)
    torch.manual_seed(0)
    expected, _ = above(nn.functional.dropout(below(x)[0], 0.4))
    assert largest_error({0: found}, {0: expected}) <= 1e-12
    assert largest_error({0: net.eval()(x)[0]}, {0: above(below(x)[0])[0]}) <= 1e-12


@each_kind
@each_method
def test_a_nan_goes_forward_in_its_sequence_only(kind, method) -> None:
    net, x = layer(kind, 2, method=method), normal(N, 6, D)
    x[1, 2, 0] = float("nan")
    h, last = net(x)
    assert h[1, 2:].isnan().all() and last[:, 1].isnan().all()
    assert not h[1, :2].isnan().any() and not h[[0, 2]].isnan().any()


@each_kind
def test_hooks_of_a_cell_fire_at_every_step_of_the_loop(kind) -> None:
    net, seen = layer(kind, method="loop"), []
    net.cells[0].register_forward_hook(lambda cell, args, h: seen.append(h))
    h, _ = net(normal(N, 6, D))
    assert torch.equal(torch.stack(seen, dim=1), h)


@each_kind
def test_the_method_is_the_scan_unless_another_is_chosen(kind) -> None:
    net = layer(kind)
    assert net.method == "scan" and net.compute_with("loop") is net and net.method == "loop"
    assert "method='loop'" in repr(net)


@each_kind
def test_models_take_them(kind) -> None:
    classifier = models.Classifier(layer(kind), 3, generator=seeded(1))
    x = normal(N, 6, D)
    h, _ = classifier.rnn(x)
    expected = torch.stack([h[0, 5], h[1, 0], h[2, 3]]) @ classifier.readout.weight.T
    expected = expected + classifier.readout.bias
    assert largest_error({0: classifier(x, torch.tensor([6, 1, 4]))}, {0: expected}) <= 1e-14
    lm = models.RNNLM(7, kind, 4, 5, 2, generator=seeded())
    numbers = torch.randint(7, (2, 9), generator=seeded(1))
    whole, state = lm(numbers)
    first, carried = lm(numbers[:, :4])
    second, last = lm(numbers[:, 4:], carried)
    assert torch.allclose(torch.cat([first, second], 1), whole, atol=1e-6)
    assert torch.allclose(last, state, atol=1e-6)


def test_the_linear_gate_can_do_what_the_positive_one_cannot() -> None:
    """A state below zero from zero: g is above zero, so h is."""
    x = normal(N, 20, D)
    for kind in CELLS:
        assert (layer(kind)(x)[0] > 0).all()
        assert (layer(kind, candidate="linear")(x)[0] < 0).any()
