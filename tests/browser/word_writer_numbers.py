"""What the word model that writes in the browser must give, by torch: JSON for word_writer.mjs.

    python tests/browser/word_writer_numbers.py

For each weights file of words in data/weights: words and the logits after each, what the model
writes greedily after a beginning, and the likeliest words there, in float32 with torch's own LSTM.
"""

import json
from typing import Any

import torch

from rnnlib import checkpoints
from rnnlib.paths import data_dir
from rnnlib.text import END, START, UNK

LENGTH, GREEDY, LIKELY = 60, 30, 5
BEGINNING = "The first xyzzy of the"  # the third is no word that the model knows
TEMPERATURES = (0.5, 1.0, 2.0)


@torch.no_grad()
def expected(path: Any) -> dict[str, Any]:
    """Words drawn evenly, for logits; the beginning as the first words of a line, for the rest."""
    model, vocabulary, _ = checkpoints.load_model(path)
    model.fast()
    numbers = torch.randint(len(vocabulary), (LENGTH,), generator=torch.Generator().manual_seed(0))
    logits = model(numbers[None])[0][0]  # (LENGTH, K)
    unk, start, end = (vocabulary.symbols.index(symbol) for symbol in (UNK, START, END))
    line = [end]
    line += vocabulary.encode(BEGINNING).tolist()
    written: list[int] = []
    for _ in range(GREEDY):
        after = model(torch.tensor([line + written]))[0][0, -1]  # (K,)
        after[start] = -torch.inf  # stands in no text
        if not written:
            with_unk = after.clone()
        after[unk] = -torch.inf
        if not written:
            first = after
        written.append(int(after.argmax()))
    likely = {}
    for temperature in TEMPERATURES:
        p = (first / temperature).softmax(0)
        top = p.topk(LIKELY)
        entropy = -(p * p.clamp_min(1e-30).log2()).sum().item()
        words = [vocabulary.symbols[k] for k in top.indices]
        likely[temperature] = {
            "words": words,
            "p": top.values.tolist(),
            "entropy": entropy,
            "unk": (with_unk / temperature).softmax(0)[unk].item(),
        }
    return {
        "numbers": numbers.tolist(),
        "logits": [[round(value, 5) for value in row] for row in logits.tolist()],
        "beginning": BEGINNING,
        "greedy": [vocabulary.symbols[k] for k in written],
        "likely": likely,
    }


if __name__ == "__main__":
    files = sorted((data_dir() / "weights").glob("words_*.safetensors"))
    print(json.dumps({path.stem: expected(path) for path in files}))
