"""Chinese poems: cleaning a collection, quatrains, writing in a form, and lines that are copied.

A poem is a str: its Han characters with punctuation, no spaces and no ends of lines.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from rnnlib import sampling, validate
from rnnlib.text import END, START, Characters

PAUSES = "，。，。"  # what ends the four lines of a quatrain
FORMS = (5, 7)  # characters a line
PUNCTUATION = "，。、；：？！"
BRACKETS = "（）()[]［］{}〈〉《》〖〗【】"
MISSING = "□■○●囗…"  # stand for a character that is not known, or not legible
HAN = re.compile("[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def is_han(character: str) -> bool:
    """Whether it is one Chinese character."""
    return HAN.fullmatch(character) is not None


def han(text: str) -> str:
    """The Han characters of a text, without all else."""
    return "".join(HAN.findall(text))


def lines(text: str) -> list[str]:
    """What stands between punctuation marks: a poem's lines."""
    return [line for line in re.split(f"[{PUNCTUATION}]", text) if line]


# ---- cleaning -----------------------------------------------------------------------------------


class Cleaned(NamedTuple):
    """Poems that are left, and how many each step took out, in the order of the steps."""

    poems: list[str]
    dropped: dict[str, int]


def clean(texts: Iterable[str], least: int = 24, most: int = 50) -> Cleaned:
    """Poems of ``least`` to ``most`` characters, punctuation counted, without notes, each once.

    A poem is taken out by the first step that applies: "empty"; "brackets", where an editor's
    note or a title stands in the text; "missing" characters; "private use" characters, which no
    font has; "other signs" than Han characters and ``PUNCTUATION``, quotation marks too; "short";
    "long"; "same" Han characters as a poem before it. Order is kept. Nothing is repaired: what
    stands around a note may be its author's guess.
    """
    validate.positive_int("least", least)
    validate.positive_int("most", most, minimum=least)
    seen: set[str] = set()
    steps: dict[str, Callable[[str], bool]] = {
        "empty": lambda text: not text,
        "brackets": lambda text: any(c in BRACKETS for c in text),
        "missing": lambda text: any(c in MISSING for c in text),
        "private use": lambda text: any(unicodedata.category(c) == "Co" for c in text),
        "other signs": lambda text: not all(c in PUNCTUATION or is_han(c) for c in text),
        "short": lambda text: len(text) < least,
        "long": lambda text: len(text) > most,
        "same": lambda text: han(text) in seen,
    }
    dropped = dict.fromkeys(steps, 0)
    poems = []
    for text in texts:
        validate.instance("texts", text, str, "an iterable of str")
        if reason := next((name for name, holds in steps.items() if holds(text)), None):
            dropped[reason] += 1
        else:
            seen.add(han(text))
            poems.append(text)
    return Cleaned(poems, dropped)


# ---- forms --------------------------------------------------------------------------------------


def form_of(text: str) -> int | None:
    """5 or 7 for a quatrain with so many characters a line, punctuated ``，。，。``, else None."""
    for form in FORMS:
        if re.fullmatch("".join(f"{HAN.pattern}{{{form}}}{pause}" for pause in PAUSES), text):
            return form
    return None


def places(form: int) -> list[str]:
    """What a quatrain has at each place: "" for a Han character, or the punctuation mark."""
    if form not in FORMS:
        raise ValueError(f"form must be one of {FORMS}, got {form!r}")
    return [mark for pause in PAUSES for mark in [""] * form + [pause]]


def allowed(form: int, vocabulary: Characters) -> Tensor:
    """Which of the K symbols may stand at each of a quatrain's places, and then: bool (T + 1, K).

    Han characters at their places, the mark at the end of a line, END after the last. UNK and
    START never.
    """
    symbols = validate.instance("vocabulary", vocabulary, Characters, "Characters").symbols
    characters = [is_han(symbol) for symbol in symbols]
    marks = [*places(form), END]
    may = [[symbol == mark for symbol in symbols] if mark else characters for mark in marks]
    for mark, row in zip(marks, may, strict=True):
        if not any(row):
            raise ValueError(f"vocabulary must hold {mark or 'a Han character'!r}, it does not")
    return torch.tensor(may)


def write(
    model: nn.Module,
    vocabulary: Characters,
    form: int,
    *,
    beginning: str = "",
    acrostic: str = "",
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | Generator = 0,
) -> str:
    """A quatrain of ``form`` 5 or 7 characters a line: what the form forbids has probability 0.

    At each place the logits of all symbols that may not stand there are masked; the others share
    the probability, see ``sampling.probabilities``. A place for one symbol draws nothing.

    beginning: Han characters that it begins with; punctuation is put in between lines.
    acrostic: four Han characters, the first of each line. Not with a beginning.
    seed: an int, or a generator, which goes on from where it stands.
    Raises ValueError for a character that the model does not know, and names it.
    """
    given = _given(vocabulary, form, beginning, acrostic)
    may = allowed(form, vocabulary)
    if not isinstance(seed, Generator):
        seed = validate.seed("seed", seed)
    written, symbol, state = "", START, None
    for place, mark in enumerate(places(form)):
        logits, state = sampling.read(model, vocabulary, symbol, state)
        symbol = mark or given.get(place, "")
        if not symbol:
            p = sampling.probabilities(logits, temperature, top_k, top_p, may[place])
            symbol = vocabulary.symbols[int(torch.multinomial(p, 1, generator=seed))]
        written += symbol
    return written


def _given(vocabulary: Characters, form: int, beginning: str, acrostic: str) -> dict[int, str]:
    """The characters that are given, by their places."""
    free = [place for place, mark in enumerate(places(form)) if not mark]
    for name, given in (("beginning", beginning), ("acrostic", acrostic)):
        for character in validate.instance(name, given, str, "a str"):
            if not is_han(character):
                raise ValueError(f"{name} must be Han characters, got {character!r}")
            if character not in vocabulary.symbols:
                raise ValueError(
                    f"{name} must be characters that the model knows, {character!r} is none of them"
                )
    if len(beginning) > len(free):
        raise ValueError(f"beginning must be at most {len(free)} characters, got {len(beginning)}")
    if acrostic and (beginning or len(acrostic) != len(PAUSES)):
        raise ValueError(
            f"acrostic must be {len(PAUSES)} characters and without a beginning, got {acrostic!r} "
            f"and beginning={beginning!r}"
        )
    return dict(zip(free[::form] if acrostic else free, acrostic or beginning, strict=False))


# ---- what is copied -----------------------------------------------------------------------------


def copied(poems: Sequence[str], training: Iterable[str], n: int = 4) -> dict[str, Any]:
    """How many "lines" the poems have; how many are "copied", and how many have n shared "in_row".

    A line is copied if it stands word for word as a line in a training poem. In a row are n
    characters that stand so within one line of a training poem; a copied line of n has them too.
    """
    validate.positive_int("n", n)
    known = {line for poem in training for line in lines(poem)}
    rows = {line[t : t + n] for line in known for t in range(len(line) - n + 1)}
    written = [line for poem in poems for line in lines(poem)]
    shared = [any(line[t : t + n] in rows for t in range(len(line) - n + 1)) for line in written]
    return {
        "lines": len(written),
        "copied": sum(line in known for line in written),
        "in_row": sum(shared),
    }
