"""Checks for claims and for the reader's own answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def relative_error(a: Any, b: Any) -> float:
    """Largest difference of two arrays, relative to their largest entry; 0 if both are zero."""
    a, b = _array(a), _array(b)
    if a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape, got {a.shape} and {b.shape}")
    scale = max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    return 0.0 if scale == 0 else float(np.abs(a - b).max() / scale)  # NaN stays NaN


def central_difference(
    f: Callable[[], float], x: NDArray[np.float64], step: float = 1e-5
) -> NDArray[np.float64]:
    r"""Gradient of ``f()`` with respect to the entries of ``x``, changed in place and put back.

    $$\partial f/\partial x_k \approx (f(x + \epsilon e_k) - f(x - \epsilon e_k)) / 2\epsilon$$

    Its own error is of order $\epsilon^2$ from the formula and $10^{-16}/\epsilon$ from rounding.
    """
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        raise TypeError(f"x must be a float64 array, got {getattr(x, 'dtype', type(x).__name__)}")
    gradient = np.empty_like(x)
    for k in np.ndindex(x.shape):
        value = x[k]
        x[k] = value + step
        above = f()
        x[k] = value - step
        below = f()
        x[k] = value
        gradient[k] = (above - below) / (2 * step)
    return gradient


def answer(name: str, yours: Any, expected: Any, tolerance: float = 1e-8) -> None:
    """Say whether an answer is right; where it is wrong, say how.

    Prints «not answered yet» for None, «correct» within the relative tolerance, and otherwise
    what differs: the shape, the sign, a constant factor, or the worst entry.
    """
    print(f"{name}: {_verdict(yours, expected, tolerance)}")


def _verdict(yours: Any, expected: Any, tolerance: float) -> str:
    if yours is None:
        return "not answered yet"
    yours, expected = _array(yours), _array(expected)
    if yours.shape != expected.shape:
        return f"not yet: the shape is {yours.shape}, expected {expected.shape}"
    if not np.isfinite(yours).all():
        return "not yet: the answer holds NaN or infinity"
    error = relative_error(yours, expected)
    if error <= tolerance:
        return f"correct (largest relative error {error:.0e})"
    square = expected.ndim == 2 and expected.shape == expected.T.shape
    if square and relative_error(yours.T, expected) <= tolerance:
        return "not yet: this is the transpose"
    used = np.abs(expected) > 1e-3 * np.abs(expected).max()
    ratio = yours[used] / expected[used]
    if ratio.size and np.allclose(ratio, ratio.flat[0], rtol=1e-6):
        return f"not yet: yours is {ratio.flat[0]:.6g} times the expected answer everywhere"
    worst = np.unravel_index(np.abs(yours - expected).argmax(), expected.shape)
    where = f" at {tuple(int(k) for k in worst)}" if worst else ""
    return f"not yet: yours is {yours[worst]:.6g}{where}, expected {expected[worst]:.6g}"


def _array(value: Any) -> NDArray[np.float64]:
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    return np.asarray(value, dtype=np.float64)
