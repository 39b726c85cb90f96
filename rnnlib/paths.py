"""Where the package's data lies, and how a file is written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write to; afterwards it takes ``path``'s place, in one step.

    If writing fails or is interrupted, ``path`` stays as it was and the file beside is removed.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def data_dir() -> Path:
    """Folder with the registry, the sample corpora, recorded results and weights.

    Returns:
        The first that exists of ``<package>/_data`` (a wheel) and ``<package>/../data`` (a
        checkout).

    Raises:
        FileNotFoundError: neither folder exists.
    """
    package = Path(__file__).resolve().parent
    places = (package / "_data", package.parent / "data")
    for place in places:
        if place.is_dir():
            return place
    raise FileNotFoundError(
        f"rnnlib finds no data folder: expected {places[0]} or {places[1]}. "
        "Install rnnlib again, or run from a full checkout."
    )
