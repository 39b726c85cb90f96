"""Fetch a corpus by name: from the cache, a mirror or the network, always checked.

``data/registry.toml`` pins every file: URL, sha256, size, and its place in a mirror
(``archive!member`` for a part of an archive). The cache holds the files unpacked, as
``<cache>/<corpus>/<key>``. Settings, both optional:

- ``RNNLIB_CACHE``: the cache folder (else the system's cache folder for ``rnnlib``).
- ``RNNLIB_DATA_MIRROR``: a folder, or the http, https or file URL of one.
"""

import atexit
import difflib
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import tomllib
import uuid
import warnings
from collections.abc import Callable
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple, overload
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from rnnlib.paths import data_dir

TIMEOUT = 20.0  # seconds to connect, and between two chunks

TextName = Literal["tales", "grimm", "democracy", "tinyshakespeare"]
Corpus = str | dict[str, str] | list[dict[str, Any]]

_spares: dict[Path, Path] = {}  # stand-ins for caches we cannot write


class CorpusUnavailable(RuntimeError):
    """A corpus is neither in the cache nor in the mirror, and cannot be downloaded."""


class CorpusDamaged(RuntimeError):
    """A file arrived that is not the one the registry pins."""


class _File(NamedTuple):
    key: str
    local: str
    size: int
    sha256: str
    url: str

    @property
    def container(self) -> str:
        return self.local.partition("!")[0]

    def check(self, data: bytes, where: str, advice: str) -> None:
        digest = hashlib.sha256(data).hexdigest()
        if (len(data), digest) != (self.size, self.sha256):
            more = " or more" if len(data) > self.size else ""
            raise CorpusDamaged(
                f"{where} is refused: expected {self.size} bytes with sha256 {self.sha256}, "
                f"found {len(data)}{more} bytes with sha256 {digest}. {advice}"
            )


def names() -> list[str]:
    """Names that `load` knows."""
    return list(_registry())


def describe(name: str) -> dict[str, str | int]:
    """Title, licence, source and size in bytes (unpacked) of a corpus; fetches nothing.

    Raises:
        ValueError: `name` is unknown.
    """
    entry = _entry(name, "name")
    about: dict[str, str | int] = {key: entry[key] for key in ("title", "licence", "source")}
    if "bundled" in entry:
        about["size"] = Path(data_dir(), entry["bundled"]).stat().st_size
    else:
        about["size"] = sum(file["size"] for file in entry["files"])
    return about


@overload
def load(name: TextName, *, fallback: TextName | None = None, raw: bool = False) -> str: ...
@overload
def load(name: str, *, fallback: str | None = None, raw: bool = False) -> Corpus: ...
def load(name: str, *, fallback: str | None = None, raw: bool = False) -> Corpus:
    """Return a corpus: from the cache, else the mirror, else the network.

    Args:
        name: one of `names()`.
        fallback: corpus to return instead when `name` is unavailable; a printed line says so.
            Only ``"tales"`` and ``"quatrains"`` are there without cache, mirror and network.
        raw: keep the head and the licence that Project Gutenberg puts around its books.

    Returns:
        The text. For ``"wikitext-2"`` and ``"cora"``: a dict of part to text.
        For ``"tang"`` and ``"tang300"``: a list of poems, each a dict. For ``"quatrains"`` as
        well, with the keys ``title`` and ``paragraphs`` (two couplets).

    Raises:
        ValueError: `name` or `fallback` is unknown.
        CorpusUnavailable: no source has it, and there is no `fallback`.
        CorpusDamaged: a file differs from its pinned sha256 or size. A bad copy in the cache
            is removed, a bad file in a mirror is left alone. `fallback` does not hide this.
    """
    entry = _entry(name, "name")
    if fallback is not None:
        _entry(fallback, "fallback")
    if "bundled" in entry:
        text = Path(data_dir(), entry["bundled"]).read_text(encoding="utf-8")
        return _poems(text) if entry["format"] == "poems" else text
    try:
        parts = _fetch(name, [_File(**file) for file in entry["files"]])
    except CorpusUnavailable:
        if fallback is None:
            raise
        instead = load(fallback, raw=raw)
        print(
            f"rnnlib.corpora: {name!r} is not in the cache, the mirror or on the network here; "
            f"fell back to {fallback!r} ({describe(fallback)['title']})."
        )
        return instead
    if entry["format"] == "json":
        return [poem for data in parts.values() for poem in json.loads(data)]
    texts = {key: data.decode("utf-8-sig") for key, data in parts.items()}
    if entry["format"] == "gutenberg" and not raw:
        texts = {key: gutenberg_body(text) for key, text in texts.items()}
    return texts if entry["format"] == "parts" else "".join(texts.values())


def gutenberg_body(text: str) -> str:
    """The book inside a Project Gutenberg file, without what Gutenberg put around it.

    Cuts to the text between the START and END lines, then drops the "Produced by" paragraph
    at its top and the "End of (the) Project Gutenberg" paragraph at its bottom.

    Raises:
        ValueError: `text` has no START line followed by an END line.
    """
    body = re.search(
        r"^\*\*\* ?START OF TH(?:IS|E) PROJECT.*?$(.*)^\*\*\* ?END OF TH(?:IS|E) PROJECT",
        text,
        re.MULTILINE | re.DOTALL,
    )
    if body is None:
        raise ValueError(
            "text has no line '*** START OF THIS PROJECT' before one '*** END OF THIS PROJECT', "
            f"expected both; it begins {text[:60]!r}"
        )
    paragraph = r"(?:.|\n(?!\n))*"
    inner = re.sub(rf"\AProduced by{paragraph}", "", body[1].strip("\n"))
    inner = re.sub(rf"^End of (?:the )?Project Gutenberg{paragraph}\Z", "", inner, flags=re.M)
    return inner.strip("\n") + "\n"


def _poems(text: str) -> list[dict[str, Any]]:
    """Poems as in ``tang``, from blocks with an empty line between: a title, then the lines."""
    blocks = (block.split("\n") for block in text.strip().split("\n\n"))
    return [{"title": title, "paragraphs": lines} for title, *lines in blocks]


def cache_dir() -> Path:
    """Folder of checked copies: ``RNNLIB_CACHE``, else the system's cache folder.

    Without a home folder there is none: then a path that cannot be written.
    """
    try:
        if folder := os.environ.get("RNNLIB_CACHE"):
            return Path(folder).expanduser()
        import pooch

        return Path(pooch.os_cache("rnnlib"))
    except RuntimeError:  # says that there is no home folder
        return Path(os.devnull, "no-home-folder")


def _registry() -> dict[str, dict[str, Any]]:
    return tomllib.loads((data_dir() / "registry.toml").read_text(encoding="utf-8"))


def _entry(name: str, argument: str) -> dict[str, Any]:
    registry = _registry()
    if isinstance(name, str) and name in registry:
        return registry[name]
    near = difflib.get_close_matches(str(name).lower(), registry, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{argument}={name!r} is no corpus; expected one of {list(registry)}.{hint}")


def _fetch(name: str, files: list[_File]) -> dict[str, bytes]:
    """Checked contents of all files by key: look in the cache, the mirror, then download."""
    cache, mirror = cache_dir(), os.environ.get("RNNLIB_DATA_MIRROR")
    got: dict[str, bytes] = {}

    def keep(file: _File, data: bytes, where: str, advice: str) -> None:
        file.check(data, where, advice)
        _store(cache, name, file, data)
        got[file.key] = data

    for file in files:
        if (cached := _from_cache(cache, name, file)) is not None:
            got[file.key] = cached
    tried = [f"cache {cache}: not there"]
    if not mirror:
        tried.append("mirror: RNNLIB_DATA_MIRROR is not set")
    else:
        missing = [file for file in files if file.key not in got]
        for container, group in groupby(missing, key=lambda file: file.container):
            try:
                blob = _from_mirror(mirror, container)
            except OSError as error:  # the errors of requests are OSErrors too
                tried.append(f"mirror {mirror}: {type(error).__name__}: {error}")
                continue
            for file, data in _unpack(blob, list(group), f"{container} in the mirror {mirror}"):
                where = f"{file.local} in the mirror {mirror}"
                keep(file, data, where, "The mirror was left as it is.")
    missing = [file for file in files if file.key not in got]
    for count, file in enumerate(missing, 1):
        try:
            data = _download(file.url, f"{name} {count}/{len(missing)}", file.size)
        except OSError as error:
            tried.append(f"download {file.url}: {type(error).__name__}: {error}")
            spare = "quatrains" if _entry(name, "name")["format"] == "json" else "tales"
            raise CorpusUnavailable(
                f"corpus {name!r} is not available: no source has its file {file.key!r}. Tried:"
                + "".join(f"\n  - {attempt}" for attempt in tried)
                + "\nWithout a network: set RNNLIB_DATA_MIRROR to a folder, or the http, https or "
                f"file URL of one, with the file {file.container!r} in it; "
                f"or call load({name!r}, fallback={spare!r})."
            ) from error
        keep(file, data, f"{file.key} from {file.url}", "Nothing was kept of it.")
    return {file.key: got[file.key] for file in files}


def _from_cache(cache: Path, name: str, file: _File) -> bytes | None:
    folders = [cache] + ([_spares[cache]] if cache in _spares else [])
    for path in (folder / name / file.key for folder in folders):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        try:
            file.check(data, str(path), "It is removed: load again for a fresh copy.")
        except CorpusDamaged as damaged:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                damaged.add_note(f"It could not be removed ({error}): set another RNNLIB_CACHE.")
            raise
        return data
    return None


def _store(cache: Path, name: str, file: _File, data: bytes) -> None:
    """Keep a checked file in the cache, or for this process only where that cannot be written."""
    try:
        _write(cache / name / file.key, data)
    except OSError as error:
        if cache not in _spares:
            _spares[cache] = Path(tempfile.mkdtemp(prefix="rnnlib-"))
            atexit.register(shutil.rmtree, _spares[cache], ignore_errors=True)
            warnings.warn(
                f"rnnlib cannot write its cache {cache} ({error}); files are kept only until this "
                "process ends. Set RNNLIB_CACHE to a folder that can be written.",
                stacklevel=5,
            )
        _write(_spares[cache] / name / file.key, data)


def _write(path: Path, data: bytes) -> None:
    """Write beside, under a name no other process has, then move into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _from_mirror(mirror: str, container: str) -> bytes:
    if mirror.startswith(("http://", "https://")):
        return _download(f"{mirror.rstrip('/')}/{quote(container)}", container)
    if mirror.startswith("file://"):
        mirror = url2pathname(urlsplit(mirror).path)
    return Path(os.path.expanduser(mirror), container).read_bytes()


def _download(url: str, label: str, size: int | None = None) -> bytes:
    import pooch
    from tqdm import tqdm

    # "identity": the length the server states is then the length of the file
    headers = {"Accept-Encoding": "identity"}
    get = pooch.HTTPDownloader(chunk_size=2**16, timeout=TIMEOUT, headers=headers)
    buffer = io.BytesIO()
    bar = {"total": size, "desc": label, "leave": False, "unit": "B", "unit_scale": True}
    with tqdm.wrapattr(buffer, "write", **bar) as out:
        get(url, out, None)
    return buffer.getvalue()


def _unpack(blob: bytes, files: list[_File], where: str) -> list[tuple[_File, bytes]]:
    """Contents of `files`, all in one file of the mirror: plain, .zip, .tar.xz or .xz.

    Members are read by name into memory, no further than one byte past the pinned size.
    Nothing is extracted; an archive with a name that leads outside it is refused all the same.
    """
    if "!" not in files[0].local:
        return [(files[0], blob)]
    try:
        names, opener = _open_archive(files[0].container, io.BytesIO(blob))
        for name in names:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ValueError(f"its member {name!r} leads outside the archive")
        return [(f, opener(f.local.partition("!")[2]).read(f.size + 1)) for f in files]
    except Exception as error:  # whatever broken bytes make the readers raise
        found = f"{len(blob)} bytes with sha256 {hashlib.sha256(blob).hexdigest()}"
        raise CorpusDamaged(
            f"{where} is refused: expected an archive with {files[0].key!r} in it ({files[0].size} "
            f"bytes, sha256 {files[0].sha256}), found {found}: {type(error).__name__}: {error}"
        ) from error


def _open_archive(container: str, source: io.BytesIO) -> tuple[list[str], Callable[[str], Any]]:
    """Names of the members, and a function that opens one."""
    if container.endswith(".zip"):
        import zipfile

        zipped = zipfile.ZipFile(source)
        return zipped.namelist(), zipped.open
    if container.endswith(".tar.xz"):
        import tarfile

        tar = tarfile.open(fileobj=source, mode="r:xz")
        return tar.getnames(), tar.extractfile
    import lzma

    return [], lambda name: lzma.open(source)
