"""A vanilla RNN along the edges of a graph: on a path it is the RNN, elsewhere autograd agrees."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers import largest_error

from rnnlib import bptt
from rnnlib.check import central_difference

N, D, H = 3, 2, 4
GRAPHS = {  # V, edges u -> v
    "no edges": (3, [(0, 2)][:0]),
    "a path": (6, [(v, v + 1) for v in range(5)]),
    "a tree": (7, [(0, 4), (1, 4), (2, 5), (3, 5), (4, 6), (5, 6)]),
    "a short cut": (5, [(0, 1), (1, 2), (0, 3), (2, 3), (0, 4), (3, 4)]),
    "an edge twice": (3, [(0, 2), (1, 2), (0, 2)]),
}


def problem(kind: str) -> dict[str, Any]:
    V, edges = GRAPHS[kind]
    rng = np.random.default_rng(len(kind))
    shapes = {"x": (N, V, D), "h0": (N, H), "W_hx": (H, D), "W_hh": (H, H), "b_h": (H,)}
    found = {name: 0.7 * rng.normal(size=shape) for name, shape in shapes.items()}
    return found | {"edges": np.array(edges or [(0, 1)]), "dh": rng.normal(size=(N, V, H))}


def forward(a: dict[str, Any]) -> tuple[np.ndarray, bptt.DAGCache]:
    weights = {name: a[name] for name in ("W_hx", "W_hh", "b_h")}
    return bptt.dag_forward(a["x"], a["h0"], a["edges"], weights)


@pytest.mark.parametrize("T", [2, 3, 50])
def test_on_a_path_states_and_gradients_are_the_rnns_to_the_last_bit(T) -> None:
    rng = np.random.default_rng(T)
    shapes = {"x": (N, T, D), "h0": (N, H), "W_hx": (H, D), "W_hh": (H, H), "b_h": (H,)}
    a = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    a["edges"] = np.array([(t, t + 1) for t in range(T - 1)])
    h, cache = forward(a)
    weights = {name: a[name] for name in ("W_hx", "W_hh", "b_h")}
    expected, chain = bptt.rnn_forward(a["x"], a["h0"], weights)
    assert np.array_equal(h, expected)
    dh = rng.normal(size=h.shape)
    found, wanted = bptt.dag_backward(dh, cache), bptt.rnn_backward(dh, chain)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name]) for name in found)


@pytest.mark.parametrize("kind", [kind for kind in GRAPHS if kind != "no edges"])
def test_states_and_gradients_equal_autograd_and_differences(kind) -> None:
    a = problem(kind)
    names = ("x", "h0", "W_hx", "W_hh", "b_h")
    leaf = {name: torch.tensor(a[name], requires_grad=True) for name in names}
    states: list[torch.Tensor] = []
    for v in range(a["x"].shape[1]):
        sent = [states[u] for u, w in a["edges"].tolist() if w == v]
        heard = sum(sent[1:], sent[0]) if sent else leaf["h0"]
        state = leaf["x"][:, v] @ leaf["W_hx"].T + heard @ leaf["W_hh"].T + leaf["b_h"]
        states.append(torch.tanh(state))
        states[-1].retain_grad()
    h, cache = forward(a)
    assert h == pytest.approx(torch.stack(states, 1).detach().numpy(), rel=1e-13)
    (torch.stack(states, 1) * torch.from_numpy(a["dh"])).sum().backward()
    before = a["dh"].copy()
    grads = bptt.dag_backward(a["dh"], cache)
    assert np.array_equal(before, a["dh"])
    expected = {name: value.grad for name, value in leaf.items()}
    expected["h"] = torch.stack([state.grad for state in states], 1)
    assert largest_error(grads, expected) <= 1e-12
    quotients = {
        name: central_difference(lambda: float((forward(a)[0] * a["dh"]).sum()), a[name])
        for name in names
    }
    assert largest_error({name: grads[name] for name in names}, quotients) <= 1e-7


@pytest.mark.parametrize("edge", [(2, 1), (1, 1)])
def test_an_edge_against_the_order_is_refused(edge) -> None:
    a = problem("a path")
    a["edges"][2] = edge
    with pytest.raises(ValueError, match=rf"edges must lead .* larger number, got \({edge[0]}, "):
        forward(a)


def test_a_node_that_is_not_there_is_refused() -> None:
    a = problem("a path")
    a["edges"][2] = (2, 6)
    with pytest.raises(ValueError, match=r"edges must be in \[0, 6\), got values from 0 to 6"):
        forward(a)
