"""A file of tensors and text: written whole or not at all, and read at one moment.

It is a safetensors file, so that loading one runs no code.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from torch import Tensor

from rnnlib.paths import written_beside


def save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write beside ``path``, then rename into place."""
    from safetensors.torch import save_file

    with written_beside(path) as beside:
        save_file(tensors, beside, metadata=metadata)


def load(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors, in memory of their own, and the text.

    All bytes are read at once: another process may put a new file in place meanwhile, and nothing
    holds the file afterwards. Raises ValueError if it is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors import torch as safetensors

    data = Path(path).read_bytes()
    try:
        tensors = safetensors.load(data)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])  # 8 bytes: its length
    return tensors, header.get("__metadata__", {})
