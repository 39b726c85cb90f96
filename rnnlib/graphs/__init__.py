"""Graphs: adjacency, how far a message gets, its propagation, and Cora.

A graph has V nodes, numbered from 0. Its adjacency matrix A (V, V) is symmetric: A_ij = 1 where an
edge joins i and j. No node is its own neighbour: what it keeps of itself is lam, see ``propagate``.
"""

from rnnlib.graphs.adjacency import SIX, adjacency, edges_of
from rnnlib.graphs.cora import NodeTask, cora
from rnnlib.graphs.labels import spread_labels
from rnnlib.graphs.propagation import hops, normalised, propagate

__all__ = [
    "SIX",
    "NodeTask",
    "adjacency",
    "cora",
    "edges_of",
    "hops",
    "normalised",
    "propagate",
    "spread_labels",
]
