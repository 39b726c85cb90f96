"""A study of one line, for workers to import; as a script, the command line with another folder.

``python tiny_study.py FOLDER ARGUMENTS``: the studies and ``tiny``; records go to FOLDER/results.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

from helpers import wait_until

from rnnlib.experiments import __main__ as command_line
from rnnlib.experiments import study

FREE = 3  # so many seeds wait for nothing


def run(*, seed: int, fails: bool = False, until: str = "", ends: str = "") -> dict[str, Any]:
    """Twice the seed; from seed FREE on not before there is a file ``until``.

    The process ends in the middle of seed FREE where there is no file ``ends`` yet.
    """
    if ends and seed == FREE and not Path(ends).exists():
        Path(ends).touch()
        os._exit(9)
    if until and seed >= FREE:
        wait_until(Path(until).exists)
    if fails:
        raise ArithmeticError(f"seed {seed} fails")
    return {"twice": 2 * seed}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--until", default="")
    parser.add_argument("--ends", default="")


def main(chosen: argparse.Namespace) -> None:
    own = {"until": chosen.until, "ends": chosen.ends}
    settings = [{"seed": seed, **own} for seed in range(chosen.seeds)]
    study.run_study(study.not_lost(chosen.name, settings), run, settings, chosen.workers)


if __name__ == "__main__":
    # Ctrl-C is ignored in what a shell starts in the background, and HUP below nohup, tests included.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):  # not on Windows
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    study.data_dir = lambda: Path(sys.argv[1])
    command_line.STUDIES["tiny"] = sys.modules[__name__]
    raise SystemExit(command_line.main(sys.argv[2:]))
