"""Checks that stand outside the mathematics: the line above a function tells its arrays' shapes."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from rnnlib import validate

Array = NDArray[np.floating]
Labels = NDArray[np.integer]
Weights = Mapping[str, Array]
P = ParamSpec("P")
R = TypeVar("R")

READOUT = ("W_ph", "b_p")  # weights of a network that its recurrent layer does not need


def shapes(**expected: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check a function's arrays before it runs: ``@shapes(x="N T D", h0="N H", W_x="4H D")``.

    - A letter is a size, the same in all arrays, a number this very size; ``4H`` is four times
      an H that came before it, ``M*E`` the product of an M and an E that came before it;
      a leading ``...`` is any further sizes.
    - ``y="... below K"`` holds integers from 0 to K - 1. All other arrays hold finite
      floating-point numbers of one data type.
    - The fields of an argument ``cache`` have the shapes that its class gives them.
    - A name that is no argument stands in ``state``, a pair (h0, c0), or in the dict ``weights``.
      That has all these names; beside them it may have those of the readout, and no others.

    The function then raises TypeError or ValueError that names what does not fit, what came and
    what was expected.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        kind = get_type_hints(function).get("cache")
        fields = get_type_hints(kind, include_extras=True) if kind else {}
        texts = {name: hint.__metadata__[0] for name, hint in fields.items()} | expected

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            _check(_opened(signature.bind(*args, **kwargs).arguments, texts, kind), texts)
            return function(*args, **kwargs)

        return checked

    return decorate


def _opened(found: dict[str, Any], names: Iterable[str], kind: Any) -> dict[str, Any]:
    """The arguments, with what stands in ``state``, ``cache`` and ``weights`` beside them."""
    if "state" in found:
        found["h0"], found["c0"] = validate.pair("state", found["state"], "(h0, c0)")
    if "cache" in found:
        what = f"the {kind.__name__} of the forward pass"
        found |= validate.instance("cache", found["cache"], kind, what)._asdict()
    if "weights" in found:
        weights = validate.instance("weights", found["weights"], Mapping, "a dict of arrays")
        names = [name for name in names if name not in found]
        if not set(names) <= set(weights) <= {*names, *READOUT}:
            raise ValueError(f"weights must have the names {names}, got {list(weights)}")
        found |= weights
    return found


def _check(found: Mapping[str, Any], texts: Mapping[str, str]) -> None:
    """Check each array; it gives the sizes of letters that are new in it."""
    sizes: dict[str, Any] = {"...": [...]}
    first = ""  # the name of the array that gives the data type
    for name, text in texts.items():
        letters, _, classes = text.partition(" below ")
        tokens, shape = letters.split(), []
        for token in tokens:
            if token == "...":
                shape += sizes[token]
            elif token.isdigit():
                shape.append(int(token))
            elif token[0].isdigit():
                shape.append(int(token[0]) * sizes[token[1]])
            elif "*" in token:
                shape.append(math.prod(sizes[letter] for letter in token.split("*")))
            else:
                shape.append(sizes.get(token, token))
        if classes:
            array = validate.array_labels(name, found[name], shape, sizes[classes])
        else:
            array = validate.array(name, found[name], shape)
            first = first or name
            if array.dtype != found[first].dtype:
                raise TypeError(
                    f"{name} must have {first}'s data type {found[first].dtype}, got {array.dtype}"
                )
        sizes |= zip(tokens[::-1], array.shape[::-1], strict=False)
        if tokens[0] == "...":
            sizes["..."] = array.shape[: array.ndim - len(tokens) + 1]
