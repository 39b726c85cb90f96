"""What a trained table of words has learned: words that it holds to be alike."""

from __future__ import annotations

from torch import Tensor, nn

from rnnlib import validate
from rnnlib.text import Vocabulary


def nearest(
    table: Tensor, vocabulary: Vocabulary, word: str, k: int = 10
) -> list[tuple[str, float]]:
    r"""The ``k`` words nearest to ``word`` by cosine, and their cosines, from the highest.

    $$\cos(C_v, C_w) = \frac{C_v \cdot C_w}{\|C_v\| \|C_w\|}$$

    table C (K, E): a row a word of the vocabulary. The word itself is left out.
    Raises ValueError for a word that the vocabulary does not have.
    """
    validate.instance("vocabulary", vocabulary, Vocabulary, "a Vocabulary")
    validate.tensor("table", table, (len(vocabulary), "E"), finite=True)
    if word not in vocabulary.symbols:
        raise ValueError(f"word must be in the vocabulary, got {word!r}")
    own = vocabulary.symbols.index(word)
    C = nn.functional.normalize(table.detach().double(), dim=1)  # rows of length 1
    order = (C @ C[own]).sort(descending=True, stable=True)
    found = zip(order.indices.tolist(), order.values.tolist(), strict=True)
    return [(vocabulary.symbols[n], cosine) for n, cosine in found if n != own][
        : validate.positive_int("k", k)
    ]
