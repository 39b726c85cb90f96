"""Graph convolution, forward and backward, by hand."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from rnnlib import validate
from rnnlib.bptt.readout import cross_entropy
from rnnlib.bptt.shapes import Array, Labels, Weights, shapes


class GCNCache(NamedTuple):
    """What ``gcn_backward`` needs of the forward pass: the arrays themselves, no copies."""

    A: Annotated[Array, "V V"]  # adjacency
    x: Annotated[Array, "V D"]  # what the nodes know
    u: Annotated[Array, "V H"]  # what they send
    z: Annotated[Array, "V H"]  # what arrives
    W_hx: Annotated[Array, "H D"]
    lam: Annotated[Array, "1"]


@shapes(A="V V", x="V D", W_hx="H D", b_h="H", lam="1")
def gcn_forward(A: Array, x: Array, weights: Weights) -> tuple[Array, GCNCache]:
    r"""One graph convolution, before its nonlinearity: each node mixes what its neighbours send.

    $$u = x W_{hx}^\top \qquad z = \hat A u \qquad a = z + b_h \qquad
      \hat A = D^{-1/2} (A + \lambda I) D^{-1/2}, \quad D_{ii} = \textstyle\sum_j A_{ij} + \lambda$$

    A (V, V), symmetric for an undirected graph; x (V, D), a row a node; weights W_hx (H, D),
    b_h (H,) and lam (1,), the weight of a node's own message -> a (V, H) and the cache.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value; a node
    without neighbours needs a lam above 0.
    Source: Kipf and Welling (2017), equation 2, with lam = 1.
    """
    W_hx, b_h, lam = weights["W_hx"], weights["b_h"], weights["lam"]
    d = A.sum(axis=1, keepdims=True) + lam  # (V, 1)
    validate.degrees(d)
    s = d**-0.5  # (V, 1), the diagonal of D^{-1/2}
    u = x @ W_hx.T  # (V, H), what each node sends
    z = s * (A @ (s * u) + lam * (s * u))  # (V, H), what arrives
    return z + b_h, GCNCache(A, x, u, z, W_hx, lam)


@shapes(da="V H")
def gcn_backward(da: Array, cache: GCNCache) -> dict[str, Array]:
    r"""Gradients of the loss for a graph convolution, from $\delta a$ (V, H).

    Messages run back along the edges, $\delta u = \hat A^\top \delta z$, and

    $$\frac{\partial L}{\partial \lambda} = \sum_i \frac{1}{D_{ii}} \Big(\delta z_i^\top u_i
      - \tfrac12 \delta z_i^\top z_i - \tfrac12 u_i^\top \delta u_i \Big)$$

    Returns each gradient under its variable's name: W_hx (H, D), b_h (H,), lam (1,), x (V, D), and
    of the messages u (V, H).
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    """
    A, x, u, z, W_hx, lam = cache
    s = (A.sum(axis=1, keepdims=True) + lam) ** -0.5  # (V, 1)
    dz = da  # (V, H), as a = z + b_h
    du = s * (A.T @ (s * dz) + lam * (s * dz))  # (V, H), along the edges, the other way
    dlam = (s**2 * (dz * u - (dz * z + u * du) / 2)).sum(keepdims=True)[0]  # (1,)
    return {"W_hx": du.T @ x, "b_h": da.sum(axis=0), "lam": dlam, "x": du @ W_hx, "u": du}


@shapes(
    A="V V", x="V D", W_hx="H D", b_h="H", lam="1", W_ph="K H", b_p="K",
    nodes="M below V", y="M below K",
)  # fmt: skip
def gcn_loss(
    A: Array, x: Array, nodes: Labels, y: Labels, weights: Weights
) -> tuple[float, dict[str, Array]]:
    r"""Loss and all gradients of two graph convolutions with ReLU between them.

    $$h = \max(0, \hat A x W_{hx}^\top + b_h) \qquad p = \hat A h W_{ph}^\top + b_p$$

    The loss is the mean cross-entropy of the logits p (V, K) at the ``nodes`` (M,), whose classes
    are ``y`` (M,). Both layers share lam, so its gradient is the sum of theirs.
    Shapes, gradients and errors are those of ``gcn_forward`` and ``gcn_backward``.
    """
    a, below = gcn_forward(A, x, weights)
    h = np.maximum(a, 0)  # (V, H)
    second = {"W_hx": weights["W_ph"], "b_h": weights["b_p"], "lam": weights["lam"]}
    p, above = gcn_forward(A, h, second)
    loss, dp_nodes = cross_entropy(p[nodes], y)
    dp = np.zeros_like(p)  # the loss sees the labelled nodes only
    np.add.at(dp, nodes, dp_nodes)
    top = gcn_backward(dp, above)
    grads = gcn_backward(top["x"] * (a > 0), below)
    grads["lam"] = grads["lam"] + top["lam"]
    return loss, grads | {"W_ph": top["W_hx"], "b_p": top["b_h"]}
