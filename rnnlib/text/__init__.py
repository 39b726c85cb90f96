"""Text as numbers: vocabularies of characters and of words, a held-out end, and windows."""

from rnnlib.text.vocabulary import END, START, UNK, Vocabulary, Words
from rnnlib.text.windows import (
    Contiguous,
    Windows,
    context_windows,
    frequencies,
    lines,
    padded,
    split,
    windows,
)

__all__ = [
    "END",
    "START",
    "UNK",
    "Contiguous",
    "Vocabulary",
    "Windows",
    "Words",
    "context_windows",
    "frequencies",
    "lines",
    "padded",
    "split",
    "windows",
]
