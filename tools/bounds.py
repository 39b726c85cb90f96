"""Test rnnlib with other versions than the book's: the oldest that it allows, or Colab's.

    python tools/bounds.py floor|colab [WORDS FOR PYTEST]

floor: Python 3.11 and the lower bounds in pyproject.toml. colab: Python 3.13 and the versions in
requirements-colab.txt; each notebook also runs alone, as in Colab. All other packages are the
book's. The environment is .venv-floor or .venv-colab; UV_TORCH_BACKEND=cpu makes it smaller.
"""

import argparse
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from environment import NEWEST, OLDEST, PINS, ROOT, say, stop

COLAB = ROOT / "requirements-colab.txt"
PYTHONS = {"floor": OLDEST, "colab": NEWEST}
SETTINGS = {"OMP_NUM_THREADS": "1", "RNNLIB_PROGRESS": "0", "JUPYTER_PREFER_ENV_PATH": "1"}


def names(requirements: list[str]) -> set[str]:
    """The packages that these lines ask for."""
    return {re.split(r"[^\w-]", line)[0] for line in requirements}


def pins(path: Path) -> list[str]:
    """The lines of a file of requirements."""
    lines = path.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def wanted(which: str) -> list[str]:
    """What this environment holds: its own versions, and the book's of all other packages."""
    own = pins(COLAB)
    if which == "floor":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        extras = project["optional-dependencies"].values()
        bounds = [*project["dependencies"], *(line for lines in extras for line in lines)]
        own = [line.replace(">=", "==") for line in bounds]
    return own + [line for line in pins(PINS) if not names([line]) & names(own)]


def uv(*words: str) -> None:
    """Run uv, or leave with its message."""
    if subprocess.run([sys.executable, "-m", "uv", *words]).returncode:
        stop("uv could not make this environment; its message is above.")


def main() -> int:
    """Make the environment, run the tests, and pass on how they ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("which", choices=PYTHONS)
    parser.add_argument("--workers", default=os.environ.get("WORKERS", "2"))
    args, words = parser.parse_known_args()
    venv = ROOT / f".venv-{args.which}"
    version = "{}.{}".format(*PYTHONS[args.which])
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    say(f"Python {version} and the packages of this test in {venv.name} (on Linux up to 5.4 GB)")
    uv("venv", "--quiet", "--seed", "--allow-existing", "--python", version, str(venv))
    install = ("pip", "install", "--quiet", "--python", str(python))
    listed = venv / "requirements.txt"
    listed.write_text("\n".join(wanted(args.which)) + "\n", "utf-8")
    uv(*install, "--requirement", str(listed))
    uv(*install, "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    say("the tests")
    around = os.environ | SETTINGS | ({"RNNLIB_COLAB_TEST": "1"} if args.which == "colab" else {})
    command = [str(python), "-m", "pytest", "-W", "default", "-p", "no:cacheprovider"]
    command += ["-n", args.workers, "--dist", "loadfile", *(words or ["tests"])]
    return subprocess.run(command, cwd=ROOT, env=around).returncode


if __name__ == "__main__":
    sys.exit(main())
