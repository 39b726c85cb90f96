"""What a command needs to write to any terminal, and to a pipe that nobody reads any more."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable

CLOSED = 141  # exit code of a command whose pipe was closed, as shells have it
#   EIO: the terminal itself was closed; EINVAL: what Windows says of a closed pipe
GONE = {errno.EPIPE, errno.EIO} | ({errno.EINVAL} if sys.platform == "win32" else set())


def run(main: Callable[[], int]) -> int:
    """Call ``main`` and return its exit code; for use as ``raise SystemExit(run(main))``.

    A character that the terminal's encoding lacks is written as "?". Once the reader of the output
    is gone, as behind ``| head``, the command ends without a word.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        try:
            return main()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        if error.errno not in GONE or error.filename is not None:
            raise
        for stream in (sys.stdout, sys.stderr):  # what is left in them would fail at exit again
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        return CLOSED
