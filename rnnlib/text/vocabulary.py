"""Vocabularies: the symbols of a text, numbered. A symbol is a character or a word."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from rnnlib import validate

UNK, START, END = "<unk>", "<s>", "\n"  # a word that has no number; before a line; after it


class Vocabulary:
    """K characters, numbered 0 to K-1 in the order of ``symbols``.

    Raises ValueError unless ``symbols`` are distinct and sorted, as ``Vocabulary.of`` has them:
    so a set of characters has one numbering only.
    """

    symbols: Sequence[str]

    def __init__(self, symbols: str):
        self.symbols = validate.instance("symbols", symbols, str, "a str")
        if not symbols or symbols != "".join(sorted(set(symbols))):
            raise ValueError(
                f"symbols must be distinct characters in order, at least one, got {symbols!r}"
            )
        self._numbers = {character: k for k, character in enumerate(symbols)}

    @classmethod
    def of(cls, text: str) -> Self:
        """The characters of ``text``."""
        if not validate.instance("text", text, str, "a str"):
            raise ValueError("text must hold at least one character, got ''")
        return cls("".join(sorted(set(text))))

    def __len__(self) -> int:
        return len(self.symbols)

    @staticmethod
    def cut(text: str) -> Sequence[str]:
        """The symbols of a text in their order, known or not: here its characters."""
        return text

    def join(self, symbols: Iterable[str]) -> str:
        """The text that ``cut`` takes apart into ``symbols``."""
        return "".join(symbols)

    def encode(self, text: str, name: str = "text") -> Tensor:
        """T symbols -> their numbers (T,), as int64; ``name`` is what an error calls them."""
        symbols = self.cut(validate.instance(name, text, str, "a str"))
        try:
            numbers = map(self._numbers.__getitem__, symbols)
            return torch.from_numpy(np.fromiter(numbers, np.int64, len(symbols)))  # without a list
        except KeyError as error:
            place = next(t for t, s in enumerate(symbols) if s not in self._numbers)
            raise ValueError(
                f"{name} must hold known characters only, got {symbols[place]!r} at place {place}; "
                f"known are {self.symbols!r}"
            ) from error

    def decode(self, numbers: Tensor) -> str:
        """Numbers (T,) -> T symbols, joined."""
        validate.labels("numbers", numbers, ("T",), len(self))
        return self.join(self.symbols[k] for k in numbers.tolist())


class Words(Vocabulary):
    r"""K words, numbered 0 to K-1 in the order of ``symbols``; all other words are ``UNK``.

    Words stand between spaces, so punctuation counts as a word where the text sets it apart.
    The end of a line is a word too, ``END``, written ``"\n"``. ``START`` stands in no text: it
    fills the context of a line's first words. Of these three, ``symbols`` must hold UNK and END.

    Raises TypeError or ValueError unless ``symbols`` are distinct words.
    """

    def __init__(self, symbols: Iterable[str]):
        self.symbols = tuple(validate.instance("symbols", symbols, Iterable, "an iterable of str"))
        for symbol in self.symbols:
            if validate.instance("symbols", symbol, str, "str") != END and len(symbol.split()) != 1:
                raise ValueError(f"symbols must be words without a space in them, got {symbol!r}")
        self._numbers = {word: k for k, word in enumerate(self.symbols)}
        if len(self._numbers) < len(self.symbols):
            twice = next(word for word, count in Counter(self.symbols).items() if count > 1)
            raise ValueError(f"symbols must be distinct, got {twice!r} more than once")
        if missing := {UNK, END} - set(self.symbols):
            raise ValueError(f"symbols must hold {UNK!r} and {END!r}, {missing} is missing")

    @classmethod
    def of(cls, text: str, size: int | None = None, *, start: bool = True) -> Self:
        """UNK, START, END, then the words of ``text`` from the most frequent on: ``size`` in all.

        Of equally frequent words the first in the order of their letters comes first.
        ``start=False`` leaves START out, for models that read lines as one stream.
        """
        special = (UNK, START, END) if start else (UNK, END)
        counts = Counter(cls.cut(validate.instance("text", text, str, "a str")))
        if not counts:
            raise ValueError("text must hold at least one word, got none")
        words = sorted(counts.keys() - set(special), key=lambda word: (-counts[word], word))
        if size is not None:
            size = validate.positive_int("size", size, minimum=len(special) + 1) - len(special)
        return cls((*special, *words[:size]))

    @property
    def unk(self) -> int:
        """The number of UNK."""
        return self._numbers[UNK]

    @property
    def start(self) -> int:
        """The number of START; ValueError if this vocabulary has none."""
        if START not in self._numbers:
            raise ValueError(f"the vocabulary must hold START ({START!r}), it has none")
        return self._numbers[START]

    @property
    def end(self) -> int:
        """The number of END."""
        return self._numbers[END]

    @staticmethod
    def cut(text: str) -> Sequence[str]:
        """The words of a text, and an END for each end of a line.

        Only a line feed ends a line: other separators may stand in a corpus.
        """
        *ended, rest = text.split(END)
        return [word for line in ended for word in (*line.split(), END)] + rest.split()

    def join(self, symbols: Iterable[str]) -> str:
        """Words with a space between two, lines ended."""
        return re.sub(f" ?{END} ?", END, " ".join(symbols))

    def encode(self, text: str, name: str = "text") -> Tensor:
        """T words -> their numbers (T,), as int64; a word that is not in the vocabulary is UNK."""
        words = self.cut(validate.instance(name, text, str, "a str"))
        return torch.tensor([self._numbers.get(w, self.unk) for w in words], dtype=torch.int64)


class Characters(Words):
    r"""K characters, numbered 0 to K-1 in the order of ``symbols``; all others are ``UNK``.

    As with ``Words``, END (``"\n"``) ends a line and START stands before one; both and UNK count
    among the K, and in a text UNK and START are one symbol each: ``"<s>"`` is no three characters.
    ``Characters.of(text, size)`` keeps the most frequent: the rarest fall out.

    Raises TypeError or ValueError unless ``symbols`` are distinct characters, UNK and END, and
    START if need be.
    """

    def __init__(self, symbols: Iterable[str]):
        super().__init__(symbols)
        for symbol in self.symbols:
            if len(symbol) != 1 and symbol not in (UNK, START):
                raise ValueError(f"symbols must be characters, got {symbol!r}")

    @staticmethod
    def cut(text: str) -> Sequence[str]:
        """The characters of a text, with UNK, START and END as one symbol each."""
        return re.findall(f"{UNK}|{START}|.", text, re.DOTALL)

    def join(self, symbols: Iterable[str]) -> str:
        """The text that ``cut`` takes apart into ``symbols``."""
        return "".join(symbols)
