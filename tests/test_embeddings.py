"""Words that are alike in a table."""

import pytest
import torch
from helpers import normal

from rnnlib import embeddings
from rnnlib.text import END, UNK, Words

WORDS = Words([UNK, END, "once", "upon", "a", "time", ","])


def test_the_nearest_words_by_cosine() -> None:
    table = normal(7, 3, seed=4)
    expected = torch.cosine_similarity(table, table[4:5])
    found = embeddings.nearest(table, WORDS, "a", 4)
    order = [k for k in expected.argsort(descending=True).tolist() if k != 4][:4]
    assert [word for word, _ in found] == [WORDS.symbols[k] for k in order]
    assert [cosine for _, cosine in found] == pytest.approx(expected[order].tolist(), rel=1e-12)
    scaled = embeddings.nearest(table * torch.arange(1, 8)[:, None], WORDS, "a", 4)
    assert [word for word, _ in scaled] == [word for word, _ in found]  # lengths do not matter
    assert len(embeddings.nearest(table, WORDS, "a", 99)) == 6
    for wrong, says in [
        ({"word": "twice"}, "word must be in the vocabulary, got 'twice'"),
        ({"table": table[:5]}, r"table must have shape \(7, E\), got \(5, 3\)"),
        ({"table": table / 0}, "table must"),
        ({"k": 0}, "k must be at least 1, got 0"),
    ]:
        with pytest.raises(ValueError, match=says):
            embeddings.nearest(**{"table": table, "vocabulary": WORDS, "word": "a"} | wrong)
