"""Frequency discrimination: is the period of this sine wave between 5 and 6 ms?"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from rnnlib import validate

PERIODS = (1.0, 100.0)  # ms, of all waves
SPECIAL = (5.0, 6.0)  # ms, of class 1
STEPS = {"standard": 1.0, "oversampled": 0.1, "asynchronous": None}  # ms between samples
LONGEST = 125.0  # ms: the duration, and the end of the time in which a wave may lie


def frequency(
    N: int,
    generator: Generator | None = None,
    sampling: str = "standard",
    *,
    durations: tuple[float, float] = (15.0, LONGEST),
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """N sine waves with random period, phase, start and duration, and the times of the samples.

    The first half of the batch has periods from U(5, 6), the rest log-uniform periods from
    (1, 100), both in ms. The label is 1 if the period is in [5, 6]: so the second half holds a
    few of class 1 too. The duration is from ``durations``, the start such that the wave ends by
    125 ms.

    sampling: "standard" takes a sample each ms, "oversampled" each 0.1 ms; "asynchronous" takes
    15 to 124 at random times of the wave, in order, whatever the duration.

    Returns x (N, T, 1) and times (N, T) in ms, both float32, lengths (N,) and labels y (N,), both
    int64. T is the longest length. Behind a sequence's end x is 0 and the last time repeats.
    Raises TypeError or ValueError for N below 2, another sampling, or durations that are not
    1 <= shortest <= longest <= 125.
    Source: Neil, Pfeiffer and Liu (2016), with the numbers of the authors' public code.
    """
    validate.positive_int("N", N, minimum=2)
    validate.generator("generator", generator)
    step = STEPS[validate.one_of("sampling", sampling, list(STEPS))]
    shortest, longest = validate.pair("durations", durations, "(shortest, longest)")
    validate.real("durations", shortest, 1, LONGEST)
    validate.real("durations", longest, 1, LONGEST)
    if shortest > longest:
        raise ValueError(f"durations must be (shortest, longest), got {durations}")

    def uniform(low: float | Tensor, high: float | Tensor) -> Tensor:  # (N,)
        return low + (high - low) * torch.rand(N, generator=generator, dtype=torch.float64)

    period = uniform(math.log(PERIODS[0]), math.log(PERIODS[1])).exp()
    special = uniform(*SPECIAL)
    period[: N // 2] = special[: N // 2]
    phase = uniform(0, 2 * math.pi)
    duration = uniform(shortest, longest)
    start = uniform(torch.zeros(N), LONGEST - duration)
    points = uniform(15, 125).long()
    if step is None:
        lengths = points
        T = int(lengths.max())
        share = torch.rand(N, T, generator=generator, dtype=torch.float64)
        share[torch.arange(T) >= lengths[:, None]] = 2  # to be sorted behind the end
        times = start[:, None] + duration[:, None] * share.sort(dim=1).values
    else:
        lengths = (duration / step).ceil().long()
        T = int(lengths.max())
        times = start[:, None] + step * torch.arange(T)
    x = torch.sin(2 * math.pi * times / period[:, None] - phase[:, None])
    after = torch.arange(T) >= lengths[:, None]  # (N, T), the padding
    last = times.gather(1, lengths[:, None] - 1)
    x, times = x.masked_fill(after, 0), torch.where(after, last, times)
    y = ((period >= SPECIAL[0]) & (period <= SPECIAL[1])).long()
    return x.float().unsqueeze(-1), times.float(), lengths, y


def frequency_chance() -> float:
    r"""Accuracy of always answering 1: $\frac12 + \frac12 \ln(6/5) / \ln(100/1)$.

    Half of the waves are of class 1 by choice, and some of the others by chance.
    """
    return 0.5 + 0.5 * math.log(SPECIAL[1] / SPECIAL[0]) / math.log(PERIODS[1] / PERIODS[0])
