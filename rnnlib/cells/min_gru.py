"""The minimal GRU's cell."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rnnlib.cells.minimal import MinimalCell, log_g


class MinGRUCell(MinimalCell):
    r"""minGRU (Feng et al., 2024): the GRU without its reset gate and without h in its gates.

    $$z_t = \sigma(W_{zx} x_t + b_z) \quad n_t = g(W_{nx} x_t + b_n) \quad
      h_t = (1 - z_t) \odot h_{t-1} + z_t \odot n_t$$

    $z$ is how much of the candidate is taken, as in the paper; torch's GRU has $1 - z$ there.
    ``W_x`` (2H, D) and ``b`` (2H,) hold z, n in this order.
    ``candidate``: "positive", $g(x) = x + 0.5$ for $x \ge 0$, else $\sigma(x)$; or "linear",
    $g(x) = x$.
    """

    gates = 2

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (..., D) -> a = 1 - z and b = z n, (..., H) each."""
        z, n = (x @ self.W_x.T + self.b).chunk(2, dim=-1)  # (..., H) each
        z = torch.sigmoid(z)
        return 1 - z, z * self.g(n)

    def log_coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (..., D) -> ln(1 - z) and ln(z n), (..., H) each."""
        z, n = (x @ self.W_x.T + self.b).chunk(2, dim=-1)  # (..., H) each
        return logsigmoid(-z), logsigmoid(z) + log_g(n)
