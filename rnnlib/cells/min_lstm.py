"""The minimal LSTM's cell."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rnnlib.cells.minimal import MinimalCell, log_g


class MinLSTMCell(MinimalCell):
    r"""minLSTM (Feng et al., 2024): the LSTM without h in its gates, and one state.

    $$i_t = \sigma(W_{ix} x_t + b_i) \quad f_t = \sigma(W_{fx} x_t + b_f) \quad
      g_t = g(W_{gx} x_t + b_g)$$
    $$f'_t = \frac{f_t}{f_t + i_t} \quad i'_t = \frac{i_t}{f_t + i_t} \quad
      h_t = f'_t \odot h_{t-1} + i'_t \odot g_t$$

    $i' = \sigma(\ln i - \ln f)$ and $f' = 1 - i'$, which is finite where f and i are both too
    small for their type. The output gate and c are gone: the state is h alone.
    ``W_x`` (3H, D) and ``b`` (3H,) hold i, f, g in this order.
    ``candidate``: "positive", $g(x) = x + 0.5$ for $x \ge 0$, else $\sigma(x)$; or "linear",
    $g(x) = x$.
    """

    gates = 3

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (..., D) -> a = f' and b = i' g, (..., H) each."""
        i, f, g = (x @ self.W_x.T + self.b).chunk(3, dim=-1)  # (..., H) each
        i = torch.sigmoid(logsigmoid(i) - logsigmoid(f))  # i', from ln(i / f)
        return 1 - i, i * self.g(g)

    def log_coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (..., D) -> ln f' and ln(i' g), (..., H) each."""
        i, f, g = (x @ self.W_x.T + self.b).chunk(3, dim=-1)  # (..., H) each
        ratio = logsigmoid(f) - logsigmoid(i)  # ln(f / i)
        return logsigmoid(ratio), logsigmoid(-ratio) + log_g(g)
