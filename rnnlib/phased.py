"""The Phased LSTM in one place: its time gate, its cell, its layer."""

from rnnlib.cells.phased import SMALLEST, PhasedLSTMCell, time_gate
from rnnlib.layers.phased import PhasedLSTM

__all__ = ["SMALLEST", "PhasedLSTM", "PhasedLSTMCell", "time_gate"]
