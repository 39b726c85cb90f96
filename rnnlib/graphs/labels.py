"""Label propagation: neighbours agree, and nothing is learned."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnlib import validate


def spread_labels(A: Tensor, nodes: Tensor, y: Tensor, K: int, steps: int = 1000) -> Tensor:
    r"""Class probabilities (V, K) of all nodes from the classes ``y`` (M,) of the ``nodes`` (M,).

    Each node takes the mean of its neighbours, and the labelled nodes their label again:

    $$F \leftarrow D^{-1} A F, \qquad F_{\text{nodes}} \leftarrow \text{onehot}(y)$$

    from the uniform distribution, ``steps`` times. A node that no label reaches stays uniform.
    Raises TypeError or ValueError for arguments of the wrong type, shape or range.
    Source: Zhu and Ghahramani (2002).
    """
    validate.tensor("A", A, ("V", "V"))
    validate.positive_int("K", K)
    validate.labels("nodes", nodes, ("M",), len(A))
    validate.labels("y", y, (len(nodes),), K)
    F = torch.full((len(A), K), 1 / K, dtype=A.dtype)
    degree = A @ torch.ones_like(F[:, :1])  # (V, 1)
    own = torch.nn.functional.one_hot(y, K).to(A.dtype)  # (M, K)
    for _ in range(validate.positive_int("steps", steps)):
        F[nodes] = own
        F = torch.where(degree > 0, A @ F / degree, F)  # an isolated node hears nothing
    F[nodes] = own
    return F
