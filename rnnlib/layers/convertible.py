"""The layers that torch has too: weights go over and back, and three kernels can compute them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from rnnlib import validate
from rnnlib.cells import Cell, GRUCell, LSTMCell, RNNCell, State
from rnnlib.layers.fast import fast_way
from rnnlib.layers.recurrent import TORCH, Recurrent

KERNELS = ("fused", "cells", "torch")
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # torch's names, each with _l0, _l1, ...


class Convertible(Recurrent):
    """A layer with a twin in torch, which packs its gates alike but has two biases a gate.

    ``load_state_dict`` takes the twin's names too.
    """

    torch_class: ClassVar[Any]  # nn.RNN, nn.LSTM or nn.GRU
    options: ClassVar[tuple[str, ...]] = ("input_size", "hidden_size", "num_layers", "dropout")
    kernel = "fused"  # what computes: see ``compute_with``

    @classmethod
    def from_torch(cls, module: nn.RNNBase) -> Self:
        """A layer with the weights of torch's twin; torch's two biases a gate are added.

        What is frozen there is frozen here. Nothing is drawn from a generator.
        Raises TypeError for another class, ValueError for what this layer does not have: time
        first, two directions, projections, or no bias.
        """
        if not isinstance(module, cls.torch_class):
            raise TypeError(
                f"module must be a torch.nn.{cls.torch_class.__name__}, got {type(module).__name__}"
            )
        for name, (only, instead) in TORCH.items():
            if (value := getattr(module, name)) != only:
                raise ValueError(f"module must have {name}={only}, got {value}: {instead}")
        W = module.weight_ih_l0
        ours = cls(**cls._options_of(module), device="meta", dtype=W.dtype)
        ours.to_empty(device=W.device).load_state_dict(module.state_dict())
        for cell, (W_ih, W_hh, b_ih, b_hh) in zip(ours.cells, module.all_weights, strict=True):
            cell.W_x.requires_grad_(W_ih.requires_grad)
            cell.W_h.requires_grad_(W_hh.requires_grad)
            for name in cell.own_biases(b_ih, b_hh):
                getattr(cell, name).requires_grad_(b_ih.requires_grad or b_hh.requires_grad)
        return ours.train(module.training)

    def to_torch(self) -> nn.RNNBase:
        """torch's twin (batch_first) with these weights; its second bias is zero where it may.

        What is frozen here is frozen there. Nothing is drawn from a generator.
        """
        W = self.cells[0].W_x
        options = self._options_of(self) | {"device": "meta", "dtype": W.dtype}
        twin = self.torch_class(**options, batch_first=True).to_empty(device=W.device)
        with torch.no_grad():
            for cell, theirs in zip(self.cells, twin.all_weights, strict=True):
                for weight, value in zip(theirs, cell.torch_weights(), strict=True):
                    weight.copy_(value).requires_grad_(value.requires_grad)
                theirs[3].requires_grad_(theirs[2].requires_grad)  # the second bias moves too
        return twin.train(self.training)

    @classmethod
    def _options_of(cls, layer: nn.Module) -> dict[str, Any]:
        return {name: getattr(layer, name) for name in cls.options}

    def compute_with(self, kernel: str) -> Self:
        """Choose what computes; returns self.

        "fused", the default: the backward pass derived by hand, ``rnnlib.fused``, wherever it
        applies, and else the cells: see ``rnnlib.layers.fast``.
        "cells": the cells, step by step, differentiated by autograd.
        "torch": torch's own kernel.

        The same numbers, in different times. The weights are the same Parameters before and
        after, so an optimizer may hold them.
        """
        self.kernel = validate.one_of("kernel", kernel, KERNELS)
        return self

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """x (N, T, D), state (L, N, H) or zeros -> outputs (N, T, H), last state (L, N, H)."""
        if self.kernel != "torch":
            return self.over_depth(x, state)
        validate.tensor("x", x, ("N", "T", self.input_size), like=self.cells[0].W_x)
        before = self.join(self.split(state, x.shape[0]))
        outputs, *last = self._torch_function()(
            x, before, [w for cell in self.cells for w in cell.torch_weights()],
            True, self.num_layers, self.dropout, self.training, False, True,
        )  # fmt: skip
        return outputs, last[0] if len(last) == 1 else tuple(last)

    def over_time(self, cell: Cell, x: Tensor, state: Any, **along: Tensor) -> tuple[Tensor, Any]:
        """One cell, x (N, T, D) and the state before it -> outputs (N, T, H), its last state."""
        fast = fast_way(cell, x, state) if self.kernel == "fused" else None
        if fast is None:
            return super().over_time(cell, x, state, **along)
        outputs, last = fast(cell, x.transpose(0, 1), state)
        return outputs.transpose(0, 1), last

    def _torch_function(self) -> Callable[..., tuple[Tensor, ...]]:
        """torch.lstm, torch.gru, torch.rnn_tanh or torch.rnn_relu."""
        return getattr(torch, self.torch_class.__name__.lower())

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """Also take a state of torch's twin: give its weights the names that they have here."""
        for number, cell in enumerate(self.cells):
            theirs = [f"{prefix}{name}_l{number}" for name in WEIGHTS]
            if all(name in state_dict for name in theirs):
                W_ih, W_hh, b_ih, b_hh = (state_dict.pop(name) for name in theirs)
                ours = {"W_x": W_ih, "W_h": W_hh} | cell.own_biases(b_ih, b_hh)
                state_dict |= {f"{prefix}cells.{number}.{name}": w for name, w in ours.items()}
        super()._load_from_state_dict(state_dict, prefix, *rest)


class RNN(Convertible):
    """Vanilla RNN: ``RNNCell`` over time and depth. Option ``nonlinearity``: "tanh" or "relu"."""

    cell_class = RNNCell
    torch_class = nn.RNN
    options = (*Convertible.options, "nonlinearity")

    @property
    def nonlinearity(self) -> str:
        """The cells' nonlinearity."""
        return str(self.cells[0].nonlinearity)

    def _torch_function(self) -> Callable[..., tuple[Tensor, ...]]:
        return getattr(torch, f"rnn_{self.nonlinearity}")


class LSTM(Convertible):
    """``LSTMCell`` over time and depth; the state is (h, c), each (L, N, H)."""

    cell_class = LSTMCell
    torch_class = nn.LSTM


class GRU(Convertible):
    """``GRUCell`` over time and depth."""

    cell_class = GRUCell
    torch_class = nn.GRU
