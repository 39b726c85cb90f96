"""Which code made a run."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import torch

PACKAGE = Path(__file__).resolve().parent.parent
SOURCES = "**/*.py"


@functools.cache
def code() -> dict[str, str]:
    """Versions of "rnnlib", "python", "torch" and "numpy"; that of rnnlib is ``sources``'s."""
    return {
        "rnnlib": sources(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def sources(package: Path = PACKAGE) -> str:
    """The last commit that changed a source of the package, as twelve hexadecimal digits.

    Sources with changes that are not committed have "+" and a hash of them all behind it; without
    git or a repository "sources " and that hash. Commits to other files change nothing.
    """
    pathspec = f":(glob){SOURCES}"
    try:
        commit = _git(package, "log", "-1", "--format=%H", "--", pathspec)[:12]
        changed = _git(package, "status", "--porcelain", "--", pathspec)
    except (OSError, subprocess.CalledProcessError):
        commit = ""
    if commit and not changed:
        return commit
    return f"{commit}+{_hash(package)}" if commit else f"sources {_hash(package)}"


def _git(package: Path, *arguments: str) -> str:
    elsewhere = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}  # as in a hook
    command = ["git", "-C", str(package), *arguments]
    done = subprocess.run(command, env=elsewhere, capture_output=True, check=True)
    return done.stdout.decode(errors="replace").strip()


def _hash(package: Path) -> str:
    """Twelve digits of the sha256 of all sources, whatever ends their lines."""
    digest = hashlib.sha256()
    for path in sorted(package.glob(SOURCES), key=lambda p: p.relative_to(package).as_posix()):
        text = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.relative_to(package).as_posix()} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:12]
