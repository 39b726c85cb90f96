"""The GRU's cell."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnlib.cells.cell import Cell


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
    b_nh: Tensor

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """x (N, D), h (N, H) -> the next h (N, H)."""
        x_r, x_z, x_n = (x @ self.W_x.T + self.b).chunk(3, dim=1)  # (N, H) each
        h_r, h_z, h_n = (h @ self.W_h.T).chunk(3, dim=1)  # (N, H) each
        r = torch.sigmoid(x_r + h_r)
        z = torch.sigmoid(x_z + h_z)
        n = torch.tanh(x_n + r * (h_n + self.b_nh))
        return (1 - z) * n + z * h

    def shapes(self, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """The weights and their shapes."""
        return super().shapes(D, H) | {"b_nh": (H,)}

    def torch_weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The weights of torch's twin; of its second bias (3H,) only the part n, b_nh, is used."""
        b_hh = torch.cat([self.b.new_zeros(2 * self.hidden_size), self.b_nh])
        return self.W_x, self.W_h, self.b, b_hh

    @staticmethod
    def own_biases(b_ih: Tensor, b_hh: Tensor) -> dict[str, Tensor]:
        """b and b_nh from the two of torch's twin; those of r and z are added."""
        b_rh, b_zh, b_nh = b_hh.chunk(3)
        return {"b": b_ih + torch.cat([b_rh, b_zh, torch.zeros_like(b_nh)]), "b_nh": b_nh}
