"""Back-propagation through time by hand, in NumPy: the chapter's equations and nothing else.

Shapes: x (N, T, D), h (N, T, H), logits p (N, T, K), labels y (N, T) or (N,).
The text writes one sequence as column vectors; a batch is its transpose, so W x is ``x @ W.T``.
A gradient of the loss has its variable's shape and the prefix ``d``: ``dW_hh`` is dL/dW_hh.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnlib import validate

Array = NDArray[np.floating]


def rnn_forward(x: Array, h0: Array, W_hx: Array, W_hh: Array, b_h: Array) -> Array:
    """Hidden states of a vanilla RNN: h_t = tanh(W_hx x_t + W_hh h_{t-1} + b_h).

    x (N, T, D), h0 (N, H), W_hx (H, D), W_hh (H, H), b_h (H,) -> h (N, T, H).
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    """
    validate.arrays(
        W_hh=(W_hh, "H H"), x=(x, "N T D"), W_hx=(W_hx, "H D"), b_h=(b_h, "H"), h0=(h0, "N H")
    )
    N, T, _ = x.shape
    h, h_t = np.empty((N, T, len(b_h)), dtype=x.dtype), h0
    for t in range(T):
        h_t = np.tanh(x[:, t] @ W_hx.T + h_t @ W_hh.T + b_h)  # (N, H)
        h[:, t] = h_t
    return h


def rnn_backward(
    dh_immediate: Array, x: Array, h0: Array, h: Array, W_hx: Array, W_hh: Array
) -> dict[str, Array]:
    r"""Gradients of the loss for a vanilla RNN, from the last step to the first.

    ``dh_immediate`` (N, T, H) is $\partial^{+} L / \partial h_t$: what reaches $h_t$ from the
    readout of step t alone. For a loss at the last step it is zero before T.
    $$\delta h_t = \partial^{+} L/\partial h_t + W_{hh}^\top \delta a_{t+1}, \qquad
      \delta a_t = (1 - h_t \odot h_t) \odot \delta h_t$$

    Returns each gradient under its variable's name: W_hx, W_hh, b_h, x (N, T, D), h0 (N, H),
    and the total derivative h (N, T, H).
    """
    validate.arrays(
        W_hh=(W_hh, "H H"), x=(x, "N T D"), W_hx=(W_hx, "H D"), h0=(h0, "N H"),
        h=(h, "N T H"), dh_immediate=(dh_immediate, "N T H"),
    )  # fmt: skip
    dW_hx, dW_hh, db_h = np.zeros_like(W_hx), np.zeros_like(W_hh), np.zeros_like(W_hh[0])
    dx, dh = np.empty_like(x), np.empty_like(h)
    from_future = np.zeros_like(h0)  # W_hh^T delta a_{t+1}: nothing comes from beyond T
    for t in reversed(range(x.shape[1])):
        h_before = h[:, t - 1] if t > 0 else h0  # (N, H)
        dh[:, t] = dh_immediate[:, t] + from_future  # the total derivative
        da = (1 - h[:, t] ** 2) * dh[:, t]  # (N, H), through tanh
        dW_hx += da.T @ x[:, t]  # sums over the batch and, with +=, over time
        dW_hh += da.T @ h_before
        db_h += da.sum(axis=0)
        dx[:, t] = da @ W_hx
        from_future = da @ W_hh
    return {"W_hx": dW_hx, "W_hh": dW_hh, "b_h": db_h, "x": dx, "h0": from_future, "h": dh}


def readout_forward(h: Array, W_ph: Array, b_p: Array) -> Array:
    """Logits p = W_ph h + b_p at every step: h (..., H), W_ph (K, H), b_p (K,) -> (..., K)."""
    K, H = validate.array("W_ph", W_ph, ("K", "H")).shape
    validate.array("h", h, (..., H), like=W_ph)
    validate.array("b_p", b_p, (K,), like=W_ph)
    return h @ W_ph.T + b_p


def readout_backward(dp: Array, h: Array, W_ph: Array) -> dict[str, Array]:
    """Gradients of the readout: W_ph (K, H), b_p (K,), and the immediate one of h (..., H)."""
    K, H = validate.array("W_ph", W_ph, ("K", "H")).shape
    validate.array("h", h, (..., H), like=W_ph)
    validate.array("dp", dp, (*h.shape[:-1], K), like=W_ph)
    dp_rows, h_rows = dp.reshape(-1, K), h.reshape(-1, H)
    return {"W_ph": dp_rows.T @ h_rows, "b_p": dp_rows.sum(axis=0), "h": dp @ W_ph}


def softmax(p: Array) -> Array:
    r"""$\hat y = e^{p} / \sum_k e^{p_k}$ along the last axis; the maximum is taken off first."""
    validate.array("p", p, (..., "K"))
    e = np.exp(p - p.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def cross_entropy(p: Array, y: NDArray[np.integer]) -> tuple[float, Array]:
    r"""Mean cross-entropy of logits p (..., K) against labels y (...), in nats, and its gradient.

    $$L = -\frac1n \sum \ln \hat y_{y}, \qquad
      \partial L/\partial p = (\hat y - \text{onehot}(y))/n$$
    """
    K = validate.array("p", p, (..., "K")).shape[-1]
    validate.labels("y", y, p.shape[:-1], K)
    shifted = p - p.max(axis=-1, keepdims=True)
    log_y_hat = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    onehot = np.eye(K, dtype=p.dtype)[y]  # (..., K)
    n = y.size
    return float(-(onehot * log_y_hat).sum() / n), (np.exp(log_y_hat) - onehot) / n


def rnn_loss(
    x: Array,
    y: NDArray[np.integer],
    h0: Array,
    W_hx: Array,
    W_hh: Array,
    b_h: Array,
    W_ph: Array,
    b_p: Array,
) -> tuple[float, dict[str, Array]]:
    """Loss and all gradients of an RNN with a softmax readout.

    y (N,) puts the loss at the last step; y (N, T) puts it at every step (the mean over both).
    """
    validate.instance("y", y, np.ndarray, "a numpy.ndarray of integers")
    if y.ndim not in (1, 2):
        raise ValueError(f"y must have shape (N,) or (N, T), got {y.shape}")
    h = rnn_forward(x, h0, W_hx, W_hh, b_h)  # (N, T, H)
    read = h if y.ndim == 2 else h[:, -1]  # (N, T, H) or (N, H)
    loss, dp = cross_entropy(readout_forward(read, W_ph, b_p), y)
    grads = readout_backward(dp, read, W_ph)
    dh_immediate = np.zeros_like(h)
    dh_immediate[:, (slice(None) if y.ndim == 2 else -1)] = grads.pop("h")
    return loss, grads | rnn_backward(dh_immediate, x, h0, h, W_hx, W_hh)
