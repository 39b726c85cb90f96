"""Text as numbers: a vocabulary of characters, a held-out end, and windows to train on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from rnnlib import validate
from rnnlib.tasks.batches import Batches


class Vocabulary:
    """K characters, numbered 0 to K-1 in the order of ``symbols``.

    Raises ValueError unless ``symbols`` are distinct and sorted, as ``Vocabulary.of`` has them:
    so a set of characters has one numbering only.
    """

    def __init__(self, symbols: str):
        self.symbols = validate.instance("symbols", symbols, str, "a str")
        if not symbols or symbols != "".join(sorted(set(symbols))):
            raise ValueError(
                f"symbols must be distinct characters in order, at least one, got {symbols!r}"
            )
        self._numbers = {character: k for k, character in enumerate(symbols)}

    @classmethod
    def of(cls, text: str) -> Vocabulary:
        """The characters of ``text``."""
        if not validate.instance("text", text, str, "a str"):
            raise ValueError("text must hold at least one character, got ''")
        return cls("".join(sorted(set(text))))

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str, name: str = "text") -> Tensor:
        """T characters -> their numbers (T,), as int64; ``name`` is what an error calls them."""
        validate.instance(name, text, str, "a str")
        try:
            return torch.tensor([self._numbers[c] for c in text], dtype=torch.int64)
        except KeyError as error:
            place = next(t for t, c in enumerate(text) if c not in self._numbers)
            raise ValueError(
                f"{name} must hold known characters only, got {text[place]!r} at place {place}; "
                f"known are {self.symbols!r}"
            ) from error

    def decode(self, numbers: Tensor) -> str:
        """Numbers (T,) -> T characters."""
        validate.labels("numbers", numbers, ("T",), len(self))
        return "".join(self.symbols[k] for k in numbers.tolist())


def split(text: str, held_out: float = 0.05) -> tuple[str, str]:
    """The text without its end, and its end: the share ``held_out`` of the characters.

    The held-out part is in one piece. Windows drawn at random would overlap the training text.
    """
    if len(validate.instance("text", text, str, "a str")) < 2:
        raise ValueError(f"text must hold at least 2 characters to be split, got {text!r}")
    share = validate.real("held_out", held_out, 0.0, 1.0)
    cut = round(len(text) * (1 - share))
    if not 0 < cut < len(text):
        raise ValueError(
            f"held_out must leave characters on both sides of {len(text)}, got {held_out}"
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

    def state_dict(self) -> dict[str, Any]:
        """Where the source stands: how many windows it has given."""
        return {"taken": self.taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where ``state_dict`` was taken."""
        self.taken = state["taken"]


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
