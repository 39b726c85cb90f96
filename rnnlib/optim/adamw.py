"""AdamW: Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT

from rnnlib.optim.adam import Adam
from rnnlib.optim.base import GradientMethod


class AdamW(Adam):
    """Adam, but weight decay shrinks the weight itself and stays out of the gradient.

        w ← w - η λ w
        w ← w - η m̂ / (√v̂ + ε)                  (m̂ and v̂ as in Adam, from g alone)

    In Adam an L2 penalty λ w is divided by √v̂ with the rest of the gradient, so that weights with
    large gradients decay less. Here all decay at the same rate η λ.

    Arguments and errors are Adam's; weight_decay is 0.01 unless told otherwise.
    Source: Loshchilov and Hutter (2019), with η λ where they have a schedule times λ.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        bias_correction: bool = True,
        **switches: bool | None,
    ):
        settings = locals() | {"decoupled_weight_decay": True}
        GradientMethod.__init__(self, params, settings)  # Adam's settings, with other defaults

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a saved state; Adam's too decays as AdamW from then on, as in torch."""
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
