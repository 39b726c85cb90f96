"""Fetch a corpus by name: from the cache, a mirror or the network, always checked.

Or read a text of one's own, by `read_text`.

``data/registry.toml`` pins every file: URL, sha256, size, and its place in a mirror
(``archive!member`` for a part of an archive). The cache holds the files unpacked, as
``<cache>/<corpus>/<key>``. Nothing is read or unpacked further than one byte past its size, nor
for longer than `deadline`. Settings, both optional:

- ``RNNLIB_CACHE``: the cache folder (else the system's cache folder for ``rnnlib``).
- ``RNNLIB_DATA_MIRROR``: a folder, or the http, https or file URL of one.
"""

import atexit
import contextlib
import difflib
import hashlib
import io
import json
import os
import re
import shutil
import stat
import tempfile
import time
import tomllib
import uuid
import warnings
from collections.abc import Callable
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple, overload
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from rnnlib import plain_text, validate
from rnnlib.paths import data_dir

TIMEOUT = 20.0  # seconds to connect, and until something comes
SLOWEST = 50_000  # bytes a second: from a slower line nothing is awaited
LINK_SECONDS = 120.0  # for a link, whose size is not known before
PACKED = 2**20  # bytes by which an archive, packed or not, may be larger than what is wanted of it
XZ_MEMORY = 2**27  # bytes that xz may take to unpack; its highest preset needs half of that
STREAMS = 100  # of one xz file, at most
STALE = 3600.0  # seconds after which a file beside is nobody's any more

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
            whole = len(data) <= self.size  # no more than one byte too many was read
            found = (
                f"{len(data)} bytes with sha256 {digest}" if whole else f"{len(data)} or more bytes"
            )
            raise CorpusDamaged(
                f"{where} is refused: expected {self.size} bytes with sha256 {self.sha256}, "
                f"found {found}. {advice}"
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
    except CorpusUnavailable as error:
        if fallback is None:
            raise
        instead = load(fallback, raw=raw)
        print(
            f"rnnlib.corpora: {name!r} is not in the cache, the mirror or on the network here "
            f"({_short(error.__cause__)}); "
            f"fell back to {fallback!r} ({describe(fallback)['title']})."
        )
        return instead
    if entry["format"] == "json":
        return [poem for data in parts.values() for poem in json.loads(data)]
    texts = {key: data.decode("utf-8-sig") for key, data in parts.items()}
    if entry["format"] == "gutenberg" and not raw:
        texts = {key: gutenberg_body(text) for key, text in texts.items()}
    return texts if entry["format"] == "parts" else "".join(texts.values())


def read_text(
    place: str | os.PathLike[str], *, encoding: str | None = None, raw: bool = False
) -> str:
    r"""Your own text: a plain text file, or a link to one; a printed line says what was read.

    Args:
        place: the path of a file, or an http or https URL. At most ``plain_text.LARGEST`` bytes
            are taken, and a link must have given them within `LINK_SECONDS`.
        encoding: one that Python knows, as ``"cp1251"``; else it is found out, and said unless it
            is UTF-8. See ``rnnlib.plain_text``.
        raw: keep the head and the licence that Project Gutenberg puts around its books.

    Returns:
        The text, each line ended by ``\n``.

    Raises:
        ValueError: there is no such file, or it is no text, empty or too large.
        CorpusUnavailable: the link gives nothing, or not in time.
    """
    name = os.fspath(validate.instance("place", place, str | os.PathLike, "a path or a link"))
    link = name.lower().startswith(("http://", "https://"))
    if link:
        try:
            data = _download(name, "your text", plain_text.LARGEST + 1, LINK_SECONDS)
        except OSError as error:
            raise CorpusUnavailable(f"{name} cannot be had: {_short(error)}") from error
    else:
        data = _own_file(Path(name))
    text, said = plain_text.decode(data, name, encoding)
    if link and plain_text.is_page(text):
        raise ValueError(
            f"{name} must be plain text, it is a web page: take the link to the text itself, as "
            "behind 'Raw' or 'Plain text'"
        )
    if not raw:
        try:
            text = gutenberg_body(text)
            said.append("without what Project Gutenberg puts around its books")
        except ValueError:
            pass
    kinds = f"{len(text):,} characters, {len(set(text)):,} different ones"
    print(f"rnnlib.corpora: {name}: {kinds}" + "".join(f"; {words}" for words in said))
    return text


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


def deadline(size: int) -> float:
    """Seconds in which a download of ``size`` bytes must be there: `TIMEOUT` and the line's."""
    return TIMEOUT + size / SLOWEST


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

    tried = [f"cache {cache}: not there"]
    for file in files:
        try:
            got[file.key] = _from_cache(cache, name, file)
        except FileNotFoundError:
            continue
        except OSError as error:
            tried.append(f"cache {cache}: {_short(error)}")
    if not mirror:
        tried.append("mirror: RNNLIB_DATA_MIRROR is not set")
    else:
        missing = [file for file in files if file.key not in got]
        for container, grouped in groupby(missing, key=lambda file: file.container):
            group = list(grouped)
            try:
                blob = _from_mirror(mirror, container, _room(group) + 1)
            except (OSError, ValueError) as error:  # ValueError: a name that no system can look up
                tried.append(f"mirror {mirror}: {type(error).__name__}: {error}")
                continue
            for file, data in _unpack(blob, group, f"{container} in the mirror {mirror}"):
                where = f"{file.local} in the mirror {mirror}"
                keep(file, data, where, "The mirror was left as it is.")
    missing = [file for file in files if file.key not in got]
    for count, file in enumerate(missing, 1):
        try:
            data = _download(file.url, f"{name} {count}/{len(missing)}", file.size + 1)
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


def _own_file(path: Path) -> bytes:
    """The bytes of a reader's file; a link leads to it, but not to a pipe or a device."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(f"it is {'a folder' if path.is_dir() else 'a pipe or a device'}")
        with open(path, "rb") as file:
            return file.read(plain_text.LARGEST + 1)
    except FileNotFoundError as error:
        folder = path.parent
        others = [other.name for other in folder.iterdir()] if folder.is_dir() else []
        near = difflib.get_close_matches(path.name, others, n=1)
        raise ValueError(
            f"place must be a text file, got {str(path)!r}, where there is none (looked from "
            f"{Path.cwd()})" + (f"; did you mean {near[0]!r}?" if near else "")
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(f"place must be a text file, got {str(path)!r}: {error}") from error


def _short(error: BaseException | None) -> str:
    """An error in a line."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 200 else f"{text[:197]}..."


def _from_cache(cache: Path, name: str, file: _File) -> bytes:
    """The checked file; OSError where there is none."""
    folders = ([_spares[cache]] if cache in _spares else []) + [cache]
    for path in (folder / name / file.key for folder in folders):
        try:
            data = _read(path, file.size + 1)
        except OSError as error:
            missing = error
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
    raise missing


def _read(path: Path, limit: int) -> bytes:
    """The first ``limit`` bytes of a plain file; OSError for anything else, as a link or a pipe."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise OSError(f"{path} is a link, a folder, a pipe or a device, expected a plain file")
    with open(path, "rb") as file:
        return file.read(limit)


def _store(cache: Path, name: str, file: _File, data: bytes) -> None:
    """Keep a checked file in the cache, for this process only, or nowhere: as far as one can."""
    try:
        _write(cache / name / file.key, data)
        return
    except OSError as error:
        reason = error
    try:
        if new := cache not in _spares:
            _spares[cache] = Path(tempfile.mkdtemp(prefix="rnnlib-"))
            atexit.register(shutil.rmtree, _spares[cache], ignore_errors=True)
        _write(_spares[cache] / name / file.key, data)
        until = "files are kept only until this process ends"
    except OSError:
        new, until = True, f"{file.key} was not kept"
    if new:
        warnings.warn(
            f"rnnlib cannot write its cache {cache} ({reason}); {until}. "
            "Set RNNLIB_CACHE to a folder that can be written.",
            stacklevel=5,
        )


def _write(path: Path, data: bytes) -> None:
    """Write beside, under a name no other process has, then move into place.

    What processes that were killed left beside is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".*.{'[0-9a-f]' * 32}"):
        with contextlib.suppress(OSError):
            if time.time() - left.lstat().st_mtime > STALE:
                left.unlink()
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    finally:
        with contextlib.suppress(OSError):  # gone, or on a disk that failed
            beside.unlink()


def _from_mirror(mirror: str, container: str, limit: int) -> bytes:
    if mirror.startswith(("http://", "https://")):
        return _download(f"{mirror.rstrip('/')}/{quote(container)}", container, limit)
    if mirror.startswith("file://"):
        mirror = url2pathname(urlsplit(mirror).path)
    return _read(Path(os.path.expanduser(mirror), container), limit)


def _download(url: str, label: str, limit: int, seconds: float | None = None) -> bytes:
    """The first ``limit`` bytes; OSError where they cannot be had in time."""
    from tqdm import tqdm

    from rnnlib import downloads

    seconds = deadline(limit) if seconds is None else seconds
    with tqdm(total=limit - 1, desc=label, leave=False, unit="B", unit_scale=True) as bar:
        return downloads.fetch(url, limit, seconds, TIMEOUT, bar.update)


def _room(files: list[_File]) -> int:
    """Bytes that a container of the mirror may have, before and after it is unpacked."""
    wanted = sum(file.size for file in files)
    return wanted + PACKED if "!" in files[0].local else wanted


def _unpack(blob: bytes, files: list[_File], where: str) -> list[tuple[_File, bytes]]:
    """Contents of `files`, all in one file of the mirror: plain, .zip, .tar.xz or .xz.

    Members are read by name into memory, no further than one byte past the pinned size.
    Nothing is extracted; an archive with a name that leads outside it is refused all the same.
    """
    if "!" not in files[0].local:
        return [(files[0], blob)]
    room = _room(files)
    try:
        if len(blob) > room:
            raise ValueError(f"it has more than {room} bytes")
        names, opener = _open_archive(files[0].container, blob, room)
        for name in names:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ValueError(f"its member {name!r} leads outside the archive")
        return [(f, opener(f.local.partition("!")[2]).read(f.size + 1)) for f in files]
    except Exception as error:  # whatever broken bytes make the readers raise
        whole = len(blob) <= room
        digest = hashlib.sha256(blob).hexdigest()
        found = f"{len(blob)} bytes with sha256 {digest}" if whole else "a larger file"
        raise CorpusDamaged(
            f"{where} is refused: expected an archive with {files[0].key!r} in it ({files[0].size} "
            f"bytes, sha256 {files[0].sha256}), found {found}: {type(error).__name__}: {error}"
        ) from error


def _open_archive(container: str, blob: bytes, room: int) -> tuple[list[str], Callable[[str], Any]]:
    """Names of the members, and a function that opens one."""
    if container.endswith(".zip"):
        import zipfile

        zipped = zipfile.ZipFile(io.BytesIO(blob))
        for info in zipped.infolist():
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"its member {info.filename!r} is not packed by deflate")
        return zipped.namelist(), zipped.open
    if container.endswith(".tar.xz"):
        import tarfile

        plain = _unxz(blob, room + 1)
        if len(plain) > room:
            raise ValueError(f"it unpacks to more than {room} bytes")
        tar = tarfile.open(fileobj=io.BytesIO(plain), mode="r:")
        names, place = [], -1
        while (member := tar.next()) is not None:
            if member.offset <= place:  # some versions of tarfile would go round in circles
                raise ValueError(f"its member {member.name!r} has no size that can be")
            names.append(member.name)
            place = member.offset
        return names, tar.extractfile
    return [], lambda name: io.BytesIO(_unxz(blob, room + 1))


def _unxz(blob: bytes, limit: int) -> bytes:
    """What an xz file unpacks to, no further than ``limit`` bytes."""
    import lzma

    plain = bytearray()
    for _ in range(STREAMS):
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
        plain += stream.decompress(blob, limit - len(plain))
        if len(plain) == limit:
            return bytes(plain)
        if not stream.eof:
            raise EOFError("the xz file ends before its end marker")
        blob = stream.unused_data.lstrip(b"\0")  # padding
        if not blob:
            return bytes(plain)
    raise ValueError(f"the xz file has more than {STREAMS} streams")
