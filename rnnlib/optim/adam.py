"""Adam, with AMSGrad as an option."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from rnnlib import validate
from rnnlib.optim.base import GradientMethod, Group, State, buffer, count, number, rounded


class Adam(GradientMethod):
    """Adam: a running mean of the gradients over the root of a running mean of their squares.

        m ← β₁ m + (1 - β₁) g
        v ← β₂ v + (1 - β₂) g²
        m̂ = m / (1 - β₁^t)                      v̂ = v / (1 - β₂^t)
        w ← w - η m̂ / (√v̂ + ε)
        amsgrad    v_max ← max(v_max, v)        v̂ = v_max / (1 - β₂^t)

    lr: η. betas: (β₁, β₂), two floats or two tensors in [0, 1). eps: ε.
    weight_decay: λ of an L2 penalty, g ← g + λ w; with decoupled_weight_decay see ``AdamW``.
    maximize: go up instead of down.
    bias_correction: False takes m̂ = m and v̂ = v. torch does not have it, and does not see it in
    a state that it loads.

    Raises TypeError or ValueError for wrong settings (IndexError for a lone beta, as torch does),
    RuntimeError for sparse gradients.
    Source: Kingma and Ba (2015); AMSGrad: Reddi, Kale and Kumar (2018), who do not correct the
    bias: correcting the maximum is torch's way.
    """

    ranges: ClassVar = {"eps": (0.0, math.inf)}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        bias_correction: bool = True,
        **switches: bool | None,
    ):
        super().__init__(params, locals())

    def update(self, w: Tensor, g: Tensor, state: State, group: Group) -> None:
        """One step of one weight."""
        beta1, beta2 = group["betas"]
        t = count(state)
        m = buffer(state, "exp_avg", w)
        v = buffer(state, "exp_avg_sq", w)
        m.lerp_(g, 1 - rounded(beta1, w))  # m = m + (1 - β₁) (g - m)
        v.mul_(beta2).addcmul_(g, g, value=1 - beta2)  # v = β₂ v + (1 - β₂) g²
        if group["amsgrad"]:
            v_max = buffer(state, "max_exp_avg_sq", w)
            v = torch.maximum(v_max, v, out=v_max)  # v_max = max(v_max, v)
        c1, c2 = (1 - beta1**t, 1 - beta2**t) if group["bias_correction"] else (1.0, 1.0)
        root = v.sqrt().div_(c2**0.5).add_(group["eps"])  # √v̂ + ε
        w.addcdiv_(m, root, value=-group["lr"] / c1)  # w = w - η m̂ / (√v̂ + ε)

    def check(self, group: Group) -> None:
        """Both betas must be in [0, 1)."""
        super().check(group)
        check_betas(group["betas"])


def check_betas(betas: Any) -> None:
    """Raise unless ``betas`` is a pair of floats, or of tensors that hold one, in [0, 1)."""
    validate.instance("betas", betas, tuple | list, "a pair (beta1, beta2)")
    if len(betas) != 2:
        error = IndexError if len(betas) < 2 else ValueError
        raise error(f"betas must be a pair (beta1, beta2), got {betas}")
    for k, beta in enumerate(betas):
        number(f"betas[{k}]", beta, 0.0, math.nextafter(1.0, 0.0))
    if not any(all(isinstance(beta, kind) for beta in betas) for kind in (float, Tensor)):
        raise ValueError(f"betas must be two floats or two tensors, got {betas}")
