"""Models: a recurrent layer and what reads it out."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Generator, Tensor, nn

from rnnlib import init, validate
from rnnlib.layers import LSTM, RNN, PhasedLSTM, Recurrent


class Classifier(nn.Module):
    r"""A recurrent layer whose last output is read out: $p = W_{ph} h_T + b_p$.

    x (N, T, D) -> logits p (N, K). ``times`` (N, T) go to a Phased LSTM; with ``lengths`` (N,)
    each sequence is read out at its own last step, and what stands behind it does not matter.
    """

    def __init__(self, rnn: Recurrent, classes: int, *, generator: Generator | None = None):
        super().__init__()
        self.rnn = validate.instance("rnn", rnn, Recurrent, "an rnnlib layer")
        validate.positive_int("classes", classes)
        W_h = rnn.cells[0].W_h
        self.readout = nn.Linear(rnn.hidden_size, classes, device=W_h.device, dtype=W_h.dtype)
        for weight in self.readout.parameters():  # torch's default, from our generator
            init.uniform_(weight, 1 / math.sqrt(rnn.hidden_size), generator)

    def forward(
        self, x: Tensor, times: Tensor | None = None, lengths: Tensor | None = None
    ) -> Tensor:
        """x (N, T, D), times (N, T) or None, lengths (N,) or None -> logits (N, K)."""
        phased = isinstance(self.rnn, PhasedLSTM)
        if phased != (times is not None):
            raise TypeError(
                f"times must be {'a tensor (N, T)' if phased else 'None'} for a "
                f"{type(self.rnn).__name__}, got {type(times).__name__}"
            )
        outputs, _ = self.rnn(x, times) if phased else self.rnn(x)  # (N, T, H)
        if lengths is None:
            return self.readout(outputs[:, -1])  # (N, K)
        N, T = x.shape[:2]
        validate.labels("lengths", lengths, (N,), T + 1)
        if bool((lengths < 1).any()):
            raise ValueError(f"lengths must be at least 1, got {int(lengths.min())}")
        return self.readout(outputs[torch.arange(N, device=x.device), lengths - 1])


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
        self.rnn: LSTM | nn.LSTM = rnn
        self.readout = nn.Linear(H, self.K)
        for weight in self.readout.parameters():
            init.uniform_(weight, 1 / math.sqrt(H), generator)

    def forward(
        self, numbers: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Numbers (N, T), state h, c (L, N, H) or zeros -> logits (N, T, K), state after step T."""
        validate.labels("numbers", numbers, ("N", "T"), self.K)
        if self.embedding is None:
            x = nn.functional.one_hot(numbers, self.K).to(self.readout.weight)  # (N, T, K)
        else:
            x = self.embedding(numbers)  # (N, T, D)
        outputs, state = self.rnn(x, state)  # (N, T, H)
        return self.readout(outputs), state

    def fast(self) -> Self:
        """Let torch's LSTM compute, with the same weights: same numbers, less time; returns self.

        Torch's second bias is zero and stays so, so that training moves the same numbers too.
        """
        if isinstance(self.rnn, LSTM):
            twin = self.rnn.to_torch()
            for name, weight in twin.named_parameters():
                weight.requires_grad_(not name.startswith("bias_hh"))
            assert isinstance(twin, nn.LSTM)
            self.rnn = twin
        return self

    def plain(self) -> Self:
        """Let rnnlib's own LSTM compute again; returns self."""
        if isinstance(self.rnn, nn.LSTM):
            self.rnn = LSTM.from_torch(self.rnn)
        return self
