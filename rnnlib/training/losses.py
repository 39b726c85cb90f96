"""What a classifier is trained by, and what it is judged by."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rnnlib import validate
from rnnlib.training.history import Metrics


def classification_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Metrics]:
    """Mean cross-entropy in nats, and the batch's accuracy, for a model x -> logits (N, K).

    ``batch`` is x and the labels y (N,), int64 in [0, K).
    Raises TypeError or ValueError for logits or labels of another shape, type or range.
    """
    p, y = _answers(model, batch)
    loss = nn.functional.cross_entropy(p, y)
    return loss, {"accuracy": (p.argmax(dim=1) == y).float().mean().item()}


@torch.no_grad()
def accuracy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> float:
    """Share of right answers; model, batch and errors are those of ``classification_loss``."""
    p, y = _answers(model, batch)
    return int((p.argmax(dim=1) == y).sum()) / len(y)


def _answers(model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
    """The logits p (N, K) and the labels y (N,): labels (N, 1) would be compared N x N."""
    x, y = validate.pair("batch", batch, "(x, y)")
    p = validate.tensor("model(x)", model(x), ("N", "K"))
    return p, validate.labels("y", y, (len(p),), p.shape[1])
