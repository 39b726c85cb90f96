"""A cell over time and depth: ``outputs, state = LSTM(D, H, num_layers)(x, state)``.

Batch first: x (N, T, D), outputs (N, T, H); state h (L, N, H), or (h, c) for the LSTM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

import torch
from torch import Generator, Tensor, nn

from rnnlib import validate
from rnnlib.cells import Cell, GRUCell, LSTMCell, RNNCell, State
from rnnlib.phased import PhasedLSTMCell


def hidden(state: State) -> Tensor:
    """The h of a state: the state itself, or the first of (h, c)."""
    return state if isinstance(state, Tensor) else state[0]


def unroll(
    cell: Cell, x: Tensor, state: State | None = None, times: Tensor | None = None
) -> list[State]:
    """Apply one cell to x (N, T, D) step by step; return the T states, each as the cell's own.

    This is the unrolled network: a deep network of T layers that share one set of weights.
    ``times`` (N, T) are for a ``PhasedLSTMCell``, which needs them; no other cell takes them.
    """
    validate.instance("cell", cell, Cell, "an rnnlib cell")
    validate.tensor("x", x, ("N", "T", cell.input_size), like=cell.W_x, finite=False)
    if state is None:
        state = cell.zero_state(x.shape[0])
    if isinstance(cell, PhasedLSTMCell) or times is not None:
        return _unroll_phased(cell, x, state, times)
    states = []
    for x_t in x.unbind(dim=1):  # (N, D), T times
        state = cell(x_t, state)
        states.append(state)
    return states


def _unroll_phased(cell: Cell, x: Tensor, state: Any, times: Tensor | None) -> list[State]:
    """``unroll`` for a Phased LSTM; its gates do not depend on the states, so all come first."""
    if not isinstance(cell, PhasedLSTMCell):
        raise TypeError(f"times are for a PhasedLSTMCell, got times for {type(cell).__name__}")
    k = cell.gate(validate.tensor("times", times, x.shape[:2], like=cell.W_x))  # (N, T, H)
    states: list[State] = []
    for x_t, k_t in zip(x.unbind(dim=1), k.unbind(dim=1), strict=True):
        state = cell.step(x_t, k_t, state)
        states.append(state)
    return states


class Recurrent(nn.Module):
    """``num_layers`` cells, each reading the outputs of the one below.

    Input x (N, T, D) and an optional state; returns outputs (N, T, H) of the top layer and
    the state after the last step, h (L, N, H), or (h, c) for the LSTM.
    Raises TypeError or ValueError for sizes below 1, and for x or a state of the wrong shape,
    data type or device, or with a NaN: the message names the argument.
    """

    cell_class: ClassVar[type[Cell]]
    torch_class: ClassVar[Any]  # torch's twin: nn.RNN, nn.LSTM or nn.GRU
    cells: Sequence[Cell]  # an nn.ModuleList

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        generator: Generator | None = None,
        **cell_options: Any,
    ):
        super().__init__()
        self.input_size = validate.positive_int("input_size", input_size)
        self.hidden_size = validate.positive_int("hidden_size", hidden_size)
        self.num_layers = validate.positive_int("num_layers", num_layers)
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        cells = nn.ModuleList(
            self.cell_class(size, hidden_size, generator=generator, **cell_options)
            for size in sizes
        )
        self.cells = cast(Sequence[Cell], cells)  # for the type checker: a list of cells

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """x (N, T, D), state (L, N, H) or zeros -> outputs (N, T, H), last state (L, N, H)."""
        return self._run(x, state)

    def _run(
        self, x: Tensor, state: State | None, times: Tensor | None = None
    ) -> tuple[Tensor, State]:
        validate.tensor("x", x, ("N", "T", self.input_size), like=self.cells[0].W_x)
        if state is None:
            states = [cell.zero_state(x.shape[0]) for cell in self.cells]
        else:
            states = self._split(state, x.shape[0])
        last = []
        for cell, layer_state in zip(self.cells, states, strict=True):
            trace = unroll(cell, x, layer_state, times)
            x = torch.stack([hidden(s) for s in trace], dim=1)  # (N, T, H)
            last.append(trace[-1])
        return x, self._join(last)

    def _split(self, state: State, N: int) -> list[State]:
        """(L, N, H) tensors -> one state a layer."""
        shape, like = (self.num_layers, N, self.hidden_size), self.cells[0].W_x
        return list(validate.tensor("state", state, shape, like).unbind())

    def _join(self, states: list[Any]) -> State:
        """One state a layer -> (L, N, H) tensors."""
        return torch.stack(states)

    @classmethod
    def from_torch(cls, module: nn.RNNBase) -> Self:
        """A layer with the weights of torch's twin; torch's two biases a gate are added.

        Raises TypeError for another class, ValueError for what this layer does not have:
        dropout, two directions, projections, or no bias.
        """
        if not isinstance(module, cls.torch_class):
            raise TypeError(
                f"module must be a torch.nn.{cls.torch_class.__name__}, got {type(module).__name__}"
            )
        for option, wanted in [
            ("dropout", 0), ("bidirectional", False), ("proj_size", 0), ("bias", True),
        ]:  # fmt: skip
            if getattr(module, option) != wanted:
                raise ValueError(
                    f"module must have {option}={wanted}, got {getattr(module, option)}"
                )
        ours = cls(
            module.input_size, module.hidden_size, module.num_layers, **cls._options(module)
        ).to(module.weight_ih_l0)
        with torch.no_grad():
            for cell, (W_ih, W_hh, b_ih, b_hh) in zip(ours.cells, module.all_weights, strict=True):
                cell.W_x.copy_(W_ih)
                cell.W_h.copy_(W_hh)
                cls._biases_from_torch(cell, b_ih, b_hh)
        return ours

    def to_torch(self) -> nn.RNNBase:
        """torch's twin (batch_first) with these weights; its second bias is zero where it may."""
        options = self._options(self.cells[0])
        twin = self.torch_class(
            self.input_size, self.hidden_size, self.num_layers, batch_first=True, **options
        ).to(self.cells[0].W_x)
        with torch.no_grad():
            for cell, (W_ih, W_hh, b_ih, b_hh) in zip(self.cells, twin.all_weights, strict=True):
                W_ih.copy_(cell.W_x)
                W_hh.copy_(cell.W_h)
                self._biases_to_torch(cell, b_ih, b_hh)
        return twin

    @staticmethod
    def _options(module: nn.Module) -> dict[str, Any]:
        return {}

    @staticmethod
    def _biases_from_torch(cell: Cell, b_ih: Tensor, b_hh: Tensor) -> None:
        cell.b.copy_(b_ih + b_hh)

    @staticmethod
    def _biases_to_torch(cell: Cell, b_ih: Tensor, b_hh: Tensor) -> None:
        b_ih.copy_(cell.b)
        b_hh.zero_()


class RNN(Recurrent):
    """Vanilla RNN: ``RNNCell`` over time and depth. Option ``nonlinearity``: "tanh" or "relu"."""

    cell_class = RNNCell
    torch_class = nn.RNN

    @staticmethod
    def _options(module: nn.Module) -> dict[str, Any]:
        return {"nonlinearity": module.nonlinearity}


class LSTM(Recurrent):
    """``LSTMCell`` over time and depth; the state is (h, c), each (L, N, H)."""

    cell_class = LSTMCell
    torch_class = nn.LSTM

    def _split(self, state: State, N: int) -> list[State]:
        h, c = validate.pair("state", state)
        shape, like = (self.num_layers, N, self.hidden_size), self.cells[0].W_x
        validate.tensor("state h", h, shape, like)
        validate.tensor("state c", c, shape, like)
        return list(zip(h.unbind(), c.unbind(), strict=True))

    def _join(self, states: list[Any]) -> State:
        h, c = zip(*states, strict=True)
        return torch.stack(h), torch.stack(c)


class GRU(Recurrent):
    """``GRUCell`` over time and depth."""

    cell_class = GRUCell
    torch_class = nn.GRU

    @staticmethod
    def _biases_from_torch(cell: Cell, b_ih: Tensor, b_hh: Tensor) -> None:
        assert isinstance(cell, GRUCell)
        cell.b.copy_(b_ih)
        cell.b[: 2 * cell.hidden_size] += b_hh[: 2 * cell.hidden_size]
        cell.b_nh.copy_(b_hh[2 * cell.hidden_size :])

    @staticmethod
    def _biases_to_torch(cell: Cell, b_ih: Tensor, b_hh: Tensor) -> None:
        assert isinstance(cell, GRUCell)
        Recurrent._biases_to_torch(cell, b_ih, b_hh)
        b_hh[2 * cell.hidden_size :] = cell.b_nh


class PhasedLSTM(LSTM):
    """``PhasedLSTMCell`` over time and depth: ``outputs, state = PhasedLSTM(D, H)(x, times)``.

    Takes the times (N, T) of the steps beside x (N, T, D); every layer sees the same times.
    The cell's options (``leak``, ``r_on``, ``log_tau``, ``shift``) go to every layer.
    torch has no such layer, so ``from_torch`` and ``to_torch`` raise TypeError.
    """

    cell_class = PhasedLSTMCell

    def forward(  # type: ignore[override]  # the times come between x and the state
        self, x: Tensor, times: Tensor, state: State | None = None
    ) -> tuple[Tensor, State]:
        """x (N, T, D), times (N, T), state -> outputs (N, T, H), last state h, c (L, N, H)."""
        return self._run(x, state, times)

    def project_(self) -> None:
        """Put every cell's tau and r_on back into range; see ``PhasedLSTMCell.project_``."""
        for cell in self.cells:
            cast(PhasedLSTMCell, cell).project_()

    @classmethod
    def from_torch(cls, module: nn.RNNBase) -> Self:
        """Not possible: raises TypeError."""
        raise TypeError(
            f"module must be a Phased LSTM, got {type(module).__name__}: torch has none"
        )

    def to_torch(self) -> nn.RNNBase:
        """Not possible: raises TypeError."""
        raise TypeError("PhasedLSTM cannot be converted: torch has no Phased LSTM")
