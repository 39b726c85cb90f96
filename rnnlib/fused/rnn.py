r"""One vanilla RNN layer, fast: the equations of ``rnnlib.bptt.rnn``, arranged as the LSTM's.

A step is two operations, the product and the nonlinearity, each in the memory of its input, and
so is a step back. Beside the states themselves, nothing is kept for the way back.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from rnnlib import validate
from rnnlib.cells import RNNCell
from rnnlib.fused import sweep

NONLINEARITIES = ("tanh", "relu")
_d_relu = torch.ops.aten.threshold_backward.grad_input  # (δ, h, 0) -> δ where h > 0


def rnn(
    x: Tensor, h0: Tensor, W_x: Tensor, W_h: Tensor, b: Tensor, nonlinearity: str = "tanh"
) -> Tensor:
    r"""Hidden states of a vanilla RNN: $h_t = \phi(W_x x_t + W_h h_{t-1} + b)$.

    x (T, N, D), h0 (N, H), W_x (H, D), W_h (H, H), b (H,) -> h (T, N, H).
    ``nonlinearity``: $\phi$, "tanh" or "relu".
    A second derivative (``create_graph=True``) is taken through ``rnnlib.cells.RNNCell``.
    Raises TypeError or ValueError that names an argument of the wrong type, shape, device or
    value; forward-mode derivatives and ``torch.func`` raise in torch, and ``rnnlib.RNN`` has them.
    Source: Elman (1990).
    """
    validate.one_of("nonlinearity", nonlinearity, NONLINEARITIES)
    validate.tensor("W_h", W_h, ("H", "H"))
    sweep.refuse_autocast("rnn", W_h)
    H = W_h.shape[1]
    validate.tensor("x", x, ("T", "N", "D"), like=W_h)
    validate.tensor("W_x", W_x, (H, x.shape[2]), like=W_h)
    validate.tensor("b", b, (H,), like=W_h)
    validate.tensor("h0", h0, (x.shape[1], H), like=W_h)
    if sweep.wanted(x, h0, W_x, W_h, b):
        return _Sweep.apply(x.contiguous(), h0, W_x, W_h, b, nonlinearity)
    return _states(x, h0, W_x, W_h, b, nonlinearity)[1:]


def _states(
    x: Tensor, h0: Tensor, W_x: Tensor, W_h: Tensor, b: Tensor, nonlinearity: str
) -> Tensor:
    """The loop over time -> h (T + 1, N, H), the first state before the others."""
    T, N, _ = x.shape
    h = x.new_empty(T + 1, *h0.shape)
    h[0] = h_t = h0
    # W_x x_t + b of all steps, and all that comes is in its place.
    torch.addmm(b, x.reshape(T * N, -1), W_x.T, out=h[1:].view(T * N, -1))
    W, apply_ = W_h.T, torch.tanh_ if nonlinearity == "tanh" else torch.relu_
    for a_t in h[1:].unbind():  # (N, H)
        h_t = apply_(a_t.addmm_(h_t, W))
    return h


def _again(ctx: Any, dh_immediate: Tensor) -> sweep.Gradients:
    """The gradients by autograd, through the cell."""
    x, h0, W_x, W_h, b, _ = ctx.saved_tensors
    arguments = {"x": x, "h0": h0, "W_x": W_x, "W_h": W_h, "b": b}
    phi, needed = ctx.nonlinearity, ctx.needs_input_grad[:5]
    found = sweep.by_autograd(RNNCell, arguments, needed, (dh_immediate,), nonlinearity=phi)
    return *found, None


class _Sweep(Function):
    """x (T, N, D), h0 (N, H), W_x (H, D), W_h (H, H), b (H,), nonlinearity -> h (T, N, H)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h0: Tensor, W_x: Tensor, W_h: Tensor, b: Tensor, nonlinearity: str
    ) -> Tensor:
        h = _states(x, h0, W_x, W_h, b, nonlinearity)
        ctx.save_for_backward(x, h0, W_x, W_h, b, h)
        ctx.nonlinearity = nonlinearity
        return h[1:]

    @staticmethod
    @sweep.first_derivative(_again)
    def backward(ctx: Any, dh_immediate: Tensor) -> sweep.Gradients:
        x, h0, W_x, W_h, _, h = ctx.saved_tensors
        da = torch.empty_like(h[1:])
        immediate = torch.zeros_like(h0), *dh_immediate.unbind()  # (N, H) each; h0 has none
        dh = immediate[-1]  # nothing else comes from beyond T
        for t, (da_t, h_t) in reversed([*enumerate(zip(da, h[1:], strict=True))]):
            if ctx.nonlinearity == "tanh":
                sweep.d_tanh(dh, h_t, grad_input=da_t)
            else:
                _d_relu(dh, h_t, 0, grad_input=da_t)
            dh = torch.addmm(immediate[t], da_t, W_h)  # immediate[t] belongs to h_{t-1}
        needs_x, _, needs_W_x, needs_W_h, needs_b, _ = ctx.needs_input_grad
        dW_h = sweep.gradient_of_W_h(da, h) if needs_W_h else None
        dx, dW_x, db = sweep.gradients_at_x(da, x, W_x, (needs_x, needs_W_x, needs_b))
        return dx, dh, dW_x, dW_h, db, None
