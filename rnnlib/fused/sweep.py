"""What the sweeps over time of LSTM, GRU and RNN share.

Time comes first: x (T, N, D), so that what belongs to a step is one block of memory. The product
$W_x x_t + b$ of all steps is taken at once, before the loop, and so are the gradients of the
weights, after it: sums over steps of products are one product over all steps.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from rnnlib import validate
from rnnlib.cells import Cell, hidden

Gradients = tuple[Tensor | None, ...]
Backward = Callable[..., Gradients]  # ctx and the gradients of the outputs -> those of the inputs

# One pass over memory each: (δ, σ) -> δ σ (1 - σ), and (δ, tanh) -> δ (1 - tanh²).
d_sigmoid = torch.ops.aten.sigmoid_backward.grad_input
d_tanh = torch.ops.aten.tanh_backward.grad_input
ROWS = 4096  # of x in one product where nothing is kept for a backward pass
CACHED = (
    2**16
)  # numbers of one tensor in a piece of steps: with its like, what a core's cache holds


def wanted(*tensors: Tensor) -> bool:
    """Whether autograd will ask for a gradient of any of these."""
    return torch.is_grad_enabled() and any(one.requires_grad for one in tensors)


def products_with_x(x: Tensor, W_x: Tensor, b: Tensor, whole: bool) -> Iterator[Tensor]:
    """W_x x_t + b of all steps: one (T, N, gates*H), or in pieces of some steps, to save memory."""
    steps = len(x) if whole else max(1, ROWS // x.shape[1])
    for piece in x.split(steps):
        yield nn.functional.linear(piece, W_x, b)


def pieces(T: int, numbers: int) -> Iterator[range]:
    """The T steps in pieces, the last steps first: what is made for a piece stays in a cache.

    ``numbers``: how many numbers one (N, H) tensor of a step has.
    """
    steps = max(1, CACHED // numbers)
    for end in range(T, 0, -steps):
        yield range(max(0, end - steps), end)


def gradient_of_W_h(da: Tensor, h: Tensor) -> Tensor:
    """Sum of da_t h_{t-1}^T over steps and sequences: da (T, N, G), h_0 to h_T (T + 1, N, H)."""
    return da.flatten(0, 1).T @ h[:-1].flatten(0, 1)  # (G, T N) @ (T N, H): all steps at once


def gradients_at_x(
    da: Tensor, x: Tensor, W_x: Tensor, wanted: tuple[bool, bool, bool]
) -> Gradients:
    """Of x, W_x and b, those wanted, from da (T, N, G), the gradient of W_x x_t + b."""
    rows = da.flatten(0, 1)  # (T N, G)
    of_x, of_W_x, of_b = wanted
    return (
        (rows @ W_x).view_as(x) if of_x else None,
        rows.T @ x.flatten(0, 1) if of_W_x else None,
        rows.sum(dim=0) if of_b else None,
    )


def first_derivative(again: Backward) -> Callable[[Backward], Backward]:
    """Of a backward pass by hand: let ``again`` take the place where it is not enough.

    That is where the backward pass is itself differentiated, under ``create_graph=True``, or
    vectorised: autograd cannot see into it. ``torch.autocast`` stays out of both.
    """

    def decorate(by_hand: Backward) -> Backward:
        @functools.wraps(by_hand)
        def backward(ctx: Any, *deltas: Tensor) -> Gradients:
            looked_into = torch.is_grad_enabled() or any(_mapped(delta) for delta in deltas)
            way, device = again if looked_into else by_hand, deltas[0].device.type
            if not validate.autocast(device):
                return way(ctx, *deltas)
            with torch.autocast(device, enabled=False):
                return way(ctx, *deltas)

        return backward

    return decorate


def _mapped(delta: Tensor) -> bool:
    """Whether a gradient stands for many: under ``torch.vmap`` or ``is_grads_batched=True``."""
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor(delta)
    return bool(wrapped or torch._C._functorch.is_legacy_batchedtensor(delta))


def by_autograd(
    cell: type[Cell],
    arguments: dict[str, Tensor],
    needed: tuple[bool, ...],
    deltas: tuple[Tensor, ...],
    **settings: Any,
) -> Gradients:
    """The gradients of a sweep as functions of its arguments, which autograd can differentiate.

    The equations of the cell compute the states again, on weights that belong to no cell.
    ``arguments``: x (T, N, D), the parts of the first state, and the cell's weights, by name;
    ``needed``: which of them need a gradient; ``settings``: what else the cell's step reads.
    ``deltas``: the gradients of h (T, N, H) and, for an LSTM, of the last c (N, H).
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        # Views, because one argument may have been made from another.
        leaves = {name: value.view_as(value) for name, value in arguments.items()}
        weights: Any = SimpleNamespace(**leaves, **settings)
        first = tuple(leaves[part + "0"] for part in cell.parts)
        states: list[Any] = [first if len(first) == 2 else first[0]]
        for x_t in leaves["x"].unbind():
            states.append(cell.forward(weights, x_t, states[-1]))
        outputs = [torch.stack([hidden(state) for state in states[1:]])]
        if len(first) == 2:
            outputs.append(states[-1][1])
        asked = [leaf for leaf, one in zip(leaves.values(), needed, strict=True) if one]
        found = iter(torch.autograd.grad(outputs, asked, deltas, create_graph=create_graph))
    return tuple(next(found) if one else None for one in needed)


def refuse(ctx: Any, *deltas: Tensor) -> Gradients:
    """Raise where autograd wants to differentiate a backward pass that it cannot see into."""
    raise RuntimeError(
        "rnnlib.fused has a first derivative only, got create_graph=True: "
        "rnnlib.LSTM and torch's cross_entropy have them all"
    )


def refuse_autocast(name: str, x: Tensor) -> None:
    """Raise under torch.autocast, which would change the data type of some products only."""
    if validate.autocast(x.device.type):
        raise RuntimeError(f"fused.{name} does not compute under torch.autocast; the layers do")


def check_products(products: torch.dtype | None, W: Tensor) -> torch.dtype:
    """The data type of the products: that of the weights W, or bfloat16."""
    if products not in (None, W.dtype, torch.bfloat16):
        raise ValueError(
            f"products must be {W.dtype}, as the weights are, or torch.bfloat16, got {products}"
        )
    return products or W.dtype
