"""A vanilla RNN on a directed graph without cycles, forward and backward, by hand."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from rnnlib.bptt.shapes import Array, Labels, Weights, shapes


class DAGCache(NamedTuple):
    """What ``dag_backward`` needs of the forward pass: the arrays themselves, no copies."""

    x: Annotated[Array, "N V D"]  # inputs
    h0: Annotated[Array, "N H"]  # what a node hears that no edge leads to
    h: Annotated[Array, "N V H"]  # states
    heard: Annotated[Array, "N V H"]  # sums of messages
    edges: Annotated[Labels, "E 2 below V"]
    W_hx: Annotated[Array, "H D"]
    W_hh: Annotated[Array, "H H"]


@shapes(x="N V D", h0="N H", edges="E 2 below V", W_hx="H D", W_hh="H H", b_h="H")
def dag_forward(x: Array, h0: Array, edges: Labels, weights: Weights) -> tuple[Array, DAGCache]:
    r"""States of a vanilla RNN along the edges of a graph; on a path it is ``rnn_forward``.

    $$h_v = \tanh\Big(W_{hx} x_v + W_{hh} \sum_{u \to v} h_u + b_h\Big)$$

    x (N, V, D), a row a node; h0 (N, H), which a node hears that no edge leads to; edges (E, 2),
    the pairs (u, v) of u -> v with u < v, so that in the order of their numbers each node comes
    after all that it hears; weights W_hx (H, D), W_hh (H, H), b_h (H,)
    -> h (N, V, H) and the cache for ``dag_backward``.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    """
    _check_order(edges)
    W_hx, W_hh, b_h = weights["W_hx"], weights["W_hh"], weights["b_h"]
    N, V, _ = x.shape
    h = np.empty((N, V, len(b_h)), dtype=x.dtype)
    heard = np.zeros_like(h)
    for v in range(V):
        senders = edges[edges[:, 1] == v, 0]
        heard[:, v] = h[:, senders].sum(axis=1) if len(senders) else h0  # (N, H)
        h[:, v] = np.tanh(x[:, v] @ W_hx.T + heard[:, v] @ W_hh.T + b_h)
    return h, DAGCache(x, h0, h, heard, edges, W_hx, W_hh)


@shapes(dh_immediate="N V H")
def dag_backward(dh_immediate: Array, cache: DAGCache) -> dict[str, Array]:
    r"""Gradients of the loss: what went along an edge comes back along it, from the last node on.

    ``dh_immediate`` (N, V, H) is $\partial^{+} L / \partial h_v$, as in ``rnn_backward``.
    $$\delta h_u = \partial^{+} L/\partial h_u + \sum_{u \to v} W_{hh}^\top \delta a_v, \qquad
      \delta a_v = (1 - h_v \odot h_v) \odot \delta h_v$$

    Returns each gradient under its variable's name: W_hx, W_hh, b_h, x (N, V, D), h0 (N, H), and
    the total derivative h (N, V, H).
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    """
    x, h0, h, heard, edges, W_hx, W_hh = cache
    dW_hx, dW_hh, db_h = np.zeros_like(W_hx), np.zeros_like(W_hh), np.zeros_like(W_hh[0])
    dx, dh0, dh = np.empty_like(x), np.zeros_like(h0), dh_immediate.copy()
    for v in reversed(range(x.shape[1])):
        da = (1 - h[:, v] ** 2) * dh[:, v]  # (N, H): all that v sent to has come back
        dW_hx += da.T @ x[:, v]
        dW_hh += da.T @ heard[:, v]
        db_h += da.sum(axis=0)
        dx[:, v] = da @ W_hx
        senders = edges[edges[:, 1] == v, 0]
        for u in senders:
            dh[:, u] += da @ W_hh
        if not len(senders):
            dh0 += da @ W_hh
    return {"W_hx": dW_hx, "W_hh": dW_hh, "b_h": db_h, "x": dx, "h0": dh0, "h": dh}


def _check_order(edges: Labels) -> None:
    """Raise ValueError unless every edge leads from a smaller to a larger number."""
    back = edges[edges[:, 0] >= edges[:, 1]].tolist()
    if back:
        raise ValueError(
            f"edges must lead from a node to one with a larger number, got {tuple(back[0])}"
        )
