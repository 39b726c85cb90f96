"""Back-propagation through time by hand, in NumPy: the chapter's equations and nothing else.

A forward pass returns the hidden states and a cache; the backward pass takes the cache::

    h, cache = lstm_forward(x, (h0, c0), weights)
    grads = lstm_backward(dh_immediate, cache)
    loss, grads = lstm_loss(x, y, (h0, c0), weights)  # both, with a softmax readout

- ``rnn_*`` and ``gru_*`` are called alike, with the state h0 in place of (h0, c0).
- ``ngram_*`` take the numbers of the words before, ``words`` (N, M), and have no state and no time.
- ``gcn_*`` take an adjacency matrix A (V, V) and a row a node, x (V, D); ``dag_*`` take the
  ``edges`` (E, 2) of a graph and run a vanilla RNN along them.
- ``weights`` is a dict by the names that the gradients have, so that a step of training is
  ``for name in weights: weights[name] -= lr * grads[name]``:
  RNN W_hx, W_hh, b_h; LSTM W_x, W_h, b; GRU W_x, W_h, b, b_nh; n-gram C, W_hx, b_h;
  graph convolution W_hx, b_h, lam;
  and W_ph, b_p for the readout.
- A cache holds the arrays themselves, so change none of them before the backward pass.
- All arrays are finite, floating and of one data type, labels integers; what does not fit is
  refused by name (``shapes``).

Shapes: x (N, T, D), h (N, T, H), logits p (N, T, K), labels y (N, T) or (N,).
The text writes one sequence as column vectors; a batch is its transpose, so W x is ``x @ W.T``.
A gradient of the loss has its variable's shape and the prefix ``d``: ``dW_hh`` is dL/dW_hh.
"""

from rnnlib.bptt.dag import DAGCache, dag_backward, dag_forward
from rnnlib.bptt.gcn import GCNCache, gcn_backward, gcn_forward, gcn_loss
from rnnlib.bptt.gru import GRUCache, gru_backward, gru_forward, gru_loss
from rnnlib.bptt.lstm import LSTMCache, lstm_backward, lstm_forward, lstm_loss, sigmoid
from rnnlib.bptt.ngram import NGramCache, ngram_backward, ngram_forward, ngram_loss
from rnnlib.bptt.readout import (
    cross_entropy,
    readout_backward,
    readout_forward,
    readout_loss,
    softmax,
)
from rnnlib.bptt.rnn import RNNCache, rnn_backward, rnn_forward, rnn_loss
from rnnlib.bptt.shapes import Array

__all__ = [
    "Array",
    "DAGCache",
    "GCNCache",
    "GRUCache",
    "LSTMCache",
    "NGramCache",
    "RNNCache",
    "cross_entropy",
    "dag_backward",
    "dag_forward",
    "gcn_backward",
    "gcn_forward",
    "gcn_loss",
    "gru_backward",
    "gru_forward",
    "gru_loss",
    "lstm_backward",
    "lstm_forward",
    "lstm_loss",
    "ngram_backward",
    "ngram_forward",
    "ngram_loss",
    "readout_backward",
    "readout_forward",
    "readout_loss",
    "rnn_backward",
    "rnn_forward",
    "rnn_loss",
    "sigmoid",
    "softmax",
]
