"""What all methods share: the loop over the weights, weight decay, checks of the settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from rnnlib import validate

State = dict[str, Any]  # what a method keeps for one weight
Group = dict[str, Any]  # weights that share their settings: lr, weight_decay, ...


class GradientMethod(Optimizer):
    """A method that moves each weight w by its own gradient g; a subclass writes ``update``.

    g is the gradient of the loss, or its negative with ``maximize``, after weight decay: see
    ``decay``. A weight whose gradient is None is left alone, and so is what is kept for it.
    A group of weights may have settings of its own; a tensor with one element counts as a number.

    Raises TypeError or ValueError for a wrong setting, of a group too, and RuntimeError for a
    gradient that is sparse or complex.
    """

    ranges: ClassVar[dict[str, tuple[float, float]]] = {}  # lowest and highest of each setting

    def update(self, w: Tensor, g: Tensor, state: State, group: Group) -> None:
        """Change ``w`` in place; what ``state`` holds is kept until the weight's next step."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for every weight; ``closure`` may compute the loss anew, which is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            settings = {name: scalar(value) for name, value in group.items() if name != "params"}
            for w, g in self._gradients(group["params"]):
                g = decay(w, -g if group["maximize"] else g, settings)
                state = self.state.get(w, {})  # empty before the first step
                self.update(w, g, state, settings)
                if state:
                    self.state[w] = state
        return loss

    def add_param_group(self, param_group: Group) -> None:
        """Add weights, with settings of their own where the group has them."""
        validate.instance("param_group", param_group, dict, "a dict")
        self.check(self.defaults | param_group)
        super().add_param_group(param_group)

    def check(self, group: Group) -> None:
        """Raise TypeError or ValueError for a setting that is no number or out of its range."""
        everywhere = {"lr": (0.0, math.inf), "weight_decay": (0.0, math.inf)}
        for name, (low, high) in (everywhere | self.ranges).items():
            number(name, group[name], low, high)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a saved state; what another version's groups lack has its default."""
        super().__setstate__(state)
        for group in self.param_groups:
            group |= self.defaults | group

    def _gradients(self, weights: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Each weight with its gradient if it has one, all checked before the first moves."""
        pairs = [(w, w.grad) for w in weights if w.grad is not None]
        for _, g in pairs:
            if g.layout is not torch.strided or g.is_complex():
                raise RuntimeError(
                    f"{type(self).__name__} does not support sparse or complex gradients, "
                    f"got {g.layout}, {g.dtype}"
                )
        return pairs


def decay(w: Tensor, g: Tensor, group: Group) -> Tensor:
    """Weight decay λ; returns the gradient with which the method goes on.

    L2 penalty: g ← g + λ w, the gradient of λ/2 |w|². The method scales it like the rest of g.
    Decoupled:  w ← w - η λ w, and g stays as it is.
    """
    weight_decay = group["weight_decay"]
    if weight_decay == 0:
        return g
    if group.get("decoupled_weight_decay", False):
        w.mul_(1 - group["lr"] * weight_decay)
        return g
    return g.add(w, alpha=weight_decay)


def buffer(state: State, name: str, w: Tensor, start: float = 0.0) -> Tensor:
    """What the method keeps under ``name``: a tensor of w's shape, full of ``start`` at first."""
    if name not in state:
        state[name] = torch.full_like(w, start)
    return state[name]


def count(state: State) -> float:
    """The number t of this step, from 1; torch keeps it as a tensor."""
    if "step" not in state:
        state["step"] = torch.tensor(0.0)
    state["step"] += 1
    return float(state["step"])


def scalar(value: Any) -> Any:
    """A tensor with one element as one without dimensions; anything else as it is."""
    if isinstance(value, tuple | list):  # betas
        return tuple(scalar(one) for one in value)
    return value.squeeze() if isinstance(value, Tensor) else value


def number(name: str, value: Any, low: float, high: float) -> None:
    """Raise unless ``value`` is a number in [low, high], or a tensor that holds one."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            shape = tuple(value.shape)
            raise ValueError(f"{name} must be a number or hold one, got a tensor of shape {shape}")
        value = value.item()
    validate.real(name, value, low, high)
