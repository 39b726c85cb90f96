"""A study's run function that workers can import, and the command line with another folder."""

import signal
import sys
import time
from pathlib import Path
from typing import Any

from rnnlib.experiments import __main__ as command_line
from rnnlib.experiments import study


def run(*, seed: int, fails: bool = False, sleep: float = 0) -> dict[str, Any]:
    time.sleep(sleep)
    if fails:
        raise ArithmeticError(f"seed {seed} fails")
    return {"twice": 2 * seed}


if __name__ == "__main__":  # tiny_study.py FOLDER ARGUMENTS: records go to FOLDER/results
    # Ctrl-C is ignored in what a shell starts in the background, tests included.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    study.data_dir = lambda: Path(sys.argv[1])
    raise SystemExit(command_line.main(sys.argv[2:]))
