"""The command line: ``python -m rnnlib.experiments STUDY [options]``."""

from __future__ import annotations

import argparse
import errno
import signal
import sys
from contextlib import suppress

from rnnlib import terminal, validate
from rnnlib.experiments import (
    char_lm,
    cora,
    far,
    frequency,
    gradient_flow,
    lstm_units,
    memory,
    ngram_lm,
    optimizers,
    palindrome,
    palindrome_memory,
    parallel,
    rnn_lm,
    shakespeare,
    signals,
    study,
    tang,
    wikitext,
)
from rnnlib.experiments.workers import WorkerLost

STUDIES = {
    "palindrome": palindrome,
    "palindrome_memory": palindrome_memory,
    "memory": memory,
    "far": far,
    "gradient_flow": gradient_flow,
    "lstm_units": lstm_units,
    "frequency": frequency,
    "optimizers": optimizers,
    "char_lm": char_lm,
    "shakespeare": shakespeare,
    "wikitext": wikitext,
    "ngram_lm": ngram_lm,
    "rnn_lm": rnn_lm,
    "tang": tang,
    "cora": cora,
    "parallel": parallel,
}


DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)  # a file or folder that may not be written


def positive(text: str) -> int:
    """An option's value that counts something."""
    return validate.positive_int("value", int(text))


def main(arguments: list[str] | None = None) -> int:
    """Run the study that the arguments name; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m rnnlib.experiments", description=__doc__)
    studies = parser.add_subparsers(dest="study", required=True, metavar="STUDY")
    for name, module in STUDIES.items():
        text = (module.__doc__ or "").strip()
        one = studies.add_parser(
            name,
            help=text.splitlines()[0],
            description=text,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        module.add_arguments(one)
        one.add_argument("--seeds", type=positive, default=5, help="seeds 0 to SEEDS-1")
        one.add_argument(
            "--workers", type=positive, default=None, help="processes; default: all cores"
        )
        one.add_argument("--name", default=name, help="the record's name: data/results/NAME.json")
        one.add_argument(
            "--anew", action="store_true", help="also runs that another version of the code made"
        )
    chosen = parser.parse_args(arguments)
    study.anew.set(chosen.anew)
    try:
        with signals.handled(signals.stop, signal.SIGINT):  # Ctrl-C is a KeyboardInterrupt already
            STUDIES[chosen.study].main(chosen)
    except KeyboardInterrupt as stopped:
        number = getattr(stopped, "number", signal.SIGINT)
        with suppress(OSError):  # the terminal is gone
            print("interrupted: run the same command again to go on", file=sys.stderr)
        return 128 + number
    except study.Refused as refused:
        print(refused, file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in DENIED:
            raise
        print(
            f"{chosen.study}: {error}\nA study writes beside rnnlib's data: run it in a checkout "
            "of the book that is yours",
            file=sys.stderr,
        )
        return 2
    except WorkerLost as lost:
        print(
            f"{lost}: it was killed, perhaps for want of memory. "
            "Run the same command again to go on, or with fewer --workers",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(terminal.run(main))
