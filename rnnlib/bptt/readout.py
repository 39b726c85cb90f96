"""The readout: logits, softmax, cross-entropy and their gradients, by hand."""

from __future__ import annotations

import numpy as np

from rnnlib.bptt.shapes import Array, Labels, shapes


@shapes(h="... H", W_ph="K H", b_p="K")
def readout_forward(h: Array, W_ph: Array, b_p: Array) -> Array:
    """Logits p = W_ph h + b_p at every step: h (..., H), W_ph (K, H), b_p (K,) -> (..., K)."""
    return h @ W_ph.T + b_p


@shapes(h="... H", W_ph="K H", dp="... K")
def readout_backward(dp: Array, h: Array, W_ph: Array) -> dict[str, Array]:
    """Gradients of the readout: W_ph (K, H), b_p (K,), and the immediate one of h (..., H)."""
    K, H = W_ph.shape
    dp_rows, h_rows = dp.reshape(-1, K), h.reshape(-1, H)
    return {"W_ph": dp_rows.T @ h_rows, "b_p": dp_rows.sum(axis=0), "h": dp @ W_ph}


@shapes(p="... K")
def softmax(p: Array) -> Array:
    r"""$\hat y = e^{p} / \sum_k e^{p_k}$ along the last axis; the maximum is taken off first."""
    e = np.exp(p - p.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@shapes(p="... K", y="... below K")
def cross_entropy(p: Array, y: Labels) -> tuple[float, Array]:
    r"""Mean cross-entropy of logits p (..., K) against labels y (...), in nats, and its gradient.

    $$L = -\frac1n \sum \ln \hat y_{y}, \qquad
      \partial L/\partial p = (\hat y - \text{onehot}(y))/n$$
    """
    shifted = p - p.max(axis=-1, keepdims=True)  # so that no exponential overflows
    log_y_hat = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    onehot = y[..., None] == np.arange(p.shape[-1])  # (..., K), True at the label
    n = y.size
    loss = float(-np.where(onehot, log_y_hat, 0).sum() / n)
    return loss, (np.exp(log_y_hat) - onehot) / n


@shapes(h="N T H", W_ph="K H", b_p="K", y="... below K")
def readout_loss(
    h: Array, y: Labels, W_ph: Array, b_p: Array
) -> tuple[float, dict[str, Array], Array]:
    r"""Loss of hidden states h (N, T, H), read out by a softmax layer.

    y (N,) puts the loss at the last step; y (N, T) puts it at every step (the mean over both).
    Returns the loss, the gradients of W_ph and b_p, and $\partial^{+} L/\partial h_t$ (N, T, H).
    """
    if y.ndim not in (1, 2):
        raise ValueError(f"y must have shape (N,) or (N, T), got {y.shape}")
    steps = slice(None) if y.ndim == 2 else -1
    read = h[:, steps]  # (N, T, H) or (N, H)
    loss, dp = cross_entropy(readout_forward(read, W_ph, b_p), y)
    grads = readout_backward(dp, read, W_ph)
    dh_immediate = np.zeros_like(h)
    dh_immediate[:, steps] = grads.pop("h")
    return loss, grads, dh_immediate
