"""The hand-derived gradients, against central differences and against autograd, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import largest_error, layer, normal, seeded
from torch.nn import functional

from rnnlib import bptt, layers
from rnnlib.check import central_difference, relative_error

#         N, T, D, H, K
SIZES = [
    (1, 1, 1, 1, 2),
    (3, 1, 2, 4, 5),
    (1, 6, 3, 4, 2),
    (4, 5, 1, 1, 3),
    (5, 12, 3, 8, 10),
    (2, 25, 4, 10, 3),
]
LOSSES = ["last step", "every step"]
WEIGHTS = ["W_hx", "W_hh", "b_h", "W_ph", "b_p"]
each_problem = pytest.mark.parametrize("loss_at", LOSSES)
each_size = pytest.mark.parametrize("size", SIZES, ids=str)


def problem(size: tuple[int, ...], loss_at: str) -> dict[str, Any]:
    """The arguments of ``rnn_loss``, at random; h0 and the biases are not zero.

    An orthogonal W_hh and small inputs keep the gradient alive at every step: where it vanishes,
    a central difference has no digits left to check.
    """
    N, T, D, H, K = size
    rng = np.random.default_rng(sum(size))
    shapes = {"x": (N, T, D), "h0": (N, H), "W_hx": (H, D), "W_hh": (H, H), "b_h": (H,)}
    shapes |= {"W_ph": (K, H), "b_p": (K,)}
    arrays = {name: 0.3 * rng.normal(size=shape) for name, shape in shapes.items()}
    arrays["W_hh"] = np.linalg.qr(rng.normal(size=(H, H)))[0]
    labels = rng.integers(0, K, (N, T) if loss_at == "every step" else (N,))
    return arrays | {"y": labels}


def by_differences(arguments: dict[str, Any]) -> dict[str, Any]:
    """Central differences with a step of 1e-5 for every argument but the labels."""
    return {
        name: central_difference(lambda: bptt.rnn_loss(**arguments)[0], value, 1e-5)
        for name, value in arguments.items()
        if name != "y"
    }


def by_autograd(arguments: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """The loss and its gradients by torch, through ``layers.unroll``; "h" is each h_t's own."""
    y = torch.from_numpy(arguments["y"])
    leaf = {k: torch.tensor(v, requires_grad=True) for k, v in arguments.items() if k != "y"}
    cell = layer("rnn tanh", leaf["x"].shape[2], leaf["h0"].shape[1]).cells[0]
    for ours, name in [("W_x", "W_hx"), ("W_h", "W_hh"), ("b", "b_h")]:
        delattr(cell, ours)
        setattr(cell, ours, leaf[name])
    hs = layers.unroll(cell, leaf["x"], leaf["h0"])
    for h in hs:
        h.retain_grad()
    read = torch.stack(hs, dim=1) if y.dim() == 2 else hs[-1]
    p = read @ leaf["W_ph"].T + leaf["b_p"]
    loss = functional.cross_entropy(p.reshape(-1, p.shape[-1]), y.reshape(-1))
    loss.backward()
    grads = {name: value.grad for name, value in leaf.items()}
    return loss.item(), grads | {"h": torch.stack([h.grad for h in hs], dim=1)}


def test_the_ruler_measures_and_a_nan_is_no_agreement() -> None:
    assert relative_error(np.array([2.0, 0.0]), np.array([2.0, 0.5])) == 0.25
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    assert not relative_error(np.array([np.nan, 1]), np.ones(2)) <= 1
    assert not relative_error(np.ones(2), np.array([1, np.nan])) <= 1


@each_size
@each_problem
def test_hand_gradients_equal_central_differences(size, loss_at) -> None:
    arguments = problem(size, loss_at)
    _, grads = bptt.rnn_loss(**arguments)
    del grads["h"]  # not an argument: autograd has it
    assert largest_error(grads, by_differences(arguments)) <= 1e-7


@each_size
@each_problem
def test_hand_gradients_and_every_dh_equal_autograd(size, loss_at) -> None:
    arguments = problem(size, loss_at)
    loss, grads = bptt.rnn_loss(**arguments)
    expected_loss, expected = by_autograd(arguments)
    assert loss == pytest.approx(expected_loss, rel=1e-14)
    assert largest_error(grads, expected) <= 1e-12


@each_problem
def test_recursion_stopped_at_the_immediate_derivative_fails_the_check(loss_at) -> None:
    arguments = problem(SIZES[4], loss_at)
    x, h0, y = arguments["x"], arguments["h0"], arguments["y"]
    h = bptt.rnn_forward(x, h0, *(arguments[name] for name in WEIGHTS[:3]))
    p = bptt.readout_forward(h, arguments["W_ph"], arguments["b_p"])
    dh = np.zeros_like(h)
    at = slice(None) if loss_at == "every step" else slice(-1, None)
    dh[:, at] = bptt.cross_entropy(p[:, at], y.reshape(len(y), -1))[1] @ arguments["W_ph"]
    da = (1 - h**2) * dh  # the mistake: nothing comes from the future
    h_before = np.concatenate([h0[:, None], h[:, :-1]], axis=1)
    wrong = {
        "W_hx": np.einsum("nth,ntd->hd", da, x),
        "W_hh": np.einsum("nth,ntk->hk", da, h_before),
        "b_h": da.sum(axis=(0, 1)),
    }
    right = by_differences(arguments)
    _, grads = bptt.rnn_loss(**arguments)
    for name in wrong:
        assert largest_error({name: wrong[name]}, {name: right[name]}) > 1e-2
        assert largest_error({name: grads[name]}, {name: right[name]}) <= 1e-7


def trace(seed: int = 0, N: int = 3, T: int = 9) -> tuple[dict[str, Any], np.ndarray]:
    """The arguments of ``rnn_forward`` and a ``dh_immediate``."""
    arguments = problem((N, T, 2, 5, 2), "last step")
    weights = {name: arguments[name] for name in ("x", "h0", "W_hx", "W_hh", "b_h")}
    return weights, normal(N, T, 5, seed=seed).numpy()


def backward(a: dict[str, Any], dh_immediate: np.ndarray, h: np.ndarray) -> dict[str, Any]:
    return bptt.rnn_backward(dh_immediate, a["x"], a["h0"], h, a["W_hx"], a["W_hh"])


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_two_chunks_with_the_state_carried_equal_the_whole(cut) -> None:
    a, dh_immediate = trace()
    h = bptt.rnn_forward(**a)
    first = a | {"x": a["x"][:, :cut]}
    h_first = bptt.rnn_forward(**first)
    second = a | {"x": a["x"][:, cut:], "h0": h_first[:, -1]}
    h_second = bptt.rnn_forward(**second)
    assert np.array_equal(np.concatenate([h_first, h_second], axis=1), h)

    whole = backward(a, dh_immediate, h)
    late = backward(second, dh_immediate[:, cut:], h_second)
    to_first = dh_immediate[:, :cut].copy()
    to_first[:, -1] += late["h0"]  # what the second chunk sends back
    early = backward(first, to_first, h_first)
    joined = {name: early[name] + late[name] for name in ("W_hx", "W_hh", "b_h")}
    joined |= {name: np.concatenate([early[name], late[name]], axis=1) for name in ("x", "h")}
    assert largest_error(joined | {"h0": early["h0"]}, whole) <= 1e-12


def test_a_batch_equals_its_sequences_one_by_one() -> None:
    a, dh_immediate = trace()
    h = bptt.rnn_forward(**a)
    whole = backward(a, dh_immediate, h)
    one_by_one = []
    for n in range(3):
        one = a | {"x": a["x"][n : n + 1], "h0": a["h0"][n : n + 1]}
        h_n = bptt.rnn_forward(**one)
        assert h_n == pytest.approx(h[n : n + 1], rel=1e-12)
        one_by_one.append(backward(one, dh_immediate[n : n + 1], h_n))
    joined = {k: sum(g[k] for g in one_by_one) for k in ("W_hx", "W_hh", "b_h")}
    joined |= {k: np.concatenate([g[k] for g in one_by_one]) for k in ("x", "h0", "h")}
    assert largest_error(joined, whole) <= 1e-12


def test_two_layers_joined_through_dx_equal_autograd() -> None:
    net = layer("rnn tanh", 3, 5, L=2)
    x, h0, dh = normal(4, 6, 3).requires_grad_(), normal(2, 4, 5).requires_grad_(), normal(4, 6, 5)
    outputs, _ = net(x, h0)
    outputs.backward(dh)
    weights = [[w.detach().numpy() for w in cell.parameters()] for cell in net.cells]
    xs, (below, above) = x.detach().numpy(), h0.detach().numpy()
    h1 = bptt.rnn_forward(xs, below, *weights[0])
    h2 = bptt.rnn_forward(h1, above, *weights[1])
    g2 = bptt.rnn_backward(dh.numpy(), h1, above, h2, *weights[1][:2])
    g1 = bptt.rnn_backward(g2["x"], xs, below, h1, *weights[0][:2])
    for grads, cell in [(g1, net.cells[0]), (g2, net.cells[1])]:
        found = {name: grads[name] for name in ("W_hx", "W_hh", "b_h")}
        expected = dict(zip(found, (w.grad for w in cell.parameters()), strict=True))
        assert largest_error(found, expected) <= 1e-12
    found = {"x": g1["x"], "h0": np.stack([g1["h0"], g2["h0"]], axis=1)}
    assert largest_error(found, {"x": x.grad, "h0": h0.grad.transpose(0, 1)}) <= 1e-12


@pytest.mark.parametrize("scale", [1.0, 1000.0])
@pytest.mark.parametrize("shape", [(7, 4), (3, 5, 4), (6, 1), (4,)])
def test_cross_entropy_equals_torch_also_for_logits_of_1000(shape, scale) -> None:
    p = scale * normal(*shape)
    y = torch.randint(0, shape[-1], shape[:-1], generator=seeded())
    loss, dp = bptt.cross_entropy(p.numpy(), y.numpy())
    p.requires_grad_()
    expected = functional.cross_entropy(p.reshape(-1, shape[-1]), y.reshape(-1))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-14, abs=1e-300)
    assert dp == pytest.approx(p.grad.numpy(), rel=1e-12, abs=1e-16)


def test_cross_entropy_of_one_huge_wrong_logit_is_its_size() -> None:
    loss, dp = bptt.cross_entropy(np.array([[1000.0, 0.0]]), np.array([1]))
    assert loss == 1000.0
    assert dp.tolist() == [[1.0, -1.0]]


def test_softmax_equals_torch_and_does_not_overflow() -> None:
    p = 1000 * normal(3, 5, 4)
    y_hat = bptt.softmax(p.numpy())
    assert y_hat == pytest.approx(torch.softmax(p, dim=-1).numpy(), rel=1e-12, abs=1e-300)
    assert y_hat.sum(axis=-1) == pytest.approx(1.0, rel=1e-15)


def test_float32_stays_float32() -> None:
    arguments = problem(SIZES[2], "last step")
    small = {k: v if k == "y" else v.astype(np.float32) for k, v in arguments.items()}
    _, grads = bptt.rnn_loss(**small)
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}


def test_the_arguments_are_left_as_they_were() -> None:
    arguments = problem(SIZES[2], "every step")
    before = {name: value.copy() for name, value in arguments.items()}
    bptt.rnn_loss(**arguments)
    assert all(np.array_equal(arguments[name], before[name]) for name in before)
