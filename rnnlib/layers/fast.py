"""Where a layer's cell can run on ``rnnlib.fused``: what decides is read off types and settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as nn_module
from torch.utils._python_dispatch import _get_current_dispatch_mode

from rnnlib import fused, validate
from rnnlib.cells import Cell, GRUCell, LSTMCell, RNNCell
from rnnlib.fused.rnn import NONLINEARITIES

DTYPES = (torch.float32, torch.float64, torch.bfloat16)
Over = Callable[[Any, Tensor, Any], tuple[Tensor, Any]]


def _rnn(cell: RNNCell, x: Tensor, h0: Tensor) -> tuple[Tensor, Tensor]:
    h = fused.rnn(x, h0, cell.W_x, cell.W_h, cell.b, cell.nonlinearity)
    return h, h[-1]


def _lstm(
    cell: LSTMCell, x: Tensor, state: tuple[Tensor, Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    h, c_T = fused.lstm(x, *state, cell.W_x, cell.W_h, cell.b)
    return h, (h[-1], c_T)


def _gru(cell: GRUCell, x: Tensor, h0: Tensor) -> tuple[Tensor, Tensor]:
    h = fused.gru(x, h0, cell.W_x, cell.W_h, cell.b, cell.b_nh)
    return h, h[-1]


SWEEPS: dict[Any, Over] = {RNNCell: _rnn, LSTMCell: _lstm, GRUCell: _gru}  # cells by their step


def fast_way(cell: Cell, x: Tensor, state: Any) -> Over | None:
    """The function of (cell, x (T, N, D), state) that computes this cell, or None: go step by step.

    None for a step of the cell's own, hooks, data types that ``fused`` does not have, and wherever
    torch does not compute plainly: compiling, exporting, tracing, mapping, autocast,
    forward-mode derivatives.
    """
    found = next((way for kind, way in SWEEPS.items() if _steps_like(cell, kind)), None)
    return found if found and not _watched(cell) and _plain(cell, x, state) else None


def _steps_like(cell: Cell, kind: type[Cell]) -> bool:
    """Whether the step is that of ``kind``: a subclass may have another, and so may an object."""
    own = type(cell)
    return (
        isinstance(cell, kind)
        and own.forward is kind.forward
        and own.over_time is kind.over_time
        and own._step is kind._step
        and not {"forward", "over_time", "_step"} & vars(cell).keys()
        and getattr(cell, "nonlinearity", "tanh") in NONLINEARITIES
    )


def _watched(cell: Cell) -> bool:
    """Whether hooks must see each step, or the step itself was compiled."""
    return bool(
        cell._forward_hooks
        or cell._forward_pre_hooks
        or cell._backward_hooks
        or cell._backward_pre_hooks
        or cell._compiled_call_impl
        or nn_module._has_any_global_hook()
    )


def _plain(cell: Cell, x: Tensor, state: Any) -> bool:
    """Whether torch computes with plain tensors of these types, and with nothing in between."""
    weights = [cast(Tensor, getattr(cell, name)) for name in cell.shapes(1, 1)]
    state = [state] if isinstance(state, Tensor) else [*state]
    return (
        not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        and not torch._C._are_functorch_transforms_active()
        and forward_ad._current_level < 0
        and _get_current_dispatch_mode() is None
        and not validate.autocast(x.device.type)
        and all(
            type(one) in (Tensor, nn.Parameter) and one.dtype == weights[0].dtype
            for one in (x, *state, *weights)
        )
        and x.dtype in DTYPES
    )
