"""Rhyme and tone in Tang verse, by the rhymes that its poets used; and Mandarin readings.

``data/sounds/rhymes.tsv`` has the rhyme and the tone of a character in the rime dictionary
Guangyun (1008), which keeps those of the Qieyun (601). Rhymes that poets could use together are
one group. Modern Mandarin is no substitute: 斜 xié and 家 jiā rhymed, 東 dōng and 冬 dōng did not,
and a Mandarin speaker cannot hear which syllables once had the entering tone.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from rnnlib.paths import data_dir

Poem = Sequence[str]  # four lines, without punctuation


class Share(NamedTuple):
    """How many of those that the table decides."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share, between 0 and 1; nan of nothing."""
        return self.hits / self.of if self.of else float("nan")


@cache
def _rhymes() -> dict[str, frozenset[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for row in (data_dir() / "sounds" / "rhymes.tsv").read_text(encoding="utf-8").splitlines():
        group, tone, characters = row.split("\t")
        for character in characters:
            found.setdefault(character, set()).add((group, tone))
    return {character: frozenset(readings) for character, readings in found.items()}


@cache
def _pinyin() -> dict[str, str]:
    rows = (data_dir() / "sounds" / "pinyin.tsv").read_text(encoding="utf-8").splitlines()
    pairs = (row.split("\t") for row in rows)
    return {character: syllable for syllable, characters in pairs for character in characters}


def pinyin(character: str) -> str | None:
    """The commonest Mandarin reading today, with its tone mark; None if the table has none.

    A character with several readings gets one, whatever its context: a reading to speak aloud
    by, not a scholar's.
    """
    return _pinyin().get(character)


def readings(character: str) -> frozenset[tuple[str, str]]:
    """All ``(rhyme group, tone)`` of a character; empty if the table does not have it.

    A group is named by a character that belongs to it. Tones: level, rising, departing, entering.
    """
    return _rhymes().get(character, frozenset())


def rhyme(a: str, b: str) -> bool | None:
    """Whether two characters share a rhyme group in the same tone, in one of their readings each.

    None if the table lacks one of them. A character rhymes with itself.
    """
    if not readings(a) or not readings(b):
        return None
    return bool(readings(a) & readings(b))


def level(character: str) -> bool | None:
    """True for a level tone, False for an oblique one (the other three).

    None if the table lacks the character or gives it readings of both kinds.
    """
    kinds = {tone == "level" for _, tone in readings(character)}
    return kinds.pop() if len(kinds) == 1 else None


def form(poems: Sequence[Poem]) -> dict[str, Share]:
    """How far quatrains keep the rules of recent-style verse.

    - ``rhyme``: the last characters of lines 2 and 4 rhyme, of all poems;
    - ``alternate``: characters 2 and 4 (and 4 and 6) of a line differ in level and oblique, of
      all lines;
    - ``oppose``: characters 2 of the lines of a couplet differ, of all couplets;
    - ``adhere``: characters 2 of lines 2 and 3 agree, of all poems.

    Left out of a share: what depends on a character that the table lacks, or whose readings are
    both level and oblique. `shuffled` poems give the chance level.

    Raises:
        ValueError: a poem does not have four lines of one length, at least four.
    """
    found: dict[str, list[bool | None]] = {
        name: [] for name in ("rhyme", "alternate", "oppose", "adhere")
    }
    for lines in poems:
        lengths = [len(line) for line in lines]
        if len(lines) != 4 or len(set(lengths)) != 1 or lengths[0] < 4:
            raise ValueError(
                "poems must have 4 lines of one length, at least 4 characters each, "
                f"got lengths {lengths}: {lines}"
            )
        found["rhyme"].append(rhyme(lines[1][-1], lines[3][-1]))
        for line in lines:
            beats = [level(c) for c in line[1::2]]  # characters 2, 4, 6
            steps = [_differ(a, b) for a, b in pairwise(beats)]
            found["alternate"].append(None if None in steps else all(steps))
        second = [level(line[1]) for line in lines]
        found["oppose"] += [_differ(*second[:2]), _differ(*second[2:])]
        inner = _differ(*second[1:3])
        found["adhere"].append(None if inner is None else not inner)
    return {
        name: Share(sum(x is True for x in values), sum(x is not None for x in values))
        for name, values in found.items()
    }


def shuffled(poems: Sequence[Poem], seed: int) -> list[Poem]:
    """The same characters dealt out anew, each to its own place in some poem with lines as long.

    `form` of these poems is what chance gives: each place keeps its characters, and no two
    places of a poem know of each other.
    """
    rng = np.random.default_rng(seed)
    dealt: list[Poem] = list(poems)
    for k in sorted({len(lines[0]) for lines in poems}):
        places = [i for i, lines in enumerate(poems) if len(lines[0]) == k]
        characters = np.array([[*"".join(poems[i])] for i in places])  # (P, 4k)
        for i, row in zip(places, rng.permuted(characters, axis=0), strict=True):
            dealt[i] = ["".join(line) for line in row.reshape(4, k)]
    return dealt


def _differ(a: bool | None, b: bool | None) -> bool | None:
    return None if a is None or b is None else a != b
