"""The graph convolution: a layer whose rows hear their neighbours."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from rnnlib import init, validate
from rnnlib.graphs import propagate


class GraphConvolution(nn.Module):
    r"""Each node's messages, mixed with those of its neighbours: $a = \hat A x W^\top + b$.

    $$\hat A = D^{-1/2} (A + \lambda I) D^{-1/2}, \qquad D_{ii} = \sum_j A_{ij} + \lambda$$

    W (H, D) begins as Xavier has it, b (H,) at zero. No nonlinearity: a model puts it between.
    ``generator``: where W is drawn from.
    Raises TypeError or ValueError for sizes below 1, and for A or x of the wrong shape or type.
    Source: Kipf and Welling (2017).
    """

    def __init__(self, input_size: int, hidden_size: int, *, generator: Generator | None = None):
        super().__init__()
        self.input_size = validate.positive_int("input_size", input_size)
        self.hidden_size = validate.positive_int("hidden_size", hidden_size)
        self.W = nn.Parameter(init.xavier_(torch.empty(hidden_size, input_size), generator))
        self.b = nn.Parameter(torch.zeros(hidden_size))

    def forward(self, A: Tensor, x: Tensor, lam: Tensor | float = 1.0) -> Tensor:
        """A (V, V) and x (V, D), each sparse or not; lam, a number or (1,) -> a (V, H)."""
        validate.tensor("x", x, ("V", self.input_size), like=self.W)
        validate.tensor("A", A, (len(x), len(x)), like=self.W)
        u = x @ self.W.T  # (V, H), what each node sends
        return propagate(A, u, lam) + self.b

    def extra_repr(self) -> str:
        """What print shows."""
        return f"{self.input_size}, {self.hidden_size}"
