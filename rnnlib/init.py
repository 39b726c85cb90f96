"""Initialisations: each fills a weight in place and takes an explicit generator.

A packed weight such as the LSTM's ``W_h (4H, H)`` holds one block a gate:
each block is filled as a matrix of its own.
Weights in half precision are drawn and computed in float32, then rounded once.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from rnnlib import validate


@torch.no_grad()
def uniform_(W: Tensor, bound: float, generator: Generator | None = None) -> Tensor:
    r"""Fill with $U(-\mathrm{bound}, \mathrm{bound})$; torch's recurrent layers use $1/\sqrt H$."""
    validate.tensor("W", W, (...,))
    validate.real("bound", bound, low=0.0)
    validate.generator("generator", generator, like=W)
    return W.copy_(_wide(W).uniform_(-bound, bound, generator=generator))


def xavier_(W: Tensor, generator: Generator | None = None, blocks: int = 1) -> Tensor:
    r"""Xavier (Glorot) uniform: variance $2 / (\text{in} + \text{out})$ for each block.

    $W_{ij} \sim U(-a, a)$ with $a = \sqrt{6 / (\text{in} + \text{out})}$.
    Source: Glorot and Bengio (2010).
    """
    for block in _blocks(W, blocks):
        fan_out, fan_in = block.shape
        uniform_(block, math.sqrt(6 / (fan_in + fan_out)), generator)
    return W


@torch.no_grad()
def kaiming_(W: Tensor, generator: Generator | None = None, blocks: int = 1) -> Tensor:
    r"""Kaiming (He) normal: variance $2 / \text{in}$, made for ReLU layers.

    Source: He, Zhang, Ren and Sun (2015).
    """
    validate.generator("generator", generator, like=W)
    for block in _blocks(W, blocks):
        draw = _wide(block).normal_(std=math.sqrt(2 / block.shape[1]), generator=generator)
        block.copy_(draw)
    return W


@torch.no_grad()
def identity_(W: Tensor, gain: float = 1.0, blocks: int = 1) -> Tensor:
    r"""Each block is ``gain`` times the identity: $W = \text{gain} \cdot I$.

    Raises ValueError for blocks that are not square.
    Source: Le, Jaitly and Hinton (2015), for the recurrent weights of a ReLU network.
    """
    validate.real("gain", gain)
    for block in _blocks(W, blocks):
        rows, cols = block.shape
        if rows != cols:
            raise ValueError(f"W must have square blocks, got ({rows}, {cols})")
        block.zero_().fill_diagonal_(gain)
    return W


@torch.no_grad()
def orthogonal_(
    W: Tensor, generator: Generator | None = None, gain: float = 1.0, blocks: int = 1
) -> Tensor:
    r"""Each block is ``gain`` times a random orthogonal matrix: $W^\top W = \text{gain}^2 I$.

    For a block that is not square, the shorter of its rows or columns are orthonormal.
    Source: Saxe, McClelland and Ganguli (2014); Mezzadri (2007) for the sign of $R$.
    """
    validate.real("gain", gain)
    validate.generator("generator", generator, like=W)
    for block in _blocks(W, blocks):
        rows, cols = block.shape
        normal = _wide(block).new_empty(max(rows, cols), min(rows, cols))
        Q, R = torch.linalg.qr(normal.normal_(generator=generator))
        Q = Q * R.diagonal().sign()  # makes the distribution uniform over orthogonal matrices
        block.copy_(gain * (Q if rows >= cols else Q.T))
    return W


@torch.no_grad()
def forget_bias_(b: Tensor, value: float = 1.0) -> Tensor:
    """Set the forget gate's quarter of an LSTM bias ``b (4H,)``, packed i, f, g, o.

    Source: Gers, Schmidhuber and Cummins (2000); Jozefowicz, Zaremba and Sutskever (2015).
    """
    validate.real("value", value)
    _i, f, _g, _o = _quarters(b)
    f.fill_(value)
    return b


@torch.no_grad()
def log_frequencies_(b: Tensor, frequencies: Tensor) -> Tensor:
    r"""Start the readout's bias ``b (K,)`` at $\ln$ of how often each class comes, all above zero.

    While the weights say nothing, the softmax then gives these frequencies.
    """
    K = len(validate.tensor("b", b, ("K",)))
    least = validate.tensor("frequencies", frequencies, (K,), finite=True).min()
    if least <= 0:
        raise ValueError(f"frequencies must be above 0, got {least}")
    return b.copy_(frequencies.log())


@torch.no_grad()
def chrono_(b: Tensor, T_max: int, generator: Generator | None = None) -> Tensor:
    r"""Forget biases for memories of 1 to ``T_max`` steps: $b_f \sim \ln U(1, T_{max} - 1)$.

    And $b_i = -b_f$; ``b (4H,)`` is packed i, f, g, o.
    Source: Tallec and Ollivier (2018).
    """
    i, f, _g, _o = _quarters(b)
    i.copy_(-_log_uniform_(f, T_max, generator))
    return b


@torch.no_grad()
def chrono_gru_(b: Tensor, T_max: int, generator: Generator | None = None) -> Tensor:
    r"""The same for a GRU's ``b (3H,)``, packed r, z, n: $b_z \sim \ln U(1, T_{max} - 1)$.

    The gate z keeps the old state, and one gate both forgets and writes.
    Source: Tallec and Ollivier (2018).
    """
    if len(validate.tensor("b", b, ("3H",))) % 3:
        raise ValueError(f"b must be a GRU bias of shape (3H,), got {tuple(b.shape)}")
    _log_uniform_(b.chunk(3)[1], T_max, generator)
    return b


@torch.no_grad()
def chrono_min_gru_(b: Tensor, T_max: int, generator: Generator | None = None) -> Tensor:
    r"""The same for a minGRU's ``b (2H,)``, packed z, n: $b_z \sim -\ln U(1, T_{max} - 1)$.

    The gate z writes, and 1 - z keeps.
    """
    if len(validate.tensor("b", b, ("2H",))) % 2:
        raise ValueError(f"b must be a minGRU bias of shape (2H,), got {tuple(b.shape)}")
    _log_uniform_(b.chunk(2)[0], T_max, generator).neg_()
    return b


@torch.no_grad()
def chrono_min_lstm_(b: Tensor, T_max: int, generator: Generator | None = None) -> Tensor:
    r"""The same for a minLSTM's ``b (3H,)``, packed i, f, g: $b_f$ and $b_i$ as for the LSTM.

    Then $i/f = e^{-b_f}$, so what a unit keeps, $f' = f/(f + i)$, is $\sigma(b_f)$ here too.
    """
    if len(validate.tensor("b", b, ("3H",))) % 3:
        raise ValueError(f"b must be a minLSTM bias of shape (3H,), got {tuple(b.shape)}")
    i, f, _g = b.chunk(3)
    i.copy_(-_log_uniform_(f, T_max, generator))
    return b


def _log_uniform_(b: Tensor, T_max: int, generator: Generator | None) -> Tensor:
    validate.positive_int("T_max", T_max, minimum=3)
    validate.generator("generator", generator, like=b)
    return b.copy_(_wide(b).uniform_(1, T_max - 1, generator=generator).log_())


def _wide(W: Tensor) -> Tensor:
    """W itself, or, for half precision, a float32 tensor of its shape to draw into."""
    return W if W.dtype in (torch.float32, torch.float64) else W.float()


def _blocks(W: Tensor, blocks: int) -> tuple[Tensor, ...]:
    rows = validate.tensor("W", W, ("out", "in")).shape[0]
    if rows % validate.positive_int("blocks", blocks):
        raise ValueError(f"blocks must divide W's {rows} rows, got {blocks}")
    return W.chunk(blocks)


def _quarters(b: Tensor) -> tuple[Tensor, ...]:
    if len(validate.tensor("b", b, ("4H",))) % 4:
        raise ValueError(f"b must be an LSTM bias of shape (4H,), got {tuple(b.shape)}")
    return b.chunk(4)
