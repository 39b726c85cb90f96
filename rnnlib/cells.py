"""Recurrent cells: one time step each, written line by line as the equations are.

Shapes: N sequences in a batch, D inputs, H hidden units.
A weight is (out, in), so the column-vector product W x of the text is ``x @ W.T`` in the batch.
Gates are packed as in torch: i, f, g, o for the LSTM and r, z, n for the GRU, one bias a gate.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn import Parameter

from rnnlib import init, validate

State = Tensor | tuple[Tensor, Tensor]


class Cell(nn.Module):
    """What the cells share: sizes, packed weights ``W_x, W_h, b``, a zero state."""

    gates: int  # blocks in W_x (gates*H, D), W_h (gates*H, H) and b (gates*H,)

    def __init__(self, input_size: int, hidden_size: int, *, generator: Generator | None = None):
        super().__init__()
        D = self.input_size = validate.positive_int("input_size", input_size)
        H = self.hidden_size = validate.positive_int("hidden_size", hidden_size)
        self.W_x = Parameter(torch.empty(self.gates * H, D))  # (gates*H, D)
        self.W_h = Parameter(torch.empty(self.gates * H, H))  # (gates*H, H)
        self.b = Parameter(torch.empty(self.gates * H))  # (gates*H,)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """torch's default: every weight and bias from U(-1/sqrt(H), 1/sqrt(H))."""
        for weight in self.parameters():
            init.uniform_(weight, 1 / math.sqrt(self.hidden_size), generator)

    def zero_state(self, N: int) -> State:
        """The state before the first input: zeros, h (N, H)."""
        return self.W_h.new_zeros(validate.positive_int("N", N), self.hidden_size)

    def check(self, x: Tensor, **state: Tensor) -> None:
        """Raise TypeError or ValueError that names what does not fit: x (N, D), state (N, H)."""
        validate.tensor("x", x, ("N", self.input_size), like=self.W_x, finite=False)
        for name, value in state.items():
            validate.tensor(name, value, (len(x), self.hidden_size), like=self.W_h, finite=False)

    def extra_repr(self) -> str:
        """What print shows of a cell."""
        return f"input_size={self.input_size}, hidden_size={self.hidden_size}"


class RNNCell(Cell):
    r"""The vanilla recurrent cell (Elman, 1990).

    $$h_t = \tanh(W_{hx} x_t + W_{hh} h_{t-1} + b_h)$$

    ``W_x`` is $W_{hx}$ (H, D), ``W_h`` is $W_{hh}$ (H, H), ``b`` is $b_h$ (H,).
    ``nonlinearity``: "tanh" or "relu".
    Raises ValueError or TypeError for a size below 1 or another nonlinearity.
    """

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        nonlinearity: str = "tanh",
        generator: Generator | None = None,
    ):
        self.nonlinearity = validate.one_of("nonlinearity", nonlinearity, ("tanh", "relu"))
        super().__init__(input_size, hidden_size, generator=generator)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """x (N, D), h (N, H) -> the next h (N, H)."""
        self.check(x, h=h)
        a = x @ self.W_x.T + h @ self.W_h.T + self.b  # (N, H)
        return torch.tanh(a) if self.nonlinearity == "tanh" else torch.relu(a)


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

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """x (N, D), state h, c (N, H) each -> the next (h, c)."""
        h, c = validate.pair("state", state)
        self.check(x, h=h, c=c)
        a = x @ self.W_x.T + h @ self.W_h.T + self.b  # (N, 4H)
        i, f, g, o = a.chunk(4, dim=1)  # (N, H) each
        c = torch.tanh(g) * torch.sigmoid(i) + c * torch.sigmoid(f)
        h = torch.tanh(c) * torch.sigmoid(o)
        return h, c

    def zero_state(self, N: int) -> tuple[Tensor, Tensor]:
        """The state before the first input: zeros, h and c (N, H)."""
        zero = self.W_h.new_zeros(validate.positive_int("N", N), self.hidden_size)
        return zero, zero


class GRUCell(Cell):
    r"""Gated recurrent unit (Cho et al., 2014), the reset gate after the product, as in torch.

    $$r_t = \sigma(W_{rx} x_t + W_{rh} h_{t-1} + b_r) \quad
      z_t = \sigma(W_{zx} x_t + W_{zh} h_{t-1} + b_z)$$
    $$n_t = \tanh(W_{nx} x_t + b_n + r_t \odot (W_{nh} h_{t-1} + b_{nh})) \quad
      h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}$$

    ``W_x`` (3H, D), ``W_h`` (3H, H) and ``b`` (3H,) hold r, z, n in this order.
    ``b_nh`` (H,) stands inside the reset gate's product, so it cannot be merged into ``b``.
    """

    gates = 3

    def __init__(self, input_size: int, hidden_size: int, *, generator: Generator | None = None):
        super().__init__(input_size, hidden_size, generator=generator)
        self.b_nh = Parameter(torch.empty(self.hidden_size))  # (H,)
        init.uniform_(self.b_nh, 1 / math.sqrt(self.hidden_size), generator)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """x (N, D), h (N, H) -> the next h (N, H)."""
        self.check(x, h=h)
        x_r, x_z, x_n = (x @ self.W_x.T + self.b).chunk(3, dim=1)  # (N, H) each
        h_r, h_z, h_n = (h @ self.W_h.T).chunk(3, dim=1)  # (N, H) each
        r = torch.sigmoid(x_r + h_r)
        z = torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * (h_n + self.b_nh))
        return (1 - z) * n + z * h
