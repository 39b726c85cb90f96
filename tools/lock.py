"""Lock the book's environment: every package that requirements.txt brings, with its hashes.

    python tools/lock.py

Resolves anew with uv, for every system and Python that the book runs on, and writes
requirements.lock. Torch, and what its build for NVIDIA's GPUs brings, goes into
requirements-torch.lock: who takes torch from another place leaves that file out
(tools/environment.py).
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from environment import LOCK, OLDEST, ROOT, TORCH_LOCK, stop

HEAD = "# Written by `make lock` from requirements.txt: {}. Do not edit.\n"
WITH_TORCH = re.compile(r"(torch|triton|cuda-[\w-]+|nvidia-[\w-]+)==")


def resolve(requirements: Path) -> str:
    """All packages with versions, markers and hashes, for every system."""
    command = [sys.executable, "-m", "uv", "pip", "compile", str(requirements), "--quiet"]
    command += ["--universal", "--python-version", "{}.{}".format(*OLDEST)]
    command += ["--generate-hashes", "--no-header", "--no-annotate"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    if done.returncode:
        stop("uv could not resolve requirements.txt; its message is above.")
    return done.stdout


def split(resolved: str) -> tuple[str, str]:
    """The lock without torch, and the lock of torch and of what only torch needs."""
    packages = re.split(r"^(?=\S)", resolved, flags=re.MULTILINE)
    torch = [package for package in packages if WITH_TORCH.match(package)]
    return "".join(p for p in packages if p not in torch), "".join(torch)


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.parse_args()
    rest, torch = split(resolve(ROOT / "requirements.txt"))
    LOCK.write_text(HEAD.format("everything but torch") + rest, "utf-8", newline="\n")
    what = "torch, and what it needs for NVIDIA's GPUs"
    TORCH_LOCK.write_text(HEAD.format(what) + torch, "utf-8", newline="\n")
    for path in (LOCK, TORCH_LOCK):
        text = path.read_text("utf-8")
        print(f"{path.name}: {text.count('==')} packages, {text.count('--hash=')} hashes")


if __name__ == "__main__":
    main()
