"""The hand-derived gradients of graph convolutions, against differences and autograd, in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import largest_error
from torch.nn import functional

from rnnlib import bptt, graphs
from rnnlib.check import central_difference
from rnnlib.models import GCN

GRAPHS = {  # V, edges
    "one node": (1, []),
    "no edges": (4, []),
    "a path": (5, [(0, 1), (1, 2), (2, 3), (3, 4)]),
    "two parts and a lone node": (7, [(0, 1), (1, 2), (2, 0), (4, 5)]),
    "a star": (6, [(2, n) for n in (0, 1, 3, 4, 5)]),
    "drawn": (12, [(a, b) for a in range(12) for b in range(a) if (7 * a + 3 * b) % 5 < 2]),
}
each = pytest.mark.parametrize("kind", GRAPHS)
D, H, K = 3, 4, 5


def problem(kind: str) -> dict[str, Any]:
    """All arrays of ``gcn_loss``, at random; a node may stand twice among the labelled ones."""
    V, edges = GRAPHS[kind]
    rng = np.random.default_rng(V)
    shapes = {"W_hx": (H, D), "b_h": (H,), "W_ph": (K, H), "b_p": (K,)}
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    return {
        "A": graphs.adjacency(edges, V, dtype=torch.float64).to_dense().numpy(),
        "x": rng.normal(size=(V, D)),
        "nodes": np.array([V - 1, 0, 0]),
        "y": rng.integers(0, K, 3),
        "weights": weights | {"lam": np.array([0.7])},
    }


def arrays(a: dict[str, Any]) -> dict[str, Any]:
    return a["weights"] | {"x": a["x"]}


def error(grads: dict[str, Any], expected: dict[str, Any], kind: str) -> float:
    """The largest relative error; without edges lam counts for nothing, up to rounding."""
    left_out = {"u"}
    if not GRAPHS[kind][1]:
        assert abs(grads["lam"]) < 1e-14
        left_out.add("lam")
    return largest_error(
        *({n: g for n, g in a.items() if n not in left_out} for a in (grads, expected))
    )


@each
def test_hand_gradients_equal_central_differences(kind) -> None:
    a = problem(kind)
    _, grads = bptt.gcn_loss(**a)
    quotients = {
        name: central_difference(lambda: bptt.gcn_loss(**a)[0], value)
        for name, value in arrays(a).items()
    }
    assert error(grads, quotients, kind) <= 1e-7


@each
@pytest.mark.parametrize("sparse", [True, False])
def test_loss_and_hand_gradients_equal_autograd_through_the_model(kind, sparse) -> None:
    a = problem(kind)
    model = GCN(D, H, K, dropout=0.0, learn_lam=True).double()
    named = dict(zip(("lam", "W_hx", "b_h", "W_ph", "b_p"), model.parameters(), strict=True))
    with torch.no_grad():
        for name, weight in named.items():
            weight.copy_(torch.from_numpy(a["weights"][name]))
    A = torch.from_numpy(a["A"])
    x = torch.from_numpy(a["x"]).requires_grad_()
    logits = model(A.to_sparse() if sparse else A, x)[torch.from_numpy(a["nodes"])]
    expected = functional.cross_entropy(logits, torch.from_numpy(a["y"]))
    expected.backward()
    loss, grads = bptt.gcn_loss(**a)
    assert loss == pytest.approx(expected.item(), rel=1e-14)
    by_autograd = {name: weight.grad for name, weight in named.items()} | {"x": x.grad}
    assert error(grads, by_autograd, kind) <= 1e-12


@each
def test_one_layer_is_the_matrix_of_the_equation_and_its_gradients_hold_for_directed_edges(
    kind,
) -> None:
    a = problem(kind)
    rng = np.random.default_rng(1)
    A = np.triu(a["A"]) + rng.uniform(0.1, 1, a["A"].shape)  # not symmetric, with weights
    lam = a["weights"]["lam"]
    d = A.sum(1) + lam
    P = (A + lam * np.eye(len(A))) / np.sqrt(np.outer(d, d))
    weights = {name: a["weights"][name] for name in ("W_hx", "b_h", "lam")}
    found, cache = bptt.gcn_forward(A, a["x"], weights)
    assert found == pytest.approx(P @ a["x"] @ weights["W_hx"].T + weights["b_h"], rel=1e-12)
    da = rng.normal(size=found.shape)
    grads = bptt.gcn_backward(da, cache)
    quotients = {
        name: central_difference(
            lambda: float((bptt.gcn_forward(A, a["x"], weights)[0] * da).sum()), value
        )
        for name, value in (weights | {"x": a["x"]}).items()
    }
    assert error(grads, quotients, "drawn") <= 1e-7
    assert grads["u"] == pytest.approx(P.T @ da, rel=1e-12)


def test_what_lies_further_away_than_two_edges_has_no_part_in_the_loss() -> None:
    a = problem("a path") | {"nodes": np.array([0]), "y": np.array([1])}
    _, grads = bptt.gcn_loss(**a)
    assert np.abs(grads["x"][:3]).min(axis=1).all() and not grads["x"][3:].any()


def test_a_graph_without_edges_is_a_network_that_sees_each_node_alone() -> None:
    a = problem("no edges")
    w = a["weights"]
    h = np.maximum(a["x"] @ w["W_hx"].T + w["b_h"], 0)
    p = h @ w["W_ph"].T + w["b_p"]
    assert bptt.gcn_loss(**a)[0] == pytest.approx(bptt.cross_entropy(p[a["nodes"]], a["y"])[0])


def test_a_node_without_neighbours_needs_a_message_of_its_own() -> None:
    a = problem("two parts and a lone node")
    for lam, d in ((0.0, "0"), (-1.5, "-1.5")):
        a["weights"]["lam"] = np.array([lam])
        with pytest.raises(ValueError, match=rf"lam must make .* positive, got {d} at node 3"):
            bptt.gcn_loss(**a)


def test_arguments_are_left_as_they_were_and_float32_stays() -> None:
    a = problem("drawn")
    before = {name: value.copy() for name, value in arrays(a).items()}
    bptt.gcn_loss(**a)
    assert all(np.array_equal(value, before[name]) for name, value in arrays(a).items())
    small = {name: a[name].astype(np.float32) for name in ("A", "x")}
    weights = {name: w.astype(np.float32) for name, w in a["weights"].items()}
    _, grads = bptt.gcn_loss(**(a | small | {"weights": weights}))
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
