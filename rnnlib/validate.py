"""Checks of arguments: an error names the argument, what came and what was expected.

**Values.** A forward pass looks at types and shapes, once, and never at values: a look would make
a GPU wait, and cannot be compiled, exported or vectorised. So a NaN passes through cells, layers
and models, as it does in torch. It is caught where numbers come out: ``training.train`` raises
``Diverged`` at the first loss or gradient that is not finite, ``sampling.probabilities``,
``metrics.entropy`` and ``bptt`` refuse what is not finite, and ``checkpoints.save_model`` refuses
such weights. Numbers of characters or classes that are out of range are refused by torch's own
indexing.
"""

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
    """Return ``value`` as an int of at least ``minimum``, and of 64 bits at most."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r} ({type(value).__name__})")
    number = int(value)
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    if number >= 2**63:
        raise ValueError(f"{name} must be below 2**63, got {number}")
    return number


def seed(name: str, value: Any) -> Generator:
    """Return a generator that starts from the integer ``value``, from 0 to 2**63 - 1."""
    return Generator().manual_seed(positive_int(name, value, minimum=0))


def real(name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Return ``value`` as a finite float with ``low <= value <= high``."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 308 digits
        number = math.inf
    if not math.isfinite(number) or not low <= number <= high:
        bounded = "" if (low, high) == (-math.inf, math.inf) else f" and in [{low}, {high}]"
        raise ValueError(f"{name} must be finite{bounded}, got {value}")
    return number


def boolean(name: str, value: Any) -> bool:
    """Return ``value`` if it is True or False: "no" and 2 are neither."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r} ({type(value).__name__})")
    return bool(value)


def one_of(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return ``value`` if it is among ``choices``."""
    if not isinstance(value, str) or value not in choices:
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


def generator(name: str, value: Any, like: Tensor | None = None) -> Generator | None:
    """Return ``value`` if it is a torch.Generator, or None for torch's global one.

    ``like`` is a tensor that is to be filled: the generator must be on its device.
    """
    if value is not None and not isinstance(value, Generator):
        raise TypeError(
            f"{name} must be a torch.Generator or None, got {value!r}; "
            "a seed becomes one by torch.Generator().manual_seed(seed)"
        )
    if value is None or like is None or like.device.type in ("meta", value.device.type):
        return value
    raise ValueError(
        f"{name} must be on the device {like.device.type} of what it fills, got one on "
        f"{value.device.type}; torch.Generator({like.device.type!r}) makes one"
    )


def _check_shape(name: str, found: Sequence[int], expected: Shape) -> None:
    """Raise ValueError unless ``found`` is ``expected``: see ``tensor``."""
    if torch.jit.is_tracing():  # sizes are traced tensors there, and comparing one would fix it
        return
    wanted, ends = expected, found
    if expected and expected[0] is ...:  # any leading sizes
        wanted = expected[1:]
        ends = found[max(0, len(found) - len(wanted)) :]
    sizes: dict[Any, int] = {}
    fits = len(ends) == len(wanted)
    for size, want in zip(ends, wanted, strict=False):
        fits = fits and size == (sizes.setdefault(want, size) if isinstance(want, str) else want)
    if not fits:
        raise ValueError(
            f"{name} must have shape {_shape_text(expected)}, got {_shape_text(found)}"
        )
    if 0 in found:
        raise ValueError(f"{name} must not be empty, got shape {_shape_text(found)}")


def _shape_text(shape: Shape) -> str:
    sizes = ["..." if s is ... else str(s) for s in shape]
    return "(" + ", ".join(sizes) + ("," if len(sizes) == 1 else "") + ")"


def tensor(
    name: str, value: Any, shape: Shape, like: Tensor | None = None, *, finite: bool = False
) -> Tensor:
    """Return ``value`` if it is a floating tensor of ``shape``; ``finite`` looks at its values.

    A letter in ``shape`` stands for any size of at least 1, the same wherever it stands;
    a leading ``...`` for any further dimensions.
    ``like`` (usually a weight) gives the data type and device that are expected; under
    ``torch.autocast`` any floating type will do.
    """
    instance(name, value, Tensor, "a torch.Tensor")
    _check_shape(name, value.shape, shape)
    if not value.is_floating_point():
        raise TypeError(f"{name} must hold floating-point numbers, got {value.dtype}")
    if like is not None:
        if value.dtype != like.dtype and not autocast(value.device.type):
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


def autocast(device: str) -> bool:
    """Whether products on this device change their data type by themselves."""
    if device not in ("cpu", "cuda", "mps", "xpu"):
        return False
    try:
        return torch.is_autocast_enabled(device)
    except TypeError:  # torch before 2.4 has a function a device
        return torch.is_autocast_cpu_enabled() if device == "cpu" else torch.is_autocast_enabled()


def pair(name: str, value: Any, what: str = "(h, c)") -> tuple[Any, Any]:
    """Return ``value`` as a tuple if it is a tuple or list of two, as an LSTM's state is."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        size = f" of {len(value)}" if isinstance(value, tuple | list) else ""
        raise TypeError(f"{name} must be a tuple {what}, got {type(value).__name__}{size}")
    return value[0], value[1]


def array(name: str, value: Any, shape: Shape) -> np.ndarray:
    """Return ``value`` if it is a finite floating NumPy array of ``shape`` (see ``tensor``).

    A masked array or a ``numpy.matrix`` computes by rules of its own and is refused.
    """
    instance(name, value, np.ndarray, "a numpy.ndarray")
    if isinstance(value, np.ma.MaskedArray | np.matrix):
        raise TypeError(f"{name} must be a plain numpy.ndarray, got {type(value).__name__}")
    _check_shape(name, value.shape, shape)
    if not np.issubdtype(value.dtype, np.floating):
        raise TypeError(f"{name} must hold floating-point numbers, got {value.dtype}")
    if not np.isfinite(value).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return value


def integers(name: str, value: Any, shape: Shape) -> Tensor:
    """Return ``value`` if it is an int64 tensor of ``shape``; its values are not looked at."""
    instance(name, value, Tensor, "a torch.Tensor of int64")
    _check_shape(name, value.shape, shape)
    if value.dtype != torch.int64:
        raise TypeError(
            f"{name} must hold integers as torch.int64, got {value.dtype}; {name}.long() makes them"
        )
    return value


def labels(name: str, value: Any, shape: Shape, classes: int) -> Tensor:
    """Return ``value`` if it is an int64 tensor of ``shape`` with values in [0, classes)."""
    integers(name, value, shape)
    _check_range(name, int(value.min()), int(value.max()), classes)
    return value


def array_labels(name: str, value: Any, shape: Shape, classes: int) -> np.ndarray:
    """The same for a NumPy array of integers of any size."""
    instance(name, value, np.ndarray, "a numpy.ndarray of integers")
    if isinstance(value, np.ma.MaskedArray | np.matrix):
        raise TypeError(f"{name} must be a plain numpy.ndarray, got {type(value).__name__}")
    _check_shape(name, value.shape, shape)
    if not np.issubdtype(value.dtype, np.integer):
        raise TypeError(f"{name} must hold integers, got {value.dtype}")
    _check_range(name, int(value.min()), int(value.max()), classes)
    return value


def _check_range(name: str, low: int, high: int, classes: int) -> None:
    if low < 0 or high >= classes:
        raise ValueError(f"{name} must be in [0, {classes}), got values from {low} to {high}")


def degrees(d: Any) -> None:
    """The degrees of a graph's nodes plus lam, an array or a tensor; ValueError unless positive."""
    if d.min() <= 0:
        raise ValueError(
            f"lam must make every node's degree plus lam positive, got {d.min():.6g} at node "
            f"{int(d.argmin())}: a node without neighbours needs a lam above 0"
        )
