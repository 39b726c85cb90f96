"""The LSTM, forward and back through time, by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnlib import validate
from rnnlib.bptt.readout import Array, readout_loss


def sigmoid(a: Array) -> Array:
    r"""$\sigma(a) = 1/(1 + e^{-a})$, taken as $e^{-\ln(1 + e^{-a})}$, which never overflows."""
    return np.exp(-np.logaddexp(0, -a))


def lstm_forward(
    x: Array, h0: Array, c0: Array, W_x: Array, W_h: Array, b: Array
) -> tuple[Array, Array, Array]:
    r"""Hidden states, cell states and gates of an LSTM.

    $$a_t = W_x x_t + W_h h_{t-1} + b, \qquad
      i_t, f_t, o_t = \sigma(a^i_t), \sigma(a^f_t), \sigma(a^o_t), \quad g_t = \tanh(a^g_t)$$
    $$c_t = g_t \odot i_t + c_{t-1} \odot f_t, \qquad h_t = \tanh(c_t) \odot o_t$$

    x (N, T, D), h0 and c0 (N, H), W_x (4H, D), W_h (4H, H), b (4H,), packed i, f, g, o
    -> h (N, T, H), c (N, T, H), gates (N, T, 4H) after their nonlinearities.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    Source: Hochreiter and Schmidhuber (1997); forget gate: Gers, Schmidhuber and Cummins (2000).
    """
    H = _hidden_size(W_h)
    validate.arrays(
        W_h=(W_h, "4H H"), x=(x, "N T D"), W_x=(W_x, "4H D"), b=(b, "4H"),
        h0=(h0, "N H"), c0=(c0, "N H"),
    )  # fmt: skip
    N, T, _ = x.shape
    h, c = np.empty((N, T, H), dtype=x.dtype), np.empty((N, T, H), dtype=x.dtype)
    gates = np.empty((N, T, 4 * H), dtype=x.dtype)
    h_t, c_t = h0, c0
    for t in range(T):
        a = x[:, t] @ W_x.T + h_t @ W_h.T + b  # (N, 4H)
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)  # (N, H) each
        i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
        c_t = g * i + c_t * f
        h_t = np.tanh(c_t) * o
        h[:, t], c[:, t], gates[:, t] = h_t, c_t, np.concatenate([i, f, g, o], axis=1)
    return h, c, gates


def lstm_backward(
    dh_immediate: Array,
    x: Array,
    h0: Array,
    c0: Array,
    h: Array,
    c: Array,
    gates: Array,
    W_x: Array,
    W_h: Array,
) -> dict[str, Array]:
    r"""Gradients of the loss for an LSTM, from the last step to the first.

    ``dh_immediate`` (N, T, H) is $\partial^{+} L / \partial h_t$: what reaches $h_t$ from the
    readout of step t alone. h, c and gates are what ``lstm_forward`` returned.
    $$\delta h_t = \partial^{+} L/\partial h_t + W_h^\top \delta a_{t+1}, \qquad
      \delta c_t = o_t \odot (1 - \tanh^2 c_t) \odot \delta h_t + f_{t+1} \odot \delta c_{t+1}$$

    Returns each gradient under its variable's name: W_x (4H, D), W_h (4H, H), b (4H,),
    x (N, T, D), h0 and c0 (N, H), and the total derivatives h and c (N, T, H).
    """
    _hidden_size(W_h)
    validate.arrays(
        W_h=(W_h, "4H H"), x=(x, "N T D"), W_x=(W_x, "4H D"), h0=(h0, "N H"), c0=(c0, "N H"),
        h=(h, "N T H"), c=(c, "N T H"), gates=(gates, "N T 4H"),
        dh_immediate=(dh_immediate, "N T H"),
    )  # fmt: skip
    dW_x, dW_h, db = np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(W_h[:, 0])
    dx, dh, dc = np.empty_like(x), np.empty_like(h), np.empty_like(c)
    dh_future, dc_future = np.zeros_like(h0), np.zeros_like(c0)  # nothing comes from beyond T
    for t in reversed(range(x.shape[1])):
        h_before = h[:, t - 1] if t > 0 else h0  # (N, H)
        c_before = c[:, t - 1] if t > 0 else c0
        i, f, g, o = np.split(gates[:, t], 4, axis=1)  # (N, H) each
        tanh_c = np.tanh(c[:, t])
        dh[:, t] = dh_t = dh_immediate[:, t] + dh_future  # total derivatives
        dc[:, t] = dc_t = dh_t * o * (1 - tanh_c**2) + dc_future  # through h_t; through c_{t+1}
        di, df, dg, do = dc_t * g, dc_t * c_before, dc_t * i, dh_t * tanh_c
        da = np.concatenate(  # (N, 4H), through sigmoid and tanh
            [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=1
        )
        dW_x += da.T @ x[:, t]  # sums over the batch and, with +=, over time
        dW_h += da.T @ h_before
        db += da.sum(axis=0)
        dx[:, t] = da @ W_x
        dh_future, dc_future = da @ W_h, dc_t * f
    states = {"h0": dh_future, "c0": dc_future, "h": dh, "c": dc}
    return {"W_x": dW_x, "W_h": dW_h, "b": db, "x": dx} | states


def lstm_loss(
    x: Array,
    y: NDArray[np.integer],
    h0: Array,
    c0: Array,
    W_x: Array,
    W_h: Array,
    b: Array,
    W_ph: Array,
    b_p: Array,
) -> tuple[float, dict[str, Array]]:
    """Loss and all gradients of an LSTM with a softmax readout.

    y (N,) puts the loss at the last step; y (N, T) puts it at every step (the mean over both).
    """
    h, c, gates = lstm_forward(x, h0, c0, W_x, W_h, b)
    loss, grads, dh_immediate = readout_loss(h, y, W_ph, b_p)
    return loss, grads | lstm_backward(dh_immediate, x, h0, c0, h, c, gates, W_x, W_h)


def _hidden_size(W_h: Array) -> int:
    """H of recurrent weights (4H, H)."""
    H = validate.array("W_h", W_h, ("4H", "H")).shape[1]
    if len(W_h) != 4 * H:
        raise ValueError(f"W_h must have shape (4H, H), got {W_h.shape}")
    return H
