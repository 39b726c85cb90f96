"""What a heat map of an LSTM's units shows, small enough for a page: gates and cells of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from rnnlib import validate
from rnnlib.interactive.pagedata import data_script

GATES = ("i", "f", "g", "o")  # as rnnlib.cells and rnnlib.bptt pack them


def unit_data(gates: Tensor, c: Tensor, labels: Sequence[str]) -> dict[str, Any]:
    """Gates and cell states of H units over the T steps of one sequence.

    gates (T, 4H): i, f, g and o after their nonlinearities, packed in this order. c (T, H): cells.
    labels: what is read at each step, T short strings.
    Returns what JSON can hold (some 15 kB for 32 units and 30 steps), which a study may record:
    ``labels``; ``units``, that is H; and ``i``, ``f``, ``g``, ``o`` and ``c`` in hundredths, whole
    numbers, unit after unit: unit u at step t, both from 0, at ``u * T + t``.
    Raises TypeError or ValueError for an argument that does not fit.
    """
    validate.tensor("c", c, ("T", "H"), finite=True)
    T, H = c.shape
    validate.tensor("gates", gates, (T, 4 * H), finite=True)
    validate.instance("labels", labels, list | tuple, "a list of strings")
    if len(labels) != T or not all(isinstance(label, str) and label.strip() for label in labels):
        raise ValueError(f"labels must be {T} strings, one a step, got {labels!r}")
    if gates.abs().max() > 1:
        raise ValueError(f"gates must be in [-1, 1], got {gates.abs().max().item()}")
    if min(T, H) < 2:
        raise ValueError(f"c must have at least two steps and two units, got {(T, H)}")
    parts = dict(zip(GATES, gates.chunk(4, dim=1), strict=True)) | {"c": c}
    hundredths = {
        name: (100 * part.detach().double().T).round().long().flatten().tolist()
        for name, part in parts.items()
    }
    if not any(hundredths["c"]):
        raise ValueError("c must have a value of 0.01 or more, got none")
    return {"labels": list(labels), "units": H, **hundredths}


def unit_script(name: str, data: Mapping[str, Any]) -> str:
    """The script that gives a page the data of ``unit_data`` by a name: ``RnnUnits.<name>``.

    ``data`` may hold more, as a study's record does. Raises ValueError if something is missing.
    """
    return data_script("RnnUnits", name, data, ("labels", "units", *GATES, "c"), "unit_data")
