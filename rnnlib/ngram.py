"""Counting instead of learning: an n-gram model with interpolated Kneser-Ney smoothing.

A symbol is a character or a word. An n-gram is n of them in a row: a str of characters, or a tuple
of words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rnnlib import validate
from rnnlib.text import START, Vocabulary, Words, context_windows, split

Gram = str | tuple[str, ...]


class Table:
    r"""Counts of n-grams of one length, and the discount that makes room for what was not seen.

    One n-gram is a context h and the symbol s after it. A discount D is taken from each count,
    and its mass goes to the next shorter context's probability p:

    $$P(s \mid h) = \frac{\max(n(hs) - D, 0) + D \, u(h) \, p}{n(h)}, \qquad
    n(h) = \sum_s n(hs)$$

    with $u(h)$ different symbols after h, and $D = n_1 / (n_1 + 2 n_2)$ from the numbers of
    n-grams seen once and twice. ``counts`` are n-grams of one length and how often each was seen.
    """

    def __init__(self, counts: Mapping[Gram, int]):
        validate.instance("counts", counts, Mapping, "a mapping of n-grams to integers")
        kinds = {*map(type, counts)}
        if kinds not in ({str}, {tuple}, set()) or {*map(type, counts.values())} - {int}:
            raise TypeError("counts must be a mapping of str or of tuples to int, got other types")
        lengths = {*map(len, counts)}
        if len(lengths) > 1 or 0 in lengths or min(counts.values(), default=1) < 1:
            raise ValueError("counts must be at least 1, of n-grams of one length")
        self.counts = counts
        self.total: Counter[Gram] = Counter()  # n(h)
        self.different: Counter[Gram] = Counter()  # u(h)
        for gram, count in counts.items():
            self.total[gram[:-1]] += count
            self.different[gram[:-1]] += 1
        seen = Counter(counts.values())
        self.discount = seen[1] / (seen[1] + 2 * seen[2]) if seen[1] else 0.5

    def mix(self, gram: Gram, p: float) -> float:
        """P(s | h) of the n-gram hs from the shorter context's p; p itself if h was never seen."""
        h, D = gram[:-1], self.discount
        if h not in self.total:
            return p
        return (max(self.counts.get(gram, 0) - D, 0) + D * self.different[h] * p) / self.total[h]


class NGram:
    """Models of every order from 1 to ``order``: the next symbol from the order - 1 before.

    The longest context uses counts of the text. A shorter one counts in how many different
    contexts an n-gram stands, one symbol longer to the left: a symbol that follows only one other
    is then not likely elsewhere. Below order 1 all K symbols are equally likely.

    With ``Words`` a line is read by itself, with START in place of what stands before it. Nothing
    else can stand there, so an n-gram that begins with START counts as often as it was seen.

    Sources: Kneser and Ney (1995) for the counts of shorter contexts, Ney, Essen and Kneser
    (1994) for D; Chen and Goodman (1999) for the interpolated form, which is used here.
    """

    def __init__(self, text: str, order: int, vocabulary: Vocabulary):
        self.order = validate.positive_int("order", order)
        self.vocabulary = validate.instance("vocabulary", vocabulary, Vocabulary, "a Vocabulary")
        grams = self.grams(text)
        if len(grams) < order:
            raise ValueError(f"text must have at least order={order} symbols, got {len(grams)}")
        counts = [Counter(g[-n:] for g in grams if len(g) >= n) for n in range(1, order + 1)]
        self.longest = [Table(count) for count in counts]
        self.shorter = [Table(contexts(count)) for count in counts[1:]]

    def grams(self, text: str) -> Sequence[Gram]:
        """Each symbol of a text behind the order - 1 that stand before it, or as many as do."""
        numbers = self.vocabulary.encode(text)
        if isinstance(self.vocabulary, Words):
            symbols = self.vocabulary.symbols
            windows = context_windows(numbers, self.order, self.vocabulary).tolist()
            return [tuple(symbols[k] for k in window) for window in windows]
        return [text[max(0, t - self.order + 1) : t + 1] for t in range(len(text))]

    def probabilities(self, context: str, symbol: str) -> list[float]:
        """P(symbol | context) by the models of order 1, 2, ..., ``order``.

        Raises ValueError for characters that are not in the vocabulary.
        """
        self.vocabulary.encode(context, "context")
        if len(self.vocabulary.encode(symbol, "symbol")) != 1:
            raise ValueError(f"symbol must be one symbol, got {symbol!r}")
        cut = self.vocabulary.cut
        whole = self.vocabulary.join([*cut(context), *cut(symbol)])
        return self._probabilities(self.grams(whole)[-1])

    def _probabilities(self, gram: Gram) -> list[float]:
        p, found = 1 / len(self.vocabulary), []
        for n, longest in enumerate(self.longest, 1):
            gram_n = gram[-n:]  # one that is too short stands in no table
            found.append(longest.mix(gram_n, p))
            if n < self.order:
                p = self.shorter[n - 1].mix(gram_n, p)
        return found

    def log_probabilities(self, text: str) -> Tensor:
        """ln P of each of the M symbols of a text, by the models of order 1, 2, ...: (order, M)."""
        if not (grams := self.grams(text)):
            raise ValueError("text must have at least one symbol, got none")
        return torch.tensor([self._probabilities(g) for g in grams], dtype=torch.float64).log().T

    def bits_per_character(self, text: str) -> list[float]:
        """Mean of -log2 P over the characters of a text, by the models of order 1, 2, ..."""
        return (-self.log_probabilities(text).mean(dim=1) / math.log(2)).tolist()


def contexts(counts: Mapping[Gram, int]) -> Counter[Gram]:
    """In how many different contexts each n-gram stands, from the counts of (n + 1)-grams.

    Before START stands nothing but START: what begins with it counts as often as it was seen.
    """
    found: Counter[Gram] = Counter()
    for gram, count in counts.items():
        found[gram[1:]] += count if gram[1] == START else 1
    return found


def mixture(log_p: Tensor, log_q: Tensor, share: float) -> Tensor:
    r"""$\ln(\lambda P + (1 - \lambda) Q)$ of each symbol, from ln P and ln Q (M,): (M,).

    ``share`` is $\lambda$, between 0 and 1.
    """
    validate.tensor("log_p", log_p, ("M",), finite=True)
    validate.tensor("log_q", log_q, (len(log_p),), like=log_p, finite=True)
    validate.real("share", share, 0.0, 1.0)
    log_shares = log_p.new_tensor([share, 1 - share]).log()
    return torch.logaddexp(log_p + log_shares[0], log_q + log_shares[1])


def choose_share(log_p: Tensor, log_q: Tensor, steps: int = 100) -> float:
    r"""The $\lambda$ with which ``mixture`` gives a text the highest likelihood.

    By expectation and maximisation, from a half on: the mean of P's share in the mixture,
    $\lambda \leftarrow \frac1M \sum_m \lambda P_m / (\lambda P_m + (1 - \lambda) Q_m)$.
    Source: Jelinek and Mercer (1980).
    """
    share = 0.5
    for _ in range(validate.positive_int("steps", steps)):
        share *= (log_p - mixture(log_p, log_q, share)).exp().mean().item()
    return share


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
