"""What several tests share."""

import inspect
import time
from collections.abc import Callable, Iterable
from typing import Any, get_type_hints

import torch
from torch import Tensor, nn

from rnnlib import layers
from rnnlib.check import relative_error

F64 = torch.float64
HANGS = 900.0  # seconds that no step of a test takes on any machine: what takes longer hangs
LAYERS: dict[str, tuple[type[layers.Recurrent], dict[str, str]]] = {
    "rnn tanh": (layers.RNN, {}),
    "rnn relu": (layers.RNN, {"nonlinearity": "relu"}),
    "lstm": (layers.LSTM, {}),
    "gru": (layers.GRU, {}),
}


def wait_until(condition: Callable[[], bool]) -> None:
    """Look every hundredth of a second whether ``condition`` has come."""
    last = time.monotonic() + HANGS
    while not condition():
        assert time.monotonic() < last, "what was waited for has not come"
        time.sleep(0.01)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def layer(kind: str, D: int, H: int, L: int = 1, seed: int = 0) -> layers.Recurrent:
    """One of the four kinds of layer, in float64."""
    of_kind, options = LAYERS[kind]
    return of_kind(D, H, L, generator=seeded(seed), **options).double()


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=F64)


def random_state(kind: str, L: int, N: int, H: int) -> Any:
    h = normal(L, N, H, seed=1)
    return (h, normal(L, N, H, seed=2)) if kind == "lstm" else h


def tensors(state: Any) -> tuple[Tensor, ...]:
    """The tensors of a state: (h,), or (h, c)."""
    return state if isinstance(state, tuple) else (state,)


def results(module: nn.Module, x: Tensor, state: Any, kind: str, L: int) -> dict[str, Tensor]:
    """Outputs, last state and the gradients of x and the first state, by name.

    The loss weighs every output and every entry of the last state at random.
    """
    module.zero_grad()
    x = x.clone().requires_grad_()
    first = tuple(s.clone().requires_grad_() for s in tensors(state))
    outputs, last = module(x, first if kind == "lstm" else first[0])
    values = [outputs, *tensors(last)]
    sum((normal(*v.shape, seed=9 + k) * v).sum() for k, v in enumerate(values)).backward()
    named = {"outputs": outputs, "dx": x.grad}
    for k, (s, leaf) in enumerate(zip(tensors(last), first, strict=True)):
        named |= {f"state {k} layer {m}": s[m] for m in range(L)}
        named |= {f"d state {k} layer {m}": leaf.grad[m] for m in range(L)}
    return named


def our_gradients(net: layers.Recurrent) -> dict[str, Tensor]:
    return {
        f"{name} layer {k}": w.grad
        for k, cell in enumerate(net.cells)
        for name, w in cell.named_parameters()
    }


def same(a: Iterable[Tensor], b: Iterable[Tensor]) -> bool:
    """True if all are equal to the last bit."""
    return all(torch.equal(u, v) for u, v in zip(a, b, strict=True))


def largest_error(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """The largest relative error over all names; of a sequence, over each of its steps.

    The error of an array is its largest difference over its largest entry. A sequence (N, T, ...)
    is taken step by step: a wrong gradient that is small at step 1 does not hide behind step T.
    """
    assert found.keys() == expected.keys()
    errors = []
    for name, a in found.items():
        b = expected[name]
        assert a.shape == b.shape, name
        steps = range(a.shape[1]) if a.ndim == 3 else [slice(None)]
        errors += [
            relative_error(a[:, t], b[:, t]) if a.ndim == 3 else relative_error(a, b) for t in steps
        ]
    return max(errors)


def bptt_call(function: Callable[..., Any], given: dict[str, Any]) -> Any:
    """Call a function of ``rnnlib.bptt`` with arrays by their names, wherever it takes them.

    ``weights``, ``state`` and ``cache`` are made of the arrays, unless they are given as a whole.
    """
    names = inspect.signature(function).parameters
    made = {"weights": {name: a for name, a in given.items() if name[0] in "WbC" or name == "lam"}}
    made["state"] = (given.get("h0"), given.get("c0"))
    if "cache" in names:
        kind = get_type_hints(function)["cache"]
        made["cache"] = kind(*(given[name] for name in kind._fields))
    found = made | given  # what is not there has a default
    return function(**{name: found[name] for name in names if name in found})
