"""Losses of two weights, to watch an optimiser's path on a map.

Each takes w (..., 2) and gives a loss (...), at least 0 and 0 at its minima. All are meant to be
seen in the square ``WINDOW`` x ``WINDOW``; ``SURFACES`` has a point to start from for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

from rnnlib import optim, validate

WINDOW = (-2.0, 2.0)  # of both weights
BOUND = 1000.0  # a path that has left [-BOUND, BOUND] has run away

Surface = Callable[[Tensor], Tensor]


def ravine(w: Tensor) -> Tensor:
    """½ (w₁² + 100 w₂²): a hundred times as steep across as along; minimum at (0, 0).

    The Hessian has the eigenvalues 1 and 100, its condition number is 100. Plain descent needs
    η < 2/100 not to diverge across, and then makes steps of at most 2/100 of the way along.
    """
    w1, w2 = _weights(w)
    return (w1**2 + 100 * w2**2) / 2


def rotated(w: Tensor) -> Tensor:
    """The ravine, turned by about 37°: ½ (u² + 100 v²), u = (4w₁ + 3w₂)/5, v = (4w₂ - 3w₁)/5.

    Same eigenvalues, same minimum. Neither weight alone is the steep one any more, so a method
    that scales each weight by itself cannot undo the condition number.
    """
    w1, w2 = _weights(w)
    u, v = (4 * w1 + 3 * w2) / 5, (4 * w2 - 3 * w1) / 5
    return (u**2 + 100 * v**2) / 2


def saddle(w: Tensor) -> Tensor:
    """10 w₁² + ¼ (w₂² - 1)²: a saddle at (0, 0), minima at (0, 1) and (0, -1).

    At the saddle the loss is ¼ and the Hessian diag(20, -1). On the line w₂ = 0 the gradient
    leads into the saddle; beside it, it leads away, the more slowly the nearer. Plain descent
    needs η < 2/20, so at most a tenth is added to w₂ in a step.
    """
    w1, w2 = _weights(w)
    return 10 * w1**2 + (w2**2 - 1) ** 2 / 4


def plateau(w: Tensor) -> Tensor:
    """r² / (1 + r²), r² = 9 ((w₁ - 1)² + (w₂ + ½)²): a basin in a plain; minimum at (1, -½).

    Far from the basin the loss is nearly 1, and the gradient falls with the cube of the distance.
    The shape is the robust loss of Geman and McClure (1987).
    """
    w1, w2 = _weights(w)
    squared = 9 * ((w1 - 1) ** 2 + (w2 + 0.5) ** 2)
    return squared / (1 + squared)


def valley(w: Tensor) -> Tensor:
    """(1 - w₁)² + 100 (w₂ - w₁²)²: a bent, almost level valley; minimum at (1, 1).

    Source: Rosenbrock (1960), from whom the start (-1.2, 1) is too.
    """
    w1, w2 = _weights(w)
    return (1 - w1) ** 2 + 100 * (w2 - w1**2) ** 2


class View(NamedTuple):
    """A surface and where to look at it."""

    loss: Surface
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]


SURFACES = {
    "ravine": View(ravine, (-1.6, 0.8), ((0.0, 0.0),)),
    "rotated": View(rotated, (-1.76, -0.32), ((0.0, 0.0),)),  # the ravine's start, turned
    "saddle": View(saddle, (-1.5, 0.01), ((0.0, 1.0), (0.0, -1.0))),
    "plateau": View(plateau, (-1.0, 1.2), ((1.0, -0.5),)),
    "valley": View(valley, (-1.2, 1.0), ((1.0, 1.0),)),
}


METHODS = {name: method for name, method in optim.METHODS.items() if name != "AdamW"}  # no decay

# What ``best_rate`` finds for 100 steps among 10^(k/10), k from -40 to 20, rounded to two digits.
RATES = {
    "ravine": dict(zip(METHODS, (0.016, 0.0063, 0.0063, 2.0, 25.0, 0.079, 0.05), strict=True)),
    "rotated": dict(zip(METHODS, (0.016, 0.0063, 0.0063, 1.0, 25.0, 0.1, 0.5), strict=True)),
    "saddle": dict(zip(METHODS, (0.079, 0.032, 0.05, 1.6, 20.0, 0.1, 0.063), strict=True)),
    "plateau": dict(zip(METHODS, (0.63, 0.13, 0.1, 0.16, 2.0, 0.0079, 0.5), strict=True)),
    "valley": dict(zip(METHODS, (0.004, 0.0032, 0.0016, 1.0, 79.0, 0.1, 0.79), strict=True)),
}


def descend(
    surface: Surface,
    optimizer_class: Callable[..., Optimizer],
    start: Sequence[float] | Tensor,
    steps: int,
    **settings: Any,
) -> Tensor:
    """The path (steps + 1, 2) of an optimiser from ``start``, in float64; row 0 is the start.

    surface: maps w (2) to a loss (), with a gradient. settings: the optimiser's, its lr among them.
    A path that has a weight beyond ±``BOUND``, or a loss that is not finite, stays where it is.

    Raises TypeError or ValueError for arguments that do not fit, and what the optimiser raises.
    """
    validate.function("surface", surface)
    validate.function("optimizer_class", optimizer_class)
    steps = validate.positive_int("steps", steps, minimum=0)
    if not isinstance(validate.instance("start", start, Iterable, "two numbers"), Tensor):
        values = [validate.real("start", value) for value in start]
        start = torch.tensor(values, dtype=torch.float64)
    first = validate.tensor("start", start, (2,), finite=True).detach().double()
    w = first.clone().requires_grad_()
    optimizer = optimizer_class([w], **settings)
    path = [first]
    for _ in range(steps):
        loss = validate.tensor("what surface returns", surface(w), ())
        if path[-1].abs().max() <= BOUND and math.isfinite(loss.item()):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        path.append(w.detach().clone())
    return torch.stack(path)


def best_rate(view: View, method: optim.Method, steps: int, rates: Sequence[float]) -> float:
    """The learning rate of ``rates`` with the lowest end among the paths that stay on the map.

    How low a path ends is the largest loss of its last ten steps, so that one lucky step does not
    count. Raises ValueError if every path leaves ``WINDOW``, and TypeError or ValueError for
    arguments that do not fit.
    """
    validate.instance("view", view, View, "a View")
    validate.instance("method", method, optim.Method, "an optim.Method")
    validate.positive_int("steps", steps)
    validate.instance("rates", rates, Iterable, "numbers")
    rates = [validate.real("rates", lr, low=0.0) for lr in rates]
    ends: dict[float, float] = {}
    for lr in rates:
        path = descend(view.loss, method.optimizer, view.start, steps, lr=lr, **method.settings)
        end = view.loss(path[-10:]).max().item()
        if path.min() >= WINDOW[0] and path.max() <= WINDOW[1] and end < math.inf:
            ends[lr] = end
    if not ends:
        raise ValueError(f"rates must hold one whose path stays on the map, got {rates}")
    return min(ends, key=ends.__getitem__)


def ran_away(path: Tensor) -> bool:
    """Whether a path (steps + 1, 2) has left [-``BOUND``, ``BOUND``]."""
    return not bool(validate.tensor("path", path, ("S", 2))[-1].abs().max() <= BOUND)


def _weights(w: Tensor) -> tuple[Tensor, Tensor]:
    """w₁ and w₂ of w (..., 2)."""
    validate.tensor("w", w, (..., 2))
    return w[..., 0], w[..., 1]
