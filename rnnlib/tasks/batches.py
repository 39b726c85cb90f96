"""Endless sources of batches that can say where they stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from rnnlib import validate


class Batches:
    """Calls ``draw(generator=..., **options)`` for each batch; for ``rnnlib.training.train``.

    All randomness comes from ``seed``, and ``state_dict`` holds the generator's state, so a
    resumed source goes on to the same last digit. One batch is drawn and put back at once,
    so that wrong options raise here.
    """

    def __init__(self, draw: Callable[..., Any], seed: int, **options: Any):
        self.draw = validate.function("draw", draw)
        self.options = options
        self.seed, self.generator = seed, validate.seed("seed", seed)
        state = self.state_dict()
        next(self)
        self.load_state_dict(state)

    def __next__(self) -> Any:
        return self.draw(generator=self.generator, **self.options)

    def describe(self) -> dict[str, Any]:
        """What the source is made of: a checkpoint of another is refused."""
        return {"draw": self.draw, "seed": self.seed, **self.options}

    def state_dict(self) -> dict[str, Any]:
        """Where the source stands: the state of its generator."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self.generator.set_state(state["generator"])


class Shuffled:
    """All rows of a tensor (M, ...), N at a time, in a new random order each round.

    A round is an epoch: M // N batches; the M % N rows at the end of its order are left out.
    """

    def __init__(self, rows: Tensor, N: int, seed: int):
        self.rows = validate.instance("rows", rows, Tensor, "a torch.Tensor")
        self.N = validate.positive_int("N", N)
        if rows.ndim < 1 or len(rows) < N:
            raise ValueError(f"rows must be at least N={N}, got shape {tuple(rows.shape)}")
        self.seed, self.generator = seed, validate.seed("seed", seed)
        self.order = torch.empty(0, dtype=torch.int64)  # of what is left of the round

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Tensor:
        if len(self.order) < self.N:
            self.order = torch.randperm(len(self.rows), generator=self.generator)
        chosen, self.order = self.order[: self.N], self.order[self.N :]
        return self.rows[chosen]

    def describe(self) -> dict[str, Any]:
        """What the source is made of: a checkpoint of another is refused."""
        return {"rows": self.rows, "N": self.N, "seed": self.seed}

    def state_dict(self) -> dict[str, Any]:
        """Where the source stands: what is left of the round, and the generator's state."""
        return {"order": self.order.clone(), "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self.order = state["order"].clone()
        self.generator.set_state(state["generator"])
