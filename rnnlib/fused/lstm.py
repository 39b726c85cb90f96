r"""One LSTM layer that is fast on a CPU: the equations of ``rnnlib.bptt.lstm``, arranged for speed.

- The input product $W_x x_t + b$ of all steps is taken at once, before the loop.
- Back-propagation is by hand: autograd would record dozens of operations a step.
- The gradient of $W_h$ is one product after the loop, over all steps at once.
- Products may be in bfloat16: float32 without its last 16 bits, so 8 bits of precision. A processor
  with instructions for it does twice as many a second. Inside a product sums are float32; its
  result is rounded again. So a_t, h and the gradients of weights have 8 bits; gates after their
  nonlinearity, cell states and the weights themselves keep the weights' data type.

Time comes first here, x (T, N, D), so that what belongs to a step is one block of memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from rnnlib import validate

# One pass over memory each: (δ, σ) -> δ σ (1 - σ), and (δ, tanh) -> δ (1 - tanh²).
_d_sigmoid = torch.ops.aten.sigmoid_backward.grad_input
_d_tanh = torch.ops.aten.tanh_backward.grad_input


def lstm(
    x: Tensor,
    h0: Tensor,
    c0: Tensor,
    W_x: Tensor,
    W_h: Tensor,
    b: Tensor,
    products: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Hidden states of an LSTM and its last cell state.

    $$a_t = W_x x_t + W_h h_{t-1} + b, \qquad
      i_t, f_t, o_t = \sigma(a^i_t), \sigma(a^f_t), \sigma(a^o_t), \quad g_t = \tanh(a^g_t)$$
    $$c_t = g_t \odot i_t + c_{t-1} \odot f_t, \qquad h_t = \tanh(c_t) \odot o_t$$

    x (T, N, D), h0 and c0 (N, H), W_x (4H, D), W_h (4H, H), b (4H,), packed i, f, g, o
    -> h (T, N, H), c_T (N, H).
    ``products``: the data type of x and h in the products, and so of the h that is returned;
    by default the weights'. x and h0 may have that type or the weights'.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or device, and
    RuntimeError where a second derivative is asked for (``create_graph=True``); forward-mode
    derivatives and ``torch.func`` raise in torch. ``rnnlib.LSTM`` has them all.
    Source: Hochreiter and Schmidhuber (1997); forget gate: Gers, Schmidhuber and Cummins (2000).
    """
    validate.tensor("W_h", W_h, ("4H", "H"))
    H = W_h.shape[1]
    if len(W_h) != 4 * H:
        raise ValueError(f"W_h must have shape (4H, H), got {tuple(W_h.shape)}")
    products = check_products(products, W_h)
    validate.tensor("x", x, ("T", "N", "D"), like=_like(x, products, W_h))
    N, D = x.shape[1:]
    validate.tensor("W_x", W_x, (4 * H, D), like=W_h)
    validate.tensor("b", b, (4 * H,), like=W_h)
    validate.tensor("h0", h0, (N, H), like=_like(h0, products, W_h))
    validate.tensor("c0", c0, (N, H), like=W_h)
    a_x = nn.functional.linear(x.to(products), W_x.to(products), b.to(products))  # (T, N, 4H)
    return _Sweep.apply(a_x, h0.to(products), c0, W_h)


def check_products(products: torch.dtype | None, W: Tensor) -> torch.dtype:
    """The data type of the products: that of the weights W, or bfloat16."""
    if products not in (None, W.dtype, torch.bfloat16):
        raise ValueError(
            f"products must be {W.dtype}, as the weights are, or torch.bfloat16, got {products}"
        )
    return products or W.dtype


def _like(value: object, products: torch.dtype, W_h: Tensor) -> Tensor | None:
    """What the type of x or h0 is compared with: nothing if it is that of the products."""
    return None if isinstance(value, Tensor) and value.dtype == products else W_h


class _Sweep(Function):
    """The loop over time: a_x (T, N, 4H), h0, c0 (N, H), W_h (4H, H) -> h (T, N, H), c_T (N, H)."""

    @staticmethod
    def forward(
        ctx: Any, a_x: Tensor, h0: Tensor, c0: Tensor, W_h: Tensor
    ) -> tuple[Tensor, Tensor]:
        T, N, H = len(a_x), *c0.shape
        W = W_h.to(a_x.dtype)
        h, c = a_x.new_empty(T + 1, N, H), c0.new_empty(T + 1, N, H)  # h[t]: before step t
        gates, tanh_c = c0.new_empty(T, N, 4 * H), c0.new_empty(T, N, H)
        h[0], c[0] = h0, c0
        for t in range(T):
            a = torch.add(a_x[t], h[t] @ W.T, out=gates[t])  # (N, 4H)
            i, f, g, o = a.split(H, dim=1)  # (N, H) each
            a[:, : 2 * H].sigmoid_()
            _tanh(g, out=g)
            o.sigmoid_()
            torch.mul(g, i, out=c[t + 1]).addcmul_(c[t], f)
            h[t + 1] = _tanh(c[t + 1], out=tanh_c[t]) * o
        ctx.save_for_backward(gates, tanh_c, h, c, W)
        return h[1:], c[T].clone()

    @staticmethod
    def backward(ctx: Any, dh_immediate: Tensor, dc_T: Tensor) -> tuple[Tensor, ...]:
        refuse_second_derivatives()
        gates, tanh_c, h, c, W = ctx.saved_tensors
        T, N, H = tanh_c.shape
        da = h.new_empty(T, N, 4 * H)  # as the products take it
        da_t, through_h = c.new_empty(N, 4 * H), c.new_empty(N, H)
        di, df, dg, do = da_t.split(H, dim=1)  # views of da_t, (N, H) each
        dh_future, dc = torch.zeros_like(dc_T), dc_T.clone()  # what comes from beyond T
        for t in reversed(range(T)):
            i, f, g, o = gates[t].split(H, dim=1)
            dh = dh_immediate[t].to(c.dtype) + dh_future
            dc += _d_tanh(dh * o, tanh_c[t], grad_input=through_h)  # held what c_{t+1} sent
            _d_sigmoid(dc * g, i, grad_input=di)
            _d_sigmoid(dc * c[t], f, grad_input=df)
            _d_tanh(dc * i, g, grad_input=dg)
            _d_sigmoid(dh * tanh_c[t], o, grad_input=do)
            da[t] = da_t  # rounded, if the products are
            dh_future = da[t] @ W
            dc *= f
        dW_h = da.flatten(0, 1).T @ h[:T].flatten(0, 1)  # (4H, N T) @ (N T, H): all steps at once
        return da, dh_future, dc, dW_h.to(c.dtype)


def refuse_second_derivatives() -> None:
    """Raise where autograd wants to differentiate the backward pass, which it cannot see into."""
    if torch.is_grad_enabled():  # it is only under create_graph=True
        raise RuntimeError(
            "rnnlib.fused has a first derivative only, got create_graph=True: "
            "rnnlib.LSTM and torch's cross_entropy have them all"
        )


def _tanh(a: Tensor, out: Tensor) -> Tensor:
    r"""$\tanh a = 2\sigma(2a) - 1$ into ``out``: torch's sigmoid is much faster than its tanh.

    The absolute error is that of rounding at 1, so a small a loses digits.
    """
    return torch.mul(a, 2, out=out).sigmoid_().mul_(2).sub_(1)
