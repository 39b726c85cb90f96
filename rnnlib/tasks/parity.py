"""Parity: are the ones among the bits so far odd in number?"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from rnnlib import validate


def parity(
    T: int, N: int, generator: Generator | None = None, *, one_hot: bool = False
) -> tuple[Tensor, Tensor]:
    """N sequences of T random bits; the label of a step is 1 if the ones up to it are odd.

    One bit of memory is enough, but every input must be read: without the first bit, all that
    follow say nothing. Returns x (N, T, 1), or (N, T, 2) with ``one_hot``, as float32, and
    y (N, T) as int64; y[:, -1] is the parity of the whole sequence.
    Raises TypeError or ValueError for T or N below 1.
    """
    validate.positive_int("T", T)
    validate.positive_int("N", N)
    validate.generator("generator", generator)
    validate.boolean("one_hot", one_hot)
    x = torch.randint(0, 2, (N, T), generator=generator)
    y = x.cumsum(dim=1) % 2
    if one_hot:
        return torch.nn.functional.one_hot(x, 2).float(), y
    return x.unsqueeze(-1).float(), y
