"""Show the built book on this machine.

python tools/serve.py [--port 8000]
"""

import argparse
import errno
import os
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BOOK = Path(__file__).resolve().parent.parent / "_build" / "html"
TAKEN = (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE))


class Server(ThreadingHTTPServer):
    """Refuses a port that another server has, on Windows too."""

    allow_reuse_address = os.name != "nt"


def main() -> int:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=8000, help="1024 to 65535")
    parser.add_argument("--folder", type=Path, default=BOOK, help="the built book")
    args = parser.parse_args()
    if not (args.folder / "index.html").exists():
        print(f"There is no book in {args.folder}. Run: make book", file=sys.stderr)
        return 1
    handler = partial(SimpleHTTPRequestHandler, directory=str(args.folder))
    try:
        server = Server(("127.0.0.1", args.port), handler)
    except (OSError, OverflowError) as problem:
        taken = getattr(problem, "errno", -1) in TAKEN
        why = "is taken by another program" if taken else f"cannot be used: {problem}"
        print(f"Port {args.port} {why}. Try another: make serve PORT=8765", file=sys.stderr)
        return 1
    with server:
        print(f"==> http://127.0.0.1:{server.server_port} (stop with Ctrl-C)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
