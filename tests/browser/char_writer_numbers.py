"""What the model that writes in the browser must give, by torch: JSON for char_writer.mjs.

    python tests/browser/char_writer_numbers.py

For each weights file in data/weights: a text of 1,000 characters and the logits after each, and
what the model writes greedily, all in float32 with torch's own LSTM.
"""

import json
import random
from typing import Any

import torch

from rnnlib import checkpoints, sampling
from rnnlib.paths import data_dir

LENGTH, GREEDY = 1000, 500
BEGINNING = "The old"
TEMPERATURES = (0.1, 0.5, 1.0, 2.0)


@torch.no_grad()
def expected(path: Any) -> dict[str, Any]:
    """Half of the text the model wrote itself; the other half is characters drawn evenly."""
    model, vocabulary, _ = checkpoints.load_model(path)
    model.fast()
    text = "".join(random.Random(0).choices(vocabulary.symbols, k=LENGTH // 2))
    text += sampling.generate(model, vocabulary, text, LENGTH // 2, seed=0)
    logits = model(vocabulary.encode(text)[None])[0][0]  # (LENGTH, K)
    after, (h, c) = sampling.read(model, vocabulary, BEGINNING)
    p = [sampling.probabilities(after, temperature).tolist() for temperature in TEMPERATURES]
    return {
        "symbols": vocabulary.symbols,
        "text": text,
        "logits": [[round(value, 6) for value in row] for row in logits.tolist()],
        "beginning": BEGINNING,
        "greedy": sampling.generate(model, vocabulary, BEGINNING, GREEDY, temperature=0),
        "temperatures": TEMPERATURES,
        "probabilities": p,
        "cells": {"c": c[:, 0].tanh().tolist(), "h": h[:, 0].tolist()},  # (2, H) each
    }


if __name__ == "__main__":
    files = sorted((data_dir() / "weights").glob("char_*.safetensors"))
    print(json.dumps({path.stem.removeprefix("char_"): expected(path) for path in files}))
