"""What one layer of message passing does with the nodes' messages, and how far many reach."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnlib import validate


def propagate(A: Tensor, u: Tensor, lam: Tensor | float = 1.0) -> Tensor:
    r"""Each node's normalised sum over its neighbours and itself: $\hat A u$.

    $$\hat A = D^{-1/2} (A + \lambda I) D^{-1/2}, \qquad D_{ii} = \sum_j A_{ij} + \lambda$$

    A (V, V), sparse or not; u (V, H), a row a node -> (V, H). ``lam``: how much a node's own
    message counts beside a neighbour's, a number or a tensor (1,), which gets its gradient.
    Without a neighbour and with ``lam`` 0 a node's row is NaN: there is nothing to divide by.
    Source: Kipf and Welling (2017), equation 2, with lam = 1.
    """
    s = (A @ torch.ones_like(u[:, :1]) + lam).rsqrt()  # (V, 1), the diagonal of D^{-1/2}
    return s * (A @ (s * u) + lam * (s * u))


def normalised(A: Tensor, lam: float = 1.0) -> Tensor:
    r"""$\hat A$ (V, V) as a matrix, to look at: see ``propagate``.

    Raises ValueError where a node's degree plus ``lam`` is not above 0.
    """
    validate.tensor("A", A, ("V", "V"))
    validate.degrees(A.to_dense().sum(1) + validate.real("lam", lam))
    return propagate(A, torch.eye(len(A), dtype=A.dtype), lam)


def hops(A: Tensor, source: int) -> list[int]:
    """Layers that a message of ``source`` needs to each of the V nodes; -1 where it never comes.

    A node is reached after k layers if $(A + I)^k$ has an entry there: one product a layer.
    Raises TypeError or ValueError for a matrix that is not square and a node that is not there.
    """
    validate.tensor("A", A, ("V", "V"))
    V = len(A)
    if validate.positive_int("source", source, minimum=0) >= V:
        raise ValueError(f"source must be a node from 0 to {V - 1}, got {source}")
    reached = torch.zeros(V, 1, dtype=A.dtype)
    reached[source] = 1
    layers = [-1] * V
    for k in range(V):  # no shortest way has V edges
        for v in reached[:, 0].nonzero()[:, 0].tolist():
            layers[v] = k if layers[v] < 0 else layers[v]
        reached = ((A @ reached + reached) > 0).to(A.dtype)
    return layers
