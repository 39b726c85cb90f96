"""The hand-derived LSTM gradients, against differences, autograd and torch.nn.LSTM, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import largest_error, layer, normal
from torch.nn import functional

from rnnlib import bptt, layers
from rnnlib.check import central_difference

#         N, T, D, H, K
SIZES = [
    (1, 1, 1, 1, 2),
    (3, 1, 2, 4, 5),
    (1, 6, 3, 4, 2),
    (4, 5, 1, 1, 3),
    (5, 12, 3, 8, 10),
    (2, 25, 4, 10, 3),
]
WEIGHTS = ("W_x", "W_h", "b")
each_loss = pytest.mark.parametrize("loss_at", ["last step", "every step"])
each_size = pytest.mark.parametrize("size", SIZES, ids=str)


def problem(size: tuple[int, ...], loss_at: str) -> dict[str, Any]:
    """All arrays of ``lstm_loss``, at random; h0, c0 and the biases are not zero.

    A forget bias of 2 keeps the gradient alive at every step: where it vanishes, a central
    difference has no digits left to check.
    """
    N, T, D, H, K = size
    rng = np.random.default_rng(sum(size))
    shapes = {"x": (N, T, D), "h0": (N, H), "c0": (N, H)}
    shapes |= {"W_x": (4 * H, D), "W_h": (4 * H, H), "b": (4 * H,), "W_ph": (K, H), "b_p": (K,)}
    arrays = {name: 0.5 * rng.normal(size=shape) for name, shape in shapes.items()}
    arrays["b"][H : 2 * H] += 2
    labels = rng.integers(0, K, (N, T) if loss_at == "every step" else (N,))
    return arrays | {"y": labels}


def loss_of(a: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    weights = {name: a[name] for name in (*WEIGHTS, "W_ph", "b_p")}
    return bptt.lstm_loss(a["x"], a["y"], (a["h0"], a["c0"]), weights)


def forward(a: dict[str, Any]) -> tuple[np.ndarray, bptt.LSTMCache]:
    return bptt.lstm_forward(a["x"], (a["h0"], a["c0"]), {name: a[name] for name in WEIGHTS})


def backward(a: dict[str, Any], dh_immediate: np.ndarray) -> dict[str, Any]:
    return bptt.lstm_backward(dh_immediate, forward(a)[1])


def by_differences(a: dict[str, Any]) -> dict[str, Any]:
    """Central differences with a step of 1e-5 of the loss, which needs no backward pass, for every array."""

    def loss() -> float:
        return bptt.readout_loss(forward(a)[0], a["y"], a["W_ph"], a["b_p"])[0]

    return {k: central_difference(loss, v, 1e-5) for k, v in a.items() if k != "y"}


def leaves(arguments: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {k: torch.tensor(v, requires_grad=True) for k, v in arguments.items() if k != "y"}


def read_out(h: torch.Tensor, leaf: dict[str, torch.Tensor], y: np.ndarray) -> torch.Tensor:
    """The loss of h (N, T, H)."""
    p = (h if y.ndim == 2 else h[:, -1]) @ leaf["W_ph"].T + leaf["b_p"]
    return functional.cross_entropy(p.flatten(0, -2), torch.from_numpy(y).flatten())


def by_autograd(arguments: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """The loss and its gradients through ``layers.unroll``; "h" and "c" are each step's own."""
    leaf = leaves(arguments)
    cell = layer("lstm", leaf["x"].shape[2], leaf["h0"].shape[1]).cells[0]
    for name in WEIGHTS:
        delattr(cell, name)
        setattr(cell, name, leaf[name])
    states = layers.unroll(cell, leaf["x"], (leaf["h0"], leaf["c0"]))
    for h, c in states:
        h.retain_grad()
        c.retain_grad()
    loss = read_out(torch.stack([h for h, _ in states], dim=1), leaf, arguments["y"])
    loss.backward()
    each_step = {
        name: torch.stack([s[k].grad for s in states], dim=1) for k, name in enumerate("hc")
    }
    return loss.item(), {name: value.grad for name, value in leaf.items()} | each_step


def by_torch_lstm(arguments: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """The loss and its gradients through ``torch.nn.LSTM``; b goes into the first of its biases."""
    leaf = leaves(arguments)
    lstm = torch.nn.LSTM(leaf["x"].shape[2], leaf["h0"].shape[1], batch_first=True).double()
    weights = {"weight_ih_l0": leaf["W_x"], "weight_hh_l0": leaf["W_h"], "bias_ih_l0": leaf["b"]}
    weights["bias_hh_l0"] = torch.zeros_like(leaf["b"])
    state = (leaf["h0"][None], leaf["c0"][None])
    h, _ = torch.func.functional_call(lstm, weights, (leaf["x"], state))
    loss = read_out(h, leaf, arguments["y"])
    loss.backward()
    return loss.item(), {name: value.grad for name, value in leaf.items()}


@each_size
def test_the_forward_pass_equals_torch_and_keeps_every_gate(size) -> None:
    a = problem(size, "last step")
    H = size[3]
    h, cache = forward(a)
    c, gates = cache.c, cache.gates
    cell = layer("lstm", size[2], H).cells[0]
    cell.load_state_dict({k: torch.tensor(a[k]) for k in WEIGHTS})
    with torch.no_grad():
        state = torch.tensor(a["h0"]), torch.tensor(a["c0"])
        expected = layers.unroll(cell, torch.tensor(a["x"]), state)
    assert h == pytest.approx(torch.stack([s[0] for s in expected], 1).numpy(), rel=1e-13)
    assert c == pytest.approx(torch.stack([s[1] for s in expected], 1).numpy(), rel=1e-13)
    i, f, g, o = np.split(gates, 4, axis=2)
    assert ((i > 0) & (i < 1) & (f > 0) & (f < 1) & (o > 0) & (o < 1) & (np.abs(g) < 1)).all()
    c_before = np.concatenate([a["c0"][:, None], c[:, :-1]], axis=1)
    assert c == pytest.approx(g * i + c_before * f, rel=1e-14)
    assert h == pytest.approx(np.tanh(c) * o, rel=1e-14)


@each_size
@each_loss
def test_hand_gradients_equal_central_differences(size, loss_at) -> None:
    arguments = problem(size, loss_at)
    _, grads = loss_of(arguments)
    del grads["h"], grads["c"]  # not arguments: autograd has them
    assert largest_error(grads, by_differences(arguments)) <= 1e-7


@each_size
@each_loss
def test_hand_gradients_and_every_dh_and_dc_equal_autograd(size, loss_at) -> None:
    arguments = problem(size, loss_at)
    loss, grads = loss_of(arguments)
    expected_loss, expected = by_autograd(arguments)
    assert loss == pytest.approx(expected_loss, rel=1e-14)
    assert largest_error(grads, expected) <= 1e-12


@each_size
@each_loss
def test_hand_gradients_equal_torch_lstm(size, loss_at) -> None:
    arguments = problem(size, loss_at)
    loss, grads = loss_of(arguments)
    expected_loss, expected = by_torch_lstm(arguments)
    del grads["h"], grads["c"]
    assert loss == pytest.approx(expected_loss, rel=1e-14)
    assert largest_error(grads, expected) <= 1e-12


def test_closed_gates_copy_the_cell_state_and_its_gradient() -> None:
    a = problem((3, 40, 2, 5, 2), "last step")
    a["b"][:5], a["b"][5:10], a["b"][15:] = -50, 50, 50  # i = 0, f = 1, o = 1
    h, cache = forward(a)
    assert cache.c == pytest.approx(np.repeat(a["c0"][:, None], 40, axis=1), rel=1e-12)
    dh = np.zeros_like(h)
    dh[:, -1] = normal(3, 5).numpy()
    grads = bptt.lstm_backward(dh, cache)
    assert grads["c0"] == pytest.approx(dh[:, -1] * (1 - np.tanh(a["c0"]) ** 2), rel=1e-12)


def trace(N: int = 3, T: int = 9) -> tuple[dict[str, Any], np.ndarray]:
    """A problem and a ``dh_immediate``."""
    return problem((N, T, 2, 5, 2), "last step"), normal(N, T, 5).numpy()


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_two_chunks_with_the_state_carried_equal_the_whole(cut) -> None:
    a, dh_immediate = trace()
    h, cache = forward(a)
    h_first, first = forward(a | {"x": a["x"][:, :cut]})
    carried = {"h0": h_first[:, -1], "c0": first.c[:, -1]}
    second = a | carried | {"x": a["x"][:, cut:]}
    h_second, late_cache = forward(second)
    assert np.array_equal(np.concatenate([h_first, h_second], axis=1), h)
    assert np.array_equal(np.concatenate([first.c, late_cache.c], axis=1), cache.c)
    whole, late = backward(a, dh_immediate), backward(second, dh_immediate[:, cut:])
    found = {k: late[k] for k in ("x", "h", "c")}
    assert largest_error(found, {k: whole[k][:, cut:] for k in found}) <= 1e-12
    # what h_t gets from its own step is not in the second chunk; c_t gets the rest through h_t
    dh = whole["h"][:, cut - 1]
    assert late["h0"] == pytest.approx(dh - dh_immediate[:, cut - 1], rel=1e-9, abs=1e-12)
    o, tanh_c = np.split(cache.gates[:, cut - 1], 4, axis=1)[3], np.tanh(cache.c[:, cut - 1])
    through_h = dh * o * (1 - tanh_c**2)
    assert late["c0"] == pytest.approx(whole["c"][:, cut - 1] - through_h, rel=1e-9, abs=1e-12)


def test_a_batch_equals_its_sequences_one_by_one() -> None:
    a, dh_immediate = trace()
    whole = backward(a, dh_immediate)
    one_by_one = [
        backward(
            a | {k: a[k][n : n + 1] for k in ("x", "h0", "c0")},
            dh_immediate[n : n + 1],
        )
        for n in range(3)
    ]
    joined = {k: sum(g[k] for g in one_by_one) for k in WEIGHTS}
    joined |= {k: np.concatenate([g[k] for g in one_by_one]) for k in ("x", "h0", "c0", "h", "c")}
    assert largest_error(joined, whole) <= 1e-12


def test_two_layers_joined_through_dx_equal_autograd() -> None:
    net = layer("lstm", 3, 5, L=2)
    x, dh = normal(4, 6, 3).requires_grad_(), normal(4, 6, 5)
    h0, c0 = normal(2, 4, 5, seed=1).requires_grad_(), normal(2, 4, 5, seed=2).requires_grad_()
    outputs, _ = net(x, (h0, c0))
    outputs.backward(dh)
    below, above = ({k: getattr(c, k).detach().numpy() for k in WEIGHTS} for c in net.cells)
    starts = list(zip(h0.detach().numpy(), c0.detach().numpy(), strict=True))
    h, cache_below = bptt.lstm_forward(x.detach().numpy(), starts[0], below)
    _, cache_above = bptt.lstm_forward(h, starts[1], above)
    g2 = bptt.lstm_backward(dh.numpy(), cache_above)
    g1 = bptt.lstm_backward(g2["x"], cache_below)
    for grads, cell in [(g1, net.cells[0]), (g2, net.cells[1])]:
        found = {name: grads[name] for name in WEIGHTS}
        assert largest_error(found, {name: getattr(cell, name).grad for name in found}) <= 1e-12
    found = {"x": g1["x"]} | {k: np.stack([g1[k], g2[k]]) for k in ("h0", "c0")}
    assert largest_error(found, {"x": x.grad, "h0": h0.grad, "c0": c0.grad}) <= 1e-12


def test_sigmoid_equals_torch() -> None:
    a = 3 * normal(4, 7)
    assert bptt.sigmoid(a.numpy()) == pytest.approx(torch.sigmoid(a).numpy(), rel=1e-14)


def test_sigmoid_is_exact_far_out_on_both_sides() -> None:
    a = np.array([-1000.0, -700.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1000.0])
    expected = torch.sigmoid(torch.from_numpy(a)).numpy()
    with np.errstate(over="raise", invalid="raise"):
        assert bptt.sigmoid(a) == pytest.approx(expected, rel=1e-12, abs=1e-320)


def test_float32_stays_float32() -> None:
    arguments = problem(SIZES[2], "last step")
    small = {k: v if k == "y" else v.astype(np.float32) for k, v in arguments.items()}
    _, grads = loss_of(small)
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}


def test_the_arguments_are_left_as_they_were() -> None:
    arguments = problem(SIZES[2], "every step")
    before = {name: value.copy() for name, value in arguments.items()}
    loss_of(arguments)
    assert all(np.array_equal(arguments[name], before[name]) for name in before)
