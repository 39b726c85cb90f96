"""Models: a recurrent layer and what reads it out."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Generator, Tensor, nn

from rnnlib import init, validate
from rnnlib.layers import LSTM, RNN, Recurrent


class Classifier(nn.Module):
    r"""A recurrent layer whose last output is read out: $p = W_{ph} h_T + b_p$.

    x (N, T, D) -> logits p (N, K). With ``lengths`` (N,) each sequence is read out at its own last
    step, and what stands behind it does not matter. What else the layer reads, as the ``times``
    (N, T) of a Phased LSTM, is given by name.
    """

    def __init__(self, rnn: Recurrent, classes: int, *, generator: Generator | None = None):
        super().__init__()
        self.rnn = validate.instance("rnn", rnn, Recurrent, "an rnnlib layer")
        validate.positive_int("classes", classes)
        W_h = rnn.cells[0].W_h
        self.readout = nn.Linear(rnn.hidden_size, classes, device=W_h.device, dtype=W_h.dtype)
        for weight in self.readout.parameters():  # torch's default, from our generator
            init.uniform_(weight, 1 / math.sqrt(rnn.hidden_size), generator)

    def forward(self, x: Tensor, lengths: Tensor | None = None, **along: Tensor) -> Tensor:
        """x (N, T, D), lengths (N,) or None -> logits (N, K); ``along`` goes to the layer."""
        outputs, _ = self.rnn(x, **along)  # (N, T, H)
        if lengths is None:
            return self.readout(outputs[:, -1])  # (N, K)
        validate.integers("lengths", lengths, (x.shape[0],))
        step = (lengths - 1)[:, None, None].expand(-1, 1, outputs.shape[2])  # (N, 1, H)
        try:
            last = outputs.gather(1, step)[:, 0]  # (N, H)
        except (IndexError, RuntimeError) as error:  # torch found one outside
            raise ValueError(f"lengths must be in [1, {x.shape[1]}]: {error}") from error
        return self.readout(last)


def latch() -> Classifier:
    r"""Ten tanh units that answer one-hot palindromes of any length; written down, not trained.

    $W_{hh} = 3I$, $W_{hx}$ with 1 on the diagonal and -1 elsewhere, no bias, and $W_{ph} = I$.
    The first digit drives its unit up and the others down; with the factor 3 each unit then
    stays on its side, since a later input of size 1 is too weak to turn it.
    """
    model = Classifier(RNN(10, 10), 10)
    cell = model.rnn.cells[0]
    with torch.no_grad():
        cell.W_h.copy_(3 * torch.eye(10))
        cell.W_x.copy_(2 * torch.eye(10) - 1)
        cell.b.zero_()
        model.readout.weight.copy_(torch.eye(10))
        model.readout.bias.zero_()
    return model


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
        self.rnn.compute_with("rnnlib")
        return self
