"""Counting instead of learning: a character n-gram model with interpolated Kneser-Ney smoothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from rnnlib import validate
from rnnlib.text import Vocabulary, split


class Table:
    r"""Counts of n-grams of one length, and the discount that makes room for what was not seen.

    One n-gram is a context h and the character c after it. A discount D is taken from each count,
    and its mass goes to the next shorter context's probability p:

    $$P(c \mid h) = \frac{\max(n(hc) - D, 0) + D \, u(h) \, p}{n(h)}, \qquad
    n(h) = \sum_c n(hc)$$

    with $u(h)$ different characters after h, and $D = n_1 / (n_1 + 2 n_2)$ from the numbers of
    n-grams seen once and twice. ``counts`` are n-grams of one length and how often each was seen.
    """

    def __init__(self, counts: Mapping[str, int]):
        validate.instance("counts", counts, Mapping, "a mapping of n-grams to integers")
        kinds, lengths = {*map(type, counts)}, {*map(len, counts)}
        if kinds - {str} or {*map(type, counts.values())} - {int}:
            raise TypeError("counts must be a mapping of str to int, got other types")
        if len(lengths) > 1 or 0 in lengths or min(counts.values(), default=1) < 1:
            raise ValueError("counts must be at least 1, of n-grams of one length")
        self.counts = counts
        self.total: Counter[str] = Counter()  # n(h)
        self.different: Counter[str] = Counter()  # u(h)
        for gram, count in counts.items():
            self.total[gram[:-1]] += count
            self.different[gram[:-1]] += 1
        seen = Counter(counts.values())
        self.discount = seen[1] / (seen[1] + 2 * seen[2]) if seen[1] else 0.5

    def mix(self, h: str, c: str, p: float) -> float:
        """P(c | h) from the shorter context's p; p itself after a context that was never seen."""
        if h not in self.total:
            return p
        D = self.discount
        return (max(self.counts.get(h + c, 0) - D, 0) + D * self.different[h] * p) / self.total[h]


class NGram:
    """Models of every order from 1 to ``order``: the next character from the order - 1 before.

    The longest context uses counts of the text. A shorter one counts in how many different
    contexts an n-gram stands, one character longer to the left: a character that follows only
    one other is then not likely elsewhere. Below order 1 all K characters are equally likely.

    Sources: Kneser and Ney (1995) for the counts of shorter contexts, Ney, Essen and Kneser
    (1994) for D; Chen and Goodman (1999) for the interpolated form, which is used here.
    """

    def __init__(self, text: str, order: int, vocabulary: Vocabulary):
        self.order = validate.positive_int("order", order)
        self.vocabulary = validate.instance("vocabulary", vocabulary, Vocabulary, "a Vocabulary")
        vocabulary.encode(text)
        if len(text) < order:
            raise ValueError(f"text must have at least order={order} characters, got {len(text)}")
        counts = [
            Counter(text[i : i + n] for i in range(len(text) - n + 1)) for n in range(1, order + 1)
        ]
        self.longest = [Table(count) for count in counts]
        self.shorter = [Table(Counter(gram[1:] for gram in count)) for count in counts[1:]]

    def probabilities(self, context: str, character: str) -> list[float]:
        """P(character | context) by the models of order 1, 2, ..., ``order``.

        Raises ValueError for characters that are not in the vocabulary.
        """
        self.vocabulary.encode(context, "context")
        if len(self.vocabulary.encode(character, "character")) != 1:
            raise ValueError(f"character must be one character, got {character!r}")
        return self._probabilities(context, character)

    def _probabilities(self, context: str, character: str) -> list[float]:
        p, found = 1 / len(self.vocabulary), []
        for n, longest in enumerate(self.longest):
            h = context[len(context) - n :]  # one that is too short stands in no table
            found.append(longest.mix(h, character, p))
            if n < len(self.shorter):
                p = self.shorter[n].mix(h, character, p)
        return found

    def bits_per_character(self, text: str) -> list[float]:
        """Mean of -log2 P over the characters of a text, by the models of order 1, 2, ..."""
        self.vocabulary.encode(text)
        if not text:
            raise ValueError("text must have at least one character, got none")
        total = [0.0] * self.order
        for t, character in enumerate(text):
            context = text[max(0, t - self.order + 1) : t]
            for k, p in enumerate(self._probabilities(context, character)):
                total[k] -= math.log2(p)
        return [bits / len(text) for bits in total]


def choose_order(text: str, longest: int, vocabulary: Vocabulary) -> tuple[int, list[float]]:
    """The order that predicts the last 5 % of a text best from the rest, and all orders' bits.

    For a training text: the held-out text has no say in it.
    """
    train, piece = split(text)
    if len(train) < validate.positive_int("longest", longest):
        raise ValueError(
            f"text must have at least longest={longest} characters before its last 5 %, "
            f"got {len(train)}"
        )
    bits = NGram(train, longest, vocabulary).bits_per_character(piece)
    return bits.index(min(bits)) + 1, bits
