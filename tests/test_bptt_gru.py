"""The GRU's hand-derived gradients, against central differences, our cell and torch, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import largest_error, layer, normal
from torch import Tensor, nn
from torch.nn import functional

from rnnlib import bptt, layers
from rnnlib.check import central_difference

#         N, T, D, H, K
SIZES = [
    (1, 1, 1, 1, 2),
    (3, 1, 2, 4, 5),
    (1, 6, 3, 4, 2),
    (4, 5, 1, 1, 3),
    (2, 3, 5, 2, 4),
    (5, 12, 3, 8, 10),
    (2, 25, 4, 10, 3),
]
WEIGHTS = ["W_x", "W_h", "b", "b_nh"]
each_problem = pytest.mark.parametrize("loss_at", ["last step", "every step"])
each_size = pytest.mark.parametrize("size", SIZES, ids=str)


def problem(size: tuple[int, ...], loss_at: str) -> dict[str, Any]:
    """All arrays of ``gru_loss``, at random; h0 and the biases are not zero.

    Weights of a typical size well above the default, so that the gates leave 1/2 and each of
    the backward pass's terms counts; the update gate's bias keeps the gradient alive.
    """
    N, T, D, H, K = size
    rng = np.random.default_rng(sum(size))
    shapes = {"x": (N, T, D), "h0": (N, H), "W_x": (3 * H, D), "W_h": (3 * H, H), "b": (3 * H,)}
    shapes |= {"b_nh": (H,), "W_ph": (K, H), "b_p": (K,)}
    arrays = {name: 0.5 * rng.normal(size=shape) for name, shape in shapes.items()}
    arrays["W_h"] *= 2 / np.sqrt(H)
    arrays["b"][H : 2 * H] += 1.0
    labels = rng.integers(0, K, (N, T) if loss_at == "every step" else (N,))
    return arrays | {"y": labels}


def loss_of(a: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    weights = {name: a[name] for name in (*WEIGHTS, "W_ph", "b_p")}
    return bptt.gru_loss(a["x"], a["y"], a["h0"], weights)


def forward(a: dict[str, Any]) -> tuple[np.ndarray, bptt.GRUCache]:
    return bptt.gru_forward(a["x"], a["h0"], {name: a[name] for name in WEIGHTS})


def backward(a: dict[str, Any], dh_immediate: np.ndarray) -> dict[str, Any]:
    return bptt.gru_backward(dh_immediate, forward(a)[1])


def leaves(arguments: dict[str, Any]) -> dict[str, Tensor]:
    return {k: torch.tensor(v, requires_grad=True) for k, v in arguments.items() if k != "y"}


def readout(hs: Tensor, leaf: dict[str, Tensor], y: np.ndarray) -> Tensor:
    """The loss of hidden states (N, T, H) by torch."""
    p = (hs if y.ndim == 2 else hs[:, -1]) @ leaf["W_ph"].T + leaf["b_p"]
    return functional.cross_entropy(p.reshape(-1, p.shape[-1]), torch.from_numpy(y).reshape(-1))


def by_our_cell(arguments: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """The loss and its gradients by autograd through ``layers.unroll``; "h" is each h_t's own."""
    leaf = leaves(arguments)
    cell = layer("gru", leaf["x"].shape[2], leaf["h0"].shape[1]).cells[0]
    for name in WEIGHTS:
        delattr(cell, name)
        setattr(cell, name, leaf[name])
    hs = layers.unroll(cell, leaf["x"], leaf["h0"])
    for h in hs:
        h.retain_grad()
    loss = readout(torch.stack(hs, dim=1), leaf, arguments["y"])
    loss.backward()
    grads = {name: value.grad for name, value in leaf.items()}
    return loss.item(), grads | {"h": torch.stack([h.grad for h in hs], dim=1)}


def by_torch(arguments: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """The loss and its gradients by ``torch.nn.GRU``, whose second bias holds b_nh."""
    leaf = leaves(arguments)
    H = leaf["h0"].shape[1]
    gru = nn.GRU(leaf["x"].shape[2], H, batch_first=True).double()
    with torch.no_grad():
        gru.weight_ih_l0.copy_(leaf["W_x"])
        gru.weight_hh_l0.copy_(leaf["W_h"])
        gru.bias_ih_l0.copy_(leaf["b"])
        gru.bias_hh_l0.zero_()
        gru.bias_hh_l0[2 * H :] = leaf["b_nh"]
    hs, _ = gru(leaf["x"], leaf["h0"][None])
    loss = readout(hs, leaf, arguments["y"])
    loss.backward()
    grads = {k: leaf[k].grad for k in ("x", "h0", "W_ph", "b_p")}
    grads |= {"W_x": gru.weight_ih_l0.grad, "W_h": gru.weight_hh_l0.grad}
    grads |= {"b": gru.bias_ih_l0.grad, "b_nh": gru.bias_hh_l0.grad[2 * H :]}
    return loss.item(), grads


def by_differences(a: dict[str, Any]) -> dict[str, Any]:
    """Central differences of the loss, which needs no backward pass, for every array."""

    def loss() -> float:
        return bptt.readout_loss(forward(a)[0], a["y"], a["W_ph"], a["b_p"])[0]

    return {k: central_difference(loss, v) for k, v in a.items() if k != "y"}


@each_size
@each_problem
def test_hand_gradients_equal_central_differences(size, loss_at) -> None:
    arguments = problem(size, loss_at)
    _, grads = loss_of(arguments)
    del grads["h"]  # not an argument: autograd has it
    assert largest_error(grads, by_differences(arguments)) <= 1e-7


@each_size
@each_problem
def test_hand_gradients_and_every_dh_equal_autograd_through_our_cell(size, loss_at) -> None:
    arguments = problem(size, loss_at)
    loss, grads = loss_of(arguments)
    expected_loss, expected = by_our_cell(arguments)
    assert loss == pytest.approx(expected_loss, rel=1e-14)
    assert largest_error(grads, expected) <= 1e-12


@each_size
@each_problem
def test_hand_gradients_equal_torchs_gru(size, loss_at) -> None:
    arguments = problem(size, loss_at)
    loss, grads = loss_of(arguments)
    del grads["h"]  # torch's layer does not show it
    expected_loss, expected = by_torch(arguments)
    assert loss == pytest.approx(expected_loss, rel=1e-14)
    assert largest_error(grads, expected) <= 1e-12


def trace(N: int = 3, T: int = 9) -> tuple[dict[str, Any], np.ndarray]:
    """A problem and a ``dh_immediate``."""
    return problem((N, T, 2, 5, 2), "last step"), normal(N, T, 5).numpy()


def test_gates_are_those_of_the_equations() -> None:
    a, _ = trace()
    h, cache = forward(a)
    gates = cache.gates
    for t in range(9):
        h_before = torch.from_numpy(h[:, t - 1] if t else a["h0"])
        x_part = torch.from_numpy(a["x"][:, t] @ a["W_x"].T + a["b"]).chunk(3, dim=1)
        h_part = (h_before @ torch.from_numpy(a["W_h"].T)).chunk(3, dim=1)
        r, z = (torch.sigmoid(u + v) for u, v in zip(x_part[:2], h_part[:2], strict=True))
        n = torch.tanh(x_part[2] + r * (h_part[2] + torch.from_numpy(a["b_nh"])))
        assert gates[:, t] == pytest.approx(torch.cat([r, z, n], dim=1).numpy(), rel=1e-12)
        r, z, n = np.split(gates[:, t], 3, axis=1)
        assert h[:, t] == pytest.approx(n + z * (h_before.numpy() - n), rel=1e-12)


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_two_chunks_with_the_state_carried_equal_the_whole(cut) -> None:
    a, dh_immediate = trace()
    h, _ = forward(a)
    first, second = a | {"x": a["x"][:, :cut]}, a | {"x": a["x"][:, cut:], "h0": h[:, cut - 1]}
    assert np.array_equal(np.concatenate([forward(first)[0], forward(second)[0]], axis=1), h)

    late = backward(second, dh_immediate[:, cut:])
    to_first = dh_immediate[:, :cut].copy()
    to_first[:, -1] += late["h0"]  # what the second chunk sends back
    early = backward(first, to_first)
    joined = {name: early[name] + late[name] for name in WEIGHTS} | {"h0": early["h0"]}
    joined |= {name: np.concatenate([early[name], late[name]], axis=1) for name in ("x", "h")}
    assert largest_error(joined, backward(a, dh_immediate)) <= 1e-12


def test_a_batch_equals_its_sequences_one_by_one() -> None:
    a, dh_immediate = trace()
    h, _ = forward(a)
    one_by_one = []
    for n in range(3):
        one = a | {"x": a["x"][n : n + 1], "h0": a["h0"][n : n + 1]}
        assert forward(one)[0] == pytest.approx(h[n : n + 1], rel=1e-12)
        one_by_one.append(backward(one, dh_immediate[n : n + 1]))
    joined = {k: sum(g[k] for g in one_by_one) for k in WEIGHTS}
    joined |= {k: np.concatenate([g[k] for g in one_by_one]) for k in ("x", "h0", "h")}
    assert largest_error(joined, backward(a, dh_immediate)) <= 1e-12


def test_two_layers_joined_through_dx_equal_autograd() -> None:
    net = layer("gru", 3, 5, L=2)
    x, h0, dh = normal(4, 6, 3).requires_grad_(), normal(2, 4, 5).requires_grad_(), normal(4, 6, 5)
    outputs, _ = net(x, h0)
    outputs.backward(dh)
    below, above = ({k: getattr(c, k).detach().numpy() for k in WEIGHTS} for c in net.cells)
    starts = h0.detach().numpy()
    h, cache_below = bptt.gru_forward(x.detach().numpy(), starts[0], below)
    _, cache_above = bptt.gru_forward(h, starts[1], above)
    grads_above = bptt.gru_backward(dh.numpy(), cache_above)
    grads_below = bptt.gru_backward(grads_above["x"], cache_below)
    for grads, cell in [(grads_below, net.cells[0]), (grads_above, net.cells[1])]:
        expected = {k: getattr(cell, k).grad for k in WEIGHTS}
        assert largest_error({k: grads[k] for k in WEIGHTS}, expected) <= 1e-12
    found = {"x": grads_below["x"], "h0": np.stack([grads_below["h0"], grads_above["h0"]], axis=1)}
    assert largest_error(found, {"x": x.grad, "h0": h0.grad.transpose(0, 1)}) <= 1e-12


def test_a_state_in_the_unit_box_stays_there_and_open_or_shut_gates_do_not_overflow() -> None:
    a, dh_immediate = trace()
    a["h0"] = np.clip(a["h0"], -1, 1)
    with np.errstate(all="raise", under="ignore"):
        for scale in (1.0, 1e4):
            big = a | {"W_x": scale * a["W_x"], "W_h": scale * a["W_h"]}
            assert np.abs(forward(big)[0]).max() <= 1
            assert all(np.isfinite(g).all() for g in backward(big, dh_immediate).values())


def test_float32_stays_float32_and_arguments_are_left_as_they_were() -> None:
    arguments = problem(SIZES[2], "every step")
    before = {name: value.copy() for name, value in arguments.items()}
    loss_of(arguments)
    assert all(np.array_equal(arguments[name], before[name]) for name in before)
    small = {k: v if k == "y" else v.astype(np.float32) for k, v in arguments.items()}
    _, grads = loss_of(small)
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
