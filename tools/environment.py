"""Make the book's virtual environment, and bring it up to date when the pins have changed.

    python3 tools/environment.py [--venv .venv]

Runs with the standard library alone, also on a Python that is too old, to say so.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = (3, 11), (3, 13)


def say(text: str) -> None:
    """Print one line at once."""
    print("==> " + text, flush=True)


def stop(text: str) -> None:
    """Print what is missing and leave."""
    print("\n" + text, file=sys.stderr)
    sys.exit(1)


def runs(name: str) -> bool:
    """Whether this Python starts: a version manager's stand-in may not."""
    quiet = subprocess.DEVNULL
    return subprocess.call([name, "-c", ""], stdout=quiet, stderr=quiet) == 0


def require_python() -> None:
    """Leave with a message unless this Python can build the book."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    names = ["python3.13", "python3.12", "python3.11"]
    found = [name for name in names if shutil.which(name) and runs(name)]
    advice = (
        "Found here: {0}. Try: make book PYTHON={0}".format(found[0])
        if found
        else "Install one of these from https://www.python.org, "
        "then name it: make book PYTHON=python3.12"
    )
    stop(
        "{} is Python {}.{}; the book needs Python 3.11, 3.12 or 3.13.\n{}".format(
            sys.executable, sys.version_info[0], sys.version_info[1], advice
        )
    )


def fingerprint() -> str:
    """What the environment depends on: the pins, the library's metadata, this Python."""
    text = [sys.version, str(ROOT)]
    text += [(ROOT / name).read_text("utf-8") for name in ("requirements.txt", "pyproject.toml")]
    return hashlib.sha256("\n".join(text).encode()).hexdigest()


def create(venv: Path) -> None:
    """Make an empty virtual environment."""
    say("making a virtual environment in {}".format(venv))
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)])
    if done.returncode:
        stop(
            "Python could not make a virtual environment.\n"
            "On Debian and Ubuntu the venv module is a package of its own: "
            "sudo apt-get install python3-venv"
        )


def install(python: Path) -> None:
    """Install the pins, then rnnlib itself so that edits count at once."""
    say("installing the pinned packages (about a minute and 1.3 GB)")
    if sys.platform == "linux" and "cpu" not in os.environ.get("PIP_EXTRA_INDEX_URL", ""):
        say("no GPU? torch gets smaller: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run([*pip, "-r", str(ROOT / "requirements.txt")])
    if not done.returncode:
        say("installing rnnlib from this folder")
        done = subprocess.run([*pip, "--no-deps", "--editable", str(ROOT)])
    if done.returncode:
        stop(
            "pip could not install what requirements.txt names; its message is above.\n"
            "Usual causes: no connection to the package index (set PIP_INDEX_URL for a mirror),\n"
            "less than 5 GB free on the disk, or a Python without wheels for these versions\n"
            "(3.11, 3.12 and 3.13 have them). Nothing is lost: run the same command again."
        )


def main() -> None:
    """Make or update the environment; do nothing when it is as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    venv = parser.parse_args().venv
    require_python()
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = venv / "rnnlib-stamp"
    now = fingerprint()
    if python.exists() and stamp.exists() and stamp.read_text() == now:
        say("environment {} is up to date".format(venv))
        return
    if not python.exists():
        create(venv)
    stamp.unlink(missing_ok=True)
    install(python)
    stamp.write_text(now)


if __name__ == "__main__":
    main()
