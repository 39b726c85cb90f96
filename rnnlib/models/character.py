"""A model of the next character: an LSTM that is read out at every step."""

from __future__ import annotations

import math
from typing import Self

from torch import Generator, Tensor, nn

from rnnlib import init, validate
from rnnlib.layers import LSTM


class CharacterModel(nn.Module):
    r"""Logits of the next character at each step: $p_t = W_{ph} h_t + b_p$ on top of an LSTM.

    ``vocabulary_size`` K characters go in one-hot, D = K, or as rows of a trained table (K, D)
    with D = ``embedding``. All forget biases begin at 1, all else at torch's default.
    """

    def __init__(
        self,
        vocabulary_size: int,
        H: int,
        num_layers: int = 2,
        *,
        embedding: int | None = None,
        generator: Generator | None = None,
    ):
        super().__init__()
        self.K = validate.positive_int("vocabulary_size", vocabulary_size)
        self.H = validate.positive_int("H", H)
        self.num_layers = validate.positive_int("num_layers", num_layers)
        self.E = embedding
        self.embedding: nn.Embedding | None = None
        if embedding is not None:
            self.embedding = nn.Embedding(self.K, validate.positive_int("embedding", embedding))
            nn.init.normal_(self.embedding.weight, generator=generator)
        rnn = LSTM(embedding or self.K, H, num_layers, generator=generator)
        for cell in rnn.cells:
            init.forget_bias_(cell.b, 1.0)
        self.rnn = rnn
        self.readout = nn.Linear(H, self.K)
        for weight in self.readout.parameters():
            init.uniform_(weight, 1 / math.sqrt(H), generator)

    def forward(
        self, numbers: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Numbers (N, T), state h, c (L, N, H) or zeros -> logits (N, T, K), state after step T."""
        outputs, state = self.rnn(self.inputs(numbers), state)  # (N, T, H)
        return self.readout(outputs), state

    def inputs(self, numbers: Tensor) -> Tensor:
        """Numbers (N, T) -> x (N, T, D), one-hot or rows of the table."""
        validate.integers("numbers", numbers, ("N", "T"))
        try:
            if self.embedding is None:
                return nn.functional.one_hot(numbers, self.K).to(self.readout.weight)
            return self.embedding(numbers)
        except (IndexError, RuntimeError) as error:  # torch found one outside
            raise ValueError(f"numbers must be in [0, {self.K}): {error}") from error

    def fast(self) -> Self:
        """Let torch's kernel compute the LSTM, with the same weights and numbers; returns self."""
        self.rnn.compute_with("torch")
        return self

    def plain(self) -> Self:
        """Let rnnlib's own LSTM compute again; returns self."""
        self.rnn.compute_with("fused")
        return self
