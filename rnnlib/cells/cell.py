"""What all cells share: sizes, packed weights, a zero state, and the way over time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import Parameter

from rnnlib import init, validate

State = Tensor | tuple[Tensor, ...]  # h, or (h, c)


def hidden(state: State) -> Tensor:
    """The h of a state: the state itself, or the first of (h, c)."""
    return state if isinstance(state, Tensor) else state[0]


def each(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A state, h or (h, c), with each of its tensors changed."""
    return change(state) if isinstance(state, Tensor) else tuple(change(part) for part in state)


class Cell(nn.Module):
    """A recurrent cell with packed weights ``W_x (gates*H, D), W_h (gates*H, H), b (gates*H,)``.

    ``state = cell(x, state)`` is one step: x (N, D); without a state it begins with zeros.
    A subclass writes ``forward``, which is that step and nothing else: types and shapes are
    checked when the cell is called, and once for a whole sequence (see ``rnnlib.layers``).

    bias: as in torch, but every cell has one; it can be zero and frozen.
    device, dtype: of the weights, as in torch. generator: where the weights are drawn from.
    Raises TypeError or ValueError that names what does not fit.
    """

    gates: ClassVar[int]  # blocks in W_x, W_h and b
    parts: ClassVar[tuple[str, ...]] = ("h",)  # the tensors of a state, (N, H) each
    W_x: Tensor
    W_h: Tensor
    b: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        generator: Generator | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **unknown: Any,
    ):
        super().__init__()
        for name in unknown:
            raise TypeError(f"{type(self).__name__} has no option {name}")
        if bias is not True:
            raise ValueError(
                f"bias must be True, got {bias!r}: {type(self).__name__} has one; for none, "
                "zero_() it and set requires_grad_(False)"
            )
        self.input_size = validate.positive_int("input_size", input_size)
        self.hidden_size = validate.positive_int("hidden_size", hidden_size)
        for name, shape in self.shapes(self.input_size, self.hidden_size).items():
            setattr(self, name, Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters(generator)

    def shapes(self, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """The weights and their shapes."""
        return {"W_x": (self.gates * H, D), "W_h": (self.gates * H, H), "b": (self.gates * H,)}

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """torch's default: every weight and bias from U(-1/sqrt(H), 1/sqrt(H))."""
        for weight in self.parameters():
            init.uniform_(weight, 1 / math.sqrt(self.hidden_size), generator)

    def zero_state(self, N: int) -> State:
        """The state before the first input: zeros, h (N, H)."""
        if not isinstance(N, Tensor | torch.SymInt):  # a size that torch is tracing
            validate.positive_int("N", N)
        return self.W_x.new_zeros(N, self.hidden_size)

    def __call__(self, x: Tensor, state: State | None = None) -> Any:
        """One step with its arguments checked: x (N, D), state or zeros -> the next state."""
        validate.tensor("x", x, ("N", self.input_size), like=self.W_x)
        if state is None:
            state = self.zero_state(x.shape[0])
        return self._step(x, self.check_state(state, x.shape[0]))

    _step = nn.Module.__call__  # forward with its hooks, nothing checked

    def over_time(self, x: Tensor, state: Any) -> list[Any]:
        """x (N, T, D) and the state before it -> the T states, each made from the one before."""
        states = []
        for x_t in x.unbind(dim=1):  # (N, D), T times
            state = self._step(x_t, state)
            states.append(state)
        return states

    def check_state(self, state: Any, *sizes: int) -> State:
        """Return a state whose tensors are (*sizes, H), of the weights' type and device.

        Raises TypeError or ValueError that names the tensor that is not.
        """
        names = ["state"] if len(self.parts) == 1 else [f"state {part}" for part in self.parts]
        tensors = (state,) if len(names) == 1 else validate.pair("state", state)
        for name, value in zip(names, tensors, strict=True):
            validate.tensor(name, value, (*sizes, self.hidden_size), like=self.W_x)
        return state

    def torch_weights(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The weights of torch's twin, which adds two biases (gates*H,): the second is zero."""
        return self.W_x, self.W_h, self.b, torch.zeros_like(self.b)

    @staticmethod
    def own_biases(b_ih: Tensor, b_hh: Tensor) -> dict[str, Tensor]:
        """This cell's biases from the two of torch's twin."""
        return {"b": b_ih + b_hh}

    def extra_repr(self) -> str:
        """What print shows of a cell."""
        return f"input_size={self.input_size}, hidden_size={self.hidden_size}"
