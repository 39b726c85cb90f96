"""Checks for claims and for the reader's own answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnnlib import validate


def relative_error(a: Any, b: Any) -> float:
    """Largest difference of two arrays, relative to their largest entry; 0 if both are zero.

    NaN stays NaN. Raises TypeError or ValueError for what is not an array of real numbers.
    """
    a, b = _array("a", a), _array("b", b)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape, got {a.shape} and {b.shape}")
    return _relative_error(a, b)


@np.errstate(all="ignore")
def _relative_error(a: NDArray[Any], b: NDArray[Any]) -> float:
    scale = np.maximum(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    return 0.0 if scale == 0 else float(np.abs(a - b).max() / scale)


def central_difference(
    f: Callable[[], float], x: NDArray[np.float64], step: float = 1e-5
) -> NDArray[np.float64]:
    r"""Gradient of ``f()`` with respect to the entries of ``x``, changed in place and put back.

    $$\partial f/\partial x_k \approx (f(x + \epsilon e_k) - f(x - \epsilon e_k)) / 2\epsilon$$

    Its own error is of order $\epsilon^2$ from the formula and $10^{-16}/\epsilon$ from rounding.
    """
    validate.function("f", f)
    if validate.array("x", x, (...,)).dtype != np.float64 or not x.flags.writeable:
        kind = x.dtype if x.flags.writeable else "one that cannot be written"
        raise TypeError(f"x must be a float64 array, got {kind}")
    if validate.real("step", step) <= 0:
        raise ValueError(f"step must be positive, got {step}")

    def moved(k: tuple[int, ...], by: float) -> float:
        """f with one entry of x moved."""
        before = x[k]
        x[k] = before + by
        try:
            found = _array("what f returns", f())
        finally:
            x[k] = before
        if found.shape != ():
            raise ValueError(f"what f returns must be one number, got shape {found.shape}")
        return float(found)

    gradient = np.empty_like(x)
    for k in np.ndindex(x.shape):
        gradient[k] = (moved(k, step) - moved(k, -step)) / (2 * step)
    return gradient


def answer(name: str, yours: Any, expected: Any, tolerance: float = 1e-8) -> None:
    """Say whether an answer is right; where it is wrong, say how.

    Prints «not answered yet» for None, «correct» within the relative tolerance, and otherwise
    what differs: the shape, the sign, a constant factor, or the worst entry.

    Whatever ``yours`` is, it is read as numbers or told that it is none: a list may hold tensors
    of any floating type, but truth values and text are no numbers, and complex numbers fit only
    if some are expected. Raises TypeError or ValueError if ``expected`` is not finite numbers.
    """
    expected = _array("expected", expected, complex_too=True)
    if not np.isfinite(expected).all():
        raise ValueError("expected must be finite, got NaN or infinity")
    validate.real("tolerance", tolerance, low=0.0)
    print(f"{name}: {_verdict(yours, expected, tolerance)}")


@np.errstate(all="ignore")
def _verdict(yours: Any, expected: NDArray[Any], tolerance: float) -> str:
    if yours is None:
        return "not answered yet"
    try:
        yours = _array("the answer", yours, complex_too=np.iscomplexobj(expected))
    except TypeError as unread:
        return f"not yet: {unread}"
    if yours.shape != expected.shape:
        return f"not yet: the shape is {yours.shape}, expected {expected.shape}"
    if not np.isfinite(yours).all():
        return "not yet: the answer holds NaN or infinity"
    error = _relative_error(yours, expected)
    if error <= tolerance:
        return f"correct (largest relative error {error:.0e})"
    square = expected.ndim == 2 and expected.shape == expected.T.shape
    if square and _relative_error(yours.T, expected) <= tolerance:
        return "not yet: this is the transpose"
    used = np.abs(expected) > 1e-3 * np.abs(expected).max()
    ratio = yours[used] / expected[used]
    if ratio.size and np.allclose(ratio, ratio.flat[0], rtol=1e-6):
        return f"not yet: yours is {ratio.flat[0]:.6g} times the expected answer everywhere"
    worst = np.unravel_index(np.abs(yours - expected).argmax(), expected.shape)
    where = f" at {tuple(int(k) for k in worst)}" if worst else ""
    return f"not yet: yours is {yours[worst]:.6g}{where}, expected {expected[worst]:.6g}"


def _array(name: str, value: Any, complex_too: bool = False) -> NDArray[Any]:
    """Numbers of any kind as float64, or as complex128 where some are complex and may be."""
    try:
        array = _numbers(value)
    except _NotNumbers as error:
        raise TypeError(f"{name} must be numbers, got {error}") from None
    except Exception as error:  # whatever an object of the reader's does when it is read
        kind = type(value).__name__
        raise TypeError(f"{name} must be numbers, got {kind} that cannot be read") from error
    if np.iscomplexobj(array) and not complex_too:
        raise TypeError(f"{name} must be real, got complex numbers")
    return array


class _NotNumbers(TypeError):
    """What was found in place of numbers."""


def _numbers(value: Any) -> NDArray[Any]:
    if isinstance(value, list | tuple):
        parts = [_numbers(part) for part in value]
        shapes = {part.shape: None for part in parts}
        if len(shapes) > 1:
            raise _NotNumbers(f"parts of different shapes, {' and '.join(map(str, shapes))}")
        return np.stack(parts) if parts else np.empty(0)
    if isinstance(value, Tensor):
        value = value.detach().to_dense().cpu().resolve_conj().resolve_neg()
        value = (value.double() if value.is_floating_point() else value).numpy()  # bfloat16 too
    if isinstance(value, str | bytes | bytearray):
        raise _NotNumbers("text")
    if isinstance(value, np.ma.MaskedArray):
        raise _NotNumbers("a masked array")
    array = np.asarray(value)
    if array.dtype.kind in "iuf":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind == "c":
        return array.astype(np.complex128, copy=False)
    if array.dtype.kind == "O" and isinstance(value, np.ndarray):
        return _numbers(value.tolist())
    if array.dtype.kind == "O" and hasattr(type(value), "__float__"):  # a fraction, a long integer
        return np.asarray(float(value))
    if array.dtype.kind == "O":
        raise _NotNumbers("None" if value is None else type(value).__name__)
    raise _NotNumbers("truth values" if array.dtype.kind == "b" else f"numpy's {array.dtype}")
