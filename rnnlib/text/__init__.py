"""Text as numbers: vocabularies of characters and words, splits, near-duplicates, windows."""

from rnnlib.text.duplicates import groups_of, near_duplicates, shingles, split_groups
from rnnlib.text.vocabulary import END, START, UNK, Characters, Vocabulary, Words
from rnnlib.text.windows import (
    Contiguous,
    Windows,
    context_windows,
    frequencies,
    lines,
    padded,
    split,
    windows,
    within,
)

__all__ = [
    "END",
    "START",
    "UNK",
    "Characters",
    "Contiguous",
    "Vocabulary",
    "Windows",
    "Words",
    "context_windows",
    "frequencies",
    "groups_of",
    "lines",
    "near_duplicates",
    "padded",
    "shingles",
    "split",
    "split_groups",
    "windows",
    "within",
]
