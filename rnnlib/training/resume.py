"""A run as a file: all that the next step depends on, so that it goes on to the same last digit.

It is a file of ``rnnlib.tensorfiles``, with the plain data as JSON beside the tensors, and with
what the run is made of (``fingerprint``): another text, another learning rate is refused.
``torch.save`` would do without the lines that take the tensors out and put them back, but before
torch 2.6 ``torch.load`` runs code from a crafted file even with ``weights_only=True``
(CVE-2025-32434), and rnnlib works from torch 2.2 on; and it does not notice a flipped bit.
"""

from __future__ import annotations

import contextlib
import copy
import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from rnnlib import tensorfiles, validate
from rnnlib.training import fingerprint
from rnnlib.training.history import History
from rnnlib.training.stopping import Best

PARTS = (
    "model", "others", "optimizer", "schedulers", "source", "history", "best", "random",
    "began", "now", "made",
)  # fmt: skip
FEW = 9  # numbers that stay in the JSON


class Source(Protocol):
    """A source of batches that can say where it stands and go on from there.

    It may have a method ``describe`` as well: what it is made of, see ``fingerprint.describe``.
    """

    def __next__(self) -> Any:
        """The next batch; StopIteration if there is none."""

    def state_dict(self) -> dict[str, Any]:
        """Where the source stands, as tensors and plain data."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""


class Run:
    """What takes part in a run: its state can be taken, put back, written and read.

    ``about``: what else it is made of, plain data by part and name.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        source: Source,
        history: History,
        best: Best | None = None,
        about: fingerprint.Description | None = None,
    ):
        self.model, self.optimizer, self.source = model, optimizer, source
        self.history, self.best = history, Best() if best is None else best
        self.schedulers = fingerprint.schedulers(optimizer)
        held = {id(w) for w in model.parameters()}
        moved = [w for group in optimizer.param_groups for w in group["params"]]
        self.others = [w for w in moved if id(w) not in held]  # that are none of the model's
        self.began = fingerprint.describe(model, optimizer, self.schedulers, source)
        self.began |= about or {}

    def state(self) -> dict[str, Any]:
        """All that the next step depends on; the tensors are those in use, not copies."""
        random = {"torch": torch.get_rng_state()}
        own = fingerprint.generators(self.model)
        random |= {f"model {name}": one.get_state() for name, one in own.items()}
        if torch.cuda.is_available():
            random["cuda"] = torch.cuda.get_rng_state()
        return {
            "model": self.model.state_dict(),
            "others": [w.detach() for w in self.others],
            "optimizer": self.optimizer.state_dict(),
            "schedulers": [one.state_dict() for one in self.schedulers],
            "source": self.source.state_dict(),
            "history": vars(self.history),
            "best": vars(self.best),
            "random": random,
        }

    def pack(self) -> bytes:
        """The bytes of the checkpoint.

        Raises ValueError for a weight that is not finite, and TypeError for what a source, an
        optimizer or ``loss_fn`` keeps that is neither a tensor nor plain data.
        """
        state = self.state()
        self._refuse_unfit(state["model"], "checkpoint cannot hold")
        now = {"model": fingerprint.of_model(self.model)}
        state |= {"began": self.began, "now": now, "made": self._made()}
        tensors: dict[str, Tensor] = {}
        return tensorfiles.pack(tensors, _flatten(state, "", tensors))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the checkpoint beside ``path``, then rename it into place."""
        tensorfiles.write(validate.file("checkpoint", path), self.pack())

    def load(self, path: str | os.PathLike[str], most: float = float("inf")) -> None:
        """Go on from a checkpoint of ``most`` steps at most: see ``load_checkpoint``."""
        try:
            tensors, flat = tensorfiles.load(path)
            state = _unflatten({"dict": flat.get("dict", [])}, tensors)
            if missing := [part for part in PARTS if part not in state]:
                raise ValueError(f"it has no {', '.join(missing)}")
            now = state["now"] | {
                "optimizer": fingerprint.groups(state["optimizer"]["param_groups"]),
                "schedulers": fingerprint.scheduled(state["schedulers"]),
            }
            found = fingerprint.differences(state["began"], self.began, now)
            steps = len(state["history"]["loss"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"checkpoint {path} is not one of rnnlib's that can be read: {error}"
            ) from error
        if found:
            raise ValueError(
                f"checkpoint {path} does not fit the {', the '.join(found)}, and nothing was "
                f"changed: {fingerprint.told(found)}"
            )
        if steps > most:
            raise ValueError(
                f"steps must be at least the {steps} that checkpoint {path} has taken, got {most}"
            )
        self._refuse_unfit(state["model"], f"checkpoint {path} holds")
        before = copy.deepcopy(self.state())
        try:
            self._put(state)
        except Exception as error:  # whatever a source or an optimizer of somebody's own raises
            with contextlib.suppress(Exception):
                self._put(before)
            raise ValueError(
                f"checkpoint {path} cannot be taken up, and nothing was changed: "
                f"{type(error).__name__}: {error}"
            ) from error
        self.began = state["began"]
        other = fingerprint.differences({"": state["made"]}, {"": self._made()}, {})
        if other:
            warnings.warn(
                f"checkpoint {path} goes on, but its last digits may not be those of a run "
                f"without a break:{fingerprint.told(other)}",
                stacklevel=2,
            )

    def _put(self, state: dict[str, Any]) -> None:
        """Others' code first: if it refuses, nothing else has been changed yet."""
        self.source.load_state_dict(state["source"])
        self.optimizer.load_state_dict(state["optimizer"])
        for one, kept in zip(self.schedulers, state["schedulers"], strict=True):
            counted = {k for k, v in vars(one).items() if isinstance(v, Counter)}
            one.load_state_dict({k: Counter(v) if k in counted else v for k, v in kept.items()})
        with torch.no_grad():
            for w, kept in zip(self.others, state["others"], strict=True):
                w.copy_(kept)
        self.model.load_state_dict(state["model"])
        torch.set_rng_state(state["random"]["torch"])
        for name, own in fingerprint.generators(self.model).items():
            own.set_state(state["random"][f"model {name}"])
        if "cuda" in state["random"] and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["random"]["cuda"])
        for kept, into in ((state["history"], self.history), (state["best"], self.best)):
            for key, value in kept.items():
                setattr(into, key, value)

    def _refuse_unfit(self, weights: dict[str, Any], who: str) -> None:
        """Raise ValueError for weights of another type or size, or that are not finite."""
        trained = dict(self.model.named_parameters())
        for name, w in self.model.state_dict().items():
            there = weights.get(name)
            if isinstance(w, Tensor) and isinstance(there, Tensor) and not is_lazy(w):
                if (there.dtype, there.shape) != (w.dtype, w.shape):
                    raise ValueError(
                        f"{who} {name} as {there.dtype} {tuple(there.shape)}, and the model has "
                        f"{w.dtype} {tuple(w.shape)}"
                    )
                if name in trained and not torch.isfinite(there).all():
                    raise ValueError(f"{who} weights that are not finite: {name}")

    def _made(self) -> dict[str, str]:
        """What the last digits depend on besides."""
        from rnnlib import __version__  # of what imports this file

        where = next((w.device.type for w in self.model.parameters()), "cpu")
        return {"rnnlib": __version__, "torch": str(torch.__version__), "device": where}


class Checkpoint:
    """The file of a run: what it holds is loaded at once, if it is there; no path, no file.

    What will be written is packed once at the start and once after the first step, so that what
    no file can hold is refused then, and not when the first checkpoint is due.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        steps: int,
        model: nn.Module,
        optimizer: Optimizer,
        source: Source,
        history: History,
        best: Best,
        about: fingerprint.Description,
    ):
        self.path, self.history = path, history
        if path is not None:
            self.run = Run(model, optimizer, source, history, best, about)
            if Path(path).exists():
                self.run.load(path, steps)
            if not any(map(is_lazy, model.parameters())):
                self.run.pack()
        self.began, self.saved = history.steps, self._place()

    def _place(self) -> tuple[int, int]:
        return self.history.steps, len(self.history.evaluations)

    def try_out(self) -> None:
        """After a step: if it was the first of this session, see that it can be written."""
        if self.path is not None and self.history.steps == self.began + 1:
            self.run.pack()

    def save(self) -> None:
        """Write the file, if there is one and anything has happened since."""
        if self.path is not None and self.saved != self._place():
            self.run.save(self.path)
            self.saved = self._place()


def save_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: Optimizer,
    source: Source,
    history: History,
    best: Best | None = None,
    settings: dict[str, Any] | None = None,
) -> None:
    """Write all that training needs to go on as one file, then rename it into place.

    Schedulers of the optimizer, as ``torch.optim.lr_scheduler`` has them, are found and written
    too. ``settings``: plain data that say what the run is.
    """
    Run(model, optimizer, source, history, best, settings_as(settings)).save(path)


def load_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: Optimizer,
    source: Source,
    history: History,
    best: Best | None = None,
    settings: dict[str, Any] | None = None,
) -> None:
    """Put everything that ``save_checkpoint`` wrote back in place.

    Raises ValueError, before anything is changed, if the file is damaged, is none of this
    version's checkpoints, or is one of a run that was made of something else: other weights,
    settings, schedulers, text. It says what stands in the file and what is here. Another torch,
    rnnlib or kind of device is warned of.
    """
    Run(model, optimizer, source, history, best, settings_as(settings)).load(path)


def settings_as(settings: dict[str, Any] | None) -> fingerprint.Description:
    """The caller's settings as a part of the description, if there are any."""
    return {} if settings is None else {"settings": tensorfiles.plain("settings", settings)}


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Plain data with each tensor taken out under its path; pairs keep dictionary keys' types.

    A long list of floats becomes a tensor, and a list of dictionaries with the same keys a list
    for each key: so a long history stays small.
    """
    if isinstance(value, Tensor):
        return {"tensor": _taken_out(value, name, tensors)}
    if isinstance(value, dict):
        pairs = [[_key(k, name), _flatten(v, f"{name}/{k}", tensors)] for k, v in value.items()]
        return {"dict": pairs}
    if isinstance(value, list) and value:
        if len(value) > FEW and all(isinstance(v, float) for v in value):
            return {"floats": _taken_out(torch.tensor(value, dtype=torch.float64), name, tensors)}
        if len(value) > 1 and _alike(value):
            columns = {key: [row[key] for row in value] for key in value[0]}
            return {"rows": [len(value), _flatten(columns, name, tensors)]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_flatten(v, f"{name}/{i}", tensors) for i, v in enumerate(value)]}
    return _key(value.item() if isinstance(value, np.generic) else value, name)


def _unflatten(plain: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(plain, dict):
        return plain
    ((kind, value),) = plain.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "floats":
        return tensors[value].tolist()
    if kind == "dict":
        return {k: _unflatten(v, tensors) for k, v in value}
    if kind == "rows":
        columns = _unflatten(value[1], tensors)
        if not columns:
            return [{} for _ in range(value[0])]
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]
    items = [_unflatten(v, tensors) for v in value]
    return items if kind == "list" else tuple(items)


def _taken_out(tensor: Tensor, name: str, tensors: dict[str, Tensor]) -> str:
    """The name under which a copy of the tensor was put into ``tensors``."""
    if tensor.layout is not torch.strided:
        raise TypeError(f"checkpoint cannot hold {name}, a tensor of {tensor.layout}")
    while name in tensors:  # as with {"a/b": tensor, "a": {"b": tensor}}
        name += "'"
    tensors[name] = tensor.detach().cpu().clone().contiguous()
    return name


def _alike(rows: list[Any]) -> bool:
    """Whether all are dictionaries with the same keys in the same order."""
    keys = tuple(rows[0]) if isinstance(rows[0], dict) else ()
    return all(isinstance(row, dict) and tuple(row) == keys for row in rows)


def _key(value: Any, name: str) -> Any:
    """Return what JSON gives back as it was."""
    if value is not None and not isinstance(value, bool | int | float | str):
        raise TypeError(
            f"checkpoint cannot hold {name or 'this'}, a {type(value).__name__}: only tensors, "
            "numbers, text, None, and lists, tuples and dictionaries of them"
        )
    return value
