"""What the tests of layers as a whole share: small ones of each kind, and what goes in and comes out."""

from typing import Any

import pytest
import torch
from helpers import F64, largest_error, normal, seeded, tensors
from torch import Tensor

import rnnlib

N, T, D, H, L = 3, 4, 4, 5, 2
KINDS = (rnnlib.RNN, rnnlib.GRU, rnnlib.LSTM)
MINIMAL = (rnnlib.MinGRU, rnnlib.MinLSTM)  # torch has no such layers
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
every_kind = pytest.mark.parametrize("kind", KINDS + MINIMAL, ids=lambda kind: kind.__name__)


def layer(kind: Any, dtype: torch.dtype = F64, **options: Any) -> Any:
    return kind(D, H, L, generator=seeded(), dtype=dtype, **options)


def x_of(batch: int = N, dtype: torch.dtype = F64) -> Tensor:
    return normal(batch, T, D).to(dtype)


def state_of(batch: int, kind: Any) -> Any:
    h, c = normal(L, batch, H, seed=1), normal(L, batch, H, seed=2)
    return (h, c) if kind is rnnlib.LSTM else h


def outputs(result: Any) -> list[Tensor]:
    h, state = result
    return [h, *tensors(state)]


def close(found: Any, expected: Any, tolerance: float = 1e-12) -> bool:
    pairs = [dict(enumerate(outputs(result))) for result in (found, expected)]
    return largest_error(*pairs) <= tolerance
