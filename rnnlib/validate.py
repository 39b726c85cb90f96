"""Checks of arguments: an error names the argument, what came and what was expected."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from types import EllipsisType
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

Shape = Sequence[int | str | EllipsisType]


def positive_int(name: str, value: Any, minimum: int = 1) -> int:
    """Return ``value`` as an int of at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r} ({type(value).__name__})")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value}")
    return int(value)


def real(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Return ``value`` as a finite float with ``low <= value <= high``."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    number = float(value)
    if not math.isfinite(number) or not low <= number <= high:
        bounded = "" if (low, high) == (-math.inf, math.inf) else f" and in [{low}, {high}]"
        raise ValueError(f"{name} must be finite{bounded}, got {value}")
    return number


def one_of(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return ``value`` if it is among ``choices``."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}")
    return value


def instance(name: str, value: Any, kind: Any, what: str) -> Any:
    """Return ``value`` if it is a ``kind``, described by ``what``."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {what}, got {type(value).__name__}")
    return value


def file(name: str, value: str | os.PathLike[str]) -> Path:
    """Return ``value`` as a path to a file that is there or can be written."""
    path = Path(instance(name, value, str | os.PathLike, "a path"))
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"{name} must be a file in a folder that is there, got {path}")
    return path


def function(name: str, value: Any) -> Any:
    """Return ``value`` if it can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, got {value!r} ({type(value).__name__})")
    return value


def generator(name: str, value: Any) -> Generator | None:
    """Return ``value`` if it is a torch.Generator, or None for torch's global one."""
    if value is not None and not isinstance(value, Generator):
        raise TypeError(
            f"{name} must be a torch.Generator or None, got {value!r}; "
            "a seed becomes one by torch.Generator().manual_seed(seed)"
        )
    return value


def _check_shape(name: str, found: Sequence[int], expected: Shape) -> None:
    """Raise ValueError unless ``found`` is ``expected``: see ``tensor``."""
    wanted, ends = expected, found
    if expected and expected[0] is ...:  # any leading sizes
        wanted = expected[1:]
        ends = found[max(0, len(found) - len(wanted)) :]
    letters: dict[Any, int] = {}
    if len(ends) != len(wanted) or any(
        size != (letters.setdefault(w, size) if isinstance(w, str) else w)
        for size, w in zip(ends, wanted, strict=True)
    ):
        raise ValueError(
            f"{name} must have shape {_shape_text(expected)}, got {_shape_text(found)}"
        )
    if 0 in found:
        raise ValueError(f"{name} must not be empty, got shape {_shape_text(found)}")


def _shape_text(shape: Shape) -> str:
    sizes = ["..." if s is ... else str(s) for s in shape]
    return "(" + ", ".join(sizes) + ("," if len(sizes) == 1 else "") + ")"


def tensor(
    name: str, value: Any, shape: Shape, like: Tensor | None = None, *, finite: bool = True
) -> Tensor:
    """Return ``value`` if it is a floating tensor of ``shape``, and finite if ``finite``.

    A letter in ``shape`` stands for any size of at least 1, the same wherever it stands;
    a leading ``...`` for any further dimensions.
    ``like`` (usually a weight) gives the data type and device that are expected.
    """
    instance(name, value, Tensor, "a torch.Tensor")
    _check_shape(name, value.shape, shape)
    if not value.is_floating_point():
        raise TypeError(f"{name} must hold floating-point numbers, got {value.dtype}")
    if like is not None:
        if value.dtype != like.dtype:
            raise TypeError(
                f"{name} must have the weights' data type {like.dtype}, got {value.dtype}"
            )
        if value.device != like.device:
            raise ValueError(
                f"{name} must be on the weights' device {like.device}, got {value.device}"
            )
    if finite and not torch.isfinite(value).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return value


def pair(name: str, value: Any, what: str = "(h, c)") -> tuple[Any, Any]:
    """Return ``value`` if it is a tuple of two, as an LSTM's state is."""
    if not isinstance(value, tuple) or len(value) != 2:
        size = f" of {len(value)}" if isinstance(value, tuple) else ""
        raise TypeError(f"{name} must be a tuple {what}, got {type(value).__name__}{size}")
    return value


def array(name: str, value: Any, shape: Shape, like: np.ndarray | None = None) -> np.ndarray:
    """Return ``value`` if it is a finite floating NumPy array of ``shape`` (see ``tensor``)."""
    instance(name, value, np.ndarray, "a numpy.ndarray")
    _check_shape(name, value.shape, shape)
    if not np.issubdtype(value.dtype, np.floating):
        raise TypeError(f"{name} must hold floating-point numbers, got {value.dtype}")
    if like is not None and value.dtype != like.dtype:
        raise TypeError(f"{name} must have the weights' data type {like.dtype}, got {value.dtype}")
    if not np.isfinite(value).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return value


def arrays(**named: tuple[Any, str]) -> None:
    """Check NumPy arrays whose shapes share letters: ``arrays(W=(W, "H D"), x=(x, "N D"))``.

    A letter gets its size where it first stands; all must have the first one's data type.
    """
    sizes: dict[str, int] = {}
    first: np.ndarray | None = None
    for name, (value, text) in named.items():
        letters = text.split()
        array(name, value, [sizes.get(letter, letter) for letter in letters], like=first)
        first = value if first is None else first
        sizes |= dict(zip(letters, value.shape, strict=True))


def labels(name: str, value: Any, shape: Shape, classes: int) -> Any:
    """Return ``value`` if it is an integer array or tensor of ``shape`` in [0, classes)."""
    if not isinstance(value, np.ndarray | Tensor):
        raise TypeError(f"{name} must be an array or tensor, got {type(value).__name__}")
    _check_shape(name, value.shape, shape)
    integral = (
        not (value.is_floating_point() or value.dtype == torch.bool)
        if isinstance(value, Tensor)
        else np.issubdtype(value.dtype, np.integer)
    )
    if not integral:
        raise TypeError(f"{name} must hold integers, got {value.dtype}")
    if bool((value < 0).any()) or bool((value >= classes).any()):
        raise ValueError(
            f"{name} must be in [0, {classes}), got values from {int(value.min())} "
            f"to {int(value.max())}"
        )
    return value
