"""Recurrent cells: one time step each, written line by line as the equations are; a file a cell.

Shapes: N sequences in a batch, T steps, D inputs, H hidden units.
A weight is (out, in), so the column-vector product W x of the text is ``x @ W.T`` in the batch.
Gates are packed as in torch: i, f, g, o for the LSTM and r, z, n for the GRU, one bias a gate;
minLSTM and minGRU keep what they have of these, i, f, g and z, n.
"""

from rnnlib.cells.cell import Cell, State, each, hidden
from rnnlib.cells.gru import GRUCell
from rnnlib.cells.lstm import LSTMCell
from rnnlib.cells.min_gru import MinGRUCell
from rnnlib.cells.min_lstm import MinLSTMCell
from rnnlib.cells.minimal import MinimalCell
from rnnlib.cells.phased import PhasedLSTMCell, time_gate
from rnnlib.cells.rnn import RNNCell

__all__ = [
    "Cell",
    "GRUCell",
    "LSTMCell",
    "MinGRUCell",
    "MinLSTMCell",
    "MinimalCell",
    "PhasedLSTMCell",
    "RNNCell",
    "State",
    "each",
    "hidden",
    "time_gate",
]
