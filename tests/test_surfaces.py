"""Losses of two weights: their gradients, minima and Hessians, and paths over them."""

import math

import pytest
import torch
from torch import Tensor

from rnnlib import optim, surfaces
from rnnlib.surfaces import METHODS, RATES, SURFACES, descend

F64 = torch.float64
by_name = pytest.mark.parametrize("name", list(SURFACES))


def points(*shape: int) -> Tensor:
    """Places in the window, the same each time."""
    low, high = surfaces.WINDOW
    generator = torch.Generator().manual_seed(0)
    return low + (high - low) * torch.rand(*shape, 2, generator=generator, dtype=F64)


def by_hand(name: str, w1: float, w2: float) -> float:
    """The docstrings' formulas, once more, in plain Python."""
    if name == "ravine":
        return 0.5 * w1 * w1 + 50 * w2 * w2
    if name == "rotated":
        return 0.5 * (0.8 * w1 + 0.6 * w2) ** 2 + 50 * (0.8 * w2 - 0.6 * w1) ** 2
    if name == "saddle":
        return 10 * w1 * w1 + 0.25 - 0.5 * w2 * w2 + 0.25 * w2**4
    if name == "plateau":
        return 1 - 1 / (1 + 9 * (w1 - 1) ** 2 + 9 * (w2 + 0.5) ** 2)
    return (1 - w1) ** 2 + 100 * (w2 - w1 * w1) ** 2


@by_name
def test_losses_are_the_formulas_and_gradients_their_slopes(name: str) -> None:
    w = points(4, 3)
    found = SURFACES[name].loss(w)
    assert found.shape == (4, 3)
    for (w1, w2), loss in zip(w.reshape(-1, 2).tolist(), found.flatten().tolist(), strict=True):
        assert math.isclose(loss, by_hand(name, w1, w2), rel_tol=1e-12)
    assert torch.autograd.gradcheck(SURFACES[name].loss, points(5).requires_grad_())


@by_name
def test_minima_are_minima_and_the_loss_there_is_zero(name: str) -> None:
    view = SURFACES[name]
    assert view.loss(points(10_000)).min() > 0
    for minimum in view.minima:
        w = torch.tensor(minimum, dtype=F64, requires_grad=True)
        loss = view.loss(w)
        (gradient,) = torch.autograd.grad(loss, w)
        assert loss.item() == 0 and gradient.tolist() == [0, 0]
        hessian = torch.autograd.functional.hessian(view.loss, w)
        assert (torch.linalg.eigvalsh(hessian) > 0.1).all()
    inside = [a for point in (view.start, *view.minima) for a in point]
    assert min(inside) > surfaces.WINDOW[0] and max(inside) < surfaces.WINDOW[1]


@pytest.mark.parametrize("name", ["ravine", "rotated"])
def test_a_ravine_is_a_hundred_times_as_steep_across(name: str) -> None:
    hessian = torch.autograd.functional.hessian(SURFACES[name].loss, points())
    assert torch.allclose(
        torch.linalg.eigvalsh(hessian), torch.tensor([1.0, 100.0], dtype=F64), rtol=1e-12
    )
    assert (hessian[0, 1].item() == 0) == (name == "ravine")


def test_the_turned_ravine_starts_at_the_same_place_of_the_ravine() -> None:
    here, there = SURFACES["ravine"], SURFACES["rotated"]
    assert math.dist(here.start, (0, 0)) == pytest.approx(math.dist(there.start, (0, 0)), rel=1e-12)
    losses = [view.loss(torch.tensor(view.start, dtype=F64)).item() for view in (here, there)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_the_saddle_has_one_way_up_and_one_way_down() -> None:
    middle = torch.zeros(2, dtype=F64)
    assert surfaces.saddle(middle) == 0.25
    hessian = torch.autograd.functional.hessian(surfaces.saddle, middle)
    assert hessian.tolist() == [[20, 0], [0, -1]]
    on_the_ridge = descend(surfaces.saddle, optim.SGD, (-1.5, 0.0), 200, lr=0.05)
    assert on_the_ridge[:, 1].abs().max() == 0 and on_the_ridge[-1, 0].abs() < 1e-12


def test_the_plateau_is_flat_far_away() -> None:
    w = torch.tensor([[-1.0, 1.2], [1.0, 0.0]], dtype=F64, requires_grad=True)
    (gradient,) = torch.autograd.grad(surfaces.plateau(w).sum(), w)
    far, near = gradient.norm(dim=1).tolist()
    assert far < near / 50
    r = 1e3
    far_out = torch.tensor([[1 + r, -0.5], [1 + 2 * r, -0.5]], dtype=F64, requires_grad=True)
    (gradient,) = torch.autograd.grad(surfaces.plateau(far_out).sum(), far_out)
    assert gradient[0, 0] / gradient[1, 0] == pytest.approx(8, rel=1e-5)  # the distance cubed


@by_name
def test_a_path_is_the_optimiser_s_and_torch_s(name: str) -> None:
    twins = {"Adagrad": torch.optim.Adagrad, "Adadelta": torch.optim.Adadelta,
             "RMSprop": torch.optim.RMSprop, "Adam": torch.optim.Adam}  # fmt: skip
    view = SURFACES[name]
    for method, (optimizer, settings) in METHODS.items():
        settings = settings | {"lr": RATES[name][method] / 10}
        path = descend(view.loss, optimizer, view.start, 40, **settings)
        torchs = descend(view.loss, twins.get(method, torch.optim.SGD), view.start, 40, **settings)
        assert path.shape == (41, 2) and path.dtype == F64 and not path.requires_grad
        assert path[0].tolist() == list(view.start)
        assert torch.allclose(path, torchs, rtol=1e-10, atol=1e-12), method


def test_sgd_on_the_ravine_is_known_in_closed_form() -> None:
    path = descend(surfaces.ravine, optim.SGD, (-1.6, 0.8), 30, lr=0.015)
    t = torch.arange(31, dtype=F64)
    expected = torch.stack([-1.6 * 0.985**t, 0.8 * (-0.5) ** t], dim=1)
    assert torch.allclose(path, expected, rtol=1e-12, atol=0)


def test_a_path_that_runs_away_stops() -> None:
    path = descend(surfaces.ravine, optim.SGD, (-1.6, 0.8), 60, lr=0.03)
    out = int((path.abs().amax(1) > surfaces.BOUND).int().argmax())
    assert out == 11  # 0.8 · 2^t > 1000
    assert path.isfinite().all() and (path[out:] == path[out]).all()
    assert surfaces.ran_away(path) and not surfaces.ran_away(path[:out])

    def cliff(w: Tensor) -> Tensor:
        return torch.where(w[0] > 0.5, math.inf, 0.0) - w[0]  # its gradient is -1 everywhere

    path = descend(cliff, optim.SGD, (0.0, 0.0), 6, lr=0.2)
    assert path[:, 0].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.6, 0.6, 0.6])


def test_no_step_is_the_start_and_starts_may_be_tensors() -> None:
    start = torch.tensor([0.1, 0.3], dtype=F64)
    path = descend(surfaces.valley, optim.Adam, start, 0, lr=0.1)
    assert path.tolist() == [[0.1, 0.3]]
    five = descend(surfaces.valley, optim.Adam, start, 5, lr=0.1)
    assert torch.equal(five, descend(surfaces.valley, optim.Adam, (0.1, 0.3), 5, lr=0.1))
    assert start.tolist() == [0.1, 0.3] and not start.requires_grad
    single = torch.tensor([0.5, 0.25], requires_grad=True)
    path = descend(surfaces.valley, optim.Adam, single, 5, lr=0.1)
    assert torch.equal(path, descend(surfaces.valley, optim.Adam, (0.5, 0.25), 5, lr=0.1))
    assert path.dtype == F64 and not path.requires_grad and single.grad is None


@by_name
def test_the_rates_are_better_than_those_beside_them(name: str) -> None:
    for method in METHODS:
        rate = RATES[name][method]
        k = 10 * math.log10(rate)
        assert rate == float(f"{10 ** (round(k) / 10):.2g}")
        beside = [float(f"{10 ** ((round(k) + n) / 10):.2g}") for n in (-3, -1, 0, 1, 3)]
        assert surfaces.best_rate(SURFACES[name], METHODS[method], 100, beside) == rate, method


def test_the_best_rate_stays_on_the_map() -> None:
    ravine, sgd = SURFACES["ravine"], METHODS["SGD"]
    assert surfaces.best_rate(ravine, sgd, 50, [0.001, 0.01, 0.03]) == 0.01
    with pytest.raises(ValueError, match=r"rates must hold one .* got \[0\.03, 0\.1\]"):
        surfaces.best_rate(ravine, sgd, 50, [0.03, 0.1])


def test_the_best_rate_is_that_of_the_lowest_end_of_its_last_ten_steps() -> None:
    view, sgd = SURFACES["valley"], METHODS["SGD"]
    ends = {}
    for lr in (1e-4, 1e-3, 2e-3, 3e-3):
        path = descend(view.loss, sgd.optimizer, view.start, 30, lr=lr)
        ends[lr] = view.loss(path[21:]).max().item()
    for rates in (list(ends), tuple(reversed(ends)), (lr for lr in ends)):
        assert surfaces.best_rate(view, sgd, 30, rates) == min(ends, key=lambda lr: ends[lr])


def slope(w: Tensor) -> Tensor:
    """A loss that falls evenly in the direction (-1, -1)."""
    return w[..., 0] + w[..., 1] + 4


def test_a_path_may_touch_the_edge_of_the_map_and_its_loss_must_be_a_number() -> None:
    sgd, rates = METHODS["SGD"], [0.0625, 0.125, 0.140625]  # 16 steps of 0.125 are 2
    for sign in (1, -1):  # to the lower edge, and to the upper
        view = surfaces.View(lambda w, sign=sign: slope(sign * w), (0.0, 0.0), ())
        assert surfaces.best_rate(view, sgd, 16, rates) == 0.125

    def torn(w: Tensor) -> Tensor:
        return slope(w) + torch.where(w[..., 0] < -1.9, math.nan, 0.0)

    assert surfaces.best_rate(surfaces.View(torn, (0.0, 0.0), ()), sgd, 16, rates) == 0.0625


@pytest.mark.parametrize("before_the_end", [8, 9, 10, 11])
def test_how_low_a_path_ends_is_the_largest_loss_of_its_last_ten_steps(before_the_end) -> None:
    height = -0.125 * (16 - before_the_end)

    def bump(w: Tensor) -> Tensor:
        return slope(w) + torch.where((w[..., 0] - height).abs() < 1e-9, 9.0, 0.0)

    found = surfaces.best_rate(
        surfaces.View(bump, (0.0, 0.0), ()), METHODS["SGD"], 16, [0.11, 0.125]
    )
    assert found == (0.11 if before_the_end < 10 else 0.125)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"view": surfaces.ravine}, TypeError, "view must be a View, got function"),
        ({"method": optim.SGD}, TypeError, "method must be an optim.Method, got type"),
        ({"method": (optim.SGD, {})}, TypeError, "method must be an optim.Method, got tuple"),
        ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ({"steps": 2.5}, TypeError, "steps must be an integer, got 2.5"),
        ({"rates": 0.1}, TypeError, "rates must be numbers, got float"),
        ({"rates": ["0.1"]}, TypeError, "rates must be a number, got '0.1'"),
        ({"rates": [-0.1]}, ValueError, r"rates must be finite and in \[0.0, inf\], got -0.1"),
        ({"rates": [0.1, math.nan]}, ValueError, "rates must be finite"),
        ({"rates": []}, ValueError, r"rates must hold one whose path stays on the map, got \[\]"),
    ],
)
def test_errors_of_the_best_rate_name_the_argument(wrong, error, message) -> None:
    right = {"view": SURFACES["ravine"], "method": METHODS["SGD"], "steps": 5, "rates": [0.01]}
    assert surfaces.best_rate(**right | {"rates": [0, 0.01], "steps": 20}) == 0.01
    assert surfaces.best_rate(**right | {"steps": 1}) == 0.01
    with pytest.raises(error, match=message):
        surfaces.best_rate(**right | wrong)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("ravine", optim.SGD, (0, 0), 1), TypeError, "surface must be a function, got 'ravine'"),
        ((surfaces.ravine, "SGD", (0, 0), 1), TypeError, "optimizer_class must be a function"),
        ((surfaces.ravine, optim.SGD, (0, 0, 0), 1), ValueError, r"start must have shape \(2,\)"),
        ((surfaces.ravine, optim.SGD, (0, math.nan), 1), ValueError, "start must be finite"),
        ((surfaces.ravine, optim.SGD, 0, 1), TypeError, "start must be two numbers, got int"),
        ((surfaces.ravine, optim.SGD, "ab", 1), TypeError, "start must be a number, got 'a'"),
        (
            (surfaces.ravine, optim.SGD, torch.tensor([0, math.inf]), 1),
            ValueError,
            "start must be fin",
        ),
        (
            (surfaces.ravine, optim.SGD, torch.tensor([0, 1]), 1),
            TypeError,
            "start must hold floating",
        ),
        (
            (lambda w: w, optim.SGD, (0, 0), 1),
            ValueError,
            r"what surface returns must have shape \(\)",
        ),
        (
            (lambda w: 1.0, optim.SGD, (0, 0), 1),
            TypeError,
            "what surface returns must be a torch.Ten",
        ),
        ((surfaces.ravine, optim.SGD, (0, 0), -1), ValueError, "steps must be at least 0, got -1"),
        ((surfaces.ravine, optim.SGD, (0, 0), 2.5), TypeError, "steps must be an integer, got 2.5"),
    ],
)
def test_errors_name_the_argument(arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        descend(*arguments, lr=0.1)
    with pytest.raises(ValueError, match="lr must be finite"):
        descend(surfaces.ravine, optim.SGD, (0, 0), 1, lr=-0.1)
    with pytest.raises(ValueError, match=r"w must have shape \(\.\.\., 2\), got \(3,\)"):
        surfaces.valley(torch.zeros(3))
