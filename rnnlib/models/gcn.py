"""Graph convolutions one after the other: a class for each node."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Generator, Tensor, nn

from rnnlib import validate
from rnnlib.layers import GraphConvolution
from rnnlib.models.dropout import Dropout


class GCN(nn.Module):
    r"""Logits of each node's class, through ``num_layers`` graph convolutions with ReLU between.

    $$h^{(0)} = x, \qquad h^{(k)} = \max(0, \hat A h^{(k-1)} W_k^\top + b_k), \qquad p = h^{(L)}$$

    with no ReLU at the last. Layers but the last have ``hidden_size`` units. In training, entries
    of x and of each h are zero with the probability ``dropout``. ``lam`` (1,) is the weight of a
    node's own message, one for all layers, and with ``learn_lam`` learned from there.
    On a graph without edges $\hat A = I$, and this is a plain network that sees each node alone.
    ``generator``: where the weights and the dropout are drawn from.
    Raises TypeError or ValueError for sizes below 1 and for a dropout outside [0, 1).
    Source: Kipf and Welling (2017).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        classes: int,
        num_layers: int = 2,
        *,
        dropout: float = 0.5,
        lam: float = 1.0,
        learn_lam: bool = False,
        generator: Generator | None = None,
    ):
        super().__init__()
        hidden = [hidden_size] * (validate.positive_int("num_layers", num_layers) - 1)
        sizes = [input_size, *hidden, classes]
        self.layers = nn.ModuleList(
            GraphConvolution(D, H, generator=generator) for D, H in pairwise(sizes)
        )
        self.dropout = Dropout(dropout, generator=generator)
        start = torch.tensor([validate.real("lam", lam)])
        self.lam = nn.Parameter(start, requires_grad=validate.boolean("learn_lam", learn_lam))

    def features(self, A: Tensor, x: Tensor) -> Tensor:
        """What the last layer reads: x (V, D), or the ReLU of the layer before it (V, H)."""
        h = x
        for layer in self.layers[:-1]:
            h = layer(A, self.dropout(h), self.lam).relu()  # (V, H)
        return h

    def forward(self, A: Tensor, x: Tensor) -> Tensor:
        """A (V, V) and x (V, D), each sparse or not -> logits (V, K)."""
        return self.layers[-1](A, self.dropout(self.features(A, x)), self.lam)
