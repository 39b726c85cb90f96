"""The readout: logits, softmax, cross-entropy and their gradients, by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnlib import validate

Array = NDArray[np.floating]


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


def readout_loss(
    h: Array, y: NDArray[np.integer], W_ph: Array, b_p: Array
) -> tuple[float, dict[str, Array], Array]:
    r"""Loss of hidden states h (N, T, H), read out by a softmax layer.

    y (N,) puts the loss at the last step; y (N, T) puts it at every step (the mean over both).
    Returns the loss, the gradients of W_ph and b_p, and $\partial^{+} L/\partial h_t$ (N, T, H).
    """
    validate.instance("y", y, np.ndarray, "a numpy.ndarray of integers")
    if y.ndim not in (1, 2):
        raise ValueError(f"y must have shape (N,) or (N, T), got {y.shape}")
    steps = slice(None) if y.ndim == 2 else -1
    read = h[:, steps]  # (N, T, H) or (N, H)
    loss, dp = cross_entropy(readout_forward(read, W_ph, b_p), y)
    grads = readout_backward(dp, read, W_ph)
    dh_immediate = np.zeros_like(h)
    dh_immediate[:, steps] = grads.pop("h")
    return loss, grads, dh_immediate
