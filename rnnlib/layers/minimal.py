"""minGRU and minLSTM over depth: all steps at once by a scan, or one after the other."""

from __future__ import annotations

from typing import Any, Self, cast

from torch import Tensor

from rnnlib import validate
from rnnlib.cells import Cell, MinGRUCell, MinimalCell, MinLSTMCell
from rnnlib.layers.recurrent import Recurrent

METHODS = ("scan", "log scan", "loop")


class Minimal(Recurrent):
    """A layer of minimal cells; see ``Recurrent`` for its interface.

    ``method``: how the steps are computed, with the same numbers. "scan": all at once, see
    ``rnnlib.scan.parallel``. "log scan": the same in log space, as the paper has it; the
    candidate must be positive. "loop": the cell's step T times; only here hooks of a cell fire.
    The state is h (L, N, H) for both kinds.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        method: str = "scan",
        **options: Any,
    ):
        super().__init__(input_size, hidden_size, num_layers, **options)
        self.compute_with(method)

    def compute_with(self, method: str) -> Self:
        """Compute by "scan", "log scan" or "loop" from now on; returns self."""
        self.method = validate.one_of("method", method, METHODS)
        if method == "log scan" and cast(MinimalCell, self.cells[0]).candidate != "positive":
            raise ValueError(
                f"method must be 'scan' or 'loop' for candidate='linear', got {method!r}: a "
                "candidate below zero has no logarithm"
            )
        return self

    def over_one(self, cell: Cell, x: Tensor, state: Any, **along: Tensor) -> tuple[Tensor, Any]:
        """One cell over all steps: x (N, T, D), h_0 (N, H) -> h (N, T, H), h_T (N, H)."""
        if self.method == "loop":
            return super().over_one(cell, x, state, **along)
        minimal = cast(MinimalCell, cell)
        h = minimal.scan(x, state) if self.method == "scan" else minimal.log_scan(x, state)
        return h, h[:, -1]

    def extra_repr(self) -> str:
        """What print shows of a layer, beside its cells."""
        return ", ".join(filter(None, [super().extra_repr(), f"method={self.method!r}"]))


class MinGRU(Minimal):
    """``MinGRUCell`` over time and depth. Options ``candidate`` and ``method``."""

    cell_class = MinGRUCell


class MinLSTM(Minimal):
    """``MinLSTMCell`` over time and depth. Options ``candidate`` and ``method``."""

    cell_class = MinLSTMCell
