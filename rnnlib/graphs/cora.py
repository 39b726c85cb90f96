"""Cora: papers, their words, who cites whom, and the split that papers on graphs compare by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnlib import corpora
from rnnlib.graphs.adjacency import adjacency
from rnnlib.paths import data_dir


class NodeTask(NamedTuple):
    """A graph whose nodes are to be classified; only those of ``train`` show their class."""

    A: Tensor  # (V, V), sparse
    x: Tensor  # (V, D), sparse or not
    y: Tensor  # (V,), classes
    classes: list[str]
    train: Tensor  # numbers of nodes
    valid: Tensor
    test: Tensor


def cora() -> NodeTask:
    """2,708 papers in 7 classes, 5,278 citations, 1,433 words, in the Planetoid split.

    A paper's row of x has an entry for each of its words, and sums to 1 as in Kipf and Welling
    (2017). A citation is an edge without a direction. The split of Yang, Cohen and Salakhutdinov
    (2016) has 140 papers to train on, 20 a class, 500 to validate and 1,000 to test;
    ``data/cora_split.tsv`` holds it.
    Raises ``corpora.CorpusUnavailable`` where Cora can be had nowhere.
    """
    parts = corpora.load("cora")
    assert isinstance(parts, dict)
    rows = [line.split("\t") for line in parts["cora.content"].splitlines()]
    number = {row[0]: n for n, row in enumerate(rows)}  # papers are numbered as they stand there
    classes = sorted({row[-1] for row in rows})
    y = torch.tensor([classes.index(row[-1]) for row in rows])
    digits = "".join("".join(row[1:-1]) for row in rows).encode()  # 0 or 1 for each word
    words = torch.tensor(np.frombuffer(digits, np.uint8) == ord("1")).float().view(len(y), -1)
    x = (words / words.sum(1, keepdim=True)).to_sparse()
    cites = [line.split("\t") for line in parts["cora.cites"].splitlines()]
    edges = [(number[a], number[b]) for a, b in cites]
    split: dict[str, list[int]] = {"train": [], "valid": [], "test": []}
    for line in (data_dir() / "cora_split.tsv").read_text("utf-8").splitlines()[1:]:
        _, paper, part = line.split("\t")
        split[part].append(number[paper])
    train, valid, test = (torch.tensor(split[part]) for part in ("train", "valid", "test"))
    return NodeTask(adjacency(edges, len(rows)), x, y, classes, train, valid, test)
