"""A text cut up to train on: a held-out end, windows, strands, lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from rnnlib import validate
from rnnlib.tasks.batches import Batches
from rnnlib.text.vocabulary import Words


def split(text: str, held_out: float = 0.05, *, whole_lines: bool = False) -> tuple[str, str]:
    """The text without its end, and its end: the share ``held_out`` of the characters.

    The held-out part is in one piece. Windows drawn at random would overlap the training text.
    With ``whole_lines`` the cut is at the first line that begins at that place or after it.
    """
    if len(validate.instance("text", text, str, "a str")) < 2:
        raise ValueError(f"text must hold at least 2 characters to be split, got {text!r}")
    share = validate.real("held_out", held_out, 0.0, 1.0)
    cut = round(len(text) * (1 - share))
    if whole_lines:
        cut = text.find("\n", max(cut - 1, 0)) + 1
    if not 0 < cut < len(text):
        raise ValueError(
            f"held_out must leave {'lines' if whole_lines else 'characters'} on both "
            f"sides of {len(text)}, got {held_out}"
        )
    return text[:cut], text[cut:]


def windows(numbers: Tensor, T: int, N: int, generator: Generator | None = None) -> Tensor:
    """N random windows (N, T+1) of ``numbers``: T inputs, and T targets one place further on."""
    _check(numbers, T, N)
    validate.generator("generator", generator)
    starts = torch.randint(0, len(numbers) - T, (N, 1), generator=generator)
    return numbers[starts + torch.arange(T + 1)]


class Windows(Batches):
    """An endless, resumable source of random ``windows`` (N, T+1) of ``numbers``."""

    def __init__(self, numbers: Tensor, T: int, N: int, seed: int):
        validate.labels("numbers", numbers, ("length",), 2**31)
        super().__init__(windows, seed, numbers=numbers, T=T, N=N)


class Contiguous:
    """N parallel strands of a text, read on window by window, so that a state can be carried.

    The text is cut into N strands of S = (len(numbers) - 1) // N steps. The k-th window (N, T+1)
    holds steps kT to kT + T of each: its last column is the next window's first. After S // T
    windows the source begins anew; ``begins`` says that the window given last was the first of
    its strands, so that the state before it must be zero.
    """

    def __init__(self, numbers: Tensor, T: int, N: int):
        validate.labels("numbers", numbers, ("length",), 2**31)
        _check(numbers, T, N, strands=True)
        S = (len(numbers) - 1) // N
        self.strands = torch.stack([numbers[n * S : n * S + S + 1] for n in range(N)])  # (N, S+1)
        self.T, self.rounds, self.taken = T, S // T, 0

    def __next__(self) -> Tensor:
        start = self.taken % self.rounds * self.T
        self.taken += 1
        return self.strands[:, start : start + self.T + 1]

    @property
    def begins(self) -> bool:
        """Whether the window given last stands at the start of its strands."""
        return self.taken % self.rounds == 1 % self.rounds

    def describe(self) -> dict[str, Any]:
        """What the source is made of: a checkpoint of another is refused."""
        return {"text": self.strands, "T": self.T}

    def state_dict(self) -> dict[str, Any]:
        """Where the source stands: how many windows it has given."""
        return {"taken": self.taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self.taken = state["taken"]


def context_windows(numbers: Tensor, n: int, vocabulary: Words) -> Tensor:
    """Each word of a text (M,) behind the n - 1 that stand before it in its line: (M, n).

    Where a line has fewer, START stands in their place: a line is read without the one before.
    """
    validate.labels("numbers", numbers, ("M",), len(vocabulary))
    validate.positive_int("n", n)
    places = torch.arange(len(numbers))
    begins = torch.where(numbers.roll(1) == vocabulary.end, places, 0).cummax(0).values
    within = places - begins  # (M,): how many words stand before it in its line
    found = torch.full((len(numbers), n), vocabulary.start)
    for back in range(n):
        found[:, n - 1 - back] = torch.where(within >= back, numbers.roll(back), vocabulary.start)
    return found


def frequencies(numbers: Tensor, K: int) -> Tensor:
    """The share of each of K symbols in a text (M,), counted once more than it comes: (K,).

    So none is zero, and all have a logarithm; see ``init.log_frequencies_``.
    """
    validate.labels("numbers", numbers, ("M",), validate.positive_int("K", K))
    counts = torch.bincount(numbers, minlength=K) + 1.0
    return counts / counts.sum()


def lines(numbers: Tensor, vocabulary: Words) -> list[Tensor]:
    """The lines of a text (M,), each with its END; what stands behind the last END too."""
    validate.labels("numbers", numbers, ("M",), len(vocabulary))
    ends = (numbers == vocabulary.end).nonzero()[:, 0] + 1
    return [line for line in numbers.tensor_split(ends) if len(line)]


def padded(sequences: Sequence[Tensor], fill: int) -> tuple[Tensor, Tensor]:
    """Sequences of numbers (T_n,) as one tensor (N, T) with ``fill`` behind each; lengths (N,).

    What the fill is does not matter to a model that reads from the left and to a loss that is
    given the lengths; see ``rnnlib.metrics``.
    """
    sequences = list(validate.instance("sequences", sequences, Sequence, "a sequence of tensors"))
    for sequence in sequences:
        validate.integers("sequences", sequence, ("T_n",))
    if not sequences:
        raise ValueError("sequences must hold at least one, got none")
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    return nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=fill), lengths


def within(lengths: Tensor, N: int, T: int) -> Tensor:
    """Which of T steps of N sequences lie within their lengths T_n (N,), in [1, T]: (N, T)."""
    validate.labels("lengths", lengths, (N,), T + 1)
    if lengths.min() < 1:
        raise ValueError(f"lengths must be in [1, {T}], got one of {int(lengths.min())}")
    return torch.arange(T, device=lengths.device) < lengths[:, None]


def _check(numbers: Tensor, T: int, N: int, *, strands: bool = False) -> None:
    """Raise unless ``numbers`` have room for T steps, or for T steps of each of N strands.

    The values are not looked at: ``windows`` calls this for each batch.
    """
    validate.integers("numbers", numbers, ("length",))
    validate.positive_int("T", T)
    validate.positive_int("N", N)
    least = (N if strands else 1) * T + 1
    if len(numbers) < least:
        raise ValueError(
            f"numbers must be at least {least} for T={T} and N={N}, got {len(numbers)}"
        )
