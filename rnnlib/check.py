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

    The size of an error as a whole, for claims about rounding: small entries count for little.
    `answer` looks at every entry.

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
    """Say whether an answer is right; where it is wrong, say how, without giving it away.

    Entry by entry, the difference may be ``tolerance`` times the expected entry. Entries below
    1e-5 of the largest one are measured by that: rounding leaves no more of them.

    Prints «not answered yet» for None, «correct», or what is true of all entries: another shape,
    the transpose, another order, a constant factor or difference, one over it, too few digits.
    Otherwise it counts the entries that differ and shows yours where it differs most.

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
    if _unanswered(yours):
        return "not answered yet"
    try:
        yours = _array("the answer", yours, complex_too=np.iscomplexobj(expected))
    except TypeError as unread:
        return f"not yet: {unread}"
    if not np.isfinite(yours).all():
        return "not yet: the answer holds NaN or infinity"
    if yours.shape != expected.shape:
        if yours.T.shape == expected.shape and _error(yours.T, expected) <= tolerance:
            return "not yet: this is the transpose"
        return f"not yet: the shape is {yours.shape}, expected {expected.shape}"
    error = _error(yours, expected)
    if error <= tolerance:
        return f"correct (largest relative error {error:.0e})"
    return f"not yet: {_difference(yours, expected, tolerance)}"


def _unanswered(yours: Any) -> bool:
    """None, or one None or more in a list or tuple and nothing else."""
    parts = yours if isinstance(yours, list | tuple) and len(yours) else [yours]
    return all(part is None for part in parts)


def _error(yours: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest of the entries' errors."""
    return float(_errors(yours, expected).max(initial=0.0))


def _errors(yours: NDArray[Any], expected: NDArray[Any]) -> NDArray[Any]:
    """Each entry's difference, relative to the entry or to 1e-5 of the largest, if that is more."""
    size = np.abs(expected)
    least = 1e-5 * size.max(initial=0.0) or 1e-5
    return np.abs(yours - expected) / np.maximum(size, least)


def _difference(yours: NDArray[Any], expected: NDArray[Any], tolerance: float) -> str:
    """What is true of all entries, and if that is nothing, where they differ most."""
    largest = np.unravel_index(np.abs(expected).argmax(), expected.shape)
    factor = yours[largest] / expected[largest] + 0  # no minus zero
    shift = yours[largest] - expected[largest]
    several = np.count_nonzero(expected) > 1  # of one number, everything is a multiple

    def same(a: NDArray[Any], b: NDArray[Any]) -> bool:
        return a.shape == b.shape and _error(a, b) <= tolerance

    error = _error(yours, expected)
    if error < 1e-5:
        return f"right within {error:.0e}, and {tolerance:.0e} is asked for: mind the rounding"
    if same(yours.T, expected):
        return "this is the transpose"
    if yours.ndim and (same(yours[::-1], expected) or same(yours[..., ::-1], expected)):
        return "the order is reversed"
    if same(np.sort(yours, None), np.sort(expected, None)):
        first = np.argwhere(_errors(yours, expected) > tolerance)[0]
        there = np.unravel_index(np.abs(expected - yours[tuple(first)]).argmin(), expected.shape)
        return f"the right numbers in another order: yours at {_at(first)} belongs at {_at(there)}"
    if factor and (several or factor == -1) and same(yours, factor * expected):
        return f"yours is {factor:.6g} times the expected answer everywhere"
    if several and same(1 / yours, expected):
        return "yours is one over the expected answer everywhere"
    if several and same(yours - shift, expected):
        return "yours differs from the expected answer by the same amount everywhere"
    errors = _errors(yours, expected)
    worst = np.unravel_index(errors.argmax(), expected.shape)
    found = f"yours is {yours[worst]:.6g}"
    side = _side(yours[worst], expected[worst])
    if not worst:
        return f"{found}, {side}"
    wrong = int((errors > tolerance).sum())
    return f"{found} at {_at(worst)}, {side}; {wrong} of {errors.size} entries differ"


def _at(index: Any) -> str:
    return str(tuple(int(k) for k in index))


def _side(yours: Any, expected: Any) -> str:
    if np.iscomplexobj(yours) or np.iscomplexobj(expected):
        return "and that is wrong"
    if yours * expected < 0:
        return "of the wrong sign"
    return "too high" if yours > expected else "too low"


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
