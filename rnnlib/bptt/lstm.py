"""The LSTM, forward and back through time, by hand."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from rnnlib.bptt.readout import readout_loss
from rnnlib.bptt.shapes import Array, Labels, Weights, shapes

State = tuple[Array, Array]  # (h, c), (N, H) each


class LSTMCache(NamedTuple):
    """What ``lstm_backward`` needs of the forward pass: the arrays themselves, no copies."""

    x: Annotated[Array, "N T D"]  # inputs
    h0: Annotated[Array, "N H"]  # first state
    c0: Annotated[Array, "N H"]  # first cell state
    h: Annotated[Array, "N T H"]  # hidden states h_1 to h_T
    c: Annotated[Array, "N T H"]  # cell states c_1 to c_T
    gates: Annotated[Array, "N T 4H"]  # i, f, g, o after their nonlinearities
    W_x: Annotated[Array, "4H D"]
    W_h: Annotated[Array, "4H H"]


def sigmoid(a: Array) -> Array:
    r"""$\sigma(a) = 1/(1 + e^{-a})$, taken as $e^{-\ln(1 + e^{-a})}$, which never overflows."""
    return np.exp(-np.logaddexp(0, -a))


@shapes(x="N T D", h0="N H", c0="N H", W_x="4H D", W_h="4H H", b="4H")
def lstm_forward(x: Array, state: State, weights: Weights) -> tuple[Array, LSTMCache]:
    r"""Hidden states of an LSTM.

    $$a_t = W_x x_t + W_h h_{t-1} + b, \qquad
      i_t, f_t, o_t = \sigma(a^i_t), \sigma(a^f_t), \sigma(a^o_t), \quad g_t = \tanh(a^g_t)$$
    $$c_t = g_t \odot i_t + c_{t-1} \odot f_t, \qquad h_t = \tanh(c_t) \odot o_t$$

    x (N, T, D), state (h0, c0), each (N, H), weights W_x (4H, D), W_h (4H, H), b (4H,), packed
    i, f, g, o -> h (N, T, H) and the cache for ``lstm_backward``, which also has the cell states
    c (N, T, H) and the gates (N, T, 4H) after their nonlinearities.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    Source: Hochreiter and Schmidhuber (1997); forget gate: Gers, Schmidhuber and Cummins (2000).
    """
    W_x, W_h, b = weights["W_x"], weights["W_h"], weights["b"]
    h0, c0 = state
    N, T, H = len(x), x.shape[1], W_h.shape[1]
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
    return h, LSTMCache(x, h0, c0, h, c, gates, W_x, W_h)


@shapes(dh_immediate="N T H")
def lstm_backward(dh_immediate: Array, cache: LSTMCache) -> dict[str, Array]:
    r"""Gradients of the loss for an LSTM, from the last step to the first.

    ``dh_immediate`` (N, T, H) is $\partial^{+} L / \partial h_t$: what reaches $h_t$ from the
    readout of step t alone.
    $$\delta h_t = \partial^{+} L/\partial h_t + W_h^\top \delta a_{t+1}, \qquad
      \delta c_t = o_t \odot (1 - \tanh^2 c_t) \odot \delta h_t + f_{t+1} \odot \delta c_{t+1}$$

    Returns each gradient under its variable's name: W_x (4H, D), W_h (4H, H), b (4H,),
    x (N, T, D), h0 and c0 (N, H), and the total derivatives h and c (N, T, H).
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    """
    x, h0, c0, h, c, gates, W_x, W_h = cache
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


@shapes(x="N T D", h0="N H", c0="N H", W_x="4H D", W_h="4H H", b="4H", W_ph="K H", b_p="K")
def lstm_loss(
    x: Array, y: Labels, state: State, weights: Weights
) -> tuple[float, dict[str, Array]]:
    """Loss and all gradients of an LSTM with a softmax readout, whose weights are W_ph and b_p.

    y (N,) puts the loss at the last step; y (N, T) puts it at every step (the mean over both).
    Shapes, gradients and errors are those of ``lstm_forward``, ``lstm_backward``, ``readout_loss``.
    """
    h, cache = lstm_forward(x, state, weights)
    loss, grads, dh_immediate = readout_loss(h, y, weights["W_ph"], weights["b_p"])
    return loss, grads | lstm_backward(dh_immediate, cache)
