"""Training and evaluation mode, which dropout and batch normalisation go by, part by part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from rnnlib.evaluation import evaluating, modes, put_back
from rnnlib.training.history import Metrics, plain_metrics


def begin_training(model: nn.Module) -> None:
    """Put the model into training mode; parts in evaluation mode stay so if it is there already.

    So a model that was evaluated as a whole trains as a whole, and a frozen part stays frozen.
    """
    frozen = [part for part in model.modules() if not part.training] if model.training else []
    model.train()
    for part in frozen:
        part.training = False


def evaluated(model: nn.Module, evaluate: Callable[[nn.Module], Metrics]) -> Metrics:
    """What ``evaluate`` finds, in evaluation mode and without gradients."""
    with evaluating(model):
        found = plain_metrics("evaluate's result", evaluate(model))
    if "step" in found:
        raise ValueError("evaluate's result must leave the key 'step' to train, got one")
    return found


def mode_kept(model: nn.Module, ask: Callable[..., Any], *arguments: Any) -> Any:
    """The answer of ``ask``; if it leaves the model in evaluation mode, all is put back."""
    before = modes(model)
    answer = ask(*arguments)
    if not model.training:
        put_back(model, before)
    return answer
