"""The methods that the book compares, each with torch's defaults beside what is named here."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch.optim import Optimizer

from rnnlib.optim.adadelta import Adadelta
from rnnlib.optim.adagrad import Adagrad
from rnnlib.optim.adam import Adam
from rnnlib.optim.adamw import AdamW
from rnnlib.optim.rmsprop import RMSprop
from rnnlib.optim.sgd import SGD


class Method(NamedTuple):
    """An optimiser and its settings but the learning rate; what is not there is torch's default."""

    optimizer: type[Optimizer]
    settings: dict[str, Any]


METHODS = {
    "SGD": Method(SGD, {}),
    "momentum": Method(SGD, {"momentum": 0.9}),
    "Nesterov": Method(SGD, {"momentum": 0.9, "nesterov": True}),
    "Adagrad": Method(Adagrad, {}),
    "Adadelta": Method(Adadelta, {}),
    "RMSprop": Method(RMSprop, {}),
    "Adam": Method(Adam, {}),
    "AdamW": Method(AdamW, {}),
}
