"""The fast LSTM: in float64 torch's and the loop's numbers; in bfloat16 near them."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import largest_error, layer, normal
from torch import Tensor

from rnnlib import bptt, fused, layers

#         T, N, D, H
SIZES = [(1, 1, 1, 1), (6, 1, 3, 4), (5, 4, 1, 1), (12, 5, 3, 8), (25, 2, 4, 10)]
each_size = pytest.mark.parametrize("size", SIZES, ids=str)
NAMES = ("x", "h0", "c0", "W_x", "W_h", "b")


def problem(size: tuple[int, ...]) -> dict[str, Tensor]:
    """The arguments of ``fused.lstm``, at random, as leaves; no state and no bias is zero."""
    T, N, D, H = size
    shapes = [(T, N, D), (N, H), (N, H), (4 * H, D), (4 * H, H), (4 * H,)]
    arguments = {
        name: 0.5 * normal(*shape, seed=k)
        for k, (name, shape) in enumerate(zip(NAMES, shapes, strict=True))
    }
    arguments["b"][H : 2 * H] += 2  # gates that keep: the gradient is alive at every step
    return {name: a.requires_grad_() for name, a in arguments.items()}


def with_gradients(h: Tensor, c_T: Tensor, a: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs, and the gradients of a sum in which every h and c_T has its own weight."""
    loss = (h.double() * normal(*h.shape, seed=7)).sum() + (c_T * normal(*c_T.shape, seed=8)).sum()
    grads = torch.autograd.grad(loss, list(a.values()))
    return {"h": h, "c_T": c_T} | {f"d{k}": g for k, g in zip(a, grads, strict=True)}


def arrays(tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Batch first, so that the error is taken step by step."""
    return {
        k: (v.transpose(0, 1) if v.dim() == 3 else v).detach().double().numpy()
        for k, v in tensors.items()
    }


def by_torch(a: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same from ``torch.nn.LSTM``; b goes into the first of its two biases."""
    H = a["h0"].shape[1]
    lstm = torch.nn.LSTM(a["x"].shape[2], H).double()
    weights = {"weight_ih_l0": a["W_x"], "weight_hh_l0": a["W_h"], "bias_ih_l0": a["b"]}
    weights["bias_hh_l0"] = torch.zeros_like(a["b"])
    state = a["h0"][None], a["c0"][None]
    h, (_, c_T) = torch.func.functional_call(lstm, weights, (a["x"], state))
    return with_gradients(h, c_T[0], a)


def by_autograd(a: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same from the book's cell, step by step, differentiated by autograd."""
    cell = layer("lstm", a["x"].shape[2], a["h0"].shape[1]).cells[0]
    for name in ("W_x", "W_h", "b"):
        delattr(cell, name)
        setattr(cell, name, a[name])
    states: Any = layers.unroll(cell, a["x"].transpose(0, 1), (a["h0"], a["c0"]))
    return with_gradients(torch.stack([h for h, _ in states]), states[-1][1], a)


@each_size
@pytest.mark.parametrize("other", [by_torch, by_autograd])
def test_outputs_and_all_gradients_equal(size, other) -> None:
    a = problem(size)
    found = with_gradients(*fused.lstm(**a), a)
    assert largest_error(arrays(found), arrays(other(a))) <= 1e-12


@each_size
def test_gradients_equal_those_by_hand_in_numpy(size) -> None:
    a = problem(size)
    n = arrays(a)
    h, _ = fused.lstm(**a)
    dh = normal(*h.shape, seed=7)
    found = dict(zip(NAMES, torch.autograd.grad((h * dh).sum(), list(a.values())), strict=True))
    weights = {k: n[k] for k in ("W_x", "W_h", "b")}
    _, cache = bptt.lstm_forward(n["x"], (n["h0"], n["c0"]), weights)
    expected = bptt.lstm_backward(*arrays({"dh": dh}).values(), cache)
    assert largest_error(arrays(found), {k: expected[k] for k in NAMES}) <= 1e-12


def test_gradcheck() -> None:
    a = problem((3, 2, 2, 3))
    assert torch.autograd.gradcheck(fused.lstm, tuple(a.values()))


def test_a_sequence_in_two_pieces_equals_the_whole() -> None:
    a = problem((12, 5, 3, 8))
    whole = with_gradients(*fused.lstm(**a), a)
    x = a["x"]
    h, c = fused.lstm(**a | {"x": x[:5]})
    h_2, c_2 = fused.lstm(**a | {"x": x[5:], "h0": h[-1], "c0": c})
    pieces = with_gradients(torch.cat([h, h_2]), c_2, a)
    assert largest_error(arrays(pieces), arrays(whole)) <= 1e-12


def wide() -> dict[str, Tensor]:
    """A layer of the size that is used: 64 steps, 256 cells, in float32."""
    T, N, D, H = 64, 8, 65, 256
    g = torch.Generator().manual_seed(0)
    x = torch.nn.functional.one_hot(torch.randint(0, D, (T, N), generator=g), D).float()
    a = {"x": x, "h0": torch.zeros(N, H), "c0": torch.zeros(N, H)}
    for name, shape in [("W_x", (4 * H, D)), ("W_h", (4 * H, H)), ("b", (4 * H,))]:
        a[name] = (torch.rand(shape, generator=g) * 2 - 1) / H**0.5
    a["b"][H : 2 * H] += 1
    return {name: v.requires_grad_() for name, v in a.items()}


def test_float32_is_within_1e_5_of_float64() -> None:
    a = wide()
    exact = {k: v.detach().double().requires_grad_() for k, v in a.items()}
    found = with_gradients(*fused.lstm(**a), a)
    expected = with_gradients(*fused.lstm(**exact), exact)
    assert {v.dtype for v in found.values()} == {torch.float32}
    assert largest_error(arrays(found), arrays(expected)) <= 1e-5


def test_products_in_bfloat16_are_within_2_per_cent_and_weights_keep_their_type() -> None:
    a = wide()
    found = with_gradients(*fused.lstm(**a, products=torch.bfloat16), a)
    expected = with_gradients(*fused.lstm(**a), a)
    assert found["h"].dtype == torch.bfloat16
    assert all(v.dtype == torch.float32 for k, v in found.items() if k != "h")
    errors = {k: largest_error(arrays({k: found[k]}), arrays({k: expected[k]})) for k in found}
    assert max(errors.values()) <= 0.02, errors
    assert errors["dW_h"] > 1e-5  # the products were taken in bfloat16 indeed


def test_the_arguments_are_left_as_they_were() -> None:
    a = problem((5, 4, 1, 1))
    before = {name: v.detach().clone() for name, v in a.items()}
    with_gradients(*fused.lstm(**a), a)
    assert all(torch.equal(a[name], before[name]) for name in before)


def test_the_gradients_that_come_in_are_left_as_they_were() -> None:
    a = problem((5, 4, 1, 1))
    h, c_T = fused.lstm(**a)
    dh, dc_T = normal(*h.shape, seed=7), normal(*c_T.shape, seed=8)
    before = dh.clone(), dc_T.clone()
    torch.autograd.grad([h, c_T], list(a.values()), [dh, dc_T])
    assert torch.equal(dh, before[0]) and torch.equal(dc_T, before[1])


def test_a_second_derivative_of_rounded_products_is_refused() -> None:
    a = problem((3, 2, 2, 3))
    for loss in (Tensor.sum, lambda h: h.square().sum()):  # the first needs no graph by itself
        h, _ = fused.lstm(**a, products=torch.bfloat16)
        with pytest.raises(RuntimeError, match=r"first derivative only.*rnnlib\.LSTM"):
            torch.autograd.grad(loss(h), [a["x"]], create_graph=True)


def hidden(x: Tensor) -> Tensor:
    a = {name: v.detach() for name, v in problem((3, 2, 2, 3)).items()}
    return fused.lstm(**a | {"x": x})[0]


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda x: torch.func.grad(lambda x: hidden(x).sum())(x),
        lambda x: torch.vmap(hidden)(torch.stack([x, x])),
    ],
    ids=["func.grad", "vmap"],
)
def test_what_it_cannot_do_raises(differentiate) -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        differentiate(normal(3, 2, 2))


def test_an_output_changed_in_place_is_found() -> None:
    a = problem((3, 2, 2, 3))
    h, _ = fused.lstm(**a)
    with pytest.raises(RuntimeError, match="inplace"):
        h.mul_(2)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"W_h": torch.zeros(30, 10).double()}, ValueError, r"W_h must have shape \(4H, H\)"),
        ({"W_h": np.zeros((40, 10))}, TypeError, r"W_h must be a torch.Tensor, got ndarray"),
        ({"W_x": normal(4, 40)}, ValueError, r"W_x must have shape \(40, 4\), got \(4, 40\)"),
        ({"x": [1.0]}, TypeError, r"x must be a torch.Tensor, got list"),
        ({"h0": [1.0]}, TypeError, r"h0 must be a torch.Tensor, got list"),
        ({"x": normal(2, 4)}, ValueError, r"x must have shape \(T, N, D\), got \(2, 4\)"),
        ({"x": normal(25, 2, 4).float()}, TypeError, r"x must have .*float64, got torch.float32"),
        ({"h0": normal(1, 2, 10)}, ValueError, r"h0 must have shape \(2, 10\), got \(1, 2, 10\)"),
        ({"c0": normal(2, 9)}, ValueError, r"c0 must have shape \(2, 10\), got \(2, 9\)"),
        ({"b": normal(10)}, ValueError, r"b must have shape \(40,\), got \(10,\)"),
        (
            {"products": torch.float16},
            ValueError,
            r"products must be .*bfloat16, got torch.float16",
        ),
    ],
)
def test_a_wrong_argument_is_named(wrong, error, message) -> None:
    with pytest.raises(error, match=message):
        fused.lstm(**problem((25, 2, 4, 10)) | wrong)
