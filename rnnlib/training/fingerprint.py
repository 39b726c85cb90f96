"""What a run is made of, as plain data, so that a checkpoint can tell whether it belongs to it."""

from __future__ import annotations

import gc
import hashlib
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

Description = dict[str, dict[str, Any]]  # by part: model, optimizer, schedulers, source, ...

SHARED = ("optimizer", "schedulers", "training")  # compared in the names that both have
MOST = 8  # differences that are told


def describe(
    model: nn.Module, optimizer: Optimizer, schedules: list[LRScheduler], source: Any
) -> Description:
    """Parts and weights of the model; settings of the optimizer and its schedulers; the source.

    A source may have a method ``describe``, which returns what it is made of: numbers, text,
    functions, tensors, of which a digest stays.
    """
    names = {id(w): name for name, w in model.named_parameters()}
    order = [[names.get(id(w)) for w in group["params"]] for group in optimizer.param_groups]
    made_of = source.describe() if hasattr(source, "describe") else {}
    return {
        "model": of_model(model),
        "optimizer": {
            "class": type(optimizer).__name__,
            "weights": order,
            **groups(optimizer.param_groups),
        },
        "schedulers": {
            "classes": [type(one).__name__ for one in schedules],
            **scheduled([one.state_dict() for one in schedules]),
        },
        "source": {"class": type(source).__name__, **plain(made_of)},
    }


def of_model(model: nn.Module) -> dict[str, Any]:
    """Its parts, with what they print of themselves, and types and shapes of its weights."""
    weights = {n: w for n, w in model.state_dict().items() if isinstance(w, Tensor)}
    return {
        **{f"part {n or '(all)'}": _called(part) for n, part in model.named_modules()},
        **{f"weight {n}": _size(w) for n, w in weights.items()},
        "frozen": [n for n, w in model.named_parameters() if not w.requires_grad],
        "generators": sorted(generators(model)),
    }


def groups(settings: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings of an optimizer's groups of weights, by name."""
    return _numbered([{k: v for k, v in group.items() if k != "params"} for group in settings])


def scheduled(states: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings of schedulers, and where they stand, by name."""
    return _numbered(states)


def differences(file: Description, here: Description, now: Description) -> dict[str, list[str]]:
    """What does not fit, by part, in words; {} if all does.

    ``file`` is what the run was when it began, ``now`` where it stood when it was saved: what is
    here may be either, since an optimizer that goes on being used has moved with its run.
    """
    found: dict[str, list[str]] = {}
    for part, mine in here.items():
        theirs, stands = file.get(part, {}), now.get(part, {})
        for name in [*mine, *(theirs.keys() - mine.keys())]:
            if part in SHARED and not (name in mine and name in theirs):
                continue
            a, b = theirs.get(name, "nothing"), mine.get(name, "nothing")
            if not same(a, b) and not (name in stands and same(stands[name], b)):
                found.setdefault(part, []).append(f"{part} {name}: {a!r} in the file, {b!r} here")
    return found


def told(found: dict[str, list[str]]) -> str:
    """The differences as one text."""
    every = [one for some in found.values() for one in some]
    more = f"; and {len(every) - MOST} more" if len(every) > MOST else ""
    return "; ".join(every[:MOST]) + more


def schedulers(optimizer: Optimizer) -> list[LRScheduler]:
    """The schedulers of an optimizer that are in use, in an order of their own.

    An optimizer does not know its schedulers, but they know it, wherever they are stepped.
    """
    every = [one for one in gc.get_objects() if issubclass(type(one), LRScheduler)]
    mine = [one for one in every if vars(one).get("optimizer") is optimizer]
    inside = {id(part) for one in mine for part in vars(one).get("_schedulers", [])}
    outermost = [one for one in mine if id(one) not in inside]
    return sorted(outermost, key=lambda one: (type(one).__name__, repr(one.state_dict())))


def generators(model: nn.Module) -> dict[str, Generator]:
    """The generators that parts of the model draw from, as dropout does, by the parts' names."""
    parts = ((name, getattr(part, "generator", None)) for name, part in model.named_modules())
    return {name: own for name, own in parts if isinstance(own, Generator)}


def plain(value: Any) -> Any:
    """Plain data that stands for ``value``: of a tensor a digest, of a function its name."""
    if isinstance(value, Tensor):
        return value.item() if value.numel() == 1 else _digest(value)
    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, partial):
        return [plain(value.func), plain(value.args), plain(value.keywords)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return getattr(value, "__qualname__", type(value).__name__)


def same(a: Any, b: Any) -> bool:
    """Equality of plain data, where NaN is NaN."""
    return a == b or repr(a) == repr(b)


def _digest(tensor: Tensor) -> str:
    data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return f"{tensor.dtype} {tuple(tensor.shape)} {hashlib.sha256(data).hexdigest()[:16]}"


def _size(w: Tensor) -> str:
    return "made at the first batch" if is_lazy(w) else f"{w.dtype} {tuple(w.shape)}"


def _called(part: nn.Module) -> str:
    return f"{type(part).__name__}({part.extra_repr()})"


def _numbered(settings: list[dict[str, Any]]) -> dict[str, Any]:
    """One dictionary of several; with more than one, each name has its number before it."""
    before = (lambda k: f"{k} ") if len(settings) > 1 else (lambda k: "")
    return {f"{before(k)}{n}": plain(v) for k, one in enumerate(settings) for n, v in one.items()}
