"""What all methods share: the loop over the weights, weight decay, checks of settings and types."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from rnnlib import validate

State = dict[str, Any]  # what a method keeps for one weight
Group = dict[str, Any]  # weights that share their settings: lr, weight_decay, ...

FLAGS = frozenset(
    ("maximize", "nesterov", "amsgrad", "centered", "decoupled_weight_decay", "bias_correction")
)
SWITCHES = frozenset(("foreach", "fused", "capturable", "differentiable"))  # how torch computes
HALF = (torch.float16, torch.bfloat16)


class GradientMethod(Optimizer):
    """A method that moves each weight w by its own gradient g; a subclass writes ``update``.

    g is the gradient of the loss, or its negative with ``maximize``, after weight decay: see
    ``decay``. A weight whose gradient is None is left alone, and so is what is kept for it.
    A group of weights may have settings of its own; a tensor with one element counts as a number.
    What a group lacks, as one that torch saved may, is the constructor's. A constructor's
    ``switches`` are torch's foreach, fused, capturable and differentiable: None or False.
    Weights in float16 or bfloat16 get torch's numbers, and a warning: sums lose small steps there.

    Raises TypeError or ValueError for a wrong setting, of a group and of a loaded state too.
    ``step`` raises, before any weight moves, RuntimeError for gradients that are sparse, complex
    or integers, ValueError for an eps that is 0 in the weights' data type and for weights whose
    type or device has changed since their last step; and, after it, ValueError where a step
    overflowed in half precision.
    """

    ranges: ClassVar[dict[str, tuple[float, float]]] = {}  # lowest and highest of each setting

    def __init__(self, params: ParamsT, settings: dict[str, Any]):
        """``settings`` are lr, weight_decay and so on by name: a constructor's ``locals()``."""
        switches = settings.get("switches", {})
        for name in switches.keys() - SWITCHES:
            raise TypeError(f"{type(self).__name__} got an unexpected argument {name!r}")
        self._refuse(switches)
        others = ("self", "params", "switches", "__class__")
        super().__init__(params, {n: value for n, value in settings.items() if n not in others})

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
        for w, g, settings in list(self._moves()):  # all are checked before the first weight moves
            state = self.state.get(w, {})  # empty before the first step
            self.update(w, decay(w, -g if settings["maximize"] else g, settings), state, settings)
            if state:
                self.state[w] = state
            check_overflow(w, g, state)
        return loss

    def add_param_group(self, param_group: Group) -> None:
        """Add weights, with settings of their own where the group has them."""
        validate.instance("param_group", param_group, dict, "a dict")
        self._refuse(param_group)
        self.check(self.defaults | param_group)
        super().add_param_group(param_group)

    def check(self, group: Group) -> None:
        """Raise TypeError or ValueError for a setting of a wrong type or out of its range."""
        check_flags(group)
        everywhere = {"lr": (0.0, math.inf), "weight_decay": (0.0, math.inf)}
        for name, (low, high) in (everywhere | self.ranges).items():
            number(name, group[name], low, high)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a saved state, if its settings are right; its groups stay as they were saved."""
        for group in state["param_groups"]:
            self.check((vars(self) | state)["defaults"] | group)
        super().__setstate__(state)
        del self.defaults["differentiable"]  # torch has just added it

    def _refuse(self, group: Group) -> None:
        """Raise ValueError for an argument that asks for another of torch's implementations."""
        for name in SWITCHES & group.keys():
            if group[name] is not None and group[name] is not False:
                raise ValueError(
                    f"{name} must be None or False, got {group[name]!r}: there is one "
                    f"implementation here; torch.optim.{type(self).__name__} has others"
                )

    def _moves(self) -> Iterator[tuple[Tensor, Tensor, Group]]:
        """Each weight that has a gradient, with it and its group's settings, checked."""
        for group in self.param_groups:
            settings = {n: scalar(v) for n, v in (self.defaults | group).items() if n != "params"}
            check_flags(settings)
            for w in group["params"]:
                if w.grad is not None:
                    check_types(type(self).__name__, w, w.grad, self.state.get(w, {}), settings)
                    yield w, w.grad, settings


def decay(w: Tensor, g: Tensor, group: Group) -> Tensor:
    """Weight decay λ; returns the gradient with which the method goes on.

    L2 penalty: g ← g + λ w, the gradient of λ/2 |w|². The method scales it like the rest of g.
    Decoupled:  w ← w - η λ w, and g stays as it is.
    """
    weight_decay = group["weight_decay"]
    if weight_decay == 0:
        return g
    if group.get("decoupled_weight_decay"):
        w.mul_(1 - group["lr"] * weight_decay)
        return g
    return g.add(w, alpha=weight_decay)


def buffer(state: State, name: str, w: Tensor, start: float = 0.0) -> Tensor:
    """What the method keeps under ``name``: a tensor of w's shape, full of ``start`` at first."""
    if name not in state:
        state[name] = torch.full_like(w, start)
    return state[name]


def buffers(state: State) -> list[Tensor]:
    """All that is kept for a weight but the counter."""
    return [kept for name, kept in state.items() if name != "step" and isinstance(kept, Tensor)]


def count(state: State) -> float:
    """The number t of this step, from 1; torch keeps it as a tensor, never in half precision."""
    dtype = torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32
    state["step"] = torch.tensor(float(state.get("step", 0)) + 1, dtype=dtype, device="cpu")
    return float(state["step"])


def scalar(value: Any) -> Any:
    """A tensor with one element as one without dimensions, in float32 at least; others as is."""
    if isinstance(value, tuple | list):  # betas
        return tuple(scalar(one) for one in value)
    if isinstance(value, Tensor):
        return value.squeeze().to(torch.promote_types(value.dtype, torch.float32))
    return value


def rounded(value: Any, w: Tensor) -> Any:
    """A tensor in the data type of w, as torch takes β₁ in the running mean; a float as it is."""
    return value.to(w) if isinstance(value, Tensor) else value


def number(name: str, value: Any, low: float, high: float) -> None:
    """Raise unless ``value`` is a number in [low, high], or a tensor that holds one."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            shape = tuple(value.shape)
            raise ValueError(f"{name} must be a number or hold one, got a tensor of shape {shape}")
        value = value.item()
    validate.real(name, value, low, high)


def check_flags(group: Group) -> None:
    """Raise TypeError unless all that says yes or no is True or False."""
    for name in FLAGS & group.keys():
        validate.boolean(name, group[name])


def check_types(method: str, w: Tensor, g: Tensor, state: State, settings: Group) -> None:
    """Raise for what cannot be computed in the data type of ``w``; warn in half precision."""
    if g.layout is not torch.strided or not g.is_floating_point():
        raise RuntimeError(
            f"{method} does not support sparse or complex gradients or integers, "
            f"got {g.layout}, {g.dtype}"
        )
    numbers = torch.finfo(w.dtype)
    smallest = numbers.smallest_normal * numbers.eps  # half of it rounds to 0
    eps = settings.get("eps", 0)
    if 0 < eps <= smallest / 2:
        raise ValueError(
            f"eps must not round to 0 in the weights' data type {w.dtype}, got {eps}; take "
            f"{math.sqrt(smallest):.0e} or more (smaller squares are 0 there), or keep the weights "
            "in float32"
        )
    for kept in buffers(state):
        if (kept.dtype, kept.device) != (w.dtype, w.device):
            raise ValueError(
                f"weights must keep their data type and device, got {w.dtype} on {w.device} after "
                f"steps in {kept.dtype} on {kept.device}; "
                "optimizer.load_state_dict(optimizer.state_dict()) takes along what is kept"
            )
    if w.dtype in HALF:
        warnings.warn(
            f"weights in {w.dtype}: each sum loses what is below {numbers.eps / 2:.0e} of it, as "
            "in torch.optim, so small steps may move nothing; keep the weights in float32 and "
            "compute under torch.autocast",
            stacklevel=2,
        )


def check_overflow(w: Tensor, g: Tensor, state: State) -> None:
    """Raise ValueError where finite gradients gave NaN or infinity in half precision."""
    if w.dtype not in HALF or not g.isfinite().all():
        return
    if not all(one.isfinite().all() for one in (w, *buffers(state))):
        raise ValueError(
            f"gradients must be small enough for {w.dtype}, whose largest number is "
            f"{torch.finfo(w.dtype).max:g}: one step gave NaN or infinity; "
            "keep the weights in float32"
        )
