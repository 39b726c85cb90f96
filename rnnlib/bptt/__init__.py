"""Back-propagation through time by hand, in NumPy: the chapter's equations and nothing else.

Shapes: x (N, T, D), h (N, T, H), logits p (N, T, K), labels y (N, T) or (N,).
The text writes one sequence as column vectors; a batch is its transpose, so W x is ``x @ W.T``.
A gradient of the loss has its variable's shape and the prefix ``d``: ``dW_hh`` is dL/dW_hh.
"""

from rnnlib.bptt.gru import gru_backward, gru_forward, gru_loss
from rnnlib.bptt.lstm import lstm_backward, lstm_forward, lstm_loss, sigmoid
from rnnlib.bptt.readout import (
    Array,
    cross_entropy,
    readout_backward,
    readout_forward,
    readout_loss,
    softmax,
)
from rnnlib.bptt.rnn import rnn_backward, rnn_forward, rnn_loss

__all__ = [
    "Array",
    "cross_entropy",
    "gru_backward",
    "gru_forward",
    "gru_loss",
    "lstm_backward",
    "lstm_forward",
    "lstm_loss",
    "readout_backward",
    "readout_forward",
    "readout_loss",
    "rnn_backward",
    "rnn_forward",
    "rnn_loss",
    "sigmoid",
    "softmax",
]
