"""RMSprop."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor
from torch.optim.optimizer import ParamsT

from rnnlib.optim.base import GradientMethod, Group, State, buffer, count


class RMSprop(GradientMethod):
    """RMSprop: each entry's step is divided by the root of a running mean of squared gradients.

        v ← α v + (1 - α) g²
        r = √v + ε
        w ← w - η g / r
        centered   m ← α m + (1 - α) g          r = √(v - m²) + ε, the running deviation
        momentum   b ← μ b + g / r              w ← w - η b

    lr: η. alpha: α. eps: ε. momentum: μ. weight_decay: λ of an L2 penalty, g ← g + λ w.
    maximize: go up instead of down.

    Raises TypeError or ValueError for wrong settings, RuntimeError for sparse gradients.
    Source: Tieleman and Hinton (2012), lecture 6.5; centred, with momentum: Graves (2013).
    """

    ranges: ClassVar = {"alpha": (0.0, 1.0), "eps": (0.0, math.inf), "momentum": (0.0, math.inf)}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **switches: bool | None,
    ):
        super().__init__(params, locals())

    def update(self, w: Tensor, g: Tensor, state: State, group: Group) -> None:
        """One step of one weight."""
        lr, alpha, momentum = group["lr"], group["alpha"], group["momentum"]
        count(state)  # kept as torch keeps it; the equations do not use it
        v = buffer(state, "square_avg", w)
        v.mul_(alpha).addcmul_(g, g, value=1 - alpha)  # v = α v + (1 - α) g²
        if group["centered"]:
            m = buffer(state, "grad_avg", w)
            m.lerp_(g, 1 - alpha)  # m = m + (1 - α) (g - m)
            v = v.addcmul(m, m, value=-1).clamp_(min=0)  # v - m², below 0 only by rounding
        r = v.sqrt().add_(group["eps"])  # r = √v + ε
        if momentum > 0:
            b = buffer(state, "momentum_buffer", w)
            b.mul_(momentum).addcdiv_(g, r)  # b = μ b + g / r
            w.add_(b, alpha=-lr)  # w = w - η b
        else:
            w.addcdiv_(g, r, value=-lr)  # w = w - η g / r
