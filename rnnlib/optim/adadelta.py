"""Adadelta."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor
from torch.optim.optimizer import ParamsT

from rnnlib.optim.base import GradientMethod, Group, State, buffer, count


class Adadelta(GradientMethod):
    """Adadelta: steps in the weight's own unit, from running means of squared steps and gradients.

        v ← ρ v + (1 - ρ) g²
        Δ = g √(u + ε) / √(v + ε)               (ε inside the roots)
        u ← ρ u + (1 - ρ) Δ²
        w ← w - η Δ

    lr: η, which the paper does not have (1). rho: ρ. eps: ε, which also sets the first steps' size.
    weight_decay: λ of an L2 penalty, g ← g + λ w. maximize: go up instead of down.

    Raises TypeError or ValueError for wrong settings, RuntimeError for sparse gradients.
    Source: Zeiler (2012).
    """

    ranges: ClassVar = {"rho": (0.0, 1.0), "eps": (0.0, math.inf)}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **switches: bool | None,
    ):
        super().__init__(params, locals())

    def update(self, w: Tensor, g: Tensor, state: State, group: Group) -> None:
        """One step of one weight."""
        rho, eps = group["rho"], group["eps"]
        count(state)  # kept as torch keeps it; the equations do not use it
        v = buffer(state, "square_avg", w)
        u = buffer(state, "acc_delta", w)
        v.mul_(rho).addcmul_(g, g, value=1 - rho)  # v = ρ v + (1 - ρ) g²
        delta = u.add(eps).sqrt_().div_(v.add(eps).sqrt_()).mul_(g)  # Δ = √(u + ε) / √(v + ε) g
        u.mul_(rho).addcmul_(delta, delta, value=1 - rho)  # u = ρ u + (1 - ρ) Δ²
        w.add_(delta, alpha=-group["lr"])  # w = w - η Δ
