"""Where the package's data lies, in a checkout and in an installed wheel."""

from pathlib import Path


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
