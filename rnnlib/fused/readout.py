r"""The loss of a readout over many words, with its backward by hand.

Over 33,278 words this is nearly all that a step of a language model costs. Autograd makes the
logits, their log-softmax and the gradient of each, (N, K) tensors all, and new memory takes time.
Here one such tensor is turned, in place, into $\hat y - y$, which is all that the backward needs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from rnnlib import validate
from rnnlib.fused.sweep import Gradients, check_products, first_derivative, refuse


def cross_entropy(
    h: Tensor, W: Tensor, b: Tensor, y: Tensor, products: torch.dtype | None = None
) -> Tensor:
    r"""Mean cross-entropy in nats of the classes y under the logits $p_n = W h_n + b$.

    $$L = -\frac{1}{N} \sum_n \ln \hat y_n[y_n], \qquad \hat y_n = \mathrm{softmax}(p_n)$$
    $$\frac{\partial L}{\partial p_n} = \frac{1}{N} (\hat y_n - y_n), \quad y_n \text{ one-hot}$$

    h (N, H), W (K, H), b (K,), y (N,) int64 -> L ().
    ``products``: the data type of h, W and $\hat y - y$ in the three products, by default the
    weights'; in bfloat16, logits and the gradients of h and W have 8 bits. The softmax, its sums
    and the weights keep the weights' type.
    Raises TypeError or ValueError that names what does not fit, and RuntimeError where a second
    derivative is asked for (``create_graph=True``).
    """
    validate.tensor("W", W, ("K", "H"))
    K, H = W.shape
    products = check_products(products, W)
    validate.tensor("h", h, ("N", H), like=W)
    validate.tensor("b", b, (K,), like=W)
    validate.labels("y", y, (len(h),), K)
    return _Readout.apply(h, W, b, y[:, None], products)


class _Readout(Function):
    """h (N, H), W (K, H), b (K,), y (N, 1) -> the mean loss ()."""

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, W: Tensor, b: Tensor, y: Tensor, products: torch.dtype
    ) -> Tensor:
        h, W_rounded = h.to(products), W.to(products)
        p = (h @ W_rounded.T).to(W.dtype).add_(b)  # (N, K), and all that comes is in its place
        p -= p.amax(dim=1, keepdim=True)  # changes no softmax, and no exponential overflows
        p_y = p.gather(1, y)
        Z = p.exp_().sum(dim=1, keepdim=True)
        loss = (Z.log() - p_y).mean()
        if not any(ctx.needs_input_grad):
            return loss
        dp = p.div_(Z).scatter_add_(1, y, -torch.ones_like(p_y))  # ŷ - y, N times dL/dp
        ctx.save_for_backward(h, W_rounded, dp.to(products), dp.sum(dim=0))
        return loss

    @staticmethod
    @first_derivative(refuse)
    def backward(ctx: Any, dL: Tensor) -> Gradients:
        h, W, dp, db = ctx.saved_tensors
        scale = dL / len(h)
        dh = (dp @ W).to(db.dtype) * scale  # (N, H)
        dW = dp.T @ (h * scale).to(h.dtype)  # (K, H)
        return dh, dW.to(db.dtype), db * scale, None, None
