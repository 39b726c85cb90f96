"""What a map of words shows, small enough for a page: places, and the nearest words of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rnnlib import validate
from rnnlib.interactive.pagedata import data_script

NEAREST = 5  # words named beside a chosen one
FEW = 100  # a map shows so many words at first, and then all
GRID = 5000  # a place is a whole number from -GRID to GRID


def word_data(
    words: Sequence[str], maps: Mapping[str, Tensor], embedding: Tensor
) -> dict[str, Any]:
    r"""Places of V words on one or more maps, and their nearest in the whole embedding.

    words: V different words, the most frequent first. maps: by name, places (V, 2).
    embedding C (V, E): its five highest $\cos(C_v, C_w) = C_v \cdot C_w / (\|C_v\| \|C_w\|)$ a
    word, once among the first 100 words and once among all.
    Returns what JSON can hold (some 30 kB for 500 words and two maps), which a study may record:

    - ``words``, ``dimensions`` (E);
    - ``maps``: by name, word v is at ``unit`` (``xy[2v]``, ``xy[2v + 1]``), whole numbers from
      -5000 to 5000 around the middle of the map;
    - ``neighbours``: by the number of words, five ``index`` a word and their ``cosine`` in
      hundredths.

    Raises TypeError or ValueError for an argument that does not fit.
    """
    validate.instance("words", words, list | tuple, "a list of words")
    V = len(words)
    wrong = [w for w in words if not isinstance(w, str) or not w or w != "".join(w.split())]
    if wrong or len(set(words)) < V or V <= NEAREST:
        kind = repr(wrong[0]) if wrong else f"{len(set(words))} different of {V}"
        raise ValueError(
            f"words must be at least {NEAREST + 1} different strings without spaces, got {kind}"
        )
    if not validate.instance("maps", maps, Mapping, "a dict from names to places"):
        raise ValueError("maps must not be empty, got {}")
    validate.tensor("embedding", embedding, (V, "E"), finite=True)
    if not (embedding != 0).any(1).all():
        raise ValueError("embedding must have a length in each row, got a row of zeros")
    C = nn.functional.normalize(embedding.detach().double(), dim=1)  # (V, E), rows of length 1
    return {
        "words": list(words),
        "dimensions": C.shape[1],
        "maps": {name: _places(f"maps[{name!r}]", xy, V) for name, xy in maps.items()},
        "neighbours": {str(count): _neighbours(C[:count]) for count in sorted({min(FEW, V), V})},
    }


def _places(name: str, xy: Tensor, V: int) -> dict[str, Any]:
    """The places (V, 2) in whole steps from the middle, and the length of a step."""
    xy = validate.tensor(name, xy, (V, 2), finite=True).detach().double()
    low, high = xy.amin(0), xy.amax(0)
    unit = (high - low).max().item() / (2 * GRID)
    if not unit:
        raise ValueError(f"{name} must have more than one place, got {xy[0].tolist()} only")
    steps = ((xy - (low + high) / 2) / unit).round().long()
    return {"unit": unit, "xy": steps.flatten().tolist()}


def _neighbours(C: Tensor) -> dict[str, list[int]]:
    """The nearest rows of each row of C (count, E) by cosine, from the highest."""
    cosines = (C @ C.T).fill_diagonal_(-torch.inf)  # no word is its own neighbour
    order = cosines.sort(dim=1, descending=True, stable=True)
    percent = (100 * order.values[:, :NEAREST]).round().long()
    return {
        "index": order.indices[:, :NEAREST].flatten().tolist(),
        "cosine": percent.flatten().tolist(),
    }


def word_script(name: str, data: Mapping[str, Any]) -> str:
    """The script that gives a page the words of ``word_data`` by a name: ``RnnWords.<name>``.

    ``data`` may hold more, as a study's record does. Raises ValueError if something is missing.
    """
    parts = ("words", "dimensions", "maps", "neighbours")
    return data_script("RnnWords", name, data, parts, "word_data")
