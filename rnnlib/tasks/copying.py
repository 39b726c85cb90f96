"""The copy problem: read ten symbols, wait, and write them down again."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from rnnlib import validate

SYMBOLS = 8  # what is copied: classes 1 to 8; class 0 is the blank, input 9 says "write now"
LENGTH = 10  # symbols to copy


def copying(T: int, N: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
    """N sequences of T + 20 steps: ten symbols, T blanks with one signal, and the answer.

    The signal to write stands ten steps from the end; the last ten labels are the ten symbols,
    all others are blank. Returns x (N, T+20, 10) one-hot, as float32, and y (N, T+20) as int64.
    Raises TypeError or ValueError for T or N below 1.
    Source: Hochreiter and Schmidhuber (1997), in the form of Arjovsky, Shah and Bengio (2016).
    """
    validate.positive_int("T", T)
    validate.positive_int("N", N)
    validate.generator("generator", generator)
    symbols = torch.randint(1, SYMBOLS + 1, (N, LENGTH), generator=generator)
    x = torch.zeros(N, T + 2 * LENGTH, dtype=torch.int64)
    y = torch.zeros_like(x)
    x[:, :LENGTH] = symbols
    x[:, -LENGTH - 1] = SYMBOLS + 1
    y[:, -LENGTH:] = symbols
    return torch.nn.functional.one_hot(x, SYMBOLS + 2).float(), y


def copying_baseline(T: int) -> float:
    r"""Loss of the best answer without a memory, in nats a step: $10 \ln 8 / (T + 20)$.

    It writes blanks until the signal, then guesses among the eight symbols.
    """
    validate.positive_int("T", T)
    return LENGTH * math.log(SYMBOLS) / (T + 2 * LENGTH)
