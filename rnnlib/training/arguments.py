"""What ``train`` asks of its arguments."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn
from torch.optim import Optimizer, SparseAdam

from rnnlib import tensorfiles, validate


def check(
    model: Any, source: Any, loss_fn: Any, optimizer: Any, steps: Any,
    clip_norm: Any, evaluate: Any, eval_every: Any, patience: Any, monitor: Any, stop_when: Any,
    checkpoint: Any, checkpoint_every: Any, settings: Any, progress: Any,
) -> None:  # fmt: skip
    """Raise TypeError or ValueError for the first argument that ``train`` cannot work with."""
    validate.instance("model", model, nn.Module, "a torch.nn.Module")
    _check_source(source, resumable=checkpoint is not None)
    validate.function("loss_fn", loss_fn)
    _check_optimizer(optimizer, model)
    validate.positive_int("steps", steps, minimum=0)
    if clip_norm is not None and validate.real("clip_norm", clip_norm) <= 0:
        raise ValueError(f"clip_norm must be positive or None, got {clip_norm}")
    if evaluate is not None:
        validate.function("evaluate", evaluate)
    validate.positive_int("eval_every", eval_every)
    if patience is not None:
        validate.positive_int("patience", patience)
        if evaluate is None:
            raise ValueError("patience needs evaluate, got evaluate=None")
    validate.instance("monitor", monitor, str, "a str")
    if stop_when is not None:
        validate.function("stop_when", stop_when)
    if checkpoint is not None:
        validate.file("checkpoint", checkpoint)
    validate.positive_int("checkpoint_every", checkpoint_every)
    if settings is not None:
        tensorfiles.plain("settings", settings)
    if progress is not None:
        validate.boolean("progress", progress)


def _check_source(source: Any, resumable: bool) -> None:
    kind = type(source).__name__
    if not hasattr(type(source), "__next__"):
        raise TypeError(
            f"source must have a method __next__, got {kind}; iter(source) gives its batches once, "
            "itertools.chain.from_iterable(itertools.repeat(source)) again and again"
        )
    for method in ("state_dict", "load_state_dict") if resumable else ():
        if not hasattr(source, method):
            raise TypeError(
                f"source must have a method {method}, got {kind}: "
                "a checkpoint holds where it stands"
            )


def _check_optimizer(optimizer: Any, model: nn.Module) -> None:
    """One that needs the gradient alone, and moves every weight of the model that can move."""
    validate.instance("optimizer", optimizer, Optimizer, "a torch.optim.Optimizer")
    kind = type(optimizer)
    _, *arguments = inspect.signature(kind.step).parameters.values()  # without self
    any_number = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needs = [a.name for a in arguments if a.default is a.empty and a.kind not in any_number]
    if isinstance(optimizer, SparseAdam):
        needs = ["sparse gradients"]
    if needs:
        raise TypeError(
            "optimizer must need no more than dense gradients, as SGD, RMSprop and Adam do, got "
            f"{kind.__name__}, which needs {', '.join(needs)}"
        )
    held = {id(w) for group in optimizer.param_groups for w in group["params"]}
    missing = [
        name for name, w in model.named_parameters() if w.requires_grad and id(w) not in held
    ]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ValueError(
            f"optimizer must hold all trainable weights of the model, but misses "
            f"{', '.join(missing[:3])}{more}: make it after the model is complete, or freeze what "
            "is not to be trained with requires_grad_(False)"
        )
