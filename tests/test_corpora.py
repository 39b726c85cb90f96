"""Corpora: where they come from, what is refused, and what is said when nothing is there.

A small registry, mirror and server on 127.0.0.1 stand in for the real ones. The last tests read
the real mirror, where RNNLIB_DATA_MIRROR names one.
"""

import hashlib
import http.server
import io
import json
import lzma
import os
import re
import socket
import subprocess
import sys
import tarfile
import threading
import tomllib
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from helpers import HANGS

from rnnlib import corpora, paths

REAL_MIRROR = os.environ.get("RNNLIB_DATA_MIRROR")
REPOSITORY = Path(paths.__file__).resolve().parents[1]

TALES = "A fox asked the owl for a story.\nThe owl told two.\n"
BODY = "CHAPTER I\n\n  A wolf’s tale.\n\n*****\n\nThe end of it.\n"
BOOK = (
    "\ufeffThe Project Gutenberg EBook of Wolves\n\nTitle: Wolves\n\n"
    "*** START OF THIS PROJECT GUTENBERG EBOOK WOLVES ***\n\n\n"
    "Produced by A. Hand\nand B. Hand\n\n\n\n"
    + BODY
    + "\n\n\nEnd of the Project Gutenberg EBook of Wolves, by\nA. Wolf\n\n"
    "*** END OF THIS PROJECT GUTENBERG EBOOK WOLVES ***\n\n*** START: FULL LICENSE ***\n"
).encode()
PLAIN = ("To be, or not to be.\n" * 5000).encode()
POEMS = [[{"title": "一", "paragraphs": ["日出。"]}], [{"title": "二", "paragraphs": ["山高。"]}]]
FILES = {  # corpus -> (format, {key: (place in the mirror, contents)})
    "grimm": ("gutenberg", {"wolves.txt": ("gutenberg/wolves.txt", BOOK)}),
    "tinyshakespeare": ("text", {"input.txt": ("tiny/input.txt", PLAIN)}),
    "wikitext-2": (
        "parts",
        {
            "train": ("wiki/train.txt.xz!(decompressed)", b" = Title = \n" * 40),
            "test": ("wiki/test.txt.xz!(decompressed)", b" <unk> \n" * 40),
        },
    ),
    "tang": (
        "json",
        {
            f"poet.{i}.json": (f"tang/poet.tar.xz!poet.{i}.json", json.dumps(poems).encode())
            for i, poems in enumerate(POEMS)
        },
    ),
    "cora": (
        "parts",
        {
            "cora.cites": ("cora/cora.zip!cora/cora.cites", b"35\t1033\n" * 30),
            "index": ("cora/index", b"2692\n2532\n"),
        },
    ),
}
EXPECTED = {
    "tales": TALES,
    "grimm": BODY,
    "tinyshakespeare": PLAIN.decode(),
    "wikitext-2": {"train": " = Title = \n" * 40, "test": " <unk> \n" * 40},
    "tang": POEMS[0] + POEMS[1],
    "cora": {"cora.cites": "35\t1033\n" * 30, "index": "2692\n2532\n"},
}


def tar_xz(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return out.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def pack(container: str, members: dict[str, bytes]) -> bytes:
    if container.endswith(".tar.xz"):
        return tar_xz(members)
    if container.endswith(".zip"):
        return zipped(members)
    (data,) = members.values()
    return lzma.compress(data) if container.endswith(".xz") else data


@dataclass
class World:
    """A registry, a mirror folder, an empty cache, and a server of the pinned URLs."""

    data: Path
    mirror: Path
    cache: Path
    url: str = ""
    origin: dict[str, bytes] = field(default_factory=dict)  # path on the server -> contents
    hits: list[str] = field(default_factory=list)
    before_answer: dict[str, object] = field(default_factory=dict)  # path -> function to call
    promise: dict[str, int] = field(default_factory=dict)  # path -> Content-Length to claim

    def cached(self) -> dict[str, bytes]:
        files = (path for path in self.cache.rglob("*") if path.is_file())
        return {path.relative_to(self.cache).as_posix(): path.read_bytes() for path in files}

    def write_registry(self, server: str) -> None:
        lines = ['[tales]\ntitle = "Tales"\nlicence = "ours"\nsource = "here"\nformat = "text"']
        lines.append('bundled = "samples/tales.txt"')
        for name, (form, files) in FILES.items():
            lines.append(f'["{name}"]\ntitle = "Title of {name}"\nlicence = "free"')
            lines.append(f'source = "https://example.org/{name}"\nformat = "{form}"\nfiles = [')
            for key, (local, data) in files.items():
                digest = hashlib.sha256(data).hexdigest()
                lines.append(
                    f'{{ key = "{key}", local = "{local}", size = {len(data)}, '
                    f'sha256 = "{digest}", url = "{server}/origin/{name}/{key}" }},'
                )
            lines.append("]")
        (self.data / "registry.toml").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def world(tmp_path, monkeypatch):
    here = World(tmp_path / "data", tmp_path / "mirror", tmp_path / "cache")
    (here.data / "samples").mkdir(parents=True)
    (here.data / "samples" / "tales.txt").write_text(TALES, encoding="utf-8")
    containers: dict[str, dict[str, bytes]] = {}
    for name, (_, files) in FILES.items():
        for key, (local, data) in files.items():
            here.origin[f"/origin/{name}/{key}"] = data
            container, _, member = local.partition("!")
            containers.setdefault(container, {})[member] = data
    for container, members in containers.items():
        path = here.mirror / container
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pack(container, members))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.hits.append(self.path)
            here.before_answer.get(self.path, lambda: None)()
            data = here.origin.get(self.path)
            local = here.mirror / self.path.removeprefix("/mirror/")
            if data is None and self.path.startswith("/mirror/") and local.is_file():
                data = local.read_bytes()
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(here.promise.get(self.path, len(data))))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.handle_error = lambda *args: None  # clients that give up are part of the tests
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    here.url = f"http://127.0.0.1:{server.server_address[1]}"
    here.write_registry(here.url)
    monkeypatch.setattr(corpora, "data_dir", lambda: here.data)
    monkeypatch.setenv("RNNLIB_CACHE", str(here.cache))
    monkeypatch.delenv("RNNLIB_DATA_MIRROR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield here
    server.shutdown()
    server.server_close()


@pytest.fixture
def offline(world):
    """The pinned URLs point to a port where nobody listens, and which nobody else gets."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        world.write_registry(f"http://127.0.0.1:{silent.getsockname()[1]}")
        yield world


def damage(data: bytes, how: str) -> bytes:
    if how == "longer":
        return data + b"and more"
    return data[:-7] if how == "truncated" else b"#" + data[1:]


# names and descriptions


def test_names_and_descriptions(world):
    assert corpora.names() == list(EXPECTED)
    assert corpora.describe("cora") == {
        "title": "Title of cora",
        "licence": "free",
        "source": "https://example.org/cora",
        "size": 8 * 30 + 10,
    }
    assert corpora.describe("tales")["size"] == len(TALES)
    assert world.hits == []


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("grim", "grimm"), ("GRIMM", "grimm"), ("wikitext2", "wikitext-2"), ("shakespeare", "tiny")],
)
def test_unknown_name_suggests_the_nearest(world, wrong, near):
    for call in (corpora.load, corpora.describe):
        with pytest.raises(ValueError, match=f"Did you mean '{near}") as caught:
            call(wrong)
        assert str(caught.value).startswith(f"name={wrong!r} ")
        assert all(repr(name) in str(caught.value) for name in EXPECTED)


def test_unknown_name_with_nothing_near(world):
    for wrong in ("zzzzzz", 7, ["grimm"], None):
        with pytest.raises(ValueError, match="expected one of") as caught:
            corpora.load(wrong)
        assert "Did you mean" not in str(caught.value) or wrong == ["grimm"]


def test_unknown_fallback_is_refused_before_anything_is_fetched(world):
    with pytest.raises(ValueError, match=r"^fallback='tails' .*Did you mean 'tales'"):
        corpora.load("grimm", fallback="tails")
    assert world.hits == []


# the three sources


def test_tales_need_no_cache_mirror_or_network(offline):
    assert corpora.load("tales") == TALES
    assert not offline.cache.exists()


@pytest.mark.parametrize("kind", ["folder", "file URL", "http URL", "http URL with slash"])
@pytest.mark.parametrize("name", list(FILES))
def test_mirror(offline, monkeypatch, name, kind):
    mirror = {
        "folder": str(offline.mirror),
        "file URL": offline.mirror.as_uri(),
        "http URL": f"{offline.url}/mirror",
        "http URL with slash": f"{offline.url}/mirror/",
    }[kind]
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", mirror)
    assert corpora.load(name) == EXPECTED[name]
    containers = {local.partition("!")[0] for local, _ in FILES[name][1].values()}
    wanted = sorted(f"/mirror/{container}" for container in containers)
    assert sorted(offline.hits) == (wanted if kind.startswith("http") else [])  # each once
    assert offline.cached() == {f"{name}/{key}": d for key, (_, d) in FILES[name][1].items()}


@pytest.mark.parametrize("name", list(FILES))
def test_download_then_cache_without_a_request(world, monkeypatch, name):
    assert corpora.load(name) == EXPECTED[name]
    assert sorted(world.hits) == sorted(p for p in world.origin if p.startswith(f"/origin/{name}/"))
    assert world.cached() == {f"{name}/{key}": data for key, (_, data) in FILES[name][1].items()}
    world.hits.clear()
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", f"{world.url}/mirror")
    monkeypatch.setattr(corpora, "_write", None)  # a hit writes nothing either
    assert corpora.load(name) == EXPECTED[name]
    assert world.hits == []


def test_mirror_comes_before_the_network(world, monkeypatch):
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", str(world.mirror))
    corpora.load("tinyshakespeare")
    assert world.hits == []


def test_file_missing_in_the_mirror_is_downloaded(world, monkeypatch):
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", f"{world.url}/mirror")
    (world.mirror / "wiki" / "test.txt.xz").unlink()
    text = corpora.load("wikitext-2")
    assert text == EXPECTED["wikitext-2"]
    assert list(text) == ["train", "test"]
    assert world.hits[-1] == "/origin/wikitext-2/test"
    assert "/origin/wikitext-2/train" not in world.hits


def test_only_the_missing_file_is_fetched(world):
    corpora.load("tang")
    (world.cache / "tang" / "poet.0.json").unlink()
    world.hits.clear()
    assert corpora.load("tang") == EXPECTED["tang"]  # the order is the registry's
    assert world.hits == ["/origin/tang/poet.0.json"]


def test_download_shows_a_progress_bar(world, monkeypatch, capsys):
    import tqdm

    update, steps = tqdm.tqdm.update, []

    def watch(self, n=1):
        steps.append(n)
        return update(self, n)

    monkeypatch.setattr(tqdm.tqdm, "update", watch)
    corpora.load("tinyshakespeare")
    assert re.search(r"tinyshakespeare 1/1: +0%.* 0.00/105k ", capsys.readouterr().err)
    assert sum(steps) == len(PLAIN) and len(steps) > 1


def test_system_cache_without_the_variable(world, monkeypatch):
    import pooch

    monkeypatch.delenv("RNNLIB_CACHE")
    assert corpora.cache_dir() == Path(pooch.os_cache("rnnlib"))


# damage


def assert_names_both(message: str, expected: bytes, found: bytes) -> None:
    assert f"expected {len(expected)} bytes" in message
    assert hashlib.sha256(expected).hexdigest() in message
    if len(found) > len(expected):  # one byte too many is read, no more
        assert f"found {len(expected) + 1} or more bytes" in message
    else:
        assert f"found {len(found)} bytes" in message
        assert hashlib.sha256(found).hexdigest() in message


@pytest.mark.parametrize("how", ["truncated", "changed", "longer"])
def test_damaged_download_is_refused(world, how):
    path = "/origin/tinyshakespeare/input.txt"
    world.origin[path] = damage(PLAIN, how)
    with pytest.raises(corpora.CorpusDamaged) as caught:
        corpora.load("tinyshakespeare", fallback="tales")  # the fallback hides no damage
    assert f"input.txt from {world.url}{path}" in str(caught.value)
    assert_names_both(str(caught.value), PLAIN, damage(PLAIN, how))
    assert world.cached() == {}


@pytest.mark.parametrize("how", ["truncated", "changed", "longer"])
def test_damaged_cache_is_refused_and_removed(world, how):
    corpora.load("tinyshakespeare")
    path = world.cache / "tinyshakespeare" / "input.txt"
    path.write_bytes(damage(PLAIN, how))
    with pytest.raises(corpora.CorpusDamaged) as caught:
        corpora.load("tinyshakespeare")
    assert str(path) in str(caught.value)
    assert_names_both(str(caught.value), PLAIN, damage(PLAIN, how))
    assert not path.exists()
    assert corpora.load("tinyshakespeare") == PLAIN.decode()
    assert path.read_bytes() == PLAIN


def test_damaged_cache_that_cannot_be_removed_says_so(world, monkeypatch):
    corpora.load("tinyshakespeare")
    (world.cache / "tinyshakespeare" / "input.txt").write_bytes(b"bad")

    def refuse(self, missing_ok=False):
        raise PermissionError("read-only")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(corpora.CorpusDamaged) as caught:
            corpora.load("tinyshakespeare")
    assert "could not be removed (read-only)" in caught.value.__notes__[0]


@pytest.mark.parametrize("how", ["truncated", "changed", "longer"])
@pytest.mark.parametrize("name", list(FILES))
def test_damaged_file_in_the_mirror_is_refused_and_left(world, monkeypatch, name, how):
    """The file itself is damaged; its archive is sound."""
    key, (local, data) = next(iter(FILES[name][1].items()))
    container, _, _ = local.partition("!")
    members = {}
    for place, content in FILES[name][1].values():
        if place.partition("!")[0] == container:
            members[place.partition("!")[2]] = damage(content, how) if place == local else content
    blob = pack(container, members)
    (world.mirror / container).write_bytes(blob)
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", str(world.mirror))
    with pytest.raises(corpora.CorpusDamaged) as caught:
        corpora.load(name)
    assert f"{local} in the mirror {world.mirror}" in str(caught.value)
    assert_names_both(str(caught.value), data, damage(data, how))
    assert (world.mirror / container).read_bytes() == blob
    assert f"{name}/{key}" not in world.cached()
    assert world.hits == []


@pytest.mark.parametrize("name", ["wikitext-2", "tang", "cora"])
def test_truncated_archive_is_refused_and_left(world, monkeypatch, name):
    key, (local, data) = next(iter(FILES[name][1].items()))
    path = world.mirror / local.partition("!")[0]
    cut = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(cut)
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", f"{world.url}/mirror")
    with pytest.raises(corpora.CorpusDamaged) as caught:
        corpora.load(name)
    for part in (path.name, repr(key), f"{len(data)} bytes", hashlib.sha256(data).hexdigest()):
        assert part in str(caught.value)
    assert f"found {len(cut)} bytes with sha256 {hashlib.sha256(cut).hexdigest()}" in str(
        caught.value
    )
    assert path.read_bytes() == cut
    assert world.cached() == {}


def test_member_is_read_no_further_than_its_size(world, monkeypatch):
    place, data = FILES["wikitext-2"][1]["train"]
    (world.mirror / place.partition("!")[0]).write_bytes(lzma.compress(bytes(50_000_000)))
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", str(world.mirror))
    with pytest.raises(corpora.CorpusDamaged, match=f"found {len(data) + 1} or more bytes"):
        corpora.load("wikitext-2")


def test_missing_member_is_refused(world, monkeypatch):
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", str(world.mirror))
    (world.mirror / "tang" / "poet.tar.xz").write_bytes(tar_xz({"other.json": b"[]"}))
    (world.mirror / "cora" / "cora.zip").write_bytes(zipped({"other": b""}))
    for name, key in (("tang", "poet.0.json"), ("cora", "cora.cites")):
        with pytest.raises(corpora.CorpusDamaged, match=f"expected an archive with '{key}'"):
            corpora.load(name)


@pytest.mark.parametrize("outside", ["../evil.json", "a/../../evil.json", "/tmp/evil.json"])
@pytest.mark.parametrize("name", ["tang", "cora"])
def test_archive_that_leads_outside_is_refused(world, monkeypatch, tmp_path, name, outside):
    """The pinned members are sound; one more member has a name that climbs out."""
    members = {
        place.partition("!")[2]: data for place, data in FILES[name][1].values() if "!" in place
    }
    container = next(iter(FILES[name][1].values()))[0].partition("!")[0]
    (world.mirror / container).write_bytes(pack(container, members | {outside: b"[]"}))
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", str(world.mirror))
    with pytest.raises(corpora.CorpusDamaged, match=re.escape(f"{outside!r} leads outside")):
        corpora.load(name)
    assert world.cached() == {}
    assert list(tmp_path.rglob("evil.json")) == []


def test_link_in_an_archive_is_not_followed_outside(world, monkeypatch, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_bytes(FILES["tang"][1]["poet.0.json"][1])  # the bytes that are wanted
    other = {"poet.1.json": FILES["tang"][1]["poet.1.json"][1]}
    blob = tar_xz(other, links={"poet.0.json": str(secret)})
    (world.mirror / "tang" / "poet.tar.xz").write_bytes(blob)
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", str(world.mirror))
    with pytest.raises(corpora.CorpusDamaged):
        corpora.load("tang")
    assert world.cached() == {}


# no network


def test_no_network_and_no_mirror(offline):
    with pytest.raises(corpora.CorpusUnavailable) as caught:
        corpora.load("grimm")
    message = str(caught.value)
    assert message.startswith("corpus 'grimm' is not available")
    assert f"cache {offline.cache}: not there" in message
    assert "mirror: RNNLIB_DATA_MIRROR is not set" in message
    assert re.search(r"download http://127.0.0.1:\d+/origin/grimm/wolves.txt: Connect", message)
    assert "set RNNLIB_DATA_MIRROR to a folder" in message
    assert "'gutenberg/wolves.txt'" in message
    assert "load('grimm', fallback='tales')" in message
    assert offline.cached() == {}
    with pytest.raises(corpora.CorpusUnavailable, match=r"load\('tang', fallback='quatrains'\)"):
        corpora.load("tang")


def test_no_network_and_a_mirror_without_the_file(offline, monkeypatch, tmp_path):
    for mirror in (str(tmp_path / "nowhere"), f"{offline.url}/nowhere"):
        monkeypatch.setenv("RNNLIB_DATA_MIRROR", mirror)
        with pytest.raises(corpora.CorpusUnavailable) as caught:
            corpora.load("grimm")
        assert re.search(
            rf"mirror {re.escape(mirror)}: (FileNotFound|HTTP)Error", str(caught.value)
        )


def test_server_that_never_answers_does_not_hang(world, monkeypatch):
    release = threading.Event()
    world.before_answer["/origin/grimm/wolves.txt"] = lambda: release.wait(60)  # then it answers
    monkeypatch.setattr(corpora, "TIMEOUT", 0.3)
    with pytest.raises(corpora.CorpusUnavailable, match="Timeout"):
        corpora.load("grimm")
    release.set()


def test_timeout_is_short_enough_to_wait_for():
    assert 5 <= corpora.TIMEOUT <= 30


def test_connection_that_breaks_off_keeps_nothing(world):
    world.promise["/origin/tinyshakespeare/input.txt"] = len(PLAIN) + 100
    with pytest.raises(corpora.CorpusUnavailable, match="origin/tinyshakespeare"):
        corpora.load("tinyshakespeare")
    assert world.cached() == {}


def test_fallback_says_what_it_fell_back_to(offline, capsys):
    assert corpora.load("wikitext-2", fallback="tales") == TALES
    (line,) = capsys.readouterr().out.splitlines()
    assert "'wikitext-2'" in line and "fell back to 'tales' (Tales)" in line


def test_fallback_unused_says_nothing(world, capsys):
    assert corpora.load("grimm", fallback="tales") == BODY
    assert capsys.readouterr().out == ""


# writing the cache


@pytest.mark.parametrize("source", ["mirror", "download"])
def test_cache_that_cannot_be_written(world, monkeypatch, source):
    world.cache.write_text("a file where the folder should be")
    if source == "mirror":
        monkeypatch.setenv("RNNLIB_DATA_MIRROR", f"{world.url}/mirror")
    with pytest.warns(UserWarning) as caught:
        assert corpora.load("wikitext-2") == EXPECTED["wikitext-2"]
    (warning,) = caught  # one warning for two files
    assert str(world.cache) in str(warning.message)
    assert "Set RNNLIB_CACHE" in str(warning.message)
    assert warning.filename == __file__
    world.hits.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert corpora.load("wikitext-2") == EXPECTED["wikitext-2"]
    assert world.hits == []  # kept for this process
    assert world.cache.read_text() == "a file where the folder should be"


def test_nothing_half_written_is_left(world, monkeypatch):
    """The file appears under its name only when whole; a failed write leaves nothing."""
    replace, seen = os.replace, []

    def watch(beside, path):
        seen.append((Path(beside).parent == Path(path).parent, Path(beside).read_bytes() == PLAIN))
        assert not Path(path).exists()
        if len(seen) == 1:
            raise OSError(28, "no space left")
        replace(beside, path)

    monkeypatch.setattr(os, "replace", watch)
    with pytest.warns(UserWarning, match="no space left"):
        corpora.load("tinyshakespeare")
    assert seen == [(True, True), (True, True)]
    assert world.cached() == {}


def test_writers_that_interleave_do_not_disturb_each_other(world, monkeypatch):
    """A second load runs to its end between the first one's write and its replace."""
    replace, nested = os.replace, []

    def interleave(beside, path):
        if not nested:
            nested.append(True)
            assert corpora.load("tinyshakespeare") == PLAIN.decode()
        replace(beside, path)

    monkeypatch.setattr(os, "replace", interleave)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert corpora.load("tinyshakespeare") == PLAIN.decode()
    assert world.cached() == {"tinyshakespeare/input.txt": PLAIN}


def test_two_processes_at_once(world):
    """The server answers only when both have asked, so both fetch and both write."""
    path = "/origin/tinyshakespeare/input.txt"
    both = threading.Barrier(2)
    world.before_answer[path] = lambda: both.wait(HANGS)
    script = (
        "import hashlib, sys\n"
        "from pathlib import Path\n"
        "from rnnlib import corpora\n"
        "corpora.data_dir = lambda: Path(sys.argv[1])\n"
        "corpora.TIMEOUT = float(sys.argv[2])\n"  # the other may start much later
        "text = corpora.load('tinyshakespeare')\n"
        "print(hashlib.sha256(text.encode()).hexdigest())\n"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(world.data), str(HANGS)]
    both_run = [
        subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in both_run:
        out, err = process.communicate(timeout=HANGS)
        assert process.returncode == 0, err
        assert out.strip() == hashlib.sha256(PLAIN).hexdigest()
    assert world.hits == [path, path]
    assert world.cached() == {"tinyshakespeare/input.txt": PLAIN}


@pytest.mark.parametrize("full", ["the disk", "all temporary folders"])
def test_a_text_that_can_be_stored_nowhere_is_used(world, monkeypatch, full):
    """No space in the cache, and none in the folder that would stand in for it."""

    def refuse(*arguments, **options):
        raise OSError(28, "no space left")

    monkeypatch.setattr(corpora, "_spares", {})
    name = "write_bytes" if full == "the disk" else "mkdir"
    monkeypatch.setattr(Path, name, refuse)
    if full != "the disk":
        monkeypatch.setattr(corpora.tempfile, "mkdtemp", refuse)
    with pytest.warns(UserWarning, match=r"no space left.*input\.txt was not kept"):
        assert corpora.load("tinyshakespeare") == PLAIN.decode()
    assert world.cached() == {}


def odd(path, kind, other):
    """In the place of ``path`` a link, a pipe, a folder, or a link to a device."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(other if kind == "link" else "/dev/zero")


KINDS = ["link", "folder"] + (["pipe", "device"] if hasattr(os, "mkfifo") else [])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_in_the_cache_is_not_read(world, tmp_path, kind):
    other = tmp_path / "other"
    other.write_bytes(PLAIN)
    path = world.cache / "tinyshakespeare" / "input.txt"
    odd(path, kind, other)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert corpora.load("tinyshakespeare") == PLAIN.decode()
    assert world.hits == ["/origin/tinyshakespeare/input.txt"]
    assert len(said) == (kind == "folder")  # nothing can take its place
    assert path.is_dir() if kind == "folder" else path.read_bytes() == PLAIN
    assert other.read_bytes() == PLAIN and not path.is_symlink()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["tinyshakespeare", "cora"])
def test_what_is_no_plain_file_in_the_mirror_is_refused(
    offline, monkeypatch, tmp_path, capsys, name, kind
):
    local = next(iter(FILES[name][1].values()))[0].partition("!")[0]
    other = tmp_path / "other"
    (offline.mirror / local).rename(other)
    odd(offline.mirror / local, kind, other)
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", str(offline.mirror))
    with pytest.raises(corpora.CorpusUnavailable, match="is a link, a folder, a pipe or a device"):
        corpora.load(name)
    assert corpora.load(name, fallback="tales") == TALES


def test_what_killed_processes_left_in_the_cache_is_swept(world):
    folder = world.cache / "tinyshakespeare"
    folder.mkdir(parents=True)
    names = [f".input.txt.{'0' * 31}{n}" for n in "12"]
    names += [".input.txt", f"input.txt.{'0' * 32}", f".input.txt.{'x' * 32}"]
    for name in names:
        (folder / name).write_text("cut off")
        os.utime(folder / name, (0, 0))
    os.utime(folder / names[1])  # of a process that writes it now
    corpora.load("tinyshakespeare")
    assert sorted(p.name for p in folder.iterdir()) == sorted([*names[1:], "input.txt"])


def test_the_line_of_the_fallback_says_why(offline, capsys):
    assert corpora.load("grimm", fallback="tales") == TALES
    (line,) = capsys.readouterr().out.splitlines()
    assert re.search(r"network here \(ConnectionError: .{9,200}\); fell back", line)


# Gutenberg


def test_gutenberg_body_is_cut_and_raw_is_whole(world):
    assert corpora.load("grimm") == BODY
    assert corpora.load("grimm", raw=True) == BOOK.decode("utf-8-sig")


def test_gutenberg_variants():
    text = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n{}\n*** END OF THE PROJECT GUTENBERG"
    plain = "One.\n\nProduced by hand.\n\nEnd of Project Gutenberg’s fame.\n\nLast.\n"
    assert corpora.gutenberg_body(text.format(plain)) == plain  # in the midst: kept
    tail = "One.\n\nEnd of Project Gutenberg’s X, by Y\n"
    assert corpora.gutenberg_body(text.format(tail)) == "One.\n"


@pytest.mark.parametrize(
    "text",
    [
        "no lines at all",
        "*** START OF THIS PROJECT X ***\nbody",
        "*** END OF THIS PROJECT X ***\nbody\n*** START OF THIS PROJECT X ***\n",
    ],
)
def test_gutenberg_lines_missing(text):
    with pytest.raises(ValueError, match=r"text has no line .*START OF THIS PROJECT"):
        corpora.gutenberg_body(text)


# the module and its data


def test_import_pulls_in_neither_pooch_nor_requests():
    script = "import sys, rnnlib.corpora; print(sorted({'pooch', 'requests'} & set(sys.modules)))"
    command = [sys.executable, "-c", script]
    out = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_data_dir(tmp_path, monkeypatch):
    package = tmp_path / "rnnlib"
    package.mkdir()
    monkeypatch.setattr(paths, "__file__", str(package / "paths.py"))
    with pytest.raises(FileNotFoundError, match="_data"):
        paths.data_dir()
    (tmp_path / "data").mkdir()
    assert paths.data_dir() == tmp_path / "data"
    (package / "_data").mkdir()
    assert paths.data_dir() == package / "_data"


def real_rows() -> dict[str, list[dict]]:
    registry = tomllib.loads((paths.data_dir() / "registry.toml").read_text(encoding="utf-8"))
    return {name: entry.get("files", []) for name, entry in registry.items()}


def test_registry_pins_every_file():
    rows = real_rows()
    assert list(rows) == [
        *("tales", "quatrains", "grimm", "democracy", "tinyshakespeare", "wikitext-2"),
        *("tang", "tang300", "cora"),
    ]
    for name, files in rows.items():
        assert len({row["key"] for row in files}) == len(files)
        for row in files:
            assert re.fullmatch(r"[0-9a-f]{64}", row["sha256"]), (name, row["key"])
            assert re.match(
                r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/[0-9a-f]{40}/", row["url"]
            )
            assert row["size"] > 0
    assert {
        name: (len(files), sum(row["size"] for row in files)) for name, files in rows.items()
    } == {
        "tales": (0, 0),
        "quatrains": (0, 0),
        "grimm": (1, 550_595),
        "democracy": (1, 1_148_437),
        "tinyshakespeare": (1, 1_115_394),
        "wikitext-2": (3, 10_797_148 + 1_121_681 + 1_256_449),
        "tang": (58, 25_585_610),
        "tang300": (1, 190_787),
        "cora": (4, 7_823_427 + 69_928 + 1_560 + 5_000),
    }
    numbers = [int(row["key"].split(".")[2]) for row in rows["tang"]]
    assert numbers == list(range(0, 58_000, 1000))


def test_real_tales():
    assert len(corpora.load("tales")) > 1000


@pytest.fixture
def real(tmp_path, monkeypatch):
    """The real registry and mirror, an empty cache, and no way to the network."""
    if not REAL_MIRROR:
        pytest.skip("RNNLIB_DATA_MIRROR is not set: the real corpora are not here")
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", REAL_MIRROR)
    monkeypatch.setenv("RNNLIB_CACHE", str(tmp_path / "cache"))
    fetch = corpora._download

    def only_the_mirror(url, label, size=None):
        if not url.startswith(REAL_MIRROR):
            pytest.skip(f"the mirror {REAL_MIRROR} does not have {label}")
        return fetch(url, label, size)

    monkeypatch.setattr(corpora, "_download", only_the_mirror)


@pytest.mark.parametrize(
    ("name", "whole", "body", "symbols", "first"),
    [
        ("grimm", 540_240, 520_738, 80, "FAIRY TALES\n\nBy The Brothers Grimm\n"),
        ("democracy", 1_148_434, 1_128_956, 79, "DEMOCRACY IN AMERICA\n\nBy Alexis De Tocq"),
    ],
)
def test_real_gutenberg(real, name, whole, body, symbols, first):
    text, raw = corpora.load(name), corpora.load(name, raw=True)
    assert (len(raw), len(text), len(set(text))) == (whole, body, symbols)
    assert text.startswith(first) and text in raw
    assert "Gutenberg" not in text and "Produced by" not in text and "\ufeff" not in raw


def test_real_tinyshakespeare(real):
    text = corpora.load("tinyshakespeare")
    assert (len(text), len(set(text)), text.count("\n")) == (1_115_394, 65, 40_000)


def test_real_wikitext(real):
    texts = corpora.load("wikitext-2")
    assert {part: len(text.split()) for part, text in texts.items()} == {
        "train": 2_051_910,
        "valid": 213_886,
        "test": 241_211,
    }
    assert texts["train"].count("\n") == 36_718
    assert len(set(texts["train"].split())) == 33_277


def test_real_tang(real):
    poems = corpora.load("tang")
    assert len(poems) == 57_607
    assert sum(len("".join(poem["paragraphs"])) for poem in poems) == 3_668_082
    few = corpora.load("tang300")
    assert (len(few), len(set("".join("".join(p["paragraphs"]) for p in few)))) == (366, 2_573)


def test_real_cora(real):
    parts = corpora.load("cora")
    assert len(parts["cora.content"].splitlines()) == 2_708
    assert len(parts["cora.cites"].splitlines()) == 5_429
    assert len(parts["ind.cora.test.index"].split()) == 1_000


def test_registry_agrees_with_the_mirror(real):
    """Where the mirror lists its own files, sizes, sums and URLs are the same as ours."""
    listing = Path(REAL_MIRROR) / "registry.tsv"
    if not listing.is_file():
        pytest.skip("the mirror has no registry.tsv in a local folder")
    lines = listing.read_text(encoding="utf-8").splitlines()[1:]
    theirs = {(r[3], int(r[1]), r[0], r[4]) for r in (line.split("\t") for line in lines)}
    rows = [row for files in real_rows().values() for row in files]
    ours = {(row["local"], row["size"], row["sha256"], row["url"]) for row in rows}
    assert len(ours) == 69 and ours <= theirs
