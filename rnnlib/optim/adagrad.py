"""Adagrad."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor
from torch.optim.optimizer import ParamsT

from rnnlib.optim.base import GradientMethod, Group, State, buffer, count


class Adagrad(GradientMethod):
    """Adagrad: each entry's step is divided by the root of all its squared gradients so far.

        s ← s + g²                              (s starts at initial_accumulator_value)
        w ← w - η_t g / (√s + ε)                η_t = η / (1 + (t - 1) lr_decay)

    lr: η. eps: ε. weight_decay: λ of an L2 penalty, g ← g + λ w. maximize: go up.
    initial_accumulator_value is one for all groups.

    Raises TypeError or ValueError for wrong settings, RuntimeError for sparse gradients.
    Source: Duchi, Hazan and Singer (2011).
    """

    ranges: ClassVar = dict.fromkeys(
        ("lr_decay", "initial_accumulator_value", "eps"), (0.0, math.inf)
    )

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **switches: bool | None,
    ):
        super().__init__(params, locals())

    def update(self, w: Tensor, g: Tensor, state: State, group: Group) -> None:
        """One step of one weight."""
        t = count(state)
        s = buffer(state, "sum", w, start=self.defaults["initial_accumulator_value"])
        s.addcmul_(g, g)  # s = s + g²
        lr = group["lr"] / (1 + (t - 1) * group["lr_decay"])  # η_t
        w.addcdiv_(g, s.sqrt().add_(group["eps"]), value=-lr)  # w = w - η_t g / (√s + ε)
