"""Models: a recurrent layer and what reads it out."""

from __future__ import annotations

import math

from torch import Generator, Tensor, nn

from rnnlib import init, validate
from rnnlib.layers import Recurrent


class Classifier(nn.Module):
    r"""A recurrent layer whose last output is read out: $p = W_{ph} h_T + b_p$.

    x (N, T, D) -> logits p (N, K).
    """

    def __init__(self, rnn: Recurrent, classes: int, *, generator: Generator | None = None):
        super().__init__()
        self.rnn = validate.instance("rnn", rnn, Recurrent, "an rnnlib layer")
        validate.positive_int("classes", classes)
        W_h = rnn.cells[0].W_h
        self.readout = nn.Linear(rnn.hidden_size, classes, device=W_h.device, dtype=W_h.dtype)
        for weight in self.readout.parameters():  # torch's default, from our generator
            init.uniform_(weight, 1 / math.sqrt(rnn.hidden_size), generator)

    def forward(self, x: Tensor) -> Tensor:
        """x (N, T, D) -> logits (N, K)."""
        outputs, _ = self.rnn(x)  # (N, T, H)
        return self.readout(outputs[:, -1])  # (N, K)
