"""The adding problem: add the two marked numbers of a long sequence."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from rnnlib import validate


def adding(T: int, N: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
    """N sequences of T pairs (number, mark); the label is the sum of the two marked numbers.

    The numbers are from U(0, 1). One mark stands in the first half, one in the second.
    Returns x (N, T, 2) and y (N,), both float32.
    Raises TypeError or ValueError for T below 2 or N below 1.
    Source: Hochreiter and Schmidhuber (1997), in the form of Arjovsky, Shah and Bengio (2016).
    """
    validate.positive_int("T", T, minimum=2)
    validate.positive_int("N", N)
    validate.generator("generator", generator)
    numbers = torch.rand(N, T, generator=generator, dtype=torch.float32)
    marks, rows = torch.zeros_like(numbers), torch.arange(N)
    marks[rows, torch.randint(0, T // 2, (N,), generator=generator)] = 1
    marks[rows, torch.randint(T // 2, T, (N,), generator=generator)] = 1
    return torch.stack([numbers, marks], dim=2), (numbers * marks).sum(dim=1)


def adding_baseline() -> float:
    """Mean squared error of the best answer without a memory, always 1: the variance 2/12."""
    return 2 / 12
