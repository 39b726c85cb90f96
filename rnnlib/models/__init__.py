"""Models: what reads a sequence, and what reads it out."""

from rnnlib.models.character import CharacterModel
from rnnlib.models.classifier import Classifier, latch

__all__ = ["CharacterModel", "Classifier", "latch"]
