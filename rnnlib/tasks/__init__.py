"""Synthetic tasks: seeded generators of (inputs, labels) that test one ability each."""

from rnnlib.tasks.adding import adding, adding_baseline
from rnnlib.tasks.batches import Batches, Shuffled
from rnnlib.tasks.copying import copying, copying_baseline
from rnnlib.tasks.frequency import frequency, frequency_chance
from rnnlib.tasks.palindrome import PalindromeBatches, PalindromeDataset, palindromes
from rnnlib.tasks.parity import parity
from rnnlib.tasks.permutations import permutations

__all__ = [
    "Batches",
    "PalindromeBatches",
    "PalindromeDataset",
    "Shuffled",
    "adding",
    "adding_baseline",
    "copying",
    "copying_baseline",
    "frequency",
    "frequency_chance",
    "palindromes",
    "parity",
    "permutations",
]
