"""Models: what reads a sequence, and what reads it out."""

from rnnlib.models.character import CharacterModel
from rnnlib.models.classifier import Classifier, latch
from rnnlib.models.gcn import GCN
from rnnlib.models.ngram import NGramLM
from rnnlib.models.rnn_lm import RNNLM
from rnnlib.models.sampled import chances, sampled_cross_entropy

__all__ = [
    "GCN",
    "RNNLM",
    "CharacterModel",
    "Classifier",
    "NGramLM",
    "chances",
    "latch",
    "sampled_cross_entropy",
]
