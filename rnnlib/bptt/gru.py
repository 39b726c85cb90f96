"""The GRU, forward and back through time, by hand; packed r, z, n as ``rnnlib.cells.GRUCell``."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from rnnlib.bptt.lstm import sigmoid
from rnnlib.bptt.readout import readout_loss
from rnnlib.bptt.shapes import Array, Labels, Weights, shapes


class GRUCache(NamedTuple):
    """What ``gru_backward`` needs of the forward pass: the arrays themselves, no copies."""

    x: Annotated[Array, "N T D"]  # inputs
    h0: Annotated[Array, "N H"]  # first state
    h: Annotated[Array, "N T H"]  # hidden states h_1 to h_T
    gates: Annotated[Array, "N T 3H"]  # r, z, n after their nonlinearities
    W_x: Annotated[Array, "3H D"]
    W_h: Annotated[Array, "3H H"]
    b_nh: Annotated[Array, "H"]


@shapes(x="N T D", h0="N H", W_x="3H D", W_h="3H H", b="3H", b_nh="H")
def gru_forward(x: Array, h0: Array, weights: Weights) -> tuple[Array, GRUCache]:
    r"""Hidden states of a GRU whose reset gate acts after the product, as in torch.

    $$r_t = \sigma(W_{rx} x_t + W_{rh} h_{t-1} + b_r) \quad
      z_t = \sigma(W_{zx} x_t + W_{zh} h_{t-1} + b_z)$$
    $$n_t = \tanh(W_{nx} x_t + b_n + r_t \odot (W_{nh} h_{t-1} + b_{nh})) \quad
      h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}$$

    x (N, T, D), h0 (N, H), weights W_x (3H, D), W_h (3H, H), b (3H,), packed r, z, n, and
    b_nh (H,) -> h (N, T, H) and the cache for ``gru_backward``, which also has the values
    r, z, n of all steps, ``gates`` (N, T, 3H).
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    Source: Cho et al. (2014), who place the reset gate before the product.
    """
    W_x, W_h, b, b_nh = weights["W_x"], weights["W_h"], weights["b"], weights["b_nh"]
    N, T, H = len(x), x.shape[1], len(b_nh)
    h, gates = np.empty((N, T, H), dtype=x.dtype), np.empty((N, T, 3 * H), dtype=x.dtype)
    h_t = h0
    for t in range(T):
        x_r, x_z, x_n = np.split(x[:, t] @ W_x.T + b, 3, axis=1)  # (N, H) each
        h_r, h_z, h_n = np.split(h_t @ W_h.T, 3, axis=1)  # (N, H) each
        r = sigmoid(x_r + h_r)
        z = sigmoid(x_z + h_z)
        n = np.tanh(x_n + r * (h_n + b_nh))
        h_t = (1 - z) * n + z * h_t
        h[:, t], gates[:, t] = h_t, np.concatenate([r, z, n], axis=1)
    return h, GRUCache(x, h0, h, gates, W_x, W_h, b_nh)


@shapes(dh_immediate="N T H")
def gru_backward(dh_immediate: Array, cache: GRUCache) -> dict[str, Array]:
    r"""Gradients of the loss for a GRU, from the last step to the first.

    ``dh_immediate`` (N, T, H) is $\partial^{+} L / \partial h_t$: what reaches $h_t$ from the
    readout of step t alone. With the product $m_t = W_{nh} h_{t-1} + b_{nh}$, which is computed
    again here,
    $$\delta a^n_t = (1 - z_t) \odot (1 - n_t \odot n_t) \odot \delta h_t \qquad
      \delta m_t = r_t \odot \delta a^n_t$$
    $$\delta a^r_t = m_t \odot r_t \odot (1 - r_t) \odot \delta a^n_t \qquad
      \delta a^z_t = (h_{t-1} - n_t) \odot z_t \odot (1 - z_t) \odot \delta h_t$$
    $$\delta h_t = \partial^{+} L/\partial h_t + z_{t+1} \odot \delta h_{t+1}
      + W_{rh}^\top \delta a^r_{t+1} + W_{zh}^\top \delta a^z_{t+1} + W_{nh}^\top \delta m_{t+1}$$

    Returns each gradient under its variable's name: W_x, W_h, b, b_nh, x (N, T, D), h0 (N, H),
    and the total derivative h (N, T, H).
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    """
    x, h0, h, gates, W_x, W_h, b_nh = cache
    W_nh = np.split(W_h, 3)[2]  # (H, H)
    dW_x, dW_h = np.zeros_like(W_x), np.zeros_like(W_h)
    db, db_nh = np.zeros_like(W_h[:, 0]), np.zeros_like(b_nh)
    dx, dh = np.empty_like(x), np.empty_like(h)
    from_future = np.zeros_like(h0)  # nothing comes from beyond T
    for t in reversed(range(x.shape[1])):
        h_before = h[:, t - 1] if t > 0 else h0  # (N, H)
        r, z, n = np.split(gates[:, t], 3, axis=1)  # (N, H) each
        m = h_before @ W_nh.T + b_nh  # (N, H), what the reset gate scales
        dh[:, t] = dh_immediate[:, t] + from_future  # the total derivative
        da_n = dh[:, t] * (1 - z) * (1 - n**2)  # through the candidate
        dm = da_n * r
        da_r = da_n * m * r * (1 - r)
        da_z = dh[:, t] * (h_before - n) * z * (1 - z)
        from_x = np.concatenate([da_r, da_z, da_n], axis=1)  # (N, 3H), what W_x and b feed
        from_h = np.concatenate([da_r, da_z, dm], axis=1)  # (N, 3H), what W_h feeds
        dW_x += from_x.T @ x[:, t]  # sums over the batch and, with +=, over time
        dW_h += from_h.T @ h_before
        db += from_x.sum(axis=0)
        db_nh += dm.sum(axis=0)
        dx[:, t] = from_x @ W_x
        from_future = dh[:, t] * z + from_h @ W_h  # the direct road, and the three products
    return {"W_x": dW_x, "W_h": dW_h, "b": db, "b_nh": db_nh, "x": dx, "h0": from_future, "h": dh}


@shapes(x="N T D", h0="N H", W_x="3H D", W_h="3H H", b="3H", b_nh="H", W_ph="K H", b_p="K")
def gru_loss(x: Array, y: Labels, h0: Array, weights: Weights) -> tuple[float, dict[str, Array]]:
    """Loss and all gradients of a GRU with a softmax readout, whose weights are W_ph and b_p.

    y (N,) puts the loss at the last step; y (N, T) puts it at every step (the mean over both).
    Shapes, gradients and errors are those of ``gru_forward``, ``gru_backward``, ``readout_loss``.
    """
    h, cache = gru_forward(x, h0, weights)
    loss, grads, dh_immediate = readout_loss(h, y, weights["W_ph"], weights["b_p"])
    return loss, grads | gru_backward(dh_immediate, cache)
