"""The readout's loss by hand: autograd's numbers in float64, near them with bfloat16 products."""

import pytest
import torch
from helpers import normal, seeded
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from rnnlib import fused

SIZES = [(1, 1, 2), (7, 3, 5), (12, 9, 40)]  # N, H, K


def problem(size: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    N, H, K = size
    h, W, b = normal(N, H), normal(K, H, seed=1), normal(K, seed=2)
    y = torch.randint(K, (N,), generator=seeded(3))
    return h.requires_grad_(), W.requires_grad_(), b.requires_grad_(), y


def errors(found: list[Tensor], expected: list[Tensor]) -> list[float]:
    pairs = zip(found, expected, strict=True)
    return [((a - b).abs().max() / b.abs().max()).item() for a, b in pairs]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_loss_and_gradients_are_autograds(size) -> None:
    h, W, b, y = problem(size)
    loss = fused.cross_entropy(h, W, b, y)
    expected = cross_entropy(linear(h, W, b), y)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-13)
    ours = torch.autograd.grad(3 * loss, (h, W, b))
    theirs = torch.autograd.grad(3 * expected, (h, W, b))
    assert max(errors(list(ours), list(theirs))) < 1e-13


def test_gradients_are_differences() -> None:
    h, W, b, y = problem(SIZES[1])
    assert torch.autograd.gradcheck(lambda *a: fused.cross_entropy(*a, y), (h, W, b))


def test_logits_far_apart_neither_overflow_nor_lose_the_loss() -> None:
    h, W = torch.tensor([[1.0]]), torch.tensor([[-900.0], [900.0]], requires_grad=True)
    loss = fused.cross_entropy(h, W, torch.zeros(2), torch.tensor([0]))
    loss.backward()
    assert loss.item() == 1800
    assert W.grad is not None and W.grad.tolist() == [[-1], [1]]


def test_products_in_bfloat16_are_near_and_all_else_is_float32() -> None:
    h, W, b, y = problem((300, 50, 400))
    h, W, b = (a.detach().float().requires_grad_() for a in (h * 0.2, W * 0.2, b))
    exact = fused.cross_entropy(h, W, b, y)
    near = fused.cross_entropy(h, W, b, y, torch.bfloat16)
    assert near.dtype == torch.float32
    assert 0 < abs(near.item() - exact.item()) < 1e-3
    expected = torch.autograd.grad(exact, (h, W, b))
    found = torch.autograd.grad(near, (h, W, b))
    assert all(g.dtype == torch.float32 for g in found)
    for a, e in zip(found, expected, strict=True):
        assert 0 < ((a - e).norm() / e.norm()).item() < 0.01
    logits = linear(h.bfloat16(), W.bfloat16()).float() + b  # b is not rounded
    assert near.item() == pytest.approx(cross_entropy(logits, y).item(), rel=1e-6)


def test_without_gradients_only_the_loss_is_computed() -> None:
    h, W, b, y = problem(SIZES[1])
    with torch.no_grad():
        loss = fused.cross_entropy(h, W, b, y)
    assert not loss.requires_grad
    assert loss.item() == fused.cross_entropy(h, W, b, y).item()
    (only,) = torch.autograd.grad(fused.cross_entropy(h.detach(), W, b.detach(), y), W)
    (all_three,) = torch.autograd.grad(fused.cross_entropy(h, W, b, y), W)
    assert torch.equal(only, all_three)


def test_a_second_derivative_is_refused() -> None:
    h, W, b, y = problem(SIZES[1])
    with pytest.raises(RuntimeError, match="first derivative only, got create_graph=True"):
        torch.autograd.grad(fused.cross_entropy(h, W, b, y), h, create_graph=True)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"h": normal(7, 4)}, ValueError, r"h must have shape \(N, 3\), got \(7, 4\)"),
        ({"h": normal(7, 3).float()}, TypeError, "h must "),
        ({"W": normal(5)}, ValueError, r"W must have shape \(K, H\)"),
        ({"b": normal(4)}, ValueError, r"b must have shape \(5,\), got \(4,\)"),
        ({"y": torch.zeros(6, dtype=torch.int64)}, ValueError, r"y must have shape \(7,\)"),
        ({"y": torch.full((7,), 5)}, ValueError, r"y must be in \[0, 5\)"),
        ({"y": torch.zeros(7)}, TypeError, "y must hold integers"),
        ({"products": torch.float16}, ValueError, "products must be torch.float64, .* or"),
    ],
)
def test_wrong_arguments_are_named(wrong, error, says) -> None:
    h, W, b, y = problem(SIZES[1])
    with pytest.raises(error, match=says):
        fused.cross_entropy(**{"h": h, "W": W, "b": b, "y": y} | wrong)
