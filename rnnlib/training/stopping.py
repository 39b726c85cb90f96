"""When to stop: no better evaluation for a while, or a loss that is no number."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from numbers import Real

from torch import Tensor, nn

from rnnlib.training.history import History


class Diverged(RuntimeError):
    """The loss or the gradient became NaN or infinite."""


@dataclass
class Best:
    """The weights at the lowest monitored value, and how many evaluations ago that was."""

    value: float = math.inf
    waited: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def update(self, model: nn.Module, history: History, monitor: str) -> int:
        """Look at the latest evaluation; return how many have passed since the best.

        NaN is not lower than anything. Raises ValueError for a ``monitor`` that is not there,
        and TypeError for one that is no number.
        """
        latest = history.evaluations[-1]
        if monitor not in latest:
            raise ValueError(f"monitor must be one of {sorted(latest)}, got {monitor!r}")
        if not isinstance(latest[monitor], Real):
            kind = type(latest[monitor]).__name__
            raise TypeError(f"monitor must name a number, got {monitor!r}, which is a {kind}")
        self.waited += 1
        if latest[monitor] < self.value:
            self.value, self.waited = latest[monitor], 0
            self.weights = {k: v.clone() for k, v in model.state_dict().items()}
        return self.waited


def stop_if_diverged(history: History, loss: float, norm: float) -> None:
    """Raise ``Diverged`` unless the coming step's loss and gradient norm are finite."""
    if math.isfinite(loss) and math.isfinite(norm):
        return
    before = f"{history.loss[-1]:.4g}" if history.loss else "none"
    raise Diverged(
        f"step {history.steps}: loss {loss}, gradient norm {norm} (loss of the step before: "
        f"{before}). Lower the learning rate, or clip the gradient with clip_norm."
    )
