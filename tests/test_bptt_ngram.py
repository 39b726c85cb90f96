"""The hand-derived gradients of the n-gram network, against differences and autograd, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import largest_error
from torch.nn import functional

from rnnlib import bptt
from rnnlib.check import central_difference
from rnnlib.models import NGramLM

#         N, M, E, H, K
SIZES = [(1, 1, 1, 1, 2), (4, 3, 2, 5, 7), (30, 2, 3, 4, 5), (6, 4, 1, 8, 3)]
each = pytest.mark.parametrize(
    ("size", "activation"), [(s, f) for s in SIZES for f in ("tanh", "linear")], ids=str
)


def problem(size: tuple[int, ...]) -> dict[str, Any]:
    """All arrays of ``ngram_loss``, at random; words repeat in a window and in the batch."""
    N, M, E, H, K = size
    rng = np.random.default_rng(sum(size))
    shapes = {"C": (K, E), "W_hx": (H, M * E), "b_h": (H,), "W_ph": (K, H), "b_p": (K,)}
    words = rng.integers(0, K, (N, M))
    words[0] = words[0, 0]  # one word in every place of a window
    words[-1] = words[0]  # and the window a second time
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return {"weights": weights, "words": words, "y": rng.integers(0, K, N)}


def model(a: dict[str, Any], activation: str) -> NGramLM:
    """``NGramLM`` with the same weights."""
    (K, E), H, M = a["weights"]["C"].shape, len(a["weights"]["b_h"]), a["words"].shape[1]
    twin = NGramLM(K, M, E, H, activation).double()
    values = [torch.from_numpy(a["weights"][name]) for name in ("C", "W_hx", "b_h", "W_ph", "b_p")]
    with torch.no_grad():
        for weight, value in zip(twin.parameters(), values, strict=True):
            weight.copy_(value)
    return twin


@each
def test_loss_and_hand_gradients_equal_autograd(size, activation) -> None:
    a = problem(size)
    loss, grads = bptt.ngram_loss(**a, activation=activation)
    twin = model(a, activation)
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str):
        return lambda *args: seen.setdefault(name, args[-1]).retain_grad()

    twin.hidden.register_forward_pre_hook(lambda _, args: keep("x")(args[0]))
    twin.readout.register_forward_pre_hook(lambda _, args: keep("h")(args[0]))
    logits = twin(torch.from_numpy(a["words"]))
    expected = functional.cross_entropy(logits, torch.from_numpy(a["y"]))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-13)
    by_autograd = {name: value.grad for name, value in seen.items()}
    for name, weight in zip(("C", "W_hx", "b_h", "W_ph", "b_p"), twin.parameters(), strict=True):
        by_autograd[name] = weight.grad
    assert largest_error(grads, by_autograd) <= 1e-12


@each
def test_hand_gradients_equal_central_differences(size, activation) -> None:
    a = problem(size)
    _, grads = bptt.ngram_loss(**a, activation=activation)

    def loss() -> float:  # without the backward pass
        h, _ = bptt.ngram_forward(a["words"], a["weights"], activation)
        p = bptt.readout_forward(h, a["weights"]["W_ph"], a["weights"]["b_p"])
        return bptt.cross_entropy(p, a["y"])[0]

    found = {name: grads[name] for name in a["weights"]}
    expected = {k: central_difference(loss, v, 1e-5) for k, v in a["weights"].items()}
    assert largest_error(found, expected) <= 1e-7


def test_a_word_gets_the_sum_over_all_its_places() -> None:
    a = problem((30, 2, 3, 4, 5))
    _, grads = bptt.ngram_loss(**a)
    dx = grads["x"].reshape(30, 2, 3)
    for k in range(5):
        assert grads["C"][k] == pytest.approx(dx[a["words"] == k].sum(axis=0), rel=1e-12)
    absent = np.array([[0, 1], [1, 3]])  # of the words 2 and 4 no window tells
    _, grads = bptt.ngram_loss(absent, np.array([2, 4]), a["weights"])
    assert not grads["C"][[2, 4]].any()


def test_a_linear_hidden_layer_is_one_matrix() -> None:
    a = problem((4, 3, 2, 5, 7))
    h, cache = bptt.ngram_forward(a["words"], a["weights"], "linear")
    assert h == pytest.approx(cache.x @ a["weights"]["W_hx"].T + a["weights"]["b_h"], rel=1e-14)
    assert bptt.ngram_forward(a["words"], a["weights"])[0] == pytest.approx(np.tanh(h), rel=1e-14)


def test_activations_are_known_ones() -> None:
    with pytest.raises(ValueError, match=r"activation must be one of .*'linear'.* got 'relu'"):
        bptt.ngram_loss(**problem(SIZES[1]), activation="relu")


def test_descent_by_hand_learns_what_follows() -> None:
    text = np.tile([0, 1, 2, 0, 2, 1], 20)  # two words tell the third
    words, y = np.stack([text[:-2], text[1:-1]], axis=1), text[2:]
    rng = np.random.default_rng(0)
    shapes = {"C": (3, 4), "W_hx": (8, 8), "b_h": (8,), "W_ph": (3, 8), "b_p": (3,)}
    weights = {name: 0.5 * rng.normal(size=shape) for name, shape in shapes.items()}
    losses = []
    for _ in range(60):
        loss, grads = bptt.ngram_loss(words, y, weights)
        losses.append(loss)
        for name in weights:
            weights[name] -= grads[name]
    assert losses[0] > 1
    assert losses[-1] < 0.05


def test_float32_stays_float32() -> None:
    a = problem(SIZES[1])
    small = {k: v.astype(np.float32) for k, v in a["weights"].items()}
    _, grads = bptt.ngram_loss(a["words"], a["y"], small)
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
