"""A recurrent layer whose last output is read out: one answer for a sequence."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from rnnlib import init, validate
from rnnlib.layers import RNN, Recurrent


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
        W_x = rnn.cells[0].W_x
        self.readout = nn.Linear(rnn.hidden_size, classes, device=W_x.device, dtype=W_x.dtype)
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
