"""A table with a row of numbers for each word."""

from __future__ import annotations

from torch import Tensor, nn

from rnnlib import validate


def look_up(table: nn.Embedding, numbers: Tensor, shape: validate.Shape) -> Tensor:
    """The rows (..., E) of a table (K, E) for word numbers of ``shape``.

    Raises TypeError or ValueError for numbers of another type or shape, or outside [0, K).
    """
    validate.integers("numbers", numbers, shape)
    try:
        return table(numbers)
    except (IndexError, RuntimeError) as error:  # torch found one outside
        raise ValueError(f"numbers must be in [0, {table.num_embeddings}): {error}") from error
