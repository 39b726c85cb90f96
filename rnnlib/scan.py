r"""The linear recurrence $h_t = a_t \odot h_{t-1} + b_t$: step by step, and all steps at once.

A step is a map $h \mapsto a \odot h + b$. One map after another is a map of this kind again,

$$(a_2, b_2) \circ (a_1, b_1) = (a_2 \odot a_1,\; a_2 \odot b_1 + b_2),$$

and $\circ$ is associative, so the maps from the first to each step can be had as a tree of
pairs: about $2 \log_2 T$ rows of operations on many steps each in place of T on single steps, and
fewer than T compositions and T applications in all. Source: Brent and Kung (1982); Blelloch
(1990) for scans in general; Martin and Cundy (2018) for recurrences.

Nothing is divided, so the tree needs no logarithms for gates in [0, 1]: a product of gates that
is too small for its type is zero, which is right. The closed form does divide, by the product of
all gates so far, and is why others compute in log space. ``parallel_log`` is for what is itself
too small or too large for its type.

Shapes: N sequences in a batch, T steps, H hidden units; every unit is a recurrence of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from rnnlib import validate

# The two parts of (a_2, b_2) o (a_1, b_1): b_2 becomes a_2 b_1 + b_2, and a_2 becomes a_2 a_1
Apply = Callable[[Tensor, Tensor, Tensor], Tensor]
Join = Callable[[Tensor, Tensor], Tensor]


def sequential(a: Tensor, b: Tensor, h_0: Tensor | None = None, *, back: bool = False) -> Tensor:
    r"""$h_t = a_t \odot h_{t-1} + b_t$, one step after the other: what ``parallel`` must equal.

    a, b (N, T, H), first state h_0 (N, H) or zeros -> h (N, T, H), all T states.
    ``back``: from step T to step 1, $h_t = a_t \odot h_{t+1} + b_t$, and h_0 is what comes
    before step T.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or device.
    """
    a, b, h = _checked(a, b, h_0)
    steps = list(zip(a.unbind(dim=1), b.unbind(dim=1), strict=True))  # T times (N, H) each
    states = []
    for a_t, b_t in reversed(steps) if validate.boolean("back", back) else steps:
        h = a_t * h + b_t
        states.append(h)
    return torch.stack(states[::-1] if back else states, dim=1)


def parallel(a: Tensor, b: Tensor, h_0: Tensor | None = None, *, back: bool = False) -> Tensor:
    r"""$h_t = a_t \odot h_{t-1} + b_t$ for all t, by a tree of pairs.

    a, b (N, T, H), first state h_0 (N, H) or zeros -> h (N, T, H), all T states.
    ``back``: from step T to step 1, as in ``sequential``.

    The gradient is the same scan, backwards in time. $\partial^{+}L / \partial h_t$ is what the
    loss says of $h_t$ itself, and $a_{T+1} = 0$:

    $$\delta_t = \frac{\partial L}{\partial h_t}
      = \frac{\partial^{+}L}{\partial h_t} + a_{t+1} \odot \delta_{t+1}, \qquad
      \frac{\partial L}{\partial b_t} = \delta_t, \quad
      \frac{\partial L}{\partial a_t} = \delta_t \odot h_{t-1}, \quad
      \frac{\partial L}{\partial h_0} = a_1 \odot \delta_1$$

    So a and h are kept for it, and nothing of the tree. Second derivatives are right too.
    Gates above 1 may overflow in a product where the loop does not: $a_2 \odot a_1$ is computed
    even where $b_1 = 0$.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or device;
    torch raises for forward-mode derivatives.
    """
    return _Scan.apply(*_checked(a, b, h_0), validate.boolean("back", back))


def parallel_log(log_a: Tensor, log_b: Tensor, log_h_0: Tensor | None = None) -> Tensor:
    r"""$\ln h_t = \ln(a_t \odot h_{t-1} + b_t)$ from $\ln a_t$ and $\ln b_t$, by the same tree.

    Products are sums here, and sums are logsumexp, so nothing under- or overflows.
    log_a, log_b (N, T, H), log_h_0 (N, H), or $-\infty$, which is $h_0 = 0$ -> log_h (N, T, H).
    log_b must be finite.

    With $p_t = a_t h_{t-1} / h_t$ and $q_t = b_t / h_t$, both in [0, 1], the gradient is the
    linear scan backwards in time:

    $$\lambda_t = \frac{\partial L}{\partial \ln h_t}
      = \frac{\partial^{+}L}{\partial \ln h_t} + p_{t+1} \odot \lambda_{t+1}, \qquad
      \frac{\partial L}{\partial \ln b_t} = q_t \odot \lambda_t, \quad
      \frac{\partial L}{\partial \ln a_t} = p_t \odot \lambda_t, \quad
      \frac{\partial L}{\partial \ln h_0} = p_1 \odot \lambda_1$$

    From $h_0 = 0$ the closed form
    $\ln h_t = \ln A_t + \mathrm{logcumsumexp}_t(\ln b_t - \ln A_t)$ with
    $\ln A_t = \sum_{s \le t} \ln a_s$ (Heinsen, 2023) is the same in exact arithmetic. It loses
    digits as $|\ln A_t|$ grows, and it grows with t.
    Raises TypeError or ValueError that names an argument of the wrong type, shape or device.
    """
    return _LogScan.apply(*_checked(log_a, log_b, log_h_0, log=True))


def _checked(
    a: Tensor, b: Tensor, h_0: Tensor | None, *, log: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """The arguments of a scan, in one data type: under autocast they may come in several."""
    names = [f"log_{name}" if log else name for name in ("a", "b", "h_0")]
    validate.tensor(names[0], a, ("N", "T", "H"))
    validate.tensor(names[1], b, a.shape, like=a)
    if h_0 is None:
        h_0 = torch.full_like(a[:, 0], -torch.inf if log else 0.0)
    validate.tensor(names[2], h_0, (a.shape[0], a.shape[2]), like=a)
    dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), h_0.dtype)
    return a.to(dtype), b.to(dtype), h_0.to(dtype)


class _Scan(Function):
    """a, b (N, T, H), h_0 (N, H) -> h (N, T, H); ``back``: from the last step to the first."""

    @staticmethod
    def forward(a: Tensor, b: Tensor, h_0: Tensor, back: bool) -> Tensor:
        a, h, first = a.clone(), b.clone(), -1 if back else 0
        h[:, first].addcmul_(a[:, first], h_0)
        return _tree_(a, h, Tensor.addcmul_, Tensor.mul_, back)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        a, _, h_0, ctx.back = inputs
        ctx.save_for_backward(a, h_0, output)

    @staticmethod
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor | None, ...]:
        a, h_0, h = ctx.saved_tensors
        delta = _Scan.apply(_next(a, ctx.back), dh, torch.zeros_like(h_0), not ctx.back)
        first = -1 if ctx.back else 0
        return delta * _before(h, h_0, ctx.back), delta, a[:, first] * delta[:, first], None

    @staticmethod
    def vmap(info: Any, in_dims: Any, a: Any, b: Any, h_0: Any, back: bool) -> tuple[Tensor, int]:
        return _unfold(info, _Scan.apply(*_fold(info, in_dims, a, b, h_0), back))


class _LogScan(Function):
    """log_a, log_b (N, T, H), log_h_0 (N, H) -> log_h (N, T, H)."""

    @staticmethod
    def forward(log_a: Tensor, log_b: Tensor, log_h_0: Tensor) -> Tensor:
        a, h = log_a.clone(), log_b.clone()
        h[:, 0] = torch.logaddexp(a[:, 0] + log_h_0, h[:, 0])
        return _tree_(a, h, _log_apply_, Tensor.add_, back=False)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, dlog_h: Tensor) -> tuple[Tensor, ...]:
        log_a, log_b, log_h_0, log_h = ctx.saved_tensors
        p = torch.exp(log_a + _before(log_h, log_h_0) - log_h)
        q = torch.exp(log_b - log_h)
        lam = _Scan.apply(_next(p), dlog_h, torch.zeros_like(log_h_0), True)
        return p * lam, q * lam, p[:, 0] * lam[:, 0]

    @staticmethod
    def vmap(info: Any, in_dims: Any, *tensors: Tensor) -> tuple[Tensor, int]:
        return _unfold(info, _LogScan.apply(*_fold(info, in_dims, *tensors)))


def _tree_(a: Tensor, b: Tensor, apply_: Apply, join_: Join, back: bool) -> Tensor:
    """Maps a, b (N, T, H) of single steps -> the states h_t, in b; both overwritten.

    Upwards step t gets the map of its last 2, 4, 8, ... steps, if their number divides t; where
    these are all, its b is h_t. Downwards the steps between apply theirs to the last h that is
    done.
    """
    T, widths, d = a.shape[1], [], 1
    while 2 * d <= T:
        widths.append(d)
        d *= 2
    for d in widths:  # t = 2d, 4d, ...
        t, s = _pairs(T, 2 * d, d, back)
        apply_(b[:, t], a[:, t], b[:, s])
        join_(a[:, t], a[:, s])
    for d in reversed([w for w in widths if 3 * w <= T]):  # t = 3d, 5d, ...
        t, s = _pairs(T, 3 * d, d, back)
        apply_(b[:, t], a[:, t], b[:, s])
    return b


def _pairs(T: int, first: int, d: int, back: bool) -> tuple[slice, slice]:
    """Steps first, first + 2d, ... up to T, and those d before; counted from the end if back."""
    last = T - (T - first) % (2 * d)
    if back:
        return slice(T - last, T - first + 1, 2 * d), slice(T - last + d, None, 2 * d)
    return slice(first - 1, None, 2 * d), slice(first - d - 1, last - d, 2 * d)


def _log_apply_(log_b: Tensor, log_a: Tensor, log_h: Tensor) -> Tensor:
    return log_b.copy_(torch.logaddexp(log_a + log_h, log_b))


def _next(a: Tensor, back: bool = False) -> Tensor:
    """a_{t+1} at step t, and 0 at the last; if back, a_{t-1}, and 0 at the first."""
    if back:
        return nn.functional.pad(a[:, :-1], (0, 0, 1, 0))
    return nn.functional.pad(a[:, 1:], (0, 0, 0, 1))


def _before(h: Tensor, h_0: Tensor, back: bool = False) -> Tensor:
    """h_{t-1} at step t; if back, h_{t+1}; h_0 (N, H) at the end where the scan begins."""
    parts = [h[:, 1:], h_0[:, None]] if back else [h_0[:, None], h[:, :-1]]
    return torch.cat(parts, dim=1)


def _fold(info: Any, in_dims: Any, *tensors: Tensor) -> list[Tensor]:
    """What vmap maps over becomes a part of the batch N, for scans are independent."""
    size = info.batch_size
    mapped = [
        v.expand(size, *v.shape) if dim is None else v.movedim(dim, 0)
        for v, dim in zip(tensors, in_dims, strict=False)
    ]
    return [v.flatten(0, 1) for v in mapped]


def _unfold(info: Any, h: Tensor) -> tuple[Tensor, int]:
    return h.unflatten(0, (info.batch_size, -1)), 0
