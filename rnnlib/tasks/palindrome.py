"""Palindromes: the last digit equals the first, so the network must keep it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from rnnlib import validate
from rnnlib.tasks.batches import Batches


def palindromes(
    T: int, N: int, generator: Generator | None = None, *, one_hot: bool = False
) -> tuple[Tensor, Tensor]:
    """N random palindromes of T digits: the first T-1 are the input, the last is the label.

    The label equals the first digit, so the network must keep it over T-2 steps.
    Returns x (N, T-1, 1) with digits as numbers 0 to 9, or (N, T-1, 10) with ``one_hot``,
    as float32, and y (N,) as int64.
    Raises TypeError or ValueError for T below 2 or N below 1.
    """
    validate.positive_int("T", T, minimum=2)
    validate.positive_int("N", N)
    validate.generator("generator", generator)
    validate.boolean("one_hot", one_hot)
    left = torch.randint(0, 10, (N, (T + 1) // 2), generator=generator)
    digits = torch.cat([left, left[:, : T // 2].flip(1)], dim=1)  # (N, T)
    x, y = digits[:, :-1], digits[:, -1]
    if one_hot:
        return torch.nn.functional.one_hot(x, 10).float(), y
    return x.unsqueeze(-1).float(), y


class PalindromeDataset(Dataset[tuple[np.ndarray, int]]):
    """Palindromes of ``seq_length`` digits as a data set: item k depends on (seed, k) alone.

    Each item is the first ``seq_length - 1`` digits as float32 (seq_length - 1,) and the last
    as an int, as the course's own training script expects; it asks for ``input_length + 1``.
    There are ``length`` items. The course's data set has ``sys.maxsize``, for which a
    ``DataLoader`` with ``shuffle=True`` runs out of memory; 1,500,000 are more than the course
    reads, 10,000 batches of 128, and are shuffled in a fraction of a second. The items are random
    in any order, and an item does not depend on the length.
    """

    def __init__(self, seq_length: int, seed: int = 0, length: int = 1_500_000):
        self.seq_length = validate.positive_int("seq_length", seq_length, minimum=2)
        self.seed = validate.positive_int("seed", seed, minimum=0)
        self.length = validate.positive_int("length", length)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        if validate.positive_int("index", index, minimum=0) >= self.length:
            raise IndexError(f"index must be below the length {self.length}, got {index}")
        T = self.seq_length
        left = np.random.default_rng([self.seed, index]).integers(0, 10, (T + 1) // 2)
        digits = np.concatenate([left, left[: T // 2][::-1]])
        return digits[:-1].astype(np.float32), int(digits[-1])


class PalindromeBatches(Batches):
    """An endless, resumable source of palindrome batches for ``rnnlib.training.train``."""

    def __init__(self, T: int, N: int, seed: int, *, one_hot: bool = False):
        super().__init__(palindromes, seed, T=T, N=N, one_hot=one_hot)
