"""Downloads: whole or not at all, so many bytes and so much time at most, whoever answers.

A raw server on 127.0.0.1 sends what each test tells it to. The attacks end by what is counted in
them, or by the deadline, which the test sets; none needs a machine of any speed.
"""

import gzip
import io
import lzma
import re
import socket
import tarfile
import threading
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable

import pytest
from helpers import HANGS
from test_corpora import FILES, PLAIN, TALES, World, offline, tar_xz, world  # noqa: F401

from rnnlib import corpora, downloads

HEAD = b"HTTP/1.1 200 OK\r\n"
Answer = Callable[[Callable[[bytes], None]], None]  # what a connection is answered with


class Raw:
    """A server that answers the requests one after the other with what is in ``answers``."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.answers: dict[str, Answer] = {}
        self.sent = 0  # bytes
        self.gone = threading.Event()  # a client went away
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                line, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(line,), daemon=True).start()

    def answer(self, line: socket.socket) -> None:
        def send(data: bytes) -> None:
            line.sendall(data)
            self.sent += len(data)

        with line:
            asked = b""
            while b"\r\n\r\n" not in asked and (part := line.recv(4096)):
                asked += part
            try:
                self.answers[asked.split()[1].decode()](send)
                line.shutdown(socket.SHUT_WR)
                line.recv(1)  # until the client has gone
            except (OSError, IndexError):
                pass
        self.gone.set()


@pytest.fixture
def raw(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Raw()
    yield server
    server.socket.close()


def forever(send: Callable[[bytes], None], head: bytes, part: bytes) -> None:
    send(head)
    while True:
        send(part)


def whole(data: bytes, *headers: str) -> Answer:
    head = HEAD + "".join(f"{h}\r\n" for h in headers).encode()
    return lambda send: send(head + f"Content-Length: {len(data)}\r\n\r\n".encode() + data)


def drip(send: Callable[[bytes], None]) -> None:
    """A body without end, a byte every hundredth of a second, so that no read waits long."""
    send(HEAD + b"\r\n")
    while not threading.Event().wait(0.01):
        send(b".")


# what fetch gives


@pytest.mark.parametrize("limit", [1, 99_999, 100_000, 100_001, 10**7])
def test_the_first_bytes_are_given_and_counted(raw, limit) -> None:
    data = bytes(range(250)) * 400
    raw.answers["/a"] = whole(data)
    seen: list[int] = []
    assert downloads.fetch(f"{raw.url}/a", limit, HANGS, HANGS, seen.append) == data[:limit]
    assert sum(seen) == min(limit, len(data))


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "deflate", "GZIP"])
def test_a_body_that_is_packed_all_the_same_is_unpacked(raw, name) -> None:
    packed = gzip.compress(PLAIN) if "zip" in name.lower() else zlib.compress(PLAIN)
    raw.answers["/a"] = whole(packed, f"Content-Encoding: {name}")
    assert downloads.fetch(f"{raw.url}/a", 10**6, HANGS, HANGS) == PLAIN
    raw.answers["/a"] = whole(packed[:-9], f"Content-Encoding: {name}")
    with pytest.raises(OSError, match="the packed body broke off"):
        downloads.fetch(f"{raw.url}/a", 10**6, HANGS, HANGS)


def test_redirects_are_followed_to_the_end_but_not_for_ever(raw) -> None:
    def to(place: str) -> Answer:
        return lambda send: send(
            f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
        )

    raw.answers |= {f"/{n}": to(f"{n + 1}") for n in range(10)}
    raw.answers["/10"] = whole(b"there")
    assert downloads.fetch(f"{raw.url}/0", 9, HANGS, HANGS) == b"there"
    raw.answers["/start"] = to("/0")
    with pytest.raises(OSError, match="more than 10 redirects"):
        downloads.fetch(f"{raw.url}/start", 9, HANGS, HANGS)
    with socket.socket() as nobody:  # bound, and nobody listens
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        raw.answers["/away"] = to(f"http://{place}/")
        with pytest.raises(ConnectionError, match=f"no connection to {place}: is the address"):
            downloads.fetch(f"{raw.url}/away", 9, HANGS, HANGS)


ODD = {
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "nothing": b"",
    "a bad status": b"HTTP/1.1 2x0 OK\r\n\r\n",
    "too many headers": HEAD + b"A: b\r\n" * 101 + b"\r\n",
    "a line too long": HEAD + b"A: " + b"b" * 70_000 + b"\r\n\r\n",
    "a length that is none": HEAD + b"Content-Length: 9, 8\r\n\r\nabc",
    "too little": HEAD + b"Content-Length: 9\r\n\r\nabc",
    "a bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    "bad gzip": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "unknown packing": HEAD + b"Content-Encoding: gzip, gzip\r\nContent-Length: 3\r\n\r\nabc",
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "to a file": b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
    "to nowhere": b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\n\r\n",
    "to a bad host": b"HTTP/1.1 302 Found\r\nLocation: http://a..b/\r\n\r\n",
    "to a bad port": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:99999/\r\n\r\n",
    "in odd letters": b"HTTP/1.1 302 Found\r\nLocation: http://\xff\xfe\x80/\r\n\r\n",
}
ADDRESSES = ["http://a..b/", "http://[::1", "http://exa mple/", f"http://{'a' * 70}.org/",
             "http://127.0.0.1:99999/", "file:///etc/passwd", "http://", "http://\0/"]  # fmt: skip


@pytest.mark.parametrize("how", list(ODD))
def test_every_odd_answer_is_an_os_error(raw, how) -> None:
    raw.answers["/a"] = lambda send: send(ODD[how])
    with pytest.raises(OSError):
        downloads.fetch(f"{raw.url}/a", 1000, HANGS, HANGS)


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_odd_address_is_an_os_error(address) -> None:
    with pytest.raises(OSError):
        downloads.fetch(address, 1000, HANGS, HANGS)


# attacks that end by counting


def endless(send: Callable[[bytes], None]) -> None:
    forever(send, HEAD + b"\r\n", bytes(2**16))


def bomb(send: Callable[[bytes], None]) -> None:
    pack = zlib.compressobj(9, wbits=31)
    send(HEAD + b"Content-Encoding: gzip\r\n\r\n")
    while True:
        send(pack.compress(bytes(2**24)) + pack.flush(zlib.Z_FULL_FLUSH))


@pytest.mark.parametrize("attack", [endless, bomb])
def test_a_body_without_end_is_read_no_further_than_the_limit(raw, attack) -> None:
    raw.answers["/a"] = attack
    tracemalloc.start()
    got = downloads.fetch(f"{raw.url}/a", 300_000, HANGS, HANGS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert got == bytes(300_000)
    assert raw.gone.wait(HANGS)  # the line was closed
    assert peak < 2**24 + 2**23 * 3  # the server's own 16 MB count too


def test_the_body_of_a_redirect_is_not_read(raw) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /b\r\n\r\n"
    raw.answers |= {"/a": lambda send: forever(send, head, bytes(2**16)), "/b": whole(b"there")}
    assert downloads.fetch(f"{raw.url}/a", 9, HANGS, HANGS) == b"there"
    assert raw.gone.wait(HANGS)


# attacks that end by the deadline


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 500),  # trailers
        (HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"", mtime=0)[:10],
         zlib.compressobj(wbits=-15).flush(zlib.Z_FULL_FLUSH) or b"\0\0\0\xff\xff"),
    ],
    ids=["continue", "trailers", "empty blocks"],
)  # fmt: skip
def test_a_flood_that_brings_nothing_ends_at_the_deadline(raw, head, part) -> None:
    raw.answers["/a"] = lambda send: forever(send, head, part)
    with pytest.raises(TimeoutError, match=re.escape("was not there within 0.5 seconds")):
        downloads.fetch(f"{raw.url}/a", 1000, 0.5, HANGS)
    assert raw.gone.wait(HANGS)  # the line was cut, and nobody reads on


def test_a_drip_ends_at_the_deadline(raw) -> None:
    raw.answers["/a"] = drip
    with pytest.raises(TimeoutError, match=r"within 0\.5 seconds"):
        downloads.fetch(f"{raw.url}/a", 10**9, 0.5, HANGS)
    assert raw.gone.wait(HANGS)


def test_a_line_that_opens_after_the_deadline_is_cut_at_once(raw, monkeypatch) -> None:
    """As where a name server answers late: the thread that waits for it goes on alone."""
    late, create = threading.Event(), socket.getaddrinfo

    def slow(*arguments, **named):
        late.wait(HANGS)
        return create(*arguments, **named)

    raw.answers["/a"] = lambda send: forever(send, b"", b"HTTP/1.1 100 Continue\r\n\r\n")
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with pytest.raises(TimeoutError):
        downloads.fetch(f"{raw.url}/a", 1000, 0.3, HANGS)
    late.set()
    assert raw.gone.wait(HANGS)


# corpora: from servers and mirrors that mean no good


@pytest.mark.parametrize("source", ["download", "mirror"])
def test_a_corpus_that_drips_reaches_the_fallback(world, raw, monkeypatch, capsys, source) -> None:  # noqa: F811
    monkeypatch.setattr(corpora, "TIMEOUT", 0.3)
    monkeypatch.setattr(corpora, "SLOWEST", 1e9)
    places = [f"/origin/grimm/{key}" for key in FILES["grimm"][1]] + ["/m/gutenberg/wolves.txt"]
    raw.answers |= {place: drip for place in places}
    world.write_registry(raw.url)
    if source == "mirror":
        monkeypatch.setenv("RNNLIB_DATA_MIRROR", f"{raw.url}/m")
    assert corpora.load("grimm", fallback="tales") == TALES
    assert re.search(r"\(TimeoutError: .*\); fell back to 'tales'", capsys.readouterr().out)


@pytest.mark.parametrize("source", ["download", "mirror"])
def test_a_corpus_without_end_is_refused(world, raw, monkeypatch, source) -> None:  # noqa: F811
    raw.answers |= {"/origin/grimm/wolves.txt": endless, "/m/gutenberg/wolves.txt": endless}
    raw.answers |= {"/m/tang/poet.tar.xz": endless}
    world.write_registry(raw.url)
    if source == "mirror":
        monkeypatch.setenv("RNNLIB_DATA_MIRROR", f"{raw.url}/m")
        with pytest.raises(corpora.CorpusDamaged, match="it has more than"):
            corpora.load("tang")
    size = len(FILES["grimm"][1]["wolves.txt"][1])
    with pytest.raises(corpora.CorpusDamaged, match=f"found {size + 1} or more bytes"):
        corpora.load("grimm")
    assert world.cached() == {}


def test_a_mirror_that_cannot_be_named_is_passed_over(offline, monkeypatch, capsys) -> None:  # noqa: F811
    for mirror in (*ADDRESSES[:5], "file:///a%00b"):
        monkeypatch.setenv("RNNLIB_DATA_MIRROR", mirror)
        assert corpora.load("grimm", fallback="tales") == TALES
        assert "fell back to 'tales'" in capsys.readouterr().out


def test_the_deadline_grows_with_the_size() -> None:
    assert corpora.deadline(0) == corpora.TIMEOUT
    assert corpora.deadline(10**6) == corpora.TIMEOUT + 10**6 / corpora.SLOWEST
    assert corpora.deadline(550_595) < 60 < 300 < corpora.LINK_SECONDS + corpora.deadline(10**7)


# archives


def archive(world: World, monkeypatch, name: str, blob: bytes) -> str:  # noqa: F811
    """Load a corpus whose archive in the mirror is ``blob``; what is said of it, and the memory."""
    container = next(iter(FILES[name][1].values()))[0].partition("!")[0]
    (world.mirror / container).write_bytes(blob)
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", str(world.mirror))
    cached = world.cached()
    tracemalloc.start()
    try:
        with pytest.raises(corpora.CorpusDamaged) as caught:
            corpora.load(name)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30 * 2**20
    assert world.cached() == cached
    return str(caught.value)


@pytest.fixture(scope="module")
def zeros() -> bytes:
    """An xz file of 15 kB that unpacks to 100 MB."""
    pack = lzma.LZMACompressor(preset=0)
    return b"".join(pack.compress(bytes(10**7)) for _ in range(10)) + pack.flush()


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def test_xz_is_unpacked_no_further_than_the_size(world, monkeypatch, zeros) -> None:  # noqa: F811
    size = len(FILES["wikitext-2"][1]["train"][1])
    assert f"found {size + 1} or more bytes" in archive(world, monkeypatch, "wikitext-2", zeros)


def test_a_tar_is_unpacked_no_further_than_its_room(world, monkeypatch, zeros) -> None:  # noqa: F811
    assert "it unpacks to more than" in archive(world, monkeypatch, "tang", zeros)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_tar_header_that_claims_gigabytes_takes_no_memory(world, monkeypatch, kind) -> None:  # noqa: F811
    claims = lzma.compress(header("poet.0.json", 8 * 10**9, kind) + bytes(2048))
    assert "is refused" in archive(world, monkeypatch, "tang", claims)


def test_a_tar_that_goes_round_in_circles_ends(world, monkeypatch) -> None:  # noqa: F811
    back = lzma.compress(header("poet.1.json", 0) + header("poet.0.json", -512) + bytes(2048))
    said = archive(world, monkeypatch, "tang", back)
    # some versions of tarfile stop at such a header by themselves
    assert "has no size that can be" in said or "'poet.0.json' not found" in said


def test_xz_that_wants_much_memory_is_refused(world, monkeypatch) -> None:  # noqa: F811
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**29}]
    wants = lzma.LZMACompressor(filters=[{"id": lzma.FILTER_LZMA2, "preset": 0}])
    blob = bytearray(wants.compress(b"a") + wants.flush())
    place = blob.index(b"\x21\x01", 12) + 2  # the size of the dictionary, in the block's header
    blob[place] = 38  # 2 GB
    end = 12 + 4 * (blob[12] + 1) - 4  # its checksum
    blob[end : end + 4] = zlib.crc32(blob[12:end]).to_bytes(4, "little")
    assert filters and "emory" in archive(world, monkeypatch, "wikitext-2", bytes(blob))


def test_xz_in_several_streams_is_one_file(world, monkeypatch) -> None:  # noqa: F811
    data = FILES["wikitext-2"][1]["train"][1]
    halves = lzma.compress(data[:100]) + bytes(8) + lzma.compress(data[100:])
    (world.mirror / "wiki" / "train.txt.xz").write_bytes(halves)
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", str(world.mirror))
    assert corpora.load("wikitext-2")["train"].encode() == data
    assert "more than 100 streams" in archive(world, monkeypatch, "tang", lzma.compress(b"") * 200)


def test_a_zip_member_that_deflate_did_not_pack_is_refused(world, monkeypatch) -> None:  # noqa: F811
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_BZIP2) as packed:
        packed.writestr("cora/cora.cites", bytes(10**8))
    assert "is not packed by deflate" in archive(world, monkeypatch, "cora", out.getvalue())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("cora/cora.cites", bytes(10**8))
    size = len(FILES["cora"][1]["cora.cites"][1])
    assert f"found {size + 1} or more bytes" in archive(world, monkeypatch, "cora", out.getvalue())


def test_an_archive_of_another_packer_is_taken(world, monkeypatch) -> None:  # noqa: F811
    members = {place.partition("!")[2]: data for place, data in FILES["tang"][1].values()}
    (world.mirror / "tang" / "poet.tar.xz").write_bytes(tar_xz({"README": b"a", **members}))
    monkeypatch.setenv("RNNLIB_DATA_MIRROR", str(world.mirror))
    assert len(corpora.load("tang")) == 2
