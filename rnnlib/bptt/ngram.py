"""The neural n-gram model, forward and backward, by hand."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, get_args

import numpy as np

from rnnlib import validate
from rnnlib.bptt.readout import cross_entropy, readout_backward, readout_forward
from rnnlib.bptt.shapes import Array, Labels, Weights, shapes

Activation = Literal["tanh", "linear"]


class NGramCache(NamedTuple):
    """What ``ngram_backward`` needs of the forward pass: the arrays themselves, no copies."""

    C: Annotated[Array, "K E"]  # a row for each word
    words: Annotated[Labels, "N M below K"]  # the M = n - 1 words before
    x: Annotated[Array, "N M*E"]  # their rows, one after the other
    slope: Annotated[Array, "N H"]  # f'(a)
    W_hx: Annotated[Array, "H M*E"]


@shapes(C="K E", words="N M below K", W_hx="H M*E", b_h="H")
def ngram_forward(
    words: Labels, weights: Weights, activation: Activation = "tanh"
) -> tuple[Array, NGramCache]:
    r"""Hidden units of a neural n-gram model, from the numbers of the M = n - 1 words before.

    $$x = [C_{w_1}; \dots; C_{w_M}], \qquad h = f(W_{hx} x + b_h)$$

    words (N, M), weights C (K, E), W_hx (H, M E), b_h (H,), f "tanh" or "linear"
    -> h (N, H) and the cache for ``ngram_backward``.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    Source: Bengio, Ducharme, Vincent and Jauvin (2003).
    """
    validate.one_of("activation", activation, get_args(Activation))
    C, W_hx, b_h = weights["C"], weights["W_hx"], weights["b_h"]
    x = C[words].reshape(len(words), -1)  # (N, M, E) -> (N, M E)
    a = x @ W_hx.T + b_h  # (N, H)
    h = np.tanh(a) if activation == "tanh" else a
    slope = 1 - h**2 if activation == "tanh" else np.ones_like(a)
    return h, NGramCache(C, words, x, slope, W_hx)


@shapes(dh="N H")
def ngram_backward(dh: Array, cache: NGramCache) -> dict[str, Array]:
    r"""Gradients of the loss for a neural n-gram model, from $\partial L/\partial h$ (N, H).

    $$\delta a = f'(a) \odot \partial L/\partial h, \qquad
      \partial L/\partial x = W_{hx}^\top \delta a, \qquad
      \partial L/\partial C_k = \sum_{m:\, w_m = k} \partial L/\partial x_m$$

    with $x_m$ the m-th piece of x, of size E. A word that stands several times in the windows
    gets the sum over all its places.

    Returns each gradient under its variable's name: C (K, E), W_hx (H, M E), b_h (H,), x (N, M E).
    Raises TypeError or ValueError that names an argument of the wrong type, shape or value.
    """
    C, words, x, slope, W_hx = cache
    da = slope * dh  # (N, H), through f
    dx = da @ W_hx  # (N, M E)
    dC = np.zeros_like(C)
    np.add.at(dC, words, dx.reshape(*words.shape, -1))  # dC[words] += ... would keep one place
    return {"C": dC, "W_hx": da.T @ x, "b_h": da.sum(axis=0), "x": dx}


@shapes(C="K E", words="N M below K", W_hx="H M*E", b_h="H", W_ph="K H", b_p="K", y="N below K")
def ngram_loss(
    words: Labels, y: Labels, weights: Weights, activation: Activation = "tanh"
) -> tuple[float, dict[str, Array]]:
    """Loss and all gradients of a neural n-gram model, whose readout's weights are W_ph and b_p.

    words (N, M) -> the mean cross-entropy of the next words y (N,), in nats.
    Shapes, gradients and errors are those of ``ngram_forward``, ``ngram_backward``; also h (N, H).
    """
    h, cache = ngram_forward(words, weights, activation)
    loss, dp = cross_entropy(readout_forward(h, weights["W_ph"], weights["b_p"]), y)
    grads = readout_backward(dp, h, weights["W_ph"])
    return loss, grads | ngram_backward(grads["h"], cache)
