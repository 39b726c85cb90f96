"""What minGRU and minLSTM share: gates that do not see h, so that all steps can go at once."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor, nn

from rnnlib import init, scan, validate
from rnnlib.cells.cell import Cell


def g(x: Tensor) -> Tensor:
    r"""The candidate's nonlinearity, above zero: $x + 0.5$ where $x \ge 0$, else $\sigma(x)$."""
    return x.relu() + x.clamp(max=0).sigmoid()


def log_g(x: Tensor) -> Tensor:
    r"""$\ln g(x)$, finite where $g(x)$ itself is too small for its type."""
    return torch.where(x >= 0, (x.relu() + 0.5).log(), nn.functional.logsigmoid(x))


class MinimalCell(Cell):
    r"""A cell whose step is linear in h, with coefficients that depend on the input alone:

    $$h_t = a_t \odot h_{t-1} + b_t$$

    ``W_x`` (gates*H, D) and ``b`` (gates*H,); there is no ``W_h``.
    ``candidate``: "positive", $g$ as in the paper, or "linear", the candidate as it is.
    A subclass writes ``coefficients`` and ``log_coefficients``.
    Source: Feng, Tung, Ahmed, Bengio and Hajimirsadeghi (2024).
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, candidate: str = "positive", **options: Any
    ):
        self.candidate = validate.one_of("candidate", candidate, ("positive", "linear"))
        super().__init__(input_size, hidden_size, **options)

    def shapes(self, D: int, H: int) -> dict[str, tuple[int, ...]]:
        """The weights and their shapes."""
        return {"W_x": (self.gates * H, D), "b": (self.gates * H,)}

    def reset_parameters(self, generator: Generator | None = None) -> None:
        """torch's default for a linear layer: weights and biases from U(-1/sqrt(D), 1/sqrt(D))."""
        for weight in self.parameters():
            init.uniform_(weight, 1 / math.sqrt(self.input_size), generator)

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (..., D) -> a and b (..., H)."""
        raise NotImplementedError

    def log_coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (..., D) -> ln a and ln b (..., H), for a positive candidate."""
        raise NotImplementedError

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """x (N, D), h (N, H) -> the next h (N, H)."""
        a, b = self.coefficients(x)
        return a * h + b

    def scan(self, x: Tensor, h_0: Tensor) -> Tensor:
        """All steps at once: x (N, T, D), h_0 (N, H) -> h (N, T, H)."""
        a, b = self.coefficients(x)
        return scan.parallel(a, b, h_0)

    def log_scan(self, x: Tensor, h_0: Tensor) -> Tensor:
        r"""The same in log space; h_0 may be zero or negative, for it is not put into logarithms.

        The recurrence is linear: its states are those from $h_0 = 0$, plus
        $a_t \odot \dots \odot a_1 \odot h_0$.
        """
        log_a, log_b = self.log_coefficients(x)
        return scan.parallel_log(log_a, log_b).exp() + log_a.cumsum(1).exp() * h_0[:, None]

    def g(self, n: Tensor) -> Tensor:
        """The candidate from what the weights give."""
        return g(n) if self.candidate == "positive" else n
