"""What the wheel shows, small enough for a page: mean states in one plane, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from rnnlib import validate
from rnnlib.interactive.pagedata import data_script
from rnnlib.layers import RNN
from rnnlib.models import Classifier

PARTS = ("size", "angle", "asked", "unit", "xy", "turned", "share", "named", "right")
GRID = 1000  # a place is a whole number from -GRID to GRID
MOST = 41  # steps at most: the slider goes from 0 to 40


@torch.no_grad()
def wheel_data(model: Classifier, x: Tensor, first: Tensor, asked: int) -> dict[str, Any]:
    r"""Where a network's mean states of each first digit stand, in the plane of its wheel.

    model: a trained ``Classifier`` on one layer of ``RNN``. x (N, T, D), at most 41 steps, and
    first (N,), the digit to keep, 0 to K - 1. Step t, from 0, is t steps after the first digit;
    ``asked`` is the step at which training wanted the answer.

    The plane is the same at every step. The largest complex pair $r e^{\pm i\varphi}$ of
    eigenvalues of $W_{hh}$ has the eigenvectors $u \pm i v$; the plane is that of u and v, seen
    from the side from which $W_{hh}$ turns it counter-clockwise, with digit 0 on the right at
    step 0. The origin is the middle of the K means of the same step.
    Returns what JSON can hold (some 5 kB):

    - ``size`` $r$ and ``angle`` $\varphi$ in degrees; ``asked``;
    - ``xy``: at step t digit d is at ``unit`` (``xy[2(tK + d)]``, ``xy[2(tK + d) + 1]``), whole
      numbers from -1000 to 1000;
    - for each step ``turned``, degrees since step 0 (the turn of a step is the one that brings the
      last means nearest to the new ones), and in percent ``share``, how much of the means' squared
      distances from their middle the plane has, ``named``, how often the nearest mean in the plane
      is that of the first digit (means of one half of the sequences, asked of the other), and
      ``right``, how often the model's own readout is.

    Raises TypeError or ValueError for an argument that does not fit.
    """
    validate.instance("model", model, Classifier, "a Classifier")
    if not isinstance(model.rnn, RNN) or len(model.rnn.cells) > 1:
        raise TypeError(f"model must have one layer of RNN, got {model.rnn}")
    K = model.readout.out_features
    validate.tensor("x", x, ("N", "T", "D"))
    (N, T), half = x.shape[:2], len(x) // 2
    if not 2 <= T <= MOST:
        raise ValueError(f"x must have 2 to {MOST} steps, got {T}")
    validate.labels("first", first, (N,), K)
    if len(first[:half].unique()) < K:
        raise ValueError(f"first must have each of the {K} digits in its first half")
    validate.real("asked", validate.positive_int("asked", asked, minimum=0), 0, T - 1)

    outputs, _ = model.rnn(x)
    right = model.readout(outputs).argmax(2) == first[:, None]  # (N, T)
    h = outputs.double()  # (N, T, H)
    value, plane = _plane(model.rnn.cells[0].W_h.double())
    means = _means(h, first, K)  # (T, K, H)
    flat = means @ plane  # (T, K, 2)
    flat = flat @ _turn_right(flat[0, 0])
    turns = [_turn(a, b) for a, b in pairwise(flat)]
    turned = torch.tensor([0.0, *turns]).cumsum(0)
    known, asks = _means(h[:half] @ plane, first[:half], K, centred=False), (h[half:] @ plane)
    nearest = torch.cdist(asks.transpose(0, 1), known).argmin(2).T  # (N - half, T)
    unit = flat.abs().max().item() / GRID
    percent = {
        "share": flat.square().sum((1, 2)) / means.square().sum((1, 2)),
        "named": (nearest == first[half:, None]).double().mean(0),
        "right": right.double().mean(0),
    }
    return {
        "size": round(abs(value), 2),
        "angle": round(math.degrees(math.atan2(value.imag, value.real)), 1),
        "asked": asked,
        "unit": unit,
        "xy": (flat / unit).round().long().flatten().tolist(),
        "turned": [round(degrees, 1) for degrees in turned.tolist()],
        **{name: (100 * part).round().long().tolist() for name, part in percent.items()},
    }


def _plane(W: Tensor) -> tuple[complex, Tensor]:
    """The largest eigenvalue of W (H, H) above the real axis, and its plane's axes (H, 2)."""
    values, vectors = torch.linalg.eig(W)
    above = values.imag > 1e-9 * values.abs().max()
    if not above.any():
        raise ValueError("model must have a complex pair of eigenvalues in W_hh, got real ones")
    largest = int(values.abs().where(above, -torch.inf).argmax())
    v = vectors[:, largest]
    # W turns the first of these to the second.
    axes, R = torch.linalg.qr(torch.stack([v.real, -v.imag], dim=1))
    return complex(values[largest].item()), axes * R.diagonal().sign()


def _means(h: Tensor, first: Tensor, K: int, *, centred: bool = True) -> Tensor:
    """The mean of h (N, T, H) for each of K digits, from the middle of them: (T, K, H)."""
    means = torch.stack([h[first == d].mean(0) for d in range(K)], dim=1)
    return means - means.mean(1, keepdim=True) if centred else means


def _turn_right(xy: Tensor) -> Tensor:
    """The matrix R (2, 2) for which ``xy @ R`` lies on the right."""
    x, y = (xy / xy.norm()).tolist()
    return torch.tensor([[x, -y], [y, x]], dtype=xy.dtype)


def _turn(a: Tensor, b: Tensor) -> float:
    """The angle in degrees, counter-clockwise, by which points a (K, 2) come nearest to b."""
    dot, cross = (a * b).sum(), (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
    return math.degrees(math.atan2(cross, dot))


def wheel_script(name: str, data: Mapping[str, Any]) -> str:
    """The script that gives a page the data of ``wheel_data`` by a name: ``RnnWheels.<name>``.

    Raises TypeError or ValueError for an argument that does not fit.
    """
    return data_script("RnnWheels", name, data, PARTS, "wheel_data")
