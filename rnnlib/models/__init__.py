"""Models: what reads a sequence, and what reads it out."""

from rnnlib.models.character import CharacterModel
from rnnlib.models.classifier import Classifier, latch
from rnnlib.models.ngram import NGramLM

__all__ = ["CharacterModel", "Classifier", "NGramLM", "latch"]
