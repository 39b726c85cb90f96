"""From a list of edges to a sparse adjacency matrix, and from letters to edges."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from rnnlib import validate

SIX = "A-B A-D A-F B-C C-F D-E"  # the graph of six nodes that the book looks at


def adjacency(edges: Any, V: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """Adjacency matrix A (V, V) of an undirected graph, sparse, with 1 for each edge.

    edges: pairs (i, j) of nodes 0 to V - 1, or an int64 tensor (E, 2). An edge has no direction and
    is there or not: (i, j), (j, i) and a second (i, j) are one edge, so directed edges lose their
    direction here (``bptt.dag_forward`` keeps it). A node that is in no pair is isolated.
    dtype: torch's default, if it is None.

    Raises TypeError for what are no pairs of integers, ValueError for a node that is not there and
    for an edge from a node to itself, which ``propagate`` adds with a weight of its own.
    """
    validate.positive_int("V", V)
    try:
        pairs = torch.as_tensor(edges if isinstance(edges, Tensor) else list(edges))
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"edges must be pairs (i, j) of integers, got {edges!r}") from error
    if pairs.numel() == 0:
        pairs = pairs.new_empty(0, 2).long()
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"edges must have shape (E, 2), got {tuple(pairs.shape)}")
    if pairs.dtype != torch.int64:
        raise TypeError(f"edges must be pairs (i, j) of integers, got {pairs.dtype}")
    for wrong, what in (
        ((pairs < 0) | (pairs >= V), f"must join nodes from 0 to {V - 1}"),
        (pairs[:, :1] == pairs[:, 1:], "must join two nodes: what a node keeps of itself is lam"),
    ):
        if (bad := wrong.any(1).nonzero()).numel():
            n = int(bad[0])
            raise ValueError(f"edges {what}, got {tuple(pairs[n].tolist())} at place {n}")
    both = torch.cat([pairs, pairs.flip(1)]).unique(dim=0)  # (2 E, 2), sorted, each once
    ones = torch.ones(len(both), dtype=dtype)
    return torch.sparse_coo_tensor(both.T, ones, (V, V), is_coalesced=True, check_invariants=True)


def edges_of(text: str) -> tuple[list[tuple[int, int]], list[str]]:
    """Edges as a reader types them, "A-B B-C", and the nodes' names in alphabetical order.

    Raises TypeError for what is no text, ValueError for text without an edge or with more in it.
    """
    parts = validate.instance("text", text, str, "a str").replace(",", " ").split()
    pairs = [re.fullmatch(r"(\w+)-(\w+)", part) for part in parts]
    wrong = [part for part, pair in zip(parts, pairs, strict=True) if pair is None]
    if wrong or not parts:
        got = repr(wrong[0]) if wrong else "nothing"
        raise ValueError(f"text must hold edges such as A-B, separated by spaces, got {got}")
    named = [pair.groups() for pair in pairs if pair]
    names = sorted({name for pair in named for name in pair})
    return [(names.index(a), names.index(b)) for a, b in named], names
