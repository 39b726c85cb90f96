"""A run as a file: all that the next step depends on, so that it goes on to the same last digit.

It is a safetensors file, with the plain data as JSON in its metadata under the key ``rnnlib``.
``torch.save`` would do without the lines that take the tensors out and put them back, but before
torch 2.6 ``torch.load`` runs code from a crafted file even with ``weights_only=True``
(CVE-2025-32434), and rnnlib works from torch 2.2 on.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from rnnlib import tensorfiles, validate
from rnnlib.training.history import History
from rnnlib.training.stopping import Best

KEY = "rnnlib"  # of the metadata: JSON with all but the tensors


class Source(Protocol):
    """A source of batches that can say where it stands and go on from there."""

    def __next__(self) -> Any:
        """The next batch; StopIteration if there is none."""

    def state_dict(self) -> dict[str, Any]:
        """Where the source stands, as tensors and plain data."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""


class Checkpoint:
    """The file of one run: what it holds is loaded at once, if it is there; no path, no file."""

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        model: nn.Module,
        optimizer: Optimizer,
        source: Source,
        history: History,
        best: Best,
    ):
        self.path, self.history = path, history
        self.run = (model, optimizer, source, history, best)
        if path is not None and Path(path).exists():
            load_checkpoint(path, *self.run)
        self.saved = self._place()

    def _place(self) -> tuple[int, int]:
        return self.history.steps, len(self.history.evaluations)

    def save(self) -> None:
        """Write the file, if there is one and anything has happened since."""
        if self.path is not None and self.saved != self._place():
            save_checkpoint(self.path, *self.run)
            self.saved = self._place()


def save_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: Optimizer,
    source: Source,
    history: History,
    best: Best | None = None,
) -> None:
    """Write all that training needs to go on as one safetensors file, then rename it into place."""
    random = {"torch": torch.get_rng_state()}
    random |= {f"model {name}": own.get_state() for name, own in _generators(model).items()}
    if torch.cuda.is_available():
        random["cuda"] = torch.cuda.get_rng_state()
    tensors: dict[str, Tensor] = {}
    plain = _flatten(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "optimizer_class": type(optimizer).__name__,
            "source": source.state_dict(),
            "history": history.as_dict(),
            "best": vars(best or Best()),
            "random": random,
        },
        "",
        tensors,
    )
    tensorfiles.save(validate.file("checkpoint", path), tensors, {KEY: json.dumps(plain)})


def load_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: Optimizer,
    source: Source,
    history: History,
    best: Best | None = None,
) -> None:
    """Put everything that ``save_checkpoint`` wrote back in place.

    Raises ValueError if the file is not such a checkpoint or does not fit the model or optimizer.
    """
    try:
        tensors, metadata = tensorfiles.load(path)
        plain = json.loads(metadata[KEY])
    except (KeyError, ValueError) as error:
        raise ValueError(f"checkpoint {path} is not one of rnnlib's: {error}") from error
    state = _unflatten(plain, tensors)
    try:
        model.load_state_dict(state["model"])
    except RuntimeError as error:
        raise ValueError(f"checkpoint {path} does not fit the model: {error}") from error
    if state["optimizer_class"] != type(optimizer).__name__:
        raise ValueError(
            f"checkpoint {path} does not fit the optimizer: it holds the state of "
            f"{state['optimizer_class']}, got {type(optimizer).__name__}"
        )
    try:
        optimizer.load_state_dict(state["optimizer"])
    except ValueError as error:
        raise ValueError(f"checkpoint {path} does not fit the optimizer: {error}") from error
    source.load_state_dict(state["source"])
    torch.set_rng_state(state["random"]["torch"])
    for name, own in _generators(model).items():
        if (there := state["random"].get(f"model {name}")) is not None:
            own.set_state(there)
    if "cuda" in state["random"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["random"]["cuda"])
    for key, value in state["history"].items():
        setattr(history, key, value)
    if best is not None:
        for key, value in state["best"].items():
            setattr(best, key, value)


def _generators(model: nn.Module) -> dict[str, Generator]:
    """The generators that parts of the model draw from, as dropout does, by the parts' names."""
    parts = ((name, getattr(part, "generator", None)) for name, part in model.named_modules())
    return {name: own for name, own in parts if isinstance(own, Generator)}


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Plain data with each tensor taken out under its path; pairs keep dictionary keys' types."""
    if isinstance(value, Tensor):
        while name in tensors:  # as with {"a/b": tensor, "a": {"b": tensor}}
            name += "'"
        tensors[name] = value.cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[k, _flatten(v, f"{name}/{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_flatten(v, f"{name}/{i}", tensors) for i, v in enumerate(value)]}
    return value.item() if isinstance(value, np.generic) else value


def _unflatten(plain: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(plain, dict):
        return plain
    ((kind, value),) = plain.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {k: _unflatten(v, tensors) for k, v in value}
    items = [_unflatten(v, tensors) for v in value]
    return items if kind == "list" else tuple(items)
