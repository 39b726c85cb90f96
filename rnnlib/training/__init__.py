"""Training: the loop in ``loop``, and beside it, a file each, what it is made of.

``history`` is what a run records, ``losses`` what a classifier is trained and judged by,
``clipping`` shortens the gradient, ``stopping`` ends a run early or in alarm, ``modes`` keeps
apart how a model trains and is evaluated, ``resume`` writes a run to a file and goes on from it,
``fingerprint`` says what a run is made of, ``truncated`` carries a state from window to window,
``arguments`` is what ``train`` asks for.
"""

from rnnlib.training.clipping import clip_gradient
from rnnlib.training.history import History, Metrics
from rnnlib.training.loop import train
from rnnlib.training.losses import accuracy, classification_loss
from rnnlib.training.resume import Source, load_checkpoint, save_checkpoint
from rnnlib.training.stopping import Best, Diverged
from rnnlib.training.truncated import TruncatedBPTT

__all__ = [
    "Best",
    "Diverged",
    "History",
    "Metrics",
    "Source",
    "TruncatedBPTT",
    "accuracy",
    "classification_loss",
    "clip_gradient",
    "load_checkpoint",
    "save_checkpoint",
    "train",
]
