r"""One LSTM layer that is fast on a CPU: the equations of ``rnnlib.bptt.lstm``, arranged for speed.

- The input product $W_x x_t + b$ of all steps is taken at once, before the loop.
- Back-propagation is by hand: autograd would record dozens of operations a step.
- What the way back multiplies by, the slopes, is taken for many steps at once.
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
from torch import Tensor
from torch.autograd import Function

from rnnlib import validate
from rnnlib.cells import LSTMCell
from rnnlib.fused import sweep
from rnnlib.fused.sweep import d_sigmoid, d_tanh


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
    by default the weights', under ``torch.autocast`` its own. x and h0 may have that type or the
    weights'.
    A second derivative (``create_graph=True``) is taken through ``rnnlib.cells.LSTMCell``.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or device, and
    RuntimeError for a second derivative where products are of another type than the weights;
    forward-mode derivatives and ``torch.func`` raise in torch. ``rnnlib.LSTM`` has them all.
    Source: Hochreiter and Schmidhuber (1997); forget gate: Gers, Schmidhuber and Cummins (2000).
    """
    validate.tensor("W_h", W_h, ("4H", "H"))
    H = W_h.shape[1]
    if len(W_h) != 4 * H:
        raise ValueError(f"W_h must have shape (4H, H), got {tuple(W_h.shape)}")
    if products is None and validate.autocast(W_h.device.type):
        products = torch.get_autocast_dtype(W_h.device.type)
    products = sweep.check_products(products, W_h)
    validate.tensor("x", x, ("T", "N", "D"), like=_like(x, products, W_h))
    N, D = x.shape[1:]
    validate.tensor("W_x", W_x, (4 * H, D), like=W_h)
    validate.tensor("b", b, (4 * H,), like=W_h)
    validate.tensor("h0", h0, (N, H), like=_like(h0, products, W_h))
    validate.tensor("c0", c0, (N, H), like=W_h)
    x, h0, W_x, W_h, b = (value.to(products) for value in (x, h0, W_x, W_h, b))
    if sweep.wanted(x, h0, c0, W_x, W_h, b):
        return _Sweep.apply(x.contiguous(), h0, c0, W_x, W_h, b)
    h, c, _, _ = _states(x, h0, c0, W_x, W_h, b, keep=False)
    return h[1:], c[-1]


def _like(value: object, products: torch.dtype, W_h: Tensor) -> Tensor | None:
    """What the type of x or h0 is compared with: nothing if it is that of the products."""
    return None if isinstance(value, Tensor) and value.dtype == products else W_h


def _states(
    x: Tensor, h0: Tensor, c0: Tensor, W_x: Tensor, W_h: Tensor, b: Tensor, *, keep: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The loop over time -> h and c (T + 1, N, H), the first state before the others, gates
    (T, N, 4H) and tanh_c (T, N, H).

    With ``keep`` False of the last three only what belongs to the last steps.
    """
    T, N, H = len(x), *c0.shape
    h, c = x.new_empty(T + 1, N, H), c0.new_empty(T + 1 if keep else 1, N, H)
    tanh_c = c0.new_empty(T if keep else 1, N, H)
    h[0], c[0] = h0, c0
    h_all, c_all, tanh_all = (one.unbind() for one in (h, c, tanh_c))
    if not keep:
        c_all, tanh_all = c_all * (T + 1), tanh_all * T
    h_t, c_t, W, t = h_all[0], c_all[0], W_h.T, 0
    for a_x in sweep.products_with_x(x, W_x, b, whole=keep):  # (T, N, 4H), or fewer steps
        gates = a_x if a_x.dtype == c0.dtype else c0.new_empty(a_x.shape)
        parts = [part.unbind() for part in gates.split([2 * H, H, H], dim=2)]
        i_and_f = [part.unbind() for part in gates.split(H, dim=2)][:2]
        for a, a_t, i_f, g, o, i, f in zip(a_x, gates, *parts, *i_and_f, strict=True):
            a.addmm_(h_t, W)  # (N, 4H)
            if a_x is not gates:
                a_t.copy_(a)
            i_f.sigmoid_()
            g.tanh_()
            o.sigmoid_()
            c_t = torch.mul(c_t, f, out=c_all[t + 1]).addcmul_(g, i)
            h_t = torch.mul(torch.tanh(c_t, out=tanh_all[t]), o, out=h_all[t + 1])
            t += 1
    return h, c, gates, tanh_c


def _again(ctx: Any, *deltas: Tensor) -> sweep.Gradients:
    """The gradients by autograd, through the cell."""
    x, h0, c0, W_x, W_h, b, *_ = ctx.saved_tensors
    if x.dtype != c0.dtype:  # no cell rounds its products
        return sweep.refuse(ctx)
    arguments = {"x": x, "h0": h0, "c0": c0, "W_x": W_x, "W_h": W_h, "b": b}
    return sweep.by_autograd(LSTMCell, arguments, ctx.needs_input_grad, deltas)


def _slopes(c_before: Tensor, gates: Tensor, tanh_c: Tensor, da: Tensor, h_to_c: Tensor) -> None:
    """Into da what da_t is a multiple of: of dc_t for i, f and g, of dh_t for o.

    And into h_to_c what dh_t is multiplied by on its way to dc_t. For some steps S: gates and da
    are (S, N, 4H), the others (S, N, H).
    """
    i, f, g, o = gates.split(tanh_c.shape[2], dim=2)  # (S, N, H) each
    to_i, to_f, to_g, to_o = da.split(tanh_c.shape[2], dim=2)
    d_sigmoid(g, i, grad_input=to_i)
    d_sigmoid(c_before, f, grad_input=to_f)
    d_tanh(i, g, grad_input=to_g)
    d_sigmoid(tanh_c, o, grad_input=to_o)
    d_tanh(o, tanh_c, grad_input=h_to_c)


class _Sweep(Function):
    """x (T, N, D), h0, c0 (N, H), W_x (4H, D), W_h (4H, H), b (4H,) -> h (T, N, H), c_T (N, H)."""

    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        h, c, gates, tanh_c = _states(*arguments, keep=True)
        ctx.save_for_backward(*arguments, h, c, gates, tanh_c)
        return h[1:], c[-1].clone()

    @staticmethod
    @sweep.first_derivative(_again)
    def backward(ctx: Any, dh_immediate: Tensor, dc_T: Tensor) -> sweep.Gradients:
        x, h0, _, W_x, W_h, _, h, c, gates, tanh_c = ctx.saved_tensors
        T, N, H = tanh_c.shape
        da, h_to_c = torch.empty_like(gates), torch.empty_like(tanh_c)  # (T, N, 4H), (T, N, H)
        through_c = da[..., : 3 * H].unflatten(2, (3, H)).unbind()  # i, f, g: (N, 3, H) each
        through_o, f = da[..., 3 * H :].unbind(), gates[..., H : 2 * H].unbind()  # (N, H) each
        immediate = torch.zeros_like(h0), *dh_immediate.unbind()  # (N, H) each; h0 has none
        dh, dc = immediate[T], dc_T.clone(memory_format=torch.contiguous_format)
        dc_each = dc[:, None]  # (N, 1, H), a view of dc: for three gates at once
        for piece in sweep.pieces(T, N * H):  # of steps
            q = slice(piece.start, piece.stop)
            _slopes(c[q], gates[q], tanh_c[q], da[q], h_to_c[q])
            for t in reversed(piece):
                dh = dh.to(c.dtype)
                dc.addcmul_(dh, h_to_c[t])  # dc held what c_{t+1} sent
                through_c[t].mul_(dc_each)  # slopes become da_t
                through_o[t].mul_(dh)
                dc.mul_(f[t])
                dh = torch.addmm(immediate[t], da[t].to(h.dtype), W_h)
        da = da.to(h.dtype)  # rounded, if the products are
        needs_x, _, _, needs_W_x, needs_W_h, needs_b = ctx.needs_input_grad
        dW_h = sweep.gradient_of_W_h(da, h) if needs_W_h else None
        dx, dW_x, db = sweep.gradients_at_x(da, x, W_x, (needs_x, needs_W_x, needs_b))
        return dx, dh, dc, dW_x, dW_h, db
