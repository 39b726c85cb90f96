"""One training loop for every chapter."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from rnnlib import validate
from rnnlib.training import arguments
from rnnlib.training.clipping import clip_gradient
from rnnlib.training.history import History, Metrics, plain_metrics
from rnnlib.training.modes import begin_training, evaluated, mode_kept
from rnnlib.training.resume import Checkpoint, Source, settings_as
from rnnlib.training.stopping import Best, stop_if_diverged

END = object()  # in place of a batch, after the last


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
    settings: dict[str, Any] | None = None,
    progress: bool | None = None,
) -> History:
    """Train for ``steps`` steps in all, or until a rule or the source's end stops it.

    Each step draws a batch, back-propagates ``loss_fn(model, batch)``, scales the gradient
    down to ``clip_norm`` if it is longer, and lets the optimizer move. Returns the history;
    its ``stopped`` is "steps", "source", "stop_when" or "patience".

    source: gives a batch at each ``next``. If it ends before ``steps``, so does the run, with
        the last evaluation and checkpoint as always.
    loss_fn: returns a loss () that has a graph, and a dictionary of numbers, as ``evaluate`` does.
    optimizer: holds every weight of the model that requires a gradient, and needs no closure and
        no sparse gradients; it may hold other weights too.
    evaluate: called without gradients every ``eval_every`` steps and after the last.
    patience: stop after so many evaluations without a lower ``monitor``; the best weights
        are put back.
    stop_when: called after each step with the history; True ends the run.
    checkpoint: a file; if it is there, training goes on from it, to the same last digit as an
        uninterrupted run, and schedulers of the optimizer go on too, wherever they are stepped. It
        is written every ``checkpoint_every`` steps and at the end. A file of another run, with
        other weights, another text or learning rate, is refused.
    settings: plain data that say what else the run is, such as its corpus and its schedule; a
        checkpoint keeps them, and is refused where they differ.
    progress: a bar with loss and rate; by default shown for 50 steps or more, unless
        ``RNNLIB_PROGRESS=0``.

    The model trains in training mode, but parts that were in evaluation mode alone stay so;
    ``evaluate`` finds all in evaluation mode. Both it and ``stop_when`` may change the mode.

    Raises ``Diverged`` when the loss or the gradient is not finite (``rnnlib.validate`` says where
    else NaN is caught), and TypeError or ValueError for wrong arguments and for what ``loss_fn``
    or ``evaluate`` should not return. Seeds are the caller's: the model's generator and the
    source's.
    """
    arguments.check(**locals())
    history, best = History(), Best()
    about = settings_as(settings) | {"training": {"clip_norm": clip_norm}}
    if patience is not None:
        about["training"]["monitor"] = monitor
    file = Checkpoint(checkpoint, steps, model, optimizer, source, history, best, about)
    start = time.perf_counter() - history.seconds

    def look() -> None:
        """Evaluate, unless the step has been, and see whether that was once too often."""
        if evaluate is not None and not history.evaluated:
            history.evaluations.append({"step": history.steps, **evaluated(model, evaluate)})
            if patience is not None and best.update(model, history, monitor) >= patience:
                history.stopped = history.stopped or "patience"
            history.seconds = time.perf_counter() - start

    begin_training(model)
    with _bar(steps, history.steps, progress) as bar:
        while (
            history.steps < steps
            and not history.stopped
            and (batch := next(source, END)) is not END
        ):
            loss, metrics = _checked(loss_fn(model, batch))
            optimizer.zero_grad()
            loss.backward()
            value, norm = loss.item(), clip_gradient(_weights(optimizer), clip_norm).item()
            stop_if_diverged(history, value, norm)
            optimizer.step()
            history.add(value, norm, metrics)
            bar.set_postfix(loss=f"{value:.4f}", refresh=False)
            bar.update()
            if stop_when is not None and mode_kept(model, stop_when, history):
                history.stopped = "stop_when"
            history.seconds = time.perf_counter() - start
            file.try_out()
            if history.steps < steps and not history.stopped:  # the last step comes below
                if history.steps % eval_every == 0:
                    look()
                if history.steps % checkpoint_every == 0:
                    file.save()
        look()
        file.save()
    history.stopped = history.stopped or ("source" if history.steps < steps else "steps")
    if patience is not None and best.weights:
        model.load_state_dict(best.weights)
    return history


def _bar(steps: int, done: int, progress: bool | None) -> tqdm:
    if progress is None:
        progress = steps >= 50 and os.environ.get("RNNLIB_PROGRESS") != "0"
    return tqdm(total=steps, initial=done, disable=not progress, unit="step", leave=False)


def _weights(optimizer: Optimizer) -> list[Tensor]:
    return [w for group in optimizer.param_groups for w in group["params"]]


def _checked(returned: Any) -> tuple[Tensor, Metrics]:
    """What ``loss_fn`` returned, if it is a loss to go down by, and a dictionary of numbers."""
    loss, metrics = validate.pair("loss_fn's result", returned, "(loss, metrics)")
    if not validate.tensor("loss", loss, ()).requires_grad:
        raise ValueError(
            "loss must depend on weights that require a gradient, got one without a graph: "
            "detached, computed under torch.no_grad(), or from frozen weights alone"
        )
    return loss, plain_metrics("loss_fn's metrics", metrics)
