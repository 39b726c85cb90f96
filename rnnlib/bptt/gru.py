"""The GRU, forward and back through time, by hand; packed r, z, n as ``rnnlib.cells.GRUCell``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnlib import validate
from rnnlib.bptt.lstm import sigmoid
from rnnlib.bptt.readout import Array, readout_loss


def gru_forward(
    x: Array, h0: Array, W_x: Array, W_h: Array, b: Array, b_nh: Array
) -> tuple[Array, Array]:
    r"""Hidden states and gates of a GRU whose reset gate acts after the product, as in torch.

    $$r_t = \sigma(W_{rx} x_t + W_{rh} h_{t-1} + b_r) \quad
      z_t = \sigma(W_{zx} x_t + W_{zh} h_{t-1} + b_z)$$
    $$n_t = \tanh(W_{nx} x_t + b_n + r_t \odot (W_{nh} h_{t-1} + b_{nh})) \quad
      h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}$$

    x (N, T, D), h0 (N, H), W_x (3H, D), W_h (3H, H), b (3H,), b_nh (H,), packed r, z, n
    -> h (N, T, H) and the values r, z, n of all steps, ``gates`` (N, T, 3H).
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    Source: Cho et al. (2014), who place the reset gate before the product.
    """
    H = _hidden_size(W_h)
    validate.arrays(
        W_h=(W_h, "3H H"), x=(x, "N T D"), W_x=(W_x, "3H D"), b=(b, "3H"), b_nh=(b_nh, "H"),
        h0=(h0, "N H"),
    )  # fmt: skip
    N, T, _ = x.shape
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
    return h, gates


def gru_backward(
    dh_immediate: Array, x: Array, h0: Array, h: Array, gates: Array,
    W_x: Array, W_h: Array, b_nh: Array,
) -> dict[str, Array]:  # fmt: skip
    r"""Gradients of the loss for a GRU, from the last step to the first.

    ``dh_immediate`` (N, T, H) is $\partial^{+} L / \partial h_t$: what reaches $h_t$ from the
    readout of step t alone. ``h`` and ``gates`` are ``gru_forward``'s. With the product
    $m_t = W_{nh} h_{t-1} + b_{nh}$, which is computed again here,
    $$\delta a^n_t = (1 - z_t) \odot (1 - n_t \odot n_t) \odot \delta h_t \qquad
      \delta m_t = r_t \odot \delta a^n_t$$
    $$\delta a^r_t = m_t \odot r_t \odot (1 - r_t) \odot \delta a^n_t \qquad
      \delta a^z_t = (h_{t-1} - n_t) \odot z_t \odot (1 - z_t) \odot \delta h_t$$
    $$\delta h_t = \partial^{+} L/\partial h_t + z_{t+1} \odot \delta h_{t+1}
      + W_{rh}^\top \delta a^r_{t+1} + W_{zh}^\top \delta a^z_{t+1} + W_{nh}^\top \delta m_{t+1}$$

    Returns each gradient under its variable's name: W_x, W_h, b, b_nh, x (N, T, D), h0 (N, H),
    and the total derivative h (N, T, H).
    """
    H = _hidden_size(W_h)
    validate.arrays(
        W_h=(W_h, "3H H"), x=(x, "N T D"), W_x=(W_x, "3H D"), b_nh=(b_nh, "H"), h0=(h0, "N H"),
        h=(h, "N T H"), gates=(gates, "N T 3H"), dh_immediate=(dh_immediate, "N T H"),
    )  # fmt: skip
    W_nh = W_h[2 * H :]  # (H, H)
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


def gru_loss(
    x: Array, y: NDArray[np.integer], h0: Array, W_x: Array, W_h: Array, b: Array, b_nh: Array,
    W_ph: Array, b_p: Array,
) -> tuple[float, dict[str, Array]]:  # fmt: skip
    """Loss and all gradients of a GRU with a softmax readout.

    y (N,) puts the loss at the last step; y (N, T) puts it at every step (the mean over both).
    """
    h, gates = gru_forward(x, h0, W_x, W_h, b, b_nh)  # (N, T, H), (N, T, 3H)
    loss, grads, dh_immediate = readout_loss(h, y, W_ph, b_p)
    return loss, grads | gru_backward(dh_immediate, x, h0, h, gates, W_x, W_h, b_nh)


def _hidden_size(W_h: Array) -> int:
    """H of recurrent weights (3H, H)."""
    H = validate.array("W_h", W_h, ("3H", "H")).shape[1]
    if len(W_h) != 3 * H:
        raise ValueError(f"W_h must have shape (3H, H), got {W_h.shape}")
    return H
