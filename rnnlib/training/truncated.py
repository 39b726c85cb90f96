"""Truncated back-propagation through time: the state goes on, the gradient stops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from rnnlib import validate
from rnnlib.cells import each
from rnnlib.text import Contiguous
from rnnlib.training.history import Metrics

Loss = Callable[[Any, Tensor, Tensor, Any], tuple[Tensor, Any]]


def next_symbol(model: nn.Module, x: Tensor, y: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Mean cross-entropy in nats of y (N, T) after x (N, T), and the state after step T."""
    logits, state = model(x, state)  # (N, T, K)
    return nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten()), state


class TruncatedBPTT:
    """Windows of parallel strands, each read from the state in which the last one ended.

    A source of batches for ``training.train``, and with ``loss`` its loss function: the state is
    detached between two windows, so that gradients reach back to the window's first step only.
    It is zero at the start of the strands, and, for each strand by itself, before a share
    ``resets`` of the windows: with 1.0 before each. A checkpoint holds the state too.

    ``of``: the mean loss of (model, x, y, state) and the next state, ``next_symbol`` by default.
    Source: Williams and Peng (1990).
    """

    def __init__(
        self,
        windows: Contiguous,
        of: Loss = next_symbol,
        *,
        resets: float = 0.0,
        generator: Generator | None = None,
    ):
        self.windows = validate.instance("windows", windows, Contiguous, "a text.Contiguous")
        self.of = validate.function("of", of)
        self.resets = validate.real("resets", resets, 0.0, 1.0)
        self.generator = validate.generator("generator", generator)
        self.state: Any = None

    def __next__(self) -> Tensor:
        """The next window (N, T+1)."""
        return next(self.windows)

    def loss(self, model: nn.Module, window: Tensor) -> tuple[Tensor, Metrics]:
        """Mean loss of a window (N, T+1), read on from the one before."""
        if self.windows.begins:
            self.state = None
        if self.resets and self.state is not None:
            kept = torch.rand(len(window), 1, generator=self.generator) >= self.resets  # (N, 1)
            self.state = each(self.state, lambda part: part * kept.to(part))
        loss, state = self.of(model, window[:, :-1], window[:, 1:], self.state)
        self.state = each(state, Tensor.detach)
        return loss, {}

    def describe(self) -> dict[str, Any]:
        """What the source is made of: a checkpoint of another is refused."""
        own = {"resets": self.resets, "generator": self.generator is not None}
        return own | self.windows.describe()

    def state_dict(self) -> dict[str, Any]:
        """Where the source stands, the model's state there, and the generator's."""
        random = self.generator.get_state() if self.generator else None
        return {"windows": self.windows.state_dict(), "state": self.state, "random": random}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self.windows.load_state_dict(state["windows"])
        device, kept = self.windows.strands.device, state["state"]  # a file's are on a processor
        self.state = None if kept is None else each(kept, lambda part: part.to(device))
        if self.generator:
            self.generator.set_state(state["random"])
