"""The hand-derived gradients, against central differences and against autograd, in float64."""

import tracemalloc
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
WEIGHTS = ("W_hx", "W_hh", "b_h")
each_problem = pytest.mark.parametrize("loss_at", LOSSES)
each_size = pytest.mark.parametrize("size", SIZES, ids=str)


def problem(size: tuple[int, ...], loss_at: str) -> dict[str, Any]:
    """All arrays of ``rnn_loss``, at random; h0 and the biases are not zero.

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


def loss_of(a: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    weights = {name: a[name] for name in (*WEIGHTS, "W_ph", "b_p")}
    return bptt.rnn_loss(a["x"], a["y"], a["h0"], weights)


def forward(a: dict[str, Any]) -> tuple[np.ndarray, bptt.RNNCache]:
    return bptt.rnn_forward(a["x"], a["h0"], {name: a[name] for name in WEIGHTS})


def backward(a: dict[str, Any], dh_immediate: np.ndarray) -> dict[str, Any]:
    return bptt.rnn_backward(dh_immediate, forward(a)[1])


def by_differences(a: dict[str, Any]) -> dict[str, Any]:
    """Central differences with a step of 1e-5 of the loss, which needs no backward pass, for every array."""

    def loss() -> float:
        return bptt.readout_loss(forward(a)[0], a["y"], a["W_ph"], a["b_p"])[0]

    return {k: central_difference(loss, v, 1e-5) for k, v in a.items() if k != "y"}


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
    _, grads = loss_of(arguments)
    del grads["h"]  # not an argument: autograd has it
    assert largest_error(grads, by_differences(arguments)) <= 1e-7


@each_size
@each_problem
def test_hand_gradients_and_every_dh_equal_autograd(size, loss_at) -> None:
    arguments = problem(size, loss_at)
    loss, grads = loss_of(arguments)
    expected_loss, expected = by_autograd(arguments)
    assert loss == pytest.approx(expected_loss, rel=1e-14)
    assert largest_error(grads, expected) <= 1e-12


@each_problem
def test_recursion_stopped_at_the_immediate_derivative_fails_the_check(loss_at) -> None:
    arguments = problem(SIZES[4], loss_at)
    x, h0, y = arguments["x"], arguments["h0"], arguments["y"]
    h, _ = forward(arguments)
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
    _, grads = loss_of(arguments)
    for name in wrong:
        assert largest_error({name: wrong[name]}, {name: right[name]}) > 1e-2
        assert largest_error({name: grads[name]}, {name: right[name]}) <= 1e-7


def trace(seed: int = 0, N: int = 3, T: int = 9) -> tuple[dict[str, Any], np.ndarray]:
    """A problem and a ``dh_immediate``."""
    return problem((N, T, 2, 5, 2), "last step"), normal(N, T, 5, seed=seed).numpy()


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_two_chunks_with_the_state_carried_equal_the_whole(cut) -> None:
    a, dh_immediate = trace()
    first = a | {"x": a["x"][:, :cut]}
    h_first, _ = forward(first)
    second = a | {"x": a["x"][:, cut:], "h0": h_first[:, -1]}
    assert np.array_equal(np.concatenate([h_first, forward(second)[0]], axis=1), forward(a)[0])

    whole = backward(a, dh_immediate)
    late = backward(second, dh_immediate[:, cut:])
    to_first = dh_immediate[:, :cut].copy()
    to_first[:, -1] += late["h0"]  # what the second chunk sends back
    early = backward(first, to_first)
    joined = {name: early[name] + late[name] for name in WEIGHTS}
    joined |= {name: np.concatenate([early[name], late[name]], axis=1) for name in ("x", "h")}
    assert largest_error(joined | {"h0": early["h0"]}, whole) <= 1e-12


def test_a_batch_equals_its_sequences_one_by_one() -> None:
    a, dh_immediate = trace()
    h, _ = forward(a)
    whole = backward(a, dh_immediate)
    one_by_one = []
    for n in range(3):
        one = a | {"x": a["x"][n : n + 1], "h0": a["h0"][n : n + 1]}
        assert forward(one)[0] == pytest.approx(h[n : n + 1], rel=1e-12)
        one_by_one.append(backward(one, dh_immediate[n : n + 1]))
    joined = {k: sum(g[k] for g in one_by_one) for k in WEIGHTS}
    joined |= {k: np.concatenate([g[k] for g in one_by_one]) for k in ("x", "h0", "h")}
    assert largest_error(joined, whole) <= 1e-12


def test_two_layers_joined_through_dx_equal_autograd() -> None:
    net = layer("rnn tanh", 3, 5, L=2)
    x, h0, dh = normal(4, 6, 3).requires_grad_(), normal(2, 4, 5).requires_grad_(), normal(4, 6, 5)
    outputs, _ = net(x, h0)
    outputs.backward(dh)
    below, above = (
        dict(zip(WEIGHTS, (w.detach().numpy() for w in cell.parameters()), strict=True))
        for cell in net.cells
    )
    starts = h0.detach().numpy()
    h, cache_below = bptt.rnn_forward(x.detach().numpy(), starts[0], below)
    _, cache_above = bptt.rnn_forward(h, starts[1], above)
    g2 = bptt.rnn_backward(dh.numpy(), cache_above)
    g1 = bptt.rnn_backward(g2["x"], cache_below)
    for grads, cell in [(g1, net.cells[0]), (g2, net.cells[1])]:
        found = {name: grads[name] for name in WEIGHTS}
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


@pytest.mark.parametrize("shape", [(3, 5, 4), (6, 9), (4,), (2, 1)])
def test_softmax_equals_torch(shape) -> None:
    p = normal(*shape)
    expected = torch.softmax(p, dim=-1).numpy()
    assert bptt.softmax(p.numpy()) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("scale", [30, 1000])  # 1000: every exponential would overflow or vanish
def test_softmax_of_large_logits_equals_torch(scale) -> None:
    p = scale * normal(3, 5, 4)
    with np.errstate(over="raise", invalid="raise"):
        found = bptt.softmax(p.numpy())
    assert found == pytest.approx(torch.softmax(p, dim=-1).numpy(), rel=1e-12, abs=1e-300)


def test_cross_entropy_of_many_classes_takes_memory_for_the_logits_alone() -> None:
    N, K = 2, 8000
    p, y = normal(N, K), torch.randint(0, K, (N,), generator=seeded())
    logits, labels = p.numpy(), y.numpy()
    tracemalloc.start()
    loss, dp = bptt.cross_entropy(logits, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 10 * logits.nbytes  # a K x K identity would be 4000 times their size
    p.requires_grad_()
    expected = functional.cross_entropy(p, y)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-14)
    assert dp == pytest.approx(p.grad.numpy(), rel=1e-12, abs=1e-16)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "uint64"])
def test_labels_are_integers_of_any_size(dtype) -> None:
    p, y = normal(6, 100).numpy(), np.arange(0, 96, 16)
    loss, dp = bptt.cross_entropy(p, y.astype(dtype))
    expected_loss, expected = bptt.cross_entropy(p, y)
    assert loss == expected_loss and np.array_equal(dp, expected)
    assert type(loss) is float  # that JSON can write, whatever the arrays' data type


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
