"""What a cell becomes over time and depth."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from rnnlib import validate
from rnnlib.cells import Cell, State, hidden

# What torch's layers have and these have not: the only value that they take, and what helps.
TORCH: dict[str, tuple[Any, str]] = {
    "bias": (True, "every cell has one; for none, zero_() it and set requires_grad_(False)"),
    "batch_first": (True, "x is (N, T, D); x.transpose(0, 1) brings the batch to the front"),
    "bidirectional": (False, "run a second layer over x.flip(1) and join the outputs"),
    "proj_size": (0, "put a torch.nn.Linear behind the layer"),
}


def unroll(cell: Cell, x: Tensor, state: State | None = None, **along: Tensor) -> list[Any]:
    """Apply one cell to x (N, T, D) step by step; return the T states, each as the cell's own.

    This is the unrolled network: a deep network of T layers that share one set of weights.
    ``along`` is what a cell reads beside x, as a Phased LSTM's ``times`` (N, T).
    """
    validate.instance("cell", cell, Cell, "an rnnlib cell")
    validate.tensor("x", x, ("N", "T", cell.input_size), like=cell.W_x)
    state = cell.zero_state(x.shape[0]) if state is None else state
    return cell.over_time(x, cell.check_state(state, x.shape[0]), **along)


class Recurrent(nn.Module):
    """``num_layers`` cells, each reading the outputs of the one below.

    Input x (N, T, D) and an optional state; returns outputs (N, T, H) of the top layer and
    the state after the last step, h (L, N, H), or (h, c) for the LSTM.

    dropout: share of the outputs of each layer but the last that is set to zero in training, as
    in torch. generator: where the weights are drawn from. device, dtype: of the weights.
    bias, batch_first, bidirectional, proj_size: torch's names, each at the one value that these
    layers have. Other options go to the cells.

    Raises TypeError or ValueError for sizes below 1, and for x or a state of the wrong shape,
    data type or device: the message names the argument. Values are not looked at; see
    ``rnnlib.validate`` for where a NaN is caught. For sequences of several lengths, which torch
    packs, see ``rnnlib.models.Classifier``.
    """

    cell_class: ClassVar[type[Cell]]
    cells: Sequence[Cell]  # an nn.ModuleList

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        dropout: float = 0.0,
        **options: Any,
    ):
        super().__init__()
        self.input_size = validate.positive_int("input_size", input_size)
        self.hidden_size = validate.positive_int("hidden_size", hidden_size)
        self.num_layers = validate.positive_int("num_layers", num_layers)
        self.dropout = validate.real("dropout", dropout, 0.0, 1.0)
        if dropout > 0 and num_layers == 1:
            warnings.warn("dropout acts between layers, and num_layers is 1", stacklevel=2)
        for name, (only, instead) in TORCH.items():
            if (value := options.pop(name, only)) != only:
                raise ValueError(
                    f"{name} must be {only} for rnnlib.{type(self).__name__}, got {value!r}: "
                    f"{instead}"
                )
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        cells = nn.ModuleList(self.cell_class(size, hidden_size, **options) for size in sizes)
        self.cells = cast(Sequence[Cell], cells)  # for the type checker: a list of cells

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """x (N, T, D), state (L, N, H) or zeros -> outputs (N, T, H), last state (L, N, H)."""
        return self.over_depth(x, state)

    def over_depth(self, x: Tensor, state: State | None, **along: Tensor) -> tuple[Tensor, State]:
        """The cells one after the other, ``along`` to each; x and state are checked here, once."""
        validate.tensor("x", x, ("N", "T", self.input_size), like=self.cells[0].W_x)
        last: list[Any] = []
        for cell, before in zip(self.cells, self.split(state, x.shape[0]), strict=True):
            if last:
                x = nn.functional.dropout(x, self.dropout, self.training)
            x, after = self.over_one(cell, x, before, **along)
            last.append(after)
        return x, self.join(last)

    def over_one(self, cell: Cell, x: Tensor, state: Any, **along: Tensor) -> tuple[Tensor, Any]:
        """One cell over all steps: x (N, T, D), a state -> outputs (N, T, H), the last state."""
        states = cell.over_time(x, state, **along)
        return torch.stack([hidden(s) for s in states], dim=1), states[-1]

    def split(self, state: State | None, N: int) -> tuple[Any, ...]:
        """A state of (L, N, H) tensors, checked, or zeros for None -> one state a layer."""
        if state is None:
            return tuple(cell.zero_state(N) for cell in self.cells)
        state = self.cells[0].check_state(state, self.num_layers, N)
        if isinstance(state, Tensor):
            return state.unbind()
        return tuple(zip(*(part.unbind() for part in state), strict=True))

    def join(self, states: list[Any] | tuple[Any, ...]) -> State:
        """One state a layer -> (L, N, H) tensors."""
        if isinstance(states[0], Tensor):
            return torch.stack(states)
        return tuple(torch.stack(part) for part in zip(*states, strict=True))

    def extra_repr(self) -> str:
        """What print shows of a layer, beside its cells."""
        return f"dropout={self.dropout}" if self.dropout else ""
