"""What a training run records."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from rnnlib import validate

Metrics = dict[str, float]


@dataclass
class History:
    """What happened, as plain data: one entry a step, and one dictionary an evaluation."""

    loss: list[float] = field(default_factory=list)  # nats
    grad_norm: list[float] = field(default_factory=list)  # before clipping
    metrics: list[Metrics] = field(default_factory=list)  # what loss_fn returns beside the loss
    evaluations: list[Metrics] = field(default_factory=list)  # each with its "step"
    seconds: float = 0.0  # in the loop, evaluation included, over all sessions
    stopped: str = ""  # why training ended: "steps", "source", "stop_when" or "patience"

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return len(self.loss)

    @property
    def evaluated(self) -> bool:
        """Whether the model has been evaluated since the latest step, or before the first."""
        return (self.evaluations[-1]["step"] if self.evaluations else 0) == self.steps

    def add(self, loss: float, grad_norm: float, metrics: Metrics) -> None:
        """Record one step."""
        self.loss.append(loss)
        self.grad_norm.append(grad_norm)
        self.metrics.append(metrics)

    def as_dict(self) -> dict[str, Any]:
        """The history as a dictionary, for json."""
        return asdict(self)


def plain_metrics(name: str, value: Any) -> Metrics:
    """A copy of ``value``, a dictionary of numbers; text, lists and dictionaries may be there too.

    Raises TypeError for anything else. A tensor would keep its graph, and with it every step's.
    """
    return _plain(name, validate.instance(name, value, dict, "a dict"))


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        for key in value:
            if not (key is None or isinstance(key, str | int | float)):
                raise TypeError(f"{name} must have text or numbers as keys, got {key!r}")
        return {key: _plain(f"{name}[{key!r}]", v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        items = [_plain(f"{name}[{k}]", v) for k, v in enumerate(value)]
        return items if isinstance(value, list) else tuple(items)
    numbers = int | float | np.integer | np.floating | np.bool_  # that a checkpoint can hold
    if value is not None and not isinstance(value, str | numbers):
        raise TypeError(
            f"{name} must be a number, text, or a list or dict of them, got "
            f"{type(value).__name__}; .item() makes a number of a tensor"
        )
    return value
