"""A recurrent language model: the next word from all words before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, cast

import torch
from torch import Generator, Tensor, nn

from rnnlib import fused, init, validate
from rnnlib.cells import State
from rnnlib.layers import Convertible, Recurrent
from rnnlib.models.dropout import Dropout, WordDropout
from rnnlib.models.table import look_up
from rnnlib.text import within


class RNNLM(nn.Module):
    r"""Logits of the next word at each step: $p_t = W_{ph} h_t + b_p$ on top of recurrent layers.

    A word is a number below ``vocabulary_size`` K, and its row of the table C (K, E), with
    E = ``embedding``, is the input x_t. ``kind`` is the class of the layers, ``rnnlib.RNN``,
    ``LSTM`` or ``GRU``; there are ``num_layers`` L of them, of ``hidden`` H units each.
    ``tied``: the table is the readout's weight too, $W_{ph} = C$, one Parameter; E must be H.
    ``dropout``: share of entries left out in training, of the table's rows that come in and of
    each layer's outputs, one number or one a place, L + 1; ``locked``: the same entries at all
    steps of a window. ``word_dropout``: share of the words whose rows are zero in a batch.
    ``frequencies`` (K,): how often each word comes, all above zero; their logarithms are where
    b_p begins, else at zero.
    ``generator``: where the first weights, and dropout's draws, come from.
    Table and readout begin at U(-0.1, 0.1), the layers at torch's default.
    Source: Mikolov, Karafiát, Burget, Černocký and Khudanpur (2010); dropout: Zaremba, Sutskever
    and Vinyals (2014); tied weights: Press and Wolf (2017); Inan, Khosravi and Socher (2017).
    """

    def __init__(
        self,
        vocabulary_size: int,
        kind: type[Recurrent],
        embedding: int,
        hidden: int,
        num_layers: int = 1,
        *,
        tied: bool = False,
        dropout: float | Sequence[float] = 0.0,
        locked: bool = False,
        word_dropout: float = 0.0,
        frequencies: Tensor | None = None,
        generator: Generator | None = None,
    ):
        super().__init__()
        self.K = validate.positive_int("vocabulary_size", vocabulary_size)
        self.E = validate.positive_int("embedding", embedding)
        self.H = validate.positive_int("hidden", hidden)
        if not (isinstance(kind, type) and issubclass(kind, Recurrent)):
            raise TypeError(f"kind must be a class of rnnlib's layers, as rnnlib.LSTM, got {kind}")
        sizes = [self.E] + [self.H] * (validate.positive_int("num_layers", num_layers) - 1)
        self.embedding = nn.Embedding(self.K, self.E)
        layers = nn.ModuleList(kind(D, self.H, generator=generator) for D in sizes)
        self.layers = cast(list[Recurrent], layers)  # for the type checker
        self.readout = nn.Linear(self.H, self.K)
        if validate.boolean("tied", tied):
            if self.E != self.H:
                raise ValueError(
                    f"embedding must be as large as hidden for tied weights, since W_ph (K, H) is "
                    f"the table (K, E): got embedding={self.E}, hidden={self.H}"
                )
            self.readout.weight = self.embedding.weight
        rates = dropout if isinstance(dropout, Sequence) else [dropout] * (len(sizes) + 1)
        if len(rates) != len(sizes) + 1:
            raise ValueError(
                f"dropout must be one number, or one after the table and each layer, "
                f"{len(sizes) + 1} in all, got {len(rates)}"
            )
        self.drops = nn.ModuleList(Dropout(p, locked=locked, generator=generator) for p in rates)
        self.word_drop = WordDropout(word_dropout, self.K, generator=generator)
        init.uniform_(self.embedding.weight, 0.1, generator)
        if not tied:
            init.uniform_(self.readout.weight, 0.1, generator)
        nn.init.zeros_(self.readout.bias)
        if frequencies is not None:
            init.log_frequencies_(self.readout.bias, frequencies)

    def forward(self, numbers: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Numbers (N, T), state (L, N, H) or zeros -> logits (N, T, K), state after step T."""
        outputs, state = self.outputs(numbers, state)
        return self.readout(outputs), state

    def outputs(self, numbers: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Numbers (N, T) -> what is read out, (N, T, H), and the state after step T."""
        x = look_up(self.embedding, numbers, ("N", "T"))  # (N, T, E)
        x = self.drops[0](self.word_drop(x, numbers))
        before = [None] * len(self.layers) if state is None else _by_layer(state)
        after = []
        for layer, drop, h in zip(self.layers, self.drops[1:], before, strict=True):
            x, h = layer(x, h)  # (N, T, H)
            x = drop(x)
            after.append(h)
        return x, _join(after)

    def loss(
        self,
        numbers: Tensor,
        targets: Tensor,
        state: State | None = None,
        products: torch.dtype | None = None,
        *,
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Mean cross-entropy in nats of targets (N, T) after numbers (N, T), and the state.

        The same number as from the logits, in less time where K is large; ``products`` is the
        data type of the readout's, see ``rnnlib.fused.cross_entropy``.
        ``lengths`` T_n (N,), in [1, T]: padding is excluded, so the mean is over the first T_n
        targets of each sequence, and nothing is read out behind them. See
        ``rnnlib.metrics.cross_entropy``. The state is the one after step T all the same.
        """
        outputs, state = self.outputs(numbers, state)
        W_ph, b_p = self.readout.weight, self.readout.bias
        y = validate.integers("targets", targets, tuple(numbers.shape))
        if lengths is None:
            h, y = outputs.flatten(0, 1), y.flatten()
        else:
            kept = within(lengths, *y.shape)
            h, y = outputs[kept], y[kept]
        return fused.cross_entropy(h, W_ph, b_p, y, products), state

    def fast(self) -> Self:
        """Let torch's kernels compute the layers, same weights and numbers; returns self."""
        return self._compute_with("torch")

    def plain(self) -> Self:
        """Let rnnlib's own layers compute again; returns self."""
        return self._compute_with("fused")

    def _compute_with(self, kernel: str) -> Self:
        for layer in self.layers:
            validate.instance("kind", layer, Convertible, "an RNN, LSTM or GRU").compute_with(
                kernel
            )
        return self


def _by_layer(state: State) -> list[State]:
    """A state of (L, N, H) tensors -> one of (1, N, H) tensors a layer."""
    if isinstance(state, Tensor):
        return list(state.split(1))
    return list(zip(*(part.split(1) for part in state), strict=True))


def _join(states: list[State]) -> State:
    """One state of (1, N, H) tensors a layer -> (L, N, H) tensors."""
    if isinstance(states[0], Tensor):
        return torch.cat(cast(list[Tensor], states))
    return tuple(torch.cat(part) for part in zip(*states, strict=True))
