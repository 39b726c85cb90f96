"""Five things change places, two at a time: where is each of them?"""

from __future__ import annotations

import itertools

import torch
from torch import Generator, Tensor

from rnnlib import validate

THINGS = 5
SWAPS = list(itertools.combinations(range(THINGS), 2))  # the ten pairs of places


def permutations(T: int, N: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
    """N sequences of T random swaps of two of five places; the labels are where the things are.

    This is the word problem of the group S5: swaps generate all 120 arrangements, and a label is
    the product of the swaps up to its step. Returns x (N, T, 10), the swap one-hot, as float32, and
    y (N, T, 5) as int64: y[:, t, k] is the place, 0 to 4, of the thing that began at place k.
    Raises TypeError or ValueError for T or N below 1.
    Source: Barrington (1989) for the problem; Merrill, Petty and Sabharwal (2024) as a task.
    """
    validate.positive_int("T", T)
    validate.positive_int("N", N)
    validate.generator("generator", generator)
    goes_to = torch.stack([torch.arange(THINGS)] * len(SWAPS))  # a swap and a place -> a place
    for swap, (one, other) in zip(goes_to, SWAPS, strict=True):
        swap[one], swap[other] = other, one
    swaps = torch.randint(0, len(SWAPS), (N, T), generator=generator)
    places, found = torch.arange(THINGS).repeat(N, 1), []
    for t in range(T):
        places = goes_to[swaps[:, t]].gather(1, places)  # (N, 5)
        found.append(places)
    return torch.nn.functional.one_hot(swaps, len(SWAPS)).float(), torch.stack(found, dim=1)
