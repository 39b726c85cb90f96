r"""One GRU layer, fast: the equations of ``rnnlib.bptt.gru``, arranged as the LSTM's.

On the way back all that leaves a step is a multiple of one vector, $\delta h_t$. So what it is
multiplied by, the slopes, is taken for many steps at once, and what is left to do step by step are
the multiples, the direct road $z_t$, and the product with $W_h$.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from rnnlib import validate
from rnnlib.cells import GRUCell
from rnnlib.fused import sweep
from rnnlib.fused.sweep import d_sigmoid, d_tanh


def gru(x: Tensor, h0: Tensor, W_x: Tensor, W_h: Tensor, b: Tensor, b_nh: Tensor) -> Tensor:
    r"""Hidden states of a GRU whose reset gate acts after the product, as in torch.

    $$r_t = \sigma(W_{rx} x_t + W_{rh} h_{t-1} + b_r) \quad
      z_t = \sigma(W_{zx} x_t + W_{zh} h_{t-1} + b_z)$$
    $$n_t = \tanh(W_{nx} x_t + b_n + r_t \odot (W_{nh} h_{t-1} + b_{nh})) \quad
      h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}$$

    x (T, N, D), h0 (N, H), W_x (3H, D), W_h (3H, H), b (3H,), packed r, z, n, and b_nh (H,)
    -> h (T, N, H).
    A second derivative (``create_graph=True``) is taken through ``rnnlib.cells.GRUCell``.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or device;
    forward-mode derivatives and ``torch.func`` raise in torch, and ``rnnlib.GRU`` has them.
    Source: Cho et al. (2014), who place the reset gate before the product.
    """
    validate.tensor("W_h", W_h, ("3H", "H"))
    sweep.refuse_autocast("gru", W_h)
    H = W_h.shape[1]
    if len(W_h) != 3 * H:
        raise ValueError(f"W_h must have shape (3H, H), got {tuple(W_h.shape)}")
    validate.tensor("x", x, ("T", "N", "D"), like=W_h)
    validate.tensor("W_x", W_x, (3 * H, x.shape[2]), like=W_h)
    validate.tensor("b", b, (3 * H,), like=W_h)
    validate.tensor("b_nh", b_nh, (H,), like=W_h)
    validate.tensor("h0", h0, (x.shape[1], H), like=W_h)
    if sweep.wanted(x, h0, W_x, W_h, b, b_nh):
        return _Sweep.apply(x.contiguous(), h0, W_x, W_h, b, b_nh)
    return _states(x, h0, W_x, W_h, b, b_nh, keep=False)[0][1:]


def _states(
    x: Tensor, h0: Tensor, W_x: Tensor, W_h: Tensor, b: Tensor, b_nh: Tensor, *, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The loop over time -> h (T + 1, N, H), the first state before the others, gates r, z, n
    (T, N, 3H) and W_nh h + b_nh (T, N, H).

    With ``keep`` False of the last two only what belongs to the last steps.
    """
    T, N, H = len(x), *h0.shape
    h, m = x.new_empty(T + 1, N, H), x.new_empty(T if keep else 1, N, H)
    h_all, m_all = h.unbind(), m.unbind() if keep else m.unbind() * T
    h[0] = h0
    W_rz, W_n = W_h[: 2 * H].T, W_h[2 * H :].T
    h_t, t = h_all[0], 0
    for gates in sweep.products_with_x(x, W_x, b, whole=keep):  # (T, N, 3H), or fewer steps
        r, z, n = (part.unbind() for part in gates.split(H, dim=2))
        for r_z, r_t, z_t, n_t in zip(gates[..., : 2 * H].unbind(), r, z, n, strict=True):
            r_z.addmm_(h_t, W_rz).sigmoid_()  # (N, 2H)
            m_t = torch.addmm(b_nh, h_t, W_n, out=m_all[t])  # (N, H)
            n_t.addcmul_(r_t, m_t).tanh_()
            t += 1
            h_t = torch.lerp(n_t, h_t, z_t, out=h_all[t])  # (1 - z) n + z h
    return h, gates, m


def _again(ctx: Any, dh_immediate: Tensor) -> sweep.Gradients:
    """The gradients by autograd, through the cell."""
    x, h0, W_x, W_h, b, b_nh, *_ = ctx.saved_tensors
    arguments = {"x": x, "h0": h0, "W_x": W_x, "W_h": W_h, "b": b, "b_nh": b_nh}
    return sweep.by_autograd(GRUCell, arguments, ctx.needs_input_grad, (dh_immediate,))


class _Sweep(Function):
    """x (T, N, D), h0 (N, H), W_x (3H, D), W_h (3H, H), b (3H,), b_nh (H,) -> h (T, N, H)."""

    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> Tensor:
        h, gates, m = _states(*arguments, keep=True)
        ctx.save_for_backward(*arguments, h, gates, m)
        return h[1:]

    @staticmethod
    @sweep.first_derivative(_again)
    def backward(ctx: Any, dh_immediate: Tensor) -> sweep.Gradients:
        x, h0, W_x, W_h, _, _, h, gates, m = ctx.saved_tensors
        T, N, H = m.shape
        da, da_n = torch.empty_like(gates), torch.empty_like(m)  # (T, N, 3H), (T, N, H)
        blocks, z = da.unflatten(2, (3, H)).unbind(), gates[..., H : 2 * H].unbind()
        immediate = torch.zeros_like(h0), *dh_immediate.unbind()  # (N, H) each; h0 has none
        dh = immediate[T]  # nothing else comes from beyond T
        for piece in sweep.pieces(T, N * H):
            q = slice(piece.start, piece.stop)
            _slopes(h[q], gates[q], m[q], da[q], da_n[q])
            for t in reversed(piece):
                blocks[t].mul_(dh[:, None])  # (N, 3, H): slopes become what W_h feeds
                da_n[t].mul_(dh)
                dh = torch.addcmul(immediate[t], dh, z[t]).addmm_(da[t], W_h)
        needs_x, _, needs_W_x, needs_W_h, needs_b, needs_b_nh = ctx.needs_input_grad
        dW_h = sweep.gradient_of_W_h(da, h) if needs_W_h else None
        dm = da[..., 2 * H :]
        db_nh = dm.sum(dim=(0, 1)) if needs_b_nh else None
        dm.copy_(da_n)  # now da is what W_x feeds
        dx, dW_x, db = sweep.gradients_at_x(da, x, W_x, (needs_x, needs_W_x, needs_b))
        return dx, dh, dW_x, dW_h, db, db_nh


def _slopes(h_before: Tensor, gates: Tensor, m: Tensor, da: Tensor, da_n: Tensor) -> None:
    """Into da what dh_t is multiplied by to give da_r, da_z and dm, and into da_n for da_n.

    For some steps S: gates and da are (S, N, 3H), the others (S, N, H).
    """
    r, z, n = gates.split(m.shape[2], dim=2)  # (S, N, H) each
    to_r, to_z, to_m = da.split(m.shape[2], dim=2)
    d_tanh(1 - z, n, grad_input=da_n)  # (1 - z) (1 - n²)
    d_sigmoid(da_n * m, r, grad_input=to_r)
    d_sigmoid(h_before - n, z, grad_input=to_z)
    torch.mul(da_n, r, out=to_m)
