"""Optimisers written as their equations, each a ``torch.optim.Optimizer``, one file a method.

Arguments, defaults and state are those of torch.optim, so one can stand in for the other, with
torch's schedulers too, and either can load what the other saved.
The arguments that choose an implementation and not the mathematics, ``foreach``, ``fused``,
``capturable`` and ``differentiable``, may only be None or False. Sparse and complex gradients are
left out.
"""

from rnnlib.optim.adadelta import Adadelta
from rnnlib.optim.adagrad import Adagrad
from rnnlib.optim.adam import Adam
from rnnlib.optim.adamw import AdamW
from rnnlib.optim.base import GradientMethod
from rnnlib.optim.methods import METHODS, Method
from rnnlib.optim.rmsprop import RMSprop
from rnnlib.optim.sgd import SGD

__all__ = [
    "METHODS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "GradientMethod",
    "Method",
    "RMSprop",
]
