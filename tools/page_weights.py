"""Write trained language models as scripts, which a page adds when its reader asks for one.

data/weights/char_<corpus>.safetensors gives rnn-weights-<corpus>.js, words_<name>.safetensors
rnn-weights-words_<name>.js, and tang_<name>.safetensors rnn-weights-tang_<name>.js: symbols, sizes,
and the weights as the file has them, in base64. It is a script so that the page also works as a
file. `tools/build_book.py` calls this after each build;
rnn-model.js adds the scripts.
"""

import base64
import json
from pathlib import Path

import torch

from rnnlib import checkpoints, layers, tensorfiles
from rnnlib.models import CharacterModel

ROOT = Path(__file__).resolve().parent.parent
LIMITS = {"char_*": 700_000, "words_*": 2_500_000, "tang_*": 2_500_000}  # bytes of one script
TYPES = {torch.float16: "F16", torch.float32: "F32", torch.int8: "I8"}  # as rnn-model.js reads


def script(name: str, path: Path) -> str:
    """The script that puts the weights file ``path`` into ``RnnWeights.<name>``."""
    model, vocabulary, _ = checkpoints.load_model(path)
    if isinstance(model, CharacterModel):
        if model.E is not None:
            raise ValueError(f"{path.name}: the page takes one-hot characters, this embeds them")
        cells = [f"rnn.cells.{n}." for n in range(model.num_layers)]
    else:
        if not isinstance(model.layers[0], layers.LSTM):
            raise ValueError(f"{path.name}: the page takes LSTM layers of an RNNLM")
        cells = [f"layers.{n}.cells.0." for n in range(len(model.layers))]
    tensors, _ = tensorfiles.load(path, checkpoints.KEY)
    data = b"".join(tensor.numpy().tobytes() for tensor in tensors.values())
    content = {
        "symbols": vocabulary.symbols,
        "hidden": model.H,
        "cells": cells,
        "tensors": {k: [TYPES[w.dtype], list(w.shape)] for k, w in tensors.items()},
        "data": base64.b64encode(data).decode(),
    }
    return f"(globalThis.RnnWeights ??= {{}}).{name} = {json.dumps(content)};\n"


def write(folder: Path, root: Path = ROOT) -> list[Path]:
    """Write a script for each weights file below ``root``; return the files written."""
    written = []
    for pattern, limit in LIMITS.items():
        for path in sorted((root / "data" / "weights").glob(f"{pattern}.safetensors")):
            name = path.stem.removeprefix("char_")
            text = script(name, path)
            if len(text) > limit:
                raise ValueError(f"{path.name}: its script has {len(text)} bytes, at most {limit}")
            target = folder / f"rnn-weights-{name}.js"
            target.write_text(text, "utf-8")
            written.append(target)
    return written
