"""Give weights files of an older rnnlib the checksum and version that this one asks for.

    python tools/seal_weights.py data/weights/*.safetensors

Each file is rewritten in place with the same numbers, and read once. One that is sealed already
is only read.
"""

import sys
from pathlib import Path

import safetensors.torch

from rnnlib import checkpoints, tensorfiles


def seal(path: Path) -> None:
    """Rewrite a weights file with its checksum; ValueError if it is none, or is damaged."""
    data = path.read_bytes()
    about = tensorfiles.read_header(data, checkpoints.KEY)
    if "sha256" not in about:
        tensorfiles.save(path, safetensors.torch.load(data), about, checkpoints.KEY)
    checkpoints.load_model(path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        seal(Path(name))
        print(f"{name} carries its checksum")
