"""The vanilla recurrent cell."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rnnlib import validate
from rnnlib.cells.cell import Cell


class RNNCell(Cell):
    r"""The vanilla recurrent cell (Elman, 1990).

    $$h_t = \tanh(W_{hx} x_t + W_{hh} h_{t-1} + b_h)$$

    ``W_x`` is $W_{hx}$ (H, D), ``W_h`` is $W_{hh}$ (H, H), ``b`` is $b_h$ (H,).
    ``nonlinearity``: "tanh" or "relu".
    Raises ValueError or TypeError for a size below 1 or another nonlinearity.
    """

    gates = 1

    def __init__(
        self, input_size: int, hidden_size: int, *, nonlinearity: str = "tanh", **options: Any
    ):
        self.nonlinearity = validate.one_of("nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(input_size, hidden_size, **options)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """x (N, D), h (N, H) -> the next h (N, H)."""
        a = x @ self.W_x.T + h @ self.W_h.T + self.b  # (N, H)
        return torch.tanh(a) if self.nonlinearity == "tanh" else torch.relu(a)
