"""Dropout that draws from a generator of its own."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from rnnlib import validate


class Dropout(nn.Module):
    r"""In training, each entry is zero with the probability p, and the others are $x / (1 - p)$.

    x (N, ..., D) -> (N, ..., D). With ``locked`` an entry of x (N, T, D) that is zero is so at all
    T steps.
    A sparse x, coalesced, may be given too.
    ``generator``: where the draws come from; a checkpoint of ``training.train`` holds its state.
    Source: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014); locked, in the
    time of one window: Gal and Ghahramani (2016).
    """

    def __init__(self, p: float, *, locked: bool = False, generator: Generator | None = None):
        super().__init__()
        if (p := validate.real("dropout", p, 0.0, 1.0)) == 1:
            raise ValueError("dropout must be below 1, got 1.0: nothing would be left")
        self.p, self.locked = p, validate.boolean("locked", locked)
        self.generator = validate.generator("generator", generator)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, ..., D) -> (N, ..., D), all of it as it is in evaluation mode."""
        if not self.training or self.p == 0:
            return x
        if x.is_sparse:  # what is zero stays zero: draws for the others only
            kept = x.values() * self.mask(x.values(), len(x.values()))
            return torch.sparse_coo_tensor(
                x.indices(), kept, x.shape, is_coalesced=True, check_invariants=False
            )
        return x * self.mask(x, *(x[:, :1] if self.locked else x).shape)

    def mask(self, like: Tensor, *shape: int) -> Tensor:
        """Entries 0 with the probability p, the others 1 / (1 - p)."""
        kept = like.new_empty(shape).bernoulli_(1 - self.p, generator=self.generator)
        return kept / (1 - self.p)

    def extra_repr(self) -> str:
        """What print shows."""
        return f"p={self.p}, locked={self.locked}"


class WordDropout(Dropout):
    r"""In training, all places of a word in a batch are zero with the probability p.

    x (N, T, E), rows of a table of K words, and their numbers (N, T) -> (N, T, E).
    Source: Gal and Ghahramani (2016).
    """

    def __init__(self, p: float, K: int, *, generator: Generator | None = None):
        super().__init__(p, generator=generator)
        self.K = K

    def forward(self, x: Tensor, numbers: Tensor) -> Tensor:  # type: ignore[override]
        """x (N, T, E), numbers (N, T) -> (N, T, E), all of it as it is in evaluation mode."""
        if not self.training or self.p == 0:
            return x
        return x * self.mask(x, self.K)[numbers, None]
