"""Make the book's virtual environment, and bring it up to date when the lock has changed.

    python3 tools/environment.py [--venv .venv]

Every package comes with a hash, from requirements.lock (tools/lock.py). Torch comes from the
address TORCH_INDEX in the environment; where none is given, from a wheel on this machine that pip
is set to find (find-links), else from the package index with the hashes of requirements-torch.lock.

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
PINS = ROOT / "requirements.txt"
LOCK = ROOT / "requirements.lock"
TORCH_LOCK = ROOT / "requirements-torch.lock"
CPU_TORCH = "https://download.pytorch.org/whl/cpu"


def say(text: str) -> None:
    """Print one line at once."""
    print("==> " + text, flush=True)


def stop(text: str) -> None:
    """Print what is missing and leave."""
    print("\n" + text, file=sys.stderr)
    sys.exit(1)


def works(command: list) -> bool:
    """Whether a command ends well, without a word."""
    quiet = subprocess.DEVNULL
    return subprocess.call(command, stdout=quiet, stderr=quiet) == 0


def require_python() -> None:
    """Leave with a message unless this Python can build the book."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    names = ["python3.13", "python3.12", "python3.11"]
    # A version manager's stand-in may be there and not start.
    found = [name for name in names if shutil.which(name) and works([name, "-c", ""])]
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
    """What the environment depends on: the lock, the library's metadata, this Python."""
    text = [sys.version, str(ROOT)]
    files = (PINS, LOCK, TORCH_LOCK, ROOT / "pyproject.toml")
    text += [path.read_text("utf-8") for path in files]
    return hashlib.sha256("\n".join(text).encode()).hexdigest()


def has_pip(python: Path) -> bool:
    """Whether this environment can install: where making it failed half-way, pip is missing."""
    return python.exists() and works([str(python), "-m", "pip", "--version"])


def create(venv: Path) -> None:
    """Make an empty virtual environment, or leave nothing."""
    if venv.exists() and any(venv.iterdir()) and not (venv / "pyvenv.cfg").exists():
        stop("{} holds other files, so no environment is made there. Try VENV=.venv".format(venv))
    say("making a virtual environment in {}".format(venv))
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)])
    if done.returncode:
        shutil.rmtree(venv, ignore_errors=True)
        stop(
            "Python could not make a virtual environment; its message is above.\n"
            "On Debian and Ubuntu the venv module is a package of its own: "
            "sudo apt-get install python3-venv\n"
            "Then run the same command again."
        )


def install(python: Path) -> None:
    """Install what is locked, then rnnlib itself so that edits count at once."""
    say("installing the locked packages (a few minutes)")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    locked = [*pip, "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r"]
    editable = [*pip, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    if (
        subprocess.call([*locked, str(LOCK)])
        or install_torch([*pip, "--no-deps"], [*locked, str(TORCH_LOCK)])
        or subprocess.call(editable)
    ):
        stop(
            "pip could not install what is locked; its message is above.\n"
            "Usual causes: no connection to the package index (set PIP_INDEX_URL for a mirror),\n"
            "less than 7 GB free on the disk, or a Python without wheels for these versions\n"
            "(3.11, 3.12 and 3.13 have them). Nothing is lost: run the same command again."
        )


def install_torch(pip: list, locked: list) -> int:
    """Install torch from the one place it should come from; return pip's exit status."""
    pin = next(line for line in PINS.read_text("utf-8").splitlines() if line.startswith("torch=="))
    index = os.environ.get("TORCH_INDEX")
    if index:
        say("torch comes from {}".format(index))
        one_index = dict(os.environ, PIP_EXTRA_INDEX_URL="")
        return subprocess.call([*pip, "--index-url", index, pin], env=one_index)
    if works([*pip, "--no-index", pin]):
        return 0  # from a wheel on this machine
    if sys.platform == "linux":
        say("torch brings NVIDIA's libraries (5 GB in all). No such GPU? Stop with Ctrl-C, then:")
        say("make book TORCH_INDEX={}".format(CPU_TORCH))
    return subprocess.call(locked)


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
    if not has_pip(python):
        create(venv)
    stamp.unlink(missing_ok=True)
    install(python)
    stamp.write_text(now)


if __name__ == "__main__":
    main()
