"""Where the package's data lies, and how a file is written whole or not at all."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write to; afterwards it takes ``path``'s place, in one step.

    If writing fails or is interrupted, ``path`` stays as it was and the file beside is removed.
    One that a killed process left beside ``path`` is removed too. What was written is on the disk
    before it takes the place, so that a power failure leaves the old or the new.
    """
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        if not _runs(left.name.removeprefix(f"{path.name}.").removesuffix(".part")):
            left.unlink(missing_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _runs(process: str) -> bool:
    """Whether there is a process of this number; True where that cannot be told."""
    if not process.isdecimal() or os.name == "nt":  # where os.kill would end it
        return True
    try:
        os.kill(int(process), 0)  # sends nothing
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


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
