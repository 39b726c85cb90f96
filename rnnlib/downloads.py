"""Download what a URL gives: so many bytes at most, in so much time at most.

Whatever the other side does: a body without end, packed or not, a redirect with one, a byte now
and then, one "100 Continue" after the other. ``requests`` bounds the time between two bytes only
and reads the bodies of redirects whole.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.compat import urljoin
from urllib3.exceptions import NewConnectionError

CHUNK = 2**16  # bytes read at a time
REDIRECTS = 10  # followed one after the other
AT_ONCE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # a linger of 0 seconds


def fetch(
    url: str, limit: int, seconds: float, idle: float, seen: Callable[[int], Any] = lambda n: None
) -> bytes:
    """The first ``limit`` bytes of what ``url`` gives; all, if it gives no more.

    Args:
        url: of http or https.
        limit: bytes that are read, and kept in memory, at most.
        seconds: until all must be there.
        idle: seconds to wait for a connection, and for the next byte.
        seen: called with the number of bytes that came.

    Raises:
        OSError: it cannot be had, for whatever reason; TimeoutError: not in ``seconds``.
    """
    lines, got, failed = _Lines(), [], []

    def work() -> None:
        try:
            got.append(_get(lines, url, limit, idle, seen))
        except Exception as error:
            failed.append(error)

    # A thread, because nothing else gives up a name server or a flood of headers in time.
    thread, end = threading.Thread(target=work, daemon=True), time.monotonic() + seconds
    thread.start()
    try:
        while thread.is_alive() and (left := end - time.monotonic()) > 0:
            thread.join(min(left, 0.2))  # short, so that Ctrl-C is heard everywhere
    finally:
        late = thread.is_alive()
        lines.cut()
    if late:
        raise TimeoutError(f"{url} was not there within {seconds:.3g} seconds")
    if got:
        return got[0]
    (error,) = failed
    given_up: Any = next(iter(error.args), None)  # urllib3's, which knows where a redirect had led
    if isinstance(getattr(given_up, "reason", None), NewConnectionError):
        where = f"{given_up.pool.host}:{given_up.pool.port}"
        raise ConnectionError(
            f"no connection to {where}: is the address right, is there a network?"
        ) from error
    if isinstance(error, OSError):  # those of requests are
        raise error
    raise ConnectionError(f"{type(error).__name__}: {error}") from error


def _get(lines: _Lines, url: str, limit: int, idle: float, seen: Callable[[int], Any]) -> bytes:
    # "identity": the length the server states is then the length of the file
    headers = {"Accept-Encoding": "identity"}
    with _Session() as session:
        session.mount("http://", lines)
        session.mount("https://", lines)
        for _ in range(REDIRECTS + 1):
            with session.get(url, headers=headers, stream=True, timeout=idle) as answer:
                if not answer.is_redirect:
                    answer.raise_for_status()
                    return _body(answer, limit, seen)
                url = urljoin(url, answer.headers["location"])
    raise ConnectionError(f"more than {REDIRECTS} redirects, the last to {url}")


def _body(answer: requests.Response, limit: int, seen: Callable[[int], Any]) -> bytes:
    """The body, unpacked no further than ``limit``."""
    packed = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise ConnectionError(f"the body came packed as {packed!r}, expected it as it is")
    unpack = zlib.decompressobj(32 + zlib.MAX_WBITS) if packed not in ("identity", "") else None
    body = bytearray()
    while (left := limit - len(body)) > 0:
        part = answer.raw.read(min(CHUNK, left) if unpack is None else CHUNK, decode_content=False)
        if not part:
            if unpack is not None and not unpack.eof:
                raise ConnectionError("the packed body broke off")
            break
        if unpack is not None:
            part = unpack.decompress(part, left)
        body += part
        seen(len(part))
    return bytes(body)


class _Session(requests.Session):
    """Follows no redirect by itself: it would read the body of each whole."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _Lines(HTTPAdapter):
    """Makes the connections, and knows them, so that another thread can cut them."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.over = False
        super().__init__()

    def cut(self) -> None:
        """End what is open, and what will be opened yet; the other side hears of it at once."""
        self.over = True
        for line in list(self.sockets):
            with contextlib.suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close all, also what an odd answer left open."""
        super().close()
        for line in self.sockets:
            with contextlib.suppress(OSError):  # it is closed
                socket.close(line.detach())

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        self._watch(manager)
        return manager

    def _watch(self, manager: Any) -> None:
        """Let the manager make connections that tell their sockets."""

        def watched(pool: Any) -> Any:
            def connect(connection: Any) -> None:
                pool.ConnectionCls.connect(connection)
                self.sockets.append(connection.sock)
                if self.over:
                    self.cut()

            made = type("Watched", (pool.ConnectionCls,), {"connect": connect})
            return type("Pool", (pool,), {"ConnectionCls": made})

        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: watched(pool) for scheme, pool in pools.items()}
