"""Graphs: edges and their errors, propagation, hops, labels, the layer and the model, Cora."""

import itertools
import math
from typing import Any

import pytest
import torch
from helpers import F64, normal, seeded

from rnnlib import corpora, graphs, models
from rnnlib.experiments import cora, study
from rnnlib.experiments.__main__ import main
from rnnlib.layers import GraphConvolution
from rnnlib.models.dropout import Dropout

SIX, NAMES = graphs.edges_of("A-B A-D A-F B-C C-F D-E")  # the page's


def drawn(V: int, share: float, seed: int = 0) -> torch.Tensor:
    """A graph in which a pair is joined with this probability."""
    pairs = list(itertools.combinations(range(V), 2))
    chosen = torch.rand(len(pairs), generator=seeded(seed)) < share
    return graphs.adjacency([p for p, c in zip(pairs, chosen, strict=True) if c], V, dtype=F64)


def shuffled(V: int, seed: int = 3) -> torch.Tensor:
    """The matrix of a permutation."""
    return torch.eye(V, dtype=F64)[torch.randperm(V, generator=seeded(seed))]


# ---- edges --------------------------------------------------------------------------------------


def test_the_matrix_of_six_nodes() -> None:
    A = graphs.adjacency(SIX, 6)
    assert A.is_sparse and A.is_coalesced() and A.dtype == torch.float32
    assert NAMES == list("ABCDEF")
    assert A.to_dense().tolist() == [
        [0, 1, 0, 1, 0, 1],
        [1, 0, 1, 0, 0, 0],
        [0, 1, 0, 0, 0, 1],
        [1, 0, 0, 0, 1, 0],
        [0, 0, 0, 1, 0, 0],
        [1, 0, 1, 0, 0, 0],
    ]


def test_an_edge_is_there_or_not_however_often_and_in_whichever_direction() -> None:
    once = graphs.adjacency([(0, 1), (2, 1)], 4).to_dense()
    again = graphs.adjacency([(1, 0), (0, 1), (1, 2), (2, 1), (0, 1)], 4).to_dense()
    assert torch.equal(once, again) and once.max() == 1
    assert not once[3].any()  # an isolated node
    assert torch.equal(once, graphs.adjacency(torch.tensor([[0, 1], [1, 2]]), 4).to_dense())
    assert graphs.adjacency([], 3)._nnz() == 0
    assert graphs.adjacency([], 3, dtype=F64).dtype == F64


@pytest.mark.parametrize(
    ("edges", "error", "says"),
    [
        ([(0, 1), (1, 4)], ValueError, r"edges must join nodes from 0 to 3, got \(1, 4\) at place 1"),
        ([(-1, 1)], ValueError, r"edges must join nodes from 0 to 3, got \(-1, 1\) at place 0"),
        ([(0, 1), (2, 2), (2, 2)], ValueError, r"edges must join two nodes: .*got \(2, 2\) at place 1"),
        ([(0, 1, 2)], ValueError, r"edges must have shape \(E, 2\), got \(1, 3\)"),
        ([0, 1], ValueError, r"edges must have shape \(E, 2\), got \(2,\)"),
        ([(0, 1.5)], TypeError, "edges must be pairs .* of integers, got torch.float32"),
        ([(0, 1), (2,)], TypeError, "edges must be pairs"),
        (["ab"], TypeError, "edges must be pairs"),
        (3, TypeError, "edges must be pairs"),
    ],
)  # fmt: skip
def test_edges_that_are_none_are_refused(edges, error, says) -> None:
    with pytest.raises(error, match=says):
        graphs.adjacency(edges, 4)


def test_edges_are_read_as_they_are_typed() -> None:
    assert graphs.edges_of(" b-a,a-c ") == ([(1, 0), (0, 2)], ["a", "b", "c"])
    for text, got in (("", "nothing"), ("A-B C", "'C'"), ("A-B-C", "'A-B-C'"), ("A-", "'A-'")):
        with pytest.raises(ValueError, match=f"text must hold edges such as A-B, .* got {got}"):
            graphs.edges_of(text)
    with pytest.raises(TypeError, match="text must be a str, got list"):
        graphs.edges_of(["A-B"])  # type: ignore[arg-type]


# ---- propagation --------------------------------------------------------------------------------


@pytest.mark.parametrize("lam", [0.3, 1.0, 4.0])
def test_propagation_is_the_matrix_of_the_equation(lam) -> None:
    A, u = drawn(9, 0.4), normal(9, 3)
    dense = A.to_dense() + lam * torch.eye(9, dtype=F64)
    D = torch.diag(dense.sum(1).pow(-0.5))
    torch.testing.assert_close(graphs.propagate(A, u, lam), D @ dense @ D @ u, rtol=1e-13, atol=0)
    torch.testing.assert_close(graphs.normalised(A, lam), D @ dense @ D, rtol=1e-13, atol=1e-16)
    assert torch.equal(graphs.propagate(A.to_dense(), u, lam), graphs.propagate(A, u, lam))


def test_the_spectrum_lies_above_minus_one_with_self_connections_and_at_it_without() -> None:
    A = graphs.adjacency(SIX, 6, dtype=F64)  # two-coloured
    bare = torch.linalg.eigvalsh(graphs.normalised(A, 0.0))
    assert bare[0] == pytest.approx(-1, abs=1e-12) and bare[-1] == pytest.approx(1)
    for lam in (0.1, 1.0, 3.0):
        own = torch.linalg.eigvalsh(graphs.normalised(A, lam))
        assert own[0] > -1 + 0.05 * lam / (1 + lam) and own[-1] == pytest.approx(1)


def test_the_square_root_of_the_degrees_is_what_stays() -> None:
    A = drawn(8, 0.5)
    q = (A.to_dense().sum(1, keepdim=True) + 0.5).sqrt()
    torch.testing.assert_close(graphs.propagate(A, q, 0.5), q, rtol=1e-13, atol=0)


def test_a_lone_node_keeps_what_it_has_and_without_lam_there_is_nothing() -> None:
    A = graphs.adjacency([(0, 1)], 3, dtype=F64)
    u = normal(3, 2)
    assert torch.equal(graphs.propagate(A, u, 0.25)[2], u[2])
    assert graphs.propagate(A, u, 0.0)[2].isnan().all()
    with pytest.raises(ValueError, match=r"lam must make .* positive, got 0 at node 2"):
        graphs.normalised(A, 0.0)
    with pytest.raises(ValueError, match="lam must be finite, got nan"):
        graphs.normalised(A, float("nan"))
    with pytest.raises(ValueError, match=r"A must have shape \(V, V\)"):
        graphs.normalised(A.to_dense()[:2])


@pytest.mark.parametrize("seed", range(4))
def test_hops_are_the_first_power_with_an_entry(seed) -> None:
    A = drawn(14, 0.1, seed)
    walks = torch.eye(14, dtype=F64)
    first = torch.full((14, 14), -1)
    for k in range(14):
        first[(first < 0) & (walks > 0)] = k
        walks = A.to_dense() @ walks + walks  # (A + I)^k
    for source in range(14):
        assert graphs.hops(A, source) == first[:, source].tolist()
    assert seed or ((first < 0).any() and (first > 1).any())  # in parts, some of them long


def test_from_C_to_E_it_takes_four_layers() -> None:
    A = graphs.adjacency(SIX, 6)
    assert graphs.hops(A, NAMES.index("C")) == [2, 1, 0, 3, 4, 1]
    powers = [torch.linalg.matrix_power(A.to_dense(), k)[4, 2].item() for k in range(5)]
    assert powers == [0, 0, 0, 0, 2]  # two walks, over B and over F
    for source, says in ((6, "source must be a node from 0 to 5, got 6"), (-1, "at least 0")):
        with pytest.raises(ValueError, match=says):
            graphs.hops(A, source)


# ---- labels -------------------------------------------------------------------------------------


def test_labels_spread_to_the_harmonic_solution() -> None:
    """Inner nodes end at the mean of their neighbours: a linear system, solved directly."""
    A = graphs.adjacency([*SIX, (4, 6), (1, 6)], 9, dtype=F64)  # 7 and 8 hear nothing
    nodes, y = torch.tensor([2, 4]), torch.tensor([0, 2])
    F = graphs.spread_labels(A, nodes, y, 3)
    inner = torch.tensor([0, 1, 3, 5, 6])
    dense = A.to_dense()
    L = torch.diag(dense.sum(1)) - dense
    own = torch.nn.functional.one_hot(y, 3).double()
    solved = torch.linalg.solve(L[inner][:, inner], dense[inner][:, nodes] @ own)
    torch.testing.assert_close(F[inner], solved, rtol=1e-9, atol=1e-12)
    assert torch.equal(F[nodes], own)
    assert torch.equal(F[7:], torch.full((2, 3), 1 / 3, dtype=F64))
    one = graphs.spread_labels(A, nodes, y, 3, steps=1)
    assert one[3].tolist() == pytest.approx([1 / 6, 1 / 6, 2 / 3])  # of A, unlabelled, and E
    with pytest.raises(ValueError, match=r"y must be in \[0, 2\)"):
        graphs.spread_labels(A, nodes, y, 2)
    with pytest.raises(ValueError, match=r"nodes must be in \[0, 9\)"):
        graphs.spread_labels(A, nodes + 7, y, 3)


# ---- the layer and the model --------------------------------------------------------------------


def gcn(**options: Any) -> models.GCN:
    return models.GCN(3, 8, 4, **{"dropout": 0.0, "generator": seeded(1)} | options).double()


@pytest.mark.parametrize("num_layers", [1, 2, 5])
def test_renumbered_nodes_get_the_same_answers(num_layers) -> None:
    A, x, P = drawn(10, 0.3), normal(10, 3), shuffled(10)
    model = gcn(num_layers=num_layers, lam=0.6)
    other = model((P @ A.to_dense() @ P.T).to_sparse(), P @ x)
    torch.testing.assert_close(other, P @ model(A, x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("num_layers", [1, 2, 3, 4])
def test_a_layer_reaches_one_edge_further(num_layers) -> None:
    A = graphs.adjacency(SIX, 6, dtype=F64)
    x = normal(6, 3).requires_grad_()
    model = gcn(num_layers=num_layers)
    for layer in model.layers:  # away from where ReLU is flat
        layer.b.data.fill_(50.0)
    for v in range(6):
        (grad,) = torch.autograd.grad(model(A, x)[v].sum(), x)
        near = [k <= num_layers for k in graphs.hops(A, v)]
        assert grad.abs().sum(1).gt(0).tolist() == near


def test_a_sparse_x_is_taken_in_both_modes_and_dropout_draws_for_its_entries() -> None:
    A, x = drawn(10, 0.3), (normal(10, 3) * (normal(10, 3, seed=5) > 0)).to_sparse()
    model = gcn()
    torch.testing.assert_close(model(A, x), model(A, x.to_dense()), rtol=1e-13, atol=0)
    wide = torch.ones(200, 50).to_sparse()
    drop = Dropout(0.25, generator=seeded(2))
    found = drop(wide)
    assert found.is_sparse and found.is_coalesced()
    values = found.values().unique().tolist()
    assert values == [0.0, pytest.approx(1 / 0.75)]
    assert (found.values() == 0).double().mean().item() == pytest.approx(0.25, abs=0.02)
    assert drop.eval()(wide) is wide
    assert not torch.equal(gcn(dropout=0.5)(A, x), gcn(dropout=0.5, generator=seeded(9))(A, x))


def test_what_the_last_layer_reads() -> None:
    A, x = drawn(10, 0.3), normal(10, 3)
    model = gcn(num_layers=3)
    h = model.features(A, x)
    assert h.shape == (10, 8) and h.min() == 0
    assert torch.equal(model(A, x), model.layers[2](A, h, model.lam))
    assert gcn(num_layers=1).features(A, x) is x


def test_the_generator_decides_all_weights_and_lam_is_learned_if_that_is_asked() -> None:
    torch.manual_seed(0)
    one = gcn()
    torch.manual_seed(1)
    two = gcn()
    assert all(map(torch.equal, one.parameters(), two.parameters()))
    assert one.layers[0].W.abs().max() <= (6 / 11) ** 0.5 and not one.layers[0].b.any()
    assert not one.lam.requires_grad and gcn(learn_lam=True, lam=2).lam.tolist() == [2.0]
    assert "3, 8" in repr(one.layers[0])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: models.GCN(0, 8, 4), ValueError, "input_size must be at least 1, got 0"),
        (lambda: models.GCN(3, 8, 4, 0), ValueError, "num_layers must be at least 1, got 0"),
        (lambda: models.GCN(3, 8, 4, dropout=1.0), ValueError, "dropout must be below 1"),
        (lambda: models.GCN(3, 8, 4, lam="1"), TypeError, "lam must be a number"),
        (lambda: models.GCN(3, 8, 4, learn_lam=2), TypeError, "learn_lam must be True or False"),
        (lambda: GraphConvolution(3, 2)(torch.eye(4), torch.ones(4, 5)), ValueError, r"x must have shape \(V, 3\)"),
        (lambda: GraphConvolution(3, 2)(torch.eye(5), torch.ones(4, 3)), ValueError, r"A must have shape \(4, 4\)"),
        (lambda: GraphConvolution(3, 2)(torch.eye(4).double(), torch.ones(4, 3)), TypeError, "A must have the weights' data type"),
        (lambda: GraphConvolution(3, 2)(torch.eye(4), [[1.0] * 3] * 4), TypeError, "x must be a torch.Tensor"),
    ],
)  # fmt: skip
def test_wrong_networks_are_refused_by_name(call, error, says) -> None:
    with pytest.raises(error, match=says):
        call()


def test_what_is_not_finite_stays_so_and_reaches_no_further_than_its_message() -> None:
    A, x = graphs.adjacency(SIX, 6, dtype=F64), normal(6, 3)
    x[4] = float("nan")  # E, which two layers carry to D and A
    found = gcn()(A, x).isnan().any(1).tolist()
    assert found == [True, False, False, True, True, False]


# ---- Cora ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def papers() -> graphs.NodeTask:
    try:
        return graphs.cora()
    except corpora.CorpusUnavailable:
        pytest.skip("Cora is not here")


def test_cora_is_as_its_papers_describe_it(papers) -> None:
    A, x, y, classes, *parts = papers
    assert (A.shape, A._nnz(), x.shape) == ((2708, 2708), 2 * 5278, (2708, 1433))
    assert torch.equal(A.to_dense(), A.to_dense().T) and x.to_dense().sum(1).allclose(torch.ones(1))
    assert dict(zip(classes, y.bincount().tolist(), strict=True)) == {
        "Case_Based": 298, "Genetic_Algorithms": 418, "Neural_Networks": 818,
        "Probabilistic_Methods": 426, "Reinforcement_Learning": 217, "Rule_Learning": 180,
        "Theory": 351,
    }  # fmt: skip
    assert [len(part) for part in parts] == [140, 500, 1000]
    assert y[parts[0]].bincount().tolist() == 7 * [20]
    assert torch.cat(parts).unique().numel() == 1640


SMALL = {
    "edges": True, "num_layers": 2, "hidden": 4, "lam": 1.0, "learn_lam": False,
    "dropout": 0.5, "weight_decay": 5e-4, "lr": 0.01, "epochs": 2, "seed": 0,
}  # fmt: skip


def toy() -> graphs.NodeTask:
    """Two rings of 20, whose nodes' features say little and whose neighbours agree."""
    rings = [(20 * r + n, 20 * r + (n + 1) % 20) for r in range(2) for n in range(20)]
    y = torch.arange(40) // 20
    x = torch.randn(40, 6, generator=seeded(4)) + 0.3 * (2 * y - 1)[:, None]
    parts = (torch.tensor([0, 10, 20, 30]), torch.arange(1, 40, 4), torch.arange(2, 40, 4))
    return graphs.NodeTask(graphs.adjacency(rings, 40), x, y, ["a", "b"], *parts)


@pytest.fixture
def rings(monkeypatch) -> None:
    monkeypatch.setattr(cora, "data", toy)


def test_cosines_are_of_all_pairs_without_a_node_and_itself() -> None:
    h = torch.tensor([[1.0, 0], [0, 2], [3, 0], [1, 1]])
    found = cora.alike(h, torch.tensor([0, 0, 1, 1]))
    half = 0.5**0.5
    assert found == pytest.approx({"same": half / 2, "other": (1 + half + 0 + half) / 4})


def test_the_graph_helps_and_a_run_repeats(rings) -> None:
    long = SMALL | {"epochs": 60, "lr": 0.05}
    with_graph, without = (cora.run(**long | {"edges": e, "num_layers": 2}) for e in (True, False))
    assert with_graph["test"] > without["test"] and with_graph["train"] == 1.0
    assert cora.run(**long) == with_graph != cora.run(**long | {"seed": 1})
    assert set(with_graph) == {"train", "valid", "test", "loss", "lam", "cosine"}


def test_lam_moves_only_if_it_is_learned(rings) -> None:
    assert cora.run(**SMALL)["lam"] == 1.0
    assert cora.run(**SMALL | {"learn_lam": True, "lam": 2.0})["lam"] not in (1.0, 2.0)


def test_the_linear_model_is_at_its_minimum_and_powers_smooth_the_input(rings) -> None:
    few, many = (cora.linear(power=k, weight_decay=1e-2, seed=0) for k in (0, 30))
    assert many["cosine"]["same"] > 0.7 > few["cosine"]["same"]
    for found in (few, many):
        assert 0 < found["gradient"] < 1e-7
    loosely, tightly = (cora.linear(power=2, weight_decay=w, seed=0)["loss"] for w in (1e-6, 1.0))
    assert loosely < tightly < math.log(2)  # what weights of zero cost, with two classes


def test_the_study_has_all_that_the_page_compares(rings, monkeypatch, tmp_path) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(study, "data_dir", lambda: tmp_path)  # no record is there
    monkeypatch.setattr(
        cora, "run_study", lambda name, run, settings, workers: seen.extend(settings)
    )
    assert main(["cora", "--seeds", "2", "--main-seeds", "3"]) == 0
    networks = [s for s in seen if "power" not in s]
    convex = [s for s in seen if "power" in s]
    assert (
        len(networks)
        == len({str(s) for s in networks})
        == 3 * 3 + 2 * (len(cora.LAMS) + 4 * len(cora.DEPTHS) + 2)
    )
    assert all(s.keys() == SMALL.keys() for s in networks)
    assert len(convex) == len({str(s) for s in convex}) == len(cora.POWERS) * len(cora.DECAYS)
