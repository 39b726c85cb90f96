r"""Texts that are nearly the same, and a split that leaves none of them on both sides.

A text's shingles are the sets of n characters in a row. Two texts are near-duplicates if they
share much of them: their Jaccard similarity $|A \cap B| / |A \cup B|$ is at least a threshold.
Source: Broder (1997).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import accumulate

import torch
from torch import Generator

from rnnlib import validate


def shingles(text: str, n: int) -> frozenset[str]:
    """All n characters in a row of a text; the text itself if it has fewer."""
    validate.instance("text", text, str, "a str")
    count = max(1, len(text) - validate.positive_int("n", n) + 1)
    return frozenset(text[t : t + n] for t in range(count))


def near_duplicates(
    sets: Sequence[frozenset[Hashable]], threshold: float
) -> list[tuple[int, int, float]]:
    r"""Each pair j < k of sets with a Jaccard similarity of at least ``threshold``, and that.

    $J(A, B) = |A \cap B| / |A \cup B|$. Only pairs that share an element are looked at: an
    inverted index says which sets hold it. Pairs come in the order of k, then of j.
    """
    if not 0 < validate.real("threshold", threshold, 0.0, 1.0):
        raise ValueError("threshold must be in (0, 1], got 0")
    holders: dict[Hashable, list[int]] = defaultdict(list)  # of an element: the sets so far
    found = []
    for k, some in enumerate(sets):
        shared = Counter(j for element in some for j in holders[element])
        for j, both in sorted(shared.items()):
            similarity = both / (len(some) + len(sets[j]) - both)
            if similarity >= threshold:
                found.append((j, k, similarity))
        for element in some:
            holders[element].append(k)
    return found


def groups_of(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The numbers 0 to count - 1 in groups: a pair is in one group, and so are pairs of pairs.

    By union-find: each number points towards the first of its group. Groups and what is in them
    come in ascending order.
    """
    parent = list(range(validate.positive_int("count", count)))

    def first(k: int) -> int:
        while parent[k] != k:
            parent[k] = k = parent[parent[k]]
        return k

    for j, k in pairs:
        a, b = sorted((first(j), first(k)))
        parent[b] = a
    found: dict[int, list[int]] = defaultdict(list)
    for k in range(count):
        found[first(k)].append(k)
    return list(found.values())


def split_groups(
    groups: Sequence[Sequence[int]], shares: Sequence[float], generator: Generator | None = None
) -> list[list[int]]:
    """Groups of numbers in parts of about these ``shares``, each group whole: sorted numbers.

    The groups are taken in a random order. A part ends with the group that fills its share, so it
    is too large by less than the largest group.
    """
    shares = [validate.real("shares", share, 0.0, 1.0) for share in shares]
    if abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"shares must have sum 1, got {sum(shares)}")
    validate.generator("generator", generator)
    total = sum(map(len, groups))
    ends = [round(share * total, 6) for share in accumulate(shares)]  # no rest of float sums
    parts: list[list[int]] = [[] for _ in shares]
    part = taken = 0
    for k in torch.randperm(len(groups), generator=generator).tolist():
        while part < len(parts) - 1 and taken >= ends[part]:
            part += 1
        parts[part].extend(groups[k])
        taken += len(groups[k])
    return [sorted(numbers) for numbers in parts]
