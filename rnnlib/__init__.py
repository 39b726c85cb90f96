"""rnnlib: recurrent networks from scratch, as small as the ideas allow.

Rooms, from the ground up (imports point down only): ``init``, ``scan``, ``cells``, ``corpora``,
``graphs``, ``layers``, ``bptt``, ``fused``, ``optim``, ``surfaces``, ``tasks``, ``text``,
``ngram``, ``models``, ``tensorfiles``, ``checkpoints``, ``training``, ``evaluation``,
``sampling``, ``poems``, ``metrics``, ``embeddings``, ``experiments``, ``figures``, ``check``.
Plots are in ``rnnlib.figures``, which is not imported here: it needs matplotlib.
Live cells are in ``rnnlib.live``, which imports ipywidgets when one of them runs.
"""

from rnnlib import bptt, cells, graphs, init, layers, models, optim, scan, tasks, training
from rnnlib.cells import (
    GRUCell,
    LSTMCell,
    MinGRUCell,
    MinLSTMCell,
    PhasedLSTMCell,
    RNNCell,
)
from rnnlib.layers import GRU, LSTM, RNN, MinGRU, MinLSTM, PhasedLSTM

__version__ = "0.1.0"
__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "MinGRU",
    "MinGRUCell",
    "MinLSTM",
    "MinLSTMCell",
    "PhasedLSTM",
    "PhasedLSTMCell",
    "RNNCell",
    "bptt",
    "cells",
    "graphs",
    "init",
    "layers",
    "models",
    "optim",
    "scan",
    "tasks",
    "training",
]
