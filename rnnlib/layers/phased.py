"""The Phased LSTM over depth: a layer that reads times beside its input."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from rnnlib.cells import PhasedLSTMCell, State
from rnnlib.layers.recurrent import Recurrent


class PhasedLSTM(Recurrent):
    """``PhasedLSTMCell`` over time and depth: ``outputs, state = PhasedLSTM(D, H)(x, times)``.

    Takes the times (N, T) of the steps beside x (N, T, D); every layer sees the same times.
    The cell's options (``leak``, ``r_on``, ``log_tau``, ``shift``) go to every layer.
    """

    cell_class = PhasedLSTMCell

    def forward(  # type: ignore[override]  # the times come between x and the state
        self, x: Tensor, times: Tensor, state: State | None = None
    ) -> tuple[Tensor, State]:
        """x (N, T, D), times (N, T), state -> outputs (N, T, H), last state h, c (L, N, H)."""
        return self.over_depth(x, state, times=times)

    def project_(self) -> None:
        """Put every cell's tau and r_on back into range; see ``PhasedLSTMCell.project_``."""
        for cell in self.cells:
            cast(PhasedLSTMCell, cell).project_()
