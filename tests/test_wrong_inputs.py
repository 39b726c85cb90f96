"""Typical wrong inputs: each raises an error that names the argument, what came, what fits."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from helpers import bptt_call
from torch import nn

from rnnlib import (
    bptt,
    cells,
    check,
    checkpoints,
    experiments,
    init,
    interactive,
    layers,
    metrics,
    models,
    ngram,
    sampling,
    scan,
    tasks,
    text,
    training,
)
from rnnlib.experiments import study
from rnnlib.phased import PhasedLSTMCell, time_gate

N, T, D, H, K = 2, 4, 3, 5, 7
NAN, INF = float("nan"), float("inf")


class Wrong(NamedTuple):
    """A call, its error, the argument the message names, and what else it says."""

    what: str
    call: Callable[[], Any]
    error: type[Exception]
    names: str
    says: tuple[str, ...]


def spoiled(value: Any, with_: float) -> Any:
    """A copy of an array or tensor with one entry replaced."""
    copy = value.copy() if isinstance(value, np.ndarray) else value.clone()
    copy[(0,) * copy.ndim] = with_
    return copy


# ---- one right call of each function, in which one argument is replaced -------------------------

X, STATE, OPEN = torch.zeros(N, T, D), torch.zeros(2, N, H), torch.ones(N, H)
ZEROS = {
    "x": (N, T, D), "h0": (N, H), "W_hx": (H, D), "W_hh": (H, H), "b_h": (H,), "W_ph": (K, H),
    "b_p": (K,), "h": (N, T, H), "dh_immediate": (N, T, H), "dp": (N, T, K), "p": (N, K),
}  # fmt: skip
Z = {name: np.zeros(shape) for name, shape in ZEROS.items()}
Y = np.zeros(N, dtype=int)
SGD, W = torch.optim.SGD, nn.Parameter(torch.ones(1))


def numpy_call(function: Callable[..., Any], arrays: dict[str, Any]) -> Callable[..., Any]:
    return lambda **wrong: lambda: bptt_call(function, arrays | {"y": Y} | wrong)


forward = numpy_call(bptt.rnn_forward, Z)
backward = numpy_call(bptt.rnn_backward, Z)
loss = numpy_call(bptt.rnn_loss, Z)
readout = numpy_call(bptt.readout_forward, Z)
readout_back = numpy_call(bptt.readout_backward, Z)
readout_loss = numpy_call(bptt.readout_loss, Z)
entropy = numpy_call(bptt.cross_entropy, Z)


def layer(kind: type[layers.Recurrent], x: Any = X, *state: Any) -> Callable[[], Any]:
    return lambda: kind(D, H, 2)(x, *state)


def cell(kind: type[cells.Cell], x: Any = X[:, 0], h: Any = STATE[0]) -> Callable[[], Any]:
    return lambda: kind(D, H)(x, h)


def train(**wrong: Any) -> Callable[[], Any]:
    right = dict(
        model=nn.ParameterList([W]), source=iter([0]), loss_fn=lambda m, b: (W.sum(), {}),
        optimizer=SGD([W], lr=1.0), steps=1,
    )  # fmt: skip
    return lambda: training.train(**right | wrong)


def step(returned: Any) -> Callable[[], Any]:
    return train(loss_fn=lambda m, b: returned, source=iter([0]))


def looked(found: Any, **wrong: Any) -> Callable[[], Any]:
    return train(evaluate=lambda m: found, source=iter([0]), **wrong)


class Closure(SGD):
    """Needs the loss anew at each step."""

    def step(self, *, closure: Any) -> None:
        super().step(closure)


class OneWay:
    """A source that says where it stands, but cannot go back there."""

    def __next__(self) -> int:
        return 0

    def state_dict(self) -> dict[str, Any]:
        return {}


def sparse(kind: Any) -> Callable[[], Any]:
    """Training an embedding whose gradient is sparse."""
    e = nn.Embedding(5, 3, sparse=True)
    return train(
        model=e, optimizer=kind(e.parameters(), lr=1.0),
        loss_fn=lambda m, b: (m(torch.tensor([1])).sum(), {}),
    )  # fmt: skip


def judged(judge: Callable[..., Any], p: Any, y: Any) -> Callable[[], Any]:
    return lambda: judge(lambda x: x, (p, y))


def gate(**wrong: Any) -> Callable[[], Any]:
    right = dict(
        t=torch.zeros(N), tau=torch.ones(H), s=torch.zeros(H), r_on=torch.full((H,), 0.5), leak=0.0
    )
    return lambda: time_gate(**right | wrong)


def phased(times: Any) -> Callable[[], Any]:
    return lambda: layers.PhasedLSTM(D, H)(X, times)


def ends(lengths: list[Any]) -> Callable[[], Any]:
    return lambda: models.Classifier(layers.GRU(D, H), K)(X, lengths=torch.tensor(lengths))


WRONG = [
    # sizes and options
    Wrong("float size", lambda: layers.RNN(3.0, H), TypeError, "input_size", ("3.0 (float)",)),
    Wrong("size of zero", lambda: layers.LSTM(D, 0), ValueError, "hidden_size", ("least 1", "0")),
    Wrong("negative size", lambda: layers.GRU(D, -5), ValueError, "hidden_size", ("1", "-5")),
    Wrong("bool for int", lambda: layers.RNN(D, H, True), TypeError, "num_layers", ("True",)),
    Wrong("text for int", lambda: cells.GRUCell("3", H), TypeError, "input_size", ("'3' (str)",)),
    Wrong("no layer", lambda: layers.RNN(D, H, 0), ValueError, "num_layers", ("at least 1",)),
    Wrong(
        "unknown nonlinearity", lambda: layers.RNN(D, H, nonlinearity="sigmoid"),
        ValueError, "nonlinearity", ("'tanh', 'relu'", "'sigmoid'"),
    ),
    Wrong(
        "option of another kind", lambda: layers.LSTM(D, H, nonlinearity="relu"),
        TypeError, "nonlinearity", (),
    ),
    Wrong(
        "seed for generator", lambda: layers.RNN(D, H, generator=0),
        TypeError, "generator", ("torch.Generator", "got 0", "manual_seed"),
    ),
    Wrong("batch of zero", lambda: cells.LSTMCell(D, H).zero_state(0), ValueError, "N", ("1",)),
    Wrong("float batch", lambda: cells.GRUCell(D, H).zero_state(2.0), TypeError, "N", ("2.0",)),
    Wrong("size of zero", lambda: cells.RNNCell(D, 0), ValueError, "hidden_size", ("least 1", "0")),
    Wrong("no input", lambda: cells.LSTMCell(0, H), ValueError, "input_size", ("least 1", "0")),
    Wrong(
        "x of another type", cell(cells.RNNCell, X[:, 0].double()),
        TypeError, "x", ("float32", "float64"),
    ),
    Wrong(
        "x on another device", cell(cells.GRUCell, X[:, 0].to("meta")),
        ValueError, "x", ("cpu", "meta"),
    ),
    Wrong(
        "x of a phased cell", lambda: PhasedLSTMCell(D, H)(X[:, 0, :2], torch.zeros(N)),
        ValueError, "x", ("(N, 3)", "(2, 2)"),
    ),
    Wrong(
        "state of a phased cell",
        lambda: PhasedLSTMCell(D, H)(X[:, 0], torch.zeros(N), (STATE[0], STATE[0, :1])),
        ValueError, "state c", ("(2, 5)", "(1, 5)"),
    ),
    Wrong(
        "x of a phased step", lambda: PhasedLSTMCell(D, H).step(X[:, 0, :2], OPEN, (STATE[0],) * 2),
        ValueError, "x", ("(N, 3)", "(2, 2)"),
    ),
    Wrong(
        "state of a phased step", lambda: PhasedLSTMCell(D, H).step(X[:, 0], OPEN, STATE[0]),
        TypeError, "state", ("(h, c)", "Tensor"),
    ),
    Wrong(
        "state for unroll", lambda: layers.unroll(cells.GRUCell(D, H), X, STATE),
        ValueError, "state", ("(2, 5)", "(2, 2, 5)"),
    ),
    Wrong(
        "x of another type for unroll", lambda: layers.unroll(cells.GRUCell(D, H), X.double()),
        TypeError, "x", ("float32", "float64"),
    ),
    # inputs of layers
    Wrong("numpy for torch", layer(layers.RNN, X.numpy()), TypeError, "x", ("Tensor", "ndarray")),
    Wrong("list for torch", layer(layers.GRU, [[[0.0] * D]]), TypeError, "x", ("Tensor", "list")),
    Wrong("no batch", layer(layers.RNN, X[0]), ValueError, "x", ("(N, T, 3)", "(4, 3)")),
    Wrong("other inputs", layer(layers.LSTM, X[..., :2]), ValueError, "x", ("3)", "(2, 4, 2)")),
    Wrong("empty batch", layer(layers.GRU, X[:0]), ValueError, "x", ("empty", "(0, 4, 3)")),
    Wrong("empty time", layer(layers.RNN, X[:, :0]), ValueError, "x", ("empty", "(2, 0, 3)")),
    Wrong("integers", layer(layers.RNN, X.long()), TypeError, "x", ("floating", "int64")),
    Wrong("other dtype", layer(layers.LSTM, X.double()), TypeError, "x", ("float32", "float64")),
    Wrong("other device", layer(layers.GRU, X.to("meta")), ValueError, "x", ("cpu", "meta")),
    # states of layers
    Wrong("h for (h, c)", layer(layers.LSTM, X, STATE), TypeError, "state", ("(h, c)", "Tensor")),
    Wrong("three states", layer(layers.LSTM, X, (STATE,) * 3), TypeError, "state", ("tuple of 3",)),
    Wrong("a list of one", layer(layers.LSTM, X, [STATE]), TypeError, "state", ("list of 1",)),
    Wrong("(h, c) for h", layer(layers.GRU, X, (STATE,) * 2), TypeError, "state", ("tuple",)),
    Wrong(
        "state of one layer", layer(layers.RNN, X, STATE[0]),
        ValueError, "state", ("(2, 2, 5)", "(2, 5)"),
    ),
    Wrong(
        "batch-first state", layer(layers.GRU, torch.zeros(6, T, D), torch.zeros(6, 2, H)),
        ValueError, "state", ("(2, 6, 5)", "(6, 2, 5)"),
    ),
    Wrong(
        "c of another size", layer(layers.LSTM, X, (STATE, STATE[..., :4])),
        ValueError, "state c", ("(2, 2, 5)", "(2, 2, 4)"),
    ),
    Wrong(
        "h of another type", layer(layers.LSTM, X, (STATE.double(), STATE)),
        TypeError, "state h", ("float32", "float64"),
    ),
    Wrong(
        "state on another device", layer(layers.RNN, X, STATE.to("meta")),
        ValueError, "state", ("cpu", "meta"),
    ),
    # cells, one step
    Wrong("a sequence", cell(cells.RNNCell, X), ValueError, "x", ("(N, 3)", "(2, 4, 3)")),
    Wrong(
        "h that broadcasts", cell(cells.GRUCell, h=STATE[0, 0]),
        ValueError, "state", ("(2, 5)", "(5,)"),
    ),
    Wrong(
        "tensor for (h, c)", cell(cells.LSTMCell, h=STATE), TypeError, "state", ("(h, c)",)
    ),
    Wrong(
        "half precision h", cell(cells.RNNCell, h=STATE[0].half()),
        TypeError, "state", ("float32", "float16"),
    ),
    Wrong("no cell", lambda: layers.unroll(layers.RNN(D, H), X), TypeError, "cell", ("RNN",)),
    Wrong(
        "unroll one step", lambda: layers.unroll(cells.RNNCell(D, H), X[:, 0]),
        ValueError, "x", ("(N, T, 3)", "(2, 3)"),
    ),
    # torch's layers
    Wrong(
        "other torch layer", lambda: layers.LSTM.from_torch(nn.GRU(D, H)),
        TypeError, "module", ("nn.LSTM", "GRU"),
    ),
    Wrong(
        "two directions",
        lambda: layers.GRU.from_torch(nn.GRU(D, H, batch_first=True, bidirectional=True)),
        ValueError, "module", ("bidirectional=False", "True", "flip"),
    ),
    Wrong(
        "time first", lambda: layers.RNN.from_torch(nn.RNN(D, H)),
        ValueError, "module", ("batch_first=True", "False", "transpose(0, 1)"),
    ),
    Wrong(
        "no bias", lambda: layers.RNN.from_torch(nn.RNN(D, H, bias=False)),
        ValueError, "module", ("bias=True", "False"),
    ),
    Wrong(
        "projection",
        lambda: layers.LSTM.from_torch(nn.LSTM(D, H, batch_first=True, proj_size=2)),
        ValueError, "module", ("proj_size=0", "2", "Linear"),
    ),
    # torch's names, where they mean what is not here
    Wrong(
        "time first", lambda: layers.LSTM(D, H, batch_first=False),
        ValueError, "batch_first", ("True", "rnnlib.LSTM", "False", "transpose(0, 1)"),
    ),
    Wrong("no bias", lambda: layers.GRU(D, H, bias=False), ValueError, "bias", ("True", "zero_()")),
    Wrong("no bias", lambda: cells.GRUCell(D, H, bias=False), ValueError, "bias", ("GRUCell",)),
    Wrong(
        "two directions", lambda: layers.RNN(D, H, bidirectional=True),
        ValueError, "bidirectional", ("False", "flip(1)"),
    ),
    Wrong(
        "projection", lambda: layers.LSTM(D, H, proj_size=3), ValueError, "proj_size", ("0", "3")
    ),
    Wrong("percent", lambda: layers.GRU(D, H, 2, dropout=50), ValueError, "dropout", ("[0.0, 1.0]",)),
    Wrong("flag", lambda: layers.GRU(D, H, 2, dropout=True), TypeError, "dropout", ("True (bool)",)),
    Wrong("unknown", lambda: layers.LSTM(D, H, peepholes=True), TypeError, "peepholes", ("LSTM",)),
    Wrong(
        "another kernel", lambda: layers.LSTM(D, H).compute_with("cudnn"),
        ValueError, "kernel", ("'rnnlib', 'torch'", "'cudnn'"),
    ),
    Wrong(
        "x for torch's kernel", lambda: layers.LSTM(D, H).compute_with("torch")(X[0]),
        ValueError, "x", ("(N, T, 3)", "(4, 3)"),
    ),
    Wrong(
        "state for torch's kernel",
        lambda: layers.GRU(D, H, 2).compute_with("torch")(X, STATE[:1]),
        ValueError, "state", ("(2, 2, 5)", "(1, 2, 5)"),
    ),
    # minimal layers and the scan
    Wrong(
        "another method", lambda: layers.MinGRU(D, H, method="fast"),
        ValueError, "method", ("'scan', 'log scan', 'loop'", "'fast'"),
    ),
    Wrong(
        "another method, later", lambda: layers.MinLSTM(D, H).compute_with(True),
        ValueError, "method", ("'scan', 'log scan', 'loop'", "True"),
    ),
    Wrong(
        "logarithms of a linear candidate",
        lambda: layers.MinLSTM(D, H, candidate="linear", method="log scan"),
        ValueError, "method", ("'scan' or 'loop'", "candidate='linear'", "'log scan'"),
    ),
    Wrong(
        "another candidate", lambda: layers.MinGRU(D, H, candidate="tanh"),
        ValueError, "candidate", ("'positive', 'linear'", "'tanh'"),
    ),
    Wrong("flag", lambda: cells.MinLSTMCell(D, H, candidate=True), ValueError, "candidate", ("True",)),
    Wrong("no bias", lambda: cells.MinGRUCell(D, H, bias=False), ValueError, "bias", ("MinGRUCell",)),
    Wrong("size of zero", lambda: layers.MinGRU(D, 0), ValueError, "hidden_size", ("least 1", "0")),
    Wrong("float size", lambda: layers.MinLSTM(3.0, H), TypeError, "input_size", ("3.0 (float)",)),
    Wrong("unknown", lambda: layers.MinLSTM(D, H, peepholes=True), TypeError, "peepholes", ("MinLSTMCell",)),
    Wrong("no batch", layer(layers.MinGRU, X[0]), ValueError, "x", ("(N, T, 3)", "(4, 3)")),
    Wrong("empty time", layer(layers.MinLSTM, X[:, :0]), ValueError, "x", ("empty", "(2, 0, 3)")),
    Wrong("other dtype", layer(layers.MinGRU, X.double()), TypeError, "x", ("float32", "float64")),
    Wrong("(h, c) for h", layer(layers.MinLSTM, X, (STATE,) * 2), TypeError, "state", ("Tensor", "tuple")),
    Wrong(
        "state of one layer", layer(layers.MinGRU, X, STATE[0]),
        ValueError, "state", ("(2, 2, 5)", "(2, 5)"),
    ),
    Wrong(
        "half precision h", cell(cells.MinLSTMCell, h=STATE[0].half()),
        TypeError, "state", ("float32", "float16"),
    ),
    Wrong("a sequence", cell(cells.MinGRUCell, X), ValueError, "x", ("(N, 3)", "(2, 4, 3)")),
    Wrong("steps that broadcast", lambda: scan.parallel(X, X[:, :1]), ValueError, "b", ("(2, 4, 3)", "(2, 1, 3)")),
    Wrong("a batch-first state", lambda: scan.sequential(X, X, X[:, 0, None]), ValueError, "h_0", ("(2, 3)", "(2, 1, 3)")),
    Wrong("integers", lambda: scan.parallel_log(X.long(), X), TypeError, "log_a", ("floating", "int64")),
    # initialisations
    Wrong("vector", lambda: init.xavier_(torch.zeros(3)), ValueError, "W", ("(out, in)", "(3,)")),
    Wrong("array", lambda: init.orthogonal_(Z["W_hh"]), TypeError, "W", ("Tensor", "ndarray")),
    Wrong("integer weight", lambda: init.uniform_(torch.ones(2, 2).int(), 1), TypeError, "W", ()),
    Wrong("negative bound", lambda: init.uniform_(X, -0.1), ValueError, "bound", ("-0.1",)),
    Wrong("NaN gain", lambda: init.orthogonal_(STATE[0], gain=NAN), ValueError, "gain", ("nan",)),
    Wrong("seed", lambda: init.xavier_(STATE[0], 42), TypeError, "generator", ("42",)),
    Wrong(
        "blocks that do not fit", lambda: init.xavier_(torch.zeros(6, 2), blocks=4),
        ValueError, "blocks", ("6 rows", "4"),
    ),
    Wrong("matrix", lambda: init.forget_bias_(STATE[0]), ValueError, "b", ("(4H,)", "(2, 5)")),
    Wrong("bias of a GRU", lambda: init.chrono_(torch.zeros(15), 9), ValueError, "b", ("(15,)",)),
    Wrong("text", lambda: init.forget_bias_(torch.zeros(4), "1"), TypeError, "value", ("'1'",)),
    Wrong("bias of an LSTM", lambda: init.chrono_gru_(torch.zeros(16), 9), ValueError, "b", ("16",)),
    Wrong("seed", lambda: init.kaiming_(STATE[0], 42), TypeError, "generator", ("42",)),
    Wrong("seed", lambda: init.chrono_(torch.zeros(4), 9, 1), TypeError, "generator", ("1",)),
    Wrong("not square", lambda: init.identity_(torch.zeros(6, 2), blocks=2), ValueError, "W", ("3, 2",)),
    Wrong("short memory", lambda: init.chrono_(torch.zeros(4), 2), ValueError, "T_max", ("3", "2")),
    # bptt
    Wrong("torch for numpy", forward(x=X), TypeError, "x", ("numpy.ndarray", "Tensor")),
    Wrong("list for numpy", forward(b_h=[0.0] * H), TypeError, "b_h", ("numpy.ndarray", "list")),
    Wrong("not square", forward(W_hh=Z["W_hx"]), ValueError, "W_hh", ("(5, 5)", "(5, 3)")),
    Wrong("transposed", forward(W_hx=Z["W_hx"].T), ValueError, "W_hx", ("(5, 3)", "(3, 5)")),
    Wrong("column bias", forward(b_h=Z["b_h"][:, None]), ValueError, "b_h", ("(5,)", "(5, 1)")),
    Wrong("h0 of torch's shape", forward(h0=Z["h0"][None]), ValueError, "h0", ("(2, H)", "(1, 2")),
    Wrong("time first", forward(x=Z["x"].swapaxes(0, 1)), ValueError, "h0", ("(4, H)", "(2, 5)")),
    Wrong("NaN weight", forward(W_hh=spoiled(Z["W_hh"], NAN)), ValueError, "W_hh", ("finite",)),
    Wrong("infinite h0", loss(h0=spoiled(Z["h0"], -INF)), ValueError, "h0", ("infinity",)),
    Wrong("no steps", loss(x=Z["x"][:, :0]), ValueError, "x", ("empty", "(2, 0, 3)")),
    Wrong("integers", forward(x=Z["x"].astype(int)), TypeError, "x", ("float", "int")),
    Wrong(
        "mixed precision", loss(b_h=Z["b_h"].astype(np.float32)),
        TypeError, "b_h", ("float64", "float32"),
    ),
    Wrong("complex", forward(x=Z["x"] + 0j), TypeError, "x", ("floating", "complex128")),
    Wrong(
        "gradient of the last step alone", backward(dh_immediate=Z["dh_immediate"][:, -1]),
        ValueError, "dh_immediate", ("(2, 4, 5)", "(2, 5)"),
    ),
    Wrong("h with h0 in front", backward(h=np.zeros((N, T + 1, H))), ValueError, "h", ("(2, 5,",)),
    Wrong("readout of another H", readout(W_ph=Z["W_hx"]), ValueError, "W_ph", ("(K, 5)", "(5, 3)")),
    Wrong("readout of one state", readout_loss(h=Z["h0"]), ValueError, "h", ("(N, T, H)", "(2, 5)")),
    Wrong("scalar bias", readout(b_p=np.array(0.0)), ValueError, "b_p", ("(7,)", "()")),
    Wrong("dp of one step", readout_back(dp=Z["p"]), ValueError, "dp", ("(2, 4, 7)", "(2, 7)")),
    Wrong("float labels", loss(y=np.zeros(N)), TypeError, "y", ("integers", "float64")),
    Wrong("labels as list", loss(y=[0, 0]), TypeError, "y", ("numpy.ndarray", "list")),
    Wrong("labels of torch", entropy(y=torch.zeros(N, dtype=torch.int64)), TypeError, "y", ("Tensor",)),
    Wrong("weights in a list", forward(weights=[Z["W_hx"]]), TypeError, "weights", ("dict", "list")),
    Wrong("an LSTM's", forward(weights={"W_x": 0, "b": 0}), ValueError, "weights", ("'W_hx'", "'W_x'")),
    Wrong("h for the cache", backward(cache=Z["h"]), TypeError, "cache", ("RNNCache", "ndarray")),
    Wrong("a label missing", loss(y=np.zeros((N, T - 1), int)), ValueError, "y", ("(2, 4)",)),
    Wrong("one-hot labels", loss(y=np.zeros((N, T, K), int)), ValueError, "y", ("(N, T)", "7)")),
    Wrong("label too large", entropy(y=Y + K), ValueError, "y", ("[0, 7)", "from 7 to 7")),
    Wrong("negative label", entropy(y=Y - 1), ValueError, "y", ("[0, 7)", "-1")),
    Wrong("bool labels", entropy(y=Y == 0), TypeError, "y", ("integers", "bool")),
    Wrong("NaN logit", entropy(p=spoiled(Z["p"], NAN)), ValueError, "p", ("NaN",)),
    Wrong("softmax of a list", lambda: bptt.softmax([1.0, 2.0]), TypeError, "p", ("list",)),
    Wrong("softmax of nothing", lambda: bptt.softmax(Z["p"][:, :0]), ValueError, "p", ("0)",)),
    # tasks
    Wrong("one digit", lambda: tasks.palindromes(1, 9), ValueError, "T", ("at least 2", "1")),
    Wrong("float length", lambda: tasks.palindromes(5.0, 9), TypeError, "T", ("5.0 (float)",)),
    Wrong("no sequence", lambda: tasks.palindromes(5, 0), ValueError, "N", ("at least 1", "0")),
    Wrong("seed", lambda: tasks.palindromes(5, 9, 1), TypeError, "generator", ("got 1",)),
    Wrong(
        "negative seed", lambda: tasks.PalindromeDataset(5, -1), ValueError, "seed", ("0", "-1")
    ),
    Wrong(
        "short length", lambda: tasks.PalindromeDataset(1), ValueError, "seq_length", ("2", "1")
    ),
    Wrong("negative index", lambda: tasks.PalindromeDataset(5)[-1], ValueError, "index", ("-1",)),
    Wrong("text for a flag", lambda: tasks.palindromes(5, 9, one_hot="no"), TypeError, "one_hot", ("'no'",)),
    Wrong("slice", lambda: tasks.PalindromeDataset(5)[:3], TypeError, "index", ("slice",)),
    Wrong("one number", lambda: tasks.adding(1, 9), ValueError, "T", ("at least 2", "1")),
    Wrong("no sequence", lambda: tasks.adding(9, 0), ValueError, "N", ("at least 1", "0")),
    Wrong("seed", lambda: tasks.adding(9, 9, 1), TypeError, "generator", ("got 1",)),
    Wrong("no gap", lambda: tasks.copying(0, 9), ValueError, "T", ("at least 1", "0")),
    Wrong("float size", lambda: tasks.copying(9, 2.5), TypeError, "N", ("2.5",)),
    Wrong("seed", lambda: tasks.copying(9, 9, 1), TypeError, "generator", ("got 1",)),
    Wrong("no gap", lambda: tasks.copying_baseline(-1), ValueError, "T", ("at least 1", "-1")),
    Wrong("no bit", lambda: tasks.parity(0, 9), ValueError, "T", ("at least 1", "0")),
    Wrong("float size", lambda: tasks.parity(9, 2.5), TypeError, "N", ("2.5",)),
    Wrong("seed", lambda: tasks.parity(9, 9, 1), TypeError, "generator", ("got 1",)),
    Wrong("text for a flag", lambda: tasks.parity(5, 9, one_hot="no"), TypeError, "one_hot", ("'no'",)),
    Wrong("not a function", lambda: tasks.Batches("adding", 0), TypeError, "draw", ("'adding'",)),
    Wrong("a draw's option", lambda: tasks.Batches(tasks.adding, 0, T=1, N=2), ValueError, "T", ()),
    Wrong("no seed", lambda: tasks.Batches(tasks.adding, None, T=9, N=2), TypeError, "seed", ()),
    Wrong("no seed", lambda: tasks.PalindromeBatches(5, 9, None), TypeError, "seed", ("None",)),
    # models
    Wrong(
        "torch's layer", lambda: models.Classifier(nn.RNN(D, H), K),
        TypeError, "rnn", ("rnnlib layer", "RNN"),
    ),
    Wrong(
        "no class", lambda: models.Classifier(layers.RNN(D, H), 0), ValueError, "classes", ("0",)
    ),
    Wrong(
        "tokens", lambda: models.Classifier(layers.RNN(D, H), K)(torch.zeros(N, T).long()),
        ValueError, "x", ("(N, T, 3)", "(2, 4)"),
    ),
    # training
    Wrong("layer's class", train(model=nn.Linear), TypeError, "model", ("Module", "type")),
    Wrong("weights for model", train(model=[W]), TypeError, "model", ("Module", "list")),
    Wrong("a list of batches", train(source=[1, 2]), TypeError, "source", ("__next__", "list", "iter(source)")),
    Wrong("a loader", train(source=torch.utils.data.DataLoader([1])), TypeError, "source", ("DataLoader", "repeat(source)")),
    Wrong("source's class", train(source=tasks.PalindromeBatches), TypeError, "source", ("__next__", "type")),
    Wrong("loss for loss_fn", train(loss_fn=0.5), TypeError, "loss_fn", ("function", "0.5")),
    Wrong("no loss_fn", train(loss_fn=None), TypeError, "loss_fn", ("function", "None")),
    Wrong("name for optimizer", train(optimizer="adam"), TypeError, "optimizer", ("str",)),
    Wrong("optimizer of another model", train(model=nn.Linear(1, 1)), ValueError, "optimizer", ("weight, bias:", "requires_grad_(False)")),
    Wrong("optimizer with a closure", train(optimizer=torch.optim.LBFGS([W])), TypeError, "optimizer", ("LBFGS", "needs closure", "Adam")),
    Wrong("one's own with a closure", train(optimizer=Closure([W], lr=1.0)), TypeError, "optimizer", ("Closure", "needs closure")),
    Wrong("sparse optimizer", sparse(torch.optim.SparseAdam), TypeError, "optimizer", ("SparseAdam", "sparse gradients")),
    Wrong("sparse optimizer, dense weights", train(optimizer=torch.optim.SparseAdam([W])), TypeError, "optimizer", ("SparseAdam",)),
    Wrong("sparse gradient", sparse(SGD), ValueError, "parameters", ("dense", "sparse_coo", "(5, 3)", "sparse=True")),
    Wrong("negative steps", train(steps=-1), ValueError, "steps", ("at least 0", "-1")),
    Wrong("float steps", train(steps=1e3), TypeError, "steps", ("1000.0 (float)",)),
    Wrong("clip of zero", train(clip_norm=0), ValueError, "clip_norm", ("positive", "0")),
    Wrong("NaN clip", train(clip_norm=NAN), ValueError, "clip_norm", ("finite, got nan",)),
    Wrong("clip as text", train(clip_norm="1"), TypeError, "clip_norm", ("number", "'1'")),
    Wrong("never evaluated", train(eval_every=0), ValueError, "eval_every", ("1", "0")),
    Wrong("half a step", train(eval_every=0.5), TypeError, "eval_every", ("integer", "0.5")),
    Wrong("patience alone", train(patience=3), ValueError, "patience", ("evaluate=None",)),
    Wrong("no patience", looked({"loss": 1}, patience=0), ValueError, "patience", ("least 1", "0")),
    Wrong("patience as text", looked({"loss": 1}, patience="3"), TypeError, "patience", ("'3'",)),
    Wrong("metrics for evaluate", train(evaluate={"loss": 1}), TypeError, "evaluate", ("dict",)),
    Wrong("number for monitor", train(monitor=0), TypeError, "monitor", ("str", "int")),
    Wrong("text monitored", looked({"loss": "low"}, patience=1), TypeError, "monitor", ("'loss'", "str")),
    Wrong("unknown monitor", looked({"nats": 1}, patience=1), ValueError, "monitor", ("['nats', 'step']", "'loss'")),
    Wrong("evaluate returns nothing", looked(None), TypeError, "evaluate", ("dict", "NoneType")),
    Wrong("evaluate returns the loss", looked(0.5), TypeError, "evaluate", ("dict", "float")),
    Wrong("evaluate returns a tensor", looked({"loss": W}), TypeError, "evaluate", ("['loss']", "Parameter", ".item()")),
    Wrong("evaluate counts steps", looked({"step": 1}), ValueError, "evaluate", ("'step'",)),
    Wrong("steps for stop_when", train(stop_when=100), TypeError, "stop_when", ("100 (int)",)),
    Wrong("no place told", train(checkpoint="c"), TypeError, "source", ("state_dict", "list_iterator")),
    Wrong("no way back", train(checkpoint="c", source=OneWay()), TypeError, "source", ("load_state_dict",)),
    Wrong("never written", train(checkpoint_every=0), ValueError, "checkpoint_every", ("1", "0")),
    Wrong("settings that no file holds", train(settings={"a": {1}}), TypeError, "settings", ("plain data", "set")),
    Wrong("a word for progress", train(progress="no"), TypeError, "progress", ("True or False", "'no'")),
    Wrong(
        "number for path", train(checkpoint=3, source=tasks.PalindromeBatches(5, 2, 0)),
        TypeError, "checkpoint", ("a path", "int"),
    ),
    Wrong(
        "folder that is not there",
        train(checkpoint="no/such/c", source=tasks.PalindromeBatches(5, 2, 0)),
        ValueError, "checkpoint", ("no/such/c",),
    ),
    Wrong("loss without metrics", step(W.sum()), TypeError, "loss_fn", ("(loss, metrics)",)),
    Wrong("nothing for metrics", step((W.sum(), None)), TypeError, "loss_fn", ("dict", "NoneType")),
    Wrong("a tensor in metrics", step((W.sum(), {"a": [W.sum()]})), TypeError, "loss_fn", ("['a'][0]", "Tensor", ".item()")),
    Wrong("an array in metrics", step((W.sum(), {"a": np.ones(1)})), TypeError, "loss_fn", ("['a']", "ndarray")),
    Wrong("loss as number", step((1.0, {})), TypeError, "loss", ("Tensor", "float")),
    Wrong("loss of each sequence", step((W * torch.ones(4), {})), ValueError, "loss", ("(4,)",)),
    Wrong("whole loss", step((torch.tensor(1), {})), TypeError, "loss", ("floating", "int64")),
    Wrong("loss without a graph", step((W.sum().detach(), {})), ValueError, "loss", ("graph", "no_grad()")),
    Wrong("loss of no weight", step((torch.ones(1, requires_grad=True).sum(), {})), ValueError, "parameters", ("none", "optimizer")),
    Wrong("no gradients", lambda: training.clip_gradient([nn.Parameter(X)], 1.0), ValueError, "parameters", ("none", "backward()")),
    Wrong("no parameters", lambda: training.clip_gradient([], None), ValueError, "parameters", ("none",)),
    Wrong("one parameter", lambda: training.clip_gradient(W, 1.0), TypeError, "parameters", ("list of tensors", "Parameter")),
    Wrong("a model", lambda: training.clip_gradient(nn.Linear(1, 1), 1.0), TypeError, "parameters", ("list of tensors", "Linear")),
    Wrong("parameters and names", lambda: training.clip_gradient(nn.Linear(1, 1).named_parameters(), 1.0), TypeError, "parameters", ("tensors", "tuple")),
    Wrong("negative norm", lambda: training.clip_gradient([W], -1.0), ValueError, "max_norm", ("-1",)),
    *(
        wrong
        for judge in (training.accuracy, training.classification_loss)
        for wrong in [
            Wrong("column of labels", judged(judge, X[0], torch.zeros(4, 1).long()), ValueError, "y", ("(4,)", "(4, 1)")),
            Wrong("labels of another batch", judged(judge, X[0], torch.zeros(3).long()), ValueError, "y", ("(4,)", "(3,)")),
            Wrong("one-hot labels", judged(judge, X[0], torch.zeros(4, 3).long()), ValueError, "y", ("(4,)", "(4, 3)")),
            Wrong("float labels", judged(judge, X[0], torch.zeros(4)), TypeError, "y", ("int64", "float32")),
            Wrong("short labels", judged(judge, X[0], torch.zeros(4).int()), TypeError, "y", ("int64", "int32")),
            Wrong("label too large", judged(judge, X[0], torch.full((4,), 3)), ValueError, "y", ("[0, 3)", "from 3")),
            Wrong("label to be ignored", judged(judge, X[0], torch.full((4,), -100)), ValueError, "y", ("[0, 3)", "-100")),
            Wrong("labels as array", judged(judge, X[0], Y), TypeError, "y", ("Tensor", "ndarray")),
            Wrong("a logit a sequence", judged(judge, X[0, 0], torch.zeros(3).long()), ValueError, "model(x)", ("(N, K)", "(3,)")),
            Wrong("a logit a step", judged(judge, X, torch.zeros(N).long()), ValueError, "model(x)", ("(N, K)", "(2, 4, 3)")),
            Wrong("answers for logits", judged(judge, X[0].long(), torch.zeros(4).long()), TypeError, "model(x)", ("floating", "int64")),
            Wrong("logits and state", judged(judge, (X[0], STATE), torch.zeros(4).long()), TypeError, "model(x)", ("Tensor", "tuple")),
            Wrong("inputs alone", lambda judge=judge: judge(nn.Linear(3, 3), X[0]), TypeError, "batch", ("(x, y)", "Tensor")),
        ]
    ),
    # the Phased LSTM, its task, and sequences of several lengths
    Wrong("period of zero", gate(tau=torch.zeros(H)), ValueError, "tau", ("above 0", "0")),
    Wrong("negative period", gate(tau=-torch.ones(H)), ValueError, "tau", ("above 0", "-1")),
    Wrong("never open", gate(r_on=torch.zeros(H)), ValueError, "r_on", ("(0, 1]", "0 to 0")),
    Wrong("open too long", gate(r_on=torch.full((H,), 2.0)), ValueError, "r_on", ("2 to 2",)),
    Wrong("negative leak", gate(leak=-0.1), ValueError, "leak", ("[0.0, 1.0]", "-0.1")),
    Wrong("shift of another size", gate(s=torch.zeros(2)), ValueError, "s", ("(5,)", "(2,)")),
    Wrong("NaN time", gate(t=torch.tensor([NAN])), ValueError, "t", ("finite",)),
    Wrong("integer times", gate(t=torch.arange(3)), TypeError, "t", ("floating", "int64")),
    Wrong(
        "leak below 0", lambda: PhasedLSTMCell(D, H, leak=-1), ValueError, "leak", ("-1",)
    ),
    Wrong(
        "percent", lambda: PhasedLSTMCell(D, H, r_on=5), ValueError, "r_on", ("(0, 1]", "5")
    ),
    Wrong(
        "from high to low", lambda: layers.PhasedLSTM(D, H, log_tau=(3, 1)),
        ValueError, "log_tau", ("low <= high", "(3, 1)"),
    ),
    Wrong(
        "number for a range", lambda: PhasedLSTMCell(D, H, shift=100.0),
        TypeError, "shift", ("(low, high)", "float"),
    ),
    Wrong(
        "times of a sequence for a step",
        lambda: PhasedLSTMCell(D, H)(X[:, 0], torch.zeros(N, T), (STATE[0], STATE[0])),
        ValueError, "t", ("(2,)", "(2, 4)"),
    ),
    Wrong("one clock", phased(torch.zeros(T)), ValueError, "times", ("(2, 4)", "(4,)")),
    Wrong("times too short", phased(torch.zeros(N, 3)), ValueError, "times", ("(2, 4)", "(2, 3)")),
    Wrong("no times", phased(None), TypeError, "times", ("Tensor", "NoneType")),
    Wrong("integers", phased(torch.zeros(N, T).int()), TypeError, "times", ("floating", "int32")),
    Wrong(
        "times for an LSTM",
        lambda: layers.unroll(cells.LSTMCell(D, H), X, times=torch.zeros(N, T)),
        TypeError, "times", ("over_time",),
    ),
    Wrong(
        "times for a classifier without a clock",
        lambda: models.Classifier(layers.LSTM(D, H), K)(X, times=torch.zeros(N, T)),
        TypeError, "times", ("forward",),
    ),
    Wrong(
        "a classifier's clock missing",
        lambda: models.Classifier(layers.PhasedLSTM(D, H), K)(X),
        TypeError, "times", ("PhasedLSTM",),
    ),
    Wrong(
        "shares as percent", lambda: PhasedLSTMCell(D, H).step(X[:, 0], 50 * OPEN, (STATE[0],) * 2),
        ValueError, "k", ("[0, 1]", "50 to 50"),
    ),
    Wrong(
        "a gate below 0", lambda: PhasedLSTMCell(D, H).step(X[:, 0], -OPEN, (STATE[0],) * 2),
        ValueError, "k", ("[0, 1]", "-1 to -1"),
    ),
    Wrong(
        "a gate that is NaN",
        lambda: PhasedLSTMCell(D, H).step(X[:, 0], spoiled(OPEN, NAN), (STATE[0],) * 2),
        ValueError, "k", ("[0, 1]", "nan"),
    ),
    Wrong(
        "one gate for all", lambda: PhasedLSTMCell(D, H).step(X[:, 0], OPEN[:, :1], (STATE[0],) * 2),
        ValueError, "k", ("(2, 5)", "(2, 1)"),
    ),
    Wrong(
        "seconds since 1970 in float32", gate(t=torch.tensor([1.7e9, 1.7e9 + 1])),
        ValueError, "t", ("1.7e+09", "torch.float64", "steps of"),
    ),
    Wrong("NaN period", gate(tau=torch.full((H,), NAN)), ValueError, "tau", ("finite",)),
    Wrong("times on another device", gate(t=torch.zeros(N, device="meta")), ValueError, "t", ("meta",)),
    Wrong("longer than it is", ends([T, T + 1]), ValueError, "lengths", ("[1, 4]", "out of bounds")),
    Wrong("no step", ends([T, 0]), ValueError, "lengths", ("[1, 4]", "-1")),
    Wrong("lengths of another batch", ends([T]), ValueError, "lengths", ("(2,)", "(1,)")),
    Wrong("lengths as numbers with a point", ends([1.0, 2.0]), TypeError, "lengths", ("int64", "float")),
    Wrong(
        "lengths as a list", lambda: models.Classifier(layers.GRU(D, H), K)(X, [T, T]),
        TypeError, "lengths", ("int64", "list"),
    ),
    Wrong("one wave", lambda: tasks.frequency(1), ValueError, "N", ("at least 2", "1")),
    Wrong("seed", lambda: tasks.frequency(4, 0), TypeError, "generator", ("got 0",)),
    Wrong(
        "other sampling", lambda: tasks.frequency(4, None, "async"),
        ValueError, "sampling", ("'asynchronous'", "'async'"),
    ),
    Wrong(
        "long wave", lambda: tasks.frequency(4, durations=(15, 200)),
        ValueError, "durations", ("125", "200"),
    ),
    Wrong(
        "durations turned round", lambda: tasks.frequency(4, durations=(50, 15)),
        ValueError, "durations", ("(shortest, longest)", "(50, 15)"),
    ),
    # experiments and checks
    Wrong("no step", lambda: study.means([1.0], 0, 2), ValueError, "every", ("at least 1", "0")),
    Wrong("a number", lambda: study.means(1.0, 2, 2), TypeError, "values", ("numbers", "float")),
    Wrong("text", lambda: check.relative_error(["1"], [1.0]), TypeError, "a", ("numbers", "text")),
    Wrong("unknown record", lambda: experiments.load("none"), ValueError, "name", ("'none'",)),
    Wrong(
        "no worker", lambda: study.run_study("x", print, [{"seed": 0}], workers=0),
        ValueError, "workers", ("at least 1", "0"),
    ),
    Wrong("no settings", lambda: study.run_study("x", print, []), ValueError, "settings", ("[]",)),
    Wrong(
        "no seed", lambda: study.run_study("x", print, [{"T": 5}]),
        ValueError, "settings", ("seed", "{'T': 5}"),
    ),
    Wrong(
        "shapes that differ", lambda: check.relative_error(np.zeros(2), np.zeros(3)),
        ValueError, "b", ("(2,)", "(3,)"),
    ),
    Wrong(
        "float32 differences",
        lambda: check.central_difference(lambda: 0.0, np.zeros(2, np.float32)),
        TypeError, "x", ("float64", "float32"),
    ),
]  # fmt: skip

# the hand-derived GRU
GRU_SHAPES = {
    "x": (N, T, D), "h0": (N, H), "W_x": (3 * H, D), "W_h": (3 * H, H), "b": (3 * H,),
    "b_nh": (H,), "h": (N, T, H), "gates": (N, T, 3 * H), "dh_immediate": (N, T, H),
    "W_ph": (K, H), "b_p": (K,),
}  # fmt: skip
G = {name: np.zeros(shape) for name, shape in GRU_SHAPES.items()}


gru_forward = numpy_call(bptt.gru_forward, G)
gru_backward = numpy_call(bptt.gru_backward, G)
gru_loss = numpy_call(bptt.gru_loss, G)

WRONG += [
    Wrong("an LSTM's", gru_forward(W_h=np.zeros((4 * H, H))), ValueError, "W_h", ("(15, 5)", "20")),
    Wrong("an LSTM's", gru_backward(W_h=np.zeros((4 * H, H))), ValueError, "W_h", ("(15, 5)",)),
    Wrong("an LSTM's", gru_forward(W_x=np.zeros((4 * H, D))), ValueError, "W_x", ("(15, 3)", "20")),
    Wrong("transposed", gru_forward(W_x=G["W_x"].T), ValueError, "W_x", ("(15, 3)", "(3, 15)")),
    Wrong("torch's bias_hh", gru_forward(b_nh=G["b"]), ValueError, "b_nh", ("(5,)", "(15,)")),
    Wrong("h0 of torch's shape", gru_loss(h0=G["h0"][None]), ValueError, "h0", ("(2, H)",)),
    Wrong("a torch tensor", gru_forward(x=X), TypeError, "x", ("numpy.ndarray", "Tensor")),
    Wrong("NaN", gru_loss(b_nh=spoiled(G["b_nh"], NAN)), ValueError, "b_nh", ("finite",)),
    Wrong("mixed precision", gru_loss(b=G["b"].astype("f4")), TypeError, "b", ("float32",)),
    Wrong("one gate", gru_backward(gates=G["h"]), ValueError, "gates", ("(2, 4, 15)", "(2, 4, 5)")),
    Wrong(
        "of the last step alone", gru_backward(dh_immediate=G["h"][:, -1]),
        ValueError, "dh_immediate", ("(2, 4, 5)", "(2, 5)"),
    ),
    Wrong("float labels", gru_loss(y=np.zeros(N)), TypeError, "y", ("integers", "float64")),
]  # fmt: skip


# the hand-derived LSTM
LSTM_SHAPES = {
    "x": (N, T, D), "h0": (N, H), "c0": (N, H), "W_x": (4 * H, D), "W_h": (4 * H, H),
    "b": (4 * H,), "h": (N, T, H), "c": (N, T, H), "gates": (N, T, 4 * H),
    "dh_immediate": (N, T, H), "W_ph": (K, H), "b_p": (K,),
}  # fmt: skip
M = {name: np.zeros(shape) for name, shape in LSTM_SHAPES.items()}


lstm_forward = numpy_call(bptt.lstm_forward, M)
lstm_backward = numpy_call(bptt.lstm_backward, M)
lstm_loss = numpy_call(bptt.lstm_loss, M)

WRONG += [
    Wrong("a GRU's", lstm_forward(W_h=np.zeros((3 * H, H))), ValueError, "W_h", ("(20, 5)", "15")),
    Wrong("a GRU's", lstm_backward(W_h=np.zeros((3 * H, H))), ValueError, "W_h", ("(20, 5)",)),
    Wrong("a GRU's bias", lstm_loss(b=np.zeros(3 * H)), ValueError, "b", ("(20,)", "(15,)")),
    Wrong("transposed", lstm_forward(W_h=M["W_h"].T), ValueError, "W_h", ("(20, 5)", "(5, 20)")),
    Wrong("transposed", lstm_forward(W_x=M["W_x"].T), ValueError, "W_x", ("(20, 3)", "(3, 20)")),
    Wrong("a tuple (h, c)", gru_forward(h0=(M["h0"], M["c0"])), TypeError, "h0", ("tuple",)),
    Wrong("h0 alone", lstm_forward(state=M["h0"]), TypeError, "state", ("(h0, c0)", "ndarray")),
    Wrong("a GRU's cache", lstm_backward(cache=bptt.GRUCache(*7 * [0])), TypeError, "cache", ("LSTMCache", "GRUCache")),
    Wrong("no c0", lstm_forward(c0=None), TypeError, "c0", ("numpy.ndarray", "NoneType")),
    Wrong("c0 of torch's shape", lstm_loss(c0=M["c0"][None]), ValueError, "c0", ("(2, 5)",)),
    Wrong("an infinite cell", lstm_loss(c0=spoiled(M["c0"], INF)), ValueError, "c0", ("infinity",)),
    Wrong("a torch tensor", lstm_forward(x=X), TypeError, "x", ("numpy.ndarray", "Tensor")),
    Wrong("mixed precision", lstm_loss(c0=M["c0"].astype("f4")), TypeError, "c0", ("float32",)),
    Wrong("the last cell", lstm_backward(c=M["c0"]), ValueError, "c", ("(2, 4, 5)", "(2, 5)")),
    Wrong(
        "one gate", lstm_backward(gates=M["h"]), ValueError, "gates", ("(2, 4, 20)", "(2, 4, 5)")
    ),
    Wrong(
        "of the last step alone", lstm_backward(dh_immediate=M["h"][:, -1]),
        ValueError, "dh_immediate", ("(2, 4, 5)", "(2, 5)"),
    ),
    Wrong("float labels", lstm_loss(y=np.zeros(N)), TypeError, "y", ("integers", "float64")),
]  # fmt: skip


WRONG += [
    Wrong("beyond the slider", lambda: interactive.lstm_step(g=1.5), ValueError, "g", ("[-1, 1]", "1.5")),
    Wrong("never open", lambda: interactive.time_gate(r_on=0), ValueError, "r_on", ("[0.01, 1]", "0")),
    Wrong("a period as text", lambda: interactive.time_gate(tau="20"), TypeError, "tau", ("number", "'20'")),
]  # fmt: skip


# characters: text, models, sampling, weights files, n-grams
ABC = text.Vocabulary("abc")
NUMBERS = torch.arange(9) % 3


def writer(**wrong: Any) -> Callable[[], Any]:
    """A right call of ``stream``, but for ``wrong``."""
    right = dict(model=models.CharacterModel(3, H), vocabulary=ABC, prompt="cab")
    return lambda: next(sampling.stream(**right | wrong))


def drawn(**wrong: Any) -> Callable[[], Any]:
    return lambda: sampling.probabilities(**dict(logits=torch.zeros(N, 3)) | wrong)


def saved(**wrong: Any) -> Callable[[], Any]:
    right = dict(path="w", model=models.CharacterModel(3, H), vocabulary=ABC, settings={})
    return lambda: checkpoints.save_model(**right | wrong)


WRONG += [
    Wrong("unknown character", lambda: ABC.encode("cat"), ValueError, "text", ("'t' at place 2", "'abc'")),
    Wrong("bytes", lambda: ABC.encode(b"abc"), TypeError, "text", ("str", "bytes")),
    Wrong("number of no character", lambda: ABC.decode(NUMBERS + 1), ValueError, "numbers", ("[0, 3)", "3")),
    Wrong("repeated", lambda: text.Vocabulary("abca"), ValueError, "symbols", ("distinct", "'abca'")),
    Wrong("no characters", lambda: text.Vocabulary.of(""), ValueError, "text", ("at least one", "''")),
    Wrong("list of characters", lambda: text.Vocabulary(["a"]), TypeError, "symbols", ("str", "list")),
    Wrong("percent", lambda: text.split("abc" * 9, 5), ValueError, "held_out", ("[0.0, 1.0]", "5")),
    Wrong("nothing held out", lambda: text.split("abc", 0), ValueError, "held_out", ("3", "0")),
    Wrong("window longer than the text", lambda: text.Windows(NUMBERS, 9, 2, 0), ValueError, "numbers", ("10", "9")),
    Wrong("text as text", lambda: text.Windows("abc", 2, 2, 0), TypeError, "numbers", ("int64", "str")),
    Wrong("other integers", lambda: text.Windows(NUMBERS.int(), 2, 2, 0), TypeError, "numbers", ("int64", "int32")),
    Wrong("array", lambda: text.Contiguous(NUMBERS.numpy(), 2, 2), TypeError, "numbers", ("int64", "ndarray")),
    Wrong("seed of 70 bits", lambda: text.Windows(NUMBERS, 2, 2, 2**70), ValueError, "seed", ("2**63",)),
    Wrong("no step", lambda: text.windows(NUMBERS, 0, 2), ValueError, "T", ("at least 1", "0")),
    Wrong("nothing to split", lambda: text.split(""), ValueError, "text", ("2 characters", "''")),
    Wrong("strands too short", lambda: text.Contiguous(NUMBERS, 3, 3), ValueError, "numbers", ("10", "T=3", "9")),
    Wrong("no strand", lambda: text.Contiguous(NUMBERS, 3, 0), ValueError, "N", ("at least 1", "0")),
    Wrong("one-hot", lambda: models.CharacterModel(3, H)(torch.zeros(N, T, 3)), ValueError, "numbers", ("(N, T)", "(2, 4, 3)")),
    Wrong("of another vocabulary", lambda: models.CharacterModel(2, H)(NUMBERS[None]), ValueError, "numbers", ("[0, 2)",)),
    Wrong("no characters", lambda: models.CharacterModel(0, H), ValueError, "vocabulary_size", ("at least 1", "0")),
    Wrong("table of width 0", lambda: models.CharacterModel(3, H, embedding=0), ValueError, "embedding", ("at least 1", "0")),
    Wrong("negative nats", lambda: metrics.bits_per_character(-1.0), ValueError, "nats", ("-1.0",)),
    Wrong("pieces too long", lambda: metrics.repetition("abc", 4), ValueError, "text", ("n=4", "3")),
    Wrong("counts", lambda: metrics.entropy(torch.tensor([3.0, 1.0])), ValueError, "probabilities", ("sum 1", "off by 3")),
    Wrong("no target", lambda: metrics.next_character_loss(models.CharacterModel(3, H), NUMBERS[:, None]), ValueError, "batch", ("T >= 1", "(9, 1)")),
    Wrong("a function", lambda: metrics.carried(lambda x: x, NUMBERS), TypeError, "model", ("Module", "function")),
    Wrong("a model without a state", lambda: metrics.from_zero(nn.Embedding(3, 3), NUMBERS, 3), TypeError, "model", ("state", "Embedding")),
    Wrong("one character", lambda: metrics.carried(None, NUMBERS[:1]), ValueError, "numbers", ("2", "1")),
    Wrong("batch of texts", lambda: metrics.from_zero(None, NUMBERS[None], 3), ValueError, "numbers", ("(M,)", "(1, 9)")),
    Wrong("negative", drawn(temperature=-1), ValueError, "temperature", ("[0.0, inf]", "-1")),
    Wrong("k of zero", drawn(top_k=0), ValueError, "top_k", ("at least 1", "0")),
    Wrong("float k", drawn(top_k=5.0), TypeError, "top_k", ("integer", "5.0")),
    Wrong("p of zero", drawn(top_p=0), ValueError, "top_p", ("(0, 1]", "0")),
    Wrong("percent", drawn(top_p=90), ValueError, "top_p", ("[0.0, 1.0]", "90")),
    Wrong("NaN", drawn(logits=torch.tensor([0, NAN])), ValueError, "logits", ("finite",)),
    Wrong("unknown character", writer(prompt="cat"), ValueError, "prompt", ("'t' at place 2",)),
    Wrong("state without a prompt", writer(prompt="", state=(STATE, STATE)), ValueError, "prompt", ("''",)),
    Wrong("vocabulary of another model", writer(vocabulary=text.Vocabulary("abcd")), ValueError, "vocabulary", ("3", "4")),
    Wrong("symbols for vocabulary", writer(vocabulary="abc"), TypeError, "vocabulary", ("Vocabulary", "str")),
    Wrong("seed of 70 bits", writer(seed=2**70), ValueError, "seed", ("2**63",)),
    Wrong("no text", lambda: sampling.read(models.CharacterModel(3, H), ABC, ""), ValueError, "text", ("''",)),
    Wrong("no seed", writer(seed=None), TypeError, "seed", ("integer", "None")),
    Wrong("state of one layer", writer(state=(STATE[:1, :1],) * 2), ValueError, "state", ("(2, 1, 5)", "(1, 1, 5)")),
    Wrong("never", writer(restart_every=0), ValueError, "restart_every", ("at least 1", "0")),
    Wrong("negative length", lambda: sampling.generate(models.CharacterModel(3, H), ABC, "a", -1), ValueError, "length", ("0", "-1")),
    Wrong("no file", lambda: checkpoints.load_model("no/such"), ValueError, "path", ("weights file", "no/such")),
    Wrong("folder that is not there", saved(path="no/such/w"), ValueError, "path", ("no/such/w",)),
    Wrong("number for path", lambda: checkpoints.load_model(3), TypeError, "path", ("a path", "int")),
    Wrong("other model", saved(model=nn.Linear(1, 1)), TypeError, "model", ("CharacterModel", "Linear")),
    Wrong("symbols for vocabulary", saved(vocabulary="abc"), TypeError, "vocabulary", ("Vocabulary", "str")),
    Wrong("weights as integers", saved(dtype=torch.int32), ValueError, "dtype", ("torch.float32", "int32")),
    Wrong("complex weights", saved(dtype=torch.complex64), ValueError, "dtype", ("complex64",)),
    Wrong("name of a dtype", saved(dtype="float16"), ValueError, "dtype", ("'float16'",)),
    Wrong("no settings", saved(settings=None), TypeError, "settings", ("dict", "NoneType")),
    Wrong("a tensor in settings", saved(settings={"lr": W}), TypeError, "settings", ("plain", "Parameter")),
    Wrong("vocabulary of another model", saved(vocabulary=text.Vocabulary("ab")), ValueError, "vocabulary", ("3", "2")),
    Wrong("order of zero", lambda: ngram.NGram("abc", 0, ABC), ValueError, "order", ("at least 1", "0")),
    Wrong("symbols", lambda: ngram.NGram("abc", 2, "abc"), TypeError, "vocabulary", ("Vocabulary", "str")),
    Wrong("text too short", lambda: ngram.NGram("abc", 4, ABC), ValueError, "text", ("order=4", "3")),
    Wrong("unknown character", lambda: ngram.NGram("abcd", 2, ABC), ValueError, "text", ("'d' at place 3",)),
    Wrong("unknown character", lambda: ngram.NGram("abc", 2, ABC).probabilities("a", "d"), ValueError, "symbol", ("'d'",)),
    Wrong("no text", lambda: ngram.NGram("abc", 2, ABC).bits_per_character(""), ValueError, "text", ("one symbol",)),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: f"{w.names}: {w.what}")
def test_the_error_names_the_argument_what_came_and_what_fits(wrong) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        wrong.call()
    assert caught.type is wrong.error
    message = str(caught.value)
    assert re.search(rf"(?<!\w){re.escape(wrong.names)}(?!\w)", message), message
    for words in wrong.says:
        assert words in message, message


def test_there_are_at_least_fifty() -> None:
    assert len({(w.what, w.names) for w in WRONG}) >= 50


RIGHT = {
    "rnn_forward": forward(), "rnn_backward": backward(), "rnn_loss": loss(),
    "readout_forward": readout(), "readout_backward": readout_back(), "cross_entropy": entropy(),
    "RNN": layer(layers.RNN, X, STATE), "LSTM": layer(layers.LSTM, X, (STATE, STATE)),
    "RNNCell": cell(cells.RNNCell), "LSTMCell": cell(cells.LSTMCell, h=(STATE[0], STATE[0])),
    "MinGRU": layer(layers.MinGRU, X, STATE), "MinLSTMCell": cell(cells.MinLSTMCell),
    "time_gate": gate(), "PhasedLSTM": phased(torch.zeros(N, T)), "lengths": ends([T, 1]),
    "train": train(), "train one step": step((W.sum(), {})),
}  # fmt: skip
RIGHT |= {"stream": writer(), "probabilities": drawn()}
RIGHT |= {"readout_loss": readout_loss()}
RIGHT |= {"gru_forward": gru_forward(), "gru_backward": gru_backward(), "gru_loss": gru_loss()}
RIGHT |= {
    "lstm_forward": lstm_forward(),
    "lstm_backward": lstm_backward(),
    "lstm_loss": lstm_loss(),
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_calls_are_right_but_for_what_is_wrong(name) -> None:
    RIGHT[name]()
