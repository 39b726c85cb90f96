"""Papers that cite each other: graph convolutions on Cora, beside networks that see no citations.

One run trains for a fixed number of epochs on the 140 papers of the Planetoid split that show their
class, and measures the accuracy on the others after the last: no epoch is chosen.

A second record, NAME_linear, is of words that are propagated k times before a linear model reads
them: what smoothing alone does. Its loss is convex, so it is trained to its minimum.
"""

from __future__ import annotations

import argparse
import functools
import itertools
from typing import Any, cast

import torch
from torch import Tensor, nn

from rnnlib import graphs, models, training
from rnnlib.experiments.study import Settings, not_lost, rounded, run_study

DEPTHS = (1, 3, 4, 6, 8)  # beside 2
LAMS = (0.0, 0.5, 2.0, 5.0)  # beside 1
POWERS = (0, 2, 8, 32, 128)
DECAYS = (1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)

data = functools.cache(graphs.cora)  # once a process


def alike(h: Tensor, y: Tensor) -> dict[str, float]:
    """Mean cosine of two nodes' rows of h (V, H), for nodes of one class and of two."""
    unit = nn.functional.normalize(h, dim=1)
    cosines, same = unit @ unit.T, y[:, None] == y
    other = ~same
    same.fill_diagonal_(False)
    return {"same": cosines[same].mean().item(), "other": cosines[other].mean().item()}


def fit(
    model: models.GCN, A: Tensor, x: Tensor, y: Tensor, nodes: Tensor, epochs: int,
    *, lr: float = 0.01, weight_decay: float = 5e-4,
) -> training.History:  # fmt: skip
    """Train on the classes ``y`` (V,) of the ``nodes``, by Adam, a step an epoch on all of them.

    As in Kipf and Welling (2017) the first layer alone decays. Leaves the model in evaluation mode.
    """
    first, rest = model.layers[0], model.layers[1:]
    groups: list[dict[str, Any]] = [
        {"params": list(first.parameters()), "weight_decay": weight_decay},
        {"params": [*rest.parameters(), model.lam]},
    ]

    def loss(net: nn.Module, labelled: Tensor) -> tuple[Tensor, training.Metrics]:
        return nn.functional.cross_entropy(net(A, x)[labelled], y[labelled]), {}

    whole = cast(Any, itertools.repeat(nodes))
    history = training.train(
        model, whole, loss, torch.optim.Adam(groups, lr=lr), epochs, progress=False
    )
    model.eval()
    return history


def run(
    *, edges: bool, num_layers: int, hidden: int, lam: float, learn_lam: bool,
    dropout: float, weight_decay: float, lr: float, epochs: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """One network; every random number comes from ``seed``.

    edges: whether the layers see the citations.
    """
    A, x, y, classes, train, _, test = data()
    if not edges:
        A = graphs.adjacency([], len(y))
    generator = torch.Generator().manual_seed(seed)
    model = models.GCN(
        x.shape[1], hidden, len(classes), num_layers,
        dropout=dropout, lam=lam, learn_lam=learn_lam, generator=generator,
    )  # fmt: skip
    history = fit(model, A, x, y, train, epochs, lr=lr, weight_decay=weight_decay)
    with torch.no_grad():
        p, h = model(A, x), model.features(A, x).to_dense()[test]
    return rounded(
        shares(p) | {"loss": history.loss[-1], "lam": model.lam.item(), "cosine": alike(h, y[test])}
    )


def linear(*, power: int, weight_decay: float, seed: int) -> dict[str, Any]:
    """A linear model of the words after ``power`` propagations; it begins at zero, without draws.

    The mean cross-entropy plus weight_decay / 2 times the sum of squared weights, at its minimum.
    """
    A, x, y, classes, train, _, test = data()
    A, x = A.double(), x.to_dense().double()
    for _ in range(power):
        x = graphs.propagate(A, x)
    W = torch.zeros(len(classes), x.shape[1] + 1, dtype=x.dtype, requires_grad=True)  # a bias last
    optimizer = torch.optim.LBFGS(
        [W], max_iter=5000, tolerance_grad=1e-7, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        p = x[train] @ W[:, :-1].T + W[:, -1]  # (140, K)
        squares = W[:, :-1].square().sum()
        total = nn.functional.cross_entropy(p, y[train]) + weight_decay / 2 * squares
        total.backward()
        return total

    optimizer.step(loss)
    final = loss().item()
    assert W.grad is not None
    with torch.no_grad():
        p = x @ W[:, :-1].T + W[:, -1]
    found = rounded(shares(p) | {"loss": final, "cosine": alike(x[test], y[test])})
    return found | {"gradient": W.grad.abs().max().item()}  # how near the minimum


def shares(p: Tensor) -> dict[str, float]:
    """Of logits p (V, K), the share that is right in each part of the split."""
    _, _, y, _, train, valid, test = data()
    right = (p.argmax(dim=1) == y).double()
    parts = {"train": train, "valid": valid, "test": test}
    return {name: right[nodes].mean().item() for name, nodes in parts.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own options; seeds are those of depths and weights of a node's own message."""
    parser.add_argument("--main-seeds", type=int, default=100, help="of two layers, edges or none")
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=200)


def main(chosen: argparse.Namespace) -> None:
    """Two layers first, then lam and depths; then the words propagated for a linear model."""
    names = ("hidden", "dropout", "weight_decay", "lr", "epochs")
    shared = {name: getattr(chosen, name) for name in names}
    shared |= {"edges": True, "num_layers": 2, "lam": 1.0, "learn_lam": False}
    few, many = range(chosen.seeds), range(chosen.main_seeds)
    settings: list[Settings] = []

    def add(seeds: range, **own: Any) -> None:
        settings.extend(shared | own | {"seed": seed} for seed in seeds)

    add(many)
    add(many, edges=False)
    add(many, learn_lam=True)
    for lam in LAMS:
        add(few, lam=lam)
    for depth in DEPTHS:
        add(few, num_layers=depth)
        add(few, num_layers=depth, dropout=0.0)
        add(few, num_layers=depth, edges=False)
        add(few, num_layers=depth, edges=False, dropout=0.0)
    add(few, dropout=0.0)
    add(few, dropout=0.0, edges=False)
    pairs = itertools.product(POWERS, DECAYS)
    convex = [{"power": k, "weight_decay": decay, "seed": 0} for k, decay in pairs]
    first, second = not_lost(chosen.name, settings), not_lost(f"{chosen.name}_linear", convex)
    run_study(first, run, settings, chosen.workers)
    run_study(second, linear, convex, chosen.workers)
