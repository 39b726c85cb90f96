"""Sampled softmax: its estimate of Z over every set that can be drawn, and its limits."""

import itertools
import math

import pytest
import torch
from helpers import seeded
from torch import Tensor

from rnnlib import fused
from rnnlib.models import chances, sampled_cross_entropy


def arguments(K: int = 7, N: int = 4, H: int = 3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """h (N, H), W (K, H), b (K,), y (N,), the weights with gradients, in double precision."""
    generator = seeded(1)
    h, W, b = (
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in ((N, H), (K, H), (K,))
    )
    return h, W, b, torch.randint(K, (N,), generator=generator)


def test_with_every_chance_one_it_is_the_cross_entropy_and_so_are_its_gradients() -> None:
    *weights, y = arguments()
    found = sampled_cross_entropy(*weights, y, torch.ones(7, dtype=torch.float64))
    expected = fused.cross_entropy(*weights, y)
    assert found.item() == pytest.approx(expected.item(), rel=1e-14)
    pairs = zip(
        torch.autograd.grad(found, weights), torch.autograd.grad(expected, weights), strict=True
    )
    assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-15) for a, b in pairs)


def test_the_mean_of_the_sum_over_all_draws_is_the_whole_sum(monkeypatch) -> None:
    """Every subset of the words that are no class, each times its chance to be drawn."""
    h, W, b, _ = arguments(N=1)
    y = torch.tensor([2])
    chance = torch.tensor([0.3, 1.0, 0.1, 0.6, 0.9, 0.5, 0.2], dtype=torch.float64)
    others = [k for k in range(7) if k not in (1, 2)]  # 1 has the chance 1
    mean, total = 0.0, 0.0
    for kept in itertools.product([True, False], repeat=len(others)):
        draws = torch.zeros(7, dtype=torch.float64)  # below each chance: drawn
        for k, is_kept in zip(others, kept, strict=True):
            draws[k] = 0.0 if is_kept else 0.999
        monkeypatch.setattr(torch, "rand", lambda *_, made=draws, **__: made)
        with torch.no_grad():
            loss = sampled_cross_entropy(h, W, b, y, chance)
            Z = (loss + (h @ W.T + b)[0, 2]).exp().item()
        p = math.prod(
            chance[k].item() if is_kept else 1 - chance[k].item()
            for k, is_kept in zip(others, kept, strict=True)
        )
        mean, total = mean + p * Z, total + p
    assert total == pytest.approx(1, rel=1e-12)
    assert mean == pytest.approx((h @ W.T + b).exp().sum().item(), rel=1e-12)


def test_each_word_is_drawn_as_often_as_its_chance_says() -> None:
    K = 6
    W = torch.eye(K, dtype=torch.float64).requires_grad_()
    h, b = torch.ones(1, K, dtype=torch.float64), torch.zeros(K, dtype=torch.float64)
    chance = torch.tensor([0.9, 0.5, 0.05, 0.3, 0.7, 1.0], dtype=torch.float64)
    generator, seen = seeded(0), torch.zeros(K)
    for _ in range(4000):
        loss = sampled_cross_entropy(h, W, b, torch.tensor([5]), chance, generator=generator)
        (dW,) = torch.autograd.grad(loss, W)
        seen += (dW != 0).any(dim=1)
    assert torch.allclose(seen.double() / 4000, chance, atol=0.03)  # standard error 0.008 at most


def test_gradients_are_those_of_the_words_drawn_and_right() -> None:
    *weights, y = arguments(K=9)
    chance = torch.full((9,), 0.4, dtype=torch.float64)

    def loss(*now: Tensor) -> Tensor:
        return sampled_cross_entropy(*now, y, chance, generator=seeded(3))

    assert torch.autograd.gradcheck(loss, weights)
    dW = torch.autograd.grad(loss(*weights), weights)[1]
    drawn = (dW != 0).any(dim=1)
    assert drawn[y].all() and not drawn.all()


@pytest.mark.parametrize("size", [1, 3, 40, 99, 100])
def test_chances_add_up_and_go_with_the_root_of_the_frequency(size) -> None:
    f = torch.rand(100, generator=seeded(2), dtype=torch.float64) ** 6 + 1e-6
    c = chances(f, size)
    assert c.sum().item() == pytest.approx(size, rel=1e-12)
    assert 0 < c.min() and c.max() <= 1 + 1e-12
    below = c < 1 - 1e-12
    ratio = (c / f.sqrt())[below]
    assert torch.allclose(ratio, ratio[:1].expand_as(ratio), rtol=1e-12)
    if below.any():  # those that are sure would have had more than 1
        assert ((ratio[0] * f.sqrt())[~below] >= 1 - 1e-12).all()


def test_bad_input_is_named() -> None:
    f = torch.tensor([0.5, 0.3, 0.2])
    with pytest.raises(ValueError, match=r"size .* 3, got 4"):
        chances(f, 4)
    with pytest.raises(ValueError, match="frequencies must all be above zero"):
        chances(torch.tensor([0.5, 0.0, 0.5]), 2)
    with pytest.raises(ValueError, match="frequencies"):
        chances(torch.ones(2, 3), 1)
    *weights, y = arguments()
    with pytest.raises(ValueError, match="chance"):
        sampled_cross_entropy(*weights, y, torch.ones(6, dtype=torch.float64))
    with pytest.raises(ValueError, match="y"):
        sampled_cross_entropy(*weights, y + 7, torch.ones(7, dtype=torch.float64))
