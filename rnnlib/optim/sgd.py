"""Gradient descent with momentum."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor
from torch.optim.optimizer import ParamsT

from rnnlib.optim.base import GradientMethod, Group, State


class SGD(GradientMethod):
    """Stochastic gradient descent, plain, with momentum or with Nesterov's.

        plain      w ← w - η g
        momentum   b ← μ b + (1 - τ) g      (b ← g at the first step)
                   w ← w - η b
        Nesterov   w ← w - η (g + μ b)      (b as above)

    lr: η. momentum: μ. dampening: τ. weight_decay: λ of an L2 penalty, g ← g + λ w.
    nesterov: needs momentum above 0 and no dampening. maximize: go up instead of down.

    Raises TypeError or ValueError for wrong settings, RuntimeError for sparse gradients.
    Source: Robbins and Monro (1951); momentum: Polyak (1964); Nesterov (1983), in the form of
    Sutskever, Martens, Dahl and Hinton (2013). There η is inside b; here, as in torch, it is
    outside, which is the same only while η does not change.
    """

    ranges: ClassVar = {"momentum": (0.0, math.inf), "dampening": (-math.inf, math.inf)}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **switches: bool | None,
    ):
        super().__init__(params, locals())

    def update(self, w: Tensor, g: Tensor, state: State, group: Group) -> None:
        """One step of one weight."""
        momentum = group["momentum"]
        if momentum != 0:
            b = state.get("momentum_buffer")
            if b is None:
                b = state["momentum_buffer"] = g.clone()  # b = g
            else:
                b.mul_(momentum).add_(g, alpha=1 - group["dampening"])  # b = μ b + (1 - τ) g
            g = g.add(b, alpha=momentum) if group["nesterov"] else b  # g + μ b, or b
        w.add_(g, alpha=-group["lr"])  # w = w - η g

    def check(self, group: Group) -> None:
        """Nesterov's form needs momentum, and no dampening."""
        super().check(group)
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "nesterov must have momentum > 0 and dampening = 0, "
                f"got momentum = {group['momentum']}, dampening = {group['dampening']}"
            )
