"""Write the trained character models as scripts, which a page adds when its reader asks for one.

data/weights/char_<corpus>.safetensors gives rnn-weights-<corpus>.js: the vocabulary, the sizes
and the float16 weights in base64. It is a script so that the page also works as a file.
`tools/build_book.py` calls this after each build; rnn-char-writer.js adds the scripts.
"""

import base64
import json
from pathlib import Path

from rnnlib import checkpoints

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 700_000  # bytes of one script


def script(name: str, path: Path) -> str:
    """The script that puts the weights file ``path`` into ``RnnWeights.<name>``."""
    model, vocabulary, _ = checkpoints.load_model(path)
    if model.E is not None:
        raise ValueError(f"{path.name}: the page takes one-hot characters, this one embeds them")
    tensors = model.state_dict()
    data = b"".join(tensor.numpy().astype("<f2").tobytes() for tensor in tensors.values())
    content = {
        "symbols": vocabulary.symbols,
        "hidden": model.H,
        "layers": model.num_layers,
        "tensors": {key: list(tensor.shape) for key, tensor in tensors.items()},
        "data": base64.b64encode(data).decode(),
    }
    return f"(globalThis.RnnWeights ??= {{}}).{name} = {json.dumps(content)};\n"


def write(folder: Path, root: Path = ROOT) -> list[Path]:
    """Write a script for each weights file below ``root``; return the files written."""
    written = []
    for path in sorted((root / "data" / "weights").glob("char_*.safetensors")):
        name = path.stem.removeprefix("char_")
        text = script(name, path)
        if len(text) > LIMIT:
            raise ValueError(f"{path.name}: its script has {len(text)} bytes, at most {LIMIT}")
        target = folder / f"rnn-weights-{name}.js"
        target.write_text(text, "utf-8")
        written.append(target)
    return written
