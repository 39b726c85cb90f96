"""The text that models of words are compared on, and its vocabulary."""

from __future__ import annotations

import functools
from typing import NamedTuple

from rnnlib import corpora
from rnnlib.text import Words, split

SIZE, TALES_SIZE = 8000, 1500  # of the vocabulary: UNK, START, END and words
TRAIN, HELD_OUT = 500_000, 100_000  # words and ENDs of the training text; of each of the other two


class Text(NamedTuple):
    """Three texts of whole lines, none of them blank, and the vocabulary of the first."""

    train: str
    validation: str
    test: str
    vocabulary: Words


@functools.cache
def load(corpus: str = "wikitext-2") -> Text:
    """WikiText-2's first lines of each part, or the tales: 80 % to train on, 10 % and 10 %."""
    size = TALES_SIZE if corpus == "tales" else SIZE
    if corpus == "tales":
        train, rest = split(corpora.load("tales"), 0.2, whole_lines=True)
        validation, test = split(rest, 0.5, whole_lines=True)
        parts = tuple(first_lines(text, len(text)) for text in (train, validation, test))
    else:
        texts = corpora.load("wikitext-2")
        assert isinstance(texts, dict)
        lengths = {"train": TRAIN, "valid": HELD_OUT, "test": HELD_OUT}
        parts = tuple(first_lines(texts[name], length) for name, length in lengths.items())
    train, validation, test = parts
    return Text(train, validation, test, Words.of(train, size))


def first_lines(text: str, words: int) -> str:
    """The first lines of a text that are not blank, until they have so many words and ENDs."""
    found, count = [], 0
    for line in text.split("\n"):
        if count >= words:
            break
        if line.strip():
            found.append(line + "\n")
            count += len(line.split()) + 1
    return "".join(found)


def available(corpus: str) -> str:
    """``corpus``, or the tales that come with rnnlib where it cannot be had; says so."""
    try:
        corpora.load(corpus)
    except corpora.CorpusUnavailable as error:
        print(f"{error}\nfell back to the tales, and the record will say so")
        return "tales"
    return corpus
