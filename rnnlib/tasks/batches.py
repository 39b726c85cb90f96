"""An endless source of batches that can say where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
        self.generator = validate.seed("seed", seed)
        state = self.state_dict()
        next(self)
        self.load_state_dict(state)

    def __next__(self) -> Any:
        return self.draw(generator=self.generator, **self.options)

    def state_dict(self) -> dict[str, Any]:
        """Where the source stands: the state of its generator."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self.generator.set_state(state["generator"])
