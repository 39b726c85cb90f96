"""The command line with another folder, where a run of char_lm gets as far as step HELD_AT.

``python held_char_lm.py FOLDER ARGUMENTS``: there the run says so, and waits to be killed.
"""

import sys
from pathlib import Path

from helpers import wait_until

from rnnlib.experiments import __main__ as command_line
from rnnlib.experiments import char_lm, study

HELD_AT = 15
rate = char_lm.rate


def held(step: int, steps: int, lr: float, decay: float) -> float:
    """The learning rate; each step asks for it before its checkpoint is written."""
    if step == HELD_AT:
        print("\nheld", file=sys.stderr, flush=True)
        wait_until(lambda: False)
    return rate(step, steps, lr, decay)


if __name__ in ("__main__", "__mp_main__"):  # here, and in the workers, which import this file
    char_lm.rate = held

if __name__ == "__main__":
    study.data_dir = lambda: Path(sys.argv[1])
    raise SystemExit(command_line.main(sys.argv[2:]))
