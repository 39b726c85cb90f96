"""The LSTM's cell."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnlib.cells.cell import Cell


class LSTMCell(Cell):
    r"""Long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000).

    $$i_t = \sigma(W_{ix} x_t + W_{ih} h_{t-1} + b_i) \quad
      f_t = \sigma(W_{fx} x_t + W_{fh} h_{t-1} + b_f)$$
    $$g_t = \tanh(W_{gx} x_t + W_{gh} h_{t-1} + b_g) \quad
      o_t = \sigma(W_{ox} x_t + W_{oh} h_{t-1} + b_o)$$
    $$c_t = g_t \odot i_t + c_{t-1} \odot f_t \quad h_t = \tanh(c_t) \odot o_t$$

    ``W_x`` (4H, D), ``W_h`` (4H, H) and ``b`` (4H,) hold the four gates in the order i, f, g, o.
    """

    gates = 4
    parts = ("h", "c")

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """x (N, D), state h, c (N, H) each -> the next (h, c)."""
        h, c = state
        a = x @ self.W_x.T + h @ self.W_h.T + self.b  # (N, 4H)
        i, f, g, o = a.chunk(4, dim=1)  # (N, H) each
        c = torch.tanh(g) * torch.sigmoid(i) + c * torch.sigmoid(f)
        h = torch.tanh(c) * torch.sigmoid(o)
        return h, c

    def zero_state(self, N: int) -> tuple[Tensor, Tensor]:
        """The state before the first input: zeros, h and c (N, H)."""
        h, c = super().zero_state(N), super().zero_state(N)
        assert isinstance(h, Tensor) and isinstance(c, Tensor)
        return h, c
