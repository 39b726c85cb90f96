"""One training loop for every chapter: clipping, evaluation, early stopping, exact resume."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from rnnlib import validate
from rnnlib.paths import written_beside

Metrics = dict[str, float]


class Source(Protocol):
    """An endless source of batches that can say where it stands and go on from there."""

    def __next__(self) -> Any:
        """The next batch."""

    def state_dict(self) -> dict[str, Any]:
        """Where the source stands, as tensors and plain data."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""


class Diverged(RuntimeError):
    """The loss or the gradient became NaN or infinite."""


@dataclass
class History:
    """What happened, as plain data: one entry a step, and one dictionary an evaluation."""

    loss: list[float] = field(default_factory=list)  # nats
    grad_norm: list[float] = field(default_factory=list)  # before clipping
    metrics: list[Metrics] = field(default_factory=list)  # what loss_fn returns beside the loss
    evaluations: list[Metrics] = field(default_factory=list)  # each with its "step"
    seconds: float = 0.0  # in the loop, evaluation included, over all sessions
    stopped: str = ""  # why training ended

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return len(self.loss)

    def as_dict(self) -> dict[str, Any]:
        """The history as a dictionary, for json."""
        return asdict(self)


def classification_loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Metrics]:
    """Mean cross-entropy in nats, and the batch's accuracy, for a model x -> logits (N, K)."""
    x, y = batch
    p = model(x)
    loss = nn.functional.cross_entropy(p, y)
    return loss, {"accuracy": (p.argmax(dim=1) == y).float().mean().item()}


@torch.no_grad()
def accuracy(model: nn.Module, batch: tuple[Tensor, Tensor]) -> float:
    """Share of right answers, for a model x -> logits (N, K) and labels y (N,)."""
    x, y = batch
    return (model(x).argmax(dim=1) == y).double().mean().item()


def train(
    model: nn.Module,
    source: Source,
    loss_fn: Callable[[nn.Module, Any], tuple[Tensor, Metrics]],
    optimizer: Optimizer,
    steps: int,
    *,
    clip_norm: float | None = None,
    evaluate: Callable[[nn.Module], Metrics] | None = None,
    eval_every: int = 100,
    patience: int | None = None,
    monitor: str = "loss",
    stop_when: Callable[[History], bool] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1000,
    progress: bool | None = None,
) -> History:
    """Train for ``steps`` steps in all, or until a rule stops it; return the history.

    Each step draws a batch, back-propagates ``loss_fn(model, batch)``, scales the gradient
    down to ``clip_norm`` if it is longer, and lets the optimizer move.

    evaluate: called without gradients every ``eval_every`` steps and after the last.
    patience: stop after so many evaluations without a lower ``monitor``; the best weights
        are put back.
    stop_when: called after each step with the history; True ends the run.
    checkpoint: a file; if it is there, training goes on from it, to the same last digit as an
        uninterrupted run. It is written every ``checkpoint_every`` steps and at the end.
    progress: a bar with loss and rate; by default shown for 50 steps or more, unless
        ``RNNLIB_PROGRESS=0``.

    Raises ``Diverged`` when the loss or the gradient is not finite, and TypeError or ValueError
    for wrong arguments. Seeds are the caller's: the model's generator and the source's.
    """
    validate.instance("model", model, nn.Module, "a torch.nn.Module")
    validate.instance("optimizer", optimizer, Optimizer, "a torch.optim.Optimizer")
    for name, value in [("loss_fn", loss_fn), ("evaluate", evaluate), ("stop_when", stop_when)]:
        if value is not None or name == "loss_fn":
            validate.function(name, value)
    needed = ("__next__",) if checkpoint is None else ("__next__", "state_dict", "load_state_dict")
    for method in needed:
        if not hasattr(source, method):
            raise TypeError(f"source must have a method {method}, got {type(source).__name__}")
    validate.positive_int("steps", steps, minimum=0)
    validate.positive_int("eval_every", eval_every)
    validate.positive_int("checkpoint_every", checkpoint_every)
    if clip_norm is not None and validate.real("clip_norm", clip_norm) <= 0:
        raise ValueError(f"clip_norm must be positive or None, got {clip_norm}")
    if patience is not None:
        validate.positive_int("patience", patience)
        if evaluate is None:
            raise ValueError("patience needs evaluate, got evaluate=None")
    history, best = History(), Best()
    if checkpoint is not None and validate.file("checkpoint", checkpoint).exists():
        load_checkpoint(checkpoint, model, optimizer, source, history, best)
    parameters = [w for group in optimizer.param_groups for w in group["params"]]
    start = time.perf_counter() - history.seconds
    if progress is None:
        progress = steps >= 50 and os.environ.get("RNNLIB_PROGRESS") != "0"
    bar = tqdm(total=steps, initial=history.steps, disable=not progress, unit="step", leave=False)
    model.train()
    with bar:
        while history.steps < steps and not history.stopped:
            returned = loss_fn(model, next(source))
            loss, metrics = validate.pair("loss_fn's result", returned, "(loss, metrics)")
            validate.tensor("loss", loss, (), finite=False)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = clip_gradient(parameters, clip_norm).item()
            _stop_if_diverged(history, loss.item(), norm)
            optimizer.step()
            history.loss.append(loss.item())
            history.grad_norm.append(norm)
            history.metrics.append(metrics)
            bar.set_postfix(loss=f"{history.loss[-1]:.4f}", refresh=False)
            bar.update()
            if stop_when is not None and stop_when(history):
                history.stopped = "stop_when"
            last = history.steps == steps or bool(history.stopped)
            if evaluate is not None and (last or history.steps % eval_every == 0):
                history.evaluations.append({"step": history.steps, **_evaluate(model, evaluate)})
                if patience is not None and best.update(model, history, monitor) >= patience:
                    history.stopped = history.stopped or "patience"
            history.seconds = time.perf_counter() - start
            if checkpoint is not None and (
                last or history.stopped or history.steps % checkpoint_every == 0
            ):
                save_checkpoint(checkpoint, model, optimizer, source, history, best)
    history.stopped = history.stopped or "steps"
    if patience is not None and best.weights:
        model.load_state_dict(best.weights)
    return history


@torch.no_grad()
def clip_gradient(parameters: list[Tensor], max_norm: float | None) -> Tensor:
    """Scale all gradients by min(1, max_norm / norm); return the norm before.

    The norm is taken over all parameters together, so the direction is kept.
    Source: Pascanu, Mikolov and Bengio (2013).
    """
    if max_norm is not None:
        validate.real("max_norm", max_norm, low=0.0)
    grads = [w.grad for w in parameters if w.grad is not None]
    if not grads:
        raise ValueError("parameters must have gradients, got none: call backward() first")
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in grads]))
    if max_norm is not None and norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
    return norm


@dataclass
class Best:
    """The weights at the lowest monitored value, and how many evaluations ago that was."""

    value: float = math.inf
    waited: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def update(self, model: nn.Module, history: History, monitor: str) -> int:
        """Look at the latest evaluation; return how many have passed since the best."""
        latest = history.evaluations[-1]
        if monitor not in latest:
            raise ValueError(f"monitor must be one of {sorted(latest)}, got {monitor!r}")
        self.waited += 1
        if latest[monitor] < self.value:
            self.value, self.waited = latest[monitor], 0
            self.weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        return self.waited


def _evaluate(model: nn.Module, evaluate: Callable[[nn.Module], Metrics]) -> Metrics:
    model.eval()
    with torch.no_grad():
        metrics = evaluate(model)
    model.train()
    return metrics


def _stop_if_diverged(history: History, loss: float, norm: float) -> None:
    if math.isfinite(loss) and math.isfinite(norm):
        return
    before = f"{history.loss[-1]:.4g}" if history.loss else "none"
    raise Diverged(
        f"step {history.steps}: loss {loss}, gradient norm {norm} (loss of the step before: "
        f"{before}). Lower the learning rate, or clip the gradient with clip_norm."
    )


def save_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: Optimizer,
    source: Source,
    history: History,
    best: Best | None = None,
) -> None:
    """Write all that training needs to go on as one safetensors file, then rename it into place."""
    from safetensors.torch import save_file

    best = best or Best()
    random = {"torch": torch.get_rng_state()}
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
            "best": {"value": best.value, "waited": best.waited, "weights": best.weights},
            "random": random,
        },
        "",
        tensors,
    )
    with written_beside(validate.file("checkpoint", path)) as beside:
        save_file(tensors, beside, metadata={"rnnlib": json.dumps(plain)})


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
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            plain = json.loads((file.metadata() or {})["rnnlib"])
            keys = file.keys()
            tensors = {key: file.get_tensor(key) for key in keys}
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
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
    if "cuda" in state["random"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["random"]["cuda"])
    for key, value in state["history"].items():
        setattr(history, key, value)
    if best is not None:
        for key, value in state["best"].items():
            setattr(best, key, value)


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Plain data with each tensor taken out under its path; pairs keep dictionary keys' types."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().clone().contiguous()
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
