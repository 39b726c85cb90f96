"""The gradient's length, and a bound on it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from rnnlib import validate


@torch.no_grad()
def clip_gradient(parameters: Iterable[Tensor], max_norm: float | None) -> Tensor:
    """Scale all gradients by min(1, max_norm / norm); return the norm before, on the CPU.

    The norm is taken over all parameters together, so the direction is kept; for half precision
    it is computed in float32. Raises TypeError or ValueError for parameters without gradients or
    with sparse ones, and for a negative ``max_norm``.
    Source: Pascanu, Mikolov and Bengio (2013).
    """
    limit = math.inf if max_norm is None else validate.real("max_norm", max_norm, low=0.0)
    grads = _gradients(parameters)
    norm = torch.linalg.vector_norm(torch.stack([_length(g) for g in grads])).cpu()
    if norm > limit:
        for g in grads:
            g.mul_(limit / norm)
    return norm


def _length(g: Tensor) -> Tensor:
    return torch.linalg.vector_norm(g, dtype=torch.promote_types(g.dtype, torch.float32))


def _gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The gradient of each parameter that has one; a parameter that stands there twice has one."""
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        kind = type(parameters).__name__
        raise TypeError(f"parameters must be a list of tensors, got {kind}")
    distinct = {id(w): validate.instance("parameters", w, Tensor, "tensors") for w in parameters}
    grads = [w.grad for w in distinct.values() if w.grad is not None]
    if not grads:
        raise ValueError(
            "parameters must have gradients, got none: the loss that backward() was called on must "
            "depend on weights that the optimizer holds"
        )
    for g in grads:
        if g.layout != torch.strided:
            raise ValueError(
                f"parameters must have dense gradients, as the optimizers of train need them, got "
                f"{g.layout} of shape {tuple(g.shape)}: an embedding with sparse=True makes such"
            )
    return grads
