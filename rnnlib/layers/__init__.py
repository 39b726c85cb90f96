"""A cell over time and depth: ``outputs, state = LSTM(D, H, num_layers)(x, state)``.

Batch first: x (N, T, D), outputs (N, T, H); state h (L, N, H), or (h, c) for the LSTM.
"""

from rnnlib.cells import hidden
from rnnlib.layers.convertible import GRU, LSTM, RNN, Convertible
from rnnlib.layers.graph import GraphConvolution
from rnnlib.layers.minimal import MinGRU, Minimal, MinLSTM
from rnnlib.layers.phased import PhasedLSTM
from rnnlib.layers.recurrent import Recurrent, unroll

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Convertible",
    "GraphConvolution",
    "MinGRU",
    "MinLSTM",
    "Minimal",
    "PhasedLSTM",
    "Recurrent",
    "hidden",
    "unroll",
]
