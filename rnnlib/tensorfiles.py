"""A file of tensors and plain data: written whole or not at all, read at one moment, and sealed.

It is a safetensors file, so that loading one runs no code. Its metadata has one entry, JSON with
the plain data, which begins with a checksum of the whole file and the version of the format.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from torch import Tensor

from rnnlib import validate
from rnnlib.paths import written_beside

FORMAT = 2  # of what rnnlib writes; 1 had no version and no checksum
KEY = "rnnlib"  # of the metadata, unless another is asked for
UNSEALED = "0" * 64  # stands in place of the checksum while it is computed


def plain(name: str, value: Any) -> dict[str, Any]:
    """The dictionary ``value`` as a file gives it back; TypeError unless JSON can hold it."""
    validate.instance(name, value, dict, "a dict")
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{name} must be plain data, as JSON has it: {error}") from error


def pack(tensors: dict[str, Tensor], about: dict[str, Any], key: str = KEY) -> bytes:
    """The bytes of the file. Raises ValueError for a tensor that safetensors cannot hold.

    The checksum is the SHA-256 of all bytes, with zeros where it will stand.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save

    sealed = {"sha256": UNSEALED, "format": FORMAT} | about
    try:
        data = save(tensors, {key: json.dumps(sealed)})
    except (KeyError, RuntimeError, ValueError, SafetensorError) as error:
        raise ValueError(f"tensors cannot be stored: {type(error).__name__}: {error}") from error
    checksum = hashlib.sha256(data).hexdigest()
    return data.replace(UNSEALED.encode(), checksum.encode(), 1)  # the header comes first


def write(path: Path, data: bytes) -> None:
    """Write beside ``path``, then rename into place."""
    with written_beside(path) as beside:
        beside.write_bytes(data)


def save(path: Path, tensors: dict[str, Tensor], about: dict[str, Any], key: str = KEY) -> None:
    """Pack and write."""
    write(path, pack(tensors, about, key))


def load(path: str | os.PathLike[str], key: str = KEY) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, in memory of their own, and the plain data, once the checksum fits.

    All bytes are read at once: another process may put a new file in place meanwhile, and nothing
    holds the file afterwards. Raises ValueError, with the file's name, if it is no such file, is
    damaged, or is of another version.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        return unpack(path.read_bytes(), key)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} {error}") from error


def unpack(data: bytes, key: str = KEY) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What ``load`` gives, from the bytes of a file."""
    from safetensors import SafetensorError
    from safetensors.torch import load as loaded

    about = read_header(data, key)
    checksum = about.pop("sha256", None)
    version = about.pop("format", 1)
    if checksum is None:
        raise ValueError(
            f"has format {version}, without a checksum, as an older rnnlib wrote it; this one "
            f"reads format {FORMAT}"
        )
    unsealed = data.replace(str(checksum).encode("utf-8", "replace"), UNSEALED.encode(), 1)
    if hashlib.sha256(unsealed).hexdigest() != checksum:
        raise ValueError("is damaged or was changed: its checksum does not fit")
    if version != FORMAT:
        raise ValueError(f"has format {version}, and this rnnlib reads format {FORMAT}")
    try:
        return loaded(data), about
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(f"holds tensors that cannot be read: {error}") from error


def read_header(data: bytes, key: str) -> dict[str, Any]:
    """The plain data of a file, of any version; ValueError if there is none under ``key``."""
    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])  # 8 bytes: its length
        metadata = header.get("__metadata__", {})
        about = json.loads(metadata[key]) if key in metadata else None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"is no safetensors file of rnnlib's: {error}") from error
    if not isinstance(about, dict):
        raise ValueError(f"is no file of this kind: it has {sorted(metadata)}, not {key!r}")
    return about
