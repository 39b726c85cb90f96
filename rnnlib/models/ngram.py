"""A neural n-gram model: the next word from a fixed number of words before it."""

from __future__ import annotations

import math

from torch import Generator, Tensor, nn

from rnnlib import init, validate
from rnnlib.models.dropout import Dropout
from rnnlib.models.table import look_up

ACTIVATIONS = {"tanh": nn.Tanh, "linear": nn.Identity}


class NGramLM(nn.Module):
    r"""Logits of the next word from the n - 1 before it, through one hidden layer.

    $$x = [C_{w_1}; \dots; C_{w_{n-1}}], \qquad h = f(W_{hx} x + b_h), \qquad p = W_{ph} h + b_p$$

    A word is a number below ``vocabulary_size`` K and has a row of the table C (K, E), with
    E = ``embedding``; the rows of ``context`` n - 1 words one after the other are x ((n-1) E,),
    h (H,) has ``hidden`` units, and f is ``activation``, "tanh" or "linear". In training, each
    entry of x and of h is left out with the probability ``dropout``. ``frequencies`` (K,): how
    often each word comes, all above zero; their logarithms are where b_p begins, else at zero.
    The table begins at N(0, ``scale``^2): a rare word, which is seldom moved, should begin near
    zero, where it says nothing. Biases begin at zero, other weights at torch's default.
    ``generator``: where the first weights, and dropout's draws, come from.
    Source: Bengio, Ducharme, Vincent and Jauvin (2003), without their direct connections.
    """

    def __init__(
        self,
        vocabulary_size: int,
        context: int,
        embedding: int,
        hidden: int,
        activation: str = "tanh",
        dropout: float = 0.0,
        *,
        scale: float = 0.1,
        frequencies: Tensor | None = None,
        generator: Generator | None = None,
    ):
        super().__init__()
        self.K = validate.positive_int("vocabulary_size", vocabulary_size)
        self.context = validate.positive_int("context", context)
        self.E = validate.positive_int("embedding", embedding)
        self.H = validate.positive_int("hidden", hidden)
        self.f = ACTIVATIONS[validate.one_of("activation", activation, list(ACTIVATIONS))]()
        self.embedding = nn.Embedding(self.K, self.E)
        self.hidden = nn.Linear(self.context * self.E, self.H)
        self.readout = nn.Linear(self.H, self.K)
        self.dropout = Dropout(dropout, generator=generator)
        std = validate.real("scale", scale, low=0.0)
        nn.init.normal_(self.embedding.weight, std=std, generator=generator)
        for layer in (self.hidden, self.readout):
            init.uniform_(layer.weight, 1 / math.sqrt(layer.in_features), generator)
            nn.init.zeros_(layer.bias)
        if frequencies is not None:
            init.log_frequencies_(self.readout.bias, frequencies)

    def forward(self, numbers: Tensor) -> Tensor:
        """Numbers (N, n-1) -> logits (N, K) of the word after them."""
        C = look_up(self.embedding, numbers, ("N", self.context))  # (N, n-1, E)
        x = self.dropout(C.flatten(1))  # (N, (n-1) E)
        h = self.dropout(self.f(self.hidden(x)))  # (N, H)
        return self.readout(h)
