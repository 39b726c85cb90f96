"""The vanilla RNN, forward and back through time, by hand."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from rnnlib.bptt.readout import readout_loss
from rnnlib.bptt.shapes import Array, Labels, Weights, shapes


class RNNCache(NamedTuple):
    """What ``rnn_backward`` needs of the forward pass: the arrays themselves, no copies."""

    x: Annotated[Array, "N T D"]  # inputs
    h0: Annotated[Array, "N H"]  # first state
    h: Annotated[Array, "N T H"]  # hidden states h_1 to h_T
    W_hx: Annotated[Array, "H D"]
    W_hh: Annotated[Array, "H H"]


@shapes(x="N T D", h0="N H", W_hx="H D", W_hh="H H", b_h="H")
def rnn_forward(x: Array, h0: Array, weights: Weights) -> tuple[Array, RNNCache]:
    """Hidden states of a vanilla RNN: h_t = tanh(W_hx x_t + W_hh h_{t-1} + b_h).

    x (N, T, D), h0 (N, H), weights W_hx (H, D), W_hh (H, H), b_h (H,)
    -> h (N, T, H) and the cache for ``rnn_backward``.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    """
    W_hx, W_hh, b_h = weights["W_hx"], weights["W_hh"], weights["b_h"]
    N, T, _ = x.shape
    h, h_t = np.empty((N, T, len(b_h)), dtype=x.dtype), h0
    for t in range(T):
        h_t = np.tanh(x[:, t] @ W_hx.T + h_t @ W_hh.T + b_h)  # (N, H)
        h[:, t] = h_t
    return h, RNNCache(x, h0, h, W_hx, W_hh)


@shapes(dh_immediate="N T H")
def rnn_backward(dh_immediate: Array, cache: RNNCache) -> dict[str, Array]:
    r"""Gradients of the loss for a vanilla RNN, from the last step to the first.

    ``dh_immediate`` (N, T, H) is $\partial^{+} L / \partial h_t$: what reaches $h_t$ from the
    readout of step t alone. For a loss at the last step it is zero before T.
    $$\delta h_t = \partial^{+} L/\partial h_t + W_{hh}^\top \delta a_{t+1}, \qquad
      \delta a_t = (1 - h_t \odot h_t) \odot \delta h_t$$

    Returns each gradient under its variable's name: W_hx, W_hh, b_h, x (N, T, D), h0 (N, H),
    and the total derivative h (N, T, H).
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    """
    x, h0, h, W_hx, W_hh = cache
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


@shapes(x="N T D", h0="N H", W_hx="H D", W_hh="H H", b_h="H", W_ph="K H", b_p="K")
def rnn_loss(x: Array, y: Labels, h0: Array, weights: Weights) -> tuple[float, dict[str, Array]]:
    """Loss and all gradients of an RNN with a softmax readout, whose weights are W_ph and b_p.

    y (N,) puts the loss at the last step; y (N, T) puts it at every step (the mean over both).
    Shapes, gradients and errors are those of ``rnn_forward``, ``rnn_backward``, ``readout_loss``.
    """
    h, cache = rnn_forward(x, h0, weights)
    loss, grads, dh_immediate = readout_loss(h, y, weights["W_ph"], weights["b_p"])
    return loss, grads | rnn_backward(dh_immediate, cache)
