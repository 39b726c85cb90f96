"""The finished runs of a study that is not finished, one a line: NAME.partial.jsonl.

The file may be committed, so that a long study goes on on another machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Set
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock

from rnnlib.paths import written_beside

Settings = dict[str, Any]
Run = dict[str, Any]  # "settings", "seconds", "result", and "code": the versions that made it


def key(settings: Settings) -> str:
    """Equal for equal settings, in whatever order."""
    return json.dumps(settings, sort_keys=True)


def parsed(line: bytes) -> Run | None:
    """The run on a line, or None where there is none: half a line, no JSON, something else."""
    try:
        run = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kinds = {"settings": dict, "seconds": int | float, "result": dict}
    if not isinstance(run, dict) or not all(isinstance(run.get(k), v) for k, v in kinds.items()):
        return None
    return run if isinstance(run.setdefault("code", {}), dict) else None


def read(path: Path) -> dict[str, Run]:
    """The finished runs by ``key``, of each the last; prints which lines hold none."""
    runs, odd = {}, []
    for number, line in enumerate(_lines(path), 1):
        if (run := parsed(line)) is not None:
            runs[key(run["settings"])] = run
        elif line.strip():
            odd.append(number)
    if odd:
        lines = "line" if len(odd) == 1 else "lines"
        numbers = ", ".join(map(str, odd))
        print(f"{path.name}: no finished run is on {lines} {numbers}, passed over")
    return runs


def append(path: Path, run: Run) -> None:
    """Put a run behind the others, safe from a kill or a power cut when this returns.

    Several processes may do so at once.
    """
    line = json.dumps(run).encode() + b"\n"
    with _lock(path), open(path, "ab+", buffering=0) as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a line cut off by a power cut does not spoil this one
                line = b"\n" + line
        file.write(line)
        os.fsync(file.fileno())


def drop(path: Path, used: Set[str]) -> None:
    """Take the runs with these keys out, and what is no run; without others the file goes."""
    with _lock(path):
        runs = [(line, parsed(line)) for line in _lines(path)]
        kept = [line for line, run in runs if run is not None and key(run["settings"]) not in used]
        if not kept:
            path.unlink(missing_ok=True)
            return
        with written_beside(path) as beside:
            beside.write_bytes(b"".join(line + b"\n" for line in kept))


def _lock(path: Path) -> BaseFileLock:
    return FileLock(path.with_suffix(".lock"))


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n") if path.exists() else []
