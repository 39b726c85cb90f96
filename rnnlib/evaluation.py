"""A model that is measured or writes: evaluation mode for that time, and a look at what it gives.

A character model is any ``nn.Module`` that gives numbers (N, T) and a state -> logits (N, T, K)
and the state after step T; state None stands for zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rnnlib import validate


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode, without dropout, and no gradients; then as it was before.

    Each module gets its own mode back, after an error or an interruption too.
    """
    before = modes(model)
    trains = any(before.values())  # else nothing is to be done, at each character of a text
    try:
        if trains:
            model.eval()
        with torch.no_grad():
            yield
    finally:
        if trains:
            put_back(model, before)


def modes(model: nn.Module) -> dict[nn.Module, bool]:
    """Whether each module is in training mode."""
    return {module: module.training for module in model.modules()}


def put_back(model: nn.Module, before: dict[nn.Module, bool]) -> None:
    """Each module in the mode that it had before."""
    model.train(before[model])  # some models do more here than set flags
    for module, mode in before.items():
        module.training = mode


def predict(model: nn.Module, numbers: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """Logits (N, T, K) after each of the numbers (N, T), and the state, in evaluation mode.

    Raises TypeError or ValueError for a model that gives or takes something else.
    """
    validate.instance("model", model, nn.Module, "a torch.nn.Module")
    with evaluating(model):
        try:
            returned = model(numbers, state)
        except TypeError as error:  # most often: it takes no state
            raise TypeError(
                f"model must take numbers (N, T) and a state, got {type(model).__name__}: {error}"
            ) from error
    return logits_and_state(returned, numbers)


def logits_and_state(returned: Any, numbers: Tensor) -> tuple[Tensor, Any]:
    """What a model returned for numbers (N, T), if it is logits (N, T, K) and a state."""
    logits, state = validate.pair("what the model returns", returned, "(logits, state)")
    return validate.tensor("the model's logits", logits, (*numbers.shape, "K")), state
